"""How fast COCO's annotations become token ids, and regions COCO's annotations.

Beside pycocotools and hotcoco, which see all pixels on the way. Takes COCO annotations (.json)
and files of one JSON object a line with a "label" and a COCO RLE as "segmentation", as GSEval has
them (.jsonl); without any, masks are generated only. Every result is checked before it is timed.
Calls are timed in turns, one inner loop each; a ratio is the median of the turns' ratios. The exit
code is 1 where a limit is missed or a result is wrong.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import maskcodec as mc
from _cocotasks import (
    CHAIN,
    DECODE,
    ENCODE,
    GROWN,
    MOST,
    OURS,
    SIZES,
    TO_IDS,
    TO_RLE,
    Batch,
    all_tasks,
    encoded,
    generated_batches,
    growing,
    read,
    real_batches,
    scaled,
    size_name,
    some,
)
from _common import Table, measure, middle, number, paragraph, versions, write_page
from _idtasks import make_setup
from _tasks import GRID, LABEL, SHAPE, check
from bench_codec import Claim, claims_table, speed_table

if TYPE_CHECKING:
    import numpy.typing as npt

    from _cocotasks import Annotation, Group
    from _common import Times

    Mask = npt.NDArray[np.uint8]

PACKAGES = "maskcodec", "numba", "numpy", "pillow", "pycocotools", "hotcoco", "tokenizers"
COMMAND = "python benchmarks/bench_coco.py ANNOTATIONS.json..."
SEEN = DECODE.format("pycocotools")
SAME = "{}, no more runs"  # the name of a size


def spread_out(mask: Mask, size: tuple[int, int]) -> Mask:
    """A mask of more pixels, of which only those columns are set that there were before.

    It has as many runs, and as these are the columns that cells look at, it has the same cells.
    """
    wide = np.zeros(size, np.uint8)
    wide[:, :: size[1] // mask.shape[1]] = scaled(mask, (size[0], mask.shape[1]))
    return wide


def grown(masks: list[Mask], labels: list[str]) -> list[Batch]:
    """Masks of 480 x 640 pixels, larger ones with more runs, and larger ones with as many."""
    ways = [(size_name(size), scaled, size) for size in SIZES]
    ways += [(SAME.format(size_name(size)), spread_out, size) for size in SIZES[1:]]
    return [
        Batch(
            title,
            [encoded(make(mask, size), label) for mask, label in zip(masks, labels, strict=True)],
        )
        for title, make, size in ways
    ]


def all_grown(real: list[Batch]) -> dict[str, list[Batch]]:
    """A blob, which has few runs, one of many, and real annotations."""
    ys, xs = np.mgrid[: SHAPE[0], : SHAPE[1]]
    blob = ((ys - 240) / 180) ** 2 + ((xs - 320) / 240) ** 2 < 1
    found = {
        "a blob": grown([blob.view(np.uint8)], [LABEL]),
        "a blob in stripes": grown([(blob & (ys // 20 % 2 == 0)).view(np.uint8)], [LABEL]),
    }
    wide = [item for batch in real for item in batch.items if item.shape == SHAPE]
    if not wide:
        return found
    chosen = some(wide, GROWN)
    masks = [mc.coco.read(item.rle).mask() for item in chosen]
    return {f"real, {len(masks)} annotations": grown(masks, [a.label for a in chosen]), **found}


def real_masks(annotations: dict[str, list[Annotation]]) -> tuple[list[str], list[Batch]]:
    """What real masks there are, in words and in batches; those that leave no cell are left out."""
    given = [item for items in annotations.values() for item in items]
    if not given:
        return [], []
    kept = [item for item in given if mc.coco.read(item.rle).cells(GRID).any()]
    batches = real_batches(kept)
    files = ", ".join(f"{len(items):,} of `{name}`" for name, items in annotations.items())
    about = f"""Real masks: {files}, without {len(given) - len(kept):,} of which no cell is left,
        for ours and the others alike."""
    for batch in batches:
        runs = [len(mc.coco.read(rle).counts) for rle in batch.rles]
        title = batch.title.removeprefix("real, ").capitalize()
        about += f" {title}: {len(runs):,} of them"
        about += f" ({MOST:,} at most, evenly spread)" if len(runs) == MOST else ""
        about += f", {np.median(runs):,.0f} runs in the median, {batch.runs:,.0f} in the mean."
    return [about], batches


def growth(batches: dict[str, list[Batch]], times: dict[str, Times]) -> Table:
    """What it takes to get from a few pixels to many."""
    table = Table(
        ["", "runs", "ours, µs", "a run, ns", "pycocotools.decode, µs", "a pixel, ns", "over ours"]
    )
    for name, sizes in batches.items():
        rows = []
        for batch in sizes:
            ours, theirs = (times[f"{name}: {batch.title}: {who}"] for who in (OURS, SEEN))
            height, width = batch.sizes[0]
            rows.append(
                (
                    batch.title,
                    f"{batch.runs:,.0f}",
                    middle(ours),
                    middle(ours / batch.runs * 1e3),
                    middle(theirs),
                    middle(theirs / (height * width) * 1e3),
                    middle(theirs / ours),
                )
            )
        table.add(name, rows)
    return table


def claims(
    tasks: list[Group], times: dict[str, Times], batches: dict[str, list[Batch]]
) -> list[Claim]:
    """What was asked for, and what was measured."""
    found = []
    for task in tasks:
        kind, _, whose = task.title.partition(": ")
        asked = []
        if kind == TO_IDS:
            asked.append((CHAIN.format("pycocotools"), "to ids, the chain of pycocotools", 15))
            if size_name(SHAPE) in whose:
                asked.append((SEEN, f"to ids, {SEEN}", 8))
        elif kind == TO_RLE:
            asked.append((ENCODE.format("pycocotools"), "to RLE, painting and encode", 8))
        ours = times[f"{task.title}: {OURS}"]
        found += [
            Claim(
                f"{whose}: {what} over ours",
                times[f"{task.title}: {who}"] / ours,
                limit,
                "x",
                at_least=True,
            )
            for who, what, limit in asked
        ]
    small, large = size_name(SIZES[0]), size_name(SIZES[-1])
    for name, sizes in batches.items():
        runs = {batch.title: batch.runs for batch in sizes}
        ours = {title: times[f"{name}: {title}: {OURS}"] for title in runs}
        kept = SAME.format(large)
        more = runs[large] / runs[small]
        found += [
            Claim(f"{name}: ours at {kept}, over {small}", ours[kept] / ours[small], 1.5, "x"),
            Claim(
                f"{name}: ours at {large}, {number(more)} times the runs, over {small}",
                ours[large] / ours[small],
                more,
                "x",
            ),
        ]
    return found


def page(abouts: list[str], turns: int, tables: list[Table], faster: list[str]) -> str:
    """The page in docs/benchmarks."""
    verdicts, speeds, sizes = (table.markdown() for table in tables)
    losses = "\n".join(f"- {line}" for line in faster) or "Nothing that was measured here."
    what = f"""
        {" ".join(abouts)} Every call ran in {turns} turns. In each turn all of them come once, so
        what counts are the ratios, each the median over the turns; the microseconds come from two
        shared cores and are for orientation."""
    return f"""\
# COCO's annotations

```sh
{COMMAND}
```

{paragraph(what)}

Every result was checked first: "equal" means the tokenizer's own ids, the painted mask or its
cells, or run lengths to the byte. Ids are those of Qwen's vocabulary with bricks, at 64 x 64 cells.

Real masks "480 x 640" are of images of 640 x 480 as well. Labels are the files' own.

The chain is as fast as we could make it. pycocotools decodes in Fortran order, which Pillow would
have to reorder pixel by pixel ("given its order"): so the mask is turned, which costs nothing,
Pillow resizes it where it lies, and the 64 x 64 cells are turned back. Behind that stand
`BSD.encode` and the `encode` of tokenizers. Regions are painted turned as well, into memory that
is there, which gives pycocotools the order that it encodes in. A label that comes again is
remembered by ours; "never seen before" has a new one each time.

{paragraph(versions(PACKAGES))}

## What was asked for

{verdicts}

## Everything that was timed

Microseconds are for one annotation; of many, the mean.

{speeds}

## Where others are faster

{losses}

What a decoder alone returns is a mask: it still has to become cells and ids.

## Runs and pixels

Compressed RLE to ids again, of masks that grow from 480 x 640 pixels. Scaled masks have more runs
because they have more columns. With "no more runs" only those columns are set that there were
before, far between: as many runs, the same cells and ids, 27 times the pixels. Nanoseconds a run
fall with their number, because they hold what every call takes, however few runs there are.

{sizes}
"""


def main() -> int:
    """Time, print, and say whether the limits are kept."""
    parser = argparse.ArgumentParser(description=__doc__.replace("\n\n", "\n", 1))
    parser.add_argument("files", nargs="*", type=Path, metavar="ANNOTATIONS.json")
    parser.add_argument("--repeats", type=int, default=30, help="turns (default: %(default)s)")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks as well")
    options = parser.parse_args()
    if options.repeats < 1:
        parser.error("--repeats must be at least 1")
    try:
        annotations = {path.name: read(path) for path in options.files}
    except (OSError, ValueError, KeyError, TypeError) as error:
        print(f"bench_coco.py: these annotations cannot be read: {error!r}", file=sys.stderr)
        return 1

    setup = make_setup()
    abouts, real = real_masks(annotations)
    batches = [*real, *generated_batches()]
    abouts.append(
        f"Generated masks: the animal of `bench_codec.py`, {batches[-2].runs:,.0f} runs at "
        f"{size_name(SIZES[0])} pixels and {batches[-1].runs:,.0f} at {size_name(SIZES[-1])}."
    )
    print(paragraph(" ".join(abouts)))
    tasks = all_tasks(setup, batches)
    growths = all_grown(real)
    growing_tasks = {
        name: [growing(setup, batch, sizes[0]) for batch in sizes]
        for name, sizes in growths.items()
    }
    check([*tasks, *(task for each in growing_tasks.values() for task in each)])
    calls = {task.key(call): call.run for task in tasks for call in task.calls}
    counts = {task.key(call): task.count for task in tasks for call in task.calls}
    for name, each in growing_tasks.items():
        for task in each:
            for call in task.calls:
                calls[f"{name}: {task.key(call)}"] = call.run
                counts[f"{name}: {task.key(call)}"] = task.count
    times = measure(calls, options.repeats)
    for key, count in counts.items():
        times[key] /= count

    speeds, faster = speed_table(tasks, times)
    asked = claims(tasks, times, growths)
    tables = [claims_table(asked), speeds, growth(growths, times)]
    for table in tables[1:] + tables[:1]:
        table.show()
    if options.write:
        write_page("bench_coco", page(abouts, options.repeats, tables, faster))
    return 0 if all(claim.holds for claim in asked) else 1


if __name__ == "__main__":
    sys.exit(main())
