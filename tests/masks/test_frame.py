"""Cells of an object's own box: where boxes and cells go, and what regions of them are."""

import pickle

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

import maskcodec as mc
from maskcodec.coco import RunMask
from maskcodec.kernels import sampling as kernels
from maskcodec.masks.frame import BoxFrame
from maskcodec.masks.grid import box_part, sample_mask
from tests import reference, strategies
from tests.conftest import PURE

SAMPLINGS = ["nearest", "keep", "best"]

# ------------------------------------------------------------------- where a box goes

sides = st.one_of(st.integers(1, 12), st.integers(1, 1100))


@st.composite
def boxes(draw, shape):
    """The first and the last row and column of a box: y1, x1, y2, x2."""
    ends = [st.tuples(st.integers(0, side - 1), st.integers(0, side - 1)) for side in shape]
    (y1, y2), (x1, x2) = (sorted(draw(end)) for end in ends)
    return y1, x1, y2, x2


def placed(cells, bins, tight, shape):
    """The box in bins, the part of the image, and the rows and columns, as the kernel has them."""
    found = np.empty(10, np.int64)
    kernels.place_box(*tight, *shape, BoxFrame(*cells, bins).table, found)
    numbers = tuple(found.tolist())
    return numbers[:4], numbers[4:8], numbers[8:]


@given(st.data(), sides, sides, strategies.box_cells, strategies.bins)
def test_a_box_goes_where_the_reference_puts_it(data, height, width, most, bins):
    y1, x1, y2, x2 = tight = data.draw(boxes((height, width)))
    box, part, cells = placed(most, bins, tight, (height, width))
    left, right = reference.bins_of(x1, x2 + 1, width, bins)
    top, bottom = reference.bins_of(y1, y2 + 1, height, bins)
    assert box == (left, top, right, bottom)
    assert part == reference.part_of(box, bins, (height, width))
    assert cells == (min(most[0], part[2]), most[1])
    # It always holds its pixels, and is exact up to as many of them as bins.
    assert part[0] <= y1 <= y2 < part[0] + part[2] <= height
    assert part[1] <= x1 <= x2 < part[1] + part[3] <= width
    if height <= bins:
        assert (part[0], part[2]) == (y1, y2 - y1 + 1)
    if width <= bins:
        assert (part[1], part[3]) == (x1, x2 - x1 + 1)
    assert box_part(box, (bins, bins), (height, width)) == part


@pytest.mark.parametrize("width", [1, 7, 8, 9, 16, 31])
def test_the_pixels_that_are_set_are_found_in_rows_of_any_width(width):
    """Eight columns are looked at at a time, and what is left over from either end."""
    line = np.empty(2 * width, np.uint8)
    for first in range(width):
        for last in range(first, width):
            mask = np.zeros((11, width), np.uint8)
            mask[3, first] = 255
            mask[9, last] = 255
            assert kernels.pixel_box(mask, line) == (3, first, 9, last)
            mask[9, last] = 1
            assert kernels.pixel_box(mask, line) == (-2, -2, -2, -2)
    assert kernels.pixel_box(np.zeros((11, width), np.uint8), line)[0] < 0


@given(st.data(), sides, sides, strategies.bins)
def test_a_box_in_bins_is_read_for_any_image(data, height, width, bins):
    y1, x1, y2, x2 = data.draw(boxes((bins, bins)))
    part = box_part((x1, y1, x2, y2), (bins, bins), (height, width))
    assert part == reference.part_of((x1, y1, x2, y2), bins, (height, width))
    top, left, box_height, box_width = part
    assert 0 <= top < top + box_height <= height
    assert 0 <= left < left + box_width <= width


def test_large_images_are_read_inwards_and_written_outwards():
    box, part, cells = placed((11, 63), 1000, (600, 800, 601, 801), (1203, 1601))
    assert box == (499, 498, 500, 500)  # 800 / 1.601 = 499.7, 602 / 1.203 = 500.4
    assert part == (600, 799, 2, 3)
    assert part == reference.part_of(box, 1000, (1203, 1601))
    assert cells == (2, 63)


@pytest.mark.parametrize(
    ("most", "size", "rows"),
    [((11, 63), (5, 7), 5), ((11, 63), (400, 7), 11), ((63, 9), (62, 7), 62), ((1, 1), (9, 9), 1)],
)
def test_a_box_has_no_more_rows_than_pixels_and_always_its_columns(most, size, rows):
    cells = placed(most, 1000, (0, 0, size[0] - 1, size[1] - 1), (500, 700))[2]
    assert cells == (rows, most[1])


# -------------------------------------------------------------------- pixels to cells


@given(strategies.placed(), strategies.box_cells, strategies.bins, st.sampled_from(SAMPLINGS))
def test_cells_are_those_of_the_reference(mask, cells, bins, sampling):
    found = BoxFrame(*cells, bins).sample(mask, sampling)
    expected = reference.framed(mask, cells, bins, sampling)
    assert (found is None) == (expected is None or not expected[1].any())
    if found:
        assert (found.box, found.within) == (expected[0], reference.place(mask, cells, bins)[1])
        assert np.array_equal(found.cells, expected[1])
        assert (found.cells.dtype, found.cells.flags.c_contiguous) == (np.uint8, True)


@given(strategies.placed(), strategies.box_cells, strategies.bins, st.sampled_from(SAMPLINGS))
def test_runs_are_sampled_as_their_pixels(mask, cells, bins, sampling):
    frame = BoxFrame(*cells, bins)
    pixels, runs = frame.sample(mask, sampling), frame.sample(RunMask.from_mask(mask), sampling)
    assert (pixels is None) == (runs is None)
    if pixels:
        assert pixels.box == runs.box
        assert np.array_equal(pixels.cells, runs.cells)


@given(
    st.data(),
    strategies.small_shapes,
    strategies.box_cells,
    strategies.bins,
    st.sampled_from(SAMPLINGS),
)
def test_many_masks_are_sampled_as_each_of_them(data, shape, most, bins, sampling):
    masks = np.stack(data.draw(st.lists(strategies.cells(shape), max_size=4)) or [np.ones(shape)])
    masks = masks.astype(np.uint8)
    mixed = [RunMask.from_mask(mask) if k % 2 else mask for k, mask in enumerate(masks)]
    frame = BoxFrame(*most, bins)
    for kind in (masks, masks.astype(bool), masks * 7, masks.astype(np.int64), mixed):
        places, cells = frame.sample_all(kind, sampling)
        for mask, place, own in zip(masks, places.tolist(), cells, strict=True):
            alone = frame.sample(mask, sampling)
            rows, columns = place[8:]
            assert (alone is None) == (rows == 0)
            if alone:
                assert (tuple(place[:4]), tuple(place[4:8])) == (alone.box, alone.within)
                assert np.array_equal(own[: rows * columns].reshape(rows, columns), alone.cells)


@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize("most", [(1, 1), (63, 63), (11, 63), (63, 2)])
def test_large_masks_are_sampled_as_their_runs(most, sampling):
    height, width = (61, 90) if PURE else (427, 640)
    ys, xs = np.mgrid[:height, :width]
    rings = np.hypot(ys - height / 2, xs - width / 2).astype(int) // (height // 12) % 2
    within = (abs(ys - height // 3) < height // 5) & (abs(xs - width // 2) < width // 3)
    speck = (ys == height - 1) & (xs == width - 1)
    frame = BoxFrame(*most, 50)
    for mask in (rings & within, ys % 2 & within, xs % 2, speck, xs == 3, ys == 0, within):
        pixels, runs = (frame.sample(m, sampling) for m in (mask, RunMask.from_mask(mask)))
        assert (pixels is None) == (runs is None)
        if pixels:
            assert (pixels.box, pixels.within) == (runs.box, runs.within)
            assert np.array_equal(pixels.cells, runs.cells)
            if sampling != "best":
                top, left, *size = pixels.within
                part = mask.astype(np.uint8)[top : top + size[0], left : left + size[1]]
                assert np.array_equal(pixels.cells, sample_mask(part, pixels.cells.shape, sampling))


@given(strategies.placed(), strategies.box_cells, strategies.bins)
def test_keep_and_best_never_lose_a_mask(mask, cells, bins):
    frame = BoxFrame(*cells, bins)
    assume(mask.any())
    for sampling in ("keep", "best"):
        assert frame.sample(mask, sampling).cells.any()
        codec = mc.Scanlines(rows=cells[0], columns=cells[1], bins=bins, sampling=sampling)
        assert codec.encode(mask, "dog")


@given(strategies.placed(), strategies.box_cells, strategies.bins)
def test_best_is_never_worse_than_keep_where_it_looks(mask, cells, bins):
    assume(mask.any())
    frame = BoxFrame(*cells, bins)
    _, (top, left, height, width), _ = reference.place(mask, cells, bins)
    pixels = mask[top : top + height, left : left + width]
    kept, best = (frame.sample(mask, sampling).cells for sampling in ("keep", "best"))
    target = sample_mask(pixels, reference.points_of(kept, pixels), "nearest")
    worse, better = (
        reference.overlap(reference.at_points(cells, pixels), target) for cells in (kept, best)
    )
    assert better >= worse


SPECK, LINE, STEPS = np.zeros((44, 26), bool), np.zeros((40, 12), bool), np.zeros((105, 10), bool)
SPECK[0, :2] = SPECK[40:, 25] = True
LINE[:, 10] = LINE[0, 3:11] = True
STEPS[30:40, 1] = STEPS[40:60, 2] = STEPS[60:70, 3] = True


@given(strategies.placed(), strategies.box_cells, strategies.bins)
@example(SPECK, (11, 63), 1000)  # the contour draws nothing, which the nearest then does
@example(LINE, (1, 63), 1000)
@example(np.array([[1, 0, 0], [0, 0, 1]]), (1, 63), 1000)
@example(STEPS, (24, 9), 1000)  # the height of a cell is no whole number of points
def test_best_decodes_to_no_worse_a_mask_than_keep(mask, cells, bins):
    assume(mask.any())
    assert max(mask.shape) <= 128  # it looks at all of them
    ious = []
    for sampling in ("keep", "best"):
        codec = mc.Scanlines(rows=cells[0], columns=cells[1], bins=bins, sampling=sampling)
        (region,) = codec.decode(codec.encode(mask, "dog"))
        ious.append(reference.overlap(region.mask(mask.shape), mask.astype(np.uint8)))
    assert ious[0] <= ious[1]


def test_best_comes_nearer_to_a_real_shape():
    ys, xs = np.mgrid[:90, :120]
    mask = ((ys - 45) / 40) ** 2 + ((xs - 60) / 55) ** 2 <= 1
    mask |= (abs(ys - 2 * xs + 60) < 9) & (ys > 10)
    ious = []
    for sampling in ("keep", "best"):
        codec = mc.Scanlines(rows=8, columns=16, sampling=sampling)
        (region,) = codec.decode(codec.encode(mask, "dog"))
        ious.append(reference.overlap(region.mask(mask.shape, method="contour"), mask))
    assert 0.9 < ious[0] < ious[1]


@pytest.mark.usefixtures("compiled")
def test_best_stops_trying():
    """Noise has more cells to flip than it takes the time for: some 63 of a row."""
    noise = np.random.default_rng(0).integers(0, 2, (300, 300), np.uint8)
    frame = BoxFrame(63, 63, 1000)
    kept, best = (frame.sample(noise, sampling).cells for sampling in ("keep", "best"))
    assert not np.array_equal(kept[:10], best[:10])
    assert np.array_equal(kept[14:], best[14:])


def region(**changes):
    values = {
        "label": "dog",
        "box": (1, 2, 3, 3),
        "cells": [[0, 1], [1, 0], [1, 1]],
        "canvas": (8, 8),
        "frame": "box",
    }
    return mc.Region(**{**values, **changes})


def test_a_region_of_a_box_is_a_value():
    r = region()
    assert (r.label, r.box, r.canvas, r.frame) == ("dog", (1, 2, 3, 3), (8, 8), "box")
    assert r.cells.tolist() == [[0, 1], [1, 0], [1, 1]]
    assert repr(r) == "<Region 'dog' box=(1, 2, 3, 3) of 8 x 8 bins, 3 x 2 cells, 4 set>"
    assert pickle.loads(pickle.dumps(r)) == r
    assert hash(r) == hash(region())
    assert r != region(label="cat")
    assert r != region(canvas=(9, 8))
    assert r != region(box=(1, 2, 3, 4))
    assert r != region(cells=[[0, 1], [1, 0]])
    assert r != region(cells=[[0, 1, 1], [0, 1, 1]])
    assert r != region(frame="canvas", cells=[[0, 1, 1], [0, 1, 1]])
    assert mc.Region("dog", (0, 0, 0, 0), [[1]], (1, 1)).frame == "canvas"
    with pytest.raises(mc.ConfigError, match="frame must be one of 'canvas', 'box', got 'bins'"):
        region(frame="bins")
    with pytest.raises(mc.MaskError, match="does not lie on a canvas of 8 rows and 8 columns"):
        region(box=(1, 2, 8, 3))
