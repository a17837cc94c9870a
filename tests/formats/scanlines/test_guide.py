"""Guides for scanlines: whatever is chosen decodes strictly, and whatever is written is a walk."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import maskcodec as mc
from maskcodec.kernels.writing import END
from tests import strategies
from tests.conftest import PURE
from tests.formats.guides import (
    LABELS,
    SCANLINES,
    agree,
    all_boxes,
    brick_runs,
    brick_walk,
    cells,
    check,
    decodes,
    extended,
    follow,
    guide_of,
    is_in,
    plain,
    refused_at,
    rows_of,
    seeds,
    share,
    silent_walk,
    tags,
    text_of,
    until,
)
from tests.vocabularies import TRAINED

pytestmark = pytest.mark.usefixtures("_forget")

OPTIONS = [{}, {"colours": "alternate", "labels": LABELS, "instances": 2}]
WALKS = [
    *(
        (n, c, *o)
        for n in TRAINED
        for c in SCANLINES
        for o in zip((False, True), OPTIONS, strict=True)
    ),
    *((name, SCANLINES[0], False, {}) for name in ("mistral", "tekken")),
    *((name, SCANLINES[4], True, OPTIONS[1]) for name in ("qwen", "mistral")),
]


def column(run):
    return run - END if run >= END else abs(run)


@pytest.mark.parametrize(("name", "codec", "wrapped", "options"), WALKS)
@share(20)
@given(seed=seeds)
def test_any_walk_decodes_strictly(name, codec, wrapped, options, seed):
    tokens = cells(name, codec, wrapped=wrapped)
    guide = guide_of(tokens, **options)
    ids = brick_walk(tokens, guide, seed)
    regions = agree(tokens, ids)
    assert len(regions) == ids.count(tags(tokens)[5]) <= 2
    rows = [*rows_of(tokens, ids, regions)]
    assert sum(len(region.cells) for region in regions) == len(rows)
    if "labels" in options:
        mask = np.ones((3, 4), int)
        listed = {tokens.decode(tokens.encode(mask, a))[0].label for a in LABELS}
        assert {region.label for region in regions} <= listed
    if options.get("colours") == "alternate":
        for row in rows:
            colours = [run > 0 for run in row]
            assert all(a != b for a, b in itertools.pairwise(colours))
            edges = [*map(column, row)]
            assert edges == sorted(set(edges))
        if name == "byte-level":
            text = tokens.codec.encode_regions(regions)
            bricks = [i for i in ids if i in brick_runs(tokens)]
            written = tokens.tokenizer.encode(text, add_special_tokens=False)
            written = written if isinstance(written, list) else written.ids
            assert [i for i in written if i in brick_runs(tokens)] == bricks


@pytest.mark.parametrize("name", [*TRAINED, "mistral"])
@pytest.mark.parametrize("codec", SCANLINES)
@share(20)
@given(
    mask=strategies.shapes.flatmap(strategies.cells),
    label=st.sampled_from(["dog", "black dog", "roi0"]),
)
def test_what_encode_writes_is_a_walk(name, codec, mask, label):
    if name not in TRAINED and codec not in (SCANLINES[0], SCANLINES[4]):
        return
    tokens = cells(name, codec)
    ids = tokens.encode(mask, label).tolist()
    guides = [guide_of(tokens)]
    if name in TRAINED:
        guides.append(guide_of(tokens, colours="alternate"))
    for guide in guides:
        assert refused_at(guide, ids + ids) is None
    assert len(agree(tokens, ids)) == (len(ids) > 0)


def test_an_answer_may_be_begun_already():
    tokens = cells("byte-level", SCANLINES[0])
    ids = tokens.encode(np.eye(20, dtype=int), "dog").tolist()
    whole = guide_of(tokens, instances=2)
    for end in range(len(ids) + 1):
        guide = tokens.guide(start=ids[:end], instances=2)
        assert np.array_equal(guide.allowed(ids[end:]), whole.allowed(ids))
        assert np.array_equal(guide.allowed([]), whole.allowed(ids[:end]))


# ---------------------------------------------------------------- all rows, and no others

LITTLE = [((2, 2), 4), ((1, 3), 3), ((3, 1), 6)]  # rows and columns, the most bricks


@pytest.mark.parametrize(("most", "longest"), LITTLE)
@pytest.mark.parametrize("name", ["byte-level", "word-piece"])
def test_rows_are_all_that_strict_decoding_takes_and_no_others(name, most, longest):
    codec = mc.Scanlines(rows=most[0], columns=most[1], bins=12)
    tokens = cells(name, codec)
    begun, end = until(tokens, 4), tags(tokens)[5]
    guides = [tokens.guide(start=begun, colours=colours) for colours in ("any", "alternate")]
    symbols = [*brick_runs(tokens)]
    found, canonical = 0, 0
    for length in range((longest if not PURE else 2) + 1):
        for way in itertools.product(symbols, repeat=length):
            ids = [*way, end]
            good = decodes(tokens.decode, begun + ids)
            assert (refused_at(guides[0], ids) is None) == good
            same = False
            if good:
                regions = tokens.decode(begun + ids)
                text = codec.encode_regions(regions)
                same = decodes_to(tokens, text) == [*way]
            assert (refused_at(guides[1], ids) is None) == same
            found, canonical = found + good, canonical + same
    assert found > canonical > 1 or PURE or most[1] == 1


def decodes_to(tokens, text):
    """The bricks of a text, as ids."""
    ids = tokens.tokenizer.encode(text, add_special_tokens=False).ids
    return [number for number in ids if number in brick_runs(tokens)]


@pytest.mark.parametrize("colours", ["any", "alternate"])
@pytest.mark.parametrize("columns", [1, 2, 3, 63])
def test_every_state_of_a_row_goes_on(columns, colours):
    """And what may come is what a row may say next, by the rules alone."""
    codec = mc.Scanlines(rows=2, columns=columns, bins=12)
    tokens = mc.TokenCodec(codec, extended("byte-level"))
    runs, end = brick_runs(tokens), tags(tokens)[5]
    guide = tokens.guide(start=until(tokens, 4), colours=colours)
    alternate = colours == "alternate"
    open_, seen = [(guide.start(), 0, 0, 0)], set()
    while open_:
        state, row, edge, colour = open_.pop()
        if (row, edge, colour) in seen:
            continue
        seen.add((row, edge, colour))
        expected = {end} if row and not edge else set()
        for number, run in runs.items() if row < 2 else ():
            at, now = column(run), 1 if run > 0 else -1
            behind = at > edge or (run >= END and (at == edge if not alternate else edge == 0))
            if alternate:  # canonical: the other colour, and room for the row's last foreground
                behind &= now != colour
                behind &= run >= END or at <= columns - (1 if run < 0 else 2)
            if behind:
                expected.add(number)
        options = guide.options(state)
        check(options, tokens)
        assert options.tolist() == sorted(expected)
        for number in options.tolist():
            after = guide.step(state, number)
            run = runs.get(number, 0)
            if run >= END:
                open_.append((after, row + 1, 0, 0))
            elif run:
                open_.append((after, row, abs(run), (1 if run > 0 else -1) if alternate else 0))


@pytest.mark.parametrize("name", TRAINED)
def test_a_box_has_one_row_at_least_and_no_more_than_there_may_be(name):
    tokens = cells(name, SCANLINES[1])
    end = tags(tokens)[5]
    ids = {run: number for number, run in brick_runs(tokens).items()}
    guide = tokens.guide(start=until(tokens, 4))
    assert not is_in(guide.allowed([]), end)
    assert is_in(guide.allowed([ids[END]]), end)
    assert not is_in(guide.allowed([ids[END], ids[1]]), end)
    assert guide.allowed([ids[END], ids[END + 3]]).tolist() == [end]


# ---------------------------------------------------------------- boxes


@pytest.mark.parametrize("bins", [1, 2, 3])
@pytest.mark.parametrize("name", TRAINED)
def test_boxes_are_any_two_corners_and_no_others(name, bins):
    all_boxes(cells(name, mc.Scanlines(bins=bins, rows=2, columns=3)))


@pytest.mark.parametrize("bins", [12, 1000, 1024])
@pytest.mark.parametrize("name", TRAINED)
@share(20)
@given(data=st.data())
def test_boxes_may_have_all_bins_and_no_more(name, bins, data):
    tokens = cells(name, mc.Scanlines(bins=bins))
    guide = guide_of(tokens, start=tuple(until(tokens, 1)))
    number = st.one_of(st.integers(0, bins), st.sampled_from([0, bins - 1, bins, 10 * bins]))
    box = data.draw(st.lists(number, min_size=4, max_size=4))
    spelled = f"<box>[[{' '.join(map(str, box))}]]</box><seg>"
    whole = tokens.tokenizer.encode(spelled, add_special_tokens=False).ids
    assert (refused_at(guide, whole) is None) == (max(box) < bins)


@pytest.mark.parametrize("codec", SCANLINES[3:])
def test_a_box_of_location_tokens_is_any_four(codec):
    tokens = cells("byte-level", codec)
    places = [tokens.words[word] for word in tokens.codec.words().locations()]
    guide = tokens.guide(start=until(tokens, 2))
    rng = np.random.default_rng(0)
    ids = []
    for _ in range(4):
        assert guide.allowed(ids).tolist() == sorted(places)
        ids.append(int(rng.choice(places)))
    assert guide.allowed(ids).tolist() == [tags(tokens)[3]]
    assert refused_at(guide, [*ids, places[0]]) == 4
    assert refused_at(guide, [*ids[:3], tags(tokens)[3]]) == 3


# ---------------------------------------------------------------- options


@pytest.mark.parametrize("name", [*TRAINED, "mistral"])
@pytest.mark.parametrize("codec", SCANLINES[1:2] + SCANLINES[4:])
@share(30)
@given(seed=seeds, instances=st.sampled_from([1, 3]))
def test_without_free_text_an_answer_is_its_masks_and_ends(name, codec, seed, instances):
    tokens = cells(name, codec, wrapped=True)
    ref, *_, seg_end = tags(tokens)
    guide = guide_of(tokens, free_text=False, instances=instances, labels=LABELS)
    *ids, end = silent_walk(tokens, guide, seed)
    if ids[0] != ref:  # a space, with which some tokenizers begin
        ids.pop(0)
    assert end == tokens.tokenizer.eos_token_id
    regions = agree(tokens, ids)
    assert 1 <= len(regions) == ids.count(ref) <= instances
    starts = [at for at, number in enumerate(ids) if number == ref]
    assert starts == [0, *(at + 1 for at, number in enumerate(ids[:-1]) if number == seg_end)]
    with pytest.raises(mc.DecodeError, match="may not come here"):
        guide.step(guide.start(), plain(tokens))


@pytest.mark.parametrize("name", ["byte-level", "metaspace"])
def test_an_end_or_a_location_cannot_be_spelled_from_pieces(name):
    tokens = cells(name, SCANLINES[4])
    guide = guide_of(tokens)
    for word in ("<end:7>", "<fg:12>", "<loc11>"):
        ids = []
        for letter in word:
            ids += tokens.tokenizer.encode(letter, add_special_tokens=False).ids[-1:]
        for begun in ([], [tags(tokens)[0]], [tags(tokens)[0], plain(tokens)]):
            if word in text_of(tokens, [plain(tokens), *ids]):
                assert refused_at(guide, begun + ids) == len(begun + ids) - 1
    state = follow(guide, until(tokens, 4))
    assert not set(guide.options(state).tolist()) & set(tokens.tokenizer.encode("<").ids)
