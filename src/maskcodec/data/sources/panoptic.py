"""Read COCO panoptic: every segment of an image, things and stuff."""

from __future__ import annotations

from array import array
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from maskcodec.data._classes import is_class
from maskcodec.data._jsonfile import Stored, entries, id_of, shown, whole
from maskcodec.data._labelmaps import read_segments
from maskcodec.data.sample import Instance, Sample
from maskcodec.data.sources._records import (
    Categories,
    Ids,
    Labels,
    Records,
    as_object,
    crowd_of,
    fail,
    inside,
    joined,
    label_of,
    list_of,
    size_of,
    text_of,
)
from maskcodec.errors import SourceError
from maskcodec.messages import check_choice

if TYPE_CHECKING:
    import os

    from maskcodec.masks.runs import RunMask

View: TypeAlias = Literal["classes", "semantic"]

_LISTS = "images", "annotations", "categories"


class Panoptic(Records):
    """The segments of each image of a COCO panoptic file and its folder of PNGs.

    A record is an annotation of the file, in the file's order: an image with all of its segments.
    A PNG is decoded when its record is read, and no segment is painted. The PNG and the file must
    have the same segments, as in panopticapi's evaluation.

    Parameters
    ----------
    path
        The file, such as ``panoptic_val2017.json``.
    masks
        The folder of its PNGs; by default `path` without ``.json``.
    images
        A folder or an address to put before the images' names.
    name
        The prefix of keys, as in ``"panoptic:139"``.
    task
        ``"classes"``, or ``"semantic"`` for samples that cover the image.
    labels
        The labels of categories: ``"plain"``, see `Categories`, or ``"file"`` for the file's names.

    Raises
    ------
    SourceError
        The file cannot be read, has another layout, or has a category without an id, without a
        name, or with two names; or the folder is missing.
    """

    complete = True

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        masks: str | os.PathLike[str] | None = None,
        images: str | os.PathLike[str] = "",
        name: str = "panoptic",
        task: View = "classes",
        labels: Labels = "plain",
    ) -> None:
        check_choice(task, View, "task")
        super().__init__(path, images, name)
        self.masks = self.path.with_suffix("") if masks is None else Path(masks)
        self.task: View = task
        categories = Categories(self.path, labels)
        self._stored = Stored(self.path)
        self._annotations = array("q")
        self._pictures: dict[str, int] = {}  # the entry of each image, by its id
        self._twice: set[str] = set()
        own = Ids()
        for key, start, stop, entry in entries(self.path, _LISTS):
            if key == "categories":
                categories.add(entry)
                continue
            number = self._stored.add(start, stop)
            field = "id" if key == "images" else "image_id"
            image = id_of(entry, field)
            if key == "annotations":
                for segment in _segments(entry):
                    categories.use(segment)
                self._annotations.append(number)
                own.add(image)
            elif image is not None and self._pictures.setdefault(image, number) != number:
                self._twice.add(image)
        self._repeated = own.repeated()
        self._labels, self._table = categories.done()
        if not self.masks.is_dir():
            raise SourceError(f"{self.masks} is no folder; masks= names that of the PNGs")

    def __len__(self) -> int:
        return len(self._annotations)

    def _record(self, index: int) -> Sample:
        (entry,) = self._stored.read([self._annotations[index]])
        where = f"{self.path}: annotation number {index + 1} of the list"
        key = id_of(as_object(entry, where), "image_id")
        if key is None or key not in self._pictures:
            value = shown(entry.get("image_id"))
            fail(where, f"its image {value} is none that the file lists")
        where = f"{self.path}: image {key:.60}"
        if index in self._repeated:
            fail(where, "it has an annotation before this one")
        if key in self._twice:
            fail(where, "it is listed twice: an id belongs to one image")
        (image,) = self._stored.read([self._pictures[key]])
        shape = size_of(image, where)
        segments = segments_of(entry, where)
        if not segments:
            fail(where, "it lists no segment, and so says nothing of any class")
        masks = segment_masks(self.masks, entry, where, shape)
        instances = tuple(self._instances(segments, masks, where))
        names, unasked = self._table.given(one.label for one in instances)
        return Sample(
            key=f"{self.name}:{key}",
            image=joined(self.images, text_of(image, "file_name", where), where),
            shape=shape,
            task=self.task,
            instances=instances,
            names=names,
            unasked=unasked,
            complete=True,
        )

    def _instances(
        self, segments: dict[int, dict[str, Any]], masks: dict[int, RunMask], where: str
    ) -> list[Instance]:
        found = []
        for key, segment in segments.items():
            mine = f"{where}, segment {key}"
            label = label_of(segment, self._labels, mine)
            if key not in masks:
                fail(mine, "its PNG has no pixel of it")
            crowd = crowd_of(segment, mine)
            if is_class(label):
                found.append(Instance(label=label, segmentation=masks[key], crowd=crowd))
        for key in masks:
            if key != 0 and key not in segments:
                fail(where, f"its PNG has a segment {key} that the file does not list")
        return found


def _segments(entry: Any) -> list[Any]:
    """Return the segments that an annotation lists; [] if it has no list."""
    listed = entry.get("segments_info") if isinstance(entry, dict) else None
    return listed if isinstance(listed, list) else []


def segments_of(entry: dict[str, Any], where: str) -> dict[int, dict[str, Any]]:
    """Return the segments of an annotation by their ids, in its order."""
    found: dict[int, dict[str, Any]] = {}
    for segment in list_of(entry, "segments_info", where):
        key = whole(as_object(segment, f"{where}, a segment").get("id"))
        if type(key) is not int or not 1 <= key < 1 << 24:
            fail(where, f"a segment has the id {shown(key)}; a PNG holds 1 .. 16777215")
        if key in found:
            fail(where, f"it lists segment {key} twice")
        found[key] = segment
    return found


def segment_masks(
    folder: Path, entry: dict[str, Any], where: str, shape: tuple[int, int] | None = None
) -> dict[int, RunMask]:
    """Return the mask of each segment of an annotation's PNG; id 0 is for pixels of no segment."""
    file = inside(folder, text_of(entry, "file_name", where), where)
    try:
        return read_segments(file, shape)
    except SourceError as error:
        fail(where, str(error))
