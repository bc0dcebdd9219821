"""The PyTorch references have the published parameter counts, the names of the file formats, and the right shapes."""
import pathlib
import sys
import unittest

import torch

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "cluster" / "scaling"))
import reference_nets as nets  # noqa: E402
import reference_starts as starts  # noqa: E402


class ReferenceNets(unittest.TestCase):
    def test_parameter_counts_are_the_published_ones(self):
        for size, channels, latent, generator, discriminator in [
                (32, 3, 100, 1_068_928, 663_296), (64, 3, 100, 3_576_704, 2_765_568), (64, 1, 100, 3_574_656, 2_763_520),
                (128, 3, 100, 12_786_560, 11_164_416), (28, 1, 128, 941_569, 659_137)]:
            with self.subTest(size=size, channels=channels):
                self.assertEqual(nets.parameter_count(nets.dcgan_generator(size, channels, latent)), generator)
                self.assertEqual(nets.parameter_count(nets.dcgan_discriminator(size, channels)), discriminator)

    def test_counts_of_packed_networks_are_the_published_ones(self):
        """gan-systems.md, sections 25 and 29, by the members m of a pack."""
        self.assertEqual(nets.parameter_count(nets.mlp_generator(2, 2, 400, 4, norm="batch", activation="relu", bias_before_norm=False)), 484_802)
        self.assertEqual(nets.parameter_count(nets.crippled_generator()), 287_875)
        for m in (1, 2, 3, 4):
            with self.subTest(m=m):
                self.assertEqual(nets.parameter_count(nets.mlp_discriminator(2, 200, 3, activation="maxout", joined=m)), 405_201 + 2_000 * (m - 1))
                self.assertEqual(nets.parameter_count(nets.crippled_discriminator(width=2, joined=m)), 531 + 54 * m)
                self.assertEqual(nets.parameter_count(nets.crippled_discriminator(width=4, joined=m)), 1_781 + 108 * m)

    def test_published_networks_for_stacked_digits(self):
        for generator, discriminator in ((nets.dcgan5x5_generator, nets.dcgan5x5_discriminator), (nets.crippled_generator, nets.crippled_discriminator)):
            images = generator(width=1)(torch.randn(3, 256 if generator is nets.crippled_generator else 100))
            self.assertEqual(tuple(images.shape), (3, 3, 28, 28))
            self.assertLessEqual(images.abs().max().item(), 1)
            self.assertEqual(tuple(discriminator(width=1)(images).shape), (3,))
            with self.assertRaises(ValueError):
                generator(32)
        biases = [p.requires_grad for name, p in nets.crippled_generator().layers.named_parameters() if name in ("0.bias", "4.bias", "7.bias", "10.bias", "13.bias")]
        self.assertEqual(biases, [False] * 4 + [True])
        self.assertNotIn("4.bias", nets.crippled_generator(bias_before_norm=False).layers.state_dict())

    def test_maxout_takes_the_largest_of_a_unit_s_pieces(self):
        layer = nets.Maxout(3)
        self.assertEqual(layer(torch.tensor([[1.0, 5, 2, -4, -3, -3]])).tolist(), [[5, -3]])

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

    def test_keys_at_their_defaults_change_no_layer(self):
        for size in nets.IMAGE_SIZES:
            plain, named = nets.dcgan_discriminator(size, width=2), nets.dcgan_discriminator(size, width=2, norm="none" if size == 28 else "batch",
                                                                                              down="stride", head="flatten")
            self.assertEqual(repr(plain), repr(named))

    def test_counts_of_variants(self):
        for expected, network in [
                (371_969, nets.dcgan_discriminator(28, down="avg")), (660_161, nets.dcgan_discriminator(28, joined=2)),
                (17_281, nets.mlp_discriminator(2, joined=2)), (941_569, nets.dcgan_generator(28, latent=128, activation="elu"))]:
            self.assertEqual(nets.parameter_count(network), expected)

    def test_spectral_norm_is_found_under_the_names_of_the_formats(self):
        network = nets.dcgan_discriminator(32, spectral_norm=True, norm="none", conditional="projection", classes=3)
        names = list(network.layers.state_dict())
        self.assertEqual(names[:3], ["0.parametrizations.weight.original", "0.parametrizations.weight.0._u", "0.parametrizations.weight.0._v"])
        self.assertEqual([name for name, _ in network.layers.named_parameters()][-3:],
                         ["7.bias", "7.embedding.parametrizations.weight.original", "7.parametrizations.weight.original"])
        self.assertEqual(sorted(starts.spectral_places(network).values()), [6, 7, 10, 11, 14, 15, 20, 21, 22, 23])

    def test_equalized_weights_are_scaled_where_they_are_used(self):
        layer = nets.dcgan_generator(28, latent=512, equalized_lr=True).layers[0]
        self.assertAlmostEqual(layer.weight_scale, 0.015625)
        x, y = torch.randn(3, 512), layer(torch.zeros(3, 512))
        self.assertTrue(torch.allclose(layer(x) - y, torch.nn.functional.linear(x, layer.weight) / 64, atol=1e-5))

    def test_classes_and_joined_samples(self):
        labels = torch.tensor([0, 2])
        images = nets.dcgan_generator(28, 1, 6, 2, classes=3, norm="conditional", upsample="bilinear")(torch.randn(2, 9), labels)
        self.assertEqual(tuple(images.shape), (2, 1, 28, 28))
        for kind, shape in [("planes", (2,)), ("projection", (2,)), ("classifier", (2, 4))]:
            network = nets.dcgan_discriminator(28, 1, 2, conditional=kind, classes=3, joined=2)
            nets.initialize_dcgan(network)
            with_planes = torch.randn(2, 2 * (4 if kind == "planes" else 1), 28, 28)
            self.assertEqual(tuple(network(with_planes, labels).shape), shape)

    def test_every_parameter_has_a_start(self):
        for network in (nets.dcgan_discriminator(28), nets.mlp_discriminator(2, norm="batch", spectral_norm=True, conditional="projection", classes=4),
                        nets.crippled_generator(), nets.mlp_generator(2, 2, norm="batch", bias_before_norm=False)):
            for how in (starts.starts, starts.he_starts, starts.normal_starts):
                self.assertEqual(list(how(network)), [name for name, _ in network.layers.named_parameters()])
        normal = starts.normal_starts(nets.mlp_discriminator(2, spectral_norm=True))
        self.assertEqual((normal["0.parametrizations.weight.original"], normal["4.bias"]), (("normal", 0.0, 0.02), ("constant", 0.0)))

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
