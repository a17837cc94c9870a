"""What `maskcodec eval` compares: answers and targets by their ids, one pair held at a time."""

from __future__ import annotations

import math
from array import array
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from maskcodec import coco
from maskcodec.cli import say
from maskcodec.cli.coco import CocoFile, no_id
from maskcodec.cli.codecs import decode_any
from maskcodec.cli.hints import other_options
from maskcodec.cli.read import InputError, checked_claim, size_of
from maskcodec.data._jsonfile import Stored, id_of, lines, shown
from maskcodec.data._jsontext import parsed
from maskcodec.errors import DecodeError, MaskError
from maskcodec.files.images import MOST_CLAIMED
from maskcodec.masks.runs import inverted, united
from maskcodec.metrics import BoxAccuracy, CIoU, GIoU, MIoU, NAcc, Precision, TAcc, measure
from maskcodec.metrics.precision import AP_THRESHOLDS, average_precision

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from maskcodec.cli.settings import AnyCodec
    from maskcodec.masks.grid import Method
    from maskcodec.masks.runs import RunMask
    from maskcodec.metrics import Overlap
    from maskcodec.text.regions import Region

_KEYS = "id", "idx"  # what an id is called, where nobody says it
_MASK = "segmentation"
_IGNORED = "ignore"


class Row(NamedTuple):
    """One object of a JSON Lines file.

    Attributes
    ----------
    where
        The file and the line, for messages.
    key
        Its id.
    entry
        The object.
    """

    where: str
    key: str
    entry: dict[str, Any]


class Target(NamedTuple):
    """What an answer should show.

    Attributes
    ----------
    where
        The file and the record, for messages.
    key
        Its id.
    mask
        None where there is no target.
    shape
        The image's (height, width); None where only a sample without a target does not say it.
    ignored
        Pixels that do not count, as ReasonSeg has them; None for none.
    image
        The path of the image as the line has it, or "".
    """

    where: str
    key: str
    mask: RunMask | None
    shape: tuple[int, int] | None
    ignored: RunMask | None = None
    image: str = ""


class Scored(NamedTuple):
    """One answer and how good it is.

    Attributes
    ----------
    row, target
        The answer, and what it should show.
    overlap
        What they have in common, without what is ignored.
    kind
        ``"valid"``, ``"broken"`` or ``"mask"``.
    mask
        What the answer shows; None for nothing.
    score
        How sure the model is, None where the line has no ``"score"``.
    claimed
        Whether it claims something, which cannot be read where no pixel is set.
    """

    row: Row
    target: Target
    overlap: Overlap
    kind: str
    mask: RunMask | None
    score: float | None
    claimed: bool

    @property
    def iou(self) -> float:
        """0 .. 1; where there is no target, 1 for a right nothing and 0 for anything else."""
        if self.overlap.target:
            return self.overlap.iou
        return float(not (self.overlap.prediction or self.claimed))

    def plain(self) -> dict[str, Any]:
        """A line of JSON."""
        return {
            "id": self.row.entry.get("id", self.row.key),
            "iou": self.iou,
            "intersection": self.overlap.intersection,
            "union": self.overlap.union,
            "answer": self.kind,
            **({} if self.score is None else {"score": self.score}),
        }


class Predictions:
    """The answers of a JSON Lines file by their ids: kept is where each one stands.

    Raises
    ------
    InputError
        A line is no object, has no id, or one that another line has.
    SourceError
        A line is no JSON, or is too long for a value.
    """

    def __init__(self, path: Path, key: str | None) -> None:
        self._path = path
        self._stored = Stored(path)
        self._places: dict[str, tuple[int, int]] = {}  # of lines: as stored, and in the file
        found = say.reading(_rows(path, key), path, lambda found: found[1])
        for start, stop, number, row in found:
            if row.key in self._places:
                other = self._places[row.key][1]
                raise InputError(f"{row.where} has the id {row.key:.60}, as line {other} has")
            self._places[row.key] = self._stored.add(start, stop), number

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, key: str) -> bool:
        return key in self._places

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __getitem__(self, key: str) -> Row:
        place, number = self._places[key]
        return Row(f"{self._path}, line {number}", key, self._stored.read([place])[0])


def targets(path: Path, key: str | None) -> Iterator[Target]:
    """The targets of a file, one at a time: COCO annotations by their ids, or JSON Lines.

    Parameters
    ----------
    path
        A name that ends in .jsonl is that of lines, any other of annotations.
    key
        What an id is called in lines; None for the usual names.

    Raises
    ------
    InputError
        A record has no id, or one that another has; a segmentation is none, or does not fit.
    """
    seen: set[str] = set()
    lines = path.suffix.lower() == ".jsonl"
    for target in _line_targets(path, key) if lines else _coco_targets(path):
        if target.key in seen:
            raise InputError(f"{target.where} has the id {target.key:.60}, as another one has")
        seen.add(target.key)
        yield target


class Scores:
    """The figures of answers, and how many of them could be read.

    Parameters
    ----------
    codec
        What texts are decoded by.
    answer
        What the text of an answer is called; None for ``"text"``, and a mask where there is none.
    method
        How cells become pixels.

    Attributes
    ----------
    figures
        The accumulators, by the names of their figures.
    counts
        Of answers: ``"valid"``, which decode strictly or are words alone, and ``"broken"``, all
        others; ``"recovered"``, the broken ones that show something; ``"empty"``, which show
        nothing, and ``"empty_broken"``, the broken ones of these; ``"masks"``, which are no texts.
    readable
        How many broken answers other options read as a whole, by those options.
    """

    def __init__(self, codec: AnyCodec, answer: str | None, method: Method | None) -> None:
        self._codec, self._answer, self._method = codec, answer, method
        self.cumulative, self.mean = CIoU(), GIoU()
        self.targeted, self.boxes = MIoU(), BoxAccuracy()
        self.nothing, self.something = NAcc(), TAcc()
        self.hits = [Precision(threshold=number / 10) for number in range(5, 10)]
        self._ranked = array("d"), array("d")  # scores and IoUs of those that show something
        self.counts, self.readable = Counter[str](), Counter[str]()

    def figures(self) -> dict[str, tuple[float, int]]:
        """Each figure by its name, and of how many samples it is; ``nan`` of none."""
        samples = self.mean.samples
        return {
            "cIoU": (self.cumulative.compute(), samples),
            "gIoU": (self.mean.compute(), samples),
            "mIoU": (self.targeted.compute(), self.targeted.samples),
            **{f"P@{one.threshold}": (one.compute(), one.samples) for one in self.hits},
            **self._precision(),
            "Acc@0.5": (self.boxes.compute(), samples),
            "N-acc": (self.nothing.compute(), self.nothing.samples),
            "T-acc": (self.something.compute(), self.something.samples),
        }

    def _precision(self) -> dict[str, tuple[float, int]]:
        """Average precision, where every answer has a score."""
        scores, ious = self._ranked
        if not len(scores) or self.counts["unsure"]:
            return {}
        targets = self.targeted.samples
        found = {
            name: average_precision(scores, ious, targets, thresholds)
            for name, thresholds in (("AP", AP_THRESHOLDS), ("AP50", (0.5,)))
        }
        return {name: (value, targets) for name, value in found.items()}

    def add(self, row: Row, target: Target) -> Scored:
        """Score one answer.

        Raises
        ------
        InputError
            The row has no answer, or a mask that does not fit; nobody says how large the image is.
        """
        name = "text" if self._answer is None else self._answer
        regions: list[Region] | None = None
        broken = False
        if self._answer is None and name not in row.entry and _MASK in row.entry:
            mask = _read(row.where, row.entry[_MASK], target.shape)
            self.counts["masks"] += 1
        else:
            regions, broken = self._decoded(row, name)
            mask = self._painted(row, regions, target)
        if target.ignored is not None and mask is not None:
            mask = without(mask, target.ignored)
        overlap = measure(mask, target.mask)
        claimed = broken or bool(regions)  # what cannot be read is no right nothing, nor is a box
        for metric in (
            *(self.cumulative, self.mean, self.targeted, self.nothing, self.something),
            *self.hits,
        ):
            metric.add(overlap, claimed=claimed)
        said = mask if regions is None else regions
        self.boxes.update(said, target.mask, shape=target.shape, claimed=claimed)
        self.counts["broken" if broken else "valid"] += 1
        if not overlap.prediction:
            self.counts["empty"] += 1
            self.counts["empty_broken"] += broken
        elif broken:
            self.counts["recovered"] += 1
        scored = Scored(
            row=row,
            target=target,
            overlap=overlap,
            kind="mask" if regions is None else "broken" if broken else "valid",
            mask=mask,
            score=_score(row),
            claimed=claimed,
        )
        if overlap.prediction:
            if scored.score is None:
                self.counts["unsure"] += 1
            else:
                self._ranked[0].append(scored.score)
                self._ranked[1].append(overlap.iou if overlap.target else 0.0)
        return scored

    def _decoded(self, row: Row, name: str) -> tuple[list[Region], bool]:
        """The regions of an answer, and whether it had to be recovered."""
        text = row.entry.get(name)
        if not isinstance(text, str):
            if name in row.entry:
                raise InputError(
                    f'{row.where} has {shown(text)} for its "{name}", which is no text'
                )
            also = f' and no "{_MASK}"' if self._answer is None else ""
            raise InputError(f'{row.where} has no "{name}"{also}; --answer says what it is called')
        try:
            return decode_any(self._codec, text)[0], False
        except DecodeError:
            if self._codec.is_words(text):
                return [], False
            if options := other_options(self._codec, text):
                self.readable[options] += 1
            return decode_any(self._codec, text, recover=True)[0], True

    def _painted(self, row: Row, regions: list[Region], target: Target) -> RunMask | None:
        if not regions:
            return None
        if target.shape is None:
            raise InputError(
                f'{target.where} needs "height" and "width": {row.where} shows something there, '
                "though there is no target, and its pixels count"
            )
        shape = checked_claim(target.shape, target.where, MOST_CLAIMED)
        try:
            return united([region.runs(shape, method=self._method) for region in regions])
        except MaskError as error:
            raise InputError(f"{target.where}: {error}") from error


def _rows(path: Path, key: str | None) -> Iterator[tuple[int, int, int, Row]]:
    """The objects of a JSON Lines file: where each stands in bytes, the number of its line, it."""
    for start, stop, number, line in lines(path):
        yield start, stop, number, _row(f"{path}, line {number}", line, key)


def _row(where: str, line: bytes, key: str | None) -> Row:
    entry = parsed(line, where)
    if not isinstance(entry, dict):
        raise InputError(f"{where} must be an object, one a line, got {shown(entry)}")
    names = _KEYS if key is None else (key,)
    name = next((name for name in names if name in entry), names[0])
    own = id_of(entry, name)
    if own is None:
        raise InputError(f"{no_id(where, entry, name)}; --key says what it is called")
    return Row(where, own, entry)


def _line_targets(path: Path, key: str | None) -> Iterator[Target]:
    for *_, row in _rows(path, key):
        where, entry = row.where, row.entry
        if _MASK not in entry:
            raise InputError(f'{where} has no "{_MASK}"; where there is no target it is null')
        shape = size_of(where, entry)
        mask = _read(where, entry[_MASK], shape)
        shape = shape if mask is None else mask.shape
        ignored = _read(where, entry.get(_IGNORED), shape, f'its "{_IGNORED}"')
        if mask is not None and ignored is not None:
            mask = without(mask, ignored)
        names = (entry.get(name) for name in ("image", "image_path", "file_name"))
        image = next((name for name in names if isinstance(name, str)), "")
        yield Target(where, row.key, mask, shape, ignored, image)


def _coco_targets(path: Path) -> Iterator[Target]:
    for instance in CocoFile(path):
        if instance.key is None:
            raise InputError(f"{instance.where} has no id, by which it is found")
        yield Target(instance.where, instance.key, instance.mask(), instance.shape)


def _score(row: Row) -> float | None:
    """How sure a model is, 0 where its answer has several scores and none of them is left."""
    score = row.entry.get("score")
    if score is None:
        return None
    if type(score) not in {int, float} or not math.isfinite(score):
        raise InputError(f'{row.where} has {shown(score)} for its "score", which is no number')
    return float(score)


def without(mask: RunMask, ignored: RunMask) -> RunMask:
    """What a mask has outside of some pixels of the same image."""
    return inverted(united([inverted(mask), ignored]))


def _read(
    where: str, segmentation: Any, shape: tuple[int, int] | None, what: str = "the segmentation"
) -> RunMask | None:
    """A segmentation as a mask; null and an empty list are nothing."""
    if segmentation is None or segmentation == []:
        return None
    try:
        return coco.read(segmentation, shape=shape, what=what)
    except ModuleNotFoundError as error:
        raise InputError(str(error)) from error
    except (MaskError, TypeError) as error:
        raise InputError(f"{where}: {error}") from error
