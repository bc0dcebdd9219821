"""G and D of a recipe: cluster/scaling/reference_nets.py as its keys ask for them, and their first weights."""
import numpy as np
import philox
import reference_nets as nets
import reference_starts as starts
import torch

from .recipe import Unknown

# Keys of a section that are arguments of the functions in reference_nets.py, which leave out what a kind does not have.
_BOTH = ("activation", "slope", "norm", "equalized_lr", "bias_before_norm", "norm_momentum")
_D = (*_BOTH, "dropout", "dropout_channel", "minibatch_stddev", "minibatch_stddev_maps", "minibatch_discrimination", "minibatch_discrimination_size",
      "minibatch_discrimination_plain",
      "spectral_norm")
ARGUMENTS = {("generator", "dcgan"): (*_BOTH, "upsample"), ("generator", "mlp"): _BOTH, ("discriminator", "dcgan"): (*_D, "down", "head"),
             ("discriminator", "mlp"): (*_D, "maxout_pieces"),
             **{("generator", kind): _BOTH for kind in ("dcgan5x5", "crippled")}, **{("discriminator", kind): (*_D, "head") for kind in ("dcgan5x5", "crippled")}}
STARTS = {"default": starts.starts, "he": starts.he_starts, "normal": starts.normal_starts}


def build(recipe, which, shape, classes):
    """A reference network in the run's precision. shape: of a sample, (C,H,W) or (F,)."""
    get, kind = recipe.section(which), recipe.get(f"{which}.kind")
    options = {key: get(key) for key in ARGUMENTS[which, kind] if get(key) not in (None, "default")}
    options.update(classes=classes if recipe.is_conditional else 0, width=get("width"))
    if options.get("spectral_norm"):
        options["spectral_norm"] = get("spectral_norm_iterations")
    if kind == "mlp":
        options["depth"] = get("depth")
    if which == "discriminator":
        options.update(conditional=recipe.get("conditional.kind"), joined=recipe.get("objective.pack") * (2 if recipe.is_paired else 1))
    made = getattr(nets, f"{kind}_{which}")
    sizes = shape[:1] if kind == "mlp" else (shape[1], shape[0])
    try:
        network = made(*sizes, recipe.get("latent.size"), **options) if which == "generator" else made(*sizes, **options)
    except (KeyError, ValueError) as error:
        raise Unknown(f"a {which} like this: {error}") from error
    return network.to(recipe.dtype)


def freeze(layers, n):
    """Section 45: the first n layers with parameters are not trained."""
    for layer in [layer for layer in layers if any(True for _ in layer.parameters())][:n]:
        for parameter in layer.parameters():
            parameter.requires_grad_(False)


def initial_weights(seed, index, network, init="default"):
    """The weights that the formats prescribe, float64, by name: purpose init, place = the parameter's number in parameters().
    To be asked for before weights are loaded or frozen: it reads normalized weights, which moves their vectors, and sees which biases
    are trained."""
    made, shapes = {}, {name: parameter.shape for name, parameter in network.layers.named_parameters()}
    for place, (name, (kind, *how)) in enumerate(STARTS[init](network).items()):
        count = shapes[name].numel()
        if kind == "constant":
            values = np.full(count, how[0])
        elif kind == "normal":
            values = how[0] + how[1] * philox.normal(seed, "init", 0, place, 1, count, index)
        else:
            values = how[0] + (how[1] - how[0]) * philox.uniform(seed, "init", 0, place, 1, count, index)
        made[name] = torch.from_numpy(np.asarray(values).reshape(shapes[name]))
    return made


def unit(vector):
    return torch.nn.functional.normalize(vector, dim=0, eps=1e-12)


def initial_singular_vectors(seed, index, network, weights):
    """_u and _v of spectrally normalized weights, float64: drawn N(0,1), normalized, then 15 power iterations, u first (section 28)."""
    places, found = starts.spectral_places(network), {}
    for name in (name for name in places if name.endswith("._u")):
        owner = name.removesuffix(".0._u")
        matrix = weights[f"{owner}.original"]
        matrix = matrix.reshape(len(matrix), -1)

        def drawn(place, size):
            return unit(torch.from_numpy(philox.normal(seed, "init", 0, place, 1, size, index)[0]))
        v_name = f"{owner}.0._v"
        u, v = drawn(places[name], matrix.shape[0]), drawn(places[v_name], matrix.shape[1])
        for _ in range(15):
            u = unit(matrix @ v)
            v = unit(matrix.T @ u)
        found[name], found[v_name] = u, v
    return found
