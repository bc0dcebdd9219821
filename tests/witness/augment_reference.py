"""Both augmentations of what D sees, written again with PyTorch from the text of the specification.

`uniforms(elements, j)` gives float64 numbers in (0,1), [B, elements]: those of draw number j for the rows of x, whose places, step
and pass it knows. `philox_uniforms` makes one from the run's own random numbers. Zhao et al. 2020, "Differentiable Augmentation for
Data-Efficient GAN Training"; Karras et al. 2020, "Training Generative Adversarial Networks with Limited Data", appendix B.
"""
import math

import numpy as np
import torch

import philox

PASSES = {"reals": 0, "d_fakes": 16, "g_fakes": 32, "g_reals": 48}
TRANSFORMS = ("x_flip", "turns", "integer_shifts", "scale", "rotation", "stretch", "shift", "brightness", "contrast", "luma_flip",
              "hue", "saturation")
FIRST_TRANSFORM = 3   # draw number of x_flip; the others follow


def philox_uniforms(seed, which, step, first_place, rows):
    """The numbers of one pass: `which` is a name of PASSES, `step` the steps done by the network whose phase it is."""
    return lambda elements, j: philox.uniform(seed, "augment", step, first_place, rows, elements, index=PASSES[which] + j)


def diff_augment(x, policy, uniforms):
    """x [B,C,H,W] or [B,C,T,H,W]; policy is the recipe's text."""
    words = set(filter(None, policy.split(",")))
    assert words <= {"color", "translation", "cutout"}, policy
    if not words:
        return x
    return torch.stack([_diff_augment_one(x[b], words, lambda elements, j, b=b: [float(n) for n in uniforms(elements, j)[b]])
                        for b in range(len(x))])


def _diff_augment_one(x, words, u):
    height, width = x.shape[-2:]
    if "color" in words:
        brightness, saturation, contrast = u(3, 0)
        x = x + (brightness - .5)
        pixel_mean = x.mean(dim=0, keepdim=True)
        x = pixel_mean + 2 * saturation * (x - pixel_mean)
        image_mean = x.mean()
        x = image_mean + (.5 + contrast) * (x - image_mean)
    if "translation" in words:
        down, right = (math.floor(n * (2 * (side // 8) + 1)) - side // 8 for n, side in zip(u(2, 1), (height, width)))
        # A wide frame of zeros, of which the moved window is cut out.
        framed = torch.nn.functional.pad(x, (width // 8, width // 8, height // 8, height // 8))
        top, left = height // 8 - down, width // 8 - right
        x = framed[..., top:top + height, left:left + width]
    if "cutout" in words:
        keep = torch.ones(height, width, dtype=x.dtype)
        spans = []
        for n, side in zip(u(2, 2), (height, width)):
            length = side // 2
            first = math.floor(n * (side + 1 if length % 2 == 0 else side)) - length // 2
            spans.append(slice(max(first, 0), min(first + length, side)))
        keep[spans[0], spans[1]] = 0
        x = x * keep
    return x


def ada(x, p, multipliers, uniforms):
    """x [B,C,H,W] with 1 or 3 channels; multipliers: a number for each of TRANSFORMS (those not named: 0)."""
    if p == 0:
        return x
    places, colors = [], []
    numbers = {name: uniforms(4, FIRST_TRANSFORM + k) for k, name in enumerate(TRANSFORMS)}
    for b in range(len(x)):
        chosen = {name: [float(n) for n in numbers[name][b]] for name in TRANSFORMS}
        probability = {name: min(1., p * multipliers.get(name, 0)) for name in TRANSFORMS}
        places.append(_places(chosen, probability, x.shape[2], x.shape[3]))
        colors.append(_colors(chosen, probability, x.shape[1]))
    grid = torch.nn.functional.affine_grid(torch.tensor(np.stack(places), dtype=x.dtype), x.shape, align_corners=False)
    x = torch.nn.functional.grid_sample(x, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
    map_ = torch.tensor(np.stack(colors), dtype=x.dtype)
    if x.shape[1] == 1:   # every channel of a grey picture is its luma
        map_ = torch.cat((map_[:, :, :3].sum(2, keepdim=True), map_[:, :, 3:]), 2).mean(1, keepdim=True)
    return torch.einsum("bij,bjhw->bihw", map_[:, :, :-1], x) + map_[:, :, -1, None, None]


def _normals(u):
    radius = math.sqrt(-2 * math.log(u[1]))
    return radius * math.cos(2 * math.pi * u[2]), radius * math.sin(2 * math.pi * u[2])


def _rotation(angle):
    return np.array([[math.cos(angle), -math.sin(angle), 0], [math.sin(angle), math.cos(angle), 0], [0, 0, 1]])


def _places(u, probability, height, width):
    """What affine_grid takes: the place in the picture of a place in the result, both from −1 to 1 between the outer edges."""
    acts = {name: u[name][0] < probability[name] for name in TRANSFORMS}
    forward = np.eye(3)   # moves the content: columns to the right, rows down, in pixels from the middle

    def then(step):
        nonlocal forward
        forward = step @ forward

    def shifted(columns, rows):
        return np.array([[1, 0, columns], [0, 1, rows], [0, 0, 1]])

    if acts["x_flip"] and u["x_flip"][1] < .5:
        then(np.diag([-1., 1, 1]))
    if acts["turns"]:
        then(_rotation(-math.pi / 2 * math.floor(4 * u["turns"][1])))
    if acts["integer_shifts"]:
        rows, columns = ((2 * n - 1) / 8 for n in u["integer_shifts"][1:3])
        then(shifted(round(columns * width), round(rows * height)))
    if acts["scale"]:
        factor = 2 ** (.2 * _normals(u["scale"])[0])
        then(np.diag([factor, factor, 1]))
    # Two rotations, each so rare that one or both happen as often as asked for.
    single = 1 - math.sqrt(1 - probability["rotation"])
    if u["rotation"][0] < single:
        then(_rotation(-math.pi * (2 * u["rotation"][1] - 1)))
    if acts["stretch"]:
        factor = 2 ** (.2 * _normals(u["stretch"])[0])
        then(np.diag([factor, 1 / factor, 1]))
    if u["rotation"][2] < single:
        then(_rotation(-math.pi * (2 * u["rotation"][3] - 1)))
    if acts["shift"]:
        rows, columns = (.125 * n for n in _normals(u["shift"]))
        then(shifted(columns * width, rows * height))
    units = np.diag([width / 2, height / 2, 1])
    return (np.linalg.inv(units) @ np.linalg.inv(forward) @ units)[:2]


def _colors(u, probability, channels):
    acts = {name: u[name][0] < probability[name] for name in TRANSFORMS}
    map_ = np.eye(4)
    luma = np.zeros((4, 4))
    luma[:3, :3] = 1 / 3
    one = np.diag([1., 1, 1, 0])
    keep = np.diag([0., 0, 0, 1])
    if acts["brightness"]:
        step = np.eye(4)
        step[:3, 3] = .2 * _normals(u["brightness"])[0]
        map_ = step @ map_
    if acts["contrast"]:
        map_ = (one * 2 ** (.5 * _normals(u["contrast"])[0]) + keep) @ map_
    if acts["luma_flip"] and u["luma_flip"][1] < .5:
        map_ = (np.eye(4) - 2 * luma) @ map_
    if acts["hue"] and channels == 3:
        angle = math.pi * (2 * u["hue"][1] - 1)
        cross = np.zeros((4, 4))
        cross[:3, :3] = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / math.sqrt(3)
        map_ = (keep + luma + math.cos(angle) * (one - luma) + math.sin(angle) * cross) @ map_
    if acts["saturation"] and channels == 3:
        map_ = (keep + luma + 2 ** _normals(u["saturation"])[0] * (one - luma)) @ map_
    return map_[:3]
