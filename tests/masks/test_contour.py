"""Cells painted as a contour, and every way to paint cells that belong to a box."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import maskcodec as mc
from maskcodec.coco import RunMask
from maskcodec.masks.frame import BoxFrame
from maskcodec.masks.grid import paint_cells
from maskcodec.masks.runs import drawn_runs
from tests import reference, strategies

METHODS = ["nearest", "smooth", "contour"]
methods = st.sampled_from(METHODS)


@st.composite
def canvas_regions(draw):
    """A region on the canvas, and all cells of it."""
    cells = draw(strategies.small_cells)
    top, left, below, right = draw(st.tuples(*[st.integers(0, 3)] * 4))
    rows, columns = cells.shape
    box = left, top, left + columns - 1, top + rows - 1
    canvas = np.pad(cells, [(top, below), (left, right)])
    return mc.Region("dog", box, cells, canvas.shape), canvas


@st.composite
def box_regions(draw):
    """A region of the box frame: any cells in any box."""
    bins = draw(strategies.bins)
    corners = [sorted(draw(st.tuples(*[st.integers(0, bins - 1)] * 2))) for _ in range(2)]
    (x1, x2), (y1, y2) = corners
    cells = draw(st.one_of(strategies.small_cells, strategies.wide_cells()))
    return mc.Region("dog", (x1, y1, x2, y2), cells, (bins, bins), frame="box")


# ------------------------------------------------------------------ equal to the reference


@given(canvas_regions(), strategies.small_shapes, methods)
def test_a_canvas_is_painted_as_the_reference_paints_it(drawn, shape, method):
    region, cells = drawn
    painted = region.mask(shape, method=method)
    assert np.array_equal(painted, reference.paint(cells, shape, method))


@given(box_regions(), strategies.small_shapes, methods)
def test_a_box_is_painted_as_the_reference_paints_it(region, shape, method):
    part = reference.part_of(region.box, region.canvas[0], shape)
    painted = region.mask(shape, method=method)
    assert np.array_equal(painted, reference.paint(region.cells, shape, method, part))
    out = np.full(shape, 7, np.uint8)
    assert region.mask(shape, method=method, out=out) is out
    assert np.array_equal(out, painted)


@given(st.one_of(box_regions(), canvas_regions().map(lambda drawn: drawn[0])), strategies.shapes)
def test_a_region_is_measured_as_its_mask_by_every_method(region, shape):
    for method in METHODS:
        painted = region.mask(shape, method=method)
        runs = region.runs(shape, method=method)
        assert np.array_equal(runs.mask(), painted)
        assert runs == RunMask.from_mask(painted)
        assert runs.counts.tolist() == reference.counts_of(painted)
        assert region.area(shape, method=method) == painted.sum()
        assert region.bbox(shape, method=method) == reference.bbox(painted)
        counts = reference.write_counts(reference.counts_of(painted))
        assert region.coco_rle(shape, method=method) == {"size": [*shape], "counts": counts}


@given(st.one_of(box_regions(), canvas_regions().map(lambda drawn: drawn[0])), strategies.shapes)
def test_rle_is_what_pycocotools_writes(region, shape):
    coco_mask = pytest.importorskip("pycocotools.mask", reason="the extra 'coco' is not installed")
    for method in METHODS:
        painted = region.mask(shape, method=method)
        rle = coco_mask.encode(np.asfortranarray(painted))
        assert region.coco_rle(shape, method=method) == rle
        assert list(region.bbox(shape, method=method)) == coco_mask.toBbox(rle).tolist()


@st.composite
def parts(draw):
    """Cells somewhere on a grid, which lies on a part of an image."""
    cells = draw(strategies.small_cells)
    top, left, below, right = draw(st.tuples(*[st.integers(0, 3)] * 4))
    whole = np.pad(cells, [(top, below), (left, right)])
    around = draw(st.tuples(*[st.integers(0, 3)] * 4))
    height, width = draw(strategies.small_shapes)
    shape = around[0] + height + around[1], around[2] + width + around[3]
    return cells, (top, left), whole, shape, (around[0], around[2], height, width)


@given(parts())
def test_cells_of_a_part_are_painted_and_counted_as_the_reference_paints_them(drawn):
    cells, corner, whole, shape, part = drawn
    expected = reference.paint(whole, shape, "contour", part)
    painted = paint_cells(cells, corner, whole.shape, shape, "contour", within=part)
    assert np.array_equal(painted, expected)
    runs = drawn_runs(cells, corner, whole.shape, shape, part, "contour")
    assert runs.counts.tolist() == reference.counts_of(expected)


@pytest.mark.usefixtures("compiled")
@pytest.mark.parametrize("shape", [(4001, 1 << 20), (1 << 20, 4001)])
def test_the_runs_of_a_large_image_are_exact_and_take_no_pixels(shape):
    rng = np.random.default_rng(5)
    cells = np.zeros((11, 63), np.uint8)
    for row in cells:
        begin, end = sorted(rng.integers(0, 64, 2))
        row[begin:end] = 1
    drawn_runs(cells, (0, 0), cells.shape, (30, 40), None, "contour")  # compiled
    tracemalloc.start()
    ends = np.cumsum(drawn_runs(cells, (0, 0), cells.shape, shape, None, "contour").counts)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < shape[0] * shape[1] // 16
    for end in rng.choice(ends[:-1], 12).tolist():
        x, y = divmod(end, shape[0])
        xs, ys = np.clip(x + np.arange(-1, 2), 0, None), np.clip(y + np.arange(-1, 2), 0, None)
        xs, ys = np.minimum(xs, shape[1] - 1), np.minimum(ys, shape[0] - 1)
        found = np.searchsorted(ends, xs * shape[0] + ys[:, None], "right") % 2
        expected = reference.paint_contour(cells, shape, ys.tolist(), xs.tolist())
        assert np.array_equal(found, expected)


def test_a_contour_of_more_runs_than_there_is_room_for_at_first():
    stripes = np.zeros((41, 3), np.uint8)
    stripes[::2] = 1
    shape = 41 * 3, 110
    runs = drawn_runs(stripes, (0, 0), stripes.shape, shape, None, "contour")
    assert len(runs.counts) > 4096
    painted = paint_cells(stripes, (0, 0), stripes.shape, shape, "contour")
    assert np.array_equal(runs.mask(), painted)


# ------------------------------------------------------------------------ what must hold


@given(strategies.cells(), st.integers(1, 4), st.integers(1, 4))
def test_a_contour_keeps_every_run_of_rows_in_its_middle(cells, fy, fx):
    """Where a row of pixels lies on the centre of a row of cells, runs end where cells do."""
    shape = (2 * fy - 1) * cells.shape[0], fx * cells.shape[1]
    painted = paint_cells(cells, (0, 0), cells.shape, shape, "contour")
    assert np.array_equal(painted[fy - 1 :: 2 * fy - 1], np.repeat(cells, fx, axis=1))


@given(strategies.cells(), strategies.small_shapes, st.sampled_from(["smooth", "contour"]))
def test_mirrored_cells_are_painted_mirrored(cells, shape, method):
    mirrored = np.ascontiguousarray(cells[::-1, ::-1])
    painted = paint_cells(cells, (0, 0), cells.shape, shape, method)
    other = paint_cells(mirrored, (0, 0), cells.shape, shape, method)
    if painted.sum() == other.sum():  # or nothing was left of one, which the nearest then painted
        assert np.array_equal(painted, other[::-1, ::-1])


def test_a_slanted_edge_has_no_steps():
    """Rows that move by a cell each become a straight line, as no rectangle can be one."""
    cells = np.pad(np.tri(8, dtype=np.uint8), [(0, 0), (1, 1)])
    painted = paint_cells(cells, (0, 0), (8, 10), (64, 80), "contour")
    ends = painted.sum(axis=1)[4:60]
    assert np.array_equal(np.diff(ends), np.ones(55))


def test_worked_example():
    """Two rows of 2 cells each on 6 x 8 pixels: cells are 3 pixels high, so 3 is the most."""
    cells = np.array([[1, 0], [1, 1]], np.uint8)
    painted = paint_cells(cells, (0, 0), (2, 2), (6, 8), "contour")
    # The first row ends at pixel 4, the second nowhere. From the centre of one, at 1.5, to that of
    # the other, at 4.5, a point at 6.5 goes from 2.5 outside to 3 inside; above 1.5 all goes
    # towards 3 outside, which is reached a cell further on, and so it does below 4.5.
    assert painted.tolist() == [
        [1, 1, 1, 0, 0, 0, 0, 0],
        [1, 1, 1, 1, 0, 0, 0, 0],
        [1, 1, 1, 1, 1, 1, 0, 0],
        [1, 1, 1, 1, 1, 1, 1, 1],
        [1, 1, 1, 1, 1, 1, 1, 1],
        [1, 1, 1, 1, 1, 1, 1, 1],
    ]
    assert painted.tolist() == reference.paint(cells, (6, 8), "contour").tolist()


@pytest.mark.parametrize("method", ["smooth", "contour"])
def test_what_would_vanish_is_painted_the_nearest(method):
    cells = np.zeros((9, 9), np.uint8)
    cells[4, 4] = 1
    canvas = mc.Region("dog", (4, 4, 4, 4), [[1]], (9, 9))
    assert canvas.mask((4, 4)).sum() == canvas.mask((4, 4), method=method).sum() == 0
    for shape in [(1, 1), (3, 3), (5, 7)]:
        expected = reference.paint(cells, shape, method)
        assert np.array_equal(canvas.mask(shape, method=method), expected)
        assert expected.any()
    box = mc.Region("dog", (0, 0, 9, 9), cells, (10, 10), frame="box")
    for shape in [(2, 2), (20, 20), (40, 40)]:
        expected = reference.paint(cells, shape, method, (0, 0, *shape))
        assert np.array_equal(box.mask(shape, method=method), expected)
        assert np.array_equal(box.runs(shape, method=method).mask(), expected)


@pytest.mark.parametrize("method", METHODS)
def test_nothing_set_is_nothing_painted(method):
    cells = np.zeros((3, 4), np.uint8)
    box = mc.Region("dog", (0, 0, 9, 9), cells, (10, 10), frame="box")
    canvas = mc.Region("dog", (0, 0, 3, 2), cells, (3, 4))
    for region in (box, canvas):
        assert not region.mask((20, 30), method=method).any()
        assert region.area((20, 30), method=method) == 0
        assert region.bbox((20, 30), method=method) == (0, 0, 0, 0)


@pytest.mark.parametrize("method", METHODS)
def test_nothing_is_painted_beyond_the_box(method):
    for box in [(0, 0, 4, 4), (3, 2, 6, 7), (9, 9, 9, 9)]:
        region = mc.Region("dog", box, np.ones((5, 3), int), (10, 10), frame="box")
        painted = region.mask((40, 30), method=method)
        x1, y1, x2, y2 = (int(edge) for edge in region.box_pixels((40, 30)))
        assert painted.any()
        painted[y1:y2, x1:x2] = 0
        assert not painted.any()


@given(strategies.small_shapes, strategies.small_shapes)
def test_a_full_box_is_filled(grid, shape):
    region = mc.Region("dog", (0, 0, 99, 99), np.ones(grid, int), (100, 100), frame="box")
    for method in "nearest", "contour":
        assert region.mask(shape, method=method).all()


def test_smooth_rounds_the_corners_of_a_full_box():
    """Beyond it lies background."""
    region = mc.Region("dog", (0, 0, 9, 9), np.ones((2, 2), int), (10, 10), frame="box")
    assert 1000 < region.area((40, 40), method="smooth") < 1600


def test_the_frame_says_how_cells_become_pixels():
    cells = [[0, 1, 0], [1, 1, 1], [0, 1, 1]]
    canvas = mc.Region("dog", (0, 0, 2, 2), cells, (3, 3))
    box = mc.Region("dog", (0, 0, 9, 9), cells, (10, 10), frame="box")
    shape = 40, 50
    for region, method in (canvas, "nearest"), (box, "contour"):
        mask = region.mask(shape)
        assert np.array_equal(mask, region.mask(shape, method=method))
        others = [region.mask(shape, method=other) for other in METHODS if other != method]
        assert not any(np.array_equal(mask, other) for other in others)
        runs = region.runs(shape)
        assert np.array_equal(runs.mask(), mask)
        assert region.coco_rle(shape) == runs.coco_rle()
        assert (region.area(shape), region.bbox(shape)) == (runs.area, runs.bbox)
        (row,) = mc.coco.results([region], shape=shape, image_id=1, category_ids={"dog": 1})
        assert row["segmentation"]["counts"].encode() == runs.coco_rle()["counts"]


# ------------------------------------------------------------------------ the best cells

COMB, SPECK = np.zeros((140, 1), np.uint8), np.zeros((220, 36), np.uint8)
COMB[::4] = 1
SPECK[[0, 67, 219], [0, 1, 35]] = 1  # the contour of `keep` draws nothing, the nearest does
WAVES = (np.add.outer(np.arange(140) ** 2, 9 * np.arange(60)) % 900 < 400).astype(np.uint8)


def drawn_iou(mask, sampling, rows):
    """The IoU of a mask and of what its cells decode to; the same from pixels and from runs."""
    frame = BoxFrame(rows, 63, 1000)
    found = [frame.sample(m, sampling) for m in (mask, mask * 255, RunMask.from_mask(mask))]
    for other in found[1:]:
        assert np.array_equal(other.cells, found[0].cells)
    cells = found[0].cells
    method = "contour"
    painted = paint_cells(cells, (0, 0), cells.shape, mask.shape, method, within=found[0].within)
    return reference.overlap(painted, mask)


@pytest.mark.parametrize(
    ("mask", "rows", "better"), [(COMB, 3, 0), (COMB, 11, 0), (SPECK, 10, 0), (WAVES, 11, 0.01)]
)
def test_the_best_cells_of_large_boxes_decode_to_no_worse_a_mask(mask, rows, better):
    """A search that looks at some pixels only might lose at others: those of a comb, say."""
    worse, best = (drawn_iou(mask, sampling, rows) for sampling in ("keep", "best"))
    assert best >= worse + better


def test_the_best_cells_of_an_image_too_large_to_draw_are_found():
    side = (1 << 20) + 1
    mask = RunMask([10, 200, 90, 300, side - 600], (side, 1))
    assert BoxFrame(4, 63, 1000).sample(mask, "best").cells.any()


def test_lines_that_change_very_often_are_found_again(monkeypatch):
    """There is room for so many changes; beyond them runs are the same."""
    cells = np.indices((9, 12)).sum(0) % 3 > 0
    region = mc.Region("dog", (1, 0, 30, 30), cells, (32, 32), frame="box")
    want = region.runs((70, 90))
    for room in (0, 1, 50):
        monkeypatch.setattr("maskcodec.masks.runs._USUAL", room)
        assert region.runs((70, 90)) == want
    assert want == mc.coco.RunMask.from_mask(region.mask((70, 90)))
