"""Pickles of plain data, such as REFER's ``refs(*.p)``: read without anything that could run.

Python's own reader makes whatever a pickle asks for. This one knows what JSON knows, lists, dicts,
text and numbers, and refuses the rest by its name. It takes no more memory than what a file has in
it.
"""

from __future__ import annotations

from typing import Any

from maskcodec.data._opcodes import COSTS, DEEPEST, STEPS, Machine, PickleError
from maskcodec.errors import SourceError
from maskcodec.messages import brief

MOST_MEMORY = 32  # bytes for each one of the file; real ones take 8 to 11
MOST_TEXT = 8  # characters for each byte, once texts that are used again are written out; real: 2
_SPARE = 1 << 20  # bytes of memory that small files may take beyond that
_STOP = ord(".")
_BOXES = frozenset({list, dict})
_PLAIN = "only plain data is read: lists, dicts, text and numbers"
_WHY = {
    "names code": {"GLOBAL", "STACK_GLOBAL", "INST", "EXT1", "EXT2", "EXT4"},
    "runs code": {"REDUCE", "BUILD", "OBJ", "NEWOBJ", "NEWOBJ_EX"},
    "points outside of the file": {"PERSID", "BINPERSID", "NEXT_BUFFER"},
}


def read_pickle(data: bytes, what: str) -> Any:
    """What a pickle holds, if that is plain data.

    Parameters
    ----------
    data
        The pickle, of any protocol from 0 to 5. What follows its end is not looked at.
    what
        What to call it in messages.

    Returns
    -------
    Lists, dicts with text for keys, str, int, float, bool and None, nested up to 20 deep. Tuples
    become lists, and bytes, which are Python 2's str, become text: as UTF-8, or else as Latin-1.

    Raises
    ------
    SourceError
        It holds anything else, is cut off or broken, or is worth much more than its bytes: it
        takes more memory than `MOST_MEMORY` times as many, unfolds to more values, or to more than
        `MOST_TEXT` times as many characters.

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
        value = _run(Machine(data))
        _check_nesting(value, len(data))
    except PickleError as error:
        raise SourceError(f"{what}: {error}") from None
    return value


def _run(machine: Machine) -> Any:
    """The value that is left at the end."""
    data, end, steps, costs = machine.data, len(machine.data), STEPS, COSTS
    start = code = 0
    room = MOST_MEMORY * end + _SPARE
    try:
        while machine.at < end:
            start = machine.at
            code = data[start]
            machine.at = start + 1
            room -= costs[code]
            if room < 0:
                raise PickleError(
                    f"takes more than {MOST_MEMORY} times its {end:,} bytes of memory: it is made "
                    "of tiny lists, dicts or marks for reuse"
                )
            if code not in steps:
                return _ended(machine, code, start)
            steps[code](machine)
    except IndexError:
        raise PickleError(
            f"{_name(code)} at byte {start} takes a value, and none is left"
        ) from None
    except ValueError as error:
        raise PickleError(f"{_name(code)} at byte {start} cannot be read: {error!s:.200}") from None
    raise machine.cut()


def _ended(machine: Machine, code: int, start: int) -> Any:
    """The one value that is left at a STOP, which is no step."""
    if code != _STOP:
        raise _refused(machine, code, start)
    if len(machine.stack) != 1 or machine.below:
        raise PickleError(
            f"STOP at byte {start} leaves {len(machine.stack)} values, expected is one"
        )
    return machine.stack[0]


def _refused(machine: Machine, code: int, start: int) -> PickleError:
    name = _name(code)
    if not name:
        return PickleError(f"{code:#04x} at byte {start} is no opcode: this is no pickle")
    why = next((why for why, names in _WHY.items() if name in names), "makes something else")
    if name in {"GLOBAL", "INST"}:
        name += f" {brief(b' '.join((machine.line(), machine.line())))}"
    return PickleError(f"{name} at byte {start} {why}; {_PLAIN}")


def _name(code: int) -> str:
    """The name of an opcode; "" if there is none."""
    from pickletools import opcodes

    return next((known.name for known in opcodes if known.code == chr(code)), "")


def _check_nesting(value: Any, size: int) -> None:
    """Refuse what refers to itself, or is so often referred to that it has no end in practice."""
    level = [value]
    room, characters = size, MOST_TEXT * size
    for _ in range(DEEPEST):
        boxes = [box for box in level if type(box) in _BOXES]
        room -= sum(map(len, boxes))
        characters -= sum(len(text) for text in level if type(text) is str)
        characters -= sum(len(key) for box in boxes if type(box) is dict for key in box)
        if room < 0:
            raise PickleError(
                "unfolds to more values than it has bytes: its lists are used many times"
            )
        if characters < 0:
            raise PickleError(
                f"unfolds to more than {MOST_TEXT} times as many characters as it has bytes: "
                "its texts are used many times"
            )
        level = [inner for box in boxes for inner in (box.values() if type(box) is dict else box)]
        if not level:
            return
    if any(type(box) in _BOXES for box in level):
        raise PickleError(f"is nested deeper than {DEEPEST}")
