"""Emulated hosts for tests: a set of them per test process, in namespaces that end with it, however it ends.

`enter()` starts the test again as the first process of a mount and a process namespace of its own: when it is gone, so are its ranks,
its hosts and its mounts, and several such tests do not see each other.
"""
import os
import pathlib
import shlex
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
SCRIPT = HERE / "hosts.sh"
sys.path.insert(0, str(HERE.parent / "program"))
NEEDS = ("ip", "tc", "unshare", "nsenter", "mpirun")
INSIDE = "GANYMEDE_TEST_NAMESPACE"


def missing_tools(names):
    found = [name for name in names if not any(os.access(pathlib.Path(folder) / name, os.X_OK) for folder in (*os.environ["PATH"].split(":"), "/usr/sbin", "/sbin"))]
    return found


def enter(needs=NEEDS, *more):
    """Goes on in namespaces of its own; without root or a tool ends at once and says what is missing."""
    if os.environ.get(INSIDE):
        return
    if os.geteuid() != 0:
        sys.exit("this test makes network namespaces, which needs root: run tests/run.sh as root, or leave such tests out with --unprivileged")
    if lacking := missing_tools(needs):
        sys.exit(f"this test needs {', '.join(lacking)}: tests/run.sh installs them")
    os.environ[INSIDE] = "1"
    # A parent stays outside to pass the code on; the child dies with it.
    command = ["unshare", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child=KILL", *more, sys.executable, *sys.argv]
    os.execvp(command[0], command)


def processes(name):
    """Process ids that run a program of this name, those that have ended but for their entry left out."""
    found = []
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            stat = (entry / "stat").read_text()
        except OSError:
            continue
        if stat[stat.index("(") + 1:stat.rindex(")")] == name[:15] and stat[stat.rindex(")") + 2] != "Z":
            found.append(int(entry.name))
    return found


def wait_until(condition, seconds, what):
    """Polls; gives the seconds that passed. Fails at the deadline."""
    start = time.monotonic()
    while not condition():
        if time.monotonic() - start > seconds:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.02)
    return time.monotonic() - start


class Hosts:
    """node1 ... nodeN."""

    def __init__(self, count, folder=None):
        self.folder = pathlib.Path(folder or tempfile.mkdtemp(prefix="ganymede-hosts-"))
        self.count = count
        self.environment = {**os.environ, "HOSTS_DIR": str(self.folder / "state")}
        self.call("up", count)

    def call(self, *arguments):
        subprocess.run([SCRIPT, *map(str, arguments)], check=True, env=self.environment)

    def rate(self, mbit):
        self.call("rate", mbit)

    def link(self, host, state):
        self.call("link", host, state)

    def close(self):
        self.call("down")

    def command(self, ranks, *program):
        """mpirun over all hosts, ranks dealt in turn; the words are quoted for the shell that the script starts."""
        hosts = ",".join(f"node{i + 1}:{-(-ranks // self.count)}" for i in range(self.count))
        return [str(SCRIPT), "mpirun", "-np", str(ranks), "--host", hosts, "--map-by", "node", *(shlex.quote(str(word)) for word in program)]

    def start(self, ranks, *program, out=subprocess.PIPE, err=subprocess.PIPE):
        return subprocess.Popen(self.command(ranks, *program), env=self.environment, stdin=subprocess.DEVNULL, stdout=out, stderr=err, text=True, errors="replace")
