"""The spelling of instances: tags and bricks, as text and as tables for the kernels."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from maskcodec.errors import ConfigError, LabelError
from maskcodec.kernels import writing
from maskcodec.kernels.writing import END, MAX_RUN
from maskcodec.masks.arrays import packed
from maskcodec.messages import shown
from maskcodec.text.problems import check_label
from maskcodec.text.settings import check_apart, overlap

if TYPE_CHECKING:
    import numpy.typing as npt

    from maskcodec.formats.instances.boxes import Box, Boxes
    from maskcodec.masks.arrays import Index, Mask

_CACHED_LABEL = 100  # a longer label is not a class name: caching it would leak memory
REF, REF_END, BOX, BOX_END, SEG, SEG_END = range(6)


@dataclass(frozen=True, eq=False)
class Spelling:
    """The strings of one codec, checked so that no text can be read in two ways.

    A brick is a number: ``+n`` for foreground, ``-n`` for background, ``END + n`` for the end of a
    scanline.

    Attributes
    ----------
    tags
        ``<ref> </ref> <box> </box> <seg> </seg>`` or the tags instead of them.
    bricks
        The spelling of a foreground brick, of a background brick and, in scanlines, of an end,
        ``{}`` for the number.
    most
        The largest number of a brick.
    boxes
        The boxes of the format.
    forbidden
        A pattern that no label may contain.
    pieces, bounds, starts
        Tables for `reading.scan`: the pieces of tags and bricks, and their first bytes.
    table, table_bounds
        Tables for `writing.spell`: the bytes of the bricks from -63 on.
    longest
        The number of bytes of the longest brick.
    """

    tags: tuple[str, ...]
    bricks: tuple[str, ...]
    most: int
    boxes: Boxes
    forbidden: re.Pattern[str]
    pieces: Mask
    bounds: Index
    starts: npt.NDArray[np.bool_]
    table: Mask
    table_bounds: Index
    longest: int

    def runs(self) -> list[int]:
        """All bricks: foreground, background, ends."""
        runs = [*range(1, self.most + 1), *range(-1, -self.most - 1, -1)]
        return [*runs, *range(END, END + self.most + 1)] if len(self.bricks) > 2 else runs

    def brick(self, run: int) -> str:
        """The text of a brick."""
        return _named(self.bricks, run)

    def spelled(self, runs: Index, count: int) -> str:
        """The text of the first `count` bricks; 0 is a newline."""
        data = np.empty(count * self.longest, np.uint8)
        size = writing.spell(runs, count, self.table, self.table_bounds, data)
        return data[:size].tobytes().decode()

    def locations(self) -> list[str]:
        """The location tokens, by their numbers; empty if boxes are digits."""
        location = self.boxes.location
        return [location.word(n) for n in range(self.boxes.columns)] if location else []

    def instance(self, label: str, box: Box, rows: str) -> str:
        """The text of an instance: its label, its box (x1, y1, x2, y2), and its rows."""
        ref, ref_end, box_tag, box_end, seg, seg_end = self.tags
        place = self.boxes.text(box)
        return f"{ref}{label}{ref_end}{box_tag}{place}{box_end}{seg}{rows}{seg_end}"

    def is_beginning(self, tail: str) -> bool:
        """Whether a brick or ``</seg>`` begins with this text."""
        symbols = [self.tags[SEG_END]]
        symbols += map(self.brick, self.runs())
        return any(symbol.startswith(tail) for symbol in symbols)


@lru_cache(maxsize=64)
def checked_spelling(
    tags: tuple[str, ...], bricks: tuple[str, ...], most: int, boxes: Boxes
) -> Spelling:
    """Check tags and bricks, and make their spelling; `most` is the largest number of a brick.

    Raises
    ------
    ConfigError
        A brick has no ``{}``, or a digit beside it. A tag or a brick contains white space. Or two
        of them overlap, so that a text could be read in two ways.
    """
    parts = [_brick_parts(brick) for brick in bricks]
    place = () if boxes.location is None else (boxes.location.parts[::2],)
    check_bricks(tags, [*parts, *place])
    pieces, bounds = packed([*tags, *(piece for part in parts for piece in part)])
    starts = np.zeros(256, np.bool_)
    beginnings = [*range(len(tags)), *range(len(tags), len(bounds) - 1, 2)]  # without suffixes
    starts[pieces[bounds[beginnings]]] = True
    ends = range(END, END + MAX_RUN + 1) if bricks[2:] else ()
    runs = [*range(-MAX_RUN, MAX_RUN + 1), *ends]
    table, table_bounds = packed([_named(bricks, run) if run else "\n" for run in runs])
    patterns = [re.escape(tag) for tag in tags]
    for (prefix, suffix), first in zip(parts, "110", strict=False):
        number = f"(?:6[0-3]|[1-5][0-9]|[{first}-9])"  # longest first: errors name all digits
        patterns.append(re.escape(prefix) + number + re.escape(suffix))
    patterns += [] if boxes.location is None else [boxes.location.pattern]
    return Spelling(
        tags=tags,
        bricks=bricks,
        most=most,
        boxes=boxes,
        forbidden=re.compile("|".join(patterns)),
        pieces=pieces,
        bounds=bounds,
        starts=starts,
        table=table,
        table_bounds=table_bounds,
        longest=int(np.diff(table_bounds).max()),
    )


def _named(bricks: tuple[str, ...], run: int) -> str:
    if run >= END:
        return bricks[2].replace("{}", str(run - END))
    return bricks[run < 0].replace("{}", str(abs(run)))


def instance_label(label: str, words: Any) -> str:
    """The label as it is written: stripped; refused if it contains a tag or a brick."""
    if isinstance(label, str) and len(label) <= _CACHED_LABEL:
        return _instance_label(label, words)
    return _instance_label.__wrapped__(check_label(label), words)


@lru_cache(maxsize=4096)
def _instance_label(label: str, words: Any) -> str:
    stripped = check_label(label)
    clash = words.forbidden.search(stripped)
    if clash:
        raise LabelError(
            f"label {shown(label)} holds {clash.group()!r}, which stands for a tag or a brick and "
            "would be cut out of it; remove or replace it"
        )
    return stripped


def _brick_parts(brick: str) -> tuple[str, str]:
    prefix, found, suffix = brick.partition("{}")
    if not found or "{}" in suffix or not prefix:
        raise ConfigError(
            f"a brick is spelled with some text and one {{}} for its number, got {brick!r}"
        )
    if prefix[-1].isdecimal() or suffix[:1].isdecimal():
        raise ConfigError(f"no digit may stand beside the number of a brick, got {brick!r}")
    return prefix, suffix


def check_bricks(tags: tuple[str, ...], parts: list[tuple[str, str]]) -> None:
    """Refuse tags and bricks that could be mistaken for each other, with any number of a brick.

    A number only matters if another spelling contains the same digits.
    """
    check_apart([*tags, *(f"{prefix}1{suffix}" for prefix, suffix in parts)])
    spelled = [*tags, *(piece for part in parts for piece in part)]
    numbers = sorted({digits for text in spelled for digits in re.findall("[0-9]+", text)})
    bricks = [[f"{prefix}{n}{suffix}" for n in numbers] for prefix, suffix in parts]
    groups = [*([tag] for tag in tags), *bricks]
    for (i, group), (j, others) in product(enumerate(groups), repeat=2):
        for word, other in product(group, others):
            if (i != j and other in word) or overlap(word, other):
                raise ConfigError(
                    f"{word!r} and {other!r} cannot both be in use: one contains or overlaps the "
                    "other, so that a text could be read in two ways; choose another spelling"
                )
