"""Does the generator draw all ten digits? A classifier trained on real MNIST says so.

    judge_samples.py RUN|CHECKPOINT|SAMPLES.h5 ... [--count 1000] [--seed 0]

PASS: each digit is at least 3 % of the samples, and at least 60 % of them are recognised with a confidence of .9 or more.
Exit code: 0 if every source passes, else 1.
"""
import argparse
import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import mnist_classifier  # noqa: E402
from samples import samples_of  # noqa: E402

SHARE, CONFIDENCE, CONFIDENT = 0.03, 0.9, 0.60


def judge(images, network):
    """Share of each digit, and of the samples recognised with confidence."""
    p = mnist_classifier.probabilities(network, images).numpy()
    return np.bincount(p.argmax(1), minlength=10) / len(p), (p.max(1) >= CONFIDENCE).mean()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sources", nargs="+", type=pathlib.Path)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--mnist", type=pathlib.Path, default=mnist_classifier.ROOT / "datasets" / "mnist")
    options = parser.parse_args()
    network = mnist_classifier.classifier(options.mnist)
    print(f"classifier: right on {mnist_classifier.accuracy(network, options.mnist):.2%} of the test set")
    passed = True
    for source in options.sources:
        shares, confident = judge(samples_of(source, options.count, options.seed), network)
        good = shares.min() >= SHARE and confident >= CONFIDENT
        passed &= good
        print(f"{'PASS' if good else 'FAIL'} {source}: {confident:.1%} at confidence {CONFIDENCE} or more (at least {CONFIDENT:.0%}); "
              f"rarest digit {shares.argmin()} with {shares.min():.1%} (at least {SHARE:.0%})")
        print("     share of each digit: " + "  ".join(f"{digit}: {share:.1%}" for digit, share in enumerate(shares)))
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
