"""Automata over tokens: the same texts and labels as by reading them from the beginning."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from maskcodec.tokenizers.automaton import label_automaton, text_automaton, unshown
from maskcodec.tokenizers.token_bytes import PlainText

WORDS = [
    ["<fg1>", "<fg12>", "<bg1>", "</s>"],
    ["abab", "ba", "c"],  # one in another, and of one letter
    ["aab", "xaaby"],
    [" <", "\u3000犬", "é"],  # that begin with white space
]
LETTERS = [
    b"<",
    b"f",
    b"g",
    b"1",
    b"2",
    b">",
    b"/",
    b"s",
    b"a",
    b"b",
    b"c",
    b"x",
    b"y",
    b" ",
    b"\n",
]
HALVES = [bytes([n]) for n in (0x80, 0x85, 0x9A, 0xA0, 0xC0, 0xC2, 0xC3, 0xE0, 0xE1, 0xE2, 0xE3)]
HALVES += [bytes([n]) for n in (0xE7, 0xED, 0xF0, 0xF1, 0xF4, 0xFF, 0xA9, 0x81, 0x9F)]
WHOLE = ["\u3000", "é", "犬", "\u2003", "\u1680", "\x85", "😀", "\ufeff"]


def pieces(rng):
    """Tokens of some letters each, among them all single ones."""
    parts = [*LETTERS, *HALVES, *(letter.encode() for letter in WHOLE)]
    several = [b"".join(parts[n] for n in rng.integers(0, len(parts), k)) for k in (2, 3, 4) * 40]
    return dict(enumerate([*parts, *several, b""]))


def walks(automaton, rng, count=60, longest=12):
    """Random ways, with the ids that may come at each step and whether it may end."""
    edges, ends = automaton
    targets = [{int(i): t for t, ids in after.items() for i in ids} for after in edges]
    for _ in range(count):
        state, way = 0, []
        while len(way) < longest and targets[state]:
            yield way, targets[state].keys(), state in ends
            way = [*way, int(rng.choice([*targets[state]]))]
            state = targets[state][way[-1]]


@pytest.mark.parametrize("words", WORDS)
def test_a_text_may_go_on_as_the_guide_has_it(words):
    rng = np.random.default_rng(0)
    spelled = pieces(rng)
    plain, still = PlainText(spelled, words), frozenset([3, 7])
    for way, options, ends in walks(text_automaton(spelled, words, still), rng):
        end = b""
        for number in way:
            end = end if number in still else plain.step(end, number)
        assert sorted(options) == plain.options(end, ()).tolist()
        assert ends


@pytest.mark.parametrize("words", WORDS)
def test_a_label_may_end_once_it_shows(words):
    rng = np.random.default_rng(1)
    spelled = pieces(rng)
    plain = PlainText(spelled, words)
    shown = set()
    for way, options, ends in walks(label_automaton(spelled, words), rng):
        end = b""
        for number in way:
            end = plain.step(end, number)
        assert sorted(options) == plain.options(end, ()).tolist()
        text = b"".join(spelled[number] for number in way)
        assert ends == bool(text.decode(errors="ignore").strip()) == (unshown(text) is None)
        shown.add(ends)
    assert shown == {False, True}


def test_sets_that_go_on_alike_are_one_state():
    """A thousand words have as few states as their letters need."""
    words = [f"<loc{n}>" for n in range(1000)]
    spelled = {n: bytes([n]) for n in range(256)}
    assert len(text_automaton(spelled, words).edges) == 8  # nothing, < l o c, and three digits


def test_no_white_space_is_longer_than_three_bytes():
    assert max(n for n in range(sys.maxunicode + 1) if chr(n).isspace()) == 0x3000
