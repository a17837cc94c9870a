"""Read any folder of label maps: dense semantic segmentation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from maskcodec.data._classes import Classes, is_class
from maskcodec.data._labelmaps import read_index
from maskcodec.data._names import read_classes
from maskcodec.data.sample import Instance, Sample
from maskcodec.data.sources._records import Records, fail, joined
from maskcodec.errors import SourceError
from maskcodec.files.regular import is_file
from maskcodec.messages import few, plural

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

UNLABELLED = 0, 255


class IndexMaps(Records):
    """The classes of each label map of a folder.

    A record is a PNG. Records are sorted by path. A PNG is decoded when its record is read, and no
    class is painted. Each class is one instance.

    Parameters
    ----------
    path
        The folder, searched with all folders in it; or one PNG.
    names
        The file that names the values, see `maskcodec.data._names.read_names`.
    first
        The value of the first name, if the file is a list or has a name a line.
    unlabelled
        Values that mean nothing if they have no name. Any other value without a name makes a record
        broken. A map without a named value is broken, too: it says nothing of any class.
    images
        A folder or an address to put before the images' names, which are the PNGs' below `path`.
    suffix
        The ending of the images' names, in the place of ``.png``.
    name
        The prefix of keys, as in ``"index:street/0001"``.

    Raises
    ------
    SourceError
        There is no PNG, or `names` cannot be read.
    """

    complete = True

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        names: str | os.PathLike[str],
        first: int = 0,
        unlabelled: Iterable[int] = UNLABELLED,
        images: str | os.PathLike[str] = "",
        suffix: str = ".jpg",
        name: str = "index",
    ) -> None:
        super().__init__(path, images, name)
        self.suffix = suffix
        self._unlabelled = frozenset(unlabelled)
        named = read_classes(Path(names), first)
        self._labels = {value: name for value, (name, _) in named.items()}
        self._table = Classes(self._labels.values(), synonyms=dict(named.values()))
        self._folder = self.path if self.path.is_dir() else self.path.parent
        found = self.path.rglob("*.png") if self.path.is_dir() else [self.path]
        files = filter(is_file, found)
        self._files = sorted(file.relative_to(self._folder).as_posix() for file in files)
        if not self._files:
            raise SourceError(f"{self.path} is no PNG, and no folder that holds any")

    def __len__(self) -> int:
        return len(self._files)

    def _record(self, index: int) -> Sample:
        file = self._files[index]
        where, stem = str(self._folder / file), file.removesuffix(Path(file).suffix)
        try:
            masks = read_index(self._folder / file, "it")
        except SourceError as error:
            fail(where, str(error))
        if masks.keys().isdisjoint(self._labels):
            fail(
                where,
                f"none of its values has a name: it has {few(map(str, masks))}, and names= names "
                f"{few(map(str, self._labels))}; a value that is there for nothing is named "
                "background",
            )
        instances = []
        for value, mask in masks.items():
            if value in self._labels:
                if is_class(self._labels[value]):
                    instances.append(Instance(label=self._labels[value], segmentation=mask))
            elif value not in self._unlabelled:
                pixels = plural(mask.area, "pixel")
                fail(where, f"it has {pixels} of value {value}, which has no name")
        return Sample(
            key=f"{self.name}:{stem}",
            image=joined(self.images, stem + self.suffix, where),
            shape=next(iter(masks.values())).shape,
            task="semantic",
            instances=tuple(instances),
            names=self._table.given(one.label for one in instances)[0],
            complete=True,
        )
