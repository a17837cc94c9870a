"""Make the questions and answers of a sample, with all random choices of rows."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple

from maskcodec.coco import read
from maskcodec.data.drawing import Drawing, draw
from maskcodec.data.labels import MOST_TEXT, Words, alike, check_length, check_row, usable
from maskcodec.data.templates import filled
from maskcodec.errors import LabelError, MaskError
from maskcodec.formats.instances.spelling import SEG
from maskcodec.messages import few, shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from maskcodec.data.rows import RowMaker
    from maskcodec.data.sample import Instance, Sample

MOST_CLASSES = 3  # classes that one question asks for, unless it asks for all

_ROI = re.compile(r"\{(roi\d{1,4})\}")
_IMAGE = re.compile(r"\s*<image>\s*")


class Message(NamedTuple):
    """One message of a conversation."""

    role: str  # "user" or "assistant"
    text: str  # without the image's placeholder
    # JSON of the masks that an answer shows, as `maskcodec.rewards` takes it; [] for a denial.
    # None for a question, for boxes, for a dataset's conversation, and without `RowMaker.targets`
    targets: str | None = None


@dataclass(slots=True)
class Turns:
    """The turns of one sample."""

    maker: RowMaker  # the settings
    sample: Sample  # the sample that they are about
    lost: int = 0  # how many of the drawn instances have no cell left
    cleaned: list[str] = field(default_factory=list)  # text removed from labels and questions
    _shown: list[tuple[Instance, str]] | None = field(default=None, init=False)  # in the answer

    def messages(self) -> list[Message]:
        """Return questions and answers; none if the answer would miss a lost instance.

        Raises
        ------
        MaskCodecError, TypeError
            The sample cannot be used.
        """
        self.check_names()
        if self.sample.task == "chat":
            messages = self._passed_through()
        elif self.sample.task in {"classes", "semantic"}:
            messages = self._by_class()
        else:
            messages = self._asked()
        check_row(sum(len(message.text) for message in messages))
        return messages

    def check_names(self) -> None:
        """Refuse a key or an image's name that no row can hold.

        Raises
        ------
        LabelError
            It is too long, or no UTF-8.
        """
        for text, what in ((self.sample.key, "key"), (self.sample.image, "image")):
            check_length(text, what)
            _check_encodable(text)

    def question(self) -> tuple[str, tuple[str, ...]]:
        """Return the words of an expression or a question, and the wordings to put them into.

        Raises
        ------
        LabelError
            There are no words, or they cannot be used.
        """
        what = self._words.question(self.sample.query, self.cleaned)
        if self.sample.task == "reasoning":
            return what, self.maker.templates.reasoning
        return without_stop(what), self.maker.templates.expression  # wordings have a full stop

    def _passed_through(self) -> list[Message]:
        """Return the sample's conversation without the image's placeholder, which formats add."""
        messages = []
        for number, (role, text) in enumerate(self.sample.turns):
            if role != ("user", "assistant")[number % 2]:
                raise LabelError(f"turn {number} is of {role!r}; user and assistant take turns")
            has_place = self.sample.image != "" and number == 0
            bare = _IMAGE.sub(" ", text, count=1) if has_place else text
            messages.append(Message(role, self._words.speech(bare, self.cleaned)))
        if not messages or len(messages) % 2:
            raise LabelError(f"a conversation ends with an answer, got {len(messages)} turns")
        return messages

    def _asked(self) -> list[Message]:
        """Return an expression or a question, and its answer."""
        sample, templates = self.sample, self.maker.templates
        what, questions = self.question()
        reasoning = sample.task == "reasoning"
        if not sample.instances:
            self._shown = []
            denials = templates.unanswered if reasoning else templates.nothing
            return self._turn(questions, denials, self._told(None), what=what)
        labels = self._labels()
        drawing = self._draw(sample.instances, labels)
        if drawing.lost:
            return []
        if not reasoning and self._wants_boxes(sample.instances):
            boxes = self._boxes(drawing)
            return self._turn(templates.box, templates.box_answers, what=what, masks=boxes)
        answers = templates.reasoning_answers if reasoning else templates.expression_answers
        told = self._told(drawing)
        return self._turn(questions, answers, told, what=what, masks=drawing.text)

    def _by_class(self) -> list[Message]:
        """Return a question for some or all classes of an image, and its answer."""
        maker, sample = self.maker, self.sample
        labels = self._labels()
        there = list(dict.fromkeys(labels))
        if there and maker.lost == "raise":
            self._draw(sample.instances, labels)  # raise for a lost instance of any class
        covers = sample.complete or sample.task == "semantic"
        is_map = sample.task == "semantic" and not self._boxed
        if there and (is_map or (covers and self._chance("whole") < maker.whole)):
            drawing = self._of_classes(there, labels)[0]
            templates = maker.templates.whole, maker.templates.whole_answers
            return self._turn(*templates, masks=drawing.text) if drawing.text else []
        wants = maker.absent > 0 and (not there or self._chance("absent") < maker.absent)
        absent = self._absent(set(labels)) if wants else []
        count = 1 + int(self._chance("count") * MOST_CLASSES)
        alone = bool(absent) and self._chance("alone") < 0.5
        pairs = zip(sample.instances, labels, strict=True)
        named = dict.fromkeys(label for one, label in pairs if one.label not in sample.unasked)
        asked = [] if alone else self._shuffled(named)[:count]
        return self._of_some(asked, absent, labels)

    def _of_some(self, asked: list[str], absent: list[str], labels: list[str]) -> list[Message]:
        """Return a question for classes that are there and for absent ones, and its answer."""
        templates = self.maker.templates
        drawing, found = self._of_classes(asked, labels)
        pairs = zip(self.sample.instances, labels, strict=True)
        shown = [instance for instance, label in pairs if label in found]
        if found and self._wants_boxes(shown):
            what, boxes = ", ".join(found), self._boxes(drawing)
            return self._turn(templates.box, templates.box_answers, what=what, masks=boxes)
        said = []
        if found:
            answer, what = self._drawn(templates.classes_answers, "answer"), ", ".join(found)
            said.append(filled(answer, what=what, masks=drawing.text))
        said += [filled(self._drawn(templates.absent, "denial"), what=name) for name in absent]
        what = ", ".join(self._shuffled([*found, *absent]))
        return self._turn(templates.classes, (), " ".join(said), what=what) if said else []

    def _of_classes(self, asked: Sequence[str], labels: list[str]) -> tuple[Drawing, list[str]]:
        """Draw the instances of some classes, and return the classes that have a cell left."""
        order = [k for name in asked for k, label in enumerate(labels) if label == name]
        chosen = [labels[k] for k in order]
        drawing = self._draw([self.sample.instances[k] for k in order], chosen)
        lost = set(drawing.lost)
        left = {label for k, label in enumerate(chosen) if k not in lost}
        if not left:
            return Drawing("", [], []), []
        return drawing, [name for name in asked if name in left]

    def _absent(self, there: set[str]) -> list[str]:
        """Return at most one class that the image does not show.

        It is not `alike` any class that is there: an image with a wall-brick has a wall.
        """
        given = tuple(name for name in self.sample.names if isinstance(name, str))
        names = [
            name
            for label, name in usable(self._words, given)
            if not any(alike(label, other) for other in there)
        ]
        drawn = [self._drawn(names, "absent class")] if names else []
        return [self._words.label(name, self.cleaned) for name in drawn]

    def _told(self, drawing: Drawing | None) -> str:
        """Return the sample's own answer with its regions in their places; "" if it has none."""
        if not self.sample.answer:
            return ""
        drawn = drawing.parts if drawing else []
        parts: dict[str, str] = {}
        for instance, part in zip(self.sample.instances, drawn, strict=True):
            before = parts.get(instance.label, "") if self._boxed else ""
            parts[instance.label] = before + part
        check_length(self.sample.answer, "answer", MOST_TEXT)
        pieces = _ROI.split(self.sample.answer)
        missing = sorted(set(pieces[1::2]) - set(parts))
        if missing:
            raise LabelError(
                f"the answer speaks of {few(missing)}, but the regions are {few(parts)}"
            )
        told = [
            parts[piece] if number % 2 else self._spaced(piece)
            for number, piece in enumerate(pieces)
        ]
        check_row(sum(map(len, told)))  # one region may come a thousand times
        if drawing and not self._boxed:
            rest = drawing.text  # a map shows all regions at once
        else:
            rest = "".join(part for name, part in parts.items() if name not in pieces[1::2])
        return f"{''.join(told).strip()} {rest}".strip()

    def _spaced(self, piece: str) -> str:
        """Check the words between two regions; keep the white space around them."""
        words = piece.strip()
        if not words:
            return piece
        before, _, after = piece.partition(words)
        return f"{before}{self._words.speech(words, self.cleaned)}{after}"

    def _labels(self) -> list[str]:
        words = self._words
        return [words.label(instance.label, self.cleaned) for instance in self.sample.instances]

    def _draw(self, instances: Sequence[Instance], labels: Sequence[str]) -> Drawing:
        if self.sample.shape is None:
            raise MaskError("the image has no size, which whatever it shows is measured in")
        drawing = draw(self.maker.codec, instances, labels, self.sample.shape, self.maker.lost)
        self.lost += len(drawing.lost)
        pairs = zip(instances, labels, strict=True)
        self._shown = [pair for k, pair in enumerate(pairs) if k not in drawing.lost]
        return drawing

    def _wants_boxes(self, instances: Iterable[Instance]) -> bool:
        """Whether to ask for boxes, by chance; never with a crowd, whose box is no object's."""
        drawn = self._chance("box") < self.maker.boxes
        return drawn and not any(instance.crowd for instance in instances)

    def _boxes(self, drawing: Drawing) -> str:
        """Return the boxes of a drawing; the answer then shows no masks."""
        self._shown = None
        seg = self.maker.codec.tags()[SEG]
        return "".join(part.partition(seg)[0] for part in drawing.parts)

    def _turn(
        self, questions: Sequence[str], answers: Sequence[str], told: str = "", **values: str
    ) -> list[Message]:
        """Return a question and an answer: `told`, or one of the wordings."""
        question = filled(self._drawn(questions, "question"), **values)
        answer = told or filled(self._drawn(answers, "answer"), **values)
        return [Message("user", question), Message("assistant", answer, self._targets())]

    def _targets(self) -> str | None:
        """Return JSON of the masks in the answer; None for boxes, or if targets are off."""
        if self._shown is None or not self.maker.targets:
            return None
        shape = self.sample.shape
        found = [
            {
                "label": label,
                "segmentation": read(instance.segmentation, shape=shape).coco_rle(text=True),
            }
            for instance, label in self._shown
        ]
        return json.dumps(found, ensure_ascii=False, separators=(",", ":"))

    @property
    def _boxed(self) -> bool:
        """Whether the codec writes each instance as a separate text."""
        return self.maker.codec.has_instances

    @property
    def _words(self) -> Words:
        return Words(self.maker.codec, self.maker.placeholders)

    def _chance(self, *what: str) -> float:
        return chance(self.maker.seed, self.sample.key, *what)

    def _drawn(self, choices: Sequence[str], what: str) -> str:
        return choices[int(self._chance(what) * len(choices))]

    def _shuffled(self, names: Iterable[str]) -> list[str]:
        return sorted(names, key=lambda name: self._chance("order", name))


def chance(seed: int, *what: str) -> float:
    """Return a number, 0 <= number < 1, that depends only on the seed and the words.

    Examples
    --------
    >>> from maskcodec.data.turns import chance
    >>> 0 <= chance(7, "refcoco:17:2", "question") == chance(7, "refcoco:17:2", "question") < 1
    True
    """
    words = "\0".join([str(seed), *what]).encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(words, digest_size=6).digest(), "big") / (1 << 48)


def without_stop(what: str) -> str:
    """Return an expression without the full stop at its end."""
    if not what.strip(". "):
        raise LabelError(
            f"an expression must have words, got {shown(what)}; name what it stands for"
        )
    return what.removesuffix(".").rstrip()


def _check_encodable(name: str) -> None:
    """Refuse the name of a file or a record that is no UTF-8: rows cannot hold it."""
    try:
        name.encode()
    except UnicodeEncodeError:
        raise LabelError(
            f"{shown(name)} is no UTF-8, which rows are written in; rename it"
        ) from None
