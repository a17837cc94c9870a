"""From masks to few vertices."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import maskcodec as mc
from maskcodec import coco
from maskcodec.kernels import outlining
from tests import strategies
from tests.conftest import PURE

SHAPE = (60, 80)


def disc(radius=20):
    ys, xs = np.mgrid[: SHAPE[0], : SHAPE[1]]
    return ((ys - 30) ** 2 + (xs - 40) ** 2 < radius**2).astype(np.uint8)


def iou(codec, mask, shape=None):
    shape = shape or mask.shape
    (region,) = codec.decode(codec.encode(mask, "dog", shape=shape))
    true = coco.read(mask, shape=shape).mask() if isinstance(mask, list) else mask
    drawn = region.mask(shape)
    return (drawn & true).sum() / (drawn | true).sum(), sum(map(len, region.rings))


@pytest.mark.parametrize(("points", "least"), [(4, 0.62), (8, 0.9), (12, 0.95), (24, 0.97)])
def test_more_vertices_come_nearer(points, least):
    found, vertices = iou(mc.Polygons(points=points), disc())
    assert found > least
    assert 3 <= vertices <= points


def test_vertices_go_where_they_are_needed():
    mask = disc()
    mask[28:32, 38:42] = 0  # a hole
    mask[5:8, 5:8] = mask[50:52, 4:6] = 1  # parts, one of them of four pixels
    codec = mc.Polygons(points=32)
    (region,) = codec.decode(codec.encode(mask, "dog"))
    assert len(region.rings) == 3
    (region,) = mc.Polygons(points=4).decode(mc.Polygons(points=4).encode(mask, "dog"))
    assert len(region.rings) == 1


@given(strategies.placed(), st.integers(4, 40), st.sampled_from([2, 7, 30, 1000]))
def test_there_are_never_more_vertices_than_asked_for(mask, points, bins):
    codec = mc.Polygons(points=points, bins=bins)
    found = codec.decode(codec.encode(mask, "dog"))
    assert len(found) == mask.any()
    for region in found:
        assert sum(map(len, region.rings)) <= points
        assert codec.decode(codec.encode_regions(found)) == found


def test_thousands_of_vertices_are_left_out_in_passes():
    checker = (np.indices((30, 30)).sum(0) % 2).astype(np.uint8)  # 1,800 vertices
    found, vertices = iou(mc.Polygons(points=40), checker)
    assert found > 0.02
    assert vertices <= 40


def test_an_annotations_polygons_keep_their_vertices():
    triangle, square = [10.5, 10, 60, 12, 33, 50], [70, 5, 75, 5, 75, 9, 70, 9]
    codec = mc.Polygons(points=7, bins=801)
    (region,) = codec.decode(codec.encode([triangle, square], "dog", shape=SHAPE))
    for ring, polygon in zip(region.rings, (square, triangle), strict=True):
        places = np.reshape(polygon, (-1, 2)) / (80, 60) * 800
        assert np.abs(ring - places).max() <= 1.5  # the nearest number, or one beside it
    # Where they overlap, or leave the image, their pixels are what counts.
    for other in ([triangle, [20, 10, 50, 10, 33, 40]], [[10, 10, 90, 30, 10, 50]]):
        assert iou(mc.Polygons(), other, SHAPE)[0] > 0.97
    # Run lengths of them have none.
    runs = coco.read([triangle], shape=SHAPE).coco_rle()
    (traced,) = codec.decode(codec.encode(runs, "dog"))
    assert len(traced.rings[0]) == 7


@pytest.mark.skipif(PURE, reason="many pixels")
def test_large_images_are_looked_at_in_places():
    large = np.kron(disc(), np.ones((20, 20), np.uint8))
    assert iou(mc.Polygons(points=12), large)[0] > 0.94


@pytest.mark.skipif(PURE, reason="what plain Python does, compiled code is compared with")
@given(st.data())
def test_flips_count_the_pixels_that_become_wrong(data):
    number = st.integers(0, 40).map(lambda n: n / 2)
    count = data.draw(st.sampled_from([3, 4]))
    xs, ys = (np.array(data.draw(st.lists(number, min_size=4, max_size=4))) for _ in "xy")
    right = data.draw(strategies.cells((20, 20))) != 0
    gains = np.zeros((20, 21), np.int32)
    gains[:, 1:] = np.cumsum(np.where(right, 1, -1), axis=1)
    found = outlining.flip(xs, ys, count, gains, 1, outlining.LOOK)
    middles = np.arange(20) + 0.5
    inside = np.zeros((20, 20), bool)
    for k in range(count):
        j = (k + 1) % count
        for row, middle in enumerate(middles):
            if (ys[k] <= middle) != (ys[j] <= middle):
                at = xs[k] + (middle - ys[k]) * (xs[j] - xs[k]) / (ys[j] - ys[k])
                inside[row] ^= middles >= at
    assert found == np.where(right, 1, -1)[inside].sum()
    outlining.flip(xs, ys, count, gains, 1, outlining.FLIP)
    assert np.array_equal(np.diff(gains, axis=1), np.where(right ^ inside, 1, -1))
