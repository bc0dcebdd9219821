"""Bad input, on 1 rank, on 2, and on 2 where only rank 1 can see it: one clear message, the code of the formats, nothing left behind.

A training case is a folder `bad` with recipe.toml and data/, beside a folder `good` without the fault; rank 1 alone sees the
fault when it is started in `bad` and rank 0 in `good`, for recipe and data are named by relative paths.
"""
import dataclasses
import gzip
import json
import re
import shutil
import sys
import unittest

import program

MESSAGE = re.compile(r"^(\S+: )?(rank \d+: )?error: ", re.MULTILINE)
CRASHES = ("terminate called", "Segmentation fault", "core dumped", "Traceback", "Assertion", "*** Process received signal")
UNWRITABLE = "/sys/ganymede-runs"       # no folder can be made there, not even by root


@dataclasses.dataclass
class Case:
    name: str
    code: int
    names: list                                    # what the message must name
    spoil: object = None                           # takes the folder `bad` and makes its fault
    recipe: dict = dataclasses.field(default_factory=dict)
    network: str = "dcgan28"
    arguments: tuple = ()


def shard(folder, number=1):
    return folder / "data" / f"shard-{number:05d}.h5"


def truncate(path, share):
    content = path.read_bytes()
    path.write_bytes(content[:int(len(content) * share)])


def overwrite(path, at, content):
    with open(path, "r+b") as file:
        file.seek(at)
        file.write(content)


def add_to_recipe(text):
    return lambda folder: (folder / "recipe.toml").write_text((folder / "recipe.toml").read_text() + text)


def replace_in_recipe(old, new):
    def spoil(folder):
        path = folder / "recipe.toml"
        text = path.read_text()
        assert old in text, f"{old!r} is not in the recipe"
        path.write_text(text.replace(old, new))
    return spoil


def move_count(path):
    manifest = json.loads(path.read_text())
    manifest["counts"][0] += 1
    manifest["counts"][1] -= 1
    path.write_text(json.dumps(manifest))


TRAINING = [
    Case("missing shard", 65, ["shard-00001.h5"], lambda bad: shard(bad).unlink()),
    Case("truncated shard", 65, ["shard-00001.h5"], lambda bad: truncate(shard(bad), 0.6)),
    Case("shard cut in its header", 65, ["shard-00000.h5"], lambda bad: truncate(shard(bad, 0), 0.001)),
    Case("shard that is no HDF5", 65, ["shard-00000.h5"], lambda bad: overwrite(shard(bad, 0), 0, b"something else, of the same length")),
    Case("foreign file as manifest", 65, ["manifest.json"], lambda bad: (bad / "data" / "manifest.json").write_text('{"format": "else"}')),
    Case("manifest cut short", 65, ["manifest.json"], lambda bad: truncate(bad / "data" / "manifest.json", 0.5)),
    Case("no data set there", 65, ["data"], lambda bad: shutil.rmtree(bad / "data")),
    Case("no recipe there", 78, ["recipe.toml"], lambda bad: (bad / "recipe.toml").unlink()),
    Case("recipe that is no TOML", 78, ["recipe.toml:"], lambda bad: (bad / "recipe.toml").write_text("[run\nsteps = 3\n")),
    Case("unknown key", 78, ["bucket_mb", "bucket_mib", "recipe.toml:"], add_to_recipe("[parallel]\nbucket_mb = 3\n")),
    Case("unknown section", 78, ["optimiser", "optimizer"], add_to_recipe("[optimiser.generator]\nlr = 1\n")),
    Case("wrong type", 78, ["steps", "recipe.toml:"], replace_in_recipe("steps = 20", 'steps = "many"')),
    Case("batch 0", 78, ["global_batch"], replace_in_recipe("global_batch = 48", "global_batch = 0")),
    Case("more micro-batches than samples", 78, ["accumulate", "48"], add_to_recipe("[objective]\naccumulate = 49\n")),
    Case("more steps than can be counted", 78, ["run.images"], replace_in_recipe("steps = 20", "images = 9223372036854775807")),
    Case("counts that are not the labels'", 65, ["class 0"], lambda bad: move_count(bad / "data" / "manifest.json")),
    Case("both batch keys", 78, ["global_batch", "batch_per_rank"], replace_in_recipe("global_batch = 48", "global_batch = 48\nbatch_per_rank = 24")),
    Case("a size that the network cannot make", 78, ["20"], lambda bad: (shutil.rmtree(bad / "data"), shutil.copytree(program.DATA / "mnist-20", bad / "data"))),
    Case("points for an image network", 78, ["dcgan"], lambda bad: (shutil.rmtree(bad / "data"), shutil.copytree(program.DATA / "ring", bad / "data"))),
    Case("more streams than the batch", 78, ["streams"], replace_in_recipe("global_batch = 48", "global_batch = 48\nstreams = 49")),
    Case("too few samples for the streams", 78, ["streams"], replace_in_recipe("global_batch = 48", "global_batch = 1400\nstreams = 700")),
]


# Recipes that read well alone; that of one rank alone is first of all another than that of the rest.
DIFFERENT_RECIPES = {"more micro-batches than samples", "more steps than can be counted", "more streams than the batch", "too few samples for the streams"}


class BadInput(program.ProgramTest):
    def check(self, result, code, names, before):
        text = str(result)
        self.assertEqual(result.code, code, text)
        for crash in CRASHES:
            self.assertNotIn(crash, result.err, text)
        for name in names:
            self.assertIn(name, result.err, text)
        self.assertEqual(len(MESSAGE.findall(result.err)), 1, f"not exactly one message\n{text}")
        self.assertEqual(program.snapshot(self.folder), before, f"something was left behind\n{text}")

    def make_folder(self, name, **recipe):
        folder = self.folder / name
        folder.mkdir()
        shutil.copytree(program.DATA / "mnist-28", folder / "data")
        (folder / "recipe.toml").write_text(program.recipe_text("dcgan28", data="data", **recipe))
        return folder

    def test_training(self):
        for case in TRAINING:
            good, bad = self.make_folder("good", **case.recipe), self.make_folder("bad", **case.recipe)
            case.spoil(bad)
            before = program.snapshot(self.folder)
            arguments = ("train", "recipe.toml", "--out", self.folder / "runs", *case.arguments)
            with self.subTest(case=case.name, ranks=1):
                self.check(program.ganymede(*arguments, cwd=bad), case.code, case.names, before)
            with self.subTest(case=case.name, ranks=2):
                self.check(program.ganymede(*arguments, "--ranks", 2, cwd=bad), case.code, case.names, before)
            with self.subTest(case=case.name, ranks="only rank 1 sees it"):
                code, names = (69, ["would not train the same", "recipe:"]) if case.name in DIFFERENT_RECIPES else (case.code, case.names)
                self.check(program.ganymede_on_ranks([good, bad], *arguments), code, names, before)
            shutil.rmtree(good), shutil.rmtree(bad)

    def test_the_harness_accepts_what_is_good(self):
        """Without a fault the same commands succeed, so that no case above passes for another reason."""
        good, also_good = self.make_folder("good", run__steps=2), self.make_folder("bad", run__steps=2)
        program.must(program.ganymede("train", "recipe.toml", "--out", self.folder / "runs", cwd=good))
        program.must(program.ganymede("train", "recipe.toml", "--out", self.folder / "runs", "--ranks", 2, cwd=also_good))

    def test_cache_zero_reads_fail_alike(self):
        """Chunks read while training: the same faults without the data in memory."""
        for name, spoil in [("truncated", lambda bad: truncate(shard(bad), 0.6)), ("missing", lambda bad: shard(bad).unlink())]:
            bad = self.make_folder("bad", data__cache_mib=0)
            spoil(bad)
            before = program.snapshot(self.folder)
            for ranks in (1, 2):
                with self.subTest(fault=name, ranks=ranks):
                    result = program.ganymede("train", "recipe.toml", "--out", self.folder / "runs", "--ranks", ranks, cwd=bad)
                    self.check(result, 65, ["shard-00001.h5"], before)
            shutil.rmtree(bad)

    def test_set_on_the_command_line(self):
        folder = self.make_folder("folder")
        before = program.snapshot(self.folder)
        for setting, names in [("parallel.bucket_mb=3", ["bucket_mb", "bucket_mib"]), ("run.steps=many", ["run.steps"]), ("data.global_batch=0", ["global_batch"]),
                               ("latent.size=1.5", ["latent.size"]), ("objective.loss=none", ["objective.loss", "non_saturating"]),
                               ("no-equals-sign", ["no-equals-sign", "section.key=value"])]:
            for ranks in (1, 2):
                with self.subTest(setting=setting, ranks=ranks):
                    result = program.ganymede("train", "recipe.toml", "--out", self.folder / "runs", "--ranks", ranks, "--set", setting, cwd=folder)
                    self.check(result, 78, names, before)

    def test_every_mistake_of_a_recipe_is_told_at_once(self):
        folder = self.make_folder("folder")
        add_to_recipe("[parallel]\nbucket_mb = 3\n[average]\ndecay = 2\n")(folder)
        before = program.snapshot(self.folder)
        self.check(program.ganymede("train", "recipe.toml", "--out", self.folder / "runs", cwd=folder), 78, ["bucket_mb", "decay"], before)

    def test_folder_not_writable(self):
        good, bad = self.make_folder("good"), self.make_folder("bad")
        (bad / "runs").write_text("a file where the runs should go")
        before = program.snapshot(self.folder)
        for ranks in (1, 2):
            with self.subTest(ranks=ranks):
                self.check(program.ganymede("train", "recipe.toml", "--out", UNWRITABLE, "--ranks", ranks, cwd=good), 73, [UNWRITABLE], before)
                self.check(program.ganymede("train", "recipe.toml", "--out", "runs", "--ranks", ranks, cwd=bad), 73, ["runs"], before)

    def test_a_run_folder_that_rank_1_does_not_see(self):
        good, also_good = self.make_folder("good"), self.make_folder("bad")
        (good / "runs").mkdir()
        before = program.snapshot(self.folder)
        self.check(program.ganymede_on_ranks([good, also_good], "train", self.folder / "good" / "recipe.toml", "--set", f"data.path={good / 'data'}",
                                             "--out", "runs"), 73, ["run"], before)

    def test_data_build_into_a_folder_that_is_not_empty(self):
        out = self.folder / "out"
        out.mkdir()
        (out / "mine").write_text("precious")
        before = program.snapshot(self.folder)
        self.check(program.ganymede("data", "build", program.DATA / "idx", out), 73, [str(out)], before)
        self.check(program.ganymede("data", "synth", "ring", out), 73, [str(out)], before)
        self.check(program.ganymede("data", "build", program.DATA / "idx", UNWRITABLE), 73, [UNWRITABLE], before)

    def test_data_build_from_bad_files(self):
        def images(source):
            return source / "train-images-idx3-ubyte.gz"

        def labels(source):
            return source / "train-labels-idx1-ubyte.gz"

        def raw(path, change):
            content = bytearray(gzip.decompress(path.read_bytes()))
            with gzip.open(path, "wb") as file:
                file.write(change(content))

        cases = {
            "gzip that ends early": (lambda s: truncate(images(s), 0.7), "train-images"),
            "gzip damaged inside": (lambda s: overwrite(images(s), 5000, b"\0" * 64), "train-images"),
            "wrong magic": (lambda s: raw(images(s), lambda c: b"\0\0\x09\x03" + c[4:]), "train-images"),
            "fewer images than promised": (lambda s: raw(images(s), lambda c: c[:-784]), "train-images"),
            "more bytes than promised": (lambda s: raw(images(s), lambda c: c + b"\0" * 10), "train-images"),
            "header cut": (lambda s: raw(images(s), lambda c: c[:7]), "train-images"),
            "labels missing": (lambda s: labels(s).unlink(), "train-labels"),
            "labels of another number": (lambda s: raw(labels(s), lambda c: c[:4] + (1499).to_bytes(4, "big") + c[8:-1]), "train-labels"),
            "images missing": (lambda s: images(s).unlink(), "train-images"),
        }
        for name, (spoil, named) in cases.items():
            with self.subTest(case=name):
                source = self.folder / "source"
                shutil.copytree(program.DATA / "idx", source)
                spoil(source)
                before = program.snapshot(self.folder)
                self.check(program.ganymede("data", "build", source, self.folder / "out"), 65, [named], before)
                shutil.rmtree(source)
        self.check(program.ganymede("data", "build", self.folder / "nowhere", self.folder / "out"), 65, ["nowhere"], [])

    def test_no_labels_is_said_by_a_switch(self):
        source = self.folder / "source"
        shutil.copytree(program.DATA / "idx", source)
        (source / "train-labels-idx1-ubyte.gz").unlink()
        refused = program.ganymede("data", "build", source, self.folder / "out")
        self.assertIn("--no-labels", refused.err)
        program.must(program.ganymede("data", "build", source, self.folder / "out", "--no-labels"))

    def test_resume_of_what_is_no_run(self):
        empty, file = self.folder / "empty", self.folder / "file"
        empty.mkdir(), file.write_text("not a run")
        before = program.snapshot(self.folder)
        for where in (empty, file, self.folder / "nowhere"):
            for ranks in (1, 2):
                with self.subTest(where=where.name, ranks=ranks):
                    self.check(program.ganymede("train", "--resume", where, "--out", self.folder / "runs", "--ranks", ranks), 65, [where.name], before)
        self.check(program.ganymede("sample", empty, "-o", self.folder / "x.png"), 65, ["empty"], before)

    def test_more_ranks_than_streams(self):
        folder = self.make_folder("folder", data__streams=1)
        before = program.snapshot(self.folder)
        self.check(program.ganymede("train", "recipe.toml", "--out", self.folder / "runs", "--ranks", 2, cwd=folder), 78, ["data.streams"], before)


class FullDisk(program.ProgramTest):
    """Needs root, for it mounts a file system of 600 KiB: less than the shards take."""

    def test_data_build(self):
        with program.small_tmpfs(self.folder / "small", "600k") as small:
            result = program.ganymede("data", "build", program.DATA / "idx", small / "out")
            self.assertEqual(result.code, 73, str(result))
            self.assertIn("small", result.err)
            self.assertEqual(len(MESSAGE.findall(result.err)), 1, str(result))
            self.assertEqual(program.snapshot(small), [], str(result))


if __name__ == "__main__":
    unittest.main(argv=sys.argv)
