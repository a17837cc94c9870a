"""The folder of a run: shards as they come, and the final name at the end.

A run writes everything into ``OUT.partial``: the rows into ``rows``, and files that only the run
needs beside it. A shard is complete when its counts are there. They are written after its files and
hold the files' sizes. At the end, ``rows`` gets the final name in one step, and the rest is
removed. Nothing is removed before that, so a run may be killed at any time, and power may fail.

A file is removed only if its name is one that a run writes, in a folder that has the settings of a
run. Any other file in the folder is refused and stays.
"""

from __future__ import annotations

import json
import os
import re
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from maskcodec.data._claim import claimed, partial_of
from maskcodec.data._durable import UNFINISHED, sync, sync_names, whole_file, write
from maskcodec.data.formats import FormatName, Storage, dataset_card, dataset_info
from maskcodec.data.shards import Counts
from maskcodec.data.split import TRAIN, VAL
from maskcodec.errors import BuildError
from maskcodec.messages import plural
from maskcodec.text.codec import FILE_NAME

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from maskcodec.data.shards import Shard
    from maskcodec.text.codec import Codec

Kind: TypeAlias = Literal["whole", "cut", "foreign"]

_ROWS, _COUNTS, _SETTINGS = "rows", "shards", "settings.json"
_BROKEN, _REPORT, _INFO, _CARD = "broken.jsonl", "report.json", "dataset_info.json", "README.md"

# The files that a run writes, by the folder that they are in.
_LISTS = f"{TRAIN}.json", f"{VAL}.json"
_BESIDE = FILE_NAME, _SETTINGS, _BROKEN, _REPORT, _INFO, _CARD, *_LISTS
_FILES = {
    "": re.escape(_SETTINGS),
    _ROWS: "|".join(map(re.escape, _BESIDE)),
    _COUNTS: r"\d{5,}\.json",
    **{f"{_ROWS}/{split}": r"\d{5,}\.(jsonl|parquet)" for split in (TRAIN, VAL)},
    **{f"{_COUNTS}/{split}": r"\d{5,}\.jsonl" for split in (TRAIN, VAL)},
}


@dataclass(slots=True)
class Folder:
    """The folder that a run writes."""

    out: Path  # the folder's final name
    format: FormatName  # the trainer that reads the rows, and the kind of their files
    storage: Storage
    targets: bool = False  # whether rows have a column targets
    partial: Path = field(init=False)
    _rows: Path = field(init=False)
    _counts: Path = field(init=False)
    _shards: Path = field(init=False)

    def __post_init__(self) -> None:
        self.out = self.out.absolute()
        self.partial = partial_of(self.out)
        self._rows, self._counts = self.partial / _ROWS, self.partial / _COUNTS
        self._shards = self._counts if self._is_listed() else self._rows

    @contextmanager
    def begun(self, settings: dict[str, Any]) -> Iterator[dict[int, Counts]]:
        """Hold the folder, new or of a run of equal settings; yield the counts of its shards.

        Shards count only if their files have the sizes that were written. A run that fails before
        its first row leaves no folder: it would be in the way of the next run.

        Raises
        ------
        BuildError
            The final name cannot be given, another run writes the folder, its settings differ, or
            it holds a file that no run wrote.
        """
        with claimed(self.out):
            self._check_settings(settings)
            try:
                for folder in (self._rows, self._counts):
                    folder.mkdir(exist_ok=True)
                yield dict(self._kept())
            except BaseException:
                with suppress(OSError):
                    if self._has_nothing(dict(self._found())):
                        self._clear()
                raise

    def write(self, shard: Shard) -> None:
        """Write a shard: its files, then its counts, which mark it as complete.

        Only the files wait for the disk. If power fails before the counts or a name are on the
        disk, the shard is made again.
        """
        for split, data in shard.files.items():
            path = self._file(split, shard.number)
            path.parent.mkdir(exist_ok=True)
            write(path, data)
        sizes = {split: len(data) for split, data in shard.files.items()}
        counts = _json({**shard.counts.plain(), "bytes": sizes})
        write(self._count(shard.number), counts, synced=False)

    def finish(
        self, codec: Codec, counts: Counts, shards: Mapping[int, Counts], report: dict[str, Any]
    ) -> None:
        """Write the files beside the rows, and give the final name. All of it can be done again.

        Raises
        ------
        BuildError
            There is no row, there are files of shards that this run did not count, or the final
            name was taken meanwhile.
        """
        splits = {
            split: sorted(number for number in shards if shards[number].rows[split])
            for split in sorted(counts.rows)
            if counts.rows[split]
        }
        if not splits:
            reasons = [f", first {broken.where}: {broken.message}" for broken in counts.broken[:1]]
            raise BuildError(
                f"no row came of {plural(counts.samples, 'sample')}; broken are "
                f"{len(counts.broken):,}{''.join(reasons)}"
            )
        self._check_counted(splits)
        write(self._rows / FILE_NAME, _json(codec.get_config()))
        write(self._rows / _SETTINGS, (self.partial / _SETTINGS).read_bytes())
        write(self._rows / _REPORT, _json(report))
        lines = [json.dumps(broken._asdict()) + "\n" for broken in counts.broken]
        if lines:
            write(self._rows / _BROKEN, "".join(lines).encode())
        if self.format == "llama-factory":
            write(self._rows / _INFO, _json(dataset_info(self.out.name, list(splits))))
        if self._is_listed():
            for split, numbers in splits.items():
                self._list(split, numbers)
        else:
            card = dataset_card(self.format, targets=self.targets)
            write(self._rows / _CARD, card.encode())
        for path, kind in list(self._found()):
            if kind == "cut":  # from a run that was killed while it wrote
                path.unlink()
        for folder in (*filter(Path.is_dir, self._rows.iterdir()), self._rows):
            sync_names(folder)
        try:
            if self.out.exists():
                self.out.rmdir()
            self._rows.rename(self.out)
        except OSError as error:
            raise BuildError(
                f"{self.out} cannot get the rows: {error.strerror}; they are whole, in {self._rows}"
            ) from error
        sync_names(self.out.parent)
        self._clear()

    def _is_listed(self) -> bool:
        """Whether all rows of a split become one JSON list."""
        return self.format == "llava" and self.storage == "jsonl"

    def _file(self, split: str, number: int) -> Path:
        return self._shards / split / f"{number:05}.{self.storage}"

    def _count(self, number: int) -> Path:
        return self._counts / f"{number:05}.json"

    def _found(self) -> Iterator[tuple[Path, Kind]]:
        """Yield everything in the folder except folders of a run: files of a run, and all else."""
        waiting = [""]
        while waiting:
            name = waiting.pop()
            known = re.compile(_FILES[name])
            cut = re.compile(UNFINISHED.format(_FILES[name]) if name else "(?!)")
            with os.scandir(self.partial / name) as entries:
                for entry in entries:
                    inner = f"{name}/{entry.name}".lstrip("/")
                    kind: Kind = "foreign"
                    if entry.is_file(follow_symlinks=False):
                        if known.fullmatch(entry.name):
                            kind = "whole"
                        elif cut.fullmatch(entry.name):
                            kind = "cut"
                    elif inner in _FILES and entry.is_dir(follow_symlinks=False):
                        waiting.append(inner)
                        continue
                    yield Path(entry.path), kind

    def _check_settings(self, settings: dict[str, Any]) -> None:
        """Write the settings, or refuse a folder with other settings or with foreign files."""
        path, now = self.partial / _SETTINGS, _json(settings)
        found = dict(self._found())
        foreign = sorted(name for name, kind in found.items() if kind == "foreign")
        if foreign or (path not in found and any(self.partial.iterdir())):
            what = f"holds files but no {_SETTINGS}, so that no run of this command wrote it"
            if foreign:
                what = f"holds {foreign[0]}, which no run of this command wrote"
                what += f", and {len(foreign) - 1} more" * (len(foreign) > 1)
            raise BuildError(
                f"{self.partial} {what}: move it away, or choose another folder than {self.out}"
            )
        if path not in found or (list(found) == [path] and not path.stat().st_size):
            with path.open("wb" if path in found else "xb") as file:
                file.write(now)
                sync(file)
            sync_names(self.partial)  # without settings, later files would be of no run
            return
        try:
            before = json.loads(path.read_text("utf-8"))
            if not isinstance(before, dict) or "maskcodec" not in before:
                raise ValueError("it has no version of maskcodec")
        except (ValueError, RecursionError) as error:
            raise BuildError(
                f"{path} does not hold the settings of a run: {error}; move {self.partial} away "
                "to start again, or choose another folder"
            ) from error
        if difference := _difference("", before, json.loads(now)):
            if self._has_nothing(found):
                self._empty()
                path.unlink()
                self._check_settings(settings)
                return
            name, was, came = difference
            raise BuildError(
                f"{self.partial} is of a run with {name} {json.dumps(was)}, this one has "
                f"{json.dumps(came)}: use the same again, or remove it"
            )

    def _kept(self) -> Iterator[tuple[int, Counts]]:
        """Yield the complete shards, whose files have the written sizes, and their counts."""
        for path in self._counts.glob("[0-9]*.json"):
            number = int(path.stem)
            with suppress(OSError, ValueError, TypeError, LookupError, RecursionError):
                plain = json.loads(path.read_text("utf-8"))
                counts = Counts.from_plain(plain)
                sizes = {split: self._file(split, number).stat().st_size for split in counts.rows}
                if sizes == plain["bytes"] and path == self._count(number):
                    yield number, counts

    def _check_counted(self, splits: Mapping[str, list[int]]) -> None:
        """Refuse files of shards that were not counted: they are of other samples."""
        for split in (TRAIN, VAL):
            counted = {self._file(split, number) for number in splits.get(split, ())}
            for path in sorted((self._shards / split).glob("[0-9]*")):
                if path not in counted:
                    raise BuildError(
                        f"{path} is of other samples than those that came now: remove "
                        f"{self.partial} to start again"
                    )

    def _has_nothing(self, found: Mapping[Path, Kind]) -> bool:
        """Whether the folder has no rows, and no file that no run wrote."""
        splits = [self._shards / split for split in (TRAIN, VAL)]
        return not any(
            kind == "foreign" or (kind == "whole" and path.parent in splits)
            for path, kind in found.items()
        )

    def _clear(self) -> None:
        """Remove the files of a run, and the folder if nothing else is in it."""
        self._empty()
        (self.partial / _SETTINGS).unlink()
        with suppress(OSError):  # something else is in it
            self.partial.rmdir()

    def _empty(self) -> None:
        """Remove the files of a run except the settings, which say that the folder is a run's."""
        for path, kind in list(self._found()):
            if kind != "foreign" and path.parent != self.partial:
                path.unlink()
        for name in sorted(filter(None, _FILES), reverse=True):
            with suppress(OSError):  # it is not there, or something else is in it
                (self.partial / name).rmdir()

    def _list(self, split: str, numbers: list[int]) -> None:
        """Write one file with a list of all rows, as LLaVA's scripts load it."""
        path = self._rows / f"{split}.json"
        with whole_file(path) as file:
            before = b"[\n"
            for number in numbers:
                with self._file(split, number).open("rb") as rows:
                    for row in rows:
                        file.write(before + row.rstrip(b"\n"))
                        before = b",\n"
            file.write(b"\n]\n")


def _difference(name: str, before: Any, now: Any) -> tuple[str, Any, Any] | None:
    """Return the first difference between two settings: its name, the old and the new value."""
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


def _json(plain: Any) -> bytes:
    return (json.dumps(plain, indent=1) + "\n").encode()
