"""Cells that divide the box of an instance, of any size."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

import numpy as np

from maskcodec.kernels import painting, rle
from maskcodec.kernels import sampling as k
from maskcodec.masks.arrays import MOST_SIDE, as_bytes, is_plain
from maskcodec.masks.grid import Sampling, contour_room, paint_cells, sample_mask
from maskcodec.masks.runs import RunMask, drawn_runs

if TYPE_CHECKING:
    from maskcodec.masks.arrays import Index, IntegerArray, Mask
    from maskcodec.masks.grid import Part

BoxSampling: TypeAlias = Literal[Sampling, "best"]
Box: TypeAlias = tuple[int, int, int, int]

MOST_CELLS = 63  # a side: the last edge that has a brick
MOST_BINS = 1024
PRICE = 0.002  # the IoU that `best` must gain for each further token
_LINES, _SAMPLES = 8, 2  # points that `best` compares in a cell's height and width
_FEWEST = 64  # least number of points on the side of a larger box
_ALL = 128  # pixels of a box's side up to which `best` compares all of them


class Framed(NamedTuple):
    """A mask as cells of its box.

    Attributes
    ----------
    box
        (x1, y1, x2, y2) in bins, both corners inside.
    within
        (top, left, height, width) in pixels: the part of the image that the box covers.
    cells
        uint8 (rows, columns), 0 and 1.
    """

    box: Box
    within: Part
    cells: Mask


class BoxFrame(NamedTuple):
    """The bins of boxes, and the cells in a box.

    Attributes
    ----------
    rows
        The most rows of cells; a box has at most as many as its height in pixels.
    columns
        The columns of cells, the same for every box.
    bins
        The number of bins on each side of the image.
    """

    rows: int
    columns: int
    bins: int

    @property
    def table(self) -> Index:
        """The frame for the kernels: int64 [bins, rows, columns]."""
        return _table(self)

    def sample(self, mask: IntegerArray | RunMask, sampling: BoxSampling) -> Framed | None:
        """The box of a mask and its cells; None if the mask is empty or no cell is left."""
        places, cells = self.sample_all([mask], sampling)
        x1, y1, x2, y2, *within, rows, columns = places[0].tolist()
        if rows == 0:
            return None
        own = cells[0, : rows * columns].reshape(rows, columns)
        return Framed((x1, y1, x2, y2), tuple(within), own)

    def sample_all(self, masks: Any, sampling: BoxSampling) -> tuple[Index, Mask]:
        """The places and the cells of several masks, as `sampling.sample_boxes` writes them.

        ``masks`` is an array (N, height, width), or a list of masks. A place has -1 rows if the
        mask has more than two values.
        """
        rows, columns, _ = self
        places = np.zeros((len(masks), 10), np.int64)
        cells = np.empty((len(masks), rows * columns), np.uint8)
        how = k.SAMPLINGS.index("keep" if sampling == "best" else sampling)
        if isinstance(masks, np.ndarray) and is_plain(masks):
            self._sample_pixels(masks.view(np.uint8), how, places, cells)
        else:
            room = np.empty(rows + columns + rows * columns, np.int64)
            for index, mask in enumerate(masks):
                if isinstance(mask, RunMask):
                    settings = *mask.shape, self.table, how
                    found = places[index], cells[index]
                    k.sample_box_runs(mask._ends, *settings, room, *found)
                else:
                    one = slice(index, index + 1)
                    self._sample_pixels(as_bytes(mask)[None], how, places[one], cells[one])
        if sampling == "best":
            for mask, place, own in zip(masks, places, cells, strict=True):
                _improve(mask, place, own)
        return places, cells

    def _sample_pixels(self, masks: Mask, how: int, places: Index, cells: Mask) -> None:
        width = masks.shape[2]
        rows, columns, _ = self
        lines = np.empty(2 * width, np.uint8), np.empty(width, np.int32)
        room = np.empty(width + 2 + (rows + 2) * columns, np.int64)
        k.sample_boxes(masks, self.table, how, *lines, room, places, cells)


@lru_cache(maxsize=64)
def _table(frame: BoxFrame) -> Index:
    return np.array([frame.bins, frame.rows, frame.columns], np.int64)


def _points(pixels: int, usual: int) -> int:
    return pixels if pixels <= _ALL else min(pixels, max(usual, _FEWEST))


def _improve(mask: IntegerArray | RunMask, place: Index, cells: Mask) -> None:
    """Flip cells in place, to bring the decoded mask closer to this one.

    On a large box, the search compares only some pixels. Then all pixels are compared at the end,
    and the flips are undone if they lower the IoU.
    """
    *_, top, left, height, width, rows, columns = place.tolist()
    if rows < 1:
        return
    points = _points(height, _LINES * rows), _points(width, _SAMPLES * columns)
    target = sample_mask(mask, points, "nearest", (top, left, height, width)).astype(np.int32)
    distances = np.empty((rows + 3, points[1]), np.int32)
    line = np.empty(points[1], np.int64)
    own = cells[: rows * columns].reshape(rows, columns)
    kept = own.copy()
    flips = painting.improve_cells(own, target, (height, width), PRICE, distances, line)
    if flips and points != (height, width) and max(mask.shape) <= MOST_SIDE:
        within = top, left, height, width
        if _drawn_iou(own, mask, within) < _drawn_iou(kept, mask, within):
            own[:] = kept


def _drawn_iou(cells: Mask, mask: IntegerArray | RunMask, within: Part) -> float:
    """The IoU of a mask and of the mask that cells on a part of the image decode to."""
    if isinstance(mask, RunMask):
        drawn = drawn_runs(cells, (0, 0), cells.shape, mask.shape, within, "contour")
        both, painted, area = rle.shared_runs(drawn._ends, mask._ends), drawn.area, mask.area
    else:
        pixels, room = as_bytes(mask), contour_room(cells)
        both, painted, area = painting.contour_overlap(cells, within, room, pixels)
        if painted == 0:
            nearest = paint_cells(cells, (0, 0), cells.shape, mask.shape, within=within)
            both, painted = int(np.sum(nearest & (pixels != 0))), int(np.sum(nearest))
    return both / (painted + area - both)
