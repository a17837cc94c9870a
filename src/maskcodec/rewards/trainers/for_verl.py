"""verl: ``reward.custom_reward_function.path=pkg://maskcodec.rewards.trainers.for_verl``."""

from __future__ import annotations

from typing import Any

from maskcodec.rewards.folder import load_whole


def compute_score(
    data_source: str,  # noqa: ARG001
    solution_str: str,
    ground_truth: Any,
    extra_info: Any = None,  # noqa: ARG001
    *,
    codec: str | None = None,
    **_: Any,
) -> dict[str, float]:
    """The parts of one answer, with the total as ``"score"``.

    Parameters
    ----------
    data_source, extra_info
        Not looked at.
    solution_str
        The answer, without special tokens: verl erases them.
    ground_truth
        Its targets, from ``reward_model.ground_truth`` of the row.
    codec
        A folder with a ``maskcodec.json`` and a tokenizer, by
        ``reward.custom_reward_function.reward_kwargs.codec``; by default that of the environment
        variable ``MASKCODEC``.

    Raises
    ------
    ConfigError
        Nothing names such a folder.
    VocabError
        A word of the codec is a special token, which verl would erase.
    """
    parts = load_whole(codec, "verl")(solution_str, ground_truth)
    return {"score": parts.pop("total"), **parts}
