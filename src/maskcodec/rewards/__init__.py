"""Rewards for reinforcement learning: how good an answer is, malformed ones included.

`MaskReward` scores. The files of ``maskcodec.rewards.trainers`` are those whose names trainers are
told. ``docs/rewards.md`` says how.
"""

from maskcodec.rewards.folder import load
from maskcodec.rewards.reward import PARTS, MaskReward

__all__ = ["PARTS", "MaskReward", "load"]
