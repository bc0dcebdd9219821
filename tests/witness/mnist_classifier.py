"""A small CNN that knows digits: trained on real MNIST until it is right on at least 99 % of the test set, kept in build/witness.

    mnist_classifier.py            trains it if it is not there (about a minute and a half on two cores), prints its accuracy

It judges samples (judge_samples.py); the GAN never sees it.
"""
import argparse
import gzip
import os
import pathlib
import sys
import time

os.environ.setdefault("OMP_WAIT_POLICY", "passive")     # spinning threads starve each other where other programs run too
import numpy as np  # noqa: E402
import torch  # noqa: E402
from torch import nn  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
CACHE = ROOT / "build" / "witness" / "mnist_classifier.pt"
REQUIRED = 0.99
EPOCHS = 4


def read_mnist(split, folder=ROOT / "datasets" / "mnist"):
    """uint8 images [n,28,28] and labels [n]; split: train or t10k."""
    with gzip.open(folder / f"{split}-images-idx3-ubyte.gz") as file:
        images = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 28, 28)
    with gzip.open(folder / f"{split}-labels-idx1-ubyte.gz") as file:
        labels = np.frombuffer(file.read(), np.uint8, offset=8).astype(np.int64)
    return images, labels


def scaled(images):
    """uint8 [n,28,28] to float [n,1,28,28] in [-1,1]."""
    return torch.from_numpy(images.astype(np.float32)).div_(127.5).sub_(1)[:, None]


def make_network():
    return nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(64 * 7 * 7, 128), nn.ReLU(), nn.Dropout(0.25), nn.Linear(128, 10))


@torch.no_grad()
def probabilities(network, images):
    """Softmax over the ten digits, [n,10]."""
    network.eval()
    return torch.cat([network(scaled(images[i:i + 500])).softmax(1) for i in range(0, len(images), 500)])


def train(folder):
    torch.manual_seed(0)
    network = make_network()
    images, labels = read_mnist("train", folder)
    labels = torch.from_numpy(labels)
    batch, steps = 128, EPOCHS * (len(images) // 128)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps)
    done = 0
    for epoch in range(EPOCHS):
        network.train()
        for rows in torch.randperm(len(images))[:batch * (len(images) // batch)].split(batch):
            loss = nn.functional.cross_entropy(network(scaled(images[rows.numpy()])), labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            done += 1
        print(f"classifier: epoch {epoch + 1} of {EPOCHS}, loss {loss.item():.3f}", file=sys.stderr, flush=True)
    return network


def accuracy(network, folder):
    images, labels = read_mnist("t10k", folder)
    return (probabilities(network, images).argmax(1).numpy() == labels).mean()


def classifier(folder=ROOT / "datasets" / "mnist"):
    """The trained network, from the cache where it is there; always at least 99 % right on the test set."""
    if CACHE.exists():
        network = make_network()
        network.load_state_dict(torch.load(CACHE, weights_only=True))
        return network
    begin = time.monotonic()
    network = train(folder)
    right = accuracy(network, folder)
    if right < REQUIRED:
        sys.exit(f"the classifier is right on {right:.2%} of the test set, which is less than {REQUIRED:.0%}")
    CACHE.parent.mkdir(parents=True, exist_ok=True)
    torch.save(network.state_dict(), CACHE)
    print(f"classifier: right on {right:.2%} of the test set after {time.monotonic() - begin:.0f} s", file=sys.stderr)
    return network


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mnist", type=pathlib.Path, default=ROOT / "datasets" / "mnist", help="folder of the IDX files")
    folder = parser.parse_args().mnist
    print(f"right on {accuracy(classifier(folder), folder):.2%} of the test set")


if __name__ == "__main__":
    main()
