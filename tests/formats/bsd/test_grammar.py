"""Grammars of a known box: what xgrammar makes of them is what the guide allows."""

from __future__ import annotations

import itertools
import time
from functools import cache

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import maskcodec as mc
from tests.conftest import PURE
from tests.vocabularies import fresh

SPELLINGS = [{}, {"row_separator": ""}, {"spelling": ("[F{}]", "[B{}]"), "seg": ("<s>>", "</s>>")}]
SPELLINGS += [{"repeats": True}, {"repeats": True, "row_separator": ""}]
FRAMED = [{"frame": "box", "bins": 40}, {"frame": "box", "bins": 12, "repeats": True}]
SPELLINGS += FRAMED
# Many vocabularies of 150,000 ids would only take time.
NAMES = ["byte-level", "word-piece", "metaspace", "mistral"]
PADDING = 100  # rows of an embedding behind the last id

seeds = st.integers(0, 2**32 - 1)
phases = [Phase.explicit, Phase.reuse, Phase.generate]
few = settings(max_examples=max(settings().max_examples // 40, 2), phases=phases)


class Shared:
    """A tokenizer that codecs of all grids share, and what is made of it once."""

    def __init__(self, name, spelling):
        self.tokenizer = fresh(name)
        mc.extend_tokenizer(self.tokenizer, mc.BSD(**SPELLINGS[spelling]))
        self.vocab = self.tokenizer.get_vocab()


shared = cache(Shared)
_shared_of = {}  # by codec


@cache
def made(name, grid, spelling=0):
    codec = mc.BSD(grid=grid, **SPELLINGS[spelling])
    tokens = mc.TokenCodec(codec, shared(name, spelling).tokenizer)
    _shared_of[tokens] = shared(name, spelling)
    return tokens


def vocab_of(tokens):
    return _shared_of[tokens].vocab


def compiler(tokens):
    return compiler_of(_shared_of[tokens], stop(tokens))


@cache
def compiler_of(shared, end):
    xgrammar = pytest.importorskip("xgrammar", reason="the grammars are written for it")
    pytest.importorskip("torch", reason="xgrammar's bit masks are tensors")
    have = shared.vocab
    names = [""] * (max(have.values()) + 1)
    for token, number in have.items():
        names[number] = token
    info = xgrammar.TokenizerInfo(
        names,
        vocab_type=xgrammar.VocabType.RAW,
        vocab_size=len(names) + PADDING,
        stop_token_ids=[end],
    )
    return xgrammar.GrammarCompiler(info)


def stop(tokens):
    return next(
        vocab_of(tokens)[end] for end in ("<eos>", "</s>", "[SEP]") if end in vocab_of(tokens)
    )


@cache
def compiled_grammar(tokens, box):
    return compiler(tokens).compile_grammar(tokens.grammar(box))


def matcher(tokens, box):
    xgrammar = pytest.importorskip("xgrammar", reason="the grammars are written for it")

    return xgrammar.GrammarMatcher(compiled_grammar(tokens, box))


def allowed(found, tokens):
    """The ids that xgrammar allows, from its bits."""
    xgrammar = pytest.importorskip("xgrammar", reason="the grammars are written for it")

    size = max(vocab_of(tokens).values()) + 1 + PADDING
    bits = xgrammar.allocate_token_bitmask(1, size)
    found.fill_next_token_bitmask(bits)
    every = np.unpackbits(bits.numpy().view(np.uint8), bitorder="little")[:size]
    return np.flatnonzero(every).tolist()


def head(tokens, box):
    """The ids up to ``</box>`` of an instance in that box, and those behind."""
    x1, y1, x2, y2 = box
    mask = np.zeros(tokens.codec.canvas, np.uint8)
    mask[y1 : y2 + 1, x1 : x2 + 1] = 1
    return split(tokens, tokens.encode(mask, "dog").tolist())


def split(tokens, ids):
    at = ids.index(tokens.words[tokens.codec.box[1]]) + 1
    return ids[:at], ids[at:]


BOXES = [
    ((1, 1), (0, 0, 0, 0)),
    ((4, 5), (1, 0, 3, 2)),
    ((2, 64), (0, 0, 63, 1)),
    ((2, 70), (0, 0, 69, 1)),
    ((2, 130), (2, 1, 128, 1)),
    ((6, 2), (1, 0, 1, 5)),
]


FRAMES = [
    ((1, 1), (0, 0, 0, 0)),
    ((3, 4), (0, 0, 11, 11)),
    ((63, 3), (2, 0, 9, 11)),
    ((2, 63), (3, 3, 3, 3)),
    (5, (1, 0, 2, 9)),
]
CASES = [
    *(
        (name, grid, box, spelling)
        for name in NAMES
        for grid, box in BOXES
        for spelling in range(5)
    ),
    *(
        (name, grid, box, spelling)
        for name in ("byte-level", "metaspace")
        for grid, box in FRAMES
        for spelling in (5, 6)
    ),
    ("mistral", *FRAMES[1], 6),
]


@pytest.mark.parametrize(("name", "grid", "box", "spelling"), CASES)
@few
@given(seed=seeds)
def test_what_xgrammar_allows_is_what_the_guide_allows(name, grid, box, spelling, seed):
    tokens = made(name, grid, spelling)
    begun, _ = head(tokens, box)
    guide = guide_of(tokens, tuple(begun))
    found, rng = matcher(tokens, box), np.random.default_rng(seed)
    state, ids = guide.start(), []
    while not found.is_completed():
        options = guide.options(state).tolist()
        assert allowed(found, tokens) == options
        for wrong in rng.integers(0, len(vocab_of(tokens)), 3).tolist():
            if wrong not in options:
                assert not found.accept_token(wrong)
        few_more = [options[0], options[-1]] if len(options) > 1 else []  # a row's end, perhaps
        number = int(rng.choice([*few_more, *rng.choice(options, 3)]))
        assert found.accept_token(number)
        state = guide.step(state, number)
        ids.append(number)
    assert ids[-1] == tokens.words[tokens.codec.seg[1]]
    assert allowed(found, tokens) == [stop(tokens)]
    (region,) = tokens.decode(begun + ids)
    assert region.box == box
    assert found.accept_token(stop(tokens))
    assert found.is_terminated()


@cache
def guide_of(tokens, start):
    return tokens.guide(start=start)


@pytest.mark.parametrize(("name", "grid", "box", "spelling"), CASES)
@few
@given(seed=seeds)
def test_what_encode_writes_in_a_box_is_accepted(name, grid, box, spelling, seed):
    tokens = made(name, grid, spelling)
    x1, y1, x2, y2 = box
    rng = np.random.default_rng(seed)
    mask = np.zeros(tokens.codec.canvas, np.uint8)
    mask[y1 : y2 + 1, x1 : x2 + 1] = rng.random((y2 - y1 + 1, x2 - x1 + 1)) < rng.random()
    mask[y1:y2:2] = mask[y1 + 1 : y2 + 1 : 2]  # rows to repeat
    mask[y1, x1] = mask[y2, x2] = 1  # so that the box is tight
    begun, rows = split(tokens, tokens.encode(mask, "dog").tolist())
    assert tokens.decode(begun + rows)[0].box == box
    found = matcher(tokens, box)
    for number in rows:
        assert not found.is_completed()
        assert found.accept_token(number)
    assert found.is_completed()


@pytest.mark.parametrize("name", ["byte-level", "metaspace", "mistral"])
def test_a_separator_of_several_ids_is_written_whole(name):
    tokens = made(name, (2, 3))
    begun, rows = head(tokens, (0, 0, 2, 1))
    brick = tokens.words["<fg3>"]
    separator = rows[rows.index(brick) + 1 : -2]
    assert rows == [tokens.words["<seg>"], brick, *separator, brick, tokens.words["</seg>"]]
    assert len(separator) == (1 if name == "byte-level" else 2)
    found = matcher(tokens, (0, 0, 2, 1))
    for end, number in enumerate(rows):
        if number in separator:
            assert allowed(found, tokens) == [number]
            assert guide_of(tokens, tuple(begun)).allowed(rows[:end]).tolist() == [number]
        assert found.accept_token(number)


@pytest.mark.parametrize("name", ["byte-level", "mistral"])
def test_a_brick_in_pieces_is_refused(name):
    """Text in a grammar would let a model spell a brick, which is no brick to a reader."""
    tokens = made(name, (2, 3))
    have = vocab_of(tokens)
    found = matcher(tokens, (0, 0, 2, 1))
    assert found.accept_token(tokens.words["<seg>"])
    for piece in ("<", "<0x3C>", "f", "fg", "fg3", "3", ">", " "):
        if piece in have:
            assert not found.accept_token(have[piece])
    assert "Token(" in tokens.grammar((0, 0, 2, 1))
    assert '"' not in tokens.grammar((0, 0, 2, 1))
    assert found.accept_token(tokens.words["<fg3>"])


def test_a_row_may_not_be_longer_or_shorter_than_the_box():
    tokens = made("byte-level", (3, 70))
    words = tokens.words
    for runs, good in [((63, 7), True), ((63, 6), False), ((35, 35), True), ((63, 8), False)]:
        found = matcher(tokens, (0, 0, 69, 2))
        assert found.accept_token(words["<seg>"])
        assert found.accept_token(words[f"<fg{runs[0]}>"])
        last = found.accept_token(words[f"<bg{runs[1]}>"])
        assert (last and found.accept_token(vocab_of(tokens)["Ċ"])) == good


@pytest.mark.parametrize("spelling", [3, 4, 5, 6])
def test_rows_are_all_that_strict_decoding_takes_and_no_others(spelling):
    tokens = made("byte-level", (3, 2), spelling)
    box = (0, 0, 1, 2)
    begun, rows = head(tokens, box)
    words = tokens.codec.words()
    symbols = [tokens.words[words.brick(run)] for run in (1, -2)]
    symbols += [tokens.words[words.brick(63 + n)] for n in (1, 2) if words.repeats]
    if tokens.codec.row_separator:
        symbols.append(vocab_of(tokens)["Ċ"])
    taken = 0
    for length in range(4 if PURE else 6):
        for way in itertools.product(symbols, repeat=length):
            found = matcher(tokens, box)
            answer = [rows[0], *way, rows[-1]]
            accepted = all(map(found.accept_token, answer))
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
    tokens = made("byte-level", (2, 2), 1)
    fg1, fg2, bg1, bg2 = (tokens.words[f"<{k}{n}>"] for k in ("fg", "bg") for n in (1, 2))
    seg, seg_end = (tokens.words[tag] for tag in tokens.codec.seg)
    assert tokens.grammar((0, 0, 1, 1)) == (
        f"root ::= Token({seg}) cells2 below1\n"
        f"cells2 ::= Token({fg1}, {bg1}) cells1 | Token({fg2}, {bg2})\n"
        f"cells1 ::= Token({fg1}, {bg1})\n"
        "below1 ::= cells2 below0\n"
        f"below0 ::= Token({seg_end})\n"
    )


def test_the_text_of_a_small_grammar_with_repeats():
    tokens = made("byte-level", (3, 1), 3)
    of = tokens.words
    assert tokens.grammar((0, 0, 0, 2)) == (
        f"root ::= Token({of['<seg>']}) cells1 below2\n"
        f"cells1 ::= Token({of['<fg1>']}, {of['<bg1>']})\n"
        f"below2 ::= Token({vocab_of(tokens)['Ċ']}) "
        f"(cells1 below1 | Token({of['<rep1>']}) below1 | Token({of['<rep2>']}) below0)\n"
        f"below1 ::= Token({vocab_of(tokens)['Ċ']}) "
        f"(cells1 below0 | Token({of['<rep1>']}) below0)\n"
        f"below0 ::= Token({of['</seg>']})\n"
    )


def test_the_text_of_a_small_grammar_of_a_box_with_any_cells():
    tokens = made("byte-level", (2, 2), 5)
    one, two = (f"Token({tokens.words[f'<fg{n}>']}, {tokens.words[f'<bg{n}>']})" for n in (1, 2))
    newline, end = f"Token({vocab_of(tokens)['Ċ']})", f"Token({tokens.words['</seg>']})"
    assert tokens.grammar((3, 3, 4, 4)) == (
        f"root ::= Token({tokens.words['<seg>']}) first0\n"
        f"first0 ::= {one} first1 | {two} first2\n"
        f"first1 ::= {one} first2 | wide1below1\n"
        "first2 ::= wide2below1\n"
        f"cells2 ::= {one} cells1 | {two}\n"
        f"cells1 ::= {one}\n"
        f"wide1below1 ::= {newline} cells1 wide1below0 | {end}\n"
        f"wide1below0 ::= {end}\n"
        f"wide2below1 ::= {newline} cells2 wide2below0 | {end}\n"
        f"wide2below0 ::= {end}\n"
    )


@pytest.mark.parametrize("spelling", [5, 6])
def test_a_grammar_of_any_cells_is_the_same_for_every_box(spelling):
    tokens = made("byte-level", (3, 4), spelling)
    last = tokens.codec.bins - 1
    assert tokens.grammar((0, 0, last, last)) == tokens.grammar((3, 4, 5, 6))


def test_a_box_of_numpy_integers_is_the_same():
    tokens = made("byte-level", (4, 5))
    assert tokens.grammar(np.array([1, 0, 3, 2])) == tokens.grammar((1, 0, 3, 2))
    assert tokens.grammar([1, 0, 3, 2]) == tokens.grammar((1, 0, 3, 2))


@pytest.mark.parametrize(
    "box", [(0, 0, 5, 0), (0, 0, 0, 4), (-1, 0, 1, 1), (0, -1, 1, 1), (2, 0, 1, 1), (0, 2, 0, 1)]
)
def test_a_box_that_does_not_lie_on_the_canvas_is_refused(box):
    with pytest.raises(mc.MaskError) as caught:
        made("byte-level", (4, 5)).grammar(box)
    assert str(caught.value) == (
        f"box {box} does not lie on a canvas of 4 rows and 5 columns: 0 <= x1 <= x2 < columns and "
        "0 <= y1 <= y2 < rows, corners inside"
    )


def test_a_box_that_does_not_lie_on_the_bins_is_refused():
    with pytest.raises(mc.MaskError) as caught:
        made("byte-level", (3, 4), 6).grammar((0, 0, 12, 0))
    assert str(caught.value) == (
        "box (0, 0, 12, 0) does not lie on an image of 12 x 12 bins: 0 <= x1 <= x2 < 12 and "
        "0 <= y1 <= y2 < 12, corners inside"
    )


@pytest.mark.parametrize("box", [(0, 0, 1), (0, 0, 1, 1, 1), (0, 0, 1, 1.0), "0011", None, 3])
def test_what_is_no_box_is_refused(box):
    with pytest.raises(TypeError, match="box must be four integers x1, y1, x2, y2, got"):
        made("byte-level", (4, 5)).grammar(box)


@pytest.mark.parametrize("codec", [mc.RRLE(), mc.IRLE(), mc.ISD(), mc.BSD(bricks=False)])
def test_other_formats_have_no_grammar(codec):
    tokenizer = fresh("byte-level")
    mc.extend_tokenizer(tokenizer, codec)
    with pytest.raises(mc.ConfigError, match="there are grammars for B-SD with bricks, got"):
        mc.TokenCodec(codec, tokenizer).grammar((0, 0, 1, 1))


@pytest.mark.parametrize("name", ["byte-level", "mistral", "qwen"])
def test_a_large_grammar_compiles_at_once(name):
    tokens = made(name, (64, 64))
    make = compiler(tokens)
    start = time.perf_counter()
    make.compile_grammar(tokens.grammar((0, 0, 63, 63)))
    assert time.perf_counter() - start < 2
    assert len(tokens.grammar((0, 0, 63, 63))) < 100_000
    boxed = [made("byte-level", (11, 63), spelling) for spelling in (5, 6)]
    assert [len(one.grammar((0, 0, 1, 1))) < 250_000 for one in boxed] == [True, True]
    if not PURE:
        _begun, rows = head(tokens, (0, 0, 63, 63))
        found = matcher(tokens, (0, 0, 63, 63))
        assert all(found.accept_token(number) for number in rows)
        assert found.is_completed()
