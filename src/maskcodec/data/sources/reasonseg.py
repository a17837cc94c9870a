"""Read ReasonSeg: an image with polygons, and questions or phrases for their region."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from maskcodec.coco import read
from maskcodec.data._jsonfile import content, shown
from maskcodec.data._jsontext import decoded, parsed
from maskcodec.data._pictures import picture_shape
from maskcodec.data.sample import Instance, Sample
from maskcodec.data.sources._records import RecordError, Records, as_object, fail, joined, list_of
from maskcodec.errors import ConfigError, MaskError, SourceError
from maskcodec.files.regular import is_file
from maskcodec.masks.runs import RunMask, inverted, united
from maskcodec.messages import check_choice, plural

if TYPE_CHECKING:
    from maskcodec.data.sample import Task

Texts: TypeAlias = Literal["all", "first"]

PICTURES = ".jpg", ".jpeg", ".png"


class _Shape(NamedTuple):
    mask: RunMask
    is_ignored: bool


class ReasonSeg(Records):
    """The questions of a folder of images with a JSON file each, such as ReasonSeg's ``train``.

    A record is a text of a JSON file, about one region, ``roi0``. The polygons of the file are
    drawn over each other from the largest to the smallest, as in the authors' own reader. A polygon
    labelled ``target`` adds its pixels to the target, one labelled ``ignore`` removes them, and one
    labelled ``flag`` is left out. So ignored pixels are no part of the target, unless a smaller
    target covers them. The pixels that are ignored in the end are `Sample.ignored`. Polygons are
    drawn by COCO's rules, not by OpenCV's, which reach half a pixel further.

    A text that is no sentence (``is_sentence`` false) is a phrase for the region and has the task
    ``"expression"``. A sentence has the task ``"reasoning"``.

    Parameters
    ----------
    path
        The folder.
    images
        The folder of the images, if it is another one. Their sizes are read from their headers.
    name
        The prefix of keys, as in ``"reasonseg:108_d:0"``. The file's name and the number of the
        text follow.
    encoding
        The encoding of files that are not UTF-8, as some of ReasonSeg are: ``"cp1252"``. Without it
        they are broken.
    texts
        ``"all"`` texts of an image, or the ``"first"`` one, which LISA evaluates.

    Raises
    ------
    ConfigError
        There is no such encoding or choice.
    SourceError
        The folder cannot be read, or has no JSON file.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        images: str | os.PathLike[str] = "",
        name: str = "reasonseg",
        encoding: str = "",
        texts: Texts = "all",
    ) -> None:
        super().__init__(path, images or path, name)
        check_choice(texts, Texts, "texts")
        self.encoding = check_encoding(encoding)
        self._files = names_by_stem(self.path, (".json",))
        self._pictures = names_by_stem(Path(self.images), PICTURES)
        if not self._files:
            raise SourceError(f"{self.path} has no JSON file; expected is one beside each image")
        self._records: list[tuple[str, int]] = []  # a file, and the number of its text
        for stem in self._files:
            try:
                count = len(self._content(stem)["text"])
            except RecordError:
                count = 1
            self._records += [(stem, k) for k in range(count if texts == "all" else 1)]

    def __len__(self) -> int:
        return len(self._records)

    def _record(self, index: int) -> Sample:
        stem, number = self._records[index]
        content, picture, (mask, ignored) = self._latest(stem, lambda: self._region(stem))
        where = f"{self.path / self._files[stem][0]}: text {number}"
        if number >= len(content["text"]):
            fail(where, "it has gone since the folder was opened")
        text = content["text"][number]
        if not isinstance(text, str) or not text.strip():
            fail(where, f"it must be a string that is not empty, got {shown(text)}")
        task: Task = "reasoning" if content["is_sentence"] else "expression"
        return Sample(
            key=f"{self.name}:{stem}:{number}",
            image=joined(self.images, picture, where),
            shape=mask.shape,
            task=task,
            instances=(Instance(label="roi0", segmentation=mask),),
            query=text.strip(),
            ignored=ignored,
        )

    def _content(self, stem: str) -> dict[str, Any]:
        """Return the JSON of a file, with a list of texts and a valid ``is_sentence``."""
        where = str(self.path / self._files[stem][0])
        content = as_object(read_record(Path(where), self.encoding), where)
        text = content.get("text")
        content["text"] = [text] if isinstance(text, str) else text
        list_of(content, "text", where, filled=True)
        if not isinstance(content.get("is_sentence"), bool):
            found = shown(content.get("is_sentence"))
            fail(where, f'its "is_sentence" must be true or false, got {found}')
        return content

    def _region(self, stem: str) -> tuple[dict[str, Any], str, tuple[RunMask, RunMask | None]]:
        """Return the JSON of a file, its image, and its target and ignored masks."""
        content = self._content(stem)
        where = str(self.path / self._files[stem][0])
        picture = only(self._pictures.get(stem, []), where, "image of its name")
        try:
            shape = picture_shape(Path(self.images) / picture)
        except SourceError as error:
            fail(where, str(error))
        shapes = list_of(content, "shapes", where)
        found = [_shape(one, shape, f"{where}: shape {k}") for k, one in enumerate(shapes)]
        return content, picture, _target([one for one in found if one], shape, where)


def _shape(entry: Any, shape: tuple[int, int], where: str) -> _Shape | None:
    """Return a polygon; None if its label is a flag, or if it has fewer than three points."""
    label = as_object(entry, where).get("label")
    if not isinstance(label, str):
        fail(where, f'its "label" must be "target", "ignore" or "flag", got {shown(label)}')
    word = label.lower()
    if "flag" in word:
        return None
    if "target" not in word and "ignore" not in word:
        fail(where, f'its "label" must be "target", "ignore" or "flag", got {shown(label)}')
    points = entry.get("points")
    pairs = isinstance(points, list) and all(
        isinstance(point, list) and len(point) == 2 for point in points
    )
    if not pairs:
        fail(where, f'its "points" must be a list of [x, y], got {shown(points)}')
    if len(points) < 3:
        return None
    try:
        mask = read(
            [[number for point in points for number in point]], shape=shape, what="its polygon"
        )
    except (MaskError, TypeError) as error:
        fail(where, str(error))
    return _Shape(mask, "ignore" in word)


def _target(
    shapes: list[_Shape], shape: tuple[int, int], where: str
) -> tuple[RunMask, RunMask | None]:
    """Draw all polygons, the largest first; return the target and the ignored pixels."""
    masks = [RunMask([shape[0] * shape[1]], shape)] * 2
    for one in sorted(shapes, key=lambda one: -one.mask.area):
        above, below = one.is_ignored, not one.is_ignored
        masks[above] = united([masks[above], one.mask])
        masks[below] = inverted(united([inverted(masks[below]), one.mask]))
    mask, ignored = masks
    if not mask.any():
        fail(where, f'nothing of a "target" is left of its {plural(len(shapes), "polygon")}')
    return mask, ignored if ignored.any() else None


def names_by_stem(folder: Path, endings: tuple[str, ...]) -> dict[str, list[str]]:
    """Return the names of files with one of some endings, by their stem, sorted.

    Folders, pipes and the like are left out.

    Raises
    ------
    SourceError
        The folder cannot be read.
    """
    found: dict[str, list[str]] = {}
    try:
        with os.scandir(folder) as entries:
            files = [one for one in entries if Path(one.name).suffix.lower() in endings]
    except OSError as error:
        raise SourceError(f"{folder} cannot be read: {error.strerror}") from error
    for name in sorted(one.name for one in files if is_file(one)):
        found.setdefault(Path(name).stem, []).append(name)
    return found


def only(names: list[str], where: str, what: str) -> str:
    """Return the one name of `names`; refuse none or several."""
    if len(names) != 1:
        there = f"{len(names)}: {', '.join(names)}" if names else "none"
        fail(where, f"it needs one {what}, but there is {there}")
    return names[0]


def check_encoding(encoding: str) -> str:
    """Return the name of a text encoding, or "" for UTF-8; refuse an unknown one.

    Raises
    ------
    ConfigError
        There is no such encoding.
    """
    try:
        b"    ".decode(encoding or "utf-8", "replace")
    except (LookupError, ValueError) as error:
        raise ConfigError(f"there is no text encoding {encoding!r}, such as cp1252") from error
    return encoding


def read_record(path: Path, encoding: str = "") -> Any:
    """Return the JSON of a small file.

    Parameters
    ----------
    path
        The file.
    encoding
        The encoding of the file if it is not UTF-8; "" if it must be UTF-8.

    Raises
    ------
    RecordError
        The file cannot be read.
    """
    try:
        data = content(path)
        try:
            text = decoded(data, "it")
        except SourceError as error:
            if not encoding:
                raise SourceError(
                    f"{error}, or say what it is in, such as encoding=cp1252"
                ) from None
            text = data.decode(encoding)
        return parsed(text, "it")
    except UnicodeDecodeError as error:
        fail(str(path), f"it is neither UTF-8 nor {encoding}: byte {error.start} is no text")
    except SourceError as error:
        fail(str(path), str(error))
