"""What the benchmark scripts share: timing in turns, a table, a page of docs/benchmarks."""

from __future__ import annotations

import gc
import platform
import textwrap
import time
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table as RichTable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    import numpy.typing as npt

    Times = npt.NDArray[np.float64]

INNER_SECONDS = 0.02  # how long one measurement loops: shorter, and cold caches show
DOCS = Path(__file__).resolve().parents[1] / "docs"


def measure(calls: Mapping[str, Callable[[], Any]], repeats: int) -> dict[str, Times]:
    """Time some calls in turns, so that a noisy neighbour slows all of them alike.

    Returns
    -------
    For every call, float64 (repeats,): microseconds, the mean of one inner loop each.
    """
    loops = {name: _loops(call) for name, call in calls.items()}
    times = {name: np.empty(repeats) for name in calls}
    gc.collect()
    gc.disable()
    try:
        for turn in range(repeats):
            for name, call in calls.items():
                times[name][turn] = _loop(call, loops[name]) / loops[name] * 1e6
    finally:
        gc.enable()
    return times


def _loops(call: Callable[[], Any]) -> int:
    """How many calls take `INNER_SECONDS`, after one that warms up."""
    call()
    count = 1
    while (seconds := _loop(call, count)) < INNER_SECONDS / 2:
        count *= 2
    return max(1, round(count * INNER_SECONDS / seconds))


def _loop(call: Callable[[], Any], count: int) -> float:
    start = time.perf_counter()
    for _ in range(count):
        call()
    return time.perf_counter() - start


def number(value: float) -> str:
    """Three digits, or all of those before the point."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def middle(values: Times) -> str:
    """The median."""
    return number(float(np.median(values)))


def spread(values: Times) -> str:
    """From the 10 % to the 90 % quantile."""
    low, high = np.quantile(values, [0.1, 0.9])
    return f"{number(low)} .. {number(high)}"


@dataclass
class Table:
    """Rows of text in sections, for a terminal or for a page."""

    columns: Sequence[str]
    sections: list[tuple[str, list[Sequence[str]]]] = field(default_factory=list)

    def add(self, title: str, rows: list[Sequence[str]]) -> None:
        """Add a section; without a title it is rows and nothing else."""
        self.sections.append((title, rows))

    def show(self) -> None:
        """Print it, as wide as it needs to be where the output is no terminal."""
        table = RichTable(*self.columns)
        for column in table.columns[1:]:
            column.justify = "right"
        for title, rows in self.sections:
            if title:
                table.add_row(f"[bold]{escape(title)}[/bold]")
            for row in rows:
                table.add_row(*map(escape, row))
            table.add_section()
        console = Console()
        if not console.is_terminal:
            console.width = 140
        console.print(table)

    def markdown(self) -> str:
        """The same as a table of a Markdown page."""
        rule = ["---", *["---:"] * (len(self.columns) - 1)]
        lines: list[Sequence[str]] = [self.columns, rule]
        for title, rows in self.sections:
            if title:
                lines.append([f"**{title}**", *[""] * (len(self.columns) - 1)])
            lines.extend(rows)
        return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def versions(packages: Sequence[str]) -> str:
    """Python's and some packages' versions, those installed, as a sentence."""
    found = [f"Python {platform.python_version()}"]
    for package in packages:
        try:
            found.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            continue
    return ", ".join(found) + "."


def paragraph(text: str) -> str:
    """Running text in lines as long as the page's others."""
    return textwrap.fill(" ".join(text.split()), 99, break_on_hyphens=False)


def write_page(name: str, text: str) -> None:
    """Write one script's page, which docs/benchmarks.md sums up by hand."""
    (DOCS / "benchmarks" / f"{name}.md").write_text(f"{text.strip()}\n", encoding="utf-8")
