"""EasyR1: ``worker.reward.reward_function=.../for_easyr1.py:compute_score``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from maskcodec.rewards.folder import load, load_whole

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

REWARD_NAME = "mask"
REWARD_TYPE = "batch"
_REMEDY = (
    "; or set both worker.reward.skip_special_tokens and "
    "worker.reward.reward_function_kwargs.skip_special_tokens to false"
)


def compute_score(
    reward_inputs: Sequence[Mapping[str, Any]],
    *,
    codec: str | None = None,
    skip_special_tokens: bool = True,
    **_: Any,
) -> list[dict[str, float]]:
    """The parts of some answers, with the total as ``"overall"``.

    Parameters
    ----------
    reward_inputs
        Each with the answer as ``"response"``, and its targets as ``"ground_truth"``: the column
        ``targets`` by ``data.answer_key=targets``.
    codec
        A folder with a ``maskcodec.json``, by ``worker.reward.reward_function_kwargs.codec``; by
        default that of the environment variable ``MASKCODEC``.
    skip_special_tokens
        What ``worker.reward.skip_special_tokens`` says, which EasyR1 does not hand over.

    Raises
    ------
    ConfigError
        Nothing names such a folder; or special tokens are erased, and it has no tokenizer.
    VocabError
        A word of the codec is a special token, which EasyR1 would erase.
    """
    reward = load_whole(codec, "EasyR1", _REMEDY) if skip_special_tokens else load(codec)
    found = [reward(one["response"], one["ground_truth"]) for one in reward_inputs]
    return [{"overall": parts.pop("total"), **parts} for parts in found]
