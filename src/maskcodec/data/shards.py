"""Group samples into batches, and make a shard of files of each batch."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, fields
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from maskcodec.data.engines import PROGRESS
from maskcodec.data.formats import FormatName, Storage, file_bytes, trainer_rows
from maskcodec.data.sample import Broken
from maskcodec.data.split import TRAIN, VAL, split_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from maskcodec.data.rows import Row, RowMaker
    from maskcodec.data.sample import Sample
    from maskcodec.text.codec import Codec

Item: TypeAlias = "tuple[Sample, ...] | Broken"

MOST_HELD = 10_000  # samples that wait for others of their image


class Batch(NamedTuple):
    """The input of a worker."""

    number: int  # the shard's number
    # the items of the shard, in order; or the numbers of records, which the worker reads itself
    items: list[Item] | range


@dataclass(slots=True)
class Counts:
    """Counts of one shard or of several."""

    rows: Counter[str] = field(default_factory=Counter)  # rows as the trainer reads them, by split
    samples: int = 0  # records of the sources, also broken ones
    lost: int = 0  # this and the next two: numbers of what `maskcodec.data.rows.Made` has
    left_out: int = 0
    cleaned: int = 0
    broken: list[Broken] = field(default_factory=list)  # the records that could not be used
    # the number of rows by their number of tokens; empty without a tokenizer
    tokens: Counter[int] = field(default_factory=Counter)

    def add(self, other: Counts) -> None:
        """Add the counts of another shard."""
        for one in fields(self):
            setattr(self, one.name, getattr(self, one.name) + getattr(other, one.name))

    def plain(self) -> dict[str, Any]:
        """Return the counts for JSON."""
        tokens = {str(length): count for length, count in sorted(self.tokens.items())}
        broken = [broken._asdict() for broken in self.broken]
        own = {one.name: getattr(self, one.name) for one in fields(self)}
        return own | {"rows": dict(self.rows), "broken": broken, "tokens": tokens}

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> Counts:
        """Return the counts that `Counts.plain` wrote.

        Raises
        ------
        ValueError, TypeError, LookupError
            The data is something else.
        """
        numbers = plain["samples"], plain["lost"], plain["left_out"], plain["cleaned"]
        counters = dict(plain["rows"]), {int(n): count for n, count in plain["tokens"].items()}
        broken = [Broken(**each) for each in plain["broken"]]
        counted = [*numbers, *counters[0].values(), *counters[1].values()]
        if not all(type(number) is int and number >= 0 for number in counted):
            raise ValueError("a count is no whole number")
        if not counters[0].keys() <= {TRAIN, VAL}:
            raise ValueError("there is no such split")
        if not all(isinstance(text, str) for each in broken for text in each):
            raise TypeError("a broken record is no text")
        return cls(Counter(counters[0]), *numbers, broken, Counter(counters[1]))


class Shard(NamedTuple):
    """The output of a worker: a file's bytes for each split that has rows, and the counts."""

    number: int
    files: dict[str, bytes]
    counts: Counts


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardMaker:
    """Makes shards of batches, in any process. A shard depends on its batch alone."""

    rows: RowMaker  # makes the rows
    format: FormatName  # the trainer's format
    storage: Storage = "jsonl"
    val_fraction: float = 0.0  # the share of images whose rows are for validation
    tokenizer: str | None = None  # counts tokens, as `TokenCodec.from_pretrained` takes it
    # gives records by number, if batches have numbers
    source: Sequence[Sample | Broken] | None = None

    def check(self) -> None:
        """Load what shards need, so that a run fails before its first shard if it is missing.

        Raises
        ------
        MaskCodecError
            pyarrow is missing for Parquet, there is no such tokenizer, or the tokenizer cannot have
            the codec's tokens.
        """
        file_bytes([], self.format, self.storage)
        if self.tokenizer is not None:
            _counter(self.rows.codec, self.tokenizer)

    def __call__(self, batch: Batch) -> Shard:
        """Make the files and the counts of a shard."""
        counts, done = Counts(), PROGRESS.get()
        rows: dict[str, list[dict[str, Any]]] = {TRAIN: [], VAL: []}
        for item in self._items(batch.items):
            if isinstance(item, Broken):
                counts.samples += 1
                counts.broken.append(item)
                done(1)
                continue
            made = self.rows(*item)
            counts.samples += len(item)
            done(len(item))
            counts.lost += made.lost
            counts.left_out += made.left_out
            counts.cleaned += len(made.cleaned)
            counts.broken += made.broken
            for row in made.rows:
                split = split_of(row.image, row.key, self.val_fraction)
                rows[split] += trainer_rows(row, self.format, targets=self.rows.targets)
                if self.tokenizer is not None:
                    counts.tokens[_length(row, self.rows.codec, self.tokenizer)] += 1
        written = {
            split: file_bytes(some, self.format, self.storage)
            for split, some in rows.items()
            if some
        }
        counts.rows = Counter({split: len(rows[split]) for split in written})
        return Shard(batch.number, written, counts)

    def _items(self, items: list[Item] | range) -> Iterator[Item]:
        if not isinstance(items, range):
            yield from items
            return
        source = self.source or ()
        for number in items:
            record = source[number]
            yield record if isinstance(record, Broken) else (record,)


def gathered(samples: Iterable[Sample | Broken], turns: int) -> Iterator[Item]:
    """Yield each sample alone, or expressions and questions of one image together.

    Parameters
    ----------
    samples
        In the sources' order. The order is kept, except for samples that wait for others of their
        image.
    turns
        The most samples that go together.
    """
    waiting: dict[str, list[Sample]] = {}
    held = 0
    for sample in samples:
        if isinstance(sample, Broken):
            yield sample
        elif turns == 1 or sample.task not in {"expression", "reasoning"}:
            yield (sample,)
        else:
            together = waiting.setdefault(sample.image, [])
            together.append(sample)
            held += 1
            if len(together) == turns or held > MOST_HELD:
                # When too many wait, the image that has waited longest goes first.
                full = sample.image if len(together) == turns else next(iter(waiting))
                ready = waiting.pop(full)
                held -= len(ready)
                yield tuple(ready)
    yield from map(tuple, waiting.values())


def numbered(count: int, size: int, skip: Callable[[int], bool]) -> Iterator[Batch]:
    """Yield batches of `size` records, as `batches` does, but with the records' numbers alone."""
    for number in range(-(-count // size)):
        if not skip(number):
            yield Batch(number, range(number * size, min(count, (number + 1) * size)))


def batches(items: Iterable[Item], size: int, skip: Callable[[int], bool]) -> Iterator[Batch]:
    """Yield batches of `size` items, except those whose number `skip` accepts."""
    rest = iter(items)
    number = 0
    while some := list(islice(rest, size)):
        if not skip(number):
            yield Batch(number, some)
        number += 1


def _length(row: Row, codec: Codec, tokenizer: str) -> int:
    """Count the tokens of a row's text, without those of the image and of the chat template."""
    counter = _counter(codec, tokenizer)
    texts = [message.text for message in row.messages]
    return sum(len(found.ids) for found in counter.encode_batch(texts, add_special_tokens=False))


@lru_cache(maxsize=1)
def _counter(codec: Codec, tokenizer: str) -> Any:
    from maskcodec.tokenizers.extension import extend_tokenizer
    from maskcodec.tokenizers.pretrained import bare_tokenizer, load_tokenizer

    counter = bare_tokenizer(load_tokenizer(tokenizer))
    extend_tokenizer(codec, counter)
    return counter
