"""`recover` takes anything: what it repairs, and what it costs."""

import gc
import html
import time
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import maskcodec as mc
from tests import reference, strategies
from tests.conftest import PURE

HEAD = "<ref>dog</ref><box>[[1 1 3 2]]</box><seg>"
CODECS = [mc.BSD(grid=8), mc.BSD(grid=8, row_separator=""), mc.BSD(grid=8, bricks=False)]
CODECS += [mc.Scanlines(rows=8, columns=8, bins=8)]
CODECS += [mc.Scanlines(rows=3, columns=8, bins=8, coordinates="tokens")]
CODECS += [mc.ISD(grid=8), mc.IRLE(grid=8), mc.RRLE(grid=8), mc.RRLE(grid=8, dialect="text4seg")]
runs = st.lists(st.tuples(st.booleans(), st.integers(1, 9)), min_size=1, max_size=5)


@given(st.lists(runs, min_size=1, max_size=8))
def test_bsd_is_repaired_row_by_row(rows):
    body = "\n".join("".join(f"<{'fg' if v else 'bg'}{n}>" for v, n in row) for row in rows)
    text = f"<ref>dog</ref><box>[[2 3 7 6]]</box><seg>{body}</seg>"
    found = mc.BSD(grid=8).recover(text)
    (region,) = found.regions
    assert region.box == (2, 3, 7, 6)
    if len(rows) == 1 and sum(n for _, n in rows[0]) > 6:  # no newline says where a row ends
        assert region.cells.tolist() == reference.by_width(rows[0], 4, 6)
        assert found.problems[0].action == "read them by the box's width"
        return
    assert region.cells.tolist() == reference.repaired(rows, 4, 6, 0)
    wrong = [row for row in rows[:4] if sum(n for _, n in row) != 6]
    assert len(found.problems) == len(wrong) + (len(rows) != 4)


@given(
    st.lists(
        st.lists(
            st.tuples(st.sampled_from(["others", "dog", "cat"]), st.integers(1, 9)),
            min_size=1,
            max_size=5,
        ),
        min_size=1,
        max_size=8,
    )
)
def test_rrle_is_repaired_row_by_row(rows):
    text = "\n".join("|".join(f"{name}*{n}" for name, n in row) for row in rows)
    grid, problems = mc.RRLE(grid=(4, 6)).recover(f"<seg>{text}</seg>")
    drawn = [[grid.names[k] for k in row] for row in grid.cells]
    if len(rows) == 1 and sum(n for _, n in rows[0]) > 6:  # no newline says where a row ends
        cells = [name for name, n in rows[0] for _ in range(n)][:24]
        cells += ["others"] * (24 - len(cells))
        assert drawn == [cells[at : at + 6] for at in range(0, 24, 6)]
        assert problems[0].action == "read them by the grid's width"
        return
    assert drawn == reference.repaired(rows, 4, 6, "others")
    wrong = [row for row in rows[:4] if sum(n for _, n in row) != 6]
    assert len(problems) == len(wrong) + (len(rows) != 4)


@given(
    st.lists(
        st.tuples(st.sampled_from(["others", "dog", "cat"]), st.integers(1, 9)),
        min_size=1,
        max_size=9,
    )
)
def test_irle_is_filled_or_cut_at_its_end(items):
    text = "|".join(f"{name}*{n}" for name, n in items)
    grid, problems = mc.IRLE(grid=(4, 6)).recover(f"<seg>{text}</seg>")
    flat = reference.repaired([items], 1, 24, "others")[0]
    assert [grid.names[k] for k in grid.cells.ravel()] == flat
    assert len(problems) == (sum(n for _, n in items) != 24)


CASES = [
    # text behind the head, cells, (reason, position behind the head) of each problem
    ("<fg3>\n<bg3></seg>", [[1, 1, 1], [0, 0, 0]], []),
    ("<fg3>\n<bg1>", [[1, 1, 1], [0, 0, 0]], [("truncated", 11)]),
    ("<fg3>\n<bg1><fg", [[1, 1, 1], [0, 0, 0]], [("truncated", 14)]),
    ("<fg3>\n<bg1><f2", [[1, 1, 1], [0, 0, 0]], [("extra-text", 11), ("truncated", 14)]),
    ("<fg3></seg>", [[1, 1, 1], [0, 0, 0]], [("rows-missing", 5)]),
    ("</seg>", [[0, 0, 0], [0, 0, 0]], [("rows-missing", 0)]),
    ("", [[0, 0, 0], [0, 0, 0]], [("truncated", 0)]),
    ("<fg2>\n<fg3></seg>", [[1, 1, 0], [1, 1, 1]], [("row-short", 5)]),
    ("<fg3>\n<fg2></seg>", [[1, 1, 1], [1, 1, 0]], [("row-short", 11)]),
    ("<bg1><fg4>\n<fg3></seg>", [[0, 1, 1], [1, 1, 1]], [("row-long", 5)]),
    ("<fg4>\n\n<fg3></seg>", [[1, 1, 1], [1, 1, 1]], [("row-long", 0), ("row-blank", 6)]),
    ("\n<fg3>\n \n\n<fg3></seg>", [[1, 1, 1]] * 2, [("row-blank", n) for n in (0, 8, 9)]),
    ("<fg3>\r\n<bg3>\r</seg>", [[1, 1, 1], [0, 0, 0]], []),
    ("<fg3>\\n<bg3></seg>", [[1, 1, 1], [0, 0, 0]], [("separator", 5)]),
    ("<fg3><0x0A><bg3></seg>", [[1, 1, 1], [0, 0, 0]], [("separator", 5)]),
    ("<fg3><0x0B>\n<bg3></seg>", [[1, 1, 1], [0, 0, 0]], [("extra-text", 5)]),
    (
        "<fg3>\\r\n<bg3>\\",
        [[1, 1, 1], [0, 0, 0]],
        [("extra-text", 5), ("extra-text", 13), ("truncated", 14)],
    ),
    ("<bg1><fg2><bg3></seg>", [[0, 1, 1], [0, 0, 0]], [("separator", 10)]),
    (
        "<bg1><fg4></seg>",
        [[0, 1, 1], [0, 0, 0]],
        [("separator", 5), ("row-long", 5), ("rows-missing", 10)],
    ),
    ("<fg3>\n<fg3>\n</seg>", [[1, 1, 1], [1, 1, 1]], [("rows-extra", 11)]),
    ("<fg3>\n<fg3>\n<fg3>\nx</seg>", [[1, 1, 1], [1, 1, 1]], [("rows-extra", 11)]),
    (
        "<fg64>\n<fg0><fg3></seg>",
        [[1, 1, 1], [1, 1, 1]],
        [("row-long", 0), ("brick-number", 0), ("brick-number", 7)],
    ),
    (
        "<fg03>\n<bg99999999999999999999></seg>",
        [[1, 1, 1], [0, 0, 0]],
        [("brick-number", 0), ("row-long", 7), ("brick-number", 7)],
    ),
    (
        "<fg1>two<fg2>\n<fg3>é</seg>",
        [[1, 1, 1], [1, 1, 1]],
        [("extra-text", 5), ("extra-text", 19)],
    ),
    ("<fg3>\n<fg3><ref>", [[1, 1, 1], [1, 1, 1]], [("missing-tag", 11), ("truncated", 16)]),
]


@pytest.mark.parametrize(("rows", "cells", "problems"), CASES)
def test_what_becomes_of_each_mistake_in_the_rows(rows, cells, problems):
    found = mc.BSD(grid=4).recover(HEAD + rows)
    assert found.regions[0].cells.tolist() == cells
    assert sorted((p.reason, p.position - len(HEAD)) for p in found.problems) == sorted(problems)
    assert found.regions[0].mask((4, 4))[1:3, 1:4].tolist() == cells


ROWS = "<seg><fg2>\n<fg2></seg>"
HEADS = [
    # text, (label, box) of each region, reasons
    (f"<ref>a</ref><box>[[0 0 1 1]]</box>{ROWS}", [("a", (0, 0, 1, 1))], []),
    (f"<ref></ref><box>[[0 0 1 1]]</box>{ROWS}", [("", (0, 0, 1, 1))], ["bad-label"]),
    (f"<ref>a\ud800</ref><box>[[0 0 1 1]]</box>{ROWS}", [("a\ud800", (0, 0, 1, 1))], ["bad-label"]),
    (f"<ref>a<fg1></ref><box>[[0 0 1 1]]</box>{ROWS}", [("a<fg1>", (0, 0, 1, 1))], ["bad-label"]),
    (f"<ref>a<box>[[0 0 1 1]]</box>{ROWS}", [("a", (0, 0, 1, 1))], ["missing-tag"]),
    (f"a</ref><box>[[0 0 1 1]]</box>{ROWS}", [("", (0, 0, 1, 1))], ["missing-tag"]),
    (f"<box>[[0 0 1 1]]</box>{ROWS}", [("", (0, 0, 1, 1))], ["missing-tag"]),
    (f"<ref>a</ref>{ROWS}", [], ["missing-tag", "bad-box"]),
    (f"<ref>a</ref>[[0 0 1 1]]</box>{ROWS}", [("a", (0, 0, 1, 1))], ["missing-tag"]),
    (f"<ref>a</ref>[[0 0 1 1]]{ROWS}", [("a", (0, 0, 1, 1))], ["missing-tag"]),
    (f"<ref>a</ref> it is {ROWS}", [], ["missing-tag", "bad-box"]),
    (f"<ref>a [[0 0 1 1]]{ROWS}", [("a", (0, 0, 1, 1))], ["missing-tag"]),
    (
        f"<ref>a</ref>[0.4, 0.0, 1.75, 1]{ROWS}",
        [("a", (0, 0, 2, 1))],
        ["missing-tag", "bad-box", "row-short", "row-short"],
    ),
    (f"Sure:\na[[0 0 1 1]]{ROWS}", [("a", (0, 0, 1, 1))], ["missing-tag"]),
    (f"Sure:\na[[0 0 1 1]]\n{ROWS}", [("a", (0, 0, 1, 1))], ["missing-tag"]),
    (f"Sure:\na\n[[0 0 1 1]]{ROWS}", [("a", (0, 0, 1, 1))], ["missing-tag"]),
    (f"a [\t0, 0, 1, 1]\t\n\n{ROWS}", [("a", (0, 0, 1, 1))], ["missing-tag", "bad-box"]),
    (
        f"a[[0 0 1 1]]{ROWS}b[[2 2 3 3]]{ROWS}",
        [("a", (0, 0, 1, 1)), ("b", (2, 2, 3, 3))],
        ["missing-tag"] * 2,
    ),
    (
        f"<ref>a</ref><box>[[0 0 1 1]]</box><seg><fg2>\n<fg2> [[0 0 1 1]]{ROWS}",
        [("a", (0, 0, 1, 1))],
        ["extra-text", "missing-tag", "bad-box"],
    ),
    (f"<ref>a</ref><box>[[0.5 0 1e9 1]]</box>{ROWS}", [], ["bad-box"]),
    (f"<ref>a</ref><box>[[0.12 0.3 0.5 0.9]]</box>{ROWS}", [], ["bad-box"]),
    (
        f"<ref>a</ref><box>[[1.5, 0, 2.0, 1.49]]</box>{ROWS}",
        [("a", (2, 0, 2, 1))],
        ["bad-box", "row-long", "row-long"],
    ),
    (f"<ref>a</ref><box>[[0 0 1 1]]{ROWS}", [("a", (0, 0, 1, 1))], ["missing-tag"]),
    (f"<ref>a</ref> is <box>[[0 0 1 1]]</box>{ROWS}", [("a", (0, 0, 1, 1))], ["extra-text"]),
    (f"<ref>a</ref><box>[[0 0 1 1]]</box>\n{ROWS}", [("a", (0, 0, 1, 1))], ["extra-text"]),
    (
        "<ref>a</ref><box>[[0 0 1 1]]</box><fg2>\n<fg2></seg>",
        [("a", (0, 0, 1, 1))],
        ["missing-tag"],
    ),
    ("<ref>a</ref><box>[[0 0 1 1]]</box><fg2>\n<fg2>", [("a", (0, 0, 1, 1))], ["missing-tag"]),
    ("<ref>a</ref><box>[[0 0 1 1]]</box> is there.", [("a", (0, 0, 1, 1))], ["missing-tag"]),
    ("<ref>a</ref><box>[[0 0 1 1]]</box>", [("a", (0, 0, 1, 1))], ["truncated"]),
    ("<ref>a</ref><box>[[0 0 1 1]]</box> <s", [("a", (0, 0, 1, 1))], ["truncated"]),
    ("<ref>a</ref><box>[[0 0 1 1]]", [], ["truncated"]),
    ("<ref>a</ref><box>[[0 0 1", [], ["truncated"]),
    ("<ref>a</ref><box>around here", [], ["missing-tag"]),
    ("<ref>a</ref> <bo", [], ["truncated"]),
    ("<ref>a</ref> or so", [], ["missing-tag"]),
    ("<ref>a", [], ["truncated"]),
    ("<ref>a<ref>b", [], ["missing-tag", "bad-box", "truncated"]),
    ("</seg>", [], ["missing-tag", "bad-box"]),
    (f"<ref>a</ref><box>[0, 0, 1, 1]</box>{ROWS}", [("a", (0, 0, 1, 1))], ["bad-box"]),
    (f"<ref>a</ref><box>[[00 0 1 1]]</box>{ROWS}", [("a", (0, 0, 1, 1))], ["bad-box"]),
    (f"<ref>a</ref><box>[[0 0 1]]</box>{ROWS}", [], ["bad-box"]),
    (f"<ref>a</ref><box>[[1 1 0 0]]</box>{ROWS}", [("a", (0, 0, 1, 1))], ["box-order"]),
    (f"<ref>a</ref><box>[[-1 0 1 1]]</box>{ROWS}", [("a", (0, 0, 1, 1))], ["bad-box", "box-range"]),
    (f"<ref>a</ref><box>[[2 2 4 4]]</box>{ROWS}", [("a", (2, 2, 3, 3))], ["box-range"]),
    (f"<ref>a</ref><box>[[4 0 5 1]]</box>{ROWS}", [], ["box-range"]),
    (
        f"<ref>a</ref><box>[[0 0 {'9' * 5000} 1]]</box>{ROWS}",
        [("a", (0, 0, 3, 1))],
        ["box-range", "row-short", "row-short"],
    ),
]


@pytest.mark.parametrize(("text", "regions", "reasons"), HEADS)
def test_what_becomes_of_each_mistake_around_the_rows(text, regions, reasons):
    codec = mc.BSD(grid=4)
    found = codec.recover(text)
    assert [(r.label, r.box) for r in found.regions] == regions
    assert sorted(p.reason for p in found.problems) == sorted(reasons)
    if reasons:
        with pytest.raises(mc.DecodeError) as caught:
            codec.decode(text)
        assert isinstance(caught.value, mc.TruncatedError) == (reasons[0] == "truncated")


WITHOUT_SEPARATOR = [
    ("<fg3><bg3></seg>", [[1, 1, 1], [0, 0, 0]], []),
    ("<fg4><bg3></seg>", [[1, 1, 1], [0, 0, 0]], ["row-long"]),
    ("<fg2>\n<bg1><fg2></seg>", [[1, 1, 0], [0, 1, 1]], ["separator"]),
    ("<fg3>\n<fg3></seg>", [[1, 1, 1], [1, 1, 1]], ["separator"]),
    ("<fg3><fg2></seg>", [[1, 1, 1], [1, 1, 0]], ["row-short"]),
    ("<fg3></seg>", [[1, 1, 1], [0, 0, 0]], ["rows-missing"]),
    ("<fg3><fg3><fg1>\n</seg>", [[1, 1, 1], [1, 1, 1]], ["rows-extra"]),
    ("<fg3><fg3>\n</seg>", [[1, 1, 1], [1, 1, 1]], ["separator"]),
    ("<fg3><fg3>\n\n</seg>", [[1, 1, 1], [1, 1, 1]], ["separator", "separator"]),
    ("<fg3><fg2>", [[1, 1, 1], [1, 1, 0]], ["truncated"]),
]


@pytest.mark.parametrize(("rows", "cells", "reasons"), WITHOUT_SEPARATOR)
def test_rows_without_a_separator_end_at_the_boxs_width(rows, cells, reasons):
    found = mc.BSD(grid=4, row_separator="").recover(HEAD + rows)
    assert found.regions[0].cells.tolist() == cells
    assert [p.reason for p in found.problems] == reasons


GRIDS = [
    # codec, text, rows of the grid (o others, d dog), reasons
    (mc.RRLE, "<seg>dog*3\ndog*3</seg>", ["ddd", "ddd"], []),
    (mc.RRLE, "<seg>dog*3\ndog*3", ["ddd", "ddd"], ["truncated"]),
    (mc.RRLE, "<seg>dog*3\ndog*3</se", ["ddd", "ddd"], ["truncated"]),
    (mc.RRLE, "<seg>dog*3\ndog*", ["ddd", "ooo"], ["truncated"]),
    (mc.RRLE, "dog*3\ndog", ["ddd", "ooo"], ["truncated"]),
    (mc.RRLE, "", ["ooo", "ooo"], ["truncated"]),
    (mc.RRLE, "<seg></seg>", ["ooo", "ooo"], ["rows-missing"]),
    (mc.RRLE, "<seg>dog\ndog*3</seg>", ["doo", "ddd"], ["bad-count", "row-short"]),
    (mc.RRLE, "<seg>dog*x\ndog*3</seg>", ["doo", "ddd"], ["bad-count", "row-short"]),
    (mc.RRLE, "<seg>dog*0|dog*03\ndog*3</seg>", ["ddd", "ddd"], ["bad-count", "bad-count"]),
    (mc.RRLE, "<seg>dog*2x|dog*1\ndog*3</seg>", ["ddd", "ddd"], ["bad-count"]),
    (mc.RRLE, "<seg>dog*1*2|dog*1\ndog*3</seg>", ["ddd", "ddd"], ["bad-label"]),
    (mc.RRLE, "<seg>*2|dog*1\ndog*3</seg>", ["ood", "ddd"], ["bad-label"]),
    (mc.RRLE, "<seg>\t*2|dog*1\ndog*3</seg>", ["ood", "ddd"], ["bad-label"]),
    (mc.RRLE, "<seg>dog*3|\n|dog*3</seg>", ["ddd", "ddd"], ["empty-item", "empty-item"]),
    (mc.RRLE, "<seg>dog*3\ndog*3\n|dog*9\n*</seg>", ["ddd", "ddd"], ["rows-extra"]),
    (mc.RRLE, "<seg>dog*3\n\ndog*3</seg>", ["ddd", "ddd"], ["row-blank"]),
    (mc.RRLE, "<seg>dog*3\n \n\ndog*3</seg>", ["ddd", "ddd"], ["row-blank"] * 2),
    (mc.RRLE, "<seg>dog*3\r\n\r\ndog*3</seg>", ["ddd", "ddd"], ["row-blank"]),
    (mc.RRLE, "<seg>dog*3\r\ndog*3\r\n</seg>", ["ddd", "ddd"], []),
    (mc.RRLE, "<seg>dog *3 \r\n dog*1| others *2\r\n</seg>", ["ddd", "doo"], []),
    (mc.RRLE, r"<seg>dog*3\ndog*3</seg>", ["ddd", "ddd"], ["separator"]),
    (mc.RRLE, r"<seg>dog*3 \n dog*3\n</seg>", ["ddd", "ddd"], ["separator"] * 2),
    (mc.RRLE, r"<seg>dog*3\n\ndog*3</seg>", ["ddd", "ddd"], ["row-blank"] + ["separator"] * 2),
    (mc.RRLE, "<seg>dog*3<0x0A>dog*1|others*2</seg>", ["ddd", "doo"], ["separator"]),
    (mc.RRLE, r"<seg>dog*2\ndog*3</seg>", ["ddo", "ddd"], ["separator", "row-short"]),
    (mc.RRLE, r"dog*3\ndog*2", ["ddd", "ddo"], ["separator", "truncated"]),
    (
        mc.RRLE,
        r"<seg>dog*3\ndog*3\ndog*1</seg>",
        ["ddd", "ddd"],
        [*["separator"] * 2, "rows-extra"],
    ),
    (mc.RRLE, "<seg>dog*3|dog*1|others*2</seg>", ["ddd", "doo"], ["separator"]),
    (mc.RRLE, "<seg>dog*4|others*2</seg>", ["ddd", "doo"], ["separator"]),
    (mc.RRLE, "<seg>dog*4|others*3</seg>", ["ddd", "doo"], ["separator", "cells-extra"]),
    (mc.RRLE, "<seg>dog*4", ["ddd", "doo"], ["separator", "truncated"]),
    (mc.RRLE, "<seg>dog*3dog*1|others*2</seg>", ["ddd", "doo"], ["separator"]),
    (mc.RRLE, "<seg>dog*3 dog*1|others*2</seg>", ["ddd", "doo"], ["separator"]),
    (mc.RRLE, "<seg>others*1|dog*2dog*03</seg>", ["odd", "ddd"], ["separator", "bad-count"]),
    (mc.RRLE, "others*1|dog*2dog*1", ["odd", "doo"], ["separator", "truncated"]),
    (mc.RRLE, "<seg>dog*1dog*2\ndog*3</seg>", ["ddo", "ddd"], ["bad-label", "row-short"]),
    (mc.IRLE, "<seg>dog*1dog*2|dog*4</seg>", ["ddd", "ddd"], ["bad-label"]),
    (mc.RRLE, "<seg>dog*3</seg>", ["ddd", "ooo"], ["rows-missing"]),
    (mc.IRLE, r"<seg>others*1\ndog*5</seg>", ["odd", "ddd"], ["separator"]),
    (mc.RRLE, "dog*3\ndog*3|", ["ddd", "ddd"], ["empty-item"]),
    (mc.ISD, "dog|dog|dog|dog|dog|dog|", ["ddd", "ddd"], ["empty-item"]),
    (mc.RRLE, "dog*3\ndog*3</seg>", ["ddd", "ddd"], ["missing-tag"]),
    (mc.RRLE, "<seg>dog*3\ndog*3<seg>", ["ddd", "ddd"], ["missing-tag"]),
    (
        mc.RRLE,
        "<seg>dog*3\ndog*3</seg><seg>others*3\nothers*3</seg>",
        ["ddd", "ddd"],
        ["second-seg"],
    ),
    (mc.RRLE, "<seg>dog*999999999999\ndog*3</seg>", ["ddd", "ddd"], ["row-long"]),
    (mc.IRLE, "<seg>others*1|dog*5</seg>", ["odd", "ddd"], []),
    (mc.IRLE, "<seg>others*1\ndog*5</seg>", ["odd", "ddd"], ["separator"]),
    (mc.IRLE, "<seg>others*1|dog*6</seg>", ["odd", "ddd"], ["cells-extra"]),
    (mc.IRLE, "<seg>others*1|dog*2</seg>", ["odd", "ooo"], ["cells-missing"]),
    (mc.IRLE, "<seg></seg>", ["ooo", "ooo"], ["cells-missing"]),
    (mc.IRLE, "others*1|dog*2", ["odd", "ooo"], ["truncated"]),
    (mc.ISD, "<seg>dog|dog|dog|others|others|dog</seg>", ["ddd", "ood"], []),
    (mc.ISD, "<seg>dog|dog*2|dog|others|others|dog</seg>", ["ddd", "ood"], ["bad-label"]),
    (mc.ISD, "<seg>dog|dog|dog|others|oth", ["ddd", "ooo"], ["truncated"]),
]


@pytest.mark.parametrize(("kind", "text", "rows", "reasons"), GRIDS)
def test_what_becomes_of_each_mistake_in_a_label_grid(kind, text, rows, reasons):
    codec = kind(grid=(2, 3))
    grid, problems = codec.recover(text)
    assert ["".join(grid.names[k][0] for k in row) for row in grid.cells] == rows
    assert sorted(p.reason for p in problems) == sorted(reasons)
    if reasons:
        with pytest.raises(mc.DecodeError):
            codec.decode(text)


def test_labels_a_grid_should_not_hold_are_kept_and_reported():
    grid, problems = mc.RRLE(grid=(1, 2)).recover("<seg><ref>*1|a\ud800*1</seg>")
    assert grid.names == ("others", "<ref>", "a\ud800")
    assert [p.reason for p in problems] == ["bad-label", "bad-label"]


@pytest.mark.parametrize("letter", ["x", "é", "犬", "🐕"])
@pytest.mark.parametrize("offset", range(4))
def test_long_text_between_bricks_is_quoted_in_part(letter, offset):
    text = HEAD + "<fg3>\n" + "x" * offset + letter * 200 + "</seg>"
    (problem, *_) = mc.BSD(grid=4).recover(text).problems
    assert (
        problem.message
        == f"{('x' * offset + letter * 200)[:80]!r} in row 2 of 2 of 'dog' is no brick"
    )
    with pytest.raises(mc.DecodeError, match="is no brick"):
        mc.BSD(grid=4).decode(text)


def test_only_so_many_problems_are_listed():
    codec = mc.BSD(grid=4)
    found = codec.recover(HEAD + "<fg3>\n" + "x<bg0>" * 5000 + "</seg>")
    assert len(found.problems) == 1001
    assert found.problems[-1].reason == "more-problems"
    assert found.problems[-1].message == "9001 further problems"
    found = codec.recover("<ref>" * 5000)
    assert (len(found.problems), found.problems[-1].reason) == (1001, "more-problems")


@pytest.mark.parametrize("codec", [mc.BSD(grid=4), mc.Scanlines(bins=4)])
def test_a_text_that_is_escaped_as_html_is_no_right_nothing(codec):
    right = codec.encode(np.eye(4, dtype=int), "a & b")
    text = f"Sure &amp; here: {html.escape(right)}"
    found = codec.recover(text)
    assert found.regions == codec.decode(right)
    (problem,) = found.problems
    assert (problem.reason, text[problem.position :][:11]) == ("escaped", "&lt;ref&gt;")
    with pytest.raises(mc.DecodeError, match="unescape the text first") as caught:
        codec.decode(text)
    assert caught.value.reason == "escaped"
    assert codec.decode("a &lt; b") == []


@pytest.mark.parametrize("codec", [mc.BSD(grid=4), mc.Scanlines(bins=4)])
def test_what_is_wrong_in_an_escaped_text_is_told_as_well(codec):
    right = codec.encode(np.eye(4, dtype=int), "dog")
    cut = right.removesuffix(codec.seg_tags[1])
    found = codec.recover("Here: " + html.escape(cut))
    assert found.regions == codec.recover(cut).regions
    assert [(p.position, p.reason) for p in found.problems] == [(6, "escaped"), (6, "truncated")]
    noise = cut + "<fg0>x<fg:0>" * 2000
    *_, last = codec.recover(html.escape(noise)).problems
    assert last.reason == "more-problems"
    *_, rest = codec.recover(noise).problems
    assert int(last.message.split()[0]) == int(rest.message.split()[0]) + 1  # and "escaped"


@pytest.mark.parametrize("reference", ["&#" + "1" * 5000 + ";", "&#x110000;", "&#xD800;", "&" * 50])
def test_a_reference_to_no_character_is_no_error_in_an_escaped_text(reference):
    codec = mc.Scanlines()
    right = codec.encode(np.eye(4, dtype=int), "dog")
    found = codec.recover(reference + html.escape(right))
    assert found.regions == codec.decode(right)
    assert [p.reason for p in found.problems] == ["escaped"]


@pytest.mark.parametrize("kind", [mc.RRLE, mc.IRLE, mc.ISD])
def test_an_escaped_grid_is_no_right_nothing(kind):
    codec = kind(grid=4)
    right = codec.encode(np.eye(4, dtype=int), "a & b")
    text = f"Sure &amp; here: {html.escape(right)}"
    found = codec.recover(text)
    assert found.grid == codec.decode(right)
    (problem,) = found.problems
    assert (problem.reason, text[problem.position :][:11]) == ("escaped", "&lt;seg&gt;")
    with pytest.raises(mc.DecodeError, match="unescape the text first") as caught:
        codec.decode(text)
    assert caught.value.reason == "escaped"
    assert not codec.is_words(text)
    assert not codec.is_words("&lt;seg&gt;others&lt;/seg&gt;")


@pytest.mark.parametrize("label", [r"\new", r"C:\n", "<0x0A>", "a<0x0A>b", r"\n", r"x\ny"])
@pytest.mark.parametrize("kind", [mc.RRLE, mc.IRLE, mc.ISD])
def test_labels_that_look_like_a_newline_stay_labels(kind, label):
    """Only behind a count can it be none of a label."""
    grid = kind(grid=2).decode(kind(grid=2).encode([[1, 0], [1, 1]], label))
    assert sorted(grid.names) == sorted(["others", label])
    assert grid.mask(label, (2, 2)).tolist() == [[1, 0], [1, 1]]


def test_a_newline_that_is_spelled_out_is_quoted():
    (problem,) = mc.RRLE(grid=(2, 3)).recover("<seg>dog*3<0x0A>dog*3</seg>").problems
    assert problem[1:] == ("separator", "'<0x0A>' in row 1 of 2 is no newline", "read it as one")
    assert problem.position == len("<seg>dog*3")
    (problem,) = mc.RRLE(grid=(2, 3)).recover("<seg>dog*3|dog*3</seg>").problems
    said = ("separator", "no newline stands between the rows", "read them by the grid's width")
    assert problem == (len("<seg>"), *said)
    (problem,) = mc.RRLE(grid=(2, 3)).recover("<seg>dog*3\n\ndog*3</seg>").problems
    assert problem[1:] == ("row-blank", "row 2 of 2 has nothing before its newline", "skipped it")


def test_a_negative_corner_is_outside_however_long():
    for number in ("-1", "-123456789", "-" + "9" * 5000):
        found = mc.BSD(grid=4).recover(f"<ref>a</ref><box>[[{number} 0 1 1]]</box>{ROWS}")
        assert found.regions[0].box == (0, 0, 1, 1)


def test_what_models_say_is_not_kept():
    codec = mc.RRLE(grid=4)
    codec.recover("<seg>a*1</seg>")
    tracemalloc.start()
    for k in range(12 if PURE else 50):
        found = codec.recover(f"<seg>{k}{'x' * 50_000}*1</seg>")
        codec.encode_grid(found.grid)
        (region,) = mc.BSD(grid=4).decode(
            f"<ref>{k}{'x' * 50_000}</ref><box>[[0 0 1 1]]</box>{ROWS}"
        )
        mc.BSD(grid=4).encode_regions([region])
    del found, region
    gc.collect()
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 500_000


def test_positions_are_characters_however_the_text_is_stored():
    text = "犬🐕é" + HEAD + "<fg3>\n<fg4></seg>"
    (problem,) = mc.BSD(grid=4).recover(text).problems
    assert text[problem.position :].startswith("<fg4>")
    with pytest.raises(mc.DecodeError) as caught:
        mc.BSD(grid=4).decode(text)
    assert caught.value.position == problem.position


@given(st.data(), st.sampled_from(CODECS))
def test_recover_never_raises(data, codec):
    pieces = strategies.BRICK_PIECES + strategies.LABEL_PIECES + strategies.SCANLINE_PIECES
    text = "".join(
        data.draw(st.lists(st.one_of(st.sampled_from(pieces), st.text(max_size=3)), max_size=40))
    )
    found, problems = codec.recover(text)
    for region in found if isinstance(found, list) else []:
        rows, columns = region.cells.shape
        assert max(rows, columns) <= 8
        assert region.mask((9, 7)).shape == (9, 7)
        assert region.mask((9, 7), method="smooth").shape == (9, 7)
        assert region.mask((9, 7), method="contour").shape == (9, 7)
    assert [p.position for p in problems] == sorted(p.position for p in problems)
    assert all(0 <= p.position <= len(text) for p in problems)
    try:
        codec.decode(text)
    except mc.DecodeError:
        assert problems
    else:
        assert not problems


@given(st.binary(max_size=200), st.sampled_from(CODECS))
def test_recover_takes_random_bytes(data, codec):
    for text in (data.decode("latin-1"), data.decode("utf-8", "surrogateescape")):
        codec.recover(text)
        codec.recover(f"<ref>{text}</ref><box>[[0 0 7 7]]</box><seg>{text}")


@pytest.mark.parametrize("codec", CODECS)
def test_recover_takes_every_cut_of_a_valid_text(codec):
    cells = np.tri(8, dtype=np.uint8)
    text = codec.encode(cells, "dog")
    if codec.has_instances:
        cells = codec.decode(text)[0].mask((8, 8))
    for end in range(len(text)):
        found, problems = codec.recover(text[:end])
        if problems:
            with pytest.raises(mc.TruncatedError):
                codec.decode(text[:end])
        else:
            codec.decode(text[:end])
        if isinstance(found, mc.LabelGrid):
            mask = found.mask("dog", (8, 8))
        else:
            mask = found[0].mask((8, 8)) if found else np.zeros((8, 8), int)
        if isinstance(codec, mc.Scanlines):  # between two rows it depends on both
            drawn = [region.cells for region in (*found, *codec.decode(text))]
            mask, cells = drawn[0] if found else 0 * drawn[-1], drawn[-1]
        assert (mask <= cells).all()  # nothing is drawn that the whole text does not draw


def test_one_wrong_run_costs_one_row():
    """One run off by one or two in the top half of a 16 x 16 R-RLE: mean IoU at least 0.97."""
    codec = mc.RRLE(grid=16)
    random = np.random.default_rng(0)
    ys, xs = np.mgrid[:16, :16]
    ious = []
    while len(ious) < 400:
        cy, cx = random.uniform(3, 13, 2)
        ry, rx = random.uniform(3, 8, 2)
        cells = ((ys - cy) / ry) ** 2 + ((xs - cx) / rx) ** 2 <= 1
        cells |= (abs(ys - cy - random.uniform(-4, 4)) < 2) & (abs(xs - cx) < random.uniform(2, 6))
        rows = codec.encode(cells, "dog")[5:-6].split("\n")
        at = random.choice([r for r in range(8) if "dog" in rows[r]] or [0])
        items = rows[at].split("|")
        k = random.integers(len(items))
        label, count = items[k].split("*")
        wrong = int(count) + random.choice([-2, -1, 1, 2])
        if wrong < 1:
            continue
        items[k] = f"{label}*{wrong}"
        rows[at] = "|".join(items)
        mask = codec.recover("<seg>" + "\n".join(rows) + "</seg>").grid.mask("dog", (16, 16))
        ious.append((mask & cells).sum() / (mask | cells).sum())
    assert np.mean(ious) >= 0.97


# ------------------------------------------------------------------- what it may cost

BOX = "<ref>a</ref><box>[[0 0 1023 1023]]</box>"
REPEATED = {
    "opening tags": "<ref>",
    "closing tags": "</seg>",
    "tag beginnings": "<",
    "brick beginnings": "<fg",
    "bricks": "<fg63>",
    "huge bricks": "<fg999999999>",
    "digits": "7",
    "newlines": "\n",
    "spaces": " ",
    "letters": "é",
    "wide letters": "犬",
    "edges": "<fg:63>",
    "scanlines": "<bg:5><end:63>",
    "huge edges": "<end:999999999>",
    "locations": "<loc9>",
    "unending rows": "<ref>a</ref><box>[[0 0 1023 1023]]</box><seg>" + "\n" * 1023,
    "bars": "|",
    "stars": "*",
    "counts": "others*999999999999",
    "items": "a*1|",
    "numbered items": "{}*1|",
    "lines": "a*1\n",
    "boxes": BOX,
    "begun instances": BOX + "<seg>",
    "empty instances": BOX + "<seg></seg>",
    "brackets": "[[",
}
LARGE = [
    mc.BSD(grid=1024),
    mc.BSD(grid=1024, bricks=False, row_separator=""),
    mc.Scanlines(rows=63, bins=1024, coordinates="tokens"),
    mc.ISD(grid=64),
    mc.IRLE(grid=64),
    mc.RRLE(grid=64),
]
STARTS = ["", "<ref>a</ref><box>", BOX + "<seg>", "<seg>"]


def repeated(piece, size):
    if "{}" in piece:
        return "".join(piece.format(k) for k in range(size // 8))
    return piece * (size // len(piece))


@pytest.mark.parametrize("name", REPEATED)
def test_time_and_memory_are_linear_in_the_text(name):
    """Fifty kilobytes of anything: quickly, and without allocating what it asks for."""
    size = 3_000 if PURE else 50_000
    gc.collect()
    for codec in LARGE:
        codec.recover(BOX)
        for start in STARTS:
            text = start + repeated(REPEATED[name], size)
            tracemalloc.start()
            began = time.process_time()
            codec.recover(text)
            seconds = time.process_time() - began  # longer than it takes untraced
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            assert peak < 200 * len(text) + 4 * 1024**2, (codec, start, peak)
            assert seconds < (30 if PURE else 3), (codec, start, seconds)


@pytest.mark.usefixtures("compiled")
@pytest.mark.parametrize("name", REPEATED)
def test_four_times_the_text_takes_about_four_times_as_long(name):
    def seconds(codec, text, enough=0.0):
        best = 9.0
        for _ in range(3):
            began = time.process_time()
            codec.recover(text)
            best = min(best, time.process_time() - began)
            if best < enough:
                break
        return best

    for codec in (LARGE[0], LARGE[2], LARGE[-1]):
        for start in STARTS[1:]:
            short, long = (start + repeated(REPEATED[name], n) for n in (25_000, 100_000))
            # Quadratic time would be 16 times as long; a busy machine may double a measurement.
            enough = 10 * seconds(codec, short) + 0.05
            assert seconds(codec, long, enough) < enough, (codec, start)


def test_a_huge_count_costs_no_memory():
    codec = mc.RRLE(grid=16)
    codec.recover("others*1")
    tracemalloc.start()
    found = codec.recover("<seg>others*999999999999|dog*999999999999</seg>")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100_000
    assert [p.reason for p in found.problems] == ["separator", "cells-extra"]
