"""Tokenizers by name: files, folders, the Hub, and what is not there."""

import json
import sys

import pytest

import maskcodec as mc
from maskcodec.tokenizers.pretrained import bare_tokenizer, checkpoint_file, load_tokenizer
from tests.vocabularies import fresh, wrapped

tokenizers = pytest.importorskip("tokenizers", reason="tokenizers is not installed")
HUB = "somebody/some-model"


def save_words(folder):
    model = tokenizers.models.WordLevel({"dog": 0, "?": 1}, unk_token="?")
    folder.mkdir(exist_ok=True)
    tokenizers.Tokenizer(model).save(str(folder / "tokenizer.json"))


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """What the Hub and its cache are asked, and what they say: an error, or a tokenizer."""
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    monkeypatch.chdir(tmp_path)
    asked, known = [], {}

    def ask(name, **options):
        asked.append((name, options))
        found = known.get(options["local_files_only"], OSError("no connection\nand more"))
        if isinstance(found, Exception):
            raise found
        return found

    monkeypatch.setattr(transformers.AutoTokenizer, "from_pretrained", ask)
    return asked, known


def test_a_file_or_its_folder(tmp_path, monkeypatch):
    save_words(tmp_path)
    assert load_tokenizer(tmp_path / "tokenizer.json").encode("dog").ids == [0]
    assert load_tokenizer(str(tmp_path)).encode("cat").ids == [1]
    monkeypatch.chdir(tmp_path)
    save_words(tmp_path / "qwen")
    assert load_tokenizer("qwen").get_vocab_size() == 2


def test_a_name_on_the_hub_is_looked_for_on_this_machine_first(hub, tmp_path):
    asked, known = hub
    known[False] = tokenizer = fresh("byte-level")
    assert load_tokenizer(HUB) is tokenizer
    assert asked == [
        (HUB, {"local_files_only": True, "trust_remote_code": False}),
        (HUB, {"local_files_only": False, "trust_remote_code": False}),
    ]
    known[True] = tokenizer
    assert load_tokenizer(HUB) is tokenizer
    assert len(asked) == 3
    (tmp_path / "somebody").mkdir()
    save_words(tmp_path / HUB)
    assert load_tokenizer(HUB).encode("dog").ids == [0]
    assert len(asked) == 3


@pytest.mark.usefixtures("hub")
def test_without_a_network_it_is_said_what_was_tried_and_what_to_do():
    with pytest.raises(mc.ConfigError) as caught:
        load_tokenizer(HUB)
    assert str(caught.value) == (
        f"no tokenizer is called {HUB!r}: there is no such file or folder, this machine's cache of "
        "the Hub has none, and neither gives the Hub (no connection). Check the name; without a "
        f"network, run `hf download {HUB}` where there is one, and give the folder"
    )


def test_code_of_a_checkpoint_is_never_run(hub):
    hub[1][False] = ValueError("contains custom code ... pass `trust_remote_code=True`")
    with pytest.raises(mc.VocabError, match="wants to run Python code of its own, which is never"):
        load_tokenizer(HUB)


def test_the_hub_needs_transformers(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(mc.ConfigError, match="need transformers: pip install transformers"):
        load_tokenizer(HUB)


@pytest.mark.parametrize(
    "name", ["a\0b", "x" * 5000, "../x", "/no/such", "a/b/c", "", "a..b", "-x", "--help", "é/x"]
)
def test_a_name_that_is_none(name, hub):
    with pytest.raises((mc.ConfigError, mc.VocabError)) as caught:
        load_tokenizer(name)
    if name:
        assert "and no tokenizer on the Hub can be; give the path of a" in str(caught.value)
    assert hub[0] == []


@pytest.mark.parametrize("content", [b"", b"\xff", b"[]", json.dumps({"model": 1}).encode()])
def test_a_file_that_is_no_tokenizer(content, tmp_path):
    path = tmp_path / "tokenizer.json"
    path.write_bytes(content)
    with pytest.raises(mc.ConfigError, match=r"is not a tokenizer\.json that can be read: "):
        load_tokenizer(path)
    with pytest.raises(mc.VocabError, match="cannot be read: "):
        load_tokenizer(tmp_path)


def test_a_folder_without_a_tokenizer(tmp_path):
    with pytest.raises(mc.ConfigError) as caught:
        load_tokenizer(str(tmp_path))
    said = f"the folder {str(tmp_path)!r} has no tokenizer.json; save_pretrained() writes one"
    assert str(caught.value) == said


def test_counting_takes_a_fast_tokenizer():
    bare = fresh("byte-level")
    assert bare_tokenizer(bare) is bare
    assert isinstance(bare_tokenizer(wrapped(bare)), tokenizers.Tokenizer)
    with pytest.raises(mc.VocabError, match="object is no fast tokenizer"):
        bare_tokenizer(object())


# TokenCodec.from_pretrained


def test_a_codec_and_the_tokenizer_of_a_checkpoint(tmp_path):
    fresh("byte-level").save(str(tmp_path / "tokenizer.json"))
    codec = mc.Scanlines(rows=4)
    tokens = mc.TokenCodec.from_pretrained(tmp_path, codec)
    assert tokens.codec == codec
    ids = tokens.encode([[0, 1], [1, 1]], "dog")
    with pytest.raises(mc.ConfigError, match=r"has no maskcodec\.json .*; pass codec="):
        mc.TokenCodec.from_pretrained(tmp_path)
    tokens.save(tmp_path / "trained")
    for given in (), (codec,), (mc.Scanlines(rows=4, sampling="best"),):
        again = mc.TokenCodec.from_pretrained(str(tmp_path / "trained"), *given)
        assert again.encode([[0, 1], [1, 1]], "dog").tolist() == ids.tolist()
    with pytest.raises(mc.ConfigError) as caught:
        mc.TokenCodec.from_pretrained(tmp_path / "trained", mc.Scanlines(rows=5))
    file = tmp_path / "trained" / "maskcodec.json"
    assert str(caught.value).startswith(
        f"the codec given and {file} are not the same codec: rows=5 and rows=4; a model reads only"
    )
    with pytest.raises(mc.ConfigError, match="id='b-sd/1' and id='scanlines/1'"):
        mc.TokenCodec.from_pretrained(tmp_path / "trained", mc.BSD())


def test_a_codec_is_no_name_of_a_checkpoint():
    with pytest.raises(TypeError, match=r"on the Hub, got RRLE\(.*; the codec comes after it$"):
        mc.TokenCodec.from_pretrained(mc.RRLE(), "checkpoint")


def test_the_codec_of_a_name_on_the_hub(hub, tmp_path, monkeypatch):
    hub[1][True] = fresh("byte-level")
    huggingface_hub = pytest.importorskip("huggingface_hub")
    asked = []

    def download(name, file, *, local_files_only):
        asked.append((name, file, local_files_only))
        if local_files_only or not there:
            raise OSError("not in the cache")
        return str(there[0])

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    there = []
    with pytest.raises(mc.ConfigError, match=f"'{HUB}' has no maskcodec.json"):
        mc.TokenCodec.from_pretrained(HUB)
    assert asked == [(HUB, "maskcodec.json", True), (HUB, "maskcodec.json", False)]
    tokens = mc.TokenCodec.from_pretrained(HUB, mc.BSD(grid=4))
    assert len(asked) == 3  # a codec that is given needs no network
    there.append(tokens.codec.save(tmp_path / "elsewhere"))
    assert mc.TokenCodec.from_pretrained(HUB).codec == mc.BSD(grid=4)
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    assert checkpoint_file(HUB, "maskcodec.json", download=True) is None
