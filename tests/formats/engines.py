"""Serving engines' grammars: what each allows next, as sorted ids."""

from __future__ import annotations

import numpy as np
import pytest

PADDING = 100  # rows of an embedding behind the last id
DIALECTS = ["xgrammar", "llguidance"]


class XGrammar:
    """A matcher of xgrammar over one vocabulary, and the ids that end an answer."""

    def __init__(self, vocabulary, ends):
        self.xgrammar = pytest.importorskip("xgrammar", reason="runs the grammars")
        pytest.importorskip("torch", reason="xgrammar's bit masks are tensors")
        names = [""] * (max(vocabulary.values()) + 1)
        for token, number in vocabulary.items():
            names[number] = token
        self.size = len(names) + PADDING
        info = self.xgrammar.TokenizerInfo(
            names, vocab_type=self.xgrammar.VocabType.RAW, vocab_size=self.size, stop_token_ids=ends
        )
        self.compiler = self.xgrammar.GrammarCompiler(info, cache_enabled=False, max_threads=1)

    def compiled(self, text):
        return self.compiler.compile_grammar(text)

    def matcher(self, compiled):
        return XGrammarMatcher(self, self.xgrammar.GrammarMatcher(compiled))


class XGrammarMatcher:
    def __init__(self, engine, matcher):
        self.matcher = matcher
        self.bits = engine.xgrammar.allocate_token_bitmask(1, engine.size)
        self.size = engine.size

    def allowed(self):
        self.matcher.fill_next_token_bitmask(self.bits)
        return ids_of(self.bits.numpy(), self.size)

    def accepts(self, number):
        return self.matcher.accept_token(number)


class LLGuidance:
    """A matcher of llguidance over one vocabulary, and the ids that end an answer."""

    def __init__(self, vocabulary, ends):
        self.llguidance = pytest.importorskip("llguidance", reason="runs the grammars")
        self.numpy = pytest.importorskip("llguidance.numpy", reason="runs the grammars")
        self.size, self.ends = max(vocabulary.values()) + 1 + PADDING, ends
        self.tokenizer = self.llguidance.LLTokenizer(
            self.llguidance.TokenizerWrapper(_Vocabulary(vocabulary, self.size, ends[0])),
            eos_token=ends,
        )

    def compiled(self, text):
        matcher = self.llguidance.LLMatcher(self.tokenizer, text, log_level=0)
        assert not matcher.is_error(), matcher.get_error()[:400]
        return matcher

    def matcher(self, compiled):
        return LLGuidanceMatcher(self, compiled.deep_copy())


class LLGuidanceMatcher:
    def __init__(self, engine, matcher):
        self.matcher, self.ends = matcher, engine.ends
        self.size, self.numpy = engine.size, engine.numpy
        self.bits = self.numpy.allocate_token_bitmask(1, engine.size)

    def allowed(self):
        self.numpy.fill_next_token_bitmask(self.matcher, self.bits)
        assert not self.matcher.is_error(), self.matcher.get_error()[:400]
        return ids_of(self.bits, self.size)

    def accepts(self, number):
        if self.matcher.is_stopped():  # nothing but the end may come, which it does not take
            return number in self.ends
        return bool(self.matcher.try_consume_tokens([number]))


class _Vocabulary:
    """A vocabulary as llguidance wants it: the bytes of every id, which are different."""

    bos_token_id = None

    def __init__(self, vocabulary, size, end):
        self.eos_token_id = end
        self.tokens = [f"\xff[{n}]".encode("latin-1") for n in range(size)]
        for token, number in vocabulary.items():
            self.tokens[number] = token.encode()
        self.special_token_ids = []

    def __call__(self, _text):
        return []


ENGINES = {"xgrammar": XGrammar, "llguidance": LLGuidance}


def ids_of(bits, size):
    every = np.unpackbits(bits.reshape(-1).view(np.uint8), bitorder="little")[:size]
    return np.flatnonzero(every)


def walk(matcher, guide, rng, closing, end):
    """The ids of a random answer; at every step the engine allows what the guide does.

    Closing ids are chosen the more often the longer an answer is.
    """
    state, ids = guide.start(), []
    while not ids or ids[-1] != end:
        options = guide.options(state)
        allowed = matcher.allowed()
        if not np.array_equal(allowed, options):
            only = np.setdiff1d(allowed, options), np.setdiff1d(options, allowed)
            raise AssertionError(f"behind {ids}: only the engine, only the guide: {only}")
        ids.append(chosen(options, rng, closing, len(ids)))
        state = guide.step(state, ids[-1])
        if rng.random() < 0.2:
            refused(matcher, options, rng)
        assert matcher.accepts(ids[-1])
    return ids


def chosen(options, rng, closing, length):
    """One of the options: a closing one, a special one, or any."""
    few = [number for number in closing if is_in(options, number)]
    if few and rng.random() < 0.3 + length / 50:
        return int(rng.choice(few))
    return int(rng.choice(options))


def refused(matcher, options, rng):
    """Some ids that are no options are not taken."""
    for wrong in rng.integers(0, int(options[-1]) + 1, 2).tolist():
        if not is_in(options, wrong):
            assert not matcher.accepts(wrong)


def is_in(options, number):
    at = int(np.searchsorted(options, number))
    return at < len(options) and options[at] == number
