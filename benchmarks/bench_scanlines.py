"""How fast scanlines are: masks to ids, ids to regions, regions to masks and run lengths.

Takes COCO annotations (.json) and files of one JSON object a line with a "label" and a COCO RLE as
"segmentation", as GSEval has them (.jsonl); without any, masks are generated only. Every result is
checked before it is timed. Calls are timed in turns, one inner loop each; a ratio is the median of
the turns' ratios. The exit code is 1 where a limit is missed or a result is wrong.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pycocotools import mask as pycoco

import maskcodec as mc
from _cocotasks import Batch, Group, generated_batches, one_by_one, read
from _common import Table, measure, number, paragraph, versions, write_page
from _tasks import SHAPE, Call, check
from _vocabularies import load_tokenizer
from bench_coco import real_masks
from bench_codec import Claim, claims_table, speed_table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from _cocotasks import Annotation
    from _common import Times

PACKAGES = "maskcodec", "numba", "numpy", "pycocotools", "tokenizers"
COMMAND = "python benchmarks/bench_scanlines.py ANNOTATIONS.json..."
CANVAS, KEEP = "maskcodec: B-SD", "maskcodec: scanlines"
TOKENS, BEST = f"{KEEP}, location tokens", f"{KEEP}, best"
CODECS = {
    CANVAS: mc.BSD(),
    KEEP: mc.Scanlines(),
    TOKENS: mc.Scanlines(coordinates="tokens"),
    BEST: mc.Scanlines(sampling="best"),
}
FILL = "out.fill(1)"
TO_IDS, TO_REGIONS, TO_RLE = "RLE to ids", "ids to regions", "regions to RLE"
PAINTED = "regions to pixels"
MOST_FILLS, MOST_SEARCH = 3, 0.4  # times a fill, in the median; milliseconds, in the mean
MOST_STEP, WORST_STEP = 5, 50  # microseconds of a guide, in the median and at most
INNER = 20  # calls that are timed together
END = 151_645  # the id that ends an answer of Qwen's


@dataclass
class Setup:
    """A codec with Qwen's vocabulary."""

    codec: Any
    tokenizer: Any
    tokens: mc.TokenCodec

    def ids(self, mask: Any, label: str) -> list[int]:
        """What the tokenizer makes of the text."""
        text = self.codec.encode(mask, label)
        return self.tokenizer.encode(text, add_special_tokens=False).ids


def make_setups() -> dict[str, Setup]:
    """All codecs, with Qwen's vocabulary."""
    setups = {}
    for name, codec in CODECS.items():
        tokenizer = load_tokenizer("qwen")
        mc.extend_tokenizer(codec, tokenizer)
        setups[name] = Setup(codec, tokenizer, mc.TokenCodec(codec, tokenizer))
    return setups


def to_ids(setups: dict[str, Setup], batch: Batch, masks: Sequence[Any], what: str) -> list[Group]:
    """Masks to ids, one by one and in one call."""
    single, batched = [], []
    for name, setup in setups.items():
        expected = [setup.ids(*pair) for pair in zip(masks, batch.labels, strict=True)]
        single.append(one_by_one(name, expected, setup.tokens.encode, masks, batch.labels))
        call = partial(setup.tokens.encode_batch, masks, batch.labels)
        batched.append(Call(name, call, _first_is(np.concatenate(expected))))
    count = len(masks)
    return [
        Group(f"{what} to ids: {batch.title}", single, count),
        Group(f"{what} to ids, encode_batch: {batch.title}", batched, count),
    ]


def _first_is(expected: Any) -> Callable[[Any], bool]:
    return lambda result: np.array_equal(result[0], expected)


def to_regions(setups: dict[str, Setup], batch: Batch) -> Group:
    """Ids to regions; the text must say the same ones."""
    calls = []
    for name, setup in setups.items():
        texts = [setup.codec.encode(item.rle, item.label) for item in batch.items]
        expected = [setup.codec.decode(text) for text in texts]
        ids = [setup.tokens.encode(item.rle, item.label) for item in batch.items]
        calls.append(one_by_one(name, expected, setup.tokens.decode, ids))
    return Group(f"{TO_REGIONS}: {batch.title}", calls, len(batch.items))


def to_rle(setups: dict[str, Setup], batch: Batch) -> Group:
    """Regions to COCO's run lengths, beside pycocotools on the mask that is there already."""
    calls = []
    for name in (CANVAS, KEEP):
        setup = setups[name]
        texts = [setup.codec.encode(item.rle, item.label) for item in batch.items]
        regions = [setup.codec.decode(text)[0] for text in texts]
        masks = [r.mask(s) for r, s in zip(regions, batch.sizes, strict=True)]
        expected = [pycoco.encode(np.asfortranarray(mask)) for mask in masks]
        calls.append(one_by_one(name, expected, mc.Region.coco_rle, regions, batch.sizes))
        if name == KEEP:
            fortran = [np.asfortranarray(mask) for mask in masks]
            calls.append(one_by_one("pycocotools, of the mask", expected, pycoco.encode, fortran))
    return Group(f"{TO_RLE}: {batch.title}", calls, len(batch.items))


def fills(setup: Setup, items: Sequence[Annotation], turns: int) -> Times:
    """How often a mask could be filled while each region is painted: float64 (masks,)."""
    out = np.empty(SHAPE, np.uint8)
    ratios = np.empty(len(items))
    for k, item in enumerate(items):
        (region,) = setup.codec.decode(setup.codec.encode(item.rle, item.label))
        calls = {"paint": partial(region.mask, SHAPE, out=out), "fill": partial(out.fill, 1)}
        times = np.empty((turns, 2))
        for turn in range(turns):
            for column, call in enumerate(calls.values()):
                start = time.perf_counter()
                for _ in range(INNER):
                    call()
                times[turn, column] = time.perf_counter() - start
        ratios[k] = np.median(times[:, 0] / times[:, 1])
    return ratios


def search_times(setups: dict[str, Setup], items: Sequence[Annotation], turns: int) -> Times:
    """How long `best` takes from run lengths to ids: milliseconds, the median of each mask's."""
    encode = setups[BEST].tokens.encode
    times = np.empty((turns, len(items)))
    encode(items[0].rle, items[0].label)  # warm
    for turn in range(turns):
        for k, item in enumerate(items):
            start = time.perf_counter()
            encode(item.rle, item.label)
            times[turn, k] = (time.perf_counter() - start) * 1e3
    return np.median(times, axis=0)


def step_times(setup: Setup, items: Sequence[Annotation], turns: int) -> Times:
    """How long a guide takes for each id of some answers: microseconds, the least of some turns.

    Each turn has a guide of its own, which has seen no answer.
    """
    answers = [setup.tokens.encode(item.rle, item.label).tolist() for item in items]
    times = np.empty((turns, sum(map(len, answers))))
    for turn in range(turns):
        guide = setup.tokens.guide(ends=END)
        row = []
        for answer in answers:
            state = guide.start()
            for id_ in answer:
                start = time.perf_counter()
                guide.options(state)
                state = guide.step(state, id_)
                row.append((time.perf_counter() - start) * 1e6)
        times[turn] = row
    return times.min(axis=0)


def page(abouts: list[str], turns: int, tables: list[Table]) -> str:
    """The page in docs/benchmarks."""
    verdicts, speeds = (table.markdown() for table in tables)
    what = f"""
        {" ".join(abouts)} Every call ran in {turns} turns. In each turn all of them come once, so
        what counts are the ratios, each the median over the turns; the microseconds come from two
        shared cores and are for orientation. Ids are those of Qwen's vocabulary."""
    asked = """
        Painting is `Region.mask(shape, out=out)` against a fill of the same memory, for each mask,
        each called some times in a row; the median over the masks counts. `best` is timed from
        compressed RLE to ids. A step of a guide is `options` and `step` for one id of an answer, in
        a guide that has seen none; the least of some turns, each with a guide of its own."""
    return f"""\
# Scanlines

```sh
{COMMAND}
```

{paragraph(what)}

{paragraph(versions(PACKAGES))}

## What was asked for

{paragraph(asked)}

{verdicts}

## Everything that was timed

B-SD on its canvas is the first of each task. It looks at 64 rows of pixels; scanlines look at all
of them, since they must find the mask's box.

{speeds}
"""


def main() -> int:
    """Time, print, and say whether the limits are kept."""
    parser = argparse.ArgumentParser(description=__doc__.replace("\n\n", "\n", 1))
    parser.add_argument("files", nargs="*", type=Path, metavar="ANNOTATIONS.json")
    parser.add_argument("--repeats", type=int, default=20, help="turns (default: %(default)s)")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks as well")
    options = parser.parse_args()
    if options.repeats < 1:
        parser.error("--repeats must be at least 1")
    try:
        annotations = {path.name: read(path) for path in options.files}
    except (OSError, ValueError, KeyError, TypeError) as error:
        print(f"bench_scanlines.py: cannot read these annotations: {error!r}", file=sys.stderr)
        return 1

    abouts, real = real_masks(annotations)
    batches = [*real, *generated_batches()[:1]]
    abouts.append("Generated masks: the animal of `bench_codec.py`.")
    print(paragraph(" ".join(abouts)))
    setups = make_setups()
    tasks = []
    for batch in batches:
        tasks += to_ids(setups, batch, batch.rles, "RLE")
        if set(batch.sizes) == {SHAPE}:
            masks = np.stack([mc.coco.read(item.rle).mask() for item in batch.items])
            tasks += to_ids(setups, batch, masks, "pixels")
        tasks += [to_regions(setups, batch), to_rle(setups, batch)]
    check(tasks)
    calls = {task.key(call): call.run for task in tasks for call in task.calls}
    counts = {task.key(call): task.count for task in tasks for call in task.calls}
    times = measure(calls, options.repeats)
    for key, count in counts.items():
        times[key] /= count
    speeds, _ = speed_table(tasks, times)

    masks = [item for items in annotations.values() for item in items] or batches[0].items
    masks = [item for item in masks if mc.coco.read(item.rle).any()]
    usual = [item for item in masks if item.shape == SHAPE]
    searches = search_times(setups, masks, max(options.repeats // 4, 1))
    steps = [step_times(setups[name], masks[:100], 5) for name in (KEEP, TOKENS)]
    steps = np.concatenate(steps)
    of_fills = fills(setups[KEEP], usual, options.repeats)
    asked = [
        Claim(f"painting {len(usual):,} masks of 480 x 640 over {FILL}", of_fills, MOST_FILLS, "x"),
        Claim(f"best, {len(masks):,} masks, mean", searches.mean(keepdims=True), MOST_SEARCH, "ms"),
        Claim(f"a step of a guide, {len(steps):,} steps", steps, MOST_STEP, "µs"),
        Claim("the slowest of these steps", steps.max(keepdims=True), WORST_STEP, "µs"),
    ]
    tables = [claims_table(asked), speeds]
    for table in tables[::-1]:
        table.show()
    print(f"best: median {number(np.median(searches))}, 99 % {number(np.quantile(searches, 0.99))}")
    if options.write:
        write_page("bench_scanlines", page(abouts, options.repeats, tables))
    return 0 if all(claim.holds for claim in asked) else 1


if __name__ == "__main__":
    sys.exit(main())
