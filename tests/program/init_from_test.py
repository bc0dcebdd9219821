"""--init-from: a new run that starts with another one's networks, and with nothing else of it."""
import json
import unittest

import h5py
import numpy as np

import program

STEPS = 8


class InitFrom(program.ProgramTest):
    def start(self, donor, name, **keys):
        """A run from `donor`, of other seed and length, that keeps what it started with in trace.h5; on 2 ranks."""
        recipe = self.recipe("ring", f"{name}.toml", **{"run__seed": 11, "run__steps": STEPS, "run__trace": 1, **keys})
        return program.ganymede("train", recipe, "--init-from", donor, "--out", self.folder / name, "--ranks", 2)

    def started(self, donor, name, **keys):
        return program.run_folder(program.must(self.start(donor, name, **keys)))

    def donor(self, **keys):
        return program.train(self.recipe("ring", "donor.toml", **keys), self.folder / "donor")

    def test_networks_are_the_donor_s_and_the_average_starts_from_g(self):
        keys = {"generator__norm": "batch", "discriminator__spectral_norm": True}      # buffers on both sides
        donor = self.donor(**keys)
        given = program.model(donor)
        initial = program.arrays(self.started(donor, "child", **keys) / "trace.h5", "/initial")
        for net in ("generator", "discriminator"):
            mine = {name.removeprefix("/initial"): value for name, value in initial.items() if name.startswith(f"/initial/{net}/")}
            self.assert_bitwise(mine, {name: value for name, value in given.items() if name.startswith(f"/{net}/")}, "first weights")
        of = {net: {name.split("/", 3)[3]: value for name, value in initial.items() if name.startswith(f"/initial/{net}/")} for net in ("generator", "average")}
        self.assert_bitwise(of["average"], of["generator"], "first average")
        self.assertFalse(np.array_equal(given["/average/0.weight"], given["/generator/0.weight"]), "the donor's average is its G: nothing could be mixed up")

    def test_a_named_checkpoint_is_taken(self):
        donor = self.donor(checkpoint__every_steps=7)
        named = donor / "checkpoints" / "step-000007"
        initial = program.arrays(self.started(named, "child") / "trace.h5", "/initial")
        given = program.arrays(named / "model.h5")
        self.assert_bitwise({"w": initial["/initial/generator/0.weight"]}, {"w": given["/generator/0.weight"]})

    def test_optimizers_and_schedules_begin_anew(self):
        keys = {"objective__d_steps": 2, "optimizer__generator__warmup_steps": 5, "optimizer__generator__lr": 1e-3}
        run = self.started(self.donor(**keys), "child", **keys)
        rows = program.stats(run)
        self.assertEqual(sorted(rows), list(range(1, STEPS + 1)))
        for step, row in rows.items():      # the recipe's D falls by 5 % in 10 steps; the row has the last of its two
            self.assertAlmostEqual(row["lr_g"], 1e-3 * min(1, step / 5), delta=1e-15)
            self.assertAlmostEqual(row["lr_d"], 2e-4 * 0.95 ** ((2 * step - 1) / 10), delta=1e-15)
        counters = json.loads((program.latest_checkpoint(run) / "state.json").read_text())
        self.assertEqual((counters["step"], counters["d_steps"], counters["g_steps"]), (STEPS, 2 * STEPS, STEPS))
        with h5py.File(program.latest_checkpoint(run) / "model.h5") as model:
            self.assertEqual(model["optimizer/generator"].attrs["step"], STEPS)
            self.assertEqual(model["optimizer/discriminator"].attrs["step"], 2 * STEPS)

    def test_first_moments_are_those_of_the_first_gradient(self):
        """After one step m = (1 - beta1) g and v = (1 - beta2) g^2: nothing of the donor's is left in them."""
        run = self.started(self.donor(), "child", run__steps=1)
        model, trace = program.model(run), program.arrays(run / "trace.h5", "/steps/000000")
        for net, turn in (("generator", "g/0"), ("discriminator", "d/0")):
            gradient = trace[f"/steps/000000/{turn}/grad/0.weight"]
            np.testing.assert_allclose(model[f"/optimizer/{net}/exp_avg/0.weight"], 0.5 * gradient, rtol=1e-12)
            np.testing.assert_allclose(model[f"/optimizer/{net}/exp_avg_sq/0.weight"], 0.001 * gradient ** 2, rtol=1e-9)

    def test_another_width_is_refused(self):
        donor = self.donor()
        for net in ("generator", "discriminator"):
            result = self.start(donor, "refused", **{f"{net}__width": 16})
            self.assertEqual(result.code, 65, str(result))
            for word in ("--init-from", donor.name, f"{net}/0.weight", "24x", "16x"):
                self.assertIn(word, result.err)
            out = self.folder / "refused"
            self.assertFalse(out.exists() and list(out.iterdir()), "something was made")

    def test_d_s_reference_batch_is_of_the_new_run_s_reals(self):
        keys = {"generator__norm": "virtual", "discriminator__norm": "virtual"}
        donor = self.donor(**keys)
        run = self.started(donor, "child", **keys)
        given, mine = program.model(donor), program.model(run)
        first_reals = program.arrays(run / "trace.h5", "/steps/000000/d/0")["/steps/000000/d/0/real"]
        self.assertFalse(np.array_equal(mine["/discriminator/reference"], given["/discriminator/reference"]))
        self.assert_bitwise({"reference": mine["/discriminator/reference"]}, {"reference": first_reals[:len(mine["/discriminator/reference"])]})


if __name__ == "__main__":
    unittest.main()
