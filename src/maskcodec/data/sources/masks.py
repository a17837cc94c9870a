"""Read a folder of masks beside photos: a PNG for each object, or for each class."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maskcodec.data._classes import Classes, is_class
from maskcodec.data._labelmaps import picture_mask
from maskcodec.data.sample import Instance, Sample
from maskcodec.data.sources._records import Records, fail, joined
from maskcodec.errors import ConfigError, SourceError
from maskcodec.files.regular import is_file
from maskcodec.messages import sides

if TYPE_CHECKING:
    import os
    from pathlib import Path


class Masks(Records):
    """The masks of each photo of a folder.

    The mask ``dog/17.png`` shows a dog in ``17.jpg``; with ``label="dog"``, so does ``17.png``. A
    record is a photo with all of its masks. Records are sorted by the photos' names. A question
    denies a class only if a black mask says that the photo does not show it.

    Parameters
    ----------
    path
        The folder, searched with all folders in it; or one PNG.
    label
        The label of all masks. Without it, the label is the name of the mask's folder in `path`.
    images
        A folder or an address to put before the photos' names.
    suffix
        The ending of the photos' names, in the place of ``.png``.
    threshold
        Pixels with at least this grey are set, 1 .. 255. With 0, masks have two values.
    name
        The prefix of keys, as in ``"masks:street/0001"``.

    Raises
    ------
    SourceError
        There is no PNG, or a PNG is in no folder that gives its label.
    ConfigError
        The threshold is out of range.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        label: str = "",
        images: str | os.PathLike[str] = "",
        suffix: str = ".jpg",
        threshold: int = 0,
        name: str = "masks",
    ) -> None:
        super().__init__(path, images, name)
        self.suffix = suffix
        self.threshold = threshold
        if not 0 <= threshold <= 255:
            raise ConfigError(f"threshold must be 1 .. 255, got {threshold}", "threshold")
        folder = self.path if self.path.is_dir() else self.path.parent
        found = sorted(self.path.rglob("*.png")) if self.path.is_dir() else [self.path]
        masks: dict[str, list[tuple[str, Path]]] = {}  # by the photo: labels and files
        for file in filter(is_file, found):
            inner = file.relative_to(folder).with_suffix("").as_posix()
            own, _, rest = (label, "", inner) if label else inner.partition("/")
            if not rest:
                raise SourceError(
                    f"{file} lies in no folder that says what it shows, {folder}/dog/{file.name}; "
                    "with label=dog all masks show a dog"
                )
            masks.setdefault(rest, []).append((own, file))
        if not masks:
            raise SourceError(f"{self.path} is no PNG, and no folder that holds any")
        self._masks = sorted(masks.items())

    def __len__(self) -> int:
        return len(self._masks)

    def _record(self, index: int) -> Sample:
        stem, files = self._masks[index]
        shape, instances = None, []
        for label, file in files:
            try:
                mask = picture_mask(file, name="it", threshold=self.threshold)
            except SourceError as error:
                fail(str(file), str(error))
            if shape not in {None, mask.shape}:
                fail(str(file), f"it has {sides(mask.shape)} pixels, {files[0][1]} {sides(shape)}")
            shape = mask.shape
            if mask.any() and is_class(label):
                instances.append(Instance(label=label, segmentation=mask))
        labels = [label for label, _ in files]
        return Sample(
            key=f"{self.name}:{stem}",
            image=joined(self.images, stem + self.suffix, str(files[0][1])),
            shape=shape,
            task="classes",
            instances=tuple(instances),
            names=Classes(labels).given(one.label for one in instances)[0],
        )
