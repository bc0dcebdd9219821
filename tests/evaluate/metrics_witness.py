"""NumPy and SciPy compute what src/evaluate does, on points drawn here. usage: metrics_witness.py WITNESS_TOOL [SEED]"""
import math
import pathlib
import random
import subprocess
import sys
import tempfile

import numpy
from scipy import spatial, stats

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "witness"))
import philox  # noqa: E402

TOOL = sys.argv[1]
SEED = int(sys.argv[2]) if len(sys.argv) > 2 else random.SystemRandom().randrange(2**32)
DIRECTIONS = 3  # index of the purpose eval


def figures(*arguments):
    run = subprocess.run([TOOL, *map(str, arguments)], capture_output=True, text=True)
    assert run.returncode == 0, (arguments, run.stderr)
    return {name: float(value) for name, value in (line.split() for line in run.stdout.splitlines())}


def compare(where, ours, theirs, relative=1e-8):
    assert ours.keys() >= theirs.keys(), (where, theirs.keys() - ours.keys())
    for name, value in theirs.items():
        is_close = math.isclose(ours[name], value, rel_tol=relative, abs_tol=1e-12)
        assert is_close, f"{where}, seed {SEED}: {name} {ours[name]!r}, witness {value!r}"


def written(folder, name, points):
    path = pathlib.Path(folder) / name
    path.write_bytes(numpy.ascontiguousarray(points, dtype=numpy.float64).tobytes())
    return path


def mixture_figures(points, centres, sd, low, high):
    k, n = len(centres), len(points)
    distance = spatial.distance.cdist(points, centres)
    mode, valid = distance.argmin(1), distance.min(1) <= 3 * sd
    mass = numpy.bincount(mode[valid], minlength=k) / n
    p = mass[mass > 0] / mass.sum()

    edges = numpy.linspace(low, high, round((high - low) / (sd / 2)) + 1)
    along = [numpy.diff(stats.norm.cdf(edges[:, None], centres[:, axis], sd), axis=0) for axis in (0, 1)]
    expected = along[0] @ along[1].T / k
    counted = numpy.histogram2d(points[:, 0], points[:, 1], bins=[edges, edges])[0] / n
    outside = abs((1 - counted.sum()) - (1 - expected.sum()))

    kappa = stats.chi2.cdf(9, 4) / stats.chi2.cdf(9, 2)
    covariances = [numpy.cov(points[valid & (mode == j)].T) for j in range(k) if (valid & (mode == j)).sum() >= 30]
    sd_ratio = [math.sqrt(numpy.trace(c) / (2 * kappa * sd**2)) for c in covariances]
    volume_ratio = [math.sqrt(numpy.linalg.det(c)) / (kappa * sd**2) for c in covariances]
    return {
        "tv": 0.5 * (abs(mass - 1 / k).sum() + 1 - valid.mean()), "valid": valid.mean(), "covered": (mass >= 0.01).sum(),
        "covered_quarter": (mass >= 1 / (4 * k)).sum(), "reverse_kl": math.log(k) - stats.entropy(p), "modes": (mass > 0).sum(),
        "fine_grid": 0.5 * (abs(counted - expected).sum() + outside),
        "sd_ratio": numpy.mean(sd_ratio), "min_sd_ratio": min(sd_ratio),
        "volume_ratio": numpy.mean(volume_ratio), "min_volume_ratio": min(volume_ratio),
    }


def off_diagonal_mean(k):
    return k[~numpy.eye(len(k), dtype=bool)].mean()


def two_sample_figures(k_rr, k_yy, k_ry, suffix):
    half = len(k_rr) // 2
    mmd2 = off_diagonal_mean(k_rr) + off_diagonal_mean(k_yy) - 2 * k_ry.mean()
    w_r = k_rr[:half, half:].mean(1) - k_ry[:half, half:].mean(1)
    w_y = k_ry.T[:half, half:].mean(1) - k_yy[:half, half:].mean(1)
    t = (w_r.mean() - w_y.mean()) / math.sqrt(w_r.var(ddof=1) / half + w_y.var(ddof=1) / half)
    return {"mmd2" + suffix: mmd2, "effect" + suffix: mmd2 / (numpy.diag(k_rr).mean() - off_diagonal_mean(k_rr)), "t" + suffix: t}


def directions(features):
    if features == 2:
        angle = numpy.pi * numpy.arange(512) / 512
        return numpy.stack([numpy.cos(angle), numpy.sin(angle)], 1)
    normals = philox.normal(SEED, "eval", 0, 0, 512, features, index=DIRECTIONS)
    return normals / numpy.linalg.norm(normals, axis=1, keepdims=True)


def pair_figures(r, y):
    h2 = numpy.median(spatial.distance.pdist(r, "sqeuclidean"))
    gaussian = [numpy.exp(-spatial.distance.cdist(a, b, "sqeuclidean") / (2 * h2)) for a, b in ((r, r), (y, y), (r, y))]
    polynomial = [(a @ b.T / r.shape[1] + 1) ** 3 for a, b in ((r, r), (y, y), (r, y))]
    lines = directions(r.shape[1])
    w1 = [stats.wasserstein_distance(r @ u, y @ u) for u in lines]
    w2 = [((numpy.sort(r @ u) - numpy.sort(y @ u)) ** 2).mean() for u in lines]
    edges = numpy.arange(-3, 3.01, 0.25)
    p, q = (numpy.histogram(x[:, 0], edges)[0].astype(float) for x in (y, r))
    kept = q > 0
    return {
        **two_sample_figures(*gaussian, ""), **two_sample_figures(*polynomial, "_poly"),
        "sliced_w1": numpy.mean(w1), "sliced_w2": math.sqrt(numpy.mean(w2)), "emd": stats.wasserstein_distance(r[:, 0], y[:, 0]),
        "histogram_kl": stats.entropy(p[kept], q[kept]), "outside": 1 - p[kept].sum() / len(y),
    }


def evidence_figures(values, mean, sd, count):
    n, m, s = len(values), values.mean(), values.std(ddof=1)
    error = math.sqrt(s**2 / n + sd**2 / count)
    margin = 2 * sd
    tests = [stats.ttest_ind_from_stats(m + shift, s, n, mean, sd, count, equal_var=False, alternative=side).pvalue
             for shift, side in ((margin, "greater"), (-margin, "less"))]
    flip = stats.permutation_test((values - mean,), lambda x, axis: x.mean(axis), permutation_type="samples", n_resamples=numpy.inf)
    return {"consistent": abs(m - mean) <= 2 * error, "equivalent": max(tests) <= 0.05, "sign_flip": flip.pvalue}


def main():
    print(f"seed {SEED}")
    generator = numpy.random.default_rng(SEED)
    angle = 2 * numpy.pi * numpy.arange(8) / 8
    ring = numpy.stack([2 * numpy.cos(angle), 2 * numpy.sin(angle)], 1)
    line = (numpy.arange(5) - 2) * 1.5
    grid = numpy.stack(numpy.meshgrid(line, line, indexing="ij"), -1).reshape(-1, 2)
    equivalents = 0
    with tempfile.TemporaryDirectory() as folder:
        for name, centres, box in (("ring", ring, (-3.0, 3.0)), ("grid", grid, (-5.5, 5.5))):
            # Uneven masses, other spreads along the axes, and some samples that belong nowhere.
            mode = generator.choice(len(centres), 5000, p=generator.dirichlet(numpy.ones(len(centres))))
            points = centres[mode] + generator.normal(size=(5000, 2)) * (0.09, 0.12)
            points[:300] = generator.uniform(-7, 7, (300, 2))
            ours = figures("mixture", written(folder, "points", points), written(folder, "centres", centres), 0.1, *box)
            compare(name, ours, mixture_figures(points, centres, 0.1, *box))
        for features in (2, 7):
            r = generator.normal(size=(200, features))
            y = generator.normal(0.4, 0.8, size=(200, features))
            ours = figures("pair", written(folder, "r", r), written(folder, "y", y), features, SEED)
            compare(f"pairs of {features}", ours, pair_figures(r, y))
    for n in (5, 6, 9):
        for _ in range(12):
            values = generator.normal(generator.uniform(-2, 2), generator.uniform(0.5, 1.5), n).round(6)
            theirs = evidence_figures(values, 0.1, 1.0, 5)
            compare(f"{n} runs", figures("evidence", 0.1, 1.0, 5, *values), theirs)
            equivalents += theirs["equivalent"]
    print(f"mixtures, pairs and runs agree with the witness; {equivalents} of 36 results were equivalent")


main()
