"""Tokenizers to try: one of each family, trained here, and the real ones of the extra `vocab`."""

from __future__ import annotations

import importlib.util
import json
import string
from functools import cache, lru_cache

import pytest

import maskcodec as mc
from maskcodec.vocabularies import load_tokenizer
from tests.strategies import BSD_SETTINGS

tokenizers = pytest.importorskip("tokenizers", reason="the extra 'vocab' is not installed")
Tokenizer, AddedToken = tokenizers.Tokenizer, tokenizers.AddedToken
decoders, models, normalizers = tokenizers.decoders, tokenizers.models, tokenizers.normalizers
pre_tokenizers, trainers = tokenizers.pre_tokenizers, tokenizers.trainers

_WORDS = ["a black dog on the left", "sky", "roi0", "the red circle", "two people, one umbrella"]
_BOXES = [f"[[{x} {y} {x + 9} {y + 21}]]" for x in range(0, 100, 7) for y in range(0, 100, 9)]
_ROWS = ["others*3|dog*12", "others*16\nsky*2|others*14", "fg12bg3\nbg2fg13"]
_LETTERS = [" ".join(string.printable.strip()), " ".join(string.digits), "犬 naïve café"]
CORPUS = [*_WORDS, *_BOXES, *_ROWS, *_LETTERS, "0123456789876543210"] * 3


def byte_level() -> Tokenizer:
    """GPT-2's kind: bytes, and a space belongs to the word behind it."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=420, initial_alphabet=alphabet, special_tokens=["<eos>"], show_progress=False
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    return tokenizer


def joined() -> Tokenizer:
    """Bytes without any words: tokens reach from one number of a box into the next."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=500, initial_alphabet=alphabet, special_tokens=["<eos>"], show_progress=False
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    return tokenizer


def unigram() -> Tokenizer:
    """SentencePiece's kind by probability: a space is put before every piece of text."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=300, unk_token="<unk>", special_tokens=["<unk>", "</s>"], show_progress=False
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    return tokenizer


def word_piece() -> Tokenizer:
    """BERT's kind: small letters, no newlines, spaces between all tokens."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    trainer = trainers.WordPieceTrainer(
        vocab_size=400, special_tokens=["[UNK]", "[PAD]", "[SEP]"], show_progress=False
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    return tokenizer


def metaspace() -> Tokenizer:
    """The older Llama's kind: pairs and single bytes, a space before every piece of text."""
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    specials = ["<unk>", "<s>", "</s>"]
    pieces = [f"<0x{byte:02X}>" for byte in range(256)]
    trainer = trainers.BpeTrainer(
        vocab_size=620, special_tokens=specials + pieces, show_progress=False
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    # The trainer makes every special token an added one, which a byte is not.
    content = tokenizer.to_str()
    bytes_added = [token for token in pieces if f'"content":"{token}"' in content]
    assert bytes_added
    return _without_added(content, set(bytes_added))


def _without_added(content: str, tokens: set[str]) -> Tokenizer:
    loaded = json.loads(content)
    loaded["added_tokens"] = [t for t in loaded["added_tokens"] if t["content"] not in tokens]
    return Tokenizer.from_str(json.dumps(loaded))


TRAINED = {
    "byte-level": byte_level,
    "joined": joined,
    "unigram": unigram,
    "word-piece": word_piece,
    "metaspace": metaspace,
}
REAL = {
    "qwen": ("dashscope", "transformers"),
    "mistral": ("mistral_common", "sentencepiece", "transformers"),
    "tekken": ("mistral_common", "transformers"),
}
NAMES = [*TRAINED, *REAL]

_IMAGE_WISE = [mc.ISD(), mc.IRLE(), mc.RRLE()]
_CODECS = [mc.BSD(**settings) for settings in BSD_SETTINGS] + _IMAGE_WISE


@lru_cache(maxsize=16)
def _stored(name: str) -> str:
    return (TRAINED[name]() if name in TRAINED else load_tokenizer(name)).to_str()


def fresh(name: str) -> Tokenizer:
    """A tokenizer by its name in `TRAINED` or `REAL`, not extended, nobody else's."""
    for package in REAL.get(name, ()):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"the vocabulary {name} needs the package {package}")
    return Tokenizer.from_str(_stored(name))


def wrapped(tokenizer: Tokenizer, **roles: str) -> object:
    """A tokenizer as transformers has it, which knows the roles of some tokens."""
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    return transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **roles)


@cache
def extended(name: str) -> Tokenizer:
    """A tokenizer with the tags and bricks of every codec of the tests; all tests share it."""
    tokenizer = fresh(name)
    for codec in _CODECS:
        mc.extend_tokenizer(tokenizer, codec)
    return tokenizer


@cache
def tokens(name: str, codec: mc.Codec) -> mc.TokenCodec:
    """A codec over a tokenizer that all tests share."""
    return mc.TokenCodec(codec, extended(name))
