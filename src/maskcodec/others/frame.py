"""Coordinate frames: the units and the axis order of an answer's numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Literal, TypeAlias

from maskcodec.errors import ConfigError, MaskError
from maskcodec.formats.instances.boxes import Axes
from maskcodec.masks.arrays import as_size
from maskcodec.messages import check_choice, sides

if TYPE_CHECKING:
    from collections.abc import Sequence

Kind: TypeAlias = Literal["pixels", "resized", "thousand", "unit"]

_SLACK = 1.01  # coordinates may be this many times the side
_FEW = 4  # fewest numbers that can show that all of them are small


@dataclass(frozen=True)
class Frame:
    """The units of an answer's coordinates, and whether x or y comes first.

    ``Frame.pixels`` counts pixels of the image, ``Frame.thousand`` thousandths of its sides,
    ``Frame.unit`` shares of its sides, 0 to 1, and ``Frame.resized(height, width)`` pixels of the
    image as the model saw it. ``frame.y_first`` is the same frame with y before x.

    Parameters
    ----------
    kind
        ``"pixels"``, ``"resized"``, ``"thousand"`` or ``"unit"``.
    axes
        ``"xy"`` or ``"yx"``.
    size
        (height, width) of a resized image.

    Examples
    --------
    >>> import maskcodec as mc
    >>> mc.Frame.thousand.scale((480, 640))
    (1000, 1000)
    >>> mc.Frame.resized(480, 640, max_pixels=200_704).size  # as Qwen2.5-VL sees it
    (364, 504)
    """

    kind: Kind
    axes: Axes = "xy"
    size: tuple[int, int] | None = None

    pixels: ClassVar[Frame]
    thousand: ClassVar[Frame]
    unit: ClassVar[Frame]

    def __post_init__(self) -> None:
        check_choice(self.kind, Kind, "frame")
        check_choice(self.axes, Axes, "axes")
        if (self.size is not None) != (self.kind == "resized"):
            raise ConfigError("a frame of a resized image has its size, no other one has", "size")
        if self.size is not None:
            object.__setattr__(self, "size", as_size(self.size, "size"))

    @classmethod
    def resized(
        cls,
        height: int,
        width: int,
        *,
        min_pixels: int | None = None,
        max_pixels: int | None = None,
        factor: int = 28,
    ) -> Frame:
        """Pixels of a resized image.

        Parameters
        ----------
        height, width
            The size of the resized image. With `min_pixels` or `max_pixels`, the size of the image
            itself, which is then resized as by Qwen's ``smart_resize``.
        min_pixels, max_pixels
            The fewest and the most pixels of the model's processor. If only one is given, the
            other is 3,136 or 12,845,056.
        factor
            Sides are multiples of it: 28 for Qwen2-VL and Qwen2.5-VL, 32 for Qwen3-VL.
        """
        if min_pixels is None and max_pixels is None:
            return cls("resized", size=(height, width))
        fewest, most = min_pixels or 56 * 56, max_pixels or 14 * 14 * 4 * 16384
        height, width = as_size((height, width), "size")
        tall, wide = (max(round(side / factor), 1) * factor for side in (height, width))
        if tall * wide > most:
            shrink = math.sqrt(height * width / most)
            tall, wide = (
                max(math.floor(side / shrink / factor), 1) * factor for side in (height, width)
            )
        elif tall * wide < fewest:
            grow = math.sqrt(fewest / (height * width))
            tall, wide = (math.ceil(side * grow / factor) * factor for side in (height, width))
        return cls("resized", size=(tall, wide))

    @property
    def y_first(self) -> Frame:
        """The same frame with y before x."""
        return replace(self, axes="yx")

    def scale(self, shape: tuple[int, int] | None) -> tuple[int, int]:
        """The sides of an image in units of this frame: (height, width).

        Raises
        ------
        MaskError
            The frame counts pixels, and `shape` is None.
        """
        if self.kind == "pixels":
            if shape is None:
                raise MaskError("coordinates are pixels: pass shape=(height, width) of the image")
            return as_size(shape, "shape")
        return self.size or {"thousand": (1000, 1000), "unit": (1, 1)}[self.kind]

    def doubt(self, points: Sequence[tuple[float, float]], shape: tuple[int, int] | None) -> str:
        """Why points (x, y) cannot belong to this frame, and their likely frame; "" if they can.

        `shape` is (height, width) of the image in pixels, or None.
        """
        if not points:
            return ""
        right, bottom = (max(point[k] for point in points) for k in (0, 1))
        height, width = self.scale(shape)
        reach = f"coordinates reach to x = {right:g} and y = {bottom:g}"
        if max(right, bottom) <= 1 and self.kind != "unit" and 2 * len(points) >= _FEW:
            return f"{reach}, which is next to nothing in {self._said}; they seem to be Frame.unit"
        if right <= width * _SLACK and bottom <= height * _SLACK:
            return ""
        beyond = f"{reach}, beyond the {self._said} of {sides((height, width))}, height x width"
        if right <= height * _SLACK and bottom <= width * _SLACK:
            first = "y" if self.axes == "xy" else "x"
            return f"{beyond}; {first} seems to come first"
        others = [(Frame.thousand, (1000, 1000))]
        if shape is not None:
            others.insert(0, (Frame.pixels, shape))
        for other, (tall, wide) in others:
            if other.kind != self.kind and right <= wide * _SLACK and bottom <= tall * _SLACK:
                return f"{beyond}; they seem to be Frame.{other.kind}"
        return f"{beyond}; they seem to be pixels of a resized image, Frame.resized(height, width)"

    @property
    def _said(self) -> str:
        return {
            "pixels": "pixels",
            "resized": "pixels of a resized image",
            "thousand": "thousandths",
            "unit": "shares",
        }[self.kind]


Frame.pixels, Frame.thousand, Frame.unit = Frame("pixels"), Frame("thousand"), Frame("unit")
