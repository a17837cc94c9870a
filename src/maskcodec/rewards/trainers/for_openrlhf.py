"""OpenRLHF: ``--reward.remote_url .../for_openrlhf.py``."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Any

from maskcodec.errors import ConfigError
from maskcodec.messages import brief
from maskcodec.rewards.folder import load
from maskcodec.tokenizers.any_tokenizer import AnyTokenizer

if TYPE_CHECKING:
    from collections.abc import Sequence

_LEAST = 8  # characters: a template's own words before an answer are more


def reward_func(
    queries: Sequence[str], prompts: Sequence[str], labels: Sequence[Any], **_: Any
) -> dict[str, Any]:
    """The totals of some answers as ``"rewards"`` and ``"scores"``, the parts as ``"extra_logs"``.

    The reward is that of the folder that the environment variable ``MASKCODEC`` names. With a
    tokenizer there, what stands around an answer, such as its end, is passed over.

    Parameters
    ----------
    queries
        Each a prompt with its answer, special tokens and all.
    prompts
        The prompts, before a processor has put images into them.
    labels
        Targets, the column that ``maskcodec build --targets`` writes.

    Returns
    -------
    Tensors of float32 (answers,).

    Raises
    ------
    ConfigError
        Nothing names such a folder, or a query does not have its prompt.
    """
    import torch

    reward = load()
    found = []
    for query, prompt, wanted in zip(queries, prompts, labels, strict=True):
        answer: Any = _behind(query, prompt)
        if reward.tokens is not None:
            answer = AnyTokenizer(reward.tokens.tokenizer).encode(answer)
        found.append(reward(answer, wanted))
    columns = {name: torch.tensor([parts[name] for parts in found]) for name in found[0]}
    totals = columns.pop("total")
    return {"rewards": totals, "scores": totals, "extra_logs": columns}


def _behind(query: str, prompt: str) -> str:
    """What stands behind a prompt: behind as much of its end as comes again in the query.

    All of it does, but where a processor has repeated the place of an image.
    """
    missing = bisect_left(range(len(prompt)), x=True, key=lambda start: prompt[start:] in query)
    end = prompt[missing:]
    if len(end) < _LEAST:
        raise ConfigError(
            f"a query must have the end of its prompt, {brief(prompt[-30:])}, behind which the "
            f"answer begins; got {brief(query)}"
        )
    return query.split(end, prompt.count(end))[-1]
