"""Whole phases of the replay: gradients against finite differences, the order of passes, micro-batches, and the mistakes made on purpose."""
import pathlib
import sys
import unittest

import torch

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from replay import networks  # noqa: E402
from replay import draws as sources  # noqa: E402
from replay.discriminator_phase import DiscriminatorPhase  # noqa: E402
from replay.game import Game, micro_batches  # noqa: E402
from replay.generator_phase import GeneratorPhase  # noqa: E402
from replay.passes import Runner  # noqa: E402
from replay.recipe import Recipe  # noqa: E402

COUNTS = [3, 4, 5]
BASE = {"run.seed": 5, "run.precision": "float64", "latent.size": 3, **{f"{which}.{key}": value for which in ("generator", "discriminator") for key, value in {
    "kind": "mlp", "width": 5, "depth": 2, "activation": "elu"}.items()}}


def game(rows=8, lock=True, mistakes=(), shape=(2,), **keys):
    """A game of two small networks with weights of order one, and the arguments of a D phase."""
    text = {}
    for key, value in {**BASE, **{key.replace("__", "."): value for key, value in keys.items()}}.items():
        section, name = key.rsplit(".", 1)
        text.setdefault(section, []).append(f"{name} = {str(value).lower() if isinstance(value, bool) else repr(value)}")
    recipe = Recipe("\n".join("\n".join([f"[{section}]", *lines]) for section, lines in text.items()))
    generator = torch.Generator().manual_seed(1)
    runners = []
    for which in ("generator", "discriminator"):
        network = networks.build(recipe, which, shape, len(COUNTS))
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.copy_(0.6 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
        runners.append(Runner(network))
    made = Game(recipe, *runners, COUNTS, lock, mistakes)
    real = torch.randn(rows, *shape, generator=generator, dtype=torch.float64)
    labels = torch.randint(0, len(COUNTS), (rows,), generator=generator)
    made.set_references(real, labels)
    return made, real, labels


def d_phase(made, real, labels, step=0, iteration=0, micros=(None,)):
    z = made.draws.latents("z_d", step, len(real))
    return DiscriminatorPhase(made, real, labels, z, made.fake_labels(labels, step), step, iteration, micros).run()


def g_phase(made, real, labels, fakes=None, step=0, micros=(None,)):
    z = made.draws.latents("z_g", step, len(real))
    return GeneratorPhase(made, z, made.generator_labels(step, len(real)), fakes, real, labels, step, 0, micros).run()


def total(phase):
    return float(phase.loss) + sum(float(value) for value in phase.terms.values())


def gradients(runner):
    return torch.cat([p.grad.flatten() for p in runner.trained()])


D_VARIANTS = {
    "plain": {}, "half": {"objective__d_loss": "half"},
    **{loss: {"objective__loss": loss} for loss in ("minimax", "wasserstein", "hinge", "least_squares", "relativistic")},
    "joint": {"objective__d_batch": "joint"}, "paired": {"objective__d_batch": "paired"}, "pack": {"objective__pack": 2},
    "gp": {"regularizers__gradient_penalty": 2.0}, "gp one": {"regularizers__gradient_penalty": 2.0, "regularizers__gradient_penalty_sides": "one",
                                                             "regularizers__gradient_penalty_target": 0.5},
    "r1": {"regularizers__r1": 3.0}, "r1 joint": {"regularizers__r1": 3.0, "objective__d_batch": "joint"},
    "r1 paired": {"regularizers__r1": 3.0, "objective__d_batch": "paired"}, "r1 packed": {"regularizers__r1": 3.0, "objective__pack": 2},
    "dragan": {"regularizers__dragan": 2.0}, "drift": {"regularizers__drift": 0.5}, "gp packed": {"regularizers__gradient_penalty": 2.0, "objective__pack": 4},
    "relativistic r1": {"objective__loss": "relativistic", "regularizers__r1": 1.0},
    "noise": {"tricks__instance_noise": 0.5, "regularizers__r1": 1.0}, "flip": {"tricks__label_flip": 0.4, "tricks__label_smoothing": "noisy"},
    "smooth": {"tricks__label_smoothing": "two_sided", "objective__d_batch": "joint"},
    "planes": {"conditional__kind": "planes", "regularizers__gradient_penalty": 2.0, "conditional__fake_labels": "uniform"},
    "projection": {"conditional__kind": "projection", "conditional__fake_labels": "empirical", "regularizers__r1": 1.0},
    "classifier": {"conditional__kind": "classifier", "conditional__classifier_weight": 0.7}, "dropout": {"discriminator__dropout": 0.3},
    "classifier joint": {"conditional__kind": "classifier", "objective__d_batch": "joint"},
    "mbstd": {"discriminator__minibatch_stddev": 4, "objective__d_batch": "joint"}, "mbd": {"discriminator__minibatch_discrimination": 3},
    "virtual": {"discriminator__norm": "virtual", "generator__norm": "virtual", "regularizers__gradient_penalty": 1.0},
}
G_VARIANTS = {
    **{loss: {"objective__loss": loss} for loss in ("non_saturating", "minimax", "wasserstein", "hinge", "least_squares", "relativistic")},
    "paired": {"objective__d_batch": "paired"}, "pack": {"objective__pack": 2}, "noise": {"tricks__instance_noise": 0.5},
    **{f"features {kind}": {"tricks__feature_matching": 0.5, "tricks__feature_matching_kind": kind} for kind in ("elementwise", "l1", "l2", "l2_sum")},
    "features of 0": {"tricks__feature_matching": 0.5, "tricks__feature_matching_layer": 0, "discriminator__dropout": 0.2},
    "features of the output": {"tricks__feature_matching": 0.5, "tricks__feature_matching_layer": "output", "objective__loss": "relativistic"},
    "planes": {"conditional__kind": "planes"}, "projection": {"conditional__kind": "projection"},
    "classifier": {"conditional__kind": "classifier", "conditional__generator_labels": "empirical"},
    "virtual": {"discriminator__norm": "virtual", "generator__norm": "virtual"}, "mbd": {"discriminator__minibatch_discrimination": 3},
}


class Gradients(unittest.TestCase):
    def check(self, runner, phase):
        """Central differences of the total along a few directions."""
        first = phase()
        slope, generator = gradients(runner), torch.Generator().manual_seed(2)
        for _ in range(3):
            directions = [torch.randn(p.shape, generator=generator, dtype=torch.float64) for p in runner.trained()]
            ends = []
            for sign in (1, -1):
                with torch.no_grad():
                    for p, d in zip(runner.trained(), directions):
                        p += sign * 1e-6 * d
                ends.append(total(phase()))
                with torch.no_grad():
                    for p, d in zip(runner.trained(), directions):
                        p -= sign * 1e-6 * d
            expected = (ends[0] - ends[1]) / 2e-6
            self.assertAlmostEqual((slope @ torch.cat([d.flatten() for d in directions])).item(), expected, delta=1e-5 * max(1, abs(expected)))
        return first

    def test_of_d(self):
        for name, keys in D_VARIANTS.items():
            with self.subTest(variant=name):
                made, real, labels = game(**keys)
                self.check(made.discriminator, lambda: d_phase(made, real, labels))
                self.assertTrue(all(p.grad is None for p in made.generator.parameters()))

    def test_of_g(self):
        for name, keys in G_VARIANTS.items():
            with self.subTest(variant=name):
                made, real, labels = game(**keys)
                trained = [p.requires_grad for p in made.discriminator.parameters()]
                self.check(made.generator, lambda: g_phase(made, real, labels))
                self.assertTrue(all(p.grad is None for p in made.discriminator.parameters()))
                self.assertEqual([p.requires_grad for p in made.discriminator.parameters()], trained)


class Conventions(unittest.TestCase):
    def passes(self, run, **keys):
        """The sources of D's passes in their order."""
        made, real, labels = game(**keys)
        seen, forward = [], made.discriminator.forward

        def watched(x, pass_, *rest):
            seen.append(tuple(r.source for r in pass_.ranges))
            return forward(x, pass_, *rest)
        made.discriminator.forward = watched
        run(made, real, labels)
        return seen

    def test_order_of_d_s_passes(self):
        real, fake, penalty = (sources.D_REAL,), (sources.D_FAKE,), (sources.PENALTY,)
        gp, dragan = {"regularizers__gradient_penalty": 1.0}, {"regularizers__dragan": 1.0}
        for keys, expected in (({}, [real, fake]), ({"regularizers__r1": 1.0}, [real, fake]), ({**gp, **dragan}, [real, fake, penalty, penalty]),
                               ({"objective__d_batch": "joint", **gp}, [real + fake, penalty]), ({"objective__d_batch": "paired"}, [real]),
                               ({"objective__loss": "relativistic"}, [real, fake])):
            self.assertEqual(self.passes(d_phase, **keys), expected)

    def test_order_of_g_s_passes(self):
        g_real, g_fake = (sources.G_REAL,), (sources.G_FAKE,)
        for keys, expected in (({}, [g_fake]), ({"objective__loss": "relativistic"}, [g_real, g_fake]), ({"tricks__feature_matching": 1.0}, [g_real, g_fake]),
                               ({"objective__d_batch": "paired"}, [g_fake])):
            self.assertEqual(self.passes(g_phase, **keys), expected)

    def test_an_interval_s_penalty_counts_for_all_of_its_steps(self):
        for key in ("gradient_penalty", "r1"):
            made, real, labels = game(**{f"regularizers__{key}": 2.0, f"regularizers__{key}_every": 3})
            plain, _, _ = game(**{f"regularizers__{key}": 2.0})
            self.assertEqual([key in d_phase(made, real, labels, step).terms for step in range(5)], [True, False, False, True, False])
            self.assertAlmostEqual(float(d_phase(made, real, labels, 3).terms[key]), 3 * float(d_phase(plain, real, labels, 3).terms[key]), places=12)

    def test_half_scales_the_adversarial_loss_alone(self):
        keys = {"regularizers__gradient_penalty": 1.0, "regularizers__r1": 1.0, "regularizers__drift": 1.0}
        whole, real, labels = game(**keys)
        half, _, _ = game(objective__d_loss="half", **keys)
        whole, half = d_phase(whole, real, labels), d_phase(half, real, labels)
        self.assertAlmostEqual(float(whole.loss), 2 * float(half.loss), places=12)
        for key, value in whole.terms.items():
            self.assertEqual(float(value), float(half.terms[key]))

    def test_micro_batches_without_layers_that_mix_change_nothing(self):
        for keys in ({"regularizers__gradient_penalty": 1.0, "regularizers__r1": 1.0, "tricks__instance_noise": 0.2, "discriminator__dropout": 0.2,
                      "tricks__label_flip": 0.3}, {"objective__d_batch": "joint", "conditional__kind": "classifier"}, {"objective__d_batch": "paired"}):
            found = []
            for count in (1, 2, 5):
                made, real, labels = game(rows=50, **keys)
                micros = micro_batches(count, 0, 50, 7)
                d = d_phase(made, real, labels, micros=micros)
                g = g_phase(made, real, labels, micros=micros)
                found.append((d.logit_real, gradients(made.discriminator), gradients(made.generator), torch.tensor([total(d), total(g)])))
            for other in found[1:]:
                for a, b in zip(found[0], other):
                    self.assertLess((a - b).abs().max().item(), 1e-12)

    def test_fakes_of_the_d_step_may_be_used_again(self):
        made, real, labels = game()
        made.draws.latents = lambda purpose, step, rows, plain=made.draws.latents: plain("z_d", step, rows)
        d = d_phase(made, real, labels)
        again = g_phase(made, real, labels, fakes=d.fakes)
        mine = gradients(made.generator)
        anew = g_phase(made, real, labels)
        self.assertEqual(float(again.loss), float(anew.loss))
        self.assertTrue(torch.equal(mine, gradients(made.generator)))

    def test_packs_are_fewer_decisions_about_as_many_samples(self):
        made, real, labels = game(objective__pack=4)
        self.assertEqual(len(d_phase(made, real, labels).logit_real), 2)

    def test_pairs_say_the_same_after_an_exchange_of_all_slots_where_d_is_antisymmetric(self):
        made, real, labels = game(objective__d_batch="paired")
        weights = torch.randn(2, dtype=torch.float64)

        def antisymmetric(x, pass_, *rest):
            return (x[:, :2] - x[:, 2:]) @ weights, None
        made.discriminator.forward = antisymmetric
        slots, values = made.draws.slots, []
        for turned in (False, True):
            made.draws.slots = lambda *arguments: 1 - slots(*arguments) if turned else slots(*arguments)
            phase = DiscriminatorPhase(made, real, labels, made.draws.latents("z_d", 0, 8), None, 0, 0, [None])
            phase.pairs(None)
            values.append(phase.loss.item())
        self.assertAlmostEqual(*values, places=12)

    def test_the_lock(self):
        made, real, labels = game(lock=False)
        d_phase(made, real, labels)
        self.assertTrue(any(p.grad is not None for p in made.generator.parameters()))


class Mistakes(unittest.TestCase):
    def test_each_changes_what_it_is_about(self):
        for mistake, key, run, keys in (
                ("gp_batch_norm", "gradient_penalty", d_phase, {"regularizers__gradient_penalty": 1.0}),
                ("wrong_alpha", "gradient_penalty", d_phase, {"regularizers__gradient_penalty": 1.0}),
                ("no_half_r1", "r1", d_phase, {"regularizers__r1": 1.0}),
                ("flip_generator", None, g_phase, {"tricks__label_flip": 0.3})):
            with self.subTest(mistake=mistake):
                values = []
                for made_on_purpose in ((), (mistake,)):
                    made, real, labels = game(mistakes=made_on_purpose, **keys)
                    phase = run(made, real, labels)
                    values.append(float(phase.terms[key] if key else phase.loss))
                self.assertGreater(abs(values[0] - values[1]), 1e-3)


if __name__ == "__main__":
    torch.set_num_threads(1)
    unittest.main()
