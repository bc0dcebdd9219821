"""What the whole-program tests share: starting ganymede, the small data sets, recipes, and comparing what runs leave behind.

The program is the one that $GANYMEDE names, else build/release/ganymede. The data sets are made once, in build/test_data.
"""
import contextlib
import dataclasses
import fcntl
import gzip
import json
import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest

import h5py
import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
WITNESS = ROOT / "tests" / "witness"
sys.path.insert(0, str(WITNESS))
GANYMEDE = os.environ.get("GANYMEDE", str(ROOT / "build" / "release" / "ganymede"))
DATA = ROOT / "build" / "test_data"
SAMPLES = 1500      # over one chunk of 28 x 28 pixels, so that there are two, and an epoch ends within the longer runs
TIMEOUT_S = 240
# More ranks than cores: without yielding a step takes seconds.
MPIRUN = ["mpirun", "--oversubscribe", "--bind-to", "none", "--mca", "mpi_yield_when_idle", "1", "--mca", "btl_vader_single_copy_mechanism", "none"]
TIMES = {"step_ms", "data_wait_ms", "comm_exposed_ms", "stat_wait_ms", "replay_ms", "images_per_s", "rss_mib", "rank_ms", "skew", "slowest_rank"}


@dataclasses.dataclass
class Result:
    command: list
    code: int
    out: str
    err: str

    def __str__(self):
        return f"{' '.join(self.command)}\nended with {self.code}\n--- standard output\n{self.out}\n--- standard error\n{self.err}"


def environment(**more):
    return {**os.environ, "OMP_NUM_THREADS": "1", "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", **more}


def start(command, cwd=None, **more):
    """Runs any command to its end."""
    command = [str(part) for part in command]
    done = subprocess.run(command, cwd=cwd, env=environment(**more), capture_output=True, text=True, timeout=TIMEOUT_S, errors="replace")
    return Result(command, done.returncode, done.stdout, done.stderr)


def ganymede(*arguments, cwd=None):
    return start([GANYMEDE, *arguments], cwd)


def ganymede_on_ranks(folders, *arguments):
    """One rank per folder, each started in its own: so that a rank can see what the others do not."""
    command = list(MPIRUN)
    for folder in folders:
        command += [*([":"] if folder is not folders[0] else []), "-np", "1", "-wdir", folder, GANYMEDE, *arguments]
    return start(command)


def settings(**values):
    """--set arguments; a double underscore stands for the dot: run__steps=3."""
    return [part for key, value in values.items() for part in ("--set", f"{key.replace('__', '.')}={json.dumps(value)}")]


def must(result):
    if result.code != 0:
        raise AssertionError(str(result))
    return result


def run_folder(result):
    """The run folder that `train` names in its last line."""
    last = result.out.strip().splitlines()[-1] if result.out.strip() else ""
    if not last.startswith("run: "):
        raise AssertionError(f"the last line of standard output is not 'run: PATH'\n{result}")
    return pathlib.Path(last.removeprefix("run: "))


def train(recipe, out, ranks=1, **values):
    """Trains to the end; gives the run folder (absolute)."""
    result = must(ganymede("train", recipe, "--out", out, *(["--ranks", ranks] if ranks > 1 else []), *settings(**values), cwd=ROOT))
    return (ROOT / run_folder(result)).resolve()


def resume(where, out, ranks=1, **values):
    result = must(ganymede("train", "--resume", where, "--out", out, *(["--ranks", ranks] if ranks > 1 else []), *settings(**values), cwd=ROOT))
    return (ROOT / run_folder(result)).resolve()


# ---- data and recipes ----

def write_idx(folder, count, prefix="train", compress=gzip.open):
    """The first `count` images and labels of the shipped MNIST as IDX files of their own."""
    source = ROOT / "datasets" / "mnist"
    folder.mkdir(parents=True, exist_ok=True)
    for kind, header, size in (("images-idx3", 16, 784), ("labels-idx1", 8, 1)):
        with gzip.open(source / f"train-{kind}-ubyte.gz") as file:
            head, body = file.read(header), file.read(count * size)
        with compress(folder / f"{prefix}-{kind}-ubyte.gz", "wb") as file:
            file.write(head[:4] + struct.pack(">I", count) + head[8:] + body)


def test_data():
    """The folder of the shared data sets: idx/ (source), mnist-28, mnist-32, mnist-20 and ring (shards)."""
    DATA.mkdir(parents=True, exist_ok=True)
    made_by = os.stat(GANYMEDE)
    stamp, wanted = DATA / "made_by", f"{made_by.st_size} {made_by.st_mtime_ns} {SAMPLES}"
    with open(DATA / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.exists() or stamp.read_text() != wanted:
            for entry in DATA.iterdir():
                if entry.is_dir():
                    shutil.rmtree(entry)
            write_idx(DATA / "idx", SAMPLES)
            must(ganymede("data", "build", DATA / "idx", DATA / "mnist-28", "--shard-mib", 1))
            must(ganymede("data", "build", DATA / "idx", DATA / "mnist-32", "--size", 32, "--fit", "pad"))
            must(ganymede("data", "build", DATA / "idx", DATA / "mnist-20", "--size", 20, "--fit", "crop"))
            must(ganymede("data", "synth", "ring", DATA / "ring"))
            stamp.write_text(wanted)
    return DATA


# Narrow networks: every layer of the real ones, in a fraction of the time.
NETWORKS = {"dcgan28": ("dcgan", 8, "mnist-28"), "dcgan32": ("dcgan", 4, "mnist-32"), "ring": ("mlp", 24, "ring")}


def recipe_text(network, data=None, **values):
    """A small recipe as TOML. values: section__key=value, also for tables below a section (optimizer__generator__lr)."""
    kind, width, shards = NETWORKS[network]
    keys = {
        "run.seed": 3, "run.steps": 20, "run.precision": "float64", "data.path": str(data or DATA / shards), "data.global_batch": 48,
        "latent.size": 10, "generator.kind": kind, "generator.width": width, "discriminator.kind": kind, "discriminator.width": width,
        "optimizer.generator.kind": "adam", "optimizer.discriminator.kind": "adam", "optimizer.discriminator.schedule": "exponential",
        "optimizer.discriminator.decay_steps": 10, "checkpoint.every_steps": 0, "log.every_steps": 1, "log.samples_every_steps": 0,
        **{key.replace("__", "."): value for key, value in values.items()}}
    sections = {}
    for key, value in keys.items():
        if value is not None:
            section, name = key.rsplit(".", 1)
            sections.setdefault(section, []).append(f"{name} = {json.dumps(value)}")
    return "\n".join(f"[{section}]\n" + "\n".join(lines) + "\n" for section, lines in sections.items())


# ---- what a run leaves ----

def latest_checkpoint(run):
    return run / "checkpoints" / (run / "LATEST").read_text().strip()


def arrays(file, group="/"):
    """Every dataset below `group` by its full name."""
    found = {}
    with h5py.File(file) as h5:
        def visit(name, item):
            if isinstance(item, h5py.Dataset):
                found[f"{group.rstrip('/')}/{name}"] = item[()]
        h5[group].visititems(visit)
    return found


def model(run):
    return arrays(latest_checkpoint(run) / "model.h5")


def worst_difference(mine, theirs, names=None, by_tensor=False):
    """The largest |d| / (|p| + 1e-3) over all arrays, and where; names must agree. by_tensor: against the largest |p| of each array."""
    if set(mine) != set(theirs):
        raise AssertionError(f"different arrays: {sorted(set(mine) ^ set(theirs))}")
    worst, where = 0.0, ""
    for name in sorted(mine):
        if names and not re.search(names, name):
            continue
        a, b = np.asarray(mine[name], np.float64), np.asarray(theirs[name], np.float64)
        if a.shape != b.shape:
            raise AssertionError(f"{name}: shapes {a.shape} and {b.shape}")
        if a.size == 0:
            continue
        difference = np.max(np.abs(a - b) / (max(np.abs(b).max(), 1e-3) if by_tensor else np.abs(b) + 1e-3))
        if not difference <= worst:      # so that NaN is the worst of all
            worst, where = float(difference), name
    return worst, where


def stats(run, times=False):
    """The rows of stats.jsonl by step; without the times, which no two runs share."""
    rows = [json.loads(line) for line in (run / "stats.jsonl").read_text().splitlines()]
    kept = {row["step"]: {key: value for key, value in row.items() if times or key not in TIMES} for row in rows}
    if len(kept) != len(rows):
        raise AssertionError(f"{run}/stats.jsonl repeats a step")
    return kept


def rank_logs(run, ranks):
    return [(run / "log" / f"rank-{rank}.log").read_text() for rank in range(ranks)]


def snapshot(folder):
    """Every path below a folder."""
    return sorted(str(path.relative_to(folder)) for path in pathlib.Path(folder).rglob("*"))


class ProgramTest(unittest.TestCase):
    """A test with a folder of its own (self.folder) and the shared data (self.data)."""

    @classmethod
    def setUpClass(cls):
        if not os.access(GANYMEDE, os.X_OK):
            raise AssertionError(f"there is no program {GANYMEDE}: build it, or name one in $GANYMEDE")
        cls.data = test_data()

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ganymede-test-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def recipe(self, network, name="recipe.toml", **values):
        path = self.folder / name
        path.write_text(recipe_text(network, **values))
        return path

    def assert_within(self, tolerance, mine, theirs, names=None, message="", by_tensor=False):
        worst, where = worst_difference(mine, theirs, names, by_tensor)
        self.assertLessEqual(worst, tolerance, f"{message} at {where}")

    def assert_bitwise(self, mine, theirs, message=""):
        self.assertEqual(sorted(mine), sorted(theirs), message)
        for name in mine:
            same = np.asarray(mine[name]).tobytes() == np.asarray(theirs[name]).tobytes()
            self.assertTrue(same, f"{message} {name} differs")


@contextlib.contextmanager
def small_tmpfs(folder, size):
    folder.mkdir()
    must(start(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder]))
    try:
        yield folder
    finally:
        must(start(["umount", folder]))
