"""How fast the codecs are, beside COCO libraries, plain NumPy and the released scripts' algorithm.

Every result is checked before it is timed: texts are compared with each other, rivals' strings
by what they decode to. All calls are timed in turns, one inner loop each, so that a noisy
neighbour slows all of them alike; a ratio is the median of the turns' ratios. The exit code is 1
where a claim does not hold or a result is wrong.
"""

from __future__ import annotations

import argparse
import re
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console
from rich.progress import Progress

import _startup
import maskcodec as mc
from _common import Table, measure, middle, number, paragraph, spread, versions, write_page
from _tasks import (
    BSD,
    FILL,
    GRID,
    LABEL,
    NAIVE_BSD,
    NAIVE_RRLE,
    PAINT,
    RRLE,
    SHAPE,
    TEXT4SEG,
    TO_BSD,
    TO_CELLS,
    TO_PIXELS,
    TO_RRLE,
    Task,
    all_tasks,
    animal,
    check,
)

if TYPE_CHECKING:
    from _common import Times

PACKAGES = "maskcodec", "numba", "numpy", "pillow", "pycocotools", "hotcoco", "supervision"
COMMAND = "python benchmarks/bench_codec.py"
BRICK = re.compile("<[fb]g[0-9]+>")


@dataclass
class Claim:
    """A number that must not pass a limit; what counts is the median over all turns."""

    text: str
    values: Times
    limit: float
    unit: str
    at_least: bool = False
    means: str = ""  # for a user, where it does not hold

    @property
    def holds(self) -> bool:
        """Whether the median keeps to the limit."""
        median = float(np.median(self.values))
        return median >= self.limit if self.at_least else median <= self.limit


def speed_table(tasks: list[Task], times: dict[str, Times]) -> tuple[Table, list[str]]:
    """The table, and a line for every rival that was faster than the first of its task."""
    table = Table(["", "µs, median", "10 .. 90 %", "times the first", "result"])
    faster = []
    for task in tasks:
        first = times[task.key(task.calls[0])]
        rows = []
        for call in task.calls:
            own = times[task.key(call)]
            ratio = float(np.median(own / first))
            verdict = "equal"
            if call.is_rival and ratio < 1:
                verdict = "equal, faster"
                faster.append(f"{task.title}: {call.who} takes {number(ratio)} of our time")
            rows.append((call.who, middle(own), spread(own), number(ratio), verdict))
        table.add(task.title, rows)
    return table, faster


def speed_claims(times: dict[str, Times], bricks: int) -> list[Claim]:
    """The claims about calls."""
    twin = times[f"{TO_RRLE}: {NAIVE_RRLE}"]
    to_bsd = times[f"{TO_BSD}: {NAIVE_BSD}"] / times[f"{TO_BSD}: {BSD}"]
    to_rrle = twin / times[f"{TO_RRLE}: {RRLE}"]
    to_text4seg = twin / times[f"{TO_RRLE}: {TEXT4SEG}"]
    paint = times[f"{TO_PIXELS}: {PAINT}"] / times[f"{TO_PIXELS}: {FILL}"]
    to_cells = times[f"{TO_CELLS}: {BSD}"]
    return [
        Claim("mask to B-SD text: naive twin over ours", to_bsd, 60, "x", at_least=True),
        Claim("mask to R-RLE text: naive twin over ours", to_rrle, 40, "x", at_least=True),
        Claim("the same in dialect text4seg", to_text4seg, 40, "x", at_least=True),
        Claim("cells to a mask with out=: ours over out.fill(1)", paint, 3, "x"),
        Claim(f"B-SD text of {bricks} bricks to cells", to_cells, 30, "µs"),
    ]


def startup(repeats: int, cold: int) -> tuple[Table, Claim]:
    """Imports and first calls in fresh processes."""
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("fresh processes", total=repeats + cold)

        def tick() -> None:
            progress.advance(bar)

        numpy, maskcodec = _startup.import_times(("numpy", "maskcodec"), repeats, tick)
        caches = _startup.first_calls(cold, tick)
    table = Table(["", "ms, median", "10 .. 90 %", "processes"])
    rows = [
        ("import numpy", middle(numpy), spread(numpy), str(repeats)),
        ("import maskcodec", middle(maskcodec), spread(maskcodec), str(repeats)),
    ]
    for cache, times in zip(("cold", "warm"), caches, strict=True):
        for what, own in zip(("encode", "decode", "mask"), times.T, strict=True):
            name = f"first {what}, {cache} Numba cache"
            rows.append((name, middle(own), spread(own), str(cold)))
    table.add("", rows)
    return table, Claim("import maskcodec beyond import numpy", maskcodec - numpy, 60, "ms")


def claims_table(claims: list[Claim]) -> Table:
    """Pass or fail."""
    table = Table(["", "measured", "10 .. 90 %", "must be", "verdict"])
    rows = []
    for claim in claims:
        limit = f"{'at least' if claim.at_least else 'at most'} {number(claim.limit)} {claim.unit}"
        verdict = "pass" if claim.holds else "FAIL"
        measured = f"{middle(claim.values)} {claim.unit}"
        rows.append((claim.text, measured, spread(claim.values), limit, verdict))
    table.add("", rows)
    return table


def misses(claims: list[Claim]) -> str:
    """What the claims that do not hold mean for a user: a paragraph each, to go below the table."""
    said = dict.fromkeys(claim.means for claim in claims if not claim.holds)
    return "\n\n".join(paragraph(f"**FAIL** means: {means}") for means in said)


def page(about: str, turns: int, tables: list[Table], faster: list[str]) -> str:
    """The page in docs/benchmarks."""
    what = f"""
        {about} Every call ran in {turns} turns. In each turn all of them come once, so what
        counts are the ratios, each the median over the turns; the microseconds come from two
        shared cores and are for orientation."""
    losses = "\n".join(f"- {line}" for line in faster) or "Nothing that was measured here."
    verdicts, speeds, starts = (table.markdown() for table in tables)
    return f"""\
# Speed

```sh
{COMMAND}
```

{paragraph(what)}

Every result was checked first: "equal" means the expected text or mask, and for a rival's own
string that it decodes to the mask it was made from. The rivals get their masks in Fortran order,
their fastest. The naive twin goes the way of the released Text4Seg scripts
(`benchmarks/naive.py`), NumPy is `benchmarks/vectorised.py`. Numba is warm except where it says
"cold".

{paragraph(versions(PACKAGES))}

## What must hold

A mask has 480 x 640 pixels and becomes 64 x 64 cells. The numbers are this mask's: in a smaller
box the B-SD twin has fewer cells to go through and comes nearer, and painting takes longer the more
cells are set.

{verdicts}

## Everything that was timed

{speeds}

## Where others are faster

{losses}

COCO run lengths are made for storage: one mask, no label. Where masks are to be stored, use one of
these libraries. Ours is text for a language model to read and write, one brick a token, with label
and box, and reading it checks every byte.

## A fresh process

{starts}

The first encode imports Numba, and Numba imports SciPy where it is installed, as it is here on
behalf of supervision: without SciPy it is faster.
"""


def main() -> int:
    """Time, print, and say whether the claims hold."""
    parser = argparse.ArgumentParser(description=__doc__.replace("\n\n", "\n", 1))
    parser.add_argument("--repeats", type=int, default=30, help="turns (default: %(default)s)")
    parser.add_argument(
        "--cold", type=int, default=5, help="cold Numba caches, 10 s each (default: %(default)s)"
    )
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks as well")
    options = parser.parse_args()
    if min(options.repeats, options.cold) < 1:
        parser.error("--repeats and --cold must be at least 1")

    mask = animal()
    text = mc.BSD(grid=GRID).encode(mask, LABEL)
    bricks = len(BRICK.findall(text))
    about = (
        f"One mask, an animal drawn from ellipses: {SHAPE[0]} x {SHAPE[1]} pixels, "
        f"{mask.mean():.0%} of them set, {bricks} bricks and {len(text)} characters of B-SD text "
        f"at {GRID} x {GRID} cells."
    )
    print(paragraph(about))
    tasks = all_tasks(mask)
    check(tasks)
    times = measure({task.key(c): c.run for task in tasks for c in task.calls}, options.repeats)
    speeds, faster = speed_table(tasks, times)
    starts, import_claim = startup(options.repeats, options.cold)
    claims = [*speed_claims(times, bricks), import_claim]
    verdicts = claims_table(claims)
    for table in (speeds, starts, verdicts):
        table.show()
    if options.write:
        tables = [verdicts, speeds, starts]
        write_page("bench_codec", page(about, options.repeats, tables, faster))
    return 0 if all(claim.holds for claim in claims) else 1


if __name__ == "__main__":
    sys.exit(main())
