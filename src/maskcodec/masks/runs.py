"""A mask as COCO's runs: sampled, measured and written without painting its pixels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from maskcodec.errors import MaskError
from maskcodec.kernels import painting, rle
from maskcodec.kernels import sampling as k
from maskcodec.masks.arrays import as_out, as_painted_size, as_pixels, as_size, as_two_values
from maskcodec.masks.grid import Sampling, cell_edges, chosen_cells, contour_room, nearest_pixels
from maskcodec.messages import brief, check_choice, plural

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    from maskcodec.masks.arrays import Index, Mask
    from maskcodec.masks.grid import Part

    Places = npt.NDArray[np.float64]

MOST_COUNTED = (1 << 32) - 1  # pixels of an image: COCO counts in 32 bits
_DIGITS = 7  # most bytes of a compressed count
_USUAL = 4096  # runs, or changes of lines, in the first buffer


@dataclass(frozen=True, slots=True, eq=False, repr=False, init=False)
class RunMask:
    """A mask as the runs of its columns, in COCO's order.

    The codecs take one wherever they take a mask. Time and memory depend on the number of runs,
    not on the number of pixels; only `mask` paints.

    Parameters
    ----------
    counts
        Integers of at least 0: the lengths of the runs down the columns, one column after
        another. The first run is background, then foreground and background alternate.
    shape
        (height, width) of the image: at most 2**32 - 1 pixels. The counts add up to its pixels.

    Raises
    ------
    MaskError
        A count is below 0, the counts do not add up to the pixels, or the shape is too large or
        has a side below 1.
    TypeError
        The counts are not integers, or the shape is not two integers.

    Examples
    --------
    >>> from maskcodec.coco import RunMask
    >>> mask = RunMask([2, 3, 1], (2, 3))
    >>> mask.mask()
    array([[0, 1, 1],
           [0, 1, 0]], dtype=uint8)
    >>> mask.area, mask.bbox
    (3, (1, 0, 2, 2))
    """

    shape: tuple[int, int]
    _ends: Index  # the end of each run, for the kernels
    _polygons: Sequence[Places] | None  # its polygons, if it has some that do not overlap

    def __init__(self, counts: Any, shape: tuple[int, int]) -> None:
        height, width = as_image_size(shape, "shape")
        object.__setattr__(self, "shape", (height, width))
        object.__setattr__(self, "_ends", run_ends(counts, (height, width), "counts"))
        object.__setattr__(self, "_polygons", None)

    @classmethod
    def from_mask(cls, mask: Any) -> RunMask:
        """The runs of a mask (height, width), bool or integer, of two values.

        The background is 0, or the smaller value if neither is 0.

        Raises
        ------
        MaskError
            The mask has more than two values, no pixels, or is not two-dimensional.
        TypeError
            The mask is not bool or integer.
        """
        pixels = as_two_values(as_pixels(mask))
        shape = as_image_size(pixels.shape, "shape")
        flat = np.not_equal(pixels.T, 0).ravel()
        changes = np.flatnonzero(flat[1:] != flat[:-1])
        first = int(flat[0])  # 1: an empty run of background comes first
        ends = np.zeros(first + len(changes) + 1, np.int64)
        np.add(changes, 1, out=ends[first:-1])
        ends[-1] = flat.size
        return run_mask(shape, ends)

    @property
    def counts(self) -> Index:
        """The lengths of the runs: int64 (n,), owned by the caller."""
        return np.diff(self._ends, prepend=0)

    @property
    def area(self) -> int:
        """The number of set pixels."""
        return int(k.measure_runs(self._ends, self.shape[0])[0])

    @property
    def bbox(self) -> tuple[int, int, int, int]:
        """(x, y, width, height) of the tight box in pixels, in COCO's order; all 0 if empty.

        Equal to ``pycocotools.mask.toBbox``.
        """
        area, *corners = k.measure_runs(self._ends, self.shape[0])
        x1, y1, x2, y2 = map(int, corners)
        return (x1, y1, x2 - x1 + 1, y2 - y1 + 1) if area else (0, 0, 0, 0)

    def any(self) -> bool:
        """Whether any pixel is set."""
        return self.area > 0

    def cells(self, grid: int | tuple[int, int], sampling: Sampling = "nearest") -> Mask:
        """Sample the mask to cells, as the codecs do.

        Parameters
        ----------
        grid
            (rows, columns), or one number for both.
        sampling
            ``"nearest"``, ``"area"`` or ``"keep"``, see `maskcodec.BSD`.

        Returns
        -------
        uint8 array (rows, columns) of 0 and 1, owned by the caller. It equals the cells of the
        painted mask.
        """
        check_choice(sampling, Sampling, "sampling")
        pair = grid if isinstance(grid, (tuple, list)) else (grid, grid)
        return self.sampled(as_size(pair, "grid"), sampling, None)

    def sampled(self, grid: tuple[int, int], sampling: Sampling, within: Part | None) -> Mask:
        """As `cells`, for a part of the image that contains all set pixels; checks nothing."""
        height = self.shape[0]
        if sampling == "nearest":
            cells = np.empty(grid, np.uint8)
            indices = nearest_pixels(grid, self.shape, within)
            k.gather_runs(self._ends, height, *indices, cells)
            return cells
        covered = np.empty(grid, np.int64)
        part = within or (0, 0, *self.shape)
        k.cover_runs(self._ends, height, *part, covered)
        return chosen_cells(covered, part[2] * part[3], sampling)

    def mask(self, *, out: Mask | None = None) -> Mask:
        """Paint the pixels: uint8 (height, width) of 0 and 1, C-contiguous; `out` if given.

        An RLE of a few bytes may claim 4 GiB of pixels: check `shape` before you paint an RLE from
        an untrusted source.
        """
        height, width = self.shape
        out = as_out(out, self.shape)
        colours = np.arange(len(self._ends), dtype=np.uint8) & 1
        out[:] = np.repeat(colours, self.counts).reshape(width, height).T
        return out

    def coco_rle(self, *, text: bool = False) -> dict[str, Any]:
        """The compressed RLE, ``{"size": [height, width], "counts": bytes}``.

        Equal, byte for byte, to ``pycocotools.mask.encode`` of the painted mask. With ``text=True``
        the counts are a str, for JSON; readers of RLEs take both.
        """
        return written(self.shape, _canonical(self._ends), text=text)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RunMask):
            return NotImplemented
        same = self.shape == other.shape
        return same and np.array_equal(_canonical(self._ends), _canonical(other._ends))

    def __hash__(self) -> int:
        return hash((self.shape, _canonical(self._ends).tobytes()))

    def __array__(self, *_: Any, **__: Any) -> Any:
        """Refuse conversion to an array, which would paint silently."""
        raise TypeError("a RunMask is no array; .mask() paints it")

    def __repr__(self) -> str:
        height, width = self.shape
        runs = plural(len(self._ends), "run")
        return f"<RunMask of {height} x {width} pixels, {runs}, {self.area} set>"


def run_mask(
    shape: tuple[int, int], ends: Index, polygons: Sequence[Places] | None = None
) -> RunMask:
    """A `RunMask` from the end of each run: int64, not checked and not copied.

    `polygons` are its polygons: float64 [x1, y1, x2, y2, ...] in pixels.
    """
    mask = object.__new__(RunMask)
    object.__setattr__(mask, "shape", shape)
    object.__setattr__(mask, "_ends", ends)
    object.__setattr__(mask, "_polygons", polygons)
    return mask


def drawn_runs(
    cells: Mask,
    corner: tuple[int, int],
    grid: tuple[int, int],
    shape: tuple[int, int],
    within: Part | None = None,
    method: Literal["nearest", "contour"] = "nearest",
) -> RunMask:
    """The runs of the mask that `maskcodec.masks.grid.paint_cells` paints, without painting.

    Only the first run may be empty.
    """
    shape = as_painted_size(shape, "shape")
    if method == "contour":
        part = within or (0, 0, *shape)
        room, starts = contour_room(cells), np.empty(part[3] + 1, np.int64)
        place = corner[0], corner[1], grid, part, shape
        spans = np.empty((_USUAL, 3), np.int64)
        ends = _fitting(shape, partial(painting.contour_runs, cells, *place, room, starts, spans))
        if len(ends):
            return run_mask(shape, ends)
    edges = cell_edges(grid, shape, within)
    column = np.empty(len(cells) + 2, np.int64)
    write = partial(painting.cell_runs, cells, *corner, *edges, shape, column)
    return run_mask(shape, _fitting(shape, write))


def _fitting(shape: tuple[int, int], write: Callable[[Index], int]) -> Index:
    """The runs that `write` writes: calls it again if the first buffer is too short."""
    ends = np.empty(max(_USUAL, 4 * shape[1]), np.int64)
    count = write(ends)
    if count > len(ends):
        ends = np.empty(count, np.int64)
        count = write(ends)
    return ends[:count]


def written(shape: tuple[int, int], ends: Index, *, text: bool = False) -> dict[str, Any]:
    """The compressed RLE of runs; only the first run may be empty."""
    data = np.empty(len(ends) * _DIGITS, np.uint8)
    counts = data[: rle.write_counts(ends, data)].tobytes()
    return {"size": list(shape), "counts": counts.decode() if text else counts}


def united(masks: Sequence[RunMask]) -> RunMask:
    """The union of at least one mask, all of one shape."""
    if len(masks) == 1:
        return masks[0]
    stops = np.concatenate([mask._ends[1::2] for mask in masks])
    starts = np.concatenate([mask._ends[:-1:2] for mask in masks])
    at = np.concatenate([starts, stops])
    order = np.argsort(at, kind="stable")  # at equal places a start comes first, so that runs join
    depth = np.cumsum(np.where(order < len(starts), 1, -1))
    before = np.concatenate([[0], depth[:-1]])
    height, width = masks[0].shape
    changes = at[order][(depth == 0) | (before == 0)]
    return run_mask(masks[0].shape, np.append(changes, height * width))


def odd(masks: Sequence[RunMask], shape: tuple[int, int]) -> RunMask:
    """The pixels that are set in an odd number of masks, all of one shape."""
    pixels = shape[0] * shape[1]
    changes = np.concatenate([np.empty(0, np.int64), *(mask._ends[:-1] for mask in masks)])
    at, count = np.unique(changes, return_counts=True)
    return run_mask(shape, np.append(at[(count % 2 == 1) & (at < pixels)], pixels))


def inverted(mask: RunMask) -> RunMask:
    """The complement of a mask."""
    ends = mask._ends
    return run_mask(mask.shape, ends[1:] if ends[0] == 0 else np.concatenate([[0], ends]))


def run_ends(counts: Any, shape: tuple[int, int], what: str) -> Index:
    """The end of each run, as a `RunMask` stores it, from the lengths of the runs.

    Raises
    ------
    MaskError
        A length is below 0, or the lengths do not add up to the image's pixels.
    TypeError
        The lengths are not a list of integers.
    """
    pixels = shape[0] * shape[1]
    if isinstance(counts, (list, tuple)):
        for kind in set(map(type, counts)):
            if kind is bool or not issubclass(kind, (int, np.integer)):
                odd = next(number for number in counts if type(number) is kind)
                raise TypeError(f"{what} must be whole numbers, got {brief(odd)}")
        fits = not counts or (min(counts) >= 0 and max(counts) <= pixels)
        lengths = np.array(counts, np.int64 if fits else object)
    elif isinstance(counts, np.ndarray) and counts.ndim == 1 and counts.dtype.kind in "iu":
        lengths = counts
    else:
        raise TypeError(f"{what} must be a list of whole numbers, got {brief(counts)}")
    for n in np.flatnonzero((lengths < 0) | (lengths > pixels))[:1].tolist():
        wrong = "is below 0" if lengths[n] < 0 else f"passes the image's {plural(pixels, 'pixel')}"
        raise MaskError(f"{what}: number {n} is {brief(int(lengths[n]))}, which {wrong}")
    ends: Index = np.cumsum(lengths, dtype=np.int64)
    reached = int(ends[-1]) if len(ends) else 0
    if reached != pixels:
        raise MaskError(
            f"{what} add up to {plural(reached, 'pixel')}, an image of {shape[0]} x {shape[1]} has "
            f"{pixels:,}"
        )
    return ends


def as_image_size(value: Any, what: str) -> tuple[int, int]:
    """A size (height, width) that COCO can count.

    Raises
    ------
    MaskError
        A side is below 1, or there are more than 2**32 - 1 pixels.
    TypeError
        The size is not two integers.
    """
    height, width = as_size(value, what)
    if height * width > MOST_COUNTED:
        raise MaskError(
            f"{what} is {brief(height)} x {brief(width)}; COCO counts in 32 bits, up to "
            f"{MOST_COUNTED:,} pixels"
        )
    return height, width


def _canonical(ends: Index) -> Index:
    """The same mask without empty runs, except that a first run of background may be empty."""
    joined = np.empty_like(ends)
    return joined[: rle.join_runs(ends, joined)]
