"""What moves between steps: schedules, clipping, historical averaging and the balance controller, against the specification's numbers."""
import pathlib
import sys
import unittest

import torch

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from replay import optimizers  # noqa: E402
from replay.ada import AdaController  # noqa: E402
from replay.balance import BalanceController  # noqa: E402
from replay.history import HistoricalAverage  # noqa: E402
from replay.recipe import Recipe  # noqa: E402


def parameter(*values):
    return torch.nn.Parameter(torch.tensor(values, dtype=torch.float64))


class Optimizers(unittest.TestCase):
    def optimizer(self, text, weights=None):
        return optimizers.Optimizer(Recipe("[optimizer.discriminator]\n" + text), "discriminator", [weights if weights is not None else parameter(0.0)])

    def test_schedules(self):
        for text, rates in (('schedule = "exponential"', {500: 0.974679, 1000: 0.95, 10000: 0.598737}),
                            ('schedule = "cosine"\nschedule_steps = 1000', {250: 0.853553, 500: 0.5, 1000: 0}),
                            ('schedule = "linear"\nschedule_steps = 1000\nschedule_start = 500', {0: 1, 750: 0.5, 2000: 0}),
                            ("warmup_steps = 100", {0: 0.01, 49: 0.5, 99: 1, 500: 1})):
            made = self.optimizer("lr = 1.0\n" + text)
            for step, rate in rates.items():
                with self.subTest(schedule=text, step=step):
                    self.assertAlmostEqual(made.learning_rate(step), rate, places=6)

    def test_the_counter_may_be_g_s(self):
        for counter, expected in (("own", 0.95 ** 2), ("g_steps", 1.0)):
            weights = parameter(0.0)
            made = self.optimizer(f'kind = "sgd"\nlr = 1.0\nschedule = "exponential"\ndecay_steps = 1\nlr_counter = "{counter}"', weights)
            made.steps = 2
            weights.grad = torch.ones(1, dtype=torch.float64)
            made.step(g_steps=0)
            self.assertAlmostEqual(-weights.item(), expected, places=12)

    def test_adam_and_rmsprop_first_steps(self):
        weights = parameter(0.0)
        made, before = self.optimizer("", weights), 0.0
        for gradient, expected in ((1.0, -2.000000e-4), (3.0, -2.086579e-4)):
            weights.grad = torch.tensor([gradient], dtype=torch.float64)
            made.step()
            self.assertAlmostEqual(weights.item() - before, expected, places=10)
            before = weights.item()
        weights = parameter(0.0)
        made = self.optimizer('kind = "rmsprop"\nlr = 5e-5', weights)
        weights.grad = torch.tensor([2.0], dtype=torch.float64)
        made.step()
        self.assertAlmostEqual(weights.item(), -4.99999975e-4, places=12)

    def test_clipping(self):
        a, b = parameter(0.0), parameter(0.0)
        a.grad, b.grad = torch.tensor([3.0], dtype=torch.float64), torch.tensor([4.0], dtype=torch.float64)
        optimizers.clip_gradient([a, b], norm=10.0)
        self.assertEqual((a.grad.item(), b.grad.item()), (3, 4))
        optimizers.clip_gradient([a, b], norm=1.0)
        self.assertAlmostEqual(a.grad.item(), 0.6, places=6)
        self.assertAlmostEqual(b.grad.item(), 0.8, places=6)
        optimizers.clip_gradient([a, b], value=0.7)
        self.assertAlmostEqual(b.grad.item(), 0.7, places=12)
        optimizers.clip_weights([w := parameter(3.0, -0.5)], 1.0)
        self.assertEqual(w.tolist(), [1, -0.5])


class History(unittest.TestCase):
    def test_the_mean_of_the_start_and_of_every_step(self):
        """1, 3, now 5: mean 3, term 4, gradient 4."""
        theta = parameter(1.0)
        history = HistoricalAverage([theta], 1.0)
        for value in (3.0, 5.0):
            theta.data.fill_(value)
            history.update()
        theta.grad = torch.zeros(1, dtype=torch.float64)
        self.assertEqual(history.add_gradient().item(), 4)
        self.assertEqual((history.means[0].item(), theta.grad.item()), (3, 4))

    def test_a_window(self):
        theta = parameter(1.0)
        history = HistoricalAverage([theta], 1.0, window=0.75)
        theta.data.fill_(5.0)
        history.update()
        self.assertEqual(history.means[0].item(), 0.75 * 1 + 0.25 * 5)

    def test_bilinear_game(self):
        """V = xy, rate 0.1, both at once from (1,1), 1,000 steps: radius 204.74 without, 0.157755 with w = 0.5."""
        for weight, radius in ((0.0, 204.74), (0.5, 0.157755)):
            x, y = parameter(1.0), parameter(1.0)
            history = HistoricalAverage([x, y], weight)
            for _ in range(1000):
                x.grad, y.grad = y.detach().clone(), -x.detach().clone()
                history.add_gradient()
                for p in (x, y):
                    p.data -= 0.1 * p.grad
                history.update()
            self.assertAlmostEqual((x ** 2 + y ** 2).sqrt().item(), radius, delta=1e-4 * radius)


class Balance(unittest.TestCase):
    def controller(self, text):
        return BalanceController(Recipe("[balance]\n" + text))

    def test_the_learning_rate_s_factor(self):
        made = self.controller('mode = "lr"')
        factors = []
        for _ in range(320):
            made.adjust(0.9)
            factors.append(made.factor())
        self.assertAlmostEqual(factors[9], 0.927743, places=6)
        self.assertAlmostEqual(factors[307], 0.1, places=12)         # update 308
        self.assertGreater(factors[306], 0.1)
        self.assertAlmostEqual(factors[-1], 0.1, places=12)

    def test_numbers_of_steps(self):
        made = self.controller('mode = "steps"\n[objective]\nd_steps = 3')
        seen = []
        for accuracy in (0.95, 0.95, 0.95, 0.5, 0.5):
            made.adjust(accuracy)
            seen.append((made.d_steps, made.g_steps))
        self.assertEqual(seen, [(2, 1), (1, 1), (1, 2), (1, 1), (2, 1)])
        for _ in range(10):
            made.adjust(0.5)
        self.assertEqual((made.d_steps, made.g_steps), (5, 1))

    def test_accuracy_is_smoothed_from_its_target(self):
        made = self.controller('mode = "lr"\nevery_steps = 2')
        made.saw(torch.tensor([1.0, 2.0]), torch.tensor([-1.0, 1.0]))       # 1 and 1/2 right
        self.assertAlmostEqual(made.accuracy, 0.98 * 0.75 + 0.02 * 0.75, places=12)
        made.saw(torch.tensor([1.0]), torch.tensor([-1.0]))
        self.assertAlmostEqual(made.accuracy, 0.98 * 0.75 + 0.02, places=12)
        made.finish_iteration(1)
        self.assertEqual(made.factor(), 1)
        made.finish_iteration(2)
        self.assertLess(made.factor(), 1)


class Ada(unittest.TestCase):
    def test_the_probability_follows_the_reals_signs(self):
        """N = 64, all reals taken for real: 5.12e-4 an update, one in four steps; below the target it stays 0."""
        made = AdaController(Recipe("[augment]\nada = true"))
        for step in range(1, 9):
            made.saw(torch.ones(64), 64)
            self.assertAlmostEqual(made.p, step // 4 * 5.12e-4, places=12)
        for _ in range(12):
            made.saw(torch.cat([torch.ones(48), -torch.ones(16)]), 64)        # r = 0.5
        self.assertEqual(made.p, 0)


if __name__ == "__main__":
    torch.set_num_threads(1)
    unittest.main()
