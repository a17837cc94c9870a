"""Grammars of B-SD: what two engines make of them is what the guide allows, and decodes."""

from __future__ import annotations

import itertools
import re
import time
from functools import cache

import numpy as np
import pytest

import maskcodec as mc
from maskcodec.formats.bsd.grammar import answer_grammar
from maskcodec.tokenizers.guide import GuideOptions, guide_words
from tests.conftest import PROFILE, PURE
from tests.formats.engines import DIALECTS, ENGINES, chosen, walk
from tests.vocabularies import fresh, wrapped

SPELLINGS = [
    {},
    {"row_separator": ""},
    {"spelling": ("[F{}]", "[B{}]"), "seg_tags": ("<s>>", "</s>>")},
]
# Many vocabularies of 150,000 ids would only take time.
NAMES = ["byte-level", "word-piece", "metaspace", "mistral"]
ENDS = "<|im_end|>", "</s>", "<eos>", "[SEP]"
WALKS = 1000 if PROFILE == "thorough" else 2 if PURE else 4

BOXES = [
    ((1, 1), (0, 0, 0, 0)),
    ((4, 5), (1, 0, 3, 2)),
    ((2, 64), (0, 0, 63, 1)),
    ((2, 70), (0, 0, 69, 1)),
    ((2, 130), (2, 1, 128, 1)),
    ((6, 2), (1, 0, 1, 5)),
]
CASES = [
    (name, grid, box, number % len(SPELLINGS))
    for number, (name, (grid, box)) in enumerate(itertools.product(NAMES, BOXES))
]
OPTIONS = [
    {},
    {"free_text": False},
    {"labels": ("dog", "black dog", "dog house", "犬")},
    {"instances": 2, "labels": ("dog",), "free_text": False},
    {"instances": 1},
    {"instances": 0},
]
GRIDS = [3, (1, 1), (5, 12), (12, 70)]
ANSWERS = [
    (name, GRIDS[number % 4], number % 3, number % len(OPTIONS))
    for number, name in enumerate(
        [*NAMES, "joined", "unigram", "byte-level", "joined", "metaspace"]
    )
]


class Shared:
    """A tokenizer that codecs of all grids share, and what is made of it once."""

    def __init__(self, name, spelling):
        tokenizer = fresh(name)
        mc.extend_tokenizer(mc.BSD(**SPELLINGS[spelling]), tokenizer)
        self.vocab = tokenizer.get_vocab()
        self.end = next(self.vocab[end] for end in ENDS if end in self.vocab)
        self.tokenizer = wrapped(tokenizer, eos_token=tokenizer.id_to_token(self.end))


shared = cache(Shared)


class Made:
    """A codec with a tokenizer, and engines for it."""

    def __init__(self, name, grid, spelling=0):
        self.shared = shared(name, spelling)
        codec = mc.BSD(grid=grid, **SPELLINGS[spelling])
        self.tokens = mc.TokenCodec(codec, self.shared.tokenizer)

    def matcher(self, dialect, **options):
        return engine(self.shared, dialect).matcher(compiled(self, dialect, **options))

    def guide(self, **options):
        return guide_of(self.tokens, **options)


made = cache(Made)


@cache
def engine(shared, dialect):
    return ENGINES[dialect](shared.vocab, [shared.end])


@cache
def compiled(made, dialect, **options):
    return engine(made.shared, dialect).compiled(made.tokens.grammar(dialect=dialect, **options))


@cache
def guide_of(tokens, **options):
    return tokens.guide(**options)


def head(tokens, box):
    """The ids up to ``</box>`` of an instance in that box, and those behind."""
    x1, y1, x2, y2 = box
    mask = np.zeros(tokens.codec.canvas, np.uint8)
    mask[y1 : y2 + 1, x1 : x2 + 1] = 1
    return split(tokens, tokens.encode(mask, "dog").tolist())


def split(tokens, ids):
    at = ids.index(tokens.words[tokens.codec.box_tags[1]]) + 1
    return ids[:at], ids[at:]


def closing(made):
    tokens = made.tokens
    return [made.shared.end, *(tokens.words[tag] for tag in tokens.codec.tags())]


@pytest.mark.parametrize(("name", "grid", "spelling", "option"), ANSWERS)
def test_llguidance_allows_in_a_whole_answer_what_the_guide_allows(name, grid, spelling, option):
    one, options = made(name, grid, spelling), OPTIONS[option]
    guide, rng = one.guide(**options), np.random.default_rng(option)
    counts = set()
    for _ in range(WALKS):
        matcher = one.matcher("llguidance", **options)
        ids = walk(matcher, guide, rng, closing(one), one.shared.end)
        counts.add(len(one.tokens.decode(ids)))
    most = options.get("instances")
    assert max(counts) <= (100 if most is None else most)
    assert min(counts) >= (not options.get("free_text", True))


@pytest.mark.parametrize("name", ["byte-level", "joined"])
def test_llguidance_takes_in_a_whole_answer_what_encode_writes(name):
    one = made(name, (5, 12))
    matcher, rng = one.matcher("llguidance", labels=("dog", "black dog")), np.random.default_rng(0)
    for label in ("dog", "black dog", "dog"):
        ids = one.tokens.encode(rng.integers(0, 2, (5, 12)), label).tolist()
        assert all(map(matcher.accepts, ids))
    assert one.shared.end in matcher.allowed()


def test_a_long_answer_is_not_too_much_for_llguidance():
    """Its parser refuses a step that has more than 2,000 items."""
    one = made("byte-level", (45, 70))
    matcher = one.matcher("llguidance")
    answer = one.tokens.encode(np.indices((45, 70)).sum(0) % 2, "dog").tolist()
    assert len(answer) > 3000
    text = one.tokens.tokenizer.encode("a black dog " * 300, add_special_tokens=False)
    assert len(text) > 600
    for number in [*text, *answer, *text[:5]]:
        assert matcher.accepts(number)
    assert one.tokens.words["<ref>"] in matcher.allowed()


def test_a_token_of_several_numbers_may_come_if_they_are_in_order():
    tokens = made("byte-level", (3, 4)).tokens
    binding, options = tokens._binding, GuideOptions()
    words = guide_words(options, binding.tokenizer, binding.vocab)
    spelled = [b"[[2 0 1 ", b"[[1 0 2 ", b"2 2 1]]", b"1 2 1]]", b"2 1]]"]
    numbers = range(10**6, 10**6 + len(spelled))
    words = words._replace(pieces=words.pieces | dict(zip(numbers, spelled, strict=True)))
    grammar = answer_grammar(
        tokens.codec, binding.vocab, words, options, None, dialect="llguidance"
    )
    ways = [set(re.findall(rf"<\[{n}\]> box\d+::([^|\n]*)", grammar)) for n in numbers]
    assert [{way.strip() for way in found} for found in ways] == [
        set(),
        {"bit_or(33)"},  # two bits a number: x1, y1, x2, y2
        set(),
        {"bit_or(100) %if le([0:2], 2)"},
        {"bit_or(96) %if and(le([0:2], 2), le([2:4], 1))"},
    ]


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(("name", "grid", "box", "spelling"), CASES)
def test_an_engine_allows_in_a_known_box_what_the_guide_allows(name, grid, box, spelling, dialect):
    one = made(name, grid, spelling)
    begun, _ = head(one.tokens, box)
    guide, seg_end = one.guide(start=tuple(begun)), closing(one)[-1]
    rng = np.random.default_rng(0)
    for _ in range(WALKS):
        matcher, state, ids = one.matcher(dialect, box=box), guide.start(), []
        while not ids or ids[-1] != seg_end:
            options = guide.options(state)
            assert matcher.allowed().tolist() == options.tolist()
            ids.append(chosen(options, rng, [], 0))
            state = guide.step(state, ids[-1])
            assert matcher.accepts(ids[-1])
        assert matcher.allowed().tolist() == [one.shared.end]
        (region,) = one.tokens.decode(begun + ids)
        assert region.box == box


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(("name", "grid", "box", "spelling"), CASES)
def test_an_engine_takes_what_encode_writes_in_a_box(name, grid, box, spelling, dialect):
    one = made(name, grid, spelling)
    x1, y1, x2, y2 = box
    rng = np.random.default_rng(0)
    mask = np.zeros(one.tokens.codec.canvas, np.uint8)
    mask[y1 : y2 + 1, x1 : x2 + 1] = rng.random((y2 - y1 + 1, x2 - x1 + 1)) < rng.random()
    mask[y1, x1] = mask[y2, x2] = 1  # so that the box is tight
    begun, rows = split(one.tokens, one.tokens.encode(mask, "dog").tolist())
    assert one.tokens.decode(begun + rows)[0].box == box
    matcher = one.matcher(dialect, box=box)
    for number in rows:
        assert one.shared.end not in matcher.allowed()
        assert matcher.accepts(number)
    assert one.shared.end in matcher.allowed()


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("name", ["byte-level", "metaspace", "mistral"])
def test_a_separator_of_several_ids_is_written_whole(name, dialect):
    one = made(name, (2, 3))
    begun, rows = head(one.tokens, (0, 0, 2, 1))
    brick = one.tokens.words["<fg3>"]
    separator = rows[rows.index(brick) + 1 : -2]
    assert rows == [one.tokens.words["<seg>"], brick, *separator, brick, rows[-1]]
    assert len(separator) == (1 if name == "byte-level" else 2)
    matcher = one.matcher(dialect, box=(0, 0, 2, 1))
    for end, number in enumerate(rows):
        if number in separator:
            assert matcher.allowed().tolist() == [number]
            assert one.guide(start=tuple(begun)).allowed(rows[:end]).tolist() == [number]
        assert matcher.accepts(number)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("name", ["byte-level", "mistral"])
def test_a_brick_in_pieces_is_refused(name, dialect):
    """Text in a grammar would let a model spell a brick, which is no brick to a reader."""
    one = made(name, (2, 3))
    have = one.shared.vocab
    grammar = one.tokens.grammar(dialect=dialect, box=(0, 0, 2, 1))
    assert '"' not in grammar.replace('%llguidance {"no_forcing": true}', "")
    matcher = one.matcher(dialect, box=(0, 0, 2, 1))
    assert matcher.accepts(one.tokens.words["<seg>"])
    for piece in ("<", "<0x3C>", "f", "fg", "fg3", "3", ">", " "):
        if piece in have:
            assert not matcher.accepts(have[piece])
    assert matcher.accepts(one.tokens.words["<fg3>"])


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("spelling", [0, 1])
def test_rows_are_all_that_strict_decoding_takes_and_no_others(spelling, dialect):
    one = made("byte-level", (3, 2), spelling)
    tokens, box = one.tokens, (0, 0, 1, 2)
    begun, rows = head(tokens, box)
    words = tokens.codec.words()
    symbols = [tokens.words[words.brick(run)] for run in (1, -2)]
    symbols += [one.shared.vocab["Ċ"]] * (not spelling)
    taken = 0
    for length in (3, 4, 5):
        for way in itertools.product(symbols, repeat=length):
            matcher, answer = one.matcher(dialect, box=box), [rows[0], *way, rows[-1]]
            accepted = all(map(matcher.accepts, answer))
            assert accepted == decodes(tokens, begun + answer)
            taken += accepted
    assert taken


def decodes(tokens, answer):
    try:
        tokens.decode(answer)
    except mc.DecodeError:
        return False
    return True


def test_the_text_of_a_small_grammar():
    tokens = made("byte-level", (2, 2), 1).tokens
    fg1, fg2, bg1, bg2 = (tokens.words[f"<{k}{n}>"] for k in ("fg", "bg") for n in (1, 2))
    seg, seg_end = (tokens.words[tag] for tag in tokens.codec.seg_tags)
    assert tokens.grammar(box=(0, 0, 1, 1)) == (
        f"root ::= Token({seg}) cells2 below1\n"
        f"cells2 ::= Token({fg1}, {bg1}) cells1 | Token({fg2}, {bg2})\n"
        f"cells1 ::= Token({fg1}, {bg1})\n"
        "below1 ::= cells2 below0\n"
        f"below0 ::= Token({seg_end})\n"
    )
    assert tokens.grammar(box=(0, 0, 1, 1), dialect="llguidance") == (
        '%llguidance {"no_forcing": true}\n'
        f"start : <[{seg}]> cells2 below1\n"
        f"cells2 : <[{fg1},{bg1}]> cells1 | <[{fg2},{bg2}]>\n"
        f"cells1 : <[{fg1},{bg1}]>\n"
        "below1 : cells2 below0\n"
        f"below0 : <[{seg_end}]>\n"
    )


def test_a_box_of_numpy_integers_is_the_same():
    tokens = made("byte-level", (4, 5)).tokens
    assert tokens.grammar(box=np.array([1, 0, 3, 2])) == tokens.grammar(box=(1, 0, 3, 2))
    assert tokens.grammar(box=[1, 0, 3, 2]) == tokens.grammar(box=(1, 0, 3, 2))


def test_xgrammar_needs_to_know_the_box():
    with pytest.raises(mc.ConfigError) as caught:
        made("byte-level", (4, 5)).tokens.grammar()
    assert str(caught.value) == (
        "xgrammar cannot hold the rows of a box that is written in the same answer, since its "
        'numbers decide how long they are; use dialect="llguidance", or give the box if it is '
        "known: box=(x1, y1, x2, y2)"
    )


def test_a_canvas_that_is_too_large_for_llguidance_is_refused():
    with pytest.raises(mc.ConfigError, match=r"on a canvas of 2 rows and 600 columns: .* a guide"):
        made("byte-level", (2, 600)).tokens.grammar(dialect="llguidance")


@pytest.mark.parametrize("options", [{"labels": ["dog"]}, {"instances": 1}, {"free_text": False}])
def test_behind_a_known_box_there_is_nothing_to_choose(options):
    with pytest.raises(mc.ConfigError, match="behind a box that is given there are only its rows"):
        made("byte-level", (4, 5)).tokens.grammar(box=(0, 0, 1, 1), **options)


@pytest.mark.parametrize("box", [None, (0, 0, 1, 1)])
def test_another_dialect_is_refused(box):
    with pytest.raises(mc.ConfigError) as caught:
        made("byte-level", (4, 5)).tokens.grammar(dialect="gbnf", box=box)
    assert str(caught.value) == "dialect must be one of 'xgrammar', 'llguidance', got 'gbnf'"


def test_labels_are_several():
    tokens = made("byte-level", (4, 5)).tokens
    with pytest.raises(TypeError, match="labels must be several str, got one: 'dog'"):
        tokens.grammar(dialect="llguidance", labels="dog")
    with pytest.raises(mc.ConfigError, match="labels must have at least one label"):
        tokens.grammar(dialect="llguidance", labels=[])


def test_a_grammar_needs_no_token_that_ends_an_answer():
    """The engine knows it, where a guide would have to."""
    tokenizer = fresh("byte-level")
    mc.extend_tokenizer(mc.BSD(grid=2), tokenizer)
    tokens = mc.TokenCodec(mc.BSD(grid=2), tokenizer)
    assert tokens.grammar(dialect="llguidance", free_text=False)


@pytest.mark.parametrize(
    "box", [(0, 0, 5, 0), (0, 0, 0, 4), (-1, 0, 1, 1), (0, -1, 1, 1), (2, 0, 1, 1), (0, 2, 0, 1)]
)
def test_a_box_that_does_not_lie_on_the_canvas_is_refused(box):
    with pytest.raises(mc.MaskError) as caught:
        made("byte-level", (4, 5)).tokens.grammar(box=box)
    assert str(caught.value) == (
        f"box {box} does not lie on a canvas of 4 rows and 5 columns: 0 <= x1 <= x2 < columns and "
        "0 <= y1 <= y2 < rows, corners inside"
    )


@pytest.mark.parametrize("box", [(0, 0, 1), (0, 0, 1, 1, 1), (0, 0, 1, 1.0), "0011", 3])
def test_what_is_no_box_is_refused(box):
    with pytest.raises(TypeError, match="box must be four integers x1, y1, x2, y2, got"):
        made("byte-level", (4, 5)).tokens.grammar(box=box)


@pytest.mark.parametrize("codec", [mc.RRLE(), mc.IRLE(), mc.ISD(), mc.BSD(bricks=False)])
def test_other_formats_have_no_grammar(codec):
    tokenizer = fresh("byte-level")
    mc.extend_tokenizer(codec, tokenizer)
    message = "there are grammars for B-SD with bricks, scanlines and polygons, got"
    with pytest.raises(mc.ConfigError, match=message):
        mc.TokenCodec(codec, tokenizer).grammar(box=(0, 0, 1, 1))


@pytest.mark.parametrize("name", ["byte-level", "qwen"])
def test_a_large_grammar_compiles_at_once(name):
    one = made(name, (64, 64))
    for dialect, options in [
        ("xgrammar", {"box": (0, 0, 63, 63)}),
        ("llguidance", {"box": (0, 0, 63, 63)}),
        ("llguidance", {}),
    ]:
        grammar = one.tokens.grammar(dialect=dialect, **options)
        compiler = engine(one.shared, dialect)
        start = time.process_time()
        compiler.compiled(grammar)
        assert time.process_time() - start < 2
        assert len(grammar) < (100_000 if options else 500_000)
    _begun, rows = head(one.tokens, (0, 0, 63, 63))
    for dialect in DIALECTS:
        matcher = one.matcher(dialect, box=(0, 0, 63, 63))
        assert all(map(matcher.accepts, rows))
        assert matcher.allowed().tolist() == [one.shared.end]
