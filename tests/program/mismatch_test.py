"""Ranks that would not train the same are refused before the start: 69, both values and their ranks, and nothing is made."""
import pathlib
import shutil
import time
import unittest

import program


def with_other_build_id(source, target):
    """A copy of a shared library with one bit of its build id changed."""
    content = bytearray(pathlib.Path(source).read_bytes())
    at = content.index(b"\x03\x00\x00\x00GNU\x00") + 8
    content[at] ^= 1
    target.write_bytes(content)


class RefusalTest(program.ProgramTest):
    def refused(self, name, first, second, words):
        """Each: (program and words before it, arguments after `train`). Started as two programs of one job."""
        out = self.folder / f"runs-{name.replace(' ', '-')}"
        command = list(program.MPIRUN)
        for number, (start, arguments) in enumerate((first, second)):
            command += [*([":"] if number else []), "-np", "1", *start, "train", *arguments, "--out", out]
        begin = time.monotonic()
        result = program.start(command)
        took = time.monotonic() - begin
        self.assertEqual(result.code, 69, str(result))
        for word in [*words, "on rank 0 (", "on rank 1 ("]:
            self.assertIn(word, result.err, str(result))
        self.assertEqual(result.err.count("would not train the same"), 1, f"told once\n{result}")
        self.assertFalse(out.exists() and list(out.iterdir()), "something was made")
        print(f"{name}: refused {took:.2f} s after the start")


class Mismatch(RefusalTest):
    def test_from_outside(self):
        recipe, plain = self.recipe("dcgan28"), [program.GANYMEDE]
        train = [recipe]
        for name, sets, words in [
                ("recipe", ["--set", "average.decay=0.5"], ["average.decay = 0.999", "average.decay = 0.5"]),
                ("layers", ["--set", "generator.width=6"], ["generator.width = 8", "generator.width = 6"]),
                ("buckets", ["--set", "parallel.bucket_mib=1"], ["parallel.bucket_mib = 4", "parallel.bucket_mib = 1"]),
                ("seed", ["--set", "run.seed=4"], ["run.seed = 3", "run.seed = 4"]),
                ("device", ["--device", "cpu"], ['run.device = "auto"', 'run.device = "cpu"']),
                ("precision", ["--set", "run.precision=float32"], ['"float64"', '"float32"'])]:
            with self.subTest(mismatch=name):
                self.refused(name, (plain, train), (plain, [recipe, *sets]), words)
        with self.subTest(mismatch="threads"):
            self.refused("threads", (plain, train), (["env", "OMP_NUM_THREADS=2", *plain], train), ["threads: ", "1 threads", "2 threads"])
        with self.subTest(mismatch="number of ranks"):
            self.refused("number of ranks", (plain, train), (["env", "OMPI_COMM_WORLD_SIZE=3", *plain], train), ["number of ranks: ", "the launcher says 2", "the launcher says 3"])

    def test_another_program(self):
        other = self.folder / "ganymede"
        shutil.copy(program.GANYMEDE, other)
        with open(other, "ab") as file:
            file.write(b"\0")
        recipe = self.recipe("ring")
        self.refused("program", ([program.GANYMEDE], [recipe]), ([other], [recipe]), ["program: ", "SHA-256"])

    def test_another_library(self):
        loaded = program.must(program.start(["ldd", program.GANYMEDE])).out
        source = next(line.split("=>")[1].split()[0] for line in loaded.splitlines() if "libhdf5" in line and "_hl" not in line)
        other = self.folder / pathlib.Path(source).name
        with_other_build_id(source, other)
        recipe = self.recipe("ring")
        self.refused("library", ([program.GANYMEDE], [recipe]), (["env", f"LD_PRELOAD={other}", program.GANYMEDE], [recipe]), ["libraries: ", other.name])

    def test_another_step_to_go_on_from(self):
        run = program.train(self.recipe("ring", run__steps=4, checkpoint__every_steps=2), self.folder / "first")
        steps = [["--resume", run / "checkpoints" / f"step-00000{step}", "--set", "run.steps=9"] for step in (2, 4)]
        self.refused("resume step", *(([program.GANYMEDE], step) for step in steps), ["step 2 on rank 0", "step 4 on rank 1"])

    def test_mixed_processors_are_said(self):
        recipe = self.recipe("ring", run__steps=2)
        command = [*program.MPIRUN, "-np", "1", program.GANYMEDE, "train", recipe, "--out", self.folder / "runs", ":",
                   "-np", "1", "env", "ATEN_CPU_CAPABILITY=default", program.GANYMEDE, "train", recipe, "--out", self.folder / "runs"]
        result = program.must(program.start(command))
        self.assertIn("processors: ", result.err)
        self.assertIn("on rank 1 (", result.err)


class OtherShards(RefusalTest):
    def test_one_path_two_data_sets(self):
        """As on hosts whose copies differ."""
        shared = self.folder / "shards"
        shutil.copytree(self.data / "ring", shared)
        other = self.folder / "other"
        program.must(program.ganymede("data", "synth", "ring", other, "--samples", 5000))
        recipe = self.recipe("ring", data=shared)
        mounted = ["unshare", "-m", "sh", "-c", f"mount --bind {other} {shared} && exec \"$@\"", "sh", program.GANYMEDE]
        self.refused("data set", ([program.GANYMEDE], [recipe]), (mounted, [recipe]), ["data set: ", "manifest of SHA-256"])


if __name__ == "__main__":
    unittest.main()
