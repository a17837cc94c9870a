"""Read JSON files of any size: the entries of their lists, one at a time, and their positions.

Entries are found once, and read again by their positions. So they can be read in any order without
the whole file in memory.
"""

from __future__ import annotations

import codecs
import json
import os
from array import array
from contextlib import contextmanager
from math import isfinite
from typing import TYPE_CHECKING, Any, NamedTuple

from maskcodec.data import _jsontext
from maskcodec.data._jsontext import DEEPEST, Deep, Text, parsed
from maskcodec.errors import SourceError
from maskcodec.files.regular import open_regular

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from pathlib import Path
    from typing import BinaryIO


_PACKED = "compressed ({}): unpack it first"
_UTF16 = "in UTF-16 or UTF-32: save it as UTF-8, for example by iconv -f UTF-16 -t UTF-8"
# The first bytes of files that are no UTF-8 text, and the kind of each.
_UNREADABLE = (
    (b"\x1f\x8b", _PACKED.format("gzip")),
    (b"PK\x03\x04", _PACKED.format("zip")),
    (b"BZh", _PACKED.format("bzip2")),
    (b"\xfd7zXZ\0", _PACKED.format("xz")),
    (b"\x28\xb5\x2f\xfd", _PACKED.format("zstd")),
    ((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE), _UTF16),
)
_LONGEST_MARK = 6


class Entry(NamedTuple):
    """One entry of a list in a file."""

    key: str  # the list's name; "" if the file itself is the list
    start: int  # its first byte in the file; `stop` is the byte behind it
    stop: int
    value: Any


def entries(path: Path, needed: Collection[str], also: Collection[str] = ()) -> Iterator[Entry]:
    """Yield the entries of some lists of a file that is an object, in the file's order.

    Parameters
    ----------
    path
        The file.
    needed
        The lists that it must have.
    also
        Other lists to read. They may be missing, and are skipped if they are no lists.

    Raises
    ------
    SourceError
        The file cannot be opened, is not JSON, is no such object, or has a key twice.
    """
    missing = dict.fromkeys(needed)
    seen = set[str]()
    with opened(path) as file:
        text = Text(path, file)
        text.begin("{")
        for key in text.members():
            if key in seen:
                what = "the list" if key in needed or key in also else "the key"
                raise SourceError(f"{path} has {what} {key!r:.80} twice; it must be one")
            seen.add(key)
            if key in needed or (key in also and text.is_list()):
                missing.pop(key, None)
                text.begin("[", f"its {key!r}")
                yield from (Entry(key, *value) for value in text.items())
            else:
                text.skip()
        text.end()
    for key in missing:
        raise SourceError(f"{path} has no list {key!r}; expected are {', '.join(needed)}")


def items(path: Path) -> Iterator[Entry]:
    """Yield the entries of a file that is a list, as `entries` does."""
    with opened(path) as file:
        text = Text(path, file)
        text.begin("[")
        yield from (Entry("", *value) for value in text.items())
        text.end()


def lines(path: Path) -> Iterator[tuple[int, int, int, bytes]]:
    """Yield the lines of a file that are not empty.

    Yields
    ------
    The first byte of the line in the file, the byte behind it, its number in the file, from 1, and
    the line.

    Raises
    ------
    SourceError
        The file cannot be opened, is one JSON value over many lines, or has a line longer than
        `_jsontext.LARGEST` bytes.
    """
    with opened(path) as file:
        start, number, first = file.tell(), 0, True
        while line := file.readline(_jsontext.LARGEST + 1):
            if len(line) > _jsontext.LARGEST:
                raise SourceError(
                    f"{path}: the line at byte {start} has more than {_jsontext.LARGEST} bytes"
                )
            stop, number = start + len(line), number + 1
            if first and _is_whole(line, file):
                raise SourceError(
                    f"{path} is one JSON value; expected is JSON Lines, an object on each line: "
                    "for a list, jq -c '.[]' makes them"
                )
            if line.strip():
                first = False
                yield start, stop, number, line
            start = stop


def _is_whole(line: bytes, file: BinaryIO) -> bool:
    """Whether a file is one value of JSON, judged by its first line, just read, and the next."""
    if line.strip() != b"{":
        return line.strip() == b"[" or line.lstrip().startswith(b"[{")
    at = file.tell()
    after = file.readline(1 << 10)
    file.seek(at)
    return bool(after.strip()) and not after.startswith(b"{")


class Stored:
    """Entries of a file that are read again by their positions.

    It holds 16 bytes for each entry and no open file, so it can be sent to other processes.

    Parameters
    ----------
    path
        The file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._starts = array("q")
        self._stops = array("q")
        with opened(path) as file:
            self._stamp = _stamp(file)

    def __len__(self) -> int:
        return len(self._starts)

    def add(self, start: int, stop: int) -> int:
        """Remember the position of an entry; return its number."""
        self._starts.append(start)
        self._stops.append(stop)
        return len(self._starts) - 1

    def read(self, numbers: Iterable[int]) -> list[Any]:
        """Return some entries by their numbers.

        Raises
        ------
        SourceError
            The file cannot be opened, or has changed.
        """
        return list(self.each(numbers))

    def each(self, numbers: Iterable[int]) -> Iterator[Any]:
        """Yield some entries as `read` does, one at a time."""
        with opened(self.path) as file:
            if _stamp(file) != self._stamp:
                raise SourceError(f"{self.path} has changed since it was first read; start again")
            for number in numbers:
                start = file.seek(self._starts[number])
                data = file.read(self._stops[number] - start)
                yield parsed(data, f"{self.path}: the entry at byte {start}", start)


def content(path: Path, most: int | None = None) -> bytes:
    """Return all bytes of a file, behind its mark of UTF-8 if it has one.

    Raises
    ------
    SourceError
        The file cannot be opened, or has more than `most` bytes, by default `_jsontext.LARGEST`.
    """
    most = _jsontext.LARGEST if most is None else most
    with opened(path) as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise SourceError(f"{path} has more than {most:,} bytes")
    return data


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """Open a file behind its mark of UTF-8, if it has one.

    Raises
    ------
    SourceError
        The file cannot be opened, is no regular file, or is compressed or in UTF-16 or UTF-32.
    """
    try:
        file = open_regular(path)
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}") from error
    with file:
        start = file.read(_LONGEST_MARK)
        for marks, wrong in _UNREADABLE:
            if start.startswith(marks):
                raise SourceError(f"{path} is {wrong}")
        if b"\0" in start[:2]:  # a letter of UTF-16 or UTF-32
            raise SourceError(f"{path} is {_UTF16}")
        file.seek(len(codecs.BOM_UTF8) if start.startswith(codecs.BOM_UTF8) else 0)
        yield file


def id_of(entry: Any, key: str) -> str | None:
    """Return the id of an object; None if it has none. 7, 7.0 and "7" are the same id."""
    value = whole(entry.get(key)) if isinstance(entry, dict) else None
    if type(value) not in {int, float, str}:  # True is no id
        return None
    if isinstance(value, float) and not isfinite(value):
        return None
    return str(value) if is_written(str(value)) else None


def whole(value: Any) -> Any:
    """Return a value, but 7.0 as 7: pandas may write an integer as a float."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def is_written(text: str) -> bool:
    """Whether UTF-8 can store a text: not with half a character, which JSON may spell."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def shown(value: Any) -> str:
    """Return a value as a file has it, cut if it is long."""
    if isinstance(value, Deep):
        return f"a value nested more than {DEEPEST} deep"
    if isinstance(value, (list, dict)):
        return "a list" if isinstance(value, list) else "an object"
    text = json.dumps(value, ensure_ascii=False)
    if not is_written(text):
        text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _stamp(file: BinaryIO) -> tuple[int, int]:
    found = os.fstat(file.fileno())
    return found.st_size, found.st_mtime_ns
