"""A decoded instance: a label, a box and its cells."""

from __future__ import annotations

import math
import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from maskcodec.errors import MaskError, Problem
from maskcodec.masks.arrays import as_bytes, as_painted_size, as_pixels, as_size
from maskcodec.masks.grid import Frame, Method, box_part, paint_cells
from maskcodec.masks.outlines import polygons_of
from maskcodec.masks.runs import RunMask, as_image_size, drawn_runs, written
from maskcodec.messages import check_choice, plural

if TYPE_CHECKING:
    from collections.abc import Iterable

    from maskcodec.masks.arrays import Mask
    from maskcodec.masks.grid import Part


@dataclass(frozen=True, slots=True, eq=False, repr=False, init=False)
class Region:
    """One instance: a label, a box and its cells. `Scanlines.decode` and `BSD.decode` return it.

    Two regions are equal if they have the same label, the same canvas and the same cells. A
    loose box makes no difference, unless ``frame="box"``.

    Parameters
    ----------
    label
        The name of the object. Empty only if ``recover`` found no label.
    box
        (x1, y1, x2, y2) in cells of the canvas, from 0; both corners are inside the box.
    cells
        (y2 - y1 + 1, x2 - x1 + 1), bool or integer: the box's cells; nonzero is set. With
        ``frame="box"``, any number of rows and columns: they divide the box.
    canvas
        (rows, columns) of the grid that covers the whole image. With ``frame="box"``, the bins of
        the image's height and width, in which boxes are measured.
    frame
        ``"canvas"``: cells belong to the grid. ``"box"``: cells divide the box.

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
    frame: Frame
    _rows: Mask  # the first rows of the box: `recover` leaves out missing rows at the end

    def __init__(
        self,
        label: str,
        box: tuple[int, int, int, int],
        cells: Any,
        canvas: tuple[int, int],
        *,
        frame: Frame = "canvas",
    ) -> None:
        check_choice(frame, Frame, "frame")
        if not isinstance(label, str):
            raise TypeError(f"label must be a str, got {label!r}")
        rows, columns = as_size(canvas, "canvas")
        try:
            x1, y1, x2, y2 = (operator.index(number) for number in box)
        except (TypeError, ValueError):
            raise TypeError(f"box must be four integers x1, y1, x2, y2, got {box!r}") from None
        if not (0 <= x1 <= x2 < columns and 0 <= y1 <= y2 < rows):
            raise MaskError(
                f"box {(x1, y1, x2, y2)} does not lie on a canvas of {plural(rows, 'row')} and "
                f"{plural(columns, 'column')}: 0 <= x1 <= x2 < columns and "
                "0 <= y1 <= y2 < rows, corners inside"
            )
        pixels = as_pixels(cells, "cells")
        if frame == "canvas" and pixels.shape != (y2 - y1 + 1, x2 - x1 + 1):
            raise MaskError(
                f"cells must have the box's shape {(y2 - y1 + 1, x2 - x1 + 1)}, got {pixels.shape}"
            )
        owned = np.not_equal(as_bytes(pixels), 0).view(np.uint8)
        _fill(self, label, (x1, y1, x2, y2), (rows, columns), frame, owned)

    @property
    def cells(self) -> Mask:
        """The box's cells: uint8 (rows, columns) of 0 and 1, read-only."""
        framed = self.frame == "box"
        missing = 0 if framed else self.box[3] - self.box[1] + 1 - len(self._rows)
        view = np.pad(self._rows, ((0, missing), (0, 0))) if missing else self._rows.view()
        view.flags.writeable = False
        return view

    def mask(
        self, shape: tuple[int, int], *, method: Method | None = None, out: Mask | None = None
    ) -> Mask:
        """The region as a mask of the whole image.

        Parameters
        ----------
        shape
            (height, width) in pixels, at most 2**20 a side.
        method
            ``"nearest"`` paints each cell as a rectangle, the inverse of sampling with Pillow's
            NEAREST. ``"smooth"`` interpolates between cell centres and cuts at one half.
            ``"contour"`` interpolates between rows where their runs begin and end. If
            ``"smooth"`` or ``"contour"`` sets no pixel, ``"nearest"`` paints the cells. The
            default is ``"nearest"`` with ``frame="canvas"``, as in the papers, and ``"contour"``
            with ``frame="box"``, where it is closest to the mask.
        out
            uint8 (height, width), C-contiguous and writable: filled and returned.

        Returns
        -------
        uint8 array (height, width) of 0 and 1.

        Raises
        ------
        MaskError
            The shape has a side below 1 or above 2**20, or `out` does not fit it.
        """
        size = as_painted_size(shape, "shape")
        corner, grid, within = self._place(size)
        return paint_cells(self._drawn(), corner, grid, size, self._method(method), out, within)

    def runs(self, shape: tuple[int, int], *, method: Method | None = None) -> RunMask:
        """The region as a mask of the whole image, stored as runs.

        It equals ``mask(shape, method=method)``. Only ``"smooth"`` paints the pixels. The other
        methods take time and memory for the runs alone, also in `coco_rle`, `bbox` and `area`.

        Parameters
        ----------
        shape
            (height, width) in pixels: at most 2**20 a side and 2**32 - 1 pixels.
        method
            As in `mask`, with the same default.

        Raises
        ------
        MaskError
            The shape has a side below 1 or above 2**20, or too many pixels.
        """
        size = as_image_size(shape, "shape")
        method = self._method(method)
        if method == "smooth":
            return RunMask.from_mask(self.mask(size, method=method))
        corner, grid, within = self._place(size)
        return drawn_runs(self._drawn(), corner, grid, size, within, method)

    def coco_rle(
        self, shape: tuple[int, int], *, method: Method | None = None, text: bool = False
    ) -> dict[str, Any]:
        """The region as COCO's compressed RLE, ``{"size": [height, width], "counts": bytes}``.

        Equal, byte for byte, to ``pycocotools.mask.encode`` of ``mask(shape, method=method)``.
        With ``text=True`` the counts are a str, for JSON.

        Examples
        --------
        >>> import maskcodec as mc
        >>> mc.Region("dog", (1, 0, 2, 1), [[1, 0], [1, 1]], canvas=(2, 4)).coco_rle((2, 4))
        {'size': [2, 4], 'counts': b'221O1'}
        >>> mc.Region("dog", (0, 0, 0, 0), [[1]], canvas=(1, 1)).coco_rle((2, 4), text=True)
        {'size': [2, 4], 'counts': '08'}
        """
        runs = self.runs(shape, method=method)
        return written(runs.shape, runs._ends, text=text)  # only the first may be empty

    def bbox(
        self, shape: tuple[int, int], *, method: Method | None = None
    ) -> tuple[int, int, int, int]:
        """The tight box around the region's pixels in COCO's order: (x, y, width, height).

        All four are 0 if no pixel is set. `box_pixels` returns the box of the text.
        """
        return self.runs(shape, method=method).bbox

    def polygons(
        self, shape: tuple[int, int], *, method: Method | None = None
    ) -> list[list[float]]:
        """The outlines of the region's pixels as COCO's polygons, ``[[x1, y1, x2, y2, ...], ...]``.

        They follow the edges of pixels; pycocotools draws exactly ``mask(shape, method=method)``
        from them. Each connected part is one polygon. A line of no width joins a hole to the
        polygon around it. The list is empty if no pixel is set.

        Examples
        --------
        >>> import maskcodec as mc
        >>> mc.Region("dog", (1, 0, 2, 1), [[1, 1], [1, 1]], canvas=(2, 4)).polygons((2, 4))
        [[1.0, 0.0, 3.0, 0.0, 3.0, 2.0, 1.0, 2.0]]
        """
        runs = self.runs(shape, method=method)
        x, y, width, height = runs.bbox
        mask = runs.mask()[y : y + height, x : x + width]
        return polygons_of(mask, (x, y)) if mask.size else []

    def area(self, shape: tuple[int, int], *, method: Method | None = None) -> int:
        """The number of pixels that the region sets in an image (height, width)."""
        return self.runs(shape, method=method).area

    def box_pixels(self, shape: tuple[int, int]) -> tuple[float, float, float, float]:
        """The box in pixels: (x1, y1, x2, y2), its edges, 0 .. width or height.

        The box covers the pixels from x1 to x2, without x2, so its width is ``x2 - x1``.
        Grounding metrics such as Acc@0.5 compare these boxes.

        Examples
        --------
        >>> import maskcodec as mc
        >>> mc.Region("dog", (1, 0, 2, 1), [[1, 0], [1, 1]], canvas=(2, 4)).box_pixels((480, 640))
        (160.0, 0.0, 480.0, 480.0)
        """
        height, width = as_size(shape, "shape")
        rows, columns = self.canvas
        x1, y1, x2, y2 = self.box
        if self.frame == "box":
            top, left, box_height, box_width = box_part(self.box, self.canvas, (height, width))
            return float(left), float(top), float(left + box_width), float(top + box_height)
        return (
            x1 * width / columns,
            y1 * height / rows,
            (x2 + 1) * width / columns,
            (y2 + 1) * height / rows,
        )

    def _drawn(self) -> Mask:
        """The drawn rows, or one empty row: the kernels need at least one."""
        if len(self._rows):
            return self._rows
        return np.zeros((1, self.box[2] - self.box[0] + 1), np.uint8)

    def _method(self, method: Method | None) -> Method:
        """The method given, or the default of the frame."""
        if method is None:
            return "contour" if self.frame == "box" else "nearest"
        check_choice(method, Method, "method")
        return method

    def _place(
        self, shape: tuple[int, int]
    ) -> tuple[tuple[int, int], tuple[int, int], Part | None]:
        """The cells' corner on a grid, the grid's size, and the part of the image it covers."""
        if self.frame == "box":
            return (0, 0), self._rows.shape, box_part(self.box, self.canvas, shape)
        return (self.box[1], self.box[0]), self.canvas, None

    def _key(self) -> tuple[Any, ...]:
        if self.frame == "box":
            return self.label, self.canvas, self.box, self._rows.shape, self._rows.tobytes()
        whole = np.zeros(self.canvas, np.uint8)
        x1, y1, x2, _ = self.box
        whole[y1 : y1 + len(self._rows), x1 : x2 + 1] = self._rows
        return self.label, self.canvas, whole.tobytes()

    def __eq__(self, other: object) -> bool:
        return self._key() == other._key() if isinstance(other, Region) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        rows, columns = self.canvas
        place = f"on {rows} x {columns} cells"
        if self.frame == "box":
            place = f"of {rows} x {columns} bins, {' x '.join(map(str, self._rows.shape))} cells"
        return f"<Region {self.label!r} box={self.box} {place}, {int(self._rows.sum())} set>"


class RecoveredRegions(NamedTuple):
    """The result of `Scanlines.recover` or `BSD.recover`.

    Attributes
    ----------
    regions
        Every instance that could be drawn, in the order of the text.
    problems
        All problems, in the order of the text. Empty if ``decode`` returns the same regions.
    """

    regions: list[Region]
    problems: list[Problem]


def drawn_region(
    label: str, box: tuple[int, int, int, int], canvas: tuple[int, int], frame: Frame, rows: Mask
) -> Region:
    """A region from checked parts; ``rows`` are its first rows, uint8 of 0 and 1, not copied."""
    region = object.__new__(Region)
    _fill(region, label, box, canvas, frame, rows)
    return region


def checked_scores(scores: Iterable[float] | None, count: int) -> list[float]:
    """The scores of regions, one finite number each; 1 for all if `scores` is None."""
    if scores is None:
        return [1.0] * count
    sure = [float(score) for score in scores]
    if len(sure) != count:
        raise MaskError(f"there must be a score for each region, got {count} and {len(sure)}")
    for i, score in enumerate(sure):
        if not math.isfinite(score):
            raise MaskError(f"scores must be finite numbers, got {score} at index {i}")
    return sure


# Setters for the slots of a frozen class: 0.25 us faster than object.__setattr__.
_set_label, _set_box, _set_canvas, _set_frame, _set_rows = (
    vars(Region)[slot].__set__ for slot in ("label", "box", "canvas", "frame", "_rows")
)


def _fill(
    region: Region,
    label: str,
    box: tuple[int, int, int, int],
    canvas: tuple[int, int],
    frame: Frame,
    rows: Mask,
) -> None:
    _set_label(region, label)
    _set_box(region, box)
    _set_canvas(region, canvas)
    _set_frame(region, frame)
    _set_rows(region, rows)
