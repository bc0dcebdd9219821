"""Virtual ranks: a float32 run with Adam leaves the same bits on 1, 2 and 4 processes that hold 4 virtual ranks between them.

20 iterations of DCGAN-32; --full: 200 at the published width. Stops and resumes on another number of processes too.
"""
import re
import sys
import unittest

import program

FULL = "--full" in sys.argv
ADAM = {"run__precision": "float32", "parallel__virtual_ranks": 4}


class VirtualRanks(program.ProgramTest):
    def test_bits_do_not_depend_on_processes(self):
        values = {"run__steps": 200, "generator__width": 64, "discriminator__width": 64, "data__global_batch": 64} if FULL else {}
        recipe = self.recipe("dcgan32", **ADAM, **values)
        runs = {processes: program.train(recipe, self.folder / str(processes), processes) for processes in (1, 2, 4)}
        for processes in (2, 4):
            self.assert_bitwise(program.model(runs[processes]), program.model(runs[1]), f"{processes} processes")
            losses = [[row["loss_d"] for row in program.stats(runs[p]).values()] for p in (1, processes)]
            self.assertEqual(*losses)
        self.assertTrue(all((run / "log" / "rank-0.log").exists() for run in runs.values()))

    def test_resumes_on_another_number_of_processes(self):
        recipe = self.recipe("dcgan32", **ADAM)
        whole = program.train(recipe, self.folder / "whole", 2)
        half = program.train(recipe, self.folder / "half", 4, run__steps=9)
        rest = program.resume(half, self.folder / "half", 1, run__steps=20)
        self.assert_bitwise(program.model(rest), program.model(whole))

    def test_is_another_order_of_sums_than_real_ranks(self):
        """The test above would pass if the key did nothing."""
        one = program.train(self.recipe("dcgan32", run__precision="float32"), self.folder / "plain", 1)
        four = program.train(self.recipe("dcgan32", **ADAM), self.folder / "virtual", 1)
        self.assertTrue(re.search(r"rank 0 of 4", (four / "log" / "rank-0.log").read_text()))
        self.assertGreater(program.worst_difference(program.model(four), program.model(one))[0], 0)


if __name__ == "__main__":
    unittest.main(argv=[argument for argument in sys.argv if argument != "--full"])
