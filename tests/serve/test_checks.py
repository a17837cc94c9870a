"""What `check` says of folders before a server loads them."""

import json
import logging
import os

import pytest

import maskcodec as mc
from maskcodec.errors import ConfigError
from maskcodec.serve import check, request
from maskcodec.serve.checks import end_ids
from tests.serve.standin import MASK, tokens_of
from tests.vocabularies import fresh, wrapped

TOKENS = tokens_of("scanlines")
ROWS = max(TOKENS.words.values()) + 1


def saved(folder, tokens=TOKENS, **config):
    """A merged model's folder, but for the model."""
    tokens.save(folder)
    config = {
        "vocab_size": max(tokens.words.values()) + 1,
        "maskcodec_rows": tokens.words,
        **config,
    }
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture
def merged(tmp_path):
    return saved(tmp_path)


def test_a_good_folder_is_what_its_requests_need(merged, caplog):
    tokens = check(merged)
    assert (tokens.codec, tokens.words) == (TOKENS.codec, TOKENS.words)
    assert check(str(merged), TOKENS.codec).words == TOKENS.words
    assert request("Where?", MASK, merged) == request("Where?", MASK, TOKENS)
    saved(merged, maskcodec_rows=None, vocab_size=None, text_config={"vocab_size": ROWS + 7})
    check(merged)
    saved(merged, maskcodec_rows={**TOKENS.words, "<more>": 7}, vocab_size="many")
    check(merged)
    assert not caplog.records


def test_special_tokens_are_warned_of(tmp_path, caplog):
    tokenizer = fresh("byte-level")
    tokenizer.add_special_tokens(["<ref>", "</ref>"])
    mc.extend_tokenizer(TOKENS.codec, tokenizer)
    tokens = mc.TokenCodec(TOKENS.codec, wrapped(tokenizer, eos_token="<eos>"))
    with caplog.at_level(logging.WARNING, "maskcodec"):
        assert check(saved(tmp_path, tokens)).special == ["<ref>", "</ref>"]
    assert caplog.messages == [
        f"{tmp_path} has tags or bricks that are special tokens, which servers leave out of texts: "
        "<ref>, </ref>. maskcodec.serve.request asks for them and for ids; in requests of your "
        "own, set skip_special_tokens: false and return_token_ids: true"
    ]
    assert TOKENS.special == []


@pytest.mark.parametrize("name", ["trainable_token_indices", "modules_to_save"])
def test_an_adapter_with_rows_must_be_merged(merged, name):
    (merged / "adapter_config.json").write_text(json.dumps({name: ["lm_head"]}))
    with pytest.raises(ConfigError) as caught:
        check(merged)
    assert str(caught.value) == (
        f"{merged} is an adapter with {name}, which holds the rows of the codec's tokens; vLLM and "
        "SGLang do not load these. Merge it before serving: PeftModel.from_pretrained(model, "
        'adapter).merge_and_unload().save_pretrained("merged")'
    )
    (merged / "adapter_config.json").write_text(json.dumps({"r": 8, name: None}))
    check(merged)


def test_a_tokenizer_extended_after_the_model_was_prepared(merged):
    prepared = {word: n for word, n in TOKENS.words.items() if word not in ("<seg>", "<fg:1>")}
    saved(merged, maskcodec_rows={**prepared, "<ref>": 3})
    with pytest.raises(ConfigError) as caught:
        check(merged)
    assert str(caught.value) == (
        f"the tokenizer in {merged} is not the one that the model was prepared with, but was "
        f"extended afterwards: 3 words of {len(TOKENS.words)} have no row or another one (<ref>, "
        "<seg>, <fg:1>). Put the tokenizer there that prepare_model wrote, or prepare and train "
        "anew"
    )
    saved(merged, maskcodec_rows=None, vocab_size=ROWS - 1)
    with pytest.raises(ConfigError) as caught:
        check(merged)
    assert str(caught.value) == (
        f"the model in {merged} has {ROWS - 1} rows, but the codec's tokens go up to id "
        f"{ROWS - 1}: the tokenizer was extended, and the model was not. "
        "maskcodec.hf.prepare_model does both"
    )


def test_another_codec_is_in_the_folder(merged):
    with pytest.raises(ConfigError, match="are not the same codec: id='b-sd/1' and id='scan"):
        check(merged, mc.BSD())


def test_a_folder_without_a_model(merged, tmp_path):
    (merged / "config.json").unlink()
    with pytest.raises(ConfigError, match=r"has no config\.json, so it holds no model; give the"):
        check(merged)
    with pytest.raises(FileNotFoundError):
        check(tmp_path / "nothing")


@pytest.mark.parametrize("content", ["{", "[]", "[" * 100_000, '{"a": 1' + "0" * 5000 + "}"])
def test_a_config_that_is_none(merged, content):
    (merged / "config.json").write_text(content)
    with pytest.raises(ConfigError, match=r"config\.json is not JSON that can be read: "):
        check(merged)


def test_a_config_that_is_no_file_or_too_large(merged, monkeypatch):
    monkeypatch.setattr("maskcodec.serve.checks._LARGEST", 100)
    with pytest.raises(ConfigError, match="can be read: it has more than 100 bytes"):
        check(merged)
    (merged / "config.json").unlink()
    os.mkfifo(merged / "config.json")
    with pytest.raises(ConfigError, match=r"can be read: .* is a pipe"):
        check(merged)


def test_the_ends_of_a_generation_config(merged):
    assert end_ids(merged) == []
    for ends, expected in [(7, [7]), ([7, 8], [7, 8]), (None, []), ("x", []), ([True, -1, 9], [9])]:
        (merged / "generation_config.json").write_text(json.dumps({"eos_token_id": ends}))
        assert end_ids(merged) == expected
