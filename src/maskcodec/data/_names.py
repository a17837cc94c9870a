"""Read files that name the values of label maps."""

from __future__ import annotations

import csv
import re
from collections import Counter
from typing import TYPE_CHECKING, Any

from maskcodec.data._jsonfile import content, is_written, shown
from maskcodec.data._jsontext import decoded, parsed
from maskcodec.errors import SourceError
from maskcodec.messages import brief, plural

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_SYNONYMS = re.compile("[;,]")
# objectInfo150.csv also writes ";" for the spaces inside a name; objectInfo150.txt does not. These
# are its first names that have several words.
_SPACED = (
    *("arcade machine", "bulletin board", "chest of drawers", "coffee table", "conveyer belt"),
    *("crt screen", "dirt track", "kitchen island", "pool table", "screen door", "swimming pool"),
    *("swivel chair", "trade name", "traffic light"),
)
_VALUES = "idx", "index", "id", "value"


def read_names(path: Path, first: int = 0) -> dict[int, str]:
    """Return the name of each named value, as `read_classes` reads it."""
    return {value: name for value, (name, _) in read_classes(path, first).items()}


def read_classes(path: Path, first: int = 0) -> dict[int, tuple[str, list[str]]]:
    """Return the name and the synonyms of each named value.

    Parameters
    ----------
    path
        ``.json``, or a file that begins as JSON: ``{"1": "wall"}``, or a list; null or "" gives a
        value no name. ``.csv``, or a file with a tab in its first line: a table with a column of
        values, ``Idx``, ``Index``, ``Id`` or ``Value``, and a column ``Name``. The name is the
        first of the synonyms, ``building;edifice``, or all of them if another value has the same
        first one. Any other file: one name a line. Only a table has synonyms.
    first
        The value of the first name of a list or of lines.

    Raises
    ------
    SourceError
        The file cannot be read, has another layout, names a value twice, or names no value.
    """
    text = decoded(content(path), str(path))
    lines = text.splitlines()
    if path.suffix.lower() == ".json" or text.lstrip()[:1] in ("{", "["):
        pairs = _from_json(parsed(text, str(path)), path, first)
    elif path.suffix.lower() == ".csv" or (lines and "\t" in lines[0]):
        pairs = _from_table(lines, path)
    else:
        pairs = [(first + number, line, "") for number, line in enumerate(lines)]
    names: dict[int, tuple[str, list[str]]] = {}
    for value, name, synonyms in pairs:
        if value in names:
            raise SourceError(f"{path} names value {value} twice")
        if name.strip():
            names[value] = name.strip(), _SYNONYMS.split(synonyms) if synonyms else []
    if not names:
        raise SourceError(
            f'{path} names no value; expected {{"1": "wall", ...}}, a list, a table or lines'
        )
    return names


def _from_json(content: Any, path: Path, first: int) -> list[tuple[int, str, str]]:
    if isinstance(content, list):
        content = {str(first + number): name for number, name in enumerate(content)}
    if not isinstance(content, dict):
        raise SourceError(
            f'{path} must be {{"1": "wall", ...}} or a list of names, got {shown(content)}'
        )
    for name in content.values():
        if name is not None and not (isinstance(name, str) and is_written(name)):
            raise SourceError(f"{path}: a name must be a string or null, got {shown(name)}")
    return [(_value(key, path), name or "", "") for key, name in content.items()]


def _from_table(lines: list[str], path: Path) -> list[tuple[int, str, str]]:
    """Return the values, their names and all synonyms."""
    try:
        head, *rows = csv.reader(lines, delimiter="\t" if "\t" in lines[0] else ",", strict=True)
    except (csv.Error, IndexError) as error:
        raise SourceError(f"{path} is no table: {error}") from error
    columns = [column.strip().lower() for column in head]
    keys = [columns.index(key) for key in _VALUES if key in columns]
    if not keys or "name" not in columns:
        raise SourceError(
            f"{path} needs the columns Idx and Name, as objectInfo150.csv has them, got "
            f"{brief(', '.join(head))}"
        )
    key, name = keys[0], columns.index("name")
    found = []
    for number, row in enumerate(rows, 2):
        if len(row) <= max(key, name):
            if row:
                raise SourceError(
                    f"{path}: line {number} has {plural(len(row), 'column')}, not {len(head)}"
                )
            continue
        found.append((_value(row[key], path), row[name]))
    names = first_names(dict(found))
    return [(value, names[value], all_) for value, all_ in found]


def first_names(names: Mapping[int, str]) -> dict[int, str]:
    """Return each value's first synonym, or all of them if another value has the same first one.

    Examples
    --------
    >>> from maskcodec.data._names import first_names
    >>> first_names({1: "person, individual", 2: "bar;pub", 3: "bar;rod"})
    {1: 'person', 2: 'bar;pub', 3: 'bar;rod'}
    """
    firsts = {value: _first(all_) for value, all_ in names.items()}
    called = Counter(firsts.values())
    return {value: firsts[value] if called[firsts[value]] == 1 else names[value] for value in names}


def _first(synonyms: str) -> str:
    for name in _SPACED:
        if f"{synonyms};".startswith(f"{name.replace(' ', ';')};"):
            return name
    return _SYNONYMS.split(synonyms)[0].strip()


def _value(text: str, path: Path) -> int:
    if not re.fullmatch(r"\s*-?\d{1,10}\s*", text):
        raise SourceError(f"{path}: a value must be a whole number, got {brief(text)}")
    return int(text)
