"""Guides against twins: all that may be written, and no more."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import strategies
from tests.conftest import PURE
from tests.formats.guides import (
    ALL,
    SPELLINGS,
    Walker,
    added,
    agree,
    all_boxes,
    brick_runs,
    bricks,
    decodes,
    follow,
    guide_of,
    instance,
    plain,
    refused_at,
    rows_of,
    seeds,
    share,
    tags,
    text_codec,
    text_of,
    until,
    vocab_of,
)
from tests.vocabularies import TRAINED

pytestmark = pytest.mark.usefixtures("_forget")


def row_ways(width):
    """Every way to fill a row with bricks."""
    if width == 0:
        return [()]
    return [
        (run, *rest) for n in range(1, width + 1) for run in (n, -n) for rest in row_ways(width - n)
    ]


@pytest.mark.parametrize("colours", ["any", "alternate"])
@pytest.mark.parametrize("name", [*TRAINED, "mistral"])
@pytest.mark.parametrize("spelling", [0, 1])
def test_rows_are_all_ways_to_fill_a_box_and_no_others(name, spelling, colours):
    grid = (2, 3) if not PURE else (2, 2)
    tokens = bricks(name, grid, spelling=spelling)
    begun = until(tokens, 4)
    guide = tokens.guide(start=begun, colours=colours)
    ids_of = {run: number for number, run in brick_runs(tokens).items()}
    between = instance(tokens)
    separator = between[between.index(ids_of[grid[1]]) + 1 :]
    separator = separator[: separator.index(ids_of[grid[1]])]
    assert bool(separator) == (spelling == 0 and name != "word-piece")
    ways = [
        way
        for way in row_ways(grid[1])
        if colours == "any" or all(a * b < 0 for a, b in itertools.pairwise(way))
    ]
    following, seen = {}, {}
    for rows in itertools.product(ways, repeat=grid[0]):
        ids = [i for row in rows for i in [*separator, *(ids_of[run] for run in row)]]
        ids = [*ids[len(separator) :], tags(tokens)[5]]
        for end, number in enumerate(ids):
            following.setdefault(tuple(ids[:end]), set()).add(number)
        drawn = [[run > 0 for run in row for _ in range(abs(run))] for row in rows]
        seen[tuple(ids)] = np.array(drawn)
    for ids, expected in following.items():
        assert guide.allowed(ids).tolist() == sorted(expected)
    for ids, drawn in seen.items():
        (region,) = agree(tokens, [*begun, *ids])
        assert np.array_equal(region.cells, drawn)
    assert len({drawn.tobytes() for drawn in seen.values()}) == 2 ** (grid[0] * grid[1])


LITTLE = [((3, 2), 0), ((3, 2), 1), ((1, 2), 0), ((3, 1), 1), ((3, 1), 2)]


@pytest.mark.parametrize(
    ("name", "codec"), [*itertools.product(["byte-level", "word-piece"], LITTLE)]
)
def test_rows_are_all_that_strict_decoding_takes_and_no_others(name, codec):
    grid, spelling = codec
    tokens = bricks(name, grid, spelling=spelling)
    begun, end = until(tokens, 4), tags(tokens)[5]
    guides = [tokens.guide(start=begun, colours=colours) for colours in ("any", "alternate")]
    ids_of = {run: [number] for number, run in brick_runs(tokens).items()}
    symbols = [ids_of[run] for run in (1, -1, 2)]
    if separator := [*tokens._binding.vocab.separator]:
        symbols.append(separator)
    found, longest = 0, 3 if PURE else 5 if name == "byte-level" else 4
    for length in range(longest + 1):
        for way in itertools.product(symbols, repeat=length):
            ids = [*itertools.chain(*way), end]
            good = decodes(tokens.decode, begun + ids)
            assert (refused_at(guides[0], ids) is None) == good
            rows = rows_of(tokens, ids, tokens.decode(begun + ids)) if good else ()
            alternate = all(a * b < 0 for row in rows for a, b in itertools.pairwise(row))
            assert (refused_at(guides[1], ids) is None) == (good and alternate)
            if good:
                found += 1
                agree(tokens, begun + ids)
    assert found or PURE


@pytest.mark.parametrize("grid", [(1, 1), (2, 2), (2, 11), (12, 2)])
@pytest.mark.parametrize("name", TRAINED)
def test_boxes_are_all_that_lie_on_the_canvas_and_no_others(name, grid):
    all_boxes(bricks(name, grid))


@pytest.mark.parametrize("name", ALL)
@share(8)
@given(box=st.lists(st.integers(0, 13), min_size=4, max_size=4), data=st.data())
def test_only_boxes_on_the_canvas_come_through(name, box, data):
    grid = (5, 12)
    tokens = bricks(name, grid)
    guide = guide_of(tokens, start=tuple(until(tokens, 1)))
    spelled = f"[[{' '.join(map(str, box))}]]"
    if data.draw(st.booleans()):
        spelled = data.draw(strategies.mutated(spelled, [" ", "0", "00", "-", "[", "]", "9", ","]))
    whole = tokens.tokenizer.encode(f"<box>{spelled}</box><seg>", add_special_tokens=False).ids
    x1, y1, x2, y2 = box
    place = refused_at(guide, whole)
    if spelled == f"[[{' '.join(map(str, box))}]]":
        assert (place is None) == (x1 <= x2 < grid[1] and y1 <= y2 < grid[0])
    if place is None:
        text = text_of(tokens, [*until(tokens, 1), *whole])
        found = {problem.reason for problem in text_codec(tokens).recover(text).problems}
        assert found <= {"truncated", "rows-missing", "row-short"}


@pytest.mark.parametrize("name", TRAINED)
@share(40)
@given(seed=seeds)
def test_text_may_go_on_with_whatever_leaves_the_answer_readable(name, seed):
    """In free text and in labels: every token is tried."""
    tokens = bricks(name, (1, 1), spelling=int(seed % len(SPELLINGS)))
    guide, codec = guide_of(tokens), text_codec(tokens)
    rng, walker = np.random.default_rng(seed), Walker(tokens, seed)
    ref, ref_end = tags(tokens)[:2]
    words = list(tokens.words)
    behind = instance(tokens)[instance(tokens).index(ref_end) :]
    candidates = sorted(set(vocab_of(tokens).values()) - added(tokens))
    for begun in ([], [ref]):
        ids, state = [*begun], follow(guide, begun)
        for _ in range(int(rng.integers(0, 8))):
            number = walker.text(guide.options(state))
            if number in (ref, ref_end):
                break
            state = guide.step(state, number)
            ids.append(number)
        options = guide.options(state).tolist()
        expected = []
        for number in candidates:
            longer = [*ids, number]
            if begun:
                answer = [*longer, plain(tokens), *behind]
                good = decodes(tokens.decode, answer) and decodes(
                    codec.decode, text_of(tokens, answer)
                )
            else:  # what stands there is passed over, but must not look like an instance
                text = text_of(tokens, longer)
                spelled = re.findall("|".join(map(re.escape, words)), text)
                good = not spelled
            if good:
                expected.append(number)
        assert [number for number in options if number not in added(tokens)] == expected
        others = set(options) & added(tokens)
        if begun:
            assert others == ({ref_end} if decodes(tokens.decode, [*ids, *behind]) else set())
        else:
            assert others == added(tokens) - set(tokens.words.values()) | {ref}
