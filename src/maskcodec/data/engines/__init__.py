"""Make shards on this machine, or on many.

An engine is a function that takes the function that makes a shard, and the batches. It yields the
shards in the order of the batches, and holds only a few shards and batches. All engines call the
same function, so their shards are equal.
"""

from __future__ import annotations

import pickle
from contextvars import ContextVar
from typing import TYPE_CHECKING, Literal, TypeAlias

from maskcodec.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Callable

    from maskcodec.data.shards import Batch, Shard

EngineName: TypeAlias = Literal["processes", "ray"]

# Called with the number of new samples whenever some are done, here or in a worker.
PROGRESS: ContextVar[Callable[[int], object]] = ContextVar("PROGRESS", default=lambda _: None)


def made(work: Callable[[Batch], Shard], batch: Batch) -> Shard:
    """Make a shard; an error of the system is a `BuildError` that names the shard."""
    try:
        return work(batch)
    except OSError as error:
        raise BuildError(f"shard {batch.number} could not be made: {error}") from error


def pickled(value: object, what: str) -> bytes:
    """Pickle a value for another process.

    Raises
    ------
    BuildError
        It cannot be pickled: it has a local function or an open file, or is nested too deep.
    """
    try:
        return pickle.dumps(value)
    except Exception as error:  # the value's own code may raise any error
        raise BuildError(
            f"{what} cannot be sent to a worker: {type(error).__name__}: {error}; take one worker "
            "of this machine"
        ) from error
