"""The formats that are compared, each with the ids of right answers and a reader of any answer."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

import maskcodec as mc
from _objects import LABELS, SIDE, Scene
from _shapemodel import make_tokenizer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from _objects import Mask
    from maskcodec.text.codec import Codec

BOXES = "boxes"  # what is learned first: the box alone
END = "<|im_end|>"
_SHAPE = SIDE, SIDE
_SAID = [
    *(f"Segment the {label}." for label in LABELS),
    *["others*16|others*4|\nothers", "fg12bg3 fg1 bg2\nfg3", "[[12 3 45 6]]"] * 9,
]


def _scanlines(rows: int, **options: Any) -> Codec:
    return mc.Scanlines(rows=rows, bins=SIDE, **options)


def _polygons(points: int, **options: Any) -> Codec:
    return mc.Polygons(points=points, bins=SIDE + 1, **options)  # a number is an edge of pixels


CODECS: dict[str, Callable[[], Codec]] = {
    "r-rle-16": lambda: mc.RRLE(grid=16, sampling="keep"),
    "i-rle-16": lambda: mc.IRLE(grid=16, sampling="keep"),
    "b-sd-32-plain": lambda: mc.BSD(grid=32, bricks=False, sampling="keep"),
    "b-sd-32": lambda: mc.BSD(grid=32, sampling="keep"),
    "b-sd-64": lambda: mc.BSD(grid=64, sampling="keep"),
    "scanlines-11": lambda: _scanlines(11),
    "scanlines-11-tokens": lambda: _scanlines(11, coordinates="tokens"),
    "scanlines-11-lengths": lambda: _scanlines(11),
    "scanlines-16": lambda: _scanlines(16),
    "scanlines-16-tokens": lambda: _scanlines(16, coordinates="tokens"),
    "polygons-12": lambda: _polygons(12),
    "polygons-12-tokens": lambda: _polygons(12, coordinates="tokens"),
    "polygons-16": lambda: _polygons(16),
    "polygons-16-tokens": lambda: _polygons(16, coordinates="tokens"),
}


class Reading(NamedTuple):
    """What an answer says.

    Attributes
    ----------
    mask
        All that it draws, as `recover` reads it: uint8 (`SIDE`, `SIDE`).
    valid
        Whether it decodes strictly, to at least one mask.
    reasons
        What was wrong with it, as `recover` names it.
    """

    mask: Mask
    valid: bool
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Task:
    """A format in use; `name` is one of `CODECS`, or `BOXES`."""

    name: str

    @cached_property
    def tokens(self) -> mc.TokenCodec:
        """The codec with the tokenizer; ids of the words that all formats share are the same."""
        codec = _scanlines(11) if self.name == BOXES else CODECS[self.name]()
        tokenizer = shared_tokenizer()
        mc.extend_tokenizer(codec, tokenizer)
        return mc.TokenCodec(codec, tokenizer)

    @property
    def words(self) -> int:
        """How many ids there are."""
        return shared_words() if self.name == BOXES else len(self.tokens.tokenizer)

    @cached_property
    def end(self) -> int:
        """The id that ends an answer."""
        return int(self.tokens.tokenizer.convert_tokens_to_ids(END))

    def question(self, label: str) -> list[int]:
        """The ids of what is asked."""
        text = f"Segment the {label}."
        return list(self.tokens.tokenizer.encode(text, add_special_tokens=False))

    def answer(self, scene: Scene) -> list[int]:
        """The ids of the right answer, without the end."""
        codec = self.tokens.codec
        label: Any = scene.label if codec.has_instances else {1: scene.label}
        ids = self.tokens.encode(scene.mask, label).tolist()
        if self.name == BOXES:
            return ids[: ids.index(self.tokens.words["</box>"]) + 1]
        return self.steps.lengths(ids) if self.steps else ids

    def with_box(self, ids: Sequence[int]) -> int | None:
        """How many ids of an answer tell the label and the box; None where there is no box."""
        start = self.tokens.words.get("<seg>")
        return None if not self.has_box else list(ids).index(start) + 1

    @property
    def has_box(self) -> bool:
        """Whether an answer begins with a box that can be given."""
        return self.name.startswith(("b-sd", "scanlines"))

    @cached_property
    def guide(self) -> Any:
        """What keeps an answer to one valid mask; None where nothing does."""
        codec = self.tokens.codec
        if self.steps or self.name == "b-sd-32-plain":  # bricks of plain text have no guide
            return None
        one = {"instances": 1, "free_text": False} if codec.has_instances else {}
        return self.tokens.guide(labels=LABELS, ends=[self.end], **one)

    def read(self, ids: Sequence[int]) -> Reading:
        """What an answer says, right or not."""
        valid = True
        if self.steps:
            ids, valid = self.steps.places(ids)
        found = self.tokens.recover(ids)
        regions = found.grid.regions() if hasattr(found, "grid") else found.regions
        mask = np.zeros(_SHAPE, np.uint8)
        for region in regions:
            mask |= region.mask(_SHAPE)
        reasons = tuple(problem.reason for problem in found.problems)
        return Reading(mask, valid and not reasons and len(regions) > 0, reasons)

    def box(self, ids: Sequence[int]) -> tuple[int, int, int, int] | None:
        """The first box in an answer of `BOXES`: x1, y1, x2, y2, the last two inside it."""
        found = re.search(r"\[\[(\d+) (\d+) (\d+) (\d+)\]\]", self.tokens.text(ids))
        return None if found is None else tuple(map(int, found.groups()))  # type: ignore[return-value]

    @cached_property
    def steps(self) -> _Steps | None:
        """For the variant that has lengths where scanlines have places, what turns them."""
        return _Steps(self.tokens) if self.name.endswith("-lengths") else None


class _Steps:
    """Scanlines whose bricks say how many columns they fill, in the same tokens."""

    def __init__(self, tokens: mc.TokenCodec) -> None:
        self._numbers: dict[int, tuple[str, int]] = {}
        self._ids: dict[tuple[str, int], int] = {}
        for word, id_ in tokens.words.items():
            if found := re.fullmatch(r"<(bg|fg|end):(\d+)>", word):
                one = found[1], int(found[2])
                self._numbers[id_], self._ids[one] = one, id_
        self._most = max(number for _, number in self._ids)

    def lengths(self, ids: Sequence[int]) -> list[int]:
        """The ids of scanlines as those of lengths."""
        found, at = [], 0
        for id_ in ids:
            kind, place = self._numbers.get(id_, ("", 0))
            found.append(self._ids[kind, place - at] if kind else id_)
            at = 0 if kind in {"end", ""} else place
        return found

    def places(self, ids: Sequence[int]) -> tuple[list[int], bool]:
        """The way back; and whether no row is longer than there are columns."""
        found, at, valid = [], 0, True
        for id_ in ids:
            kind, length = self._numbers.get(id_, ("", 0))
            place = at + length
            valid &= place <= self._most
            found.append(self._ids[kind, min(place, self._most)] if kind else id_)
            at = 0 if kind in {"end", ""} else min(place, self._most)
        return found, valid


def shared_tokenizer() -> Any:
    """A fresh tokenizer of the words that all formats share, the tags among them."""
    tokenizer = make_tokenizer(_SAID, 420)
    mc.extend_tokenizer(mc.BSD(bricks=False), tokenizer)
    return tokenizer


@cache
def shared_words() -> int:
    """How many ids it has."""
    return len(shared_tokenizer())
