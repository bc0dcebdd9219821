"""An outside witness (tests/witness/trace_replay.py, PyTorch) computes the same run from recipe, first weights, reals and z alone."""
import sys
import unittest

import program

REPLAY = program.WITNESS / "trace_replay.py"
SGD = {"optimizer__generator__kind": "sgd", "optimizer__generator__lr": 0.01, "optimizer__discriminator__kind": "sgd", "optimizer__discriminator__lr": 0.01}


class Witness(program.ProgramTest):
    def replay(self, run, *mistake):
        return program.start([sys.executable, REPLAY, run / "trace.h5", *mistake])

    def check(self, name, network, ranks=1, **values):
        run = program.train(self.recipe(network, f"{name}.toml", **values), self.folder / name, ranks)
        good = self.replay(run)
        self.assertEqual(good.code, 0, str(good))
        return run

    def test_twenty_iterations_in_float64_and_the_mistakes_that_it_must_find(self):
        for network in program.NETWORKS:
            with self.subTest(network=network):
                run = self.check(network, network, run__trace=20)
                for mistake in (("--beta1", "0.9"), ("--no-lock",)):
                    bad = self.replay(run, *mistake)
                    self.assertEqual(bad.code, 1, f"{mistake} was not found\n{bad}")

    def test_one_float32_iteration_with_sgd(self):
        for network in program.NETWORKS:
            with self.subTest(network=network):
                run = self.check(f"single-{network}", network, run__precision="float32", run__steps=1, run__trace=1, **SGD)
                bad = self.replay(run, "--no-lock")
                self.assertEqual(bad.code, 1, f"--no-lock was not found\n{bad}")

    def test_the_variants_of_the_objective(self):
        variants = {
            "minimax": {"objective__loss": "minimax"},
            "half": {"objective__d_loss": "half", "objective__d_steps": 2},
            "reuse": {"tricks__reuse_fakes": True, "objective__d_steps": 2},
            "joint": {"objective__d_batch": "joint"},
            "uniform": {"latent__prior": "uniform", "average__decay": 0.5},
            "two-g-steps": {"objective__g_steps": 2},
            "wasserstein": {"objective__loss": "wasserstein", "optimizer__generator__kind": "rmsprop", "optimizer__discriminator__kind": "rmsprop",
                            "optimizer__discriminator__schedule": "linear", "objective__d_steps": 2},
            "hinge": {"objective__loss": "hinge", "optimizer__generator__schedule": "cosine", "optimizer__generator__schedule_start": 1,
                      "optimizer__generator__end_lr": 1e-5},
            "least-squares": {"objective__loss": "least_squares", "objective__d_batch": "joint", "optimizer__discriminator__warmup_steps": 3},
        }
        for name, values in variants.items():
            for network in ("dcgan32", "ring"):
                with self.subTest(variant=name, network=network):
                    self.check(f"{name}-{network}", network, run__steps=4, run__trace=4, **values)

    def test_three_uneven_ranks(self):
        self.check("uneven", "dcgan32", ranks=3, run__steps=6, run__trace=6, data__global_batch=50, data__streams=7, objective__d_steps=2)

    def test_published_widths_for_one_iteration(self):
        """Width 64 takes other kernels than the narrow networks."""
        for network in ("dcgan28", "dcgan32"):
            with self.subTest(network=network):
                self.check(f"wide-{network}", network, run__steps=2, run__trace=2, data__global_batch=8, data__streams=8, generator__width=64,
                           discriminator__width=64, latent__size=100)


if __name__ == "__main__":
    unittest.main()
