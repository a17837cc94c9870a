"""A small client: asks a server, follows the answer as it comes, and keeps the parts received."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from maskcodec.errors import ConfigError, ServerError
from maskcodec.messages import brief, plural
from maskcodec.serve.reading import Reader, said

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from maskcodec.answers import Answer, Progress
    from maskcodec.tokens import TokenCodec

_CONNECT = 10.0  # seconds that a server has to accept a connection
_MOST = 1 << 26  # most bytes of a response; an answer of a million ids has fewer


def ask(
    server: str,
    body: Mapping[str, Any],
    tokens: TokenCodec,
    *,
    key: str | None = None,
    timeout: float = 600.0,
    follow: Callable[[Progress], Any] | None = None,
) -> Answer:
    """Send a request, and read the answer.

    Parameters
    ----------
    server
        The server's address, such as ``"http://localhost:8000"``.
    body
        The return value of `request`. With its ``stream=True``, a broken connection loses nothing
        that came before.
    tokens
        The codec and the tokenizer of the served model.
    key
        The server's API key, if it needs one.
    timeout
        How many seconds the server may be silent.
    follow
        A function, called with a `Progress` after each complete row, while the server writes.

    Raises
    ------
    ServerError
        The server cannot be reached, refuses the request, or stops before the end; its ``answer``
        holds the parts received.
    ConfigError
        `follow` is given, but the request has no ``stream=True`` or the codec has no stream.
    ImportError
        httpx is not installed.

    Examples
    --------
    ::

        body = request("Segment the dog.", "photo.jpg", tokens, stream=True)
        answer = ask("http://localhost:8000", body, tokens, follow=lambda now: show(now.index_map))
    """
    stream = bool(body.get("stream"))
    if follow is not None and not stream:
        raise ConfigError("the request does not ask for a stream; pass stream=True to request")
    reader, count = Reader(tokens, draw=follow is not None), 0
    try:
        with _response(server, "chat/completions", body, key, timeout) as parts:
            for data in _events(parts) if stream else [b"".join(parts)]:
                ended = reader.push(_json(data))
                count += 1
                if ended and follow is not None:
                    follow(reader.progress())
        if reader.finish is None:
            raise ServerError(f"{server} ended its response before the answer's end")
    except ServerError as error:
        if not count:
            raise
        kept = f"{error}; what had come before is kept: {plural(count, 'chunk')}"
        raise ServerError(kept, reader.answer()) from error
    return reader.answer()


def served(server: str, *, key: str | None = None, timeout: float = 60.0) -> dict[str, str]:
    """The models of a server: their names, and the place each was loaded from, often a folder.

    Raises
    ------
    ServerError, ImportError
        As `ask`.
    """
    with _response(server, "models", None, key, timeout) as parts:
        listed = _json(b"".join(parts))
    try:
        found = {model["id"]: model.get("root") or model["id"] for model in listed["data"]}
    except (TypeError, KeyError, AttributeError):
        found = {}
    if not found or not all(isinstance(word, str) for pair in found.items() for word in pair):
        raise ServerError(f"{server} lists no models, but says {brief(listed)}")
    return found


@contextmanager
def _response(
    server: str, what: str, body: Mapping[str, Any] | None, key: str | None, timeout: float
) -> Iterator[Iterator[bytes]]:
    """The parts of a response, as they come; a status other than 200 raises `ServerError`."""
    try:
        import httpx
    except ImportError as error:
        raise ImportError(
            "asking a server needs httpx, which is missing: pip install 'maskcodec[serve]', in a "
            "checkout '.[serve]'"
        ) from error
    address = f"{server.rstrip('/').removesuffix('/v1')}/v1/{what}"
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    limits = httpx.Timeout(timeout, connect=_CONNECT)
    method = "GET" if body is None else "POST"
    try:
        with httpx.stream(method, address, json=body, headers=headers, timeout=limits) as response:
            parts = _limited(response.iter_bytes())
            if response.status_code != 200:
                data = b"".join(parts)
                try:
                    words = said(json.loads(data))
                except (ValueError, RecursionError):
                    words = data[:200].decode(errors="replace")
                raise ServerError(f"{address} answered {response.status_code}: {words}")
            yield parts
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        words = str(error) or type(error).__name__
        raise ServerError(f"the connection to {address} failed: {words}") from error


def _limited(parts: Iterable[bytes]) -> Iterator[bytes]:
    size = 0
    for part in parts:
        size += len(part)
        if size > _MOST:
            raise ServerError(f"the server sent more than {_MOST:,} bytes, which no answer has")
        yield part


def _events(parts: Iterable[bytes]) -> Iterator[bytes]:
    """The data of server-sent events whose lines are complete."""
    line = bytearray()
    for part in parts:
        start, *others = part.split(b"\n")
        line += start
        for other in others:
            field, _, value = bytes(line).partition(b":")
            line = bytearray(other)
            if field == b"data" and value.strip() != b"[DONE]":
                yield value


def _json(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ServerError(f"the server sent no JSON that can be read: {error}") from error
