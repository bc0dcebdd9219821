"""A rank that fails ends all ranks with its own message and exit code; so do a missed deadline and a mismatch.

Usage: failure_relay_test.py PROGRAM, where PROGRAM is the built comm_failing_rank.
"""
import os
import re
import subprocess
import sys

PROGRAM = sys.argv[1]


def clean_environment(**extra):
    """This process's environment without any launcher's variables."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("OMPI_COMM", "PMI", "SLURM"))}
    return {**kept, "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "OMP_NUM_THREADS": "1", **extra}


def run(how, ranks):
    """Exit code, standard output, standard error."""
    command = ["mpirun", "-q", "-np", str(ranks), "--oversubscribe", "--bind-to", "none", "--mca", "mpi_yield_when_idle", "1", PROGRAM, how]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50, env=clean_environment())
    return done.returncode, done.stdout, done.stderr


def expect(condition, what, *shown):
    if not condition:
        sys.exit(f"FAILED: {what}\n" + "\n".join(str(s) for s in shown))


def check_relay(how, code, text, ranks):
    exit_code, out, err = run(how, ranks)
    expect(exit_code == code, f"{how} on {ranks} ranks: exit code {exit_code} instead of {code}", out, err)
    expect(err.count(f"error: {text}") == 1, f"{how}: the failing rank prints '{text}' once", err)
    for rank in range(ranks):
        if rank == 1:
            continue
        heard = re.search(rf"heard by rank {rank}: rank 1 on \S+: {re.escape(text.replace(chr(10), '|'))}$", out, re.MULTILINE)
        expect(heard, f"{how}: rank {rank} of {ranks} hears '{text}'", out, err)
        told = re.search(rf"^rank {rank} on \S+ stops: rank 1 on \S+: {re.escape(text.splitlines()[0])}$", err, re.MULTILINE)
        expect(told, f"{how}: rank {rank} of {ranks} prints the reason of rank 1", out, err)


for ranks in (2, 4):
    check_relay("throw", 65, "shard-00003.h5 is cut\n  remedy: copy it again", ranks)
    check_relay("throw-in-the-middle", 80, "loss is NaN at step 7", ranks)
    check_relay("compute", 73, "no space left", ranks)

exit_code, out, err = run("late", 3)
expect(exit_code == 76, f"late: exit code {exit_code}", out, err)
expect(re.search(r"all_reduce 'discriminator bucket 2' \(4\.0 MiB of Float\) passed its deadline of 0\.5 s\n  cause: rank 1 on \S+ never arrived\n", err),
       "late: operation and missing rank are named", err)
expect("heard by rank 1: rank 0 on " in out and "heard by rank 2: rank 0 on " in out, "late: the others hear of it", out, err)

exit_code, out, err = run("mismatch", 2)
expect(exit_code == 76, f"mismatch: exit code {exit_code}", out, err)
expect("all_reduce 'bucket' (78.1 KiB of Float)" in out + err and "all_reduce 'bucket' (117.2 KiB of Float)" in out + err, "mismatch: both calls are named", out, err)

exit_code, out, err = run("exit", 3)
expect(exit_code == 3, f"exit: exit code {exit_code}", out, err)
for rank in (0, 2):
    expect(re.search(rf"^rank {rank} on \S+ stops: rank 1 on \S+: the process called exit\(3\)", err, re.MULTILINE), f"exit: rank {rank} prints it", out, err)

exit_code, out, err = run("none", 3)
expect(exit_code == 0 and out == "" and err == "", f"none: a clean end is silent, exit code {exit_code}", out, err)

# A launcher's environment that promises more ranks than there are: an error before anything else, with the line that works.
for environment in ({"SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "4", "SLURM_PROCID": "2"}, {"SLURM_NTASKS": "4"}):
    done = subprocess.run([PROGRAM, "none"], capture_output=True, text=True, timeout=50, env=clean_environment(**environment))
    expect(done.returncode == 69 and "srun --mpi=pmix" in done.stderr and "4 ranks" in done.stderr, f"{environment}: code {done.returncode}", done.stderr)
done = subprocess.run([PROGRAM, "none"], capture_output=True, text=True, timeout=50, env=clean_environment(PMI_SIZE="3", PMI_RANK="1"))
expect(done.returncode == 69 and "mpirun -np 3" in done.stderr, f"another MPI's launcher: code {done.returncode}", done.stderr)
print("all failures were relayed")
