"""The folder of a run: shards as they come, and the whole under its own name at the end.

Everything is written into ``OUT.partial``: what will be seen into ``rows``, what only the run needs
beside it. A shard is there when its counts are, which are written after its files, and each of them
appears at once. In the end ``rows`` gets the final name, in one step, and the rest goes. Until then
nothing is taken away, so that a run can be killed anywhere; without ``rows`` the rest is void.
"""

from __future__ import annotations

import json
import os
import shutil
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from maskcodec.data.formats import FormatName, Storage, dataset_card, dataset_info
from maskcodec.data.shards import Counts
from maskcodec.errors import BuildError

if TYPE_CHECKING:
    from pathlib import Path

    from maskcodec.codec import Codec
    from maskcodec.data.shards import Shard

_ROWS, _COUNTS, _SETTINGS = "rows", "shards", "settings.json"
_BROKEN, _REPORT, _INFO, _CARD = "broken.jsonl", "report.json", "dataset_info.json", "README.md"


@dataclass(slots=True)
class Folder:
    """Where a run writes.

    Parameters
    ----------
    out
        The folder's name in the end.
    format, storage
        Whose rows they are, and what kind of file holds them.
    """

    out: Path
    format: FormatName
    storage: Storage
    partial: Path = field(init=False)
    _rows: Path = field(init=False)
    _counts: Path = field(init=False)
    _shards: Path = field(init=False)

    def __post_init__(self) -> None:
        self.out = self.out.absolute()
        self.partial = partial_of(self.out)
        self._rows, self._counts = self.partial / _ROWS, self.partial / _COUNTS
        self._shards = self._counts if self._is_listed() else self._rows

    def begin(self, settings: dict[str, Any]) -> dict[int, Counts]:
        """Make the folder, or go on with one of equal settings: what its shards counted.

        Raises
        ------
        BuildError
            There is something under the final name, or the settings are others.
        """
        if not self._rows.exists():  # another run got the final name, and was killed then
            self._clear()
        if self.out.exists() and not (self.out.is_dir() and not any(self.out.iterdir())):
            raise BuildError(f"{self.out} is there already; remove it, or choose another folder")
        self._counts.mkdir(parents=True, exist_ok=True)
        if self._rows.exists():
            self._compare(settings)
        else:
            _write(self.partial / _SETTINGS, _json(settings))
            self._rows.mkdir()
        return {int(path.stem): _read_counts(path) for path in self._counts.glob("[0-9]*.json")}

    def write(self, shard: Shard) -> None:
        """A shard: its files, then its counts, which say that it is whole."""
        for split, data in shard.files.items():
            path = self._shards / split / f"{shard.number:05}.{self.storage}"
            path.parent.mkdir(exist_ok=True)
            _write(path, data)
        _write(self._counts / f"{shard.number:05}.json", _json(shard.counts.plain()))

    def finish(self, codec: Codec, counts: Counts, report: dict[str, Any]) -> None:
        """What belongs beside the rows, and the final name. All of it can be done again.

        Raises
        ------
        BuildError
            There is no row.
        """
        splits = sorted(split for split, rows in counts.rows.items() if rows)
        if not splits:
            reasons = [f", first {broken.where}: {broken.message}" for broken in counts.broken[:1]]
            raise BuildError(
                f"no row came of {counts.samples:,} samples; broken are {len(counts.broken):,}"
                f"{''.join(reasons)}"
            )
        saved = codec.save(self._counts)
        saved.replace(self._rows / saved.name)
        _write(self._rows / _SETTINGS, (self.partial / _SETTINGS).read_bytes())
        _write(self._rows / _REPORT, _json(report))
        lines = [json.dumps(broken._asdict()) + "\n" for broken in counts.broken]
        if lines:
            _write(self._rows / _BROKEN, "".join(lines).encode())
        if self.format == "llama-factory":
            _write(self._rows / _INFO, _json(dataset_info(self.out.name, splits)))
        if self._is_listed():
            for split in splits:
                self._list(split)
        else:
            _write(self._rows / _CARD, dataset_card(self.format).encode())
        for path in self._rows.rglob(".*"):  # what a run left that was killed while it wrote
            path.unlink()
        if self.out.exists():
            self.out.rmdir()
        self._rows.rename(self.out)
        self._clear()

    def _is_listed(self) -> bool:
        """Whether all rows of a split become one list."""
        return self.format == "llava" and self.storage == "jsonl"

    def _clear(self) -> None:
        """Remove what only a run needs, and nothing else that may be there."""
        if self._counts.exists():
            shutil.rmtree(self._counts)
        for path in self.partial.glob(f".{_SETTINGS}.*"):
            path.unlink()
        (self.partial / _SETTINGS).unlink(missing_ok=True)
        with suppress(OSError):
            self.partial.rmdir()

    def _compare(self, settings: dict[str, Any]) -> None:
        """Refuse to mix rows of two kinds."""
        before = json.loads((self.partial / _SETTINGS).read_bytes())
        now = json.loads(_json(settings))
        if found := _difference("", before, now):
            name, was, came = found
            raise BuildError(
                f"{self.partial} is of a run with {name} {json.dumps(was)}, this one has "
                f"{json.dumps(came)}: use the same again, or remove it"
            )

    def _list(self, split: str) -> None:
        """One file with a list of all rows, as LLaVA's scripts load it."""
        path = self._rows / f"{split}.json"
        unfinished = _unfinished(path)
        with unfinished.open("wb") as file:
            before = b"[\n"
            for shard in sorted((self._shards / split).glob("*.jsonl")):
                with shard.open("rb") as rows:
                    for row in rows:
                        file.write(before + row.rstrip(b"\n"))
                        before = b",\n"
            file.write(b"\n]\n")
        unfinished.replace(path)


def partial_of(out: Path) -> Path:
    """Where a run writes whose folder gets a name in the end."""
    return out.with_name(f"{out.name}.partial")


def _difference(name: str, before: Any, now: Any) -> tuple[str, Any, Any] | None:
    """The first thing that differs between two settings: its name, what it was, and is."""
    if before == now:
        return None
    pairs: list[tuple[str, Any, Any]] = []
    if isinstance(before, dict) and isinstance(now, dict):
        dot = "." if name else ""
        pairs = [
            (f"{name}{dot}{key}", before.get(key), now.get(key)) for key in sorted({*before, *now})
        ]
    elif isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        pairs = [
            (f"{name}[{k}]", *pair)
            for k, pair in enumerate(zip(before, now, strict=True))
            if isinstance(pair[0], dict)
        ]
    found = (_difference(*pair) for pair in pairs)
    return next(filter(None, found), (name, before, now))


def _read_counts(path: Path) -> Counts:
    return Counts.from_plain(json.loads(path.read_bytes()))


def _json(plain: Any) -> bytes:
    return (json.dumps(plain, indent=1) + "\n").encode()


def _write(path: Path, data: bytes) -> None:
    """A file that is there whole or not at all, even if two runs write it."""
    unfinished = _unfinished(path)
    unfinished.write_bytes(data)
    unfinished.replace(path)


def _unfinished(path: Path) -> Path:
    """Hidden, and this process's own."""
    return path.with_name(f".{path.name}.{os.getpid()}")
