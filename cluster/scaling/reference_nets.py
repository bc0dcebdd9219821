"""The PyTorch references of ganymede's networks.

Each network is one nn.Sequential, and its numbering is the contract of the file formats: `0.weight`, `1.running_mean` ... in
model.h5 and trace.h5 are the names in these modules' state_dict. Radford et al. 2016 (arXiv 1511.06434), layout of PyTorch's
own DCGAN example; 28 pixels after the small MNIST network that most tutorials use. Keyword arguments are the recipe's keys of
[generator] and [discriminator] under their names there; at their defaults they add no layer.

Shapes: G takes z [N,Z] (with `classes`: and their one-hot numbers behind) and gives [N,C,S,S] in [-1,1] (points: [N,F]); D takes
those and gives logits [N] (conditional = "classifier": [N,1+K], the logit first).
"""
import math

import torch
from reference_layers import (
    ConditionalBatchNorm, Dropout, equalized, GlobalPool, Maxout, MinibatchDiscrimination, MinibatchStddev, PixelNorm,
    ProjectionHead, VirtualBatchNorm, WithPass)
from torch import nn
from torch.nn.utils import parametrizations

SLOPE = 0.2                                    # of every LeakyReLU
IMAGE_SIZES = (28, 32, 64, 128)
GAIN, OUTPUT_GAIN, FIRST_DENSE_GAIN = math.sqrt(2), 1.0, math.sqrt(2) / 4   # of equalized weights
_FACTORS = {32: (4, 2, 1), 64: (8, 4, 2, 1), 128: (16, 8, 4, 2, 1)}   # G's widths at 4, 8, 16 ... pixels; D's are the reverse


class View(nn.Unflatten):
    """z [N,Z] seen as [N,Z,1,1]; not a numbered layer, so it sits outside the Sequential."""

    def __init__(self, latent):
        super().__init__(1, (latent, 1, 1))


class Network(nn.Module):
    """A Sequential with the state_dict of the Sequential itself, and the view of z or of the logits around it."""

    def __init__(self, layers, latent_view=None):
        super().__init__()
        self.layers = layers
        self.latent_view = latent_view
        self.reference = None

    def forward(self, x, labels=None, parts=None, masks=None):
        """labels: classes of the rows. parts: how many consecutive rows come from one source, where several do (default: all).
        masks: number of a Dropout -> what it keeps, 0 or 1 (default: nothing is dropped). `reference`: virtual batch norm's batch."""
        live, parts = len(x), list(parts or [len(x)])
        if self.reference is not None:
            x, parts = torch.cat([x, self.reference]), parts + [len(self.reference)]
            labels = None if labels is None else torch.cat([labels, labels.new_zeros(len(self.reference))])
        for number, module in enumerate(self.layers):
            if isinstance(module, WithPass):
                module.labels, module.parts, module.mask = labels, parts, (masks or {}).get(number)
        return self.layers(x if self.latent_view is None else self.latent_view(x))[:live]


class Discriminator(Network):
    def __init__(self, layers, outputs=1):
        super().__init__(layers)
        self.outputs = outputs

    def forward(self, x, labels=None, parts=None, masks=None):
        y = super().forward(x, labels, parts, masks)
        return y.flatten() if self.outputs == 1 else y.flatten(1)


class _Parts:
    """The layers around a hidden layer, as the keys ask for them."""

    def __init__(self, norm, activation, slope, equalized_lr=False, spectral_norm=False, classes=0, bias_before_norm=True, norm_momentum=0.1,
                 maxout_pieces=5):
        """spectral_norm: how many power iterations; True is one."""
        self.norm, self.activation, self.slope = norm, activation, slope
        self.equalized_lr, self.spectral_norm, self.classes = equalized_lr, spectral_norm, classes
        self.bias_before_norm, self.norm_momentum, self.maxout_pieces = bias_before_norm, norm_momentum, maxout_pieces

    def removes_bias(self):
        return self.norm in ("batch", "virtual", "conditional")

    def keeps_bias(self):
        return self.bias_before_norm or not self.removes_bias()

    def weighted(self, module, gain=GAIN):
        if self.equalized_lr:
            return equalized(module, gain)
        if self.spectral_norm:
            return parametrizations.spectral_norm(module, n_power_iterations=int(self.spectral_norm))
        return module

    def untrained(self, module):
        """The norm behind it removes the bias, and its gradient would be nothing but rounding."""
        if module.bias is None or not self.removes_bias():
            return module
        with torch.no_grad():
            module.bias.zero_()
        module.bias.requires_grad_(False)
        return module

    def norm_layers(self, channels, points=False):
        if self.norm == "batch":
            return [(nn.BatchNorm1d if points else nn.BatchNorm2d)(channels, momentum=self.norm_momentum)]
        if self.norm == "conditional":
            return [ConditionalBatchNorm(channels, self.classes, self.norm_momentum)]
        if self.norm == "virtual":
            return [VirtualBatchNorm(channels)]
        if self.norm in ("none", "pixel"):
            return []
        raise ValueError(f"no reference of norm = {self.norm!r}")

    def activation_layer(self):
        if self.activation == "maxout":
            return Maxout(self.maxout_pieces)
        if self.activation == "relu" or (self.activation == "leaky_relu" and self.slope == 0):
            return nn.ReLU(inplace=True)
        return nn.ELU(inplace=True) if self.activation == "elu" else nn.LeakyReLU(self.slope, inplace=True)

    def hidden(self, channels, points=False):
        return self.norm_layers(channels, points) + [self.activation_layer()] + ([PixelNorm()] if self.norm == "pixel" else [])


def dcgan_generator(size, channels=1, latent=100, width=64, *, classes=0, activation="relu", slope=SLOPE, upsample="transposed",
                    norm="batch", equalized_lr=False, bias_before_norm=True, norm_momentum=0.1):
    parts = _Parts(norm, activation, slope, equalized_lr, classes=classes, bias_before_norm=bias_before_norm, norm_momentum=norm_momentum)

    def up(before, after, bias, gain=GAIN):
        if upsample == "transposed":
            return [parts.weighted(nn.ConvTranspose2d(before, after, 4, 2, 1, bias=bias), gain)]
        doubled = nn.Upsample(scale_factor=2, mode=upsample, align_corners=False if upsample == "bilinear" else None)
        return [doubled, parts.weighted(nn.Conv2d(before, after, 3, 1, 1, bias=bias), gain)]

    latent += classes
    if size == 28:
        first = parts.weighted(parts.untrained(nn.Linear(latent, 2 * width * 7 * 7, bias=parts.keeps_bias())), FIRST_DENSE_GAIN)
        layers = [first, nn.Unflatten(1, (2 * width, 7, 7))] + parts.hidden(2 * width) + up(2 * width, width, False) + parts.hidden(width)
        return Network(nn.Sequential(*layers, *up(width, channels, True, OUTPUT_GAIN), nn.Tanh()))
    widths = [factor * width for factor in _FACTORS[size]]
    layers = [parts.weighted(nn.ConvTranspose2d(latent, widths[0], 4, 1, 0, bias=False))] + parts.hidden(widths[0])
    for before, after in zip(widths, widths[1:]):
        layers += up(before, after, False) + parts.hidden(after)
    layers += up(widths[-1], channels, False, OUTPUT_GAIN) + [nn.Tanh()]
    return Network(nn.Sequential(*layers), View(latent))


def _head(parts, channels, side, convolution, start, *, head, conditional, classes, minibatch):
    """From the last activation to the logits. side 0: vectors. minibatch: group and maps of the standard deviation, kernels and size
    of the discrimination, and whether its kernels are plain."""
    outputs = 1 + classes if conditional == "classifier" else 1
    group, maps, kernels, kernel_size, plain = minibatch
    layers = []
    if group:
        start, channels = start + [MinibatchStddev(group, maps)], channels + maps
    if side:
        all_pixels = head == "flatten" and conditional != "projection"
        if all_pixels and convolution and not kernels:
            last = parts.weighted(nn.Conv2d(channels, outputs, side, 1, 0, bias=False), OUTPUT_GAIN)
            return Discriminator(nn.Sequential(*start, last), outputs)
        layers.append(nn.Flatten() if all_pixels else GlobalPool(head == "gap"))
        channels *= side * side if all_pixels else 1
    if kernels:
        layers.append(MinibatchDiscrimination(channels, kernels, kernel_size, plain))
        channels += kernels
    if conditional == "projection":
        last = parts.weighted(ProjectionHead(channels, classes), OUTPUT_GAIN)
        if parts.spectral_norm:
            parametrizations.spectral_norm(last.embedding, n_power_iterations=int(parts.spectral_norm))
    else:
        last = parts.weighted(nn.Linear(channels, outputs), OUTPUT_GAIN)
    return Discriminator(nn.Sequential(*start, *layers, last), outputs)


def _inputs(channels, joined, conditional, classes):
    return joined * (channels + (classes if conditional == "planes" else 0))


def dcgan_discriminator(size, channels=1, width=64, *, activation="leaky_relu", slope=SLOPE, down="stride", head="flatten", norm=None,
                        dropout=0.0, dropout_channel=False,
                        minibatch_stddev=0, minibatch_stddev_maps=1, minibatch_discrimination=0, minibatch_discrimination_size=5,
                        minibatch_discrimination_plain=False, bias_before_norm=True, norm_momentum=0.1,
                        spectral_norm=False, equalized_lr=False, conditional="none", classes=0, joined=1):
    norm = norm or ("none" if size == 28 else "batch")
    biased, last_side = size == 28, 3 if size == 28 else 4

    def shrink(before, after, with_norm, is_last):
        parts = _Parts(norm if with_norm else "none", activation, slope, equalized_lr, spectral_norm, bias_before_norm=bias_before_norm,
                       norm_momentum=norm_momentum)
        kernel, stride = (4, 2) if down == "stride" else (3, 1)
        convolution = parts.untrained(nn.Conv2d(before, after, kernel, stride, 1, bias=biased and parts.keeps_bias()))
        pool = {"stride": [], "avg": [nn.AvgPool2d(2)], "max": [nn.MaxPool2d(2)]}[down]
        drop = [Dropout(dropout, dropout_channel)] if dropout and not is_last else []
        return [parts.weighted(convolution)] + parts.hidden(after) + drop + pool

    layers, filters, side = shrink(_inputs(channels, joined, conditional, classes), width, False, False), width, size // 2
    while side > last_side:
        layers += shrink(filters, 2 * filters, True, side // 2 == last_side)
        filters, side = 2 * filters, side // 2
    minibatch = (minibatch_stddev, minibatch_stddev_maps, minibatch_discrimination, minibatch_discrimination_size, minibatch_discrimination_plain)
    return _head(_Parts(norm, activation, slope, equalized_lr, spectral_norm), filters, side, not biased, layers, head=head,
                 conditional=conditional, classes=classes, minibatch=minibatch)


def mlp(inputs, outputs, width, depth):
    """`depth` hidden layers of `width`, LeakyReLU after each, a plain linear output."""
    layers = []
    for _ in range(depth):
        layers += [nn.Linear(inputs, width), nn.LeakyReLU(SLOPE, inplace=True)]
        inputs = width
    return nn.Sequential(*layers, nn.Linear(inputs, outputs))


_STACKED = {"dcgan5x5": (5, 2, (2, 4, 7, 14, 28)), "crippled": (3, 1, (4, 7, 14, 28))}   # kernel, padding, G's sides


def _stacked_generator(kind, size, channels, latent, width, *, classes=0, activation="relu", slope=SLOPE, norm="batch", equalized_lr=False,
                       bias_before_norm=True, norm_momentum=0.1):
    """The published networks for stacked digits: all layers biased, sides that do not double evenly."""
    kernel, padding, sides = _STACKED[kind]
    if size != sides[-1]:
        raise ValueError(f"{kind} of {size} pixels")
    parts = _Parts(norm, activation, slope, equalized_lr, classes=classes, bias_before_norm=bias_before_norm, norm_momentum=norm_momentum)
    filters, bias = 8 * width, parts.keeps_bias()
    first = parts.untrained(nn.Linear(latent + classes, filters * sides[0] ** 2, bias=bias))
    layers = [parts.weighted(first, FIRST_DENSE_GAIN), nn.Unflatten(1, (filters, sides[0], sides[0]))] + parts.hidden(filters)
    for before, after in zip(sides, sides[1:]):
        further = after - 2 * before + 1
        if after == size and kind == "dcgan5x5":
            layers.append(parts.weighted(nn.ConvTranspose2d(filters, channels, kernel, 2, padding, further), OUTPUT_GAIN))
            break
        up = nn.ConvTranspose2d(filters, filters // 2, kernel, 2, padding, further, bias=bias)
        layers += [parts.weighted(parts.untrained(up))] + parts.hidden(filters // 2)
        filters //= 2
    if kind == "crippled":
        layers.append(parts.weighted(nn.Conv2d(filters, channels, kernel, 1, padding), OUTPUT_GAIN))
    return Network(nn.Sequential(*layers, nn.Tanh()))


def _stacked_discriminator(kind, size, channels, width, *, activation="leaky_relu", slope=SLOPE, norm="batch", head="flatten", dropout=0.0,
                           dropout_channel=False, minibatch_stddev=0, minibatch_stddev_maps=1, minibatch_discrimination=0, minibatch_discrimination_size=5,
                           minibatch_discrimination_plain=False, bias_before_norm=True, norm_momentum=0.1, spectral_norm=False, equalized_lr=False,
                           conditional="none", classes=0, joined=1):
    kernel, padding, sides = _STACKED[kind]
    layers, inputs = [], _inputs(channels, joined, conditional, classes)
    for i in range(len(sides) - 1):
        parts = _Parts("none" if i == 0 and kind == "dcgan5x5" else norm, activation, slope, equalized_lr, spectral_norm, bias_before_norm=bias_before_norm,
                       norm_momentum=norm_momentum)
        down = nn.Conv2d(inputs, width << i, kernel, 2, padding, bias=parts.keeps_bias())
        layers += [parts.weighted(parts.untrained(down))] + parts.hidden(width << i)
        layers += [Dropout(dropout, dropout_channel)] if dropout and i + 2 < len(sides) else []
        inputs = width << i
    minibatch = (minibatch_stddev, minibatch_stddev_maps, minibatch_discrimination, minibatch_discrimination_size, minibatch_discrimination_plain)
    return _head(_Parts(norm, activation, slope, equalized_lr, spectral_norm), inputs, sides[0], False, layers, head=head,
                 conditional=conditional, classes=classes, minibatch=minibatch)


def dcgan5x5_generator(size=28, channels=3, latent=100, width=64, **keys):
    """Srivastava et al. 2017 (VEEGAN): 5x5 kernels."""
    return _stacked_generator("dcgan5x5", size, channels, latent, width, **keys)


def dcgan5x5_discriminator(size=28, channels=3, width=64, **keys):
    return _stacked_discriminator("dcgan5x5", size, channels, width, **keys)


def crippled_generator(size=28, channels=3, latent=256, width=8, **keys):
    """Metz et al. 2017 (unrolled GANs): 3x3 kernels."""
    return _stacked_generator("crippled", size, channels, latent, width, **keys)


def crippled_discriminator(size=28, channels=3, width=2, **keys):
    """width 2: a quarter of G's filters, 4: half of them."""
    return _stacked_discriminator("crippled", size, channels, width, **keys)


def _dense(parts, inputs, width, gain):
    units = width * (parts.maxout_pieces if parts.activation == "maxout" else 1)
    layer = parts.weighted(parts.untrained(nn.Linear(inputs, units, bias=parts.keeps_bias())), gain)
    return [layer] + parts.hidden(units, points=True)


def mlp_generator(features, latent, width=128, depth=2, *, classes=0, activation="leaky_relu", slope=SLOPE, norm="none",
                  equalized_lr=False, bias_before_norm=True, norm_momentum=0.1):
    parts = _Parts(norm, activation, slope, equalized_lr, classes=classes, bias_before_norm=bias_before_norm, norm_momentum=norm_momentum)
    layers, inputs = [], latent + classes
    for i in range(depth):
        layers += _dense(parts, inputs, width, GAIN if i else FIRST_DENSE_GAIN)
        inputs = width
    return Network(nn.Sequential(*layers, parts.weighted(nn.Linear(inputs, features), OUTPUT_GAIN)))


def mlp_discriminator(features, width=128, depth=2, *, activation="leaky_relu", slope=SLOPE, norm="none",
                      dropout=0.0, dropout_channel=False,
                      minibatch_stddev=0, minibatch_stddev_maps=1, minibatch_discrimination=0, minibatch_discrimination_size=5,
                      minibatch_discrimination_plain=False, bias_before_norm=True, norm_momentum=0.1, maxout_pieces=5,
                      spectral_norm=False, equalized_lr=False, conditional="none", classes=0, joined=1):
    layers, inputs = [], _inputs(features, joined, conditional, classes)
    for i in range(depth):
        parts = _Parts(norm if i else "none", activation, slope, equalized_lr, spectral_norm, bias_before_norm=bias_before_norm, norm_momentum=norm_momentum,
                       maxout_pieces=maxout_pieces)
        layers += _dense(parts, inputs, width, GAIN)
        layers += [Dropout(dropout, dropout_channel)] if dropout and i + 1 < depth else []
        inputs = width
    minibatch = (minibatch_stddev, minibatch_stddev_maps, minibatch_discrimination, minibatch_discrimination_size, minibatch_discrimination_plain)
    return _head(_Parts(norm, activation, slope, equalized_lr, spectral_norm), inputs, 0, False, layers, head="flatten",
                 conditional=conditional, classes=classes, minibatch=minibatch)


def initialize_dcgan(network):
    """Weights N(0, 0.02), batch norm's scale N(1, 0.02), everything else 0."""
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
                module.weight.normal_(0, 0.02)
                if module.bias is not None:
                    module.bias.zero_()
            elif isinstance(module, nn.BatchNorm2d):
                module.weight.normal_(1, 0.02)
                module.bias.zero_()


def parameter_count(network):
    """Every parameter counts, the untrained bias of the 28-pixel generator too."""
    return sum(parameter.numel() for parameter in network.parameters())
