"""Collect the rings of an instance while it is read, in any spelling."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maskcodec.formats.polygons.rings import alike, is_flat

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maskcodec.formats.polygons.rings import Ring
    from maskcodec.text.problems import Reading


class Rings:
    """Takes the numbers of rings one after another, and reports problems.

    Parameters
    ----------
    reading
        The problems are reported to it.
    last
        The largest value of a coordinate.
    """

    def __init__(self, reading: Reading, last: int) -> None:
        self._reading, self._last = reading, last
        self._found: dict[Ring, Ring] = {}

    @property
    def found(self) -> list[Ring]:
        """The rings that enclose an area, each once."""
        return list(self._found.values())

    def number(self, number: int, at: int, written: str) -> int:
        """A coordinate, moved to the nearest side of the image if it is outside."""
        if not 0 <= number <= self._last:
            message = f"a coordinate is 0 .. {self._last}, got {written[:40]}"
            action = "moved it to the side of the image"
            self._reading.report(at, "number-range", message, action)
        return min(max(number, 0), self._last)

    def add(self, numbers: Sequence[int], at: int, *, cut: bool) -> None:
        """Take a ring, x and y of each vertex in turn.

        If the text cuts the ring, its missing numbers are no problem.
        """
        ring = tuple(zip(numbers[::2], numbers[1::2], strict=False))
        flat = len(ring) < 3 or is_flat(ring)
        report = self._reading.report
        if len(numbers) % 2 and not cut:
            message = "a ring is pairs of x and y, got an odd number of coordinates"
            report(at, "odd-number", message, "dropped the last one")
        if len(ring) < 3 and not cut:
            message = f"a ring has at least three vertices, got {len(ring)}"
            report(at, "few-vertices", message, "left this ring out")
        elif flat and not cut:
            message = "all vertices of a ring are on one line, so that nothing is inside"
            report(at, "flat-ring", message, "left this ring out")
        if flat:
            return
        key = alike(ring)
        if key in self._found:
            message = "the same ring comes twice, so that nothing is inside"
            report(at, "ring-twice", message, "drew it once")
        self._found.setdefault(key, ring)
