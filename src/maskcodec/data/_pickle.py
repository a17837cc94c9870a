"""Read pickles of plain data, such as REFER's ``refs(*.p)``, without running any code.

Python's own reader does the work, with only its steps for lists, dicts, text and numbers. It is
the reader written in Python: the one in C allocates sizes that a file merely claims, and hashes
keys of any type.
"""

from __future__ import annotations

import io
import pickle
import struct
import warnings
from pickletools import opcodes
from typing import TYPE_CHECKING, Any

from maskcodec.errors import SourceError
from maskcodec.messages import brief, plural

if TYPE_CHECKING:
    from collections.abc import Callable

DEEPEST = 20  # nested lists and dicts; REFER's are four deep
MOST_MEMORY = 32  # bytes of memory for each byte of the file; real files take 8 to 11
MOST_TEXT = 8  # characters for each byte, repeated texts counted each time; real files: 2
_SPARE = 1 << 20  # bytes of memory that a small file may take beyond that
_BOXES = frozenset({list, dict})
_PLAIN = "only plain data is read: lists, dicts, text and numbers"
_WHY = {
    "names code": {"GLOBAL", "STACK_GLOBAL", "INST", "EXT1", "EXT2", "EXT4"},
    "runs code": {"REDUCE", "BUILD", "OBJ", "NEWOBJ", "NEWOBJ_EX"},
    "points outside of the file": {"PERSID", "BINPERSID", "NEXT_BUFFER"},
}

# Bytes of memory that one short opcode may take: a list with a few places, a dict with its first
# table, an entry of the memo.
_BY_COST = {88: b"])lt\x85\x86\x87", 104: b"pqr\x94", 232: b"}d"}
_COSTS = [sum(cost for cost, codes in _BY_COST.items() if code in codes) for code in range(256)]
_ALIKE = frozenset(b")t\x85\x86\x87BC\x8e")  # tuples and bytes, which become lists and text
_SETS = frozenset(b"sud")
_NAMES = {ord(known.code): known.name for known in opcodes}


def read_pickle(data: bytes, what: str) -> Any:
    """Return the value of a pickle of plain data.

    Parameters
    ----------
    data
        The pickle, of protocol 0 .. 5. Bytes behind its end are ignored.
    what
        The name of the pickle in messages.

    Returns
    -------
    Lists, dicts with text as keys, str, int, float, bool and None, nested up to 20 deep. Tuples
    become lists. Bytes, the str of Python 2, become text: as UTF-8, or else as Latin-1.

    Raises
    ------
    SourceError
        The pickle holds anything else, is cut off or broken, or is much larger than its bytes: it
        takes more than `MOST_MEMORY` times its size in memory, or unfolds to more values than it
        has bytes, or to more than `MOST_TEXT` times as many characters.

    Examples
    --------
    >>> from maskcodec.data._pickle import read_pickle
    >>> read_pickle(b"(lp0\\nS'dog'\\np1\\naI7\\na.", "refs(unc).p")
    ['dog', 7]
    >>> read_pickle(b"cos\\nsystem\\n(S'ls'\\ntR.", "refs(unc).p")
    Traceback (most recent call last):
        ...
    maskcodec.errors.SourceError: refs(unc).p: GLOBAL b'os system' at byte 0 names code; only \
plain data is read: lists, dicts, text and numbers
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # such as that of an invalid escape
            value = _Reader(data).load()
        _check_nesting(value, len(data))
    except pickle.UnpicklingError as error:
        raise SourceError(f"{what}: {error}") from None
    return value


class _Reader(pickle._Unpickler):
    """Python's reader, with a limit for everything that a file can claim."""

    stack: list[Any]
    metastack: list[list[Any]]
    append: Callable[[Any], None]

    def __init__(self, data: bytes) -> None:
        file = io.BytesIO(data)
        super().__init__(file)
        self.read, self.readline, self._at = file.read, file.readline, file.tell
        self._size = len(data)

    def load(self) -> Any:
        """Return the value that the pickle leaves at its end."""
        self.stack, self.metastack = [], []
        self.append = self.stack.append
        room = MOST_MEMORY * self._size + _SPARE
        while code := self.read(1):
            room -= _COSTS[code[0]]
            if room < 0:
                raise pickle.UnpicklingError(
                    f"takes more than {MOST_MEMORY} times its {self._size:,} bytes of memory: it "
                    "is made of tiny lists, dicts or marks for reuse"
                )
            if code == b".":
                return self._last()
            start = self._at() - 1
            step = _STEPS.get(code[0])
            if step is None:
                raise self._refused(code, start)
            try:
                if code[0] in _SETS:
                    _check_keys(self.stack[-2:-1] if code == b"s" else self.stack[::2])
                step(self)
                if code[0] in _ALIKE:
                    top = self.stack[-1]
                    self.stack[-1] = list(top) if type(top) is tuple else _text(top)
            except Exception as error:  # Python's reader raises many kinds
                if isinstance(error, EOFError) or self._at() == self._size:
                    break
                raise pickle.UnpicklingError(
                    f"{_NAMES[code[0]]} at byte {start} cannot be read: {error!s:.200}"
                ) from None
            if len(self.metastack) > DEEPEST:
                raise pickle.UnpicklingError(f"is nested deeper than {DEEPEST}")
        size = plural(self._size, "byte")
        raise pickle.UnpicklingError(f"stops in the middle: it has {size} and no end")

    def _last(self) -> Any:
        if len(self.stack) != 1 or self.metastack:
            left = plural(len(self.stack), "value")
            raise pickle.UnpicklingError(
                f"STOP at byte {self._at() - 1} leaves {left}, expected is one"
            )
        return self.stack[0]

    def _refused(self, code: bytes, start: int) -> pickle.UnpicklingError:
        if code[0] not in _NAMES:
            return pickle.UnpicklingError(
                f"{code[0]:#04x} at byte {start} is no opcode: this is no pickle"
            )
        name = _NAMES[code[0]]
        why = next((why for why, names in _WHY.items() if name in names), "makes something else")
        if name in {"GLOBAL", "INST"}:
            name += f" {brief(b' '.join((self.readline().rstrip(), self.readline().rstrip())))}"
        return pickle.UnpicklingError(f"{name} at byte {start} {why}; {_PLAIN}")

    def _decode_string(self, data: bytes) -> str:
        return _text(data)

    def _load_whole(self) -> None:
        """Read a decimal number. Python's own step takes hexadecimal ones of any length, too."""
        line = self.readline()[:-1].removesuffix(b"L")
        self.append(line == b"01" if line in {b"00", b"01"} else int(line))

    def _load_frame(self) -> None:
        """Check only that the file has the bytes of the frame: frames are there for speed."""
        (size,) = struct.unpack("<Q", self.read(8))
        if size > self._size - self._at():
            raise EOFError


def _text(data: bytes) -> str:
    """Decode a byte string of Python 2."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _check_keys(keys: list[Any]) -> None:
    for key in keys:
        if type(key) is not str:
            raise ValueError(f"a key must be text, got {brief(key)}")


_STEPS: dict[int, Callable[[Any], None]] = {
    code: pickle._Unpickler.dispatch[code]
    for code in b"\x80(aesupqr\x94ghjN\x88\x89JKM\x8aFGSTUVX\x8c\x8dBC\x8e]}lt)d\x85\x86\x87"
} | {ord("I"): _Reader._load_whole, ord("L"): _Reader._load_whole, 0x95: _Reader._load_frame}


def _check_nesting(value: Any, size: int) -> None:
    """Refuse a value that contains itself, or uses its parts so often that it gets too large."""
    level = [value]
    room, characters = size, MOST_TEXT * size
    for _ in range(DEEPEST):
        boxes = [box for box in level if type(box) in _BOXES]
        room -= sum(map(len, boxes))
        characters -= sum(len(text) for text in level if type(text) is str)
        characters -= sum(len(key) for box in boxes if type(box) is dict for key in box)
        if room < 0:
            raise pickle.UnpicklingError(
                "unfolds to more values than it has bytes: its lists are used many times"
            )
        if characters < 0:
            raise pickle.UnpicklingError(
                f"unfolds to more than {MOST_TEXT} times as many characters as it has bytes: "
                "its texts are used many times"
            )
        level = [inner for box in boxes for inner in (box.values() if type(box) is dict else box)]
        if not level:
            return
    if any(type(box) in _BOXES for box in level):
        raise pickle.UnpicklingError(f"is nested deeper than {DEEPEST}")
