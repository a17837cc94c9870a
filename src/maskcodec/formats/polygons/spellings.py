"""The polygon spellings of other models: SimpleSeg, Gemini and Florence-2."""

from __future__ import annotations

import json
import math
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from maskcodec.formats.polygons.collect import Rings
from maskcodec.formats.polygons.region import read_region
from maskcodec.formats.polygons.scale import MIDDLES, THOUSANDTHS
from maskcodec.text.json_answers import Item, json_items

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from maskcodec.formats.polygons.rings import Ring
    from maskcodec.formats.polygons.scale import Scale
    from maskcodec.text.problems import TextReading
    from maskcodec.text.regions import Region

_HUGE = 1e9  # larger numbers are read as this
_FEWEST = 6  # fewest coordinates of a ring
_LONGEST = 40  # up to this many digits of a number are read
_NOTHING = re.compile("(?!)")
_FLORENCE = re.compile(rb"<poly>|</poly>|<sep>|<loc_([0-9]+)>")
_BEGUN = re.compile(rb"<[a-z_/0-9]*\Z")


class Found(NamedTuple):
    """An instance of a text, as read.

    Attributes
    ----------
    label
        Empty if the text has none.
    rings
        The rings that enclose an area.
    box
        The four numbers of the box as written, or None.
    start
        The byte position where the instance begins.
    """

    label: str
    rings: list[Ring]
    box: tuple[float, ...] | None
    start: int


def value_of(written: bytes) -> float:
    """A JSON number as a float, limited to -1e9 .. 1e9."""
    whole = written.lstrip(b"-").partition(b".")[0]
    found = (
        float(written[:_LONGEST]) if len(whole) < 10 else _HUGE * (1 - 2 * (written[:1] == b"-"))
    )
    return max(min(found, _HUGE), -_HUGE) if math.isfinite(found) else _HUGE


def numbers_of(item: Item) -> list[Item] | None:
    """The items of a list that holds only numbers; None for any other value."""
    if not isinstance(item.value, list):
        return None
    return item.value if all(isinstance(one.value, bytes) for one in item.value) else None


@dataclass(frozen=True)
class Spelling(ABC):
    """The common part of all spellings here: read the regions of a text."""

    name: ClassVar[str]
    scale: ClassVar[Scale] = THOUSANDTHS
    rings: ClassVar[str] = "all"  # which rings the spelling can write
    labels: ClassVar[bool] = True
    forbidden: ClassVar[re.Pattern[str]] = _NOTHING
    tags: ClassVar[dict[int, str]] = {}

    def locations(self) -> list[str]:
        """The location tokens; empty for digits."""
        return []

    def read(self, reading: TextReading) -> list[Region]:
        """The regions of a text; problems are reported to the reading."""
        regions: list[Region] = []
        for found in self.found(reading):
            if found.rings:
                regions.append(read_region(found.label, found.rings, self.scale))
            elif found.box is not None:
                message = "an object has a box, but no polygon"
                reading.report(found.start, "no-mask", message, "left this instance out")
        return regions

    @abstractmethod
    def found(self, reading: TextReading) -> Iterator[Found]:
        """The instances of a text, also those with a box alone."""


@dataclass(frozen=True)
class Json(Spelling):
    """Spellings in JSON.

    Parameters
    ----------
    factors
        Factors that bring x and y to the scale; None for the spelling's own.
    turned
        Whether y comes first.
    seen
        A list that takes the numbers (x, y) of each vertex as written; None for no list.
    """

    factors: tuple[float, float] | None = None
    turned: bool = False
    seen: list[tuple[float, float]] | None = None

    per: ClassVar[float] = 1  # the spelling's own factor
    deep: ClassVar[int]  # how many lists are around a vertex

    def polygon(self, reading: TextReading, item: Item) -> list[Ring]:
        """The rings of a value, at any depth of lists."""
        rings = Rings(reading, self.scale.size - 1)
        faults: list[int] = []
        self._gather(reading, item, self.deep, rings, faults)
        if faults:
            reading.report(
                faults[0],
                "bad-nesting",
                f"a polygon of {self.name} is {self._shape}, but here lists are nested otherwise",
                "took its vertices",
            )
        return rings.found

    _shape: ClassVar[str]

    def _gather(
        self, reading: TextReading, item: Item, deep: int, rings: Rings, faults: list[int]
    ) -> None:
        if not isinstance(item.value, list):
            faults.append(item.start)
            return
        points = [numbers_of(one) for one in item.value]
        flat = numbers_of(item)
        if flat:  # x, y, x, y
            faults.append(item.start)
            self._ring(reading, [item], rings, cut=not item.whole)
        elif any(point and len(point) <= 3 for point in points) or not item.value:
            if deep != 1:
                faults.append(item.start)
            pairs = [
                one for one, point in zip(item.value, points, strict=True) if point is not None
            ]
            if len(pairs) < len(item.value):
                faults.append(item.start)
            if not item.whole and pairs and len(pairs[-1].value) < 2:
                pairs.pop()
            faults += [one.start for one in pairs if len(one.value) != 2]
            self._ring(reading, pairs, rings, cut=not item.whole, at=item.start)
        else:
            for one in item.value:
                self._gather(reading, one, deep - 1, rings, faults)

    def _ring(
        self,
        reading: TextReading,
        points: Sequence[Item],
        rings: Rings,
        *,
        cut: bool,
        at: int | None = None,
    ) -> None:
        numbers: list[int] = []
        written = [
            one for point in points for one in (point.value if at is None else point.value[:2])
        ]
        if self.turned:
            pairs = zip(written[1::2], written[::2], strict=False)
            written = [one for pair in pairs for one in pair]
        values = [value_of(one.value) for one in written]
        if self.seen is not None:
            self.seen.extend(zip(values[::2], values[1::2], strict=False))
        factors = self.factors or (self.per, self.per)
        for k, (one, value) in enumerate(zip(written, values, strict=True)):
            exact = value * factors[k % 2]
            number = math.floor(exact + 0.5)
            said = one.value[:_LONGEST].decode()
            if (
                self.factors is None
                and abs(exact - number) > 1e-6
                and 0 <= number < self.scale.size
            ):
                message = f"a coordinate is {self._steps}, got {said}"
                reading.report(one.start, "bad-number", message, "took the nearest")
            numbers.append(rings.number(number, one.start, said))
        start = points[0].start if at is None else at
        rings.add(numbers, start, cut=cut)

    _steps: ClassVar[str]


class SimpleSeg(Json):
    """``[[[0.123, 0.456], ...], ...]``: outer outlines in shares of width and height, no label."""

    name = "SimpleSeg"
    rings = "outer"
    labels = False
    per = 1000
    deep = 2
    _shape = "[[[x, y], ...], ...]"
    _steps = "0.000 to 1.000 in thousandths"

    def written(self, label: str, rings: Iterable[Ring]) -> str:  # noqa: ARG002
        """The text of an instance."""
        return f"[{', '.join(map(self._points, rings))}]"

    def joined(self, parts: Iterable[str]) -> str:
        """Join the texts of instances."""
        return "\n".join(filter(None, parts))

    def found(self, reading: TextReading) -> Iterator[Found]:
        """The instances of a text."""
        for item in json_items(reading):
            words = item.whole and numbers_of(item) is not None and len(item.value) < _FEWEST
            if words:  # such as [1], which refers to a note
                continue
            if isinstance(item.value, list):
                yield Found("", self.polygon(reading, item), None, item.start)
            else:
                message = f"a polygon of {self.name} is {self._shape}, got an object"
                reading.report(item.start, "bad-nesting", message, "left this instance out")

    def _points(self, ring: Ring) -> str:
        return f"[{', '.join(f'[{x / 1000:.3f}, {y / 1000:.3f}]' for x, y in ring)}]"


class Gemini(Json):
    """``{"boxes": [{"box_2d": [...], "label": "...", "mask": [[x, y], ...]}]}``, in thousandths.

    An object has one outline; of several rings, the largest is written.
    """

    name = "Gemini"
    rings = "largest"
    deep = 1
    _shape = "[[x, y], ...]"
    _steps = "a whole number"

    def written(self, label: str, rings: Iterable[Ring]) -> str:
        """The text of an instance."""
        (ring,) = rings
        xs, ys = zip(*ring, strict=True)
        box = [min(xs), min(ys), max(xs), max(ys)]
        return json.dumps({"box_2d": box, "label": label, "mask": ring}, ensure_ascii=False)

    def joined(self, parts: Iterable[str]) -> str:
        """Join the texts of instances."""
        objects = ", ".join(filter(None, parts))
        return f'{{"boxes": [{objects}]}}' if objects else ""

    def found(self, reading: TextReading) -> Iterator[Found]:
        """The instances of a text, also those with a box alone."""
        for entry in objects_of(json_items(reading)):
            label = entry.value.get("label")
            name = label.value.strip() if label and isinstance(label.value, str) else ""
            if not name and entry.whole:
                message = 'an object has a "label", which is not empty'
                reading.report(entry.start, "bad-label", message, "kept it empty")
            box = entry.value.get("box_2d")
            numbers = numbers_of(box) if box else None
            place = tuple(value_of(one.value) for one in numbers or ())
            if box and box.whole and len(place) != 4:
                message = "a box is four numbers"
                reading.report(box.start, "bad-box", message, "did without it")
            mask = entry.value.get("mask")
            rings = self.polygon(reading, mask) if mask else []
            if not mask and entry.whole and len(place) != 4:
                message = 'an object has a "mask", which is [[x, y], ...]'
                reading.report(entry.start, "no-mask", message, "left this instance out")
            yield Found(name, rings, place if len(place) == 4 else None, entry.start)


class Florence(Spelling):
    """``label<poly><loc_12><loc_345>...<sep>...</poly>``: number n is the middle of part n.

    Each side of the image has 1,000 parts.
    """

    name = "Florence-2"
    scale = MIDDLES
    forbidden = re.compile("<|>")

    def locations(self) -> list[str]:
        """The location tokens in the order of their numbers."""
        return [f"<loc_{n}>" for n in range(self.scale.size)]

    def written(self, label: str, rings: Iterable[Ring]) -> str:
        """The text of an instance."""
        spelled = ("".join(f"<loc_{n}>" for point in ring for n in point) for ring in rings)
        return f"{label}<poly>{'<sep>'.join(spelled)}</poly>"

    def joined(self, parts: Iterable[str]) -> str:
        """Join the texts of instances."""
        return "".join(parts)

    def found(self, reading: TextReading) -> Iterator[Found]:
        """The instances of a text: polygons with or without their tags, and boxes."""
        raw = reading.raw
        begun = _BEGUN.search(raw[-20:])
        size = len(raw) - (len(begun[0]) if begun else 0)
        label, at, opened = "", 0, False
        rings, numbers, start = Rings(reading, self.scale.size - 1), list[int](), -1
        several = False  # whether the present instance has had a <sep>

        def ended(cut: bool) -> Found | None:
            nonlocal rings, numbers, start, opened, several
            box = None
            if not opened and not several and len(numbers) == 4:
                box = tuple(map(float, numbers))
            elif start >= 0:
                rings.add(numbers, start, cut=cut)
            result = Found(label, rings.found, box, max(start, 0)) if start >= 0 else None
            rings, numbers, start = Rings(reading, self.scale.size - 1), [], -1
            opened = several = False
            return result

        for match in _FLORENCE.finditer(raw, 0, size):
            gap = raw[at : match.start()].decode("utf-8", "replace").strip()
            if gap and opened:
                message = f"only location tokens may stand in a polygon, got {gap[:40]!r}"
                reading.report(at, "extra-text", message, "passed over it")
            elif gap:
                if (one := ended(cut=False)) is not None:
                    yield one
                label = re.sub("<[^<>]*>", " ", gap).strip()
            at = match.end()
            if match[1] is not None:
                start = match.start() if start < 0 else start
                digits = match[1][:_LONGEST]
                number = int(digits) if len(digits) < 10 else int(_HUGE)
                numbers.append(rings.number(number, match.start(), digits.decode()))
                if digits != str(number).encode() and numbers[-1] == number:
                    message = f"a location token has no leading zero, got {match[0][:40].decode()}"
                    reading.report(match.start(), "bad-number", message, "took its number")
            elif match[0] == b"<sep>":
                rings.add(numbers, max(start, 0) if numbers else match.start(), cut=False)
                numbers, start, several = [], match.end(), True
            else:
                closes = match[0] == b"</poly>"
                if closes != opened:
                    message = (
                        f"expected {'</poly>' if opened else '<poly>'}, found {match[0].decode()}"
                    )
                    reading.report(match.start(), "missing-tag", message, "read on without it")
                if closes:
                    opened, start = True, match.start() if start < 0 else start
                if (one := ended(cut=False)) is not None:
                    yield one
                opened = not closes
                start = match.end() if opened else -1
        if opened or begun:
            message = "the text stops before </poly>" if opened else "the text stops in a token"
            reading.report(len(raw), "truncated", message, "drew what was there")
        if (one := ended(cut=opened or begun is not None)) is not None:
            yield one


def objects_of(items: Iterable[Item], most: int = 4) -> Iterator[Item]:
    """The objects at up to `most` levels of lists and of objects such as {"boxes": [...]}."""
    for item in items:
        value = item.value
        if isinstance(value, dict) and (most == 0 or not _holds_objects(value)):
            yield item
        elif most and isinstance(value, (list, dict)):
            inner = value.values() if isinstance(value, dict) else value
            yield from objects_of(inner, most - 1)


def _holds_objects(value: dict[str, Item]) -> bool:
    lists = (one.value for one in value.values() if isinstance(one.value, list))
    return any(isinstance(one.value, dict) for each in lists for one in each)


SPELLINGS: dict[str, Any] = {"simpleseg": SimpleSeg(), "gemini": Gemini(), "florence2": Florence()}
