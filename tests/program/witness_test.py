"""An outside witness (tests/witness/trace_replay.py, PyTorch) computes the same run from recipe, first weights, reals and z alone.

    witness_test.py [CLASS]...

The variants stand in witness_variants.py. They are replayed within this process: starting PyTorch takes longer than a small run.
"""
import sys
import unittest

import program
import torch
import trace_replay
import witness_variants as variants

REPLAY = program.WITNESS / "trace_replay.py"
SGD = {"optimizer__generator__kind": "sgd", "optimizer__generator__lr": 0.01, "optimizer__discriminator__kind": "sgd", "optimizer__discriminator__lr": 0.01}


class WitnessTest(program.ProgramTest):
    def run_of(self, name, network, ranks=1, **values):
        return program.train(self.recipe(network, f"{name}.toml", **values), self.folder / name, ranks)

    def replay(self, run, tolerance=1e-9, **mistakes):
        return trace_replay.Replay(run / "trace.h5", tolerance, **mistakes).run()

    def check(self, name, network, ranks=1, **values):
        run = self.run_of(name, network, ranks, **values)
        good = self.replay(run)
        self.assertTrue(good.agrees(), f"{name}\n{good.report()}")
        return run

    def check_table(self, table, networks, suffix="", ranks=1, **more):
        for network in networks:
            for name, keys in table.items():
                with self.subTest(variant=name, network=network):
                    self.check(f"{name}{suffix}-{network}", network, ranks, run__steps=4, run__trace=4, **{**keys, **more})


class Plain(WitnessTest):
    """The command itself, as a user starts it."""

    def command(self, run, *mistake):
        return program.start([sys.executable, REPLAY, run / "trace.h5", *mistake])

    def check_command(self, name, network, **values):
        run = self.run_of(name, network, **values)
        good = self.command(run)
        self.assertEqual(good.code, 0, str(good))
        return run

    def test_twenty_iterations_in_float64_and_the_mistakes_that_it_must_find(self):
        for network in program.NETWORKS:
            with self.subTest(network=network):
                run = self.check_command(network, network, run__trace=20)
                for mistake in (("--beta1", "0.9"), ("--no-lock",)):
                    bad = self.command(run, *mistake)
                    self.assertEqual(bad.code, 1, f"{mistake} was not found\n{bad}")

    def test_one_float32_iteration_with_sgd(self):
        for network in program.NETWORKS:
            with self.subTest(network=network):
                run = self.check_command(f"single-{network}", network, run__precision="float32", run__steps=1, run__trace=1, **SGD)
                bad = self.command(run, "--no-lock")
                self.assertEqual(bad.code, 1, f"--no-lock was not found\n{bad}")

    def test_three_uneven_ranks(self):
        self.check("uneven", "dcgan32", ranks=3, run__steps=6, run__trace=6, data__global_batch=50, data__streams=7, objective__d_steps=2)

    def test_published_widths_for_one_iteration(self):
        """Width 64 takes other kernels than the narrow networks."""
        for network in ("dcgan28", "dcgan32"):
            with self.subTest(network=network):
                self.check(f"wide-{network}", network, run__steps=2, run__trace=2, data__global_batch=8, data__streams=8, generator__width=64,
                           discriminator__width=64, latent__size=100)


class Variants(WitnessTest):
    def test_a_hundred_iterations(self):
        """Long enough that what adds up shows: the moments' corrections, the falling rate, the average."""
        self.check("hundred", "ring", run__steps=100, run__trace=100)

    def test_ten_iterations_of_singular_vectors(self):
        self.check("spectral-ten", "ring", run__steps=10, run__trace=10, **variants.HOLDS["spectral_norm"])

    def test_orders_steps_and_rates(self):
        self.check_table(variants.OBJECTIVE, ("ring", "dcgan32"))

    def test_every_loss_with_everything_that_holds_d_s_slope(self):
        self.check_table(variants.LOSSES_AND_HOLDS, ("ring", "dcgan28"))

    def test_every_trick_alone(self):
        self.check_table(variants.TRICKS, ("ring",))

    def test_tricks_on_pictures(self):
        self.check_table(variants.ON_PICTURES, ("dcgan28",))

    def test_what_only_pictures_have(self):
        self.check_table(variants.PICTURES, ("dcgan28", "dcgan32"))

    def test_what_only_points_have(self):
        self.check_table(variants.POINTS, ("ring",))

    def test_published_networks_of_stacked_digits(self):
        self.check_table(variants.STACKED, ("dcgan28",))

    def test_batch_norm_in_d(self):
        self.check_table(variants.WITH_BATCH_NORM, ("dcgan32",))

    def test_statistics_over_three_uneven_ranks(self):
        self.check_table(variants.OVER_RANKS, ("ring",), "-ranks", ranks=3, data__streams=7)

    def test_mistakes_are_found(self):
        for mistake, values in variants.MISTAKES.items():
            with self.subTest(mistake=mistake):
                run = self.check(f"mistake-{mistake}", "ring", run__steps=4, run__trace=4, **values)
                bad = self.replay(run, mistakes=[mistake])
                self.assertFalse(bad.agrees(), bad.report())


if __name__ == "__main__":
    torch.set_num_threads(1)
    unittest.main()
