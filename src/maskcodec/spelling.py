"""How B-SD is spelled: six tags and 126 bricks, as text, as tables for the kernels."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from maskcodec._reading import check_label
from maskcodec.errors import ConfigError, LabelError

if TYPE_CHECKING:
    import numpy.typing as npt

    from maskcodec._arrays import Index, Mask

MAX_RUN = 63
REF, REF_END, BOX, BOX_END, SEG, SEG_END = range(6)


@dataclass(frozen=True, eq=False)
class Spelling:
    """The strings of one B-SD codec, checked so that no text can be read in two ways.

    Attributes
    ----------
    tags
        ``<ref> </ref> <box> </box> <seg> </seg>`` or what stands for them.
    bricks
        The spelling of a foreground and of a background brick, ``{}`` for the number.
    pieces, bounds, starts
        What `_kernels.scan` looks for.
    table, table_bounds
        What `_kernels.spell` writes: the bytes of the runs -63 .. 63.
    """

    tags: tuple[str, ...]
    bricks: tuple[str, str]
    forbidden: re.Pattern[str]
    pieces: Mask
    bounds: Index
    starts: npt.NDArray[np.bool_]
    table: Mask
    table_bounds: Index
    longest: int

    def brick(self, run: int) -> str:
        """The brick for a run: positive for foreground, negative for background."""
        return self.bricks[run < 0].replace("{}", str(abs(run)))

    def is_beginning(self, tail: str) -> bool:
        """Whether a brick or the closing ``</seg>`` could begin with this."""
        symbols = [self.tags[SEG_END]]
        symbols += [self.brick(run) for run in range(-MAX_RUN, MAX_RUN + 1) if run]
        return any(symbol.startswith(tail) for symbol in symbols)


@lru_cache(maxsize=64)
def checked_spelling(tags: tuple[str, ...], bricks: tuple[str, str]) -> Spelling:
    """The checked spelling with these tags and bricks.

    Raises
    ------
    ConfigError
        A brick has no ``{}`` or a digit beside it, white space stands in a tag or a brick, or
        two of them overlap, so that one text could be cut in two ways.
    """
    parts = [_brick_parts(brick) for brick in bricks]
    _check_apart(tags, bricks)
    pieces = [piece.encode() for piece in (*tags, *parts[0], *parts[1])]
    starts = np.zeros(256, np.bool_)
    starts[[piece[0] for piece in (*pieces[:7], pieces[8])]] = True
    names = [
        "\n" if run == 0 else bricks[run < 0].replace("{}", str(abs(run)))
        for run in range(-MAX_RUN, MAX_RUN + 1)
    ]
    table = [name.encode() for name in names]
    number = "(?:[1-9]|[1-5][0-9]|6[0-3])"
    patterns = [re.escape(tag) for tag in tags]
    patterns += [re.escape(prefix) + number + re.escape(suffix) for prefix, suffix in parts]
    return Spelling(
        tags=tags,
        bricks=bricks,
        forbidden=re.compile("|".join(patterns)),
        pieces=as_array(b"".join(pieces)),
        bounds=edges(pieces),
        starts=starts,
        table=as_array(b"".join(table)),
        table_bounds=edges(table),
        longest=max(map(len, table)),
    )


def instance_label(label: str, words: Spelling) -> str:
    """A label as it stands between its tags: stripped, and refused where it would break them."""
    return _instance_label(label, words) if isinstance(label, str) else check_label(label)


@lru_cache(maxsize=4096)
def _instance_label(label: str, words: Spelling) -> str:
    stripped = check_label(label)
    clash = words.forbidden.search(stripped)
    if clash:
        raise LabelError(
            f"label {label!r} holds {clash.group()!r}, which stands for a tag or a brick and would "
            "be cut out of it; remove or replace it"
        )
    return stripped


def as_array(data: bytes) -> Mask:
    """Bytes as a writable array, which is the one kind that the kernels take."""
    return np.frombuffer(bytearray(data), np.uint8)


def edges(parts: list[bytes]) -> Index:
    """Where each of several parts begins when they are joined, and where the last one ends."""
    return np.cumsum([0, *map(len, parts)]).astype(np.int64)


def _brick_parts(brick: str) -> tuple[str, str]:
    prefix, found, suffix = brick.partition("{}")
    if not found or "{}" in suffix or not prefix:
        raise ConfigError(
            f"a brick is spelled with some text and one {{}} for its number, got {brick!r}"
        )
    if prefix[-1].isdecimal() or suffix[:1].isdecimal():
        raise ConfigError(f"no digit may stand beside the number of a brick, got {brick!r}")
    return prefix, suffix


def _check_apart(tags: tuple[str, ...], bricks: tuple[str, str]) -> None:
    for word in (*tags, *bricks):
        if any(character.isspace() for character in word):
            raise ConfigError(f"a tag or brick must not hold white space, got {word!r}")
    numbers = range(1, MAX_RUN + 1)
    colours = [[brick.replace("{}", str(n)) for n in numbers] for brick in bricks]
    groups = [*([tag] for tag in tags), *colours]
    for i, group in enumerate(groups):
        for j, other in enumerate(groups):
            for a in group if i < len(tags) or j < len(tags) else group[:1]:
                for b in other:
                    if (i != j and a in b) or _overlap(a, b):
                        raise ConfigError(
                            f"{a!r} and {b!r} cannot both be in use: a text of one could be read "
                            "as the other; choose another spelling"
                        )


def _overlap(first: str, second: str) -> bool:
    """Whether the end of one string is the beginning of another, short of all of either."""
    return any(first.endswith(second[:n]) for n in range(1, min(len(first), len(second))))
