"""Pixels to cells and back: the only step that loses information.

Sampling turns a mask of any size into ``rows x columns`` cells; painting turns cells into a mask of
any size. The Text4Seg papers made their data with ``"nearest"``.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

import numpy as np

from maskcodec.errors import MaskError
from maskcodec.kernels import painting
from maskcodec.kernels import sampling as k
from maskcodec.masks.arrays import as_bytes, as_out, as_painted_size, is_plain
from maskcodec.messages import check_choice

if TYPE_CHECKING:
    from maskcodec.masks.arrays import Index, IntegerArray, Mask

Sampling: TypeAlias = Literal["nearest", "area", "keep"]
Method: TypeAlias = Literal["nearest", "smooth", "contour"]
Frame: TypeAlias = Literal["canvas", "box"]  # what cells belong to: the image, or their box
Part: TypeAlias = tuple[int, int, int, int]  # top, left, height and width in pixels


class SampledMask(Protocol):
    """A mask without pixels that samples itself, such as `maskcodec.masks.runs.RunMask`."""

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) in pixels."""

    def any(self) -> bool:
        """Whether any pixel is set."""

    def sampled(self, grid: tuple[int, int], sampling: Sampling, within: Part | None) -> Mask:
        """The cells that `sample_mask` returns for the pixels."""


@lru_cache(maxsize=4096)
def nearest_index(size: int, cells: int) -> Index:
    """The pixel of each cell, for `cells` cells on `size` pixels: Pillow's NEAREST.

    Pillow adds up the step in double precision and does not multiply it. For some sizes this
    differs from ``floor((i + 0.5) * size / cells)``. `numpy.cumsum` adds in the same order.
    """
    steps = np.full(cells, size / cells)
    steps[0] /= 2
    return np.minimum(np.cumsum(steps).astype(np.int64), size - 1)


def nearest_pixels(
    grid: tuple[int, int], shape: tuple[int, int], within: Part | None
) -> tuple[Index, Index]:
    """The pixel row of each row of cells, and the pixel column of each column of cells."""
    if within is None:
        return nearest_index(shape[0], grid[0]), nearest_index(shape[1], grid[1])
    top, left, height, width = within
    return nearest_index(height, grid[0]) + top, nearest_index(width, grid[1]) + left


@lru_cache(maxsize=4096)
def nearest_edges(cells: int, size: int) -> Index:
    """The pixel at which each cell begins when it is painted: `cells` + 1 edges, 0 .. `size`."""
    index = nearest_index.__wrapped__(cells, size)  # one entry a pixel: too long for the cache
    return np.searchsorted(index, np.arange(cells + 1)).astype(np.int64)


@lru_cache(maxsize=256)
def smooth_mix(cells: int, size: int) -> Index:
    """The two cells around each pixel, and the weight of the second.

    Shape (size, 3): lower cell, upper cell, weight of the upper one in units of
    ``1 / (2 * size)``. Whole numbers make "one half" exact on every machine.
    """
    mix = _mix(cells, size)
    mix[:, :2] = np.clip(mix[:, :2], 0, cells - 1)
    return mix


def _mix(cells: int, size: int) -> Index:
    """As `smooth_mix`, with cell -1 before the first cell and cell `cells` behind the last."""
    centres = (2 * np.arange(size) + 1) * cells - size  # in units of 1 / (2 * size) of a cell
    lower = centres // (2 * size)
    weight = centres - lower * 2 * size
    return np.stack([lower, lower + 1, weight], axis=1).astype(np.int64)


def sample_mask(
    mask: IntegerArray | SampledMask,
    grid: tuple[int, int],
    sampling: Sampling,
    within: Part | None = None,
) -> Mask:
    """Sample a mask down (or up) to cells.

    Parameters
    ----------
    mask
        (height, width), bool or integer; nonzero is set. Or a mask that samples itself.
    grid
        (rows, columns).
    sampling
        ``"nearest"``: a cell is the pixel that Pillow's NEAREST picks. ``"area"``: a cell is set
        if at least half of it is covered. ``"keep"``: like ``"area"``; but if a mask with pixels
        would have no cell, the cells with the largest coverage are set.
    within
        The part of the image under the cells; it must contain all set pixels. By default the
        whole image.

    Returns
    -------
    uint8 array (rows, columns) of 0 and 1, owned by the caller.
    """
    if not isinstance(mask, np.ndarray):
        return mask.sampled(grid, sampling, within)
    if sampling == "nearest":
        ys, xs = nearest_pixels(grid, mask.shape, within)
        if not is_plain(mask):
            return np.not_equal(mask[ys[:, None], xs], 0).view(np.uint8)
        cells = np.empty(grid, np.uint8)
        k.gather(mask.view(np.uint8), ys, xs, cells)
        return cells
    part = within or (0, 0, *mask.shape)
    covered = cell_coverage(as_bytes(mask), grid, part)
    return chosen_cells(covered, part[2] * part[3], sampling)


def chosen_cells(covered: Index, pixels: int, sampling: Sampling) -> Mask:
    """The cells that ``"area"`` or ``"keep"`` sets; coverage is in units of 1 / `pixels`."""
    cells = np.empty(covered.shape, np.uint8)
    how = k.KEEP if sampling == "keep" else k.AREA
    k.choose_cells(covered.reshape(-1), pixels, how, cells.reshape(-1))
    return cells


def sampled(
    mask: IntegerArray | SampledMask, grid: tuple[int, int], sampling: Sampling
) -> tuple[Mask, Index, Index]:
    """An array, rows and columns: ``array[rows, columns] != 0`` are the cells of `sample_mask`.

    For ``"nearest"`` the array may be the mask itself, which saves a copy.
    """
    if isinstance(mask, np.ndarray) and sampling == "nearest" and is_plain(mask):
        return mask.view(np.uint8), *nearest_pixels(grid, mask.shape, None)
    return sample_mask(mask, grid, sampling), *every_cell(grid)


@lru_cache(maxsize=256)
def every_cell(grid: tuple[int, int]) -> tuple[Index, Index]:
    """The numbers of all rows and of all columns of a grid."""
    return np.arange(grid[0], dtype=np.int64), np.arange(grid[1], dtype=np.int64)


def cell_coverage(mask: Mask, grid: tuple[int, int], within: Part) -> Index:
    """The set part of each cell: int64 (rows, columns), in 1 / (height * width) of a cell."""
    covered = np.empty(grid, np.int64)
    width = mask.shape[1]
    lines = np.empty(width, np.int32), np.empty(width, np.uint8)
    k.coverage(mask, *within, *lines, np.empty(width + 2 + 2 * grid[1], np.int64), covered)
    return covered


def paint_cells(
    cells: Mask,
    corner: tuple[int, int],
    grid: tuple[int, int],
    shape: tuple[int, int],
    method: Method = "nearest",
    out: Mask | None = None,
    within: Part | None = None,
) -> Mask:
    """Paint cells onto a mask of the whole image.

    Parameters
    ----------
    cells
        uint8 (r, c), 0 and 1, C-contiguous and writable: a box of cells on the grid.
    corner
        (row, column) of the box's first cell on the grid.
    grid
        (rows, columns) of the whole image, or of `within`; cells outside the box are 0.
    shape
        (height, width) of the result in pixels.
    method
        ``"nearest"``: a cell is a rectangle. ``"smooth"``: interpolates bilinearly between cell
        centres and sets pixels of at least one half. ``"contour"``: takes for each point of a row
        its distance to the nearest end of a run, positive inside, negative outside, at most the
        height of a cell; interpolates linearly between the centres of rows; sets pixels that are
        not negative. The grid's left and right sides end no run. If ``"smooth"`` or
        ``"contour"`` sets no pixel for cells that are set, ``"nearest"`` paints them.
    out
        uint8 (height, width), C-contiguous and writable: filled instead of a new array.
    within
        The part of the image under the grid; pixels outside are 0. By default the whole image.

    Returns
    -------
    uint8 array (height, width) of 0 and 1: `out` if it was given.
    """
    shape = as_painted_size(shape, "shape")
    out = as_out(out, shape)
    if method != "nearest":
        check_choice(method, Method, "method")
        paint = _paint_smooth if method == "smooth" else _paint_contour
        if paint(cells, corner, grid, within, out) or not cells.any():
            return out
    painting.paint(cells, *corner, *cell_edges(grid, shape, within), out)
    return out


def cell_edges(
    grid: tuple[int, int], shape: tuple[int, int], within: Part | None
) -> tuple[Index, Index]:
    """The pixels at which the rows and columns of a grid begin, and the ends of the last ones."""
    top, left, height, width = within or (0, 0, *shape)
    return nearest_edges(grid[0], height) + top, nearest_edges(grid[1], width) + left


def _paint_smooth(
    cells: Mask, corner: tuple[int, int], grid: tuple[int, int], within: Part | None, out: Mask
) -> int:
    rows, columns = grid
    if within is None:
        whole, line = np.empty(grid, np.uint8), np.empty(columns, np.int64)
        mixes = smooth_mix(rows, out.shape[0]), smooth_mix(columns, out.shape[1])
        return painting.paint_smooth(cells, *corner, whole, *mixes, line, out)
    top, left, height, width = within
    whole, line = np.empty((rows + 2, columns + 2), np.uint8), np.empty(columns + 2, np.int64)
    beyond = np.array([1, 1, 0])  # `whole` has one more cell on each side
    mixes = _mix(rows, height) + beyond, _mix(columns, width) + beyond
    part = np.empty((height, width), np.uint8)
    count = painting.paint_smooth(cells, corner[0] + 1, corner[1] + 1, whole, *mixes, line, part)
    out[:] = 0
    out[top : top + height, left : left + width] = part
    return count


def _paint_contour(
    cells: Mask, corner: tuple[int, int], grid: tuple[int, int], within: Part | None, out: Mask
) -> int:
    part = within or (0, 0, *out.shape)
    return painting.paint_contour(cells, *corner, grid, part, contour_room(cells), out)


def contour_room(cells: Mask) -> Index:
    """Scratch memory for the contour of cells."""
    return np.empty((painting.ROOM, 6 * cells.shape[1] + 16), np.int64)


def sample_labels(
    label_map: IntegerArray, values: Index, grid: tuple[int, int], sampling: Sampling
) -> Index:
    """Sample a label map down (or up) to cells.

    Parameters
    ----------
    label_map
        (height, width), integer.
    values
        The values with a name, sorted, each once.
    sampling
        ``"nearest"``: a cell is the pixel that Pillow's NEAREST picks. ``"area"``: a cell takes
        the value that covers most of it; if several do, a named one, and of these the smallest.
        ``"keep"``: like ``"area"``; then each value without a cell, starting with the fewest
        pixels, takes the cells it covers best, from values that have more than one cell.

    Returns
    -------
    int64 array (rows, columns): indices into `values`, -1 for a value without a name.
    """
    if sampling == "nearest":
        ys = nearest_index(label_map.shape[0], grid[0])
        xs = nearest_index(label_map.shape[1], grid[1])
        return index_of(label_map[ys[:, None], xs], values)
    numbers = index_of(label_map, values)
    whole = 0, 0, *label_map.shape
    present, areas = np.unique(numbers[numbers >= 0], return_counts=True)
    cells = np.full(grid, -1, np.int64)
    most = np.full(grid, -1, np.int64)
    for number in [*present.tolist(), -1]:  # the first of equals wins: named ones
        share = cell_coverage((numbers == number).view(np.uint8), grid, whole)
        cells[share > most] = number
        most = np.maximum(share, most)
    if sampling == "keep":
        for number in present[np.argsort(areas, kind="stable")].tolist():
            if number not in cells:
                share = cell_coverage((numbers == number).view(np.uint8), grid, whole)
                _give_best_cells(cells, number, share)
    return cells


def _give_best_cells(cells: Index, number: int, share: Index) -> None:
    """Give a value the cells it covers best, except the last cell of another value."""
    owners, counts = np.unique(cells, return_counts=True)
    left = dict(zip(owners.tolist(), counts.tolist(), strict=True))
    free = np.array([owner < 0 or left[owner] > 1 for owner in owners.tolist()])
    open_share = np.where(free[np.searchsorted(owners, cells)], share, 0)
    best = open_share.max()
    for r, c in np.argwhere((open_share == best) & (best > 0)).tolist():
        owner = int(cells[r, c])
        if owner < 0 or left[owner] > 1:
            left[owner] -= 1
            cells[r, c] = number


def index_of(array: IntegerArray, values: Index) -> Index:
    """The index of every element in sorted values, or -1."""
    if array.dtype == np.uint64 and array.size and int(array.max()) > np.iinfo(np.int64).max:
        raise MaskError(f"a label map's values must fit int64, got {int(array.max())}")
    numbers = array.astype(np.int64)
    if len(values) == 0:
        return np.full(array.shape, -1, np.int64)
    index = np.minimum(np.searchsorted(values, numbers), len(values) - 1)
    return np.where(values[index] == numbers, index, -1)


def box_part(box: tuple[int, int, int, int], bins: tuple[int, int], shape: tuple[int, int]) -> Part:
    """The pixels (top, left, height, width) that a box in bins covers.

    `bins` counts the bins of the image's (height, width). Only pixels that lie wholly in the box
    belong to it; it always has at least one.
    """
    x1, y1, x2, y2 = box
    height, width = shape
    top = min(-(-y1 * height // bins[0]), height - 1)
    left = min(-(-x1 * width // bins[1]), width - 1)
    bottom = max((y2 + 1) * height // bins[0], top + 1)
    right = max((x2 + 1) * width // bins[1], left + 1)
    return top, left, bottom - top, right - left
