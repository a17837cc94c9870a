"""Compare answers with targets by their ids for `maskcodec eval`, one pair at a time."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from maskcodec.cli import messages
from maskcodec.cli.annotations import CocoFile
from maskcodec.cli.hints import other_options
from maskcodec.cli.read import InputError, mask_of, size_of
from maskcodec.data._jsonfile import Stored, id_of, lines, shown
from maskcodec.data._jsontext import parsed
from maskcodec.errors import MaskError, SourceError
from maskcodec.files.photos import as_picture
from maskcodec.masks.runs import united
from maskcodec.messages import plural, sides
from maskcodec.metrics import AveragePrecision
from maskcodec.metrics.answers import Answer, Figures, Measured, measured, read_answer
from maskcodec.text.codec import Codec, check_same_codec, file_beside, load

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from PIL import Image

    from maskcodec.cli.settings import AnyCodec
    from maskcodec.masks.grid import Method
    from maskcodec.masks.runs import RunMask

_KEYS = "id", "idx"  # keys of an id without --key
_MASK, _MASKS = "segmentation", "segmentations"
_IGNORED = "ignore"
_SHOWN = 5  # most ids that a message names


class Row(NamedTuple):
    """One object of a JSON Lines file."""

    where: str  # the file and the line, for messages
    key: str
    entry: dict[str, Any]


class Target(NamedTuple):
    """The mask that an answer should have."""

    where: str  # the file and the record, for messages
    key: str
    mask: RunMask | None  # None if there is no target
    # the image's (height, width); None if unknown, which only a sample without a target may be
    shape: tuple[int, int] | None
    ignored: RunMask | None = None  # pixels that do not count, as in ReasonSeg; None for none
    image: str = ""  # the path of the image as in the file, or ""
    entry: Mapping[str, Any] = {}  # the line, or an annotation's "label"
    # (masks, labels) of the instances; None if the line does not separate them
    instances: tuple[list[RunMask], list[str] | None] | None = None

    def photo(self, folder: Path | None) -> Image.Image:
        """The photo of the target, upright, as viewers show it."""
        try:
            photo = as_picture((folder or Path()) / self.image)
        except OSError as error:
            raise SourceError(f"{self.image}: {error.strerror or error}") from error
        self.check_photo((photo.height, photo.width))
        return photo

    def check_photo(self, shape: tuple[int, int]) -> None:
        """Refuse a photo whose (height, width) differs from the target's."""
        if self.shape is not None and self.shape != shape:
            raise SourceError(f"{self.image} has other sides than {sides(self.shape)}")


class Scored(NamedTuple):
    """One answer and its measures."""

    row: Row
    target: Target
    found: Measured
    kind: str  # "valid", "broken" or "mask"
    text: str  # of the answer; "" if it is a mask
    said: Answer | None
    mask: RunMask | None  # all regions of the answer; None for no region
    score: float | None  # the model's confidence, None if the line has no "score"

    @property
    def iou(self) -> float:
        """The same as `Measured.iou`."""
        return self.found.iou

    def plain(self) -> dict[str, Any]:
        """The answer's measures as plain data for a line of JSON."""
        return {
            "id": self.row.entry.get("id", self.row.key),
            "iou": self.iou,
            "intersection": self.found.overlap.intersection,
            "union": self.found.overlap.union,
            "answer": self.kind,
            **({} if self.score is None else {"score": self.score}),
        }


class Predictions:
    """The answers of a JSON Lines file by their ids; only their places are in memory."""

    def __init__(self, path: Path, key: str | None) -> None:
        self._path = path
        self._stored = Stored(path)
        self._places: dict[str, tuple[int, int]] = {}  # by id: (place in `Stored`, line number)
        found = messages.reading(_rows(path, key), path, lambda found: found[1])
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
        A .jsonl file holds lines, any other file annotations.
    key
        The key of the id in lines; None for ``"id"`` or ``"idx"``.
    """
    seen: set[str] = set()
    lines = path.suffix.lower() == ".jsonl"
    for target in _line_targets(path, key) if lines else _coco_targets(path):
        if target.key in seen:
            raise InputError(f"{target.where} has the id {target.key:.60}, as another one has")
        seen.add(target.key)
        yield target


class Scores:
    """Scores answers, and collects their figures.

    Parameters
    ----------
    codec
        Decodes texts.
    answer
        The key of an answer's text; None for ``"text"``, or the mask if a line has no text.
    method
        How cells become pixels, as in `maskcodec.Region.mask`.

    Attributes
    ----------
    codec
        As it was given.
    figures
        The figures, and counts of answers.
    masks
        How many answers are masks instead of texts.
    readable
        By options: how many broken answers these options read as a whole.
    """

    def __init__(self, codec: AnyCodec, answer: str | None, method: Method | None) -> None:
        self.codec, self._answer, self._method = codec, answer, method
        self.figures, self.masks, self.readable = Figures(), 0, Counter[str]()
        self._ranked = {"region AP": AveragePrecision()}
        self._ranked["region AP50"] = AveragePrecision(thresholds=(0.5,))
        self._unsure = False  # whether a region has no score

    def compute(self) -> dict[str, tuple[float, int]]:
        """The figures by their names, each (value, samples) as in `Figures.compute`.

        They include the average precision of regions if targets separate instances and every
        region of their answers has a score.
        """
        ranked = {} if self._unsure else self._ranked
        found = {name: (one.compute(), one.samples) for name, one in ranked.items() if one.samples}
        return self.figures.compute() | found

    def add(self, row: Row, target: Target) -> Scored:
        """Score one answer."""
        name = "text" if self._answer is None else self._answer
        said: Answer | RunMask | None
        if self._answer is None and name not in row.entry and _MASK in row.entry:
            said, kind, text = _read(row.where, row.entry[_MASK], target.shape), "mask", ""
            self.masks += 1
        else:
            said, text = self._decoded(row, name)
            kind = "broken" if said.broken else "valid"
            if said.regions and target.shape is None:
                raise InputError(
                    f'{target.where} needs "height" and "width": {row.where} shows something '
                    "there, though there is no target, and its pixels count"
                )
        try:
            found, mask = measured(
                said, target.mask, shape=target.shape, ignored=target.ignored, method=self._method
            )
        except MaskError as error:
            raise InputError(f"{target.where}: {error}") from error
        read = said if isinstance(said, Answer) else None
        if target.instances is not None:
            alone = [] if said is None else [said]
            self._rank(row, target, read.regions if read else alone)
        scored = Scored(row, target, found, kind, text, read, mask, _score(row))
        self.figures.add(found, scored.score)
        return scored

    def notes(self, ids: Mapping[str, int]) -> list[str]:
        """Notes on the answers, and on the missing and unknown `ids` of a `Comparison`."""
        found = [
            f"{count:,} of the broken answers can be read as a whole with {flags}"
            for flags, count in self.readable.most_common()
        ]
        if self.masks:
            found.append(
                f'{plural(self.masks, "answer")} without a "text": the "segmentation" was read '
                "instead"
            )
        if ids["missing"]:
            found.append(f"left out: {plural(ids['missing'], 'target')} without an answer")
        if ids["unknown"]:
            found.append(f"left out: {plural(ids['unknown'], 'answer')} without a target")
        return found

    def _rank(self, row: Row, target: Target, regions: list[Any]) -> None:
        """Add an answer's regions to the average precision, by their scores."""
        scores, (masks, labels) = row.entry.get("scores"), target.instances or ([], None)
        if scores is None and regions:
            self._unsure = True
            return
        if not isinstance(scores or [], list) or not all(map(_is_finite, scores or [])):
            raise InputError(
                f'{row.where}: its "scores" must be a number for each region, got {shown(scores)}'
            )
        try:
            for metric in self._ranked.values():
                metric.update(
                    *(regions, masks),
                    scores=scores or [],
                    labels=labels,
                    shape=target.shape,
                    method=self._method,
                )
        except (MaskError, TypeError) as error:
            raise InputError(f"{row.where}: {error}") from error

    def _decoded(self, row: Row, name: str) -> tuple[Answer, str]:
        text = row.entry.get(name)
        if not isinstance(text, str):
            if name in row.entry:
                raise InputError(
                    f'{row.where} has {shown(text)} for its "{name}", which is no text'
                )
            also = f' and no "{_MASK}"' if self._answer is None else ""
            raise InputError(f'{row.where} has no "{name}"{also}; --answer says what it is called')
        found = read_answer(self.codec, text)
        if found.broken and (options := other_options(self.codec, text)):
            self.readable[options] += 1
        return found, text


class Comparison:
    """Pairs answers and targets by their ids; iterating scores one pair at a time.

    Parameters
    ----------
    predictions, truth
        The files: JSON Lines of answers, and JSON Lines or COCO annotations of targets.
    key
        The key of the id in lines; None for ``"id"`` or ``"idx"``.
    scores
        Takes the pairs.
    allow_missing
        Whether to leave out ids that only one file has, and count them in `ids`. By default they
        raise `InputError`.

    Attributes
    ----------
    ids
        ``"missing"``: how many targets have no answer; ``"unknown"``: how many answers have no
        target. Complete after the last pair.
    """

    def __init__(
        self,
        predictions: Path,
        truth: Path,
        *,
        key: str | None,
        scores: Scores,
        allow_missing: bool = False,
    ) -> None:
        file = file_beside(predictions)
        if file is not None and isinstance(scores.codec, Codec):
            own = f"{file} (--config takes it)"
            check_same_codec(load(file), own, scores.codec, "the codec chosen")
        self._paths, self._key = (predictions, truth), key
        self._scores, self._allowed = scores, allow_missing
        self._answers = Predictions(predictions, key)
        self.ids = {"missing": 0, "unknown": 0}

    def __iter__(self) -> Iterator[Scored]:
        predictions, truth = self._paths
        answers = self._answers
        unknown, missing = set(answers), []
        for target in messages.steps(targets(truth, self._key), "Scoring", len(answers)):
            if target.key not in answers:
                missing.append(target.key)
                continue
            unknown.remove(target.key)
            if self._allowed or not missing:
                yield self._scores.add(answers[target.key], target)
        if not self._allowed:
            _check_ids(predictions, truth, missing, [name for name in answers if name in unknown])
        if not self._scores.figures.samples:
            raise InputError(f"{predictions} and {truth} have no id in common")
        self.ids = {"missing": len(missing), "unknown": len(unknown)}


def _check_ids(predictions: Path, truth: Path, missing: list[str], unknown: list[str]) -> None:
    """Refuse files whose ids differ."""
    wrong = []
    for ids, has, lacks in ((missing, truth, predictions), (unknown, predictions, truth)):
        if ids:
            some = ", ".join(f"{name:.60}" for name in ids[:_SHOWN])
            more = ", ..." if len(ids) > _SHOWN else ""
            wrong.append(f"{lacks} lacks {len(ids):,} of the ids of {has}: {some}{more}")
    if wrong:
        raise InputError(f"{'; '.join(wrong)}; --allow-missing scores what both have")


def _rows(path: Path, key: str | None) -> Iterator[tuple[int, int, int, Row]]:
    """The objects of a JSON Lines file: (first byte, end, line number, object)."""
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
        wrong = f'{where}: its "{name}" is {shown(entry.get(name))}, which is no id'
        raise InputError(f"{wrong}; --key says what it is called")
    return Row(where, own, entry)


def _line_targets(path: Path, key: str | None) -> Iterator[Target]:
    for *_, row in _rows(path, key):
        where, entry = row.where, row.entry
        if _MASK not in entry and _MASKS not in entry:
            raise InputError(f'{where} has no "{_MASK}"; where there is no target it is null')
        shape = size_of(where, entry)
        instances = _instances(where, entry, shape) if _MASKS in entry else None
        if instances is None:
            mask = _read(where, entry[_MASK], shape)
        else:
            mask = united(instances[0]) if instances[0] else None
        shape = shape if mask is None else mask.shape
        ignored = _read(where, entry.get(_IGNORED), shape, f'its "{_IGNORED}"')
        names = (entry.get(name) for name in ("image", "image_path", "file_name"))
        image = next((name for name in names if isinstance(name, str)), "")
        yield Target(where, row.key, mask, shape, ignored, image, entry, instances)


def _instances(
    where: str, entry: dict[str, Any], shape: tuple[int, int] | None
) -> tuple[list[RunMask], list[str] | None]:
    """The masks of a line's instances, and their labels or None."""
    found, labels = entry[_MASKS], entry.get("labels")
    for other in (_MASK, _IGNORED):
        if entry.get(other) is not None:
            raise InputError(f'{where} has "{_MASKS}" and "{other}", of which one can be')
    if not isinstance(found, list):
        raise InputError(f'{where} has {shown(found)} for its "{_MASKS}", which is no list')
    masks: list[RunMask] = []
    for number, one in enumerate(found):
        size = masks[0].shape if masks else shape
        mask = _read(where, one, size, f"segmentation {number}")
        if mask is None or not mask.any():
            raise InputError(f"{where}: segmentation {number} has no pixel")
        masks.append(mask)
    strings = isinstance(labels, list) and all(isinstance(one, str) for one in labels)
    if labels is not None and (not strings or len(labels) != len(masks)):
        count = plural(len(masks), "segmentation")
        raise InputError(f'{where}: its "labels" must be a text for each of {count}')
    return masks, labels


def _coco_targets(path: Path) -> Iterator[Target]:
    for instance in CocoFile(path):
        if instance.key is None:
            raise InputError(f"{instance.where} has no id, by which it is found")
        shape, entry = instance.shape, {"label": instance.label}
        place = instance.where, instance.key
        yield Target(*place, instance.mask(), shape, image=instance.photo, entry=entry)


def _score(row: Row) -> float | None:
    """The model's confidence in an answer, None if the line has no "score"."""
    score = row.entry.get("score")
    if score is None:
        return None
    if not _is_finite(score):
        raise InputError(f'{row.where} has {shown(score)} for its "score", which is no number')
    return float(score)


def _is_finite(score: Any) -> bool:
    return type(score) in {int, float} and math.isfinite(score)


def _read(
    where: str, segmentation: Any, shape: tuple[int, int] | None, what: str = "the segmentation"
) -> RunMask | None:
    """A segmentation as a mask; None for null and for an empty list."""
    if segmentation is None or segmentation == []:
        return None
    return mask_of(segmentation, shape, where, what)
