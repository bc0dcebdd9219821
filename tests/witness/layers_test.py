"""The layers of reference_nets.py against closed forms, and the replay's networks against published counts."""
import pathlib
import sys
import unittest

import torch
from torch import nn

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "cluster" / "scaling")]
import reference_layers as blocks  # noqa: E402
import reference_nets as nets  # noqa: E402
from replay import draws as sources  # noqa: E402
from replay import networks  # noqa: E402
from replay.draws import Draws  # noqa: E402
from replay.passes import Pass, RowRange, Runner  # noqa: E402
from replay.recipe import Recipe  # noqa: E402


def tensor(*values):
    return torch.tensor(values, dtype=torch.float64)


def one_pass(*counts, labels=None):
    return Pass(Draws(Recipe('[run]\nprecision = "float64"')), 0, [RowRange(source, count, count) for source, count in enumerate(counts)], labels)


class Layers(unittest.TestCase):
    def test_minibatch_stddev(self):
        x = tensor(0, 0, 0, 0, 1, 2, 3, 4, 100, 200, 300, 400)[:, None, None, None]
        layer = blocks.MinibatchStddev(4, 1)
        layer.parts = [12]
        found = layer(x)
        self.assertEqual(tuple(found.shape), (12, 2, 1, 1))
        for group, expected in enumerate((1e-4, 1.118034, 111.803399)):
            self.assertTrue(torch.allclose(found[4 * group:4 * group + 4, 1], tensor(expected), rtol=1e-6))
        layer = blocks.MinibatchStddev(1, 1)                  # the whole batch
        layer.parts = [12]
        self.assertTrue(torch.allclose(layer(x)[:, 1].flatten(), torch.sqrt(x.var(correction=0) + 1e-8)))

    def test_minibatch_stddev_never_mixes_reals_and_fakes(self):
        layer = blocks.MinibatchStddev(1, 1)
        layer.parts = [2, 2]
        self.assertTrue(torch.allclose(layer(tensor(0, 0, 1, 3)[:, None])[:, 1], tensor(1e-4, 1e-4, 1, 1), rtol=1e-6))

    def test_maps_are_parts_of_the_channels(self):
        x = torch.stack([torch.zeros(4, 3, 3), tensor(0, 0, 2, 4).reshape(4, 1, 1).expand(4, 3, 3)]).double()
        layer = blocks.MinibatchStddev(2, 2)
        layer.parts = [2]
        found = layer(x)[0, 4:, 0, 0]
        self.assertTrue(torch.allclose(found, tensor(1e-4, 1.5), rtol=1e-6))

    def test_minibatch_discrimination(self):
        layer = blocks.MinibatchDiscrimination(1, 1, 1).double()       # weight of unit length: T = 1
        nn.init.ones_(layer.weight)
        nn.init.zeros_(layer.bias)
        layer.parts = [3]
        self.assertTrue(torch.allclose(layer(tensor(0, 1, 3)[:, None])[:, 1], tensor(0.417667, 0.503215, 0.185122), atol=1e-6))
        layer.parts = [5]
        self.assertEqual(layer(torch.ones(5, 1, dtype=torch.float64))[:, 1].tolist(), [4] * 5)
        layer = blocks.MinibatchDiscrimination(3, 2, 4).double()
        nn.init.normal_(layer.weight)
        nn.init.constant_(layer.bias, -1.0)
        layer.parts = [3, 2]
        x = torch.randn(5, 3, dtype=torch.float64)
        apart = []
        for rows in (x[:3], x[3:]):
            layer.parts = [len(rows)]
            apart.append(layer(rows))
        layer.parts = [3, 2]
        self.assertTrue(torch.allclose(layer(x), torch.cat(apart)))

    def test_layers_that_mix_have_the_right_slopes(self):
        torch.manual_seed(3)
        for layer, x, parts in ((blocks.MinibatchDiscrimination(3, 2, 2), torch.randn(4, 3), [4]), (blocks.MinibatchStddev(2, 1), torch.randn(4, 2, 2, 2), [4]),
                                (blocks.VirtualBatchNorm(2), torch.randn(5, 2, 2, 2), [2, 3]), (blocks.PixelNorm(), torch.randn(4, 3, 2, 2), None)):
            layer = layer.double()
            for parameter in layer.parameters():
                nn.init.normal_(parameter)
            layer.parts = parts
            with self.subTest(layer=type(layer).__name__):
                self.assertTrue(torch.autograd.gradcheck(layer, x.double().requires_grad_()))

    def test_virtual_batch_norm(self):
        """Reference {0, 2}, x = 6: mean 2.666667, variance 6.222222, y = 1.336305; the reference itself has mean 1 and variance 1."""
        layer = blocks.VirtualBatchNorm(1).double()
        layer.parts = [1, 2]
        y = layer(tensor(6, 0, 2)[:, None])[:, 0]
        self.assertAlmostEqual(y[0].item(), 1.336305, places=5)
        self.assertAlmostEqual(y[2].item(), 1 / (1 + 1e-5) ** 0.5, places=9)
        layer.parts = [3, 2]           # the same in any company
        self.assertEqual(layer(tensor(-7, 6, 100, 0, 2)[:, None])[1, 0].item(), y[0].item())

    def test_pixel_norm(self):
        y = blocks.PixelNorm()(tensor([3, 4], [0, 0], [30, 40]))
        self.assertTrue(torch.allclose(y, tensor([0.848528, 1.131371], [0, 0], [0.848528, 1.131371]), atol=1e-6))

    def test_equalized_weights(self):
        for module, gain, scale in ((nn.Conv2d(512, 4, 3), nets.GAIN, 0.0208333), (nn.Linear(512, 4), nets.FIRST_DENSE_GAIN, 0.015625),
                                    (nn.ConvTranspose2d(512, 4, 3), nets.GAIN, 0.0208333)):
            plain, x = type(module).forward, torch.randn(1, 512, *(() if isinstance(module, nn.Linear) else (4, 4)))
            first, bias = module.weight.detach().clone(), module.bias.detach().reshape(-1, *[1] * (x.dim() - 2))
            expected = (plain(module, x) - bias) * scale
            layer = blocks.equalized(module, gain)
            self.assertAlmostEqual(layer.weight_scale, scale, places=7)
            self.assertTrue(torch.equal(layer.weight, first))
            self.assertTrue(torch.allclose(layer(x) - bias, expected, atol=1e-5))

    def test_projection(self):
        """h = (1,2), w = (1,-1), b = 0, e_1 = (3,1): 4; its slope in e_1 is h."""
        head = blocks.ProjectionHead(2, 3).double()
        nn.init.zeros_(head.embedding.weight)
        nn.init.zeros_(head.bias)
        head.weight.data, head.embedding.weight.data[1] = tensor([1, -1]), tensor(3, 1)
        head.labels = torch.tensor([1])
        logit = head(tensor([1, 2]))
        self.assertEqual(logit.tolist(), [4])
        self.assertEqual(torch.autograd.grad(logit.sum(), head.embedding.weight)[0].tolist(), [[0, 0], [1, 2], [0, 0]])

    def test_conditional_batch_norm_of_equal_classes_is_batch_norm(self):
        torch.manual_seed(4)
        plain, layer, x = nn.BatchNorm2d(3).double(), blocks.ConditionalBatchNorm(3, 2).double(), torch.randn(5, 3, 2, 2, dtype=torch.float64)
        layer.labels = torch.tensor([0, 1, 1, 0, 1])
        self.assertTrue(torch.allclose(layer(x), plain(x)))
        layer.weight.data[1], layer.bias.data[1] = 2.0, 1.0
        y = layer(x)
        plain(x)
        self.assertTrue(torch.allclose(y[1], 2 * plain(x)[1] + 1))
        self.assertTrue(torch.allclose(layer.running_var, plain.running_var * 0.9 + 0.1 * x.var((0, 2, 3)), atol=0.05))

    def test_dropout_scales_what_it_keeps(self):
        layer = blocks.Dropout(0.5, False)
        layer.mask = one_pass(100, 100).kept(3, (500,), 0.5, False)
        y = layer(torch.ones(200, 500, dtype=torch.float64))
        self.assertEqual(set(y.flatten().tolist()), {0.0, 2.0})
        self.assertAlmostEqual(y.mean().item(), 1, delta=0.015)
        self.assertFalse(torch.equal(y[:100], y[100:]))


def network(text, which, shape, classes=0):
    return networks.build(Recipe(text), which, shape, classes)


class Networks(unittest.TestCase):
    def test_a_pass_through_them_is_the_references_own(self):
        torch.manual_seed(5)
        for shape, kind in (((1, 28, 28), "dcgan"), ((3, 64, 64), "dcgan"), ((2,), "mlp")):
            text = "\n".join(f'[{which}]\nkind = "{kind}"\nwidth = 4' for which in ("generator", "discriminator"))
            for which in ("generator", "discriminator"):
                with self.subTest(shape=shape, which=which):
                    made = network("[latent]\nsize = 7\n" + text, which, shape)
                    x = torch.randn(3, 7) if which == "generator" else torch.randn(3, *shape)
                    expected = made(x)
                    self.assertTrue(torch.equal(Runner(made).forward(x, one_pass(3))[0].flatten(), expected.flatten()))

    def test_published_counts(self):
        for text, shape, expected in (
                ('[objective]\nd_batch = "paired"\n[discriminator]\nkind = "mlp"\nwidth = 128', (2,), 17_281),
                ('[objective]\nd_batch = "paired"', (1, 28, 28), 660_161),
                ('[discriminator]\ndown = "avg"', (1, 28, 28), 371_969)):
            self.assertEqual(nets.parameter_count(network(text, "discriminator", shape)), expected)

    def test_every_option_runs_and_starts_by_rule(self):
        d, g = "discriminator", "generator"
        for which, options in (
                *[(g, f'activation = "{word}"') for word in ("relu", "leaky_relu", "elu")], *[(g, f'upsample = "{word}"') for word in ("nearest", "bilinear")],
                *[(g, f'norm = "{word}"') for word in ("none", "pixel", "conditional", "default")], (g, "equalized_lr = true"),
                *[(d, f'down = "{word}"') for word in ("avg", "max")], *[(d, f'head = "{word}"') for word in ("gap", "gsp")],
                *[(d, f'norm = "{word}"') for word in ("none", "batch", "virtual")], (d, "dropout = 0.3"), (d, "dropout = 0.3\ndropout_channel = true"),
                (d, "minibatch_stddev = 2"), (d, "minibatch_stddev = 1\nminibatch_stddev_maps = 2"), (d, "minibatch_discrimination = 3"),
                (d, "spectral_norm = true"), (d, "equalized_lr = true"), *[(d, f'# {kind}') for kind in ("planes", "projection", "classifier")],
                (d, "spectral_norm = true # projection")):
            for shape in ((1, 28, 28), (2, 32, 32)):
                kind = options.split("# ")[1] if "# " in options else "planes" if "conditional" in options else "none"
                text = f'[run]\nprecision = "float64"\n[latent]\nsize = 5\n[{which}]\nwidth = 4\n{options}\n[conditional]\nkind = "{kind}"'
                with self.subTest(which=which, options=options, shape=shape):
                    made = network(text, which, shape, 3)
                    first = networks.initial_weights(1, 0, made)
                    first.update(networks.initial_singular_vectors(1, 0, made, first))
                    made.layers.load_state_dict(first, strict=False)
                    extra = 3 if kind != "none" else 0
                    x = torch.randn(4, 5 + extra) if which == g else torch.randn(4, shape[0] + (3 if kind == "planes" else 0), *shape[1:])
                    runner = Runner(made)
                    labels = torch.tensor([0, 2, 1, 2])
                    runner.reference = (x.double(), labels) if "virtual" in options else None
                    y = runner.forward(x.double(), one_pass(4, labels=labels))[0]
                    self.assertEqual(y.reshape(4, -1).shape[1], shape[0] * shape[1] ** 2 if which == g else 4 if kind == "classifier" else 1)
                    self.assertTrue(torch.isfinite(y).all())

    def test_a_normalized_weight_stands_behind_its_bias(self):
        made = network('[discriminator]\nkind = "mlp"\nwidth = 4\nspectral_norm = true', "discriminator", (2,))
        self.assertEqual(list(networks.initial_weights(1, 1, made))[:2], ["0.bias", "0.parametrizations.weight.original"])

    def test_frozen_layers(self):
        layers = network("[discriminator]\nwidth = 4", "discriminator", (1, 28, 28)).layers
        networks.freeze(layers, 2)
        self.assertEqual([name for name, p in layers.named_parameters() if p.requires_grad], ["4.weight", "4.bias", "7.weight", "7.bias"])

    def test_features_are_those_of_the_layer_asked_for(self):
        made = network('[discriminator]\nkind = "mlp"\nwidth = 4', "discriminator", (2,))
        runner, layers, x = Runner(made), made.layers, torch.randn(3, 2)
        self.assertTrue(torch.equal(runner.forward(x, one_pass(3), "penultimate")[1], layers[:4](x)))
        self.assertTrue(torch.equal(runner.forward(x, one_pass(3), 0)[1], layers[0](x)))


if __name__ == "__main__":
    torch.set_num_threads(1)
    unittest.main()
