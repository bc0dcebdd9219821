"""The program's augmentations give the values and the first and second derivatives of the PyTorch reference.

  augment_test.py AUGMENT_TOOL
"""
import json
import pathlib
import subprocess
import sys

import numpy as np
import torch

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import augment_reference as reference  # noqa: E402

TOLERANCE = 1e-10
SEED = 20441


def cases():
    random = np.random.default_rng(SEED)
    everything = dict.fromkeys(reference.TRANSFORMS, 1.0)
    kinds = [("diff", policy, 0, {}) for policy in ("", "color", "translation", "cutout", "cutout,color,translation")]
    kinds += [("ada", "", 1.0, {**dict.fromkeys(reference.TRANSFORMS, 0.0), name: 1.0}) for name in reference.TRANSFORMS]
    kinds += [("ada", "", p, everything) for p in (0.0, 0.2, 0.7, 1.0)]
    kinds += [("ada", "", 0.9, {**everything, "rotation": 0.4, "hue": 0.0, "shift": 0.7})]
    for n, (kind, policy, p, multipliers) in enumerate(kinds):
        for shape in ((6, 3, 16, 12), (6, 1, 11, 9)):
            yield {"kind": kind, "policy": policy, "p": p, "multipliers": multipliers, "shape": shape, "seed": SEED + (1 << 40), "step": n,
                   "first_place": 3 * n, "pass": list(reference.PASSES)[n % 4], "x": random.uniform(-1, 1, shape),
                   "weight": random.normal(size=shape)}
    for shape in ((3, 2, 4, 8, 17), (2, 1, 3, 12, 8)):
        yield {"kind": "diff", "policy": "color,translation", "p": 0, "multipliers": {}, "shape": shape, "seed": SEED, "step": 9,
               "first_place": 1, "pass": "d_fakes", "x": random.uniform(-1, 1, shape), "weight": random.normal(size=shape)}


def expected(case):
    x = torch.tensor(case["x"], requires_grad=True)
    uniforms = reference.philox_uniforms(case["seed"], case["pass"], case["step"], case["first_place"], case["shape"][0])
    if case["kind"] == "diff":
        y = reference.diff_augment(x, case["policy"], uniforms)
    else:
        y = reference.ada(x, case["p"], case["multipliers"], uniforms)
    first, = torch.autograd.grad((torch.tensor(case["weight"]) * y ** 3).sum(), x, create_graph=True)
    second, = torch.autograd.grad((first ** 2).sum(), x)
    return {"y": y, "first": first, "second": second}


def main():
    every = list(cases())
    asked = [{**case, "pass": reference.PASSES[case["pass"]], "x": case["x"].ravel().tolist(), "weight": case["weight"].ravel().tolist()}
             for case in every]
    run = subprocess.run([sys.argv[1]], input=json.dumps(asked), capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    worst, wrong = 0.0, []
    for case, answer in zip(every, json.loads(run.stdout), strict=True):
        for name, value in expected(case).items():
            theirs = value.detach().numpy().ravel()
            apart = float(np.max(np.abs(np.array(answer[name]) - theirs) / (1 + np.abs(theirs))))
            worst = max(worst, apart)
            if not apart <= TOLERANCE:
                acting = [key for key, value in case["multipliers"].items() if value]
                wrong.append(f"{case['kind']} '{case['policy']}' p {case['p']} {acting} {case['shape']}: {name} is {apart:.2e} apart")
        moved = float(np.max(np.abs(np.array(answer["y"]) - case["x"].ravel())))
        if case["kind"] == "diff" and case["policy"] and not moved > 1e-3:
            wrong.append(f"'{case['policy']}' changed nothing")
    print(f"seed {SEED}, {len(every)} cases, largest difference {worst:.2e}")
    sys.exit("\n".join(wrong) if wrong else 0)


if __name__ == "__main__":
    main()
