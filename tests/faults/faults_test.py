"""A fault on emulated hosts ends the job with a name: which rank, which host, which operation; exit code 76, and no process is left.

Usage: faults_test.py Faults | Healthy [--full]. Prints how long each fault took to be found and the job to end. Times are not asserted
beyond a generous bound, for the machine may be busy.
"""
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "hosts"))
import hosts  # noqa: E402

hosts.enter((*hosts.NEEDS, "mkfs.ext4", "fsfreeze", "losetup"))
import program  # noqa: E402

FAILING_RANK = os.environ.get("GANYMEDE_FAILING_RANK", str(program.ROOT / "build" / "release" / "tests" / "comm_failing_rank"))
FLOOR_S = 3.0          # of the learned deadlines in these runs
BOUND_S = 40           # for detection and end together, on a busy machine
FULL = "--full" in sys.argv


class Job:
    """A run that is under way, its standard error read line by line with times."""

    def __init__(self, process):
        self.process, self.lines, self.fault_at = process, [], None
        self.out = []
        self.readers = [threading.Thread(target=self.read, args=(process.stderr, self.lines)), threading.Thread(target=self.read, args=(process.stdout, self.out))]
        for reader in self.readers:
            reader.start()

    def read(self, stream, lines):
        for line in stream:
            lines.append((time.monotonic(), line.rstrip("\n")))

    @property
    def err(self):
        return "\n".join(line for _, line in self.lines)

    def end(self, seconds):
        code = self.process.wait(seconds)
        self.ended_at = time.monotonic()
        for reader in self.readers:
            reader.join(10)
        self.process.stdout.close(), self.process.stderr.close()
        return code

    def first(self, pattern):
        return next((at for at, line in self.lines if re.search(pattern, line)), None)


class OnHosts(program.ProgramTest):
    def setUp(self):
        super().setUp()
        self.hosts = hosts.Hosts(2, self.folder)
        self.addCleanup(self.hosts.close)
        self.addCleanup(self.end_all)

    def end_all(self):
        for name in ("ganymede", "comm_failing_rank", "mpirun", "orted"):
            for process in hosts.processes(name):
                os.kill(process, signal.SIGKILL)

    def train(self, runs=None, ranks=2, **values):
        """Starts the ring on both hosts; gives the job once it has trained for a while."""
        runs = runs or self.folder / "runs"
        recipe = self.recipe("ring", **{"run__steps": 1000000, "run__precision": "float32", "log__every_steps": 20, "parallel__deadline_floor_s": FLOOR_S,
                                        "parallel__deadline_s": 60.0, **values})
        job = Job(self.hosts.start(ranks, program.GANYMEDE, "train", recipe, "--out", runs))
        self.addCleanup(job.process.kill)
        hosts.wait_until(lambda: job.process.poll() is not None or self.rows(runs) > 3, 120, "the run trains")
        self.assertIsNone(job.process.poll(), job.err)
        return job

    def rows(self, runs):
        return max((path.read_text().count("\n") for path in runs.glob("*/stats.jsonl")), default=0)

    def rank_of(self, rank):
        """The process of a rank."""
        for process in hosts.processes("ganymede"):
            if f"OMPI_COMM_WORLD_RANK={rank}\0".encode() in pathlib.Path(f"/proc/{process}/environ").read_bytes():
                return process
        raise AssertionError(f"there is no rank {rank}")

    def check(self, name, job, begun, patterns, code=76):
        names = ("ganymede", "comm_failing_rank")
        hosts.wait_until(lambda: job.process.poll() is not None or not any(map(hosts.processes, names)), BOUND_S, f"{name}: the ranks end\n{job.err}")
        ranks_ended = "?" if "start included" in name else f"{time.monotonic() - begun:.1f}"      # they may not have begun yet
        ended = job.end(BOUND_S)
        found = job.first(r"passed its deadline|stops: |does not fit|ends the job|exited on signal")
        hosts.wait_until(lambda: not any(map(hosts.processes, (*names, "orted"))), BOUND_S, f"{name}: all processes are gone")
        left = time.monotonic() - job.ended_at
        print(f"{name}: first word after {found - begun if found else -1:.1f} s, ranks ended after {ranks_ended} s, mpirun after "
              f"{job.ended_at - begun:.1f} s, no process {left:.1f} s later; code {ended}", flush=True)
        self.assertEqual(ended, code, job.err)
        for pattern in patterns:
            self.assertRegex(job.err, pattern)


class Faults(OnHosts):
    def test_a_rank_is_stopped(self):
        job = self.train()
        begun = time.monotonic()
        os.kill(self.rank_of(1), signal.SIGSTOP)
        self.check("SIGSTOP", job, begun, [r"passed its deadline of 3 s\n  cause: rank 1 on node2 never arrived", r"rank 0 on node1: its last operations",
                                           r"#\d+ \w+ '.+' \(.*\): ended unfinished after .*missing: rank 1 on node2", r"rank 1 does not answer"])

    def test_a_link_is_cut(self):
        job = self.train()
        begun = time.monotonic()
        self.hosts.link("node2", "down")
        self.check("link cut", job, begun, [r"passed its deadline of 3 s\n  cause: rank 1 on node2", r"rank 0 on node1: its last operations"])

    def test_a_file_system_freezes(self):
        """Main threads hang as they write there, and cannot be ended before the thaw; the watchdogs can still tell what is known."""
        image, mounted = self.folder / "image", self.folder / "mounted"
        mounted.mkdir()
        with open(image, "wb") as file:
            file.truncate(64 << 20)
        for command in (["mkfs.ext4", "-q", image], ["mount", "-o", "loop", image, mounted]):
            subprocess.run(command, check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", mounted])
        job = self.train(mounted / "runs")
        begun = time.monotonic()
        subprocess.run(["fsfreeze", "--freeze", mounted], check=True)
        thawed = threading.Timer(FLOOR_S + 8, subprocess.run, [["fsfreeze", "--unfreeze", mounted]])
        thawed.start()
        self.addCleanup(thawed.join)
        self.check("frozen file system", job, begun, [r"rank 1 on node2 ends the job: .* passed its deadline of 3 s; rank 0 on node1 never arrived", r"rank 1 on node2: its last operations",
                                                      r"rank 0 on node1 does not come back from what it does, so its process is ended \(exit code 76\)",
                                                      r"rank 0 on node1 is in .* and waits for no rank; its last call was #"])

    def test_a_rank_is_killed(self):
        job = self.train()
        begun = time.monotonic()
        os.kill(self.rank_of(1), signal.SIGKILL)
        self.check("SIGKILL", job, begun, [r"rank 1 .*on node node2 exited on signal 9|node2.*signal 9"], 137)

    def failing(self, how, patterns, code=76, ranks=3):
        fifo = self.folder / "fifo"
        os.mkfifo(fifo)
        command = [f"GANYMEDE_TEST_FIFO={fifo}", FAILING_RANK, how]
        begun = time.monotonic()
        job = Job(self.hosts.start(ranks, "env", *command))
        self.addCleanup(job.process.kill)
        self.check(f"{how}, {ranks} ranks, start included", job, begun, patterns, code)

    def test_a_rank_skips_a_collective(self):
        self.failing("skip", [r"all_reduce '(discriminator bucket 2|generator bucket 0)' .* does not fit the other ranks",
                              r"at this place rank \d on node\d called all_reduce '(discriminator bucket 2|generator bucket 0)'", r"rank 1 on node2: its last operations"])

    def test_a_rank_goes_on_to_another_channel(self):
        self.failing("skip-and-wait", [r"all_reduce 'discriminator bucket 2' \(4.0 MiB of Float\)", r"barrier 'another step' \(0 B\)", r"passed its deadline of 3 s", r"rank 1 on node2: its last operations"])

    def test_another_tensor_size(self):
        self.failing("mismatch", [r"all_reduce 'bucket' \(78.1 KiB of Float\)", r"all_reduce 'bucket' \(117.2 KiB of Float\)"])

    def test_the_main_thread_is_stuck(self):
        self.failing("stuck", [r"rank 1 on node2 never arrived", r"rank 1 on node2 is in set-up and waits for no rank; its last call was #\d+ all_reduce 'before'",
                               r"rank 1 on node2 stops: rank \d on node1: barrier 'next step'"])

    def test_a_rank_throws(self):
        self.failing("throw", [r"rank 0 on node1 stops: rank 1 on node2: shard-00003.h5 is cut", r"rank 2 on \w+ stops: rank 1 on node2: shard-00003.h5 is cut"], 65)

    def test_a_rank_exits(self):
        self.failing("exit", [r"rank 0 on node1 stops: rank 1 on node2: the process called exit\(3\)"], 3)

    def test_a_rank_dies_of_a_bad_access(self):
        self.failing("segv", [r"node2"], 139)


class Healthy(OnHosts):
    """No false alarm: runs in which a link flaps for 5 s, a save takes long, or a rank is four times slower."""

    def test_no_false_alarm(self):
        runs = 200 if FULL else 20
        with_fault = [kind for number in range(runs // 20) for kind in ("flap", "slow", "long save")]
        alarms, times = [], []

        def one(kind, on):
            begun = time.monotonic()
            try:
                code, err = self.run_one(kind, on)
            except Exception as failure:  # noqa: BLE001  (told with the others)
                code, err = -1, repr(failure)
            times.append(time.monotonic() - begun)
            if code != 0:
                alarms.append(f"{kind}: code {code}\n{err}")

        # Most of a run with a fault is waiting: they go side by side, each on hosts of its own, while plain ones follow each other.
        for first in range(0, len(with_fault), 3):
            kinds = with_fault[first:first + 3]
            sets = [hosts.Hosts(2, tempfile.mkdtemp(dir=self.folder)) for _ in kinds]
            threads = [threading.Thread(target=one, args=each) for each in zip(kinds, sets)]
            for thread in threads:
                thread.start()
            for _ in range(20 - len(kinds)):
                one("plain", self.hosts)
            for thread in threads:
                thread.join()
            for each in sets:
                each.close()
        print(f"{len(alarms)} false alarms in {len(times)} runs; a run took {sum(times) / len(times):.1f} s, the longest {max(times):.1f} s", flush=True)
        self.assertEqual(alarms, [])
        self.assertEqual(len(times), runs)

    def rank_in(self, runs, rank):
        """The process of a rank of that run; several are under way."""
        for process in hosts.processes("ganymede"):
            entry = pathlib.Path(f"/proc/{process}")
            if str(runs).encode() in (entry / "cmdline").read_bytes() and f"OMPI_COMM_WORLD_RANK={rank}\0".encode() in (entry / "environ").read_bytes():
                return process
        raise AssertionError(f"there is no rank {rank} of {runs}")

    def run_one(self, kind, on):
        """One run, and what must not end it: each lasts less than the floor of 30 s. Code 0 when all is well."""
        runs = pathlib.Path(tempfile.mkdtemp(dir=self.folder))
        values = {"run__steps": 100 if kind == "plain" else 1000000, "run__precision": "float32", "log__every_steps": 20, "parallel__deadline_floor_s": 30.0,
                  "checkpoint__every_steps": 50 if kind == "plain" else 1000}
        recipe = self.recipe("ring", f"{kind}.toml", **values)
        job = Job(on.start(2, program.GANYMEDE, "train", recipe, "--out", runs))
        if kind == "plain":
            return job.end(120), job.err
        hosts.wait_until(lambda: job.process.poll() is not None or self.rows(runs) > 6, 120, "the run trains, and has learned its deadlines")
        slow = self.rank_in(runs, 0 if kind == "long save" else 1)
        if kind == "flap":
            on.link("node2", "down")
            time.sleep(5)                    # the fault itself lasts that long, here and below
            on.link("node2", "up")
        elif kind == "long save":            # as the others see it: rank 0, which saves, does nothing else for 20 s
            os.kill(slow, signal.SIGSTOP)
            time.sleep(20)
            os.kill(slow, signal.SIGCONT)
        else:                                # a quarter of the time it runs
            for _ in range(40):
                os.kill(slow, signal.SIGSTOP)
                time.sleep(0.15)
                os.kill(slow, signal.SIGCONT)
                time.sleep(0.05)
        before = self.rows(runs)
        hosts.wait_until(lambda: job.process.poll() is not None or self.rows(runs) > before + 2, 60, "the run goes on")
        os.kill(self.rank_in(runs, 0), signal.SIGUSR1)
        code = job.end(120)
        return (0 if code == 75 else code), job.err


if __name__ == "__main__":
    unittest.main(argv=[argument for argument in sys.argv if argument != "--full"], verbosity=2)
