"""Rewards for reinforcement learning: how good an answer is, malformed ones included.

`MaskReward` scores. ``trl``, ``swift``, ``verl``, ``easyr1`` and ``openrlhf`` are the files whose
names those trainers are told.
"""

from maskcodec.rewards.folder import load
from maskcodec.rewards.reward import PARTS, MaskReward

__all__ = ["PARTS", "MaskReward", "load"]
