"""Ids that come one by one: a stream says what `recover` says, in work that grows as they do."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np

import maskcodec as mc
from tests.strategies import BRICK_PIECES, SCANLINE_PIECES, SCANLINE_SETTINGS
from tests.vocabularies import WORDS, encoded, pieces, tokens

if TYPE_CHECKING:
    import random
    from pathlib import Path

GROWTH = 0.02  # the share of cases that count work
MOST_GROWTH = 3  # of the work, where there are twice as many ids
CODECS = [
    ("byte-level", mc.BSD()),
    ("byte-level", mc.BSD(grid=(4, 5))),
    ("joined", mc.BSD(grid=(5, 4), row_separator="")),
    ("metaspace", mc.BSD(grid=6)),
    ("word-piece", mc.BSD(grid=(4, 5))),
    ("byte-level", mc.Scanlines(bins=60)),
    ("word-piece", mc.Scanlines(rows=4, columns=3, bins=9)),
    ("metaspace", mc.Scanlines(rows=3, columns=5, bins=9, coordinates="tokens", axes="yx")),
    ("joined", mc.Scanlines(rows=2, columns=5, bins=9, **SCANLINE_SETTINGS[3])),
]


def case(rng: random.Random, _folder: Path) -> list[str]:
    """Ids, what a stream makes of them on the way, and at times how much work it is."""
    name, codec = rng.choice(CODECS)
    made = tokens(name, codec)
    if rng.random() < GROWTH:
        return [grown(rng, made)]
    ids = answer(rng, made)
    looks = {rng.randrange(len(ids) + 1) for _ in range(5)} | {len(ids)}
    stream = made.stream()
    found: tuple[list[Any], list[Any]] = [], []
    for end in range(len(ids) + 1):
        if end:
            assert stream.push(ids[end - 1]) is stream
        if end in looks:
            found = agreed(stream, made, ids[:end])
    regions, problems = found
    outcome = "whole" if regions and not problems else "broken" if regions else "nothing"
    return [outcome, *{f"problem: {problem.reason}" for problem in problems}]


def agreed(stream: Any, codec: mc.TokenCodec, ids: list[int]) -> tuple[list[Any], list[Any]]:
    """What a stream and `recover` say of the same ids."""
    regions, problems = codec.recover(ids)
    where = f"{codec.codec!r}, ids {ids}"
    assert stream.regions == regions, where
    assert [one.box for one in stream.regions] == [one.box for one in regions], where
    assert stream.problems == problems, where
    index_map = stream.index_map
    expected = np.zeros(codec.codec.canvas, np.int32)
    for number, region in enumerate(regions, 1):
        expected[region.mask(expected.shape, method="nearest") == 1] = number
    assert index_map.dtype == np.int32, where
    assert not index_map.flags.writeable, where
    assert np.array_equal(index_map, expected), where
    return regions, problems


# ------------------------------------------------------------------------ answers


def cells(rng: random.Random, shape: tuple[int, int]) -> np.ndarray:
    """A mask of a rectangle, of noise, or of everything."""
    mask = np.zeros(shape, np.uint8)
    top, left = (rng.randrange(side) for side in shape)
    mask[top : top + rng.randrange(1, 9), left : left + rng.randrange(1, 9)] = 1
    if rng.random() < 0.3:
        noise = np.frombuffer(rng.randbytes(mask.size), np.uint8).reshape(shape)
        mask |= noise < rng.choice([3, 40, 128])
    return mask if rng.random() < 0.9 else np.ones(shape, np.uint8)


def instance(rng: random.Random, codec: mc.TokenCodec) -> list[int]:
    """The ids of one instance."""
    shape = codec.codec.most_cells if rng.random() < 0.7 else (9, 7)
    masks, labels = [cells(rng, shape)], [rng.choice(WORDS)]
    ids: list[int] = codec.encode_many(masks, labels, lost="drop").tolist()
    return ids


def answer(rng: random.Random, codec: mc.TokenCodec) -> list[int]:
    """The ids of instances, right or almost so, or any ids."""
    choices = pieces(codec)
    if rng.random() < 0.15:
        return [rng.choice(choices) for _ in range(rng.randrange(40))]
    ids: list[int] = []
    for _ in range(rng.randrange(1, 4)):
        ids += [rng.choice(choices)] * (rng.random() < 0.3) + instance(rng, codec)
    tags = {codec.words[tag] for tag in codec.codec.tags()}
    for _ in range(rng.choice([0, 1, 1, 2, 4])):
        edges = [k for k, number in enumerate(ids) if number in tags] + [len(ids)]
        at = rng.choice(edges) if rng.random() < 0.6 else rng.randrange(len(ids) + 1)
        end = rng.choice(edges) if rng.random() < 0.2 else at + rng.randrange(4)
        at, end = min(at, end), max(at, end)
        kind = rng.randrange(7)
        if kind == 0:
            del ids[at:end]
        elif kind == 1:
            ids[at:at] = [rng.choice(choices)] * rng.choice([1, 1, 2, 9])
        elif kind == 2:
            ids[at:end] = [rng.choice(choices)]
        elif kind == 3:
            ids[end:end] = ids[at:end]
        elif kind == 4:
            del ids[at:]
        elif kind == 5:
            ids[at:end] = encoded(codec.tokenizer, rng.choice(BRICK_PIECES + SCANLINE_PIECES))
        else:
            ids[at:end] = ids[at:end][::-1]
    return ids[:400]


# ------------------------------------------------------------------------ work


def grown(rng: random.Random, codec: mc.TokenCodec) -> str:
    """Repeats a piece of an answer, and holds the work for twice as many against that for once."""
    words, tags = codec.words, codec.codec.tags()
    ids = codec.encode(np.eye(4, 5, dtype=np.uint8), rng.choice(WORDS)).tolist()
    cut = [ids.index(words[tag]) for tag in tags] + [len(ids)]
    kind = rng.choice(["instances", "tag", "part", "parts", "row"])
    head: list[int] = []
    if kind == "instances":
        piece = ids
    elif kind == "tag":
        piece = [words[rng.choice(tags)]]
    elif kind == "part":
        k = rng.randrange(6)
        piece = ids[cut[k] : cut[k + 1]]
    elif kind == "parts":
        piece = [i for k in rng.sample(range(6), 3) for i in ids[cut[k] : cut[k + 1]]]
    else:
        head = ids[: cut[5]] if rng.random() < 0.7 else [*ids[: cut[5]], words[tags[2]]]
        row = [words[codec.codec.words().brick(run)] for run in (3, -2)]
        piece = [*row, *encoded(codec.tokenizer, "\n")]
    count = 20 + 60 // len(piece)
    few, many = (calls(codec, head + piece * times) for times in (count, 2 * count))
    assert many <= MOST_GROWTH * few, (
        f"{codec.codec!r}: {few:,} calls for {count} x {piece} behind {head}, {many:,} for twice "
        "as many"
    )
    return f"work: {kind}"


def calls(codec: mc.TokenCodec, ids: list[int]) -> int:
    """How many functions are called for ids, with a look after each of them."""
    total = 0

    def count(_frame: Any, event: str, _argument: Any) -> None:
        nonlocal total
        total += event in {"call", "c_call"}

    before = sys.getprofile()
    stream = codec.stream()
    sys.setprofile(count)
    try:
        for number in ids:
            stream.push(number)
            assert isinstance(stream.regions, list)
            if stream.row_ended:
                assert stream.index_map.ndim == 2
    finally:
        sys.setprofile(before)
    return total
