"""What all readers share: a text as bytes, and what becomes of whatever is wrong with it.

There is one reader per family of formats, and it reads on whatever comes. `decode` stops it at
the first problem; `recover` lets it run and keeps the problems. So the two never disagree.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from maskcodec.errors import DecodeError, LabelError, Problem, TruncatedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from maskcodec._arrays import Index, Mask

NO_FAULTS: Index = np.empty((0, 4), np.int64)


class Reading:
    """One text under a reader.

    Attributes
    ----------
    raw, data
        The text as UTF-8, and the same bytes as a writable array for the kernels. A lone
        surrogate is kept, so that any `str` can be read.
    """

    def __init__(self, text: str, *, strict: bool) -> None:
        if not isinstance(text, str):
            raise TypeError(f"text must be a str, got {type(text).__name__}")
        self.raw = text.encode("utf-8", "surrogatepass")
        self.data: Mask = np.frombuffer(bytearray(self.raw), np.uint8)
        self._ascii = len(self.raw) == len(text)
        self._strict = strict
        self._found: list[Problem] = []

    def slice(self, start: int, stop: int) -> str:
        """The text between two byte positions."""
        return self.raw[start:stop].decode("utf-8", "surrogatepass")

    def report(self, at: int, reason: str, message: str, action: str) -> None:
        """Say what is wrong at a byte position: raised when strict, kept otherwise."""
        if self._strict:
            kind = TruncatedError if reason == "truncated" else DecodeError
            hint = "; recover() keeps what can be drawn"
            raise kind(message + hint, len(self.slice(0, at)), reason)
        self._found.append(Problem(at, reason, message, action))

    def problems(self) -> list[Problem]:
        """What was wrong, in the order of the text, with positions in characters."""
        found = sorted(self._found, key=lambda problem: problem.position)
        if self._ascii or not found:
            return found
        characters = np.concatenate([[0], np.cumsum((self.data & 0xC0) != 0x80)])
        return [p._replace(position=int(characters[p.position])) for p in found]


def list_faults(count: int, run: Callable[[Index], object]) -> list[list[int]]:
    """What a kernel counted as wrong, by position: run again with room for it."""
    faults = np.empty((count, 4), np.int64)
    run(faults)
    found: list[list[int]] = faults.tolist()
    return sorted(found, key=lambda fault: fault[1])


def check_label(label: object) -> str:
    """A label without the white space around it; no format takes an empty one."""
    if not isinstance(label, str):
        raise TypeError(f"label must be a str, got {label!r}")
    stripped = label.strip()
    if not stripped:
        raise LabelError(f"a label must not be empty, got {label!r}")
    try:
        stripped.encode()
    except UnicodeEncodeError as error:
        raise LabelError(
            f"label {label!r} holds the lone surrogate {stripped[error.start]!r}, which no text "
            "file can store; remove it"
        ) from None
    return stripped
