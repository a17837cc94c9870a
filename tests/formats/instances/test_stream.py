"""Ids that come one by one: after any of them, what `recover` says of all so far."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import maskcodec as mc
from tests import strategies
from tests.conftest import PURE
from tests.formats.streams import follow
from tests.strategies import BSD_SETTINGS, SCANLINE_SETTINGS
from tests.vocabularies import answers, pieces, tokens

MASK = np.array([[0, 0, 0, 0], [0, 1, 1, 0], [0, 0, 1, 0], [0, 0, 0, 0]])
KINDS = [
    ("byte-level", mc.BSD(grid=(4, 5))),
    ("byte-level", mc.BSD(grid=(4, 5), row_separator="")),
    ("joined", mc.BSD(grid=(4, 5))),
    ("metaspace", mc.BSD(grid=(4, 5))),
    ("unigram", mc.BSD(grid=(4, 5), row_separator="")),
    ("word-piece", mc.BSD(grid=(4, 5))),
    ("byte-level", mc.BSD(grid=(4, 5), **BSD_SETTINGS[4])),
    ("byte-level", mc.Scanlines(rows=4, columns=5, bins=6)),
    ("word-piece", mc.Scanlines(rows=2, bins=9, **SCANLINE_SETTINGS[3])),
    ("metaspace", mc.Scanlines(rows=4, columns=5, bins=9, coordinates="tokens", axes="yx")),
]
kinds = pytest.mark.parametrize(("name", "settled"), KINDS)
# The six tags, each with what follows it: in order, left out, doubled, and begun anew.
ORDERS = [
    *["rRbBsS", "S", "sS", "BS", "rR", "rRbB", "RbBsS", "bBsS"],
    *["rRbBbBsS", "rrRbBsS", "rRrRbBsS", "rRbBssS", "rRbBsSS", "rRbBsrRbBsS", "rRbBS", "rRsS"],
    *["rRbS", "rbBsS", "rRBsS", "BBBBrRbBsS", "rRbBsbBsS", "rRbBsRsS", "rRRbBsS", "rRbbBsS"],
    *["rRbBrRbBsS", "rRbBsBS", "SrRbBsS", "bbBSrR"],
]
some = settings(max_examples=max(8, settings.default.max_examples // 8))


@pytest.fixture
def codec():
    return tokens("byte-level", mc.BSD(grid=4))


# ---------------------------------------------------------------- the same as recover


@kinds
@given(data=st.data())
@some
def test_after_any_id_the_regions_are_those_of_recover(name, settled, data):
    codec = tokens(name, settled)
    follow(codec, data.draw(answers(codec)))


@kinds
@given(data=st.data())
@some
def test_tags_bricks_and_boxes_in_any_order(name, settled, data):
    codec = tokens(name, settled)
    words = codec.words
    tag = dict(zip("rRbBsS", (words[tag] for tag in codec.codec.tags()), strict=True))
    whole = codec.encode(np.eye(4, 5, dtype=int), "dog").tolist()
    cut = [whole.index(tag[letter]) for letter in "rRbBsS"]
    parts = [[i] for i in tag.values()] * 2 + [[i] for i in pieces(codec)]
    parts += [whole[a:b] for a in cut for b in cut if a < b]
    parts += [whole[a + 1 : b] for a in cut for b in cut if a + 1 < b]
    chosen = data.draw(st.lists(st.sampled_from(parts), max_size=12))
    follow(codec, [number for part in chosen for number in part])


@given(st.data())
@some
def test_many_instances_lie_on_top_of_each_other(data):
    codec = tokens("byte-level", mc.BSD(grid=(5, 6)))
    masks = data.draw(st.lists(strategies.cells((5, 6)), max_size=5))
    labels = [f"roi{k}" for k in range(len(masks))]
    ids = codec.encode_many(masks, labels).tolist()
    stream = follow(codec, ids)
    assert stream.problems == []
    assert stream.regions == codec.decode(ids)


@pytest.mark.parametrize("letters", ORDERS)
@kinds
def test_every_order_of_the_tags(name, settled, letters):
    codec = tokens(name, settled)
    whole = codec.encode(np.eye(4, 5, dtype=int), "dog").tolist()
    tag = [codec.words[tag] for tag in codec.codec.tags()]
    cut = [whole.index(number) for number in tag] + [len(whole)]
    ids = []
    for letter in letters:
        k = "rRbBsS".index(letter)
        ids += whole[cut[k] : cut[k + 1]]
    follow(codec, ids)
    stray = codec.words[codec.codec.words().brick(2)]
    follow(codec, [i for number in ids for i in ((number, stray) if number in tag else (number,))])


JOINED = ["<fg2>", "<bg1>", " ", "\n", "\n\n", "\n\n\n", "\r\n", "\t\n", " \n", "x\n", "]]\n"]


@pytest.mark.parametrize("name", ["qwen", "tekken"])
@given(st.data())
@some
def test_an_id_of_several_newlines_ends_as_many_rows(name, data):
    codec = tokens(name, mc.BSD(grid=9))
    body = "".join(data.draw(st.lists(st.sampled_from(JOINED), max_size=9)))
    between = data.draw(st.sampled_from(["", "\n", "\n\n"]))
    text = f"<ref>dog</ref>{between}<box>[[0 0 3 3]]</box>{between}<seg>{body}</seg>"
    ids = codec.tokenizer.encode(text, add_special_tokens=False).ids
    found, expected = codec.recover(ids), codec.codec.recover(text)
    assert found.regions == expected.regions
    reasons = [[p.reason for p in each.problems] for each in (found, expected)]
    assert set(reasons[0]) == set(reasons[1])
    follow(codec, ids)


def test_a_blank_line_is_no_part_of_the_row_above():
    codec = tokens("qwen", mc.BSD(grid=6))
    text = "<ref>dog</ref><box>[[0 0 5 2]]</box><seg><fg6>\n\n<bg3><fg3></seg>"
    ids = codec.tokenizer.encode(text, add_special_tokens=False).ids
    found = codec.recover(ids)
    assert found.regions[0].cells.tolist() == [[1] * 6, [0, 0, 0, 1, 1, 1], [0] * 6]
    first, second = found.problems
    assert (first.reason, ids[first.position - 1]) == ("row-blank", codec.words["<fg6>"])
    assert second.reason == "rows-missing"
    assert codec.text(ids) == text
    with pytest.raises(mc.DecodeError, match=r"row 2 of .* has nothing before its newline"):
        codec.decode(ids)


@kinds
def test_padding_and_text_between(name, settled):
    codec = tokens(name, settled)
    ids = codec.encode_many([np.eye(4, 5, dtype=int), np.ones((4, 5), int)], ["dog", "sky"])
    pad = next(iter(codec._binding.vocab.ignored))
    for around in ([-100], [pad], [pad, -100, pad], [-1], [2**40], codec.text(ids[:0]) or [-7]):
        follow(codec, [i for number in ids.tolist() for i in (*around, number)])


# ---------------------------------------------------------------- what it says and takes


def ended(codec, ids):
    stream = codec.stream()
    return [k for k, number in enumerate(ids) if stream.push(number).row_ended]


@pytest.mark.parametrize("name", ["byte-level", "metaspace"])
def test_a_row_ends_with_its_separator_or_the_instance(name):
    codec = tokens(name, mc.BSD(grid=4))
    ids = codec.encode_many([MASK, np.ones((4, 4), int)], ["dog", "sky"]).tolist()
    separator = codec._binding.vocab.separator[-1]
    rows = [k for k, i in enumerate(ids) if i in (separator, codec.words["</seg>"])]
    assert ended(codec, ids) == rows
    assert len(rows) == 6


def test_a_row_without_separator_ends_at_the_boxs_width():
    codec = tokens("byte-level", mc.BSD(grid=4, row_separator=""))
    ids = codec.encode(MASK, "dog").tolist()  # <fg2><bg1><fg1></seg>
    assert ended(codec, ids) == [len(ids) - 4, len(ids) - 2, len(ids) - 1]
    assert ended(codec, ids[:-4]) == []


def test_a_row_has_not_ended_where_nothing_is_drawn(codec):
    ids = codec.encode(MASK, "dog").tolist()
    separator, pad = codec._binding.vocab.separator[-1], -100
    assert ended(codec, [separator, codec.words["<fg1>"], separator]) == []
    assert ended(codec, [*ids[:3], separator]) == []
    stream = codec.stream()
    for number in [*ids, pad]:
        stream.push(number)
    assert not stream.row_ended


def test_an_index_map_is_read_only_and_regions_are_not_shared(codec):
    ids = codec.encode(MASK, "dog").tolist()
    stream = codec.stream()
    kept = [stream.push(number).regions for number in ids]
    seen = [codec.recover(ids[: end + 1]).regions for end in range(len(ids))]
    with pytest.raises(ValueError, match="read-only"):
        stream.index_map[0, 0] = 1
    assert kept == seen
    stream.regions.clear()
    assert stream.regions == codec.decode(ids)
    assert stream.index_map.tolist() == MASK.tolist()


def test_two_streams_know_nothing_of_each_other(codec):
    ids = codec.encode(MASK, "dog").tolist()
    first, second = codec.stream(), codec.stream()
    for number in ids:
        first.push(number)
    assert (second.regions, second.index_map.any()) == ([], False)
    assert first.regions == codec.decode(ids)


def test_problems_are_those_of_recover(codec):
    ids = codec.encode(MASK, "dog").tolist()
    stream = codec.stream()
    for number in ids[:-2]:
        stream.push(number)
    (problem,) = stream.problems
    assert (problem.position, problem.reason) == (len(ids) - 2, "truncated")
    stream.push(codec.words["<fg63>"]).push(codec.words["</seg>"])
    assert [p.reason for p in stream.problems] == ["row-long"]


@pytest.mark.parametrize("kind", [np.int64, np.int32, np.uint8, np.uint64, np.array])
def test_ids_of_any_integer_type(codec, kind):
    ids = tokens("word-piece", mc.BSD(grid=4)).encode(MASK, "dog").tolist()
    codec = tokens("word-piece", mc.BSD(grid=4))
    if kind is np.uint8:
        ids = [i for i in ids if i < 256]
    stream = codec.stream()
    for number in ids:
        stream.push(kind(number))
    assert stream.regions == codec.recover(ids).regions


def test_a_tensor_can_be_streamed(codec):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    stream = codec.stream()
    ids = codec.encode(MASK, "dog")
    for number in torch.tensor(ids):
        stream.push(number)
    assert stream.regions == codec.decode(ids)


@pytest.mark.parametrize("value", ["<ref>", 1.5, None, [1], 2**63, -(2**70)])
def test_what_is_no_id_is_refused_and_changes_nothing(codec, value):
    ids = codec.encode(MASK, "dog").tolist()
    stream = codec.stream()
    for number in ids[:-2]:
        stream.push(number)
    with pytest.raises(OverflowError if isinstance(value, int) else TypeError):
        stream.push(value)
    for number in ids[-2:]:
        stream.push(number)
    assert (stream.regions, stream.problems) == (codec.decode(ids), [])


@pytest.mark.parametrize(
    "kind", [mc.ISD(), mc.IRLE(), mc.RRLE(), mc.BSD(bricks=False), mc.RRLE(dialect="text4seg")]
)
def test_there_are_streams_for_bricks_only(kind):
    with pytest.raises(mc.ConfigError) as caught:
        tokens("byte-level", kind).stream()
    assert str(caught.value) == (
        f"there are streams for B-SD with bricks, scanlines and polygons, got {kind!r}"
    )


# ---------------------------------------------------------------- what a push costs


def seconds(codec, ids, look):
    """The best time of three for pushing all ids; `look` asks for all there is after each one."""
    best = 9.0
    for _ in range(3):
        stream = codec.stream()
        began = time.process_time()  # others may use the machine as well
        for number in ids:
            stream.push(number)
            if look:
                assert len(stream.index_map) == codec.codec.canvas[0]
                assert len(stream.regions) <= len(ids)
        best = min(best, time.process_time() - began)
    return best


LOADS = ["rRbBsS", "r", "R", "b", "S", "s", "rR", "rRbBs", "x", "rx", "rRbBsx", "rRbBx", "Sr"]
SMALL = [mc.BSD(grid=16), mc.BSD(grid=16, row_separator=""), mc.Scanlines(bins=16)]


@pytest.mark.parametrize("letters", LOADS)
@pytest.mark.parametrize("settled", SMALL)
@pytest.mark.parametrize("look", [False, True])
def test_a_push_costs_the_same_whatever_came_before(letters, settled, look):
    codec = tokens("byte-level", settled)
    whole = codec.encode(np.eye(16, dtype=int), "dog").tolist()
    cut = [whole.index(codec.words[tag]) for tag in codec.codec.tags()] + [len(whole)]
    ids = []
    for letter in letters:
        k = "rRbBsS".find(letter)
        ids += encoded_text(codec) if k < 0 else whole[cut[k] : cut[k + 1]]
    count = (100 if PURE else 250) // len(ids)
    short, long = (seconds(codec, ids * n, look) for n in (count, count * 4))
    # Quadratic time would be 16 times as long.
    assert long < 10 * short + 0.05


def encoded_text(codec):
    brick = codec.words[codec.codec.words().brick(3)]
    return [brick, *codec.encode(np.ones((1, 1), int), "black")[1:2].tolist()]


@pytest.mark.parametrize("start", ["rRbBs", "rRbBb", "rR", "rRbB", "bs", "x"])
@pytest.mark.parametrize("settled", SMALL[::2])
@pytest.mark.parametrize("look", [False, True])
def test_one_endless_instance_is_linear_too(start, settled, look):
    codec = tokens("byte-level", settled)
    whole = codec.encode(np.eye(16, dtype=int), "dog").tolist()
    cut = [whole.index(codec.words[tag]) for tag in codec.codec.tags()] + [len(whole)]
    head = []
    for letter in start:
        k = "rRbBsS".find(letter)
        head += encoded_text(codec) if k < 0 else whole[cut[k] : cut[k + 1]]
    words = codec.codec.words()
    row = [codec.words[words.brick(run)] for run in (3, -2)] + [*codec._binding.vocab.separator]
    count = 50 if PURE else 200
    short, long = (seconds(codec, head + row * n, look) for n in (count, count * 4))
    assert long < 10 * short + 0.05


def test_thousands_of_tags_astray_take_no_time():
    codec = tokens("qwen", mc.BSD())
    tag = codec.words["<box>"]
    assert seconds(codec, [tag] * (200 if PURE else 2000), look=True) < 5
