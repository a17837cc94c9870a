import base64
import importlib.util
import random
import sys
import unicodedata
from pathlib import Path

import pytest
from benchmarks import _vocabularies as vocabularies
from benchmarks._vocabularies import QWEN_PATTERN, QWEN_SPECIALS, load_tokenizer

import maskcodec as mc
from tests.conftest import ROOT

tokenizers = pytest.importorskip("tokenizers", reason="tokenizers is not installed")

PACKAGES = {
    "qwen": ("dashscope", "transformers"),
    "mistral": ("mistral_common", "sentencepiece", "transformers"),
    "tekken": ("mistral_common", "transformers"),
}
WORDS = [
    "others",
    " *12| dog *3\n",
    "<seg>",
    "  ",
    "fg12",
    "Straße",
    "été",
    "狗",
    "🐶",
    "\n\n",
    "'s",
]


def texts():
    """Descriptors, words of many alphabets, spaces in any number, a page; composed (NFC)."""
    random.seed(7)
    page = (ROOT / "README.md").read_text("utf-8")
    mixed = ["".join(random.choices(WORDS, k=6)) for _ in range(300)]
    letters = ["".join(chr(random.randrange(32, 0x2500)) for _ in range(12)) for _ in range(300)]
    for text in [" dog", "   dog", "a\u00a0b", *mixed, *letters, *page.splitlines(keepends=True)]:
        yield unicodedata.normalize("NFC", text)


@pytest.fixture(scope="module")
def loaded():
    """A function that loads each vocabulary once, and skips where its packages are missing."""
    known = {}

    def get(name):
        for package in PACKAGES[name]:
            if importlib.util.find_spec(package) is None:
                pytest.skip(f"{package} is not installed")
        if name not in known:
            known[name] = load_tokenizer(name)
        return known[name]

    return get


def ids(tokenizer, text):
    return tokenizer.encode(text, add_special_tokens=False).ids


def data(package, *parts):
    return Path(importlib.util.find_spec(package).submodule_search_locations[0], *parts)


@pytest.mark.parametrize(
    ("name", "count"), [("qwen", 151657), ("mistral", 32000), ("tekken", 131072)]
)
def test_a_vocabulary_has_as_many_ids_as_its_models_know(loaded, name, count):
    tokenizer = loaded(name)
    assert tokenizer.get_vocab_size() == count
    assert sorted(tokenizer.get_vocab().values()) == list(range(count))


@pytest.mark.parametrize("name", PACKAGES)
def test_text_comes_back(loaded, name):
    tokenizer = loaded(name)
    for text in texts():
        assert tokenizer.decode(ids(tokenizer, text)) == text


def test_qwen_writes_each_digit_alone(loaded):
    assert loaded("qwen").encode("dog*63|12").tokens == ["dog", "*", "6", "3", "|", "1", "2"]


def test_qwen_has_its_special_tokens_where_its_models_have_them(loaded):
    tokenizer = loaded("qwen")
    assert ids(tokenizer, "".join(QWEN_SPECIALS)) == list(range(151643, 151657))
    assert ids(tokenizer, "<|box_start|>") == [151648]
    assert ids(tokenizer, "<|video_pad|>") == [151656]
    assert tokenizer.decode(ids(tokenizer, "a<|image_pad|>b")) == "ab"


def test_qwen_composes_what_unicode_can_compose(loaded):
    assert ids(loaded("qwen"), "e\u0301t\u00e9") == ids(loaded("qwen"), "\u00e9t\u00e9")


def test_qwen_equals_tiktoken(loaded):
    tokenizer = loaded("qwen")
    tiktoken = pytest.importorskip("tiktoken", reason="tiktoken is not installed")
    lines = data("dashscope", "resources", "qwen.tiktoken").read_bytes().splitlines()
    ranks = {base64.b64decode(token): int(rank) for token, rank in map(bytes.split, lines)}
    twin = tiktoken.Encoding("qwen", pat_str=QWEN_PATTERN, mergeable_ranks=ranks, special_tokens={})
    for text in texts():
        assert ids(tokenizer, text) == twin.encode_ordinary(text), text


def test_tekken_equals_mistral_common(loaded):
    tokenizer = loaded("tekken")
    from mistral_common.tokens.tokenizers.tekken import Tekkenizer

    twin = Tekkenizer.from_file(data("mistral_common", "data", "tekken_240911.json"))
    assert [tokenizer.id_to_token(k) for k in range(1000)] == list(
        map(twin.id_to_piece, range(1000))
    )
    assert twin.n_words == tokenizer.get_vocab_size()
    for text in texts():
        assert ids(tokenizer, text) == twin.encode(text, bos=False, eos=False), text


def test_mistral_equals_mistral_common(loaded):
    tokenizer = loaded("mistral")
    from mistral_common.tokens.tokenizers.sentencepiece import SentencePieceTokenizer

    twin = SentencePieceTokenizer(data("mistral_common", "data", "tokenizer.model.v1"))
    for text in texts():
        assert ids(tokenizer, text) == twin.encode(text, bos=False, eos=False), text
    assert tokenizer.encode("dog").ids == twin.encode("dog", bos=True, eos=False)


def test_mistral_puts_a_space_behind_an_added_token(loaded):
    tokenizer = tokenizers.Tokenizer.from_str(loaded("mistral").to_str())
    tokenizer.add_tokens([tokenizers.AddedToken("<seg>", normalized=False)])
    assert tokenizer.encode("<seg>dog", add_special_tokens=False).tokens == ["<seg>", "▁dog"]
    assert tokenizer.encode("dog", add_special_tokens=False).tokens == ["▁dog"]


def test_every_call_makes_a_new_tokenizer(loaded):
    loaded("mistral")
    first, second = load_tokenizer("mistral"), load_tokenizer("mistral")
    first.add_tokens(["<fg1>"])
    assert second.get_vocab_size() == 32000


# Packages


@pytest.mark.parametrize(
    ("name", "package"),
    [("qwen", "dashscope"), ("mistral", "mistral_common"), ("tekken", "mistral_common")],
)
def test_a_package_that_is_missing(name, package, monkeypatch):
    monkeypatch.setattr(vocabularies.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(mc.ConfigError) as caught:
        load_tokenizer(name)
    assert str(caught.value) == (
        f"tokenizer {name!r} needs the package {package}, which is missing: "
        "pip install 'maskcodec[bench]'"
    )


def test_a_package_that_is_missing_on_the_way(loaded, monkeypatch):
    loaded("mistral")
    monkeypatch.setitem(sys.modules, "sentencepiece", None)
    with pytest.raises(mc.ConfigError, match="needs the package sentencepiece, which is missing"):
        load_tokenizer("mistral")


def test_a_package_without_its_file(tmp_path, monkeypatch):
    (tmp_path / "dashscope").mkdir()
    (tmp_path / "dashscope" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(mc.ConfigError) as caught:
        load_tokenizer("qwen")
    assert str(caught.value) == (
        "the installed dashscope has no resources/qwen.tiktoken: "
        "pip install --upgrade 'maskcodec[bench]'"
    )
