"""The order of samples, computed a second time from the words of the formats document and compared bit by bit.

Written plainly and without looking at the C++: whole epochs of each stream are laid out as lists. usage: streams_witness.py WITNESS_TOOL"""
import json
import os
import pathlib
import random
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "witness"))
import philox  # noqa: E402

SHUFFLE = philox.PURPOSES.index("shuffle")
MIB = 1 << 20


def blocks_of(chunks, streams):
    parts = 1
    if len(chunks) < 4 * streams:
        parts = -(-4 * streams // len(chunks))
    blocks, first = [], 0
    for chunk in chunks:
        at = first
        for j in range(parts):
            length = chunk * (j + 1) // parts - chunk * j // parts
            if length:
                blocks.append(range(at, at + length))
            at += length
        assert at == first + chunk
        first = at
    return blocks


def epoch_of_streams(blocks, n, streams, window, seed, e):
    """One epoch: for each stream the list of its samples in drawn order."""
    order = philox.permutation(seed, len(blocks), e, 0, SHUFFLE)
    laid = [(b, sample) for b in order for sample in blocks[b]]  # every sample with its block
    result, at = [], 0
    for v in range(streams):
        length = ((e + 1) * n + v) // streams - (e * n + v) // streams
        pieces, last = [], None
        for block, sample in laid[at:at + length]:
            if block != last:
                pieces.append([])
                last = block
            pieces[-1].append(sample)
        at += length
        drawn = []
        for w in range(0, len(pieces), window):
            samples = [s for piece in pieces[w:w + window] for s in piece]
            key = SHUFFLE | (w // window) << 8
            drawn += [samples[i] for i in philox.permutation(seed, len(samples), e, v + 1, key)]
        result.append(drawn)
    assert at == n
    return result


def expected(case):
    chunks, streams, batch = case["chunks"], case["streams"], case["global_batch"]
    n = sum(chunks)
    blocks = blocks_of(chunks, streams)
    first, last = case["drawn"], case["drawn"] + case["steps"] * batch
    epochs = {}

    def sample(v, position):
        e = 0
        while ((e + 1) * n + v) // streams <= position:
            e += 1
        if e not in epochs:
            epochs[e] = epoch_of_streams(blocks, n, streams, case["window"], case["seed"], e)
        return epochs[e][v][position - (e * n + v) // streams]

    steps = []
    for x in range(first, last, batch):
        steps.append([[sample(v, p) for p in range((x + v) // streams, (x + batch + v) // streams)] for v in range(streams)])
    for e, per_stream in epochs.items():
        assert sorted(s for stream in per_stream for s in stream) == list(range(n)), f"epoch {e} is no permutation"
    r = case["world_size"]
    return [[[s for v in range(streams * rank // r, streams * (rank + 1) // r) for s in step[v]] for step in steps] for rank in range(r)]


def written_chunks(n, sample_bytes):
    chunk = min(n, -(-MIB // sample_bytes))
    return [min(chunk, n - first) for first in range(0, n, chunk)]


def cases():
    base = {"window": 4, "seed": 0, "world_size": 1, "steps": 3, "drawn": 0}
    mnist = written_chunks(60000, 784)
    fixed = [
        {"chunks": mnist, "global_batch": 48, "streams": 48},
        {"chunks": mnist, "global_batch": 50, "streams": 7, "world_size": 3, "steps": 20},
        {"chunks": mnist, "global_batch": 64, "streams": 64, "seed": 2**63 + 5, "drawn": 59968, "world_size": 4},
        {"chunks": mnist, "global_batch": 64, "streams": 64, "drawn": 5 * 60000 + 17},
        {"chunks": written_chunks(100000, 8), "global_batch": 256, "streams": 64, "world_size": 2},
        {"chunks": [28], "global_batch": 50, "streams": 7, "steps": 12, "world_size": 4},
        {"chunks": [1] * 40, "global_batch": 10, "streams": 10, "steps": 13, "window": 2},
        {"chunks": [5, 1, 7, 3] * 30, "global_batch": 11, "streams": 5, "steps": 60, "window": 3, "world_size": 3},
        {"chunks": [100] * 300, "global_batch": 96, "streams": 60, "steps": 400, "window": 1},
    ]
    seed = int(os.environ.get("STREAMS_SEED", random.SystemRandom().randrange(2**32)))
    print(f"random cases of seed {seed}; to repeat: STREAMS_SEED={seed} {' '.join(sys.argv)}")
    pick = random.Random(seed)
    for _ in range(60):
        streams = pick.randint(1, 12)
        chunks = [pick.randint(1, 30) for _ in range(pick.randint(1, 60))]
        while sum(chunks) < 4 * streams:
            chunks.append(pick.randint(1, 30))
        fixed.append({"chunks": chunks, "streams": streams, "global_batch": streams + pick.randint(0, 40), "window": pick.randint(1, 5),
                      "seed": pick.getrandbits(63), "world_size": pick.randint(1, streams), "steps": pick.randint(1, 40), "drawn": pick.randint(0, 3000)})
    return [base | case for case in fixed]


def main():
    listed = cases()
    run = subprocess.run([sys.argv[1], "streams"], input=json.dumps(listed), capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    answers = json.loads(run.stdout)
    for case, answer in zip(listed, answers, strict=True):
        wanted = expected(case)
        if wanted != answer:
            sys.exit(f"the order differs for {case}")
    # A witness that cannot tell is none: another window must be seen.
    assert expected(listed[0] | {"window": 3}) != answers[0]
    print(f"{len(listed)} orders equal")


main()
