"""Gradients that are not finite in whole runs: the end with 80 and a name, updates left out, going back to a checkpoint."""
import unittest

import numpy as np

import program

# A learning rate at which float32 overflows within a few steps.
EXPLODING = {"run__precision": "float32", "run__steps": 30, "optimizer__generator__kind": "sgd", "optimizer__discriminator__kind": "sgd",
             "optimizer__generator__lr": 1e18, "optimizer__discriminator__lr": 1e18, "optimizer__discriminator__schedule": "constant",
             "optimizer__discriminator__decay_steps": None, "objective__loss": "least_squares"}


class NotFinite(program.ProgramTest):
    def run_it(self, how, ranks=2, **values):
        recipe = self.recipe("ring", f"{how}.toml", **{**EXPLODING, "parallel__on_nonfinite": how, **values})
        return program.ganymede("train", recipe, "--out", self.folder / how, *(["--ranks", ranks] if ranks > 1 else []), cwd=program.ROOT)

    def test_abort_names_network_parameter_step_and_rank(self):
        for ranks in (1, 2):
            result = self.run_it("abort", ranks)
            self.assertEqual(result.code, 80, str(result))
            self.assertRegex(result.err, r"the (generator|discriminator)'s (gradient is not finite at its step \d+, in iteration \d+: |loss is not finite)")

    def test_skip_keeps_weights_finite(self):
        result = self.run_it("skip", objective__loss="wasserstein")
        if result.code == 0:
            run = program.run_folder(result)
            for name, array in program.model(run).items():
                self.assertTrue(np.all(np.isfinite(array)), name)
            self.assertGreater(program.stats(run)[30]["updates_left_out"], 0)
        else:   # a loss that is not finite although its gradient is ends the run
            self.assertEqual(result.code, 80, str(result))

    def test_rewinds_end(self):
        result = self.run_it("rewind", parallel__rewinds=2, checkpoint__every_steps=2)
        self.assertIn(result.code, (0, 80), str(result))
        self.assertIn("the run goes on from step", result.err)
        rows = [line for line in next((self.folder / "rewind").glob("*/stats.jsonl")).read_text().splitlines()]
        steps = [int(line.split('"step":')[1].split(",")[0]) for line in rows]
        self.assertEqual(steps, sorted(set(steps)), "no row is told twice")

    def test_without_a_fault_the_policies_change_nothing(self):
        plain = dict(optimizer__generator__lr=1e-3, optimizer__discriminator__lr=1e-3, optimizer__generator__kind="adam", optimizer__discriminator__kind="adam", run__steps=6)
        models = {how: program.model(program.run_folder(program.must(self.run_it(how, **plain)))) for how in ("abort", "skip", "rewind")}
        for how in ("skip", "rewind"):
            self.assert_bitwise(models[how], models["abort"], how)


if __name__ == "__main__":
    unittest.main()
