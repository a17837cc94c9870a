"""A decoded polygon: a label and rings of vertices, painted by COCO's rules."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from maskcodec.errors import MaskError
from maskcodec.formats.polygons.rings import Ring, canonical, is_flat
from maskcodec.formats.polygons.scale import Scale
from maskcodec.masks.arrays import as_out, as_painted_size, as_size
from maskcodec.masks.polygons import MOST_OUTLINE, checked_polygons
from maskcodec.masks.runs import RunMask, as_image_size, odd
from maskcodec.masks.segmentations import drawn_polygons
from maskcodec.messages import brief, plural
from maskcodec.text.regions import Region

if TYPE_CHECKING:
    from collections.abc import Iterable

    from maskcodec.masks.arrays import Mask
    from maskcodec.masks.grid import Method


@dataclass(frozen=True, slots=True, eq=False, repr=False, init=False)
class PolygonRegion(Region):
    """One instance, as `Polygons.decode` returns it.

    A pixel is set if it is inside an odd number of rings. pycocotools draws each ring, as COCO
    does. So a ring inside another is a hole, an overlap of two rings is not set, and a ring that
    crosses itself has holes as well. Two regions are equal if they have the same label, scale and
    rings.

    The other attributes of a `Region` come from the rings: `canvas` has a cell for each number of
    the scale, `cells` are the cells that the rings enclose, `box` is the box around them. `method`
    has no effect: there is one way to paint a polygon.

    Parameters
    ----------
    label
        The region's label. Empty if the text has none.
    rings
        At least one. Each has at least three vertices (x, y) that are not all on one line. The
        direction of a ring, its first vertex and the order of rings have no meaning: the region
        keeps them as the encoder writes them.
    scale
        The values of a coordinate and their places, (size, steps, shift): ``(1000, 999, 0)`` is
        0 .. 999 in 999 steps from one side of the image to the other, the first number shifted
        by 0 steps.

    Examples
    --------
    >>> import maskcodec as mc
    >>> region = mc.PolygonRegion("dog", [[(1, 0), (4, 0), (4, 2), (1, 2)]], (5, 4, 0))
    >>> region.mask((4, 4))
    array([[0, 1, 1, 1],
           [0, 1, 1, 1],
           [0, 0, 0, 0],
           [0, 0, 0, 0]], dtype=uint8)
    """

    rings: tuple[Ring, ...]
    scale: Scale

    def __init__(
        self,
        label: str,
        rings: Iterable[Iterable[tuple[int, int]]],
        scale: tuple[int, int, float] | Scale,
    ) -> None:
        if not isinstance(label, str):
            raise TypeError(f"label must be a str, got {label!r}")
        try:
            count, steps, shift = scale
            numbers = Scale(operator.index(count), operator.index(steps), float(shift))
            found = [
                [(operator.index(x), operator.index(y)) for x, y in ring] for ring in list(rings)
            ]
        except (TypeError, ValueError):
            raise TypeError(
                "a polygon is rings of pairs of integers, and a scale of two integers and a "
                f"number, got {brief(rings)} and {brief(scale)}"
            ) from None
        if not (numbers.size > 0 < numbers.steps and 0 <= numbers.shift <= 1):
            raise MaskError(f"scale must be above 0, its shift 0 .. 1, got {brief(scale)}")
        if not found:
            raise MaskError("a polygon has at least one ring, got none")
        for ring in found:
            if len(ring) < 3 or is_flat(ring):
                raise MaskError(
                    "a ring has at least three vertices that are not on one line, got "
                    f"{brief(ring)}"
                )
            for point in ring:
                if not all(0 <= number < numbers.size for number in point):
                    raise MaskError(
                        f"a vertex is two numbers, 0 .. {numbers.size - 1}, got {brief(point)}"
                    )
        _fill(self, label, canonical(found), numbers)

    @property
    def cells(self) -> Mask:
        """The cells of the canvas in the box: uint8 (rows, columns) of 0 and 1, read-only."""
        x1, y1, x2, y2 = self.box
        view = self.mask(self.canvas)[y1 : y2 + 1, x1 : x2 + 1]
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
            No effect: a polygon has no cells.
        out
            uint8 (height, width), C-contiguous and writable: filled and returned.

        Returns
        -------
        uint8 array (height, width) of 0 and 1.

        Raises
        ------
        MaskError
            A side is below 1, the shape has more pixels than pycocotools can draw on, or `out` does
            not fit the shape.
        ModuleNotFoundError
            pycocotools is not installed.
        """
        size = as_painted_size(shape, "shape")
        return self.runs(size, method=method).mask(out=as_out(out, size))

    def runs(self, shape: tuple[int, int], *, method: Method | None = None) -> RunMask:
        """The region as run lengths of the whole image, without an array of its pixels.

        Parameters and errors are as in `mask`.
        """
        size = as_image_size(shape, "shape")
        self._method(method)
        found = []
        # pycocotools takes memory for each pixel of an outline, so a long ring is drawn as a fan of
        # pieces. A pixel is set if an odd number of pieces has it: the line between two pieces is
        # drawn twice and cancels.
        most = MOST_OUTLINE // (4 * max(size)) + 1
        for ring in self.pixels(size):
            for at in range(2, len(ring) - 2, 2 * most):
                piece = [*ring[:2], *ring[at : at + 2 * most + 2]]
                found += drawn_polygons(checked_polygons([piece], size, "the region"), size, "it")
        return odd(found, size)

    def pixels(self, shape: tuple[int, int]) -> list[list[float]]:
        """The rings on an image of (height, width), each [x1, y1, x2, y2, ...] in pixels.

        Unlike `polygons`, these are the vertices of the text, and holes are included.
        """
        height, width = as_size(shape, "shape")
        found = []
        for ring in self.rings:
            numbers = np.array(ring, np.int64)
            x, y = (
                self.scale.places(numbers[:, k], side) for k, side in enumerate((width, height))
            )
            found.append(np.stack([x, y], axis=1).ravel().tolist())
        return found

    def box_pixels(self, shape: tuple[int, int]) -> tuple[float, float, float, float]:
        """The box around all vertices: (x1, y1, x2, y2), places in pixels, not pixel indices."""
        rings = self.pixels(shape)
        xs, ys = ([n for ring in rings for n in ring[k::2]] for k in (0, 1))
        return min(xs), min(ys), max(xs), max(ys)

    def _key(self) -> tuple[Any, ...]:
        return self.label, self.scale, self.rings

    def __repr__(self) -> str:
        vertices = sum(map(len, self.rings))
        rings = plural(len(self.rings), "ring")
        return f"<PolygonRegion {self.label!r} of {rings}, {vertices} vertices>"


def read_region(label: str, rings: Iterable[Ring], scale: Scale) -> PolygonRegion:
    """A region from rings that a reader has checked."""
    region = object.__new__(PolygonRegion)
    _fill(region, label, canonical(rings), scale)
    return region


def _fill(region: PolygonRegion, label: str, rings: tuple[Ring, ...], scale: Scale) -> None:
    points = np.array([point for ring in rings for point in ring], np.int64)
    # The box of the cells whose middles may be inside: edges become cells as they become pixels.
    low, high = (scale.places(ends, scale.size) for ends in (points.min(0), points.max(0)))
    last = scale.size - 1
    x1, y1 = np.minimum(np.floor(low), last).astype(int).tolist()
    x2, y2 = np.clip(np.ceil(high) - 1, [x1, y1], last).astype(int).tolist()
    values = label, (x1, y1, x2, y2), (scale.size, scale.size), "canvas", np.empty((0, 0)), rings
    names = "label", "box", "canvas", "frame", "_rows", "rings"
    for name, value in zip(names, values, strict=True):
        object.__setattr__(region, name, value)
    object.__setattr__(region, "scale", scale)
