"""Stopping and going on: step 37 of 80 on 2 ranks equals the uninterrupted run bit for bit; on 3 ranks it meets the EQ tolerance."""
import hashlib
import json
import tempfile
import unittest

import h5py

import program

STEPS, STOP = 80, 37


class Resume(program.ProgramTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.shared = {}
        cls.shared_folder = tempfile.TemporaryDirectory(prefix="ganymede-test-")
        cls.addClassCleanup(cls.shared_folder.cleanup)

    def uninterrupted(self, network, precision):
        """One run of 80 steps that also keeps its checkpoint of step 37; made once per network and precision."""
        key = (network, precision)
        if key not in self.shared:
            recipe = self.recipe(network, run__steps=STEPS, run__precision=precision, checkpoint__every_steps=STOP)
            self.shared[key] = program.train(recipe, self.shared_folder.name, 2)
        return self.shared[key]

    def check_equal(self, run, whole, first_step=1):
        self.assert_bitwise(program.model(run), program.model(whole), "resumed run")
        mine, theirs = program.stats(run), program.stats(whole)
        self.assertEqual(sorted(mine), list(range(first_step, STEPS + 1)))
        for step in mine:
            drop = {"schema"}
            self.assertEqual({k: v for k, v in mine[step].items() if k not in drop}, {k: v for k, v in theirs[step].items() if k not in drop})

    def test_from_a_checkpoint_into_a_new_run(self):
        for network in ("dcgan28", "dcgan32"):
            with self.subTest(network=network):
                whole = self.uninterrupted(network, "float32")
                run = program.resume(whole / "checkpoints" / f"step-{STOP:06d}", self.folder / "runs", 2)
                self.assertNotEqual(run, whole)
                self.check_equal(run, whole, STOP + 1)

    def test_in_place_after_a_run_that_ended_at_37(self):
        recipe = self.recipe("dcgan28", run__steps=STOP, run__precision="float32")
        run = program.train(recipe, self.folder / "runs", 2)
        self.assertEqual(program.resume(run, self.folder / "runs", 2, run__steps=STEPS), run)
        self.assertEqual((run / "LATEST").read_text(), f"step-{STEPS:06d}\n")
        self.check_equal(run, self.uninterrupted("dcgan28", "float32"))

    def test_rows_beyond_the_checkpoint_are_cut(self):
        """A run that went on past its checkpoint and died leaves rows; the resumed one has neither gap nor repeat."""
        recipe = self.recipe("ring", run__steps=STOP)
        run = program.train(recipe, self.folder / "runs")
        rows = (run / "stats.jsonl").read_text()
        beyond = [json.dumps({**json.loads(rows.splitlines()[-1]), "step": STOP + 1 + i}) for i in range(3)]
        (run / "stats.jsonl").write_text(rows + "\n".join(beyond) + "\n" + beyond[0][:20])     # the last row half written
        program.resume(run, self.folder / "runs", run__steps=STOP + 5)
        self.assertEqual(list(program.stats(run)), list(range(1, STOP + 6)))

    def test_on_three_ranks_in_float64(self):
        whole = self.uninterrupted("dcgan28", "float64")
        run = program.resume(whole / "checkpoints" / f"step-{STOP:06d}", self.folder / "runs", 3)
        self.assert_within(1e-9, program.model(run), program.model(whole), r"^/(generator|discriminator|average)/")

    def test_what_tricks_remember(self):
        """Means of weights, controllers, reference batches, singular vectors, detector windows, both phases' reals: step 5 of 12, bit for bit."""
        cases = {
            "historical": ("ring", {"regularizers__historical_averaging": 0.1, "regularizers__weight_clip": 0.1}),
            "rates": ("ring", {"optimizer__generator__schedule": "cosine", "optimizer__generator__warmup_steps": 8,
                               "optimizer__discriminator__schedule": "step", "optimizer__discriminator__schedule_start": 7, "optimizer__discriminator__end_lr": 1e-3}),
            "balance-lr": ("ring", {"balance__mode": "lr", "balance__every_steps": 2, "balance__gain": 0.5}),
            "balance-steps": ("ring", {"balance__mode": "steps", "balance__every_steps": 2, "balance__low": 0.1, "balance__high": 0.2}),
            "virtual": ("ring", {"generator__norm": "virtual", "discriminator__norm": "virtual"}),
            "spectral": ("ring", {"discriminator__spectral_norm": True, "regularizers__gradient_penalty": 1.0, "objective__loss": "wasserstein", "objective__d_steps": 2}),
            "relativistic": ("ring", {"objective__loss": "relativistic", "objective__g_steps": 2}),
            "replacement": ("ring", {"objective__d_batch": "paired", "data__sampling": "replacement"}),
            "synth": ("ring", {"data__sampling": "synth", "monitor__every_steps": 2, "monitor__samples": 64}),
            "g-first": ("ring", {"objective__order": "g_first", "tricks__feature_matching": 0.1, "tricks__instance_noise": 0.1, "tricks__instance_noise_steps": 9}),
            "simultaneous": ("ring", {"objective__order": "simultaneous", "tricks__reuse_fakes": True}),
            "ada": ("dcgan28", {"augment__ada": True, "augment__ada_kimg": 0.5, "augment__ada_target": -0.9}),
            "classes": ("dcgan28", {"conditional__kind": "projection", "generator__norm": "conditional", "objective__accumulate": 2}),
            "held-out": ("dcgan28", {"data__holdout": 200, "monitor__every_steps": 2, "monitor__samples": 64}),
        }
        for name, (network, keys) in cases.items():
            for ranks in (1, 2):
                with self.subTest(case=name, ranks=ranks):
                    out = self.folder / f"{name}-{ranks}"
                    whole = program.train(self.recipe(network, "whole.toml", run__steps=12, checkpoint__every_steps=5, **keys), out, ranks)
                    run = program.resume(whole / "checkpoints" / "step-000005", out, ranks)
                    self.assert_bitwise(program.model(run), program.model(whole), name)
                    mine, theirs = program.stats(run), program.stats(whole)
                    for step in mine:
                        self.assertEqual({k: v for k, v in mine[step].items() if k != "schema"}, {k: v for k, v in theirs[step].items() if k != "schema"}, name)

    def test_cadence_changes_no_weight(self):
        whole = self.uninterrupted("dcgan28", "float32")
        recipe = self.recipe("dcgan28", run__steps=STEPS, run__precision="float32", checkpoint__every_steps=11, log__every_steps=7, log__samples_every_steps=13)
        run = program.train(recipe, self.folder / "runs", 2)
        self.assert_bitwise(program.model(run), program.model(whole), "other cadence")
        self.assertEqual(list(program.stats(run)), [1, *range(7, STEPS, 7), STEPS])
        self.assertEqual(len(list((run / "checkpoints").iterdir())), 3, "checkpoint.keep is 3")

    def test_a_damaged_checkpoint_is_passed_over_by_name(self):
        recipe = self.recipe("ring", run__steps=20, checkpoint__every_steps=10)
        run = program.train(recipe, self.folder / "runs")
        damaged = run / "checkpoints" / "step-000020" / "model.h5"
        content = bytearray(damaged.read_bytes())
        content[len(content) // 2] ^= 1
        damaged.write_bytes(content)
        named = program.ganymede("train", "--resume", damaged.parent, "--out", self.folder / "other", *program.settings(run__steps=22))
        self.assertEqual(named.code, 65, str(named))
        self.assertIn("model.h5", named.err)
        result = program.must(program.ganymede("train", "--resume", run, *program.settings(run__steps=22)))
        self.assertIn("step-000020", result.err)
        self.assertEqual(list(program.stats(run)), list(range(1, 23)))
        self.assertEqual(program.latest_checkpoint(run).name, "step-000022")

    def test_the_checkpoint_just_written_outlives_what_it_passed_over(self):
        """A damaged one with a higher number must not be kept in its place."""
        run = program.train(self.recipe("ring", run__steps=30, checkpoint__every_steps=10), self.folder / "runs")
        (run / "checkpoints" / "step-000030" / "model.h5").write_bytes(b"cut")
        program.resume(run, self.folder / "runs", run__steps=25, checkpoint__keep=1)
        self.assertEqual([path.name for path in (run / "checkpoints").iterdir()], ["step-000025"])
        program.resume(run, self.folder / "runs", run__steps=26)

    def test_counters_and_model_must_belong_together(self):
        """What no hash covers, or somebody hashed again: refused by name, and passed over where an older checkpoint is whole."""
        run = program.train(self.recipe("ring", run__steps=20, checkpoint__every_steps=10), self.folder / "runs")
        folder = run / "checkpoints" / "step-000020"
        state, model = json.loads((folder / "state.json").read_text()), (folder / "model.h5").read_bytes()

        def change_model(path, name, value):
            with h5py.File(folder / "model.h5", "r+") as file:
                file[path].attrs[name] = value
            content = (folder / "model.h5").read_bytes()
            return {"files": {**state["files"], "model.h5": {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}}}
        changes = [{"step": -5}, {"step": 1e300}, {"step": "20"}, {"images": 8}, {"images": -1}, {"d_steps": 99}, {"seed": 77}, {"files": {"model.h5": 5}},
                   {"files": {**state["files"], "model.h5": {"bytes": "x", "sha256": 3}}},
                   ("/", "format", "other"), ("/", "version", 9), ("optimizer/generator", "step", "20"), ("optimizer/discriminator", "step", -3),
                   ("generator", "prior", "uniform")]
        for change in changes:
            with self.subTest(change=change):
                (folder / "model.h5").write_bytes(model)
                new = change_model(*change) if isinstance(change, tuple) else change
                (folder / "state.json").write_text(json.dumps({**state, **new}))
                result = program.ganymede("train", "--resume", folder, "--out", self.folder / "other", *program.settings(run__steps=22))
                self.assertEqual(result.code, 65, str(result))
                self.assertIn("step-000020", result.err)
        result = program.must(program.ganymede("train", "--resume", run, *program.settings(run__steps=12)))
        self.assertIn("step-000020", result.err)
        self.assertEqual(list(program.stats(run)), list(range(1, 13)))

    def test_only_some_keys_may_change(self):
        run = program.train(self.recipe("ring", run__steps=3), self.folder / "runs")
        result = program.ganymede("train", "--resume", run, *program.settings(latent__size=11, run__steps=5, generator__width=12))
        self.assertEqual(result.code, 78, str(result))
        self.assertIn("latent.size", result.err)
        self.assertIn("generator.width", result.err)
        self.assertNotIn("run.steps,", result.err.split("remedy")[0])


if __name__ == "__main__":
    unittest.main()
