"""The PyTorch references have the published parameter counts, the names of the file formats, and the right shapes."""
import pathlib
import sys
import unittest

import torch

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "cluster" / "scaling"))
import reference_nets as nets  # noqa: E402


class ReferenceNets(unittest.TestCase):
    def test_parameter_counts_are_the_published_ones(self):
        for size, channels, latent, generator, discriminator in [
                (32, 3, 100, 1_068_928, 663_296), (64, 3, 100, 3_576_704, 2_765_568), (64, 1, 100, 3_574_656, 2_763_520),
                (128, 3, 100, 12_786_560, 11_164_416), (28, 1, 128, 941_569, 659_137)]:
            with self.subTest(size=size, channels=channels):
                self.assertEqual(nets.parameter_count(nets.dcgan_generator(size, channels, latent)), generator)
                self.assertEqual(nets.parameter_count(nets.dcgan_discriminator(size, channels)), discriminator)

    def test_shapes_bounds_and_one_logit_a_sample(self):
        for size in nets.IMAGE_SIZES:
            with self.subTest(size=size):
                images = nets.dcgan_generator(size, 3, latent=10, width=2)(torch.randn(2, 10))
                self.assertEqual(tuple(images.shape), (2, 3, size, size))
                self.assertLessEqual(images.abs().max().item(), 1)
                self.assertEqual(tuple(nets.dcgan_discriminator(size, 3, width=2)(images).shape), (2,))
        points = nets.mlp_generator(2, 16)(torch.randn(5, 16))
        self.assertEqual(tuple(points.shape), (5, 2))
        self.assertEqual(tuple(nets.mlp_discriminator(2)(points).shape), (5,))

    def test_names_are_those_of_the_formats(self):
        generator = nets.dcgan_generator(28).layers.state_dict()
        self.assertEqual([name for name in generator if "running" not in name and "tracked" not in name],
                         ["0.weight", "0.bias", "2.weight", "2.bias", "4.weight", "5.weight", "5.bias", "7.weight", "7.bias"])
        self.assertEqual(list(nets.dcgan_discriminator(28).layers.state_dict()),
                         [f"{layer}.{kind}" for layer in (0, 2, 4, 7) for kind in ("weight", "bias")])
        self.assertEqual([name for name in nets.dcgan_discriminator(64).layers.state_dict() if name.endswith("weight")],
                         [f"{layer}.weight" for layer in (0, 2, 3, 5, 6, 8, 9, 11)])
        self.assertEqual([name for name in nets.mlp_generator(2, 16).layers.state_dict()],
                         [f"{layer}.{kind}" for layer in (0, 2, 4) for kind in ("weight", "bias")])

    def test_the_bias_before_batch_norm_stays_zero_and_untrained(self):
        bias = nets.dcgan_generator(28).layers[0].bias
        self.assertFalse(bias.requires_grad)
        self.assertEqual(bias.abs().sum().item(), 0)

    def test_inplace_activations_change_no_number(self):
        generator, z = nets.dcgan_generator(32, 1, 10, 2).double(), torch.randn(4, 10, dtype=torch.float64)
        plain = nets.dcgan_generator(32, 1, 10, 2).double()
        plain.load_state_dict(generator.state_dict())
        for module in plain.modules():
            if hasattr(module, "inplace"):
                module.inplace = False
        self.assertTrue(torch.equal(generator(z), plain(z)))


if __name__ == "__main__":
    unittest.main()
