"""Runs every block of the README that is marked `<!-- run -->`, in order, and checks that what it names exists."""
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
PROGRAM = os.environ.get("GANYMEDE", str(ROOT / "build" / "release" / "ganymede"))


class Readme(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        # A folder that looks like a fresh checkout after the build: what the blocks write goes away with it.
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="ganymede-readme-"))
        (cls.folder / "build" / "release").mkdir(parents=True)
        (cls.folder / "build" / "release" / "ganymede").symlink_to(PROGRAM)
        for name in ("launch", "datasets"):
            (cls.folder / name).symlink_to(ROOT / name)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def test_every_marked_block_runs(self):
        blocks = re.findall(r"<!-- run -->\n```(\w+)\n(.*?)```", TEXT, re.S)
        self.assertGreaterEqual(len(blocks), 3)
        for language, code in blocks:
            command = ["bash", "-euo", "pipefail", "-c", code] if language == "sh" else [sys.executable, "-c", code]
            ended = subprocess.run(command, cwd=self.folder, capture_output=True, text=True)
            self.assertEqual(ended.returncode, 0, f"{code}\n{ended.stdout}\n{ended.stderr}")

    def test_every_path_exists(self):
        paths = set(re.findall(r"`((?:src|launch|datasets|tests|cluster)(?:/[\w.-]+)*)`", TEXT))
        paths |= set(re.findall(r"(?:\./)?((?:launch|tests)/[\w/-]+\.(?:sh|toml|py))", TEXT))
        self.assertGreater(len(paths), 20)
        self.assertEqual([path for path in sorted(paths) if not (ROOT / path).exists()], [])

    def test_every_key_and_option_is_known(self):
        help_text = "".join(subprocess.run([PROGRAM, *words, "--help"], capture_output=True, text=True, check=True).stdout
                            for words in (["train"], ["sample"], ["data", "build"], ["data", "stat"], ["data", "peek"], ["config", "show"], ["bench", "step"]))
        program_lines = [line for line in TEXT.splitlines() if "ganymede " in line]
        for option in {option for line in program_lines for option in re.findall(r"(?<=\s)(--[a-z-]+)", line)} - {"--host"}:
            self.assertIn(option, help_text + "--list")
        shown = subprocess.run([PROGRAM, "config", "show", ROOT / "launch/recipes/mnist.toml"], capture_output=True, text=True, check=True).stdout
        for section, keys in re.findall(r"^    \[([\w.]+)\]\s+(.+)$", TEXT, re.M):
            self.assertIn(f"[{section}]", shown)
            for key in re.split(r", | or ", keys if keys != "the same" else "kind"):
                self.assertRegex(shown, rf"(?m)^(# )?{key} ")


if __name__ == "__main__":
    unittest.main()
