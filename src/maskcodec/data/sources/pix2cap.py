"""Pix2Cap-COCO: segments of COCO panoptic with a caption each."""

from __future__ import annotations

from array import array
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from maskcodec.data._jsonfile import Stored, entries, id_of, shown
from maskcodec.data.sample import Instance, Sample
from maskcodec.data.sources._records import RecordError, Records, as_object, fail, joined, text_of
from maskcodec.data.sources.panoptic import segment_masks, segments_of
from maskcodec.errors import SourceError

if TYPE_CHECKING:
    import os

    from maskcodec.data.sample import Broken

SHORTEST = 3  # characters of a caption: the authors' own loader takes less for none


class Pix2Cap(Records):
    """The captions of a Pix2Cap-COCO file: an expression and one region each.

    The layout is COCO panoptic's, where each segment has a ``description``. A segment without one,
    or with one of fewer than three characters, has no caption and is no record; an annotation
    whose segments cannot be read is one record, and broken.

    Parameters
    ----------
    path
        The file, such as ``pix2cap_coco_val.json``.
    masks
        The folder of COCO's panoptic PNGs, such as ``panoptic_val2017``.
    images
        What to put before the images' names, which are the PNGs' with ``.jpg``.
    name
        What keys begin with: ``"pix2cap:139:3226956"``, image and segment.

    Raises
    ------
    SourceError
        It is no such file, or the folder is missing.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        masks: str | os.PathLike[str],
        images: str | os.PathLike[str] = "",
        name: str = "pix2cap",
    ) -> None:
        self.path = Path(path)
        self.masks = Path(masks)
        self.name = name
        self.images = images
        self._stored = Stored(self.path)
        self._owners, self._segments = array("q"), array("q")
        self._last: tuple[int, Any] | None = None
        seen: set[str] = set()
        self._repeated: set[int] = set()
        for _, start, stop, entry in entries(self.path, ("annotations",)):
            number = self._stored.add(start, stop)
            for segment in _captioned(entry):
                self._owners.append(number)
                self._segments.append(segment)
            image = id_of(entry, "image_id") if isinstance(entry, dict) else None
            if image in seen:
                self._repeated.add(number)
            elif image is not None:
                seen.add(image)
        if not self.masks.is_dir():
            raise SourceError(f"{self.masks} is no folder; masks= names that of the PNGs")

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_last": None}

    def _count(self) -> int:
        return len(self._owners)

    def _record(self, index: int) -> Sample | Broken:
        number, key = self._owners[index], self._segments[index]
        (entry,) = self._stored.read([number])
        where = f"{self.path}: annotation number {number + 1} of the list"
        image = id_of(as_object(entry, where), "image_id")
        if image is None:
            fail(where, f'its "image_id" is {shown(entry.get("image_id"))}, which is no id')
        where = f"{self.path}: image {image:.60}"
        if number in self._repeated:
            fail(where, "it has an annotation before this one")
        segments = segments_of(entry, where)
        if self._last is None or self._last[0] != number:  # its other captions come next
            self._last = number, segment_masks(self.masks, entry, where)
        masks = self._last[1]
        if key not in masks:
            fail(f"{where}, segment {key}", "its PNG has no pixel of it")
        caption = text_of(segments[key], "description", where)
        photo = PurePosixPath(text_of(entry, "file_name", where)).with_suffix(".jpg")
        return Sample(
            key=f"{self.name}:{image}:{key}",
            image=joined(self.images, str(photo), where),
            shape=masks[key].shape,
            task="expression",
            instances=(Instance(label=caption, segmentation=masks[key]),),
            query=caption,
        )


def _captioned(entry: Any) -> list[int]:
    """The ids of the segments that have a caption; [0] if it cannot be said which they are."""
    try:
        segments = segments_of(as_object(entry, ""), "")
    except RecordError:
        return [0]
    return [
        key
        for key, segment in segments.items()
        if len(str(segment.get("description") or "").strip()) >= SHORTEST
    ]
