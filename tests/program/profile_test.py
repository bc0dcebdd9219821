"""train --profile: the trace is one that Perfetto reads: events of the right form, spans that nest, the names that one looks for."""
import json
import unittest

import program

PHASES = {"D phase", "D, real half", "D, fake half", "G phase", "G, through D", "forward of G", "update of D", "update of G", "data"}


def read(run, rank):
    return json.loads((run / "profile" / f"rank-{rank}.json").read_text())


class Profile(program.ProgramTest):
    def check_nesting(self, spans):
        """Of any two spans of a thread one lies within the other, or they do not meet."""
        open_ends = []
        slack = 0.002  # µs: times are rounded to nanoseconds
        for begin, end, name in sorted(((span["ts"], span["ts"] + span["dur"], span["name"]) for span in spans), key=lambda span: (span[0], -span[1])):
            while open_ends and open_ends[-1][0] <= begin + slack:
                open_ends.pop()
            if open_ends:
                self.assertLessEqual(end, open_ends[-1][0] + slack, f"{name} leaves {open_ends[-1][1]}")
            open_ends.append((end, name))

    def check_trace(self, trace, rank, ranks, iterations):
        events = trace["traceEvents"]
        self.assertEqual({event["pid"] for event in events}, {rank})
        names = {event["args"]["name"] for event in events if event["ph"] == "M"}
        self.assertLessEqual({"main", "communication"}, names)
        self.assertTrue(any(name.startswith(f"rank {rank} on ") for name in names))
        spans = [event for event in events if event["ph"] == "X"]
        self.check_nesting(spans)
        by_name = {}
        for span in spans:
            by_name.setdefault(span["name"], []).append(span)
        self.assertEqual([name for name in by_name if name.startswith("iteration ")], [f"iteration {step}" for step in iterations])
        self.assertLessEqual(PHASES, set(by_name))
        self.assertEqual({span["cat"] for name in PHASES for span in by_name[name]}, {"user_annotation"})
        for operator in ("aten::convolution", "aten::convolution_backward"):
            self.assertEqual({span["cat"] for span in by_name[operator]}, {"cpu_op"})
            self.assertIn("shapes", by_name[operator][0]["args"])
        self.check_phases(by_name)
        self.check_operations(events, by_name, ranks)

    def check_phases(self, by_name):
        for iteration in (spans[0] for name, spans in by_name.items() if name.startswith("iteration ")):
            inside = [name for name in PHASES for span in by_name[name] if iteration["ts"] <= span["ts"] and span["ts"] + span["dur"] <= iteration["ts"] + iteration["dur"]]
            self.assertEqual(set(inside), PHASES, iteration["name"])

    def check_operations(self, events, by_name, ranks):
        begins = {event["id"]: event for event in events if event["ph"] == "b"}
        ends = {event["id"]: event for event in events if event["ph"] == "e"}
        self.assertEqual(set(begins), set(ends))
        self.assertTrue(all(begins[i]["ts"] <= ends[i]["ts"] and begins[i]["name"] == ends[i]["name"] for i in begins))
        if ranks == 1:
            return
        buckets = [event for event in begins.values() if event["name"].startswith("all_reduce: ") and "bucket" in event["name"]]
        self.assertGreaterEqual(len(buckets), 2 * 2, "of both networks, in both iterations")
        self.assertTrue(all(event["args"]["channel"] == "gradients" and event["args"]["bytes"] > 0 for event in buckets))
        self.assertTrue(any(name.startswith("wait: ") for name in by_name))

    def test_traces_of_each_rank(self):
        recipe = self.recipe("dcgan32", run__steps=6, run__precision="float32", log__every_steps=100)
        for ranks in (1, 2):
            with self.subTest(ranks=ranks):
                arguments = ["train", recipe, "--out", self.folder / "runs", *(["--ranks", ranks] if ranks > 1 else [])]
                run = program.run_folder(program.must(program.ganymede(*arguments, "--profile", 2)))
                self.assertEqual(sorted(path.name for path in (run / "profile").iterdir()), [f"rank-{rank}.json" for rank in range(ranks)])
                for rank in range(ranks):
                    trace = read(run, rank)
                    self.assertEqual((trace["otherData"]["schema_version"], trace["otherData"]["rank"], trace["otherData"]["ranks"]), (1, rank, ranks))
                    self.assertIn("--profile", trace["otherData"]["argv"])
                    self.check_trace(trace, rank, ranks, [4, 5])

    def test_it_changes_nothing_and_a_short_run_says_so(self):
        recipe = self.recipe("ring", run__steps=5)
        plain = program.run_folder(program.must(program.ganymede("train", recipe, "--out", self.folder / "runs")))
        profiled = program.run_folder(program.must(program.ganymede("train", recipe, "--out", self.folder / "runs", "--profile", 9)))
        self.assert_bitwise(program.model(plain), program.model(profiled))
        self.assertEqual([event["name"] for event in read(profiled, 0)["traceEvents"] if event["name"].startswith("iteration ")], ["iteration 4", "iteration 5"])
        short = program.must(program.ganymede("train", recipe, "--set", "run.steps=2", "--out", self.folder / "runs", "--profile", 2))
        self.assertIn("there is none", short.err)
        self.assertFalse((program.run_folder(short) / "profile").exists())

    def test_bad_arguments_end_with_64(self):
        for value in ("0", "-1", "some"):
            self.assertEqual(program.ganymede("train", self.recipe("ring"), "--profile", value).code, 64)


if __name__ == "__main__":
    unittest.main()
