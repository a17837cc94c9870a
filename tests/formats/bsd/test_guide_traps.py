"""What a guide must not fall for, remember or share."""

from __future__ import annotations

import itertools
import sys
import threading

import numpy as np
import pytest
from hypothesis import given

import maskcodec as mc
from tests.formats.guides import (
    ALL,
    SPELLINGS,
    brick_runs,
    brick_walk,
    bricks,
    follow,
    guide_of,
    piece_ids,
    plain,
    refused_at,
    seeds,
    share,
    size_of,
    tags,
    text_of,
    until,
    vocab_of,
)
from tests.vocabularies import TRAINED

pytestmark = pytest.mark.usefixtures("_forget")


@pytest.mark.parametrize("name", ALL)
@share(25)
@given(seed=seeds)
def test_no_word_can_be_spelled_from_pieces(name, seed):
    rng = np.random.default_rng(seed)
    tokens = bricks(
        name, (5, 12), spelling=int(rng.integers(len(SPELLINGS))) if name in TRAINED else 0
    )
    guide = guide_of(tokens)
    word = str(rng.choice(list(tokens.words)))
    ids, at = [], 0
    while at < len(word):
        ways = [
            (n, i)
            for n in range(1, 6)
            for i in piece_ids(tokens, word[at : at + n])
            if at + n <= len(word)
        ]
        if not ways:
            return  # this vocabulary has no such letter
        step, number = ways[int(rng.integers(len(ways)))]
        ids.append(number)
        at += step
    if len(ids) == 1:
        return
    joined = text_of(tokens, [plain(tokens), *ids])
    for begun in ([], [tags(tokens)[0]], [tags(tokens)[0], plain(tokens)]):
        place = refused_at(guide, begun + ids)
        assert place == len(begun + ids) - 1 or (place is None and word not in joined)


def test_a_brick_in_pieces_is_cut_off_at_its_last_one():
    tokens = bricks("byte-level", (5, 12))
    have = vocab_of(tokens)
    ids = [have[letter] for letter in "<fg3>"]
    for begun in ([], [tags(tokens)[0]]):
        guide = guide_of(tokens)
        assert have[">"] in guide.allowed([*begun, *ids[:3]])
        with pytest.raises(mc.DecodeError) as caught:
            guide.allowed(begun + ids)
        error = caught.value
        assert (error.reason, error.position, error.unit) == ("not-allowed", len(begun) + 4, "id")
        assert have[">"] in guide.allowed([*begun, *ids[:3], have["x"]])


def test_what_is_not_allowed_is_refused_with_what_is():
    tokens = bricks("byte-level", (5, 12))
    guide = tokens.guide(start=until(tokens, 3))
    seg = tags(tokens)[4]
    with pytest.raises(mc.DecodeError) as caught:
        guide.allowed([seg, 3])
    runs = sorted(i for i, run in brick_runs(tokens).items() if abs(run) <= 12)
    some = ", ".join(map(str, runs[:8]))
    assert str(caught.value) == (
        f"id 3 may not come here, where {len(runs)} others may: {some}, ... (at id 1)"
    )
    with pytest.raises(mc.DecodeError) as caught:
        guide.step(guide.start(), 3)
    assert str(caught.value) == f"id 3 may not come here, where 1 others may: {seg} (at id 0)"
    assert (caught.value.reason, caught.value.unit) == ("not-allowed", "id")


@pytest.mark.parametrize("name", ["byte-level", "qwen"])
def test_the_rows_of_padding_in_an_embedding_are_never_allowed(name):
    tokens = bricks(name, (70, 70))
    guide, size = guide_of(tokens), size_of(tokens)
    for begun in ([], until(tokens, 0), until(tokens, 2), until(tokens, 4)):
        assert guide.allowed(begun)[-1] < size
        for number in (size, size + 100, 2**40, -1, -100):
            assert refused_at(guide, [*begun, number]) == len(begun)


def test_a_guide_holds_nothing_of_an_answer():
    tokens = bricks("byte-level", (5, 12))
    ids = [*tokens.encode(np.eye(5, 12, dtype=int), "dog").tolist(), plain(tokens)]
    expected = [tokens.guide().allowed(ids[:end]).tolist() for end in range(len(ids) + 1)]
    guide = tokens.guide()
    order = np.random.default_rng(0).permutation(len(ids) + 1).tolist()
    for end in [*order, *order]:
        assert guide.allowed(ids[:end]).tolist() == expected[end]
        assert guide.allowed(tuple(ids[:end])).tolist() == expected[end]
        assert guide.allowed(np.array(ids[:end], np.int64)).tolist() == expected[end]
        assert guide.allowed(np.array(ids[:end], np.int32)).tolist() == expected[end]
    with pytest.raises(ValueError, match="read-only"):
        guide.allowed(ids)[0] = 1
    state = follow(guide, ids[:3])
    assert guide.step(state, ids[3]) == guide.step(state, ids[3]) == follow(guide, ids[:4])


def test_tensors_do_as_well():
    torch = pytest.importorskip("torch", reason="its tensors are tried")
    tokens = bricks("byte-level", (5, 12))
    ids = tokens.encode(np.eye(5, 12, dtype=int), "dog").tolist()
    for dtype in (torch.int64, torch.int32):
        found = guide_of(tokens).allowed(torch.tensor(ids[:20], dtype=dtype))
        assert np.array_equal(found, tokens.guide().allowed(ids[:20]))


def test_what_a_guide_remembers_is_bounded():
    tokens = bricks("byte-level", (5, 12))
    guide = tokens.guide()
    answer = []
    for _ in range(900):  # 405,000 ids in all
        answer.append(plain(tokens))
        guide.allowed(answer)
    assert sum(map(len, guide._states)) < 300_000
    first = guide.allowed([]).tolist()[:60]
    for pair in itertools.product(first, first):
        guide.allowed(pair)
    assert len(guide._states) < 300_000
    ids = tokens.encode(np.eye(5, 12, dtype=int), "dog").tolist()
    assert guide.allowed(ids).tolist() == tokens.guide().allowed(ids).tolist()
    again = [guide.allowed(ids[:end]).tolist() for end in range(len(ids))]
    assert again == [tokens.guide().allowed(ids[:end]).tolist() for end in range(len(ids))]


def test_several_threads_ask_one_guide():
    tokens = bricks("joined", (5, 12))
    guide = tokens.guide()
    answers = [brick_walk(tokens, tokens.guide(), seed)[:150] for seed in range(4)]
    expected = [
        [tokens.guide().options(follow(tokens.guide(), ids[:end])) for end in range(0, len(ids), 9)]
        for ids in answers
    ]
    wrong = []

    def ask(k):
        try:
            for _ in range(3):
                ids = answers[k % 4]
                for at, end in enumerate(range(0, len(ids), 9)):
                    if not np.array_equal(guide.allowed(ids[:end]), expected[k % 4][at]):
                        wrong.append((k, end))
                for number in range(300):  # so that older answers are forgotten meanwhile
                    guide.allowed([plain(tokens)] * (number % 7) + [plain(tokens)] * k)
        except Exception as error:
            wrong.append(error)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=ask, args=(k,)) for k in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert wrong == []
