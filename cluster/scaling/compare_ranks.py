"""One command: ganymede's step on two ranks against PyTorch DDP with gloo (peer_ddp.py), and weak scaling, paired and alternating.

    .venv/bin/python cluster/scaling/compare_ranks.py [--pairs 5] [--cases dcgan-32 dcgan-64] [--places shared 1000] [--save]

Places: `shared`, two ranks on this host; a number, two emulated hosts (tests/hosts/hosts.sh, needs root) whose links carry that many
Mbit/s. Both sides have the same networks, 64 samples and one thread a rank, and local batch norm. The peer's size of buckets is tried
first and the faster one kept. Weak scaling (place `shared` only): two ranks with 64 samples each against two processes at the same
time that do not know of each other. --save writes the rows to cluster/scaling/results/ranks_MACHINE_DATE.md.
"""
import argparse
import datetime
import json
import os
import pathlib
import statistics
import subprocess
import sys

import compare_step
from compare_step import CASES, ROOT

HOSTS = ROOT / "tests" / "hosts" / "hosts.sh"
TARGETS = {("dcgan-32", "shared"): 0.90, ("dcgan-64", "shared"): 0.84, ("dcgan-32", "1000"): 0.80, ("dcgan-64", "1000"): 0.80}
ITERATIONS = {"dcgan-32": (5, 30), "dcgan-64": (3, 12)}     # warm-up, measured
LOCAL = ["mpirun", "-q", "-np", "2", "--bind-to", "none", "--mca", "btl_vader_single_copy_mechanism", "none", "--mca", "mpi_yield_when_idle", "1"]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}


def last_json(text, command):
    rows = [line for line in text.splitlines() if line.startswith("{")]
    if not rows:
        sys.exit(f"{command}\nprinted no result:\n{text}")
    return json.loads(rows[-1])


class Place:
    """Where two ranks run: launched() turns a program's command line into that of two ranks."""

    def __init__(self, name):
        self.name = name

    def __enter__(self):
        if self.name != "shared":
            subprocess.run([HOSTS, "down"], capture_output=True)
            subprocess.run([HOSTS, "up", "2"], check=True)
            subprocess.run([HOSTS, "rate", self.name], check=True)
        return self

    def __exit__(self, *_):
        if self.name != "shared":
            subprocess.run([HOSTS, "down"], capture_output=True)

    def launched(self, command, is_peer):
        command = [str(part) for part in command]
        if self.name == "shared":
            return LOCAL + command
        extra = ["--master", "10.77.0.1"] if is_peer else []
        return [str(HOSTS), "mpirun", "-q", "-np", "2", "--host", "node1,node2", "-x", "OMP_NUM_THREADS=1", "-x", "GLOO_SOCKET_IFNAME=eth0", *command, *extra]

    def measure(self, command, is_peer=False):
        whole = self.launched(command, is_peer)
        done = subprocess.run(whole, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"{' '.join(whole)}\nended with {done.returncode}:\n{done.stderr}")
        return last_json(done.stdout, whole)


def commands(name, options):
    case = {**CASES[name], "threads": 1, "warmup": ITERATIONS[name][0], "iterations": options.iterations or ITERATIONS[name][1]}
    folder, raw, shape = compare_step.prepare(name, case, options.ganymede)
    case["set"] = ("parallel.batch_norm=local", *options.set)
    alone, peer = compare_step.commands(case, options.ganymede, folder, raw, shape)
    both = [part.replace("global_batch=64", "global_batch=128") if isinstance(part, str) else part for part in alone]
    return alone, both, [sys.executable, ROOT / "cluster/scaling/peer_ddp.py", *peer[2:]]


def against_peer(name, place, options):
    _, ours, peer = commands(name, options)
    sizes = {mib: place.measure([*peer, "--bucket-mib", mib], True)["step_ms"]["median"] for mib in (4, 25)}
    best = min(sizes, key=sizes.get)
    print(f"{name} {place.name}: peer's buckets: {sizes}; {best} MiB are kept", flush=True)
    rows = []
    for number in range(options.pairs):
        order = ["ganymede", "peer"] if number % 2 == 0 else ["peer", "ganymede"]
        row = {who: place.measure(ours) if who == "ganymede" else place.measure([*peer, "--bucket-mib", best], True) for who in order}
        rows.append((row["ganymede"]["step_ms"]["median"], row["peer"]["step_ms"]["median"], row["ganymede"]["comm_exposed_ms"]))
        print(f"{name} {place.name}: {rows[-1][0]:.1f} / {rows[-1][1]:.1f} ms = {rows[-1][0] / rows[-1][1]:.3f}; exposed {rows[-1][2]:.1f} ms", flush=True)
    return rows


def two_alone(command):
    running = [subprocess.Popen([str(part) for part in command], cwd=ROOT, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    return statistics.mean(last_json(process.communicate()[0], command)["step_ms"]["median"] for process in running)


def weak_scaling(name, options):
    alone, both, _ = commands(name, options)
    rows = []
    with Place("shared") as place:
        for number in range(options.pairs):
            order = ("apart", "together") if number % 2 == 0 else ("together", "apart")
            row = {who: two_alone(alone) if who == "apart" else place.measure(both)["step_ms"]["median"] for who in order}
            rows.append((row["apart"], row["together"]))
            print(f"{name} weak scaling: {row['apart']:.1f} / {row['together']:.1f} ms = {row['apart'] / row['together']:.3f}", flush=True)
    return rows


def spread(ratios):
    return f"{statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--cases", nargs="+", choices=list(ITERATIONS), default=list(ITERATIONS))
    parser.add_argument("--places", nargs="*", default=["shared", "1000"])
    parser.add_argument("--iterations", type=int)
    parser.add_argument("--set", action="append", default=[], help="a further setting of ganymede's side")
    parser.add_argument("--no-weak", action="store_true", help="leave weak scaling out")
    parser.add_argument("--ganymede", default=str(ROOT / "build/release/ganymede"))
    parser.add_argument("--save", action="store_true", help="write a result file")
    options = parser.parse_args()
    lines = ["| case | place | measured | ganymede | other | ratio: median (smallest to largest) | target |", "|---|---|---|---|---|---|---|"]
    for where in options.places:
        with Place(where) as place:
            for name in options.cases:
                rows = against_peer(name, place, options)
                target = TARGETS.get((name, where))
                lines.append(f"| {name} | {'shared memory' if where == 'shared' else where + ' Mbit/s, emulated hosts'} | step against DDP | "
                             f"{statistics.median(r[0] for r in rows):.1f} ms (exposed {statistics.median(r[2] for r in rows):.1f}) | "
                             f"{statistics.median(r[1] for r in rows):.1f} ms | {spread([a / b for a, b, _ in rows])} | {f'<= {target:.2f}' if target else '-'} |")
    for name in () if options.no_weak else options.cases:
        rows = weak_scaling(name, options)
        lines.append(f"| {name} | shared memory | weak scaling, 1 to 2 ranks | {statistics.median(r[1] for r in rows):.1f} ms together | "
                     f"{statistics.median(r[0] for r in rows):.1f} ms apart | {spread([a / b for a, b in rows])} | >= 0.97 |")
    table = "\n".join(lines)
    print(f"\n{table}")
    if options.save:
        commit = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
        date = datetime.date.today().isoformat()
        slug = compare_step.machine_slug()
        path = ROOT / "cluster" / "scaling" / "results" / f"ranks_{slug}_{date}.md"
        path.write_text(f"# Two ranks, ganymede against PyTorch DDP with gloo, {date}\n\nCommit {commit}; {compare_step.machine_name()}; one thread a rank, 64 samples a rank, "
                        f"local batch norm on both sides. `compare_ranks.py --pairs {options.pairs} --cases {' '.join(options.cases)} --places {' '.join(options.places)}"
                        f"{''.join(f' --set {s}' for s in options.set)}`.\n\n{table}\n")
        print(f"saved {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
