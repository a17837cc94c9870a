"""Readers of datasets by name. Each is imported when it is used.

A reader goes through its files in their order, and yields a `Sample` or a `Broken` for each record.
It raises `SourceError` for a file that it cannot read at all.
"""

from __future__ import annotations

import inspect
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

from maskcodec.errors import ConfigError

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from maskcodec.data.sample import Broken, Sample
    from maskcodec.data.sources._records import Records

# The module and the class of each reader.
SOURCES: dict[str, tuple[str, str]] = {
    "ade20k": ("maskcodec.data.sources.ade20k", "Ade20k"),
    "coco": ("maskcodec.data.sources.coco", "Coco"),
    "earthreason": ("maskcodec.data.sources.earthreason", "EarthReason"),
    "grefer": ("maskcodec.data.sources.grefer", "GRefer"),
    "gseval": ("maskcodec.data.sources.gseval", "GSEval"),
    "index": ("maskcodec.data.sources.index", "IndexMaps"),
    "llava": ("maskcodec.data.sources.llava", "Llava"),
    "lvis": ("maskcodec.data.sources.coco", "Lvis"),
    "masks": ("maskcodec.data.sources.masks", "Masks"),
    "muse": ("maskcodec.data.sources.muse", "Muse"),
    "panoptic": ("maskcodec.data.sources.panoptic", "Panoptic"),
    "pix2cap": ("maskcodec.data.sources.pix2cap", "Pix2Cap"),
    "reasonseg": ("maskcodec.data.sources.reasonseg", "ReasonSeg"),
    "refcoco-m": ("maskcodec.data.sources.refcocom", "RefCOCOM"),
    "refer": ("maskcodec.data.sources.refer", "Refer"),
}


class Source(Protocol):
    """The interface of every reader.

    Attributes
    ----------
    name
        The prefix of its samples' keys.
    """

    name: str

    def __iter__(self) -> Iterator[Sample | Broken]:
        """Yield the records, in the order of the files; the same ones every time."""


def open_source(name: str, path: str | os.PathLike[str], /, **options: Any) -> Source:
    """Open the reader of a dataset.

    Parameters
    ----------
    name
        One of `SOURCES`.
    path
        The file or the folder of the dataset.
    **options
        Keyword arguments of the reader's class, see ``docs/datasets.md``.

    Raises
    ------
    ConfigError
        There is no such source, it has no such option, or a required option is missing.
    SourceError
        The file cannot be read, or has another layout.

    Examples
    --------
    >>> from maskcodec.data import open_source
    >>> open_source("coco", "instances.json", masks="folder")
    Traceback (most recent call last):
        ...
    maskcodec.errors.ConfigError: source 'coco' has no option 'masks'; it has images, name, labels
    """
    kind: Any = reader_of(name)
    allowed = {
        option.name: option
        for option in inspect.signature(kind).parameters.values()
        if option.kind is option.KEYWORD_ONLY
    }
    for option in options:
        if option not in allowed:
            raise ConfigError(
                f"source {name!r} has no option {option!r}; it has {', '.join(allowed)}"
            )
    for option, parameter in allowed.items():
        if parameter.default is parameter.empty and option not in options:
            raise ConfigError(f"source {name!r} needs the option {option!r}")
    source: Source = kind(path, **options)
    return source


def reader_of(name: str) -> type[Records]:
    """Return the class of a dataset's reader.

    Raises
    ------
    ConfigError
        There is no such source.
    """
    if name not in SOURCES:
        raise ConfigError(f"there is no source {name!r}; there are {', '.join(SOURCES)}")
    module, reader = SOURCES[name]
    found: type[Records] = getattr(import_module(module), reader)
    return found
