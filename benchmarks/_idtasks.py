"""What `bench_tokens.py` times in turns: masks to ids and ids to cells, and who else does it."""

from __future__ import annotations

import itertools
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from transformers import PreTrainedTokenizerFast

import maskcodec as mc
import vectorised
from _tasks import GRID, LABEL, SHAPE, Call, Task, animal
from _vocabularies import load_tokenizer

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    Mask = npt.NDArray[np.uint8]
    Instance = tuple[str, tuple[int, ...], Mask]

OURS = "maskcodec"
LIBRARIES = "tokenizers", "transformers"
PARSERS = "regular expressions", "NumPy", "codec.decode"
TO_IDS, TO_CELLS, BATCH = "480 x 640 mask to ids", "ids to cells", "1,000 masks to ids, each"
OF_TEXT, BOTH_STEPS, AND_PARSE = "{}, of the finished text", "codec.encode, then {}", "{}, then {}"
TWO_THREADS = "maskcodec, encode_batch in two threads"
COUNT = 1000
FINE = 256  # cells a side
_UNSEEN = 8192  # twice as many labels as the caches have room for: none is ever found in one

_INSTANCE = re.compile(
    r"<ref>(.*?)</ref><box>\[\[(\d+) (\d+) (\d+) (\d+)\]\]</box><seg>(.*?)</seg>", re.DOTALL
)
_BRICK = re.compile(r"<(fg|bg)(\d+)>")


def parse(text: str) -> list[Instance]:
    """Label, box and cells of every instance, as a user would write it; nothing is checked."""
    found = []
    for label, *corners, rows in _INSTANCE.findall(text):
        x1, y1, x2, y2 = map(int, corners)
        cells = np.zeros((y2 - y1 + 1, x2 - x1 + 1), np.uint8)
        for y, row in enumerate(rows.split("\n")):
            x = 0
            for colour, length in _BRICK.findall(row):
                stop = x + int(length)
                if colour == "fg":
                    cells[y, x:stop] = 1
                x = stop
        found.append((label, (x1, y1, x2, y2), cells))
    return found


@dataclass
class Setup:
    """A vocabulary in both libraries, the codec, and both together."""

    codec: mc.BSD
    bare: Any
    wrapped: Any
    tokens: mc.TokenCodec

    def encoders(self) -> dict[str, Callable[[str], list[int]]]:
        """A text to ids, by library."""
        bare, wrapped = self.bare, self.wrapped
        return {
            "tokenizers": lambda text: bare.encode(text, add_special_tokens=False).ids,
            "transformers": lambda text: wrapped.encode(text, add_special_tokens=False),
        }

    def decoders(self) -> dict[str, Callable[[list[int]], str]]:
        """Ids to a text, by library."""
        plain = {"skip_special_tokens": False, "clean_up_tokenization_spaces": False}
        return {
            "tokenizers": partial(self.bare.decode, skip_special_tokens=False),
            "transformers": partial(self.wrapped.decode, **plain),
        }


def make_setup() -> Setup:
    """Qwen's vocabulary, with the bricks."""
    codec, bare = mc.BSD(grid=GRID), load_tokenizer("qwen")
    mc.extend_tokenizer(codec, bare)
    mc.extend_tokenizer(mc.RRLE(grid=GRID), bare)
    ends = {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}
    wrapped = PreTrainedTokenizerFast(tokenizer_object=bare, **ends)
    return Setup(codec, bare, wrapped, mc.TokenCodec(codec, bare))


def animals(count: int) -> Mask:
    """The animal at different places, sizes and sides: uint8 (count, *`SHAPE`), no two alike."""
    whole, rng = animal(), np.random.default_rng(0)
    masks = np.empty((count, *SHAPE), np.uint8)
    for mask in masks:
        zoom, mirrored = rng.uniform(0.8, 2.0), rng.random() < 0.5
        ys, xs = (
            ((np.arange(side) - rng.uniform(0.2, 0.8) * side) * zoom + side / 2).astype(np.int64)
            for side in SHAPE
        )
        inside = np.logical_and.outer((ys >= 0) & (ys < SHAPE[0]), (xs >= 0) & (xs < SHAPE[1]))
        np.multiply(whole[np.ix_(ys % SHAPE[0], xs % SHAPE[1])], inside, out=mask)
        if mirrored:
            mask[:] = mask[:, ::-1].copy()
    return masks


def all_tasks(setup: Setup, masks: Mask) -> list[Task]:
    """Everything that is timed in turns."""
    return [_to_ids(setup), _to_cells(setup, masks), _batch(setup, masks)]


def _to_ids(setup: Setup) -> Task:
    mask, codec = animal(), setup.codec
    text = codec.encode(mask, LABEL)
    expected = setup.encoders()["tokenizers"](text)

    def both(encode: Callable[[str], list[int]]) -> list[int]:
        return encode(codec.encode(mask, LABEL))

    calls = [Call(OURS, partial(setup.tokens.encode, mask, LABEL), _equals(expected))]
    for who, encode in setup.encoders().items():
        calls += [
            Call(OF_TEXT.format(who), partial(encode, text), _equals(expected)),
            Call(BOTH_STEPS.format(who), partial(both, encode), _equals(expected)),
        ]
    return Task(TO_IDS, calls)


def _to_cells(setup: Setup, masks: Mask) -> Task:
    mask, codec, tokens = animal(), setup.codec, setup.tokens
    text, ids = codec.encode(mask, LABEL), tokens.encode(mask, LABEL)
    listed = ids.tolist()
    ((_, box, cells),) = parse(text)
    region = mc.Region(LABEL, box, cells, canvas=codec.canvas)
    small = vectorised.sample(mask, (GRID, GRID))
    unseen = itertools.cycle(
        [tokens.encode(masks[n % len(masks)], f"dog {n}") for n in range(_UNSEEN)]
    )

    def is_right(regions: Any) -> bool:
        return bool(regions == [region] and regions[0].box == box)

    parsers = {
        "regular expressions": (
            parse,
            lambda found: is_right([mc.Region(*one, canvas=codec.canvas) for one in found]),
        ),
        "NumPy": (lambda text: vectorised.decode_bsd(text, GRID), _equals(small)),
        "codec.decode": (codec.decode, is_right),
    }
    calls = [
        Call(OURS, partial(tokens.decode, ids), is_right),
        Call(f"{OURS}, and Region.cells", lambda: tokens.decode(ids)[0].cells, _equals(cells)),
        Call(f"{OURS}, ids in a list", partial(tokens.decode, listed), is_right),
        Call(
            f"{OURS}, a label never seen before",
            lambda: tokens.decode(next(unseen)),
            lambda regions: regions[0].label.startswith("dog "),
        ),
    ]

    def both(decode: Callable[[list[int]], str], read: Callable[[str], Any]) -> Any:
        return read(decode(listed))

    for who, decode in setup.decoders().items():
        calls.append(Call(f"{who}, text only", partial(decode, listed), _is(text)))
        for parser, (read, check) in parsers.items():
            calls.append(Call(AND_PARSE.format(who, parser), partial(both, decode, read), check))
    return Task(TO_CELLS, calls)


def _batch(setup: Setup, masks: Mask) -> Task:
    tokens, half = setup.tokens, len(masks) // 2
    labels = [f"dog {n % 80}" for n in range(len(masks))]
    keep = mc.TokenCodec(mc.BSD(grid=GRID, sampling="keep"), setup.bare)
    texts = [setup.codec.encode(*pair) for pair in zip(masks, labels, strict=True)]
    finished = [encoding.ids for encoding in setup.bare.encode_batch(texts)]
    expected = [number for row in finished for number in row]
    kept = [number for pair in zip(masks, labels, strict=True) for number in keep.encode(*pair)]
    pool = ThreadPoolExecutor(2)

    def loop() -> Any:
        return [tokens.encode(*pair) for pair in zip(masks, labels, strict=True)]

    def threads() -> Any:
        halves = (masks[:half], masks[half:]), (labels[:half], labels[half:])
        return list(pool.map(tokens.encode_batch, *halves))

    # Finer grids look at more of each mask: there, threads do not only wait for one memory.
    fine = mc.TokenCodec(mc.BSD(grid=FINE), setup.bare)
    fine_ids, _ = fine.encode_batch(masks, labels)

    def finely(count: int) -> Any:
        parts = [
            slice(n * len(masks) // count, (n + 1) * len(masks) // count) for n in range(count)
        ]
        pairs = pool.map(lambda part: fine.encode_batch(masks[part], labels[part]), parts)
        return _joined(ids for ids, _ in pairs)

    def first(result: Any) -> bool:
        return _equals(expected)(result[0])

    return Task(
        BATCH,
        [
            Call(OURS, partial(tokens.encode_batch, masks, labels), first),
            Call(f"{OURS}, loop of encode", loop, lambda rows: _equals(expected)(_joined(rows))),
            Call(TWO_THREADS, threads, lambda pair: _equals(expected)(_joined(p[0] for p in pair))),
            Call(f"{OURS}, {FINE} x {FINE} cells", partial(finely, 1), _equals(fine_ids)),
            Call(f"{OURS}, the same in two threads", partial(finely, 2), _equals(fine_ids)),
            Call(
                f'{OURS}, sampling="keep"',
                partial(keep.encode_batch, masks, labels),
                lambda result: _equals(kept)(result[0]),
            ),
            Call(
                "tokenizers, encode_batch of the finished texts",
                lambda: setup.bare.encode_batch(texts, add_special_tokens=False),
                lambda rows: [row.ids for row in rows] == finished,
            ),
        ],
    )


def _joined(rows: Any) -> Any:
    return np.concatenate(list(rows))


def _equals(expected: Any) -> Callable[[Any], bool]:
    return lambda result: np.array_equal(result, expected)


def _is(expected: str) -> Callable[[Any], bool]:
    return lambda result: bool(result == expected)
