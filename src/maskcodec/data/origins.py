"""Parse sources as they are typed, ``name:path,option=value``, and stamp their files."""

from __future__ import annotations

import hashlib
import inspect
import os
import re
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import TYPE_CHECKING, Any

from maskcodec.data.sources import open_source, reader_of
from maskcodec.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from maskcodec.data.sample import Broken, Sample
    from maskcodec.data.sources import Source
    from maskcodec.data.sources._records import Records

# The endings of annotations. A folder may hold a hundred thousand pictures beside them.
_KINDS = ".csv", ".json", ".jsonl", ".p", ".png", ".txt"
_PICTURES = "images"  # the option that names a folder of pictures, in every source
_OPTION = re.compile(r",(?=[a-z_]+=)")  # a comma in a path has no option behind it


@dataclass(frozen=True, slots=True)
class Origin:
    """A source that is not open yet.

    Examples
    --------
    >>> from maskcodec.data.origins import Origin
    >>> Origin.parsed("refer:refcoco/refs(unc).p,images=train2014,split=train").options
    (('images', 'train2014'), ('split', 'train'))
    """

    name: str  # as `maskcodec.data.open_source` takes it
    path: str
    options: tuple[tuple[str, str], ...]  # (option, value), as typed

    @classmethod
    def parsed(cls, text: str) -> Origin:
        """Parse ``name:path,option=value,...``.

        Raises
        ------
        ConfigError
            The name or the path is missing, or there is no such source.
        """
        name, _, rest = text.partition(":")
        path, *typed = _OPTION.split(rest)
        if not name or not path:
            raise ConfigError(
                f"a source is name:path or name:path,option=value,..., such as "
                f"coco:instances_val2017.json,images=val2017; got {text!r}"
            )
        reader_of(name)
        options = (option.partition("=") for option in typed)
        return cls(name, path, tuple((key, value) for key, _, value in options))

    def reader(self) -> type[Records]:
        """Return the class of the source."""
        return reader_of(self.name)

    def open(self) -> Source:
        """Open the source.

        Raises
        ------
        ConfigError
            The source has no such option, or the value of an option must be a number and is not.
        SourceError
            The source cannot be read.
        """
        known = inspect.signature(self.reader()).parameters
        options = {
            key: _typed(key, value, known[key].default) if key in known else value
            for key, value in self.options
        }
        return open_source(self.name, self.path, **options)

    def identity(self, *besides: Path) -> dict[str, Any]:
        """Return the typed name, path and options, and the `stamps` of the files that they name.

        Parameters
        ----------
        *besides
            Folders that do not count, because they are written meanwhile.
        """
        options = dict(self.options)
        named = [self.path, *(value for key, value in options.items() if key != _PICTURES)]
        # COCO panoptic has its masks in a folder with the file's name.
        named.append(self.path.removesuffix(Path(self.path).suffix))
        files: dict[str, list[Any]] = {}
        for text in dict.fromkeys(named):
            files |= stamps(text, *besides)
        return {"name": self.name, "path": self.path, "options": options, "files": files}


@dataclass(frozen=True, slots=True)
class Joined:
    """The records of several sources, one source after another."""

    sources: tuple[Any, ...]  # each has a length, and records by number

    def __len__(self) -> int:
        return sum(map(len, self.sources))

    def __getitem__(self, index: int) -> Sample | Broken:
        """Return a record by its number, 0 .. ``len - 1``."""
        for source in self.sources:
            if 0 <= index < len(source):
                record: Sample | Broken = source[index]
                return record
            index -= len(source)
        raise IndexError("there is no such record")

    def __iter__(self) -> Iterator[Sample | Broken]:
        return chain.from_iterable(self.sources)


def stamps(text: str, *besides: Path) -> dict[str, list[Any]]:
    """Return values that change when the file or the folder at a path changes.

    Parameters
    ----------
    text
        A path. It may be missing, or be no path at all.
    *besides
        Folders in it that do not count.

    Returns
    -------
    By the path: for a file, its size in bytes and its time of change in nanoseconds; for a folder,
    the number of annotation files at any depth, and a digest of their names, sizes and times. {} if
    the path is neither.

    Examples
    --------
    >>> from maskcodec.data.origins import stamps
    >>> stamps("nowhere")
    {}
    """
    path = Path(text)
    try:
        status = path.stat()
    except (OSError, ValueError):  # not there, too long for a path, or with a null character
        return {}
    if S_ISREG(status.st_mode):
        return {text: _stamp(status)}
    if not S_ISDIR(status.st_mode):
        return {}
    found = sorted(_files(path, besides))
    return {text: [len(found), hashlib.sha256(repr(found).encode()).hexdigest()]}


def _files(folder: Path, besides: tuple[Path, ...]) -> Iterator[tuple[bytes, list[int]]]:
    """Yield names and stamps of a folder's annotations; read no file, visit a folder once."""
    seen = {_place(path.stat()) for path in besides if path.exists()}
    waiting = [folder]
    while waiting:
        inside = waiting.pop()
        place = _place(inside.stat())
        if place in seen:  # also a link that leads back
            continue
        seen.add(place)
        with suppress(PermissionError), os.scandir(inside) as entries:
            for entry in entries:
                if entry.name.lower().endswith(_KINDS) and entry.is_file():
                    name = os.path.relpath(entry.path, folder)
                    yield os.fsencode(name), _stamp(entry.stat())
                elif entry.is_dir():
                    waiting.append(Path(entry.path))


def _stamp(status: os.stat_result) -> list[int]:
    return [status.st_size, status.st_mtime_ns]


def _place(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _typed(key: str, value: str, default: Any) -> Any:
    """Convert a value to a number, or several joined by +, if the default has numbers."""
    if not isinstance(default, (int, tuple, list, range, frozenset)):
        return value
    try:
        numbers = [int(part) for part in value.split("+")]
    except ValueError:
        raise ConfigError(f"option {key} is a number, or several as 0+255, got {value!r}") from None
    if isinstance(default, int) and len(numbers) > 1:
        raise ConfigError(f"option {key} is one number, got {value!r}")
    return numbers[0] if isinstance(default, int) else numbers
