"""Where shards are made: on this machine, or on many.

An engine is a function of what makes a shard and of the batches. It yields the shards in the order
of the batches and holds only a few of either. All of them call the same function, so that their
shards are equal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from maskcodec.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Callable

    from maskcodec.data.shards import Batch, Shard


def made(work: Callable[[Batch], Shard], batch: Batch) -> Shard:
    """A shard; an error of the system says which one it ended."""
    try:
        return work(batch)
    except OSError as error:
        raise BuildError(f"shard {batch.number} could not be made: {error}") from error
