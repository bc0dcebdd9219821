"""On emulated hosts the same weights come out as in shared memory, bit for bit, whatever the network's rate; --full tries every combination.

Sums are taken in rank order by our own messages, so nothing in the network can change a bit.
"""
import pathlib
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import hosts  # noqa: E402

hosts.enter()
import program  # noqa: E402

FULL = "--full" in sys.argv
RATES = ("off", 1000, 100)      # Mbit


class OnHosts(program.ProgramTest):
    def run_on(self, count, recipe, out, ranks):
        process = self.set.start(ranks, program.GANYMEDE, "train", recipe, "--out", out)
        text, err = process.communicate(timeout=program.TIMEOUT_S)
        return program.run_folder(program.must(program.Result(["train", f"on {count} hosts"], process.returncode, text, err)))

    def compare(self, count, rates_of):
        self.set = hosts.Hosts(count, self.folder)
        self.addCleanup(self.set.close)
        for network, rates in rates_of.items():
            recipe = self.recipe(network, f"{network}.toml", run__precision="float32", run__steps=20)
            expected = program.model(program.train(recipe, self.folder / f"{network}-shared", count))
            for rate in rates:
                with self.subTest(network=network, hosts=count, rate=rate):
                    self.set.rate(rate)
                    begun = time.monotonic()
                    run = self.run_on(count, recipe, self.folder / f"{network}-{rate}", count)
                    print(f"{network} on {count} hosts, rate {rate}: {time.monotonic() - begun:.1f} s, equal bits", flush=True)
                    self.assert_bitwise(program.model(run), expected, f"{network} on {count} hosts at {rate}")
                    self.assertEqual(program.stats(run), program.stats(next((self.folder / f"{network}-shared").iterdir())))

    def test_two_hosts(self):
        self.compare(2, {"ring": RATES, "dcgan32": RATES if FULL else (1000,)})

    def test_four_hosts(self):
        self.compare(4, {"ring": RATES if FULL else ("off",), "dcgan32": RATES if FULL else (100,)})


class TheScript(program.ProgramTest):
    def test_leaves_nothing(self):
        one, other = hosts.Hosts(2, self.folder / "one"), hosts.Hosts(2, self.folder / "other")      # side by side: no name is shared
        for each in (one, other):
            process = each.start(2, "sh", "-c", "hostname")
            self.assertEqual(sorted(process.communicate(timeout=60)[0].split()), ["node1", "node2"])
        for each in (one, other):
            each.close()
            self.assertFalse((each.folder / "state").exists())
        self.assertNotIn("node1", pathlib.Path("/proc/self/mounts").read_text())


if __name__ == "__main__":
    unittest.main(argv=[argument for argument in sys.argv if argument != "--full"], verbosity=2)
