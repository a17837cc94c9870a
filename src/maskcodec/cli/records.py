"""Records to draw for `show` and `report`: rows of trainers, and records of datasets."""

from __future__ import annotations

import re
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import typer

from maskcodec import coco
from maskcodec.cli.annotations import CocoImage
from maskcodec.cli.codecs import as_drawn, through
from maskcodec.cli.read import InputError, read_json
from maskcodec.cli.settings import chosen_codec
from maskcodec.data._jsonfile import entries, items, lines, opened, shown
from maskcodec.data._jsontext import parsed
from maskcodec.data._labelmaps import read_index
from maskcodec.data._names import read_names
from maskcodec.data.origins import Origin
from maskcodec.data.sample import Broken
from maskcodec.data.sources import SOURCES
from maskcodec.data.split import TRAIN, VAL
from maskcodec.errors import MaskCodecError, SourceError
from maskcodec.files.images import MOST_CLAIMED
from maskcodec.files.photos import as_picture
from maskcodec.hf.conversation import read_row
from maskcodec.messages import brief, plural, sides
from maskcodec.metrics import measure
from maskcodec.metrics.answers import Answer, read_answer
from maskcodec.pictures.figure import drawn_shape, fitted, plain
from maskcodec.report.cards import Turn
from maskcodec.text.codec import FILE_NAME, from_config

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from PIL import Image

    from maskcodec.cli.settings import AnyCodec
    from maskcodec.data.sample import Sample
    from maskcodec.masks.grid import Method
    from maskcodec.masks.runs import RunMask
    from maskcodec.text.regions import Region

_ENDINGS = ".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"  # of photos
_ROWS = ".jsonl", ".json", ".parquet"
_ALONE, _BESIDE = 400, 320  # longer side in pixels of a record's one picture, or of its two
UNKNOWN = 480, 640  # size of the plain ground in pixels if the image's size is unknown


class Record(NamedTuple):
    """An image with its masks and texts."""

    name: str
    photo: Image.Image  # in the drawn size; a plain ground if there is no photo
    labels: list[str]  # of each mask
    # the masks of a dataset's record; None for a row, which has only text
    before: list[RunMask] | None
    after: list[list[Region]]  # for each mask its decoded regions: one, or none
    said: list[tuple[str, str]]  # (role, text) of each turn, without masks
    remark: str  # the quality of the text, or a problem
    image: str = ""  # the path of the photo, "" if there is none
    # the record's dataset, or its split and the folder of its image
    source: str = ""
    turns: Sequence[Turn] = ()  # with masks as text; empty for a dataset's record
    # the targets of a row's last answer, with labels, if the row has them
    targets: list[tuple[str, RunMask]] | None = None
    shape: tuple[int, int] | None = None  # the image's (height, width), None if unknown
    ious: Sequence[float] = ()  # of each mask of a dataset's record, 0 if it is lost


class Shown(NamedTuple):
    """Records to draw."""

    records: list[Record]
    missing: list[str]  # the photos that cannot be read, and why


class Viewer:
    """Detects the content of a path, and reads its records.

    Parameters
    ----------
    what
        A folder or a file of rows; a dataset, ``name:path,option=value``, or its file; a PNG with a
        number a pixel, or a folder of them.
    codec
        Decodes rows without a ``maskcodec.json`` beside them; encodes and decodes the masks of
        datasets.
    images
        The folder of the images; None for the paths in the records.
    names
        A file that names the values of PNGs.
    method
        How cells become pixels, as in `maskcodec.Region.mask`.
    side
        The longer side of photos in pixels; None for the size of pictures on a sheet.

    Attributes
    ----------
    missing
        The photos of the records read that cannot be read, and why.
    """

    def __init__(
        self,
        what: str,
        codec: AnyCodec,
        *,
        images: Path | None = None,
        names: Path | None = None,
        method: Method | None = None,
        side: int | None = None,
    ) -> None:
        self.codec, self._images, self._method = codec, images, method
        self._alone, self._beside = side or _ALONE, side or _BESIDE
        self._names = {} if names is None else read_names(names)
        self.missing: list[str] = []
        path = Path(what)
        name, colon, _ = what.partition(":")
        if colon and name in SOURCES and not path.exists():
            self._found = self._source(what)
        elif path.is_dir():
            self._found = self._folder(path)
        elif path.suffix.lower() == ".png":
            self._found = lambda: (self._map(path, path.stem) for _ in range(1))
        elif path.suffix.lower() in _ROWS:
            self._found = self._file(path)
        else:
            raise InputError(
                f"{path} is none of what can be drawn: rows (a folder, or {', '.join(_ROWS)}), "
                "annotations (.json, .jsonl, or a dataset as name:path), a .png or a folder of them"
            )

    def check_codec(self, codec: AnyCodec) -> None:
        """Refuse a codec other than the default that differs from the records' codec."""
        if self.codec != codec != chosen_codec():
            raise typer.BadParameter(
                f"the rows were written by {self.codec!r}, as their maskcodec.json says: leave the "
                "codec's settings out"
            )

    def read(self, start: int, count: int) -> Shown:
        """Read `count` records from number `start` on; numbers begin at 0."""
        return Shown(list(self.each(start, count)), self.missing)

    def each(self, start: int, count: int) -> Iterator[Record]:
        """Read the records of `read` one at a time."""
        self.missing = []
        yield from islice(self._found(), start, start + count)

    def _source(self, text: str) -> Callable[[], Iterator[Record]]:
        if self._images is not None and ",images=" not in text:
            text = f"{text},images={self._images}"
        source: Any = Origin.parsed(text).open()
        return lambda: (self._sample(one) for one in source)

    def _folder(self, folder: Path) -> Callable[[], Iterator[Record]]:
        splits = [folder / split for split in (TRAIN, VAL)]
        listed = [folder / f"{split}.json" for split in (TRAIN, VAL)]
        inside = [one for split in (*splits, folder) if split.is_dir() for one in split.iterdir()]
        files = sorted(one for one in inside if one.suffix in (".jsonl", ".parquet"))
        files = [one for one in files if one.name != "broken.jsonl"]
        files += [one for one in listed if one.is_file()]
        if files:
            self._take_codec(folder)
            return lambda: (row for file in files for row in self._rows(file))
        maps = sorted(folder.rglob("*.png"))
        if not maps:
            raise InputError(
                f"{folder} holds no rows ({TRAIN}/*.jsonl, {TRAIN}/*.parquet or {TRAIN}.json), "
                "and no PNG"
            )
        return lambda: (
            self._map(one, str(one.relative_to(folder).with_suffix(""))) for one in maps
        )

    def _file(self, path: Path) -> Callable[[], Iterator[Record]]:
        kind = path.suffix.lower()
        if kind == ".jsonl":
            first = next(lines(path), None)
            entry = {} if first is None else parsed(first[3], f"{path}, line {first[2]}")
            if isinstance(entry, dict) and "segmentation" in entry:
                return self._source(f"gseval:{path}")
        elif kind == ".json" and not _is_list(path):
            found = entries(path, ("annotations",))
            first_of = next((one.value for one in found), None)
            if not (isinstance(first_of, dict) and "segments_info" in first_of):
                return self._source(f"coco:{path}")
            masks = "" if path.with_suffix("").is_dir() else f",masks={path.parent}"
            return self._source(f"panoptic:{path}{masks}")
        self._take_codec(*path.absolute().parents[:2])
        return lambda: self._rows(path)

    def _take_codec(self, *folders: Path) -> None:
        """Take the codec of the first ``maskcodec.json`` in the folders, if there is one."""
        for folder in folders:
            if (folder / FILE_NAME).is_file():
                self.codec = from_config(read_json(folder / FILE_NAME))
                return

    def _rows(self, path: Path) -> Iterator[Record]:
        for number, row in enumerate(_stored_rows(path), 1):
            where = f"{path.name}, row {number}"
            try:
                yield self._row(row, where, path)
            except (MaskCodecError, TypeError, ModuleNotFoundError) as error:
                yield _wrong(where, str(error))

    def _row(self, row: Any, where: str, path: Path) -> Record:
        found = read_row(row, f"{path}, row")
        image = str(next(iter(found.images), ""))
        photo = self._photo(image) if image else None
        small = _drawn(photo or plain(UNKNOWN), self._alone)
        regions, problems, said, turns = [], [], [], []
        for message in found.messages:
            words = text = "".join(part.get("text", "") for part in message["content"])
            answer = Answer([], [])
            if message["role"] == "assistant":
                answer, words = read_answer(self.codec, text), words_around(self.codec, text)
            regions += answer.regions
            problems += answer.problems
            said.append((message["role"], words))
            turns.append(Turn(message["role"], text, answer.problems))
        count = plural(len(problems), "problem")
        remark = f"{count}: {problems[0].message}" if problems else ""
        labels = [region.label for region in regions]
        targets = _row_targets(row.get("targets"), f"{path}, {where}")
        shape = (photo.height, photo.width) if photo else None
        return Record(
            *(where, small, labels, None, [[one] for one in regions], said, remark),
            image=image if photo else "",
            source=_row_source(row, image, path),
            turns=turns,
            targets=targets,
            shape=targets[0][1].shape if targets else shape,
        )

    def _sample(self, sample: Sample | Broken) -> Record:
        if isinstance(sample, Broken):
            return _wrong(sample.where, sample.message)
        said = [("user", sample.query)] if sample.query else []
        said += [*sample.turns]
        try:
            masks = [coco.read(one.segmentation, shape=sample.shape) for one in sample.instances]
        except (MaskCodecError, TypeError, ModuleNotFoundError) as error:
            return _wrong(sample.key, str(error))
        labels = [one.label for one in sample.instances]
        source = sample.key.partition(":")[0]
        return self._compared(sample.key, sample.image, sample.shape, labels, masks, said, source)

    def _map(self, path: Path, stem: str) -> Record:
        try:
            found = read_index(path)
        except SourceError as error:
            return _wrong(stem, str(error))
        shape = next(iter(found.values())).shape
        values = [value for value in found if value != 0]
        alone = len(values) == 1 and not self._names
        labels = [self._names.get(value, f"value {value}") for value in values]
        labels = [path.stem] if alone else labels
        masks = [found[value] for value in values]
        folder = path.parent if self._images is None else self._images / Path(stem).parent
        beside = (folder / f"{path.stem}{ending}" for ending in _ENDINGS)
        photo = next((one for one in beside if one != path and one.is_file()), None)
        image = str(photo or folder / f"{path.stem}.jpg")
        source = str(Path(stem).parent).strip(".")
        return self._compared(stem, image, shape, labels, masks, [], source)

    def _compared(
        self,
        name: str,
        image: str,
        shape: tuple[int, int] | None,
        labels: list[str],
        masks: list[RunMask],
        said: list[tuple[str, str]],
        source: str,
    ) -> Record:
        """A record with its masks before and after the codec."""
        photo = self._photo(image) if image else None
        size = shape or UNKNOWN
        if size[0] * size[1] > MOST_CLAIMED:
            return _wrong(name, f"it claims {sides(size)} pixels; up to {MOST_CLAIMED:,} are drawn")
        wheres = [name] * len(masks)
        whole = as_drawn(self.codec, CocoImage(size, labels, masks, wheres))
        labels, masks, remark = whole.labels, whole.masks, ""
        ious: list[float] = []
        if photo and (photo.height, photo.width) != size:
            own = sides((photo.height, photo.width))
            remark = f"the photo has {own} pixels, annotated are {sides(size)}"
            photo = None
        try:
            after = [regions for _, regions in through(self.codec, whole)]
        except MaskCodecError as error:
            after, remark = [[] for _ in masks], str(error)
        if masks and not remark:
            pairs = zip(after, masks, strict=True)
            ious = [measure(one, mask, method=self._method).iou for one, mask in pairs]
            remark = f"mean IoU {sum(ious) / len(ious):.3f}"
            lost = sum(not one for one in after)
            remark += f", {lost} lost" * bool(lost)
        small = _drawn(photo or plain(drawn_shape(size)), self._beside)
        return Record(
            *(name, small, labels, masks, after, said, remark),
            image=image if photo else "",
            source=source,
            shape=size,
            ious=ious,
        )

    def _photo(self, image: str) -> Image.Image | None:
        """The photo of a record; if it cannot be read, None and an entry in `missing`."""
        path = Path(image)
        if self._images is not None and not path.is_relative_to(self._images):
            path = self._images / path
        try:
            return as_picture(path)
        except (OSError, ValueError) as error:
            self.missing.append(f"{image}: {getattr(error, 'strerror', None) or error}")
            return None


def words_around(codec: AnyCodec, text: str) -> str:
    """The words of an answer without its masks; the masks' labels are in brackets."""
    tags = [re.escape(tag) for tag in codec.tags()]
    *label, _, _ = tags
    if label:
        for opening, closing in zip(tags[2::2], tags[3::2], strict=True):
            text = re.sub(f"{opening}.*?(?:{closing}|$)", "", text, flags=re.DOTALL)
        return re.sub(tags[1], "] ", re.sub(tags[0], " [", text)).strip()
    return re.sub(f"{tags[0]}.*?(?:{tags[1]}|$)", " ", text, flags=re.DOTALL).strip()


def _row_source(row: Mapping[str, Any], image: str, path: Path) -> str:
    """The source of a row: its split, and its dataset or the folder of its image, if known."""
    key = row.get("id")  # LLaVA's rows have their sample's id
    dataset = key.partition(":")[0] if isinstance(key, str) and ":" in key else ""
    split = next((name for name in (path.parent.name, path.stem) if name in (TRAIN, VAL)), "")
    found = split, dataset or str(Path(image).parent).strip(".")
    return ", ".join(filter(None, found))


def _row_targets(given: Any, where: str) -> list[tuple[str, RunMask]] | None:
    """The targets of a row's last answer, with labels, as build --targets writes them."""
    if given is None:
        return None
    listed = parsed(given, f"{where}: targets") if isinstance(given, str) else given
    if not isinstance(listed, list):
        raise SourceError(f"{where}: targets must be a list, or JSON of one, got {brief(given)}")
    found = []
    for number, one in enumerate(listed):
        if not isinstance(one, dict) or not isinstance(one.get("label"), str):
            raise SourceError(f"{where}: target {number} must be an object with a label")
        what = f"the segmentation of target {number}"
        found.append((one["label"], coco.read(one.get("segmentation"), what=what)))
        if found[-1][1].shape != found[0][1].shape:
            raise SourceError(f"{where}: target {number} is of another image than target 0")
    return found


def _wrong(name: str, message: str) -> Record:
    return Record(name, _drawn(plain(UNKNOWN), _ALONE), [], None, [], [], message)


def _drawn(photo: Image.Image, side: int) -> Image.Image:
    return fitted(photo, least=side, most=side)


def _is_list(path: Path) -> bool:
    with opened(path) as file:
        return file.read(1 << 10).lstrip().startswith(b"[")


def _stored_rows(path: Path) -> Iterator[Any]:
    """The rows of a file, as plain data."""
    kind = path.suffix.lower()
    if kind == ".jsonl":
        for *_, number, line in lines(path):
            yield parsed(line, f"{path}, line {number}")
    elif kind == ".json":
        yield from (entry.value for entry in items(path))
    else:
        try:
            from pyarrow import ArrowException
            from pyarrow.parquet import ParquetFile
        except ModuleNotFoundError:
            raise InputError(
                "Parquet needs pyarrow, which is missing: "
                "pip install 'maskcodec[data]', in a checkout '.[data]'"
            ) from None
        try:
            with ParquetFile(path) as file:
                for batch in file.iter_batches(batch_size=16):
                    yield from batch.to_pylist()
        except (ArrowException, OSError) as error:
            raise SourceError(
                f"{path} is no Parquet file that can be read: {shown(str(error))}"
            ) from error
