"""two_rank_run.py PROGRAM: a short run on two ranks of a program built for a sanitizer; fails at any report of it."""
import os
import pathlib
import re
import sys
import tempfile

os.environ["GANYMEDE"] = str(pathlib.Path(sys.argv[1]).resolve())
import program  # noqa: E402  (reads $GANYMEDE)

REPORT = re.compile(r"(ERROR|WARNING): (Address|Thread|Leak)Sanitizer|runtime error:")


def main():
    data = program.test_data()
    with tempfile.TemporaryDirectory(prefix="ganymede-test-") as folder:
        for network in ("dcgan32", "ring"):
            recipe = pathlib.Path(folder) / f"{network}.toml"
            recipe.write_text(program.recipe_text(network, run__steps=6, checkpoint__every_steps=3, log__samples_every_steps=3, run__trace=2))
            result = program.ganymede("train", recipe, "--out", folder, "--ranks", 2)
            if result.code != 0 or REPORT.search(result.err):
                sys.exit(f"{result}\nthe sanitizer, or the run, complains")
            print(f"{network}: 6 iterations on 2 ranks, no report (data in {data})")


if __name__ == "__main__":
    main()
