"""Every way of sampling, written again from the text of the formats with NumPy. usage: sampling_witness.py WITNESS_TOOL"""
import json
import pathlib
import subprocess
import sys
import tempfile

import h5py
import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "witness"))
import philox  # noqa: E402
import streams  # noqa: E402

TOOL = sys.argv[1]
SEED = 2**40 + 7


def tool(*arguments, stdin=None):
    run = subprocess.run([TOOL, *map(str, arguments)], input=stdin, capture_output=True, text=True)
    assert run.returncode == 0, (arguments, run.returncode, run.stderr)
    return run.stdout


def batches(folder, calls, world_size=3, d=0, g=0, **about):
    """The global batches, joined over the ranks: real_index, labels, samples."""
    case = {"global_batch": 24, "streams": 7, "seed": SEED, "world_size": world_size, "d": d, "g": g, "calls": calls, **about}
    ranks = json.loads(tool("sampling", folder, stdin=json.dumps(case)))
    joined = []
    for parts in zip(*ranks):
        assert [part["first_place"] for part in parts] == [sum(len(p["real_index"]) for p in parts[:r]) for r in range(world_size)]
        joined.append([np.concatenate([part[key] for part in parts]) for key in ("real_index", "labels", "samples")])
    return joined


def check_stored(got, index, points, labels, what):
    assert np.array_equal(got[0], index), (what, got[0], index)
    assert np.array_equal(got[1], labels[index]), what
    assert np.array_equal(np.float32(got[2]).reshape(-1, 2), points[index]), what


# The phase of every call, its number in that phase's sequence, its number in the one sequence of streams and tables.
def walk(calls, d, g):
    for number, call in enumerate(calls):
        index = "dg".index(call)
        yield index, (d, g)[index] + calls[:number].count(call), d + g + number


def main(base):
    folder, n, calls, n_batch = base / "ring", 500, "ddgdgg", 24
    tool("ring", folder, n, 11)
    with h5py.File(folder / "shard-00000.h5") as file:
        points, labels = file["samples"][:], file["labels"][:]
    checked = 0
    for d, g in ((0, 0), (1000, 37)):
        for world_size in (1, 3):
            where = {"d": d, "g": g, "world_size": world_size}
            for holdout in (0, 100):
                got = batches(folder, calls, sampling="replacement", holdout=holdout, **where)
                for batch, (index, step, _) in zip(got, walk(calls, d, g)):
                    drawn = philox.below(SEED, n - holdout, "data", step, 0, n_batch, 1, index)[:, 0]
                    check_stored(batch, drawn.astype(int), points, labels, "replacement")
                    checked += 1
                got = batches(folder, calls, sampling="stream", class_balanced=True, holdout=holdout, **where)
                members = [np.flatnonzero(labels[:n - holdout] == k) for k in range(8)]
                for batch, (index, step, _) in zip(got, walk(calls, d, g)):
                    words = philox.words(SEED, "data", step, 0, n_batch, 2, index)
                    picked = [members[int(a) * 8 >> 32] for a, _ in words]
                    check_stored(batch, np.array([own[int(b) * len(own) >> 32] for own, (_, b) in zip(picked, words)]), points, labels, "balanced")
                    checked += 1
                got = batches(folder, calls, sampling="stream", holdout=holdout, **where)
                order = streams.Streams(SEED, [n - holdout], 7)
                order.drawn = (d + g) * n_batch
                for batch in got:
                    check_stored(batch, np.array(order.next(n_batch)), points, labels, "stream")
                    checked += 1
            for members, rows in ((1, 300), (4, 200), (6, 70_000)):
                got = batches(folder, calls, sampling="table", table_rows=rows, table_members=members, **where)
                order = streams.Streams(SEED, stretches(rows, members * 8), min(7, n_batch // members))
                if rows > 1000 and d:
                    continue                      # the plain witness lays every epoch out
                order.drawn = (d + g) * n_batch // members
                for batch in got:
                    index = np.concatenate([philox.below(SEED, n, "data", 0, row, 1, members, 2)[0] for row in order.next(n_batch // members)])
                    check_stored(batch, index.astype(int), points, labels, "table")
                    checked += 1
            got = batches(folder, calls, sampling="synth", **where)
            centre = 2.0 * np.stack([np.cos(2 * np.pi * np.arange(8) / 8), np.sin(2 * np.pi * np.arange(8) / 8)], 1)
            for batch, (index, step, _) in zip(got, walk(calls, d, g)):
                mode = philox.below(SEED, 8, "data", step, 0, n_batch, 1, index)[:, 0]
                normal = philox.normal(SEED, "data", step, 0, n_batch, 6, index)[:, 4:]
                assert np.all(batch[0] == -1) and np.array_equal(batch[1], mode)
                np.testing.assert_allclose(batch[2].reshape(-1, 2), centre[mode.astype(int)] + 0.1 * normal, rtol=0, atol=2.5e-7)
                checked += 1
    print(f"{checked} batches agree")


def stretches(rows, row_bytes):
    extent = -(-2**20 // row_bytes)
    return [min(extent, rows - first) for first in range(0, rows, extent)]


with tempfile.TemporaryDirectory() as temporary:
    main(pathlib.Path(temporary))
