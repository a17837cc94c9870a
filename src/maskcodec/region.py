"""A decoded instance: a label, a box of cells on a canvas, and the cells that are set."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from maskcodec._arrays import as_bytes, as_pixels, as_size
from maskcodec.errors import MaskError, Problem
from maskcodec.grid import Method, check_choice, paint_cells
from maskcodec.runs import RunMask, as_image_size, drawn_runs, written

if TYPE_CHECKING:
    from maskcodec._arrays import Mask


@dataclass(frozen=True, slots=True, eq=False, repr=False, init=False)
class Region:
    """One instance on a canvas of cells, as `BSD.decode` returns it.

    Two regions are equal when they draw the same: the same label and the same cells of the
    same canvas. A box that is looser than it needs to be makes no difference.

    Parameters
    ----------
    label
        What the region shows. Empty only where `BSD.recover` found no label.
    box
        (x1, y1, x2, y2) in cells of the canvas, from 0, both corners inside the box.
    cells
        (y2 - y1 + 1, x2 - x1 + 1), bool or integer: the box's cells, not zero where set.
    canvas
        (rows, columns) of the grid that covers the whole image.

    Examples
    --------
    >>> import maskcodec as mc
    >>> region = mc.Region("dog", (1, 0, 2, 1), [[1, 0], [1, 1]], canvas=(2, 4))
    >>> region.mask((2, 4))
    array([[0, 1, 0, 0],
           [0, 1, 1, 0]], dtype=uint8)
    """

    label: str
    box: tuple[int, int, int, int]
    canvas: tuple[int, int]
    _rows: Mask  # the rows that were drawn: `recover` leaves out those missing at the end

    def __init__(
        self, label: str, box: tuple[int, int, int, int], cells: Any, canvas: tuple[int, int]
    ) -> None:
        if not isinstance(label, str):
            raise TypeError(f"label must be a str, got {label!r}")
        rows, columns = as_size(canvas, "canvas")
        try:
            x1, y1, x2, y2 = (operator.index(number) for number in box)
        except (TypeError, ValueError):
            raise TypeError(f"box must be four integers x1, y1, x2, y2, got {box!r}") from None
        if not (0 <= x1 <= x2 < columns and 0 <= y1 <= y2 < rows):
            raise MaskError(
                f"box {(x1, y1, x2, y2)} does not lie on a canvas of {rows} rows and {columns} "
                "columns: 0 <= x1 <= x2 < columns and 0 <= y1 <= y2 < rows, corners inside"
            )
        pixels = as_pixels(cells, "cells")
        if pixels.shape != (y2 - y1 + 1, x2 - x1 + 1):
            raise MaskError(
                f"cells must have the box's shape {(y2 - y1 + 1, x2 - x1 + 1)}, got {pixels.shape}"
            )
        owned = np.not_equal(as_bytes(pixels), 0).view(np.uint8)
        _fill(self, label, (x1, y1, x2, y2), (rows, columns), owned)

    @property
    def cells(self) -> Mask:
        """The box's cells: uint8 (rows, columns) of 0 and 1, read-only; copy it to change it."""
        missing = self.box[3] - self.box[1] + 1 - len(self._rows)
        view = np.pad(self._rows, ((0, missing), (0, 0))) if missing else self._rows.view()
        view.flags.writeable = False
        return view

    def mask(
        self, shape: tuple[int, int], *, method: Method = "nearest", out: Mask | None = None
    ) -> Mask:
        """The region as a mask of the whole image.

        Parameters
        ----------
        shape
            (height, width) in pixels, any size.
        method
            ``"nearest"`` paints each cell as a rectangle, the inverse of sampling with Pillow's
            NEAREST; ``"smooth"`` interpolates between cell centres and cuts at one half.
        out
            uint8 (height, width), C-contiguous and writable: written to, and returned.

        Returns
        -------
        uint8 array (height, width) of 0 and 1.

        Raises
        ------
        MaskError
            The shape has a side below 1, or `out` does not fit it.
        """
        x1, y1, _, _ = self.box
        return paint_cells(self._drawn(), (y1, x1), self.canvas, shape, method, out)

    def runs(self, shape: tuple[int, int], *, method: Method = "nearest") -> RunMask:
        """The region as a mask of the whole image that is not painted, but for ``"smooth"``.

        Its ``area``, ``bbox`` and ``rle()`` are those of ``mask(shape, method=method)``.

        Parameters
        ----------
        shape
            (height, width) in pixels, at most 2**32 - 1 of them.
        method
            ``"nearest"`` or ``"smooth"``, as `mask` has it.

        Raises
        ------
        MaskError
            The shape has a side below 1 or above 2**20, or too many pixels.
        """
        size = as_image_size(shape, "shape")
        if method != "nearest":
            check_choice(method, Method, "method")
            return RunMask.from_mask(self.mask(size, method=method))
        x1, y1, _, _ = self.box
        return drawn_runs(self._drawn(), (y1, x1), self.canvas, size)

    def coco_rle(self, shape: tuple[int, int], *, method: Method = "nearest") -> dict[str, Any]:
        """The region as COCO's compressed RLE, ``{"size": [height, width], "counts": bytes}``.

        Byte for byte ``pycocotools.mask.encode`` of ``mask(shape, method=method)``.

        Examples
        --------
        >>> import maskcodec as mc
        >>> mc.Region("dog", (1, 0, 2, 1), [[1, 0], [1, 1]], canvas=(2, 4)).coco_rle((2, 4))
        {'size': [2, 4], 'counts': b'221O1'}
        """
        runs = self.runs(shape, method=method)
        return written(runs.shape, runs._ends)  # as they come, none is empty

    def bbox(
        self, shape: tuple[int, int], *, method: Method = "nearest"
    ) -> tuple[int, int, int, int]:
        """The tight box around the region's pixels as COCO has it: (x, y, width, height).

        Four times 0 where none is set. `box_in` is the box that the text names.
        """
        return self.runs(shape, method=method).bbox

    def area(self, shape: tuple[int, int], *, method: Method = "nearest") -> int:
        """How many pixels of an image (height, width) the region has."""
        return self.runs(shape, method=method).area

    def box_in(self, shape: tuple[int, int]) -> tuple[float, float, float, float]:
        """The box in pixels: (x1, y1, x2, y2), edges rather than pixels, 0 .. width or height.

        The box covers the pixels from x1 up to and without x2, so its width is ``x2 - x1``; this
        is what grounding metrics such as Acc@0.5 compare.

        Examples
        --------
        >>> import maskcodec as mc
        >>> mc.Region("dog", (1, 0, 2, 1), [[1, 0], [1, 1]], canvas=(2, 4)).box_in((480, 640))
        (160.0, 0.0, 480.0, 480.0)
        """
        height, width = as_size(shape, "shape")
        rows, columns = self.canvas
        x1, y1, x2, y2 = self.box
        return (
            x1 * width / columns,
            y1 * height / rows,
            (x2 + 1) * width / columns,
            (y2 + 1) * height / rows,
        )

    def _drawn(self) -> Mask:
        """The rows that were drawn, of which a kernel needs at least one."""
        if len(self._rows):
            return self._rows
        return np.zeros((1, self.box[2] - self.box[0] + 1), np.uint8)

    def _key(self) -> tuple[str, tuple[int, int], bytes]:
        canvas = np.zeros(self.canvas, np.uint8)
        x1, y1, x2, _ = self.box
        canvas[y1 : y1 + len(self._rows), x1 : x2 + 1] = self._rows
        return self.label, self.canvas, canvas.tobytes()

    def __eq__(self, other: object) -> bool:
        return self._key() == other._key() if isinstance(other, Region) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        return (
            f"<Region {self.label!r} box={self.box} on {self.canvas[0]} x {self.canvas[1]} cells, "
            f"{int(self._rows.sum())} set>"
        )


class RecoveredRegions(NamedTuple):
    """What `BSD.recover` made of a text.

    Attributes
    ----------
    regions
        Every instance that could be drawn, in the order of the text.
    problems
        Everything that was wrong, in the order of the text; empty when `BSD.decode` would have
        returned the same regions.
    """

    regions: list[Region]
    problems: list[Problem]


def drawn_region(
    label: str, box: tuple[int, int, int, int], canvas: tuple[int, int], rows: Mask
) -> Region:
    """A region from what a reader drew and checked: its first rows, uint8 of 0 and 1, owned."""
    region = object.__new__(Region)
    _fill(region, label, box, canvas, rows)
    return region


# The slots of a frozen class, a quarter of a microsecond faster than object.__setattr__.
_set_label, _set_box, _set_canvas, _set_rows = (
    vars(Region)[slot].__set__ for slot in ("label", "box", "canvas", "_rows")
)


def _fill(
    region: Region, label: str, box: tuple[int, int, int, int], canvas: tuple[int, int], rows: Mask
) -> None:
    _set_label(region, label)
    _set_box(region, box)
    _set_canvas(region, canvas)
    _set_rows(region, rows)
