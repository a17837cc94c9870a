"""Find the answers of a conversation in its text and in its ids."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from maskcodec.errors import ConfigError
from maskcodec.messages import plural

if TYPE_CHECKING:
    from collections.abc import Callable

    from maskcodec.hf.conversation import Conversation

_GENERATION = re.compile(r"\{%[-+]?\s*generation\s*[-+]?%\}")


class Span(NamedTuple):
    """An answer in a conversation's text: characters ``start`` to ``stop``, ``stop`` exclusive.

    The token that ends the answer is included. ``images`` images come before the answer.
    """

    start: int
    stop: int
    images: int


class Rendered(NamedTuple):
    """A conversation as a text with one placeholder for each image.

    Attributes
    ----------
    text
        The text that the chat template makes.
    spans
        The answers to learn; None if only the template's ``{% generation %}`` marks show them.
    """

    text: str
    spans: list[Span] | None


def render(processor: Any, said: Conversation, where: str) -> Rendered:
    """Apply the chat template to a conversation, and find the answers in the text.

    An answer begins behind the generation prompt, which the template writes for the messages before
    it. It ends behind the special token that follows it. If none follows, as with LLaVA-1.5, the
    tokenizer's end token is inserted: a model that never saw one would never stop.

    Raises
    ------
    ConfigError
        The template changes an answer, or the messages before it, and does not mark the answer
        with ``{% generation %}``. Or no special token follows an answer, and the tokenizer has no
        end token.
    """
    full = _text(processor, said.messages)
    special = _special(processor.tokenizer)
    ends = re.compile(r"\s*(?:" + "|".join(map(re.escape, special)) + ")")
    pieces: list[str] = []
    spans: list[Span] = []
    done = 0
    for k, message in enumerate(said.messages):
        if message["role"] != "assistant":
            continue
        before = _text(processor, said.messages[:k], add_generation_prompt=True)
        stop = _stop(full, before, said.answer(k))
        if stop is None:
            if _marked(processor):
                return Rendered(full, None)
            raise ConfigError(
                f"{where}, message {k}: the chat template writes the answer, or what stands before "
                "it, in another way than where it asks for that answer, so that it is not found. "
                f"Expected is {before[-40:] + said.answer(k)[:40]!r}; give the processor a "
                "template that keeps both, or that puts {% generation %} around answers"
            )
        own = _text(processor, said.messages[: k + 1])
        end = ends.match(own if full.startswith(own) else full, stop)
        stop = stop if end is None else end.end()
        start = sum(map(len, pieces)) + len(before) - done
        pieces.append(full[done:stop])
        if end is None:
            pieces.append(_end_token(processor, where))
        if k in said.learned:
            spans.append(Span(start, sum(map(len, pieces)), said.images_before(k)))
        done = stop
    return Rendered("".join(pieces) + full[done:], spans)


def token_spans(
    processor: Any,
    rendered: Rendered,
    ids: list[int],
    length: Callable[[str, int], int],
    where: str,
) -> list[tuple[int, int]]:
    """Find the answers in the ids that a processor made of a text.

    A processor replaces one placeholder by many ids. Behind the last image, text and ids agree, so
    positions are counted from the end.

    Parameters
    ----------
    processor
        Its tokenizer is used.
    rendered
        The text, with spans.
    ids
        The ids that the processor made of the text, without padding.
    length
        Counts the ids that the processor makes of a text and its first images. Called if an image
        follows an answer.
    where
        The name of the row, for errors.

    Returns
    -------
    Indices into the ids: start, and stop, exclusive.

    Raises
    ------
    ConfigError
        The tokenizer joins an answer with the text around it.
    """
    text, spans = rendered
    tokens = encoded(processor.tokenizer, text)
    found = []
    for start, stop, images in spans or []:
        head = encoded(processor.tokenizer, text[:start])
        body = encoded(processor.tokenizer, text[:stop])
        answer, rest = body[len(head) :], tokens[len(head) :]
        first = len(ids) - len(rest)
        if ids[-len(rest) :] != rest:
            first = length(text[:start], images)
        last = first + len(answer)
        kept = body[: len(head)] == head and tokens[: len(body)] == body
        if not answer or not kept or ids[first:last] != answer:
            raise ConfigError(
                f"{where}: the tokenizer joins {text[start:stop]!r:.60} with the chat template's "
                f"text around it, {text[max(0, start - 20) : start]!r}, into other tokens than the "
                "model will write; a special token or a new line should stand between them"
            )
        found.append((first, last))
    return found


def marked_spans(
    processor: Any, said: Conversation, images: list[Any], ids: list[int], where: str
) -> list[tuple[int, int]]:
    """Find the answers in the ids by the template's ``{% generation %}`` marks.

    The special token behind a marked answer belongs to the answer.

    Raises
    ------
    ConfigError
        The template does not mark each answer separately.
    """
    rest = iter(images)
    messages = [
        {
            "role": message["role"],
            "content": [
                {**part, "image": next(rest)} if part["type"] == "image" else part
                for part in message["content"]
            ],
        }
        for message in said.messages
    ]
    made = processor.apply_chat_template(
        messages, tokenize=True, return_dict=True, return_assistant_tokens_mask=True
    )
    (own,), (mask,) = made["input_ids"], made["assistant_masks"]
    answers = [k for k, message in enumerate(said.messages) if message["role"] == "assistant"]
    edges = [k for k in range(len(mask) + 1) if [0, *mask, 0][k] != [0, *mask, 0][k + 1]]
    if list(own) != ids or len(edges) != 2 * len(answers):
        raise ConfigError(
            f"{where} has {plural(len(answers), 'answer')}, but the chat template's "
            f"{{% generation %}} marks {len(edges) // 2}"
        )
    special = set(processor.tokenizer.convert_tokens_to_ids(_special(processor.tokenizer)))
    found = []
    for k, start, stop in zip(answers, edges[::2], edges[1::2], strict=True):
        ended = ids[stop - 1] in special or stop == len(ids) or ids[stop] not in special
        if k in said.learned:
            found.append((start, stop if ended else stop + 1))
    return found


def encoded(tokenizer: Any, text: str) -> list[int]:
    """Encode a text as a processor does."""
    ids: list[int] = tokenizer(text, add_special_tokens=adds_special(tokenizer, text))["input_ids"]
    return ids


def adds_special(tokenizer: Any, text: str) -> bool:
    """Whether the tokenizer must add its special tokens: the text lacks the ``bos_token``."""
    return not (tokenizer.bos_token and text.startswith(tokenizer.bos_token))


def _text(processor: Any, messages: list[dict[str, Any]], **options: bool) -> str:
    text: str = processor.apply_chat_template(messages, tokenize=False, **options)
    return text


def _special(tokenizer: Any) -> list[str]:
    """All special tokens, long ones first."""
    added = {token.content for token in tokenizer.added_tokens_decoder.values() if token.special}
    return sorted(added | set(tokenizer.all_special_tokens), key=lambda token: (-len(token), token))


def _stop(full: str, before: str, answer: str) -> int | None:
    """The end of an answer in a text; None if ``before`` and the answer do not begin the text."""
    if not full.startswith(before):
        return None
    start = len(before)
    start += len(full[start:]) - len(full[start:].lstrip())
    for said in (answer.lstrip(), answer.strip()):  # some templates trim
        if full.startswith(said, start):
            return start + len(said)
    return None


def _marked(processor: Any) -> bool:
    templates = processor.chat_template
    template = templates.get("default", "") if isinstance(templates, dict) else templates
    return bool(_GENERATION.search(template or ""))


def _end_token(processor: Any, where: str) -> str:
    token: str | None = processor.tokenizer.eos_token
    if not token:
        raise ConfigError(
            f"{where}: no special token follows an answer in the chat template, and the tokenizer "
            "has no eos_token to put there; set tokenizer.eos_token"
        )
    return token
