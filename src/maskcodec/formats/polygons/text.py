"""The plain spelling of polygons: how it is written, and read from any text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from maskcodec.formats.instances.boxes import Location, nearest_number
from maskcodec.formats.instances.read_text import TagReader, read_tagged
from maskcodec.formats.instances.spelling import REF, REF_END, SEG, SEG_END, check_bricks
from maskcodec.formats.polygons.collect import Rings
from maskcodec.formats.polygons.region import read_region

if TYPE_CHECKING:
    from collections.abc import Iterable

    from maskcodec.formats.polygons.region import PolygonRegion
    from maskcodec.formats.polygons.rings import Ring
    from maskcodec.formats.polygons.scale import Scale
    from maskcodec.text.problems import Reading, Symbols, TextReading
    from maskcodec.text.regions import Region

_NUMBER = re.compile(rb"(-?[0-9]+(?:\.[0-9]+)?)")


@dataclass(frozen=True, eq=False)
class Plain:
    """The strings of the plain spelling, checked: every text can be read in one way only.

    Attributes
    ----------
    tags
        The four tags around a label and around the rings, by their kinds.
    ring
        The string between two rings.
    location
        The spelling of location tokens; None for digits.
    scale
        The values of a coordinate, and their places on the image.
    forbidden
        Matches the strings that a label must not hold.
    """

    tags: dict[int, str]
    ring: str
    location: Location | None
    scale: Scale
    forbidden: re.Pattern[str]

    boxes: ClassVar[None] = None  # guides read it
    rings: ClassVar[str] = "all"  # which rings the spelling can write
    labels: ClassVar[bool] = True  # whether it writes labels

    def locations(self) -> list[str]:
        """The location tokens in the order of their numbers; empty for digits."""
        return [self.location.word(n) for n in range(self.scale.size)] if self.location else []

    def written(self, label: str, rings: Iterable[Ring]) -> str:
        """The text of an instance; `rings` are in canonical order."""
        ref, ref_end, seg, seg_end = self.tags.values()
        return f"{ref}{label}{ref_end}{seg}{self.ring.join(map(self._vertices, rings))}{seg_end}"

    def joined(self, parts: Iterable[str]) -> str:
        """Join the texts of instances."""
        return "".join(parts)

    def read(self, reading: TextReading) -> list[Region]:
        """The regions of a text; problems are reported to the reading."""
        return read_tagged(
            reading, self.tags.values(), lambda one: PolygonReader(one, self.symbols(one), self)
        )

    def symbols(self, reading: TextReading) -> Symbols:
        """The tags of a text and the text between them, as `reading.scan` returns them."""
        kinds = {tag.encode(): kind for kind, tag in self.tags.items()}
        tokens, tags, at = list[tuple[int, int, int]](), list[list[int]](), 0
        for match in re.finditer(b"|".join(map(re.escape, kinds)), reading.raw):
            if reading.raw[at : match.start()].strip(b" "):
                tokens.append((0, at, match.start()))
            tags.append([len(tokens), kinds[match[0]], *match.span()])
            tokens.append((0, *match.span()))
            at = match.end()
        return np.array(tokens, np.int64).reshape(-1, 3), tags

    def _vertices(self, ring: Ring) -> str:
        if self.location is not None:
            return "".join(self.location.word(n) for point in ring for n in point)
        return " ".join(f"{x} {y}" for x, y in ring)


@lru_cache(maxsize=64)
def plain(
    ref_tags: tuple[str, str],
    seg_tags: tuple[str, str],
    ring: str,
    location: Location | None,
    scale: Scale,
) -> Plain:
    """The plain spelling of these strings, checked.

    Raises
    ------
    ConfigError
        Two of the strings could be mistaken for each other.
    """
    tags = dict(zip((REF, REF_END, SEG, SEG_END), (*ref_tags, *seg_tags), strict=True))
    words = (*tags.values(), ring)
    check_bricks(words, [] if location is None else [location.parts[::2]])
    patterns = [*map(re.escape, words), *([] if location is None else [location.pattern])]
    return Plain(tags, ring, location, scale, re.compile("|".join(patterns)))


class PolygonReader(TagReader):
    """Reads the instances of the plain spelling."""

    reading: TextReading
    words: Plain
    before = {SEG: REF_END}  # noqa: RUF012
    draws_from = SEG_END

    def __init__(self, reading: Reading, symbols: Symbols, words: Plain) -> None:
        super().__init__(reading, symbols, words)
        last = words.scale.size - 1
        if words.location is None:
            self._number = _NUMBER
            self._expected = f"numbers from 0 to {last}, x and y in turn, a space between any two"
        else:
            self._number = re.compile(words.location.pattern.encode())
            first, end = map(words.location.word, (0, last))
            self._expected = f"location tokens, {first} .. {end}, for x and y in turn"

    def _instance(self) -> PolygonRegion | None:
        label = self._label()
        start = self.tags[self.at - 1].stop if self.at else 0
        opened = self._expect(SEG)
        if opened is None and self.next.kind != SEG_END:
            self._expect(SEG_END)
            return None
        start, stop = start if opened is None else opened.stop, self.next.start
        cut = self.ended
        rings = self._rings(start, stop, cut=cut)
        self._expect(SEG_END)
        return read_region(label, rings, self.words.scale) if rings else None

    def _rings(self, start: int, stop: int, *, cut: bool) -> list[Ring]:
        """The rings between two byte positions; `cut` if the text ends there."""
        stop -= self._begun(start, stop) if cut else 0
        separator = self.words.ring.encode()
        rings = Rings(self.reading, self.words.scale.size - 1)
        while True:
            end = self.reading.raw.find(separator, start, stop)
            last = cut and end < 0
            numbers = self._numbers(rings, start, stop if end < 0 else end, cut=last)
            rings.add(numbers, start, cut=last)
            if end < 0:
                return rings.found
            start = end + len(separator)

    def _numbers(self, rings: Rings, start: int, stop: int, *, cut: bool) -> list[int]:
        """The numbers between two byte positions, moved into range.

        A last number that may go on after a cut is left out.
        """
        raw, numbers, at, wrong = self.reading.raw[start:stop], list[int](), 0, -1
        location = self.words.location
        for match in self._number.finditer(raw):
            gap, digits = raw[at : match.start()], match[1].decode()
            if gap.strip(b" ") or (at and not gap and location is None):
                wrong = at if wrong < 0 else wrong
            at = match.end()
            if cut and at == len(raw) and location is None and stop == self.reading.size:
                break
            number = nearest_number(digits)
            spelled = str(number) if location is None else f"{number:0{location.parts[1]}}"
            numbers.append(rings.number(number, start + match.start(), digits))
            if numbers[-1] == number and digits != spelled:
                wrong = match.start() if wrong < 0 else wrong
        if raw[at:].strip(b" "):
            wrong = at if wrong < 0 else wrong
        if wrong >= 0:
            found = self.reading.excerpt(start + wrong, stop)[:40]
            message = f"a ring is {self._expected}, got {found!r}"
            self.reading.report(start + wrong, "bad-number", message, "took its numbers")
        return numbers

    def _begun(self, start: int, stop: int) -> int:
        """How many bytes at the end may be the beginning of a tag or a location token."""
        words = [self.words.tags[SEG_END].encode(), self.words.ring.encode()]
        raw = self.reading.raw[start:stop]
        location = self.words.location
        if location is not None:
            before, _, behind = location.parts
            most = len(before) + len(behind) + 10
            tails = "|".join(re.escape(behind[:n]) for n in range(len(behind)))
            pattern = f"{re.escape(before)}[0-9]*(?:{tails})\\Z".encode()
            if match := re.search(pattern, raw[-most:]):
                return len(match[0])
            words.append(before.encode())
        longest = max(map(len, words))
        ends = (n for n in range(min(longest, len(raw)), 0, -1))
        return next((n for n in ends if any(w.startswith(raw[-n:]) for w in words)), 0)
