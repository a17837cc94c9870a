import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import maskcodec as mc
from tests import reference, strategies


def region(**changes):
    values = {
        "label": "dog",
        "box": (1, 2, 3, 3),
        "cells": [[0, 1, 1], [1, 0, 0]],
        "canvas": (4, 5),
    }
    return mc.Region(**{**values, **changes})


def test_fields_are_what_was_given():
    r = region()
    assert (r.label, r.box, r.canvas) == ("dog", (1, 2, 3, 3), (4, 5))
    assert r.cells.dtype == np.uint8
    assert r.cells.tolist() == [[0, 1, 1], [1, 0, 0]]
    assert repr(r) == "<Region 'dog' box=(1, 2, 3, 3) on 4 x 5 cells, 3 set>"


def test_a_region_is_a_value():
    r = region()
    assert pickle.loads(pickle.dumps(r)) == r
    assert hash(r) == hash(region())
    assert r != region(label="cat")
    assert r != region(canvas=(5, 5))
    assert r != region(cells=[[1, 1, 1], [1, 0, 0]])
    assert r != "dog"
    with pytest.raises(ValueError, match="read-only"):
        r.cells[0, 0] = 1
    with pytest.raises(AttributeError):
        r.label = "cat"


def test_a_region_does_not_follow_the_array_it_was_made_from():
    cells = np.ones((2, 3), np.uint8)
    r = region(cells=cells)
    cells[:] = 0
    assert r.cells.all()


def test_regions_that_draw_the_same_are_equal_however_loose_the_box():
    tight = region(box=(2, 2, 3, 2), cells=[[1, 1]])
    loose = region(box=(1, 2, 3, 3), cells=[[0, 1, 1], [0, 0, 0]])
    assert tight == loose
    assert hash(tight) == hash(loose)


@given(strategies.cells(), strategies.shapes, strategies.shapes)
def test_mask_is_pillows_enlargement_of_the_canvas(cells, corner, shape):
    rows, columns = cells.shape
    canvas = np.zeros((rows + corner[0], columns + corner[1]), np.uint8)
    canvas[corner[0] :, corner[1] :] = cells
    box = (corner[1], corner[0], corner[1] + columns - 1, corner[0] + rows - 1)
    r = mc.Region("dog", box, cells, canvas.shape)
    expected = reference.paint_nearest(canvas, shape)
    assert np.array_equal(r.mask(shape), expected)
    out = np.full(shape, 7, np.uint8)
    assert r.mask(shape, out=out) is out
    assert np.array_equal(out, expected)
    smooth = np.full(shape, 7, np.uint8)
    r.mask(shape, method="smooth", out=smooth)
    assert np.array_equal(smooth, r.mask(shape, method="smooth"))
    assert smooth.max() <= 1


@given(st.integers(1, 60), st.integers(1, 60))
def test_box_in_pixels_surrounds_what_is_painted_when_cells_are_whole_pixels(fy, fx):
    r = region()
    mask = r.mask((4 * fy, 5 * fx))
    ys, xs = np.nonzero(mask)
    box = (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1)
    assert r.box_pixels((4 * fy, 5 * fx)) == box


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"label": 3}, TypeError, "label must be a str, got 3"),
        (
            {"canvas": (0, 5)},
            mc.MaskError,
            r"canvas must be two integers of at least 1, got \(0, 5\)",
        ),
        ({"canvas": 5}, TypeError, "canvas must be two integers, got 5"),
        ({"canvas": (4, 5, 6)}, mc.MaskError, "canvas must be two integers, got"),
        ({"box": (1, 2, 3)}, TypeError, "box must be four integers x1, y1, x2, y2"),
        ({"box": (1, 2, 5, 3)}, mc.MaskError, "does not lie on a canvas of 4 rows and 5 columns"),
        ({"box": (3, 2, 1, 3)}, mc.MaskError, "0 <= x1 <= x2 < columns"),
        ({"cells": [[1]]}, mc.MaskError, r"cells must have the box's shape \(2, 3\), got \(1, 1\)"),
        ({"cells": [[0.5] * 3] * 2}, TypeError, "cells must be bool or an integer type"),
    ],
)
def test_what_is_no_region_is_refused(changes, error, message):
    with pytest.raises(error, match=message):
        region(**changes)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (
            {"shape": (0, 5)},
            mc.MaskError,
            r"shape must be two integers of at least 1, got \(0, 5\)",
        ),
        ({"shape": 5}, TypeError, "shape must be two integers, got 5"),
        ({"shape": (2.5, 5)}, TypeError, "shape must be two integers"),
        (
            {"method": "cubic"},
            mc.ConfigError,
            "method must be one of 'nearest', 'smooth', 'contour', got 'cubic'",
        ),
        (
            {"shape": (1 << 21, 1)},
            mc.MaskError,
            "shape is 2097152 x 1; a side has up to 1,048,576 pixels",
        ),
        ({"out": np.zeros((4, 5))}, TypeError, "out must be a uint8 array, got float64"),
        ({"out": []}, TypeError, "out must be a uint8 array, got <class 'list'>"),
        (
            {"out": np.zeros((5, 4), np.uint8)},
            mc.MaskError,
            r"of shape \(4, 5\), got shape \(5, 4\)",
        ),
        ({"out": np.zeros((5, 4), np.uint8).T}, mc.MaskError, "C-contiguous False"),
    ],
)
def test_what_cannot_be_painted_is_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        region().mask(**{"shape": (4, 5), **arguments})


def test_a_read_only_out_is_refused():
    out = np.zeros((4, 5), np.uint8)
    out.flags.writeable = False
    with pytest.raises(mc.MaskError, match="writable False"):
        region().mask((4, 5), out=out)
