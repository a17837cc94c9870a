"""How likely a model found the ids of its answers, written down while it generates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import transformers

from maskcodec.errors import ConfigError
from maskcodec.hf.constrain import as_rows, parents

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from maskcodec.hf.constrain import Ids


class Likelihood(transformers.LogitsProcessor):
    """The log-probability of every id that was chosen, or that a beam considered.

    Before the constraint: what the model itself would have written. It is a tree of ids, so that
    answers with a common beginning share it, and beams may change places. One number is kept for
    an id, where `generate`'s ``output_logits`` keeps a whole vocabulary.

    Parameters
    ----------
    groups
        How many prompts there are; their rows come one after another, equally many of each.
    """

    supports_continuous_batching = False

    def __init__(self, groups: int) -> None:
        self._groups = groups
        self._logs = [0.0] * groups  # of each node; the first ones are where the answers begin
        self._next: dict[tuple[int, int], int] = {}
        self._chosen: dict[tuple[int, bytes], int] | None = None
        self._seen: tuple[Ids, list[int]] = np.empty((0, 0), np.int64), []
        self._thought = torch.empty(0, 0)

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Note what the model thinks of the next ids; the scores stay as they are."""
        ids = as_rows(input_ids)
        if self._chosen is None:
            nodes = [self._group(row, len(ids)) for row in range(len(ids))]
        else:
            found = [self._chosen.get(key) for key in self._keys(ids)]
            nodes = [node for node in found if node is not None]
            if len(nodes) < len(ids):
                raise _several()
        self._seen = ids, nodes
        self._thought = scores.log_softmax(-1, dtype=torch.float32)
        return scores

    def choose(self, input_ids: torch.Tensor) -> None:
        """Note what was chosen: the rows of the last call and one id more, in any order."""
        ids = as_rows(input_ids)
        before, nodes = self._seen
        origins = parents(before, ids, self._groups)
        if origins is None:
            raise _several()
        last = ids[:, -1].tolist()
        logs = self._thought[origins, last].tolist()
        after = []
        for origin, number, log in zip(origins, last, logs, strict=True):
            key = nodes[origin], number
            if key not in self._next:
                self._next[key] = len(self._logs)
                self._logs.append(log)
            after.append(self._next[key])
        self._chosen = dict(zip(self._keys(ids), after, strict=True))

    def logs(self, group: int, ids: Iterable[int]) -> list[float]:
        """The natural logarithms of the probabilities of an answer's ids, to a prompt."""
        node, found = group, []
        for number in ids:
            node = self._next[node, number]
            found.append(self._logs[node])
        return found

    def _group(self, row: int, rows: int) -> int:
        return row * self._groups // rows

    def _keys(self, ids: Ids) -> list[tuple[int, bytes]]:
        return [(self._group(row, len(ids)), one.tobytes()) for row, one in enumerate(ids)]


class Watch(transformers.StoppingCriteria):
    """Sees each id when it is chosen, and can end all answers.

    Parameters
    ----------
    likelihood
        What is told of the ids.
    push
        What is called with each id of the first row.
    stopped
        Whether to end now.
    """

    def __init__(
        self, likelihood: Likelihood, push: Callable[[int], Any], stopped: Callable[[], bool]
    ) -> None:
        self._likelihood = likelihood
        self._push = push
        self._stopped = stopped

    def __call__(self, input_ids: torch.Tensor, scores: Any, **kwargs: Any) -> torch.Tensor:
        """Whether each row ends here: bool (rows,)."""
        del scores, kwargs
        self._likelihood.choose(input_ids)
        self._push(int(input_ids[0, -1]))
        return torch.full((len(input_ids),), self._stopped(), device=input_ids.device)


def _several() -> ConfigError:
    return ConfigError(
        "an answer grew by other than one id a step, as with assisted decoding; leave out the "
        "option that asks for it"
    )
