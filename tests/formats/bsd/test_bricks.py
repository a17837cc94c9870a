import dataclasses
import logging
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import maskcodec as mc
from tests import reference, strategies

DOG = "<ref>dog</ref><box>[[1 1 2 2]]</box><seg><fg2>\n<bg1><fg1></seg>"
MASK = np.array([[0, 0, 0, 0], [0, 1, 1, 0], [0, 0, 1, 0], [0, 0, 0, 0]])


def test_worked_example():
    codec = mc.BSD(grid=4)
    assert codec.encode(MASK, "dog") == DOG
    (region,) = codec.decode(f"Sure, here it is: {DOG} Anything else?")
    assert (region.label, region.box) == ("dog", (1, 1, 2, 2))
    assert region.cells.tolist() == [[1, 1], [0, 1]]
    assert region.mask((8, 8)).sum() == 12
    assert mc.BSD(grid=4, bricks=False).encode(MASK, "dog").endswith("<seg>fg2\nbg1fg1</seg>")
    assert mc.BSD(grid=4, row_separator="").encode(MASK, "dog").endswith("<fg2><bg1><fg1></seg>")


@given(
    st.one_of(strategies.cells(), strategies.wide_cells()),
    strategies.labels,
    strategies.bsd_settings,
)
def test_text_equals_the_reference_and_comes_back(cells, label, settings):
    codec = mc.BSD(grid=cells.shape, **settings)
    text = codec.encode(cells, label)
    assert text == reference.write_bsd(cells, label.strip(), **reference.arguments(settings))
    regions = codec.decode(text)
    assert len(regions) == cells.any()
    for region in regions:
        assert region.label == label.strip()
        assert np.array_equal(region.mask(cells.shape), cells)
        assert codec.encode_regions(regions) == text
        assert codec.recover(text) == (regions, [])


@given(
    st.lists(st.tuples(strategies.cells((7, 9)), strategies.labels), max_size=6),
    strategies.bsd_settings,
)
def test_several_instances_come_back_in_order(instances, settings):
    codec = mc.BSD(grid=(7, 9), **settings)
    masks = [mask for mask, _ in instances]
    labels = [label for _, label in instances]
    text = codec.encode_many(masks, labels)
    assert text == "".join(codec.encode(m, label) for m, label in instances)
    kept = [(m, label.strip()) for m, label in instances if m.any()]
    regions = codec.decode(f"I see {text}.")
    assert [region.label for region in regions] == [label for _, label in kept]
    for region, (mask, _) in zip(regions, kept, strict=True):
        assert np.array_equal(region.mask((7, 9)), mask)


@pytest.mark.parametrize("grid", [(1, 1), (1, 1024), (1024, 1), (1024, 1024)])
@pytest.mark.parametrize("kind", ["full", "checker", "corners"])
def test_the_largest_and_smallest_grids(grid, kind, request):
    rows, columns = grid
    if rows == columns == 1024:
        request.getfixturevalue("compiled")
    cells = np.zeros(grid, np.uint8)
    if kind == "full":
        cells[:] = 1
    elif kind == "checker":
        cells[::2, ::2] = cells[1::2, 1::2] = 1
    else:
        cells[0, 0] = cells[-1, -1] = 1
    for separator in ("\n", ""):
        codec = mc.BSD(grid=grid, row_separator=separator)
        (region,) = codec.decode(codec.encode(cells, "dog"))
        assert np.array_equal(region.mask(grid), cells)


def test_a_full_canvas_splits_its_runs_at_63():
    text = mc.BSD(grid=64).encode(np.ones((480, 640), bool), "sky")
    assert (
        text
        == "<ref>sky</ref><box>[[0 0 63 63]]</box><seg>"
        + "\n".join(["<fg63><fg1>"] * 64)
        + "</seg>"
    )


@given(strategies.small_cells, strategies.small_shapes, strategies.bsd_settings)
def test_pixels_pass_through_the_sampler_once(mask, grid, settings):
    codec = mc.BSD(grid=grid, sampling="keep", **settings)
    regions = codec.decode(codec.encode(mask, "dog"))
    assert len(regions) == mask.any()
    if regions:
        assert np.array_equal(regions[0].mask(grid), reference.keep(mask, grid))


# ---------------------------------------------------------------- what decode accepts


@pytest.mark.parametrize(
    ("rows", "settings"),
    [
        ("<fg1><fg1>\n<bg1><fg1>", {}),
        ("<fg1> <fg1> \n <bg1> <fg1>", {}),
        (" <fg2>\n<bg1><fg1> ", {}),
        ("<fg2><bg1><fg1>", {"row_separator": ""}),
        ("<fg1><fg1> <bg1> <fg1>", {"row_separator": ""}),
        ("fg2\nbg1fg1", {"bricks": False}),
        ("fg1fg1\nbg1 fg1", {"bricks": False}),
        ("fg2bg1fg1", {"bricks": False, "row_separator": ""}),
    ],
)
def test_other_splits_and_spaces_draw_the_same(rows, settings):
    text = f"<ref> dog </ref> <box> [[1 1 2 2]] </box> <seg>{rows}</seg>"
    codec = mc.BSD(grid=4, **settings)
    assert codec.decode(text) == mc.BSD(grid=4).decode(DOG)
    assert codec.encode_regions(codec.decode(text)) == codec.encode(MASK, "dog")


def test_spaces_that_tokenizers_insert_in_a_box_are_accepted():
    spaced = DOG.replace("[[1 1 2 2]]", "[ [ 1 1 2 2 ] ]")
    assert mc.BSD(grid=4).decode(spaced) == mc.BSD(grid=4).decode(DOG)


def test_a_loose_box_is_kept_as_written_and_drawn_tight_again():
    codec = mc.BSD(grid=4)
    loose = "<ref>dog</ref><box>[[0 0 3 2]]</box><seg><bg4>\n<bg1><fg2><bg1>\n<bg2><fg1><bg1></seg>"
    regions = codec.decode(loose)
    assert regions[0].box == (0, 0, 3, 2)
    assert regions == codec.decode(DOG)
    assert codec.encode_regions(regions) == DOG
    assert codec.decode(codec.encode_regions(regions)) == regions


def test_a_region_without_cells_keeps_its_box():
    codec = mc.BSD(grid=4)
    text = "<ref>dog</ref><box>[[1 0 2 1]]</box><seg><bg2>\n<bg2></seg>"
    regions = codec.decode(text)
    assert not regions[0].cells.any()
    assert codec.encode_regions(regions) == text


def test_what_stands_outside_is_passed_over():
    codec = mc.BSD(grid=4)
    assert codec.decode("") == []
    assert codec.decode("There is no dog; <fg3> and fg3\n[[0 0 1 1]] mean nothing here.") == []
    assert len(codec.decode(f"one {DOG} two\n{DOG}{DOG} <fg1>")) == 3


@given(st.data(), strategies.cells((4, 5)), strategies.bsd_settings)
def test_any_text_decodes_as_the_reference_reads_it_or_is_refused(data, cells, settings):
    codec = mc.BSD(grid=(4, 5), **settings)
    pieces = strategies.BRICK_PIECES + [spell.replace("{}", "2") for spell in codec.words().bricks]
    text = codec.encode_many([cells, cells[::-1]], ["dog", "犬 <"])
    text = data.draw(strategies.mutated(text, pieces))
    try:
        expected = reference.read_bsd(text, (4, 5), **reference.arguments(settings))
    except reference.RefusedError:
        with pytest.raises(mc.DecodeError) as caught:
            codec.decode(text)
        assert 0 <= caught.value.position <= len(text)
        assert codec.recover(text).problems
    else:
        regions = codec.decode(text)
        assert [(r.label, r.box, r.cells.tolist()) for r in regions] == expected
        assert codec.recover(text) == (regions, [])


@given(strategies.cells((4, 5)), strategies.labels, strategies.bsd_settings)
def test_any_cut_of_a_valid_text_is_truncated_or_decodes(cells, label, settings):
    codec = mc.BSD(grid=(4, 5), **settings)
    text = "Yes: " + codec.encode_many([cells, np.ones((4, 5), int)], [label, label])
    whole = codec.decode(text)
    for end in range(len(text)):
        try:
            assert codec.decode(text[:end]) == whole[: len(codec.decode(text[:end]))]
        except mc.TruncatedError as error:
            assert (error.position, error.reason) == (end, "truncated")


@given(st.text(max_size=60))
def test_any_text_decodes_or_raises_decode_error(text):
    for wrapped in (text, f"<ref>{text}", f"{DOG[:44]}{text}</seg>", f"<ref>a</ref><box>{text}"):
        try:
            mc.BSD(grid=4).decode(wrapped)
        except mc.DecodeError as error:
            assert str(error).endswith(f"(at character {error.position})")


# ---------------------------------------------------------------- what encode refuses


@pytest.mark.parametrize(
    ("label", "settings", "clash"),
    [
        ("<ref>", {}, "<ref>"),
        ("a </box> b", {}, "</box>"),
        ("a<seg>", {}, "<seg>"),
        ("a<fg1>", {}, "<fg1>"),
        ("a<bg63>b", {}, "<bg63>"),
        ("cfg12", {"bricks": False}, "fg12"),
        ("bg64", {"bricks": False}, "bg6"),
        ("<|box_end|>", strategies.BSD_SETTINGS[4], "<|box_end|>"),
        ("[F9]", strategies.BSD_SETTINGS[4], "[F9]"),
    ],
)
def test_a_label_that_would_break_the_text_is_refused_by_name(label, settings, clash):
    with pytest.raises(mc.LabelError) as caught:
        mc.BSD(grid=4, **settings).encode(MASK, label)
    assert str(caught.value) == (
        f"label {label!r} holds {clash!r}, which stands for a tag or a brick and would be cut out "
        "of it; remove or replace it"
    )


@pytest.mark.parametrize(
    "label", ["<fg64>", "<fg0>", "<bg012>", "fg12", "<", "</ref", "[[0 0 1 1]]", "a\nb"]
)
def test_a_label_that_only_looks_like_one_is_allowed(label):
    codec = mc.BSD(grid=4)
    assert codec.decode(codec.encode(MASK, label))[0].label == label


@pytest.mark.parametrize(
    ("label", "error", "message"),
    [
        ("", mc.LabelError, "a label must not be empty, got ''"),
        (" \n", mc.LabelError, r"a label must not be empty, got ' \\n'"),
        ("a\ud800", mc.LabelError, r"holds the lone surrogate '\\ud800'"),
        (None, TypeError, "label must be a str, got None"),
        (["dog"], TypeError, r"label must be a str, got \['dog'\]"),
    ],
)
def test_what_is_no_label_is_refused(label, error, message):
    with pytest.raises(error, match=message):
        mc.BSD(grid=4).encode(MASK, label)


def speck():
    mask = np.zeros((480, 640), bool)
    mask[3, 3] = True
    return mask


def test_a_mask_without_a_cell_left_is_refused_with_the_way_out():
    with pytest.raises(mc.LostMaskError) as caught:
        mc.BSD(grid=64).encode(speck(), "tie")
    assert str(caught.value) == (
        "mask ('tie') has 1 of 480 x 640 pixels set, but no cell of the 64 x 64 grid is left of it "
        'with sampling=\'nearest\'; sampling="keep" keeps it, lost="drop" drops it'
    )
    assert mc.BSD(grid=64, sampling="keep").encode(speck(), "tie")
    with pytest.raises(mc.LostMaskError, match=r"mask 1 \('tie'\)"):
        mc.BSD().encode_many([np.ones(speck().shape, int), speck()], ["sky", "tie"])


def test_a_dropped_mask_is_reported(caplog):
    codec = mc.BSD()
    full = np.ones(speck().shape, int)
    with caplog.at_level(logging.WARNING, logger="maskcodec"):
        masks = [speck(), full, speck()]
        assert codec.lost(masks) == [0, 2]
        assert codec.lost([full, full * 0]) == codec.lost([]) == []
        assert not caplog.records
        text = codec.encode_many(masks, ["a", "b", "c"], lost="drop")
        assert codec.encode_many([speck(), full], ["a", "b"], lost="drop") == text
        assert codec.encode(speck(), "a", lost="drop") == ""
    assert text == codec.encode(full, "b")
    assert [record.message for record in caplog.records] == [
        "dropped 2 of 3 masks: 0, 2",
        "dropped 1 of 2 masks: 0",
        "dropped 1 of 1 mask: 0",
    ]


def test_many_dropped_masks_are_one_short_warning(caplog):
    mc.BSD().encode_many([speck()] * 20, ["a"] * 20, lost="drop")
    (record,) = caplog.records
    assert record.message == "dropped 20 of 20 masks: 0, 1, 2, 3, 4, 5, 6, 7 and 12 more"


def test_masks_that_cannot_be_sampled_are_refused_when_asked_what_is_lost():
    with pytest.raises(mc.MaskError, match=r"mask 1 must be \(height, width\)"):
        mc.BSD().lost([MASK, MASK[0]])
    with pytest.raises(mc.MaskError, match="shape"):
        mc.BSD().lost([MASK], shape=(5, 5))


def test_an_empty_mask_is_the_empty_string():
    codec = mc.BSD()
    assert codec.encode(np.zeros((480, 640), bool), "dog") == ""
    assert codec.encode_many([], []) == ""
    assert codec.decode("") == []


def test_masks_come_as_an_array_of_masks_too():
    masks = np.stack([MASK, MASK.T])
    codec = mc.BSD(grid=4)
    assert codec.encode_many(masks, ["a", "b"]) == codec.encode_many([*masks], ["a", "b"])
    assert codec.encode_many(iter(masks), iter("ab")) == codec.encode_many(masks, ["a", "b"])
    assert codec.encode_many([Image.fromarray(MASK.astype(np.uint8))], ["a"])


@pytest.mark.parametrize(
    ("masks", "labels", "error", "message"),
    [
        ([MASK], ["a", "b"], mc.MaskError, "a label for each mask, got 1 and 2"),
        ([MASK], "a", mc.MaskError, "a label for each mask, got 1 and one str"),
        (np.ma.masked_array(MASK), ["a"] * 4, TypeError, r"masked array; fill it first"),
        ([MASK, MASK[0]], ["a", "b"], mc.MaskError, r"mask 1 must be \(height, width\)"),
    ],
)
def test_what_does_not_go_together_is_refused(masks, labels, error, message):
    with pytest.raises(error, match=message):
        mc.BSD(grid=4).encode_many(masks, labels)


def test_an_unknown_answer_to_a_lost_mask_is_refused():
    with pytest.raises(mc.ConfigError, match="lost must be one of 'raise', 'drop', got 'keep'"):
        mc.BSD().encode(MASK, "dog", lost="keep")


def test_regions_of_another_canvas_are_refused():
    (region,) = mc.BSD(grid=4).decode(DOG)
    (other,) = mc.Scanlines().decode(mc.Scanlines().encode(MASK, "dog"))
    for one in (region, other):
        with pytest.raises(mc.MaskError) as caught:
            mc.BSD().encode_regions([one])
        assert str(caught.value) == (
            f"{one!r} is none of this codec's, which draws on a canvas of 64 x 64 cells; use a "
            "codec with grid to match"
        )


def test_what_is_no_region_is_refused():
    with pytest.raises(TypeError, match="regions must be Region objects, got 3"):
        mc.BSD().encode_regions([3])


def test_what_is_no_text_is_refused():
    for codec in (mc.BSD(), mc.ISD()):
        for method in (codec.decode, codec.recover):
            with pytest.raises(TypeError, match="text must be a str, got bytes"):
                method(b"<ref>")


def test_errors_survive_pickling():
    with pytest.raises(mc.TruncatedError) as caught:
        mc.BSD(grid=4).decode(DOG[:-3])
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.position, again.reason) == (
        "the text stops before </seg>; recover() keeps what can be drawn (at character 60)",
        60,
        "truncated",
    )


# ---------------------------------------------------------------- what may be spelled


def test_the_usual_spelling_need_not_be_said():
    assert mc.BSD(spelling=("<fg{}>", "<bg{}>")) == mc.BSD()
    assert mc.BSD().get_config()["spelling"] == ["<fg{}>", "<bg{}>"]
    plain = dataclasses.replace(mc.BSD(), bricks=False)
    assert plain == mc.BSD(bricks=False) == mc.BSD(bricks=False, spelling=("fg{}", "bg{}"))
    assert plain.get_config()["spelling"] == ["fg{}", "bg{}"]
    assert plain != mc.BSD(bricks=False, spelling=("<fg{}>", "<bg{}>"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"row_separator": " "}, r"row_separator must be '\\n' or '', got ' '"),
        ({"bricks": 1}, "bricks must be True or False, got 1"),
        ({"spelling": ("<fg{}>",)}, "spelling must be two strings that are not empty"),
        ({"spelling": "<fg{}>"}, "spelling must be two strings that are not empty"),
        ({"spelling": ("<fg>", "<bg{}>")}, r"some text and one \{\} for its number, got '<fg>'"),
        ({"spelling": ("{}", "<bg{}>")}, "some text and one"),
        ({"spelling": ("<fg{}{}>", "<bg{}>")}, "some text and one"),
        ({"spelling": ("f1{}", "<bg{}>")}, "no digit may stand beside the number"),
        ({"spelling": ("f{}2", "<bg{}>")}, "no digit may stand beside the number"),
        ({"spelling": ("<fg {}>", "<bg{}>")}, "must not hold white space, got '<fg 1>'"),
        ({"ref_tags": ("<a\n>", "<b>")}, "must not hold white space"),
        ({"ref_tags": ("<a>", "")}, "ref_tags must be two strings that are not empty"),
        ({"ref_tags": ("<a>", "<a>")}, "'<a>' and '<a>' cannot both be in use: one contains"),
        ({"ref_tags": ("<seg", "<a>")}, "'<seg' and '<seg>' cannot both be in use"),
        ({"ref_tags": ("<fg12>", "<a>")}, "'<fg12>' and '<fg12>' cannot both be in use"),
        ({"ref_tags": ("<fg0>", "<bg0>")}, "'<fg0>' and '<fg0>' cannot both be in use"),
        ({"ref_tags": ("<a<fg64>", "<b>")}, "'<a<fg64>' and '<fg64>' cannot both be in use"),
        ({"ref_tags": ("g0>", "<b>")}, "'<fg0>' and 'g0>' cannot both be in use"),
        ({"spelling": ("<x{}>", "<x2>y{}")}, "'<x2>y2' and '<x2>' cannot both be in use"),
        ({"spelling": ("a{}ba2b", "<b{}>")}, "'a2ba2b' and 'a2ba2b' cannot both be in use"),
        ({"spelling": ("<fg{}>", "<fg{}>")}, "'<fg1>' and '<fg1>' cannot both be in use"),
        ({"spelling": ("f{}", "xf{}")}, "'f1' and 'xf1' cannot both be in use"),
        ({"ref_tags": ("aba", "<a>")}, "'aba' and 'aba' cannot both be in use"),
        ({"ref_tags": ("a><", "<b>")}, "cannot both be in use"),
        ({"spelling": ("a{}a", "b{}")}, "cannot both be in use"),
        (
            {"spelling": ("<fg{}x", "b{}"), "ref_tags": ("x@", "<r>")},
            "'<fg1x' and 'x@' cannot both",
        ),
        (
            {"spelling": ("6c{}", "bg{}")},
            "must not begin with a digit or be brackets only, got '6c1'",
        ),
        ({"box_tags": ("[", "]")}, r"must not begin with a digit or be brackets only, got '\['"),
        ({"seg_tags": ("69", "75")}, "must not begin with a digit"),
    ],
)
def test_spellings_that_could_be_mistaken_are_refused(settings, message):
    with pytest.raises(mc.ConfigError, match=message):
        mc.BSD(**settings)
