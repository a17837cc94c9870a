"""COCO annotation files, of any size: one annotation is held at a time."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from maskcodec import coco
from maskcodec.cli import messages
from maskcodec.cli.read import InputError, checked_claim
from maskcodec.data._jsonfile import Stored, entries, id_of, shown, whole
from maskcodec.data.labels import check_length
from maskcodec.errors import LabelError, MaskError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from maskcodec.coco import RunMask

_ONE = {"images": "an image", "annotations": "an annotation"}


class Instance(NamedTuple):
    """One instance of a COCO annotation file, its segmentation not read yet.

    Attributes
    ----------
    where
        The file and the annotation, for messages.
    segmentation
        As the file has it: polygons, or run lengths.
    shape
        The image's (height, width).
    label
        The name of its category, as `CocoFile` has it.
    crowd
        Whether it stands for a group.
    alike
        How many instances of its category the image has, itself among them, without crowds.
    key
        The annotation's own id, None where it has none.
    """

    where: str
    segmentation: Any
    shape: tuple[int, int]
    label: str = "object"
    crowd: bool = False
    alike: int = 1
    key: str | None = None

    def mask(self) -> RunMask:
        """Its segmentation, read.

        Raises
        ------
        InputError
            It is none, or does not fit the image.
        """
        try:
            return coco.read(self.segmentation, shape=self.shape, what="the segmentation")
        except ModuleNotFoundError as error:
            raise InputError(str(error)) from error
        except (MaskError, TypeError) as error:
            raise InputError(f"{self.where}: {error}") from error


class CocoImage(NamedTuple):
    """One image of a COCO annotation file.

    Attributes
    ----------
    shape
        (height, width).
    labels
        The category of each instance, in the file's order.
    masks
        A mask for each instance.
    wheres
        The file and the annotation of each instance, for messages.
    """

    shape: tuple[int, int]
    labels: list[str]
    masks: list[RunMask]
    wheres: list[str]


class CocoFile:
    """A COCO annotation file: its length is that of its annotations, going through it reads them.

    It is read once for what annotations share; an annotation is read again when someone asks for
    it. Kept are the images' ids and sizes, the categories' names, and a few bytes for each
    annotation.

    An instance's label is the name of its category. A category 9 that the file does not list, as
    where it lists none, is called "category 9"; in a file without categories, an annotation
    without one is an "object".

    Raises
    ------
    SourceError
        It is no such file.
    InputError
        An image, a category or what an annotation says of them has no id; an annotation belongs to
        no image of the file, or to no category though the file has some; a category has no name,
        two, or one that is too long; an "iscrowd" is neither 0 nor 1.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._numbers: dict[str, int] = {}  # of images, by their ids
        self._sizes: dict[int, tuple[int, int] | None] = {}  # of those listed; None without one
        self._names: dict[str, str] = {}
        kinds: dict[str | None, int] = {}  # of annotations, by their categories' ids
        codes, crowds = array("q"), array("b")
        sizes: dict[tuple[int, int], tuple[int, int]] = {}  # most images share a few
        self._stored = Stored(path)
        found = entries(path, ("images", "annotations"), ("categories",))
        for key, start, stop, entry in messages.reading(found, path, lambda entry: entry.stop):
            if not isinstance(entry, dict):
                if key == "categories":  # no annotation can be of it
                    continue
                raise InputError(f"{path}: {_ONE[key]} must be an object, got {shown(entry)}")
            if key == "images":
                size = _size(entry)
                size = size and sizes.setdefault(size, size)
                image = id_of(entry, "id")
                if image is None:
                    raise no_id(f"{path}: an image", entry, "id")
                if self._sizes.setdefault(self._number(image), size) != size:
                    raise InputError(f"{path} lists image {image:.60} twice, with two sizes")
            elif key == "annotations":
                image, category, crowd = self._outline(entry, len(codes))
                kind = kinds.setdefault(category, len(kinds))
                codes.append(self._number(image) << 32 | kind)
                crowds.append(crowd)
                self._stored.add(start, stop)
            else:
                self._add_category(entry)
        self._crowds = np.array(crowds, bool)
        both = np.array(codes, np.int64)
        self._images = (both >> 32).astype(np.int32)
        known, index = np.unique(both, return_inverse=True)
        alike = np.bincount(index[~self._crowds], minlength=len(known))
        self._alike = alike[index].astype(np.int32)
        listed = np.array([number in self._sizes for number in self._numbers.values()], bool)
        for orphan in np.flatnonzero(~listed[self._images])[:1].tolist():
            where, entry = self._nth(orphan)
            image = id_of(entry, "image_id")
            raise InputError(f"{where} belongs to image {image:.60}, which the file does not list")
        if self._names and None in kinds:
            where, entry = self._nth(int(np.argmax(both & 0xFFFFFFFF == kinds[None])))
            raise no_id(where, entry, "category_id")

    def __len__(self) -> int:
        return len(self._images)

    def __iter__(self) -> Iterator[Instance]:
        for index, entry in enumerate(self._stored.each(range(len(self)))):
            where, label = self._where(entry, index), self._label(entry)
            shape = self._shape(str(id_of(entry, "image_id")))
            crowd, alike = bool(self._crowds[index]), int(self._alike[index])
            key = id_of(entry, "id")
            yield Instance(where, entry.get("segmentation"), shape, label, crowd, alike, key)

    def image(self, image_id: str) -> CocoImage:
        """One image, with all of its instances, crowds as well.

        Raises
        ------
        InputError
            The file has no such image, or a segmentation of it is none.
        """
        number = self._numbers.get(image_id, -1)
        if number not in self._sizes:
            ids = [known for known, number in self._numbers.items() if number in self._sizes]
            names = ", ".join(f"{name:.60}" for name in ids[:5])
            some = f"it has {len(ids)}, for example {names}" if ids else "it has none"
            raise InputError(f"{self.path} has no image with the id {image_id!r}; {some}")
        found = CocoImage(self._shape(image_id), [], [], [])
        mine = np.flatnonzero(self._images == number).tolist()
        steps = messages.steps(self._stored.each(mine), f"Reading image {image_id}", len(mine))
        for index, entry in zip(mine, steps, strict=True):
            where = self._where(entry, index)
            found.masks.append(Instance(where, entry.get("segmentation"), found.shape).mask())
            found.labels.append(self._label(entry))
            found.wheres.append(where)
        return found

    def _number(self, image: str) -> int:
        return self._numbers.setdefault(image, len(self._numbers))

    def _outline(self, entry: dict[str, Any], index: int) -> tuple[str, str | None, bool]:
        """The image's and the category's id of an annotation, and whether it is a crowd."""
        image, category = id_of(entry, "image_id"), id_of(entry, "category_id")
        where = self._where(entry, index)
        if image is None:
            raise no_id(where, entry, "image_id")
        if category is None and entry.get("category_id") is not None:
            raise no_id(where, entry, "category_id")
        if category is not None:
            _check_name(category, f"{where}, its category_id")
        crowd = entry.get("iscrowd")
        if crowd not in (None, 0, 1):  # as which True and 1.0 count
            raise InputError(f'{where} has an "iscrowd" that is neither 0 nor 1: {shown(crowd)}')
        return image, category, bool(crowd)

    def _add_category(self, entry: dict[str, Any]) -> None:
        category, name = id_of(entry, "id"), entry.get("name")
        if category is None:
            raise no_id(f"{self.path}: a category", entry, "id")
        where = f"{self.path}: category {category:.60}"
        if not isinstance(name, str) or not name.strip():
            raise InputError(f"{where} needs a name, a string that is not empty: {shown(name)}")
        _check_name(name, where)
        known = self._names.setdefault(category, name.strip())
        if known != name.strip():
            raise InputError(f"{where} is listed twice: as {shown(known)} and as {shown(name)}")

    def _nth(self, index: int) -> tuple[str, dict[str, Any]]:
        """An annotation, read again, and where it stands."""
        (entry,) = self._stored.read([index])
        return self._where(entry, index), entry

    def _where(self, entry: dict[str, Any], index: int) -> str:
        own = id_of(entry, "id")
        which = f"number {index + 1} of the list" if own is None else f"{own:.60}"
        return f"{self.path}: annotation {which}"

    def _label(self, entry: dict[str, Any]) -> str:
        category = id_of(entry, "category_id")
        return "object" if category is None else self._names.get(category, f"category {category}")

    def _shape(self, image: str) -> tuple[int, int]:
        size = self._sizes[self._numbers[image]]
        where = f"{self.path}: image {image:.60}"
        if size is None:
            raise InputError(f'{where} has no "height" and "width"')
        return checked_claim(size, where)


def no_id(where: str, entry: dict[str, Any], key: str) -> InputError:
    """What to say where `id_of` finds none."""
    value = entry.get(key)
    if value is None:
        return InputError(f"{where} has no {key}")
    return InputError(f"{where} has {shown(value)} for its {key}, which is no id")


def _check_name(name: str, where: str) -> None:
    """Refuse a label of instances that is too long for one."""
    try:
        check_length(name, "name")
    except LabelError as error:
        raise InputError(f"{where}: {error}") from error


def _size(entry: dict[str, Any]) -> tuple[int, int] | None:
    height, width = whole(entry.get("height")), whole(entry.get("width"))
    return (height, width) if type(height) is type(width) is int else None
