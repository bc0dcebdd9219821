"""How the parameters of the networks in reference_nets.py start, by name, as the file formats prescribe: which distribution, and which
place of the draws. The drawing itself is the caller's (tests/witness/philox.py).
"""
import math

from torch import nn

import reference_layers as blocks


def _weight_start(module, convolutional):
    """Of a module's weight and bias: ("normal", mean, std), ("uniform", low, high) or ("constant", value)."""
    if isinstance(module, blocks.ConditionalBatchNorm):
        return ("constant", 1.0), ("constant", 0.0)
    if isinstance(module, blocks.MinibatchDiscrimination):
        return ("normal", 0.0, 1.0 if module.plain else 0.05), ("constant", -1.0)
    if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d, blocks.VirtualBatchNorm)):
        return ("normal", 1.0, 0.02), ("constant", 0.0)
    if isinstance(module, nn.Embedding):
        bound = math.sqrt(6 / (module.num_embeddings + module.embedding_dim))
        return ("uniform", -bound, bound), None
    if hasattr(module, "weight_scale"):
        return ("normal", 0.0, 1.0), ("constant", 0.0)
    if convolutional:
        return ("normal", 0.0, 0.02), ("constant", 0.0)
    bound = 1 / math.sqrt(module.weight.shape[1])
    uniform = ("uniform", -bound, bound)
    return uniform, uniform if module.bias is None or module.bias.requires_grad else ("constant", 0.0)


def normal_starts(network):
    """As starts(), of an MLP whose recipe says init = "normal": weights N(0, 0.02), biases 0."""
    linear = {name for name, module in network.layers.named_modules() if isinstance(module, nn.Linear)}
    found = starts(network)
    for name, (kind, *_) in found.items():
        owner, part = name.replace(".parametrizations.weight.original", ".weight").rsplit(".", 1)
        if owner in linear and kind == "uniform":
            found[name] = ("normal", 0.0, 0.02) if part == "weight" else ("constant", 0.0)
    return found


def he_starts(network):
    """As starts(), of an MLP whose recipe says init = "he": hidden weights U(+-sqrt(6/in)), the last U(+-sqrt(6/(in+out))), biases 0."""
    found, linear = starts(network), [(name, module) for name, module in network.layers.named_modules() if isinstance(module, nn.Linear)]
    for name, module in linear:
        reach = math.sqrt(6 / (module.in_features + (module.out_features if module is linear[-1][1] else 0)))
        weight = f"{name}.weight" if f"{name}.weight" in found else f"{name}.parametrizations.weight.original"
        if found[weight][0] == "uniform":
            found[weight] = ("uniform", -reach, reach)
            if f"{name}.bias" in found:
                found[f"{name}.bias"] = ("constant", 0.0)
    return found


def starts(network):
    """Name -> how the parameter starts, in the order of parameters(). An MLP starts as PyTorch's Linear, all else as DCGAN."""
    convolutional = any(isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)) for module in network.modules())
    found = {}
    for name, _ in network.layers.named_parameters():
        owner, kind = name.rsplit(".", 1)
        if kind == "original":                                      # of a spectrally normalized weight
            owner, kind = owner.removesuffix(".parametrizations.weight"), "weight"
        weight, bias = _weight_start(network.layers.get_submodule(owner), convolutional)
        found[name] = {"weight": weight, "bias": bias, "log_scale": ("constant", 0.0)}[kind]
    return found


def spectral_places(network):
    """Buffer's name -> the place of its first value among the draws of purpose init (normal, then normalized, then 15 iterations)."""
    parameters = sum(1 for _ in network.parameters())
    places = {}
    for name, _ in network.layers.named_buffers():
        if name.endswith(("._u", "._v")):
            first = parameters + 2 * int(name.split(".")[0]) + (2 if ".embedding." in name else 0)
            places[name] = first + (1 if name.endswith("_v") else 0)
    return places
