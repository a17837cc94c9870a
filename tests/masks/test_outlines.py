"""Masks as polygons, and polygons of other shapes than COCO's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import maskcodec as mc
from maskcodec import coco
from maskcodec.masks.outlines import polygons_of

RING = np.ones((7, 9), np.uint8)
RING[2:4, 2:5] = RING[5, 7] = 0
SQUARE = [1, 1, 3, 1, 3, 3, 1, 3]


@given(
    arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.integers(0, 1))
)
def test_pycocotools_draws_exactly_the_mask(mask):
    pytest.importorskip("pycocotools")
    polygons = polygons_of(mask)
    if mask.any():
        assert np.array_equal(coco.read(polygons, shape=mask.shape).mask(), mask)
    else:
        assert polygons == []


def test_parts_are_polygons_and_holes_are_in_theirs():
    assert len(polygons_of(RING)) == 1
    assert len(polygons_of(np.array([[1, 0], [0, 1]], np.uint8))) == 2
    one = polygons_of(np.ones((2, 2), np.uint8), (5, 7))
    assert one == [[5, 7, 7, 7, 7, 9, 5, 9]]


@pytest.mark.parametrize("method", ["nearest", "contour", None])
def test_a_region_has_polygons(method):
    pytest.importorskip("pycocotools")
    codec = mc.Scanlines(rows=7, columns=9)
    (region,) = codec.decode(codec.encode(RING, "ring"))
    shape = 70, 90
    polygons = region.polygons(shape, method=method)
    assert (
        coco.read(polygons, shape=shape).mask().tolist()
        == region.mask(shape, method=method).tolist()
    )
    assert mc.Region("none", (0, 0, 0, 0), [[0]], canvas=(2, 2)).polygons((4, 4)) == []


@pytest.mark.parametrize(
    "polygons",
    [
        np.array(SQUARE),
        np.array(SQUARE, np.float32).reshape(4, 2),
        np.array([SQUARE, SQUARE]).reshape(2, 4, 2),
        [np.array(SQUARE).reshape(4, 2)],
        [[1, 1], [3, 1], [3, 3], [1, 3]],
        [[(1, 1), (3, 1), (3, 3), (1, 3)]],
        [SQUARE, np.array(SQUARE).reshape(4, 2)],
    ],
)
def test_polygons_may_have_a_point_a_row(polygons):
    pytest.importorskip("pycocotools")
    assert coco.read(polygons, shape=(4, 6)) == coco.read([SQUARE], shape=(4, 6))
    if isinstance(polygons, list):
        codec = mc.BSD(grid=4)
        expected = codec.encode([SQUARE], "dog", shape=(4, 6))
        assert codec.encode(polygons, "dog", shape=(4, 6)) == expected


def test_points_have_two_numbers():
    with pytest.raises(TypeError, match="must be run lengths or polygons, got ndarray"):
        coco.read(np.ones((4, 3)), shape=(4, 6))
    with pytest.raises(mc.MaskError, match="has 4 coordinates; expected x and y of at least 3"):
        coco.read(np.ones((2, 2)), shape=(4, 6))
