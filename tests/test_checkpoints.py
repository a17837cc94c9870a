"""Hostile checkpoints: no code of a folder runs, and nothing is as large as a file claims."""

import builtins
import json
import os
import time

import pytest
from tokenizers import Tokenizer, models

import maskcodec as mc
from tests.strategies import BSD_SETTINGS

AUTO_MAP = {
    "AutoConfig": "own.Own",
    "AutoTokenizer": ["own.Own", None],
    "AutoProcessor": "own.Own",
    "AutoImageProcessor": "own.Own",
}
OWN = """
import pathlib
pathlib.Path(__file__).with_name("ran").touch()
class Own: pass
"""


@pytest.fixture
def own_code(tmp_path, monkeypatch):
    """A checkpoint with code of its own, and somebody at the keyboard who says yes to all."""
    pytest.importorskip("transformers", reason="transformers is not installed")
    monkeypatch.setenv("HF_MODULES_CACHE", str(tmp_path / "modules"))
    asked = []
    monkeypatch.setattr(builtins, "input", lambda *said: asked.append(said) or "y")
    folder = tmp_path / "checkpoint"
    mc.BSD().save(folder)
    (folder / "own.py").write_text(OWN)
    yield folder
    assert not asked
    assert not list(tmp_path.rglob("ran"))


def test_a_tokenizer_with_code_of_its_own_is_refused(own_code):
    config = {"tokenizer_class": "Own", "auto_map": AUTO_MAP}
    (own_code / "tokenizer_config.json").write_text(json.dumps(config))
    with pytest.raises(mc.VocabError) as caught:
        mc.TokenCodec.load(own_code)
    assert str(caught.value) == (
        f"the tokenizer in {own_code} wants to run Python code of its own (tokenizer_config.json "
        'has an "auto_map"), which is never run; if you trust it, load it yourself with '
        "AutoTokenizer.from_pretrained(folder, trust_remote_code=True) and pass it to TokenCodec"
    )


def test_so_is_one_whose_model_has_the_code(own_code):
    (own_code / "tokenizer_config.json").write_text("{}")
    config = {"model_type": "own", "auto_map": AUTO_MAP}
    (own_code / "config.json").write_text(json.dumps(config))
    with pytest.raises(mc.VocabError, match=r"of its own \(config\.json has"):
        mc.TokenCodec.load(own_code)


def test_a_broken_tokenizer_without_code_is_only_broken(own_code):
    (own_code / "tokenizer_config.json").write_text("[" * 100_000)
    with pytest.raises(mc.VocabError, match="cannot be read"):
        mc.TokenCodec.load(own_code)


def test_processors_and_configs_with_code_are_refused(own_code):
    pytest.importorskip("torch", reason="torch is not installed")
    import numpy as np

    from maskcodec import hf

    config = {"model_type": "own", "auto_map": AUTO_MAP}
    (own_code / "config.json").write_text(json.dumps(config))
    image = np.zeros((4, 4, 3), np.uint8)
    with pytest.raises(mc.ConfigError, match="cannot be loaded"):
        hf.refine(str(own_code), image, [image[..., 0] + 1])
    (own_code / "processor_config.json").write_text(
        json.dumps({"processor_class": "Qwen2VLProcessor", "auto_map": AUTO_MAP})
    )
    (own_code / "preprocessor_config.json").write_text(
        json.dumps({"image_processor_type": "Own", "auto_map": AUTO_MAP})
    )
    config = {"tokenizer_class": "Own", "auto_map": AUTO_MAP}
    (own_code / "tokenizer_config.json").write_text(json.dumps(config))
    with pytest.raises(mc.VocabError, match=r"the processor in .* \(tokenizer_config\.json has an"):
        hf.ImageOnlyProcessor.from_pretrained(own_code)


@pytest.mark.parametrize("number", [500_000_000, 2**32 - 1])
def test_ids_are_bounded_by_the_vocabularys_size(number, tmp_path):
    words = {"[UNK]": 0, "dog": 1, "far": number}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    message = (
        rf"^the tokenizer gives 'far' the id {number}; a vocabulary of 3 tokens may have ids from "
        "0 to 262,149: number its tokens without such gaps$"
    )
    for call in (mc.extend_tokenizer, mc.TokenCodec):
        with pytest.raises(mc.VocabError, match=message):
            call(mc.BSD(), tokenizer)
    mc.BSD().save(tmp_path)
    model = {"type": "WordLevel", "vocab": words, "unk_token": "[UNK]"}
    (tmp_path / "tokenizer.json").write_text(json.dumps({"version": "1.0", "model": model}))
    with pytest.raises(mc.VocabError, match=message):
        mc.TokenCodec.load(tmp_path)


LONG = "x" * 500_000
HOSTILE = [
    ("b-sd/1", {"ref_tags": [f"<{LONG}>", f"</{LONG}>"]}),
    ("b-sd/1", {"ref_tags": [LONG, 7]}),
    ("b-sd/1", {"ref_tags": ["\ud800" + LONG, "</ref>"]}),
    ("b-sd/1", {"spelling": [f"<{LONG}{{}}>", "<bg{}>"]}),
    ("b-sd/1", {"row_separator": LONG}),
    ("b-sd/1", {"sampling": LONG}),
    ("b-sd/1", {"bins": LONG}),
    ("b-sd/1", {"bricks": LONG}),
    ("b-sd/1", {"grid": [LONG, 4]}),
    ("b-sd/1", {"grid": [4] * 100_000}),
    ("b-sd/1", {LONG: 4}),
    ("b-sd/1", {f"{n}" * 100: 4 for n in range(1000)}),
    ("r-rle/1", {"seg_tags": [f"<{LONG}>", "</seg>"]}),
    ("r-rle/1", {"dialect": LONG}),
    (LONG, {}),
    ([LONG], {}),
    ("b-sd/1", [LONG]),
]


@pytest.mark.parametrize(("codec_id", "config"), HOSTILE)
def test_a_long_setting_is_refused_at_once_and_in_few_words(codec_id, config):
    whole = {"id": codec_id, **config} if isinstance(config, dict) else config
    began = time.perf_counter()
    with pytest.raises(mc.ConfigError) as caught:
        mc.from_config(whole)
    assert time.perf_counter() - began < 1
    assert len(str(caught.value)) < 800


def test_a_large_file_is_no_configuration(tmp_path):
    (tmp_path / "maskcodec.json").write_text(
        json.dumps({"id": "b-sd/1", "ref_tags": [LONG, "</r>"]})
    )
    with pytest.raises(mc.ConfigError, match=r"has more than 65,536 bytes: it is no config"):
        mc.load(tmp_path)


@pytest.mark.parametrize("grid", [True, [True, True], [4, False], (True, 4)])
def test_true_is_no_number_of_cells(grid):
    for make in (mc.BSD, mc.RRLE):
        with pytest.raises(mc.ConfigError, match="grid must be one or two integers, got"):
            make(grid=grid)
    for name in ("rows", "columns", "bins"):
        with pytest.raises(mc.ConfigError, match=f"{name} must be a whole number, 1 .. "):
            mc.Scanlines(**{name: grid})


def test_a_tag_may_have_a_hundred_characters():
    tag = f"<{'x' * 98}>"
    assert mc.BSD(ref_tags=(tag, "</ref>")).ref_tags == (tag, "</ref>")
    with pytest.raises(mc.ConfigError) as caught:
        mc.BSD(ref_tags=(f"{tag}>", "</ref>"))
    assert str(caught.value) == "ref_tags must be strings of up to 100 characters, got one of 101"
    assert all(mc.from_config(mc.BSD(**each).get_config()) for each in BSD_SETTINGS)


def test_a_pipe_is_no_configuration(tmp_path):
    os.mkfifo(tmp_path / "maskcodec.json")
    with pytest.raises(mc.ConfigError, match="is a pipe, and only a regular file is read"):
        mc.load(tmp_path)


def test_a_setting_stands_once(tmp_path):
    (tmp_path / "maskcodec.json").write_text('{"id": "b-sd/1", "id": "r-rle/1"}')
    with pytest.raises(mc.ConfigError, match="an object has the key 'id' twice"):
        mc.load(tmp_path)
