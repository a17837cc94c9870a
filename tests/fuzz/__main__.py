"""Runs a fuzzer for long: ``python -m tests.fuzz pickles --seed 0 --cases 10000``."""

from __future__ import annotations

import argparse
import time
import traceback
import warnings
from collections import Counter
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from tests.fuzz import TARGETS, FaultError, run_case

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status: 0, or 1 for a fault."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--seed", type=int, default=0, help="other cases for each; default 0")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--cases", type=int, default=10_000, help="how many; default 10000")
    length.add_argument("--seconds", type=float, help="how long to run, instead of --cases")
    length.add_argument("--case", type=int, help="run this one alone, and show where it fails")
    parser.add_argument(
        "--go-on", action="store_true", help="do not stop at a fault; count faults of each kind"
    )
    chosen = parser.parse_args(arguments)
    warnings.simplefilter("error")  # as the tests have it
    console = Console(highlight=False)
    with TemporaryDirectory(prefix="maskcodec-fuzz-") as folder:
        if chosen.case is not None:
            outcomes = run_case(chosen.target, chosen.seed, chosen.case, Path(folder))
            console.print(*outcomes, sep="\n", markup=False)
            return 0
        return _run(chosen, Path(folder), console)


def _run(chosen: argparse.Namespace, folder: Path, console: Console) -> int:
    """Run many cases, and print what came out."""
    numbers = range(chosen.cases) if chosen.seconds is None else _for(chosen.seconds)
    outcomes: Counter[str] = Counter()
    faults: dict[str, list[FaultError]] = {}
    slowest = 0.0, 0
    began = time.perf_counter()
    total = 0
    for number in _shown(numbers, console):
        total += 1
        start = time.perf_counter()
        try:
            outcomes.update(run_case(chosen.target, chosen.seed, number, folder))
        except FaultError as fault:
            faults.setdefault(_place(fault), []).append(fault)
            if not chosen.go_on:
                break
        slowest = max(slowest, (time.perf_counter() - start, number))
    seconds = time.perf_counter() - began
    table = Table("outcome", "times", box=None)
    for outcome, times in outcomes.most_common():
        table.add_row(outcome, f"{times:,}")
    console.print(table)
    console.print(
        f"{total:,} cases in {seconds:.0f} s, {total / max(seconds, 1e-9):,.0f} a second; "
        f"the slowest is case {slowest[1]} with {slowest[0]:.2f} s"
    )
    for place, found in faults.items():
        console.print(f"{len(found)} faults at {place}, the first of them:", markup=False)
        console.print(str(found[0]), markup=False, soft_wrap=True)
    return 1 if faults else 0


def _for(seconds: float) -> Iterator[int]:
    end = time.monotonic() + seconds
    for number in count():
        if time.monotonic() > end:
            return
        yield number


def _shown(numbers: Iterable[int], console: Console) -> Iterator[int]:
    columns = TextColumn("case"), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=console, transient=True) as progress:
        total = len(numbers) if isinstance(numbers, range) else None
        yield from progress.track(numbers, total=total)


def _place(fault: FaultError) -> str:
    """Where a fault was raised: the same for all faults of one kind, in most cases."""
    cause = fault.__cause__
    last = traceback.extract_tb(cause.__traceback__)[-1]
    return f"{last.filename.rpartition('/')[2]}:{last.lineno} ({type(cause).__name__})"


if __name__ == "__main__":
    raise SystemExit(main())
