"""JSON files that are too large to be held, such as datasets have: objects of long lists."""

from __future__ import annotations

import codecs
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from maskcodec.cli import say
from maskcodec.cli.read import InputError
from maskcodec.data._jsonfile import id_of, shown, whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import BinaryIO

__all__ = ["entries_of", "id_of", "no_id", "opened", "outlines", "shown", "whole"]

_HINT = "reading COCO files needs ijson, which is missing: pip install 'maskcodec[coco]'"
_LIST = ["start_map", "start_array"]  # what begins before an entry of a list of the file
_ENTRY = [*_LIST, "start_map"]
# How ijson's readers begin to say that they met NaN, Infinity or -Infinity.
_FOREIGN = "invalid char", "malformed number", "Unexpected symbol"
_DEEPEST = 50  # COCO's files are 5 deep


@contextmanager
def opened(path: Path, what: str | None = None) -> Iterator[BinaryIO]:
    """A file, behind the mark of UTF-8 that it may have; with progress if it is said of `what`.

    Raises
    ------
    InputError
        It is a pipe: there is nothing left to read where it was read before.
    """
    with path.open("rb") as file:
        if not file.seekable():
            raise InputError(f"{path} is read twice, which only a file allows: save it first")
        if file.read(3) != codecs.BOM_UTF8:
            file.seek(0)
        if what is None:
            yield file
        else:
            with say.reading(file, what) as watched:
                yield watched


def entries_of(path: Path, file: BinaryIO, key: str) -> Iterator[Any]:
    """The entries of one of a file's lists, one at a time.

    Raises
    ------
    InputError
        It is not JSON, or ijson is missing.
    """
    return _parsed(path, lambda ijson: ijson.items(file, f"{key}.item", use_float=True))


def outlines(
    path: Path, file: BinaryIO, lists: set[str]
) -> Iterator[tuple[str, dict[str, Any] | None]]:
    """Every entry of all of a file's lists: the list's name, the entry, empty what it nests.

    Parameters
    ----------
    path, file
        What to read, and the same, opened.
    lists
        Receives the names of the lists, empty ones as well.

    Yields
    ------
    None instead of an entry where there is something else than objects in a list.

    Raises
    ------
    InputError
        It is not JSON, is nested too deep, or ijson is missing.
    """
    inside: list[str] = []
    key = name = ""
    entry: dict[str, Any] = {}
    for event, value in _parsed(path, lambda ijson: ijson.basic_parse(file, use_float=True)):
        depth = len(inside)
        if event == "map_key":
            if depth == 1:
                key = value
            else:
                name = value
        elif event in {"start_map", "start_array"}:
            inside.append(event)
            if depth == _DEEPEST:
                raise InputError(f"{path} is nested deeper than {_DEEPEST}")
            if inside == _LIST:
                lists.add(key)
            elif inside == _ENTRY:
                entry = {}
            elif depth in {1, 2}:
                yield key, None
            elif inside[:-1] == _ENTRY:
                entry[name] = [] if event == "start_array" else {}
        elif event in {"end_map", "end_array"}:
            if inside == _ENTRY:
                yield key, entry
            inside.pop()
        elif depth < 3:
            yield key, None
        elif inside == _ENTRY:
            entry[name] = value


def no_id(where: str, entry: dict[str, Any], key: str) -> InputError:
    """What to say where `id_of` finds none."""
    value = entry.get(key)
    if value is None:
        return InputError(f"{where} has no {key}")
    return InputError(f"{where} has {shown(value)} for its {key}, which is no id")


def _parsed(path: Path, parse: Callable[[Any], Iterator[Any]]) -> Iterator[Any]:
    """What ijson finds in a file."""
    try:
        import ijson
    except ImportError:
        raise InputError(_HINT) from None
    try:
        yield from parse(ijson)
    except (ijson.JSONError, ValueError) as error:  # ValueError: from the slower of its readers
        said = error.args[0] if error.args else ""
        text = said.decode(errors="replace") if isinstance(said, bytes) else str(said)
        reason = text.partition("\n")[0].rpartition("error: ")[2]  # behind it a piece of the file
        if any(sign in reason for sign in _FOREIGN):
            reason = f"{reason.rstrip('.')} (NaN and Infinity are no JSON)"
        raise InputError(f"{path} is not JSON that can be read: {reason}") from error
