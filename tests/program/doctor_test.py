"""ganymede doctor and train --preflight, from outside: healthy ranks, ranks that differ, a folder that cannot be written."""
import json
import re
import time
import unittest

import program

CHECKS = ["topology", "versions", "processors", "speed", "products", "links", "all-reduce", "clocks", "disk", "limits", "gpus"]


def on_two(first=(), second=(), *arguments):
    """One rank each with variables of its own."""
    command = list(program.MPIRUN)
    for variables in (first, second):
        command += [*([":"] if variables is second else []), "-np", "1", *(word for pair in variables for word in ("-x", pair)), program.GANYMEDE, "doctor", *arguments]
    return command


class Doctor(program.ProgramTest):
    def test_healthy_ranks(self):
        for ranks in (1, 2):
            with self.subTest(ranks=ranks):
                begin = time.monotonic()
                record_file = self.folder / f"doctor-{ranks}.json"
                result = program.must(program.ganymede("doctor", *(["--ranks", ranks] if ranks > 1 else []), "--out", self.folder / "runs", "--json", record_file))
                rows = re.findall(r"(?m)^(ok|warning|failed) +([\w-]+) +(.+)$", result.out)
                expected = CHECKS if ranks > 1 else [check for check in CHECKS if check not in ("links", "all-reduce", "clocks")]
                self.assertLessEqual(set(expected), {row[1] for row in rows}, result)
                self.assertNotIn("failed", {row[0] for row in rows}, result)
                self.assertIn("not built with CUDA", result.out)
                self.assertRegex(result.out, rf"(?m)^doctor: {ranks} ranks, 0 failed, \d+ warnings, [\d.]+ s$")
                self.assertLess(json.loads(record_file.read_text())["seconds"], 30)
                self.assertFalse((self.folder / "runs").exists(), "nothing is left")
                self.check_record(json.loads(record_file.read_text()), ranks)
                self.assertLess(time.monotonic() - begin, program.TIMEOUT_S)

    def check_record(self, record, ranks):
        self.assertEqual((record["schema_version"], record["bench"], record["ranks"], record["exit_code"]), (1, "doctor", ranks, 0))
        self.assertLessEqual({"argv", "hosts", "versions", "results", "pairs", "all_reduce", "findings", "folder"}, set(record))
        self.assertEqual([one["rank"] for one in record["results"]], list(range(ranks)))
        for one in record["results"]:
            self.assertLessEqual({"host", "cores", "threads", "processor", "capability", "features", "program_sha256", "libraries", "limits", "shared_memory_free_bytes",
                                  "gflop_per_s", "product_sha256", "product_repeats", "clock_offset_ms"}, set(one))
            self.assertTrue(one["product_repeats"])
        self.assertIn("disk", record["results"][0])
        self.assertEqual([(pair["a"], pair["b"]) for pair in record["pairs"]], [(0, 1)] if ranks == 2 else [])
        self.assertEqual([one["size"] for one in record["all_reduce"]], [8, 65536, 16 << 20] if ranks == 2 else [])

    def test_a_mixed_set_of_processors_is_named(self):
        result = program.start(on_two(["ATEN_CPU_CAPABILITY=default"], [], "--out", self.folder))
        if "AVX" not in result.out:
            self.assertIn(result.code, (0, 69), result)
            return
        self.assertRegex(result.out, r"(?m)^warning +processors +a mixed set: rank 1 on \S+ uses LibTorch's \w+ kernels where DEFAULT are used, unlike rank 0 on \S+$")

    def test_unequal_threads_are_refused(self):
        result = program.start(on_two(["OMP_NUM_THREADS=2"], ["OMP_NUM_THREADS=1"], "--out", self.folder))
        self.assertEqual(result.code, 69, result)
        self.assertRegex(result.out, r"(?m)^failed +threads +rank 0 on \S+ computes with 2 threads, rank 1 on \S+ with 1")

    def test_a_folder_that_cannot_be_written_ends_with_73(self):
        blocked = self.folder / "file"
        blocked.write_text("")
        result = program.ganymede("doctor", "--ranks", 2, "--out", blocked / "runs")
        self.assertEqual(result.code, 73, result)
        self.assertRegex(result.out, r"(?m)^failed +disk +rank 0 on ")

    def test_folders_that_are_not_one_end_with_73(self):
        places = [self.folder / name for name in ("a", "b")]
        for place in places:
            place.mkdir()
        result = program.ganymede_on_ranks(places, "doctor", "--out", "runs")
        self.assertEqual(result.code, 73, result)
        self.assertRegex(result.out, r"(?m)^failed +disk +rank 1 on \S+: .*is not the folder that rank 0")

    def test_bad_arguments_end_with_64(self):
        for arguments in (["--nonsense"], ["--ranks", "0"], ["--ranks", "two"], ["extra"]):
            self.assertEqual(program.ganymede("doctor", *arguments).code, 64)


class Preflight(program.ProgramTest):
    def test_training_follows_when_all_is_well(self):
        recipe = self.recipe("ring", run__steps=2)
        result = program.must(program.ganymede("train", recipe, "--ranks", 2, "--preflight", "--out", self.folder / "runs"))
        self.assertRegex(result.err, r"preflight: 2 ranks, 0 failed")
        self.assertTrue(program.run_folder(result).exists())

    def test_no_training_after_a_failure(self):
        recipe = self.recipe("ring", run__steps=2)
        blocked = self.folder / "file"
        blocked.write_text("")
        result = program.ganymede("train", recipe, "--preflight", "--out", blocked / "runs")
        self.assertEqual(result.code, 73, result)
        self.assertIn("preflight: disk:", result.err)
        self.assertNotIn("run: ", result.out)


if __name__ == "__main__":
    unittest.main()
