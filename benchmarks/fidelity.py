"""How much of real masks is left after the round trip through B-SD text.

Every instance goes from pixels to text and back, for each grid, each sampler and each way back.
Prints the share of instances of which no cell is left, the mean IoU, and the cumulative IoU (the
sum of the intersections over the sum of the unions); a lost instance counts with an IoU of 0.
Takes COCO annotations (.json) and files of one JSON object a line whose "segmentation" is a COCO
RLE, as GSEval has them (.jsonl).
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

import maskcodec as mc
from _annotations import read
from _common import Table, paragraph, versions, write_page
from maskcodec.cli.annotations import checked_claim
from maskcodec.cli.read import InputError
from maskcodec.files.images import MOST_CLAIMED

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    from maskcodec.cli.annotations import Instance

    Mask = npt.NDArray[np.uint8]

COMMAND = "python benchmarks/fidelity.py ANNOTATIONS.json..."
GRIDS = "16,32,48,64,80,128"
SAMPLERS = "nearest", "area", "keep"
METHODS = "nearest", "smooth"
LABEL = "object"


@dataclass
class Score:
    """What became of the instances so far."""

    lost: int = 0
    ious: float = 0.0
    intersection: int = 0
    union: int = 0

    def add(self, intersection: int, union: int) -> None:
        """One more instance, in pixels."""
        self.ious += intersection / union
        self.intersection += intersection
        self.union += union


def drawn(instances: Sequence[Instance]) -> Iterator[Mask]:
    """The masks, with a progress bar on stderr."""
    columns = [*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn()]
    console = Console(stderr=True)
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as progress:
        for instance in progress.track(instances, description="round trips"):
            checked_claim(instance.shape, instance.where, MOST_CLAIMED)
            yield instance.mask().mask()


class Trips:
    """Round trips through one codec, and their scores by the way back."""

    def __init__(self, grid: int, sampling: str) -> None:
        self.grid = grid
        self.sampling = sampling
        self.codec = mc.BSD(grid=grid, sampling=sampling)
        self.scores = {method: Score() for method in METHODS}

    def add(self, mask: Mask, area: int, out: Mask) -> None:
        """There and back again; `out` is scratch of the mask's shape, `area` its pixels set."""
        try:
            regions = self.codec.decode(self.codec.encode(mask, LABEL))
        except mc.LostMaskError:
            regions = []
        for method, score in self.scores.items():
            if not regions:
                score.lost += 1
                score.add(0, area)
                continue
            regions[0].mask(mask.shape, method=method, out=out)
            painted = np.count_nonzero(out.view(np.bool_))
            out &= mask
            both = np.count_nonzero(out.view(np.bool_))
            score.add(both, area + painted - both)


def measure(instances: Sequence[Instance], grids: Sequence[int]) -> tuple[list[Trips], int]:
    """All round trips of all instances, and how many of these have no pixel and are left out."""
    trips = [Trips(grid, sampling) for grid in grids for sampling in SAMPLERS]
    out = np.empty((1, 1), np.uint8)
    empty = 0
    for mask in drawn(instances):
        area = np.count_nonzero(mask)
        if area == 0:
            empty += 1
            continue
        if out.shape != mask.shape:
            out = np.empty(mask.shape, np.uint8)
        for trip in trips:
            trip.add(mask, area, out)
    return trips, empty


def table(trips: Sequence[Trips], count: int) -> Table:
    """A section for each grid, a row for each sampler."""
    columns = [f"{name}, {method}" for method in METHODS for name in ("mean IoU", "cIoU")]
    result = Table(["sampler", "lost", *columns])
    for grid in dict.fromkeys(trip.grid for trip in trips):
        rows = []
        for trip in trips:
            if trip.grid == grid:
                scores = trip.scores.values()
                lost = f"{trip.scores['nearest'].lost / count:.1%}"
                ious = [
                    f"{x:.3f}" for s in scores for x in (s.ious / count, s.intersection / s.union)
                ]
                rows.append((trip.sampling, lost, *ious))
        result.add(f"{grid} x {grid}", rows)
    return result


def page(about: str, result: Table) -> str:
    """The page in docs/benchmarks."""
    what = f"""
        What is left of real masks after the round trip from pixels to B-SD text and back. Text
        and cells say the same, so all of the loss is the grid's. {about}"""
    return f"""\
# Fidelity

```sh
{COMMAND}
```

{paragraph(what)}

A sampler makes cells of pixels: `nearest` is what the paper's data was made with, `area` sets a
cell that is at least half covered, `keep` is `area` but never loses a whole instance. The way back
is in the columns' heads: `nearest` paints cells as rectangles, `smooth` interpolates between them.
Lost are the instances of which no cell is left; they count with an IoU of 0. cIoU is the sum of
the intersections over the sum of the unions, which large objects dominate; the mean IoU weighs
every object alike, and small ones are what a coarse grid loses.

{versions(["maskcodec", "numpy", "pycocotools"])}

{result.markdown()}
"""


def grid_list(text: str) -> list[int]:
    """The argument of --grids."""
    try:
        grids = [int(part) for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"numbers with commas between, got {text!r}") from None
    if not all(1 <= grid <= 1024 for grid in grids):
        raise argparse.ArgumentTypeError(f"grids are 1 .. 1024, got {text!r}")
    return grids


def main() -> int:
    """Read, go all round trips, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="ANNOTATIONS.json")
    parser.add_argument(
        "--grids", type=grid_list, default=GRIDS, help="cells a side (default: %(default)s)"
    )
    parser.add_argument("--limit", type=int, help="stop after that many instances of each file")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks as well")
    options = parser.parse_args()
    if options.limit is not None and options.limit < 1:
        parser.error("--limit must be at least 1")

    try:
        by_file = [(path.name, read(path, options.limit)) for path in options.files]
        instances = [instance for _, found in by_file for instance in found]
        trips, empty = measure(instances, options.grids)
    except (InputError, OSError, UnicodeDecodeError) as error:
        print(f"fidelity.py: {error}", file=sys.stderr)
        return 1
    count = len(instances) - empty
    if count == 0:
        print("fidelity.py: no instance has a pixel set", file=sys.stderr)
        return 1
    files = " and ".join(f"{len(found):,} of `{name}`" for name, found in by_file)
    about = f"{count:,} instances: {files}" + (f", without {empty:,} empty ones" if empty else "")
    print(f"{about}.")
    result = table(trips, count)
    result.show()
    if options.write:
        write_page("fidelity", page(f"{about}.", result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
