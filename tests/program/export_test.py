"""Exported networks, read by the safetensors package into plain PyTorch layers, against what the program itself computes."""
import unittest

import numpy as np
import safetensors
import safetensors.torch
import torch

import program
from replay import networks  # noqa: E402  (found through program)

nets = networks.nets
TOLERANCE = 1e-6
EQUALIZED = {"generator__equalized_lr": True, "discriminator__equalized_lr": True}


def group(run, name):
    """A network's tensors in the newest model.h5, as PyTorch's."""
    prefix = f"/{name}/"
    return {key.removeprefix(prefix): torch.from_numpy(np.asarray(value)) for key, value in program.model(run).items() if key.startswith(prefix)}


def loaded(network, tensors):
    network.to(tensors["0.bias"].dtype if "0.bias" in tensors else next(iter(tensors.values())).dtype)
    network.layers.load_state_dict(tensors)                    # strict: names and shapes
    return network.eval()


class Export(program.ProgramTest):
    def run_of(self, network, **values):
        return program.train(self.recipe(network, run__steps=4, **values), self.folder / "runs")

    def export(self, where, *arguments, name="net.safetensors"):
        program.must(program.ganymede("export", where, "--format", "safetensors", "-o", self.folder / name, *arguments))
        with safetensors.safe_open(self.folder / name, "pt") as file:
            return safetensors.torch.load_file(self.folder / name), file.metadata()

    def sampled(self, run, *arguments):
        files = ("-o", self.folder / "s.png", "--samples-h5", self.folder / "s.h5")
        program.must(program.ganymede("sample", run, *files, "--count", 200, *arguments))
        return program.arrays(self.folder / "s.h5")

    @torch.no_grad()
    def assert_makes(self, network, made, labels=None):
        """The samples of `ganymede sample`, from its latents."""
        z = torch.from_numpy(made["/z"]).to(next(network.parameters()).dtype)
        if labels is not None:
            z = torch.cat([z, torch.nn.functional.one_hot(labels, 10).to(z.dtype)], 1)
        found = network(z, labels).double().numpy()
        if found.ndim == 2:
            self.assertLessEqual(np.abs(found - made["/samples"]).max(), TOLERANCE)
            return
        bytes_made = np.clip(np.floor(127.5 * found.transpose(0, 2, 3, 1) + 128), 0, 255)
        self.assertLessEqual(np.abs(bytes_made - made["/samples"]).max(), 1)             # a value on the border may fall to either side
        self.assertGreater((bytes_made == made["/samples"]).mean(), 0.999)

    def test_points_are_those_of_sample(self):
        run = self.run_of("ring", run__precision="float32", **EQUALIZED)
        for raw in ((), ("--raw",)):
            with self.subTest(raw=raw):
                weights, metadata = self.export(run, *raw, name=f"g{len(raw)}.safetensors")
                self.assertEqual(metadata["weights"], "raw" if raw else "average")
                self.assert_makes(loaded(nets.mlp_generator(2, 10, 24), weights), self.sampled(run, *raw))
                stored = group(run, "generator" if raw else "average")
                self.assertFalse(torch.allclose(weights["0.weight"], stored["0.weight"]), "the scale was not multiplied in")

    def test_pictures_are_those_of_sample(self):
        run = self.run_of("dcgan28", **EQUALIZED)
        weights, metadata = self.export(run)
        plain = loaded(nets.dcgan_generator(28, 1, 10, 8), weights)
        self.assert_makes(plain, self.sampled(run))
        reference = loaded(nets.dcgan_generator(28, 1, 10, 8, equalized_lr=True), group(run, "average"))
        z = torch.randn(20, 10, dtype=torch.float64)
        with torch.no_grad():
            self.assertLessEqual((plain(z) - reference(z)).abs().max().item(), TOLERANCE)
        expected = {"format": "pt", "content": "ganymede-network", "version": "1", "network": "generator", "weights": "average", "kind": "dcgan",
                    "step": "4", "sample_shape": "28x28x1", "latent": "10", "prior": "normal", "latent_normalize": "false", "conditional": "none",
                    "classes": "0", "joined": "1", "precision": "float64"}
        self.assertEqual({key: metadata[key] for key in expected}, expected)
        state = program.json.loads((program.latest_checkpoint(run) / "state.json").read_text())
        self.assertEqual((metadata["recipe_sha256"], metadata["dataset_sha256"]), (state["recipe_sha256"], state["dataset_sha256"]))
        layers = metadata["layers"].splitlines()
        self.assertEqual(layers[:2], ["Linear(10, 784)", "Reshape(16, 7, 7)"])
        self.assertEqual(len(layers), len(plain.layers))

    def test_classes_go_with_the_latents(self):
        run = self.run_of("dcgan28", generator__norm="conditional", generator__equalized_lr=True, conditional__kind="projection",
                          discriminator__spectral_norm=True)
        weights, metadata = self.export(run)
        made = self.sampled(run)
        self.assertEqual((metadata["classes"], metadata["conditional"]), ("10", "projection"))
        plain = loaded(nets.dcgan_generator(28, 1, 10, 8, classes=10, norm="conditional"), weights)
        self.assert_makes(plain, made, torch.from_numpy(made["/labels"]).long())
        weights, metadata = self.export(run, "--network", "discriminator", name="d.safetensors")
        self.assertEqual((metadata["network"], metadata["weights"], metadata["joined"]), ("discriminator", "raw", "1"))
        self.assertEqual([name for name in weights if "embedding" in name], ["7.embedding.weight"])
        options = {"conditional": "projection", "classes": 10}
        plain = loaded(nets.dcgan_discriminator(28, 1, 8, **options), weights)
        reference = loaded(nets.dcgan_discriminator(28, 1, 8, spectral_norm=True, **options), group(run, "discriminator"))
        x, labels = torch.rand(12, 1, 28, 28, dtype=torch.float64) * 2 - 1, torch.arange(12) % 10
        with torch.no_grad():
            self.assertLessEqual((plain(x, labels) - reference(x, labels)).abs().max().item(), TOLERANCE)

    def test_discriminators_of_packs_and_with_batch_norm(self):
        for network, make, shape, keys in (
                ("ring", lambda **o: nets.mlp_discriminator(2, 24, joined=2, **o), (4,), {"objective__pack": 2, "discriminator__spectral_norm": True}),
                ("dcgan32", lambda **o: nets.dcgan_discriminator(32, 1, 4, **o), (1, 32, 32), {"discriminator__equalized_lr": True})):
            with self.subTest(network=network):
                run = program.train(self.recipe(network, f"{network}.toml", run__steps=4, **keys), self.folder / network)
                weights, metadata = self.export(run, "--network", "discriminator", name=f"{network}.safetensors")
                self.assertEqual(metadata["joined"], "2" if network == "ring" else "1")
                stored = {key.removeprefix("discriminator__"): value for key, value in keys.items() if key.startswith("discriminator")}
                plain, reference = loaded(make(), weights), loaded(make(**stored), group(run, "discriminator"))
                x = torch.rand(9, *shape, dtype=torch.float64) * 2 - 1
                with torch.no_grad():
                    self.assertLessEqual((plain(x) - reference(x)).abs().max().item(), TOLERANCE)

    def test_equal_checkpoints_give_equal_files(self):
        run = self.run_of("ring")
        self.export(run, name="a")
        self.export(program.latest_checkpoint(run), name="b")
        self.assertEqual((self.folder / "a").read_bytes(), (self.folder / "b").read_bytes())


class Misuse(program.ProgramTest):
    def setUp(self):
        super().setUp()
        self.run_path = program.train(self.recipe("ring", run__steps=1), self.folder / "runs")

    def refused(self, code, words, *arguments):
        before = program.snapshot(self.folder)
        result = program.ganymede("export", *arguments)
        self.assertEqual(result.code, code, str(result))
        for word in words:
            self.assertIn(word, result.err + result.out)
        self.assertEqual(program.snapshot(self.folder), before, "something was left behind")

    def test_usage(self):
        output = self.folder / "out"
        self.refused(64, ["output"], self.run_path)
        self.refused(64, ["run"], "-o", output)
        self.refused(64, ["safetensors"], self.run_path, "-o", output, "--format", "pickle")
        self.refused(64, ["network"], self.run_path, "-o", output, "--network", "classifier")

    def test_what_is_no_run(self):
        output = self.folder / "out"
        self.refused(65, ["neither a run folder", "remedy"], self.folder / "none", "-o", output)
        self.refused(65, ["remedy"], self.folder / "recipe.toml", "-o", output)
        model = program.latest_checkpoint(self.run_path) / "model.h5"
        model.write_bytes(model.read_bytes()[:-100])
        self.refused(65, ["model.h5"], self.run_path, "-o", output)

    def test_where_nothing_can_be_written(self):
        there = self.folder / "there"
        there.write_text("mine")
        self.refused(73, ["exists already", "--force"], self.run_path, "-o", there)
        self.assertEqual(there.read_text(), "mine")
        self.refused(73, ["remedy"], self.run_path, "-o", self.folder / "none" / "out")
        self.refused(73, ["remedy"], self.run_path, "-o", there / "out")
        self.refused(73, ["remedy"], self.run_path, "-o", self.folder / "runs", "--force")
        (self.folder / "dangling").symlink_to(self.folder / "nowhere")
        self.refused(73, ["exists already"], self.run_path, "-o", self.folder / "dangling")

    def test_force_replaces(self):
        there = self.folder / "there"
        there.write_text("old")
        program.must(program.ganymede("export", self.run_path, "-o", there, "--force"))
        self.assertIn("0.weight", safetensors.torch.load_file(there))
        self.assertEqual([path for path in self.folder.iterdir() if "tmp" in path.name], [])


if __name__ == "__main__":
    torch.set_num_threads(1)
    torch.manual_seed(2)
    unittest.main()
