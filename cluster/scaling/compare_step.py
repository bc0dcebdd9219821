"""One command: ganymede's training step against PyTorch's best effort at it (peer_dcgan.py), paired and alternating.

    .venv/bin/python cluster/scaling/compare_step.py [--pairs 5] [--cases dcgan-32 dcgan-64 ring] [--save]

Each round runs `ganymede bench step` and the peer one after the other (who begins takes turns), with the same recipe, the same
samples (held in memory by both) and the same threads; a case's figures are the median of the rounds' ratios with the smallest and
the largest. The peer runs with both forms of PyTorch's fused Adam: as the class torch.optim.Adam(fused=True), which everybody
writes, and as the function behind it, which imports less and so starts sooner and is smaller. Before that the peer's two memory
formats are timed and the faster one is kept. Peak memory is taken from outside, from the kernel's account of each process; the
time to the first finished step is counted by each program from the moment the kernel made it. --save writes the table and the raw rows to cluster/scaling/results/step_MACHINE_DATE.md.
"""
import argparse
import datetime
import json
import os
import pathlib
import platform
import re
import shlex
import statistics
import subprocess
import sys
import tempfile
import tomllib

ROOT = pathlib.Path(__file__).resolve().parents[2]
SHARDS = ROOT / "build" / "shards"
MNIST = ("data", "build", "datasets/mnist", "--split", "test")     # 10,000 images: enough, and the step's own memory stays visible
CASES = {
    # recipe, how its shards are made, samples per step, threads, warm-up, measured iterations
    "dcgan-32": {"recipe": "mnist-32.toml", "build": (*MNIST, "--size", "32"), "batch": 64, "threads": 2, "warmup": 5, "iterations": 40},
    "dcgan-64": {"recipe": "dcgan-64.toml", "build": (*MNIST, "--size", "64"), "batch": 64, "threads": 2, "warmup": 3, "iterations": 15},
    # The step of second order, with D of 28 pixels, which has no batch norm.
    "wgan-gp-28": {"recipe": "mnist.toml", "build": MNIST, "batch": 64, "threads": 2, "warmup": 5, "iterations": 40,
                   "set": ("objective.loss=wasserstein", "regularizers.gradient_penalty=10.0")},
    "dcgan-32-bf16": {"recipe": "mnist-32.toml", "build": (*MNIST, "--size", "32"), "batch": 64, "threads": 2, "warmup": 5, "iterations": 40,
                      "set": ("run.precision=bf16",)},
    "dcgan-64-bf16": {"recipe": "dcgan-64.toml", "build": (*MNIST, "--size", "64"), "batch": 64, "threads": 2, "warmup": 3, "iterations": 15,
                      "set": ("run.precision=bf16",)},
    "ring": {"recipe": "ring.toml", "build": ("data", "synth", "ring"), "batch": 256, "threads": 1, "warmup": 200, "iterations": 2000},
}
PEERS = {"class": "torch.optim.Adam", "function": "functional Adam"}
DCGAN_TARGETS = {"step": (1.00, PEERS), "memory": (0.60, ("class",)), "start": (0.30, ("class",))}
TARGETS = {   # the largest ratio aimed at, and against which peers; no target: shown beside
    **{name: DCGAN_TARGETS for name in ("dcgan-32", "dcgan-64", "dcgan-32-bf16", "dcgan-64-bf16")},
    "wgan-gp-28": {"step": (1.05, PEERS)},
    "ring": {"step": (0.75, PEERS)},
}
NAMES = {"step": "median step", "memory": "peak memory", "start": "start to first finished step"}
UNITS = {"step": "ms", "memory": "MiB", "start": "s"}


def measure(command, threads):
    """Runs one process to its end; its own JSON, with the peak memory that the kernel counted."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen([str(part) for part in command], stdout=output, stderr=errors, cwd=ROOT, env=environment)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0), errors.seek(0)
        if process.returncode != 0:
            sys.exit(f"{shlex.join(map(str, command))}\nended with {process.returncode}:\n{errors.read()}")
        row = json.loads(output.read())
    return {"step": row["step_ms"]["median"], "p10": row["step_ms"]["p10"], "p90": row["step_ms"]["p90"], "memory": usage.ru_maxrss / 1024,
            "start": row["start_to_first_step_s"], "versions": row.get("versions", {})}


def prepare(name, case, ganymede):
    """The case's shards, and the same samples as one raw file for the peer; both are kept. Gives their paths and one sample's shape."""
    folder, raw = SHARDS / f"bench-{name}", SHARDS / f"bench-{name}.bin"
    if not (folder / "manifest.json").exists():
        order = list(case["build"])
        order.insert(3 if order[1] == "build" else len(order), str(folder))
        subprocess.run([ganymede, *order], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        raw.unlink(missing_ok=True)
    manifest = json.loads((folder / "manifest.json").read_text())
    if not raw.exists():
        import h5py
        with open(raw, "wb") as file:
            for shard in manifest["shards"]:
                with h5py.File(folder / shard["file"]) as data:
                    data["samples"][()].tofile(file)
    return folder, raw, manifest["shape"]


def commands(case, ganymede, folder, raw, shape):
    """Both command lines, the peer's from the resolved recipe, so that both do the same step."""
    settings = [f"data.path={folder}", f"data.global_batch={case['batch']}", *case.get("set", ())]
    recipe = f"launch/recipes/{case['recipe']}"
    sets = [part for setting in settings for part in ("--set", setting)]
    resolved = subprocess.run([ganymede, "config", "show", recipe, *sets], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    tables = tomllib.loads(resolved)
    objective, generator, adam = tables.get("objective", {}), tables.get("generator", {}), tables.get("optimizer", {}).get("generator", {})
    count = ["--iterations", case["iterations"], "--warmup", case["warmup"]]
    ours = [ganymede, "bench", "step", recipe, *sets, *count, "--no-kernels", "--json"]
    peer = [sys.executable, ROOT / "cluster/scaling/peer_dcgan.py", "--kind", generator.get("kind", "dcgan"), "--data", raw, "--shape", *shape,
            "--latent", tables.get("latent", {}).get("size", 100), "--width", generator.get("width", 64), "--depth", generator.get("depth", 2),
            "--batch", case["batch"], "--loss", objective.get("loss", "non_saturating"), "--d-loss", objective.get("d_loss", "sum"),
            "--d-batch", objective.get("d_batch", "separate"), "--d-steps", objective.get("d_steps", 1), "--lr", adam.get("lr", 2e-4),
            "--beta1", adam.get("beta1", 0.5), "--average", tables.get("average", {}).get("decay", 0.999),
            "--gradient-penalty", tables.get("regularizers", {}).get("gradient_penalty", 0.0),
            "--precision", tables.get("run", {}).get("precision", "float32"), "--threads", case["threads"], *count]
    if tables.get("tricks", {}).get("reuse_fakes", False):
        peer.append("--reuse-fakes")
    return ours, peer


def compare(name, case, ganymede, options):
    folder, raw, shape = prepare(name, case, ganymede)
    ours, peer = commands(case, ganymede, folder, raw, shape)
    formats = {}
    if len(shape) == 3:
        for memory_format in ("channels_last", "contiguous"):
            formats[memory_format] = measure([*peer, "--memory-format", memory_format], case["threads"])["step"]
        best = min(formats, key=formats.get)
        peer += ["--memory-format", best]
        print(f"{name}: peer's memory formats: " + ", ".join(f"{key} {value:.1f} ms" for key, value in formats.items()) + f"; {best} is kept", flush=True)
    who = {"ganymede": ours, **{form: [*peer, "--optimizer", form] for form in PEERS}}
    rows = []
    for number in range(options.pairs):
        first = number % len(who)
        order = [*who][first:] + [*who][:first]
        measured = {which: measure(who[which], case["threads"]) for which in order}
        rows.append({which: measured[which] for which in who})
        print(f"{name}: round {number + 1}: " + "; ".join(
            f"{NAMES[key]} " + " / ".join(f"{rows[-1][which][key]:.4g}" for which in who) + f" {UNITS[key]}" for key in NAMES) +
            f" ({' / '.join(who)})", flush=True)
    return {"rows": rows, "ours": ours, "peer": peer, "formats": formats}


def summary(results):
    """Markdown table of the ratios."""
    lines = ["| case | measured | against PyTorch with | ganymede | PyTorch | ratio: median (smallest to largest) | target | met |", "|---|---|---|---|---|---|---|---|"]
    for name, result in results.items():
        for key, label in NAMES.items():
            target, against = TARGETS[name].get(key, (None, ()))
            for form, spelled in PEERS.items():
                mine, theirs = ([row[which][key] for row in result["rows"]] for which in ("ganymede", form))
                ratios = [a / b for a, b in zip(mine, theirs)]
                ratio = statistics.median(ratios)
                goal = (f"<= {target:.2f}", "yes" if ratio <= target else "no") if form in against else ("-", "-")
                lines.append(f"| {name} | {label} | {spelled} | {statistics.median(mine):.4g} {UNITS[key]} | {statistics.median(theirs):.4g} {UNITS[key]} | "
                             f"{ratio:.3f} ({min(ratios):.3f} to {max(ratios):.3f}) | {goal[0]} | {goal[1]} |")
    return "\n".join(lines)


def machine_name():
    match = re.search(r"model name\s*:\s*(.*)", pathlib.Path("/proc/cpuinfo").read_text())
    model = match.group(1) if match else platform.processor() or platform.machine()
    return f"{len(os.sched_getaffinity(0))} cores, {model}"


def machine_slug():
    return re.sub(r"[^a-z0-9]+", "-", machine_name().lower().replace("(r)", "")).strip("-")


def relative(command):
    return shlex.join(str(part).replace(f"{ROOT}/", "").replace(sys.executable, "python") for part in command)


def save(results, table, options):
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    date = datetime.date.today().isoformat()
    path = ROOT / "cluster" / "scaling" / "results" / f"step_{machine_slug()}_{date}.md"
    first = next(iter(results.values()))["rows"][0]
    lines = [f"# Training step, ganymede against PyTorch, {date}", "",
             f"Commit {commit}; {machine_name()}; one process, so no link; ganymede {json.dumps(first['ganymede']['versions'])}, "
             f"peer {json.dumps(first['class']['versions'])}.",
             f"Command: `python cluster/scaling/compare_step.py --pairs {options.pairs} --cases {' '.join(results)} --save`. "
             "Paired, alternating; both hold the samples in memory as stored.", "", table, ""]
    for name, result in results.items():
        case = CASES[name]
        lines += [f"## {name}", "", f"{case['threads']} threads, batch {case['batch']}, {case['warmup']} warm-up and {case['iterations']} measured iterations "
                  f"a run, {len(result['rows'])} rounds. `{relative(result['ours'])}` against `{relative(result['peer'])} --optimizer class|function`.", ""]
        if result["formats"]:
            lines += ["Peer's memory formats: " + ", ".join(f"{key} {value:.1f} ms" for key, value in result["formats"].items()) + ".", ""]
        lines += ["| round | who | step ms: median | p10 | p90 | peak MiB | first step s |", "|---|---|---|---|---|---|---|"]
        for number, row in enumerate(result["rows"], 1):
            lines += [f"| {number} | {who} | {r['step']:.3f} | {r['p10']:.3f} | {r['p90']:.3f} | {r['memory']:.1f} | {r['start']:.3f} |" for who, r in row.items()]
        lines.append("")
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(lines))
    print(f"saved {path.relative_to(ROOT)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--cases", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--iterations", type=int, help="measured iterations a run, instead of the case's own number")
    parser.add_argument("--ganymede", default=str(ROOT / "build/release/ganymede"))
    parser.add_argument("--save", action="store_true", help="write a result file")
    options = parser.parse_args()
    results = {}
    for name in options.cases:
        if options.iterations:
            CASES[name]["iterations"] = options.iterations
        results[name] = compare(name, CASES[name], options.ganymede, options)
    table = summary(results)
    print(f"\n{table}")
    if options.save:
        save(results, table, options)


if __name__ == "__main__":
    main()
