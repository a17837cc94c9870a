"""COCO annotation files, of any size: one annotation is held at a time."""

from __future__ import annotations

from array import array
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from maskcodec import coco
from maskcodec.cli import say
from maskcodec.cli.jsonfile import entries_of, opened, outlines
from maskcodec.cli.read import InputError
from maskcodec.errors import MaskError
from maskcodec.lengths import refcoco_sized
from maskcodec.runs import MOST_PIXELS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from maskcodec.coco import RunMask

_NEEDED = "images", "annotations"


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
        Its category.
    crowd
        Whether it stands for a group.
    alike
        How many instances of its category the image has, itself among them, without crowds.
    """

    where: str
    segmentation: Any
    shape: tuple[int, int]
    label: str = "object"
    crowd: bool = False
    alike: int = 1

    def mask(self) -> RunMask:
        """Its segmentation, read.

        Raises
        ------
        InputError
            It is none, or does not fit the image.
        """
        try:
            return coco.read(self.segmentation, self.shape, "the segmentation")
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
    """

    shape: tuple[int, int]
    labels: list[str]
    masks: list[RunMask]


class CocoFile:
    """A COCO annotation file: its length is that of its annotations, going through it reads them.

    It is read once for what annotations share, then again whenever someone goes through it. Kept
    are the images' ids and sizes, the categories' names, and a few bytes for each annotation.

    Raises
    ------
    InputError
        It is no such file, or ijson is missing. Going through it raises one as well, where an
        annotation belongs to no image of the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._numbers: dict[str, int] = {}  # of images, by their ids
        self._sizes: dict[int, tuple[int, int] | None] = {}  # of those listed; None without one
        self._names: dict[str, str] = {}
        kinds: dict[str, int] = {}
        codes, crowds = array("q"), array("b")
        sizes: dict[tuple[int, int], tuple[int, int]] = {}  # most images share a few
        lists: set[str] = set()
        with opened(path, f"Reading {path.name}") as file:
            for key, entry in outlines(path, file, lists):
                if entry is None:
                    if key in _NEEDED:
                        raise _no_list(path, key)
                elif key == "images":
                    size = _size(entry)
                    size = size and sizes.setdefault(size, size)
                    image = _id(entry, "id")
                    if self._sizes.setdefault(self._number(image), size) != size:
                        raise InputError(f"{path} lists image {image} twice, with two sizes")
                elif key == "annotations":
                    kind = kinds.setdefault(_id(entry, "category_id"), len(kinds))
                    codes.append(self._number(_id(entry, "image_id")) << 32 | kind)
                    crowds.append(bool(entry.get("iscrowd")))
                elif key == "categories":
                    self._names[_id(entry, "id")] = str(entry.get("name"))
        for key in _NEEDED:
            if key not in lists:
                raise _no_list(path, key)
        self._crowds = np.array(crowds, bool)
        both = np.array(codes, np.int64)
        self._images = (both >> 32).astype(np.int32)
        found, index = np.unique(both, return_inverse=True)
        alike = np.bincount(index[~self._crowds], minlength=len(found))
        self._alike = alike[index].astype(np.int32)

    def __len__(self) -> int:
        return len(self._images)

    def __iter__(self) -> Iterator[Instance]:
        for index, entry in enumerate(self._annotations()):
            where, image = self._where(entry), _id(entry, "image_id")
            if self._numbers[image] not in self._sizes:
                raise InputError(f"{where} belongs to image {image}, which the file does not list")
            label, shape = self._label(entry), self._shape(image)
            crowd, alike = bool(self._crowds[index]), int(self._alike[index])
            yield Instance(where, entry.get("segmentation"), shape, label, crowd, alike)

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
            some = f"it has {len(ids)}, for example {', '.join(ids[:5])}" if ids else "it has none"
            raise InputError(f"{self.path} has no image with the id {image_id!r}; {some}")
        shape, labels, masks = self._shape(image_id), [], []
        mine = self._images == number
        count = int(np.flatnonzero(mine)[-1]) + 1 if mine.any() else 0
        entries = islice(self._annotations(), count)
        for entry, wanted in zip(
            say.steps(entries, f"Looking for image {image_id}", count), mine.tolist(), strict=False
        ):
            if wanted:
                one = Instance(self._where(entry), entry.get("segmentation"), shape)
                masks.append(one.mask())
                labels.append(self._label(entry))
        return CocoImage(shape, labels, masks)

    def _number(self, image: str) -> int:
        return self._numbers.setdefault(image, len(self._numbers))

    def _annotations(self) -> Iterator[dict[str, Any]]:
        """All annotations, as they stand in the file."""
        count = 0
        with opened(self.path) as file:
            for entry in entries_of(self.path, file, "annotations"):
                image = _id(entry, "image_id") if isinstance(entry, dict) else ""
                if count == len(self) or self._numbers.get(image) != self._images[count]:
                    break
                count += 1
                yield entry
            else:
                if count == len(self):
                    return
        raise InputError(f"{self.path} has other annotations than when it was read before")

    def _where(self, entry: dict[str, Any]) -> str:
        return f"{self.path}: annotation {_id(entry, 'id'):.60}"

    def _label(self, entry: dict[str, Any]) -> str:
        category = _id(entry, "category_id")
        return self._names.get(category, f"category {category}")

    def _shape(self, image: str) -> tuple[int, int]:
        size = self._sizes[self._numbers[image]]
        where = f"{self.path}: image {image}"
        if size is None:
            raise InputError(f'{where} has no "height" and "width"')
        return checked_claim(size, where)


def checked_claim(shape: tuple[int, int], where: str, most: int = MOST_PIXELS) -> tuple[int, int]:
    """The size (height, width) that a file says an image has, which may be any.

    Raises
    ------
    InputError
        It has no pixels, or more than `most`.
    """
    height, width = shape
    if height < 1 or width < 1 or height * width > most:
        raise InputError(f"{where} claims {height} x {width} pixels")
    return shape


def labelled_masks(
    instances: Iterable[Instance], label: str = "{}", *, everything: bool = False
) -> Iterator[tuple[RunMask, str]]:
    """Instances with their labels, read one at a time.

    Parameters
    ----------
    instances
        What to read.
    label
        What to call one; ``{}`` stands for its category.
    everything
        All of them, not only those that `maskcodec.lengths.refcoco_sized` lets through.

    Raises
    ------
    InputError
        A segmentation is none, or does not fit its image.
    """
    for one in instances:
        if everything or (not one.crowd and one.alike >= 2):  # before it is read
            mask = one.mask()
            if everything or refcoco_sized(mask.area, one.shape, one.alike, crowd=one.crowd):
                yield mask, label.replace("{}", one.label)


def _no_list(path: Path, key: str) -> InputError:
    return InputError(f"{path} is no COCO annotation file: it has no list {key!r}")


def _id(entry: dict[str, Any], key: str) -> str:
    """An id: 7 and "7" are the same."""
    value = entry.get(key)
    return str(None if isinstance(value, (list, dict)) else value)


def _size(entry: dict[str, Any]) -> tuple[int, int] | None:
    height, width = entry.get("height"), entry.get("width")
    return (height, width) if type(height) is type(width) is int else None
