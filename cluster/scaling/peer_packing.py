"""PyTorch's own run of the 5x5 grid with packing 2 (Sandlund's protocol), as a witness for ganymede's quality figure of that row.

    python cluster/scaling/peer_packing.py --seeds 0 1 2 3 4 [--pack 2] [--steps 50000]

The settings of launch/recipes/protocols/sandlund-grid.toml with objective.pack = 2 in plain PyTorch: PyTorch's generators, its Linear's
initialization, torch.optim.Adam. Nothing is shared with ganymede but the protocol. One JSON line a seed: total variation with 10,000 fixed
latents (mass of the nearest centre within 3 sigma; the rest is invalid), modes of at least 1 % and the valid share.
"""
import argparse
import json
import time

import torch
from torch.nn.functional import softplus

SIDE, SPACING, SIGMA, LATENT, BATCH = 5, 1.5, 0.1, 16, 256


def mlp(inputs, outputs):
    layers = [torch.nn.Linear(inputs, 128), torch.nn.LeakyReLU(0.2), torch.nn.Linear(128, 128), torch.nn.LeakyReLU(0.2), torch.nn.Linear(128, outputs)]
    return torch.nn.Sequential(*layers)


def centres():
    line = SPACING * (torch.arange(SIDE) - (SIDE - 1) / 2)
    return torch.cartesian_prod(line, line)


def reals(count, middle):
    return middle[torch.randint(len(middle), (count,))] + SIGMA * torch.randn(count, 2)


def score(points, middle):
    distance, nearest = torch.cdist(points, middle).min(1)
    mass = torch.bincount(nearest[distance <= 3 * SIGMA], minlength=len(middle)) / len(points)
    invalid = 1 - mass.sum()
    return {"tv": 0.5 * ((mass - 1 / len(middle)).abs().sum() + invalid).item(), "modes": int((mass >= 0.01).sum()), "valid": 1 - invalid.item()}


def run(seed, pack, steps):
    torch.manual_seed(seed)
    middle, generator, discriminator = centres(), mlp(LATENT, 2), mlp(2 * pack, 1)
    adam_g, adam_d = (torch.optim.Adam(net.parameters(), lr=2e-4, betas=(0.5, 0.999), fused=True) for net in (generator, discriminator))
    fixed = torch.randn(10_000, LATENT)
    for _ in range(steps):
        with torch.no_grad():
            fake = generator(torch.randn(BATCH, LATENT))
        both = torch.cat([reals(BATCH, middle), fake]).view(2 * BATCH // pack, 2 * pack)
        on_real, on_fake = discriminator(both).chunk(2)
        adam_d.zero_grad()
        (0.5 * (softplus(-on_real).mean() + softplus(on_fake).mean())).backward()
        adam_d.step()
        adam_g.zero_grad()
        softplus(-discriminator(generator(torch.randn(BATCH, LATENT)).view(BATCH // pack, 2 * pack))).mean().backward()
        adam_g.step()
    with torch.no_grad():
        return score(generator(fixed), middle)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--pack", type=int, default=2)
    parser.add_argument("--steps", type=int, default=50_000)
    options = parser.parse_args()
    torch.set_num_threads(1)
    for seed in options.seeds:
        start = time.process_time()
        row = run(seed, options.pack, options.steps)
        print(json.dumps({"seed": seed, **{key: round(value, 4) for key, value in row.items()}, "cpu_s": round(time.process_time() - start)}), flush=True)


if __name__ == "__main__":
    main()
