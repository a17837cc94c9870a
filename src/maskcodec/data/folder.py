"""The folder of a run: shards as they come, and the whole under its own name at the end.

Everything is written into ``OUT.partial``, which becomes ``OUT`` when it is whole. A shard is there
when its counts are, which are written after its files, and each of them appears at once.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from maskcodec.data.formats import FormatName, Storage, dataset_info
from maskcodec.data.shards import Counts
from maskcodec.errors import BuildError

if TYPE_CHECKING:
    from pathlib import Path

    from maskcodec.codec import Codec
    from maskcodec.data.shards import Shard

_COUNTS, _SETTINGS = "shards", "settings.json"
_BROKEN, _REPORT, _INFO = "broken.jsonl", "report.json", "dataset_info.json"


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

    def __post_init__(self) -> None:
        self.out = self.out.absolute()
        self.partial = self.out.with_name(f"{self.out.name}.partial")

    def begin(self, settings: dict[str, Any]) -> dict[int, Counts]:
        """Make the folder, or go on with one of equal settings: what its shards counted.

        Raises
        ------
        BuildError
            There is something under the final name, or the settings are others.
        """
        if self.out.exists() and not (self.out.is_dir() and not any(self.out.iterdir())):
            raise BuildError(f"{self.out} is there already; remove it, or choose another folder")
        counts = self.partial / _COUNTS
        if (self.partial / _SETTINGS).exists():
            self._compare(settings)
        else:
            counts.mkdir(parents=True, exist_ok=True)
            _write(self.partial / _SETTINGS, _json(settings))
        return {int(path.stem): _read_counts(path) for path in counts.glob("*.json")}

    def write(self, shard: Shard) -> None:
        """A shard: its files, then its counts, which say that it is whole."""
        for split, data in shard.files.items():
            path = self.partial / split / f"{shard.number:05}.{self.storage}"
            path.parent.mkdir(exist_ok=True)
            _write(path, data)
        _write(self.partial / _COUNTS / f"{shard.number:05}.json", _json(shard.counts.plain()))

    def finish(self, codec: Codec, counts: Counts, report: dict[str, Any]) -> None:
        """What belongs beside the rows, and the final name.

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
        codec.save(self.partial)
        _write(self.partial / _REPORT, _json(report))
        lines = [json.dumps(broken._asdict()) + "\n" for broken in counts.broken]
        if lines:
            _write(self.partial / _BROKEN, "".join(lines).encode())
        if self.format == "llama-factory":
            _write(self.partial / _INFO, _json(dataset_info(self.out.name, splits)))
        listed = splits if self.format == "llava" and self.storage == "jsonl" else []
        for split in listed:
            self._listed(split)
        shutil.rmtree(self.partial / _COUNTS)
        for split in listed:
            shutil.rmtree(self.partial / split)
        for path in self.partial.rglob(".*"):  # what a run left that was killed while it wrote
            path.unlink()
        if self.out.exists():
            self.out.rmdir()
        self.partial.rename(self.out)

    def _compare(self, settings: dict[str, Any]) -> None:
        """Refuse to mix rows of two kinds."""
        before = json.loads((self.partial / _SETTINGS).read_bytes())
        now = json.loads(_json(settings))
        for name in sorted({*before, *now}):
            if before.get(name) != now.get(name):
                raise BuildError(
                    f"{self.partial} is of a run with {name} {json.dumps(before.get(name))}, this "
                    f"one has {json.dumps(now.get(name))}: use the same again, or remove it"
                )

    def _listed(self, split: str) -> None:
        """One file with a list of all rows, as LLaVA's scripts load it."""
        path = self.partial / f"{split}.json"
        unfinished = path.with_suffix(".tmp")
        with unfinished.open("wb") as file:
            before = b"[\n"
            for shard in sorted((self.partial / split).glob("*.jsonl")):
                with shard.open("rb") as rows:
                    for row in rows:
                        file.write(before + row.rstrip(b"\n"))
                        before = b",\n"
            file.write(b"\n]\n")
        unfinished.replace(path)


def _read_counts(path: Path) -> Counts:
    return Counts.from_plain(json.loads(path.read_bytes()))


def _json(plain: Any) -> bytes:
    return (json.dumps(plain, indent=1) + "\n").encode()


def _write(path: Path, data: bytes) -> None:
    """A file that is there whole or not at all, even if two runs write it."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.write_bytes(data)
    unfinished.replace(path)
