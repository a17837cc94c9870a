"""How likely a model found the ids of its answers, written down while it generates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
import transformers

from maskcodec.errors import ConfigError
from maskcodec.hf._rowmatch import RowMatch, as_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from maskcodec.hf._rowmatch import Rows


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
        self._match = RowMatch(groups)
        self._rows: Rows | None = None
        self._logs = [0.0] * groups  # of each node; the first ones are where the answers begin
        self._next: dict[tuple[int, int], int] = {}
        self._nodes: list[int] = []  # where the rows are
        self._thought = torch.empty(0, 0)

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Note what the model thinks of the next ids; the scores stay as they are."""
        rows = self._match.read(as_rows(input_ids))
        if self._rows is None:
            self._nodes = [self._match.group(row, len(input_ids)) for row in range(len(input_ids))]
        else:
            origins = self._match.same(rows, self._rows)
            if origins is None:
                raise _several()
            self._nodes = [self._nodes[origin] for origin in origins]
        self._rows = rows
        self._thought = scores.log_softmax(-1, dtype=torch.float32)
        return scores

    def choose(self, input_ids: torch.Tensor) -> None:
        """Note what was chosen: the rows of the last call and one id more, in any order."""
        rows = self._match.read(as_rows(input_ids))
        origins = None if self._rows is None else self._match.parents(rows, self._rows)
        if origins is None:
            raise _several()
        logs = self._thought[origins, rows.last].tolist()
        after = []
        for origin, number, log in zip(origins, rows.last, logs, strict=True):
            key = self._nodes[origin], number
            if key not in self._next:
                self._next[key] = len(self._logs)
                self._logs.append(log)
            after.append(self._next[key])
        self._rows, self._nodes = rows, after

    def logs(self, group: int, ids: Iterable[int]) -> list[float]:
        """The natural logarithms of the probabilities of an answer's ids, to a prompt."""
        node, found = group, []
        for number in ids:
            node = self._next[node, number]
            found.append(self._logs[node])
        return found


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
