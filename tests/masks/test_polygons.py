"""Polygons: drawn as COCO's own tools draw them, or refused."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import maskcodec as mc
from maskcodec import coco
from maskcodec.metrics import measure
from tests import strategies
from tests.masks.segmentations import FIVE, SQUARE, coco_mask, pycoco
from tests.vocabularies import tokens as tokens_of


@given(st.data(), strategies.shapes)
def test_polygons_are_drawn_and_merged_as_pycocotools_does(data, shape):
    polygons = data.draw(strategies.rings(shape))
    painted = pycoco(polygons, shape)
    mask = coco.read(polygons, shape=shape)
    assert np.array_equal(mask.mask(), painted)
    assert mask.coco_rle() == coco_mask.encode(np.asfortranarray(painted))
    assert mask == coco.read(tuple(map(tuple, polygons)), shape=list(shape))
    assert mask == coco.read([np.array(ring) for ring in polygons], shape=shape)
    parts = [coco.read([ring], shape=shape).mask() for ring in polygons]
    assert np.array_equal(np.maximum.reduce(parts), painted)
    if len(polygons) == 1:
        assert coco.read(polygons[0], shape=shape) == mask


@pytest.mark.parametrize(
    ("polygons", "area", "bbox"),
    [
        ([SQUARE], 4, (1, 1, 2, 2)),
        (SQUARE, 4, (1, 1, 2, 2)),
        (tuple(SQUARE), 4, (1, 1, 2, 2)),
        ([[1.0, 1, 3, 1, 3, 3, 1, 3]], 4, (1, 1, 2, 2)),
        ([np.array(SQUARE, np.float32)], 4, (1, 1, 2, 2)),
        ([np.array(SQUARE, np.uint8), SQUARE], 4, (1, 1, 2, 2)),
        ([SQUARE, [5, 5, 8, 5, 8, 7, 5, 7]], 10, (1, 1, 7, 6)),
        ([SQUARE, [2, 2, 4, 2, 4, 4, 2, 4]], 7, (1, 1, 3, 3)),
        ([[-3, -3, 2, -3, 2, 2, -3, 2]], 4, (0, 0, 2, 2)),
        ([[7, 6, 18, 6, 18, 15, 7, 15]], 6, (7, 6, 3, 2)),
        ([[12, 2, 15, 2, 15, 5, 12, 5]], 0, (0, 0, 0, 0)),
        ([[1, 1, 1, 1, 1, 1]], 0, (0, 0, 0, 0)),
    ],
)
def test_polygons_in_and_around_an_image(polygons, area, bbox):
    mask = coco.read(polygons, shape=(8, 10))
    assert (mask.area, mask.bbox) == (area, bbox)


POINTS = np.array([[2, 1], [9, 1], [9, 6], [2, 6]])


@pytest.mark.parametrize("kind", [np.float64, np.float32, np.int64, np.uint8])
def test_an_array_with_a_point_a_row_is_a_polygon(kind):
    points, shape = POINTS.astype(kind), (8, 10)
    tokens = [tokens_of("byte-level", codec) for codec in (mc.BSD(), mc.Scanlines(), mc.RRLE())]
    for codec in (*tokens, *(each.codec for each in tokens)):
        expected = codec.encode([POINTS.tolist()], "dog", shape=shape)
        for polygon in points, [points], points.ravel().tolist():
            assert np.array_equal(codec.encode(polygon, "dog", shape=shape), expected)
    codec, mask = mc.Scanlines(), coco.read(points, shape=shape).mask()
    both = codec.encode_many([points, [points]], ["a", "b"], shape=shape)
    assert [region.area(shape) for region in codec.decode(both)] == [35, 35]
    for tokenized in tokens[:2]:
        ids = tokenized.encode_many(np.stack([points, points]), ["a", "b"], shape=shape)
        assert np.array_equal(ids, tokenized.encode_many([mask, mask], ["a", "b"]))
    assert measure(points, [points], shape=shape) == measure(mask, points, shape=shape)
    assert measure(points, mask, shape=shape).iou == 1


def test_regions_come_back_by_their_polygons():
    shape, codec = (8, 10), mc.Scanlines()
    text = codec.encode(POINTS, "dog", shape=shape)
    (region,) = codec.decode(text)
    rings = region.polygons(shape)
    assert codec.encode(rings, "dog", shape=shape) == text
    arrays = [np.array(ring).reshape(-1, 2) for ring in rings]
    assert codec.encode(arrays, "dog", shape=shape) == text
    assert codec.encode(arrays[0], "dog", shape=shape) == text


def test_an_array_of_two_columns_is_a_mask_where_the_image_is_as_large():
    narrow = np.array([[0, 1], [0, 1], [0, 1], [0, 0]])
    codec = mc.BSD(grid=4)
    assert codec.encode(narrow, "x", shape=(4, 2)) == codec.encode(narrow, "x")
    sizes = "mask has 4 x 2 pixels, shape says"
    with pytest.raises(mc.MaskError, match=f"{sizes} 2 x 4"):  # on its side
        codec.encode(narrow, "x", shape=(2, 4))
    for of_two in narrow, narrow.astype(bool):
        with pytest.raises(mc.MaskError, match=f"{sizes} 8 x 10"):
            codec.encode(of_two, "x", shape=(8, 10))
    for points, error in (POINTS / 2, TypeError), (POINTS, mc.MaskError):
        with pytest.raises(error, match=r"; polygons need shape=\(height, width\)$"):
            codec.encode(points, "x")
    stack = np.stack([narrow, narrow]) * 7  # of masks, 2 pixels wide
    ids = tokens_of("byte-level", codec).encode_many(stack, ["a", "b"], shape=(4, 2))
    assert codec.decode(codec.encode_many(stack, ["a", "b"])) == tokens_of(
        "byte-level", codec
    ).decode(ids)
    with pytest.raises(mc.MaskError, match="polygon 0 has 4 coordinates; expected x and y of at"):
        codec.encode(POINTS[:2], "x", shape=(8, 10))
    with pytest.raises(mc.MaskError, match="has nan at index 0, far outside"):
        codec.encode(POINTS * np.nan, "x", shape=(8, 10))


def test_parts_of_a_large_image_are_united_in_little_memory():
    """In a process of its own: the merge of pycocotools 2.0.11 would take 2.1 GB."""
    pytest.importorskip("resource")
    code = """
import resource
from maskcodec import coco
resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
side = 23_000
middle = side // 2
block = [0, 0, middle, 0, middle + 1, side // 4, middle + 1, middle, middle, side, 0, side]
speck = [side - 50, 100, side - 40, 100, side - 40, 300, side - 50, 300]
parts = [coco.read([ring], shape=(side, side)) for ring in (block, speck)]
whole = coco.read([block, speck], shape=(side, side))
assert parts[1].area == 2000
assert whole.area == parts[0].area + 2000, whole
print("done")
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr


def test_images_that_pycocotools_cannot_draw_on_are_refused(monkeypatch):
    """It writes counts of 2**29 and more past the end of its memory."""
    assert coco.read([SQUARE], shape=(1, 2**29 - 1)).shape == (1, 2**29 - 1)
    monkeypatch.setattr(coco_mask, "frPyObjects", lambda *_: pytest.fail("was drawn"))
    with pytest.raises(mc.MaskError) as caught:
        coco.read([SQUARE], shape=(2**15, 2**14))
    assert str(caught.value) == (
        "segmentation has polygons on an image of 32768 x 16384 pixels; pycocotools draws on up to "
        "536,870,911: cut the image up, or use run lengths"
    )


def test_polygons_without_pycocotools_say_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pycocotools", None)
    monkeypatch.setitem(sys.modules, "pycocotools.mask", None)
    with pytest.raises(ModuleNotFoundError) as caught:
        coco.read([SQUARE], shape=(4, 4))
    assert str(caught.value) == (
        "polygons need pycocotools, which is missing: "
        "pip install 'maskcodec[coco]', in a checkout '.[coco]'"
    )
    assert caught.value.name == "pycocotools"
    assert coco.read(FIVE).area == 4  # run lengths need nothing
    with pytest.raises(mc.MaskError, match="polygon 0 has 2 coordinates"):
        coco.read([[1, 2]], shape=(4, 4))


def test_an_endless_outline_is_refused_before_pycocotools_sees_it(monkeypatch):
    monkeypatch.setattr(coco_mask, "frPyObjects", lambda *_: pytest.fail("was drawn"))
    zigzag = [0, 0, 60_000, 1] * 20
    with pytest.raises(mc.MaskError) as caught:
        coco.read([SQUARE, zigzag], shape=(8_000, 60_000))
    assert str(caught.value) == (
        "segmentation has outlines of 2,400,008 pixels; 2,000,000 are the most"
    )
    with pytest.raises(mc.MaskError, match=r"^segmentation has outlines of 2,400,000 pixels"):
        coco.read([[0, 0, 0, 2] * 300_000] * 2, shape=(4, 4))
    with pytest.raises(mc.MaskError, match=r"^mask has outlines of 3,000,000 pixels"):
        mc.BSD().encode([[0, 0, 100, 0, 100, 50]] * 12_000, "dog", shape=(100, 100))


def test_a_long_outline_that_is_not_endless_is_drawn():
    zigzag = [0, 0, 90, 1] * 2000
    assert coco.read([zigzag], shape=(100, 100)).mask().shape == (100, 100)
    circle = np.linspace(0, 2 * np.pi, 5000)
    ring = np.stack([2000 + 1900 * np.cos(circle), 2000 + 1900 * np.sin(circle)], 1).ravel()
    assert abs(coco.read([ring], shape=(4000, 4000)).area / (np.pi * 1900**2) - 1) < 0.001
