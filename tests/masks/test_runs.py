"""Masks as COCO's runs: read, measured, sampled and written as their pixels would be."""

import copy
import pickle
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import maskcodec as mc
from maskcodec import coco
from maskcodec.coco import RunMask
from maskcodec.masks.grid import paint_cells, sample_mask
from maskcodec.masks.runs import drawn_runs, united
from tests import reference, strategies
from tests.conftest import PURE

coco_mask = pytest.importorskip("pycocotools.mask", reason="the extra 'coco' is not installed")

SAMPLINGS = ["nearest", "area", "keep"]
MOST = (65535, 65537)  # 2**32 - 1 pixels, the most that COCO counts
samplings = st.sampled_from(SAMPLINGS)
grids = st.one_of(strategies.shapes, st.just((5, 70)))


def pycoco(mask):
    return coco_mask.encode(np.asfortranarray(mask))


# ---------------------------------------------------------------------------- round trips


@given(strategies.runs())
def test_counts_come_back(drawn):
    counts, shape = drawn
    mask = RunMask(counts, shape)
    assert (mask.counts.tolist(), mask.counts.dtype, mask.shape) == (counts, np.int64, shape)
    rle = mask.coco_rle()
    again = RunMask(reference.read_counts(rle["counts"], shape), tuple(rle["size"]))
    assert again == mask
    assert hash(again) == hash(mask)
    assert again.coco_rle() == rle


@given(strategies.cells())
def test_pixels_come_back(cells):
    mask = RunMask.from_mask(cells)
    painted = mask.mask()
    assert np.array_equal(painted, cells)
    assert (painted.dtype, painted.flags.c_contiguous, painted.flags.owndata) == (
        np.uint8,
        True,
        True,
    )
    out = np.full(cells.shape, 7, np.uint8)
    assert mask.mask(out=out) is out
    assert np.array_equal(out, cells)


def test_pixels_of_more_runs_than_a_byte_counts_come_back():
    checker = (np.indices((31, 30)).sum(0) % 2).astype(np.uint8)
    for cells in (checker, 1 - checker, np.eye(300, dtype=np.uint8)):
        mask = RunMask.from_mask(cells)
        assert len(mask.counts) > 256
        assert np.array_equal(mask.mask(), cells)
        assert mask.coco_rle() == pycoco(cells)


# ------------------------------------------------------------------------- canonical form


@given(strategies.cells())
def test_rle_of_a_mask_is_what_pycocotools_writes(cells):
    mask = RunMask.from_mask(cells)
    assert mask.counts.tolist() == reference.counts_of(cells)
    assert mask.coco_rle() == pycoco(cells)
    assert mask.coco_rle()["counts"] == reference.write_counts(reference.counts_of(cells))


@given(strategies.runs())
def test_rle_of_runs_is_that_of_their_pixels_however_they_are_cut(drawn):
    mask, painted = RunMask(*drawn), reference.mask_of(*drawn)
    assert mask.coco_rle() == pycoco(painted)
    assert mask == RunMask.from_mask(painted)
    assert hash(mask) == hash(RunMask.from_mask(painted))


@given(strategies.runs(), strategies.runs())
def test_masks_are_equal_where_their_pixels_are(first, second):
    masks, pixels = (
        [make(*drawn) for drawn in (first, second)] for make in (RunMask, reference.mask_of)
    )
    assert (masks[0] == masks[1]) == np.array_equal(*pixels)


@pytest.mark.parametrize("count", [0, 1, 15, 16, 511, 512, 2**14 - 1, 2**14, 2**19, 2**24, 2**29])
def test_every_length_of_a_number_is_written_as_the_reference_writes_it(count):
    counts = [count, 1, 1, count + 1, 1, 2, 2**32 - 1 - (2 * count + 6)]
    written = RunMask(counts, MOST).coco_rle()["counts"]
    assert written == reference.write_counts(counts)
    assert reference.read_counts(written, MOST) == counts


# -------------------------------------------------------- equal to pixels and pycocotools


@given(strategies.runs())
def test_runs_are_painted_and_measured_as_the_reference_does(drawn):
    mask, painted = RunMask(*drawn), reference.mask_of(*drawn)
    assert np.array_equal(mask.mask(), painted)
    assert mask.area == painted.sum()
    assert mask.any() == painted.any()
    assert mask.bbox == reference.bbox(painted)
    rle = mask.coco_rle()
    assert np.array_equal(mask.mask(), coco_mask.decode(rle))
    assert mask.area == coco_mask.area(rle)
    assert list(mask.bbox) == coco_mask.toBbox(rle).tolist()


def test_measures_are_python_integers():
    for mask in (RunMask([2, 3, 1], (2, 3)), RunMask([1, 5], (2, 3)), RunMask([6], (2, 3))):
        assert {type(number) for number in (mask.area, *mask.bbox)} == {int}


@given(st.data(), strategies.shapes)
def test_masks_are_united_as_pycocotools_merges_them(data, shape):
    drawn = data.draw(st.lists(strategies.runs(shape), min_size=1, max_size=4))
    masks = [RunMask(*each) for each in drawn]
    whole = united(masks)
    assert np.array_equal(whole.mask(), np.maximum.reduce([mask.mask() for mask in masks]))
    assert whole.coco_rle() == coco_mask.merge([mask.coco_rle() for mask in masks])


# ------------------------------------------------------------------------------- sampling


@given(strategies.runs(), grids, samplings)
def test_cells_are_those_of_the_painted_mask(drawn, grid, sampling):
    cells = RunMask(*drawn).cells(grid, sampling)
    assert np.array_equal(cells, sample_mask(reference.mask_of(*drawn), grid, sampling))
    assert (cells.dtype, cells.flags.c_contiguous, cells.flags.writeable) == (np.uint8, True, True)


@given(strategies.runs(), grids)
def test_nearest_cells_are_pillows(drawn, grid):
    expected = reference.nearest(reference.mask_of(*drawn), grid)
    assert np.array_equal(RunMask(*drawn).cells(grid), expected)


@given(st.data(), strategies.small_shapes, strategies.small_shapes)
def test_area_and_keep_count_what_is_covered(data, shape, grid):
    drawn = data.draw(strategies.runs(shape))
    painted = reference.mask_of(*drawn)
    mask = RunMask(*drawn)
    assert np.array_equal(mask.cells(grid, "area"), reference.area(painted, grid))
    assert np.array_equal(mask.cells(grid, "keep"), reference.keep(painted, grid))


@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize("grid", [(1, 1), (16, 16), (64, 64), (7, 130), (130, 7), (1024, 3)])
def test_large_masks_are_sampled_as_their_pixels(grid, sampling):
    height, width = (61, 90) if PURE else (427, 640)
    ys, xs = np.mgrid[:height, :width]
    rings = np.hypot(ys - height / 2, xs - width / 2).astype(int) // (height // 12) % 2
    speck = (ys == height - 1) & (xs == width - 1)
    for painted in (rings, ys % 2, xs % 2, speck, ys < height, xs == 3, ys == 0):
        cells = RunMask.from_mask(painted).cells(grid, sampling)
        assert np.array_equal(cells, sample_mask(painted.astype(np.uint8), grid, sampling))


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_the_largest_mask_is_measured_and_sampled_without_its_pixels(sampling):
    height, width = MOST
    full, last = RunMask([0, height * width], MOST), RunMask([height * width - 1, 1], MOST)
    half = RunMask([0, height * (width // 2), height * width - height * (width // 2)], MOST)
    full.cells(3, sampling)
    tracemalloc.start()
    assert (full.area, full.bbox) == (2**32 - 1, (0, 0, width, height))
    assert (last.area, last.bbox) == (1, (width - 1, height - 1, 1, 1))
    assert full.cells(3, sampling).tolist() == [[1] * 3] * 3
    assert half.cells((1, 4), sampling).tolist() == [[1, 1, 0, 0]]
    expected = [[0, 0], [0, 1]] if sampling == "keep" else [[0, 0], [0, 0]]
    assert last.cells(2, sampling).tolist() == expected
    assert RunMask.coco_rle(full)["counts"] == reference.write_counts([0, 2**32 - 1])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20_000


def test_one_number_is_a_square_grid_and_nearest_the_usual_sampling():
    mask = RunMask([2, 3, 1], (2, 3))
    assert np.array_equal(mask.cells(4), mask.cells((4, 4), "nearest"))
    assert np.array_equal(mask.cells([4, 2]), mask.cells((4, 2)))
    assert np.array_equal(mask.cells(np.int32(4)), mask.cells(4))


# --------------------------------------------------------------------- regions without pixels


@st.composite
def regions(draw):
    cells = draw(strategies.cells())
    top, left, below, right = draw(st.tuples(*[st.integers(0, 5)] * 4))
    rows, columns = cells.shape
    box = (left, top, left + columns - 1, top + rows - 1)
    return mc.Region("dog", box, cells, (top + rows + below, left + columns + right))


def assert_region_is_its_mask(region, shape, method):
    painted = region.mask(shape, method=method)
    rle = pycoco(painted)
    assert region.coco_rle(shape, method=method) == rle
    assert list(region.bbox(shape, method=method)) == coco_mask.toBbox(rle).tolist()
    assert region.bbox(shape, method=method) == reference.bbox(painted)
    assert region.area(shape, method=method) == painted.sum()
    runs = region.runs(shape, method=method)
    assert np.array_equal(runs.mask(), painted)
    assert runs.counts.tolist() == reference.counts_of(painted)


@given(regions(), strategies.shapes, st.sampled_from(["nearest", "smooth", "contour"]))
def test_a_region_is_measured_and_written_as_its_mask(region, shape, method):
    assert_region_is_its_mask(region, shape, method)


@given(strategies.cells(), strategies.shapes)
def test_cells_are_drawn_as_runs_of_what_is_painted(cells, shape):
    painted = paint_cells(cells, (0, 0), cells.shape, shape)
    assert drawn_runs(cells, (0, 0), cells.shape, shape) == RunMask.from_mask(painted)


@pytest.mark.parametrize("method", ["nearest", "smooth", "contour"])
@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (4, 6), (17, 40), (3, 90)])
def test_a_recovered_region_without_its_last_rows_is_measured_as_its_mask(shape, method):
    codec = mc.BSD(grid=(5, 7))
    text = codec.encode(np.ones((5, 7), int), "dog")
    rows = text.count("\n") + 1
    for kept in range(rows):
        cut = "\n".join(text.split("\n")[:kept]) if kept else text[: text.index("<seg>") + 5]
        (region,) = codec.recover(cut).regions
        assert region.area((5, 7)) == 7 * kept
        assert_region_is_its_mask(region, shape, method)


def test_a_region_of_more_runs_than_there_is_room_for_at_first():
    side = 20 if PURE else 100
    checker = (np.indices((side, side)).sum(0) % 2).astype(np.uint8)
    region = mc.Region("dog", (0, 0, side - 1, side - 1), checker, (side, side))
    shape = (side, 600 if PURE else 2 * side)
    assert len(region.runs(shape).counts) > 4096
    assert region.coco_rle(shape) == pycoco(region.mask(shape))
    assert region.area(shape) == region.mask(shape).sum()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"shape": (0, 5)}, mc.MaskError, "shape must be two integers of at least 1, got (0, 5)"),
        ({"shape": 5}, TypeError, "shape must be two integers, got 5"),
        (
            {"shape": (65536, 65536)},
            mc.MaskError,
            "shape is 65536 x 65536; COCO counts in 32 bits, up to 4,294,967,295 pixels",
        ),
        (
            {"shape": (4, 5), "method": "cubic"},
            mc.ConfigError,
            "method must be one of 'nearest', 'smooth', 'contour', got 'cubic'",
        ),
    ],
)
def test_what_a_region_cannot_be_written_in_is_refused(arguments, error, message):
    region = mc.Region("dog", (0, 0, 0, 0), [[1]], (1, 1))
    for call in (region.coco_rle, region.bbox, region.area, region.runs):
        with pytest.raises(error) as caught:
            call(**arguments)
        assert str(caught.value) == message


# -------------------------------------------------------------------------------- a value


def test_a_mask_of_runs_is_a_value():
    mask = RunMask([2, 3, 1], (2, 3))
    for other in (pickle.loads(pickle.dumps(mask)), copy.copy(mask), copy.deepcopy(mask)):
        assert other == mask
        assert hash(other) == hash(mask)
        assert other.coco_rle() == mask.coco_rle()
    assert mask != RunMask([2, 2, 2], (2, 3))
    assert mask != RunMask([2, 3, 1], (3, 2))
    assert mask != "dog"
    assert repr(mask) == "<RunMask of 2 x 3 pixels, 3 runs, 3 set>"
    with pytest.raises(AttributeError):
        mask.shape = (3, 2)


def test_a_mask_of_runs_does_not_follow_what_it_was_made_from_or_gives():
    counts = np.array([2, 3, 1])
    mask = RunMask(counts, (2, 3))
    counts[:] = 0
    mask.counts[:] = 0
    mask.mask()[:] = 0
    assert mask.counts.tolist() == [2, 3, 1]


def test_counts_in_any_kind_of_row_are_read():
    for counts in ([0, 1, 2], (0, 1, 2), [np.int32(0), 1, 2], np.arange(3), np.arange(6)[::2] // 2):
        assert RunMask(counts, [1, 3]).counts.tolist() == [0, 1, 2]


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.uint32, np.int64, np.uint64, ">i4"])
def test_counts_of_any_integer_type_are_read(dtype):
    assert RunMask(np.array([0, 100, 20], dtype), (10, 12)).area == 100


@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint16, np.int64, ">i4", np.uint64])
def test_masks_of_any_kind_become_runs(dtype):
    cells = np.eye(5, 9, dtype=int)
    expected = RunMask.from_mask(cells)
    for kind in (cells.astype(dtype), np.asfortranarray(cells.astype(dtype)), cells.tolist()):
        assert RunMask.from_mask(kind) == expected


# --------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("counts", "shape", "error", "message"),
    [
        ([3], (2, 2), mc.MaskError, "counts add up to 3 pixels, an image of 2 x 2 has 4"),
        ([3, 2], (2, 2), mc.MaskError, "counts add up to 5 pixels, an image of 2 x 2 has 4"),
        ([], (2, 2), mc.MaskError, "counts add up to 0 pixels, an image of 2 x 2 has 4"),
        (
            [400, 7] * 3,
            (1000, 1000),
            mc.MaskError,
            "counts add up to 1,221 pixels, an image of 1000 x 1000 has 1,000,000",
        ),
        ([3, -1, 2], (2, 2), mc.MaskError, "counts: number 1 is -1, which is below 0"),
        ([1, 5], (2, 2), mc.MaskError, "counts: number 1 is 5, which passes the image's 4 pixels"),
        (
            [-(2**63) - 1, 4],
            (2, 2),
            mc.MaskError,
            "counts: number 0 is -9223372036854775809, which is below 0",
        ),
        (
            [4, 10**40],
            (2, 2),
            mc.MaskError,
            f"counts: number 1 is 1{'0' * 40}, which passes the image's 4 pixels",
        ),
        (
            np.array([2**64 - 1], np.uint64),
            (2, 2),
            mc.MaskError,
            "counts: number 0 is 18446744073709551615, which passes the image's 4 pixels",
        ),
        ([1.0, 3.0], (2, 2), TypeError, "counts must be whole numbers, got 1.0"),
        ([1, 3.5], (2, 2), TypeError, "counts must be whole numbers, got 3.5"),
        ([float("nan")], (2, 2), TypeError, "counts must be whole numbers, got nan"),
        ([True, False], (2, 2), TypeError, "counts must be whole numbers, got True"),
        ([2**70, True], (2, 2), TypeError, "counts must be whole numbers, got True"),
        ([[4]], (2, 2), TypeError, "counts must be whole numbers, got [4]"),
        ([4, [1]], (2, 2), TypeError, "counts must be whole numbers, got [1]"),
        (["4"], (2, 2), TypeError, "counts must be whole numbers, got '4'"),
        ([None], (2, 2), TypeError, "counts must be whole numbers, got None"),
        (None, (2, 2), TypeError, "counts must be a list of whole numbers, got None"),
        ("04", (2, 2), TypeError, "counts must be a list of whole numbers, got '04'"),
        (4.0, (2, 2), TypeError, "counts must be a list of whole numbers, got 4.0"),
        ({4: 4}, (2, 2), TypeError, "counts must be a list of whole numbers, got {4: 4}"),
        ([4], (0, 2), mc.MaskError, "shape must be two integers of at least 1, got (0, 2)"),
        ([4], (2, 2, 1), mc.MaskError, "shape must be two integers, got (2, 2, 1)"),
        ([4], (2.0, 2), TypeError, "shape must be two integers, got (2.0, 2)"),
        ([4], 4, TypeError, "shape must be two integers, got 4"),
        ([4], None, TypeError, "shape must be two integers, got None"),
        (
            [2**32],
            (65536, 65536),
            mc.MaskError,
            "shape is 65536 x 65536; COCO counts in 32 bits, up to 4,294,967,295 pixels",
        ),
    ],
)
def test_what_is_no_mask_of_runs_is_refused(counts, shape, error, message):
    with pytest.raises(error) as caught:
        RunMask(counts, shape)
    assert str(caught.value) == message


@pytest.mark.parametrize("counts", [4, 9, -1, 10**30, np.int64(9), np.array(4), range(5), {4}])
def test_what_is_no_list_is_no_counts(counts):
    with pytest.raises(TypeError) as caught:
        RunMask(counts, (2, 2))
    assert str(caught.value) == f"counts must be a list of whole numbers, got {counts!r:.60}"


def test_a_count_of_thousands_of_digits_is_refused():
    with pytest.raises(mc.MaskError, match=r"^counts: number 0 is .* passes the image's 4 pixels$"):
        RunMask([10**5000], (2, 2))


@pytest.mark.parametrize(
    ("mask", "error", "message"),
    [
        (np.zeros((2, 2)), TypeError, "mask must be bool or an integer type, got float64"),
        (np.zeros(4, int), mc.MaskError, r"mask must be \(height, width\), got shape \(4,\)$"),
        (np.zeros((0, 4), int), mc.MaskError, "mask must have at least one pixel"),
    ],
)
def test_what_has_no_pixels_makes_no_runs(mask, error, message):
    with pytest.raises(error, match=message):
        RunMask.from_mask(mask)


@pytest.mark.parametrize(
    ("grid", "sampling", "error", "message"),
    [
        (0, "nearest", mc.MaskError, "grid must be two integers of at least 1, got (0, 0)"),
        ((4, 0), "area", mc.MaskError, "grid must be two integers of at least 1, got (4, 0)"),
        ((4,), "area", mc.MaskError, "grid must be two integers, got (4,)"),
        (4.0, "keep", TypeError, "grid must be two integers, got (4.0, 4.0)"),
        (
            4,
            "mode",
            mc.ConfigError,
            "sampling must be one of 'nearest', 'area', 'keep', got 'mode'",
        ),
    ],
)
def test_what_cannot_be_sampled_is_refused(grid, sampling, error, message):
    with pytest.raises(error) as caught:
        RunMask([2, 3, 1], (2, 3)).cells(grid, sampling)
    assert str(caught.value) == message


def test_an_out_of_another_shape_or_kind_is_refused():
    mask = RunMask([2, 3, 1], (2, 3))
    with pytest.raises(mc.MaskError, match=r"of shape \(2, 3\), got shape \(3, 2\)"):
        mask.mask(out=np.zeros((3, 2), np.uint8))
    with pytest.raises(TypeError, match="out must be a uint8 array, got bool"):
        mask.mask(out=np.zeros((2, 3), bool))


def test_counts_of_seven_characters_are_written_and_read():
    shape = 65535, 65537
    for counts in ([2**32 - 1], [2**30, 7, 2**31, 2**32 - 8 - 2**30 - 2**31], [0, 2**32 - 1]):
        rle = RunMask(counts, shape).coco_rle()
        assert rle["counts"] == reference.write_counts(counts)
        assert coco.read(rle).counts.tolist() == counts


def test_cells_are_not_drawn_on_endless_sides():
    region = mc.Region("dog", (0, 0, 0, 0), [[1]], canvas=(2, 2))
    assert region.area((2**20, 2)) == 2**19
    for shape in ((2**20 + 1, 1), (1, 2**31)):
        with pytest.raises(mc.MaskError, match="a side has up to 1,048,576 pixels"):
            region.runs(shape)


def test_a_mask_of_runs_is_not_taken_for_an_array():
    with pytest.raises(TypeError, match="a RunMask is no array"):
        np.asarray(RunMask([1, 3], (2, 2)))
