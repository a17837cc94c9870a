"""Load tokenizers by name: a file, a folder, or a repository on the Hugging Face Hub."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from maskcodec.errors import ConfigError, VocabError
from maskcodec.messages import brief
from maskcodec.tokenizers.any_tokenizer import load_saved

if TYPE_CHECKING:
    from tokenizers import Tokenizer

PREPARED = "maskcodec_rows"  # key in a model's config: the words with embeddings, and their ids
_HUB_NAME = re.compile(r"(?:[A-Za-z0-9][\w.-]{0,95}/)?[A-Za-z0-9][\w.-]{0,95}", re.ASCII)
_EXAMPLE = "Qwen/Qwen2.5-VL-7B-Instruct"


def load_tokenizer(name: str | os.PathLike[str]) -> Any:
    """Load a tokenizer from its file, its folder, or its repository on the Hub.

    Parameters
    ----------
    name
        The path of a ``tokenizer.json`` or of a folder with a tokenizer, or a name on the Hub such
        as ``"Qwen/Qwen2.5-VL-7B-Instruct"``. A file or folder of this name comes first, then the
        Hub's cache, then the Hub. Code of a checkpoint never runs.

    Returns
    -------
    A tokenizer of transformers; for a file, or a folder with only a ``tokenizer.json``, one of
    tokenizers. Every call returns a new one.

    Raises
    ------
    ConfigError
        There is no such tokenizer, its file cannot be read, or transformers is missing.
    VocabError
        A folder's tokenizer cannot be read, or a tokenizer needs to run its own code.
    """
    path = _local(name)
    if path is not None and path.is_dir():
        try:
            return load_saved(path)
        except FileNotFoundError:
            raise ConfigError(
                f"the folder {str(name)!r} has no tokenizer.json; save_pretrained() writes one"
            ) from None
    if path is not None:
        return _read(path)
    _check_hub_name(name, "tokenizer")
    return _from_hub(str(name))


def bare_tokenizer(tokenizer: Any) -> Tokenizer:
    """The ``tokenizers.Tokenizer`` of a tokenizer of either library.

    Raises
    ------
    VocabError
        The tokenizer is a slow one of transformers, without a backend.
    """
    bare = hasattr(tokenizer, "token_to_id")
    backend: Tokenizer | None = tokenizer if bare else getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise VocabError(
            f"{type(tokenizer).__name__} is no fast tokenizer, which counting takes; name a "
            "checkpoint that has a tokenizer.json"
        )
    return backend


def checkpoint_file(name: str | os.PathLike[str], file: str, *, download: bool) -> Path | None:
    """The path of a checkpoint's file, in a folder or in the Hub's cache, or None.

    With `download`, a file that is not in the cache is downloaded from the Hub.
    """
    path = _local(name)
    if path is not None:
        return path / file if (path / file).is_file() else None
    _check_hub_name(name, "checkpoint")
    try:
        from huggingface_hub import hf_hub_download
    except ImportError:
        return None
    for local in (True, False) if download else (True,):
        try:
            return Path(hf_hub_download(str(name), file, local_files_only=local))
        except Exception:
            pass
    return None


def _local(name: str | os.PathLike[str]) -> Path | None:
    """The file or folder with this name, or None."""
    if not isinstance(name, (str, os.PathLike)):
        raise TypeError(
            "a checkpoint is named by its folder, a file or its name on the Hub, got "
            f"{brief(name)}; the codec comes after it"
        )
    path = Path(name)
    try:
        return path if path.exists() else None
    except (OSError, ValueError):  # too long for a path, or with a null character
        return None


def _check_hub_name(name: str | os.PathLike[str], what: str) -> None:
    if not isinstance(name, str) or not _HUB_NAME.fullmatch(name) or ".." in name:
        raise ConfigError(
            f"no file or folder is called {brief(str(name))}, and no {what} on the Hub can be; "
            f"give the path of a tokenizer.json, of a folder with one, or a name such as {_EXAMPLE}"
        )


def _read(path: Path) -> Tokenizer:
    from tokenizers import Tokenizer

    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises nothing narrower
        raise ConfigError(
            f"{str(path)!r} is not a tokenizer.json that can be read: {error}"
        ) from error


def _from_hub(name: str) -> Any:
    try:
        from transformers import AutoTokenizer
    except ImportError as error:
        raise ConfigError(
            f"no file or folder is called {name!r}, and the Hub's tokenizers need transformers: "
            "pip install transformers"
        ) from error
    said = ""
    for local in True, False:
        try:
            return AutoTokenizer.from_pretrained(
                name, local_files_only=local, trust_remote_code=False
            )
        except Exception as error:
            said = str(error)
    if "trust_remote_code" in said:
        raise VocabError(
            f"the tokenizer {name!r} wants to run Python code of its own, which is never run; if "
            "you trust it, load it yourself with AutoTokenizer.from_pretrained(name, "
            "trust_remote_code=True) and pass it to TokenCodec"
        )
    reason = said.strip().partition("\n")[0]
    raise ConfigError(
        f"no tokenizer is called {name!r}: there is no such file or folder, this machine's cache "
        f"of the Hub has none, and neither gives the Hub ({reason:.200}). Check the name; without "
        f"a network, run `hf download {name}` where there is one, and give the folder"
    )
