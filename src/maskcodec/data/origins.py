"""Sources as they are typed, ``name:path,option=value``, and what tells one file from another."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from importlib import import_module
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from maskcodec.data.sources import SOURCES, open_source
from maskcodec.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from maskcodec.data.sample import Broken, Sample
    from maskcodec.data.sources import Source

_OPTION = re.compile(r",(?=[a-z_]+=)")  # a comma of a path has no option behind it


@dataclass(frozen=True, slots=True)
class Origin:
    """A source that is not open yet.

    Attributes
    ----------
    name, path
        As `maskcodec.data.open_source` takes them.
    options
        The same, as they were typed.

    Examples
    --------
    >>> from maskcodec.data.origins import Origin
    >>> Origin.parsed("refer:refcoco/refs(unc).p,images=train2014,split=train").options
    (('images', 'train2014'), ('split', 'train'))
    """

    name: str
    path: str
    options: tuple[tuple[str, str], ...]

    @classmethod
    def parsed(cls, text: str) -> Origin:
        """A source from ``name:path,option=value,...``.

        Raises
        ------
        ConfigError
            There is no name or no path, or no such source.
        """
        name, _, rest = text.partition(":")
        path, *typed = _OPTION.split(rest)
        if not name or not path:
            raise ConfigError(
                f"a source is name:path or name:path,option=value,..., such as "
                f"coco:instances_val2017.json,images=val2017; got {text!r}"
            )
        if name not in SOURCES:
            raise ConfigError(f"there is no source {name!r}; there are {', '.join(SOURCES)}")
        options = (option.partition("=") for option in typed)
        return cls(name, path, tuple((key, value) for key, _, value in options))

    def open(self) -> Source:
        """The source.

        Raises
        ------
        ConfigError
            It has no such option, or an option is no number that should be one.
        SourceError
            It cannot be read.
        """
        module, reader = SOURCES[self.name]
        known = inspect.signature(getattr(import_module(module), reader)).parameters
        options = {
            key: _typed(key, value, known[key].default) if key in known else value
            for key, value in self.options
        }
        return open_source(self.name, self.path, **options)

    def identity(self) -> dict[str, Any]:
        """What was typed, and the size and the time of each file that it names."""
        found: dict[str, Any] = {
            "name": self.name,
            "path": self.path,
            "options": dict(self.options),
        }
        for text in (self.path, *(value for _, value in self.options)):
            path = Path(text)
            if path.is_file():
                status = path.stat()
                found.setdefault("files", {})[text] = [status.st_size, status.st_mtime_ns]
        return found


@dataclass(frozen=True, slots=True)
class Joined:
    """The records of several sources, one source after another.

    Attributes
    ----------
    sources
        Each with a length, and records by their numbers.
    """

    sources: tuple[Any, ...]

    def __len__(self) -> int:
        return sum(map(len, self.sources))

    def __getitem__(self, index: int) -> Sample | Broken:
        """A record by its number, 0 .. ``len - 1``."""
        for source in self.sources:
            if 0 <= index < len(source):
                record: Sample | Broken = source[index]
                return record
            index -= len(source)
        raise IndexError("there is no such record")

    def __iter__(self) -> Iterator[Sample | Broken]:
        return chain.from_iterable(self.sources)


def _typed(key: str, value: str, default: Any) -> Any:
    """A number, or several joined by +, where the default is one or several."""
    if not isinstance(default, (int, tuple, list, range, frozenset)):
        return value
    try:
        numbers = [int(part) for part in value.split("+")]
    except ValueError:
        raise ConfigError(f"option {key} is a number, or several as 0+255, got {value!r}") from None
    return numbers[0] if isinstance(default, int) else numbers
