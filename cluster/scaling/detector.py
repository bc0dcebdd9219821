"""How soon the online monitor sees a collapse, and how often it sees one where there is none: healthy runs of the ring, and the same runs
with one network's learning rate raised from iteration 3,000 on: G's by 50, which collapses, and D's by 20, which (by the oracle) does not.

    detector.py [--seeds 10 … 19] [--spare 20 … 29] [--jobs 2] [--save FILE.md]

The onset is an oracle's that knows the mixture: the first check from iteration 2,000 on at which at most half of the modes hold 1/(4K) of
2,000 samples by nearest centre, and so for 5 checks. It reads the generator's weights from the checkpoint of every check and runs them in
NumPy, so it shares no code with the monitor. Runs of a raised rate in which it sees no onset are listed apart; of G's the next spare seed
is run in their place.
"""
import argparse
import concurrent.futures
import json
import math
import pathlib
import sys
import tempfile

import h5py
import numpy as np
from scipy import stats

import quality

RECIPE = "launch/recipes/protocols/sandlund-ring.toml"
STEPS, EVERY, CHANGE, FROM = 10_000, 50, 3_000, 2_000
MODES, RADIUS, SLOPE = 8, 2.0, 0.2
DELAY = 500          # iterations within which a collapse has to be reported
CENTRES = RADIUS * np.array([[math.cos(2 * math.pi * k / MODES), math.sin(2 * math.pi * k / MODES)] for k in range(MODES)])


def covered_modes(checkpoint, z):
    with h5py.File(checkpoint / "model.h5") as file:
        layers = sorted({int(name.split(".")[0]) for name in file["generator"]})
        x = z
        for layer in layers:
            x = x @ file[f"generator/{layer}.weight"][()].T.astype(np.float64) + file[f"generator/{layer}.bias"][()]
            x = x if layer == layers[-1] else np.where(x > 0, x, SLOPE * x)
    nearest = np.argmin(((x[:, None] - CENTRES[None]) ** 2).sum(2), axis=1)
    return int((np.bincount(nearest, minlength=MODES) >= len(z) / (4 * MODES)).sum())


def onset(run, seed):
    """The first of 5 checks in a row with at most half of the modes, or None."""
    z = np.random.default_rng(seed).standard_normal((2_000, 16))
    steps = range(FROM, STEPS + 1, EVERY)
    low = [covered_modes(run / "checkpoints" / f"step-{step:06}", z) <= MODES // 2 for step in steps]
    return next((step for i, step in enumerate(steps) if i + 5 <= len(low) and all(low[i:i + 5])), None)


HEALTHY, COLLAPSING, HARMLESS = "healthy", "G's rate x50", "D's rate x20"
RAISED = {HEALTHY: None, COLLAPSING: ("generator", 1e-2), HARMLESS: ("discriminator", 4e-3)}


def one_run(seed, kind, folder):
    changes = [f"run.seed={seed}", f"run.steps={STEPS}", f"monitor.every_steps={EVERY}", f"log.every_steps={EVERY}", "log.samples_every_steps=0",
               f"checkpoint.every_steps={EVERY}", f"checkpoint.keep={STEPS // EVERY}"]
    if RAISED[kind]:
        network, rate = RAISED[kind]
        changes += [f"optimizer.{network}.schedule=step", f"optimizer.{network}.schedule_start={CHANGE}", f"optimizer.{network}.end_lr={rate}"]
    with tempfile.TemporaryDirectory(dir=folder) as place:
        code, last_line, _, cpu_s = quality.train(pathlib.Path(place) / "run", RECIPE, *(part for change in changes for part in ("--set", change)))
        if code != 0:
            raise RuntimeError(f"seed {seed}: exit code {code}: {last_line}")
        run = pathlib.Path(last_line.removeprefix("run: "))
        rows = [json.loads(line) for line in (run / "stats.jsonl").read_text().splitlines()]
        states = [(row["step"], row["collapse_state"]) for row in rows if "collapse_state" in row]
        entries = [step for (_, before), (step, now) in zip([(0, 0), *states], states) if before < 1 <= now]      # from ok
        return {"seed": seed, "kind": kind, "onset": onset(run, seed), "warns": entries, "collapsed": next((step for step, state in states if state == 2), None), "cpu_s": cpu_s}


def interval(hits, of):
    found = stats.binomtest(hits, of).proportion_ci(0.95, method="exact")
    return f"{hits} of {of} (95 %: {100 * found.low:.0f} to {100 * found.high:.0f} %)"


def first(steps):
    return steps[0] if steps else "never"


def report(runs):
    """runs: of all kinds. Those of a raised rate are judged by whether the oracle saw an onset, not by how they were made."""
    healthy = [run for run in runs if run["kind"] == HEALTHY]
    made = [run for run in runs if run["kind"] != HEALTHY and run["onset"]]
    without_onset = [run for run in runs if run["kind"] != HEALTHY and not run["onset"]]
    lines = ["| seed | run | onset by oracle | first warn | times it left ok | first collapsed | delay | CPU time |", "|---|---|---|---|---|---|---|---|"]
    for run in healthy + made + without_onset:
        delay = run["collapsed"] - run["onset"] if run["onset"] and run["collapsed"] else ""
        lines.append(f"| {run['seed']} | {run['kind']} | {run['onset'] or 'none'} | {first(run['warns'])} | {len(run['warns'])} | {run['collapsed'] or 'never'} | {delay} | "
                     f"{run['cpu_s']:.0f} s |")
    in_time = [run for run in made if run["collapsed"] and run["collapsed"] - run["onset"] <= DELAY]
    delays = sorted(run["collapsed"] - run["onset"] for run in made if run["collapsed"])
    lines += ["", f"Reported within {DELAY} iterations of onset: {interval(len(in_time), len(made))}; delays {delays}.",
              f"Healthy runs called collapsed: {interval(sum(run['collapsed'] is not None for run in healthy), len(healthy))}; "
              f"that left ok twice or more: {interval(sum(len(run['warns']) > 1 for run in healthy), len(healthy))}; "
              f"healthy runs in which the oracle sees an onset of its own: {sum(run['onset'] is not None for run in healthy)}.",
              f"Runs of a raised rate without onset that were called collapsed: {sum(run['collapsed'] is not None for run in without_onset)} of {len(without_onset)}."]
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(10, 20)))
    parser.add_argument("--spare", type=int, nargs="+", default=list(range(20, 30)))
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--save", type=pathlib.Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        started = [pool.submit(one_run, seed, kind, folder) for kind in RAISED for seed in options.seeds]
        runs, spare = [run.result() for run in started], list(options.spare)
        while sum(run["kind"] == COLLAPSING and run["onset"] is not None for run in runs) < len(options.seeds) and spare:
            runs.append(one_run(spare.pop(0), COLLAPSING, folder))
    text = report(runs)
    print(text)
    if options.save:
        quality.save(options.save, "The monitor: delay and false alarms", f"detector.py --seeds {' '.join(map(str, options.seeds))}", options.jobs, text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
