"""Read JSON in an answer: between other words, cut off or broken."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from maskcodec.text.codec import unique

if TYPE_CHECKING:
    from collections.abc import Iterator

    from maskcodec.text.problems import TextReading

_TOKEN = re.compile(
    rb'\s*(?:([\[\]{}:,])|("(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\')'
    rb"|(-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)|(true|false|null)\b)",
    re.DOTALL,
)
_OPENING = re.compile(rb"[\[{]")
_GARBAGE = re.compile(rb"[^\[\]{}:,\"'\s]+|[\"']")
_UNFINISHED = re.compile(
    rb'\s*(?:"(?:[^"\\]|\\.)*\\?|\'(?:[^\'\\]|\\.)*\\?|[-+0-9.eE]*|[a-z]{1,5})\Z', re.DOTALL
)
_OPEN_END = re.compile(rb"[-+.eE]{0,2}\Z")
_DEEPEST = 16  # lists in lists


class Item(NamedTuple):
    """A value of JSON and its place in the text.

    Attributes
    ----------
    value
        A list or a dict of items, a str, a number as its bytes, or None for true, false and null.
    start, stop
        The bytes of the value: from `start` to `stop`, without `stop`.
    whole
        True if the value is closed; False if the end of the text cut it off.
    """

    value: Any
    start: int
    stop: int
    whole: bool = True


def json_items(reading: TextReading) -> list[Item]:
    """The lists and objects of a text, from left to right; reports problems to `reading`.

    Skips the text around them, code fences included. Takes time linear in the text.
    """
    return list(_items(reading))


def _items(reading: TextReading) -> Iterator[Item]:
    raw, at = reading.raw, 0
    while opening := _OPENING.search(raw, at):
        item, broken = _item(raw, opening.start())
        at = item.stop
        if item.whole and not item.value:  # such as [] in words
            continue
        if item.whole and broken is None:
            broken = _fault(raw, item)
        if broken is not None:
            message = f"this is not JSON: {reading.excerpt(broken, item.stop)[:40]!r}"
            reading.report(broken, "bad-json", message, "took the values that it has")
        if not item.whole:
            message = "the text stops inside a list or an object"
            reading.report(len(raw), "truncated", message, "drew what was there")
        yield item


def _fault(raw: bytes, item: Item) -> int | None:
    """The byte at which the JSON of an item breaks its rules, or None."""
    try:
        json.loads(raw[item.start : item.stop].decode("utf-8"), object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        before = raw[item.start : item.stop].decode("utf-8", "surrogatepass")[: error.pos]
        return item.start + len(before.encode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError):
        return item.start
    return None


def _item(raw: bytes, start: int) -> tuple[Item, int | None]:
    """The list or object that begins at a byte, and the byte of the first error found, or None."""
    stack: list[tuple[int, Any, str | None]] = []
    broken: int | None = None
    at, key = start, None
    while True:
        match = _TOKEN.match(raw, at)
        ended = match is None and _UNFINISHED.match(raw, at)
        # A number at the end of the text may be cut off.
        if ended or (match and match[3] and _OPEN_END.match(raw, match.end())):
            while len(stack) > 1:
                begin, value, outer = stack.pop()
                _put(stack[-1][1], outer, Item(value, begin, len(raw), False))
            return Item(stack[0][1], start, len(raw), False), broken
        if match is None:
            garbage = _GARBAGE.match(raw, re.compile(rb"\s*").match(raw, at).end())  # type: ignore[union-attr]
            broken = at if broken is None else broken
            at = garbage.end() if garbage else at + 1
            continue
        at = match.end()
        begin = at - len(match[0].lstrip())
        sign = match[1]
        if sign and sign in b"[{":
            if len(stack) >= _DEEPEST:
                broken = begin if broken is None else broken
                continue
            stack.append((begin, [] if sign == b"[" else {}, key))
            key = None
        elif sign and sign in b"]}":
            kind = list if sign == b"]" else dict
            if not any(isinstance(value, kind) for _, value, _ in stack):
                broken = begin if broken is None else broken
                continue
            while True:
                opened, value, outer = stack.pop()
                item = Item(value, opened, at)
                if not stack:
                    return item, broken
                _put(stack[-1][1], outer, item)
                if isinstance(value, kind):
                    break
                broken = begin if broken is None else broken
            key = None
        elif sign:
            key = None if sign == b"," else key
        else:
            said = match[3] if match[2] is None else _string(match[0].strip())
            if isinstance(stack[-1][1], dict) and key is None and isinstance(said, str):
                key = said
            else:
                _put(stack[-1][1], key, Item(said, begin, at))
                key = None


def _put(container: Any, key: str | None, item: Item) -> None:
    if isinstance(container, list):
        container.append(item)
    elif key is not None:
        container.setdefault(key, item)


def _string(quoted: bytes) -> str:
    try:  # single quotes are not JSON, but models write them
        text: str = json.loads(quoted.decode("utf-8", "surrogatepass"), strict=False)
    except ValueError:
        return quoted[1:-1].decode("utf-8", "replace")
    return text
