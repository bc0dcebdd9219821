"""Holds the README to the program: marked blocks run, and what it names (paths, options, keys, commands, exit codes) exists.

Blocks marked `<!-- run -->` run in order, in a temporary folder that looks like a checkout after the build: `launch` and
`datasets` are links into the source, and so is build/release/ganymede to the program ($GANYMEDE, else the release build).
"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
TEXT = (ROOT / "README.md").read_text()
PROGRAM = pathlib.Path(os.environ.get("GANYMEDE", ROOT / "build" / "release" / "ganymede")).resolve()
BLOCKS = re.findall(r"(<!-- run -->\n)?```(\w+)\n(.*?)```", TEXT, re.S)
# Words of a command line that precede its options, longest first.
COMMANDS = ["data synth stacked-mnist", "data synth ring", "data synth grid", "data synth gmm1d", "classifier train", "classifier test", "data build",
            "data stat", "data peek", "config show", "bench step", "bench comm", "bench overlap", "doctor",
            "sample", "train", "eval", "export"]
FOREIGN = {"mpirun": {"--host", "--oversubscribe", "--map-by", "--mca"}, "srun": {"--mpi", "--kill-on-bad-exit"}, "sbatch": {"--signal"}, "cmake": {"--preset", "--build"}}
# Written by a run or by the build, so not in a checkout.
MADE = ("build/", "runs/", "samples/", "checkpoints/", "log/", "profile/")
WIDEST = 140


def output_of(*arguments):
    return subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, check=True).stdout


def command_lines():
    """Each command of the README's shell blocks, its continued lines joined."""
    for _, language, code in BLOCKS:
        if language == "sh":
            yield from (line.split("#")[0].strip() for line in code.replace("\\\n", " ").splitlines())


def options_in(text):
    return set(re.findall(r"(?<![\w-])(--[a-z][a-z0-9-]*)", text))


class Commands(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="ganymede-readme-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        (cls.folder / "build" / "release").mkdir(parents=True)
        (cls.folder / "build" / "release" / "ganymede").symlink_to(PROGRAM)
        for name in ("launch", "datasets"):
            (cls.folder / name).symlink_to(ROOT / name)

    def test_marked_blocks_run(self):
        marked = [(language, code) for mark, language, code in BLOCKS if mark]
        self.assertEqual(len(marked), TEXT.count("<!-- run -->"), "a mark without a block")
        self.assertEqual({language for language, _ in marked}, {"sh", "python"})
        # One OpenMP thread: on a busy machine a second one's waiting costs more than it computes. For Open MPI what the README says
        # of root and of more ranks than cores, and no copies between processes, which containers forbid.
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
                       "OMPI_MCA_rmaps_base_oversubscribe": "1", "OMPI_MCA_btl_vader_single_copy_mechanism": "none"}
        for language, code in marked:
            command = ["bash", "-euo", "pipefail", "-c", code] if language == "sh" else [sys.executable, "-c", code]
            ended = subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True)
            self.assertEqual(ended.returncode, 0, f"{code}\n{ended.stdout}\n{ended.stderr}")
        self.check_what_a_run_left(self.folder / "build" / "readme-runs" / "00000-mnist")

    def check_what_a_run_left(self, run):
        rows = [json.loads(line) for line in (run / "stats.jsonl").read_text().splitlines()]
        listed = re.search(r"Keys of a row: `([^`]+)`", TEXT).group(1).split()
        self.assertEqual(listed, list(rows[-1]))
        table = TEXT.split("## What a run leaves")[1].split("\n\n")[2]
        names = re.findall(r"`([\w./-]+)`", "".join(line.split("|")[1] for line in table.splitlines()[2:]))
        self.assertGreater(len(names), 8)
        for name in set(names) - {"trace.h5", "profile/rank-0.json"}:
            self.assertTrue((run / name.replace("001000", "000025")).exists(), f"{name} is not in the run folder")


class Names(unittest.TestCase):
    def test_paths_exist(self):
        words = set(re.findall(r"`([^`\n]+)`", TEXT)) | {word for line in command_lines() for word in line.split()}
        paths = {word.removeprefix("./") for text in words for word in re.findall(r"^(?:\./|\.venv/|/)?[\w./-]+", text)}
        top = {entry.name for entry in ROOT.iterdir()} | {"src", "tests", "launch", "datasets", "cluster"}
        paths = {path for path in paths if path.split("/")[0] in top and not path.startswith((*MADE, ".venv"))}
        self.assertGreater(len(paths), 40)
        self.assertEqual([path for path in sorted(paths) if not (ROOT / path).exists()], [])
        for script in ("launch/quickstart.sh", "launch/setup.sh", "tests/run.sh"):
            self.assertIn(script, paths)
            self.assertTrue(os.access(ROOT / script, os.X_OK), script)

    def test_every_folder_of_the_tree_is_described(self):
        tree = TEXT.split("## The tree")[1].split("## ")[0]
        for folder in (entry.name for entry in (ROOT / "src").iterdir() if entry.is_dir()):
            self.assertIn(f"`src/{folder}`", tree)

    def test_commands_exist(self):
        rows = " ".join(re.findall(r"^\| commands \| (.+) \|$", TEXT, re.M))
        self.assertEqual(sorted(re.findall(r"`([^`]+)`", rows)), sorted(COMMANDS))
        for command in COMMANDS:
            self.assertIn(f"Usage: ganymede {command}", output_of(*command.split(), "--help"))

    def options_of(self, words):
        """What the command of this line understands: from its help, or from the text of the script."""
        if words[0].endswith("release/ganymede"):
            rest = " ".join(words[1:])
            return options_in(output_of(*next(command for command in COMMANDS if rest.startswith(command)).split(), "--help"))
        if words[0].endswith("python"):
            words = words[1:]
        if words[0] in FOREIGN:
            return FOREIGN[words[0]]
        return options_in((ROOT / words[0]).read_text())

    def test_options_exist(self):
        known, seen = set().union(*FOREIGN.values()), 0
        for line in command_lines():
            for part in re.split(r"(?=build/release/ganymede )", line):
                if options_in(part):
                    understood = self.options_of(part.split())
                    known |= understood
                    seen += 1
                    self.assertLessEqual(options_in(part), understood, line)
        self.assertGreater(seen, 10)
        for script in ("launch/setup.sh", "tests/run.sh"):
            known |= options_in((ROOT / script).read_text())
        self.assertLessEqual(options_in(TEXT.replace("<!--", "")), known, "in the text")

    def test_recipes_resolve(self):
        recipes = set(re.findall(r"launch/recipes/[\w.-]+\.toml", TEXT))
        self.assertEqual(recipes, {f"launch/recipes/{path.name}" for path in (ROOT / "launch" / "recipes").glob("*.toml")})
        for recipe in sorted(recipes):
            self.assertIn("[run]", output_of("config", "show", ROOT / recipe))

    def test_sections_and_keys_are_those_of_the_program(self):
        shown, keys = {}, None
        for line in output_of("config", "show", ROOT / "launch" / "recipes" / "mnist.toml").splitlines():
            if section := re.match(r"\[([\w.]+)\]", line):
                keys = shown.setdefault(section.group(1), set())
            elif key := re.match(r"(?:# )?(\w+) (?:=|is not set)", line):
                keys.add(key.group(1))
        one_line_each = re.sub(r",\n {20,}", ", ", TEXT)
        listed = {section: set(keys.split(", ")) for section, keys in re.findall(r"^    \[([\w.]+)\] +(\w.*)$", one_line_each, re.M)}
        self.assertEqual(listed, shown)
        for section, key in re.findall(r"`((?:\w+\.)*\w+)\.(\w+)(?: = [^`]*)?`", TEXT):
            if section in shown:
                self.assertIn(key, shown[section], f"{section}.{key}")
        for key, _ in re.findall(r"--set (\w+(?:\.\w+)+)=(\S+)", TEXT):
            if key != "section.key":
                self.assertIn(key.rsplit(".", 1)[1], shown[key.rsplit(".", 1)[0]], key)

    def test_exit_codes_are_those_of_the_program(self):
        codes = re.findall(r"= (\d+),", (ROOT / "src" / "core" / "error.hpp").read_text().split("enum class Fault")[1].split("};")[0])
        table = TEXT.split("| exit code | means |")[1].split("\n\n")[0]
        self.assertEqual(re.findall(r"^\| (\d+) \|", table, re.M), ["0", *codes])

    def test_lines_are_not_too_wide(self):
        self.assertEqual([line for line in TEXT.splitlines() if len(line) > WIDEST], [])


if __name__ == "__main__":
    unittest.main()
