"""Regions that no codec writes: boxes alone, maps of boxes, and run lengths."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from maskcodec.errors import MaskError
from maskcodec.masks.arrays import as_out, as_painted_size, as_size
from maskcodec.masks.grid import sample_mask
from maskcodec.masks.runs import RunMask, as_image_size
from maskcodec.text.regions import Region

if TYPE_CHECKING:
    import numpy.typing as npt

    from maskcodec.masks.arrays import Mask
    from maskcodec.masks.grid import Method

_CANVAS = 1000  # cells a side of the canvas of `box`
_CUT = 127  # values of a map above this are set


@dataclass(frozen=True, slots=True, eq=False, repr=False, init=False)
class BoxRegion(Region):
    """An object with a box and no mask; or a point, which is a box of size 0.

    `cells`, `mask`, `runs`, and methods that use them, raise `MaskError`.

    Parameters
    ----------
    label
        The object's label, or "".
    place
        (x1, y1, x2, y2) in shares of the image's width and height; limited to 0 .. 1.
    """

    place: tuple[float, float, float, float]

    def __init__(self, label: str, place: tuple[float, float, float, float]) -> None:
        x1, y1, x2, y2 = (min(max(float(n), 0.0), 1.0) for n in place)
        _settle(self, label, (x1, y1, x2, y2))
        object.__setattr__(self, "place", (x1, y1, x2, y2))

    @property
    def is_point(self) -> bool:
        """Whether the box has size 0."""
        return self.place[:2] == self.place[2:]

    @property
    def cells(self) -> Mask:
        """Raise `MaskError`: a box has no mask."""
        self._refused()

    def runs(self, shape: tuple[int, int], *, method: Method | None = None) -> RunMask:  # noqa: ARG002
        """Raise `MaskError`: a box has no mask."""
        self._refused()

    def mask(
        self,
        shape: tuple[int, int],  # noqa: ARG002
        *,
        method: Method | None = None,  # noqa: ARG002
        out: Mask | None = None,  # noqa: ARG002
    ) -> Mask:
        """Raise `MaskError`: a box has no mask."""
        self._refused()

    def box_pixels(self, shape: tuple[int, int]) -> tuple[float, float, float, float]:
        """The box on an image of (height, width): (x1, y1, x2, y2), edges in pixels."""
        height, width = as_size(shape, "shape")
        x1, y1, x2, y2 = self.place
        return x1 * width, y1 * height, x2 * width, y2 * height

    def _refused(self) -> NoReturn:
        raise MaskError(
            f"{self!r} has no mask: the answer says where it is, not what its pixels are; use its "
            "box_pixels(shape), or a refiner that takes boxes"
        )

    def _key(self) -> tuple[Any, ...]:
        return self.label, self.place

    def __repr__(self) -> str:
        x1, y1, x2, y2 = self.place
        corner = "" if self.is_point else f" to {x2:.3f}, {y2:.3f}"
        kind = "point" if self.is_point else "box"
        return f"<BoxRegion {self.label!r}, a {kind} at {x1:.3f}, {y1:.3f}{corner}>"


@dataclass(frozen=True, slots=True, eq=False, repr=False, init=False)
class MapRegion(Region):
    """A box with a map of the model's confidence, as Gemini 2.5 writes them.

    To paint it, the map is scaled bilinearly to the box's pixels; values above 127 are set.

    Parameters
    ----------
    label
        The object's label, or "".
    place
        (x1, y1, x2, y2) in shares of the image's width and height; limited to 0 .. 1.
    values
        uint8 (rows, columns), owned by the region: the confidence, 0 .. 255.
    """

    place: tuple[float, float, float, float]
    values: npt.NDArray[np.uint8]

    def __init__(
        self, label: str, place: tuple[float, float, float, float], values: npt.NDArray[np.uint8]
    ) -> None:
        x1, y1, x2, y2 = (min(max(float(n), 0.0), 1.0) for n in place)
        _settle(self, label, (x1, y1, x2, y2))
        object.__setattr__(self, "place", (x1, y1, x2, y2))
        object.__setattr__(self, "values", values)

    @property
    def cells(self) -> Mask:
        """The values above 127: uint8 (rows, columns) of 0 and 1."""
        return (self.values > _CUT).astype(np.uint8)

    def runs(self, shape: tuple[int, int], *, method: Method | None = None) -> RunMask:
        """The region as run lengths of the whole image."""
        return RunMask.from_mask(self.mask(shape, method=method))

    def mask(
        self,
        shape: tuple[int, int],
        *,
        method: Method | None = None,  # noqa: ARG002
        out: Mask | None = None,
    ) -> Mask:
        """The region as a mask of the whole image: uint8 (height, width) of 0 and 1."""
        from PIL import Image

        height, width = size = as_painted_size(shape, "shape")
        painted = as_out(out, size)
        painted[:] = 0
        x1, y1, x2, y2 = self.box_pixels(size)
        left, top = min(int(x1), width - 1), min(int(y1), height - 1)
        right, bottom = max(int(x2), left + 1), max(int(y2), top + 1)
        image = Image.fromarray(self.values)
        scaled = image.resize((right - left, bottom - top), Image.Resampling.BILINEAR)
        painted[top:bottom, left:right] = np.asarray(scaled) > _CUT
        return painted

    def box_pixels(self, shape: tuple[int, int]) -> tuple[float, float, float, float]:
        """The box on an image of (height, width): (x1, y1, x2, y2), edges in pixels."""
        return BoxRegion(self.label, self.place).box_pixels(shape)

    def _key(self) -> tuple[Any, ...]:
        return self.label, self.place, self.values.shape, self.values.tobytes()

    def __repr__(self) -> str:
        rows, columns = self.values.shape
        return f"<MapRegion {self.label!r} of {rows} x {columns} values>"


@dataclass(frozen=True, slots=True, eq=False, repr=False, init=False)
class RunsRegion(Region):
    """A mask in COCO's run lengths.

    On an image of another size, each pixel takes the nearest pixel of the mask.

    Parameters
    ----------
    label
        The object's label, or "".
    own
        The mask.
    """

    own: RunMask

    def __init__(self, label: str, own: RunMask) -> None:
        (height, width), (x, y, wide, tall) = own.shape, own.bbox
        place = x / width, y / height, (x + wide) / width, (y + tall) / height
        _settle(self, label, place)
        object.__setattr__(self, "own", own)

    @property
    def cells(self) -> Mask:
        """The cells of the canvas in the box: uint8 (rows, columns) of 0 and 1."""
        x1, y1, x2, y2 = self.box
        return self.mask(self.canvas)[y1 : y2 + 1, x1 : x2 + 1]

    def runs(self, shape: tuple[int, int], *, method: Method | None = None) -> RunMask:  # noqa: ARG002
        """The region as run lengths of the whole image."""
        size = as_image_size(shape, "shape")
        return (
            self.own
            if size == self.own.shape
            else RunMask.from_mask(sample_mask(self.own, size, "nearest"))
        )

    def mask(
        self, shape: tuple[int, int], *, method: Method | None = None, out: Mask | None = None
    ) -> Mask:
        """The region as a mask of the whole image: uint8 (height, width) of 0 and 1."""
        size = as_painted_size(shape, "shape")
        return self.runs(size, method=method).mask(out=as_out(out, size))

    def box_pixels(self, shape: tuple[int, int]) -> tuple[float, float, float, float]:
        """The box on an image of (height, width): (x1, y1, x2, y2), edges in pixels."""
        x, y, wide, tall = self.runs(shape).bbox
        return float(x), float(y), float(x + wide), float(y + tall)

    def _key(self) -> tuple[Any, ...]:
        return self.label, self.own

    def __repr__(self) -> str:
        return f"<RunsRegion {self.label!r} of {self.own!r}>"


def _settle(region: Region, label: str, place: tuple[float, float, float, float]) -> None:
    """Set a region's label, and its box on a canvas of 1,000 x 1,000 cells."""
    x1, y1, x2, y2 = place
    left, top = (min(int(n * _CANVAS), _CANVAS - 1) for n in (x1, y1))
    right, bottom = (
        min(max(int(np.ceil(n * _CANVAS)) - 1, low), _CANVAS - 1)
        for n, low in ((x2, left), (y2, top))
    )
    values = label, (left, top, right, bottom), (_CANVAS, _CANVAS), "canvas", np.empty((0, 0))
    for name, value in zip(("label", "box", "canvas", "frame", "_rows"), values, strict=True):
        object.__setattr__(region, name, value)
