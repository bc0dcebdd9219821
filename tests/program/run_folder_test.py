"""The run folder: what is in it, and that Python people can read all of it."""
import hashlib
import json
import tomllib
import unittest

import h5py
import numpy as np
from PIL import Image

import program

KEYS = {"step", "images", "epoch", "loss_d", "loss_g", "d_real", "d_fake", "grad_norm_d", "grad_norm_g", "lr_d", "lr_g", "step_ms", "data_wait_ms",
        "comm_exposed_ms", "replay_ms", "images_per_s", "rss_mib"}


class RunFolder(program.ProgramTest):
    def setUp(self):
        super().setUp()
        recipe = self.recipe("dcgan28", run__steps=25, run__name="folder", log__every_steps=10, log__samples_every_steps=10, checkpoint__every_steps=5,
                             objective__d_steps=2, run__precision="float32")
        self.run_path = program.train(recipe, self.folder / "runs", 2)

    def test_it_holds_what_the_formats_promise(self):
        run = self.run_path
        self.assertEqual(run.name, "00000-folder")
        self.assertEqual((run / "LATEST").read_text(), "step-000025\n")
        self.assertEqual(sorted(path.name for path in (run / "checkpoints").iterdir()), ["step-000015", "step-000020", "step-000025"])
        self.assertEqual(sorted(path.name for path in (run / "log").iterdir()), ["rank-0.log", "rank-1.log"])
        self.assertEqual(sorted(path.name for path in (run / "samples").iterdir()), ["reals.png", "step-000010.png", "step-000020.png", "step-000025.png"])
        self.assertEqual([path for path in run.rglob(".*")], [], "no temporary file stays")
        config = tomllib.loads((run / "config.toml").read_text())
        self.assertEqual((config["data"]["global_batch"], config["data"]["streams"], config["run"]["steps"]), (48, 48, 25))
        provenance = json.loads((run / "provenance.json").read_text())
        for key in ("version", "argv", "hosts", "seed", "libraries"):
            self.assertIn(key, provenance)
        for picture in (run / "samples").iterdir():
            with Image.open(picture) as image:
                self.assertGreaterEqual(image.width * image.height, 64 * 28 * 28)

    def test_statistics(self):
        rows = program.stats(self.run_path, times=True)
        self.assertEqual(list(rows), [1, 10, 20, 25])
        self.assertEqual(rows[1]["schema"], 1)
        for step, row in rows.items():
            self.assertLessEqual(KEYS, set(row))
            self.assertEqual(row["images"], 48 * 2 * step)
            self.assertAlmostEqual(row["epoch"], row["images"] / program.SAMPLES)
            self.assertGreater(row["step_ms"], 0)
            self.assertEqual("schema" in row, step == 1)
        # lr(s) = lr0 * 0.95^(s / 10) with s the D steps done before the last one
        self.assertAlmostEqual(rows[25]["lr_d"], 2e-4 * 0.95 ** ((2 * 25 - 1) / 10), delta=1e-12)
        self.assertEqual(rows[25]["lr_g"], 2e-4)

    def test_checkpoints(self):
        checkpoint = program.latest_checkpoint(self.run_path)
        state = json.loads((checkpoint / "state.json").read_text())
        self.assertEqual((state["format"], state["version"], state["step"], state["d_steps"], state["g_steps"], state["images"], state["ranks"], state["seed"]),
                         ("ganymede-checkpoint", 1, 25, 50, 25, 48 * 50, 2, 3))
        self.assertIn("model.h5", state["files"])
        for name, entry in state["files"].items():
            content = (checkpoint / name).read_bytes()
            self.assertEqual((len(content), hashlib.sha256(content).hexdigest()), (entry["bytes"], entry["sha256"]))
        with h5py.File(checkpoint / "model.h5") as file:
            self.assertEqual((file.attrs["format"], file.attrs["version"]), ("ganymede-model", 1))
            self.assertEqual((file["generator"].attrs["prior"], file["generator"].attrs["latent"]), ("normal", 10))
            self.assertEqual((int(file["optimizer/generator"].attrs["step"]), int(file["optimizer/discriminator"].attrs["step"])), (25, 50))
            self.assertEqual(file["generator/0.weight"].dtype, np.float32)
            self.assertEqual(file["generator/0.weight"].shape, (2 * 8 * 7 * 7, 10))
            self.assertFalse(np.any(file["generator/0.bias"][()]), "the bias before batch norm stays zero")
            self.assertEqual(int(file["generator/2.num_batches_tracked"][()]), 75)
            self.assertEqual(set(file["average"]), set(file["generator"]))
            self.assertTrue(np.array_equal(file["average/2.running_mean"][()], file["generator/2.running_mean"][()]), "buffers are copied, not averaged")

    def test_the_next_run_takes_the_next_number(self):
        again = program.train(self.recipe("ring", run__steps=1, run__name="next"), self.folder / "runs")
        self.assertEqual(again.name, "00001-next")

    def test_two_equal_runs_are_bitwise_equal(self):
        recipe = self.recipe("dcgan32", run__steps=5, run__precision="float32")
        first, second = (program.model(program.train(recipe, self.folder / "runs", 2)) for _ in range(2))
        self.assert_bitwise(first, second)

    def test_overlap_changes_no_bit(self):
        """The plain order with waits at once, and the overlapped one."""
        runs = [program.model(program.train(self.recipe("dcgan32", run__steps=5, objective__d_steps=2, parallel__overlap=overlap), self.folder / "runs", 2))
                for overlap in (True, False)]
        self.assert_bitwise(*runs)

    def test_batch_per_rank_is_the_global_batch_that_it_makes(self):
        values = {"run__steps": 4, "data__streams": 8}
        whole = program.train(self.recipe("ring", data__global_batch=48, **values), self.folder / "runs", 2)
        parts = program.train(self.recipe("ring", data__global_batch=None, data__batch_per_rank=24, **values), self.folder / "runs", 2)
        self.assert_bitwise(program.model(whole), program.model(parts))

    def test_bf16_trains_and_keeps_float32_weights(self):
        run = program.train(self.recipe("dcgan28", run__steps=3, run__precision="bf16"), self.folder / "runs", 2)
        for name, value in program.model(run).items():
            if not name.endswith("tracked"):
                self.assertEqual(np.asarray(value).dtype, np.float32, name)
                self.assertTrue(np.isfinite(value).all(), name)


if __name__ == "__main__":
    unittest.main()
