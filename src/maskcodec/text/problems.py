"""What all readers share: the text as bytes, and the problems found in it.

Each family of formats has one reader. `decode` stops it at the first problem; `recover` lets it
read on and keeps the problems. So the two never disagree.
"""

from __future__ import annotations

import html
import re
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, TypeAlias

import numpy as np

from maskcodec.errors import DecodeError, LabelError, Problem, TruncatedError, Way
from maskcodec.messages import few, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from maskcodec.masks.arrays import Index, Mask

Symbols: TypeAlias = "tuple[Index, list[list[int]]]"  # the tokens of a text, its tags

MOST_PROBLEMS = 1000  # in a list: a text of noise may have very many
NO_FAULTS: Index = np.empty((0, 4), np.int64)
_RECOVER = (Way("recover", "", "keeps what can be drawn"),)
_ESCAPE = re.compile("&(?:[A-Za-z]{2,8}|#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6});")


class Reading(ABC):
    """The input of a reader, and the problems found in it. Positions count bytes or ids.

    Attributes
    ----------
    size
        The position of the end.
    unit
        The unit of positions in errors and problems: ``"character"`` or ``"id"``.
    """

    unit: ClassVar[str]

    def __init__(self, size: int, *, strict: bool) -> None:
        self.size = size
        self._strict = strict
        self._found: list[Problem] = []
        self._unlisted = 0

    @abstractmethod
    def slice(self, start: int, stop: int) -> str:
        """The text between two positions."""

    @abstractmethod
    def excerpt(self, start: int, stop: int) -> str:
        """The text between two positions for a message: its first 80 characters."""

    @abstractmethod
    def places(self, positions: list[int]) -> list[int]:
        """Convert positions to the user's unit."""

    def report(self, at: int, reason: str, message: str, action: str) -> None:
        """Report a problem at a position: raise it if strict, else keep it."""
        if self._strict:
            kind = TruncatedError if reason == "truncated" else DecodeError
            raise kind(message, self.places([at])[0], reason, self.unit, _RECOVER)
        if len(self._found) < MOST_PROBLEMS:
            self._found.append(Problem(at, reason, message, action))
        else:
            self._unlisted += 1

    def faults(self, count: int, run: Callable[[Index], object]) -> list[list[int]]:
        """The faults that a kernel has counted, sorted by position: runs it again to list them."""
        room = np.empty((count, 4), np.int64)
        run(room)
        most = 1 if self._strict else max(MOST_PROBLEMS - len(self._found), 0)
        self._unlisted += max(count - most, 0)
        first: list[list[int]] = room[np.argsort(room[:, 1], kind="stable")[:most]].tolist()
        return first

    def take_over(self, other: Reading, at: int) -> None:
        """Report the problems of another reading, which was made from this one, at a position."""
        for problem in sorted(other._found, key=lambda problem: problem.position):
            self.report(at, *problem[1:])
        self._unlisted += other._unlisted

    def problems(self) -> list[Problem]:
        """The problems in the order of the text, with positions in the user's unit."""
        found = sorted(self._found, key=lambda problem: problem.position)
        if self._unlisted:
            message = f"{self._unlisted} further problems"
            action = "repaired like these, unlisted"
            found.append(Problem(self.size, "more-problems", message, action))
        places = self.places([problem.position for problem in found])
        return [p._replace(position=place) for p, place in zip(found, places, strict=True)]


class TextReading(Reading):
    """A text that a reader reads; positions count bytes.

    Attributes
    ----------
    raw, data
        The text as UTF-8, and the same bytes as a writable array for the kernels. Lone
        surrogates are kept, so that any `str` can be read.
    """

    unit = "character"

    def __init__(self, text: str, *, strict: bool) -> None:
        if not isinstance(text, str):
            raise TypeError(f"text must be a str, got {type(text).__name__}")
        self.raw = text.encode("utf-8", "surrogatepass")
        self.data: Mask = np.frombuffer(bytearray(self.raw), np.uint8)
        self._ascii = len(self.raw) == len(text)
        super().__init__(len(self.raw), strict=strict)

    def slice(self, start: int, stop: int) -> str:
        """The text between two bytes."""
        return self.raw[start:stop].decode("utf-8", "surrogatepass")

    def excerpt(self, start: int, stop: int) -> str:
        """The first 80 characters of that text, for a message."""
        return self.raw[start : min(stop, start + 320)].decode("utf-8", "ignore")[:80]

    def places(self, positions: list[int]) -> list[int]:
        """Convert positions from bytes to characters."""
        if self._ascii or not positions:
            return positions
        characters = np.concatenate([[0], np.cumsum((self.data & 0xC0) != 0x80)])
        counted: list[int] = characters[positions].tolist()
        return counted


def escaped_tag(text: bytes, tags: Iterable[str]) -> str:
    """A tag that the text contains in HTML's escaped form, or ``""``."""
    if b"&lt;" not in text:
        return ""
    escaped = map(html.escape, tags)
    return next((tag for tag in escaped if tag.encode() in text), "")


def unescaped(reading: TextReading, tag: str) -> tuple[TextReading, int]:
    """Report that tags are escaped as in HTML; returns the unescaped text and the tag's byte."""
    message = f"tags are written as in HTML, {tag!r}; unescape the text first"
    at = reading.raw.find(tag.encode())
    reading.report(at, "escaped", message, "unescaped the text")
    whole = _ESCAPE.sub(lambda match: html.unescape(match[0]), reading.slice(0, reading.size))
    return TextReading(whole, strict=False), at


def check_label(label: object) -> str:
    """A label without the white space around it; refuses an empty label."""
    if not isinstance(label, str):
        raise TypeError(f"label must be a str, got {label!r}")
    stripped = label.strip()
    if not stripped:
        raise LabelError(f"a label must not be empty, got {shown(label)}")
    try:
        stripped.encode()
    except UnicodeEncodeError as error:
        raise LabelError(
            f"label {shown(label)} holds the lone surrogate {stripped[error.start]!r}, which no "
            "text file can store; remove it"
        ) from None
    return stripped


def warn_dropped(what: str, names: Iterable[object]) -> None:
    """Log what a call left out, in one warning."""
    import logging

    logging.getLogger("maskcodec").warning("dropped %s: %s", what, few(map(str, names)))


def cut(likely: int, scan: Callable[[Index, Index], tuple[int, int]]) -> Symbols:
    """The tokens and tags that a kernel finds: runs it again if the arrays were too short."""
    tokens = np.empty((64 + likely, 3), np.int64)
    tags = np.empty((60, 4), np.int64)
    while True:
        count, tag_count = scan(tokens, tags)
        if count <= len(tokens) and tag_count <= len(tags):
            return tokens[:count], tags[:tag_count].tolist()
        tokens = np.empty((count, 3), np.int64)
        tags = np.empty((tag_count, 4), np.int64)
