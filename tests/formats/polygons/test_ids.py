"""Polygons as ids: there and back, as they come, under a guide, and held by a grammar."""

import itertools
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import maskcodec as mc
from tests import reference, strategies
from tests.formats.engines import DIALECTS, ENGINES
from tests.formats.streams import follow
from tests.vocabularies import encoded, fresh, wrapped

ENDS = "<|im_end|>", "</s>", "<eos>", "[SEP]"
DIGITS, LOCATED = (
    mc.Polygons(points=8, bins=24),
    mc.Polygons(points=7, bins=13, coordinates="tokens"),
)
TRAINED = ["byte-level", "joined", "unigram", "word-piece", "metaspace"]
some = settings(max_examples=max(6, settings.default.max_examples // 5), deadline=None)
HEAD = "<ref>dog</ref><seg>"


@cache
def tokens_of(name, codec, *, end=False):
    tokenizer = fresh(name)
    mc.extend_tokenizer(codec, tokenizer)
    if end:
        have = tokenizer.get_vocab()
        tokenizer = wrapped(tokenizer, eos_token=next(e for e in ENDS if e in have))
    return mc.TokenCodec(codec, tokenizer)


@cache
def guide_of(name, codec, **options):
    return tokens_of(name, codec, end=True).guide(**options)


def ids_of(tokens, text):
    return encoded(tokens.tokenizer, text)


# ------------------------------------------------------------------------ there and back


@pytest.mark.parametrize("name", TRAINED)
@pytest.mark.parametrize("codec", [DIGITS, LOCATED])
@some
@given(mask=strategies.placed())
def test_ids_are_those_of_the_text_and_come_back(name, codec, mask):
    tokens = tokens_of(name, codec)
    ids = tokens.encode(mask, "dog")
    text = codec.encode(mask, "dog")
    assert ids.tolist() == ids_of(tokens, text)
    assert tokens.decode(ids) == codec.decode(text)
    assert tokens.recover(ids) == codec.recover(text)
    assert tokens.spans(ids) == ([(0, len(ids))] if len(ids) else [])
    both, offsets = tokens.encode_batch([mask, mask], ["dog", "dog"])
    assert np.array_equal(both, np.tile(ids, 2))
    assert offsets.tolist() == [0, len(ids), 2 * len(ids)]


def test_an_answer_of_several_has_a_span_each():
    tokens = tokens_of("byte-level", LOCATED)
    masks = np.zeros((2, 12, 12), int)
    masks[0, 2:5, 3:9] = masks[1, 6:9, 1:4] = 1
    ids = tokens.encode_many(masks, ["dog", "cat"]).tolist()
    first, second = tokens.spans(ids)
    assert (first[0], first[1], second[1]) == (0, second[0], len(ids))
    assert [r.label for r in tokens.decode(ids)] == ["dog", "cat"]


# ----------------------------------------------------------------------------- as it comes


@pytest.mark.parametrize(
    ("codec", "text"),
    [
        (DIGITS, f"So: {HEAD}1 2 9 2 5 7<ring>6 3 7 4 6 4</seg> and {HEAD}1 1 2 2 3 1"),
        (DIGITS, f"{HEAD}1 2 9 2 5 7</seg>&lt;ref&gt;dog&lt;/ref&gt; 1 2 9 2 5 7</seg>"),
        (DIGITS, f"<ref>dog{HEAD}1 2 9 2 5, 70 3<ring>1 2<ref>cat</ref><seg></seg>"),
        (LOCATED, HEAD + "".join(f"<loc{n}>" for n in (1, 2, 9, 2, 5, 7, 3)) + "</seg></seg>"),
        (LOCATED, "&lt;ref&gt;dog&lt;/ref&gt;&lt;seg&gt;<loc1><loc2><loc9>&lt;/seg&gt;"),
    ],
)
def test_a_stream_has_the_polygon_so_far(codec, text):
    tokens = tokens_of("byte-level", codec)
    stream = follow(tokens, ids_of(tokens, text))
    assert repr(stream).startswith("<MaskStream: ")


def test_a_stream_grows_vertex_by_vertex():
    tokens = tokens_of("byte-level", LOCATED)
    stream, shown = tokens.stream(), []
    text = HEAD + "".join(f"<loc{n}>" for n in (1, 2, 9, 2, 5, 7, 4, 6)) + "</seg>"
    for number in ids_of(tokens, text):
        stream.push(number)
        shown.append(sum(len(ring) for region in stream.regions for ring in region.rings))
    assert shown[-9:] == [0, 0, 0, 0, 0, 3, 3, 4, 4]
    assert stream.row_ended


# --------------------------------------------------------------------------- under a guide


def walk(guide, rng, most=200):
    """The ids of a random answer, at its end or cut; closing ids are likelier later."""
    state, ids = guide.start(), []
    while len(ids) < most:
        options = guide.options(state)
        assert len(options) > 0
        assert np.array_equal(options, np.unique(options))
        number = int(rng.choice(options))
        after = guide.step(state, number)
        ids.append(number)
        state = after
        if state[0] == "end":
            break
    return ids


def closed_walk(tokens, guide, rng):
    """Such an answer whose instances are whole: the closing ids are chosen wherever they may be."""
    words = tokens.words
    closing = [words[tag] for tag in ("<ref>", "</ref>", "<seg>", "</seg>", "<ring>")]
    state, ids = guide.start(), []
    for _ in range(2000):
        options = guide.options(state)
        may = [number for number in closing if number in options]
        done = ids.count(words["</seg>"])
        if done == 2:
            return ids
        pick = may and rng.random() < 0.4
        number = int(rng.choice(may if pick else options))
        if done and number == tokens.tokenizer.eos_token_id:
            return ids
        state = guide.step(state, number)
        ids.append(number)
    return ids


@pytest.mark.parametrize("name", ["byte-level", "joined", "word-piece", "mistral"])
@pytest.mark.parametrize("codec", [DIGITS, LOCATED, mc.Polygons(points=4, bins=2)])
@some
@given(seed=st.integers(0, 2**32 - 1))
def test_any_walk_decodes_strictly(name, codec, seed):
    tokens = tokens_of(name, codec, end=True)
    guide = guide_of(name, codec, labels=("dog", "black dog"), free_text=False)
    ids = closed_walk(tokens, guide, np.random.default_rng(seed))
    regions = tokens.decode(ids)
    assert len(regions) == ids.count(tokens.words["</seg>"]) > 0
    assert {region.label for region in regions} <= {"dog", "black dog"}
    assert all(sum(map(len, region.rings)) <= codec.points for region in regions)


@pytest.mark.parametrize("name", ["byte-level", "word-piece", "metaspace", "mistral"])
@pytest.mark.parametrize("codec", [DIGITS, LOCATED])
@some
@given(mask=strategies.placed())
def test_what_encode_writes_is_a_walk(name, codec, mask):
    guide = guide_of(name, codec)
    state = guide.start()
    for number in tokens_of(name, codec).encode(mask, "dog").tolist():
        assert number in guide.options(state)
        state = guide.step(state, number)


@pytest.mark.parametrize("coordinates", ["digits", "tokens"])
def test_rings_are_all_that_strict_decoding_takes_and_no_others(coordinates):
    codec = mc.Polygons(points=4, bins=3, coordinates=coordinates)
    tokens = tokens_of("byte-level", codec, end=True)
    guide = tokens.guide(start=ids_of(tokens, HEAD))
    rng = np.random.default_rng(0)
    points = [*itertools.product(range(3), repeat=2)]
    found = 0
    for _ in range(400):
        ring = [points[n] for n in rng.integers(0, 9, rng.integers(2, 6))]
        text = reference.write_polygons(
            [ring], "dog", location="<loc{}>" if codec.coordinates == "tokens" else None
        )
        ids = ids_of(tokens, text)[len(ids_of(tokens, HEAD)) :]
        state, refused = guide.start(), False
        for number in ids:
            if number not in guide.options(state):
                with pytest.raises(mc.DecodeError, match="may not come here"):
                    guide.step(state, number)
                refused = True
                break
            state = guide.step(state, number)
        good = len(ring) <= 4 and reference.encloses(ring)
        assert refused != good, text
        found += good
    assert 100 < found < 300


# ------------------------------------------------------------------------------- grammars


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    ("name", "codec"), [("byte-level", LOCATED), ("word-piece", DIGITS), ("mistral", DIGITS)]
)
def test_an_engine_allows_what_the_guide_allows_and_rings_without_an_area(name, codec, dialect):
    tokens = tokens_of(name, codec, end=True)
    end = tokens.tokenizer.eos_token_id
    engine = ENGINES[dialect](tokens.tokenizer.get_vocab(), [end])
    options = {"labels": ("dog", "black dog"), "free_text": False, "instances": 2}
    compiled = engine.compiled(tokens.grammar(dialect=dialect, **options))
    guide = guide_of(name, codec, **options)
    for seed in range(2):
        matcher, rng = engine.matcher(compiled), np.random.default_rng(seed)
        state, more = guide.start(), 0
        while state[0] != "end":
            allowed, expected = matcher.allowed(), guide.options(state)
            assert set(expected) <= set(allowed)
            more += len(allowed) - len(expected)
            wanted = [tokens.words[word] for word in ("</seg>", "<ring>")]
            number = int(rng.choice([n for n in expected if n in wanted] or expected))
            assert matcher.accepts(number)
            state = guide.step(state, number)
        assert more < 20


def test_a_grammar_of_the_usual_settings_is_small():
    tokens = tokens_of("byte-level", mc.Polygons(coordinates="tokens"), end=True)
    assert len(tokens.grammar(labels=["dog"], free_text=False)) < 60_000
    with pytest.raises(mc.ConfigError, match="polygons/1 has no boxes: leave box out"):
        tokens.grammar(box=(0, 0, 1, 1))
    with pytest.raises(mc.ConfigError, match=r"^dialect must be one of 'xgrammar', 'llguidance'"):
        tokens.grammar(dialect="gbnf")


def test_the_length_of_an_answer_has_a_bound():
    longest = tokens_of("byte-level", LOCATED).longest
    assert longest(instances=2, labels=["dog"]) >= 2 * (4 + 1 + 14)
    assert longest() is None
