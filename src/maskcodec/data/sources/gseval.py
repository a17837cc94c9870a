"""GSEval: an expression and one region a line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from maskcodec.data._jsonfile import Stored, id_of, lines, shown
from maskcodec.data._jsontext import parsed
from maskcodec.data.sample import Instance, Sample
from maskcodec.data.sources._records import (
    Records,
    as_object,
    fail,
    joined,
    segmentation_of,
    size_of,
    text_of,
)
from maskcodec.errors import SourceError

if TYPE_CHECKING:
    import os


class GSEval(Records):
    """The expressions of a file of GroundingSuite's evaluation, such as ``GSEval.jsonl``.

    A record is a line. Its ``box`` is wider than its mask, and is not read.

    Parameters
    ----------
    path
        The file: a JSON object a line.
    images
        What to put before the images' names: a folder, or an address.
    name
        What keys begin with: ``"gseval:15"``.

    Raises
    ------
    SourceError
        It cannot be opened, or holds no line.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        images: str | os.PathLike[str] = "",
        name: str = "gseval",
    ) -> None:
        self.path = Path(path)
        self.name = name
        self.images = images
        self._stored = Stored(self.path)
        self._faults: dict[int, str] = {}
        seen: dict[str, int] = {}
        for start, stop, _, line in lines(self.path):
            number = self._stored.add(start, stop)
            try:
                entry = parsed(line, "the line", start)
            except SourceError as error:
                self._faults[number] = str(error)
                continue
            key = id_of(entry, "idx") if isinstance(entry, dict) else None
            if key is not None and seen.setdefault(key, number) != number:
                self._faults[number] = f'its "idx" {key:.60} is that of record {seen[key]}'
        if not len(self._stored):
            raise SourceError(f"{self.path} is empty; expected is a JSON object a line")

    def _count(self) -> int:
        return len(self._stored)

    def _record(self, index: int) -> Sample:
        where = f"{self.path}: record {index}"
        if index in self._faults:
            fail(where, self._faults[index])
        (entry,) = self._stored.read([index])
        key = id_of(as_object(entry, where), "idx")
        if key is None:
            fail(where, f'its "idx" is {shown(entry.get("idx"))}, which is no id')
        caption = text_of(entry, "caption", where)
        segmentation = segmentation_of(entry, where)
        size = segmentation.get("size") if isinstance(segmentation, dict) else None
        if not isinstance(size, list) or len(size) != 2:
            fail(where, 'its segmentation must be run lengths with a "size"')
        return Sample(
            key=f"{self.name}:{key}",
            image=joined(self.images, text_of(entry, "image_path", where), where),
            shape=size_of({"height": size[0], "width": size[1]}, where),
            task="expression",
            instances=(Instance(label=caption, segmentation=segmentation),),
            query=caption,
        )
