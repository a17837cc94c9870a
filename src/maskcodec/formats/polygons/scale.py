"""The values of a coordinate, and their places on an image."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from maskcodec.masks.arrays import Index

    Places = npt.NDArray[np.float64]


class Scale(NamedTuple):
    """The values of a coordinate, and their places between two sides of an image.

    Attributes
    ----------
    size
        The values are 0 .. size - 1.
    steps
        How many steps between neighbouring values lead from one side to the other.
    shift
        The distance from the first side to value 0, in steps.
    """

    size: int
    steps: int
    shift: float = 0.0

    def places(self, numbers: Index, side: int) -> Places:
        """The places of numbers on a side of `side` pixels: float64, 0 is the first edge."""
        return np.asarray((numbers + self.shift) * (side / self.steps), np.float64)

    def numbers(self, places: Places, side: int) -> Index:
        """The nearest numbers to places, int64; the larger of two equally near ones."""
        nearest = np.floor(places * (self.steps / side) - self.shift + 0.5)
        return np.clip(nearest, 0, self.size - 1).astype(np.int64)


THOUSANDTHS = Scale(1001, 1000)
MIDDLES = Scale(1000, 1000, 0.5)


def edges(bins: int) -> Scale:
    """A scale of `bins` numbers; the first and the last are the sides of the image."""
    return Scale(bins, bins - 1)
