"""The client over HTTP: whole answers, streams, and servers that fail."""

import json
import socket
import sys

import pytest

from maskcodec.errors import ConfigError, ServerError
from maskcodec.serve import ask, read, served
from tests.serve.standin import (
    CODECS,
    events,
    serving,
    text_only,
    tokens_of,
    vllm_chunks,
    vllm_response,
    written,
)

pytest.importorskip("httpx", reason="httpx is not installed: maskcodec[serve]")

TOKENS = tokens_of("scanlines")
IDS = written(TOKENS, "dog", "cat")
BODY = {"messages": []}
STREAM = {"messages": [], "stream": True}


def said(response):
    return json.dumps(response).encode()


def test_an_answer_is_asked_for_and_read():
    response = vllm_response(TOKENS, IDS)
    with serving(said(response)) as server:
        for address in (server.address, server.address + "/v1/"):
            assert ask(address, BODY, TOKENS, key="secret") == read(response, TOKENS)
        path, headers, body = server.asked[1]
    assert (path, body) == ("/v1/chat/completions", BODY)
    assert headers["Authorization"] == "Bearer secret"


@pytest.mark.parametrize("name", CODECS)
@pytest.mark.parametrize("size", [1 << 20, 7])
def test_a_stream_is_followed(name, size):
    tokens = tokens_of(name)
    ids = written(tokens, "dog")
    data = b"".join(events(vllm_chunks(tokens, ids)))
    shown = []
    parts = [data[at : at + size] for at in range(0, len(data), size)]
    with serving(*parts) as server:
        answer = ask(server.address, STREAM, tokens, follow=shown.append)
        assert ask(server.address, STREAM, tokens) == answer
    assert answer == read(vllm_response(tokens, ids), tokens)
    assert len(shown) > 1
    assert shown[-1].index_map.any()


@pytest.mark.parametrize("bare", [False, True])
def test_a_server_that_is_killed_loses_nothing_that_came(bare):
    chunks = vllm_chunks(TOKENS, IDS)[: len(IDS) - 9]
    chunks = [text_only(chunk) for chunk in chunks] if bare else chunks
    shown = []
    with (
        serving(*events(chunks)[:-1], breaks=True) as server,
        pytest.raises(ServerError, match=r"the connection to http://.* failed: ") as caught,
    ):
        ask(server.address, STREAM, TOKENS, follow=shown.append)
    assert str(caught.value).endswith(f"what had come before is kept: {len(chunks)} chunks")
    answer = caught.value.answer
    kept = IDS[: len(IDS) - 10]
    assert answer.regions == TOKENS.recover(kept).regions
    assert answer.ids == (() if bare else tuple(kept))
    assert not answer.finished
    assert shown


def test_a_stream_that_ends_too_early_is_said():
    with (
        serving(*events(vllm_chunks(TOKENS, IDS)[:9])) as server,
        pytest.raises(ServerError, match=r"ended its response before the answer's end; .* 9 chu"),
    ):
        ask(server.address, STREAM, TOKENS)


def test_an_error_within_a_stream_is_said():
    chunks = [*vllm_chunks(TOKENS, IDS)[:5], {"error": {"message": "EngineCore died"}}]
    with (
        serving(*events(chunks)) as server,
        pytest.raises(ServerError, match="the server refused: EngineCore died") as caught,
    ):
        ask(server.address, STREAM, TOKENS)
    assert len(caught.value.answer.ids) == 4


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (said({"error": {"message": "grammar is wrong"}}), "answered 400: grammar is wrong"),
        (said({"detail": "no"}), "answered 400: no"),
        (said(["?"]), r"answered 400: \['\?'\]"),
        (b"<html>nginx", "answered 400: <html>nginx"),
    ],
)
def test_a_refusal_is_said(content, message):
    with (
        serving(content, status=400) as server,
        pytest.raises(ServerError, match=message) as caught,
    ):
        ask(server.address, BODY, TOKENS)
    assert caught.value.answer is None


def test_a_server_that_sends_anything():
    for content in (b"{", b"[" * 100_000):
        with (
            serving(content) as server,
            pytest.raises(ServerError, match="the server sent no JSON that can be read: "),
        ):
            ask(server.address, BODY, TOKENS)
    with (
        serving(said({"choices": [{"message": {"content": "?"}}]})) as server,
        pytest.raises(ServerError, match="ended its response before the answer's end"),
    ):
        ask(server.address, BODY, TOKENS)


@pytest.mark.parametrize("stream", [False, True])
def test_a_server_that_never_ends(monkeypatch, stream):
    monkeypatch.setattr("maskcodec.serve.client._MOST", 1000)
    with (
        serving(*[b"x" * 400] * 3) as server,
        pytest.raises(ServerError, match="the server sent more than 1,000 bytes, which no answer"),
    ):
        ask(server.address, {**BODY, "stream": stream}, TOKENS)


def test_nobody_is_there():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"
    with pytest.raises(ServerError, match=rf"the connection to {address}/v1/models failed: \S"):
        served(address)
    for wrong in ("localhost:1", "http://[", "ftp://x"):
        with pytest.raises(ServerError, match=r"the connection to .* failed: \S"):
            served(wrong)


def test_models_are_listed():
    models = {"object": "list", "data": [{"id": "dogs", "root": "/merged"}, {"id": "./b"}]}
    with serving(models=models) as server:
        assert served(server.address) == {"dogs": "/merged", "./b": "./b"}
    for other in ({"data": []}, {"data": [{"id": 7}]}, [], {"data": [{}]}, {"data": [7]}, {}):
        with (
            serving(models=other) as server,
            pytest.raises(ServerError, match="lists no models, but says "),
        ):
            served(server.address)


def test_only_a_stream_is_followed():
    with pytest.raises(ConfigError, match="does not ask for a stream; pass stream=True to request"):
        ask("http://localhost:1", BODY, TOKENS, follow=print)


def test_without_httpx_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "httpx", None)
    with pytest.raises(ImportError, match=r"needs httpx, .* pip install 'maskcodec\[serve\]'"):
        served("http://localhost:1")
