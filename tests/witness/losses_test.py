"""The replay's losses, penalties, features and inputs against the closed forms of the specification."""
import pathlib
import sys
import unittest

import torch

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from replay import inputs, losses, penalties  # noqa: E402
from replay.draws import Draws  # noqa: E402
from replay.features import feature_matching, flat  # noqa: E402
from replay.recipe import Recipe, Unknown  # noqa: E402


def tensor(*values, **options):
    return torch.tensor(values, dtype=torch.float64, **options)


class Losses(unittest.TestCase):
    def test_separate_losses_at_two_and_minus_one(self):
        for name, of_d, of_g in (("non_saturating", 0.440190, 1.313262), ("minimax", 0.440190, -0.313262), ("wasserstein", -3, 1), ("hinge", 0, 1),
                                 ("least_squares", 1, 2)):
            of_real, of_fake, of_generator = losses.SEPARATE[name]
            real, fake = tensor(2.0), tensor(-1.0)
            with self.subTest(loss=name):
                self.assertAlmostEqual((of_real(real) + of_fake(fake)).item(), of_d, places=6)
                self.assertAlmostEqual(of_generator(fake).item(), of_g, places=6)

    def test_relativistic(self):
        for real, fake, of_d, of_g in (([2.0], [-1.0], 0.048587, 3.048587), ([2.0, 0.0], [-1.0, 1.0], 0.410038, 1.410038)):
            d, g = losses.relativistic(tensor(*real), tensor(*fake))
            self.assertAlmostEqual(d.mean().item(), of_d, places=6)
            self.assertAlmostEqual(g.mean().item(), of_g, places=6)

    def test_soft_targets_have_their_least_at_the_logit_of_the_target(self):
        self.assertAlmostEqual(losses.soft_bce(tensor(2.0), 0.9).item(), 0.326928, places=6)
        at = tensor(2.197225, requires_grad=True)
        value = losses.soft_bce(at, 0.9)
        self.assertAlmostEqual(value.item(), 0.325083, places=6)
        self.assertAlmostEqual(torch.autograd.grad(value, at)[0].item(), 0, places=6)

    def test_pairs(self):
        for logit, of_d, of_g in ((0.0, 0.693147, 0.693147), (0.5, 0.474077, 0.974077)):
            d, g = losses.of_pairs("non_saturating", tensor(logit), torch.tensor([1]))
            self.assertAlmostEqual(d.item(), of_d, places=6)
            self.assertAlmostEqual(g.item(), of_g, places=6)
        d, g = losses.of_pairs("minimax", tensor(0.5), torch.tensor([1]))
        self.assertEqual(d.item(), -g.item())

    def test_classifier(self):
        self.assertAlmostEqual(losses.classification(torch.zeros(1, 10), torch.tensor([3])).item(), 2.302585, places=6)
        scores = torch.tensor([[2.0, 0.0, 0.0]], dtype=torch.float64, requires_grad=True)
        value = losses.classification(scores, torch.tensor([0])).sum()
        self.assertAlmostEqual(value.item(), 0.239545, places=6)
        slope = torch.autograd.grad(value, scores)[0]
        self.assertTrue(torch.allclose(slope, torch.softmax(scores, 1) - tensor(1, 0, 0)))


class Targets(unittest.TestCase):
    def targets(self, text, step=0, rows=100_000):
        recipe = Recipe('[run]\nseed = 9\nprecision = "float64"\n[tricks]\n' + text)
        return losses.Targets(recipe, Draws(recipe)).draw(step, rows)

    def test_flips_are_as_many_as_asked_for_and_take_the_other_kind_s_target(self):
        real, fake = self.targets('label_smoothing = "two_sided"\nlabel_flip = 0.05')
        for targets, own, other in ((real, 0.9, 0.1), (fake, 0.1, 0.9)):
            self.assertEqual(set(targets.tolist()), {own, other})
            self.assertAlmostEqual((targets == other).sum().item(), 5000, delta=210)     # 3 standard deviations
        self.assertGreater(((real == 0.1) != (fake == 0.9)).sum().item(), 1000)          # drawn apart

    def test_noisy_targets_lie_in_their_ranges(self):
        real, fake = self.targets('label_smoothing = "noisy"\nnoisy_fake_high = 0.3')
        for targets, low, high in ((real, 0.8, 1.0), (fake, 0.0, 0.3)):
            self.assertGreaterEqual(targets.min().item(), low)
            self.assertLessEqual(targets.max().item(), high)
            self.assertAlmostEqual(targets.mean().item(), (low + high) / 2, delta=0.001)

    def test_one_sided_leaves_fakes_alone(self):
        real, fake = self.targets('label_smoothing = "one_sided"\nreal_target = 0.75', rows=4)
        self.assertEqual((real.tolist(), fake.tolist()), ([0.75] * 4, [0.0] * 4))

    def test_other_losses_have_no_targets(self):
        recipe = Recipe('[objective]\nloss = "hinge"\n[tricks]\nlabel_flip = 0.1')
        with self.assertRaises(Unknown):
            losses.Targets(recipe, Draws(recipe))


class Penalties(unittest.TestCase):
    def linear(self, w):
        return lambda x: x @ w

    def test_gradient_penalty_of_a_linear_critic(self):
        w = tensor(3, 4, requires_grad=True)
        value = 10 * penalties.gradient_penalty(self.linear(w), torch.randn(6, 2, dtype=torch.float64), torch.randn(6, 2, dtype=torch.float64), torch.rand(6))
        self.assertAlmostEqual(value.item(), 160, places=6)
        self.assertTrue(torch.allclose(torch.autograd.grad(value, w)[0], tensor(48, 64), atol=1e-6))

    def test_the_norm_is_that_of_a_sample(self):
        """Slopes 0 and 4: 5, where a norm over the batch gives 9."""
        x = torch.zeros(2, 1, dtype=torch.float64)

        def critic(points):
            return points[:, 0] * tensor(0, 4)
        self.assertAlmostEqual(penalties.gradient_penalty(critic, x, x, torch.rand(2)).item(), 5, places=3)
        self.assertAlmostEqual(penalties.gradient_penalty(critic, x, x, torch.rand(2), over_the_batch=True).item(), 9, places=3)

    def test_sides_and_target(self):
        x = torch.zeros(1, 2, dtype=torch.float64)
        below, above = self.linear(tensor(0.3, 0.4)), self.linear(tensor(3, 4))
        for critic, options, expected in ((below, {}, 0.25), (below, {"sides": "one"}, 0), (above, {"sides": "one"}, 16), (above, {"target": 2.0}, 2.25)):
            self.assertAlmostEqual(penalties.gradient_penalty(critic, x, x, torch.rand(1), **options).item(), expected, places=6)

    def test_the_point_lies_at_alpha_between_real_and_fake(self):
        """f = a |x|^2 / 2 has slope |a| |x| there."""
        real, fake, alpha = torch.randn(5, 3, dtype=torch.float64), torch.randn(5, 3, dtype=torch.float64), torch.rand(5, dtype=torch.float64)
        point = alpha[:, None] * real + (1 - alpha[:, None]) * fake
        expected = (2 * point.norm(dim=1) - 1).square().mean()
        value = penalties.gradient_penalty(lambda x: x.square().sum(1), real, fake, alpha)
        self.assertAlmostEqual(value.item(), expected.item(), places=8)

    def test_a_critic_without_slope_has_finite_gradients(self):
        w = torch.zeros(2, dtype=torch.float64, requires_grad=True)
        value = penalties.gradient_penalty(self.linear(w), torch.zeros(2, 2, dtype=torch.float64), torch.zeros(2, 2, dtype=torch.float64), torch.rand(2))
        self.assertTrue(torch.isfinite(torch.autograd.grad(value, w)[0]).all())

    def test_r1(self):
        self.assertEqual(10 / 2 * penalties.r1(tensor(3, 4).expand(7, 2)).item(), 125)

    def test_dragan_takes_one_spread_for_all_elements(self):
        """f = |x|^2 / 2 has slope |x| at x + alpha std u / 2; std of 0, 0, 2, 2 is 1."""
        real, u, alpha = torch.tensor([[0.0, 0.0], [2.0, 2.0]], dtype=torch.float64), torch.tensor([[0.2, 0.4], [0.6, 0.8]], dtype=torch.float64), tensor(0.5, 1.0)
        point = torch.tensor([[0.05, 0.1], [2.3, 2.4]], dtype=torch.float64)
        value = penalties.dragan(lambda x: x.square().sum(1) / 2, real, u, alpha)
        self.assertAlmostEqual(value.item(), (point.norm(dim=1) - 1).square().mean().item(), places=8)
        linear = penalties.dragan(self.linear(tensor(3, 4)), real, u, alpha)
        self.assertAlmostEqual(10 * linear.item(), 160, places=6)

    def test_second_derivatives_against_finite_differences(self):
        torch.manual_seed(1)
        shapes = ((3, 2, 3, 3), (4, 3, 3, 3), (4 * 16,))
        weights = [0.4 * torch.randn(shape, dtype=torch.float64) for shape in shapes]
        real, fake, u = (torch.randn(3, 2, 4, 4, dtype=torch.float64) for _ in range(3))
        alpha = torch.rand(3, dtype=torch.float64)

        def critic(first, second, last):
            def score(x):
                for weight in (first, second):
                    x = torch.nn.functional.softplus(torch.nn.functional.conv2d(x, weight, padding=1))
                return x.flatten(1) @ last
            return score
        for name, value in (("gradient_penalty", lambda *w: penalties.gradient_penalty(critic(*w), real, fake, alpha)),
                            ("dragan", lambda *w: penalties.dragan(critic(*w), real, u, alpha)),
                            ("r1", lambda *w: penalties.r1(penalties.slopes(critic(*w), real)))):
            with self.subTest(penalty=name):
                self.assertTrue(torch.autograd.gradcheck(value, [w.requires_grad_() for w in weights], eps=1e-6, atol=1e-6, rtol=1e-5))


class Features(unittest.TestCase):
    def test_values(self):
        real, fake = tensor([1, 2], [3, 4]), tensor([2, 2], [2, 4])
        self.assertEqual(feature_matching("elementwise", real, fake).item(), 0.5)
        self.assertEqual(feature_matching("l1", real, fake).item(), 0)
        moved = fake + tensor(1, 2)
        for kind, expected in (("l1", 1.5), ("l2", 2.5), ("l2_sum", 5)):
            self.assertEqual(feature_matching(kind, real, moved).item(), expected)

    def test_slope_of_l1(self):
        """- sign(D) / (F N) for each element."""
        real, fake = tensor([1, 2], [3, 4]), tensor([5, 0], [5, 0]).requires_grad_()
        slope = torch.autograd.grad(feature_matching("l1", real, fake), fake)[0]
        self.assertTrue(torch.equal(slope, tensor([0.25, -0.25], [0.25, -0.25])))

    def test_pooling_over_pixels(self):
        x = torch.arange(16.0).reshape(1, 4, 2, 2)
        self.assertEqual(flat(x, True).tolist(), [[1.5, 5.5, 9.5, 13.5]])
        self.assertEqual(tuple(flat(x, False).shape), (1, 16))


class Inputs(unittest.TestCase):
    def test_planes_name_the_class(self):
        x = torch.randn(1, 2, 3, 5)
        seen = inputs.with_planes(x, torch.tensor([2]), 4)
        self.assertEqual(seen.sum((2, 3))[0, 2:].tolist(), [0, 0, 15, 0])
        self.assertTrue(torch.equal(seen[:, :2], x))
        self.assertEqual(inputs.with_planes(torch.zeros(1, 2), torch.tensor([1]), 3).tolist(), [[0, 0, 0, 1, 0]])

    def test_packs_are_consecutive_samples(self):
        x = torch.arange(8.0).reshape(4, 2)
        self.assertEqual(inputs.packed(x, 2).tolist(), [[0, 1, 2, 3], [4, 5, 6, 7]])
        self.assertEqual(tuple(inputs.packed(torch.zeros(6, 3, 5, 5), 3).shape), (2, 9, 5, 5))

    def test_pairs_put_the_real_where_the_slot_says(self):
        real, fake = tensor([1], [2]), tensor([-1], [-2])
        self.assertEqual(inputs.paired(real, fake, torch.tensor([1, 0])).tolist(), [[1, -1], [-2, 2]])

    def test_noise_falls_to_nothing(self):
        recipe = Recipe("[tricks]\ninstance_noise = 0.1\ninstance_noise_steps = 100")
        made = inputs.Inputs(recipe, Draws(recipe), 0)
        for iteration, sigma in ((0, 0.1), (25, 0.075), (100, 0), (200, 0)):
            self.assertAlmostEqual(made.sigma(iteration), sigma, places=12)


if __name__ == "__main__":
    torch.set_num_threads(1)
    unittest.main()
