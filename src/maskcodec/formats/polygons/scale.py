"""Where the numbers of a text lie on an image."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from maskcodec.masks.arrays import Index

    Places = npt.NDArray[np.float64]


class Scale(NamedTuple):
    """The numbers that a coordinate may have, and where they lie between two sides of an image.

    Attributes
    ----------
    size
        The numbers are 0 .. size - 1.
    steps
        How many of their steps there are from one side to the other.
    shift
        How many steps the first number lies behind the side.
    """

    size: int
    steps: int
    shift: float = 0.0

    def places(self, numbers: Index, side: int) -> Places:
        """Where numbers lie on a side of so many pixels: float64, 0 is the edge of the first."""
        return np.asarray((numbers + self.shift) * (side / self.steps), np.float64)

    def numbers(self, places: Places, side: int) -> Index:
        """The numbers that lie nearest, of two as near the larger one: int64."""
        nearest = np.floor(places * (self.steps / side) - self.shift + 0.5)
        return np.clip(nearest, 0, self.size - 1).astype(np.int64)


THOUSANDTHS = Scale(1001, 1000)
MIDDLES = Scale(1000, 1000, 0.5)


def edges(bins: int) -> Scale:
    """`bins` numbers, the first and the last of which are the sides of the image."""
    return Scale(bins, bins - 1)
