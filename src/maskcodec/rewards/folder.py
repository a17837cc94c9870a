"""The reward of a folder, which a trainer's configuration names, and how trainers ask it."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from maskcodec.errors import ConfigError, VocabError
from maskcodec.messages import few
from maskcodec.rewards.reward import MaskReward
from maskcodec.text.codec import load as load_codec
from maskcodec.tokens import TokenCodec

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

VARIABLE = "MASKCODEC"


def load(folder: str | os.PathLike[str] | None = None) -> MaskReward:
    """The reward for a folder with a ``maskcodec.json``; one for all calls of a process.

    Parameters
    ----------
    folder
        Where ``maskcodec build``, `Codec.save` or `maskcodec.hf.prepare_model` has written the
        codec. If its tokenizer is there as well, ids can be scored. By default the environment
        variable ``MASKCODEC`` says which.

    Raises
    ------
    ConfigError
        No folder is named; or its codec cannot be read.
    FileNotFoundError
        It has no ``maskcodec.json``.
    VocabError
        Its tokenizer does not fit its codec.
    """
    name = os.environ.get(VARIABLE) if folder is None else str(folder)
    if not name:
        raise ConfigError(
            "nothing says which codec answers are written with: set the environment variable "
            f"{VARIABLE} to a folder with a maskcodec.json, or pass codec= where the trainer has "
            "arguments for rewards"
        )
    return _load(name)


def load_whole(folder: str | os.PathLike[str] | None, trainer: str, remedy: str = "") -> MaskReward:
    """As `load`, for a trainer that erases special tokens before it hands over an answer.

    Parameters
    ----------
    folder
        As `load` has it. Its tokenizer must be there: whether anything is lost depends on it.
    trainer, remedy
        For messages: its name, and what else may be done.

    Raises
    ------
    ConfigError
        There is no tokenizer.
    VocabError
        A tag or brick is a special token: no answer would be read.
    """
    reward = load(folder)
    _check_whole(reward, trainer, remedy)
    return reward


def scored(
    reward: MaskReward, texts: Sequence[str], ids: Sequence[Any] | None, targets: Any
) -> list[dict[str, float] | None]:
    """The parts of each answer, by its ids where there are some and a tokenizer; None without task.

    Raises
    ------
    ConfigError
        There is no column of targets.
    """
    if targets is None:
        raise ConfigError(
            'rows have no column "targets", which answers are compared with: build them with '
            "maskcodec build --targets, and let the trainer keep the column"
        )
    spelled = texts if ids is None or reward.tokens is None else ids
    answers = [text if own is None else own for text, own in zip(texts, spelled, strict=True)]
    pairs: Iterable[tuple[Any, Any]] = zip(answers, targets, strict=True)
    return [None if wanted is None else reward(answer, wanted) for answer, wanted in pairs]


@lru_cache(maxsize=8)
def _load(name: str) -> MaskReward:
    has_tokenizer = Path(name, "tokenizer.json").is_file()
    return MaskReward(TokenCodec.load(name) if has_tokenizer else load_codec(name))


@lru_cache(maxsize=8)
def _check_whole(reward: MaskReward, trainer: str, remedy: str) -> None:
    if reward.tokens is None:
        raise ConfigError(
            f"{trainer} erases special tokens, and whether any word of {reward.codec.codec_id} is "
            "one depends on the tokenizer: name a folder that has it as well, such as the one that "
            f"maskcodec.hf.prepare_model writes{remedy}"
        )
    erased = reward.tokens.special
    if erased:
        raise VocabError(
            f"{trainer} erases special tokens, and {few(map(repr, erased))} are some: no mask "
            "would be left of an answer. Use a codec whose tags are no special tokens: "
            f"maskcodec.extend_tokenizer adds its words as ordinary ones{remedy}"
        )
