"""One interface to the tokenizers of both libraries, `transformers` and `tokenizers`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from maskcodec.errors import VocabError
from maskcodec.messages import brief, plural

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

# The attributes of transformers' tokenizers whose ids pad, begin or end a text.
_AROUND = "pad_token_id", "bos_token_id", "eos_token_id", "cls_token_id", "sep_token_id"
_GAPS = 1 << 18  # unused ids that any vocabulary may have; tables take 5 bytes for each
_TOKENIZER_FILE, _WRAPPER_FILE = "tokenizer.json", "tokenizer_config.json"


class AnyTokenizer:
    """A wrapper around a tokenizer of either library.

    Parameters
    ----------
    tokenizer
        A ``transformers.PreTrainedTokenizerBase`` or a ``tokenizers.Tokenizer``; not copied.
    """

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self.bare = hasattr(tokenizer, "token_to_id")
        if not self.bare and not hasattr(tokenizer, "convert_tokens_to_ids"):
            hint = "; a processor has one, processor.tokenizer" * hasattr(tokenizer, "tokenizer")
            raise TypeError(
                "tokenizer must be one of transformers or tokenizers, got "
                f"{type(tokenizer).__name__}{hint}"
            )

    def check_plain(self) -> None:
        """Refuse settings that change the ids of a text.

        Raises
        ------
        VocabError
            A bare tokenizer pads or truncates, or a tokenizer splits special tokens.
        """
        for setting in ("truncation", "padding") if self.bare else ():
            if getattr(self.tokenizer, setting):
                raise VocabError(
                    f"the tokenizer has {setting} enabled, which changes the ids of a text; call "
                    f"tokenizer.no_{setting}() first"
                )
        if getattr(self.tokenizer, "split_special_tokens", False):
            raise VocabError(
                "the tokenizer splits special tokens, tags among them; set "
                "tokenizer.split_special_tokens = False first"
            )

    def new_ids(self, count: int) -> range | None:
        """The ids that `tokenizers` will give new tokens; None for a tokenizer without it."""
        backend = self.tokenizer
        if not self.bare:
            backend = getattr(backend, "backend_tokenizer", None)
        if not hasattr(backend, "get_added_tokens_decoder"):
            return None
        size = backend.get_vocab_size(with_added_tokens=False)
        last = max(backend.get_added_tokens_decoder(), default=-1)
        first = last + 1 if last >= size or size == 0 else size
        return range(first, first + count)

    def encode(self, text: str) -> list[int]:
        """The ids of a text, without the special tokens that a model expects around it."""
        ids = self.tokenizer.encode(text, add_special_tokens=False)
        return list(ids.ids if self.bare else ids)

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids, special tokens included. The vocabulary must have all of them."""
        settings = {} if self.bare else {"clean_up_tokenization_spaces": False}
        text: str = self.tokenizer.decode(list(ids), skip_special_tokens=False, **settings)
        return text

    def vocabulary(self) -> dict[str, int]:
        """Every token and its id, added tokens included.

        Raises
        ------
        VocabError
            An id is negative, or too large: twice the number of tokens plus 2**18, or more.
        """
        tokens: dict[str, int] = (
            self.tokenizer.get_vocab(with_added_tokens=True)
            if self.bare
            else self.tokenizer.get_vocab()
        )
        most = 2 * len(tokens) + _GAPS
        for number in (min(tokens.values(), default=0), max(tokens.values(), default=0)):
            if not 0 <= number < most:
                token = next(token for token, its in tokens.items() if its == number)
                raise VocabError(
                    f"the tokenizer gives {brief(token)} the id {number}; a vocabulary of "
                    f"{plural(len(tokens), 'token')} may have ids from 0 to {most - 1:,}: number "
                    "its tokens without such gaps"
                )
        return tokens

    def added(self) -> dict[int, Any]:
        """The added tokens by id, as ``AddedToken``. A text is split at them first."""
        tokens: dict[int, Any] = (
            self.tokenizer.get_added_tokens_decoder()
            if self.bare
            else self.tokenizer.added_tokens_decoder
        )
        return tokens

    def add(self, words: list[str]) -> None:
        """Add tokens that match anywhere in a text and that no decoder skips.

        Raises
        ------
        VocabError
            The tokenizer takes no added tokens.
        """
        from tokenizers import AddedToken

        tokens = [AddedToken(word, special=False, normalized=False) for word in words]
        try:
            self.tokenizer.add_tokens(tokens)
        except NotImplementedError as error:
            raise VocabError(
                f"{type(self.tokenizer).__name__} takes no added tokens ({error}); load the "
                "model's tokenizer.json with tokenizers.Tokenizer.from_file instead"
            ) from error

    def ignored(self) -> set[int]:
        """The ids around an answer: padding, beginning and end of a text.

        A bare ``tokenizers.Tokenizer`` does not know these roles. For it, they are all special
        tokens except the one for unknown words.
        """
        if self.bare:
            unknown = getattr(self.tokenizer.model, "unk_token", None), "<unk>", "[UNK]"
            added = self.added().items()
            return {i for i, token in added if token.special and token.content not in unknown}
        roles = (getattr(self.tokenizer, role, None) for role in _AROUND)
        return {role for role in roles if role is not None}

    def end(self) -> int | None:
        """The id that ends an answer, or None if the tokenizer does not know it."""
        number: int | None = None if self.bare else self.tokenizer.eos_token_id
        return number

    def save(self, folder: Path) -> None:
        """Write the tokenizer to a folder with its own library."""
        if self.bare:
            self.tokenizer.save(str(folder / _TOKENIZER_FILE))
        else:
            self.tokenizer.save_pretrained(folder)


def load_saved(folder: Path) -> Any:
    """Load the tokenizer in a folder: with transformers if it wrote one, else a bare tokenizer.

    Raises
    ------
    FileNotFoundError
        The folder has no tokenizer.
    VocabError
        The tokenizer cannot be read, or only by running code from the folder.
    """
    file = folder / _TOKENIZER_FILE
    wrapped = (folder / _WRAPPER_FILE).exists()
    if not wrapped and not file.exists():
        raise FileNotFoundError(
            f"{folder} holds no tokenizer: neither {_TOKENIZER_FILE} nor one "
            "that transformers saved"
        )
    try:
        if wrapped:
            from transformers import AutoTokenizer

            return AutoTokenizer.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False
            )
        from tokenizers import Tokenizer

        return Tokenizer.from_file(str(file))
    except ImportError as error:
        raise VocabError(
            f"reading the tokenizer in {folder} needs {error.name}: pip install {error.name}"
        ) from error
    except Exception as error:  # both libraries raise many kinds, bare Exception among them
        named = code_file(folder)
        if wrapped and named:
            raise VocabError(
                f"the tokenizer in {folder} wants to run Python code of its own ({named} has an "
                '"auto_map"), which is never run; if you trust it, load it yourself with '
                "AutoTokenizer.from_pretrained(folder, trust_remote_code=True) and pass it to "
                "TokenCodec"
            ) from error
        raise VocabError(f"the tokenizer in {folder} cannot be read: {error}") from error


def code_file(folder: Path) -> str | None:
    """The first JSON file of a checkpoint that names Python code in the checkpoint, or None."""
    files = _WRAPPER_FILE, "processor_config.json", "preprocessor_config.json", "config.json"
    return next((name for name in files if _names_code(folder / name)), None)


def _names_code(path: Path) -> bool:
    """True if a JSON file has an ``"auto_map"``, which names classes outside transformers."""
    import json

    try:
        return "auto_map" in json.loads(path.read_bytes())
    except (OSError, ValueError, TypeError, RecursionError):
        return False
