"""Check a folder before a server loads it."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from maskcodec.errors import ConfigError, SourceError
from maskcodec.files.regular import open_regular
from maskcodec.messages import few, plural
from maskcodec.tokenizers.pretrained import PREPARED
from maskcodec.tokens import TokenCodec

if TYPE_CHECKING:
    import os

    from maskcodec.text.codec import Codec

_LARGEST = 1 << 24  # most bytes of a config, which may list every word of a codec


def check(folder: str | os.PathLike[str], codec: Codec | None = None) -> TokenCodec:
    """Check a folder that a server will load, and return its codec and tokenizer.

    Tags and bricks that are special tokens are no error, since `request` asks for them and for
    ids: a warning goes to the logger ``maskcodec``.

    Parameters
    ----------
    folder
        The folder of the trained model: model, tokenizer and ``maskcodec.json``.
    codec
        The codec of the requests. Default: the folder's.

    Raises
    ------
    FileNotFoundError
        The folder, or its ``maskcodec.json`` or tokenizer, does not exist.
    ConfigError
        The folder has another codec, or no model; an adapter that holds the rows of the codec's
        tokens is not merged; the tokenizer is not the one that the model was prepared with; the
        model has too few rows.
    VocabError
        The codec and the tokenizer do not fit together.

    Examples
    --------
    ::

        tokens = check("merged", mc.Scanlines())  # before: vllm serve merged
    """
    place = Path(folder)
    adapter, config = _json(place / "adapter_config.json") or {}, _json(place / "config.json")
    tokens = TokenCodec.load(place) if codec is None else TokenCodec.from_pretrained(place, codec)
    for name in ("trainable_token_indices", "modules_to_save"):
        if adapter.get(name):
            raise ConfigError(
                f"{place} is an adapter with {name}, which holds the rows of the codec's tokens; "
                "vLLM and SGLang do not load these. Merge it before serving: PeftModel"
                '.from_pretrained(model, adapter).merge_and_unload().save_pretrained("merged")'
            )
    if config is None:
        raise ConfigError(
            f"{place} has no config.json, so it holds no model; give the folder that "
            'merged.save_pretrained("merged") wrote'
        )
    _check_rows(place, config, tokens)
    if tokens.special:
        logging.getLogger("maskcodec").warning(
            "%s has tags or bricks that are special tokens, which servers leave out of texts: %s. "
            "maskcodec.serve.request asks for them and for ids; in requests of your own, set "
            "skip_special_tokens: false and return_token_ids: true",
            *(place, few(tokens.special)),
        )
    return tokens


def end_ids(folder: str | os.PathLike[str]) -> list[int]:
    """The ids that end an answer in a folder's generation config; empty if it has none."""
    ends = (_json(Path(folder) / "generation_config.json") or {}).get("eos_token_id")
    return [n for n in (ends if isinstance(ends, list) else [ends]) if type(n) is int and n >= 0]


def _check_rows(place: Path, config: dict[str, Any], tokens: TokenCodec) -> None:
    """Refuse a tokenizer whose words have no row, or another row, in the model."""
    prepared = config.get(PREPARED)
    if isinstance(prepared, dict):
        wrong = [word for word, n in tokens.words.items() if prepared.get(word) != n]
        if wrong:
            raise ConfigError(
                f"the tokenizer in {place} is not the one that the model was prepared with, but "
                f"was extended afterwards: {plural(len(wrong), 'word')} of {len(tokens.words)} "
                f"have no row or another one ({few(wrong)}). Put the tokenizer there that "
                "prepare_model wrote, or prepare and train anew"
            )
    text = config.get("text_config")
    sizes = [part.get("vocab_size") for part in (config, text) if isinstance(part, dict)]
    rows = max((size for size in sizes if type(size) is int), default=None)
    last = max(tokens.words.values())
    if rows is not None and rows <= last:
        raise ConfigError(
            f"the model in {place} has {rows} rows, but the codec's tokens go up to id {last}: the "
            "tokenizer was extended, and the model was not. maskcodec.hf.prepare_model does both"
        )


def _json(path: Path) -> dict[str, Any] | None:
    """A JSON object of a checkpoint; None if there is no such file."""
    try:
        with open_regular(path) as file:
            data = file.read(_LARGEST + 1)
        if len(data) > _LARGEST:
            raise ValueError(f"it has more than {_LARGEST:,} bytes")
        value = json.loads(data)
        if not isinstance(value, dict):
            raise TypeError("it is no object")
    except FileNotFoundError:
        return None
    except (SourceError, ValueError, TypeError, RecursionError) as error:
        raise ConfigError(f"{path} is not JSON that can be read: {error}") from error
    return value
