"""Read GSEval: an expression and one region a line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maskcodec.data._jsonfile import id_of
from maskcodec.data.sample import Instance, Sample
from maskcodec.data.sources._records import (
    LineRecords,
    joined,
    needed_id,
    runs_of,
    segmentation_of,
    text_of,
)

if TYPE_CHECKING:
    import os


class GSEval(LineRecords):
    """The expressions of a file of GroundingSuite's evaluation, such as ``GSEval.jsonl``.

    A record is a line. Its ``box`` is not read: it is wider than the mask.

    Parameters
    ----------
    path
        The file: a JSON object a line.
    images
        A folder or an address to put before the images' names.
    name
        The prefix of keys, as in ``"gseval:15"``.

    Raises
    ------
    SourceError
        The file cannot be opened, or holds no line.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        images: str | os.PathLike[str] = "",
        name: str = "gseval",
    ) -> None:
        super().__init__(path, images, name)
        seen: dict[str, int] = {}
        for number, entry in self._lines():
            key = id_of(entry, "idx")
            if key is not None and seen.setdefault(key, number) != number:
                self._faults[number] = f'its "idx" {key:.60} is that of record {seen[key]}'

    def __len__(self) -> int:
        return len(self._stored)

    def _record(self, index: int) -> Sample:
        where, entry = self._line(index)
        key = needed_id(entry, "idx", where)
        caption = text_of(entry, "caption", where)
        segmentation_of(entry, where)
        segmentation, shape = runs_of(entry, "segmentation", where)
        return Sample(
            key=f"{self.name}:{key}",
            image=joined(self.images, text_of(entry, "image_path", where), where),
            shape=shape,
            task="expression",
            instances=(Instance(label=caption, segmentation=segmentation),),
            query=caption,
        )
