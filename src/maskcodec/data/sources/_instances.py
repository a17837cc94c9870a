"""Read the ``instances.json`` beside refs: images, and the annotations that refs name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from maskcodec.data._jsonfile import Stored, entries, id_of, shown
from maskcodec.data.sources._records import (
    RecordError,
    crowd_of,
    fail,
    segmentation_of,
    size_of,
    text_of,
)

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

_KEPT = "file_name", "height", "width"


class Instances:
    """The images of a file, and its annotations: each is read when a ref needs it.

    It keeps the name and the size of each image, and the position of each wanted annotation.

    Parameters
    ----------
    path
        A COCO file. Its "images" and "annotations" are read.
    wanted
        The ids of the annotations to keep, as `id_of` has them.

    Attributes
    ----------
    broken
        Entries without an id, which no ref can name: the place and the fault of each.

    Raises
    ------
    SourceError
        The file cannot be read, or has another layout.
    """

    def __init__(self, path: Path, wanted: Collection[str]) -> None:
        self.path = path
        self.broken: list[tuple[str, str]] = []
        self._stored = Stored(path)
        # By kind and id: an image, or the number of an annotation in `_stored`; and the numbers in
        # the list of all entries with this id. More than one is an error.
        self._found: dict[tuple[str, str], tuple[Any, list[int]]] = {}
        counts = {"image": 0, "annotation": 0}
        for list_name, start, stop, entry in entries(path, ("images", "annotations")):
            kind = list_name.removesuffix("s")
            number = counts[kind]
            counts[kind] += 1
            key = id_of(entry, "id")
            if key is None:
                found = shown(entry.get("id") if isinstance(entry, dict) else entry)
                self.broken.append((f"{path}: {kind} {number} of the list", f"its id is {found}"))
            elif (kind, key) in self._found:
                self._found[kind, key][1].append(number)
            elif kind == "image":
                image = {name: entry[name] for name in _KEPT if name in entry}
                self._found[kind, key] = image, [number]
            elif key in wanted:
                self._found[kind, key] = self._stored.add(start, stop), [number]

    def image(self, key: str, where: str) -> tuple[str, tuple[int, int]]:
        """Return the file's name and the (height, width) of an image that a record names."""
        entry, mine = self._one("image", key, where)
        try:
            return text_of(entry, "file_name", mine), size_of(entry, mine)
        except RecordError as error:
            fail(where, str(error))

    def annotation(self, key: str, image: str, where: str) -> tuple[Any, bool]:
        """Return the segmentation of an annotation of an image, and whether it is a crowd's."""
        entry, mine = self._one("annotation", key, where)
        try:
            own = id_of(entry, "image_id")
            if own != image:
                fail(mine, f"it belongs to image {shown(own)}, but the ref is of image {image}")
            return segmentation_of(entry, mine), crowd_of(entry, mine)
        except RecordError as error:
            fail(where, str(error))

    def _one(self, kind: str, key: str, where: str) -> tuple[dict[str, Any], str]:
        if (kind, key) not in self._found:
            fail(where, f"it names {kind} {key:.60}, which {self.path} does not have")
        found, numbers = self._found[kind, key]
        if len(numbers) > 1:
            places = " and ".join(map(str, numbers[:3]))
            fail(
                where,
                f"it names {kind} {key:.60}, but {self.path} lists that id {len(numbers)} times, "
                f"as {kind} {places} of the list",
            )
        entry = found if kind == "image" else self._stored.read([found])[0]
        return entry, f"{self.path}: {kind} {numbers[0]} of the list"
