"""The box frame: where boxes and cells go, and the text that comes of it."""

import pickle

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

import maskcodec as mc
from maskcodec.coco import RunMask
from maskcodec.kernels import sampling as kernels
from maskcodec.masks.frame import BoxFrame, box_pixels
from maskcodec.masks.grid import sample_mask
from tests import reference, strategies
from tests.conftest import PURE

SAMPLINGS = ["nearest", "area", "keep", "best"]
METHODS = ["nearest", "smooth", "contour"]
MASK = np.zeros((10, 20), np.uint8)
MASK[2:6, 5:15] = 1
MASK[2:4, 5:9] = 0
HEAD = "<ref>dog</ref><box>[[250 200 749 599]]</box><seg>"
DOG = HEAD + "<bg4><fg6>\n<bg4><fg6>\n<fg10>\n<fg10></seg>"


def test_worked_example():
    codec = mc.BSD(frame="box")
    assert codec.encode(MASK, "dog") == DOG
    again = mc.BSD(frame="box", repeats=True).encode(MASK, "dog")
    assert again == HEAD + "<bg4><fg6>\n<rep1>\n<fg10>\n<rep1></seg>"
    (region,) = codec.decode(f"Sure, here it is: {DOG} Anything else?")
    assert (region.label, region.box, region.canvas) == ("dog", (250, 200, 749, 599), (1000, 1000))
    assert np.array_equal(region.cells, MASK[2:6, 5:15])
    assert region.box_in((10, 20)) == (5.0, 2.0, 15.0, 6.0)
    for method in METHODS:
        assert np.array_equal(region.mask((10, 20), method=method), MASK)
    # Cells that are at least half covered; a third of the ten columns is 3 1/3.
    coarse = mc.BSD(frame="box", grid=(2, 3)).encode(MASK, "dog")
    assert coarse.endswith("<seg><bg1><fg2>\n<fg3></seg>")
    square = mc.BSD(frame="box", grid=5).encode(MASK, "dog")
    assert square.endswith("<seg><bg2><fg3>\n<fg5></seg>")


def test_the_box_frame_has_defaults_of_its_own():
    codec = mc.BSD(frame="box")
    assert (codec.grid, codec.bins, codec.sampling, codec.repeats) == (
        (11, 63),
        1000,
        "keep",
        False,
    )
    assert (codec.codec_id, codec.canvas, codec.most_cells) == (
        "b-sd-box/1",
        (1000, 1000),
        (11, 63),
    )
    square = mc.BSD(frame="box", grid=24, bins=12)
    assert (square.grid, square.canvas, square.most_cells) == (24, (12, 12), (24, 24))
    assert square != mc.BSD(frame="box", grid=(24, 24), bins=12)
    assert mc.BSD().frame == "canvas"
    assert (mc.BSD().codec_id, mc.BSD().bins, mc.BSD().box_frame) == ("b-sd/1", None, None)
    assert mc.get_codec("b-sd-box/1", grid=12) == mc.BSD(frame="box", grid=12)
    assert mc.get_codec("b-sd-box/1", frame="box") == codec


# ------------------------------------------------------------------- where a box goes

sides = st.one_of(st.integers(1, 12), st.integers(1, 1100))


@st.composite
def boxes(draw, shape):
    """The first and the last row and column of a box: y1, x1, y2, x2."""
    ends = [st.tuples(st.integers(0, side - 1), st.integers(0, side - 1)) for side in shape]
    (y1, y2), (x1, x2) = (sorted(draw(end)) for end in ends)
    return y1, x1, y2, x2


def placed(grid, bins, tight, shape):
    """The box in bins, the part of the image, and the rows and columns, as the kernel has them."""
    found = np.empty(10, np.int64)
    kernels.place_box(*tight, *shape, BoxFrame(grid, bins).table, found)
    numbers = tuple(found.tolist())
    return numbers[:4], numbers[4:8], numbers[8:]


@given(st.data(), sides, sides, strategies.box_grids, strategies.bins)
def test_a_box_goes_where_the_reference_puts_it(data, height, width, grid, bins):
    y1, x1, y2, x2 = tight = data.draw(boxes((height, width)))
    box, part, cells = placed(grid, bins, tight, (height, width))
    left, right = reference.bins_of(x1, x2 + 1, width, bins)
    top, bottom = reference.bins_of(y1, y2 + 1, height, bins)
    assert box == (left, top, right, bottom)
    assert part == reference.part_of(box, bins, (height, width))
    assert cells == reference.cells_of(grid, *part[2:])
    # It always holds its pixels, and is exact up to as many of them as bins.
    assert part[0] <= y1 <= y2 < part[0] + part[2] <= height
    assert part[1] <= x1 <= x2 < part[1] + part[3] <= width
    if height <= bins:
        assert (part[0], part[2]) == (y1, y2 - y1 + 1)
    if width <= bins:
        assert (part[1], part[3]) == (x1, x2 - x1 + 1)
    assert box_pixels(box, (bins, bins), (height, width)) == part


@pytest.mark.parametrize("width", [1, 7, 8, 9, 16, 31])
def test_the_pixels_that_are_set_are_found_in_rows_of_any_width(width):
    """Eight columns are looked at at a time, and what is left over from either end."""
    line = np.empty(width, np.uint8)
    for first in range(width):
        for last in range(first, width):
            mask = np.zeros((11, width), np.uint8)
            mask[3, first] = 255
            mask[9, last] = 1
            assert kernels.pixel_box(mask, line) == (3, first, 9, last)
    assert kernels.pixel_box(np.zeros((11, width), np.uint8), line)[0] < 0


@given(st.data(), sides, sides, strategies.bins)
def test_a_box_in_bins_is_read_for_any_image(data, height, width, bins):
    y1, x1, y2, x2 = data.draw(boxes((bins, bins)))
    part = box_pixels((x1, y1, x2, y2), (bins, bins), (height, width))
    assert part == reference.part_of((x1, y1, x2, y2), bins, (height, width))
    top, left, box_height, box_width = part
    assert 0 <= top < top + box_height <= height
    assert 0 <= left < left + box_width <= width


def test_large_images_are_read_inwards_and_written_outwards():
    box, part, cells = placed((11, 63), 1000, (600, 800, 601, 801), (1203, 1601))
    assert box == (499, 498, 500, 500)  # 800 / 1.601 = 499.7, 602 / 1.203 = 500.4
    assert part == (600, 799, 2, 3)
    assert part == reference.part_of(box, 1000, (1203, 1601))
    assert cells == (2, 3)


@pytest.mark.parametrize(
    ("grid", "size", "cells"),
    [
        ((11, 63), (5, 7), (5, 7)),
        ((11, 63), (400, 7), (11, 7)),
        ((11, 63), (400, 700), (11, 63)),
        (24, (5, 7), (5, 7)),
        (24, (24, 3), (24, 3)),
        (24, (100, 50), (24, 12)),
        (24, (100, 51), (24, 13)),
        (24, (50, 100), (12, 24)),
        (24, (1, 500), (1, 24)),
        (1, (100, 50), (1, 1)),
    ],
)
def test_a_box_has_so_many_rows_and_columns(grid, size, cells):
    assert placed(grid, 1000, (0, 0, size[0] - 1, size[1] - 1), (500, 700))[2] == cells
    assert reference.cells_of(grid, *size) == cells


# -------------------------------------------------------------------- pixels to cells


@given(strategies.placed(), strategies.box_grids, strategies.bins, st.sampled_from(SAMPLINGS))
def test_cells_are_those_of_the_reference(mask, grid, bins, sampling):
    found = BoxFrame(grid, bins).sample(mask, sampling)
    expected = reference.framed(mask, grid, bins, sampling)
    assert (found is None) == (expected is None or not expected[1].any())
    if found:
        assert (found.box, found.within) == (expected[0], reference.place(mask, grid, bins)[1])
        assert np.array_equal(found.cells, expected[1])
        assert (found.cells.dtype, found.cells.flags.c_contiguous) == (np.uint8, True)


@given(strategies.placed(), strategies.box_grids, strategies.bins, st.sampled_from(SAMPLINGS))
def test_runs_are_sampled_as_their_pixels(mask, grid, bins, sampling):
    frame = BoxFrame(grid, bins)
    pixels, runs = frame.sample(mask, sampling), frame.sample(RunMask.from_mask(mask), sampling)
    assert (pixels is None) == (runs is None)
    if pixels:
        assert pixels.box == runs.box
        assert np.array_equal(pixels.cells, runs.cells)


@given(
    st.data(),
    strategies.small_shapes,
    strategies.box_grids,
    strategies.bins,
    st.sampled_from(SAMPLINGS),
)
def test_many_masks_are_sampled_as_each_of_them(data, shape, grid, bins, sampling):
    masks = np.stack(data.draw(st.lists(strategies.cells(shape), max_size=4)) or [np.ones(shape)])
    masks = masks.astype(np.uint8)
    mixed = [RunMask.from_mask(mask) if k % 2 else mask for k, mask in enumerate(masks)]
    frame = BoxFrame(grid, bins)
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
@pytest.mark.parametrize("grid", [1, 63, (11, 63), (63, 2)])
def test_large_masks_are_sampled_as_their_runs(grid, sampling):
    height, width = (61, 90) if PURE else (427, 640)
    ys, xs = np.mgrid[:height, :width]
    rings = np.hypot(ys - height / 2, xs - width / 2).astype(int) // (height // 12) % 2
    within = (abs(ys - height // 3) < height // 5) & (abs(xs - width // 2) < width // 3)
    speck = (ys == height - 1) & (xs == width - 1)
    frame = BoxFrame(grid, 50)
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


@given(strategies.placed(), strategies.box_grids, strategies.bins)
def test_keep_and_best_never_lose_a_mask(mask, grid, bins):
    frame = BoxFrame(grid, bins)
    assume(mask.any())
    for sampling in ("keep", "best"):
        assert frame.sample(mask, sampling).cells.any()
        assert mc.BSD(frame="box", grid=grid, bins=bins, sampling=sampling).encode(mask, "dog")


@given(strategies.placed(), strategies.box_grids, strategies.bins)
def test_best_is_never_worse_than_keep_where_it_looks(mask, grid, bins):
    assume(mask.any())
    frame = BoxFrame(grid, bins)
    _, (top, left, height, width), _ = reference.place(mask, grid, bins)
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


@given(strategies.placed(), strategies.box_grids, strategies.bins)
@example(SPECK, (11, 63), 1000)  # the contour draws nothing, which the nearest then does
@example(LINE, (1, 63), 1000)
@example(np.array([[1, 0, 0], [0, 0, 1]]), (1, 63), 1000)
@example(STEPS, 24, 1000)  # the height of a cell is no whole number of points
def test_best_decodes_to_no_worse_a_mask_than_keep(mask, grid, bins):
    assume(mask.any())
    assert max(mask.shape) <= 128  # it looks at all of them
    ious = []
    for sampling in ("keep", "best"):
        codec = mc.BSD(frame="box", grid=grid, bins=bins, sampling=sampling)
        (region,) = codec.decode(codec.encode(mask, "dog"))
        ious.append(reference.overlap(region.mask(mask.shape), mask.astype(np.uint8)))
    assert ious[0] <= ious[1]


def test_best_comes_nearer_to_a_real_shape():
    ys, xs = np.mgrid[:90, :120]
    mask = ((ys - 45) / 40) ** 2 + ((xs - 60) / 55) ** 2 <= 1
    mask |= (abs(ys - 2 * xs + 60) < 9) & (ys > 10)
    ious = []
    for sampling in ("keep", "best"):
        codec = mc.BSD(frame="box", grid=(8, 16), sampling=sampling)
        (region,) = codec.decode(codec.encode(mask, "dog"))
        ious.append(reference.overlap(region.mask(mask.shape, method="contour"), mask))
    assert 0.9 < ious[0] < ious[1]


@pytest.mark.usefixtures("compiled")
def test_best_stops_trying():
    """Noise has more cells to flip than it takes the time for: some 63 of a row."""
    noise = np.random.default_rng(0).integers(0, 2, (300, 300), np.uint8)
    frame = BoxFrame((63, 63), 1000)
    kept, best = (frame.sample(noise, sampling).cells for sampling in ("keep", "best"))
    assert not np.array_equal(kept[:10], best[:10])
    assert np.array_equal(kept[14:], best[14:])


# ------------------------------------------------------------------- cells to text and back


def codec_of(grid, bins, sampling, settings):
    return mc.BSD(frame="box", grid=grid, bins=bins, sampling=sampling, **settings)


@given(
    strategies.placed(),
    strategies.labels,
    strategies.box_grids,
    strategies.bins,
    st.sampled_from(SAMPLINGS),
    strategies.box_settings,
)
def test_text_equals_the_reference_and_comes_back(mask, label, grid, bins, sampling, settings):
    codec = codec_of(grid, bins, sampling, settings)
    text = codec.encode(mask, label, lost="drop")
    framed = BoxFrame(grid, bins).sample(mask, sampling)
    if framed is None:
        assert text == ""
        return
    arguments = reference.arguments(settings)
    assert text == reference.write_bsd(framed.cells, label.strip(), **arguments, box=framed.box)
    assert codec.encode(RunMask.from_mask(mask), label) == text
    (region,) = regions = codec.decode(text)
    assert (region.label, region.box, region.frame) == (label.strip(), framed.box, "box")
    assert np.array_equal(region.cells, framed.cells)
    assert codec.encode_regions(regions) == text
    assert codec.recover(text) == (regions, [])
    # The box holds the mask.
    top, left, height, width = reference.part_of(region.box, bins, mask.shape)
    assert mask[top : top + height, left : left + width].sum() == mask.sum()
    assert region.box_in(mask.shape) == (left, top, left + width, top + height)


@given(
    st.lists(st.tuples(strategies.cells((7, 9)), strategies.labels), max_size=5),
    strategies.box_settings,
)
def test_several_instances_come_back_in_order(instances, settings):
    codec = mc.BSD(frame="box", grid=(7, 9), **settings)
    text = codec.encode_many([mask for mask, _ in instances], [label for _, label in instances])
    assert text == "".join(codec.encode(mask, label) for mask, label in instances)
    kept = [(mask, label.strip()) for mask, label in instances if mask.any()]
    regions = codec.decode(f"I see {text}.")
    assert [region.label for region in regions] == [label for _, label in kept]
    for region, (mask, _) in zip(regions, kept, strict=True):
        assert np.array_equal(region.mask((7, 9)), mask)


@given(strategies.placed(), st.sampled_from(SAMPLINGS), strategies.box_settings, st.booleans())
def test_what_fits_the_grid_comes_back_pixel_for_pixel(mask, sampling, settings, square):
    assume(mask.any())
    codec = codec_of(17 if square else (17, 17), 17, sampling, settings)
    (region,) = codec.decode(codec.encode(mask, "dog"))
    for method in METHODS:
        assert np.array_equal(region.mask(mask.shape, method=method), mask)


def test_the_most_rows_and_columns_come_back():
    checker = (np.indices((63, 63)).sum(0) % 2).astype(np.uint8)
    for mask in (checker, np.ones((63, 63), int), checker[:1], checker[:, 1:2]):
        for grid in (63, (63, 63)):
            codec = mc.BSD(frame="box", grid=grid)
            (region,) = codec.decode(codec.encode(mask, "dog"))
            assert np.array_equal(region.mask(mask.shape), mask)


@given(st.data(), strategies.cells((4, 5)), strategies.box_settings)
def test_any_text_decodes_as_the_reference_reads_it_or_is_refused(data, cells, settings):
    codec = mc.BSD(frame="box", grid=(4, 5), bins=20, **settings)
    pieces = strategies.BRICK_PIECES + [spell.replace("{}", "2") for spell in codec.words().bricks]
    text = codec.encode_many([cells, cells[::-1]], ["dog", "犬 <"])
    text = data.draw(strategies.mutated(text, pieces))
    try:
        arguments = reference.arguments(settings)
        expected = reference.read_bsd(text, (20, 20), **arguments, most=(4, 5))
    except reference.RefusedError:
        with pytest.raises(mc.DecodeError) as caught:
            codec.decode(text)
        assert 0 <= caught.value.position <= len(text)
        assert codec.recover(text).problems
    else:
        regions = codec.decode(text)
        assert [(r.label, r.box, r.cells.tolist()) for r in regions] == expected
        assert codec.recover(text) == (regions, [])


@given(strategies.cells((4, 5)), strategies.labels, strategies.box_settings)
def test_any_cut_of_a_valid_text_is_truncated_or_decodes(cells, label, settings):
    codec = mc.BSD(frame="box", grid=(4, 5), bins=20, **settings)
    text = "Yes: " + codec.encode_many([cells, np.ones((4, 5), int)], [label, label])
    whole = codec.decode(text)
    for end in range(len(text)):
        try:
            assert codec.decode(text[:end]) == whole[: len(codec.decode(text[:end]))]
        except mc.TruncatedError as error:
            assert (error.position, error.reason) == (end, "truncated")


# ---------------------------------------------------------------- what decode accepts


@pytest.mark.parametrize(
    "rows",
    [
        "<bg2><bg2><fg6>\n<bg4><fg6>\n<fg9><fg1>\n<fg10>",
        " <bg4> <fg6> \n <bg4><fg6> \n<fg10>\n<fg10> ",
    ],
)
def test_other_splits_and_spaces_draw_the_same(rows):
    codec = mc.BSD(frame="box")
    text = f"<ref> dog </ref> <box> [ [250 200 749 599 ] ] </box> <seg>{rows}</seg>"
    assert codec.decode(text) == codec.decode(DOG)
    assert codec.encode_regions(codec.decode(text)) == DOG


def test_a_text_may_have_any_cells_up_to_the_grid():
    codec = mc.BSD(frame="box", grid=(3, 5))
    (region,) = codec.decode("<ref>a</ref><box>[[7 7 7 7]]</box><seg><fg5>\n<fg5>\n<bg5></seg>")
    assert region.cells.tolist() == [[1] * 5, [1] * 5, [0] * 5]
    assert region.mask((10, 10)).sum() == 1  # the box covers no pixel whole, but it has one


def test_a_region_without_cells_keeps_its_rows():
    codec = mc.BSD(frame="box", grid=4)
    text = "<ref>dog</ref><box>[[1 0 2 1]]</box><seg><bg2>\n<bg2></seg>"
    regions = codec.decode(text)
    assert not regions[0].cells.any()
    assert codec.encode_regions(regions) == text


# -------------------------------------------------------------------- what is refused

SETTINGS = [
    ({"frame": "image"}, "frame must be one of 'canvas', 'box', got 'image'"),
    ({"bins": 1000}, 'bins are for frame="box", got bins=1000 on the canvas'),
    ({"sampling": "best"}, 'sampling="best" is for frame="box"; on the canvas use "keep"'),
    ({"frame": "box", "row_separator": ""}, 'frame="box" needs row_separator='),
    ({"frame": "box", "bins": 0}, r"bins must be a whole number, 1 \.\. 1024, got 0"),
    ({"frame": "box", "bins": 1025}, r"bins must be a whole number, 1 \.\. 1024, got 1025"),
    ({"frame": "box", "bins": 10.0}, r"bins must be a whole number, 1 \.\. 1024, got 10\.0"),
    ({"frame": "box", "bins": True}, r"bins must be a whole number, 1 \.\. 1024, got True"),
    ({"frame": "box", "grid": 64}, r"grid must be 1 \.\. 63 cells a side, got 64"),
    ({"frame": "box", "grid": 0}, r"grid must be 1 \.\. 63 cells a side, got 0"),
    ({"frame": "box", "grid": (11, 64)}, r"grid must be 1 \.\. 63 cells a side, got \(11, 64\)"),
    ({"frame": "box", "grid": (11, 63, 1)}, "grid must be one or two integers"),
    ({"frame": "box", "grid": True}, "grid must be one or two integers, got True"),
    (
        {"frame": "box", "sampling": "cubic"},
        "sampling must be one of 'nearest', 'area', 'keep', 'best', got 'cubic'",
    ),
]


@pytest.mark.parametrize(("settings", "message"), SETTINGS)
def test_settings_that_do_not_go_together_are_refused(settings, message):
    with pytest.raises(mc.ConfigError, match=message):
        mc.BSD(**settings)


def test_bins_are_any_whole_number():
    codec = mc.BSD(frame="box", bins=np.int64(500))
    assert codec == mc.BSD(frame="box", bins=500)
    assert type(codec.bins) is int


def test_an_id_stands_for_its_frame():
    with pytest.raises(mc.ConfigError, match="frame='canvas', got 'box'; use b-sd-box/1"):
        mc.get_codec("b-sd/1", frame="box")
    with pytest.raises(mc.ConfigError, match="frame='box', got 'canvas'; use b-sd/1"):
        mc.get_codec("b-sd-box/1", frame="canvas")


@pytest.mark.parametrize("grid", [(9, 9), [9, 9], (np.int32(9), np.int64(9))])
def test_a_grid_of_two_numbers_is_a_pair(grid):
    assert mc.BSD(frame="box", grid=grid).grid == (9, 9)
    assert type(mc.BSD(frame="box", grid=np.int64(9)).grid) is int


def test_a_lost_mask_is_refused_with_the_way_out():
    mask = np.zeros((40, 40), int)
    mask[[3, 39], [3, 39]] = 1
    codec = mc.BSD(frame="box", grid=2, sampling="nearest")
    with pytest.raises(mc.LostMaskError) as caught:
        codec.encode(mask, "tie")
    assert str(caught.value) == (
        "mask ('tie') has 2 of 40 x 40 pixels set, but no cell of its box is left of it with "
        'sampling=\'nearest\'; sampling="keep" keeps it, lost="drop" drops it'
    )
    dropped = []
    assert codec.encode_many([mask], ["tie"], lost="drop", dropped=dropped) == ""
    assert dropped == [0]


def region(**changes):
    values = {
        "label": "dog",
        "box": (1, 2, 3, 3),
        "cells": [[0, 1], [1, 0], [1, 1]],
        "canvas": (8, 8),
        "frame": "box",
    }
    return mc.Region(**{**values, **changes})


def test_a_region_of_the_box_frame_is_a_value():
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


@pytest.mark.parametrize(
    ("codec", "message"),
    [
        (mc.BSD(grid=8), "region 'dog' has frame='box', this codec 'canvas'"),
        (
            mc.BSD(frame="box"),
            r"region 'dog' lies on a canvas of \(8, 8\) bins, this codec draws on \(1000, 1000\); "
            "use a codec with bins to match",
        ),
        (
            mc.BSD(frame="box", bins=8, grid=(2, 2)),
            "region 'dog' has 3 x 2 cells, a box of this codec up to 2 x 2",
        ),
        (mc.BSD(frame="box", bins=8, grid=(3, 1)), "a box of this codec up to 3 x 1"),
    ],
)
def test_regions_that_a_codec_cannot_write_are_refused(codec, message):
    with pytest.raises(mc.MaskError, match=message):
        codec.encode_regions([region()])
    assert mc.BSD(frame="box", bins=8, grid=3).encode_regions([region()])


def test_a_region_of_the_canvas_is_refused_in_the_box_frame():
    other = mc.Region("dog", (0, 0, 0, 0), [[1]], (1000, 1000))
    with pytest.raises(mc.MaskError, match="has frame='canvas', this codec 'box'"):
        mc.BSD(frame="box").encode_regions([other])
