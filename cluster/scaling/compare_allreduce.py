"""All-reduce through ganymede's Communicator against bare MPI_Allreduce (allreduce_mpi.c), paired and alternating.

    .venv/bin/python cluster/scaling/compare_allreduce.py [--ranks 2] [--rounds 5] [--iterations 50] [--mpirun "--host a,b …"] [--save]

Each round runs `ganymede bench comm` and the C program one after the other (who begins takes turns) with the same mpirun options, sizes
and iterations. A size's figure in a round is the median over iterations of the slowest rank's time; the table shows the median over
rounds of each, the difference or ratio of the pairs with the smallest and largest, and whether the aim is met: up to 64 KiB at most
25 us more, at 1 MiB at least 80 % of its rate, from 16 MiB on at least 110 %. --save writes the table and the rounds to
cluster/scaling/results/allreduce_MACHINE_DATE.md.
"""
import argparse
import datetime
import json
import os
import pathlib
import re
import shlex
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
KIB, MIB = 1 << 10, 1 << 20
# More ranks than cores would need yielding; vader's single copies are often forbidden in containers, and slower here.
MPIRUN = ["mpirun", "--bind-to", "none", "--mca", "btl_vader_single_copy_mechanism", "none"]


def run(command):
    environment = {**os.environ, "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run([str(word) for word in command], cwd=ROOT, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{shlex.join(map(str, command))}\nended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def median_of_slowest(times):
    """times: [rank][iteration]."""
    return statistics.median(max(of_ranks) for of_ranks in zip(*times))


def measure_ganymede(launch, options):
    with tempfile.TemporaryDirectory() as folder:
        record = pathlib.Path(folder) / "comm.json"
        run([*launch, options.ganymede, "bench", "comm", "--min-bytes", options.min_bytes, "--max-bytes", options.max_bytes, "--iterations", options.iterations,
             "--warmup", options.warmup, "--json", record])
        rows = json.loads(record.read_text())["results"]
    if any(row["in_place"]["nwrong"] for row in rows):
        sys.exit("ganymede's sums are wrong")
    return {row["size"]: median_of_slowest(row["in_place_per_iter"]["per_process_times_us"]) for row in rows}


def measure_mpi(launch, program, options):
    lines = run([*launch, program, options.min_bytes, options.max_bytes, options.iterations, options.warmup]).splitlines()
    rows = [json.loads(line) for line in lines if line.startswith("{")]
    return {row["size"]: median_of_slowest(row["per_process_times_us"]) for row in rows}


def verdict(size, ours, theirs):
    """What is compared at this size, from the rounds' pairs; and the aim: (text, met or not, None where there is none)."""
    more = [a - b for a, b in zip(ours, theirs)]
    rate = [b / a for a, b in zip(ours, theirs)]
    text = f"{statistics.median(more):+.1f} us ({min(more):+.1f} to {max(more):+.1f}); rate {statistics.median(rate):.2f} ({min(rate):.2f} to {max(rate):.2f})"
    if size <= 64 * KIB:
        return text, "at most 25 us more", statistics.median(more) <= 25
    if size == MIB:
        return text, "rate >= .80", statistics.median(rate) >= 0.80
    if size >= 16 * MIB:
        return text, "rate >= 1.10", statistics.median(rate) >= 1.10
    return text, "-", None


def table(rounds):
    lines = ["| bytes | ganymede, us | MPI_Allreduce, us | ganymede more; rate, as a multiple of MPI's | aim | met |", "|---|---|---|---|---|---|"]
    for size in rounds[0]["ganymede"]:
        ours, theirs = ([one[who][size] for one in rounds] for who in ("ganymede", "mpi"))
        text, aim, met = verdict(size, ours, theirs)
        lines.append(f"| {size} | {statistics.median(ours):.1f} | {statistics.median(theirs):.1f} | {text} | {aim} | {'-' if met is None else 'yes' if met else 'no'} |")
    return "\n".join(lines)


def machine_name():
    match = re.search(r"model name\s*:\s*(.*)", pathlib.Path("/proc/cpuinfo").read_text())
    return f"{len(os.sched_getaffinity(0))} cores, {match.group(1) if match else 'unknown processor'}"


def save(rounds, options, load):
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    date = datetime.date.today().isoformat()
    slug = re.sub(r"[^a-z0-9]+", "-", machine_name().lower().replace("(r)", "")).strip("-")
    path = ROOT / "cluster" / "scaling" / "results" / f"allreduce_{slug}_{date}.md"
    lines = [f"# All-reduce, ganymede against MPI_Allreduce, {date}", "",
             f"Commit {commit}; {machine_name()}; {options.ranks} ranks; {options.link}; mean load of the machine while it ran {load:.1f}.",
             f"Command: `python cluster/scaling/compare_allreduce.py --ranks {options.ranks} --rounds {options.rounds} --iterations {options.iterations}`, "
             f"mpirun options `{shlex.join([*MPIRUN[1:], *shlex.split(options.mpirun)])}`. Median over iterations of the slowest rank; in the table median over rounds.", "",
             table(rounds), "", "## Rounds", "", "| round | bytes | ganymede, us | MPI_Allreduce, us |", "|---|---|---|---|"]
    lines += [f"| {number} | {size} | {one['ganymede'][size]:.2f} | {one['mpi'][size]:.2f} |" for number, one in enumerate(rounds, 1) for size in one["ganymede"]]
    path.write_text("\n".join(lines) + "\n")
    print(f"saved {path.relative_to(ROOT)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--iterations", type=int, default=50)
    parser.add_argument("--warmup", type=int, default=10)
    parser.add_argument("--min-bytes", type=int, default=8)
    parser.add_argument("--max-bytes", type=int, default=64 * MIB)
    parser.add_argument("--mpirun", default="", help="more options for mpirun, in one word")
    parser.add_argument("--link", default="shared memory", help="what connects the ranks, for the record")
    parser.add_argument("--ganymede", default=str(ROOT / "build/release/ganymede"))
    parser.add_argument("--save", action="store_true", help="write a result file")
    options = parser.parse_args()
    program = ROOT / "build" / "allreduce_mpi"
    program.parent.mkdir(exist_ok=True)
    run(["mpicc", "-O2", "-Wall", ROOT / "cluster/scaling/allreduce_mpi.c", "-o", program])
    launch = [*MPIRUN, "-np", options.ranks, *shlex.split(options.mpirun)]
    who = {"ganymede": lambda: measure_ganymede(launch, options), "mpi": lambda: measure_mpi(launch, program, options)}
    rounds, loads = [], []
    for number in range(options.rounds):
        order = list(who) if number % 2 == 0 else list(who)[::-1]
        rounds.append({name: who[name]() for name in order})
        loads.append(os.getloadavg()[0])
        print(f"round {number + 1} of {options.rounds}, load {loads[-1]:.1f}", flush=True)
    print(table(rounds))
    if options.save:
        save(rounds, options, statistics.mean(loads))


if __name__ == "__main__":
    main()
