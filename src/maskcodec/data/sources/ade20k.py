"""Read ADE20K: the scene parsing of 150 classes, or the full dataset of all objects."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from maskcodec.data._classes import is_class
from maskcodec.data._jsonfile import shown, whole
from maskcodec.data._labelmaps import read_objects
from maskcodec.data._names import first_names, read_names
from maskcodec.data.sample import Instance, Sample
from maskcodec.data.sources._records import Records, as_object, fail, joined
from maskcodec.data.sources.index import IndexMaps
from maskcodec.data.sources.reasonseg import check_encoding, read_record
from maskcodec.errors import ConfigError, SourceError
from maskcodec.files.regular import is_file
from maskcodec.messages import plural

if TYPE_CHECKING:
    import os

    from maskcodec.data.sample import Broken

_MAP = "_seg.png"


class Ade20k(Records):
    """The classes, or the objects, of each image of ADE20K.

    Two layouts are read. The scene parsing of 150 classes has a label map for each image, in a
    folder such as ``annotations/validation``. It is read as `IndexMaps`: 0 is unlabelled, and 1 is
    the first name of a list. The full dataset, of 2017 and of 2020, has a file ``X_seg.png`` beside
    each ``X.jpg``: red // 10 * 256 + green is the class, and blue is the object. Each object is an
    instance. The vocabulary is open, so no question denies a class.

    Parameters
    ----------
    path
        The folder, searched with all folders in it; or one PNG. If there is any ``X_seg.png``, only
        these are read. Parts of objects, ``X_parts_1.png``, are not read.
    names
        The file that names the values, see `maskcodec.data._names.read_names`. The full dataset of
        2020 has names in ``X.json`` and needs none.
    images
        A folder or an address to put before the images' names, which are the PNGs' below `path`.
    name
        The prefix of keys, as in ``"ade20k:ADE_val_00000001"``.
    encoding
        The encoding of ``X.json`` if it is not UTF-8.

    Raises
    ------
    ConfigError
        `names` is needed, or there is no such encoding.
    SourceError
        There is no PNG, or `names` cannot be read.
    """

    complete = True

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        names: str | os.PathLike[str] | None = None,
        images: str | os.PathLike[str] = "",
        name: str = "ade20k",
        encoding: str = "",
    ) -> None:
        super().__init__(path, images, name)
        check_encoding(encoding)
        folder = self.path if self.path.is_dir() else self.path.parent
        found = self.path.rglob(f"*{_MAP}") if self.path.is_dir() else [self.path]
        files = [file for file in found if file.name.endswith(_MAP) and is_file(file)]
        self._maps: Records
        if files:
            self._maps = _Objects(folder, sorted(files), names, self, encoding)
        elif names is None:
            raise ConfigError(
                f"source 'ade20k' needs the option 'names', such as names=objectInfo150.csv: "
                f"{self.path} has no *{_MAP} of the full dataset"
            )
        else:
            self._maps = IndexMaps(
                path, names=names, first=1, unlabelled=[0], images=images, name=name
            )

    def __len__(self) -> int:
        return len(self._maps)

    def _record(self, index: int) -> Sample | Broken:
        return self._maps[index]


class _Objects(Records):
    complete = True

    def __init__(
        self,
        folder: Path,
        files: list[Path],
        names: str | os.PathLike[str] | None,
        whole: Records,
        encoding: str,
    ) -> None:
        super().__init__(folder, whole.images, whole.name)
        self.encoding = encoding
        self._stems = [file.relative_to(folder).as_posix().removesuffix(_MAP) for file in files]
        self._labels = None if names is None else first_names(read_names(Path(names), 1))
        if names is None and not any(is_file(self._described(stem)) for stem in self._stems):
            raise SourceError(
                f"{folder} has *{_MAP} but no JSON file beside them, as ADE20K's release of 2017: "
                "names= says what values mean, such as a file with a line for each of the "
                "objectnames of index_ade20k.mat"
            )

    def __len__(self) -> int:
        return len(self._stems)

    def _record(self, index: int) -> Sample:
        stem = self._stems[index]
        path = self.path / f"{stem}{_MAP}"
        where = str(path)
        try:
            masks = read_objects(path, "it")
        except SourceError as error:
            fail(where, str(error))
        labels = self._named(self._described(stem)) if self._labels is None else self._labels
        shape = next(iter(masks.values())).shape
        instances = []
        for (value, _), mask in masks.items():
            if value == 0:
                continue
            if value not in labels:
                pixels = plural(mask.area, "pixel")
                fail(where, f"it has {pixels} of class {value}, which has no name")
            if is_class(labels[value]):
                instances.append(Instance(label=labels[value], segmentation=mask))
        return Sample(
            key=f"{self.name}:{stem}",
            image=joined(self.images, f"{stem}.jpg", where),
            shape=shape,
            task="semantic",
            instances=tuple(instances),
            complete=True,
        )

    def _described(self, stem: str) -> Path:
        return self.path / f"{stem}.json"

    def _named(self, path: Path) -> dict[int, str]:
        """Return the names of the classes of an image, without synonyms."""
        where = str(path)
        annotation = as_object(read_record(path, self.encoding), where).get("annotation")
        listed = annotation.get("object") if isinstance(annotation, dict) else None
        if not isinstance(listed, list):
            fail(where, f'it needs a list "object" in its "annotation", got {shown(annotation)}')
        names: dict[int, str] = {}
        for entry in listed:
            value, name = _class_of(entry)
            if type(value) is not int or not isinstance(name, str) or not name.strip():
                continue  # an error only if the PNG has such a class
            if names.setdefault(value, name.strip()) != name.strip():
                one, other = shown(names[value]), shown(name)
                fail(where, f'two objects have the "name_ndx" {value}, called {one} and {other}')
        return first_names(names)


def _class_of(entry: Any) -> tuple[Any, Any]:
    if not isinstance(entry, dict):
        return None, None
    return whole(entry.get("name_ndx")), entry.get("name")
