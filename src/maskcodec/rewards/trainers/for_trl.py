"""TRL: ``GRPOTrainer(reward_funcs=mask_reward, ...)``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from maskcodec.rewards.folder import load, scored

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from maskcodec.rewards.reward import MaskReward


def mask_reward(
    completions: Sequence[Any],
    completion_ids: Sequence[Any] | None = None,
    *,
    targets: Sequence[Any] | None = None,
    reward: MaskReward | None = None,
    log_metric: Callable[[str, float], None] | None = None,
    **_: Any,
) -> list[float | None]:
    """The totals of some answers; None for a row that asks for no masks.

    Parameters
    ----------
    completions, completion_ids
        The answers, texts or messages, and their ids, which are read if the reward has a tokenizer.
    targets
        The column that ``maskcodec build --targets`` writes.
    reward
        By default that of the folder that the environment variable ``MASKCODEC`` names; another one
        by ``functools.partial(mask_reward, reward=MaskReward(tokens))``.
    log_metric
        Gets the means of the parts, as ``mask/iou`` and so on.

    Raises
    ------
    ConfigError
        The rows have no targets, or nothing says which codec answers are written with.
    """
    texts = [one if isinstance(one, str) else one[-1]["content"] for one in completions]
    found = scored(load() if reward is None else reward, texts, completion_ids, targets)
    asked = [parts for parts in found if parts is not None]
    if asked and log_metric is not None:
        for name in asked[0]:
            log_metric(f"mask/{name}", sum(parts[name] for parts in asked) / len(asked))
    return [None if parts is None else parts["total"] for parts in found]
