"""Shards from Ray Data, on one machine or on many."""

from __future__ import annotations

import logging
import pickle
from itertools import islice
from typing import TYPE_CHECKING, Any

from maskcodec.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from maskcodec.data.shards import Batch, Shard

AHEAD = 4  # batches for each core of the cluster that are handed over at once


def run(
    work: Callable[[Batch], Shard], batches: Iterable[Batch], *, address: str | None = None
) -> Iterator[Shard]:
    """The shards of some batches, in their order.

    Parameters
    ----------
    work
        Makes a shard. Every machine needs maskcodec; files are written by this process alone.
    batches
        Read in this process and handed over in rounds, so that memory stays bounded.
    address
        The cluster's, as ``ray.init`` takes it; None for a Ray of this machine, which ends with
        the run unless it ran before.

    Raises
    ------
    BuildError
        Ray is missing, or there is no cluster at the address.
    """
    try:
        import ray
    except ModuleNotFoundError:
        raise BuildError(
            "the engine ray needs Ray, which is missing: pip install 'maskcodec[ray]'"
        ) from None
    ours = not ray.is_initialized()
    if ours:
        try:
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        except (ConnectionError, ValueError) as error:
            raise BuildError(f"there is no Ray cluster at {address!r}: {error}") from error
    ray.data.DataContext.get_current().enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    try:
        waiting = iter(batches)
        count = AHEAD * max(1, int(ray.cluster_resources().get("CPU", 1)))
        while some := list(islice(waiting, count)):
            yield from _round(work, some)
    finally:
        if ours:
            ray.shutdown()


def _round(work: Callable[[Batch], Shard], batches: list[Batch]) -> Iterator[Shard]:
    """The shards of as many batches as are handed over at once; samples go as pickles."""
    import ray

    def make(row: dict[str, Any]) -> dict[str, Any]:
        shard = work(pickle.loads(row["batch"]))
        return {"number": shard.number, "shard": pickle.dumps(shard)}

    rows = [{"batch": pickle.dumps(batch)} for batch in batches]
    made = ray.data.from_items(rows, override_num_blocks=len(rows)).map(make).take_all()
    for row in sorted(made, key=lambda row: row["number"]):
        yield pickle.loads(row["shard"])
