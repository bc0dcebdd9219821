"""Checks that no #include of src points upwards, and that each outside API stays in its one place.

The table is the one in design.md, section 2. Before the tree is judged, the checker itself is: bad lines are planted in
temporary copies, and each must turn it red.

  include_direction_test.py [SRC]
"""
import pathlib
import re
import shutil
import sys
import tempfile

# Folder -> what it may include: folders, or single files of folders that it may not know as a whole.
LOWER = {
    "core": [],
    "storage": ["core"],
    "config": ["core"],
    "comm": ["core", "config"],
    "data": ["core", "config", "storage"],
    "nets": ["core", "config"],
    "gan": ["core", "config", "nets"],
    "parallel": ["core", "config", "comm", "nets", "gan/hooks.hpp"],
    "replay": ["core", "config", "comm", "gan/hooks.hpp"],
    "checkpoint": ["core", "config", "storage", "comm"],
    "export": ["core", "nets"],
    "evaluate": ["core", "config", "comm", "data", "nets", "export"],
}
LOWER["train"] = list(LOWER)
LOWER["report"] = ["core", "config", "train/observer.hpp"]
LOWER["bench"] = list(LOWER)
LOWER["cli"] = list(LOWER)

# (what, pattern, where it may stand): on lines without comments and strings.
API = [
    ("the MPI API", re.compile(r"\bMPI_[A-Z]\w*"), ["comm"]),
    ("the HDF5 API", re.compile(r"\bH5(?:[ADEFGILOPRSTVZ]|DS|LT|FD|open|close|check|garbage|get|set)[a-z_]\w*|\bhid_t\b"), ["storage"]),
    ("the NCCL API", re.compile(r"\bnccl[A-Z]\w*"), ["comm"]),
    ("the CUDA API", re.compile(r"\b(?:cuda|cu)[A-Z]\w*\s*\(|<<<"), ["comm", "core"]),
    ("exit", re.compile(r"(?<![\w.>])(?:exit|quick_exit)\s*\("), ["cli/main.cpp"]),
    ("ending the process", re.compile(r"\b_[eE]xit\s*\(|(?:\bstd::|(?<![\w:>])::)(?:abort|terminate)\s*\("), ["comm", "cli/main.cpp"]),
]
# (what, pattern, where it may stand): on names of included files.
HEADERS = [
    ("MPI's header", re.compile(r"^mpi(cxx|-ext)?\.h"), ["comm"]),
    ("HDF5's headers", re.compile(r"^(hdf5|H5)\w*\.h"), ["storage"]),
    ("NCCL's header", re.compile(r"^nccl"), ["comm"]),
    ("CUDA's headers", re.compile(r"^(cuda|cublas|cudnn|(c10|ATen)/cuda/)"), ["comm", "core"]),
    ("toml++", re.compile(r"^toml(\+\+|plusplus)"), ["config/toml_reader.cpp"]),
]

# Made by the build, so not found from src on.
GENERATED = {"version_generated.hpp"}

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
# One pass, whichever begins first: a comment in a string is none, nor a string in a comment.
COMMENT_OR_STRING = re.compile(
    r'//[^\n]*|/\*.*?\*/|R"(?P<mark>[^(\s]*)\(.*?\)(?P=mark)"|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'', re.DOTALL)


def within(file, places):
    return any(file == place or file.startswith(place + "/") for place in places)


def blank(match):
    """Keeps the line breaks, so that line numbers stay right, and the quotes, so that 1'000 stays one word."""
    return "\n" * match.group().count("\n") or " "


def complaints_about(src):
    found = []
    for path in sorted(p for p in src.rglob("*") if p.suffix in {".hpp", ".cpp", ".h", ".cu", ".cuh"}):
        file = path.relative_to(src).as_posix()
        folder = file.split("/")[0]
        text = path.read_text(encoding="utf-8")
        if folder not in LOWER:
            found.append(f"{file}: folder '{folder}' is not in the table")
            continue
        for number, line in enumerate(text.splitlines(), 1):
            include = INCLUDE.match(line)
            if not include:
                continue
            quote, name = include.groups()
            where = f"{file}:{number}"
            other = name.split("/")[0]
            if name in GENERATED:
                continue
            if quote == '"' and (other not in LOWER or "/" not in name or ".." in name):
                found.append(f'{where}: "{name}" is not written from src on, as "core/error.hpp" is')
            elif other in LOWER and "/" in name and other != folder and not within(name, LOWER[folder]):
                found.append(f"{where}: {folder} may not include {name}, only {', '.join(LOWER[folder]) or 'itself'}")
            for what, pattern, places in HEADERS:
                if pattern.search(name) and not within(file, places):
                    found.append(f"{where}: {what} may be included only in {', '.join(places)}")
        code = COMMENT_OR_STRING.sub(blank, re.sub(r"(?<=\w)'(?=\w)", "", text))
        for number, line in enumerate(code.splitlines(), 1):
            if line.lstrip().startswith("#include"):
                continue
            for what, pattern, places in API:
                if pattern.search(line) and not within(file, places):
                    found.append(f"{file}:{number}: {what} may appear only in {', '.join(places)}: {line.strip()}")
    return found


# File -> a line, and what the checker must say of it.
PLANTED = [
    ("core/planted.hpp", '#include "comm/communicator.hpp"', "core may not include comm/communicator.hpp"),
    ("nets/planted.cpp", '  #  include "gan/hooks.hpp"', "nets may not include gan/hooks.hpp"),
    ("parallel/planted.cpp", '#include "gan/losses.hpp"', "parallel may not include gan/losses.hpp"),
    ("report/planted.cpp", '#include "train/trainer.hpp"', "report may not include train/trainer.hpp"),
    ("report/planted.cpp", "#include <storage/files.hpp>", "report may not include storage/files.hpp"),
    ("export/planted.cpp", '#include "storage/files.hpp"', "export may not include storage/files.hpp"),
    ("data/planted.hpp", '#include "../comm/communicator.hpp"', "not written from src on"),
    ("train/planted.hpp", '#include "trainer.hpp"', "not written from src on"),
    ("train/planted.cpp", '#include "report/png.hpp"', "train may not include report/png.hpp"),
    ("other/planted.cpp", "", "folder 'other' is not in the table"),
    ("train/planted.cpp", "#include <mpi.h>", "MPI's header"),
    ("data/planted.cpp", "#include <hdf5.h>", "HDF5's headers"),
    ("config/planted.cpp", "#include <toml++/toml.h>", "toml++"),
    ("train/planted.cpp", "int r; MPI_Comm_rank(MPI_COMM_WORLD, &r);", "the MPI API"),
    ("data/planted.cpp", 'auto f = H5Fopen("x", 0, 0);', "the HDF5 API"),
    ("data/planted.cpp", "H5P_DEFAULT", "the HDF5 API"),
    ("train/planted.cpp", "std::exit(3);", "exit"),
    ("data/planted.cpp", "std::abort();", "ending the process"),
]
HARMLESS = [
    ("report/planted.cpp", '#include "train/observer.hpp"'),
    ("parallel/planted.cpp", '#include "gan/hooks.hpp"'),
    ("parallel/planted.cpp", '#include "parallel/reducer.hpp"'),
    ("core/planted.cpp", '// exit(1), MPI_Init and H5Fopen are "only" named here\nauto t = "MPI_Init // exit(2)"; int n = 1\'000; /* H5P_DEFAULT\n exit(3) */'),
    ("core/planted.cpp", 'auto t = R"(exit(4) " MPI_Init)"; on_exit(3); options.exit(5);'),
    ("comm/planted.cpp", "#include <mpi.h>\nint r = MPI_Comm_rank(world, &r); _exit(76);"),
    ("storage/planted.cpp", "#include <hdf5.h>\nauto f = H5Fopen(name, H5F_ACC_RDONLY, H5P_DEFAULT);"),
    ("parallel/planted.cpp", "void abort(); reducer.abort(); x->terminate();"),
    ("config/toml_reader.cpp", "#include <toml++/toml.h>"),
    ("cli/main.cpp", "std::exit(3);"),
]


def judge_the_checker(src):
    """Each planted line in a copy of the tree adds its complaint; each harmless one adds none."""
    failures = []
    before = set(complaints_about(src))
    for file, line, expected in PLANTED + [(file, line, None) for file, line in HARMLESS]:
        with tempfile.TemporaryDirectory() as folder:
            copy = pathlib.Path(folder) / "src"
            shutil.copytree(src, copy)
            target = copy / file
            target.parent.mkdir(exist_ok=True)
            with open(target, "a", encoding="utf-8") as out:
                out.write("\n" + line + "\n")
            added = [text for text in complaints_about(copy) if text not in before]
        if expected is None and added:
            failures.append(f"harmless line in {file} was refused: {added[0]}")
        if expected is not None and not any(text.startswith(file) and expected in text for text in added):
            failures.append(f"planted in {file}: {line!r} was not told as '{expected}', but {added}")
    return failures


def main():
    default = pathlib.Path(__file__).resolve().parents[2] / "src"
    src = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else default
    failures = judge_the_checker(src) + complaints_about(src)
    for text in failures:
        print(text)
    print(f"{len(failures)} complaints; {len(PLANTED)} planted lines, {len(HARMLESS)} harmless ones tried")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
