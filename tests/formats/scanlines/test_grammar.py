"""Grammars of scanlines: what two engines make of them is what a guide allows, and decodes."""

from __future__ import annotations

import re
import time
from functools import cache

import numpy as np
import pytest

import maskcodec as mc
from maskcodec.formats.bsd.guide import BrickGuide
from maskcodec.formats.bsd.guide_box import BoxGuide, BoxState, finished
from maskcodec.formats.scanlines.grammar import ScanlineIds, location_place, scanline_grammar
from maskcodec.tokenizers.any import AnyTokenizer
from maskcodec.tokenizers.guide import Guide, GuideOptions, guide_words
from maskcodec.tokenizers.spelling import frozen
from maskcodec.tokenizers.vocab import Vocab, label_ids
from tests.conftest import PROFILE, PURE
from tests.formats.engines import DIALECTS, ENGINES, walk
from tests.vocabularies import AddedToken, fresh, wrapped

TAGS = ("<ref>", "</ref>", "<box>", "</box>", "<seg>", "</seg>")
ENDS = "<|im_end|>", "</s>", "<eos>", "[SEP]"
COLUMNS = 63
OPTIONS = [
    {},
    {"free_text": False},
    {"labels": ("dog", "black dog", "dog house", "犬")},
    {"instances": 2, "labels": ("dog",), "free_text": False},
    {"instances": 1},
    {"instances": 0},
]
NAMES = ["byte-level", "joined", "unigram", "word-piece", "metaspace", "mistral", "tekken"]
WALKS = 1000 if PROFILE == "thorough" else 3 if PURE else 6


class Scanlines:
    """A tokenizer with the words of scanlines, and the ids that a grammar needs."""

    def __init__(self, name, *, bins=1000, rows=11, columns=COLUMNS, locations=False):
        bricks = [f"<{kind}:{n}>" for n in range(1, columns + 1) for kind in ("bg", "fg")]
        ends = [f"<end:{n}>" for n in range(columns + 1)]
        locs = [f"<loc{n}>" for n in range(bins)] if locations else []
        words = [*TAGS, *bricks, *ends, *locs]
        bare = fresh(name)
        bare.add_tokens([AddedToken(word, normalized=False) for word in words])
        self.have = bare.get_vocab()
        self.end = next(self.have[end] for end in ENDS if end in self.have)
        self.tokenizer = AnyTokenizer(wrapped(bare, eos_token=bare.id_to_token(self.end)))
        self.words = {word: self.have[word] for word in words}
        ignored = frozenset(self.tokenizer.ignored() - set(self.words.values()))
        size = max(self.have.values()) + 1
        self.vocab = Vocab(self.words, size, np.ones(size, np.bool_), ignored)
        self.bins, self.rows, self.columns = bins, rows, columns
        self.tags = [self.words[tag] for tag in TAGS]
        self.bricks = [(self.words[a], self.words[b]) for a, b in zip(*[iter(bricks)] * 2)]
        self.ends = [self.words[end] for end in ends]
        self.locations = [self.words[loc] for loc in locs]

    def options(self, options):
        options = GuideOptions(**options)
        words = guide_words(options, self.tokenizer, self.vocab)
        labels = options.labels
        if labels is not None:
            labels = [label_ids(self.tokenizer, self.vocab, i, *TAGS[:2]) for i in labels]
        return options, words, labels

    def grammar(self, dialect, behind_box=False, **options):
        options, words, labels = self.options(options)
        if self.locations:
            place = location_place(self.locations)
        else:
            place = self.box_guide(words).automaton()
        ids = ScanlineIds(self.tags, self.bricks, self.ends, self.rows, place)
        known = self.have.values()
        return scanline_grammar(
            ids, words, options, labels, dialect=dialect, known=known, behind_box=behind_box
        )

    def box_guide(self, words):
        return BoxGuide(words.pieces, words.continuing, (self.bins, self.bins), ordered=False)

    def guide(self, **options):
        return Twin(self, *self.options(options))

    @cache
    def engine(self, dialect):
        return ENGINES[dialect](self.have, [self.end])


class Twin(BrickGuide):
    """What may come next in scanlines: that of B-SD with other boxes and rows."""

    def __init__(self, scanlines, options, words, labels):
        self._tags = scanlines.tags
        self._only = [frozen(np.array([tag], np.int64)) for tag in self._tags]
        self._instances = options.instances
        self._box = Locations(scanlines) if scanlines.locations else scanlines.box_guide(words)
        self._rows = Rows(scanlines)
        self._pieces, self._label_text = words.pieces, words.within
        self._tree = None if labels is None else tree(labels, self._tags[1])
        Guide.__init__(self, words, options)


def tree(labels, end):
    """For each beginning of a label the ids that go on, and where they lead."""
    beginnings = {()}
    for label in labels:
        beginnings |= {(*label[:n],) for n in range(len(label) + 1)}
    number = {beginning: n for n, beginning in enumerate(sorted(beginnings, key=len))}
    nodes = []
    for beginning in number:
        ways = {b[-1]: n for b, n in number.items() if b and b[:-1] == beginning}
        ways |= {end: 0} if list(beginning) in labels else {}
        nodes.append((ways, np.array(sorted(ways), np.int64)))
    return nodes


class Locations:
    def __init__(self, scanlines):
        self.ids = np.array(sorted(scanlines.locations), np.int64)

    def options(self, state):
        return self.ids

    def step(self, state, number):
        place = max(state.place, 2) + 1  # 6 is behind the fourth
        return BoxState(place) if number in self.ids else None


class Rows:
    """The rows: states are how many are over, and the column that the present one has come to."""

    def __init__(self, scanlines):
        self.rows, self.columns = scanlines.rows, scanlines.columns
        self.bricks = {id_: n for n, ids in enumerate(scanlines.bricks, 1) for id_ in ids}
        self.ends_at = {id_: n for n, id_ in enumerate(scanlines.ends)}
        self.seg_end = scanlines.tags[-1]

    def start(self, box):
        return 0, 0

    def options(self, state):
        done, column = state
        if done == self.rows:
            return np.array([self.seg_end], np.int64)
        ids = [i for i, n in self.bricks.items() if n > column]
        ids += [i for i, n in self.ends_at.items() if n >= column]
        ids += [self.seg_end] if done and not column else []
        return np.array(sorted(ids), np.int64)
    # A column of 0 is the beginning of a row, since no brick ends there.

    def step(self, state, number):
        if number == self.seg_end or number not in self.options(state):
            return None
        done, _ = state
        return (done + 1, 0) if number in self.ends_at else (done, self.bricks[number])

    def ends(self, state, number):
        return number == self.seg_end and number in self.options(state)


scanlines = cache(Scanlines)


@cache
def compiled(made, dialect, **options):
    return made.engine(dialect).compiled(made.grammar(dialect, **options))


@cache
def guide_of(made, **options):
    return made.guide(**options)


def read(made, ids):
    """How many instances an answer has, read strictly: a twin of what the format says."""
    ids = [number for number in ids if number != made.end]
    ref, ref_end, box, box_end, seg, seg_end = made.tags
    count = 0
    while ref in ids:
        start = ids.index(ref)
        assert not set(made.words.values()) & set(ids[:start])
        cuts = [ids.index(tag, start) for tag in (ref_end, box, box_end, seg, seg_end)]
        label = made.tokenizer.decode(ids[start + 1 : cuts[0]])
        assert label.strip()
        assert not any(word in label for word in made.words)
        assert cuts[1] == cuts[0] + 1
        place = ids[cuts[1] + 1 : cuts[2]]
        if made.locations:
            assert len(place) == 4
            assert set(place) <= set(made.locations)
        else:
            found = re.fullmatch(
                r"\s*\[\s?\[\s?(\d+) (\d+) (\d+) (\d+)\s?\]\s?\]\s?", made.tokenizer.decode(place)
            )
            assert found, made.tokenizer.decode(place)
            assert all(str(int(n)) == n and int(n) < made.bins for n in found.groups())
        assert cuts[3] == cuts[2] + 1
        rows, column = 0, 0
        names = {number: word for word, number in made.words.items()}
        for number in ids[cuts[3] + 1 : cuts[4]]:
            kind, at = re.fullmatch(r"<(bg|fg|end):(\d+)>", names[number]).groups()
            assert int(at) >= column + (kind != "end")
            column = 0 if kind == "end" else int(at)
            rows += kind == "end"
        assert column == 0
        assert 1 <= rows <= made.rows
        ids = ids[cuts[4] + 1 :]
        count += 1
    assert not set(made.words.values()) & set(ids)
    return count


CASES = [(name, {"bins": 40}, n) for n, name in enumerate(NAMES)]
CASES += [("byte-level", {"locations": True, "bins": 12, "rows": 2}, n) for n in range(6)]
CASES += [("byte-level", {}, n) for n in range(6)]
CASES += [("metaspace", {"bins": 1, "rows": 1, "columns": 1}, 1), ("joined", {"bins": 107}, 1)]


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(("name", "settings", "option"), CASES)
def test_an_engine_allows_what_the_guide_allows(name, settings, option, dialect):
    made = scanlines(name, **settings)
    options = OPTIONS[option % len(OPTIONS)]
    engine, guide = made.engine(dialect), guide_of(made, **options)
    rng = np.random.default_rng(option)
    counts = set()
    for _ in range(WALKS):
        matcher = engine.matcher(compiled(made, dialect, **options))
        ids = walk(matcher, guide, rng, [*made.tags, made.end, *made.ends], made.end)
        counts.add(read(made, ids))
    most = options.get("instances")
    assert max(counts) <= (100 if most is None else most)
    assert min(counts) >= (not options.get("free_text", True))
