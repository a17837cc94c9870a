"""Guides of many tokenizers, made once, and walks that go through them at random."""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections import deque
from functools import cache

import numpy as np
import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st

import maskcodec as mc
from maskcodec.kernels.writing import END
from tests import strategies
from tests.conftest import PROFILE, PURE
from tests.vocabularies import REAL, TRAINED, fresh

# A guide of a real vocabulary takes a second to make; the third one is for the long runs.
ALL = [*TRAINED, *(REAL if PROFILE == "thorough" else list(REAL)[:2])]
SPELLINGS = [{}, {"row_separator": ""}, strategies.BSD_SETTINGS[4]]
# Usual; few rows, few columns; one of everything; turned and padded; location tokens.
SCANLINES = [
    mc.Scanlines(),
    mc.Scanlines(rows=2, columns=3, bins=12),
    mc.Scanlines(rows=1, columns=1, bins=1, **strategies.SCANLINE_SETTINGS[3]),
    mc.Scanlines(rows=63, columns=5, bins=1024, **strategies.SCANLINE_SETTINGS[2]),
    mc.Scanlines(bins=12, coordinates="tokens"),
]
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
    few = [mc.BSD(), SCANLINES[0], SCANLINES[4], mc.RRLE()]  # of real ones, which take long
    every = [*(mc.BSD(**s) for s in SPELLINGS), *SCANLINES, mc.RRLE()]
    for codec in few if name in REAL else every:
        mc.extend_tokenizer(codec, tokenizer)
    if not wrapped:
        return tokenizer
    transformers = pytest.importorskip("transformers", reason="wraps tokenizers")
    have = tokenizer.get_vocab()
    end = next(token for token in ENDS if token in have)
    return transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=end)


@cache
def bricks(name, grid, *, wrapped=False, spelling=0):
    codec = mc.BSD(grid=grid, **SPELLINGS[spelling])
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
    if isinstance(tokens.codec, mc.BSD) and "\n" not in text_of(tokens, instance(tokens)):
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
    rows, columns = tokens.codec.most_cells
    return tokens.encode(np.ones((rows, columns), np.uint8), "dog")


def instance(tokens):
    """The ids of an instance that fills the canvas, or its box."""
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
        if len(options) > 40 and self.rng.random() < 0.7:  # of edges: an end, the furthest
            return int(max(first, key=lambda number: abs(runs.get(number, 0))))
        return int(first[0])


@cache
def brick_runs(tokens):
    """The runs of bricks, or the edges."""
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
    """The bricks of every row of the regions, cut by their widths or behind their ends."""
    runs = iter([brick_runs(tokens)[i] for i in ids if i in brick_runs(tokens)])
    for region in regions:
        for _ in range(len(region.cells)):
            row = [next(runs)]
            while not (
                row[-1] >= END if isinstance(tokens.codec, mc.Scanlines) else full(row, region)
            ):
                row.append(next(runs))
            yield row


def full(row, region):
    return sum(map(abs, row)) >= region.cells.shape[1]


def agree(tokens, ids):
    """The regions of ids, which are the same from the ids and from their text."""
    regions = tokens.decode(ids)
    found = text_codec(tokens).decode(text_of(tokens, ids))
    assert [(r.box, r.cells.tolist()) for r in found] == [
        (r.box, r.cells.tolist()) for r in regions
    ]
    assert tokens.recover(ids).problems == []
    return regions


def box_texts(grid, ordered):
    """Every beginning of a box as the decoder reads it, with a space wherever one may stand."""
    rows, columns = grid
    texts = set()
    for x1, y1 in itertools.product(range(columns), range(rows)):
        first = (x1, y1) if ordered else (0, 0)
        for x2, y2 in itertools.product(range(first[0], columns), range(first[1], rows)):
            for a, b, c, d, e, f in itertools.product(("", " "), repeat=6):
                text = f"{a}[{b}[{c}{x1} {y1} {x2} {y2}{d}]{e}]{f}"
                texts.update(text[:n] for n in range(len(text) + 1))
    return texts


def all_boxes(tokens):
    """Every box comes through a guide, and at each step what a box may go on with, no more."""
    grid = tokens.codec.canvas
    ordered = isinstance(tokens.codec, mc.BSD)
    begun, texts = until(tokens, 2), box_texts(grid, ordered)
    box_tag, box_end = tags(tokens)[2:4]
    guide = tokens.guide(start=begun)
    rng = np.random.default_rng(0)
    candidates = sorted(set(vocab_of(tokens).values()) - {box_end})
    open_, known, boxes = [(guide.start(), [])], {guide.start()}, set()
    while open_:
        state, ids = open_.pop()
        options = guide.options(state)
        if box_end in options:
            answer = [*begun, *ids, box_end]
            finished = guide.step(state, box_end)
            while answer[-1] != tags(tokens)[5]:
                number = guide.options(finished)[0]
                answer.append(int(number))
                finished = guide.step(finished, number)
            boxes.add(agree(tokens, answer)[0].box)
        elif len(known) < 60 or rng.random() < (0.01 if PURE else 0.06):
            before = text_of(tokens, [box_tag, *ids])
            expected = []
            for number in candidates:
                text = text_of(tokens, [box_tag, *ids, number])
                more = text[len(before) :]
                if text.removeprefix("<box>") in texts and more:
                    # A space alone stands only between numbers, or spaces would never end.
                    numbers = re.findall("[0-9]+", text)
                    if more != " " or (before[-1].isdigit() and len(numbers) < 4):
                        expected.append(number)
            assert options.tolist() == expected
        for number in options.tolist():
            after = guide.step(state, number)
            if number != box_end and after not in known:
                known.add(after)
                open_.append((after, [*ids, number]))
    rows, columns = grid
    assert len(boxes) == columns * (columns + 1) // 2 * rows * (rows + 1) // 2


def decodes(decode, answer):
    try:
        decode(answer)
    except mc.DecodeError:
        return False
    return True


def silent_walk(tokens, guide, seed):
    """An answer chosen at random, its end included."""
    rng, state, ids = np.random.default_rng(seed), guide.start(), []
    while state[0] != "end":
        options = guide.options(state)
        check(options, tokens)
        ids.append(int(rng.choice(options)))
        state = guide.step(state, ids[-1])
    return ids
