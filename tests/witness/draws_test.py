"""The replay's random draws: their laws, their independence of each other, and the places that micro-batches take."""
import pathlib
import sys
import unittest

import numpy as np
import torch

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import philox  # noqa: E402
from replay import draws as sources  # noqa: E402
from replay.draws import Draws, to_memory_order  # noqa: E402
from replay.game import micro_batches, shares_of_streams  # noqa: E402
from replay.recipe import Recipe  # noqa: E402


def made(text=""):
    return Draws(Recipe('[run]\nseed = 11\nprecision = "float64"\n' + text))


class DrawsTest(unittest.TestCase):
    def test_elements_of_pictures_count_in_disk_order(self):
        picture = to_memory_order(np.arange(12.0).reshape(1, 12), (3, 2, 2))
        self.assertEqual(picture[0, :, 0, 1].tolist(), [3, 4, 5])       # the three channels of the second pixel
        noise = made().noise("noise_real", 0, 7, 2, (3, 2, 2))
        self.assertEqual(noise[1, 2, 1, 0].item(), philox.normal(11, "noise_real", 7, 1, 1, 12)[0, (1 * 2 + 0) * 3 + 2])

    def test_instance_noise_of_reals_and_fakes(self):
        """Over 1e6 draws: standard deviation 1 +- 0.003, correlation below 0.004."""
        real, fake = (made().noise(purpose, 0, 3, 1000, (1000,)).flatten() for purpose in ("noise_real", "noise_fake"))
        self.assertAlmostEqual(real.std().item(), 1, delta=0.003)
        self.assertLess(abs(torch.corrcoef(torch.stack([real, fake]))[0, 1].item()), 0.004)

    def test_classes_have_the_shares_asked_for(self):
        counts, n = [10, 0, 30, 60], 100_000
        for how, shares in (("uniform", [0.25] * 4), ("empirical", [0.1, 0, 0.3, 0.6])):
            drawn = made().classes(how, 1, 5, n, counts)
            found = torch.bincount(drawn, minlength=4) / n
            for share, expected in zip(found.tolist(), shares):
                self.assertAlmostEqual(share, expected, delta=4 * (expected * (1 - expected) / n) ** 0.5)
        self.assertFalse(torch.equal(made().classes("uniform", 0, 5, n, counts), made().classes("uniform", 1, 5, n, counts)))

    def test_half_of_the_slots_are_ones(self):
        for rows in (2, 48, 50):
            for step in range(5):
                self.assertEqual(made().slots(3, step, rows).sum().item(), rows // 2)
        self.assertFalse(torch.equal(made().slots(3, 0, 48), made().slots(4, 0, 48)))
        self.assertFalse(torch.equal(made().slots(3, 0, 48), made().slots(3, 1, 48)))

    def test_dropout_masks(self):
        """Over 1e5: the share kept is 1 - p; layers, passes and steps differ; by channel a picture's channel is one draw."""
        kept = made().kept(2, sources.D_REAL, 0, 100, (1000,), 0.3, False)
        self.assertAlmostEqual(kept.mean().item(), 0.7, delta=4 * (0.21 / 1e5) ** 0.5)
        for other in (made().kept(3, sources.D_REAL, 0, 100, (1000,), 0.3, False), made().kept(2, sources.G_FAKE, 0, 100, (1000,), 0.3, False),
                      made().kept(2, sources.D_REAL, 1, 100, (1000,), 0.3, False)):
            self.assertFalse(torch.equal(kept, other))
        by_channel = made().kept(2, sources.D_REAL, 0, 5, (8, 3, 3), 0.5, True)
        self.assertEqual(tuple(by_channel.shape), (5, 8, 1, 1))
        self.assertTrue(torch.equal(by_channel.flatten(), made().kept(2, sources.D_REAL, 0, 5, (8,), 0.5, False).flatten()))

    def test_the_index_of_a_mask_is_eight_times_its_layer_plus_the_pass(self):
        kept = made().kept(5, sources.PENALTY, 9, 3, (4,), 0.4, False)
        self.assertEqual(kept.tolist(), (philox.uniform(11, "dropout", 9, 0, 3, 4, 42) >= 0.4).astype(float).tolist())

    def test_alphas_of_both_penalties_differ(self):
        self.assertEqual(made().alpha(1, 4, 6).tolist(), philox.uniform(11, "gp_alpha", 4, 0, 6, 1, 1)[:, 0].tolist())
        self.assertNotEqual(made().alpha(0, 4, 6).tolist(), made().alpha(1, 4, 6).tolist())

    def test_a_uniform_prior(self):
        z = made('[latent]\nsize = 100\nprior = "uniform"').latents("z_d", 0, 1000)
        self.assertLessEqual(z.abs().max().item(), 1)
        self.assertAlmostEqual(z.var().item(), 1 / 3, delta=0.004)


class MicroBatches(unittest.TestCase):
    def test_every_place_once_and_balanced(self):
        for count, drawn, rows, streams in ((2, 0, 48, 48), (3, 50, 50, 7), (5, 1000, 64, 64), (4, 123, 10, 3)):
            micros = micro_batches(count, drawn, rows, streams)
            self.assertEqual(sorted(torch.cat(micros).tolist()), list(range(rows)))
            self.assertEqual(sum(shares_of_streams(drawn, rows, streams)), rows)
        self.assertEqual(micro_batches(1, 0, 48, 48), [None])

    def test_neighbouring_streams_begin_in_neighbouring_micro_batches(self):
        self.assertEqual([m.tolist() for m in micro_batches(2, 0, 6, 3)], [[0, 3, 4], [1, 2, 5]])


class RecipeTest(unittest.TestCase):
    def test_what_is_not_modelled_is_refused_unless_it_is_off(self):
        from replay.recipe import Unknown
        for text in ("[objective]\nnew_key = 3", "[unrolled]\nsteps = 5", '[objective]\nloss = "other"', "[replay]\ncapacity = 100",
                     '[objective]\nd_batch = "paired"\npack = 2'):
            with self.subTest(text=text), self.assertRaises(Unknown):
                Recipe(text)
        Recipe('[objective]\nnew_key = 0\n[unrolled]\nsteps = 0\n[replay]\ncapacity = 0\npolicy = "pool"\n[data]\nsampling = "replacement"')


if __name__ == "__main__":
    torch.set_num_threads(1)
    unittest.main()
