import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import maskcodec as mc
from maskcodec.masks.grid import (
    cell_coverage,
    nearest_index,
    paint_cells,
    sample_labels,
    sample_mask,
)
from tests import reference, strategies
from tests.conftest import PURE
from tests.strategies import small_cells, small_shapes


def test_nearest_is_pillows_on_every_pair_of_sizes():
    sizes, cells = (60, 60) if PURE else (330, 140)
    for size in range(1, sizes + 1):
        for count in range(1, cells + 1):
            expected = reference.pillow_index(size, count)
            assert np.array_equal(nearest_index(size, count), expected), (size, count)


@given(st.integers(1, 9000), st.integers(1, 1024))
def test_nearest_is_pillows_on_large_sizes(size, cells):
    assert np.array_equal(nearest_index(size, cells), reference.pillow_index(size, cells))
    assert np.array_equal(nearest_index(cells, size), reference.pillow_index(cells, size))


def test_nearest_differs_from_the_formula_that_others_use():
    """The pairs on which Pillow's running sum matters are real."""
    pairs = [(size, cells) for size in range(1, 200) for cells in range(1, 130)]
    differ = [
        (size, cells)
        for size, cells in pairs
        if not np.array_equal(
            nearest_index(size, cells), ((np.arange(cells) + 0.5) * size / cells).astype(int)
        )
    ]
    assert differ


@given(strategies.cells(), strategies.shapes)
def test_nearest_sampling_equals_pillow(mask, grid):
    assert np.array_equal(sample_mask(mask, grid, "nearest"), reference.nearest(mask, grid))


@given(strategies.cells(), strategies.shapes)
def test_nearest_painting_equals_pillow(cells, shape):
    painted = paint_cells(cells, (0, 0), cells.shape, shape)
    assert np.array_equal(painted, reference.paint_nearest(cells, shape))


@given(small_cells, small_shapes)
def test_coverage_is_exact(mask, grid):
    shares = cell_coverage(mask, grid, (0, 0, *mask.shape))
    expected = [[share * mask.size for share in row] for row in reference.covered(mask, grid)]
    assert shares.tolist() == expected


@given(small_cells, small_shapes)
def test_area_and_keep_equal_the_reference(mask, grid):
    assert np.array_equal(sample_mask(mask, grid, "area"), reference.area(mask, grid))
    assert np.array_equal(sample_mask(mask, grid, "keep"), reference.keep(mask, grid))


@given(strategies.cells(), strategies.shapes)
def test_keep_never_loses_a_mask(mask, grid):
    assert sample_mask(mask, grid, "keep").any() == mask.any()


@given(small_cells, small_shapes)
def test_smooth_painting_equals_the_reference(cells, shape):
    painted = paint_cells(cells, (0, 0), cells.shape, shape, "smooth")
    assert np.array_equal(painted, reference.paint(cells, shape, "smooth"))


@given(strategies.cells())
def test_every_way_back_is_the_identity_at_the_grids_own_size(cells):
    for method in ("nearest", "smooth", "contour"):
        assert np.array_equal(paint_cells(cells, (0, 0), cells.shape, cells.shape, method), cells)


@given(strategies.cells(), small_shapes, st.sampled_from(["nearest", "smooth", "contour"]))
def test_a_box_paints_like_the_whole_canvas(cells, corner, method):
    rows, columns = cells.shape[0] + corner[0] + 1, cells.shape[1] + corner[1] + 2
    canvas = np.zeros((rows, columns), np.uint8)
    canvas[corner[0] : corner[0] + len(cells), corner[1] : corner[1] + cells.shape[1]] = cells
    shape = (2 * rows + 1, 3 * columns - 1)
    box = paint_cells(cells, corner, canvas.shape, shape, method)
    assert np.array_equal(box, paint_cells(canvas, (0, 0), canvas.shape, shape, method))


def kinds_of_mask(mask):
    image = Image.fromarray(mask)
    yield "bool", mask.astype(bool)
    yield "0 and 255", (mask * 255).astype(np.uint8)
    yield "int8", mask.astype(np.int8)
    yield "negative", -mask.astype(np.int64)
    yield "uint16", mask.astype(np.uint16) * 256
    yield "uint64", mask.astype(np.uint64)
    yield "Fortran", np.asfortranarray(mask)
    yield "strided", np.repeat(np.repeat(mask, 2, 0), 3, 1)[::2, ::3]
    yield "reversed", mask[::-1, ::-1].copy()[::-1, ::-1]
    yield "big-endian", mask.astype(">i4")
    yield "read-only", np.asarray(image)
    yield "Pillow L", image
    yield "Pillow 1", image.point(lambda v: 255 * v).convert("1")
    yield "Pillow I", image.convert("I")
    yield "nested lists", mask.tolist()


@pytest.mark.parametrize("sampling", ["nearest", "area", "keep"])
def test_every_kind_of_mask_gives_the_same_text(sampling):
    mask = (np.add.outer(np.arange(33) ** 2, np.arange(50) ** 2) % 700 < 300).astype(np.uint8)
    codec = mc.BSD(grid=16, sampling=sampling)
    expected = codec.encode(mask, "dog")
    assert expected
    for name, other in kinds_of_mask(mask):
        assert codec.encode(other, "dog") == expected, name


@pytest.mark.parametrize(
    ("mask", "error", "message"),
    [
        (np.zeros((2, 2)), TypeError, "got float64; threshold it first, for example mask > 0.5"),
        (np.zeros((2, 2), "U1"), TypeError, "must be bool or an integer type"),
        ("no.png", mc.SourceError, "mask 'no.png' is a path, which cannot be read: No such file"),
        (None, TypeError, "must be a mask or a segmentation, got None"),
        (np.zeros((2, 2, 3), int), mc.MaskError, r"got shape \(2, 2, 3\); a colour image needs"),
        (np.zeros(4, int), mc.MaskError, r"must be \(height, width\), got shape \(4,\)$"),
        (np.zeros((0, 4), int), mc.MaskError, "at least one pixel"),
        ([[1], [1, 0]], mc.MaskError, "cannot be read as an array"),
    ],
)
def test_what_is_no_mask_is_refused(mask, error, message):
    for codec in (mc.BSD(), mc.RRLE()):
        with pytest.raises(error, match=message):
            codec.encode(mask, "dog")


@given(st.lists(st.integers(-3, 5), min_size=1, max_size=5, unique=True), st.data())
def test_label_sampling_by_nearest_looks_at_pixels(values, data):
    shape, grid = data.draw(small_shapes), data.draw(small_shapes)
    label_map = np.array(
        data.draw(st.lists(st.integers(-3, 5), min_size=81, max_size=81)), np.int16
    ).reshape(9, 9)[: shape[0], : shape[1]]
    values = np.sort(np.array(values, np.int64))
    ys, xs = reference.pillow_index(shape[0], grid[0]), reference.pillow_index(shape[1], grid[1])
    expected = [
        [values.tolist().index(v) if v in values else -1 for v in row]
        for row in label_map[np.ix_(ys, xs)].tolist()
    ]
    assert sample_labels(label_map, values, grid, "nearest").tolist() == expected


def test_label_sampling_by_area_takes_the_largest_share():
    label_map = np.array([[1, 1, 0, 9], [1, 2, 7, 7], [2, 2, 5, 5], [0, 0, 5, 5]])
    values = np.array([1, 2, 5], np.int64)
    cells = sample_labels(label_map, values, (2, 2), "area")
    # 1 covers 3 of 4; nothing named covers any; 2 and the unnamed share: the named one wins.
    assert cells.tolist() == [[0, -1], [1, 2]]


def test_label_sampling_with_keep_loses_no_label_while_there_are_cells():
    label_map = np.zeros((8, 8), int)
    label_map[:, 4:] = 1
    label_map[0, 0], label_map[7, 7], label_map[7, 6] = 2, 3, 4
    values = np.array([1, 2, 3, 4], np.int64)
    assert sample_labels(label_map, values, (2, 2), "area").tolist() == [[-1, 0], [-1, 0]]
    kept = sample_labels(label_map, values, (2, 2), "keep")
    assert kept.tolist() == [[1, 0], [-1, 2]]  # 3 came first; 4 finds no cell that may be taken
    label_map[7, 6], label_map[7, 1] = 1, 4
    kept = sample_labels(label_map, values, (2, 2), "keep")
    assert kept.tolist() == [[1, 0], [3, 2]]  # the last cell of label 1 is not taken from it


def test_label_sampling_with_keep_leaves_every_owner_a_cell():
    label_map = np.array([[1, 1, 1, 2, 2, 1, 1, 1]])
    kept = sample_labels(label_map, np.array([1, 2], np.int64), (1, 2), "keep")
    assert kept.tolist() == [[1, 0]]  # 2 covers both cells alike, and 1 has no other


@given(small_cells, small_shapes)
def test_two_labels_are_sampled_like_a_mask(mask, grid):
    for sampling in ("nearest", "area", "keep"):
        cells = sample_labels(mask, np.array([1], np.int64), grid, sampling)
        assert np.array_equal(cells == 0, sample_mask(mask, grid, sampling))


def test_label_values_beyond_int64_are_refused():
    with pytest.raises(mc.MaskError, match="must fit int64, got 18446744073709551615"):
        mc.RRLE(grid=1).encode(np.array([[2**64 - 1]], np.uint64), {1: "dog"})
