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
        self.size = max(vocabulary.values()) + 1 + PADDING
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
        self.matcher, self.size, self.numpy = matcher, engine.size, engine.numpy
        self.bits = self.numpy.allocate_token_bitmask(1, engine.size)

    def allowed(self):
        self.numpy.fill_next_token_bitmask(self.matcher, self.bits)
        assert not self.matcher.is_error(), self.matcher.get_error()[:400]
        return ids_of(self.bits, self.size)

    def accepts(self, number):
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
