"""The command line: help with an example, versions, usage errors, the resolved recipe, samples."""
import json
import struct
import tomllib
import unittest

import h5py
import numpy as np

import program
import philox  # noqa: E402  (found through program)

SUBCOMMANDS = [("train",), ("sample",), ("data", "build"), ("data", "synth", "ring"), ("data", "stat"), ("data", "peek"), ("config", "show"),
               ("bench", "step"), ("bench", "comm"), ("bench", "overlap"), ("doctor",), ("eval",), ("export",), ("classifier", "train"), ("classifier", "test")]


def png_size(path):
    content = path.read_bytes()
    assert content[:8] == b"\x89PNG\r\n\x1a\n", "not a PNG"
    return struct.unpack(">II", content[16:24])


class CommandLine(program.ProgramTest):
    def test_help_of_every_subcommand_has_an_example(self):
        for words in ((), *SUBCOMMANDS):
            with self.subTest(subcommand=" ".join(words)):
                result = program.must(program.ganymede(*words, "--help"))
                self.assertIn("xample", result.out)
                self.assertIn(" ".join(("ganymede", *words)), result.out)
        for group in ("data", "config", "bench", "classifier"):
            self.assertIn("SUBCOMMAND", program.must(program.ganymede(group, "--help")).out.upper())

    def test_version_names_the_libraries(self):
        text = program.must(program.ganymede("--version")).out.lower()
        for library in ("ganymede", "libtorch", "mpi", "hdf5", "fmt", "spdlog", "cli11", "toml++", "json", "png", "zlib", "openssl"):
            self.assertIn(library, text)

    def test_usage_errors(self):
        recipe = self.recipe("ring")
        for arguments in [(), ("nonsense",), ("train",), ("train", recipe, "--resume", self.folder), ("train", recipe, "--nonsense"),
                          ("train", recipe, "--ranks", "0"), ("train", recipe, "--ranks", "two"), ("data",), ("data", "build", self.folder), ("sample",),
                          ("data", "build", self.folder, "x", "--fit", "squeeze")]:
            with self.subTest(arguments=arguments):
                result = program.ganymede(*arguments, cwd=self.folder)
                self.assertEqual(result.code, 64, str(result))
                self.assertNotEqual(result.err.strip() + result.out.strip(), "")
        self.assertEqual(program.snapshot(self.folder), ["recipe.toml"])

    def test_config_show_prints_the_whole_recipe(self):
        recipe = self.recipe("ring")
        shown = tomllib.loads(program.must(program.ganymede("config", "show", recipe, "--set", "latent.size=12", "--set", "run.name=plain-word")).out)
        self.assertEqual(shown["latent"], {"size": 12, "prior": "normal", "normalize": False})
        self.assertEqual(shown["run"]["name"], "plain-word")
        self.assertEqual(shown["optimizer"]["generator"]["beta1"], 0.5)
        self.assertEqual(shown["optimizer"]["generator"]["lr"], 2e-4)
        self.assertEqual((shown["data"]["window"], shown["data"]["cache_mib"], shown["data"]["prefetch"]), (4, 2048, 4))
        self.assertEqual(shown["average"]["decay"], 0.999)
        self.assertEqual(shown["checkpoint"]["keep"], 3)
        self.assertEqual((shown["parallel"]["overlap"], shown["parallel"]["bucket_mib"], shown["parallel"]["batch_norm"]), (True, 4, "global"))
        self.assertEqual((shown["parallel"]["check_every_steps"], shown["parallel"]["on_nonfinite"], shown["parallel"]["rewinds"]), (100, "abort", 3))

    def test_config_show_origin_says_where_each_value_is_from(self):
        recipe = self.recipe("ring")
        lines = program.must(program.ganymede("config", "show", recipe, "--origin", "--set", "latent.size=12")).out.splitlines()
        find = {line.split("=")[0].strip(): line for line in lines if "=" in line}
        self.assertIn("recipe.toml:", find["seed"])
        self.assertIn("--set", find["size"])
        self.assertIn("default", find["prior"])

    def test_what_config_show_prints_is_a_recipe(self):
        again = self.folder / "again.toml"
        first = program.must(program.ganymede("config", "show", self.recipe("dcgan28"))).out
        again.write_text(first)
        self.assertEqual(program.must(program.ganymede("config", "show", again)).out, first)

    def test_setting_one_of_two_exclusive_keys_removes_the_other(self):
        shown = program.must(program.ganymede("config", "show", self.recipe("ring"), "--set", "run.images=480", "--set", "data.batch_per_rank=24")).out
        tables = tomllib.loads(shown)
        self.assertNotIn("steps", tables["run"])
        self.assertNotIn("global_batch", tables["data"])

    def test_the_shipped_recipes_resolve(self):
        recipes = sorted((program.ROOT / "launch" / "recipes").rglob("*.toml"))
        self.assertGreaterEqual({recipe.name for recipe in recipes}, {"mnist.toml", "mnist-32.toml", "dcgan-64.toml", "ring.toml"})
        for recipe in recipes:
            with self.subTest(recipe=recipe.name):
                program.must(program.ganymede("config", "show", recipe))


class Sample(program.ProgramTest):
    def setUp(self):
        super().setUp()
        self.run_path = program.train(self.recipe("dcgan28", run__steps=3, latent__prior="uniform"), self.folder / "runs")

    def sample(self, name, *arguments, where=None):
        program.must(program.ganymede("sample", where or self.run_path, "-o", self.folder / f"{name}.png", "--samples-h5", self.folder / f"{name}.h5", *arguments))
        return program.arrays(self.folder / f"{name}.h5")

    def test_samples_are_a_function_of_seed_and_weights(self):
        first = self.sample("a", "--count", 37, "--seed", 4)
        self.assertEqual((first["/samples"].shape, first["/samples"].dtype), ((37, 28, 28, 1), np.uint8))
        self.assertEqual(first["/z"].shape, (37, 10))
        expected = 2 * philox.uniform(4, "eval", 0, 0, 37, 10) - 1
        self.assertLess(np.abs(first["/z"] - expected).max(), 1e-12)
        self.assert_bitwise(self.sample("b", "--count", 37, "--seed", 4), first)
        self.assertTrue(np.array_equal(self.sample("c", "--count", 5, "--seed", 4)["/samples"], first["/samples"][:5]))
        self.assertFalse(np.array_equal(self.sample("d", "--count", 37, "--seed", 5)["/samples"], first["/samples"]))
        self.assertFalse(np.array_equal(self.sample("e", "--count", 37, "--seed", 4, "--raw")["/samples"], first["/samples"]))
        checkpoint = program.latest_checkpoint(self.run_path)
        self.assert_bitwise(self.sample("f", "--count", 37, "--seed", 4, where=checkpoint), first)
        width, height = png_size(self.folder / "a.png")
        self.assertGreaterEqual(width * height, 37 * 28 * 28)

    def test_samples_are_what_pytorch_computes_from_the_file(self):
        """The average's weights, in evaluation mode, clamp(floor(127.5 x + 128), 0, 255)."""
        import torch
        from replay import networks
        arrays = {name.removeprefix("/average/"): torch.from_numpy(np.asarray(value)) for name, value in program.model(self.run_path).items()
                  if name.startswith("/average/")}
        generator = networks.nets.dcgan_generator(28, 1, 10, 8).double()
        generator.layers.load_state_dict(arrays)
        made = self.sample("a", "--count", 16, "--seed", 2)
        with torch.no_grad():
            expected = generator.eval()(torch.from_numpy(made["/z"]).double()).permute(0, 2, 3, 1).numpy()
        expected = np.clip(np.floor(127.5 * expected + 128), 0, 255)
        self.assertLessEqual(np.abs(expected - made["/samples"]).max(), 1)            # a value on the border may fall to either side
        self.assertGreater((expected == made["/samples"]).mean(), 0.999)

    def test_the_h5_can_be_opened_as_a_shard(self):
        self.sample("a", "--count", 8)
        with h5py.File(self.folder / "a.h5") as file:
            self.assertEqual(file.attrs["layout"], "NHWC")


class Bench(program.ProgramTest):
    def test_step_prints_one_json_object(self):
        result = program.must(program.ganymede("bench", "step", self.recipe("ring"), "--iterations", 5, "--warmup", 2, "--json"))
        row = json.loads(result.out)
        self.assertEqual(len(row["step_ms"]["samples"]), 5)
        self.assertGreater(row["peak_rss_mib"], 0)
        self.assertGreater(row["start_to_first_step_s"], 0)
        self.assertEqual(row["threads"], 1)
        self.assertIn("versions", row)
        self.assertEqual(program.snapshot(self.folder), ["recipe.toml"], "a benchmark leaves nothing behind")


if __name__ == "__main__":
    unittest.main()
