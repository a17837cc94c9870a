"""Make shards with Ray Data, on one machine or on many."""

from __future__ import annotations

import logging
import pickle
from itertools import islice
from typing import TYPE_CHECKING, Any

from maskcodec.data.engines import PROGRESS, made, pickled
from maskcodec.errors import BuildError, MaskCodecError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    from maskcodec.data.shards import Batch, Shard

AHEAD = 4  # batches for each core of the cluster that are handed over at once


def run(
    work: Callable[[Batch], Shard], batches: Iterable[Batch], *, address: str | None = None
) -> Generator[Shard]:
    """Yield the shards of some batches, in their order.

    Parameters
    ----------
    work
        Makes a shard. Every machine needs maskcodec; only this process writes files.
    batches
        Read in this process and handed over in rounds, so that memory stays bounded.
    address
        The address of the cluster, as ``ray.init`` takes it; None for Ray on this machine. Ray ends
        with the run, unless it ran before.

    Raises
    ------
    BuildError
        Ray is missing, there is no cluster at the address, or a worker met an error of the system,
        such as a missing file.
    """
    try:
        import ray
    except ModuleNotFoundError:
        raise BuildError(
            "the engine ray needs Ray, which is missing: "
            "pip install 'maskcodec[ray]', in a checkout '.[ray]'"
        ) from None
    ours = not ray.is_initialized()
    if ours:
        try:
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        except (ConnectionError, ValueError) as error:
            raise BuildError(f"there is no Ray cluster at {address!r}: {error}") from error
    logger = logging.getLogger("ray.data")
    level, context = logger.level, None
    try:
        context = ray.data.DataContext.get_current()
        shows, context.enable_progress_bars = context.enable_progress_bars, False
        logger.setLevel(logging.ERROR)
        waiting = iter(batches)
        count = AHEAD * max(1, int(ray.cluster_resources().get("CPU", 1)))
        while some := list(islice(waiting, count)):
            for shard in _round(work, some):
                PROGRESS.get()(shard.counts.samples)
                yield shard
    finally:
        if context is not None:
            context.enable_progress_bars = shows
        logger.setLevel(level)
        if ours:
            ray.shutdown()


def _round(work: Callable[[Batch], Shard], batches: list[Batch]) -> Iterator[Shard]:
    """Yield the shards of the batches of one round. Batches and shards are sent as pickles."""
    import ray

    def make(row: dict[str, Any]) -> dict[str, Any]:
        batch: Batch = pickle.loads(row["batch"])
        shard: Shard | MaskCodecError
        try:
            shard = made(work, batch)
        except MaskCodecError as error:  # Ray puts its own words around a raised error
            shard = error
        return {"number": batch.number, "shard": pickle.dumps(shard)}

    rows = [{"batch": pickled(batch, f"shard {batch.number}")} for batch in batches]
    found = ray.data.from_items(rows, override_num_blocks=len(rows)).map(make).take_all()
    for row in sorted(found, key=lambda row: row["number"]):
        shard: Shard | MaskCodecError = pickle.loads(row["shard"])
        if isinstance(shard, MaskCodecError):
            raise shard
        yield shard
