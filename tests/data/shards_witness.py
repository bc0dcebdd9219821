"""h5py reads what ganymede writes, and ganymede reads what h5py writes. usage: shards_witness.py WITNESS_TOOL"""
import gzip
import hashlib
import json
import math
import os
import pathlib
import subprocess
import sys
import tempfile

import h5py
import numpy

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "witness"))
import philox  # noqa: E402

TOOL = sys.argv[1]
ROOT = pathlib.Path(__file__).resolve().parents[2]


def tool(*arguments, code=0):
    run = subprocess.run([TOOL, *map(str, arguments)], capture_output=True, text=True)
    assert run.returncode == code, (arguments, run.returncode, run.stderr)
    return run


def check_manifest(folder, more=()):
    manifest = json.loads((folder / "manifest.json").read_text())
    assert list(manifest) == ["format", "version", "type", "shape", "dtype", "samples", "classes", "attributes", "counts", "range", "source", "shards", *more]
    for shard in manifest["shards"]:
        content = (folder / shard["file"]).read_bytes()
        assert len(content) == shard["bytes"] and hashlib.sha256(content).hexdigest() == shard["sha256"]
    assert sorted(os.listdir(folder)) == sorted(["manifest.json"] + [s["file"] for s in manifest["shards"]])
    return manifest


def check_mnist(folder):
    images = numpy.frombuffer(gzip.open(ROOT / "datasets/mnist/train-images-idx3-ubyte.gz").read()[16:], numpy.uint8).reshape(-1, 28, 28, 1)
    labels = numpy.frombuffer(gzip.open(ROOT / "datasets/mnist/train-labels-idx1-ubyte.gz").read()[8:], numpy.uint8)
    tool("idx", ROOT / "datasets/mnist", folder)
    manifest = check_manifest(folder)
    with h5py.File(folder / "shard-00000.h5") as f:
        assert f["samples"].dtype == numpy.uint8 and f["samples"].chunks == (1338, 28, 28, 1) and f["labels"].dtype == numpy.int32
        assert numpy.array_equal(f["samples"], images) and numpy.array_equal(f["labels"], labels)
        assert dict(f.attrs) == {"format": "ganymede-shard", "version": 1, "layout": "NHWC", "classes": 10}, dict(f.attrs)
        assert f.attrs["version"].dtype == numpy.int64
    assert manifest["counts"] == numpy.bincount(labels).tolist() and manifest["shape"] == [28, 28, 1] and manifest["samples"] == 60000


def check_ring(folder):
    tool("ring", folder, 5000, 11)
    formula = check_manifest(folder, ["formula"])["formula"]
    mode = philox.below(11, 8, "data", 0, 0, 5000, 1)[:, 0]       # element 0 picks the component
    normal = philox.normal(11, "data", 0, 0, 5000, 6)[:, 4:]      # normals start at element 4
    centre = 2.0 * numpy.stack([numpy.cos(2 * math.pi * mode / 8), numpy.sin(2 * math.pi * mode / 8)], 1)
    with h5py.File(folder / "shard-00000.h5") as f:
        assert numpy.array_equal(f["labels"], mode.astype(numpy.int32))
        numpy.testing.assert_allclose(f["samples"][:], centre + 0.1 * normal, rtol=0, atol=2.5e-7)  # half a float32 ulp at 2, and libm
        assert f.attrs["layout"] == "NF" and f["samples"].dtype == numpy.float32
    assert list(formula) == ["kind", "dims", "centres", "sd", "weights"] and (formula["kind"], formula["dims"]) == ("mixture", 2)
    angle = 2 * math.pi * numpy.arange(8) / 8
    numpy.testing.assert_allclose(formula["centres"], 2.0 * numpy.stack([numpy.cos(angle), numpy.sin(angle)], 1), rtol=0, atol=1e-15)
    assert formula["sd"] == [0.1] * 8 and formula["weights"] == [1] * 8


def write_with_h5py(folder, images, labels, **options):
    folder.mkdir()
    with h5py.File(folder / "part.h5", "w") as f:
        f.create_dataset("samples", data=images, **options)
        f.create_dataset("labels", data=labels)
    content = (folder / "part.h5").read_bytes()
    (folder / "manifest.json").write_text(json.dumps({
        "format": "ganymede-dataset", "version": 1, "type": "image", "shape": list(images.shape[1:]), "dtype": "uint8", "samples": len(images),
        "classes": ["a", "b", "c"], "attributes": None, "counts": None, "range": [0, 255], "source": "h5py",
        "shards": [{"file": "part.h5", "samples": len(images), "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}]}))


def check_foreign(base):
    draw = numpy.random.default_rng(3)
    images = draw.integers(0, 256, (70, 5, 4, 3), dtype=numpy.uint8)
    labels = draw.integers(0, 3, 70).astype(numpy.int32)
    layouts = {"contiguous": {}, "chunked": {"chunks": (7, 5, 4, 3)}, "split": {"chunks": (7, 2, 3, 1)}, "packed": {"chunks": (9, 5, 4, 3), "compression": "gzip", "shuffle": True, "fletcher32": True}}
    for name, options in layouts.items():
        write_with_h5py(base / name, images, labels, **options)
        both = [json.loads(tool("read", base / name, 20, cache).stdout) for cache in (0, 100)]
        assert both[0] == both[1], name
        for batch in both[0]:
            index = numpy.array(batch["real_index"])
            assert batch["bytes"] == images[index].reshape(-1).tolist() and batch["labels"] == labels[index].tolist(), name
        seen = [i for batch in both[0] for i in batch["real_index"]][:70]
        assert sorted(seen) == list(range(70)), name
    labels[5] = 3
    write_with_h5py(base / "label", images, labels)
    assert "label 3 of sample 5" in tool("read", base / "label", 1, 0, code=65).stderr
    for name, options in {"lzf": {"chunks": True, "compression": "lzf"}}.items():
        write_with_h5py(base / name, images, labels % 3, **options)
        assert "filter" in tool("read", base / name, 1, 0, code=65).stderr


with tempfile.TemporaryDirectory() as temporary:
    base = pathlib.Path(temporary)
    check_mnist(base / "mnist")
    check_ring(base / "ring")
    check_foreign(base)
print("shards agree with h5py")
