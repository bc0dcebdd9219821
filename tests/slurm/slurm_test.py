"""Under a real Slurm of two nodes: the same weights as under mpirun, a time limit's signal, and the launch mistakes people make."""
import os
import pathlib
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "hosts"))
import hosts  # noqa: E402

# Network of its own: the daemons' ports meet nobody else's.
hosts.enter(("slurmctld", "slurmd", "munged", "srun", "unshare", "ip"), "--net")
import program  # noqa: E402

SCRIPT = pathlib.Path(__file__).resolve().parent / "slurm.sh"


class Slurm(program.ProgramTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        # MPI leaves the loopback out, and without another address no name is looked up.
        subprocess.run("ip link add eth0 type veth peer name eth1 && ip addr add 10.78.0.1/24 dev eth0 && ip link set eth0 up && ip link set eth1 up",
                       shell=True, check=True)
        # /run holds munge's and slurm's own files; these are ours alone.
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run"], check=True)
        cls.slurm = pathlib.Path(program.tempfile.mkdtemp(prefix="ganymede-slurm-"))
        cls.addClassCleanup(program.shutil.rmtree, cls.slurm, ignore_errors=True)
        with open(cls.slurm / "up", "w+") as out:      # a file: the daemons would hold a pipe open
            up = subprocess.run([SCRIPT, "up", "2"], env={**os.environ, "SLURM_DIR": str(cls.slurm)}, stdin=subprocess.DEVNULL, stdout=out, stderr=out, timeout=60)
        text = (cls.slurm / "up").read_text()
        if up.returncode != 0 or "idle" not in text:
            raise AssertionError(f"Slurm did not start\n{text}")
        cls.conf = str(cls.slurm / "slurm.conf")

    def srun(self, *arguments):
        # The ranks end each other, so Slurm need not kill any: then the code is ours. Both nodes have one host name, which shared memory would take for one machine.
        return program.start(["srun", "-N2", "-n2", "--kill-on-bad-exit=0", *arguments], cwd=self.folder, SLURM_CONF=self.conf, OMPI_MCA_btl="tcp,self")

    def test_two_nodes_train_the_same(self):
        recipe = self.recipe("ring", run__precision="float32")
        result = program.must(self.srun("--mpi=pmix", program.GANYMEDE, "train", recipe, "--out", self.folder / "slurm"))
        expected = program.train(recipe, self.folder / "mpirun", 2)
        self.assert_bitwise(program.model(program.run_folder(result)), program.model(expected), "under Slurm")

    def test_a_time_limit_saves_a_checkpoint(self):
        recipe = self.recipe("ring", run__precision="float32", run__steps=10000000, log__every_steps=100)
        script = self.folder / "job.sh"
        script.write_text(f"#!/bin/bash\nexport OMPI_MCA_btl=tcp,self OMP_NUM_THREADS=1\ntrap : USR1\n"
                          f"srun --mpi=pmix --kill-on-bad-exit=0 {program.GANYMEDE} train {recipe} --out {self.folder}/runs &\nwait $!\nkill -USR1 $! ; wait $!\necho code $? > {self.folder}/code\n")
        command = ["sbatch", "--parsable", "-N2", "-n2", "-o", self.folder / "log", "-e", self.folder / "err", "--chdir", self.folder, script]
        job = program.must(program.start(command, SLURM_CONF=self.conf)).out.strip()
        hosts.wait_until(lambda: any(path.stat().st_size for path in self.folder.glob("runs/*/stats.jsonl")), 90, f"the job trains {self.texts()}")
        # What `--signal=B:USR1@45` sends to the batch script before the limit.
        begun = time.monotonic()
        program.must(program.start(["scancel", "--batch", "--signal=USR1", job], SLURM_CONF=self.conf))
        hosts.wait_until((self.folder / "code").exists, 90, f"the job ends {self.texts()}")
        print(f"a signal, a checkpoint, the end: {time.monotonic() - begun:.1f} s", flush=True)
        self.assertEqual((self.folder / "code").read_text(), "code 75\n", self.texts())
        run = next((self.folder / "runs").iterdir())
        self.assertTrue((program.latest_checkpoint(run) / "model.h5").exists())

    def texts(self):
        return "".join(path.read_text() for path in (self.folder / "log", self.folder / "err") if path.exists())

    def test_launch_mistakes(self):
        for mpi in ("none", "pmi2"):
            with self.subTest(mpi=mpi):
                begun = time.monotonic()
                result = self.srun(f"--mpi={mpi}", program.GANYMEDE, "train", self.recipe("ring"), "--out", self.folder / "runs")
                print(f"srun --mpi={mpi}: refused after {time.monotonic() - begun:.2f} s, Slurm's own start included", flush=True)
                self.assertEqual(result.code, 69, str(result))
                self.assertIn("srun --mpi=pmix ganymede train", result.err)
                self.assertFalse((self.folder / "runs").exists())


if __name__ == "__main__":
    unittest.main(verbosity=2)
