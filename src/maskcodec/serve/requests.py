"""Build the body of a request for masks, as plain data."""

from __future__ import annotations

import base64
import io
import json
import os
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from maskcodec.errors import ConfigError
from maskcodec.files.images import PHOTOS, opened_image
from maskcodec.files.photos import as_picture, upright
from maskcodec.messages import check_choice
from maskcodec.serve.checks import check
from maskcodec.tokenizers.grammar import Dialect
from maskcodec.tokens import TokenCodec

if TYPE_CHECKING:
    from collections.abc import Iterable

Server: TypeAlias = Literal["vllm", "sglang"]
Constrain: TypeAlias = Literal["grammar", "processor", "none"]

_WORDS = 256  # ids for words around masks, added to the longest masks
_SENT = {"JPEG": "jpeg", "WEBP": "webp"}  # files that are sent unchanged
_ORIENTATION = 0x0112  # Exif's tag; 1 is upright
# SGLang wants a pickle that names the class: the server imports the class, the client does not.
_SGLANG_CLASS = b"cmaskcodec.serve.sglang\nMaskProcessor\n."


def request(
    question: str,
    image: Any,
    tokens: TokenCodec | str | os.PathLike[str],
    *,
    labels: Iterable[str] | None = None,
    instances: int | None = None,
    free_text: bool = True,
    server: Server = "vllm",
    constrain: Constrain = "grammar",
    model: str | None = None,
    max_tokens: int | None = None,
    stream: bool = False,
) -> dict[str, Any]:
    """The body of a request to ``/v1/chat/completions`` whose answer has only valid masks.

    It is plain data for ``httpx``, ``json.dumps`` and curl, or ``extra_body=`` of the ``openai``
    package. Change any field: ``request(...) | {"temperature": 0.7}``.

    Parameters
    ----------
    question
        The question about the image.
    image
        A Pillow image, a uint8 array, or the path of a file, which the body contains; or an
        ``http://``, ``https://`` or ``data:`` address, which the server opens itself.
    tokens
        The codec and the tokenizer of the served model; or its folder, which `check` checks.
    labels, instances, free_text
        As in `TokenCodec.guide`.
    server
        ``"vllm"`` or ``"sglang"``, which name some fields differently.
    constrain
        ``"grammar"``: the server's grammar engine holds the answer to valid masks.
        ``"processor"``: the server was started with the processor of ``maskcodec.serve.vllm`` or
        ``maskcodec.serve.sglang``, which does. ``"none"``: the answer is not held.
    model
        The server's name of the model, if it serves several.
    max_tokens
        The most ids of the answer. Default: the length of the longest answer; without `instances`
        there is no longest answer, and the server's own limit holds.
    stream
        Whether the answer comes in chunks. SGLang's chunks have no ids.

    Raises
    ------
    ConfigError
        No engine's grammar can hold the codec's answers; the codec has no guide for a processor;
        an option needs a constraint, or does not fit the codec.
    LabelError
        A label would break the text.
    MaskError, SourceError, TypeError, OSError
        The image cannot be read.
    Others
        As `check`, for a folder.

    Examples
    --------
    ::

        tokens = check("merged")
        body = request("Segment the dog.", "photo.jpg", tokens, labels=["dog"], instances=1)
        response = httpx.post("http://localhost:8000/v1/chat/completions", json=body, timeout=600)
        answer = read(response.json(), tokens)
    """
    check_choice(server, Server, "server")
    check_choice(constrain, Constrain, "constrain")
    if not isinstance(question, str):
        raise TypeError(f"question must be a str, got {type(question).__name__}")
    if isinstance(labels, str):
        raise TypeError(f"labels must be several str, got one: {labels!r}")
    own = tokens if isinstance(tokens, TokenCodec) else check(tokens)
    names = None if labels is None else tuple(labels)
    if constrain == "none" and (names, instances, free_text) != (None, None, True):
        raise ConfigError(
            "labels, instances and free_text belong to a constraint; leave them out, or pass "
            'constrain="grammar"'
        )
    if max_tokens is None:
        longest = own.longest(instances=instances, labels=names)
        if longest is not None:
            max_tokens = longest + 1 + _WORDS * free_text  # 1 for the id that ends the answer
    body: dict[str, Any] = {
        "model": model,
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "image_url", "image_url": {"url": _address(image)}},
                    {"type": "text", "text": question},
                ],
            }
        ],
        "max_tokens": max_tokens,
        "stop_token_ids": list(own.ends) or None,
        "temperature": 0,
        "repetition_penalty": 1.0,  # many checkpoints have one, which distorts repeated rows
        "skip_special_tokens": False,  # special tags would vanish from the text
        "stream": stream or None,
        "return_token_ids": not (stream and server == "sglang") or None,
        "logprobs": True,
        "top_logprobs": 0,
    }
    if constrain == "grammar":
        grammar = _grammar(own, names, instances, free_text)
        vllm = server == "vllm"
        body |= {"structured_outputs": {"grammar": grammar}} if vllm else {"ebnf": grammar}
    elif constrain == "processor":
        _check_guide(own, names, instances, free_text)  # a server can only end the answer
        asked = {"labels": names, "instances": instances, "free_text": free_text}
        given = {"maskcodec": json.dumps(asked)}
        if server == "vllm":
            body["vllm_xargs"] = given
        else:
            body["custom_logit_processor"] = json.dumps({"callable": _SGLANG_CLASS.hex()})
            body["custom_params"] = given
    return {name: value for name, value in body.items() if value is not None}


@lru_cache(maxsize=2)  # one takes some 300 kB and a second; the next request often has the same
def _grammar(
    tokens: TokenCodec, labels: tuple[str, ...] | None, instances: int | None, free_text: bool
) -> str:
    """The grammar of a whole answer, for the first engine that can hold it; xgrammar is faster.

    Servers recognise the engine by the grammar's notation.
    """
    refused: ConfigError | None = None
    for dialect in get_args(Dialect):
        try:
            return tokens.grammar(
                dialect=dialect, labels=labels, instances=instances, free_text=free_text
            )
        except ConfigError as error:
            refused = error
    raise ConfigError(
        f"no engine's grammar holds this answer: {refused}. If the codec has a guide, start the "
        'server with maskcodec\'s processor and pass constrain="processor"; or pass '
        'constrain="none" and read what comes'
    ) from refused


@lru_cache(maxsize=2)
def _check_guide(
    tokens: TokenCodec, labels: tuple[str, ...] | None, instances: int | None, free_text: bool
) -> None:
    """Refuse options that have no guide."""
    tokens.guide(labels=labels, instances=instances, free_text=free_text)


def _address(image: Any) -> str:
    """An image as an address: the given one, or a ``data:`` address with the file's bytes."""
    if isinstance(image, str) and image.startswith(("http://", "https://", "data:")):
        return image
    data = b""
    if isinstance(image, (str, os.PathLike)):
        path = Path(image)
        with opened_image(path, PHOTOS, str(image)) as opened:
            kind = _SENT.get(opened.format or "") if opened.mode == "RGB" else None
            as_is = kind and opened.getexif().get(_ORIENTATION, 1) == 1
            image = upright(opened)  # reads the whole file, so that a broken one raises here
        data = path.read_bytes() if as_is else b""
    if not data:
        kind = "png"
        file = io.BytesIO()
        as_picture(image).save(file, "PNG", compress_level=1)
        data = file.getvalue()
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
