"""Edges in packed maps, against arrays of pixels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskcodec.coco import RunMask
from maskcodec.kernels import edges
from maskcodec.rewards.drawn import edge_of, edge_score, measured
from tests.conftest import PURE
from tests.rewards import twin
from tests.strategies import cells, small_cells

BITS = int(edges.BITS)


def unpacked(words, place, shape):
    """A map as pixels of the image; what it has beyond the image is left out."""
    image = np.zeros((place[0] * BITS + words.shape[0] * BITS + shape[0], shape[1]), bool)
    for w, row in enumerate(words):
        for k in range(BITS):
            line = (row >> k) & 1 == 1
            image[(place[0] + w) * BITS + k, place[1] : place[1] + len(line)] = line
    return image[: shape[0]]


def tall_cells():
    """Masks that reach over the ends of a number's bits."""
    heights = st.sampled_from([BITS - 1, BITS, BITS + 1, 2 * BITS, 2 * BITS + 3])
    return st.tuples(heights, st.integers(1, 5)).flatmap(cells)


def check(mask, reach):
    shape = mask.shape
    if not mask.any():
        return
    found = measured(RunMask.from_mask(mask))
    x1, y1, x2, y2 = found.corners
    place = max(y1 - reach, 0) // BITS, max(x1 - reach, 0)
    words = min(y2 + reach, shape[0] - 1) // BITS + 1 - place[0]
    maps = np.full((3, words, min(x2 + reach, shape[1] - 1) + 1 - place[1]), -1, np.int64)
    length, at = edges.trace_edge(found.ends, shape[0], place, reach, maps)
    want = twin.edge(mask.astype(bool))
    assert length == want.sum()
    assert np.array_equal(unpacked(maps[1], place, shape), want)
    assert np.array_equal(unpacked(maps[at], place, shape), twin.near(want, reach))


@given(st.one_of(small_cells, tall_cells()), st.integers(0, 9))
def test_edges_are_those_of_pixels(mask, reach):
    check(mask, reach)


@pytest.mark.parametrize("reach", [61, 62, 63, 70, 124, 130])
def test_what_is_near_reaches_over_whole_numbers(reach):
    mask = np.zeros((4 * BITS, 3), np.uint8)
    mask[BITS + 5, 1] = mask[3 * BITS - 1, 2] = 1
    check(mask, reach)


@pytest.mark.parametrize("reach", [2, 4, 7, 11])
def test_what_is_near_has_no_gap_beside_the_sides_of_an_image(reach):
    for place in ((0, 0), (0, 19), (69, 0), (69, 19)):
        mask = np.zeros((70, 20), np.uint8)
        mask[place] = 1
        check(mask, reach)


def test_edges_in_an_image_of_the_usual_size():
    shape = (60, 80) if PURE else (480, 640)
    ys, xs = np.mgrid[: shape[0], : shape[1]]
    for k in range(1, 5):
        mask = (ys / shape[0] - 0.5) ** 2 + (xs / shape[1] - 0.5) ** 2 < 0.02 * k * (xs % 9 > k)
        check(mask.astype(np.uint8), 7)


@given(st.data())
def test_the_boundary_figure_is_that_of_pixels(data):
    shape = data.draw(st.tuples(st.integers(1, 150), st.integers(1, 6)))
    masks = [data.draw(cells(shape)) for _ in range(2)]
    if all(mask.any() for mask in masks):
        first, second = (edge_of(measured(RunMask.from_mask(mask))) for mask in masks)
        want = twin.boundary(*(mask.astype(bool) for mask in masks))
        assert edge_score(first, second) == pytest.approx(want)


def test_maps_that_do_not_meet_share_nothing():
    words = np.full((1, 2), (1 << BITS) - 1, np.int64)
    for other in [(1, 0), (-1, 0), (0, 2), (0, -2)]:
        assert edges.shared_bits(words, (5, 5), words, (5 + other[0], 5 + other[1])) == 0
    assert edges.shared_bits(words, (5, 5), words, (5, 6)) == BITS
