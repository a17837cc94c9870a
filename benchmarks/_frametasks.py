"""What `bench_frame.py` times: the canvas and the box frame, there and back."""

from __future__ import annotations

import operator
import time
from dataclasses import dataclass
from functools import partial
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np

import maskcodec as mc
from _cocotasks import Batch, Group, one_by_one
from _idtasks import animals
from _tasks import LABEL, SHAPE, Call, animal
from maskcodec.vocabularies import load_tokenizer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    from _cocotasks import Annotation

    Mask = npt.NDArray[np.uint8]
    Searches = dict[str, npt.NDArray[np.float64]]
    Setups = dict[str, "Setup"]

CANVAS, BOX, BEST = "canvas", "box", 'box, sampling="best"'
CANVAS_KEEP, BOX_NEAREST = 'canvas, sampling="keep"', 'box, sampling="nearest"'
REPEATS = "{}, repeats"
# By name; the first is what the others are compared with.
CODECS = {
    CANVAS: mc.BSD(),
    CANVAS_KEEP: mc.BSD(sampling="keep"),
    REPEATS.format(CANVAS): mc.BSD(repeats=True),
    BOX: mc.BSD(frame="box"),
    BOX_NEAREST: mc.BSD(frame="box", sampling="nearest"),
    REPEATS.format(BOX): mc.BSD(frame="box", repeats=True),
    BEST: mc.BSD(frame="box", sampling="best"),
}
# What may cost twice the other; "best" is a search.
WITHIN_LIMIT = [
    (BOX, CANVAS),
    (BOX_NEAREST, CANVAS),
    (REPEATS.format(BOX), CANVAS),
    (BOX, CANVAS_KEEP),
]
METHODS = "nearest", "smooth", "contour"
OF_RUNS, OF_PIXELS = "RLE to ids", "pixels to ids"
ONE, TOGETHER = "one by one", "encode_batch"
COUNT = 200  # masks of pixels: 61 MB, more than a cache holds
COPIES = 8  # one after another: the rows alone that the canvas looks at are 8 MB of each
FEW = 20  # masks that stay in one
READING = "all pixels read once, by bytes.find"  # the C library's memchr
CACHED = "pixels in the cache to ids"


@dataclass
class Setup:
    """A codec, and its ids in a vocabulary that has the tokens of all."""

    codec: mc.BSD
    tokenizer: Any
    tokens: mc.TokenCodec

    def ids(self, mask: Any, label: str) -> list[int]:
        """What the tokenizer makes of the text."""
        text = self.codec.encode(mask, label)
        return self.tokenizer.encode(text, add_special_tokens=False).ids


def make_setups() -> Setups:
    """All codecs, with Qwen's vocabulary."""
    tokenizer = load_tokenizer("qwen")
    mc.extend_tokenizer(tokenizer, CODECS[REPEATS.format(BOX)])
    return {
        name: Setup(codec, tokenizer, mc.TokenCodec(codec, tokenizer))
        for name, codec in CODECS.items()
    }


def all_tasks(setups: Setups, batches: list[Batch]) -> list[Group]:
    """Everything that is timed in turns."""
    one = animal()
    stacks = {f"{COUNT} animals, 480 x 640": (animals(COUNT), [LABEL] * COUNT)}
    for batch in batches:
        items = [item for item in batch.items if item.shape == SHAPE][:COUNT]
        if items and batch.title.startswith("real, 480 x 640"):
            masks = np.stack([mc.coco.read(item.rle).mask() for item in items])
            stacks[f"{len(items)} real ones, 480 x 640"] = masks, [item.label for item in items]
    return [
        *(_to_ids(setups, OF_RUNS, batch.title, batch.rles, batch.labels) for batch in batches),
        *(
            _batch_to_ids(setups, OF_RUNS, batch.title, batch.rles, batch.labels)
            for batch in batches
        ),
        _to_ids(setups, OF_PIXELS, "an animal, 480 x 640", [one], [LABEL]),
        *(_to_ids(setups, OF_PIXELS, title, *stack) for title, stack in stacks.items()),
        *(_stack_to_ids(setups, OF_PIXELS, title, *stack) for title, stack in stacks.items()),
        *(_stack_to_ids(setups, CACHED, title, *stack, FEW) for title, stack in stacks.items()),
        *(_to_regions(setups, batch) for batch in batches),
        *(_to_pixels(setups, batch) for batch in batches),
    ]


def _to_ids(
    setups: Setups, kind: str, title: str, masks: Sequence[Any], labels: Sequence[str]
) -> Group:
    calls = []
    for name, setup in setups.items():
        expected = [setup.ids(*pair) for pair in zip(masks, labels, strict=True)]
        calls.append(one_by_one(name, expected, setup.tokens.encode, masks, labels))
    return Group(f"{kind}, {ONE}: {title}", calls, len(labels))


def _batch_to_ids(
    setups: Setups, kind: str, title: str, masks: Any, labels: Sequence[str]
) -> Group:
    calls = []
    for name, setup in setups.items():
        rows = [setup.ids(*pair) for pair in zip(masks, labels, strict=True)]
        call = partial(setup.tokens.encode_batch, masks, labels)
        calls.append(Call(name, call, _first_is(np.concatenate(rows))))
    return Group(f"{kind}, {TOGETHER}: {title}", calls, len(labels))


def _stack_to_ids(
    setups: Setups, kind: str, title: str, masks: Any, labels: Sequence[str], few: int = 0
) -> Group:
    """A few masks again and again, or all of them, each time a copy that was not seen lately."""
    if few:
        masks, labels = masks[:few].copy(), labels[:few]
        title = title.replace(str(COUNT), str(few), 1)
    copies = cycle([masks] if few else [masks, *(masks.copy() for _ in range(COPIES - 1))])
    calls = []
    for name, setup in setups.items():
        rows = [setup.ids(*pair) for pair in zip(masks, labels, strict=True)]

        def call(encode: Any = setup.tokens.encode_batch) -> Any:
            return encode(next(copies), labels)

        calls.append(Call(name, call, _first_is(np.concatenate(rows))))
    if few:
        find = partial(masks.tobytes().find, bytes([masks.max() + 1]))  # what no pixel is
        calls.append(Call(READING, find, partial(operator.eq, -1)))
    return Group(f"{kind}, {TOGETHER}: {title}", calls, len(labels))


def _first_is(expected: Any) -> Callable[[Any], bool]:
    return lambda result: np.array_equal(result[0], expected)


def _to_regions(setups: Setups, batch: Batch) -> Group:
    """Ids to regions; the text must say the same ones."""

    def same(found: Sequence[mc.Region], right: Sequence[mc.Region]) -> bool:
        return found == right and found[0].box == right[0].box

    calls = []
    for name, setup in setups.items():
        texts = [setup.codec.encode(item.rle, item.label) for item in batch.items]
        expected = [setup.codec.decode(text) for text in texts]
        ids = [setup.tokens.encode(item.rle, item.label) for item in batch.items]
        calls.append(one_by_one(name, expected, setup.tokens.decode, ids, same=same))
    return Group(f"ids to regions: {batch.title}", calls, len(batch.items))


def _to_pixels(setups: Setups, batch: Batch) -> Group:
    """Regions to masks, into memory that is there."""
    room = {size: np.empty(size, np.uint8) for size in batch.sizes}
    calls = []
    for name in (CANVAS, BOX):
        encode = setups[name].codec.encode
        texts = [encode(item.rle, item.label) for item in batch.items]
        regions = [setups[name].codec.decode(text)[0] for text in texts]
        for method in METHODS:

            def paint(region: mc.Region, size: tuple[int, int], method: Any = method) -> Mask:
                return region.mask(size, method=method, out=room[size])

            expected = [
                region.runs(size, method=method)
                for region, size in zip(regions, batch.sizes, strict=True)
            ]
            calls.append(
                one_by_one(
                    f"{name}, {method}",
                    expected,
                    paint,
                    regions,
                    batch.sizes,
                    same=lambda mask, runs: np.array_equal(mask, runs.mask()),
                )
            )
    return Group(f"regions to pixels: {batch.title}", calls, len(batch.items))


def search_times(codecs: dict[str, mc.BSD], items: Sequence[Annotation], turns: int) -> Searches:
    """How long each mask takes from run lengths to ids, by codec: milliseconds (masks,).

    A mask's time is the median of its turns, between which all other masks and codecs come.
    """
    tokenizer = load_tokenizer("qwen")
    mc.extend_tokenizer(tokenizer, CODECS[BOX])
    encoders = {name: mc.TokenCodec(codec, tokenizer).encode for name, codec in codecs.items()}
    times = {name: np.empty((turns, len(items))) for name in codecs}
    for encode in encoders.values():
        encode(items[0].rle, items[0].label)  # warm
    for turn in range(turns):
        for number, item in enumerate(items):
            for name, encode in encoders.items():
                start = time.perf_counter()
                encode(item.rle, item.label)
                times[name][turn, number] = (time.perf_counter() - start) * 1e3
    return {name: np.median(own, axis=0) for name, own in times.items()}
