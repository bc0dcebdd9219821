"""ganymede bench comm, overlap and step, from outside: their columns as readers of nccl-tests and OSU parse them, their JSON, and what is refused."""
import json
import re
import unittest

import program

# A row of nccl-tests as its readers take it: size count type redop root, then time algbw busbw #wrong twice. N/A: not offered.
NUMBER = r"(?:\d+(?:\.\d+)?(?:e[+-]?\d+)?|N/A)"
NCCL_ROW = re.compile(rf"^\s+(\d+)\s+(\d+)\s+(float|double|int64|bfloat16)\s+(sum|none)\s+(-1|\d+)" + rf"\s+({NUMBER})" * 8 + r"\s*$", re.M)
OSU_ROW = re.compile(r"^(\d+)\s+([\d.]+)\s+([\d.]+)\s+([\d.]+)\s+([\d.]+)$", re.M)
COMMON = {"schema_version", "bench", "start_time", "argv", "env", "version", "revision", "versions", "hosts", "ranks", "threads", "cores"}


class Bench(program.ProgramTest):
    def setUp(self):
        super().setUp()
        self.json = self.folder / "record.json"

    def on_ranks(self, ranks):
        return ["--ranks", ranks] if ranks > 1 else []

    def check_common(self, record, bench, ranks):
        self.assertLessEqual(COMMON, set(record))
        self.assertEqual((record["schema_version"], record["bench"], record["ranks"], len(record["hosts"])), (1, bench, ranks, ranks))
        self.assertIn("LibTorch", record["versions"])
        self.assertIn(bench, record["argv"])


class Comm(Bench):
    def measure(self, ranks, *options):
        result = program.must(program.ganymede("bench", "comm", *self.on_ranks(ranks), "--min-bytes", 8, "--max-bytes", "64K", "--iterations", 4, "--warmup", 1,
                                               *options, "--json", self.json))
        return result.out, json.loads(self.json.read_text())

    def test_columns_and_keys_are_those_of_nccl_tests(self):
        for ranks in (1, 2):
            for op, redop, root, in_place in (("all_reduce", "sum", "-1", True), ("all_gather", "none", "-1", False), ("broadcast", "none", "0", True), ("exchange", "none", "-1", False)):
                with self.subTest(ranks=ranks, op=op):
                    out, record = self.measure(ranks, "--op", op)
                    self.check_common(record, "comm", ranks)
                    rows = NCCL_ROW.findall(out)
                    self.assertEqual(len(rows), 14, out)
                    self.assertEqual([int(row[0]) for row in rows], [8 << i for i in range(14)])
                    self.assertTrue(all(row[3:5] == (redop, root) for row in rows), out)
                    offered, other = (slice(9, 13), slice(5, 9)) if in_place else (slice(5, 9), slice(9, 13))
                    self.assertTrue(all(set(row[other]) == {"N/A"} and "N/A" not in row[offered] for row in rows), out)
                    self.assertTrue(all(row[offered][3] == "0" for row in rows), "elements that are wrong")
                    self.assertRegex(out, r"(?m)^#\s+size\s+count\s+type\s+redop\s+root\s+time\s+algbw\s+busbw\s+#wrong\s+time\s+algbw\s+busbw\s+#wrong$")
                    self.assertRegex(out, r"(?m)^# Out of bounds values : 0 OK$")
                    self.assertRegex(out, r"(?m)^# Avg bus bandwidth    : \d")
                    self.check_results(record, rows, offered, in_place, ranks)

    def check_results(self, record, rows, offered, in_place, ranks):
        self.assertEqual(len(record["results"]), len(rows))
        self.assertEqual({"minimum_bytes": 8, "maximum_bytes": 64 << 10, "iterations": 4}, {key: record["config"][key] for key in ("minimum_bytes", "maximum_bytes", "iterations")})
        for result, row in zip(record["results"], rows):
            body, none = (result["in_place"], result["out_of_place"]) if in_place else (result["out_of_place"], result["in_place"])
            self.assertIsNone(none)
            self.assertEqual(set(body), {"time", "alg_bw", "bus_bw", "nwrong"})
            self.assertAlmostEqual(body["time"], float(row[offered][0]), delta=0.006 + 0.06 * body["time"])
            self.assertAlmostEqual(body["alg_bw"], result["size"] / body["time"] / 1e3, places=6)
            spread = result["in_place_per_iter" if in_place else "out_of_place_per_iter"]
            self.assertLessEqual({"min_us", "max_us", "avg_us", "p50_us", "p95_us", "p99_us", "stdev_us", "cv_pct", "times_us"}, set(spread))
            self.assertEqual([len(own) for own in spread["per_process_times_us"]], [4] * ranks)
            self.assertLessEqual(result["t_min"], result["t_max"])

    def test_every_type_is_summed_right(self):
        for dtype in ("double", "int64", "bfloat16"):
            out, _ = self.measure(2, "--dtype", dtype)
            self.assertEqual({(row[2], row[12]) for row in NCCL_ROW.findall(out)}, {(dtype, "0")}, out)

    def test_a_dash_prints_the_record_instead_of_the_table(self):
        out = program.must(program.ganymede("bench", "comm", "--max-bytes", 64, "--iterations", 2, "--json", "-")).out
        self.check_common(json.loads(out), "comm", 1)


class Overlap(Bench):
    def test_columns_are_those_of_osu(self):
        for ranks in (1, 2):
            with self.subTest(ranks=ranks):
                out = program.must(program.ganymede("bench", "overlap", *self.on_ranks(ranks), "--min-bytes", "64K", "--max-bytes", "1M", "--iterations", 3,
                                                    "--json", self.json)).out
                self.assertRegex(out, r"(?m)^# Size +Overall\(us\) +Compute\(us\) +Pure Comm\.\(us\) +Overlap\(%\)$")
                self.assertRegex(out, r"cores, (?:fully used|\d+ of them spare)")
                rows = OSU_ROW.findall(out)
                self.assertEqual([int(row[0]) for row in rows], [64 << 10, 256 << 10, 1 << 20], out)
                record = json.loads(self.json.read_text())
                self.check_common(record, "overlap", ranks)
                self.assertIn("spare_cores", record)
                for result, row in zip(record["results"], rows):
                    self.assertTrue(0 <= result["overlap_pct"] <= 100)
                    self.assertEqual(result["nwrong"], 0)
                    self.assertAlmostEqual(result["compute_us"], float(row[2]), delta=0.006)
                    self.assertEqual([len(own) for own in result["overall_samples_us"]], [3] * ranks)


class Step(Bench):
    def test_shares_of_convolutions_and_products(self):
        recipe = self.recipe("dcgan28", run__precision="float32")
        for ranks in (1, 2):
            with self.subTest(ranks=ranks):
                arguments = ["bench", "step", recipe, *self.on_ranks(ranks), "--iterations", 3, "--warmup", 1]
                out = program.must(program.ganymede(*arguments, "--shapes")).out
                share = float(re.search(r"(?m)^kernels_share_percent ([\d.]+)$", out).group(1))
                rows = re.findall(r"(?m)^(convolution|convolution backward|matrix product) +(\d+) +([\d.]+) +([\d.]+) +([\d.]+)$", out)
                self.assertEqual([row[0] for row in rows], ["convolution", "convolution backward", "matrix product"], out)
                self.assertAlmostEqual(sum(float(row[4]) for row in rows), share, delta=0.2)
                self.assertRegex(out, r"(?m)^# .* x aten::convolution\w* \[\d+(?:,\d+)+\]")
                record = json.loads(program.must(program.ganymede(*arguments, "--json")).out)
                self.check_common(record, "step", ranks)
                self.assertLessEqual({"step_ms", "start_to_first_step_s", "peak_rss_mib", "data_wait_ms", "comm_exposed_ms", "global_batch"}, set(record))
                self.assertEqual(len(record["step_ms"]["samples"]), 3)
                self.assertEqual({kind["kind"] for kind in record["kernels"]["kinds"]}, {row[0] for row in rows})
                self.assertEqual(sum(call["calls"] for call in record["kernels"]["calls"]), sum(int(row[1]) for row in rows))
        self.assertNotIn("kernels", json.loads(program.must(program.ganymede(*arguments, "--json", "--no-kernels")).out))


class Refusals(unittest.TestCase):
    def test_bad_arguments_end_with_64(self):
        for arguments in (["comm", "--op", "gather"], ["comm", "--dtype", "half"], ["comm", "--min-bytes", "1K", "--max-bytes", 8], ["comm", "--iterations", 0],
                          ["comm", "--min-bytes", "many"], ["overlap", "--min-bytes", "2M", "--max-bytes", "1M"], ["overlap", "--compute-ratio", 0], ["comm", "--ranks", 0], ["step"],
                          ["nothing"], []):
            result = program.ganymede("bench", *arguments)
            self.assertEqual(result.code, 64, result)
            self.assertNotEqual(result.err.strip(), "", "said why")

    def test_another_number_of_ranks_under_a_launcher_is_refused(self):
        result = program.start([*program.MPIRUN, "-np", "2", program.GANYMEDE, "bench", "comm", "--ranks", "3"])
        self.assertEqual(result.code, 64, result)
        self.assertIn("--ranks 3 under a launcher that started 2", result.err)

    def test_a_record_that_cannot_be_written_ends_with_73(self):
        result = program.ganymede("bench", "comm", "--max-bytes", 8, "--iterations", 1, "--json", "/proc/no/record.json")
        self.assertEqual(result.code, 73, result)


if __name__ == "__main__":
    unittest.main()
