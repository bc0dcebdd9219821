"""Data sets: what `data build`, `synth`, `stat` and `peek` write, read back with h5py."""
import hashlib
import json
import pathlib
import shutil
import struct
import unittest

import h5py
import numpy as np

import program


def read_idx(folder):
    import gzip
    images = gzip.open(folder / "train-images-idx3-ubyte.gz").read()
    labels = gzip.open(folder / "train-labels-idx1-ubyte.gz").read()
    count = struct.unpack(">I", images[4:8])[0]
    return np.frombuffer(images, np.uint8, offset=16).reshape(count, 28, 28), np.frombuffer(labels, np.uint8, offset=8)


def read_shards(folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    samples, labels = [], []
    for entry in manifest["shards"]:
        with h5py.File(folder / entry["file"]) as file:
            samples.append(file["samples"][()])
            if "labels" in file:
                labels.append(file["labels"][()])
    return manifest, np.concatenate(samples), np.concatenate(labels) if labels else None


class Build(program.ProgramTest):
    def build(self, name, *arguments):
        program.must(program.ganymede("data", "build", program.DATA / "idx", self.folder / name, *arguments))
        return self.folder / name

    def test_shards_hold_the_images_and_the_manifest_describes_them(self):
        folder = program.DATA / "mnist-28"
        manifest, samples, labels = read_shards(folder)
        images, truth = read_idx(program.DATA / "idx")
        self.assertTrue(np.array_equal(samples[..., 0], images))
        self.assertTrue(np.array_equal(labels, truth))
        self.assertEqual((manifest["format"], manifest["version"], manifest["type"]), ("ganymede-dataset", 1, "image"))
        self.assertEqual((manifest["shape"], manifest["dtype"], manifest["samples"]), ([28, 28, 1], "uint8", program.SAMPLES))
        self.assertEqual(manifest["counts"], np.bincount(truth, minlength=10).tolist())
        self.assertEqual(len(manifest["classes"]), 10)
        self.assertIsNone(manifest["attributes"])
        self.assertEqual(len(manifest["range"]), 2)
        self.assertGreater(len(manifest["shards"]), 1, "--shard-mib 1 splits 1.1 MiB")
        for entry in manifest["shards"]:
            content = (folder / entry["file"]).read_bytes()
            self.assertEqual((len(content), hashlib.sha256(content).hexdigest()), (entry["bytes"], entry["sha256"]))
            with h5py.File(folder / entry["file"]) as file:
                self.assertEqual((file.attrs["format"], file.attrs["version"], file.attrs["layout"], file.attrs["classes"]), ("ganymede-shard", 1, "NHWC", 10))
                self.assertEqual((file["samples"].dtype, file["labels"].dtype), (np.uint8, np.int32))
                self.assertEqual(file["samples"].shape[0], entry["samples"])
                if file["samples"].chunks:
                    self.assertEqual(file["samples"].chunks, (min(-(-2 ** 20 // 784), entry["samples"]), 28, 28, 1))

    def test_building_twice_gives_the_same_bytes(self):
        first, second = (json.loads((self.build(name) / "manifest.json").read_text()) for name in ("a", "b"))
        self.assertEqual([entry["sha256"] for entry in first["shards"]], [entry["sha256"] for entry in second["shards"]])

    def test_size_and_fit(self):
        images, _ = read_idx(program.DATA / "idx")
        for size, fit in ((20, "crop"), (32, "pad"), (64, "resize")):
            built = read_shards(self.build(fit, "--size", size, "--fit", fit))[1]
            self.assertEqual(built.shape[1:], (size, size, 1))
            self.assertLess(abs(built.mean() - images.mean()), 2, "resizing keeps the brightness")

    def test_no_labels(self):
        manifest, _, labels = read_shards(self.build("bare", "--no-labels"))
        self.assertIsNone(labels)
        self.assertIsNone(manifest["classes"])

    def test_the_test_split(self):
        program.write_idx(self.folder / "source", 30, "t10k")
        program.must(program.ganymede("data", "build", self.folder / "source", self.folder / "out", "--split", "test"))
        self.assertEqual(read_shards(self.folder / "out")[0]["samples"], 30)

    def test_the_shipped_mnist_is_whole(self):
        sums = dict(reversed(line.split()[:2]) for line in (program.ROOT / "datasets" / "mnist" / "SHA256SUMS").read_text().splitlines() if line.strip())
        files = sorted((program.ROOT / "datasets" / "mnist").glob("*.gz"))
        self.assertEqual(len(files), 4)
        for path in files:
            self.assertEqual(hashlib.sha256(path.read_bytes()).hexdigest(), sums[path.name])


class Synth(program.ProgramTest):
    def synth(self, name, *arguments):
        program.must(program.ganymede("data", "synth", *arguments[:1], self.folder / name, *arguments[1:]))
        return read_shards(self.folder / name)

    def expect_mixture(self, manifest, points, labels):
        """The points are where the manifest's formula says, as spread and as often."""
        formula = manifest["formula"]
        self.assertEqual((formula["kind"], formula["dims"], len(formula["sd"])), ("mixture", points.shape[1], len(formula["centres"])))
        share = np.array(formula["weights"]) / sum(formula["weights"])
        for k, (centre, sd) in enumerate(zip(formula["centres"], formula["sd"])):
            own = points[labels == k].astype(np.float64)
            self.assertLess(abs(len(own) / len(points) - share[k]), 5 * np.sqrt(share[k] * (1 - share[k]) / len(points)))
            self.assertLess(np.abs(own.mean(0) - centre).max(), 5 * sd / np.sqrt(len(own)))
            self.assertLess(abs((own - centre).std() / sd - 1), 5 / np.sqrt(2 * own.size))
        return np.array(formula["centres"]), formula["sd"]

    def test_grids(self):
        centres, sd = self.expect_mixture(*self.synth("default", "grid", "--samples", 20000))
        self.assertEqual((len(centres), centres.min(), centres.max(), sd[0]), (25, -3, 3, 0.1))
        centres, sd = self.expect_mixture(*self.synth("wide", "grid", "--spacing", 2, "--sd", 0.05))
        self.assertEqual((sorted(set(centres.ravel())), sd[0]), ([-4, -2, 0, 2, 4], 0.05))
        manifest, points, labels = self.synth("toy", "grid", "--spacing", 2, "--sd", 0.05, "--scale", 2.828, "--balanced", "--seed", 3)
        self.expect_mixture(manifest, points, labels)
        self.assertEqual(manifest["counts"], [4000] * 25)
        self.assertLess(abs(points.std() - np.sqrt(8 + 0.05 ** 2) / 2.828), 0.01)

    def test_five_on_a_line(self):
        centres, sd = self.expect_mixture(*self.synth("line", "gmm1d", "--samples", 20000))
        self.assertEqual((centres.ravel().tolist(), sd), ([10, 20, 60, 80, 110], [3, 3, 2, 2, 1]))

    def test_stacked_digits(self):
        images, truth = read_idx(program.DATA / "idx")
        digits = {image.tobytes(): int(digit) for image, digit in zip(images, truth)}
        for name, arguments, count in (("drawn", ("--count", 300), 300), ("once", ("--once",), program.SAMPLES)):
            program.must(program.ganymede("data", "synth", "stacked-mnist", program.DATA / "mnist-28", self.folder / name, *arguments))
            manifest, stacks, labels = read_shards(self.folder / name)
            self.assertEqual((manifest["shape"], manifest["samples"], len(manifest["classes"])), ([28, 28, 3], count, 1000))
            self.assertEqual(manifest["formula"], {"kind": "stacked_mnist", "digits": program.SAMPLES})
            for stack, label in zip(stacks[:100], labels):
                a, b, c = (digits[np.ascontiguousarray(stack[..., channel]).tobytes()] for channel in range(3))
                self.assertEqual(label, 100 * a + 10 * b + c)
        for channel in range(3):
            self.assertEqual(sorted(stack[..., channel].tobytes() for stack in stacks), sorted(image.tobytes() for image in images))

    def test_impossible_options(self):
        for arguments in (("grid", "--side", 0), ("grid", "--balanced", "--samples", 101), ("gmm1d", "--scale", 0), ("ring", "--modes", 0)):
            result = program.ganymede("data", "synth", arguments[0], self.folder / "bad", *arguments[1:])
            self.assertEqual(result.code, 64, str(result))
        result = program.ganymede("data", "synth", "stacked-mnist", program.DATA / "ring", self.folder / "bad")
        self.assertEqual(result.code, 65, str(result))
        self.assertFalse((self.folder / "bad").exists())


class Sampling(program.ProgramTest):
    def train(self, name, ranks=1, **values):
        """The reals of the first steps as the trace tells them, and the run."""
        run = program.train(self.recipe("ring", run__steps=3, run__trace=3, **values), self.folder / name, ranks)
        found = program.arrays(run / "trace.h5", "/steps")
        return {key: value for key, value in found.items() if key.split("/")[-1] in ("real", "real_index", "labels")}

    def test_no_number_of_ranks_changes_what_is_drawn(self):
        for name, values in (("replacement", {}), ("synth", {}), ("table", {"data__table_members": 4, "data__table_rows": 1000})):
            alone = self.train(name, data__sampling=name, **values)
            self.assertEqual(len(alone), 9)
            self.assert_bitwise(self.train(f"{name}-3", 3, data__sampling=name, **values), alone, name)
        self.assertTrue(all((value == -1).all() for key, value in self.train("fresh", data__sampling="synth").items() if key.endswith("real_index")))

    def test_a_resumed_run_draws_on(self):
        for name in ("replacement", "synth"):
            recipe = self.recipe("ring", run__steps=6, data__sampling=name)
            whole = program.train(recipe, self.folder / "whole")
            half = program.train(recipe, self.folder / "half", run__steps=3)
            self.assert_bitwise(program.model(program.resume(half, self.folder / "half", run__steps=6)), program.model(whole), name)

    def test_what_does_not_go_together_is_refused(self):
        for network, values, word in (("dcgan28", {"data__sampling": "synth"}, "formula"), ("ring", {"data__sampling": "table", "data__table_members": 5}, "table_members"),
                                      ("ring", {"data__table_rows": 5}, "table_rows"), ("ring", {"data__holdout": 100000}, "holdout"),
                                      ("ring", {"data__class_balanced": True, "data__sampling": "synth"}, "class_balanced")):
            result = program.ganymede("train", self.recipe(network, **values), "--out", self.folder / "runs")
            self.assertEqual(result.code, 78, str(result))
            self.assertIn(word, result.err)
            self.assertFalse((self.folder / "runs").exists())


class Describe(program.ProgramTest):
    def test_ring_is_eight_gaussians(self):
        manifest, points, labels = read_shards(program.DATA / "ring")
        self.assertEqual((manifest["type"], manifest["shape"], points.dtype), ("points", [2], np.float32))
        angles = np.arange(8) * np.pi / 4
        centres = 2 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
        distance = np.linalg.norm(points[:, None] - centres, axis=2)
        mode = distance.argmin(axis=1)
        self.assertLess(np.abs(np.bincount(mode, minlength=8) / len(points) - 0.125).max(), 4 * np.sqrt(0.125 / len(points)) + 1e-9)
        self.assertLess(abs((points - centres[mode]).std() / 0.1 - 1), 0.05)
        self.assertAlmostEqual((distance.min(axis=1) <= 0.3).mean(), 0.9889, delta=0.005)

    def test_stat_as_json(self):
        images, truth = read_idx(program.DATA / "idx")
        row = json.loads(program.must(program.ganymede("data", "stat", program.DATA / "mnist-28", "--json")).out)
        self.assertEqual((row["samples"], row["shape"]), (program.SAMPLES, [28, 28, 1]))
        self.assertEqual(row["counts"], np.bincount(truth, minlength=10).tolist())
        for key, value in (("mean", images.mean()), ("std", images.std())):
            self.assertLess(abs(np.ravel(row[key])[0] - value), 1e-6 * value, key)
        self.assertEqual(row["bytes"], sum(path.stat().st_size for path in pathlib.Path(program.DATA / "mnist-28").glob("*.h5")))
        self.assertIn("1500", program.must(program.ganymede("data", "stat", program.DATA / "mnist-28")).out.replace(",", ""))

    def test_peek_draws_a_sheet(self):
        picture = self.folder / "sheet.png"
        program.must(program.ganymede("data", "peek", program.DATA / "mnist-28", "-o", picture))
        self.assertEqual(picture.read_bytes()[:8], b"\x89PNG\r\n\x1a\n")

    def test_files_written_by_h5py_are_read(self):
        """A shard of another's making, contiguous, beside a manifest written by hand."""
        folder = self.folder / "mine"
        folder.mkdir()
        images, labels = read_idx(program.DATA / "idx")
        with h5py.File(folder / "digits.h5", "w") as file:
            file["samples"], file["labels"] = images[:400, :, :, None], labels[:400].astype(np.int32)
            file.attrs.update({"format": "ganymede-shard", "version": 1, "layout": "NHWC", "classes": 10})
        content = (folder / "digits.h5").read_bytes()
        entry = {"file": "digits.h5", "samples": 400, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        manifest = {"format": "ganymede-dataset", "version": 1, "type": "image", "shape": [28, 28, 1], "dtype": "uint8", "samples": 400,
                    "classes": [str(digit) for digit in range(10)], "attributes": None, "counts": np.bincount(labels[:400], minlength=10).tolist(),
                    "range": [0, 255], "source": "h5py", "shards": [entry]}
        (folder / "manifest.json").write_text(json.dumps(manifest))
        row = json.loads(program.must(program.ganymede("data", "stat", folder, "--json")).out)
        self.assertLess(abs(np.ravel(row["mean"])[0] - images[:400].mean()), 1e-6 * images.mean())
        run = program.train(self.recipe("dcgan28", run__steps=2, data=str(folder)), self.folder / "runs")
        self.assertTrue((run / "LATEST").exists())

    def test_a_point_that_is_not_finite_is_named(self):
        spoiled = self.folder / "spoiled"
        shutil.copytree(program.DATA / "ring", spoiled)
        with h5py.File(spoiled / "shard-00000.h5", "r+") as file:
            file["samples"][7, 0] = float("nan")
        for arguments in (("data", "stat", spoiled), ("train", self.recipe("ring", data=str(spoiled)), "--out", self.folder / "runs")):
            result = program.ganymede(*arguments)
            self.assertEqual(result.code, 65, str(result))
            self.assertIn("sample 7 ", result.err)

    def test_a_data_set_may_move(self):
        moved = self.folder / "moved"
        shutil.copytree(program.DATA / "ring", moved)
        program.must(program.ganymede("data", "stat", moved))


if __name__ == "__main__":
    unittest.main()
