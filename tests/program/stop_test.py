"""Stopping politely: a signal saves a checkpoint and ends with 75; going on from there gives the uninterrupted run bit for bit."""
import pathlib
import signal
import subprocess
import tempfile
import time
import unittest

import program

STEPS = 4000      # of the ring: more than pass between the first row of statistics and the signal that answers it


class Stop(program.ProgramTest):
    def stopped(self, with_signal, *arguments):
        """Starts a run, sends it the signal once it trains, waits for its end; gives its code and its run folder."""
        runs = pathlib.Path(tempfile.mkdtemp(dir=self.folder))
        with open(self.folder / "out", "w+") as out, open(self.folder / "err", "w+") as err:
            command = [program.GANYMEDE, "train", str(self.recipe("ring", **self.values)), "--out", str(runs), *arguments]
            process = subprocess.Popen(command, cwd=program.ROOT, env=program.environment(), stdin=subprocess.DEVNULL, stdout=out, stderr=err)
            deadline = time.monotonic() + program.TIMEOUT_S
            while not any(path.stat().st_size for path in runs.glob("*/stats.jsonl")):
                self.assertIsNone(process.poll(), "the run ended by itself")
                self.assertLess(time.monotonic(), deadline)
            process.send_signal(with_signal)
            code = process.wait(program.TIMEOUT_S)
            out.seek(0), err.seek(0)
            result = program.Result(command, code, out.read(), err.read())
        return result, program.run_folder(result)

    def setUp(self):
        super().setUp()
        self.values = {"run__steps": STEPS, "run__precision": "float32", "log__every_steps": 10}

    def test_saves_and_can_go_on(self):
        whole = program.train(self.recipe("ring", **self.values), self.folder / "whole")
        for name in ("SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1", "SIGUSR2"):
            with self.subTest(signal=name):
                result, run = self.stopped(getattr(signal, name))
                self.assertEqual(result.code, 75, str(result))
                self.assertLess(int(program.latest_checkpoint(run).name.removeprefix("step-")), STEPS)
                self.assertIn("--resume", result.err)
                if name == "SIGTERM":
                    program.resume(run, self.folder / "runs")
                    self.assert_bitwise(program.model(run), program.model(whole), "stopped and resumed")
                    mine, theirs = program.stats(run), program.stats(whole)
                    self.assertEqual([step for step in theirs if step not in mine], [])

    def test_ranks_that_we_started(self):
        for name in ("SIGTERM", "SIGINT"):
            with self.subTest(signal=name):
                result, run = self.stopped(getattr(signal, name), "--ranks", "2")
                self.assertEqual(result.code, 75, str(result))
                self.assertTrue((program.latest_checkpoint(run) / "model.h5").exists())


if __name__ == "__main__":
    unittest.main()
