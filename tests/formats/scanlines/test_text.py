"""Scanlines as text: written and read, right or refused, and repaired."""

import dataclasses
import tracemalloc
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import maskcodec as mc
from maskcodec.coco import RunMask
from maskcodec.masks.frame import BoxFrame
from maskcodec.messages import plural
from tests import reference, strategies

METHODS = ["nearest", "smooth", "contour"]
MASK = np.zeros((10, 20), np.uint8)
MASK[2:6, 5:15] = 1
MASK[2:4, 5:9] = 0
HEAD = "<ref>dog</ref><box>[[250 200 749 599]]</box><seg>"
DOG = HEAD + "<bg:4><end:10><bg:4><end:10><end:10><end:10></seg>"
TEN = mc.Scanlines(columns=10)
FEW = mc.Scanlines(rows=3, columns=5, bins=8)
samplings = st.sampled_from(["nearest", "keep", "best"])


def codec_of(most, bins, sampling="keep", settings=None):
    return mc.Scanlines(rows=most[0], columns=most[1], bins=bins, sampling=sampling, **settings)


def test_worked_example():
    assert TEN.encode(MASK, "dog") == DOG
    (region,) = TEN.decode(f"Sure, here it is: {DOG} Anything else?")
    assert (region.label, region.box, region.canvas) == ("dog", (250, 200, 749, 599), (1000, 1000))
    assert np.array_equal(region.cells, MASK[2:6, 5:15])
    assert region.box_pixels((10, 20)) == (5.0, 2.0, 15.0, 6.0)
    for method in METHODS:
        assert np.array_equal(region.mask((10, 20), method=method), MASK)
    tokens = dataclasses.replace(TEN, coordinates="tokens")
    place = "<loc250><loc200><loc749><loc599>"
    assert tokens.encode(MASK, "dog") == DOG.replace("[[250 200 749 599]]", place)
    turned = dataclasses.replace(tokens, axes="yx", location="<loc{:04}>", bins=1024)
    place = "<loc0204><loc0256><loc0614><loc0767>"
    assert turned.encode(MASK, "dog") == DOG.replace("[[250 200 749 599]]", place)


def test_the_usual_settings():
    codec = mc.Scanlines()
    assert (codec.rows, codec.columns, codec.bins, codec.sampling) == (11, 63, 1000, "keep")
    assert (codec.codec_id, codec.canvas, codec.most_cells) == (
        "scanlines/1",
        (1000, 1000),
        (11, 63),
    )
    assert len(codec.vocabulary()) == 6 + 63 + 63 + 64
    few = mc.Scanlines(columns=2, bins=3, coordinates="tokens")
    bricks = ["<fg:1>", "<fg:2>", "<bg:1>", "<bg:2>", "<end:0>", "<end:1>", "<end:2>"]
    assert few.vocabulary()[6:] == [*bricks, "<loc0>", "<loc1>", "<loc2>"]
    assert few.meanings()["<bg:2>"] == ("background", 2)
    assert few.meanings()["<end:0>"] == ("end of row", 0)
    assert few.meanings()["<loc1>"] == ("location", 1)


# ------------------------------------------------------------------- cells to text and back


@given(
    strategies.placed(),
    strategies.labels,
    strategies.box_cells,
    strategies.bins,
    samplings,
    strategies.scanline_settings,
)
def test_text_equals_the_reference_and_comes_back(mask, label, most, bins, sampling, settings):
    codec = codec_of(most, bins, sampling, settings)
    text = codec.encode(mask, label, lost="drop")
    framed = BoxFrame(*most, bins).sample(mask, sampling)
    if framed is None:
        assert text == ""
        return
    arguments = reference.scanline_arguments(settings)
    assert text == reference.write_scanlines(framed.cells, label.strip(), framed.box, **arguments)
    assert codec.encode(RunMask.from_mask(mask), label) == text
    (region,) = regions = codec.decode(text)
    assert (region.label, region.box, region.frame) == (label.strip(), framed.box, "box")
    assert np.array_equal(region.cells, framed.cells)
    assert codec.encode_regions(regions) == text
    assert codec.recover(text) == (regions, [])
    # The box holds the mask.
    top, left, height, width = reference.part_of(region.box, bins, mask.shape)
    assert mask[top : top + height, left : left + width].sum() == mask.sum()
    assert region.box_pixels(mask.shape) == (left, top, left + width, top + height)


@given(st.data(), st.integers(1, 63), st.integers(1, 63), strategies.scanline_settings)
def test_any_cells_come_back(data, rows, columns, settings):
    codec = codec_of((rows, columns), 1000, settings=settings)
    cells = data.draw(strategies.cells((data.draw(st.integers(1, rows)), columns)))
    region = mc.Region("dog", (7, 5, 990, 998), cells, (1000, 1000), frame="box")
    text = codec.encode_regions([region])
    arguments = reference.scanline_arguments(settings)
    assert text == reference.write_scanlines(cells, "dog", region.box, **arguments)
    assert codec.decode(text) == [region]


@given(
    st.lists(st.tuples(strategies.cells((7, 9)), strategies.labels), max_size=5),
    strategies.scanline_settings,
)
def test_several_instances_come_back_in_order(instances, settings):
    codec = codec_of((7, 63), 1000, settings=settings)
    text = codec.encode_many([mask for mask, _ in instances], [label for _, label in instances])
    assert text == "".join(codec.encode(mask, label) for mask, label in instances)
    kept = [(mask, label.strip()) for mask, label in instances if mask.any()]
    regions = codec.decode(f"I see {text}.")
    assert [region.label for region in regions] == [label for _, label in kept]
    for region, (mask, _) in zip(regions, kept, strict=True):
        assert np.array_equal(region.mask((7, 9)), mask)


@given(strategies.placed(), samplings, strategies.scanline_settings)
def test_what_fits_the_rows_and_columns_comes_back_pixel_for_pixel(mask, sampling, settings):
    assume(mask.any())
    codec = codec_of((17, 63), 17, sampling, settings)
    (region,) = codec.decode(codec.encode(mask, "dog"))
    for method in ("nearest", "contour"):
        assert np.array_equal(region.mask(mask.shape, method=method), mask)


def test_the_most_rows_and_columns_come_back():
    checker = (np.indices((63, 63)).sum(0) % 2).astype(np.uint8)
    for mask in (checker, np.ones((63, 63), int), checker[:1], checker[:, 1:2]):
        codec = mc.Scanlines(rows=63)
        (region,) = codec.decode(codec.encode(mask, "dog"))
        assert np.array_equal(region.mask(mask.shape), mask)


@given(strategies.placed(), strategies.box_cells, strategies.bins)
def test_text_is_canonical(mask, most, bins):
    assume(mask.any())
    codec = codec_of(most, bins, settings={})
    text = codec.encode(mask, "dog")
    rows = text.partition("<seg>")[2].removesuffix("></seg>").split("><")
    bricks = [brick.strip("<>").split(":") for brick in rows]
    ends = [k for k, (kind, _) in enumerate(bricks) if kind == "end"]
    assert ends[-1] == len(bricks) - 1
    for first, last in zip([-1, *ends], ends, strict=False):
        kinds = [kind for kind, _ in bricks[first + 1 : last + 1]]
        assert not any(a == b or (a, b) == ("fg", "end") for a, b in pairwise(kinds))
        edges = [int(n) for _, n in bricks[first + 1 : last + 1]]
        assert edges == sorted(set(edges))
        assert edges[0] > 0 or edges == [0]


# ---------------------------------------------------------------- what decode accepts


@pytest.mark.parametrize(
    "rows",
    [
        "<bg:1><bg:4><end:10><bg:4><fg:10><end:10><fg:3><fg:9><end:10><fg:9><end:10>",
        " <bg:4> <end:10> <bg:4><fg:5><end:10>  <fg:10> <end:10><end:10> ",
        "<bg:4><fg:10><bg:10><end:10>",
    ],
)
def test_other_splits_and_spaces_draw_the_same(rows):
    text = f"<ref> dog </ref> <box> [ [250 200 749 599 ] ] </box> <seg>{rows}</seg>"
    if "<bg:10>" in rows:  # an edge where one is, which only an end may say again
        with pytest.raises(mc.DecodeError, match="does not lie behind the edge before it"):
            TEN.decode(text)
        return
    assert TEN.decode(text) == TEN.decode(DOG)
    assert TEN.encode_regions(TEN.decode(text)) == DOG


@pytest.mark.parametrize(
    ("row", "cells", "canonical"),
    [
        ("<fg:5><end:5>", "#####", "<end:5>"),
        ("<bg:5><end:5>", ".....", "<end:0>"),
        ("<bg:2><end:2>", ".....", "<end:0>"),
        ("<fg:2><bg:3><end:3>", "##...", "<end:2>"),
        ("<fg:1><fg:2><bg:3><bg:4><end:5>", "##..#", "<fg:2><bg:4><end:5>"),
        ("<fg:1><end:2>", "##...", "<end:2>"),
    ],
)
def test_rows_that_the_encoder_would_write_in_another_way(row, cells, canonical):
    head = "<ref>a</ref><box>[[1 1 3 2]]</box><seg>"
    (region,) = FEW.decode(f"{head}{row}</seg>")
    assert "".join(".#"[cell] for cell in region.cells[0]) == cells
    assert FEW.encode_regions([region]) == f"{head}{canonical}</seg>"


@pytest.mark.parametrize("settings", strategies.SCANLINE_SETTINGS)
def test_corners_in_any_order_say_the_same_box(settings):
    codec = codec_of((3, 5), 8, settings=settings)
    write = reference.scanline_arguments(settings)
    texts = [
        reference.write_scanlines([[1, 0, 0, 1, 0]], "dog", box, **write)
        for box in [(1, 2, 6, 3), (6, 2, 1, 3), (1, 3, 6, 2), (6, 3, 1, 2)]
    ]
    assert len(set(texts)) == 4
    assert {codec.decode(text)[0].box for text in texts} == {(1, 2, 6, 3)}
    assert {codec.encode_regions(codec.decode(text)) for text in texts} == {texts[0]}
    assert len({codec.decode(text)[0] for text in texts}) == 1


def test_a_box_may_cover_no_pixel_whole_but_has_one():
    (region,) = mc.Scanlines(columns=5).decode(
        "<ref>a</ref><box>[[7 7 7 7]]</box><seg><end:5><end:5><end:0></seg>"
    )
    assert region.cells.tolist() == [[1] * 5, [1] * 5, [0] * 5]
    assert region.mask((10, 10)).sum() == 1


def test_a_region_without_cells_keeps_its_rows():
    text = "<ref>dog</ref><box>[[1 0 2 1]]</box><seg><end:0><end:0></seg>"
    regions = FEW.decode(text)
    assert not regions[0].cells.any()
    assert FEW.encode_regions(regions) == text


@given(st.data(), strategies.cells((4, 5)), strategies.scanline_settings)
def test_any_text_decodes_as_the_reference_reads_it_or_is_refused(data, cells, settings):
    codec = codec_of((4, 5), 20, settings=settings)
    pieces = [*strategies.SCANLINE_PIECES, *data.draw(st.permutations(codec.vocabulary()))[:4]]
    text = codec.encode_many([cells, cells[::-1]], ["dog", "犬 <"])
    text = data.draw(strategies.mutated(text, pieces))
    try:
        arguments = reference.scanline_arguments(settings)
        expected = reference.read_scanlines(text, (4, 5), 20, **arguments)
    except reference.RefusedError:
        with pytest.raises(mc.DecodeError) as caught:
            codec.decode(text)
        assert 0 <= caught.value.position <= len(text)
        assert codec.recover(text).problems
    else:
        regions = codec.decode(text)
        assert [(r.label, r.box, r.cells.tolist()) for r in regions] == expected
        assert codec.recover(text) == (regions, [])


@given(strategies.cells((4, 5)), strategies.labels, strategies.scanline_settings)
def test_any_cut_of_a_valid_text_is_truncated_or_decodes(cells, label, settings):
    codec = codec_of((4, 5), 20, settings=settings)
    text = "Yes: " + codec.encode_many([cells, np.ones((4, 5), int)], [label, label])
    whole = codec.decode(text)
    for end in range(len(text)):
        try:
            assert codec.decode(text[:end]) == whole[: len(codec.decode(text[:end]))]
        except mc.TruncatedError as error:
            assert (error.position, error.reason) == (end, "truncated")


@given(st.text(max_size=60))
def test_any_text_decodes_or_raises_decode_error(text):
    for wrapped in (text, f"<ref>{text}", f"{HEAD}{text}</seg>", f"<ref>a</ref><box>{text}"):
        try:
            TEN.decode(wrapped)
        except mc.DecodeError as error:
            assert str(error).endswith(f"(at character {error.position})")


# ------------------------------------------------------------------- what recover makes of it

kinds = st.sampled_from([0, 1, 2])
numbers = st.one_of(st.integers(1, 9), st.sampled_from([40, 63]))


@given(st.lists(st.tuples(kinds, numbers), min_size=1, max_size=20), st.booleans())
def test_rows_are_repaired_as_the_reference_has_them(bricks, closed):
    spelling = {0: "<bg:{}>", 1: "<fg:{}>", 2: "<end:{}>"}
    body = "".join(spelling[kind].format(number) for kind, number in bricks)
    text = f"<ref>dog</ref><box>[[1 1 3 2]]</box><seg>{body}" + "</seg>" * closed
    codec = mc.Scanlines(rows=4, columns=6, bins=8)
    found = codec.recover(text)
    (region,) = found.regions
    rows, faults = reference.drawn_scanlines(bricks, (4, 6))
    rows += [[0] * 6] * (0 if closed else 4 - len(rows))
    assert region.cells.tolist() == rows
    ends = [k for k, (kind, _) in enumerate(bricks) if kind == 2]
    is_open = len(ends) < 4 and bricks[-1][0] != 2
    assert len(found.problems) == faults + (is_open if closed else 1)


BLANK = [0] * 5
CASES = [
    # text behind the head, cells, (reason, position behind the head) of each problem, where a box
    # may have up to 3 rows and has 5 columns
    ("<end:3><end:5></seg>", [[1, 1, 1, 0, 0], [1] * 5], []),
    ("</seg>", [BLANK], [("rows-missing", 0)]),
    (" </seg>", [BLANK], [("rows-missing", 1)]),
    ("dog</seg>", [BLANK], [("extra-text", 0), ("rows-missing", 3)]),
    ("\n</seg>", [BLANK], [("extra-text", 0), ("rows-missing", 1)]),
    ("<fg:3></seg>", [[1, 1, 1, 0, 0]], [("row-open", 6)]),
    ("<end:1><bg:3></seg>", [[1, 0, 0, 0, 0], BLANK], [("row-open", 13)]),
    ("<end:6></seg>", [[1] * 5], [("edge-beyond", 0)]),
    ("<bg:6><end:63></seg>", [BLANK], [("edge-beyond", 0), ("edge-beyond", 6)]),
    ("<fg:3><bg:2><end:4></seg>", [[1, 1, 1, 1, 0]], [("edge-back", 6)]),
    ("<fg:3><bg:3><end:4></seg>", [[1, 1, 1, 1, 0]], [("edge-back", 6)]),
    ("<fg:3><end:0></seg>", [[1, 1, 1, 0, 0]], [("edge-back", 6)]),
    ("<end:1><end:1><end:1><end:1></seg>", [[1, 0, 0, 0, 0]] * 3, [("rows-extra", 21)]),
    ("<end:1><end:1><end:1><fg:1>x</seg>", [[1, 0, 0, 0, 0]] * 3, "rows-extra extra-text"),
    ("<end:1><end:1><end:1>x</seg>", [[1, 0, 0, 0, 0]] * 3, [("extra-text", 21)]),
    ("<end:2>\n<end:3></seg>", [[1, 1, 0, 0, 0], [1, 1, 1, 0, 0]], [("extra-text", 7)]),
    ("<fg:2>\n\n<end:3></seg>", [[1, 1, 1, 0, 0]], [("extra-text", 6), ("extra-text", 7)]),
    ("<fg:0><end:2></seg>", [[1, 1, 0, 0, 0]], [("brick-number", 0), ("edge-back", 0)]),
    ("<bg:007><end:5></seg>", [BLANK], [("brick-number", 0)]),
    ("<bg:01><end:2></seg>", [[0, 1, 0, 0, 0]], [("brick-number", 0)]),
    ("<end:00></seg>", [BLANK], [("brick-number", 0)]),
    ("<end:99999999999></seg>", [[1] * 5], [("brick-number", 0)]),
    ("<fg3><end:2></seg>", [[1, 1, 0, 0, 0]], [("extra-text", 0)]),
    ("<end:2><ref>", [[1, 1, 0, 0, 0]], [("missing-tag", 7), ("truncated", 12)]),
    ("<fg:2><ref>", [[1, 1, 0, 0, 0]], [("missing-tag", 6), ("truncated", 11)]),
    ("<ref>", [BLANK], [("missing-tag", 0), ("rows-missing", 0), ("truncated", 5)]),
    # Cut off: what is there stays where it is, and the box has all of its rows.
    ("", [BLANK] * 3, [("truncated", 0)]),
    ("<en", [BLANK] * 3, [("truncated", 3)]),
    ("<end:5>", [[1] * 5, BLANK, BLANK], [("truncated", 7)]),
    ("<end:5><fg:2>", [[1] * 5, [1, 1, 0, 0, 0], BLANK], [("truncated", 13)]),
    ("<end:5><fg:2><bg:", [[1] * 5, [1, 1, 0, 0, 0], BLANK], [("truncated", 17)]),
    ("<end:5></se", [[1] * 5, BLANK, BLANK], [("truncated", 11)]),
    ("<end:5><fx", [[1] * 5, BLANK, BLANK], [("extra-text", 7), ("truncated", 10)]),
]


@pytest.mark.parametrize(("rows", "cells", "problems"), CASES)
def test_what_becomes_of_each_mistake_in_the_rows(rows, cells, problems):
    head = "<ref>dog</ref><box>[[1 1 3 2]]</box><seg>"
    found = FEW.recover(head + rows)
    assert found.regions[0].box == (1, 1, 3, 2)
    assert found.regions[0].cells.tolist() == cells
    if isinstance(problems, str):
        assert [p.reason for p in found.problems] == problems.split()
        return
    assert sorted((p.reason, p.position - len(head)) for p in found.problems) == sorted(problems)
    if problems:
        with pytest.raises(mc.DecodeError) as caught:
            FEW.decode(head + rows)
        assert (caught.value.reason, caught.value.position - len(head)) in problems


TOKENS = mc.Scanlines(rows=3, columns=5, bins=8, coordinates="tokens")
PLACES = dataclasses.replace(TOKENS, location="<p2_{}>")
BOXES = [
    # codec, box, what is made of it, reasons
    (FEW, "[[1 1 8 2]]", (1, 1, 7, 2), ["box-range"]),
    (FEW, "[[8 8 9 9]]", None, ["box-range"]),
    (FEW, "[[1 01 3 2]]", (1, 1, 3, 2), ["bad-box"]),
    (FEW, "1 1, 3 2", (1, 1, 3, 2), ["bad-box"]),
    (FEW, "[[3 2 -1 1]]", (0, 1, 3, 2), ["bad-box", "box-range"]),
    (FEW, "[[1 1 3]]", None, ["bad-box"]),
    (FEW, "<loc1><loc1><loc3><loc2>", (1, 1, 3, 2), ["bad-box"]),
    (FEW, f"[[1 1 {'9' * 5000} 2]]", (1, 1, 7, 2), ["box-range"]),
    (TOKENS, "<loc3><loc2><loc1><loc1>", (1, 1, 3, 2), []),
    (TOKENS, " <loc1> <loc1>  <loc3><loc2> ", (1, 1, 3, 2), []),
    (TOKENS, "<loc1><loc1><loc3><loc02>", (1, 1, 3, 2), ["bad-box"]),
    (TOKENS, "<loc1><loc1><loc3>", None, ["bad-box"]),
    (TOKENS, "<loc1><loc1><loc3><loc2><loc2>", None, ["bad-box"]),
    (TOKENS, "<loc1><loc1>,<loc3><loc2>", (1, 1, 3, 2), ["bad-box"]),
    (PLACES, "<p2_1><p2_1>,<p2_3><p2_2>", (1, 1, 3, 2), ["bad-box"]),
    (PLACES, "<p2_1><p2_3>", None, ["bad-box"]),
    (PLACES, "<p2_1>, 1, 3 2", (1, 1, 3, 2), ["bad-box"]),
    (TOKENS, "<loc1><loc1><loc3><loc8>", (1, 1, 3, 7), ["box-range"]),
    (TOKENS, f"<loc1><loc1><loc3><loc{'9' * 5000}>", (1, 1, 3, 7), ["box-range"]),
    (TOKENS, "[[1 1 3 2]]", (1, 1, 3, 2), ["bad-box"]),
    (TOKENS, "<loc1>\n<loc1><loc3><loc2>", (1, 1, 3, 2), ["bad-box"]),
]


@pytest.mark.parametrize(("codec", "place", "box", "reasons"), BOXES)
def test_what_becomes_of_each_mistake_in_a_box(codec, place, box, reasons):
    text = f"<ref>dog</ref><box>{place}</box><seg><end:3></seg>"
    found = codec.recover(text)
    assert [region.box for region in found.regions] == ([] if box is None else [box])
    assert [problem.reason for problem in found.problems] == reasons
    if reasons:
        with pytest.raises(mc.DecodeError) as caught:
            codec.decode(text)
        assert caught.value.reason == reasons[0]


@given(st.data(), strategies.scanline_settings)
def test_recover_never_raises_and_agrees_with_decode(data, settings):
    codec = codec_of((3, 5), 8, settings=settings)
    words = st.sampled_from([*strategies.SCANLINE_PIECES, *codec.vocabulary()])
    text = "".join(data.draw(st.lists(st.one_of(words, st.text(max_size=3)), max_size=40)))
    found, problems = codec.recover(text)
    for region in found:
        assert 1 <= len(region.cells) <= 3
        assert region.mask((9, 7)).shape == (9, 7)
        rows = codec.encode_regions([dataclass_label(region)])
        assert codec.decode(rows)[0].cells.tolist() == region.cells.tolist()
    assert [p.position for p in problems] == sorted(p.position for p in problems)
    assert all(0 <= p.position <= len(text) for p in problems)
    try:
        assert codec.decode(text) == found
    except mc.DecodeError as error:
        assert (error.reason, error.position) in {p[1::-1] for p in problems}
    else:
        assert not problems


def dataclass_label(region):
    """The region with a label that can be written."""
    return mc.Region("dog", region.box, region.cells, region.canvas, frame="box")


def test_numbers_and_rows_that_a_text_only_claims_cost_no_memory():
    codec = mc.Scanlines(rows=63)
    head = "<ref>a</ref><box>[[0 0 9 9]]</box><seg>"
    bodies = ["<end:99999999999>" * 5000, "<fg:1>" * 20_000, "\n" * 50_000, "<end:0>" * 20_000]
    for body in bodies:
        codec.recover(head + body)
        tracemalloc.start()
        (region,) = codec.recover(f"{head}{body}</seg>").regions
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert region.cells.shape[0] <= 63
        assert peak < 200 * len(body)


# -------------------------------------------------------------------- what is refused

SETTINGS = [
    ({"rows": 0}, r"^rows must be a whole number, 1 \.\. 63, got 0$"),
    ({"rows": 64}, r"^rows must be a whole number, 1 \.\. 63, got 64$"),
    ({"columns": 64}, r"^columns must be a whole number, 1 \.\. 63, got 64$"),
    ({"columns": 6.0}, r"^columns must be a whole number, 1 \.\. 63, got 6\.0$"),
    ({"bins": 1025}, r"^bins must be a whole number, 1 \.\. 1024, got 1025$"),
    ({"bins": True}, r"^bins must be a whole number, 1 \.\. 1024, got True$"),
    ({"bins": np.zeros(2, int)}, r"^bins must be a whole number, 1 \.\. 1024, got array"),
    ({"bins": None}, r"^bins must be a whole number, 1 \.\. 1024, got None$"),
    ({"sampling": "area"}, "sampling must be one of 'keep', 'best', 'nearest', got 'area'"),
    ({"coordinates": "bins"}, "coordinates must be one of 'digits', 'tokens', got 'bins'"),
    ({"axes": "zx"}, "axes must be one of 'xy', 'yx', got 'zx'"),
    ({"spelling": ("<f{}>", "<b{}>")}, "spelling must be three strings that are not empty"),
    ({"spelling": ("<f{}>", "<b{}>", "<f{}>")}, "'<f1>' and '<f1>' cannot both be in use"),
    ({"spelling": ("<f{}>", "<b{}>", "<e>")}, r"some text and one \{\} for its number, got '<e>'"),
    ({"ref_tags": ("d:0>", "<r>")}, "'<end:0>' and 'd:0>' cannot both be in use"),
    ({"ref_tags": ("<end:64>", "<r>")}, "'<end:64>' and '<end:64>' cannot both be in use"),
    ({"location": 3}, "location must be a str, got 3"),
    *(
        ({"location": spelling}, "location must be some text, one {} or {:04} for the number")
        for spelling in ("", "<loc>", "{}", "<1{}>", "<l{}2>", "<l{}{}>", "<l{:4}>", "<l{:01}>")
    ),
    ({"location": "<" + "l" * 200 + "{}>"}, "strings of up to 100 characters, got one of 204"),
    ({"location": "<l {}>", "coordinates": "tokens"}, "must not hold white space, got '<l 1>'"),
    ({"location": "<fg:{}>", "coordinates": "tokens"}, "'<fg:1>' and '<fg:1>' cannot both"),
    ({"box_tags": ("c700>", "<b>"), "coordinates": "tokens"}, "'<loc700>' and 'c700>' cannot both"),
]


@pytest.mark.parametrize(("settings", "message"), SETTINGS)
def test_settings_that_are_none_are_refused(settings, message):
    with pytest.raises(mc.ConfigError, match=message):
        mc.Scanlines(**settings)


def test_numbers_are_any_whole_ones():
    codec = mc.Scanlines(rows=np.int64(9), bins=np.int32(500))
    assert codec == mc.Scanlines(rows=9, bins=500)
    assert (type(codec.rows), type(codec.bins)) == (int, int)


@pytest.mark.parametrize(
    ("label", "settings", "clash"),
    [
        ("a<end:0>", {}, "<end:0>"),
        ("a<fg:63>b", {}, "<fg:63>"),
        ("<bg:1>", {"columns": 1}, "<bg:1>"),
        ("<loc12>", {"coordinates": "tokens"}, "<loc12>"),
        ("<loc9999>", {"coordinates": "tokens"}, "<loc9999>"),
        ("</seg>", {}, "</seg>"),
    ],
)
def test_a_label_that_would_break_the_text_is_refused_by_name(label, settings, clash):
    with pytest.raises(mc.LabelError) as caught:
        mc.Scanlines(**settings).encode(MASK, label)
    assert str(caught.value) == (
        f"label {label!r} holds {clash!r}, which stands for a tag or a brick and would be cut out "
        "of it; remove or replace it"
    )


@pytest.mark.parametrize("label", ["<fg:0>", "<end:64>", "<fg1>", "<loc12>", "end:3", "a\nb"])
def test_a_label_that_only_looks_like_one_is_allowed(label):
    codec = mc.Scanlines()
    assert codec.decode(codec.encode(MASK, label))[0].label == label


def test_a_lost_mask_is_refused_with_the_way_out():
    mask = np.zeros((40, 40), int)
    mask[[3, 39], [3, 39]] = 1
    codec = mc.Scanlines(rows=2, columns=2, sampling="nearest")
    with pytest.raises(mc.LostMaskError) as caught:
        codec.encode(mask, "tie")
    assert str(caught.value) == (
        "mask ('tie') has 2 of 40 x 40 pixels set, but no cell of its box is left of it with "
        'sampling=\'nearest\'; sampling="keep" keeps it, lost="drop" drops it'
    )
    assert codec.encode_many([mask], ["tie"], lost="drop") == ""
    assert codec.lost([mask, mask[:4, :4], mask * 0]) == [0]


REGION = mc.Region("dog", (1, 2, 3, 3), [[0, 1], [1, 0], [1, 1]], (8, 8), frame="box")


@pytest.mark.parametrize(
    ("codec", "region"),
    [
        (mc.Scanlines(columns=2), REGION),
        (mc.Scanlines(rows=2, columns=2, bins=8), REGION),
        (mc.Scanlines(columns=3, bins=8), REGION),
        (mc.Scanlines(columns=1, bins=8), mc.Region("dog", (0, 0, 0, 0), [[1]], (8, 8))),
    ],
)
def test_regions_that_a_codec_cannot_write_are_refused(codec, region):
    with pytest.raises(mc.MaskError) as caught:
        codec.encode_regions([region])
    assert str(caught.value) == (
        f"{region!r} is none of this codec's, whose boxes have up to {plural(codec.rows, 'row')}, "
        f"{plural(codec.columns, 'column')}, and {plural(codec.bins, 'bin')}; use a codec with "
        "rows, columns and bins to match"
    )
    assert mc.Scanlines(columns=2, bins=8).encode_regions([REGION])
