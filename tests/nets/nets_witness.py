"""Networks of many recipes against their PyTorch references: names, first weights, outputs, buffers, first and second derivatives.

  nets_witness.py TOOL     (tests/nets/witness_tool.cpp)

Weights and the spectral norm's vectors are drawn a second time by philox.py; the rest follows from a few passes in float64.
"""
import copy
import math
import pathlib
import subprocess
import sys
import tempfile
import unittest

import h5py
import numpy as np
import torch

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "cluster" / "scaling"), str(ROOT / "tests" / "witness")]
import philox  # noqa: E402
import reference_layers as blocks  # noqa: E402
import reference_nets as nets  # noqa: E402
import reference_starts as starts  # noqa: E402

TOOL = sys.argv.pop(1) if len(sys.argv) > 1 else None
TOLERANCE = 1e-10
LATENT, IMAGE_CHANNELS, FEATURES, SEED, REFERENCE_ROWS = 5, 2, 3, 11, 4
PARTS = {"generator": [6], "discriminator": [3, 3]}   # rows of one source: G's fakes; D's reals and fakes in one pass

# (size or "points", classes, joined, conditional.kind, generator's keys, discriminator's keys)
CASES = [
    (28, 0, 1, "none", {}, {}),
    (32, 0, 1, "none", {}, {}),
    ("points", 0, 1, "none", {}, {}),
    (28, 0, 1, "none", {"upsample": "nearest", "activation": "leaky_relu", "slope": 0.3}, {"down": "avg", "spectral_norm": True}),
    (32, 0, 2, "none", {"upsample": "bilinear", "norm": "pixel", "activation": "elu"}, {"down": "max", "head": "gap", "activation": "elu"}),
    (32, 0, 1, "none", {"equalized_lr": True, "norm": "pixel"}, {"equalized_lr": True, "norm": "none", "head": "gsp"}),
    (28, 0, 1, "none", {"equalized_lr": True}, {"equalized_lr": True, "norm": "batch"}),
    (28, 0, 1, "none", {"norm": "none"}, {"spectral_norm": True, "norm": "batch", "activation": "relu"}),
    (32, 3, 1, "planes", {"norm": "conditional"}, {"spectral_norm": True, "norm": "none"}),
    (28, 3, 2, "planes", {"norm": "conditional", "upsample": "nearest"}, {}),
    (32, 3, 1, "projection", {"norm": "conditional"}, {"spectral_norm": True, "norm": "none"}),
    (28, 4, 1, "projection", {"norm": "conditional", "equalized_lr": True}, {"equalized_lr": True, "down": "avg"}),
    (32, 3, 1, "classifier", {}, {}),
    (28, 3, 1, "classifier", {}, {"head": "gap"}),
    ("points", 3, 2, "planes", {"norm": "batch", "activation": "elu"}, {"norm": "batch", "activation": "elu"}),
    ("points", 3, 1, "projection", {"norm": "conditional"}, {"spectral_norm": True}),
    (28, 0, 1, "none", {"norm": "virtual"}, {"dropout": 0.3, "minibatch_stddev": 3, "minibatch_stddev_maps": 2}),
    (32, 0, 1, "none", {"norm": "virtual"}, {"norm": "virtual", "dropout": 0.4, "dropout_channel": True, "down": "avg"}),
    (32, 0, 1, "none", {}, {"minibatch_stddev": 1, "minibatch_discrimination": 3, "minibatch_discrimination_size": 2, "spectral_norm": True, "norm": "none"}),
    (32, 0, 1, "none", {}, {"minibatch_stddev": 1, "minibatch_stddev_maps": 4, "head": "gap"}),
    (28, 3, 1, "projection", {"norm": "conditional"}, {"minibatch_discrimination": 4, "norm": "virtual"}),
    ("points", 0, 1, "none", {"norm": "virtual"}, {"minibatch_stddev": 3, "minibatch_discrimination": 4, "dropout": 0.5, "norm": "virtual"}),
    ("points", 3, 1, "classifier", {"equalized_lr": True, "norm": "pixel"}, {"equalized_lr": True}),
    ("points", 0, 2, "none", {"norm": "batch", "bias_before_norm": False, "norm_momentum": 0.05}, {"activation": "maxout", "maxout_pieces": 3}),
    ("points", 3, 1, "projection", {"norm": "conditional", "norm_momentum": 0.3}, {"activation": "maxout", "norm": "batch", "spectral_norm": True, "bias_before_norm": False}),
    (28, 0, 1, "none", {"kind": "dcgan5x5"}, {"kind": "dcgan5x5"}),
    (28, 3, 2, "planes", {"kind": "dcgan5x5", "norm": "conditional", "bias_before_norm": False}, {"kind": "dcgan5x5", "bias_before_norm": False, "equalized_lr": True}),
    (28, 0, 1, "none", {"kind": "crippled"}, {"kind": "crippled", "slope": 0.3}),
    (28, 3, 1, "projection", {"kind": "crippled", "norm": "none", "equalized_lr": True}, {"kind": "crippled", "norm": "none", "spectral_norm": True}),
    (28, 0, 3, "none", {"kind": "crippled", "norm": "virtual"}, {"kind": "crippled", "dropout": 0.3, "minibatch_stddev": 3, "minibatch_discrimination": 4}),
    (28, 0, 1, "none", {"bias_before_norm": False}, {"norm": "batch", "bias_before_norm": False}),
]


def references(size, classes, joined, kind, generator, discriminator):
    k = classes if kind != "none" else 0
    conditional = {"conditional": kind, "classes": k, "joined": joined}
    if size == "points":
        return nets.mlp_generator(FEATURES, LATENT, 6, 2, classes=k, **generator), nets.mlp_discriminator(FEATURES, 6, 3, **discriminator, **conditional)

    def made(which, keys, *sizes, **more):
        return getattr(nets, f"{keys.get('kind', 'dcgan')}_{which}")(size, IMAGE_CHANNELS, *sizes, **more, **{key: value for key, value in keys.items() if key != "kind"})
    return made("generator", generator, LATENT, 3, classes=k), made("discriminator", discriminator, 3, **conditional)


def drawn(start, seed, index, place, count):
    if start[0] == "constant":
        return np.full(count, start[1])
    if start[0] == "normal":
        return start[1] + start[2] * philox.normal(seed, "init", 0, place, 1, count, index).ravel()
    return start[1] + (start[2] - start[1]) * philox.uniform(seed, "init", 0, place, 1, count, index).ravel()


def first_state(network, index):
    """The parameters and spectral vectors that the formats prescribe."""
    state = network.layers.state_dict()
    for place, (name, start) in enumerate(starts.starts(network).items()):
        state[name] = torch.from_numpy(drawn(start, SEED, index, place, state[name].numel()).reshape(state[name].shape))
    for name, place in starts.spectral_places(network).items():
        vector = torch.from_numpy(philox.normal(SEED, "init", 0, place, 1, state[name].numel(), index).ravel())
        state[name] = vector / vector.norm()
    network.layers.load_state_dict(state)
    for module in network.layers.modules():
        if hasattr(module, "_power_method"):
            owner = next(m for m in network.layers.modules() if isinstance(m, torch.nn.utils.parametrize.ParametrizationList) and module in list(m))
            module._power_method(module._reshape_weight_to_matrix(owner.original.detach()), 15)
    return network


def masks_of(network, parts, x):
    """What each Dropout keeps, by its number: drawn by place, in the order of a sample on disk."""
    shapes, hooks = {}, []
    for number, module in enumerate(network.layers):
        if isinstance(module, blocks.Dropout):
            hooks.append(module.register_forward_hook(lambda module, inputs, output, number=number: shapes.update({number: inputs[0].shape})))
    with torch.no_grad():
        copy.deepcopy(network)(x, torch.zeros(len(x), dtype=torch.long), parts)   # its buffers must not move
    for hook in hooks:
        hook.remove()
    masks = {}
    for number, shape in shapes.items():
        channel = network.layers[number].channel
        size = (1,) * (len(shape) - 2) if channel else tuple(shape[2:])
        kept = [torch.from_numpy(philox.uniform(13, "dropout", 2, 5, rows, shape[1] * math.prod(size), 8 * number + source) >= network.layers[number].p)
                for source, rows in enumerate(parts)]
        masks[number] = torch.cat(kept).view(-1, *size, shape[1]).movedim(-1, 1).double()
    return masks


def key(value):
    return str(value).lower() if isinstance(value, bool) else f'"{value}"' if isinstance(value, str) else str(value)


def apart(found, expected):
    difference = (torch.as_tensor(found, dtype=torch.float64) - expected.detach().double()).abs()
    return (difference / (expected.detach().double().abs() + 1)).max().item() if difference.numel() else 0.0


class Nets(unittest.TestCase):
    def compare(self, case):
        size, classes, joined, kind, *sections = case
        kind_of_net, depth = ("mlp", (2, 3)) if size == "points" else ("dcgan", (2, 2))
        words = [f'conditional.kind="{kind}"']
        for section, keys, layers in zip(("generator", "discriminator"), sections, depth):
            words += [f"{section}.{name}={key(value)}" for name, value in
                      {"kind": kind_of_net, "width": 6 if size == "points" else 3, "depth": layers, **keys}.items()]
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "nets.h5"
            subprocess.run([TOOL, path, str(size), str(classes), str(joined), *words], check=True, env={"OMP_NUM_THREADS": "1"})
            with h5py.File(path) as file:
                labels = torch.from_numpy(file["labels"][()])
                for index, (which, network) in enumerate(zip(("generator", "discriminator"), references(*case))):
                    self.compare_network(file[which], first_state(network.double(), index), labels, PARTS[which])

    def compare_network(self, group, network, labels, parts):
        state = network.layers.state_dict()
        self.assertEqual(sorted(set(group["initial"]) - {"reference", "has_reference"}), sorted(state))
        for name, value in state.items():
            self.assertLess(apart(group["initial"][name][()], value), 1e-11, name)
        x = torch.from_numpy(group["input"][()]).requires_grad_()
        if any(isinstance(module, blocks.VirtualBatchNorm) for module in network.layers):
            network.reference = x.detach()[:REFERENCE_ROWS] * 0.7 + 0.1
        masks = masks_of(network, parts, x.detach())
        network(x * 1, labels, parts, masks)
        y = network(x * 1, labels, parts, masks)
        self.assertEqual(group["output"].shape, tuple(y.shape))
        y.backward(torch.from_numpy(group["upstream"][()]))
        self.assertLess(apart(group["output"][()], y), TOLERANCE)
        expected = {name: p.grad for name, p in network.layers.named_parameters() if p.requires_grad}
        expected["input"] = x.grad
        self.assertEqual(sorted(group["gradient"]), sorted(expected))
        for name, gradient in expected.items():
            self.assertLess(apart(group["gradient"][name][()], gradient), TOLERANCE, name)
        for name, value in network.layers.state_dict().items():
            self.assertLess(apart(group["final"][name][()], value), TOLERANCE, name)
        trained = {name: p for name, p in network.layers.named_parameters() if p.requires_grad}
        outputs = (network(x * 1, labels, parts, masks) * torch.from_numpy(group["upstream"][()])).sum()
        slope, = torch.autograd.grad(outputs, x, create_graph=True)
        second = torch.autograd.grad(slope.square().sum(), list(trained.values()), allow_unused=True)
        for (name, parameter), gradient in zip(trained.items(), second):
            gradient = torch.zeros_like(parameter) if gradient is None else gradient
            self.assertLess(apart(group["second"][name][()], gradient), TOLERANCE, name)


for number, one in enumerate(CASES):
    def test(self, one=one):
        self.compare(one)
    setattr(Nets, f"test_{number:02}_{one[0]}_{one[3]}", test)


if __name__ == "__main__":
    unittest.main()
