"""The same texts from plain NumPy, as somebody would write it who knows NumPy well."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Mask = npt.NDArray[np.uint8]
    Index = npt.NDArray[np.int64]

BACKGROUND = "others"
LONGEST_BRICK = 63
_INSTANCE = re.compile(
    r"<ref>.*?</ref><box>\[\[(\d+) (\d+) (\d+) (\d+)\]\]</box><seg>(.*?)</seg>", re.DOTALL
)
_BRICK = re.compile(r"<([fb])g(\d+)>")


def encode_rrle(mask: Mask, label: str, size: int) -> str:
    """A mask, uint8 (height, width), as R-RLE text of size x size cells."""
    cells = sample(mask, (size, size))
    starts, counts = _runs(cells)
    names = (BACKGROUND, label)
    values = cells.ravel()[starts].tolist()
    marks = np.where(starts % size, "|", "\n").tolist()
    parts = [
        f"{mark}{names[value]}*{count}"
        for mark, value, count in zip(marks, values, counts.tolist(), strict=True)
    ]
    return f"<seg>{''.join(parts)[1:]}</seg>"


def decode_rrle(text: str, label: str, size: int) -> Mask:
    """R-RLE text as cells: uint8 (size, size) of 0 and 1."""
    body = text.removeprefix("<seg>").removesuffix("</seg>").replace("\n", "|")
    runs = [run.split("*") for run in body.split("|")]
    values = np.array([name == label for name, _ in runs], np.uint8)
    return np.repeat(values, [int(count) for _, count in runs]).reshape(size, size)


def encode_bsd(mask: Mask, label: str, size: int) -> str:
    """A mask, uint8 (height, width), as B-SD text; the box must be at most 63 cells wide."""
    cells = sample(mask, (size, size))
    rows, columns = np.flatnonzero(cells.any(axis=1)), np.flatnonzero(cells.any(axis=0))
    y1, y2, x1, x2 = rows[0], rows[-1], columns[0], columns[-1]
    box = cells[y1 : y2 + 1, x1 : x2 + 1]
    width = box.shape[1]
    if width > LONGEST_BRICK:
        raise ValueError(f"a box of {width} cells needs runs to be split")
    starts, counts = _runs(box)
    values = box.ravel()[starts].tolist()
    breaks = (starts % width == 0).tolist()
    parts = [
        ("\n<" if new else "<") + f"{'fg' if value else 'bg'}{count}>"
        for new, value, count in zip(breaks, values, counts.tolist(), strict=True)
    ]
    corners = f"{x1} {y1} {x2} {y2}"
    return f"<ref>{label}</ref><box>[[{corners}]]</box><seg>{''.join(parts)[1:]}</seg>"


def decode_bsd(text: str, size: int) -> Mask:
    """B-SD text of one instance as cells: uint8 (size, size) of 0 and 1."""
    match = _INSTANCE.fullmatch(text)
    if match is None:
        raise ValueError("this is no B-SD text")
    x1, y1, x2, y2 = map(int, match.groups()[:4])
    bricks = _BRICK.findall(match[5])
    values = np.array([colour == "f" for colour, _ in bricks], np.uint8)
    counts = [int(count) for _, count in bricks]
    cells = np.zeros((size, size), np.uint8)
    cells[y1 : y2 + 1, x1 : x2 + 1] = np.repeat(values, counts).reshape(y2 - y1 + 1, -1)
    return cells


def sample(array: Mask, shape: tuple[int, int]) -> Mask:
    """The nearest of (height, width) pixels for every cell of `shape`, up- and downwards."""
    rows, columns = _nearest(array.shape[0], shape[0]), _nearest(array.shape[1], shape[1])
    if shape[0] < array.shape[0]:
        return array.take(rows, axis=0).take(columns, axis=1)
    return array.take(columns, axis=1).take(rows, axis=0)


@lru_cache(maxsize=64)
def _nearest(size: int, cells: int) -> Index:
    steps = np.full(cells, size / cells)
    steps[0] /= 2
    return np.cumsum(steps).astype(np.int64)  # adds step by step, as Pillow does


def _runs(cells: Mask) -> tuple[Index, Index]:
    """Where the runs of all rows begin, counted through the rows, and how long they are."""
    begins = np.ones(cells.shape, np.bool_)
    np.not_equal(cells[:, 1:], cells[:, :-1], out=begins[:, 1:])
    starts = np.flatnonzero(begins)
    return starts, np.diff(starts, append=cells.size)
