"""The reader of instances: from any text to regions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from maskcodec.errors import LabelError
from maskcodec.formats.instances.spelling import BOX, BOX_END, REF, REF_END, SEG, SEG_END
from maskcodec.kernels import reading as k
from maskcodec.messages import shown
from maskcodec.text.problems import Symbols, TextReading, check_label, cut, escaped_tag, unescaped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from maskcodec.formats.instances.boxes import Box
    from maskcodec.formats.instances.codec import InstanceCodec
    from maskcodec.formats.instances.spelling import Spelling
    from maskcodec.text.problems import Reading
    from maskcodec.text.regions import Region

_BEFORE_A_BOX = REF, REF_END, SEG_END  # behind these tags, a box may come without its own tags
_ENDED = 6  # the kind of the tag that marks the end of the text


class _Tag(NamedTuple):
    """A tag of the text: its index among the tokens, its kind, and its bytes."""

    token: int
    kind: int
    start: int
    stop: int


class TagReader(ABC):
    """Reads the instances of one text; the tags of an instance come in order.

    A missing tag is reported, and the reader goes on without it. A tag that comes too early for the
    current instance begins the next one.

    Parameters
    ----------
    reading
        The text or the ids to read; takes the reports.
    symbols
        The tokens, int64 (n, 3), and the tags among them, as `reading.scan` writes them.
    words
        The spelling.
    """

    words: Any
    before: ClassVar[dict[int, int]] = {BOX: REF_END, SEG: BOX_END}  # only spaces between them
    draws_from: ClassVar[int] = SEG  # without this tag or later ones, an instance can be drawn

    def __init__(self, reading: Reading, symbols: Symbols, words: Any) -> None:
        self.reading = reading
        self.words = words
        self.tokens, tags = symbols
        end = reading.size
        self.tags = [*map(_Tag._make, tags), _Tag(len(self.tokens), _ENDED, end, end)]
        self.at = 0
        self.next = self.tags[0]
        self.reported = -1  # index of the last tag reported in place of a missing one

    def read(self) -> list[Region]:
        """All instances that can be drawn, in the order of the text."""
        regions = []
        while self.next.kind != _ENDED:
            region = self._instance()
            if region is not None:
                regions.append(region)
        return regions

    @abstractmethod
    def _instance(self) -> Region | None:
        """The next instance; None if it cannot be drawn."""

    @property
    def ended(self) -> bool:
        """Whether the text ends here; it may be cut off."""
        return self.next.kind == _ENDED

    def _label(self) -> str:
        opened = self._expect(REF)
        end = self.next
        closed = self._expect(REF_END)
        if opened is None:
            return ""
        label = self.reading.slice(opened.stop, end.start).strip()
        if closed is None:
            label = self._name(label, end.kind)
        if closed is not None or label:
            self._check_label(label, opened.stop)
        return label

    def _check_label(self, label: str, start: int) -> None:
        clash = self.words.forbidden.search(label)
        try:
            check_label(label)
        except LabelError as error:
            action = "kept it as it is" if label else "kept it empty"
            self.reading.report(start, "bad-label", str(error), action)
        else:
            if clash:
                message = f"the label {shown(label)} holds {clash.group()!r}"
                self.reading.report(start, "bad-label", message, "kept it as it is")

    def _name(self, label: str, kind: int) -> str:  # noqa: ARG002
        """The label in a text; a tag of another kind comes behind it instead of ``</ref>``."""
        return label

    def _expect(self, kind: int) -> _Tag | None:
        """The tag that must come now, or None if another one comes."""
        tag = self.next
        if tag.kind != kind:
            if self.reported != self.at:
                self.reported = self.at
                self._report_missing(kind)
            return None
        if kind in self.before and self.at:
            before = self.tags[self.at - 1]
            if before.kind == self.before[kind] and tag.token > before.token + 1:
                message = f"only spaces may stand before {self.words.tags[kind]}"
                start = int(self.tokens[before.token + 1, 1])
                self.reading.report(start, "extra-text", message, "passed over it")
        self.at += 1
        self.next = self.tags[self.at]
        return tag

    def _report_missing(self, kind: int) -> None:
        tag = self.words.tags[kind]
        if self.next.kind != _ENDED:
            message = f"expected {tag}, found {self.words.tags[self.next.kind]}"
            self.reading.report(self.next.start, "missing-tag", message, "read on without it")
            return
        start, end = self.tags[-2].stop, self.next.start
        tail = self.reading.slice(start, end)
        action = "left this instance out" if kind < self.draws_from else "drew what was there"
        if self._may_go_on(kind, tail):
            self.reading.report(end, "truncated", f"the text stops before {tag}", action)
        else:
            message = f"expected {tag}, found {tail[:40]!r}"
            self.reading.report(start, "missing-tag", message, action)

    def _may_go_on(self, kind: int, tail: str) -> bool:
        """Whether a text with this end was cut off before a tag; otherwise it is wrong."""
        tag: str = self.words.tags[kind]
        return kind not in self.before or tag.startswith(tail.strip(" "))


class InstanceReader(TagReader):
    """Reads instances with a box; each format draws its rows."""

    words: Spelling

    def _instance(self) -> Region | None:
        label, box = self._box(self._label())
        return self._draw(label, box)

    def _name(self, label: str, kind: int) -> str:
        if kind not in (BOX_END, SEG):
            return label
        name, place = self.words.boxes.parted(label)  # it may end with a box
        return name if place else label

    def _box(self, label: str) -> tuple[str, Box | None]:
        """The label, without a box that lacks its tags, and the box."""
        before = self.tags[self.at - 1] if self.at else None
        opened = self._expect(BOX)
        end = self.next
        self._expect(BOX_END)
        if end.kind == _ENDED:  # the last number may be cut off
            return label, None
        if opened is not None:
            return label, self._coordinates(self.reading.slice(opened.stop, end.start), opened.stop)
        if end.kind in (BOX_END, SEG) and (before is None or before.kind in _BEFORE_A_BOX):
            start = 0 if before is None else before.stop
            name, place = self.words.boxes.parted(self.reading.slice(start, end.start))
            if place:
                own = before is not None and before.kind == REF_END
                return label if own else name, self._coordinates(place, start)
        message = f"nothing says where {shown(label)} lies"
        self.reading.report(end.start, "bad-box", message, "left this instance out")
        return label, None

    def _draw(self, label: str, box: Box | None) -> Region | None:
        first = self.next.token if self.at == 0 else self.tags[self.at - 1].token + 1
        opened = self._expect(SEG)
        closed = self.next.kind == SEG_END
        region = None
        if box is not None:
            if opened is not None:
                first = opened.token + 1
            last = self.next.token
            if opened is None and not closed and not self._is_run(first):
                last = first  # a box alone: the text behind it is not bricks
            elif self.next.kind == _ENDED and self._ends_in_beginning(first):
                last -= 1
            region = self._rows(label, box, first, last, closed=closed)
        self._expect(SEG_END)
        return region

    @abstractmethod
    def _rows(self, label: str, box: Box, first: int, last: int, *, closed: bool) -> Region:
        """Draw the tokens ``first`` to ``last``, exclusive; `closed` if ``</seg>`` follows."""

    def _coordinates(self, content: str, start: int) -> Box | None:
        box, faults = self.words.boxes.repaired(content)
        for fault in faults:
            self.reading.report(start, *fault)
        return box

    def _may_go_on(self, kind: int, tail: str) -> bool:
        if kind == BOX_END:
            return self.words.boxes.may_become(tail, self.words.tags[kind])
        return super()._may_go_on(kind, tail)

    def _is_run(self, token: int) -> bool:
        return token < len(self.tokens) and 0 != self.tokens[token, 0] < k.BREAK

    def _ends_in_beginning(self, first: int) -> bool:
        """Whether the text stops in the middle of a brick or of the closing tag."""
        if len(self.tokens) <= first:
            return False
        value, start, stop = self.tokens[-1].tolist()
        if value != k.TEXT or stop != self.reading.size:
            return False
        return self.words.is_beginning(self.reading.slice(start, stop))


def read_text(reading: TextReading, codec: InstanceCodec) -> list[Region]:
    """The regions of a text; its faults are reported to the reading."""
    words = codec.words()
    return read_tagged(reading, words.tags, lambda one: codec.reader(one, _symbols(one, words)))


def read_tagged(
    reading: TextReading, tags: Iterable[str], reader: Callable[[TextReading], TagReader]
) -> list[Region]:
    """The regions of a text, by any reader of tags; HTML may have escaped the tags."""
    found = reader(reading)
    if not found.ended or not (tag := escaped_tag(reading.raw, tags)):
        return found.read()
    whole, at = unescaped(reading, tag)
    regions = reader(whole).read()
    reading.take_over(whole, at)
    return regions


def _symbols(reading: TextReading, words: Spelling) -> Symbols:
    """The tokens of a text, and the tags among them."""
    tables = words.pieces, words.bounds, words.starts
    return cut(len(reading.data) // 4, lambda *room: k.scan(reading.data, *tables, *room))
