"""Read the text of a JSON file of any size; hold only as much of it as one value needs."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from maskcodec.errors import SourceError
from maskcodec.messages import brief
from maskcodec.text.codec import unique

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

CHUNK = 1 << 20  # bytes to read at a time
LARGEST = 1 << 26  # bytes of one value; COCO's largest have some 100,000
DEEPEST = 50  # nested lists and objects in a member of an entry; COCO's have 3
_NEAR = 16  # an error this near to the end may come from a word, number or escape that was cut
_SPACE = re.compile(r"[ \t\n\r]*")
_KINDS = {"{": "an object", "[": "a list", '"': "a string", "": "nothing"}


_LINES = "it seems to be JSON Lines, with a value on each line, but one value is expected"

# NaN and Infinity are no JSON, but Python's json and pandas write them. Code that needs a number
# refuses them.
_DECODER = json.JSONDecoder(object_pairs_hook=unique)


@dataclass(frozen=True, slots=True)
class Deep:
    """Replaces a member of an entry that is nested deeper than `DEEPEST`.

    No dataset needs such a value. It could not be sent to another process, or be shown.
    """


class Text:
    """A file's text. It holds only as much of it as one value needs.

    Until a value is whole, each byte is one character. So positions are bytes of the file, and no
    character is cut. This works because JSON's own signs are ASCII.
    """

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self._path = path
        self._file = file
        self._text = ""
        self._at = 0  # how much of it was read
        self._base = file.tell()  # the byte of the file where it begins

    def begin(self, sign: str, what: str = "it") -> None:
        """Step into an object or a list."""
        found = self._peek()
        if found != sign:
            kind = _KINDS.get(found, "a number or a word")
            hint = f"; {_LINES}" * self._is_lines()
            raise SourceError(
                f"{self._path}: {what} must be {_KINDS[sign]}, but it is {kind}{hint}"
            )
        self._at += 1

    def is_list(self) -> bool:
        """Whether the next value is a list."""
        return self._peek() == "["

    def members(self) -> Iterator[str]:
        """Yield the keys of an object. After each, the caller must read or skip the value."""
        if self._peek() == "}":
            self._at += 1
            return
        while True:
            if self._peek() != '"':
                raise self._wrong("a key was expected")
            key = self._value()[2]
            self._take(":")
            yield key
            if self._take(",}") == "}":
                return

    def items(self) -> Iterator[tuple[int, int, Any]]:
        """Yield each entry of a list: the bytes where it begins and ends, and itself."""
        if self._peek() == "]":
            self._at += 1
            return
        while True:
            yield self._value()
            if self._take(",]") == "]":
                return

    def skip(self) -> None:
        """Skip a value; hold no more than one of its members at a time."""
        sign = self._peek()
        if sign == "[":
            self._at += 1
            for _ in self.items():
                pass
        elif sign == "{":
            self._at += 1
            for _ in self.members():
                self._value()
        else:
            self._value()

    def end(self) -> None:
        """Check that nothing follows."""
        if found := self._peek():
            hint = f"; {_LINES}" if found in _KINDS else ""
            raise self._wrong("the end was expected", hint=hint)

    def _is_lines(self) -> bool:
        """Whether the next value is an object, and another object follows it."""
        if self._peek() != "{":
            return False
        try:
            self._value()
            return self._peek() == "{"
        except SourceError:
            return False

    def _take(self, signs: str) -> str:
        sign = self._peek()
        if not sign or sign not in signs:
            raise self._wrong(f"{' or '.join(map(repr, signs))} was expected")
        self._at += 1
        return sign

    def _peek(self) -> str:
        """Return the next character that is no space; "" at the end of the file."""
        while True:
            space = _SPACE.match(self._text, self._at)
            self._at = space.end() if space else self._at
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def _value(self) -> tuple[int, int, Any]:
        """Read the next value: the bytes of the file where it begins and ends, and itself."""
        self._peek()
        while True:
            size = len(self._text)
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                cut = error.msg.startswith("Unterminated") or error.pos + _NEAR >= size
                place = self._base + error.pos
                if cut and self._more():
                    continue
                raise self._wrong(error.msg.removesuffix(" at"), place) from error
            except ValueError as error:
                raise self._wrong(str(error)) from error
            except RecursionError as error:
                raise self._wrong("a value is nested too deep") from error
            if end + len("e+") < size:  # else it may be a number that continues
                break
            end -= self._at
            if not self._more():
                break
        start, stop = self._base + self._at, self._base + end
        piece = self._text[self._at : end]
        if not piece.isascii():
            where = f"{self._path}: the value at byte {start}"
            value = parsed(piece.encode("latin-1"), where, start)
        self._at = end
        return start, stop, _flat(value, piece)

    def _more(self) -> bool:
        """Drop the text that was read, and read more; False at the end of the file."""
        self._base += self._at
        self._text = self._text[self._at :]
        self._at = 0
        if len(self._text) > LARGEST:
            raise self._wrong(f"a value does not end within {LARGEST} bytes")
        data = self._file.read(max(CHUNK, len(self._text)))
        self._text += data.decode("latin-1")
        return bool(data)

    def _wrong(self, what: str, place: int | None = None, hint: str = "") -> SourceError:
        at = self._base + self._at if place is None else place
        found = self._text[max(at - self._base, 0) :][:1]
        rest = f"found {brief(found)}" if found else "the file ends"
        return SourceError(f"{self._path} is not JSON: {what} at byte {at}, {rest}{hint}")


def parsed(data: bytes | str, where: str, start: int = 0) -> Any:
    """Return the value of some JSON, given as bytes or as text.

    Parameters
    ----------
    data
        The JSON.
    where
        The name of the JSON in messages.
    start
        The byte of the file where the JSON begins.

    Raises
    ------
    SourceError
        It is no JSON or no UTF-8, is nested too deep, or has a key twice in an object.
    """
    text = decoded(data, where, start) if isinstance(data, bytes) else data
    try:
        return _flat(_DECODER.decode(text), text)
    except RecursionError as error:
        raise SourceError(f"{where} is nested too deep") from error
    except ValueError as error:
        more = isinstance(error, json.JSONDecodeError) and error.msg == "Extra data"
        hint = f"; {_LINES}" * more
        raise SourceError(f"{where} is not JSON that can be read: {error}{hint}") from error


def decoded(data: bytes, where: str, start: int = 0) -> str:
    """Decode UTF-8. Another encoding is never guessed: any bytes are text in some encoding.

    Raises
    ------
    SourceError
        It is no UTF-8. The message gives the first wrong byte: `start` plus its index in `data`.
    """
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        at, byte = start + error.start, data[error.start]
        raise SourceError(
            f"{where} is not UTF-8: byte {at} is 0x{byte:02x}; save it as UTF-8"
        ) from error


def _flat(value: Any, text: str) -> Any:
    """Return a value, with `Deep` in the place of each member that is nested too deep."""
    if text.count("[") + text.count("{") <= DEEPEST:
        return value
    if isinstance(value, dict):
        return {key: Deep() if _is_deep(member) else member for key, member in value.items()}
    if isinstance(value, list):
        return [Deep() if _is_deep(member) else member for member in value]
    return value


def _is_deep(value: Any) -> bool:
    """Whether a value is nested deeper than `DEEPEST`, searched level by level."""
    level = [value]
    for _ in range(DEEPEST + 1):
        boxes = [box for box in level if isinstance(box, (list, dict))]
        if not boxes:
            return False
        level = [inner for box in boxes for inner in (box.values() if type(box) is dict else box)]
    return True
