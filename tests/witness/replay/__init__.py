"""The parts of trace_replay.py: one idea a file, each formula from the text of the specification, none from ganymede's own code.

Letters: N samples of the global batch, B rows that D judges (N, or N / m where m samples are packed), C channels, H, W pixels, F features,
K classes, Z latent width. Pictures are [N,C,H,W], points [N,F].
"""
import pathlib
import sys

_WITNESS = pathlib.Path(__file__).resolve().parents[1]
for _folder in (_WITNESS, _WITNESS.parents[1] / "cluster" / "scaling"):
    if str(_folder) not in sys.path:
        sys.path.insert(0, str(_folder))
