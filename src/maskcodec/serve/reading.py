"""Read a server's answers: whole responses and streams of chunks, from ids or from text."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from maskcodec.answers import Answer, Progress, progress, read_answer, sureness
from maskcodec.errors import ServerError
from maskcodec.messages import brief

if TYPE_CHECKING:
    from maskcodec.formats.instances.stream import MaskStream
    from maskcodec.tokens import TokenCodec

_MOST_ID = 1 << 31  # ids are below this
_LEAST = -1e9  # least log-probability, so that sums are finite


def read(response: Any, tokens: TokenCodec) -> Answer:
    """The answer in a server's response: regions, scores and problems.

    Reads ids if the response has them (``token_ids`` of vLLM, ``response_token_ids`` of SGLang),
    else the text, which may lack special tags. Scores come from ``logprobs``; without these they
    are nan.

    Parameters
    ----------
    response
        A response of ``/v1/chat/completions``: ``httpx.Response.json()``, or an object of the
        ``openai`` package.
    tokens
        The codec and the tokenizer of the served model.

    Raises
    ------
    ServerError
        The response is an error, whose message is quoted, or has not exactly one choice.

    Examples
    --------
    ::

        answer = read(httpx.post(address, json=body, timeout=600).json(), tokens)
        masks = answer.masks((480, 640))
    """
    reader = Reader(tokens)
    reader.push(response)
    if reader.finish is None:
        raise ServerError(
            "the response has no finish_reason, as a chunk of a stream has none; hand the chunks "
            "to maskcodec.serve.Reader"
        )
    return reader.answer()


class Reader:
    """Reads an answer that a server streams in chunks.

    Parameters
    ----------
    tokens
        The codec and the tokenizer of the served model.
    draw
        Whether `progress` will be called; the codec must have a stream.

    Attributes
    ----------
    finish
        The server's ``finish_reason``, such as ``"stop"`` or ``"length"``; None before the end.

    Examples
    --------
    ::

        reader = Reader(tokens, draw=True)
        for chunk in client.chat.completions.create(stream=True, ...):
            if reader.push(chunk):
                show(reader.progress().index_map)
        print(reader.answer().regions)
    """

    def __init__(self, tokens: TokenCodec, *, draw: bool = False) -> None:
        self._tokens = tokens
        self._stream = tokens.stream() if draw else None
        self._ids: list[int] = []
        self._text = ""
        self._pieces: list[tuple[str, float]] = []  # (token's text, log-probability)
        self._bare = False  # whether some text came without ids
        self._stops = {*tokens.ends}
        self._drawn = 0  # characters of the text that are drawn so far
        words = tokens.codec.vocabulary()
        self._word, self._longest = (
            re.compile("|".join(map(re.escape, words))),
            max(map(len, words)),
        )
        self.finish: str | None = None

    def push(self, chunk: Any) -> bool:
        """Take the next chunk, or a whole response; returns whether a row is newly complete.

        Raises
        ------
        ServerError
            The chunk is an error, or not of the form that servers send.
        """
        data = chunk.model_dump() if hasattr(chunk, "model_dump") else chunk
        if not isinstance(data, Mapping):
            raise ServerError(f"a response must be a JSON object, got {brief(data)}")
        if data.get("error") or data.get("object") == "error":
            raise ServerError(f"the server refused: {said(data)}")
        choices = data.get("choices")
        if not isinstance(choices, list) or len(choices) > 1:
            raise ServerError(f"a response must have one choice in a list, got {brief(choices)}")
        return bool(choices) and self._take(choices[0])

    def answer(self) -> Answer:
        """The answer so far; ``finished`` if the model has ended it itself."""
        finished = self.finish == "stop"
        if self._bare or not self._ids:
            return self._from_text(finished)
        ids = self._ids
        stop = next((at for at, number in enumerate(ids) if number in self._stops), len(ids))
        logs = [log for _, log in self._pieces] if len(self._pieces) == len(ids) else None
        return read_answer(self._tokens, ids[:stop], logs, finished)

    def progress(self) -> Progress:
        """The regions of the answer so far, to show.

        Raises
        ------
        ValueError
            The reader was made without `draw`.
        """
        if self._stream is None:
            raise ValueError("pass draw=True to Reader to ask for its progress")
        return progress(self._stream)

    def _take(self, choice: Any) -> bool:
        if not isinstance(choice, Mapping):
            raise ServerError(f"a choice must be an object, got {brief(choice)}")
        message = choice.get("message") or choice.get("delta") or {}
        text = message.get("content") if isinstance(message, Mapping) else message
        ids = choice.get("token_ids") or choice.get("response_token_ids") or []
        if not isinstance(text, str | None):
            raise ServerError(f"content must be a text, got {brief(text)}")
        if not isinstance(ids, list) or not all(
            type(number) is int and 0 <= number < _MOST_ID for number in ids
        ):
            raise ServerError(f"token_ids must be whole numbers from 0 on, got {brief(ids)}")
        self._pieces += _pieces(choice.get("logprobs"))
        ended_by = choice.get("stop_reason"), choice.get("matched_stop")
        self._stops.update(number for number in ended_by if type(number) is int)
        finish = choice.get("finish_reason")
        self.finish = finish if isinstance(finish, str) else self.finish
        self._ids += ids
        self._text += text or ""
        self._bare |= bool(text) and not ids
        return self._stream is not None and self._draw(self._stream, ids, len(text or ""))

    def _draw(self, stream: MaskStream, ids: list[int], new: int) -> bool:
        """Draw ids, or the text up to its last complete tag or brick."""
        if self._bare:
            start = max(self._drawn, len(self._text) - new - self._longest)
            ends = [match.end() for match in self._word.finditer(self._text, start)]
            part = self._text[self._drawn : ends[-1]] if ends else ""
            self._drawn += len(part)
            ids = self._tokens.ids(part)
        ended = False
        for number in ids:
            ended |= stream.push(number).row_ended
        return ended

    def _from_text(self, finished: bool) -> Answer:
        """The answer from its text, with scores from the ids that spell the received tokens."""
        text, tokens = self._text, self._tokens
        found = tokens.codec.recover(text)
        scores = [math.nan] * len(found.regions)
        if self._pieces:
            spelled = [(n, log) for piece, log in self._pieces for n in tokens.ids(piece)]
            spans = tokens.spans([number for number, _ in spelled])
            if len(spans) == len(scores):
                scores = [sureness([log for _, log in spelled[a:b]]) for a, b in spans]
        grid = getattr(found, "grid", None)
        return Answer(text, (), found.regions, scores, found.problems, finished, grid)


def said(data: Any) -> str:
    """The message of a server's error."""
    if not isinstance(data, Mapping):
        return brief(data)
    error = data.get("error") or data
    words = error.get("message") if isinstance(error, Mapping) else error
    return f"{words or data.get('detail') or dict(data)!s:.500}"


def _pieces(logprobs: Any) -> list[tuple[str, float]]:
    """The tokens of a choice as text, and their log-probabilities."""
    content = (logprobs.get("content") if isinstance(logprobs, Mapping) else None) or ()
    try:
        found = [(one["token"], min(max(float(one["logprob"]), _LEAST), 0.0)) for one in content]
        good = all(type(token) is str and not math.isnan(log) for token, log in found)
    except (TypeError, KeyError, ValueError, OverflowError):
        good = False
    if not good:
        raise ServerError(f"logprobs must have tokens and their logprob, got {brief(content)}")
    return found
