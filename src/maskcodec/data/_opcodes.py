"""The opcodes of pickles that make plain data: what each one does to a stack.

They are those of the standard library's ``pickletools``. Nothing is allocated that a pickle merely
claims: a length is looked at before it is believed, and a place in the memo is an entry of a dict.
"""

from __future__ import annotations

import re
from struct import unpack
from typing import TYPE_CHECKING, Any

from maskcodec.messages import brief

if TYPE_CHECKING:
    from collections.abc import Callable

DEEPEST = 20  # nested lists and dicts; REFER's are four deep
_NEWEST = 5  # protocol
# What a str of Python 2 writes behind a backslash.
_ESCAPE = re.compile(rb"\\(x[0-9a-fA-F]{2}|.?)", re.DOTALL)
_ESCAPED = {b"\\": b"\\", b"'": b"'", b'"': b'"', b"n": b"\n", b"r": b"\r", b"t": b"\t"}


class PickleError(Exception):
    """What is wrong with a pickle."""


class Machine:
    """The stack, the values in front of open marks, the memo, and how far it has been read."""

    __slots__ = ("at", "below", "data", "memo", "stack")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []
        self.memo: dict[int, Any] = {}

    def line(self) -> bytes:
        """The rest of a line, without its end."""
        end = self.data.find(b"\n", self.at)
        if end < 0:
            raise self.cut()
        line = self.data[self.at : end]
        self.at = end + 1
        return line

    def take(self, count: int) -> bytes:
        """That many bytes, if there are so many."""
        taken = self.data[self.at : self.at + count]
        if len(taken) < count:
            raise self.cut()
        self.at += count
        return taken

    def number(self, size: int) -> int:
        """A number without sign of that many bytes."""
        return int.from_bytes(self.take(size), "little")

    def marked(self) -> list[Any]:
        """All that came since the last mark."""
        if not self.below:
            raise PickleError(f"there is no mark to go back to at byte {self.at - 1}")
        items, self.stack = self.stack, self.below.pop()
        return items

    def extend(self, items: list[Any]) -> None:
        """Append to the list on top."""
        target = self.stack[-1]
        if type(target) is not list:
            raise PickleError(
                f"appends to {type(target).__name__} at byte {self.at - 1}, not to a list"
            )
        target.extend(items)

    def update(self, items: list[Any]) -> None:
        """Set keys and values, by turns, of the dict on top."""
        target = self.stack[-1]
        if type(target) is not dict:
            raise PickleError(
                f"sets an item of {type(target).__name__} at byte {self.at - 1}, not a dict"
            )
        keys = items[::2]
        if len(items) % 2:
            raise PickleError(f"has a key without a value at byte {self.at - 1}")
        for key in keys:
            if type(key) is not str:
                raise PickleError(
                    f"has the key {brief(key)} at byte {self.at - 1}; keys must be text"
                )
        target.update(zip(keys, items[1::2], strict=True))

    def cut(self) -> PickleError:
        """What to raise where the pickle stops too early."""
        return PickleError(f"stops in the middle: it has {len(self.data):,} bytes and no end")


def _text(data: bytes) -> str:
    """A byte string of Python 2."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _quoted(machine: Machine) -> str:
    """A byte string of Python 2 as its ``repr`` wrote it."""
    line = machine.line()
    if len(line) < 2 or line[:1] not in {b"'", b'"'} or line[-1:] != line[:1]:
        raise ValueError(f"{brief(line)} is not in quotes")
    inner = line[1:-1]
    return _text(_ESCAPE.sub(_unescaped, inner) if b"\\" in inner else inner)


def _unescaped(match: re.Match[bytes]) -> bytes:
    letter = match[1]
    if len(letter) == 3:
        return bytes.fromhex(letter[1:].decode())
    if letter not in _ESCAPED:
        raise ValueError(f"{brief(match[0])} is no escape")
    return _ESCAPED[letter]


def _protocol(machine: Machine) -> None:
    protocol = machine.number(1)
    if protocol > _NEWEST:
        raise ValueError(f"protocol {protocol} is newer than {_NEWEST}")


def _frame(machine: Machine) -> None:
    if machine.number(8) > len(machine.data) - machine.at:
        raise machine.cut()


def _mark(machine: Machine) -> None:
    if len(machine.below) == DEEPEST:
        raise PickleError(f"is nested deeper than {DEEPEST}")
    machine.below.append(machine.stack)
    machine.stack = []


def _keep(place: Callable[[Machine], int]) -> Callable[[Machine], None]:
    def step(machine: Machine) -> None:
        machine.memo[place(machine)] = machine.stack[-1]

    return step


def _recall(place: Callable[[Machine], int]) -> Callable[[Machine], None]:
    def step(machine: Machine) -> None:
        at = place(machine)
        if at not in machine.memo:
            raise PickleError(f"refers to value {brief(at)} of its memo, which it has not written")
        machine.stack.append(machine.memo[at])

    return step


def _set_one(machine: Machine) -> None:
    """As `update`, without a list: every entry of protocol 0 comes so."""
    stack = machine.stack
    value, key = stack.pop(), stack.pop()
    if type(key) is str and type(stack[-1]) is dict:
        stack[-1][key] = value
    else:
        machine.update([key, value])


def _append_one(machine: Machine) -> None:
    value = machine.stack.pop()
    if type(machine.stack[-1]) is list:
        machine.stack[-1].append(value)
    else:
        machine.extend([value])


def _push(make: Callable[[Machine], Any]) -> Callable[[Machine], None]:
    def step(machine: Machine) -> None:
        value = make(machine)  # first: it may be made of what is on the stack
        machine.stack.append(value)

    return step


def _last(count: int) -> Callable[[Machine], list[Any]]:
    def make(machine: Machine) -> list[Any]:
        return [machine.stack.pop() for _ in range(count)][::-1]

    return make


def _filled(machine: Machine) -> dict[str, Any]:
    items = machine.marked()
    machine.stack.append({})
    machine.update(items)
    return machine.stack.pop()  # type: ignore[no-any-return]


def _integer(machine: Machine) -> int:
    line = machine.line()
    return line == b"01" if line in {b"00", b"01"} else int(line)  # 00 and 01 are bool


def _signed(size: int) -> Callable[[Machine], int]:
    return lambda machine: int.from_bytes(machine.take(size), "little", signed=True)


def _counted(size: int, as_what: Callable[[bytes], Any]) -> Callable[[Machine], Any]:
    """What follows its own length."""
    return lambda machine: as_what(machine.take(machine.number(size)))


def _long(data: bytes) -> int:
    return int.from_bytes(data, "little", signed=True)


def _unicode(data: bytes) -> str:
    return data.decode("utf-8", "surrogatepass")


_VALUES: dict[bytes, Callable[[Machine], Any]] = {
    b"N": lambda _: None,
    b"\x88": lambda _: True,
    b"\x89": lambda _: False,
    b"I": _integer,
    b"L": lambda machine: int(machine.line().removesuffix(b"L")),
    b"J": _signed(4),
    b"K": lambda machine: machine.number(1),
    b"M": lambda machine: machine.number(2),
    b"\x8a": _counted(1, _long),
    b"F": lambda machine: float(machine.line()),
    b"G": lambda machine: unpack(">d", machine.take(8))[0],
    b"S": _quoted,
    b"T": _counted(4, _text),
    b"U": _counted(1, _text),
    b"V": lambda machine: machine.line().decode("raw-unicode-escape"),
    b"X": _counted(4, _unicode),
    b"\x8c": _counted(1, _unicode),
    b"\x8d": _counted(8, _unicode),
    b"B": _counted(4, _text),
    b"C": _counted(1, _text),
    b"\x8e": _counted(8, _text),
    b"]": lambda _: [],
    b"}": lambda _: {},
    b")": lambda _: [],
    b"l": Machine.marked,
    b"t": Machine.marked,
    b"d": _filled,
    b"\x85": _last(1),
    b"\x86": _last(2),
    b"\x87": _last(3),
}
STEPS: dict[int, Callable[[Machine], None]] = {
    ord("\x80"): _protocol,
    ord("\x95"): _frame,
    ord("("): _mark,
    ord("a"): _append_one,
    ord("e"): lambda machine: machine.extend(machine.marked()),
    ord("s"): _set_one,
    ord("u"): lambda machine: machine.update(machine.marked()),
    ord("p"): _keep(lambda machine: int(machine.line())),
    ord("q"): _keep(lambda machine: machine.number(1)),
    ord("r"): _keep(lambda machine: machine.number(4)),
    ord("\x94"): _keep(lambda machine: len(machine.memo)),
    ord("g"): _recall(lambda machine: int(machine.line())),
    ord("h"): _recall(lambda machine: machine.number(1)),
    ord("j"): _recall(lambda machine: machine.number(4)),
} | {code[0]: _push(make) for code, make in _VALUES.items()}

# Bytes of memory that one opcode may take without many bytes of its own: a list with a few places,
# a dict with its first table, an entry of the memo.
_BY_COST = {88: b"])lt\x85\x86\x87", 104: b"pqr\x94", 232: b"}d"}
COSTS = [sum(cost for cost, codes in _BY_COST.items() if code in codes) for code in range(256)]
