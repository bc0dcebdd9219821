"""Does the critic's estimate follow the distance between samples and data? The toy of 25 Gaussians under WGAN-GP.

    critic.py [--seed 0] [--set section.key=value]... [--save FILE.md]

At every 500th iteration: the estimate, mean f(real) - mean f(fake) over the critic's steps of the last 100 iterations (rows of stats.jsonl),
beside the sliced W2 of 10,000 samples of that checkpoint to fresh reals (`ganymede eval --metrics modes`). Spearman's correlation of the two
over all points after the first tenth of the run.
"""
import argparse
import json
import pathlib
import statistics
import sys
import tempfile

from scipy import stats

import quality

RECIPE = "launch/recipes/protocols/wgan-gp-toy.toml"
EVERY, WINDOW, ROW = 500, 100, 10
SHOWN = ("modes_quarter", "pacgan_modes", "pacgan_hq", "sd_ratio_mean", "sliced_w2")


def figures(checkpoint):
    judged = quality.command("eval", checkpoint, "--metrics", "modes", "--raw", "--json")
    if judged.returncode != 0:
        raise RuntimeError(judged.stderr)
    return {name: metric["value"] for name, metric in json.loads(judged.stdout)["metrics"].items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--save", type=pathlib.Path)
    options = parser.parse_args()
    changes = [f"run.seed={options.seed}", f"checkpoint.every_steps={EVERY}", "checkpoint.keep=1000", f"log.every_steps={ROW}", *options.set]
    with tempfile.TemporaryDirectory() as folder:
        code, last_line, wall_s, cpu_s = quality.train(pathlib.Path(folder) / "runs", RECIPE, *(part for change in changes for part in ("--set", change)))
        if code != 0:
            raise RuntimeError(f"exit code {code}: {last_line}")
        run = pathlib.Path(last_line.removeprefix("run: "))
        rows = [json.loads(line) for line in (run / "stats.jsonl").read_text().splitlines()]
        points = []
        for checkpoint in sorted((run / "checkpoints").iterdir()):
            step = int(checkpoint.name.removeprefix("step-"))
            estimate = -statistics.fmean(row["loss_d"] for row in rows if step - WINDOW < row["step"] <= step)
            points.append((step, estimate, figures(checkpoint)))
    last = points[-1][0]
    late = [point for point in points if point[0] > last / 10]
    found = stats.spearmanr([estimate for _, estimate, _ in late], [of["sliced_w2"] for _, _, of in late])
    lines = ["| iteration | critic's estimate | " + " | ".join(SHOWN) + " |", "|---" * (len(SHOWN) + 2) + "|"]
    lines += [f"| {step} | {estimate:.4f} | " + " | ".join(f"{of[name]:.4g}" for name in SHOWN) + " |" for step, estimate, of in points]
    lines += ["", f"Spearman's rho of estimate and sliced W2 over the {len(late)} points after the first tenth: {found.statistic:.3f} (p = {found.pvalue:.1e}). "
              f"{rows[-1]['images']:,} reals through D, {wall_s:.0f} s wall, {cpu_s:.0f} s CPU."]
    text = "\n".join(lines)
    print(text)
    if options.save:
        changes = "".join(f" --set {change}" for change in options.set)
        quality.save(options.save, "WGAN-GP toy: the critic's estimate and the sliced W2", f"critic.py --seed {options.seed}{changes}", 1, text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
