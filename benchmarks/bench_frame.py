"""How fast the box frame is, beside the canvas: masks to ids, ids to regions, regions to masks.

Takes COCO annotations (.json) and files of one JSON object a line with a "label" and a COCO RLE as
"segmentation", as GSEval has them (.jsonl); without any, masks are generated only. Every result is
checked before it is timed. Calls are timed in turns, one inner loop each; a ratio is the median of
the turns' ratios. The exit code is 1 where a limit is missed or a result is wrong.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import maskcodec as mc
from _cocotasks import generated_batches, read
from _common import Table, measure, number, paragraph, versions, write_section
from _frametasks import (
    BEST,
    BOX,
    CACHED,
    CANVAS,
    CODECS,
    COPIES,
    COUNT,
    FEW,
    OF_PIXELS,
    OF_RUNS,
    READING,
    WITHIN_LIMIT,
    all_tasks,
    make_setups,
    search_times,
)
from _tasks import check
from bench_coco import real_masks
from bench_codec import Claim, claims_table, speed_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from _cocotasks import Group
    from _common import Times
    from _frametasks import Searches

PACKAGES = "maskcodec", "numba", "numpy", "pycocotools", "tokenizers"
COMMAND = "python benchmarks/bench_frame.py ANNOTATIONS.json..."
RATIO, SEARCH = 2, 1.0  # times the canvas; milliseconds
SEARCH_NAME = '11 x 63, sampling="best"'
SEARCHED = {
    '11 x 63, sampling="keep"': CODECS[BOX],
    SEARCH_NAME: CODECS[BEST],
    '24 x 63, sampling="best"': mc.BSD(frame="box", sampling="best", grid=(24, 63)),
    '63 x 63, sampling="best"': mc.BSD(frame="box", sampling="best", grid=(63, 63)),
}


def claims(tasks: Sequence[Group], times: dict[str, Times], searches: Searches) -> list[Claim]:
    """What was asked for, and what was measured."""
    found = []
    for task in tasks:
        if not task.title.startswith((OF_RUNS, OF_PIXELS, CACHED)):
            continue
        for name, other in WITHIN_LIMIT:
            ratio = times[f"{task.title}: {name}"] / times[f"{task.title}: {other}"]
            found.append(Claim(f"{task.title}: {name} over the {other}", ratio, RATIO, "x"))
    best = searches[SEARCH_NAME]
    found.append(Claim(f"{SEARCH_NAME}: the slowest mask", best.max(keepdims=True), SEARCH, "ms"))
    return found


def searches_table(searches: Searches) -> Table:
    """What masks take, the mean and the slow ones."""
    table = Table(["ms", "mean", "median", "99 %", "largest"])
    rows = [
        (name, *map(number, (own.mean(), np.median(own), np.quantile(own, 0.99), own.max())))
        for name, own in searches.items()
    ]
    table.add("", rows)
    return table


def reading(tasks: Sequence[Group], times: dict[str, Times]) -> str:
    """What reading all pixels takes of a batch in the cache, in times of the whole canvas."""
    found = [
        np.median(times[f"{task.title}: {READING}"] / times[f"{task.title}: {CANVAS}"])
        for task in tasks
        if task.title.startswith(CACHED)
    ]
    return " and ".join(map(number, found))


def page(abouts: list[str], turns: int, tables: list[Table], count: int, share: str) -> str:
    """The section of docs/benchmarks.md."""
    verdicts, searches, speeds = (table.markdown() for table in tables)
    what = f"""
        {" ".join(abouts)} Every call ran in {turns} turns. In each turn all of them come once, so
        what counts are the ratios, each the median over the turns; the microseconds come from two
        shared cores and are for orientation."""
    codecs = """
        The canvas is `BSD()`: 64 x 64 cells by the nearest, the first of each task. The box is
        `BSD(frame="box")`: 11 x 63 cells at most, sampled by `keep`, for which it adds up all
        pixels of the mask; the canvas does so with `sampling="keep"`. Ids are those of Qwen's
        vocabulary with bricks and repeats."""
    pixels = f"""
        Microseconds are for one mask; of many, the mean. The canvas looks at 64 rows of pixels and
        the box at all of them, since it must find the mask first. "An animal" is one mask, which
        stays in the cache. {COUNT} masks are 61 MB; a batch of them is another copy each time, of
        {COPIES}, so that for both all comes from memory. A batch of {FEW} that was just there is
        the canvas's best case."""
    floor = f"""
        What a tight box takes, and the canvas does not, is to read every pixel. Of a batch in the
        cache that alone, as the C library's `memchr` does it to find nothing, takes {share} times
        what the canvas takes for all of its work (the last line of those tasks below)."""
    search = f"""
        `best` is a search, and takes longer the more cells there are and the more of them are
        worth a change. Of {count:,} masks, from compressed RLE to ids; a mask's time is the median
        of {turns} turns."""
    return f"""\
## The box frame

```sh
{COMMAND}
```

{paragraph(what)}

Every result was checked first: "equal" means the tokenizer's own ids, the regions that the text
says, or the mask that `Region.runs` has.

{paragraph(codecs)}

{paragraph(versions(PACKAGES))}

### What was asked for

{verdicts}

{paragraph(floor)}

### The best cells

{paragraph(search)}

{searches}

### Everything that was timed

{paragraph(pixels)}

{speeds}
"""


def main() -> int:
    """Time, print, and say whether the limits are kept."""
    parser = argparse.ArgumentParser(description=__doc__.replace("\n\n", "\n", 1))
    parser.add_argument("files", nargs="*", type=Path, metavar="ANNOTATIONS.json")
    parser.add_argument("--repeats", type=int, default=30, help="turns (default: %(default)s)")
    parser.add_argument("--write", action="store_true", help="refresh docs/benchmarks.md as well")
    options = parser.parse_args()
    if options.repeats < 1:
        parser.error("--repeats must be at least 1")
    try:
        annotations = {path.name: read(path) for path in options.files}
    except (OSError, ValueError, KeyError, TypeError) as error:
        print(f"bench_frame.py: these annotations cannot be read: {error!r}", file=sys.stderr)
        return 1

    abouts, real = real_masks(annotations)
    batches = [*real, *generated_batches()[:1]]
    abouts.append("Generated masks: the animal of `bench_codec.py`, and others like it.")
    print(paragraph(" ".join(abouts)))
    tasks = all_tasks(make_setups(), batches)
    check(tasks)
    calls = {task.key(call): call.run for task in tasks for call in task.calls}
    counts = {task.key(call): task.count for task in tasks for call in task.calls}
    times = measure(calls, options.repeats)
    for key, count in counts.items():
        times[key] /= count
    speeds, _ = speed_table(tasks, times)

    masks = [item for items in annotations.values() for item in items] or batches[0].items
    masks = [item for item in masks if mc.coco.read(item.rle).any()]
    searches = search_times(SEARCHED, masks, options.repeats)
    asked = claims(tasks, times, searches)
    share = reading(tasks, times)
    tables = [claims_table(asked), searches_table(searches), speeds]
    for table in tables[1:] + tables[:1]:
        table.show()
    if options.write:
        write_section("bench_frame", page(abouts, options.repeats, tables, len(masks), share))
    return 0 if all(claim.holds for claim in asked) else 1


if __name__ == "__main__":
    sys.exit(main())
