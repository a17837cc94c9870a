"""What came of all runs: tables of their figures, in words and in files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeAlias

from _common import Table
from _learnplot import curves, pictures

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

Results: TypeAlias = dict[str, list[dict[str, Any]]]


def results(names: Iterable[str], out: Path) -> Results:
    """What is known of all runs, by setting."""
    found: Results = {}
    for name in names:
        for path in sorted(out.glob(f"{name}-[0-9]*/result.json")):
            found.setdefault(name, []).append(json.loads(path.read_text(encoding="utf-8")))
    return found


def tables(found: Results) -> dict[str, Table]:
    """The figures of the runs that are done, by what they were asked: means over the seeds."""
    columns = [
        *("format", "runs", "cIoU", "gIoU", "of at most", "Acc@0.5"),
        *("exact", "valid, free", "valid, guided", "tokens", "ms a mask", "s a step"),
    ]
    made: dict[str, Table] = {}
    for name, runs in found.items():
        whole = [run for run in runs if "asked" in run]
        for split in whole[0]["asked"] if whole else ():
            table = made.setdefault(split, Table(columns))
            table.add("", [_line(name, whole, split)])
    return made


def _line(name: str, runs: list[dict[str, Any]], split: str) -> list[str]:
    asked = [run["asked"][split] for run in runs]
    best = [one.get("guided", one["free"]) for one in asked]

    def share(key: str) -> str:
        values = [one[key] for one in best]
        return " / ".join(f"{value:.3f}" for value in values)

    def count(way: str, key: str) -> str:
        values = [f"{one[way][key]} of {one[way]['asked']}" for one in asked if way in one]
        return " / ".join(values) or "no guide"

    way = "guided" if "guided" in asked[0] else "free"
    return [
        *(name, str(len(runs)), share("ciou"), share("giou"), f"{best[0]['best']:.3f}"),
        *(share("accuracy"), count(way, "exact"), count("free", "valid")),
        *(count("guided", "valid"), " / ".join(f"{one['ids']:.0f}" for one in best)),
        " / ".join(f"{1000 * one['seconds']:.0f}" for one in best),
        " / ".join(f"{run['seconds'] / max(1, run['step']):.3f}" for run in runs),
    ]


def report(codecs: Mapping[str, Any], out: Path, folder: Path, shown: int) -> Results:
    """Print the tables, and write them into a folder, with the curves and the predictions.

    Parameters
    ----------
    codecs
        By the setting's name.
    out
        Where the runs are, and the scenes that they were asked about.
    folder
        Where to write.
    shown
        How many scenes the predictions are drawn of.

    Returns
    -------
    By the setting's name, what `learn_shapes.learn` returned for each of its runs.
    """
    found = results(codecs, out)
    folder.mkdir(parents=True, exist_ok=True)
    parts = []
    for split, table in tables(found).items():
        print(f"asked about images that are {split}:", flush=True)
        table.show()
        parts.append(f"### {split}\n\n{table.markdown()}\n")
    parts += [
        f"{name}, seed {run['seed']}: not done, step {run['step']} of {run['steps']}."
        for name, runs in found.items()
        for run in runs
        if "asked" not in run
    ]
    (folder / "tables.md").write_text("\n".join(parts), encoding="utf-8")
    (folder / "results.json").write_text(json.dumps(found), encoding="utf-8")
    curves(found, folder / "curves.png")
    pictures(codecs, found, out / "scenes", shown, folder)
    return found
