"""Are the samples copies? Writes 64 samples beside the training images nearest to them, and prints how near those are.

    nearest_training.py RUN|CHECKPOINT|SAMPLES.h5 [-o build/witness/nearest.png] [--count 64] [--seed 0]

Nearest: smallest Euclidean distance of the pixels. The yardstick is how far real test images are from their nearest training
image: a generator that copies is much nearer than that.
Exit code: 1 if more than 5 % of the samples are nearer to a training image than 99 % of the test images are, else 0.
"""
import argparse
import pathlib
import sys

import numpy as np
from PIL import Image

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from mnist_classifier import ROOT, read_mnist  # noqa: E402
from samples import samples_of  # noqa: E402

COPIES = 0.05


def nearest(images, training):
    """Index of the nearest training image and the distance in grey levels per pixel (root of the mean square)."""
    flat = training.reshape(len(training), -1).astype(np.float32)
    squares = np.einsum("ij,ij->i", flat, flat)
    index = np.empty(len(images), np.int64)
    for start in range(0, len(images), 100):
        rows = images[start:start + 100].reshape(-1, flat.shape[1]).astype(np.float32)
        index[start:start + 100] = (squares - 2 * rows @ flat.T).argmin(1)
    gap = images.astype(np.float64) - training[index]
    return index, np.sqrt((gap ** 2).mean(axis=(1, 2)))


def sheet(samples, neighbours, columns=8):
    """Pairs side by side, sample left and neighbour right, a white line between pairs."""
    pairs = np.concatenate([samples, neighbours], axis=2)
    pairs = np.pad(pairs, ((0, 0), (1, 1), (1, 1)), constant_values=255)
    missing = -len(pairs) % columns
    pairs = np.concatenate([pairs, np.full((missing, *pairs.shape[1:]), 255, np.uint8)])
    return np.concatenate([np.concatenate(list(row), axis=1) for row in pairs.reshape(-1, columns, *pairs.shape[1:])])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=pathlib.Path)
    parser.add_argument("-o", "--output", type=pathlib.Path, default=ROOT / "build" / "witness" / "nearest.png")
    parser.add_argument("--count", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--mnist", type=pathlib.Path, default=ROOT / "datasets" / "mnist")
    options = parser.parse_args()
    training, _ = read_mnist("train", options.mnist)
    test, _ = read_mnist("t10k", options.mnist)
    samples = samples_of(options.source, options.count, options.seed)
    index, distance = nearest(samples, training)
    _, usual = nearest(test[:1000], training)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(sheet(samples, training[index])).resize((8 * 58 * 2, -(-len(samples) // 8) * 30 * 2), Image.NEAREST).save(options.output)
    limit = np.quantile(usual, 0.01)
    near = (distance < limit).mean()
    for name, values in (("samples", distance), ("test images", usual)):
        low, middle, high = np.quantile(values, [0, 0.5, 1])
        print(f"{name}: distance to the nearest training image {low:.1f} to {high:.1f}, median {middle:.1f} grey levels per pixel")
    print(f"{near:.1%} of the samples are nearer than {limit:.1f}, which 1 % of real test images are: {'COPIES' if near > COPIES else 'not copies'}")
    print(f"samples (left) beside their nearest training images (right): {options.output}")
    return 1 if near > COPIES else 0


if __name__ == "__main__":
    sys.exit(main())
