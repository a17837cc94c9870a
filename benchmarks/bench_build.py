"""How fast annotations become training rows, and what takes the time.

A COCO file is generated, and built once in this process and once by two workers. Before that, each
step of the way is timed by itself, on parts of the same samples, by turns: reading, making rows,
and writing JSON, beside parsing the file with the standard library and nothing else. The rows of
all runs must be equal.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

import maskcodec as mc
from _common import Table, middle, paragraph, spread, versions, write_page
from generate_coco import CROWDED, parts
from maskcodec.coco import read
from maskcodec.data.build import build
from maskcodec.data.formats import file_bytes, trainer_rows
from maskcodec.data.rows import RowMaker
from maskcodec.data.sources.coco import Coco

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    import numpy.typing as npt

    from maskcodec.data.sample import Sample

    Times = npt.NDArray[np.float64]

PACKAGES = "maskcodec", "numba", "numpy", "pycocotools"
COMMAND = "python benchmarks/bench_build.py"
FORMAT = "ms-swift"
SHARD = 250  # rows: enough shards for two workers, and nothing is gained by larger ones
TURNS = 20  # parts of the samples that the steps are timed on
READ, SHAPES, ROWS, WRITE = (
    "reading: our source, record by record",
    "of the rows, reading masks: polygons and run lengths",
    "rows: questions, and masks as B-SD text",
    "writing: the trainer's rows as JSON lines",
)
PARSE = "parsing the same JSON by `json.loads`, nothing else"


class Whole(Coco):
    """A COCO file, as if its objects were all that an image shows: a row has all of them."""

    def _sample(self, sample: Sample, image: dict[str, Any], where: str) -> Sample:
        return replace(super()._sample(sample, image, where), complete=True)


class Run(NamedTuple):
    """A run of `build`: processes, seconds, rows, and a digest of what it wrote."""

    workers: int
    seconds: float
    rows: int
    digest: str


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds, and what came of it."""
    began = time.perf_counter()
    found = call()
    return time.perf_counter() - began, found


def steps(path: Path, maker: RowMaker) -> dict[str, Times]:
    """Microseconds an annotation of each step, one for each part of the samples."""
    source: Any = Whole(path)
    document = json.loads(path.read_text(encoding="utf-8"))
    size = len(source) // TURNS
    for k in range(min(size, 50)):  # whatever is compiled, is compiled now
        maker(source[k])
    times: dict[str, list[float]] = {name: [] for name in (PARSE, READ, SHAPES, ROWS, WRITE)}
    for turn in range(TURNS):
        which = range(turn * size, (turn + 1) * size)
        first = which[0] * CROWDED
        text = json.dumps(document["annotations"][first : first + size * CROWDED])
        seconds = {PARSE: timed(lambda: json.loads(text))[0]}  # noqa: B023, called at once
        seconds[READ], samples = timed(lambda: [source[k] for k in which])  # noqa: B023
        seconds[SHAPES], _ = timed(lambda: masks(samples))  # noqa: B023
        seconds[ROWS], made = timed(lambda: [maker(one) for one in samples])  # noqa: B023
        seconds[WRITE], _ = timed(lambda: written(made))  # noqa: B023
        for name, value in seconds.items():
            times[name].append(value / (size * CROWDED) * 1e6)
    return {name: np.array(values) for name, values in times.items()}


def masks(samples: Iterable[Sample]) -> None:
    """Read the segmentations, as making a row does."""
    for one in samples:
        for instance in one.instances:
            read(instance.segmentation, shape=one.shape)


def written(made: Iterable[Any]) -> bytes:
    """A file of what was made."""
    rows = [row for one in made for each in one.rows for row in trainer_rows(each, FORMAT)]
    return file_bytes(rows, FORMAT, "jsonl")


def run(path: Path, maker: RowMaker, workers: int) -> Run:
    """Build the file's rows."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "rows"
        source = Whole(path)
        report = build(source, out, rows=maker, format=FORMAT, workers=workers, shard_size=SHARD)
        digest = sha256()
        for file in sorted((out / "train").iterdir()):
            digest.update(file.read_bytes())
        return Run(workers, report.seconds, report.made, digest.hexdigest())


def step_table(times: dict[str, Times]) -> Table:
    """What takes the time."""
    whole = times[READ] + times[ROWS] + times[WRITE]
    table = Table(["", "µs an annotation", "10 .. 90 %", "share"])
    table.add(
        "",
        [
            (name, middle(values), spread(values), middle(values / whole * 100) + " %")
            for name, values in {**times, "reading, rows and writing": whole}.items()
        ],
    )
    return table


def run_table(runs: list[Run]) -> Table:
    """Rows a second of whole runs."""
    table = Table(["workers", "seconds", "rows a second", "a worker", "faster than one", "rows"])
    alone = next(one for one in runs if one.workers == 1)
    table.add(
        "",
        [
            (
                str(one.workers),
                f"{one.seconds:.1f}",
                f"{one.rows / one.seconds:,.0f}",
                f"{one.rows / one.seconds / one.workers:,.0f}",
                f"{alone.seconds / one.seconds:.2f} x",
                "equal" if one.digest == alone.digest else "DIFFERENT",
            )
            for one in runs
        ],
    )
    return table


def main() -> int:
    """Measure, print, and write the section if that is asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--annotations", type=int, default=100_000, help="(default: %(default)s)")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks as well")
    options = parser.parse_args()
    if options.annotations < TURNS * CROWDED:
        parser.error(f"--annotations must be at least {TURNS * CROWDED}")
    maker = RowMaker(codec=mc.BSD(), whole=1.0, absent=0.0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "generated.json"
        with path.open("w", encoding="utf-8") as file:
            file.writelines(parts(options.annotations))
        times = steps(path, maker)
        runs = [run(path, maker, workers) for workers in (1, 2)]
    about = paragraph(
        f"""{options.annotations:,} generated annotations, {CROWDED} to an image, seven of ten of
        them polygons; every image is a row that asks for all of its objects, as B-SD on 64 x 64
        cells, for {FORMAT}. A step is the median over {TURNS} parts of the file, each timed by
        itself. Runs begin with the compiler's warm cache, and those of several workers with
        starting them; each reads its own records. {os.cpu_count()} shared cores."""
    )
    tables = step_table(times), run_table(runs)
    for table in tables:
        table.show()
    if options.write:
        body = "\n\n".join(
            [
                "# Training rows",
                f"```sh\n{COMMAND}\n```",
                about,
                versions(PACKAGES),
                *(table.markdown() for table in tables),
            ]
        )
        write_page("bench_build", body)
    return int(len({one.digest for one in runs}) > 1)


if __name__ == "__main__":
    sys.exit(main())
