"""Rows equal to the one above as one brick, on the canvas and in the box frame."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import maskcodec as mc
from tests import reference, strategies

HEAD = "<ref>dog</ref><box>[[1 1 3 4]]</box><seg>"
CANVAS = mc.BSD(grid=8, repeats=True)
JOINED = mc.BSD(grid=8, repeats=True, row_separator="")
BOX = mc.BSD(frame="box", grid=(4, 5), bins=8, repeats=True)


def test_worked_example():
    mask = np.zeros((8, 8), int)
    mask[1:5, 1:4] = 1
    mask[4, 1] = 0
    assert CANVAS.encode(mask, "dog") == HEAD + "<fg3>\n<rep2>\n<bg1><fg2></seg>"
    assert JOINED.encode(mask, "dog") == HEAD + "<fg3><rep2><bg1><fg2></seg>"
    assert BOX.encode(mask, "dog") == HEAD + "<fg3>\n<rep2>\n<bg1><fg2></seg>"
    plain = mc.BSD(grid=8, repeats=True, bricks=False)
    assert plain.encode(mask, "dog") == HEAD + "fg3\nrep2\nbg1fg2</seg>"
    for codec in (CANVAS, JOINED, BOX, plain):
        (region,) = codec.decode(codec.encode(mask, "dog"))
        assert np.array_equal(region.mask((8, 8)), mask)
    without = mc.BSD(grid=8)
    assert CANVAS.encode_regions(without.decode(without.encode(mask, "dog"))) == CANVAS.encode(
        mask, "dog"
    )


def test_the_vocabulary_has_63_repeats():
    for codec in (CANVAS, BOX):
        words = codec.vocabulary()
        assert words[-63:] == [f"<rep{n}>" for n in range(1, 64)]
        assert len(words) == len(set(words)) == 6 + 3 * 63
    assert mc.BSD(repeats=True, bricks=False).vocabulary() == mc.BSD().vocabulary()[:6]
    assert mc.BSD().vocabulary() == mc.BSD(repeats=True).vocabulary()[:-63]


def test_a_full_canvas_is_one_row_and_its_repeats():
    rows = {64: "\n<rep63>", 65: "\n<rep63>\n<rep1>", 127: "\n<rep63>\n<rep63>", 2: "\n<rep1>"}
    for height, repeats in rows.items():
        codec = mc.BSD(grid=(height, 5), repeats=True)
        text = codec.encode(np.ones((height, 5), int), "sky")
        head = f"<ref>sky</ref><box>[[0 0 4 {height - 1}]]</box><seg>"
        assert text == f"{head}<fg5>{repeats}</seg>"
        joined = mc.BSD(grid=(height, 5), repeats=True, row_separator="")
        assert joined.encode(np.ones((height, 5), int), "sky") == text.replace("\n", "")
        for each in (codec, joined):
            (region,) = each.decode(each.encode(np.ones((height, 5), int), "sky"))
            assert region.mask((height, 5)).all()


def test_a_long_row_may_be_repeated():
    cells = np.ones((3, 200), int)
    for separator in ("\n", ""):
        codec = mc.BSD(grid=(3, 200), repeats=True, row_separator=separator)
        text = codec.encode(cells, "sky")
        rows = f"<fg63><fg63><fg63><fg11>{separator}<rep2></seg>"
        assert text.endswith(rows)
        assert np.array_equal(codec.decode(text)[0].cells, cells)


@given(strategies.tall_cells(), st.booleans())
def test_repeats_write_what_bricks_do_in_fewer_words(cells, separated):
    separator = "\n" if separated else ""
    settings = {"grid": cells.shape, "row_separator": separator}
    long, short = mc.BSD(**settings), mc.BSD(**settings, repeats=True)
    text, repeated = (codec.encode(cells, "dog") for codec in (long, short))
    regions = short.decode(text)
    assert regions == short.decode(repeated) == long.decode(text)
    assert short.encode_regions(regions) == repeated
    assert long.encode_regions(regions) == text
    assert repeated.count("<") <= text.count("<")


# --------------------------------------------------------------------- what decode accepts

SAME = [[1, 1, 1]] * 3 + [[0, 1, 1]]
ACCEPTED = [
    "<fg3>\n<rep2>\n<bg1><fg2>",
    "<fg3>\n<fg3>\n<rep1>\n<bg1><fg2>",
    "<fg3>\n<rep1>\n<fg3>\n<bg1><fg2>",
    "<fg3>\n<rep1>\n<rep1>\n<bg1><fg2>",
    "<fg1><fg2> \n <rep2> \n <bg1> <fg2>",
]


@pytest.mark.parametrize("rows", ACCEPTED)
def test_rows_may_be_repeated_in_other_parts(rows):
    for codec in (CANVAS, BOX):
        (region,) = codec.decode(f"{HEAD}{rows}</seg>")
        assert region.cells.tolist() == SAME
        assert codec.encode_regions([region]) == f"{HEAD}{ACCEPTED[0]}</seg>"
        with pytest.raises(mc.DecodeError, match="is no brick"):
            mc.BSD(grid=8).decode(f"{HEAD}{ACCEPTED[0]}</seg>")
    (region,) = JOINED.decode(f"{HEAD}{rows}</seg>".replace("\n", " "))
    assert region.cells.tolist() == SAME


# ------------------------------------------------------------- what becomes of each mistake

Z = [0, 0, 0]
F = [1, 1, 1]
MISTAKES = [
    # rows, cells, (reason, position) of each problem, on a canvas with a box of four rows
    ("<rep1>\n<fg3>\n<rep2></seg>", [Z, F, F, F], [("repeat", 0), ("row-short", 6)]),
    ("<rep1><fg3>\n<rep3></seg>", [F, F, F, F], [("repeat", 0)]),
    ("<fg3>\n<rep3><fg3></seg>", [F, F, F, F], [("repeat", 12)]),
    ("<fg3>\n<rep2><fg3></seg>", [F, F, F, Z], [("repeat", 12), ("rows-missing", 17)]),
    ("<fg3>\n<rep1><rep2></seg>", [F, F, Z, Z], [("repeat", 12), ("rows-missing", 18)]),
    ("<fg3><rep1>\n<rep2></seg>", [F, F, F, Z], [("repeat", 5), ("rows-missing", 18)]),
    (
        "<fg3>\n<fg2><rep9>\n<rep2></seg>",
        [F, [1, 1, 0], [1, 1, 0], [1, 1, 0]],
        [("repeat", 11), ("row-short", 17)],
    ),
    ("<fg3>\n<rep4></seg>", [F, F, F, F], [("rows-extra", 6)]),
    ("<fg3>\n<rep3>\n<rep1></seg>", [F, F, F, F], [("rows-extra", 12)]),
    ("<fg3>\n<rep3>\n<fg3></seg>", [F, F, F, F], [("rows-extra", 12)]),
    ("<fg3>\n<rep3>\n</seg>", [F, F, F, F], [("rows-extra", 12)]),
    ("<fg3>\n<rep63></seg>", [F, F, F, F], [("rows-extra", 6)]),
    ("<fg3>\n<rep64></seg>", [F, F, F, F], [("brick-number", 6), ("rows-extra", 6)]),
    ("<fg3>\n<rep003></seg>", [F, F, F, F], [("brick-number", 6)]),
    ("<fg3>\n<rep0>\n<rep3></seg>", [F, F, F, F], [("brick-number", 6)]),
    ("<fg3>\n<rep99999999999999></seg>", [F] * 4, [("brick-number", 6), ("rows-extra", 6)]),
    ("<fg3>\nx<rep3></seg>", [F, F, F, F], [("extra-text", 6)]),
    ("<fg3>\n<rep3>x</seg>", [F, F, F, F], [("extra-text", 12)]),
    ("<fg3>\n<rep2>x\n<fg3></seg>", [F, F, F, F], [("extra-text", 12)]),
    ("<fg3>\n<rep1>\n\n<fg3></seg>", [F, F, Z, F], [("row-short", 13)]),
    ("<fg3>\n<rep2></seg>", [F, F, F, Z], [("rows-missing", 12)]),
    ("<fg2>\n<rep3></seg>", [[1, 1, 0]] * 4, [("row-short", 5)]),
    ("<fg4>\n<rep3></seg>", [F, F, F, F], [("row-long", 0)]),
    ("<fg3>\n<rep2>", [F, F, F, Z], [("truncated", 12)]),
    ("<fg3>\n<rep2", [F, Z, Z, Z], [("truncated", 11)]),
    ("<fg3>\n<r", [F, Z, Z, Z], [("truncated", 8)]),
]


@pytest.mark.parametrize(("rows", "cells", "problems"), MISTAKES)
def test_what_becomes_of_each_mistake(rows, cells, problems):
    found = CANVAS.recover(HEAD + rows)
    assert found.regions[0].cells.tolist() == cells
    assert sorted((p.reason, p.position - len(HEAD)) for p in found.problems) == sorted(problems)
    with pytest.raises(mc.DecodeError) as caught:
        CANVAS.decode(HEAD + rows)
    assert (caught.value.reason, caught.value.position - len(HEAD)) in problems


WITHOUT_SEPARATOR = [
    ("<fg3><rep3></seg>", [F, F, F, F], []),
    ("<fg3><rep1><rep1><fg3></seg>", [F, F, F, F], []),
    ("<fg3><rep1><fg2><fg1><rep1></seg>", [F, F, F, F], []),
    ("<rep1><fg3><rep3></seg>", [F, F, F, F], [("repeat", 0)]),
    ("<fg2><rep1><fg1><rep3></seg>", [F, F, F, F], [("repeat", 5)]),
    ("<fg3><rep4></seg>", [F, F, F, F], [("rows-extra", 5)]),
    ("<fg3><rep3><rep1></seg>", [F, F, F, F], [("rows-extra", 11)]),
    ("<fg3><rep2><fg2></seg>", [F, F, F, [1, 1, 0]], [("row-short", 16)]),
    ("<fg3>\n<rep3></seg>", [F, F, F, F], [("separator", 5)]),
    ("<fg3><rep1>\n<fg3><rep1></seg>", [F, F, F, F], [("separator", 11)]),
    ("<fg4><rep3></seg>", [F, F, F, F], [("row-long", 0)]),
    ("<fg3><rep0><rep3></seg>", [F, F, F, F], [("brick-number", 5)]),
    ("<fg3><rep1></seg>", [F, F, Z, Z], [("rows-missing", 11)]),
    ("<fg3><rep1>", [F, F, Z, Z], [("truncated", 11)]),
]


@pytest.mark.parametrize(("rows", "cells", "problems"), WITHOUT_SEPARATOR)
def test_what_becomes_of_each_mistake_without_separators(rows, cells, problems):
    found = JOINED.recover(HEAD + rows)
    assert found.regions[0].cells.tolist() == cells
    assert sorted((p.reason, p.position - len(HEAD)) for p in found.problems) == sorted(problems)
    if not problems:
        assert JOINED.decode(HEAD + rows) == found.regions


IN_A_BOX = [
    # rows, cells, problems, where a box may have up to 4 rows and 5 columns
    ("<fg3>\n<rep3></seg>", [F, F, F, F], []),
    ("<fg3>\n<rep4></seg>", [F, F, F, F], [("rows-extra", 6)]),
    ("<fg3>\n<rep3>\n<fg3></seg>", [F, F, F, F], [("rows-extra", 12)]),
    ("<rep2>\n<fg3></seg>", [Z, F], [("repeat", 0), ("row-short", 6)]),
    ("<rep2></seg>", [[0]], [("repeat", 0), ("rows-missing", 6)]),
    ("<rep2><fg3></seg>", [F], [("repeat", 0)]),
    ("<fg3>\n<rep1><fg3></seg>", [F, F], [("repeat", 12)]),
    ("<fg3>\n<rep64></seg>", [F, F, F, F], [("brick-number", 6), ("rows-extra", 6)]),
    ("<fg3>\n<rep007></seg>", [F, F, F, F], [("brick-number", 6), ("rows-extra", 6)]),
    ("<fg3>\n<rep0></seg>", [F], [("brick-number", 6)]),
    ("<fg3>\n<rep1>", [F, F, Z, Z], [("truncated", 12)]),
    ("<fg3>\n<rep1", [F, Z, Z, Z], [("truncated", 11)]),
]


@pytest.mark.parametrize(("rows", "cells", "problems"), IN_A_BOX)
def test_what_becomes_of_each_mistake_in_a_box(rows, cells, problems):
    found = BOX.recover(HEAD + rows)
    assert found.regions[0].cells.tolist() == cells
    assert sorted((p.reason, p.position - len(HEAD)) for p in found.problems) == sorted(problems)
    if problems:
        with pytest.raises(mc.DecodeError) as caught:
            BOX.decode(HEAD + rows)
        assert (caught.value.reason, caught.value.position - len(HEAD)) in problems


def test_messages_quote_the_repeat():
    for rows, message in [
        ("<rep7>\n<fg3></seg>", "'<rep7>' in row 1 of 4 of 'dog' has no row above it"),
        ("<fg3>\n<rep1><fg3></seg>", "'<fg3>' in row 2 of 4 of 'dog' stands beside others"),
        ("<fg3>\n<rep64></seg>", "'<rep64>' in row 2 of 4 of 'dog' must say 1 .. 63, without"),
    ]:
        (first, *_) = CANVAS.recover(HEAD + rows).problems
        assert first.message.startswith(message)
        with pytest.raises(mc.DecodeError) as caught:
            CANVAS.decode(HEAD + rows)
        assert str(caught.value).startswith(message)


# ------------------------------------------------------------------------- row by row

items = st.tuples(st.sampled_from([0, 1, 1, reference.COPIES]), st.integers(1, 5))
lines = st.lists(st.lists(items, min_size=1, max_size=4), min_size=1, max_size=6)


def as_text(line):
    return "".join(f"<{('bg', 'fg', 'rep')[value]}{n}>" for value, n in line)


@given(lines)
def test_a_box_is_repaired_row_by_row(drawn):
    text = HEAD + "\n".join(map(as_text, drawn)) + "</seg>"
    found = BOX.recover(text)
    cells, faults = reference.repaired_copies(drawn, (4, 5))
    assert found.regions[0].cells.tolist() == cells
    assert len(found.problems) == faults
    try:
        expected = reference.read_bsd(text, (8, 8), rep="<rep{}>", most=(4, 5))
    except reference.RefusedError:
        assert faults
    else:
        assert not faults
        assert expected == [("dog", (1, 1, 3, 4), cells)]


# ---------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"repeats": 1}, "repeats must be True or False, got 1"),
        ({"repeats": None}, "repeats must be True or False, got None"),
        (
            {"repeats": True, "spelling": ("<f{}>", "<b{}>")},
            r"spelling must be three strings that are not empty, got \('<f{}>', '<b{}>'\)",
        ),
        (
            {"spelling": ("<f{}>", "<b{}>", "<r{}>")},
            "spelling must be two strings that are not empty",
        ),
        ({"repeats": True, "spelling": ("<f{}>", "<b{}>", "<r>")}, r"one \{\} for its number"),
        ({"repeats": True, "spelling": ("<f{}>", "<b{}>", "<f{}>")}, "cannot both be in use"),
        ({"repeats": True, "spelling": ("f{}", "b{}", "rf{}")}, "'f1' and 'rf1' cannot both"),
        ({"repeats": True, "ref": ("<rep12>", "<a>")}, "'<rep12>' and '<rep12>' cannot both"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(settings, message):
    for frame in ("canvas", "box"):
        with pytest.raises(mc.ConfigError, match=message):
            mc.BSD(frame=frame, **settings)


def test_the_usual_spelling_need_not_be_said():
    assert mc.BSD(repeats=True, spelling=("<fg{}>", "<bg{}>", "<rep{}>")) == mc.BSD(repeats=True)
    assert mc.BSD(repeats=True).get_config()["spelling"] == ["<fg{}>", "<bg{}>", "<rep{}>"]
    assert "repeats" not in mc.BSD().get_config()
    assert mc.BSD(repeats=True).get_config()["repeats"] is True
    assert mc.BSD(repeats=True) != mc.BSD()


@pytest.mark.parametrize(
    ("label", "settings", "clash"),
    [
        ("a<rep1>", {}, "<rep1>"),
        ("prep12", {"bricks": False}, "rep12"),
        ("[R63]", strategies.REPEAT_SETTINGS[-1], "[R63]"),
    ],
)
def test_a_label_that_would_break_the_text_is_refused_by_name(label, settings, clash):
    for frame in ("canvas", "box"):
        codec = mc.BSD(grid=4, frame=frame, **{**settings, "repeats": True})
        with pytest.raises(mc.LabelError) as caught:
            codec.encode(np.ones((4, 4), int), label)
        assert f"holds {clash!r}" in str(caught.value)
    assert mc.BSD(grid=4, frame="box").encode(np.ones((4, 4), int), label)
    for other in ("<rep64>", "<rep0>", "<rep"):
        codec.encode(np.ones((4, 4), int), other if settings == {} else "dog")
