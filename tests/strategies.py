"""What the properties are tried on: grids, masks, labels, codecs, and texts that almost fit."""

from __future__ import annotations

import string

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import maskcodec as mc
from tests import reference
from tests.conftest import PURE

SIDE = 12 if PURE else 40

sides = st.one_of(st.integers(1, 6), st.integers(1, SIDE))
shapes = st.tuples(sides, sides)


@st.composite
def cells(draw: st.DrawFn, shape: tuple[int, int] | None = None) -> np.ndarray:
    """A uint8 grid of 0 and 1: empty, full, checkered, blobs, or anything."""
    rows, columns = shape or draw(shapes)
    kind = draw(st.sampled_from(["empty", "full", "checker", "blob", "any"]))
    ys, xs = np.mgrid[:rows, :columns]
    if kind == "empty":
        return np.zeros((rows, columns), np.uint8)
    if kind == "full":
        return np.ones((rows, columns), np.uint8)
    if kind == "checker":
        return ((ys + xs) % 2).astype(np.uint8)
    if kind == "blob":
        y, x = draw(st.integers(0, rows - 1)), draw(st.integers(0, columns - 1))
        radius = draw(st.integers(0, SIDE))
        return ((ys - y) ** 2 + (xs - x) ** 2 <= radius**2).astype(np.uint8)
    return draw(hnp.arrays(np.uint8, (rows, columns), elements=st.integers(0, 1)))


small_shapes = st.tuples(st.integers(1, 9), st.integers(1, 9))
small_cells = small_shapes.flatmap(cells)


@st.composite
def wide_cells(draw: st.DrawFn) -> np.ndarray:
    """Rows of long runs, on both sides of 63."""
    columns = draw(st.sampled_from([62, 63, 64, 65, 126, 127, 189, 200]))
    rows = draw(st.integers(1, 3))
    grid = np.zeros((rows, columns), np.uint8)
    for row in grid:
        edges = sorted(draw(st.lists(st.integers(0, columns), max_size=4)))
        for begin, end in zip(edges[::2], edges[1::2], strict=False):
            row[begin:end] = 1
    return grid


@st.composite
def placed(draw: st.DrawFn, shape: tuple[int, int] | None = None) -> np.ndarray:
    """A mask that lies somewhere in an image."""
    inner = draw(cells(shape or draw(small_shapes)))
    margin = st.integers(0, 4)
    return np.pad(inner, [(draw(margin), draw(margin)), (draw(margin), draw(margin))])


@st.composite
def label_cells(draw: st.DrawFn) -> tuple[np.ndarray, list[str]]:
    """An int32 grid of label numbers and the names, the background's first."""
    names = ["others", *draw(st.lists(cell_labels, min_size=1, max_size=12, unique=True))]
    names = list(dict.fromkeys(names))
    shape = draw(shapes)
    numbers = st.integers(0, len(names) - 1)
    return draw(hnp.arrays(np.int32, shape, elements=numbers)), names


_words = st.text(min_size=1, max_size=12).map(str.strip).filter(bool)
_ascii = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=8)
_labels = st.one_of(
    st.sampled_from(["dog", "black dog", "roi0", "犬", "naïve café", "<", "fg", "[[0 0 1 1]]"]),
    _words,
    _ascii.map(str.strip).filter(bool),
)


def _fits(codec: mc.Codec, text: str) -> bool:
    try:
        codec.encode([[1]], text)
    except mc.LabelError:
        return False
    return True


labels = _labels.filter(
    lambda text: all(_fits(c, text) for c in (mc.BSD(bricks=False), mc.Scanlines()))
)
cell_labels = _labels.filter(lambda text: _fits(mc.RRLE(), text))

BSD_SETTINGS = [
    {},
    {"row_separator": ""},
    {"bricks": False},
    {"bricks": False, "row_separator": ""},
    {
        "ref_tags": ("<|object_ref_start|>", "<|object_ref_end|>"),
        "box_tags": ("<|box_start|>", "<|box_end|>"),
        "spelling": ("[F{}]", "[B{}]"),
    },
]
bsd_settings = st.sampled_from(BSD_SETTINGS)
SCANLINE_SETTINGS = [
    {},
    {"coordinates": "tokens"},
    {"coordinates": "tokens", "axes": "yx", "location": "<loc{:04}>"},
    {
        "ref_tags": ("<|object_ref_start|>", "<|object_ref_end|>"),
        "box_tags": ("<|box_start|>", "<|box_end|>"),
        "spelling": ("[F{}]", "[B{}]", "[E{}]"),
        "axes": "yx",
    },
]
scanline_settings = st.sampled_from(SCANLINE_SETTINGS)
box_cells = st.tuples(st.integers(1, 6), st.sampled_from([1, 2, 3, 5, 8, 13]))
bins = st.sampled_from([1, 2, 3, 7, 16, 40, 1000, 1024])
POLYGON_SETTINGS = [
    {},
    {"coordinates": "tokens"},
    {"ref_tags": ("<|object_ref_start|>", "<|object_ref_end|>"), "seg_tags": ("[S]", "[/S]")},
]
polygon_settings = st.sampled_from(POLYGON_SETTINGS)


@st.composite
def vertex_rings(draw: st.DrawFn, size: int) -> list[list[tuple[int, int]]]:
    """Rings of vertices that are not on one line, no two of them the same."""
    number = st.integers(0, size - 1)
    ring = st.lists(st.tuples(number, number), min_size=3, max_size=8).filter(reference.encloses)
    rings = draw(st.lists(ring, min_size=1, max_size=4))
    assume(len(reference.canonical_rings(rings)) == len(rings))
    return rings


image_wise = st.sampled_from([mc.ISD, mc.IRLE, mc.RRLE])


@st.composite
def mutated(draw: st.DrawFn, text: str, pieces: list[str]) -> str:
    """A text with a few small changes, as a model would make them."""
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(text)))
        end = min(len(text), at + draw(st.integers(0, 6)))
        kind = draw(st.sampled_from(["delete", "insert", "replace", "repeat", "cut"]))
        piece = draw(st.sampled_from(pieces))
        if kind == "delete":
            text = text[:at] + text[end:]
        elif kind == "insert":
            text = text[:at] + piece + text[at:]
        elif kind == "replace":
            text = text[:at] + piece + text[end:]
        elif kind == "repeat":
            text = text[:end] + text[at:end] + text[end:]
        else:
            text = text[:at]
    return text


POLYGON_PIECES = [
    *["<ref>", "</ref>", "<seg>", "</seg>", "<ring>", "\n", " ", "dog", "é", "<", "0", "1 2", "-"],
    *[
        "<loc1>",
        "<loc01>",
        "<loc99>",
        "<loc",
        "1, 2",
        "0.5",
        "99999999999",
        "3 4 5 6",
        "&lt;ref&gt;",
    ],
]
BRICK_PIECES = [
    *["<ref>", "</ref>", "<box>", "</box>", "<seg>", "</seg>", "\n", " ", "dog", "é", "<", "0"],
    *["<fg1>", "<bg2>", "<fg63>", "<fg64>", "<bg0>", "<fg01>", "<fg", "[[0 0 1 1]]", "]]", "fg3"],
]
SCANLINE_PIECES = [
    *["<ref>", "</ref>", "<box>", "</box>", "<seg>", "</seg>", "\n", " ", "dog", "é", "<", "0"],
    *["<end:0>", "<end:3>", "<end:5>", "<fg:2>", "<bg:1>", "<bg:4>", "<end:64>", "<end:99999999>"],
    *["<fg:0>", "<bg:01>", "<end:00>", "<end", "[[3 0 0 1]]", "]]", "<loc0>", "<loc0001>", "<loc1"],
]
LABEL_PIECES = ["<seg>", "</seg>", "|", "*", "\n", " ", "dog", "others*1", "0", "9", "é", "<ref>"]


# ------------------------------------------------------------------------ COCO's segmentations


@st.composite
def runs(
    draw: st.DrawFn, shape: tuple[int, int] | None = None
) -> tuple[list[int], tuple[int, int]]:
    """Counts and the shape that they fill; some are 0, which nobody writes but anybody may."""
    shape = shape or draw(shapes)
    pixels = shape[0] * shape[1]
    if draw(st.booleans()):
        counts = reference.counts_of(draw(cells(shape)))
    else:
        edges = sorted(draw(st.lists(st.integers(0, pixels), max_size=12)))
        counts = np.diff([0, *edges, pixels]).tolist()
    for _ in range(draw(st.integers(0, 2))):
        at = draw(st.integers(0, len(counts) - 1))
        first = draw(st.integers(0, counts[at]))
        counts[at : at + 1] = [first, 0, counts[at] - first]
    return counts, shape


@st.composite
def rings(draw: st.DrawFn, shape: tuple[int, int]) -> list[list[float]]:
    """Polygons on and around an image of a shape, which may overlap and cross themselves.

    None that would be refused: because they fit the image with its sides swapped, or might be
    the rows of a mask.
    """
    side = max(shape)
    number = st.one_of(
        st.integers(0, side), st.integers(-side, 2 * side), st.floats(-side, 2 * side)
    )
    ring = st.lists(st.tuples(number, number), min_size=3, max_size=7)
    found = draw(st.lists(ring, min_size=1, max_size=3))
    height, width = shape
    for points in [*found, [point for ring in found for point in ring]]:
        right, bottom = (max(side) for side in zip(*points, strict=True))
        leaves = right > width + 2 or bottom > height + 2
        assume(not (leaves and right <= height + 2 and bottom <= width + 2))
    assume((len(found), 2 * len(found[0])) not in {shape, shape[::-1]})
    return [[value for point in ring for value in point] for ring in found]


RLE_PIECES = [*"0123?@AOPQ_`aijno", "Pm", "PPPPPPP", "0" * 9, "/", "p", " ", "\0", "é", "\ud800"]
_numbers = st.one_of(
    st.integers(-2, 40), st.sampled_from([2**31, 2**32, 2**63, 2**64, -(2**63) - 1, 10**30])
)
_floats = st.floats(allow_nan=True, allow_infinity=True)
_scalars = st.one_of(st.none(), st.booleans(), _numbers, _floats)
_texts = st.one_of(st.text(max_size=4), st.text(string.printable, max_size=4))
_rows = st.one_of(
    st.lists(_numbers, max_size=8), st.lists(st.one_of(_numbers, _floats), max_size=8)
)
_counts = st.one_of(_rows, _texts, st.binary(max_size=4), _scalars, st.just([4, 4, 4]))
_sizes = st.one_of(st.just([3, 4]), st.lists(_numbers, max_size=3), _rows, _scalars, _texts)
_runs = st.fixed_dictionaries({}, optional={"size": _sizes, "counts": _counts})

# What JSON may hold where a segmentation belongs.
json_like = st.one_of(
    _runs,
    st.lists(_runs, max_size=3),
    st.lists(_rows, max_size=3),
    st.recursive(
        st.one_of(_scalars, _texts),
        lambda inner: st.one_of(
            st.lists(inner, max_size=4),
            st.dictionaries(st.sampled_from(["size", "counts", "x"]), inner, max_size=3),
        ),
        max_leaves=8,
    ),
)
