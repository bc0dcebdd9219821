"""run.device: the host is used where it is asked for; GPUs that cannot be used are an error that says why, on one rank and on two.
tests/run.sh --full runs it again with the program of the preset cuda, whose smoke run it is."""
import pathlib
import shutil
import tempfile
import unittest

import program

HAS_GPU = shutil.which("nvidia-smi") is not None


class Device(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ganymede-test-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.recipe = self.folder / "ring.toml"
        self.recipe.write_text(program.recipe_text("ring", run__steps=4, checkpoint__every_steps=2))

    def train(self, *more):
        return program.ganymede("train", self.recipe, "--out", self.folder / "runs", *more)

    def test_host(self):
        result = self.train("--device", "cpu", "--ranks", 2)
        self.assertEqual(result.code, 0, result)

    @unittest.skipIf(HAS_GPU, "there is a GPU")
    def test_no_gpu(self):
        for more in ([], ["--ranks", 2]):
            result = self.train("--device", "cuda", *more)
            self.assertEqual(result.code, 69, result)
            self.assertRegex(result.err, r'run.device = "cuda", but host \S+ has no GPU that can be used\n  cause: the (program was built without CUDA|CUDA runtime s)')
            self.assertIn("--device cpu", result.err)
            self.assertFalse((self.folder / "runs").exists(), "nothing may be made")


if __name__ == "__main__":
    unittest.main()
