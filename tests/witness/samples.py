"""Generated samples of a run, through `ganymede sample`, or from a file that it wrote."""
import os
import pathlib
import subprocess
import tempfile

import h5py

ROOT = pathlib.Path(__file__).resolve().parents[2]
GANYMEDE = os.environ.get("GANYMEDE", str(ROOT / "build" / "release" / "ganymede"))


def samples_of(source, count, seed=0):
    """uint8 [count,28,28]. source: a run, a checkpoint, or an HDF5 file with `samples`."""
    source = pathlib.Path(source)
    if source.is_dir():
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / "samples.h5"
            subprocess.run([GANYMEDE, "sample", source, "-o", pathlib.Path(folder) / "samples.png", "--samples-h5", file, "--count", str(count),
                            "--seed", str(seed)], check=True, stdout=subprocess.DEVNULL)
            return samples_of(file, count)
    with h5py.File(source) as file:
        samples = file["samples"][:count]
    if samples.shape[1:] != (28, 28, 1) or len(samples) < count:
        raise SystemExit(f"{source} holds samples {samples.shape}; {count} of 28 x 28 x 1 are needed")
    return samples[..., 0]
