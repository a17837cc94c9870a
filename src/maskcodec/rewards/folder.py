"""The reward of a folder: how a trainer's configuration names it."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

from maskcodec.errors import ConfigError
from maskcodec.rewards.reward import MaskReward
from maskcodec.text.codec import load as load_codec
from maskcodec.tokens import TokenCodec

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


@lru_cache(maxsize=8)
def _load(name: str) -> MaskReward:
    has_tokenizer = Path(name, "tokenizer.json").is_file()
    return MaskReward(TokenCodec.load(name) if has_tokenizer else load_codec(name))
