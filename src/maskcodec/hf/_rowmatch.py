"""Which row of a batch goes on as which, while a model generates: beams change places."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt
    import torch

    Ids = npt.NDArray[np.int64]


class Rows(NamedTuple):
    """A batch's rows at one step: what tells them apart, and their last ids.

    Attributes
    ----------
    length
        How many ids a row has.
    last
        The last id of each; of rows without ids, 0.
    stems, sums
        A number for each row, the same for the same ids: without the last id, and with it.
    """

    length: int
    last: list[int]
    stems: list[int]
    sums: list[int]


class RowMatch:
    """Tells a batch's rows apart without keeping their ids, which are many: by sums of products.

    Each place of a row has a random number of 64 bits. Two rows that differ, of ids below 2**k,
    have the same sum with a probability of at most 2**(k - 64).

    Parameters
    ----------
    groups
        Rows come in so many groups of equal size, one after another, and a row stays in its
        group: there may be more or fewer rows in each at the next step, in another order.
    """

    def __init__(self, groups: int = 1) -> None:
        self._groups = groups
        self._random = np.random.default_rng()
        self._factors: Ids = np.empty(0, np.int64)

    def read(self, ids: Ids) -> Rows:
        """The rows of a step: int64 (rows, n)."""
        count, length = ids.shape
        if length > len(self._factors):
            more = self._random.integers(-(2**63), 2**63, length + 64, np.int64)
            self._factors = np.concatenate([self._factors, more | 1])
        if length == 0:
            return Rows(0, [0] * count, [0] * count, [0] * count)
        last = ids[:, -1]
        stems = ids[:, :-1] @ self._factors[: length - 1]  # modulo 2**64
        sums = stems + last * self._factors[length - 1]
        return Rows(length, last.tolist(), stems.tolist(), sums.tolist())

    def parents(self, rows: Rows, before: Rows) -> list[int] | None:
        """For each row which of those before it is, with one id more; None where some are none."""
        if rows.length != before.length + 1:
            return None
        return self._find(rows.stems, before.sums)

    def same(self, rows: Rows, before: Rows) -> list[int] | None:
        """For each row which of those before it is; None where some are none of them."""
        return self._find(rows.sums, before.sums) if rows.length == before.length else None

    def group(self, row: int, rows: int) -> int:
        """The group of a row of so many."""
        return row * self._groups // rows

    def _find(self, rows: list[int], among: list[int]) -> list[int] | None:
        if rows == among:
            return list(range(len(rows)))
        known = {(self.group(at, len(among)), number): at for at, number in enumerate(among)}
        found = [known.get((self.group(row, len(rows)), number)) for row, number in enumerate(rows)]
        return None if None in found else [at for at in found if at is not None]


def as_rows(ids: torch.Tensor) -> Ids:
    """Ids on any device as an array, int64 (rows, n), which may be the tensor's own memory."""
    return np.asarray(ids.detach().cpu().numpy(), np.int64)
