"""Cards: texts with marks, small masks, and what bounds them."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import maskcodec as mc
from maskcodec.coco import RunMask
from maskcodec.errors import Problem
from maskcodec.report import cards
from maskcodec.report.cards import Card, Turn, cut, marked, small

SHAPE = (24, 32)


def square(y1, x1, y2, x2, shape=SHAPE):
    mask = np.zeros(shape, np.uint8)
    mask[y1:y2, x1:x2] = 1
    return RunMask.from_mask(mask)


def card(**fields):
    usual = {
        "name": "7",
        "source": "here",
        "turns": [],
        "regions": [],
        "targets": None,
        "kind": "valid",
        "thumb": SHAPE,
    }
    return Card(**{**usual, **fields})


def problems(*positions):
    return [Problem(at, "row-long", "too long", "cut it") for at in positions]


def pixels(plain, thumb=SHAPE):
    return mc.coco.read({"size": list(thumb), "counts": plain["runs"]})


@pytest.mark.parametrize(
    ("text", "positions", "expected"),
    [
        ("", [], []),
        ("a dog", [], [("a dog", [])]),
        ("a dog", [2], [("a ", []), ("dog", [0])]),
        ("<fg3>\n<bg1>", [5], [("<fg3>", []), ("\n", [0]), ("<bg1>", [])]),
        ("<fg3><bg1>", [0, 0, 5], [("<fg3>", [0, 1]), ("<bg1>", [2])]),
        ("<fog3> x", [0, 3], [("<fog3>", [0, 1]), (" x", [])]),
        ("dog", [3, 3], [("dog", []), ("", [0, 1])]),
        ("dog", [99, -1][:1], [("dog", []), ("", [0])]),
        ("\U0001f415 ü", [2], [("\U0001f415 ", []), ("ü", [0])]),
        ("<" * 40, [1], [("<", []), ("<", [0]), ("<" * 38, [])]),
    ],
)
def test_problems_are_marked_to_the_end_of_their_token(text, positions, expected):
    found = marked(text, problems(*positions))
    assert found == expected
    assert "".join(piece for piece, _ in found) == text


def test_marks_stand_where_recover_reports_them():
    text = "Sure: <ref>dög</ref><box>[[1 1 2 2]]</box><seg><fg3>\n<bg1><fg1></seg>"
    found = mc.BSD(grid=4).recover(text)
    assert [piece for piece, numbers in marked(text, found.problems) if numbers] == ["<fg3>"]


@given(st.text(max_size=40), st.lists(st.integers(0, 45), max_size=6))
def test_marked_texts_are_whole(text, positions):
    pieces = marked(text, problems(*sorted(positions)))
    assert "".join(piece for piece, _ in pieces) == text
    numbers = [number for _, own in pieces for number in own]
    assert numbers == list(range(len(positions)))


def test_masks_are_small_and_none_disappears():
    mask = square(7, 900, 8, 901, (600, 1000))
    assert small(mask, (6, 10)).area == 1
    region = mc.Scanlines().decode(mc.Scanlines().encode(square(2, 3, 9, 11).mask(), "dog"))[0]
    plain = card(regions=[region, square(0, 0, 4, 4)], targets=[("dog", mask)]).plain()
    assert pixels(plain["regions"][0]) == region.runs(SHAPE)
    assert pixels(plain["regions"][1]) == square(0, 0, 4, 4)
    assert pixels(plain["targets"][0]).area == 1
    rows, columns = plain["regions"][0]["grid"]
    assert (rows, columns) == region.cells.shape
    assert pixels({"runs": plain["regions"][0]["cells"]}, (rows, columns)).area == rows * columns
    assert plain["regions"][0]["box"] == [3, 2, 11, 9]


def test_the_way_back_is_the_one_that_was_asked_for():
    region = mc.Region("dog", (0, 0, 2, 1), [[1, 1, 0], [0, 1, 1]], canvas=(3, 4))
    for method in "nearest", "contour":
        plain = card(regions=[region], method=method).plain()["regions"][0]
        assert pixels(plain) == region.runs(SHAPE, method=method)
    assert region.runs(SHAPE) != region.runs(SHAPE, method="contour")


@pytest.mark.parametrize(
    ("targets", "regions", "size"),
    [
        (None, [], "none"),
        ([], [square(0, 0, 0, 0)], "none"),
        ([("", square(0, 0, 2, 2))], [square(0, 0, 24, 32)], "small"),
        ([("", square(0, 0, 4, 4))], [], "medium"),
        ([], [square(0, 0, 24, 16)], "large"),
        ([("", square(0, 0, 2, 2)), ("", square(0, 0, 12, 32))], [], "large"),
    ],
)
def test_sizes_are_those_of_the_target(targets, regions, size):
    assert card(targets=targets, regions=regions).plain()["size"] == size


def test_cells_are_left_out_where_there_are_too_many():
    claimed = mc.Region("dog", (0, 0, 299, 299), np.ones((300, 300), np.uint8), canvas=(300, 300))
    plain = card(regions=[claimed]).plain()["regions"][0]
    assert "cells" not in plain
    assert pixels(plain).area == 24 * 32


def test_labels_come_once():
    region = mc.Region("dog", (0, 0, 0, 0), [[1]], canvas=(1, 1))
    made = card(
        regions=[region, region], targets=[("cat", square(0, 0, 1, 1)), ("", square(0, 0, 1, 1))]
    )
    assert made.labels() == ["cat", "dog"]


def test_everything_that_a_file_says_is_bounded(monkeypatch):
    for name, most in ("TURNS", 2), ("MASKS", 3), ("MARKS", 2), ("TEXT", 10):
        monkeypatch.setattr(cards, f"MOST_{name}", most)
    said = Turn("assistant", "x" * 50, problems(0, 1, 2, 40))
    made = card(
        name="n" * 1000,
        turns=[said] * 5,
        regions=[square(0, 0, 1, 1)] * 5,
        targets=[("l" * 5000, square(0, 0, 1, 1))] * 4,
    ).plain()
    assert len(made["name"]) == len(cut("n" * 1000)) == 301
    assert (len(made["turns"]), made["more"]) == (2, 3)
    assert (len(made["regions"]), len(made["targets"]), made["undrawn"]) == (3, 3, 3)
    turn = made["turns"][0]
    assert "".join(text for text, _ in turn["text"]) == "x" * 10
    assert (turn["omitted"], len(turn["problems"]), turn["unlisted"]) == (40, 2, 2)
    assert len(made["labels"][0]) == 301
    json.dumps(made)


def test_an_iou_that_is_no_number_is_none():
    assert card(iou=float("nan")).plain()["iou"] is None
    assert card(iou=0.123456).plain()["iou"] == 0.1235
