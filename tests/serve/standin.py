"""A server over HTTP in the place of vLLM or SGLang: it says what a test hands it."""

from __future__ import annotations

import json
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import numpy as np

import maskcodec as mc
from tests.vocabularies import fresh, wrapped

END = "<eos>"
MASK = np.pad(np.ones((2, 3), np.uint8), 1)
CODECS = {"scanlines": mc.Scanlines(rows=3, columns=4, bins=12), "b-sd": mc.BSD(grid=4)}


@cache
def tokens_of(name):
    """A codec and a tokenizer that knows its end."""
    tokenizer = fresh("byte-level")
    mc.extend_tokenizer(CODECS[name], tokenizer)
    return mc.TokenCodec(CODECS[name], wrapped(tokenizer, eos_token=END))


def written(tokens, *labels):
    """The ids of an answer with words around it, and with its end."""
    ids = tokens.ids("Here they are: ")
    for label in labels:
        ids += tokens.encode(MASK, label).tolist()
    return [*ids, *tokens.ends]


def piece(tokens, number):
    """What vLLM calls a token, in its logprobs."""
    return tokens.tokenizer.decode([number])


def logprobs(tokens, ids):
    """As vLLM 0.32 and SGLang 0.5 have them: each of these tokens was likelier than the next."""
    found = []
    for at, number in enumerate(ids):
        word = piece(tokens, number)
        log = {"token": word, "logprob": -at / 64, "bytes": [*word.encode()], "top_logprobs": []}
        found.append(log)
    return {"content": found}


def vllm_response(tokens, ids, finish="stop"):
    """As vLLM 0.32.0 has answered a request of `maskcodec.serve.request`."""
    message = {"role": "assistant", "content": tokens.text(ids), "refusal": None}
    choice = {
        "index": 0,
        "message": message,
        "logprobs": logprobs(tokens, ids),
        "finish_reason": finish,
        "stop_reason": None,
        "token_ids": ids,
    }
    return {
        "id": "chatcmpl-8252f9d7e19d4557",
        "object": "chat.completion",
        "model": "merged",
        "choices": [choice],
        "usage": {"prompt_tokens": 43, "completion_tokens": len(ids)},
        "prompt_token_ids": [401, 347],
    }


def vllm_chunks(tokens, ids, finish="stop"):
    """The same as a stream: first the role, then a token a chunk, and the end."""
    base = {"id": "chatcmpl-b99844442bd10576", "object": "chat.completion.chunk", "model": "merged"}
    delta = {"role": "assistant", "content": ""}
    first = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": None}
    chunks = [{**base, "choices": [first], "prompt_token_ids": [401, 347]}]
    every = logprobs(tokens, ids)["content"]
    for number, log in zip(ids, every, strict=True):
        ended = number in tokens.ends
        choice = {
            "index": 0,
            "delta": {"content": "" if ended else log["token"]},
            "logprobs": {"content": [log]},
            "finish_reason": finish if ended else None,
            "token_ids": [number],
        }
        chunks.append({**base, "choices": [choice]})
    return [*chunks, {**base, "choices": [], "usage": {"completion_tokens": len(ids)}}]


def sglang_response(tokens, ids, finish="stop"):
    """As SGLang 0.5.23's `ChatCompletionResponse` is written."""
    response = vllm_response(tokens, ids, finish)
    (choice,) = response["choices"]
    del choice["token_ids"], choice["stop_reason"]
    choice |= {"matched_stop": tokens.ends[0], "response_token_ids": ids}
    return response


def text_only(response):
    """A response without ids and without probabilities."""
    choices = [
        {key: value for key, value in one.items() if not key.endswith("_ids") and key != "logprobs"}
        for one in response["choices"]
    ]
    return {**response, "choices": choices}


def events(chunks):
    """Chunks as server-sent events."""
    lines = [f"data: {json.dumps(chunk)}\n\n".encode() for chunk in chunks]
    return [b": ping\n\n", *lines, b"data: [DONE]\n\n"]


@contextmanager
def serving(*said, status=200, breaks=False, models=None):
    """A server that says this to each question, then breaks the connection or ends it.

    What is yielded has the address, and the bodies and the headers of the questions so far.
    """
    asked = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            self._say([json.dumps(models).encode()], 200, breaks=False)

        def do_POST(self):
            length = int(self.headers["Content-Length"])
            asked.append((self.path, dict(self.headers), json.loads(self.rfile.read(length))))
            self._say(said, status, breaks=breaks)

        def _say(self, parts, status, *, breaks):
            self.send_response(status)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for part in parts:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
                self.wfile.flush()
            if not breaks:
                self.wfile.write(b"0\r\n\r\n")
            self.close_connection = breaks

        def log_message(self, *words):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.asked = asked
        server.address = f"http://127.0.0.1:{server.server_port}"
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
