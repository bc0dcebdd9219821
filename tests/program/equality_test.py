"""The world size does not matter: the same recipe on 1, 2, 3 and 4 processes gives the same samples, losses and weights.

20 iterations in float64 within 1e-9 (EQ test); in float32 one iteration with SGD within 1e-4, since longer runs drift apart by
rounding alone. --full tries every combination, else each network meets each setting at least once.
"""
import itertools
import math
import re
import sys
import unittest

import h5py
import numpy as np

import program
from streams import Streams, rank_shares

FULL = "--full" in sys.argv
RANKS = (1, 2, 3, 4)
BATCHES = {"N=48": {"data__global_batch": 48}, "N=50 in 7 streams": {"data__global_batch": 50, "data__streams": 7}}
WEIGHTS = r"^/(generator|discriminator|average)/"
SENT = re.compile(r"sent bytes: statistics (\d+), control (\d+), gradients (\d+), replay (\d+)")


def combinations():
    """(network, batch, d_steps, cache_mib)"""
    everything = list(itertools.product(program.NETWORKS, BATCHES, (1, 2), (2048, 0)))
    if FULL:
        return everything
    even, uneven = BATCHES
    return [c for c in everything if c[1:] in ((even, 1, 2048), (uneven, 2, 0))]


def last_match(pattern, text):
    found = pattern.findall(text)
    return found[-1] if found else None


class Equality(program.ProgramTest):
    def runs(self, network, name, **values):
        recipe = self.recipe(network, f"{name}.toml", **values)
        return {ranks: program.train(recipe, self.folder / f"{name}-{ranks}", ranks) for ranks in RANKS}

    def test_float64_twenty_iterations(self):
        for number, (network, batch, d_steps, cache_mib) in enumerate(combinations()):
            with self.subTest(network=network, batch=batch, d_steps=d_steps, cache_mib=cache_mib):
                runs = self.runs(network, f"double-{number}", objective__d_steps=d_steps, data__cache_mib=cache_mib, run__trace=20, **BATCHES[batch])
                expected = program.model(runs[1])
                for ranks in RANKS[1:]:
                    self.assert_within(1e-9, program.model(runs[ranks]), expected, WEIGHTS, f"{ranks} ranks")
                    self.check_losses(runs[ranks], runs[1])
                for ranks in RANKS:
                    self.check_order(runs[ranks], network, d_steps)

    def test_float32_one_iteration_with_sgd(self):
        """Gradients against the largest of their tensor: float32 entries near zero carry the rounding of the terms that cancel in them."""
        sgd = {"optimizer__generator__kind": "sgd", "optimizer__generator__lr": 0.01, "optimizer__discriminator__kind": "sgd",
               "optimizer__discriminator__lr": 0.01, "run__precision": "float32", "run__steps": 1, "run__trace": 1}
        for number, (network, batch) in enumerate(itertools.product(program.NETWORKS, BATCHES) if FULL else zip(program.NETWORKS, [*BATCHES, list(BATCHES)[0]])):
            with self.subTest(network=network, batch=batch):
                runs = self.runs(network, f"single-{number}", **sgd, **BATCHES[batch])
                for ranks in RANKS[1:]:
                    self.assert_within(1e-4, program.model(runs[ranks]), program.model(runs[1]), WEIGHTS, f"{ranks} ranks")
                    self.assert_within(1e-4, program.arrays(runs[ranks] / "trace.h5"), program.arrays(runs[1] / "trace.h5"), "/grad/", f"{ranks} ranks", by_tensor=True)

    def test_each_rank_forwards_its_share_and_sends_gradients_and_statistics(self):
        """Without a trace, which gathers every batch."""
        for network, batch, d_steps in [(network, batch, 2) for network in program.NETWORKS for batch in BATCHES]:
            with self.subTest(network=network, batch=batch):
                recipe = self.recipe(network, objective__d_steps=d_steps, run__steps=5, **BATCHES[batch])
                for ranks in (1, 2, 3):
                    run = program.train(recipe, self.folder / "runs", ranks)
                    logs = program.rank_logs(run, ranks)
                    self.check_shares(logs, BATCHES[batch], 5 * d_steps)
                    self.check_bytes(logs, program.model(run), network, 5, d_steps)

    def test_the_tolerance_bites(self):
        """Batch norm over each rank's own samples is another function: the same comparison must see it."""
        recipe = self.recipe("dcgan28", parallel__batch_norm="local", run__steps=3)
        runs = {ranks: program.train(recipe, self.folder / f"local-{ranks}", ranks) for ranks in (1, 2)}
        self.assertGreater(program.worst_difference(program.model(runs[2]), program.model(runs[1]), WEIGHTS)[0], 1e-6)

    def check_losses(self, run, alone):
        for step, row in program.stats(alone).items():
            for key in ("loss_d", "loss_g", "d_real", "d_fake", "grad_norm_d", "grad_norm_g"):
                self.assertLessEqual(abs(program.stats(run)[step][key] - row[key]), 1e-10 * (1 + abs(row[key])), f"{key} of step {step}")

    def check_order(self, run, network, d_steps):
        """Bit for bit the order that the formats prescribe, worked out again in Python; the reals are those samples."""
        shards = program.DATA / program.NETWORKS[network][2]
        chunks, samples = [], []
        for shard in sorted(shards.glob("shard-*.h5")):
            with h5py.File(shard) as file:
                data = file["samples"]
                count, sample_bytes = data.shape[0], data.dtype.itemsize * int(np.prod(data.shape[1:]))
                extent = data.chunks[0] if data.chunks else -(-2 ** 20 // sample_bytes)
                chunks += [min(extent, count - first) for first in range(0, count, extent)]
                samples.append(data[()])
        samples = np.concatenate(samples)
        with h5py.File(run / "trace.h5") as trace:
            first = trace["steps/000000/d/0/real_index"]
            self.assertEqual(first.dtype, np.int64)
            n = len(first)
            streams = Streams(3, chunks, 7 if n == 50 else min(n, 64))
            for iteration in sorted(trace["steps"]):
                for k in range(d_steps):
                    step = trace[f"steps/{iteration}/d/{k}"]
                    expected = streams.next(n)
                    self.assertEqual(step["real_index"][()].tolist(), expected, f"iteration {iteration}")
                    rows = samples[expected]
                    scaled = np.moveaxis(rows, -1, 1) / 127.5 - 1 if rows.ndim == 4 else rows
                    self.assertLess(np.abs(step["real"][()] - scaled).max(), 1e-6)

    def check_shares(self, logs, batch, draws):
        forwarded = [last_match(re.compile(r"forwarded samples: (\d+)"), log) for log in logs]
        self.assertNotIn(None, forwarded, "a rank does not log the samples that it forwarded")
        n = batch["data__global_batch"]
        streams = Streams(3, [10 ** 6], batch.get("data__streams", min(n, 64)))
        shares = [0] * len(logs)
        for _ in range(draws):
            shares = [a + b for a, b in zip(shares, rank_shares(streams.shares(n), len(logs)))]
            streams.drawn += n
        self.assertEqual(sum(shares), n * draws)
        self.assertEqual([int(count) for count in forwarded], shares)

    def check_bytes(self, logs, weights, network, iterations, d_steps):
        sent = [last_match(SENT, log) for log in logs]
        self.assertNotIn(None, sent, "a rank does not log the bytes that it sent")
        statistics, control, gradients, replay = (sum(int(row[i]) for row in sent) for i in range(4))
        ranks = len(logs)
        self.assertEqual(replay, 0)
        if ranks == 1:
            self.assertEqual((statistics, control, gradients), (0, 0, 0))
            return
        size = {net: sum(value.nbytes for name, value in weights.items() if name.startswith(f"/{net}/") and "running" not in name and "tracked" not in name)
                for net in ("generator", "discriminator")}
        if network == "dcgan28":
            size["generator"] -= weights["/generator/0.bias"].nbytes      # in front of batch norm: untrained, so never sent
        reduced = iterations * (size["generator"] + d_steps * size["discriminator"])
        flags = 1024 * iterations * (1 + d_steps) * ranks
        self.assertGreaterEqual(gradients, 2 * (ranks - 1) * reduced)     # no all-reduce can send less
        self.assertLessEqual(gradients, ranks * 2 * math.ceil(math.log2(ranks)) * reduced + flags)
        channels = {name: len(value) for name, value in weights.items() if name.endswith("running_mean") and not name.startswith("/average")}
        passes = iterations * sum(c * (2 * (1 + d_steps) if "/generator/" in name else 2 * (1 + 2 * d_steps)) for name, c in channels.items())
        self.assertLessEqual(statistics, 2 * ranks * ranks * 8 * 3 * passes + flags)
        if channels:
            self.assertGreater(statistics, 0)
        self.assertLessEqual(control, flags + 65536 * ranks)              # hashes before the start, rows of statistics


if __name__ == "__main__":
    unittest.main(argv=[argument for argument in sys.argv if argument != "--full"])
