"""Scanlines as ids come: what is shown while a row is being written."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import maskcodec as mc
from tests.formats.streams import follow
from tests.vocabularies import encoded, tokens

some = settings(max_examples=max(8, settings.default.max_examples // 4))
HEAD = "<ref>dog</ref><box>[[0 0 5 5]]</box><seg>"


@pytest.fixture
def codec():
    return tokens("byte-level", mc.Scanlines(rows=3, columns=5, bins=6))


def test_a_row_can_be_drawn_while_it_is_written(codec):
    stream = codec.stream()
    shown, ended = [], []
    for number in encoded(codec.tokenizer, HEAD + "<bg:1><fg:2><bg:4><end:5><end:1></seg>"):
        stream.push(number)
        shown.append(["".join(map(str, row)) for r in stream.regions for row in r.cells.tolist()])
        ended.append(stream.row_ended)
    begun = len(shown) - 6
    blank = "00000"
    assert shown[begun:] == [
        [blank, blank, blank],
        ["01000", blank, blank],
        ["01000", blank, blank],
        ["01001", blank, blank],
        ["01001", "10000", blank],
        ["01001", "10000"],
    ]
    assert ended == [False] * (begun + 3) + [True] * 3


BODIES = [
    "</seg>",
    "<fg:2></seg>",
    "<end:3><end:2><end:1><end:5><fg:4></seg>",
    "<fg:4><bg:2><end:3></seg>",
    "<end:2>\n\n<end:3>, <fg:5><end:0></seg>",
    "<fg:4><end:5><bg:2><seg><end:1></seg>",
    "<end:4><bg:2><box><end:1></seg>",
    "<end:4><bg:2><ref>",
    "<end:4></box></seg>",
]


@pytest.mark.parametrize("body", BODIES)
def test_rows_that_are_wrong_are_those_of_recover(codec, body):
    stream = follow(codec, encoded(codec.tokenizer, HEAD + body))
    assert stream.regions == codec.codec.recover(HEAD + body).regions


@given(st.lists(st.sampled_from(["<fg:2>", "<bg:3>", "<end:5>", "<end:0>", "\n", " "])))
@some
def test_any_rows_are_those_of_recover(bricks):
    codec = tokens("byte-level", mc.Scanlines(rows=3, columns=5, bins=6))
    text = HEAD + "".join(bricks)
    for answer in (text, text + "</seg>"):
        stream = follow(codec, encoded(codec.tokenizer, answer))
        assert stream.regions == codec.codec.recover(answer).regions


def test_the_canvas_has_the_bins_of_the_image():
    codec = tokens("byte-level", mc.Scanlines(bins=40))
    masks = np.zeros((2, 40, 40), int)
    masks[0, 3:20, 7:33] = masks[1, 15:30, 30:36] = 1
    stream = codec.stream()
    for number in codec.encode_many(masks, ["dog", "cat"]).tolist():
        stream.push(number)
    assert np.array_equal(stream.index_map, np.where(masks[1], 2, masks[0]))
