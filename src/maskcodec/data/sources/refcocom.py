"""Read RefCOCO-M: an image a line, with its objects, their expressions and masks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from maskcodec.data._jsonfile import id_of, shown
from maskcodec.data.sample import Instance, Sample
from maskcodec.data.sources._records import (
    LineRecords,
    fail,
    joined,
    list_of,
    needed_id,
    runs_of,
    text_of,
)

if TYPE_CHECKING:
    import os


class RefCOCOM(LineRecords):
    """The expressions of RefCOCO-M as JSON Lines: its rows without the column of images.

    A record is a sentence of one of a row's ``samples``, with the sample's mask.

    Parameters
    ----------
    path
        The file: a JSON object a line.
    images
        A folder or an address to put before the images' names, which are those of COCO's
        ``train2014``.
    name
        The prefix of keys, as in ``"refcoco-m:1719310:0"``. The object's id and the number of its
        sentence follow.

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
        name: str = "refcoco-m",
    ) -> None:
        super().__init__(path, images, name)
        self._records: list[tuple[int, int, int]] = []  # a line, one of its samples, a sentence
        self._again: set[tuple[int, int]] = set()  # samples whose id an earlier one has
        seen: set[str] = set()
        for line, row in self._lines():
            samples = _listed(row, "samples")
            for k, sample in enumerate(samples):
                self._records += [
                    (line, k, j) for j in range(len(_listed(sample, "sentences")) or 1)
                ]
                key = id_of(sample, "id")
                if key in seen:
                    self._again.add((line, k))
                seen.add(key or "")
            if not samples:
                self._records.append((line, 0, 0))

    def __len__(self) -> int:
        return len(self._records)

    def _record(self, index: int) -> Sample:
        line, k, j = self._records[index]
        where, row = self._line(line)
        sample = list_of(row, "samples", where, filled=True)[k]
        where += f", sample {k}"
        key = needed_id(sample, "id", where)
        if (line, k) in self._again:
            fail(where, f'its "id" is {shown(sample["id"])}, as a sample before it has')
        spoken = list_of(sample, "sentences", where, filled=True)
        mask, shape = runs_of(sample, "mask", where)
        expression = text_of({"sentence": spoken[j]}, "sentence", where)
        return Sample(
            key=f"{self.name}:{key}:{j}",
            image=joined(self.images, text_of(row, "file_name", where), where),
            shape=shape,
            task="expression",
            instances=(Instance(label=expression, segmentation=mask),),
            query=expression,
        )


def _listed(entry: Any, key: str) -> list[Any]:
    """Return a list of an object; [] if there is none."""
    found = entry.get(key) if isinstance(entry, dict) else None
    return found if isinstance(found, list) else []
