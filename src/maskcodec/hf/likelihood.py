"""Record the probability of each id of an answer while the model generates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import torch
import transformers

from maskcodec.errors import ConfigError
from maskcodec.hf.constrain import as_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable

    from maskcodec.hf.constrain import Ids

    Keys: TypeAlias = list[tuple[int, bytes]]


class Likelihood(transformers.LogitsProcessor):
    """Records the log-probability of every id that was chosen, also in beams that were dropped.

    The probabilities are the model's own, before the constraint. The ids are a tree: answers with a
    common beginning share it, and beams may change places. Each id takes one number;
    ``output_logits`` of `generate` would keep a whole vocabulary.

    Parameters
    ----------
    groups
        The number of prompts. Their rows come one after another, the same number for each.
    """

    supports_continuous_batching = False

    def __init__(self, groups: int) -> None:
        self._groups = groups
        self._prompt = -1  # the number of ids of the prompt
        self._logs = [0.0] * groups  # of each node; the first nodes are the prompts
        self._next: dict[tuple[int, int], int] = {}
        self._nodes: dict[tuple[int, bytes], int] = {(n, b""): n for n in range(groups)}
        self._rows: dict[tuple[int, bytes], int] = {}  # the rows of the answers in the last call
        self._thought = torch.empty(0, 0)

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Note the log-probabilities of the next ids; return the scores unchanged."""
        if self._prompt < 0:
            self._prompt = input_ids.shape[1]
        answers = self._keys(as_rows(input_ids)[:, self._prompt :], self._nodes)
        self._rows = {answer: row for row, answer in enumerate(answers)}
        self._thought = scores.log_softmax(-1, dtype=torch.float32)
        return scores

    def choose(self, input_ids: torch.Tensor) -> None:
        """Note the chosen ids: the rows of the last call and one more id, in any order."""
        answers = as_rows(input_ids)[:, self._prompt :]
        before, numbers = self._keys(answers[:, :-1], self._rows), answers[:, -1].tolist()
        logs = self._thought[[self._rows[answer] for answer in before], numbers].tolist()
        nodes = []
        for answer, number, log in zip(before, numbers, logs, strict=True):
            edge = self._nodes[answer], number
            if edge not in self._next:
                self._next[edge] = len(self._logs)
                self._logs.append(log)
            nodes.append(self._next[edge])
        self._nodes = dict(zip(self._keys(answers), nodes, strict=True))

    def logs(self, group: int, ids: Iterable[int]) -> list[float]:
        """The natural logarithms of the probabilities of an answer's ids; `group` is its prompt."""
        node, found = group, []
        for number in ids:
            node = self._next[node, number]
            found.append(self._logs[node])
        return found

    def _keys(self, answers: Ids, known: Container[Any] | None = None) -> Keys:
        """The prompt and the ids of each answer; refuse answers that are not in `known`."""
        keys = [
            (row * self._groups // len(answers), ids.tobytes()) for row, ids in enumerate(answers)
        ]
        if known is not None and not all(key in known for key in keys):
            raise ConfigError(
                "an answer grew by other than one id a step, as with assisted decoding; leave out "
                "the option that asks for it"
            )
        return keys


class Watch(transformers.StoppingCriteria):
    """Passes on each id when it is chosen, and can end all answers.

    Parameters
    ----------
    likelihood
        Notes the ids.
    push
        Called with each id of the first row.
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
