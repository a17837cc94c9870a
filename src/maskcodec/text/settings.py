"""Checks of a codec's settings: whole numbers, grids, and spellings of tags and bricks."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

import numpy as np

from maskcodec.errors import ConfigError
from maskcodec.messages import brief

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_GRID = 1024
MOST_SPELLED = 100  # characters of a tag or a brick: `check_apart` compares all pairs


def grid_pair(value: Any) -> tuple[int, int]:
    """(rows, columns) of a grid, from two numbers or from one for both; each 1 .. 1024."""
    pair = value if isinstance(value, (list, tuple)) else (value, value)
    try:
        rows, columns = (operator.index(number) for number in pair)
    except (TypeError, ValueError):
        raise ConfigError(f"grid must be one or two integers, got {brief(value)}", "grid") from None
    if any(isinstance(number, (bool, np.bool_)) for number in pair):
        raise ConfigError(f"grid must be one or two integers, got {brief(value)}", "grid")
    if not (1 <= rows <= MAX_GRID and 1 <= columns <= MAX_GRID):
        raise ConfigError(f"grid must be 1 .. {MAX_GRID} cells a side, got {brief(value)}", "grid")
    return rows, columns


def whole_number(value: Any, name: str, most: int) -> int:
    """A setting that is a whole number, 1 .. `most`."""
    try:
        number = 0 if isinstance(value, (bool, np.bool_)) else operator.index(value)
    except TypeError:
        number = 0
    if not 1 <= number <= most:
        raise ConfigError(f"{name} must be a whole number, 1 .. {most}, got {brief(value)}", name)
    return number


def overlap(first: str, second: str) -> bool:
    """True if a proper end of one string is a proper beginning of another."""
    return any(first.endswith(second[:n]) for n in range(1, min(len(first), len(second))))


def check_apart(words: Sequence[str]) -> None:
    """Refuse tags or bricks that a reader could confuse with each other or with numbers.

    Raises
    ------
    ConfigError
        A word contains white space, begins with a digit, consists of digits and brackets, or
        contains another word; or its end is the beginning of another word, or of itself.
    """
    for word in words:
        if any(character.isspace() for character in word):
            raise ConfigError(f"a tag or brick must not hold white space, got {word!r}")
        if word[0].isdecimal() or not word.strip("0123456789[]"):
            raise ConfigError(
                f"a tag or brick must not begin with a digit or be brackets only, got {word!r}"
            )
    for i, a in enumerate(words):
        for j, b in enumerate(words):
            if (i != j and a in b) or overlap(a, b):
                raise ConfigError(
                    f"{a!r} and {b!r} cannot both be in use: one contains or overlaps the other, "
                    "so that a text could be read in two ways; choose another spelling"
                )


def strings(value: Any, what: str, count: int = 2) -> tuple[str, ...]:
    """A tuple of `count` non-empty strings, from a tuple or a list."""
    several = isinstance(value, (list, tuple)) and len(value) == count
    if not several or not all(isinstance(part, str) and part for part in value):
        number = {2: "two", 3: "three"}[count]
        raise ConfigError(
            f"{what} must be {number} strings that are not empty, got {brief(value)}", what
        )
    if long := next((part for part in value if len(part) > MOST_SPELLED), ""):
        raise ConfigError(
            f"{what} must be strings of up to {MOST_SPELLED} characters, got one of {len(long):,}",
            what,
        )
    if any("\ud800" <= character <= "\udfff" for character in "".join(value)):
        raise ConfigError(f"{what} must not hold lone surrogates, got {brief(value)}", what)
    return tuple(value)
