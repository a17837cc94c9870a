"""Guides of many tokenizers, made once, and walks that go through them at random."""

from __future__ import annotations

import dataclasses
import re
from collections import deque
from functools import cache

import numpy as np
import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st

import maskcodec as mc
from tests import strategies
from tests.vocabularies import REAL, TRAINED, fresh

ALL = [*TRAINED, *REAL]
LETTERED = {"spelling": ("[F{}]", "[B{}]", "[R{}]"), "repeats": True}
USUAL = [{}, {"row_separator": ""}, strategies.BSD_SETTINGS[4]]
REPEATING = [{"repeats": True}, {"repeats": True, "row_separator": ""}, LETTERED]
FRAMED = [{"frame": "box"}, {"frame": "box", "bins": 12, "repeats": True}]
FRAMED += [{"frame": "box", "bins": 1024, **LETTERED}, {"frame": "box", "bins": 1}]
SPELLINGS = [*USUAL, *REPEATING, *FRAMED]
CANVAS = range(len(USUAL) + len(REPEATING))
KEEP_NEWLINES = [name for name in TRAINED if name != "word-piece"]
ENDS = "<|im_end|>", "</s>", "<eos>", "[SEP]"
LABELS = ("dog", "dog house", "black dog", "犬", "dog")
MASK = np.array([[0, 1, 1, 0], [0, 0, 1, 0], [1, 1, 1, 1]], np.uint8)

seeds = st.integers(0, 2**32 - 1)


def share(part):
    """Some of the profile's examples, for properties that run for each of many tokenizers."""
    phases = [Phase.explicit, Phase.reuse, Phase.generate]  # a seed gets no simpler when it shrinks
    return settings(max_examples=max(settings().max_examples // part, 2), phases=phases)


def forget():
    """Give back what is shared here."""
    _checked.clear()
    for function in list(globals().values()):
        if hasattr(function, "cache_clear"):
            function.cache_clear()


@cache
def extended(name, wrapped=False):
    """A tokenizer with the words of every spelling, which are foreign words to the others."""
    tokenizer = fresh(name)
    for codec in [*(mc.BSD(**s) for s in SPELLINGS), mc.RRLE()]:
        mc.extend_tokenizer(tokenizer, codec)
    if not wrapped:
        return tokenizer
    transformers = pytest.importorskip("transformers", reason="wraps tokenizers")
    have = tokenizer.get_vocab()
    end = next(token for token in ENDS if token in have)
    return transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=end)


@cache
def bricks(name, grid, *, wrapped=False, spelling=0, sampling=None):
    codec = mc.BSD(grid=grid, sampling=sampling, **SPELLINGS[spelling])
    return mc.TokenCodec(codec, extended(name, wrapped))


@cache
def cells(name, codec, *, wrapped=False):
    return mc.TokenCodec(codec, extended(name, wrapped))


@cache
def guide_of(tokens, **options):
    return tokens.guide(**options)


@cache
def tags(tokens):
    """The six ids of the tags, in their order."""
    return [tokens.words[tag] for tag in tokens.codec.words().tags]


@cache
def vocab_of(tokens):
    return tokens.tokenizer.get_vocab()


@cache
def size_of(tokens):
    return max(vocab_of(tokens).values()) + 1


@cache
def added(tokens):
    tokenizer = tokens.tokenizer
    bare = hasattr(tokenizer, "token_to_id")
    return set(tokenizer.get_added_tokens_decoder() if bare else tokenizer.added_tokens_decoder)


def text_of(tokens, ids):
    return tokens.tokenizer.decode([int(i) for i in ids], skip_special_tokens=False)


def text_codec(tokens):
    """The codec for the tokenizer's text, which has no newlines where it drops them."""
    canvas = isinstance(tokens.codec, mc.BSD) and tokens.codec.frame == "canvas"
    if canvas and "\n" not in text_of(tokens, instance(tokens)):
        return dataclasses.replace(tokens.codec, row_separator="")
    return tokens.codec


def piece_ids(tokens, text):
    """The ids of one token with these letters, in any of the ways that tokens are written."""
    ways = [text, "##" + text, *([f"<0x{ord(text):02X}>"] if len(text) == 1 else [])]
    have = vocab_of(tokens)
    return [have[way] for way in ways if way in have and have[way] not in added(tokens)]


def plain(tokens):
    """The id of a token that makes no label a tag and every label one that shows."""
    return next(i for text in ("dog", "d", "o", "a") for i in piece_ids(tokens, text))


@cache
def _instance(tokens):
    rows, columns = tokens.codec.canvas
    return tokens.encode(np.ones((rows, columns), np.uint8), "dog")


def instance(tokens):
    """The ids of an instance that fills the canvas."""
    return _instance(tokens).tolist()


def until(tokens, tag):
    """The ids of that instance up to a tag, which is the last of them."""
    ids = instance(tokens)
    return ids[: ids.index(tags(tokens)[tag]) + 1]


def follow(guide, ids):
    state = guide.start()
    for number in ids:
        state = guide.step(state, int(number))
    return state


def refused_at(guide, ids):
    """Where a guide leaves some ids, or None where they are a walk."""
    state = guide.start()
    for position, number in enumerate(ids):
        try:
            state = guide.step(state, int(number))
        except mc.DecodeError as error:
            assert error.reason == "not-allowed"
            return position
    return None


@cache
def notable(tokens):
    """The ids that could go wrong: pieces of words, digits, brackets, spaces, half characters."""
    words = " ".join(tokens.words)
    found = [
        number
        for token, number in vocab_of(tokens).items()
        if re.search(r"[<>\[\]|/]|^[#Ġ▁ Ċĉ\d]*$", token)
        or len(token) == 1
        or token.strip("#Ġ▁ ") in words
    ]
    return np.array(sorted(found), np.int64)


_checked = deque(maxlen=20)


def is_in(options, number):
    at = int(np.searchsorted(options, number))
    return at < len(options) and options[at] == number


def check(options, tokens):
    """What is always so; of the long arrays, which are handed out again and again, once."""
    if len(options) > 200 and any(options is known for known in _checked):
        return
    _checked.append(options)
    assert len(options)
    assert options.dtype == np.int64
    assert not options.flags.writeable
    assert (np.diff(options) > 0).all()
    assert options[0] >= 0
    assert options[-1] < size_of(tokens)


class Walker:
    """Chooses among options as a model with bad luck would."""

    def __init__(self, tokens, seed):
        self.tokens = tokens
        self.rng = np.random.default_rng(seed)
        self.wanted = []  # pieces that would spell a word

    def text(self, options):
        """A piece of free text or of a label: one that spells a word, a notable one, any."""
        rng = self.rng
        end = getattr(self.tokens.tokenizer, "eos_token_id", None)
        if end is not None and rng.random() < 0.04 and is_in(options, end):
            return end
        if not self.wanted and rng.random() < 0.3:
            word = str(rng.choice(list(self.tokens.words)))
            self.wanted = [c for n in range(len(word)) for c in piece_ids(self.tokens, word[n])]
        while self.wanted:
            number = self.wanted.pop(0)
            if is_in(options, number):
                return number
        if rng.random() < 0.7:
            for number in rng.choice(notable(self.tokens), 20).tolist():
                if is_in(options, number):
                    return number
        return int(rng.choice(options))

    def few(self, options):
        """One of a few options: also the extreme ones, on purpose."""
        kind = self.rng.random()
        return int(options[0] if kind < 0.1 else options[-1] if kind < 0.2 else 0) or int(
            self.rng.choice(options)
        )

    def brick(self, options):
        """A brick; in wide boxes mostly a long one, or the walk would take all day."""
        runs = brick_runs(self.tokens)
        others = [number for number in options.tolist() if number not in runs]
        if others and self.rng.random() < 0.4:  # a row that has any width may end
            return int(self.rng.choice(others))
        first = [options[int(k)] for k in self.rng.integers(len(options), size=8)]
        if len(options) > 40 and self.rng.random() < 0.7:
            return int(max(first, key=lambda number: abs(runs.get(number, 0))))
        return int(first[0])


@cache
def brick_runs(tokens):
    """The runs of bricks and repeats; n copies of a row are 63 + n."""
    words = tokens.codec.words()
    return {tokens.words[words.brick(run)]: run for run in words.runs()}


def brick_walk(tokens, guide, seed, *, begun=(), instances=2):
    """The ids of an answer with up to so many instances, chosen at random."""
    walker, rng = Walker(tokens, seed), np.random.default_rng(seed)
    ref, ref_end, _box, _box_end, seg, seg_end = kinds = tags(tokens)
    ids, state = [], guide.start()
    last = next((i for i in reversed(begun) if i in kinds), seg_end)
    in_part = 0
    while True:
        options = guide.options(state)
        check(options, tokens)
        if last == seg_end:
            if [*begun, *ids].count(seg_end) >= instances or (in_part > 6 and ref not in options):
                return ids
            go_on = is_in(options, ref) and (in_part > 6 or rng.random() < 0.3)
            number = ref if go_on else walker.text(options)
        elif last == ref and len(options) > 1:
            enough = in_part > 8 or rng.random() < 0.2
            if enough and is_in(options, ref_end):
                number = ref_end
            else:
                number = plain(tokens) if in_part > 8 else walker.text(options)
                number = number if is_in(options, number) else walker.few(options)
        elif last == seg and len(options) > 1:
            number = walker.brick(options)
        else:
            number = walker.few(options)
        state = guide.step(state, number)
        ids.append(number)
        in_part += 1
        if number in kinds:
            last, in_part = number, 0
        if is_end(tokens, number):
            return ids


def is_end(tokens, number):
    return number == getattr(tokens.tokenizer, "eos_token_id", None)


def rows_of(tokens, ids, regions):
    """The runs of every row of the regions that is no repeat, cut by their widths."""
    runs = iter([brick_runs(tokens)[i] for i in ids if i in brick_runs(tokens)])
    for region in regions:
        rows, width = region.cells.shape
        while rows > 0:
            row = [next(runs)]
            if row[0] > 63:
                rows -= row[0] - 63
                continue
            while sum(map(abs, row)) < width:
                row.append(next(runs))
            rows -= 1
            yield row


def agree(tokens, ids):
    """The regions of ids, which are the same from the ids and from their text."""
    regions = tokens.decode(ids)
    found = text_codec(tokens).decode(text_of(tokens, ids))
    assert [(r.box, r.cells.tolist()) for r in found] == [
        (r.box, r.cells.tolist()) for r in regions
    ]
    assert tokens.recover(ids).problems == []
    return regions
