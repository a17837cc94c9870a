"""Make a folder of rows from samples, shard by shard. A killed run goes on where it was.

Sample -> row (`rows`) -> trainer's row (`formats`) -> shard (`shards`) -> folder (`folder`).
"""

from __future__ import annotations

import hashlib
import time
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, fields
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

from maskcodec import __version__
from maskcodec.data.engines import PROGRESS, EngineName
from maskcodec.data.folder import Folder
from maskcodec.data.formats import FormatName, Storage
from maskcodec.data.origins import stamps
from maskcodec.data.shards import Counts, ShardMaker, batches, gathered, numbered
from maskcodec.errors import BuildError, ConfigError
from maskcodec.messages import check_choice

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping

    from maskcodec.data.rows import RowMaker
    from maskcodec.data.sample import Broken, Sample
    from maskcodec.data.shards import Batch, Shard


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The result of a run."""

    out: Path  # the folder
    counts: Counts  # of all shards, also those of earlier runs
    made: int  # rows of this run
    resumed: int  # shards of earlier runs
    seconds: float  # the duration of this run

    @property
    def rows_per_second(self) -> float:
        """Rows of this run per second."""
        return self.made / self.seconds if self.seconds else 0.0

    def token_lengths(self) -> dict[str, float]:
        """Return mean, p95 and max of the rows' tokens; {} if none were counted."""
        tokens = self.counts.tokens
        total = tokens.total()
        if not total:
            return {}
        lengths = sorted(tokens)
        reached = accumulate(tokens[length] for length in lengths)
        p95 = lengths[sum(count < 0.95 * total for count in reached)]
        mean = sum(length * count for length, count in tokens.items()) / total
        return {"mean": mean, "p95": p95, "max": lengths[-1]}

    def plain(self) -> dict[str, Any]:
        """Return the report for JSON, with the number of broken records."""
        counts = self.counts.plain()
        return {**counts, "broken": len(self.counts.broken), "tokens": self.token_lengths()}


def build(
    samples: Iterable[Sample | Broken],
    out: str | os.PathLike[str],
    *,
    rows: RowMaker,
    format: FormatName = "ms-swift",  # noqa: A002, what everybody calls it
    storage: Storage = "jsonl",
    val_fraction: float = 0.0,
    turns: int = 1,
    shard_size: int = 1000,
    tokenizer: str | None = None,
    engine: EngineName = "processes",
    workers: int = 1,
    address: str | None = None,
    strict: bool = False,
    origin: Mapping[str, Any] | None = None,
    watch: Callable[[Iterator[Shard]], Iterable[Shard]] = iter,
    progress: Callable[[int], object] | None = None,
) -> Report:
    """Make rows of samples and write them into a folder.

    Parameters
    ----------
    samples
        Read once, and again by a run that goes on. If it has a length and gives records by number,
        as sources and lists do, and `turns` is 1, workers read their records themselves.
    out
        The folder. It must be missing or empty.
    rows
        Makes the rows.
    format
        The trainer: ``"ms-swift"``, ``"llama-factory"``, ``"trl"`` or ``"llava"``.
    storage
        ``"jsonl"``, or ``"parquet"``, which needs pyarrow. LLaVA's JSON lines become one JSON list
        for each split, as its scripts read it.
    val_fraction
        The share of images whose rows are for validation, at least 0 and less than 1.
    turns
        The most expressions or questions of one image in one conversation, at least 1.
    shard_size
        Conversations in a file, at least 1. It does not change the rows.
    tokenizer
        The tokenizer that counts the rows' tokens, as `TokenCodec.from_pretrained` takes it; None
        counts none.
    engine, workers
        ``"processes"`` uses `workers` processes of this machine; 1 means only this process.
        ``"ray"`` uses Ray.
    address
        The address of the Ray cluster; None means Ray on this machine.
    strict
        Whether a broken record ends the run. Otherwise ``broken.jsonl`` lists the broken records.
    origin
        Plain data that identifies the samples. A run goes on only if it is equal.
    watch
        Takes the iterator of shards, and returns one that yields the same shards.
    progress
        Called with the number of new samples whenever some are done, also inside a shard; first
        with the samples of earlier runs. Ray reports whole shards only.

    Returns
    -------
    The report. Equal samples and settings make equal rows in the same order, with any engine, any
    number of workers and any number of killed runs.

    Raises
    ------
    BuildError
        The folder cannot be written or is not empty, another run writes it, an unfinished run had
        other settings, a record is broken and `strict` is true, there is no row, or a worker died.
    ConfigError
        A setting is not one of those above.
    SourceError
        A source cannot be read.
    """
    check_choice(format, FormatName, "format")
    check_choice(storage, Storage, "storage")
    check_choice(engine, EngineName, "engine")
    for name, number in (("turns", turns), ("shard_size", shard_size), ("workers", workers)):
        if type(number) is not int or number < 1:
            raise ConfigError(f"{name} must be a whole number of at least 1, got {number!r}")
    if not 0 <= val_fraction < 1:
        raise ConfigError(f"val_fraction must be 0 up to 1, 1 excluded, got {val_fraction!r}")
    # Workers read records by number; turns of one image must be collected here first.
    has_numbers = hasattr(samples, "__getitem__") and hasattr(samples, "__len__")
    source: Any = samples if turns == 1 and has_numbers else None
    make = ShardMaker(
        rows=rows,
        format=format,
        storage=storage,
        val_fraction=val_fraction,
        tokenizer=tokenizer,
        source=source,
    )
    make.check()
    settings = _settings(make, turns, shard_size, origin or {})
    folder = Folder(Path(out), format, storage, targets=rows.targets)
    keep = _Keeper(folder=folder, strict=strict)
    began, made, numbers = time.perf_counter(), 0, list[int]()
    with folder.begun(settings) as done:
        resumed = frozenset(done)
        for number in sorted(done):
            _check_strict(done[number], strict)

        def is_done(number: int) -> bool:
            numbers.append(number)
            return number in resumed

        todo: Iterator[Batch]
        if source is None:
            todo = batches(gathered(samples, turns), shard_size, is_done)
        else:
            todo = numbered(len(source), shard_size, is_done)
        shards: Generator[Shard]
        kept: Iterator[Shard]
        if engine == "ray":
            from maskcodec.data.engines import ray

            shards = ray.run(make, todo, address=address)
            kept = map(keep, shards)  # other machines may not see the folder
        else:
            from maskcodec.data.engines import processes

            kept = shards = processes.run(_MakeAndKeep(make=make, keep=keep), todo, workers=workers)
        # no worker writes any more when the folder is released
        with closing(shards), _telling(progress, sum(each.samples for each in done.values())):
            for shard in watch(kept):
                made += shard.counts.rows.total()
                done[shard.number] = shard.counts
        total = Counts()
        for number in numbers:  # shards of an earlier run need not be the first
            total.add(done[number])
        report = Report(
            out=folder.out,
            counts=total,
            made=made,
            resumed=len(resumed),
            seconds=time.perf_counter() - began,
        )
        folder.finish(rows.codec, total, {n: done[n] for n in numbers}, report.plain())
    return report


@dataclass(frozen=True, slots=True, kw_only=True)
class _Keeper:
    """Writes shards, in any process, and returns them without their files."""

    folder: Folder
    strict: bool

    def __call__(self, shard: Shard) -> Shard:
        _check_strict(shard.counts, self.strict)
        self.folder.write(shard)
        return shard._replace(files={})


@dataclass(frozen=True, slots=True, kw_only=True)
class _MakeAndKeep:
    """The work of a worker that sees the folder: make a shard and write it at once."""

    make: ShardMaker
    keep: _Keeper

    def __call__(self, batch: Batch) -> Shard:
        return self.keep(self.make(batch))


@contextmanager
def _telling(progress: Callable[[int], object] | None, before: int) -> Iterator[None]:
    """Report the progress of the block."""
    if progress is None:
        yield
        return
    progress(before)
    token = PROGRESS.set(progress)
    try:
        yield
    finally:
        PROGRESS.reset(token)


def _check_strict(counts: Counts, strict: bool) -> None:
    if strict and counts.broken:
        where, message = counts.broken[0]
        raise BuildError(f"{where}: {message}; without strict it would be left out")


def _tokenizer_files(name: str | None) -> dict[str, list[Any]]:
    """Return the stamps of a tokenizer on disk; in its folder, ``tokenizer.json`` counts."""
    if name is None:
        return {}
    return stamps(str(Path(name) / "tokenizer.json")) or stamps(name)


def _settings(
    make: ShardMaker, turns: int, shard_size: int, origin: Mapping[str, Any]
) -> dict[str, Any]:
    """Return everything that the rows depend on, as plain data for JSON."""
    rows = make.rows
    templates = repr(asdict(rows.templates)).encode("utf-8", "surrogatepass")
    return {
        "maskcodec": __version__,
        **{one.name: getattr(rows, one.name) for one in fields(rows)},
        **{
            name: getattr(make, name) for name in ("format", "storage", "val_fraction", "tokenizer")
        },
        "codec": rows.codec.get_config(),
        "templates": hashlib.sha256(templates).hexdigest(),
        "tokenizer_files": _tokenizer_files(make.tokenizer),
        "turns": turns,
        "shard_size": shard_size,
        "origin": dict(origin),
    }
