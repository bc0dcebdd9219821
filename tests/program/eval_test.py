"""Figures of quality, the digit classifier, and samples of a conditional generator, against NumPy and PyTorch."""
import json
import pathlib
import shutil
import struct
import tempfile
import unittest

import h5py
import numpy as np
import torch

import program
import mnist_classifier  # noqa: E402  (found through program)
from replay import networks  # noqa: E402

CLASSIFIER = program.ROOT / "datasets" / "mnist" / "classifier.safetensors"
COUNT = 1000
MIXTURE = {"modes_1pct", "modes_quarter", "tv", "valid", "pacgan_modes", "pacgan_modes_quarter", "pacgan_hq", "pacgan_reverse_kl", "sd_ratio_mean", "sd_ratio_min",
           "volume_ratio_mean", "volume_ratio_min", "fine_grid_tv", "sliced_w2", "too_sharp"}
DIGITS = {"digits_1pct", "digits_quarter", "tv", "tv_confident", "rejected", "checkerboard", *(f"share_{k}" for k in range(10))}
STACKS = {"modes", "kl", "modes_confident", "kl_confident", "accepted", "checkerboard"}


def read_safetensors(path):
    """As the format's documentation says, with nothing but NumPy."""
    raw = path.read_bytes()
    length, = struct.unpack("<Q", raw[:8])
    header = json.loads(raw[8:8 + length])
    metadata, data = header.pop("__metadata__", {}), raw[8 + length:]
    kinds = {"F32": np.float32, "F64": np.float64, "I64": np.int64, "U8": np.uint8}
    arrays = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        arrays[name] = np.frombuffer(data[begin:end], kinds[entry["dtype"]]).reshape(entry["shape"])
    assert sum(a.nbytes for a in arrays.values()) == len(data)
    return arrays, metadata


@torch.no_grad()
def probabilities(path, bytes_nhw):
    """The classifier of a file as PyTorch computes it, [n,10]."""
    network = mnist_classifier.make_network()
    network.load_state_dict({name: torch.from_numpy(array.copy()) for name, array in read_safetensors(path)[0].items()})
    network.eval()
    x = (torch.from_numpy(bytes_nhw.astype(np.float32))[:, None] / 255 - 0.1307) / 0.3081
    return network(x).double().softmax(1).numpy()


class Evaluation(program.ProgramTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.runs, cls.shared = {}, pathlib.Path(tempfile.mkdtemp(prefix="ganymede-eval-"))
        cls.addClassCleanup(shutil.rmtree, cls.shared, ignore_errors=True)

    def run_of(self, name, network, **values):
        """One short run for all tests that look at it."""
        if name not in self.runs:
            path = self.shared / f"{name}.toml"
            path.write_text(program.recipe_text(network, **values))
            self.runs[name] = program.train(path, self.shared / "runs")
        return self.runs[name]

    def evaluate(self, run, *arguments, samples=COUNT):
        done = program.must(program.ganymede("eval", run, "--metrics", "modes", "--samples", samples, "--json", *arguments, cwd=program.ROOT))
        return json.loads(done.out)

    def sampled(self, run, *arguments):
        program.must(program.ganymede("sample", run, "-o", self.folder / "s.png", "--samples-h5", self.folder / "s.h5", *arguments))
        return program.arrays(self.folder / "s.h5")

    def ring(self):
        return self.run_of("ring", "ring", run__steps=50)

    def digits(self):
        return self.run_of("digits", "dcgan28", run__steps=3, run__precision="float32")

    def conditional_ring(self):
        return self.run_of("conditional-ring", "ring", run__steps=5, conditional__kind="planes", log__samples_every_steps=5, data=self.labelled_ring())

    def labelled_ring(self):
        folder = program.DATA / "ring"
        self.assertEqual(len(json.loads((folder / "manifest.json").read_text())["classes"]), 8)
        return folder

    # ---- what is printed and written ----

    def test_a_mixture_has_all_its_figures_beside_those_of_reals(self):
        run = self.ring()
        shown = self.evaluate(run, "--seed", 5)
        self.assertEqual(set(shown["metrics"]), MIXTURE)
        self.assertEqual((shown["step"], shown["samples"], shown["weights"], shown["kind"], shown["seed"]), (50, COUNT, "average", "mixture", 5))
        for name, figure in shown["metrics"].items():
            self.assertIsNotNone(figure["real"], name)
            for part in (f"samples={COUNT}", "weights=average", "bn=running", "data="):
                self.assertIn(part, figure["protocol"], name)
        real = {name: figure["real"] for name, figure in shown["metrics"].items()}
        self.assertEqual((real["modes_1pct"], real["modes_quarter"], real["pacgan_modes"], real["too_sharp"]), (8, 8, 8, 0))
        self.assertAlmostEqual(real["valid"], 0.9889, delta=0.012)
        self.assertAlmostEqual(real["sd_ratio_mean"], 1, delta=0.06)
        self.assertLess(real["tv"], 0.12)
        self.assertGreater(real["sliced_w2"], 0)
        self.assertLess(real["sliced_w2"], 0.5)
        self.assertIn("weights=raw", self.evaluate(run, "--raw")["metrics"]["tv"]["protocol"])

    def test_rows_are_added_to_the_run_only(self):
        run = self.ring()
        file = run / "metrics.jsonl"
        file.unlink(missing_ok=True)
        shown = self.evaluate(run)
        rows = [json.loads(line) for line in file.read_text().splitlines()]
        self.assertEqual({row["metric"] for row in rows}, MIXTURE | {f"{name}_of_reals" for name in MIXTURE})
        for row in rows:
            self.assertEqual(list(row), ["step", "metric", "value", "protocol"])
            self.assertEqual(row["step"], 50)
            figure = shown["metrics"][row["metric"].removesuffix("_of_reals")]
            self.assertEqual(row["value"], figure["real" if row["metric"].endswith("_of_reals") else "value"])
            self.assertEqual(row["protocol"], figure["protocol"])
        self.evaluate(run)
        self.assertEqual(file.read_text().splitlines(), [json.dumps(row, separators=(",", ":")) for row in rows] * 2)
        before = file.read_bytes()
        again = self.evaluate(program.latest_checkpoint(run))
        self.assertEqual(again["metrics"], shown["metrics"])
        self.assertEqual(file.read_bytes(), before)

    def test_the_table_names_every_figure(self):
        out = program.must(program.ganymede("eval", self.ring(), "--samples", COUNT)).out
        for name in MIXTURE:
            self.assertRegex(out, rf"(?m)^{name} ")
        self.assertIn("real data", out)

    # ---- against NumPy and PyTorch ----

    def test_mixture_figures_are_those_of_the_samples(self):
        shown = {name: figure["value"] for name, figure in self.evaluate(self.ring(), "--seed", 5)["metrics"].items()}
        points = self.sampled(self.ring(), "--count", COUNT, "--seed", 5)["/samples"].astype(np.float64)
        angle = np.arange(8) * np.pi / 4
        distance = np.linalg.norm(points[:, None] - 2 * np.stack([np.cos(angle), np.sin(angle)], 1), axis=2)
        nearest, valid = distance.argmin(1), distance.min(1) <= 0.3
        mass = np.bincount(nearest[valid], minlength=8) / COUNT
        self.assertAlmostEqual(shown["tv"], 0.5 * (np.abs(mass - 1 / 8).sum() + 1 - valid.mean()), 12)
        self.assertAlmostEqual(shown["valid"], valid.mean(), 12)
        self.assertEqual(shown["modes_1pct"], (mass >= 0.01).sum())
        self.assertEqual(shown["modes_quarter"], (mass >= 1 / 32).sum())

    def test_digit_figures_are_those_of_the_samples(self):
        run = self.digits()
        shown = self.evaluate(run, "--seed", 5)
        self.assertEqual((set(shown["metrics"]), shown["kind"]), (DIGITS, "digits"))
        metrics = shown["metrics"]
        p = probabilities(CLASSIFIER, self.sampled(run, "--count", COUNT, "--seed", 5)["/samples"][..., 0])
        shares = np.bincount(p.argmax(1), minlength=10) / COUNT
        for k in range(10):
            self.assertAlmostEqual(metrics[f"share_{k}"]["value"], shares[k], delta=2.5 / COUNT)     # ties of noise may fall to either side
        self.assertAlmostEqual(metrics["rejected"]["value"], (p.max(1) < 0.9).mean(), delta=2.5 / COUNT)
        counts = np.array(json.loads((program.DATA / "mnist-28" / "manifest.json").read_text())["counts"])
        self.assertAlmostEqual(metrics["tv"]["value"], 0.5 * np.abs(shares - counts / counts.sum()).sum(), delta=5 / COUNT)
        self.assertIn(f"classifier={program.start(['sha256sum', CLASSIFIER]).out.split()[0]}", metrics["tv"]["protocol"])
        self.assertEqual((metrics["digits_1pct"]["real"], metrics["digits_quarter"]["real"]), (10, 10))
        self.assertLess(metrics["tv"]["real"], 0.05)
        self.assertLess(metrics["rejected"]["real"], 0.05)

    def test_digits_of_32_pixels_are_brought_to_28(self):
        metrics = self.evaluate(self.run_of("digits-32", "dcgan32", run__steps=2, run__precision="float32"))["metrics"]
        self.assertEqual((set(metrics), metrics["digits_1pct"]["real"]), (DIGITS, 10))
        self.assertLess(metrics["rejected"]["real"], 0.08)

    def test_stacks_are_counted_channel_by_channel(self):
        stacks = self.folder / "stacks"
        program.must(program.ganymede("data", "synth", "stacked-mnist", program.DATA / "mnist-28", stacks, "--count", 1500))
        recipe = self.recipe("dcgan28", data=stacks, run__steps=2, run__precision="float32")
        metrics = self.evaluate(program.train(recipe, self.folder / "runs"))["metrics"]
        self.assertEqual(set(metrics), STACKS)
        self.assertGreater(metrics["modes"]["real"], 550)          # of 1,000 draws from 1,000 classes about 632 are hit
        self.assertLess(metrics["modes"]["real"], 700)
        self.assertGreater(metrics["accepted"]["real"], 0.9)
        self.assertLess(metrics["kl"]["real"], 0.7)

    def test_batches_may_give_batch_norm_its_statistics(self):
        run = self.run_of("normed-ring", "ring", run__steps=30, generator__norm="batch")
        shown = self.evaluate(run, "--seed", 5, "--raw", "--bn-batch", 50)["metrics"]
        self.assertIn("bn=batch50", shown["tv"]["protocol"])
        self.assertNotEqual(shown["valid"]["value"], self.evaluate(run, "--seed", 5, "--raw")["metrics"]["valid"]["value"])
        weights = {name.removeprefix("/generator/"): torch.from_numpy(np.asarray(value)) for name, value in program.model(run).items() if name.startswith("/generator/")}
        generator = networks.nets.mlp_generator(2, 10, 24, norm="batch").double()
        generator.layers.load_state_dict(weights)
        z = torch.from_numpy(self.sampled(run, "--count", COUNT, "--seed", 5)["/z"]).double()
        with torch.no_grad():
            points = torch.cat([generator(part) for part in z.split(50)]).numpy()
        angle = np.arange(8) * np.pi / 4
        distance = np.linalg.norm(points[:, None] - 2 * np.stack([np.cos(angle), np.sin(angle)], 1), axis=2).min(1)
        self.assertAlmostEqual(shown["valid"]["value"], (distance <= 0.3).mean(), delta=1.5 / COUNT)     # float32 may fall to either side
        for arguments, code, words in (((run, "--bn-batch", 300), 64, ["--bn-batch 300", "--samples"]), ((run, "--bn-batch", 1), 64, ["bn-batch"]),
                                       ((self.ring(), "--bn-batch", 50), 65, ["no batch norm", "--bn-batch"])):
            result = program.ganymede("eval", *arguments, "--samples", COUNT)
            self.assertEqual(result.code, code, str(result))
            for word in words:
                self.assertIn(word, result.err + result.out)

    # ---- classes ----

    def test_a_conditional_generator_is_asked_for_its_classes_in_turn(self):
        run = self.conditional_ring()
        metrics = self.evaluate(run, "--seed", 5)["metrics"]
        self.assertEqual(set(metrics), MIXTURE | {"class_agreement"})
        self.assertEqual(metrics["class_agreement"]["real"], 1)
        self.assertIn("classes=cycling", metrics["class_agreement"]["protocol"])
        made = self.sampled(run, "--count", COUNT, "--seed", 5)
        self.assertTrue(np.array_equal(made["/labels"], np.arange(COUNT) % 8))
        angle = np.arange(8) * np.pi / 4
        nearest = np.linalg.norm(made["/samples"][:, None] - 2 * np.stack([np.cos(angle), np.sin(angle)], 1), axis=2).argmin(1)
        self.assertAlmostEqual(metrics["class_agreement"]["value"], (nearest == made["/labels"]).mean(), 12)

    def test_a_conditional_run_shows_its_classes_in_turn(self):
        run = self.conditional_ring()
        self.assertTrue((run / "samples" / "step-000005.png").exists())

    def test_a_generator_with_a_reference_batch_is_found_again(self):
        run = self.run_of("reference", "ring", run__steps=5, generator__norm="virtual", log__samples_every_steps=5)
        self.assertEqual(set(self.evaluate(run)["metrics"]), MIXTURE)
        self.assertEqual(set(self.evaluate(run, "--raw")["metrics"]), MIXTURE)

    def test_one_class_and_a_row_of_each(self):
        run = self.conditional_ring()
        turns = self.sampled(run, "--count", 16, "--seed", 5)
        third = self.sampled(run, "--count", 16, "--seed", 5, "--class", 3)
        self.assertTrue(np.array_equal(third["/labels"], np.full(16, 3)))
        self.assertTrue(np.array_equal(third["/z"], turns["/z"]))
        same = turns["/labels"] == 3
        self.assertTrue(np.array_equal(third["/samples"][same], turns["/samples"][same]))
        self.assertFalse(np.array_equal(third["/samples"][~same], turns["/samples"][~same]))
        rows = self.sampled(run, "--count", 17, "--seed", 5, "--class", "all")
        self.assertTrue(np.array_equal(rows["/labels"], np.arange(8).repeat(3)))
        self.assertTrue(np.array_equal(rows["/z"], np.tile(turns["/z"][:3], (8, 1))))
        self.assertTrue(np.array_equal(rows["/samples"][9:12], third["/samples"][:3]))
        with h5py.File(self.folder / "s.h5") as file:
            self.assertEqual((file["labels"].dtype, file.attrs["classes"]), (np.int32, 8))

    def test_classes_that_are_not_there(self):
        for run, name in ((self.ring(), 0), (self.ring(), "all"), (self.conditional_ring(), 8), (self.conditional_ring(), -1), (self.conditional_ring(), "three")):
            result = program.ganymede("sample", run, "-o", self.folder / "s.png", f"--class={name}")
            self.assertEqual(result.code, 64, str(result))
            self.assertIn("--class", result.err)
        self.assertEqual(program.snapshot(self.folder), [])

    # ---- the classifier ----

    def test_the_shipped_classifier_is_what_its_readme_says(self):
        arrays, metadata = read_safetensors(CLASSIFIER)
        self.assertEqual(sum(a.size for a in arrays.values()), 421_642)
        self.assertGreaterEqual(float(metadata["test_accuracy"]), 0.99)
        self.assertIn(program.start(["sha256sum", CLASSIFIER]).out.split()[0], (CLASSIFIER.parent / "README.md").read_text())
        images, labels = mnist_classifier.read_mnist("t10k")
        images, labels = images[:2000], labels[:2000]
        self.assertGreater((probabilities(CLASSIFIER, images).argmax(1) == labels).mean(), 0.98)

    def test_training_a_classifier_gives_the_same_file_again(self):
        data, files = program.DATA / "mnist-28", [self.folder / "a.safetensors", self.folder / "b.safetensors"]
        for file in files:
            done = program.must(program.ganymede("classifier", "train", data, file, "--epochs", 2, "--batch", 50, "--seed", 7, "--test", data))
        self.assertEqual(files[0].read_bytes(), files[1].read_bytes())
        arrays, metadata = read_safetensors(files[0])
        self.assertEqual(set(arrays), {f"{layer}.{part}" for layer in (0, 3, 7, 10) for part in ("weight", "bias")})
        self.assertEqual((metadata["seed"], metadata["epochs"], metadata["batch"]), ("7", "2", "50"))
        self.assertEqual(metadata["dataset_sha256"], program.start(["sha256sum", data / "manifest.json"]).out.split()[0])
        self.assertTrue(metadata["program"].startswith("ganymede "))
        self.assertIn(program.start(["sha256sum", files[0]]).out.split()[0], done.out)
        self.assertEqual(done.out.splitlines()[-1], f"test accuracy {float(metadata['test_accuracy']):.4f}")
        shards = [program.arrays(data / shard["file"]) for shard in json.loads((data / "manifest.json").read_text())["shards"]]
        pictures, labels = (np.concatenate([shard[name] for shard in shards]) for name in ("/samples", "/labels"))
        right = (probabilities(files[0], pictures[..., 0]).argmax(1) == labels).mean()
        self.assertGreater(right, 0.7)
        tested = program.must(program.ganymede("classifier", "test", files[0], data)).out
        self.assertAlmostEqual(float(tested.split()[-1]), float(metadata["test_accuracy"]), delta=1e-4)
        self.assertEqual(len(labels), program.SAMPLES)
        self.assertAlmostEqual(float(metadata["test_accuracy"]), right, delta=0.001)
        weak = program.ganymede("eval", self.digits(), "--samples", COUNT, "--classifier", files[0])
        self.assertEqual(weak.code, 65, str(weak))
        self.assertIn("99 %", weak.err)

    # ---- errors ----

    def test_usage_errors(self):
        for arguments in ((), ("--metrics", "modes"), (self.ring(), "--metrics", "nonsense"), (self.ring(), "--metrics", "modes,nonsense"),
                          (self.ring(), "--samples", 10), (self.ring(), "--nonsense")):
            result = program.ganymede("eval", *arguments)
            self.assertEqual(result.code, 64, str(result))

    def test_bad_data(self):
        damaged = self.folder / "damaged.safetensors"
        damaged.write_bytes(CLASSIFIER.read_bytes()[:-1])
        for arguments, word in (((self.folder,), "neither a run folder"), ((self.digits(), "--classifier", self.folder / "missing.safetensors"), "missing.safetensors"),
                                ((self.digits(), "--classifier", damaged), "damaged.safetensors"), ((self.ring(), "--data", program.DATA / "mnist-28"), "--data"),
                                ((self.ring(), "--data", self.folder), "no data set")):
            result = program.ganymede("eval", *arguments)
            self.assertEqual(result.code, 65, str(result))
            self.assertIn(word, result.err)


if __name__ == "__main__":
    unittest.main()
