"""Read the instances of each image of COCO or LVIS, by class."""

from __future__ import annotations

from array import array
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from maskcodec.data._classes import is_class
from maskcodec.data._jsonfile import Stored, entries, id_of, shown
from maskcodec.data.sample import Instance, Sample
from maskcodec.data.sources._records import (
    Categories,
    Ids,
    Labels,
    Records,
    as_object,
    crowd_of,
    entry_name,
    fail,
    joined,
    label_of,
    list_of,
    needed_id,
    segmentation_of,
    size_of,
    text_of,
)
from maskcodec.messages import check_choice

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator

    from maskcodec.data._jsonfile import Entry
    from maskcodec.masks.arrays import Index

Partial: TypeAlias = Literal["drop", "keep"]

_LISTS = "images", "annotations", "categories"


class Coco(Records):
    """The instances of each image of a COCO annotation file, such as ``instances_val2017.json``.

    The file is read once. The reader keeps its categories, the images' ids and some 40 bytes for
    each image and annotation. A record is an image with all of its annotations, anywhere in the
    file. Images come in the file's order. Behind them, each annotation of an image that the file
    does not list is a broken record. If one annotation of an image is broken, the record is broken:
    an answer that lacks an object would teach a model to miss it.

    Parameters
    ----------
    path
        The file.
    images
        A folder or an address to put before the images' names.
    name
        The prefix of keys, as in ``"coco:139"``.
    labels
        The labels of categories: ``"plain"``, see `Categories`, or ``"file"`` for the file's names.

    Raises
    ------
    SourceError
        The file cannot be read, has another layout, or has a category without an id, without a
        name, or with two names.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        images: str | os.PathLike[str] = "",
        name: str = "coco",
        labels: Labels = "plain",
    ) -> None:
        super().__init__(path, images, name)
        categories = Categories(self.path, labels)
        self._stored = Stored(self.path)
        numbers: dict[str, int] = {}  # of images' ids, in the file's order
        self._pictures, owners = array("q"), array("q")  # entries of images, numbers of their ids
        self._annotations, targets = array("q"), array("q")
        own = Ids()
        for key, start, stop, entry in self._entries():
            if key == "categories":
                categories.add(entry)
                continue
            field = "id" if key == "images" else "image_id"
            image = id_of(entry, field)
            number = -1 if image is None else numbers.setdefault(image, len(numbers))
            if key == "images":
                self._pictures.append(self._stored.add(start, stop))
                owners.append(number)
            else:
                categories.use(entry)
                self._annotations.append(self._stored.add(start, stop))
                targets.append(number)
                own.add(id_of(entry, "id"))
        self._labels, self._table = categories.done()
        self._group(np.array(owners, np.int64), np.array(targets, np.int64), len(numbers))
        self._repeated = own.repeated()

    def _group(self, owners: Index, targets: Index, count: int) -> None:
        """Sort the annotations by the record that they belong to."""
        records = np.full(count + 1, -1, np.int64)  # by number of the id; the last is for none
        ids, first = np.unique(owners, return_index=True)
        records[ids] = first
        records[-1] = -1
        again = records[owners] != np.arange(len(owners))
        self._twice = frozenset(np.flatnonzero(again & (owners >= 0)).tolist())
        homes = records[targets]
        self._order: Index = np.argsort(homes, kind="stable")
        edges = np.searchsorted(homes[self._order], np.arange(len(owners) + 1))
        self._edges: Index = edges.astype(np.int64)

    def __len__(self) -> int:
        return len(self._pictures) + int(self._edges[0])

    def _entries(self) -> Iterable[Entry]:
        return entries(self.path, _LISTS)

    def count(self) -> int:
        """Return the number of annotations."""
        return len(self._annotations)

    def pictures(self) -> Iterator[Any]:
        """Yield the entries of images, which are the first records, in the file's order."""
        return self._stored.each(self._pictures)

    def found(self, index: int) -> Iterator[tuple[int, str, Any]]:
        """Yield the annotations of an image: number, name in messages, and entry of each."""
        mine = self._order[self._edges[index] : self._edges[index + 1]].tolist()
        found = self._stored.each([self._annotations[number] for number in mine])
        for number, entry in zip(mine, found, strict=True):
            yield number, entry_name(self.path, "annotation", number, entry), entry

    def check_owners(self, start: int = 0) -> None:
        """Refuse annotations of images that the file does not list, from one of these on."""
        for number in self._order[start : self._edges[0]].tolist():
            (entry,) = self._stored.read([self._annotations[number]])
            where = entry_name(self.path, "annotation", number, entry)
            value = as_object(entry, where).get("image_id")
            fail(where, f"its image {shown(value)} is none that the file lists")

    def _record(self, index: int) -> Sample:
        if index >= len(self._pictures):
            self.check_owners(index - len(self._pictures))
        (image,) = self._stored.read([self._pictures[index]])
        where = entry_name(self.path, "image", index, image)
        key = needed_id(image, "id", where)
        if index in self._twice:
            fail(where, "it is listed before: an id belongs to one image")
        shape, file = size_of(image, where), self._file(image, where)
        instances = [self._instance(*one) for one in self.found(index)]
        sample = Sample(
            key=f"{self.name}:{key}",
            image=joined(self.images, file, where),
            shape=shape,
            task="classes",
            instances=tuple(one for one in instances if is_class(one.label)),
        )
        return self._sample(sample, image, where)

    def _instance(self, number: int, where: str, entry: dict[str, Any]) -> Instance:
        label = label_of(entry, self._labels, where)
        if number in self._repeated:
            fail(where, "its id is that of an annotation before it")
        return Instance(
            label=label, segmentation=segmentation_of(entry, where), crowd=crowd_of(entry, where)
        )

    def _file(self, image: dict[str, Any], where: str) -> str:
        return text_of(image, "file_name", where)

    def _sample(self, sample: Sample, image: dict[str, Any], where: str) -> Sample:  # noqa: ARG002
        """Return a sample with the classes that questions may ask for, by the image's entry."""
        return self._asked(sample)

    def _asked(self, sample: Sample, names: tuple[str, ...] | None = None) -> Sample:
        present = (one.label for one in sample.instances)
        names, unasked = self._table.given(present, names)
        return replace(sample, names=names, unasked=unasked)


class Lvis(Coco):
    """The instances of each image of an LVIS annotation file, such as ``lvis_v1_val.json``.

    As `Coco`, with two differences (https://www.lvisdataset.org/dataset). Without ``file_name``,
    the image's name is the end of its ``coco_url``, ``train2017/000000391895.jpg``. Not every class
    was searched in every image: `Sample.names` are the classes that the image shows, or that its
    entry lists as absent.

    Parameters
    ----------
    path, images, name, labels
        As of `Coco`.
    partial
        ``"drop"`` leaves out the classes of an image whose instances were not all annotated;
        ``"keep"`` keeps them.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        images: str | os.PathLike[str] = "",
        name: str = "lvis",
        labels: Labels = "plain",
        partial: Partial = "drop",
    ) -> None:
        check_choice(partial, Partial, "partial")
        self.partial = partial
        super().__init__(path, images=images, name=name, labels=labels)

    def _file(self, image: dict[str, Any], where: str) -> str:
        if "file_name" in image:
            return text_of(image, "file_name", where)
        return "/".join(text_of(image, "coco_url", where).split("/")[-2:])

    def _sample(self, sample: Sample, image: dict[str, Any], where: str) -> Sample:
        absent = self._classes(image, "neg_category_ids", where)
        partial = self._classes(image, "not_exhaustive_category_ids", where)
        left_out = set(partial if self.partial == "drop" else ())
        instances = tuple(one for one in sample.instances if one.label not in left_out)
        present = [one.label for one in instances]
        names = tuple(dict.fromkeys([*present, *absent]))
        return self._asked(replace(sample, instances=instances), names)

    def _classes(self, image: dict[str, Any], key: str, where: str) -> list[str]:
        """Return the labels of the categories that an image lists by id in the list `key`."""
        found = []
        for value in list_of({key: [], **image}, key, where):
            category = id_of({"id": value}, "id")
            if category not in self._labels:
                fail(where, f'its "{key}" has {shown(value)}, which is none of the categories')
            found.append(self._labels[str(category)])
        return found
