"""RefCOCO-M: an image a line, with its objects, their expressions and masks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from maskcodec.data._jsonfile import Stored, id_of, lines, shown
from maskcodec.data._jsontext import parsed
from maskcodec.data.sample import Instance, Sample
from maskcodec.data.sources._records import Records, as_object, fail, joined, size_of, text_of
from maskcodec.errors import SourceError

if TYPE_CHECKING:
    import os


class RefCOCOM(Records):
    """The expressions of RefCOCO-M as JSON Lines: its rows without the column of images.

    A record is a sentence of a row's ``samples``, and its mask.

    Parameters
    ----------
    path
        The file: a JSON object a line.
    images
        What to put before the images' names, which are those of COCO's ``train2014``.
    name
        What keys begin with: ``"refcoco-m:1719310:0"``, behind it the object's id and which of
        its sentences.

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
        name: str = "refcoco-m",
    ) -> None:
        self.path = Path(path)
        self.name = name
        self.images = images
        self._stored = Stored(self.path)
        self._records: list[tuple[int, int, int]] = []  # a line, one of its samples, a sentence
        self._faults: dict[int, str] = {}  # of lines
        self._again: set[tuple[int, int]] = set()  # samples whose id is that of one before
        seen: set[str] = set()
        for start, stop, _, text in lines(self.path):
            line = self._stored.add(start, stop)
            try:
                samples = _listed(parsed(text, "the line", start), "samples")
            except SourceError as error:
                samples, self._faults[line] = [], str(error)
            for k, sample in enumerate(samples):
                self._records += [
                    (line, k, j) for j in range(len(_listed(sample, "sentences")) or 1)
                ]
                key = id_of(sample, "id") if isinstance(sample, dict) else None
                if key in seen:
                    self._again.add((line, k))
                seen.add(key or "")
            if not samples:
                self._records.append((line, 0, 0))
        if not self._records:
            raise SourceError(f"{self.path} is empty; expected is a JSON object a line")

    def _count(self) -> int:
        return len(self._records)

    def _record(self, index: int) -> Sample:
        line, k, j = self._records[index]
        where = f"{self.path}: record {line}"
        if line in self._faults:
            fail(where, self._faults[line])
        row = as_object(self._stored.read([line])[0], where)
        samples = _listed(row, "samples")
        if not samples:
            fail(where, f'it needs "samples", a list of objects, got {shown(row.get("samples"))}')
        where += f", sample {k}"
        sample = as_object(samples[k], where)
        key = id_of(sample, "id")
        if key is None or (line, k) in self._again:
            wrong = "which is no id" if key is None else "as a sample before it has"
            fail(where, f'its "id" is {shown(sample.get("id"))}, {wrong}')
        spoken = _listed(sample, "sentences")
        if not spoken:
            found = shown(sample.get("sentences"))
            fail(where, f'it needs "sentences", a list of strings, got {found}')
        mask = sample.get("mask")
        size = mask.get("size") if isinstance(mask, dict) else None
        if not isinstance(size, list) or len(size) != 2:
            fail(where, f'its "mask" must be run lengths with a "size", got {shown(mask)}')
        expression = text_of({"sentence": spoken[j]}, "sentence", where)
        return Sample(
            key=f"{self.name}:{key}:{j}",
            image=joined(self.images, text_of(row, "file_name", where), where),
            shape=size_of({"height": size[0], "width": size[1]}, where),
            task="expression",
            instances=(Instance(label=expression, segmentation=mask),),
            query=expression,
        )


def _listed(entry: Any, key: str) -> list[Any]:
    """A list of an object, empty where there is none."""
    found = entry.get(key) if isinstance(entry, dict) else None
    return found if isinstance(found, list) else []
