"""Read COCO annotation files of any size; one annotation is in memory at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from maskcodec.cli import messages
from maskcodec.cli.read import InputError, checked_claim, mask_of
from maskcodec.data._jsonfile import entries, id_of, whole
from maskcodec.data.labels import MOST_LABEL, check_length
from maskcodec.data.sources._records import as_object, crowd_of, needed_id
from maskcodec.data.sources.coco import Coco
from maskcodec.errors import LabelError, within

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from maskcodec.coco import RunMask
    from maskcodec.data._jsonfile import Entry


class Instance(NamedTuple):
    """One instance of a COCO annotation file; its segmentation is not parsed yet."""

    where: str  # the file and the annotation, for messages
    segmentation: Any  # as in the file: polygons, or run lengths
    shape: tuple[int, int]  # the image's (height, width)
    label: str = "object"  # the name of its category, as in `CocoFile`
    crowd: bool = False  # whether it is a group of objects
    image: str = ""  # the image's id
    key: str | None = None  # the annotation's id, None if it has none
    photo: str = ""  # the name of the image's file; "" if it has none

    def mask(self) -> RunMask:
        """The segmentation, read by `mask_of`."""
        return mask_of(self.segmentation, self.shape, self.where)


class CocoImage(NamedTuple):
    """One image of a COCO annotation file."""

    shape: tuple[int, int]  # (height, width)
    labels: list[str]  # the category of each instance, in the file's order
    masks: list[RunMask]  # a mask for each instance
    wheres: list[str]  # the file and the annotation of each instance, for messages


class CocoFile:
    """A COCO annotation file: its length is the number of annotations; iterating reads them.

    Annotations come image by image. An instance's label is the name of its category. A category 9
    that the file does not list is called "category 9". In a file without categories, an annotation
    without a category is an "object". The image of each annotation is checked at the start,
    everything else when the annotation is read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._source = _Annotations(path, labels="file")
        self._images: dict[str, tuple[int, Any, str]] = {}  # by id: (place, sides, file)
        for index, entry in enumerate(self._source.pictures()):
            image = as_object(entry, f"{path}: an image")
            sides = tuple(whole(image.get(side)) for side in ("height", "width"))
            key = needed_id(image, "id", f"{path}: an image")
            file = image.get("file_name")
            file = file if isinstance(file, str) and len(file) <= MOST_LABEL else ""
            if self._images.setdefault(key, (index, sides, file))[1] != sides:
                raise InputError(f"{path} lists image {key:.60} twice, with two sizes")
        self._source.check_owners()

    def __len__(self) -> int:
        return self._source.count()

    def __iter__(self) -> Iterator[Instance]:
        for key in self._images:
            yield from self._instances(key)

    def image(self, image_id: str) -> CocoImage:
        """One image with all its instances, crowds included."""
        if image_id not in self._images:
            names = ", ".join(f"{name:.60}" for name in [*self._images][:5])
            some = f"it has {len(self._images)}, for example {names}" if names else "it has none"
            raise InputError(f"{self.path} has no image with the id {image_id!r}; {some}")
        found = CocoImage(self._shape(image_id), [], [], [])
        for one in messages.steps(self._instances(image_id), f"Reading image {image_id}"):
            found.masks.append(one.mask())
            found.labels.append(one.label)
            found.wheres.append(one.where)
        return found

    def _instances(self, key: str) -> Iterator[Instance]:
        for _, where, entry in self._source.found(self._images[key][0]):
            label, crowd = self._source.label(entry, where), crowd_of(entry, where)
            own, segmentation = id_of(entry, "id"), entry.get("segmentation")
            shape, photo = self._shape(key), self._images[key][2]
            yield Instance(where, segmentation, shape, label, crowd, key, own, photo)

    def _shape(self, key: str) -> tuple[int, int]:
        height, width = self._images[key][1]
        where = f"{self.path}: image {key:.60}"
        if type(height) is not int or type(width) is not int:
            raise InputError(f'{where} has no "height" and "width"')
        return checked_claim((height, width), where)


class _Annotations(Coco):
    """The COCO source, which also takes files without categories or their names."""

    def _entries(self) -> Iterator[Entry]:
        found = entries(self.path, ("images", "annotations"), ("categories",))
        for entry in messages.reading(found, self.path, lambda entry: entry.stop):
            if entry.key != "categories" or isinstance(entry.value, dict):  # no object: no category
                yield entry

    def label(self, entry: Any, where: str) -> str:
        """The name of an annotation's category."""
        if not self._labels and as_object(entry, where).get("category_id") is None:
            return "object"
        category = needed_id(entry, "category_id", where)
        label = self._labels.get(category, f"category {category}")
        try:
            check_length(label, "name")
        except LabelError as error:
            raise within(where, error) from error
        return label
