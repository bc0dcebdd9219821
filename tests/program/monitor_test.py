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

    def test_an_untrained_classifier_is_refused(self):
        for path in (self.folder / "none.safetensors", program.ROOT / "README.md"):
            result = program.ganymede("train", self.recipe("dcgan28", data__holdout=200, monitor__classifier=str(path), **FEW), "--out", self.folder / "runs")
            self.assertIn(result.code, (65, 74), str(result))
            self.assertIn(path.name, result.err)

    def test_a_collapse_can_stop_the_run(self):
        """A generator that cannot move: its learning rate is nothing, all its samples lie in one place."""
        recipe = self.recipe("ring", data__sampling="synth", run__steps=4000, log__every_steps=100, monitor__every_steps=1, monitor__samples=64,
                             monitor__action="stop", optimizer__generator__lr=1e-12, run__precision="float32")
        result = program.ganymede("train", recipe, "--out", self.folder / "runs")
        self.assertEqual(result.code, 75, str(result))
        self.assertIn("lost modes", result.err)
        self.assertIn('monitor.action = "stop"', result.err)
        self.assertNotIn("on request", result.err)
        run = next(iter((self.folder / "runs").iterdir()))
        rows = program.stats(run)
        self.assertEqual(rows[max(rows)]["collapse_state"], 2)
        self.assertLess(max(rows), 4000)
        self.assertTrue((program.latest_checkpoint(run) / "model.h5").is_file())


if __name__ == "__main__":
    unittest.main()
