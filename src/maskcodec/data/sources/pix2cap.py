"""Read Pix2Cap-COCO: segments of COCO panoptic with a caption each."""

from __future__ import annotations

from array import array
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from maskcodec.data._jsonfile import Stored, entries, id_of
from maskcodec.data.sample import Instance, Sample
from maskcodec.data.sources._records import (
    Ids,
    RecordError,
    Records,
    as_object,
    fail,
    joined,
    needed_id,
    text_of,
)
from maskcodec.data.sources.panoptic import segment_masks, segments_of
from maskcodec.errors import SourceError

if TYPE_CHECKING:
    import os

    from maskcodec.data.sample import Broken

SHORTEST = 3  # characters of a caption; the authors' own loader ignores shorter ones


class Pix2Cap(Records):
    """The captions of a Pix2Cap-COCO file: an expression and one region each.

    The layout is COCO panoptic's, and each segment has a ``description``. A segment without one, or
    with one of fewer than three characters, is no record. An annotation whose segments cannot be
    read is one broken record.

    Parameters
    ----------
    path
        The file, such as ``pix2cap_coco_val.json``.
    masks
        The folder of COCO's panoptic PNGs, such as ``panoptic_val2017``.
    images
        A folder or an address to put before the images' names, the PNGs' names with ``.jpg``.
    name
        The prefix of keys, as in ``"pix2cap:139:3226956"``. The ids of image and segment follow.

    Raises
    ------
    SourceError
        The file cannot be read, or has another layout; or the folder is missing.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        masks: str | os.PathLike[str],
        images: str | os.PathLike[str] = "",
        name: str = "pix2cap",
    ) -> None:
        super().__init__(path, images, name)
        self.masks = Path(masks)
        self._stored = Stored(self.path)
        self._owners, self._segments = array("q"), array("q")
        own = Ids()
        for _, start, stop, entry in entries(self.path, ("annotations",)):
            number = self._stored.add(start, stop)
            for segment in _captioned(entry):
                self._owners.append(number)
                self._segments.append(segment)
            own.add(id_of(entry, "image_id"))
        self._repeated = own.repeated()
        if not self.masks.is_dir():
            raise SourceError(f"{self.masks} is no folder; masks= names that of the PNGs")

    def __len__(self) -> int:
        return len(self._owners)

    def _record(self, index: int) -> Sample | Broken:
        number, key = self._owners[index], self._segments[index]
        (entry,) = self._stored.read([number])
        where = f"{self.path}: annotation number {number + 1} of the list"
        image = needed_id(entry, "image_id", where)
        where = f"{self.path}: image {image:.60}"
        if number in self._repeated:
            fail(where, "it has an annotation before this one")
        segments = segments_of(entry, where)
        masks = self._latest(number, lambda: segment_masks(self.masks, entry, where))
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
    """Return the ids of the segments that have a caption; [0] if they cannot be read."""
    try:
        segments = segments_of(as_object(entry, ""), "")
    except RecordError:
        return [0]
    return [
        key
        for key, segment in segments.items()
        if len(str(segment.get("description") or "").strip()) >= SHORTEST
    ]
