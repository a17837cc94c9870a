"""What an answer pays id by id: pushes of a stream, steps of a guide."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from itertools import cycle, islice
from typing import TYPE_CHECKING, Any

import numpy as np

import maskcodec as mc
from _tasks import LABEL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from _common import Times
    from _idtasks import Setup
    from maskcodec.tokenizers.guide import Guide

PUSHED, TIMED = 100_000, 5_000  # ids of a stream before the last ones that are timed
NEW_GUIDES = 5
WHOLE = "whole answer"
_BEFORE = "Sure. There are two animals in this picture, and the one that you mean is here: "
_BEHIND = " It stands on the grass, with its head to the right. Anything else?"
_LONG_LABEL = "the small black dog on the left that looks at the camera"


def stream_times(setup: Setup, masks: Any, turns: int, tick: Callable[[], None]) -> Times:
    """Microseconds a push, of a new stream and after `PUSHED` ids: float64 (turns, 2)."""
    answers = cycle([setup.tokens.encode(mask, LABEL).tolist() for mask in masks])
    ids = list(islice((n for answer in answers for n in answer), PUSHED + TIMED))
    times = np.empty((turns, 2))
    for turn in times:
        push = (stream := setup.tokens.stream()).push
        turn[0] = _pushing(push, ids[:TIMED])
        _pushing(push, ids[TIMED:PUSHED])
        turn[1] = _pushing(push, ids[PUSHED:])
        if stream.regions != setup.tokens.recover(ids).regions:
            sys.exit("wrong result of the stream")
        tick()
    return times


def _pushing(push: Callable[[int], Any], ids: Sequence[int]) -> float:
    start = time.perf_counter()
    for id_ in ids:
        push(id_)
    return (time.perf_counter() - start) / len(ids) * 1e6


@dataclass
class Answer:
    """Ids that a guide allows, and the phase that each belongs to."""

    ids: list[int]
    phases: list[str]


def stepping(guide: Guide, ids: list[int]) -> Iterator[float]:
    """Seconds for `options` and `step`, id by id."""
    state = guide.start()
    for id_ in ids:
        start = time.perf_counter()
        options = guide.options(state)
        state = guide.step(state, id_)
        yield time.perf_counter() - start
        _check_option(options, id_)


def asking(guide: Guide, ids: list[int]) -> Iterator[float]:
    """Seconds for `allowed`, of longer and longer beginnings."""
    for stop, id_ in enumerate(ids):
        begun = ids[:stop]
        start = time.perf_counter()
        options = guide.allowed(begun)
        yield time.perf_counter() - start
        _check_option(options, id_)


WAYS = {"options and step": stepping, "allowed(ids)": asking}


def _check_option(options: Any, id_: int) -> None:
    if options[min(np.searchsorted(options, id_), len(options) - 1)] != id_:
        sys.exit(f"wrong result of the guide: {id_} may come, but is not among its options")


@dataclass
class Steps:
    """Microseconds a step.

    Attributes
    ----------
    known
        All steps in a guide that is in use.
    tails
        For each answer, the 99 % quantile of its steps there.
    largest
        For each new guide, its largest step of one answer.
    """

    known: Times
    tails: Times
    largest: Times


def guide_steps(
    make: Callable[[], Guide], answers: list[Answer], tick: Callable[[], None]
) -> dict[str, Steps]:
    """The steps of all answers, by way and phase, and of all phases together."""
    phases = [np.array(answer.phases) for answer in answers]
    found = {}
    for way, walk in WAYS.items():
        new = []
        for _ in range(NEW_GUIDES):
            new.append(_all(walk(make(), answers[0].ids)))
            tick()
        guide = make()
        _all(walk(guide, answers[0].ids))
        known = [_all(walk(guide, answer.ids)) for answer in answers]
        tick()
        for name in (WHOLE, *dict.fromkeys(answers[0].phases)):
            where = [(own == name) | (name == WHOLE) for own in phases]
            rows = [row[here] for row, here in zip(known, where, strict=True)]
            found[f"{way}: {name}"] = Steps(
                known=np.concatenate(rows),
                tails=np.array([np.quantile(row, 0.99) for row in rows]),
                largest=np.array([row[where[0]].max() for row in new]),
            )
    return found


def _all(seconds: Iterator[float]) -> Times:
    return np.fromiter(seconds, float) * 1e6


def answers_of(setup: Setup, tokens: mc.TokenCodec, masks: Any) -> list[Answer]:
    """An answer for each mask: free text around what the codec writes of it."""
    encode = setup.encoders()["tokenizers"]
    before, behind = encode(_BEFORE), encode(_BEHIND)
    is_bsd = isinstance(tokens.codec, mc.BSD)
    label = len(encode(_LONG_LABEL)) + 1 if is_bsd else 0  # with the tag behind it
    answers = []
    for mask in masks:
        ids = tokens.encode(mask, _LONG_LABEL if is_bsd else LABEL).tolist()
        inside = ["label"] * label + ["box and bricks" if is_bsd else "runs"] * (
            len(ids) - label - 1
        )
        phases = ["free text"] * (len(before) + 1) + inside + ["free text"] * len(behind)
        answers.append(Answer([*before, *ids, *behind], phases))
    return answers
