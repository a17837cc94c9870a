"""Write and read the box of an instance, as digits or as location tokens."""

from __future__ import annotations

import operator
import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal, TypeAlias

from maskcodec.errors import ConfigError, MaskError
from maskcodec.messages import brief, plural

if TYPE_CHECKING:
    from typing import Any

Axes: TypeAlias = Literal["xy", "yx"]
Box: TypeAlias = tuple[int, int, int, int]
Fault: TypeAlias = tuple[str, str, str]  # the reason, the message, what was done about it

_DIGITS = re.compile(r" *\[ *\[ *([0-9]+) +([0-9]+) +([0-9]+) +([0-9]+) *\] *\] *")
_ANY_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")
_NUMBERS_LAST = re.compile(r"[\[(]*\s*" + r"[, ]+".join([_ANY_NUMBER.pattern] * 4) + r"[\s\])]*\Z")
_LONGEST_LAST = 200  # characters of a box at the end of a text
_LOCATION = re.compile(r"([^{}]*)\{(?::0([2-9]))?\}([^{}]*)")
_HUGE = 10**9  # replaces any longer number, since `int` takes quadratic time


@dataclass(frozen=True)
class Location:
    """The spelling of a location token: ``<loc{}>``, or ``<loc{:04}>`` with leading zeros."""

    spelling: str

    @cached_property
    def parts(self) -> tuple[str, int, str]:
        """The text before the number, its fewest digits, and the text behind it."""
        match = _LOCATION.fullmatch(self.spelling)
        if not match or not match[1] or match[1][-1].isdecimal() or match[3][:1].isdecimal():
            raise ConfigError(
                "location must be some text, one {} or {:04} for the number, and no digit beside "
                f"it, such as '<loc{{}}>', got {brief(self.spelling)}",
                "location",
            )
        return match[1], int(match[2] or 1), match[3]

    @cached_property
    def pattern(self) -> str:
        """A regular expression for any location token, with its number as a group."""
        before, _, behind = self.parts
        return f"{re.escape(before)}([0-9]+){re.escape(behind)}"

    def word(self, number: int) -> str:
        """The token for a number."""
        before, digits, behind = self.parts
        return f"{before}{number:0{digits}}{behind}"


@dataclass(frozen=True)
class Boxes:
    """The boxes of a format.

    Attributes
    ----------
    rows, columns
        The ranges of y and x: cells of the canvas, or bins of the image's height and width.
    ordered
        Whether the first corner must be the upper left one; otherwise any opposite corners do.
    axes
        The order of the numbers in the text: x before y, or y before x.
    location
        The spelling of location tokens; None for digits.
    """

    rows: int
    columns: int
    ordered: bool = True
    axes: Axes = "xy"
    location: Location | None = None

    @cached_property
    def sample(self) -> str:
        """The text of a box of zeros, without its tags."""
        return self.text((0, 0, 0, 0))

    def text(self, box: tuple[int, ...]) -> str:
        """The text of a box, without its tags."""
        numbers = self.turned(box)
        if self.location is not None:
            return "".join(map(self.location.word, numbers))
        return f"[[{' '.join(map(str, numbers))}]]"

    def plain(self, content: str) -> Box | None:
        """Read the text between the tags of a box; None if it has a fault. Spaces do not matter."""
        match = self._shape.fullmatch(content)
        numbers = [] if match is None else [self._exact(digits) for digits in match.groups()]
        if len(numbers) != 4 or None in numbers:
            return None
        x1, y1, x2, y2 = self.sorted(self.turned(tuple(n or 0 for n in numbers)))
        inside = x1 <= x2 < self.columns and y1 <= y2 < self.rows
        return (x1, y1, x2, y2) if inside else None

    def repaired(self, content: str) -> tuple[Box | None, list[Fault]]:
        """Read any text as a box; return the box, or None, and the faults."""
        box = self.plain(content)
        if box is not None:
            return box, []
        faults: list[Fault] = []
        message = f"a box is {self._described}, got {content[:80]!r}"
        match = self._shape.fullmatch(content)
        numbers = match.groups() if match else self._any_numbers(content)
        parts = any("." in number for number in numbers)  # fractions of the image's sides
        if len(numbers) != 4 or (parts and all(nearest_number(number) <= 1 for number in numbers)):
            return None, [("bad-box", message, "left this instance out")]
        if not match or any(self._exact(digits) is None for digits in numbers):
            faults.append(("bad-box", message, "took its four numbers"))
        x1, y1, x2, y2 = self.sorted(self.turned(tuple(map(nearest_number, numbers))))
        if x1 > x2 or y1 > y2:
            order = f"a box has x1 <= x2 and y1 <= y2, got {content[:80]!r}"
            faults.append(("box-order", order, "swapped its corners"))
            x1, x2, y1, y2 = min(x1, x2), max(x1, x2), min(y1, y2), max(y1, y2)
        if x1 < 0 or y1 < 0 or x2 >= self.columns or y2 >= self.rows:
            outside = x2 < 0 or y2 < 0 or x1 >= self.columns or y1 >= self.rows
            action = "left this instance out" if outside else "cut it to the canvas"
            faults.append(("box-range", message, action))
            if outside:
                return None, faults
            x1, y1 = max(x1, 0), max(y1, 0)
            x2, y2 = min(x2, self.columns - 1), min(y2, self.rows - 1)
        return (x1, y1, x2, y2), faults

    def parted(self, text: str) -> tuple[str, str]:
        """The label and the box at the end of a text without tags; "" for no box."""
        pattern = _NUMBERS_LAST if self.location is None else self._locations_last
        match = pattern.search(text[-_LONGEST_LAST:])
        place = match.group() if match else ""
        before = text[: len(text) - len(place)].rstrip()
        return before.rpartition("\n")[2].strip(), place.strip()

    def may_become(self, content: str, closing: str) -> bool:
        """Whether a text could be the beginning of a box and its closing tag."""
        sample = self.sample
        ends = (sample[i:] for i in range(len(sample) + 1))
        cuts = (n for n in range(1, len(closing)) if content.endswith(closing[:n]))
        wholes = [*(content + end for end in ends), *(content[:-n] for n in cuts)]
        return any(map(self._shape.fullmatch, wholes))

    def checked(self, box: Any) -> Box:
        """Check a box that a caller gives.

        Raises
        ------
        MaskError
            The box does not lie on the canvas.
        TypeError
            The box is not four integers.
        """
        try:
            x1, y1, x2, y2 = (operator.index(number) for number in box)
        except (TypeError, ValueError):
            raise TypeError(f"box must be four integers x1, y1, x2, y2, got {box!r}") from None
        if 0 <= x1 <= x2 < self.columns and 0 <= y1 <= y2 < self.rows:
            return x1, y1, x2, y2
        raise MaskError(
            f"box {(x1, y1, x2, y2)} does not lie on a canvas of {plural(self.rows, 'row')} and "
            f"{plural(self.columns, 'column')}: 0 <= x1 <= x2 < columns and 0 <= y1 <= y2 < rows, "
            "corners inside"
        )

    @cached_property
    def _described(self) -> str:
        if self.location is not None:
            first, last = map(self.location.word, (0, self.columns - 1))
            return f"four location tokens, {first} .. {last}"
        ranges = f"x 0 .. {self.columns - 1} and y 0 .. {self.rows - 1}"
        return f"[[x1 y1 x2 y2]], {ranges} without leading zeros"

    @cached_property
    def _locations_last(self) -> re.Pattern[str]:
        assert self.location is not None
        return re.compile(" *".join([self.location.pattern] * 4) + r"\s*\Z")

    @cached_property
    def _shape(self) -> re.Pattern[str]:
        if self.location is None:
            return _DIGITS
        return re.compile(" *" + " *".join([self.location.pattern] * 4) + " *")

    def _any_numbers(self, content: str) -> list[str]:
        """All numbers of a text, without the digits in the spelling of location tokens."""
        if self.location is not None:
            content = re.sub(self.location.pattern, r" \1 ", content)
        return _ANY_NUMBER.findall(content)

    def _exact(self, digits: str) -> int | None:
        """The number, or None if it is negative or has wrong leading zeros."""
        number = nearest_number(digits)
        fewest = 1 if self.location is None else self.location.parts[1]
        return number if number >= 0 and digits == digits.lstrip("0").zfill(fewest) else None

    def turned(self, numbers: tuple[int, ...]) -> Box:
        """Convert the numbers of a box to the order of the text, or back."""
        first, second, third, fourth = numbers
        if self.axes == "yx":
            return second, first, fourth, third
        return first, second, third, fourth

    def sorted(self, box: Box) -> Box:
        """Put the upper left corner first, unless the box must be `ordered`."""
        if self.ordered:
            return box
        x1, y1, x2, y2 = box
        return min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)


def nearest_number(digits: str) -> int:
    """Round a coordinate of any length; a negative one becomes -1."""
    if digits.startswith("-"):
        return -1
    whole, _, fraction = digits.partition(".")
    return int(whole) + (fraction[:1] >= "5") if len(whole) < 10 else _HUGE
