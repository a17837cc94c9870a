"""Where shards are made: on this machine, or on many.

An engine is a function of what makes a shard and of the batches. It yields the shards in the order
of the batches and holds only a few of either. All of them call the same function, so that their
shards are equal.
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

# Gets the number of samples whenever some more are done, here or in a worker.
PROGRESS: ContextVar[Callable[[int], object]] = ContextVar("PROGRESS", default=lambda _: None)


def made(work: Callable[[Batch], Shard], batch: Batch) -> Shard:
    """A shard; an error of the system says which one it ended."""
    try:
        return work(batch)
    except OSError as error:
        raise BuildError(f"shard {batch.number} could not be made: {error}") from error


def pickled(value: object, what: str) -> bytes:
    """What another process gets.

    Raises
    ------
    BuildError
        It cannot be sent: it has a function of a function, an open file, or is nested too deep.
    """
    try:
        return pickle.dumps(value)
    except Exception as error:  # whatever the value's own code raises
        raise BuildError(
            f"{what} cannot be sent to a worker: {type(error).__name__}: {error}; take one worker "
            "of this machine"
        ) from error
