"""[monitor] from outside: what it writes, the classes that a classifier counts, what a collapse leads to."""
import unittest

import program

CLASSIFIER = str(program.ROOT / "datasets" / "mnist" / "classifier.safetensors")
FEW = {"run__steps": 4, "log__every_steps": 2, "monitor__every_steps": 2, "monitor__samples": 64, "run__precision": "float32"}


class Monitor(program.ProgramTest):
    def test_its_figures_stand_in_the_rows_and_do_not_depend_on_the_ranks(self):
        recipe = self.recipe("dcgan28", data__holdout=200, monitor__classifier=CLASSIFIER, **{**FEW, "run__precision": "float64"})
        runs = [program.train(recipe, self.folder / str(ranks), ranks) for ranks in (1, 2)]
        one, two = (program.stats(run) for run in runs)
        for step in (2, 4):
            keys = {key for key in one[step] if key.startswith("collapse_")}
            self.assertLessEqual({"collapse_state", "collapse_learning", "collapse_hits", "collapse_classes"}, keys)
            for key in keys:
                self.assertAlmostEqual(one[step][key], two[step][key], delta=1e-4 * (1 + abs(one[step][key])), msg=f"{key} of step {step}")
            self.assertGreater(one[step]["collapse_classes"], 0)
            self.assertLess(one[step]["collapse_classes"], 1.1)

    def test_slopes_do_not_depend_on_the_ranks_and_change_nothing(self):
        """D's slopes at reals, fakes and between; with batch norm and singular vectors there are buffers that a pass could move."""
        cases = {"penalty": {"regularizers__gradient_penalty": 1.0, "generator__norm": "batch"},
                 "spectral": {"discriminator__spectral_norm": True, "discriminator__norm": "batch"}}
        for name, keys in cases.items():
            with self.subTest(case=name):
                keys = {"data__sampling": "synth", "run__steps": 4, **keys}
                off = program.train(self.recipe("ring", **keys), self.folder / f"{name}-off")
                recipe = self.recipe("ring", monitor__every_steps=1, monitor__samples=64, **keys)
                one, four = (program.train(recipe, self.folder / f"{name}-{ranks}", ranks) for ranks in (1, 4))
                watched = {key: value for key, value in program.model(one).items() if not key.startswith("/monitor/")}
                self.assertTrue(any(key.endswith(("running_mean", "_u")) for key in watched), "no buffers")
                self.assert_bitwise(watched, program.model(off), "a report moved")
                rows, others = program.stats(one), program.stats(four)
                slopes = {f"input_gradient_{where}_{what}" for where in ("real", "fake", "between") for what in ("max", "p99", "above_1")}
                for step in rows:
                    self.assertEqual({key for key in rows[step] if key.startswith("input_gradient_")}, slopes)
                    for key in slopes:
                        self.assertAlmostEqual(rows[step][key], others[step][key], delta=1e-9, msg=f"{key} of step {step}")
                    self.assertGreater(rows[step]["input_gradient_real_max"], 0)

    def test_an_untrained_classifier_is_refused(self):
        for path in (self.folder / "none.safetensors", program.ROOT / "README.md"):
            result = program.ganymede("train", self.recipe("dcgan28", data__holdout=200, monitor__classifier=str(path), **FEW), "--out", self.folder / "runs")
            self.assertIn(result.code, (65, 74), str(result))
            self.assertIn(path.name, result.err)

    def collapsing(self, steps, action, rows_every):
        """A generator that cannot move: its learning rate is nothing, all its samples lie in one place."""
        recipe = self.recipe("ring", data__sampling="synth", run__steps=steps, log__every_steps=rows_every, monitor__every_steps=1, monitor__samples=64,
                             monitor__action=action, optimizer__generator__lr=1e-12, run__precision="float32")
        result = program.ganymede("train", recipe, "--out", self.folder / "runs")
        self.assertIn("lost modes", result.err)
        return result, next(iter((self.folder / "runs").iterdir()))

    def test_a_collapse_can_stop_the_run(self):
        result, run = self.collapsing(4000, "stop", 100)
        self.assertEqual(result.code, 75, str(result))
        self.assertIn('monitor.action = "stop"', result.err)
        self.assertNotIn("on request", result.err)
        rows = program.stats(run)
        self.assertEqual(rows[max(rows)]["collapse_state"], 2)
        self.assertLess(max(rows), 4000)
        self.assertTrue((program.latest_checkpoint(run) / "model.h5").is_file())

    def test_a_collapse_can_be_kept_as_a_checkpoint(self):
        result, run = self.collapsing(100, "checkpoint", 1)
        self.assertEqual(result.code, 0, str(result))
        rows = program.stats(run)
        self.assertEqual(max(rows), 100)
        collapses = [step for step in rows if rows[step]["collapse_state"] == 2 and rows.get(step - 1, {}).get("collapse_state") != 2]
        self.assertTrue(collapses and collapses[0] < 100, collapses)
        for name in (*collapses, 100):
            self.assertTrue((run / "checkpoints" / f"step-{name:06d}" / "model.h5").is_file(), f"no checkpoint of step {name}")


if __name__ == "__main__":
    unittest.main()
