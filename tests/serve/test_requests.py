"""The body of a request, and the longest answer that it allows for."""

import base64
import io
import json
import pickle

import numpy as np
import pytest
from PIL import Image

import maskcodec as mc
from maskcodec.errors import ConfigError, LabelError, MaskError, SourceError
from maskcodec.serve import read, request
from tests.serve.standin import CODECS, MASK, tokens_of, vllm_response
from tests.vocabularies import tokens as shared

TOKENS = tokens_of("scanlines")
PHOTO = np.random.default_rng(0).integers(0, 256, (8, 12, 3), dtype=np.uint8)


def sent(image):
    """An image as the body has it: its kind, and what is in it."""
    (message,) = request("Where?", image, TOKENS, constrain="none")["messages"]
    url = message["content"][0]["image_url"]["url"]
    kind, data = url.removeprefix("data:image/").split(";base64,")
    return kind, base64.b64decode(data)


def pixels(image):
    kind, data = sent(image)
    assert kind == "png"
    return np.asarray(Image.open(io.BytesIO(data)))


def test_a_request_has_all_that_a_server_needs():
    body = request("Segment the dog.", PHOTO, TOKENS, labels=["dog"], instances=1)
    assert json.loads(json.dumps(body)) == body
    grammar = TOKENS.grammar(labels=["dog"], instances=1)
    (message,) = body.pop("messages")
    assert message["role"] == "user"
    assert message["content"][1] == {"type": "text", "text": "Segment the dog."}
    assert body == {
        "max_tokens": TOKENS.longest(instances=1, labels=["dog"]) + 257,
        "stop_token_ids": [TOKENS.tokenizer.eos_token_id],
        "temperature": 0,
        "repetition_penalty": 1.0,
        "skip_special_tokens": False,
        "return_token_ids": True,
        "logprobs": True,
        "top_logprobs": 0,
        "structured_outputs": {"grammar": grammar},
    }


def test_options_of_a_request():
    body = request("?", PHOTO, TOKENS, model="dogs", max_tokens=9, stream=True)
    assert (body["model"], body["max_tokens"], body["stream"]) == ("dogs", 9, True)
    assert "max_tokens" not in request("?", PHOTO, TOKENS)
    few = request("?", PHOTO, TOKENS, instances=1, free_text=False)
    assert few["max_tokens"] == TOKENS.longest(instances=1) + 1
    without_end = request("?", PHOTO, shared("byte-level", mc.Scanlines()), constrain="none")
    assert "stop_token_ids" not in without_end


def test_what_sglang_calls_otherwise():
    body = request("?", PHOTO, TOKENS, server="sglang")
    assert body["ebnf"] == TOKENS.grammar()
    assert body["return_token_ids"] is True
    assert "return_token_ids" not in request("?", PHOTO, TOKENS, server="sglang", stream=True)


def test_each_codec_has_the_grammar_of_an_engine_that_can_hold_it():
    canvas = tokens_of("b-sd")
    body = request("?", PHOTO, canvas, labels=["dog"])
    expected = canvas.grammar(dialect="llguidance", labels=["dog"])
    assert body["structured_outputs"] == {"grammar": expected}
    assert request("?", PHOTO, canvas, labels=["dog"], server="sglang")["ebnf"] == expected


@pytest.mark.parametrize(
    ("tokens", "reason"),
    [
        (
            shared("byte-level", mc.RRLE(grid=3)),
            "there are grammars for B-SD with bricks, scanlines",
        ),
        (tokens_of("b-sd"), "llguidance cannot hold a box and its rows on a canvas of 4 rows"),
    ],
)
def test_what_no_grammar_holds_is_said(tokens, reason, monkeypatch):
    monkeypatch.setattr("maskcodec.formats.bsd.grammar._MOST_WAYS", 9)  # as of a large canvas
    with pytest.raises(ConfigError, match=f"no engine's grammar holds this answer: {reason}") as e:
        request("?", PHOTO, tokens, labels=["cat"])
    assert str(e.value).endswith(
        "If the codec has a guide, start the server with maskcodec's processor and pass "
        'constrain="processor"; or pass constrain="none" and read what comes'
    )
    body = request("?", PHOTO, tokens, labels=["cat"], constrain="processor")
    asked = {"labels": ["cat"], "instances": None, "free_text": True}
    assert json.loads(body["vllm_xargs"]["maskcodec"]) == asked
    assert "structured_outputs" not in body


def test_what_no_processor_holds_is_said():
    tokens = shared("byte-level", mc.ISD(grid=3))
    with pytest.raises(ConfigError, match="there are guides for B-SD with bricks, for scanlines"):
        request("?", PHOTO, tokens, constrain="processor")
    with pytest.raises(LabelError, match="<seg>"):
        request("?", PHOTO, TOKENS, labels=["<seg>"], constrain="processor")


def test_a_processor_of_sglang_is_named_by_a_pickle():
    body = request("?", PHOTO, TOKENS, server="sglang", constrain="processor", instances=2)
    assert json.loads(body["custom_params"]["maskcodec"])["instances"] == 2
    named = []

    class Names(pickle.Unpickler):
        def find_class(self, module, name):
            named.append((module, name))

    data = json.loads(body["custom_logit_processor"])["callable"]
    Names(io.BytesIO(bytes.fromhex(data))).load()
    assert named == [("maskcodec.serve.sglang", "MaskProcessor")]


def test_without_a_constraint_there_is_none():
    body = request("?", PHOTO, TOKENS, constrain="none")
    assert not {"structured_outputs", "vllm_xargs", "ebnf"} & set(body)
    for option in ({"labels": ["dog"]}, {"instances": 1}, {"free_text": False}):
        with pytest.raises(ConfigError, match="labels, instances and free_text belong to a cons"):
            request("?", PHOTO, TOKENS, constrain="none", **option)


def test_images_travel_as_they_are_shown(tmp_path):
    picture = Image.fromarray(PHOTO)
    assert np.array_equal(pixels(PHOTO), PHOTO)
    assert np.array_equal(pixels(picture.convert("P")), picture.convert("P").convert("RGB"))
    for name in ("photo.jpg", "photo.webp"):
        picture.save(tmp_path / name)
        kind, data = sent(str(tmp_path / name))
        assert (f"photo.{kind}".replace("jpeg", "jpg"), data) == (
            name,
            (tmp_path / name).read_bytes(),
        )
    picture.save(tmp_path / "photo.png")
    assert np.array_equal(pixels(tmp_path / "photo.png"), PHOTO)
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    picture.save(tmp_path / "turned.webp", exif=exif, lossless=True)
    assert np.array_equal(pixels(tmp_path / "turned.webp"), np.rot90(PHOTO, -1))
    picture.convert("L").save(tmp_path / "grey.jpg")
    assert pixels(tmp_path / "grey.jpg").shape == PHOTO.shape
    for address in ("https://example.org/dog.jpg", "data:image/png;base64,AAAA"):
        body = request("?", address, TOKENS, constrain="none")
        assert body["messages"][0]["content"][0]["image_url"] == {"url": address}


def test_what_is_no_image(tmp_path):
    (tmp_path / "no.jpg").write_text("<svg")
    (tmp_path / "cut.jpg").write_bytes(b"\xff\xd8\xff\xe0" + bytes(9))
    for name in ("no.jpg", "cut.jpg"):
        with pytest.raises(SourceError, match=name):
            request("?", tmp_path / name, TOKENS)
    with pytest.raises(FileNotFoundError):
        request("?", "nothing.jpg", TOKENS)
    with pytest.raises(TypeError, match="image must be uint8"):
        request("?", PHOTO / 2, TOKENS)
    with pytest.raises(MaskError, match="image must be"):
        request("?", PHOTO[0, 0], TOKENS)


def test_options_that_do_not_fit():
    with pytest.raises(ConfigError, match="server must be one of 'vllm', 'sglang', got 'tgi'"):
        request("?", PHOTO, TOKENS, server="tgi")
    with pytest.raises(ConfigError, match=r"constrain must be one of 'grammar', .* got True"):
        request("?", PHOTO, TOKENS, constrain=True)
    with pytest.raises(TypeError, match="question must be a str, got list"):
        request(["?"], PHOTO, TOKENS)
    with pytest.raises(TypeError, match="labels must be several str, got one: 'dog'"):
        request("?", PHOTO, TOKENS, labels="dog")
    with pytest.raises(ConfigError, match="instances must be 0 or more"):
        request("?", PHOTO, TOKENS, instances=-1)
    with pytest.raises(LabelError, match="<seg>"):
        request("?", PHOTO, TOKENS, labels=["a <seg>"])


# Masks whose text is the longest that there is: every cell differs from the one before it.
@pytest.mark.parametrize("name", CODECS)
def test_no_answer_is_longer_than_the_longest(name):
    tokens = tokens_of(name)
    codec = tokens.codec
    rows, columns = codec.most_cells
    checks = np.indices((rows, columns)).sum(0) % 2
    longest = tokens.longest(instances=1, labels=["dog", "black dog"])
    for cells in (checks, 1 - checks):
        text = codec.encode(np.kron(cells, np.ones((12, 12), int)), "black dog")
        assert len(tokens.ids(text)) <= longest <= len(tokens.ids(text)) + rows * columns + 8
    assert tokens.longest(instances=2, labels=["dog"]) == 2 * tokens.longest(
        instances=1, labels=["dog"]
    )
    assert tokens.longest(instances=1) > longest
    assert tokens.longest(labels=["dog"]) is None
    assert tokens.longest(instances=0) == 0
    assert len(tokens.encode(MASK, "dog")) < longest


@pytest.mark.parametrize("kind", [mc.RRLE, mc.IRLE, mc.ISD])
def test_a_grid_has_a_longest_text_too(kind):
    codec = kind(grid=(3, 4))
    tokens = shared("byte-level", codec)
    checks = np.indices((3, 4)).sum(0) % 2
    ids = tokens.encode(checks, {1: "black dog"})
    longest = tokens.longest(labels=["black dog", "dog"])
    assert len(ids) <= longest <= 3 * len(ids)
    assert tokens.longest() is None


def test_location_tokens_make_boxes_of_four_ids():
    tokens = shared("byte-level", mc.Scanlines(rows=3, bins=12, coordinates="tokens"))
    ids = tokens.encode(MASK, "dog")
    assert len(ids) < tokens.longest(instances=1, labels=["dog"])


def test_text_alone_has_no_bound_for_codecs_without_one():
    tokens = shared("byte-level", mc.BSD(grid=4, bricks=False))
    longest = tokens.longest(instances=1, labels=["dog"])
    assert len(tokens.encode(np.eye(4, dtype=int), "dog")) <= longest


@pytest.mark.parametrize(
    ("name", "dialect"),
    [("scanlines", "xgrammar"), ("scanlines", "llguidance"), ("b-sd", "llguidance")],
)
def test_what_an_engine_writes_is_read_without_problems(name, dialect):
    from tests.formats.engines import ENGINES, walk

    tokens = tokens_of(name)
    end = tokens.tokenizer.eos_token_id
    options = {"labels": ["dog", "cat"], "instances": 2, "free_text": False}
    text = tokens.grammar(dialect=dialect, **options)
    if (name, dialect) != ("scanlines", "llguidance"):  # the one that a request has
        assert text == request("?", PHOTO, tokens, **options)["structured_outputs"]["grammar"]
    engine = ENGINES[dialect](tokens.tokenizer.get_vocab(), [end])
    closing = [end, *map(tokens.words.get, tokens.codec.tags())]
    compiled = engine.compiled(text)
    for seed in range(3):
        guide = tokens.guide(**options)
        ids = walk(engine.matcher(compiled), guide, np.random.default_rng(seed), closing, end)
        answer = read(vllm_response(tokens, ids), tokens)
        assert (answer.problems, answer.finished) == ([], True)
        assert answer.regions == tokens.decode(ids)
        assert len(ids) <= tokens.longest(instances=2, labels=["dog", "cat"]) + 1
