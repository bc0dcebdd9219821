"""Trains one recipe with several seeds, judges each run by `ganymede eval --metrics modes`, and prints a table with the cost of each.

    quality.py launch/recipes/protocols/sandlund-ring.toml --title "ring, vanilla" --seeds 0 1 2 3 4 [--set key=value]... [--raw] [--jobs 2]
               [--save FILE.md]

Every seed is a row, also one that failed; below them mean and standard deviation, and the same figures for real data (the floor).
--save adds the table, with its command, machine and date, to a file of results. One thread a run: give --jobs the number of cores.
"""
import argparse
import concurrent.futures
import datetime
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "build" / "release" / "ganymede"


def command(*arguments):
    return subprocess.run([PROGRAM, *map(str, arguments)], cwd=ROOT, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})


def train(folder, *arguments):
    """Exit code, last line of output (of errors, if it failed), wall and CPU seconds; the CPU time says what a run costs beside others."""
    start = time.monotonic()
    folder.mkdir(parents=True)
    with (folder / "out").open("w") as out, (folder / "err").open("w") as err:
        child = subprocess.Popen([PROGRAM, "train", *map(str, arguments), "--out", folder], cwd=ROOT, stdout=out, stderr=err, env={**os.environ, "OMP_NUM_THREADS": "1"})
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    lines = (folder / ("err" if child.returncode else "out")).read_text().strip().splitlines()
    return child.returncode, lines[-1] if lines else "", time.monotonic() - start, usage.ru_utime + usage.ru_stime


def judge(options, seed, folder):
    """The figures of one seed: name -> (value, the same of real data), and its cost."""
    changes = [part for change in (*options.set, f"run.seed={seed}") for part in ("--set", change)]
    code, last_line, wall_s, cpu_s = train(folder / str(seed), options.recipe, *changes)
    if code != 0:
        return None, [f"exit code {code}:", last_line]
    run = last_line.removeprefix("run: ")
    judged = command("eval", run, "--metrics", "modes", "--json", *(["--raw"] if options.raw else []))
    if judged.returncode != 0:
        return None, judged.stderr.strip().splitlines()[-1:]
    last = json.loads((pathlib.Path(run) / "stats.jsonl").read_text().splitlines()[-1])
    metrics = json.loads(judged.stdout)["metrics"]
    return {name: (metric["value"], metric["real"]) for name, metric in metrics.items()}, (wall_s, cpu_s, last["images"])


def table(options, results):
    names = [name for name in next(figures for figures, _ in results.values() if figures) if name != "too_sharp"]
    lines = ["| seed | " + " | ".join(names) + " | reals through D | wall time | CPU time |", "|---" * (len(names) + 4) + "|"]
    good = {seed: figures for seed, (figures, _) in results.items() if figures}
    for seed, (figures, cost) in results.items():
        if figures is None:
            lines.append(f"| {seed} | failed: {' '.join(cost)} |")
        else:
            lines.append(f"| {seed} | " + " | ".join(f"{figures[name][0]:.4g}" for name in names) + f" | {cost[2]:,} | {cost[0]:.0f} s | {cost[1]:.0f} s |")
    for label, of in (("mean", statistics.fmean), ("sd", statistics.stdev)):
        if len(good) > 1:
            lines.append(f"| {label} | " + " | ".join(f"{of([figures[name][0] for figures in good.values()]):.4g}" for name in names) + " | | | |")
    real = next(iter(good.values()))
    lines.append("| real data | " + " | ".join(f"{real[name][1]:.4g}" for name in names) + " | | | |")
    return "\n".join(lines)


def save(file, title, made_by, jobs, text):
    """Adds a section to a file of results: what was run, when, on what, and what came out."""
    cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), platform.machine())
    revision = subprocess.run(["git", "-C", ROOT, "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True).stdout.strip()
    with file.open("a") as out:
        out.write(f"\n## {title}\n\n`{made_by}`, {datetime.date.today()}, {cpu}, one core a run ({jobs} at a time), commit {revision}\n\n{text}\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe")
    parser.add_argument("--title", required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--raw", action="store_true", help="judge the trained weights, not their moving average")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--save", type=pathlib.Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        rows = {seed: pool.submit(judge, options, seed, pathlib.Path(folder)) for seed in options.seeds}
        results = {seed: row.result() for seed, row in rows.items()}
    text = table(options, results)
    print(text)
    if options.save:
        changes = "".join(f" --set {change}" for change in options.set)
        save(options.save, options.title, f"quality.py {options.recipe}{changes} --seeds {' '.join(map(str, options.seeds))}{' --raw' if options.raw else ''}",
             options.jobs, text)
    return 0 if all(figures for figures, _ in results.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
