"""What the house rules ask of the compiled core."""

import ast
import contextlib
import os
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import maskcodec as mc
from maskcodec import coco
from maskcodec.coco import RunMask
from maskcodec.rewards import MaskReward
from tests.conftest import ROOT

FILES = [
    import_module(f"maskcodec.kernels.{path.stem}")
    for path in sorted((ROOT / "src/maskcodec/kernels").glob("*.py"))
    if path.stem not in ("__init__", "compiler")
]


def use_everything():
    """Typical calls, with every kind of array that a user may hand over."""
    mask = np.zeros((48, 64), np.uint8)
    mask[10:30, 5:50] = 1
    frozen = mask.copy()
    frozen.flags.writeable = False
    kinds = [mask, mask.astype(bool), mask.astype(np.int64), np.asfortranarray(mask), frozen]
    for sampling in ("nearest", "area", "keep"):
        for codec in (
            mc.BSD(grid=16, sampling=sampling),
            mc.BSD(grid=16, row_separator="", bricks=False),
        ):
            for kind in [*kinds, Image.fromarray(mask)]:
                text = codec.encode(kind, "dog")
            found = codec.recover(text[:-20])
            regions = codec.decode(text) + found.regions
            codec.encode_regions(regions)
            for region in regions:
                region.mask((48, 64), out=np.empty((48, 64), np.uint8))
                region.mask((np.int32(48), 64), method="smooth")
                region.mask((48, np.int64(64)), method="contour")
                codec.encode(region.cells, "dog")
        for codec in (mc.RRLE(grid=16, sampling=sampling), mc.ISD(grid=np.int32(16)), mc.IRLE()):
            for kind in kinds:
                text = codec.encode(kind.astype(np.uint8), ["others", "dog"])
            grid = codec.decode(text)
            codec.recover(text[:-20])
            codec.encode_grid(mc.LabelGrid(grid.cells, grid.names))
            grid.mask("dog", (48, 64))
            grid.label_map((48, 64))


def use_boxes():
    """Typical calls with cells of boxes."""
    mask = np.zeros((48, 64), np.uint8)
    mask[10:30, 5:50] = 1
    frozen = mask.copy()
    frozen.flags.writeable = False
    kinds = [mask, mask.astype(bool), mask.astype(np.int64), np.asfortranarray(mask), frozen]
    kinds += [Image.fromarray(mask), RunMask.from_mask(mask), RunMask.from_mask(mask).coco_rle()]
    codecs = []
    for sampling in ("nearest", "keep", "best"):
        codecs.append(mc.Scanlines(columns=np.int32(7), sampling=sampling))
        codecs.append(mc.Scanlines(rows=5, bins=20, sampling=sampling, coordinates="tokens"))
    for codec in codecs:
        for kind in kinds:
            text = codec.encode(kind, "dog")
        codec.encode_many(np.stack([mask, frozen]), ["dog", "cat"])
        regions = codec.decode(text) + codec.recover(text[:-20]).regions
        regions += codec.recover(text.replace("1", "7") + text).regions
        codec.encode_regions(codec.decode(text))
        for region in regions:
            for method in ("nearest", "smooth", "contour"):
                region.mask((48, 64), method=method)
                region.mask((np.int32(48), 64), method=method, out=np.empty((48, 64), np.uint8))
                region.coco_rle((np.int32(480), 640), method=method)
            region.box_pixels((48, 64))


def use_polygons():
    """Typical calls with polygons."""
    ys, xs = np.mgrid[:48, :64]
    disc = ((ys - 24) ** 2 + (xs - 30) ** 2 < 300).astype(np.uint8)
    for codec in (mc.Polygons(), mc.Polygons(points=5, bins=np.int32(30), coordinates="tokens")):
        for kind in (disc, disc.astype(bool), RunMask.from_mask(disc)):
            codec.decode(codec.encode(kind, "dog"))


def use_segmentations():
    """Typical calls with annotations' segmentations, and back."""
    small, large = np.zeros((48, 64), np.uint8), np.zeros((480, 640), np.uint8)
    small[10:30, 5:50] = large[100:300, 50:500] = 1
    found = []
    for mask in (small, large):
        runs = RunMask.from_mask(mask)
        rle = runs.coco_rle()
        texts = [rle["counts"], rle["counts"].decode(), bytearray(rle["counts"])]
        arrays = [runs.counts, runs.counts.astype(np.uint32), runs.counts[::-1].copy()[::-1]]
        kinds = [*texts, *arrays, runs.counts.tolist()]
        found += [({**rle, "counts": kind}, mask.shape) for kind in kinds]
        found.append(([rle, rle], mask.shape))
        found.append((runs, np.array(mask.shape, np.int32)))
        if find_spec("pycocotools"):
            found.append(([[5, 10, 50, 10, 50, 30], np.array([1, 1, 9.5, 1, 9, 9])], mask.shape))
    frozen = np.eye(16, dtype=np.uint8)
    frozen.flags.writeable = False
    for sampling in ("nearest", "area", "keep"):
        for codec in (mc.BSD(grid=16, sampling=sampling), mc.RRLE(grid=16, sampling=sampling)):
            for segmentation, shape in found:
                codec.encode(segmentation, "dog", shape=shape, lost="drop")
    for segmentation, shape in found:
        runs = coco.read(segmentation, shape=shape)
        runs.mask()
        hash((runs, runs.bbox, str(runs.coco_rle())))
    decoded = mc.BSD(grid=16).decode(mc.BSD(grid=16).encode(small, "dog"))
    text = mc.BSD(grid=16).encode(frozen, "dog")
    decoded += mc.BSD(grid=16).recover(text[:-40]).regions
    for cells in (frozen, np.asfortranarray(frozen), frozen.tolist(), frozen[::-1]):
        decoded.append(mc.Region("dog", (0, 0, 15, 15), cells, (16, 16)))
    for region in decoded:
        for method in ("nearest", "smooth", "contour"):
            for shape in ((48, 64), (np.int32(480), 640), [5, 7]):
                region.coco_rle(shape, method=method)
                region.bbox(shape)
                region.area(shape)
    with contextlib.suppress(mc.MaskError):
        coco.read({"size": [4, 4], "counts": "5220P"})


def use_rewards():
    codec = mc.BSD(grid=16)
    large = np.zeros((300, 400), np.uint8)
    large[20:280, 90:350] = 1
    for mask in (np.eye(20, dtype=np.uint8), large):
        rle = RunMask.from_mask(mask).coco_rle()
        for form in (rle, {**rle, "counts": rle["counts"].decode()}):
            MaskReward(codec)(codec.encode(mask, "dog"), [{"label": "dog", "segmentation": form}])


@pytest.mark.usefixtures("compiled")
def test_each_kernel_is_compiled_once():
    use_everything()
    use_boxes()
    use_polygons()
    use_segmentations()
    use_rewards()
    signatures = {
        (file.__name__, name): len(kernel.signatures)
        for file in FILES
        for name, kernel in vars(file).items()
        if hasattr(kernel, "signatures")
    }
    assert {name for name, _ in signatures} == {file.__name__ for file in FILES}
    assert max(signatures.values()) == 1, signatures


def parts(file):
    """The imports of a file of kernels, its functions and its constants, each as Python has it."""
    body = ast.parse(Path(file.__file__).read_text(encoding="utf-8")).body
    imports = {node.module for node in body if isinstance(node, ast.ImportFrom)}
    imports |= {alias.name for node in body if isinstance(node, ast.Import) for alias in node.names}
    found = {node.name: ast.dump(node) for node in body if isinstance(node, ast.FunctionDef)}
    names = {name for name in vars(file) if name.strip("_").isupper()}
    return imports, found | {name: repr(getattr(file, name)) for name in names}


def test_a_file_of_kernels_is_closed():
    """The cache on disk does not see what has changed in a file that a kernel's file imports."""
    allowed = {"__future__", "typing", "numpy", "maskcodec.kernels.compiler"}
    for file in FILES:
        assert parts(file)[0] <= allowed, file.__name__


def test_what_files_of_kernels_repeat_is_equal():
    seen = {}
    for file in FILES:
        for name, value in parts(file)[1].items():
            assert seen.setdefault(name, value) == value, (file.__name__, name)


def run(code, **environment):
    """Run code in a fresh process and return what it printed."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )
    return done.stdout.strip()


@pytest.mark.usefixtures("compiled")
def test_the_first_call_compiles_once_whatever_thread_makes_it():
    """Also where a caller holds a stub, which goes on to call what was compiled."""
    code = """
import sys
from threading import Barrier, Thread
import numpy as np
from maskcodec.kernels import sampling
print("numba" in sys.modules, sampling.gather.__name__, len(sampling.gather.__doc__) > 10)
stubs = {name: value for name, value in vars(sampling).items() if hasattr(value, "__wrapped__")}
index, start, seen = np.arange(9), Barrier(4), []
def work():
    out = np.empty((9, 9), np.uint8)
    start.wait()
    for _ in range(2):
        stubs["gather"](np.eye(9, dtype=np.uint8), index, index, out)
    seen.append((int(out.sum()), sampling.gather, sampling.sample_box))
threads = [Thread(target=work) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(len(seen), len(set(seen)), seen[0][0], len(sampling.gather.signatures))
print({hasattr(getattr(sampling, name), "signatures") for name in stubs})
"""
    assert run(code).splitlines() == ["False gather True", "4 1 9 1", "{True}"]


@pytest.mark.usefixtures("compiled")
def test_kernels_work_where_nothing_can_be_cached():
    code = """
import numba.core.caching
numba.core.caching.CacheImpl._locator_classes = []  # as on a read-only install without a home
import maskcodec as mc
from maskcodec.kernels import writing
print(mc.BSD(grid=2).encode([[0, 1], [1, 1]], "dog"))
print(type(writing.spell._cache).__name__)
"""
    assert run(code).splitlines()[-1] == "NullCache"


@pytest.mark.usefixtures("compiled")
def test_compiled_kernels_are_cached_where_a_folder_can_be_written(tmp_path):
    code = "import maskcodec as mc; mc.BSD(grid=2).encode([[0, 1], [1, 1]], 'dog')"
    run(code, NUMBA_CACHE_DIR=str(tmp_path))
    assert list(tmp_path.rglob("*.nbi"))


@pytest.mark.usefixtures("compiled")
def test_compiled_and_plain_python_write_the_same():
    code = """
import numpy as np, maskcodec as mc
from maskcodec import coco
mask = np.add.outer(np.arange(40) ** 2, np.arange(50) ** 2) % 900 < 400
for sampling in ("nearest", "area", "keep"):
    codecs = mc.BSD(grid=(12, 70), sampling=sampling), mc.RRLE(grid=12, sampling=sampling)
    runs = coco.RunMask.from_mask(mask)
    for codec in (*codecs, mc.ISD(grid=5)):
        text = codec.encode(mask, "dog")
        print(codec.encode(runs.coco_rle(), "dog") == text, runs.bbox, runs.coco_rle())
        print(text, codec.recover(text[:len(text) // 2].replace("1", "7"))[1])
    codec = mc.Scanlines(rows=9, columns=12, sampling=sampling.replace("area", "best"))
    text = codec.encode(mask, "dog")
    print(text, codec.recover(text.replace("1", "7"))[1])
for region in codec.decode(text):
    for method in ("nearest", "smooth", "contour"):
        print(region.coco_rle((40, 50), method=method), region.coco_rle((61, 47), method=method))
"""
    plain = run(code, NUMBA_DISABLE_JIT="1")
    assert plain == run(code)
    assert "row-long" in plain
