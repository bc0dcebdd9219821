"""Layers of reference_nets.py that PyTorch does not have: norms, layers in which samples meet, equalized weights."""
import math

import torch
from torch import nn
from torch.nn import functional


class WithPass(nn.Module):
    """Reads more of a pass than its values; Network.forward() sets it."""
    labels = parts = mask = None


class PixelNorm(nn.Module):
    def forward(self, x):
        return x * torch.rsqrt((x * x).mean(1, keepdim=True) + 1e-8)


class GlobalPool(nn.Module):
    def __init__(self, average):
        super().__init__()
        self.average = average

    def forward(self, x):
        return x.mean((2, 3)) if self.average else x.sum((2, 3))


class ConditionalBatchNorm(WithPass):
    """Batch norm over all classes, then a scale and a shift of each sample's class."""

    def __init__(self, channels, classes, momentum=0.1):
        super().__init__()
        self.momentum = momentum
        self.weight = nn.Parameter(torch.ones(classes, channels))
        self.bias = nn.Parameter(torch.zeros(classes, channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))
        self.register_buffer("num_batches_tracked", torch.tensor(0))

    def forward(self, x):
        if self.training:
            self.num_batches_tracked += 1
        normal = functional.batch_norm(x, self.running_mean, self.running_var, None, None, self.training, self.momentum, 1e-5)
        shape = (-1, x.shape[1]) + (1,) * (x.dim() - 2)
        return self.weight[self.labels].view(shape) * normal + self.bias[self.labels].view(shape)


class ProjectionHead(WithPass):
    """b + <w,h> + <e_y,h>."""

    def __init__(self, features, classes):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(1, features))
        self.bias = nn.Parameter(torch.empty(1))
        self.embedding = nn.Embedding(classes, features)

    def forward(self, h):
        return (h * (self.weight + self.embedding(self.labels))).sum(1) + self.bias


class Maxout(nn.Module):
    """The largest of each `pieces` consecutive numbers."""

    def __init__(self, pieces):
        super().__init__()
        self.pieces = pieces

    def forward(self, x):
        return x.unflatten(1, (-1, self.pieces)).max(2).values


class Dropout(WithPass):
    """x * mask / (1 - p) in training, with a mask that is given; rows behind the mask's, the reference batch, are left alone."""

    def __init__(self, p, channel):
        super().__init__()
        self.p, self.channel = p, channel

    def forward(self, x):
        if not self.training or self.mask is None:
            return x
        n = len(self.mask)
        return torch.cat([x[:n] * self.mask / (1 - self.p), x[n:]])


class MinibatchStddev(WithPass):
    """Spread over groups of consecutive samples of one source; group 1: over all of them."""

    def __init__(self, group, maps):
        super().__init__()
        self.group, self.maps = group, maps

    def forward(self, x):
        found = []
        for part in x.split(self.parts):
            group = len(part) if self.group == 1 else min(self.group, len(part))
            for members in part.split(group):
                spread = torch.sqrt(members.var(0, unbiased=False) + 1e-8).reshape(self.maps, -1).mean(1)
                found.append(spread.expand(len(members), self.maps))
        maps = torch.cat(found).view(len(x), self.maps, *(1,) * (x.dim() - 2))
        return torch.cat([x, maps.expand(-1, -1, *x.shape[2:])], 1)


class MinibatchDiscrimination(WithPass):
    def __init__(self, features, kernels, size, plain=False):
        super().__init__()
        self.plain = plain
        self.weight = nn.Parameter((1.0 if plain else 0.05) * torch.randn(features, kernels, size))
        if plain:
            return
        self.log_scale = nn.Parameter(torch.zeros(kernels, size))
        self.bias = nn.Parameter(torch.full((kernels,), -1.0))

    def forward(self, x):
        tensor = self.weight if self.plain else self.weight / self.weight.square().sum(0).sqrt() * self.log_scale.exp()
        near = []
        for part in torch.einsum("na,aji->nji", x, tensor).split(self.parts):
            near.append(torch.exp(-(part[:, None] - part[None]).abs().sum(3)).sum(1) - 1)     # less the sample itself
        return torch.cat([x, torch.cat(near) + (0 if self.plain else self.bias)], 1)


class VirtualBatchNorm(WithPass):
    """The last part is the reference batch."""

    def __init__(self, channels):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x):
        n = self.parts[-1]
        samples, reference = x[:-n], x[-n:]
        pixels, shape, c = list(range(2, x.dim())), (1, -1) + (1,) * (x.dim() - 2), 1 / (n + 1)

        def moments(rows, axes):
            mean = rows.mean(axes, keepdim=True) if axes else rows
            return mean, ((rows - mean) ** 2).mean(axes, keepdim=True) if axes else torch.zeros_like(rows)

        def normal(rows, mean, variance):
            return self.weight.view(shape) * (rows - mean) / torch.sqrt(variance + 1e-5) + self.bias.view(shape)

        m, v = moments(reference, [0] + pixels)
        own_m, own_v = moments(samples, pixels)
        mean = (1 - c) * m + c * own_m
        variance = (1 - c) * (v + (m - mean) ** 2) + c * (own_v + (own_m - mean) ** 2)
        return torch.cat([normal(samples, mean, variance), normal(reference, m, v)])


class EqualizedLinear(nn.Linear):
    def forward(self, x):
        return functional.linear(x, self.weight * self.weight_scale, self.bias)


class EqualizedConv2d(nn.Conv2d):
    def forward(self, x):
        return self._conv_forward(x, self.weight * self.weight_scale, self.bias)


class EqualizedConvTranspose2d(nn.ConvTranspose2d):
    def forward(self, x):
        return functional.conv_transpose2d(x, self.weight * self.weight_scale, self.bias, self.stride, self.padding, self.output_padding)


class EqualizedProjectionHead(ProjectionHead):
    def forward(self, h):
        return (h * (self.weight * self.weight_scale + self.embedding(self.labels))).sum(1) + self.bias


_EQUALIZED = {nn.Linear: EqualizedLinear, nn.Conv2d: EqualizedConv2d, nn.ConvTranspose2d: EqualizedConvTranspose2d,
              ProjectionHead: EqualizedProjectionHead}


def equalized(module, gain):
    """Weights stored N(0,1) and used times gain/sqrt(fan_in)."""
    fan_in = module.in_channels * module.weight[0, 0].numel() if isinstance(module, nn.ConvTranspose2d) else module.weight[0].numel()
    module.__class__ = _EQUALIZED[type(module)]
    module.weight_scale = gain / math.sqrt(fan_in)
    return module
