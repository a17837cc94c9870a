"""Guides: whatever is chosen decodes strictly, and whatever is written is a walk."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import maskcodec as mc
from tests import strategies
from tests.conftest import PURE
from tests.formats.guides import (
    ALL,
    LABELS,
    MASK,
    added,
    agree,
    brick_walk,
    bricks,
    follow,
    guide_of,
    instance,
    plain,
    refused_at,
    rows_of,
    seeds,
    share,
    tags,
    text_of,
    until,
    vocab_of,
)
from tests.vocabularies import REAL, TRAINED

pytestmark = pytest.mark.usefixtures("_forget")


# Grids with one cell, one row, wide rows, numbers of three digits, and every spelling.
BRICK_CODECS = [((1, 1), 2), ((1, 130), 0), ((70, 70), 0), ((6, 1000), 1), ((5, 12), 2)]
LARGE = ((6, 1000) if PURE else (100, 1000)), 1
OPTIONS = [
    {},
    {"colours": "alternate", "labels": LABELS, "instances": 2},
    {"colours": "alternate"},
    {"labels": LABELS},
    {"instances": 1},
]
# A guide of a real vocabulary takes half a second: a few of the combinations.
WALKS = [
    *((n, c, *o) for n in TRAINED for c in BRICK_CODECS for o in ((False, {}), (True, OPTIONS[1]))),
    *itertools.product(TRAINED, BRICK_CODECS[-1:], (True,), OPTIONS[2:]),
    *((name, LARGE, False, {}) for name in REAL),
    *((name, BRICK_CODECS[2], True, OPTIONS[1]) for name in REAL),
    ("mistral", BRICK_CODECS[2], True, {}),
]


@pytest.mark.parametrize(("name", "codec", "wrapped", "options"), WALKS)
@share(40)
@given(seed=seeds)
def test_any_walk_decodes_strictly(name, codec, wrapped, options, seed):
    grid, spelling = codec
    tokens = bricks(name, grid, wrapped=wrapped, spelling=spelling)
    guide = guide_of(tokens, **options)
    ids = brick_walk(tokens, guide, seed)
    regions = agree(tokens, ids)
    assert len(regions) == ids.count(tags(tokens)[5]) <= options.get("instances", 2)
    if "labels" in options:
        listed = {tokens.decode(tokens.encode(MASK, a))[0].label for a in LABELS}
        assert {region.label for region in regions} <= listed
    if options.get("colours") == "alternate":
        for row in rows_of(tokens, ids, regions):
            for left, right in itertools.pairwise(row):
                assert left * right < 0 or abs(left) == 63
    for end in np.random.default_rng(seed).integers(0, len(ids) + 1, 2).tolist():
        expected = guide.options(follow(guide, ids[:end]))
        assert np.array_equal(guide.allowed(ids[:end]), expected)
    if wrapped:
        end = tokens.tokenizer.eos_token_id
        if not ids or ids[-1] != end:
            ids.append(end)
        behind = guide.allowed(ids)
        assert end in behind
        assert set(behind.tolist()) <= set(tokens.tokenizer.all_special_ids)
        assert agree(tokens, [*ids, *behind, *behind]) == regions
        assert np.array_equal(guide.allowed([*ids, *behind]), behind)


@pytest.mark.parametrize("name", ALL)
@share(20)
@given(seed=seeds)
def test_an_answer_may_be_begun_already(name, seed):
    tokens = bricks(name, (5, 12))
    ends = np.random.default_rng(seed).integers(len(instance(tokens)) + 1, size=2)
    begun = instance(tokens)[: int(ends[0])] if name in TRAINED else until(tokens, 2)
    guide = guide_of(tokens, start=tuple(begun), instances=2)
    assert np.array_equal(guide.allowed([]), guide_of(tokens, instances=2).allowed(begun))
    ids = brick_walk(tokens, guide, seed, begun=begun)
    assert len(agree(tokens, begun + ids)) == (begun + ids).count(tags(tokens)[5]) <= 2
    assert guide_of(tokens, instances=2).allowed(begun + ids).tolist() == (
        guide.allowed(ids).tolist()
    )


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("grid", [(1, 1), (7, 9), (2, 200)])
@share(8)
@given(st.data())
def test_what_encode_writes_is_a_walk(name, grid, data):
    if name in REAL:  # one guide
        grid = (5, 12)
    spelling = data.draw(st.integers(0, 1)) if name in TRAINED else 0
    tokens = bricks(name, grid, spelling=spelling)
    mask = data.draw(strategies.cells(grid))
    label = data.draw(strategies.labels)
    try:
        ids = tokens.encode(mask, label)
    except mc.LabelError:
        return  # the tokenizer makes nothing of it
    if not set(ids.tolist()) & added(tokens) <= set(tokens.words.values()):
        ids = tokens.encode(mask, "dog")  # letters that this vocabulary does not have
    assert refused_at(guide_of(tokens), ids) is None
    assert refused_at(guide_of(tokens, colours="alternate"), [*ids, *ids]) is None
    if name in TRAINED:
        try:
            guide = tokens.guide(labels=["犬", label, label + "s", label], colours="alternate")
        except mc.LabelError:
            return  # such as <fg6 with an s: no, or an added token that swallows a tag
        assert refused_at(guide, tokens.encode(mask, label)) is None


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(
    "label", ["dog", "犬", "🦄", "é", "naïve café", "a\nb", "<", "[[0 0 1 1]]"]
)
def test_a_label_is_a_walk_also_where_its_letters_are_split(name, label):
    tokens = bricks(name, (5, 12))
    ids = tokens.encode(np.eye(5, 12, dtype=int), label).tolist()
    written = ids[1 : ids.index(tags(tokens)[1])]
    if set(written) & added(tokens):
        assert tokens.decode(ids)[0].label != label  # unknown letters: no label to be written
        return
    assert refused_at(guide_of(tokens), ids) is None
    assert (
        refused_at(tokens.guide(labels=[label]) if name in TRAINED else guide_of(tokens), ids)
        is None
    )


@pytest.mark.parametrize("name", ALL)
def test_a_label_must_show_something(name):
    tokens = bricks(name, (5, 12))
    guide = guide_of(tokens)
    ref, ref_end = tags(tokens)[:2]
    assert ref_end not in guide.allowed([ref])
    begun = text_of(tokens, [ref])
    blanks = [
        number
        for token, number in vocab_of(tokens).items()
        if len(token) < 9 and number not in added(tokens)
        if not text_of(tokens, [ref, number]).removeprefix(begun).strip()
    ]
    assert blanks or name == "word-piece"
    for number in blanks[:50]:
        assert ref_end not in guide.allowed([ref, number])
        assert ref_end not in guide.allowed([ref, number, blanks[0]])
        assert ref_end in guide.allowed([ref, number, plain(tokens)])


@pytest.mark.parametrize("name", ["byte-level", "joined", "metaspace", "mistral", "tekken"])
@pytest.mark.parametrize(
    ("data", "shows"),
    [
        ("\u3000", False),
        ("\xa0", False),
        ("\u2003\x85", False),
        ("\u3000é", True),
        ("🦄", True),
        ("\u200b", True),
    ],
)
def test_a_label_of_single_bytes_shows_what_its_letters_do(name, data, shows):
    tokens = bricks(name, (5, 12))
    ids = [byte_id(tokens, byte) for byte in data.encode()]
    ref, ref_end = tags(tokens)[:2]
    whole = [ref, *ids, *instance(tokens)[instance(tokens).index(ref_end) :]]
    assert (ref_end in guide_of(tokens).allowed([ref, *ids])) == shows
    if shows:
        assert agree(tokens, whole)[0].label == data.strip()


def byte_id(tokens, byte):
    """The id of a single byte, as byte-level vocabularies or those with bytes to fall back on."""
    have = vocab_of(tokens)
    if f"<0x{byte:02X}>" in have:
        return have[f"<0x{byte:02X}>"]
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in printable]
    return have[chr(byte) if byte in printable else chr(256 + others.index(byte))]
