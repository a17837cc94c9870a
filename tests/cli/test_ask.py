"""`maskcodec ask`: a server is asked, and what it said is printed and drawn."""

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from maskcodec.cli import ask as command
from tests.cli.calling import fails, image, misused, run, words, write
from tests.serve.standin import events, serving, text_only, tokens_of, vllm_chunks, written

pytest.importorskip("httpx", reason="httpx is not installed: maskcodec[serve]")
pytestmark = pytest.mark.usefixtures("folder")

PHOTO = np.random.default_rng(0).integers(0, 256, (96, 120, 3), dtype=np.uint8)
TOKENS = tokens_of("scanlines")
IDS = written(TOKENS, "dog", "cat")
MODELS = {"object": "list", "data": [{"id": "dogs", "root": "merged"}]}


@pytest.fixture
def merged(folder, monkeypatch):  # noqa: ARG001 - it comes first
    """A photo, and the folder of the model; reading the tokenizer once more takes long."""
    Image.fromarray(PHOTO).save("photo.png")
    Path("merged").mkdir()
    write("merged/maskcodec.json", TOKENS.codec.get_config())
    monkeypatch.setattr(command.TokenCodec, "load", lambda _folder: TOKENS)
    monkeypatch.setattr(command, "_PAUSE", 0)


def asked(server, *options):
    return "ask", "Segment the dog.", "--server", server.address, "--image", "photo.png", *options


@pytest.mark.usefixtures("merged")
def test_the_answer_is_printed_and_drawn():
    with serving(*events(vllm_chunks(TOKENS, IDS)), models=MODELS) as server:
        done = run(*asked(server, "--label", "dog", "--label", "cat", "--key", "secret"))
        _, headers, body = server.asked[0]
    assert TOKENS.text(IDS[:-1]) in done.stdout.replace("\n", "")
    assert "2 cat " in words(done.stdout)
    assert "wrote answer.png: the photo with 2 masks" in done.stderr
    assert "note" not in done.stderr
    assert image("answer.png").shape[:2] == PHOTO.shape[:2]
    assert not np.array_equal(image("answer.png"), PHOTO)
    assert headers["Authorization"] == "Bearer secret"
    assert (body["model"], body["stream"]) == ("dogs", True)
    grammar = TOKENS.grammar(labels=["dog", "cat"])
    assert body["structured_outputs"]["grammar"] == grammar


@pytest.mark.usefixtures("merged")
def test_the_picture_is_redrawn_while_the_server_writes(monkeypatch):
    drawn = []
    replace = os.replace

    def spy(source, target):
        if Path(target).name == "now.png":  # not what the compiler keeps
            drawn.append(image(source))
        replace(source, target)

    monkeypatch.setattr(os, "replace", spy)
    with serving(*events(vllm_chunks(TOKENS, IDS)), models=MODELS) as server:
        run(*asked(server, "--follow", "--out", "now.png"))
        assert len({picture.tobytes() for picture in drawn}) > 2
        monkeypatch.setattr(command, "_PAUSE", 60)
        drawn.clear()
        run(*asked(server, "--follow", "--out", "now.png"))
    assert len(drawn) == 1
    assert not [*Path().glob("*.part.*")]


@pytest.mark.usefixtures("merged")
@pytest.mark.parametrize("follow", [[], ["--follow"]])
def test_a_server_that_is_killed_loses_nothing_that_came(follow):
    some = [text_only(chunk) for chunk in vllm_chunks(TOKENS, IDS)[: len(IDS) - 2]]
    with serving(*events(some)[:-1], breaks=True, models=MODELS) as server:
        done = run(*asked(server, *follow), code=1)
    assert TOKENS.text(IDS[: len(IDS) - 3]) in done.stdout.replace("\n", "")
    assert "truncated" in words(done.stdout)
    assert "wrote answer.png: the photo with 2 masks" in done.stderr
    said = words(done.stderr)
    assert "error: the connection to http://127.0.0.1" in said
    assert said.endswith(f"what had come before is kept: {len(some)} chunks")


@pytest.mark.usefixtures("merged")
def test_an_answer_that_is_too_long_is_said(monkeypatch):
    monkeypatch.setattr(command.messages, "is_terminal", lambda: True)
    chunks = vllm_chunks(TOKENS, [*TOKENS.ids("\x1b[31m"), *TOKENS.ends], finish="length")
    with serving(*events(chunks), models=MODELS) as server:
        done = run(*asked(server, "--constrain", "none"))
    assert done.stdout == "\\x1b[31m\n"
    assert "note: the answer was cut off at the most tokens that it may have" in done.stderr
    assert "the photo with 0 masks" in done.stderr


@pytest.mark.usefixtures("merged")
def test_which_model_is_asked():
    other = {"data": [{"id": "dogs", "root": "merged"}, {"id": "cats"}]}
    with serving(*events(vllm_chunks(TOKENS, IDS)), models=other) as server:
        assert fails(*asked(server)) == "the server has 2 models: dogs, cats; --model"
        assert "2 models" in fails(*asked(server, "--model", "birds"))
        assert fails(*asked(server, "--model", "cats")) == (
            "the server loaded 'cats' from 'cats', which is no folder here; --tokenizer names one "
            "with the model's tokenizer and maskcodec.json"
        )
        run(*asked(server, "--model", "cats", "--tokenizer", "merged"))
        write("merged/config.json", {"vocab_size": 3})
        write("merged/adapter_config.json", {"modules_to_save": ["lm_head"]})
        assert "is an adapter with modules_to_save" in fails(*asked(server, "--model", "dogs"))


@pytest.mark.usefixtures("merged")
def test_what_a_server_does_not_have_is_said(monkeypatch):
    with serving(status=404, models=MODELS) as server:
        message = fails(*asked(server))
    assert "/v1/chat/completions answered 404:" in message
    assert not Path("answer.png").exists()
    assert "--out" in misused(*asked(server, "--out", "answer.txt"))
    monkeypatch.setitem(sys.modules, "httpx", None)
    assert "needs httpx, which is missing: pip install 'maskcodec[serve]'" in fails(*asked(server))
    assert "nothing.png" in fails("ask", "?", "--server", "x", "--image", "nothing.png")
    assert json.loads(Path("merged/maskcodec.json").read_text())["id"] == "scanlines/1"
