"""Shared parts of readers: records by number, labels, paths, sizes, segmentations."""

from __future__ import annotations

import operator
import os
import re
from abc import ABC, abstractmethod
from array import array
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NoReturn, TypeAlias

import numpy as np

from maskcodec.data._classes import Classes
from maskcodec.data._jsonfile import Stored, id_of, is_written, lines, shown, whole
from maskcodec.data._jsontext import parsed
from maskcodec.data.sample import Broken
from maskcodec.errors import MaskError, SourceError
from maskcodec.masks.runs import as_image_size
from maskcodec.messages import brief, check_choice, plural

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from maskcodec.data.sample import Sample

Labels: TypeAlias = Literal["plain", "file"]

_REST = re.compile(r".+-other(-merged)?", re.DOTALL)  # the rest of a supercategory
_LONGEST_NAME = 500  # characters; COCO's have 16
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")  # one letter would be a drive
_OUTSIDE = re.compile(r"[A-Za-z]:|[. ]+\Z")  # a part of a path: a drive, or dots and spaces alone
_ENDINGS = "-merged", "-other", "-stuff"  # COCO's stuff: "sky-other-merged"


class RecordError(SourceError):
    """A record is broken: its place and its fault. Sources yield a `Broken` for it."""

    def __init__(self, where: str, message: str) -> None:
        super().__init__(where, message)  # both, so that it pickles
        self.where, self.message = where, message

    def said(self, _: object) -> str:
        """Return the place and the fault."""
        return f"{self.where}: {self.message}"


class Records(ABC):
    """A dataset whose records are read by number, in any order and in any process.

    Iteration yields them in the file's order.

    Attributes
    ----------
    path
        The file or the folder.
    images
        A folder or an address to put before the images' names.
    name
        The prefix of its samples' keys.
    complete
        Whether the instances of each sample cover its image, see `Sample.complete`.
    """

    complete: ClassVar[bool] = False
    _last: tuple[object, Any] = None, None

    def __init__(
        self, path: str | os.PathLike[str], images: str | os.PathLike[str], name: str
    ) -> None:
        self.path = Path(path)
        self.images = images
        self.name = name

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in vars(self).items() if key != "_last"}

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of records, also broken ones."""

    def __getitem__(self, index: int) -> Sample | Broken:
        """Return one record by its number, 0 .. ``len - 1``.

        Raises
        ------
        IndexError
            There is no such record.
        SourceError
            The file has changed since it was opened.
        """
        number = operator.index(index)
        if not 0 <= number < len(self):
            records = plural(len(self), "record")
            raise IndexError(f"{self.name} has {records}, there is no number {number}")
        try:
            return self._record(number)
        except RecordError as error:
            return Broken(error.where, error.message)

    def __iter__(self) -> Iterator[Sample | Broken]:
        """Yield all records, one at a time."""
        return map(self.__getitem__, range(len(self)))

    @abstractmethod
    def _record(self, index: int) -> Sample | Broken:
        """Return a record that exists; raise a `RecordError` if it is broken."""

    def _latest(self, key: object, read: Callable[[], Any]) -> Any:
        """Return `read()`, kept until another key comes: many records share an image."""
        if self._last[0] != key:
            self._last = key, read()
        return self._last[1]


class LineRecords(Records):
    """A file of JSON Lines, an object a line."""

    def _lines(self) -> Iterator[tuple[int, Any]]:
        """Read the file once: yield each line's number and value, None if it is no JSON."""
        self._stored = Stored(self.path)
        self._faults: dict[int, str] = {}  # faults of lines
        for start, stop, _, line in lines(self.path):
            number = self._stored.add(start, stop)
            try:
                entry = parsed(line, "the line", start)
            except SourceError as error:
                self._faults[number], entry = str(error), None
            yield number, entry
        if not len(self._stored):
            raise SourceError(f"{self.path} is empty; expected is a JSON object a line")

    def _line(self, number: int) -> tuple[str, dict[str, Any]]:
        """Return the name of a line in messages, and its object."""
        where = f"{self.path}: record {number}"
        if number in self._faults:
            fail(where, self._faults[number])
        return where, as_object(self._stored.read([number])[0], where)


def plain_name(name: str) -> str:
    """Return a category's name as people write it: COCO's stuff and LVIS write for machines.

    Examples
    --------
    >>> [plain_name(name) for name in ("sky-other-merged", "baseball_bat", "wall-brick", "tv")]
    ['sky', 'baseball bat', 'wall-brick', 'tv']
    """
    plain = name.replace("_", " ")
    for ending in _ENDINGS:
        plain = plain.removesuffix(ending)
    return " ".join(plain.split()) or name


class Categories:
    """The categories of a COCO file: the name of each by its id.

    Parameters
    ----------
    path
        The file, for messages.
    labels
        ``"file"`` keeps the names of the file. ``"plain"`` writes them as `plain_name` does, except
        names that would then be the same. It puts "other" before the name of a category that is the
        rest of its supercategory, such as ``wall-other-merged`` beside ``wall-brick``.
    """

    def __init__(self, path: Path, labels: Labels) -> None:
        check_choice(labels, Labels, "labels")
        self._path = path
        self._labels = labels
        self._names: dict[str, str] = {}
        self._kinds: dict[str, str] = {}  # supercategories
        self._synonyms: dict[str, list[str]] = {}
        self._used: set[str | None] = set()

    def add(self, entry: Any) -> None:
        """Add a category of the file.

        Raises
        ------
        SourceError
            It has no id or no name, or has the id of a category with another name.
        """
        key = needed_id(entry, "id", f"{self._path}: a category")
        where = f"{self._path}: category {key:.60}"
        name = text_of(entry, "name", where)
        known = self._names.setdefault(key, name)
        if known != name:
            fail(where, f"it is listed twice: as {shown(known)} and as {shown(entry['name'])}")
        if isinstance(kind := entry.get("supercategory"), str):
            self._kinds.setdefault(key, kind)
        if isinstance(terms := entry.get("synonyms"), list):
            self._synonyms[key] = [term for term in terms if isinstance(term, str)]

    def use(self, annotation: Any) -> None:
        """Note the category of an annotation or a segment, if it has one."""
        self._used.add(id_of(annotation, "category_id"))

    def done(self) -> tuple[dict[str, str], Classes]:
        """Return the labels of the categories, and the classes that may be denied.

        Returns
        -------
        The label of each category by its id, in the file's order; and the classes that questions
        may ask for if an image does not show them. These leave out a category that is another's
        supercategory and has no annotation: exports of tools have one for all others. With
        ``"plain"`` they leave out the rest of a supercategory, since "no other wall" says little
        without the other walls.
        """
        labels, rests, left_out = self._names, self._rests(), set[str]()
        if self._labels == "plain":
            left_out |= rests
            plain = {key: plain_name(name) for key, name in self._names.items()}
            plain |= {key: f"other {plain[key]}" for key in rests}
            used = Counter(plain.values())
            labels = {k: name if used[name] == 1 else self._names[k] for k, name in plain.items()}
        own = {
            key: name.casefold() if key in rests else plain_name(name).casefold()
            for key, name in self._names.items()
        }
        above: dict[str, set[str]] = {}
        for key, kind in self._kinds.items():
            above.setdefault(own[key], set()).add(plain_name(kind).casefold())
        broad = {kind for name, kinds in above.items() for kind in kinds if kind != name}
        left_out |= {key for key, name in own.items() if name in broad and key not in self._used}
        synonyms: dict[str, list[str]] = {}
        for key, terms in self._synonyms.items():
            synonyms.setdefault(labels[key], []).extend(terms)
        return labels, Classes(
            (label for key, label in labels.items() if key not in left_out),
            kinds={labels[key]: name for key, name in own.items()},
            above=above,
            synonyms=synonyms,
        )

    def _rests(self) -> set[str]:
        """Return the ids of categories that are the rest of their supercategory."""
        sizes = Counter(self._kinds.values())
        return {
            key
            for key, kind in self._kinds.items()
            if sizes[kind] > 1 and _REST.fullmatch(self._names[key])
        }


class Ids:
    """Finds ids of entries that come again, in a few bytes for each entry."""

    def __init__(self) -> None:
        self._numbers, self._places = array("q"), array("q")
        self._words: set[str] = set()
        self._again: list[int] = []
        self._count = 0

    def add(self, own: str | None) -> None:
        """Add the id of the next entry; None if it has none."""
        if own is not None and own.isascii() and own.isdecimal() and len(own) < 19:
            self._numbers.append(int(own))
            self._places.append(self._count)
        elif own is not None:
            if own in self._words:
                self._again.append(self._count)
            self._words.add(own)
        self._count += 1

    def repeated(self) -> frozenset[int]:
        """Return the numbers of the entries whose ids came before."""
        places = np.array(self._places, np.int64)
        _, first = np.unique(np.array(self._numbers, np.int64), return_index=True)
        again = np.delete(places, first)
        return frozenset([*self._again, *again.tolist()])


def fail(where: str, message: str) -> NoReturn:
    """Raise a `RecordError`: a record is broken."""
    raise RecordError(where, message)


def entry_name(path: Path, kind: str, number: int, entry: Any) -> str:
    """Name an entry of a list in messages by its id, or by its `number`, which is from 0."""
    own = id_of(entry, "id")
    which = f"number {number + 1} of the list" if own is None else f"{own:.60}"
    return f"{path}: {kind} {which}"


def as_object(entry: Any, where: str) -> dict[str, Any]:
    """Return an entry, which must be an object of JSON."""
    if not isinstance(entry, dict):
        fail(where, f"it must be an object, but it is {shown(entry)}")
    return entry


def text_of(entry: dict[str, Any], key: str, where: str) -> str:
    """Return a string that an entry must have, without the spaces around it."""
    value = entry.get(key)
    if not isinstance(value, str) or not value.strip():
        fail(where, f'it needs a "{key}", a string that is not empty: {shown(value)}')
    if not is_written(value):
        fail(where, f'its "{key}" cannot be written as UTF-8: {shown(value)}')
    return value.strip()


def list_of(entry: dict[str, Any], key: str, where: str, *, filled: bool = False) -> list[Any]:
    """Return a list that an entry must have; if `filled`, it must not be empty."""
    found = entry.get(key)
    if not isinstance(found, list) or (filled and not found):
        wanted = "a list that is not empty" if filled else "a list"
        fail(where, f'its "{key}" must be {wanted}, got {shown(found)}')
    return found


def needed_id(entry: Any, key: str, where: str) -> str:
    """Return an id that an entry must have, as `id_of` does."""
    found = id_of(as_object(entry, where), key)
    if found is None:
        fail(where, f'its "{key}" is {shown(entry.get(key))}, which is no id')
    return found


def label_of(entry: dict[str, Any], labels: Mapping[str, str], where: str) -> str:
    """Return the label of the category of an annotation or a segment."""
    category = id_of(entry, "category_id")
    if category not in labels:
        fail(where, f"its category {shown(entry.get('category_id'))} is none of the file's")
    return labels[str(category)]


def runs_of(entry: dict[str, Any], key: str, where: str) -> tuple[Any, tuple[int, int]]:
    """Return run lengths that an entry must have, and the image's (height, width) in them."""
    found = entry.get(key)
    size = found.get("size") if isinstance(found, dict) else None
    if not isinstance(size, list) or len(size) != 2:
        fail(where, f'its "{key}" must be run lengths with a "size", got {shown(found)}')
    return found, size_of({"height": size[0], "width": size[1]}, where)


def size_of(entry: dict[str, Any], where: str) -> tuple[int, int]:
    """Return the (height, width) that an image claims to have."""
    height, width = whole(entry.get("height")), whole(entry.get("width"))
    if type(height) is not int or type(width) is not int:
        fail(
            where,
            'it needs a "height" and a "width" in pixels: '
            f"{shown(entry.get('height'))} and {shown(entry.get('width'))}",
        )
    try:
        return as_image_size((height, width), "its size")
    except MaskError as error:
        fail(where, str(error))


def crowd_of(entry: dict[str, Any], where: str) -> bool:
    """Whether an annotation is of a group: its "iscrowd", which may be missing."""
    crowd = entry.get("iscrowd")
    if crowd not in (None, 0, 1):  # True and 1.0 count as 1
        fail(where, f'its "iscrowd" is neither 0 nor 1: {shown(crowd)}')
    return bool(crowd)


def segmentation_of(entry: dict[str, Any], where: str) -> Any:
    """Return an entry's segmentation; `maskcodec.coco.read` later checks whether it is valid."""
    found = entry.get("segmentation")
    if found is None or found in ([], {}, ""):
        fail(where, f"it has no segmentation: {shown(found)}; a mask is needed, not only a box")
    if not isinstance(found, (list, dict)):
        fail(where, f"its segmentation must be polygons or run lengths, got {shown(found)}")
    return found


def joined(folder: str | os.PathLike[str], name: str, where: str) -> str:
    """Return the path of an image in rows: its name in the file, behind a folder or an address.

    Files that were made on Windows separate by a backslash, which is read as ``/``. A name that is
    an address stays as it is, and `folder` must be empty. No name may lead out of its folder.
    """
    start = str(folder)
    if _ADDRESS.match(name):
        if start:
            fail(where, f"its image {brief(name)} is an address, and images= cannot go before it")
        return name
    path = name.replace("\\", "/")
    # An absolute path is of this machine, and is allowed only without a folder.
    relative = path.removeprefix("/") if not start and not name.startswith("\\") else path
    if leads_out(relative):
        below = f" below {start}" if start else ": a path without .. and a drive letter is one"
        fail(where, f"{brief(name)} is no name of an image{below}")
    return f"{start.rstrip('/')}/{path}" if start else path


def leads_out(name: str) -> bool:
    """Whether a name cannot be that of a file below a folder, on some system.

    On Windows ``C:`` is a drive, and dots and spaces at the end of a part do not count.
    """
    parts = [part for part in name.split("/") if part not in {"", "."}]
    wrong = "\0" in name or name.startswith("/")
    return wrong or not parts or any(_OUTSIDE.match(part) for part in parts)


def inside(folder: Path, name: str, where: str) -> Path:
    """Return the path of a file in a folder. Its name, from a dataset, may not lead out of it.

    Neither may a link to a folder on the way. The folder itself may be a link, and so may the file,
    as in a snapshot of Hugging Face's cache.
    """
    inner = name.replace("\\", "/")
    if leads_out(inner) or len(inner) > _LONGEST_NAME:
        fail(where, f"{brief(name)} is no name of a file below {folder}")
    path = folder / inner
    if path.parent != folder and not _real(path.parent).is_relative_to(_real(folder)):
        fail(where, f"{brief(name)} leads out of {folder} by a link")
    return path


def _real(folder: Path) -> Path:
    """Return the real path of a folder; unlike `Path.resolve`, also for links in a circle."""
    return Path(os.path.realpath(folder))
