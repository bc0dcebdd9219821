"""The PyTorch references of ganymede's networks.

Each network is one nn.Sequential, and its numbering is the contract of the file formats: `0.weight`, `1.running_mean` ... in
model.h5 and trace.h5 are the names in these modules' state_dict. Radford et al. 2016 (arXiv 1511.06434), layout of PyTorch's
own DCGAN example; 28 pixels after the small MNIST network that most tutorials use.

Shapes: G takes z [N,Z] and gives [N,C,S,S] in [-1,1] (points: [N,F]); D takes those and gives logits [N].
"""
import torch
from torch import nn

SLOPE = 0.2                                    # of every LeakyReLU
IMAGE_SIZES = (28, 32, 64, 128)
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

    def forward(self, x):
        return self.layers(x if self.latent_view is None else self.latent_view(x))


class Discriminator(Network):
    def forward(self, x):
        return self.layers(x).flatten()


def dcgan_generator(size, channels=1, latent=100, width=64):
    if size == 28:
        layers = nn.Sequential(
            nn.Linear(latent, 2 * width * 7 * 7), nn.Unflatten(1, (2 * width, 7, 7)), nn.BatchNorm2d(2 * width), nn.ReLU(inplace=True),
            nn.ConvTranspose2d(2 * width, width, 4, 2, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True),
            nn.ConvTranspose2d(width, channels, 4, 2, 1), nn.Tanh())
        with torch.no_grad():
            layers[0].bias.zero_()
        layers[0].bias.requires_grad_(False)   # batch norm removes it, and its gradient is nothing but rounding
        return Network(layers)
    widths = [factor * width for factor in _FACTORS[size]]
    layers = [nn.ConvTranspose2d(latent, widths[0], 4, 1, 0, bias=False), nn.BatchNorm2d(widths[0]), nn.ReLU(inplace=True)]
    for before, after in zip(widths, widths[1:]):
        layers += [nn.ConvTranspose2d(before, after, 4, 2, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU(inplace=True)]
    layers += [nn.ConvTranspose2d(widths[-1], channels, 4, 2, 1, bias=False), nn.Tanh()]
    return Network(nn.Sequential(*layers), View(latent))


def dcgan_discriminator(size, channels=1, width=64):
    def leaky():
        return nn.LeakyReLU(SLOPE, inplace=True)
    if size == 28:
        return Discriminator(nn.Sequential(
            nn.Conv2d(channels, width, 4, 2, 1), leaky(), nn.Conv2d(width, 2 * width, 4, 2, 1), leaky(),
            nn.Conv2d(2 * width, 4 * width, 4, 2, 1), leaky(), nn.Flatten(), nn.Linear(4 * width * 9, 1)))
    widths = [factor * width for factor in reversed(_FACTORS[size])]
    layers = [nn.Conv2d(channels, widths[0], 4, 2, 1, bias=False), leaky()]
    for before, after in zip(widths, widths[1:]):
        layers += [nn.Conv2d(before, after, 4, 2, 1, bias=False), nn.BatchNorm2d(after), leaky()]
    layers += [nn.Conv2d(widths[-1], 1, 4, 1, 0, bias=False)]
    return Discriminator(nn.Sequential(*layers))


def mlp(inputs, outputs, width, depth):
    """`depth` hidden layers of `width`, LeakyReLU after each, a plain linear output."""
    layers = []
    for _ in range(depth):
        layers += [nn.Linear(inputs, width), nn.LeakyReLU(SLOPE, inplace=True)]
        inputs = width
    return nn.Sequential(*layers, nn.Linear(inputs, outputs))


def mlp_generator(features, latent, width=128, depth=2):
    return Network(mlp(latent, features, width, depth))


def mlp_discriminator(features, width=128, depth=2):
    return Discriminator(mlp(features, 1, width, depth))


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
