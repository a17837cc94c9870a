import json
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import maskcodec as mc
from tests import reference, strategies

MAP = np.array([[0, 0, 7, 7], [0, 7, 7, 3]])
NAMES = {7: "dog", 3: "cat"}
CODECS = [mc.ISD, mc.IRLE, mc.RRLE]


def named(cells, names):
    return [[names[k] for k in row] for row in cells.tolist()]


def test_worked_examples():
    grid = np.array([[0, 1, 1, 0], [0, 0, 1, 1]])
    texts = [codec(grid=(2, 4)).encode(grid, "dog") for codec in CODECS]
    assert texts == [
        "<seg>others|dog|dog|others|others|others|dog|dog</seg>",
        "<seg>others*1|dog*2|others*3|dog*2</seg>",
        "<seg>others*1|dog*2|others*1\nothers*2|dog*2</seg>",
    ]


@given(strategies.label_cells(), strategies.image_wise)
def test_text_equals_the_reference_and_comes_back(drawn, kind):
    cells, names = drawn
    codec = kind(grid=cells.shape)
    text = codec.encode(cells, names)
    assert text == reference.WRITERS[codec.codec_id](named(cells, names))
    for wrapped in (text, f"Sure: {text}.", text[5:-6]):
        grid = codec.decode(wrapped)
        assert named(grid.cells, grid.names) == named(cells, names)
        assert grid == mc.LabelGrid(cells, names)
        assert codec.encode_grid(grid) == text
        assert codec.recover(wrapped) == (grid, [])


@given(strategies.label_cells())
def test_the_text4seg_dialect_is_the_released_scripts_text(drawn):
    cells, names = drawn
    codec = mc.RRLE(grid=cells.shape, dialect="text4seg")
    text = codec.encode(cells, names)
    assert text == f"<seg>{reference.write_text4seg(named(cells, names))}</seg>"
    grid = codec.decode(text)
    assert grid == mc.RRLE(grid=cells.shape).decode(text) == codec.decode(text[5:-6])
    assert grid == mc.LabelGrid(cells, names)


def test_the_text4seg_dialect_to_the_byte():
    grid = np.array([[0, 1, 1, 0], [0, 0, 1, 1]])
    text = mc.RRLE(grid=(2, 4), dialect="text4seg").encode(grid, "dog")
    assert text == "<seg>others *1| dog *2| others *1\n others *2| dog *2\n</seg>"


@pytest.mark.parametrize("kind", CODECS)
@pytest.mark.parametrize("grid", [(1, 1), (1, 1024), (1024, 1), (1024, 1024)])
def test_the_largest_and_smallest_grids(kind, grid, request):
    if grid == (1024, 1024):
        request.getfixturevalue("compiled")
    cells = (np.add.outer(np.arange(grid[0]) // 3, np.arange(grid[1])) % 3).astype(np.int32)
    codec = kind(grid=grid)
    names = ("others", "dog", "cat")
    assert codec.decode(codec.encode(cells, names)) == mc.LabelGrid(cells, names)


@pytest.mark.parametrize("kind", CODECS)
@pytest.mark.parametrize("value", [0, 1])
def test_empty_and_full_masks(kind, value):
    """The background is the codec's: a full mask is not read as one."""
    codec = kind(grid=4)
    mask = np.full((480, 640), value, np.uint8)
    grid = codec.decode(codec.encode(mask, "dog"))
    assert np.array_equal(grid.mask("dog", (480, 640)), mask)
    assert grid.names[0] == "others"


@pytest.mark.parametrize("kind", CODECS)
def test_names_come_as_a_mapping_or_a_sequence(kind):
    codec = kind(grid=(2, 4))
    grid = codec.decode(codec.encode(MAP, NAMES))
    assert named(grid.cells, grid.names) == [
        ["others", "others", "dog", "dog"],
        ["others", "dog", "dog", "cat"],
    ]
    assert codec.encode(MAP, NAMES) == codec.encode(
        MAP, {np.int16(7): " dog ", 3: "cat", 99: "sky"}
    )
    assert codec.encode(MAP // 3, ["others", "cat", "dog"]) == codec.encode(MAP, NAMES)
    assert codec.encode(MAP, {}) == codec.encode(np.zeros((2, 4), int), "dog")
    assert codec.encode(MAP, {7: "pet", 3: "pet"}) == codec.encode(MAP > 0, "pet")
    assert codec.encode(MAP.astype(np.uint64), NAMES) == codec.encode(MAP, NAMES)


def test_another_background():
    codec = mc.RRLE(grid=(2, 4), background="void")
    assert codec.encode(MAP, {3: "cat"}) == "<seg>void*4\nvoid*3|cat*1</seg>"
    found = codec.recover("<seg>cat*2</seg>")
    assert found.grid.names == ("void", "cat")


def test_values_of_one_name_count_together():
    label_map = np.array([[7, 7, 3, 3, 0, 0, 0]])
    assert (
        mc.RRLE(grid=1, sampling="area").encode(label_map, {7: "pet", 3: "pet"})
        == "<seg>pet*1</seg>"
    )


def test_labels_lost_by_the_grid_are_reported(caplog):
    label_map = np.zeros((480, 640), np.uint8)
    label_map[:, :320], label_map[0, 0], label_map[1, 0] = 1, 2, 3
    names = {1: "sky", 2: "bird", 3: "kite", 4: "absent"}
    codec = mc.RRLE(grid=4)
    assert codec.lost(label_map, names) == ["bird", "kite"]
    assert (codec.lost(label_map == 2, "bird"), codec.lost(label_map, {1: "sky"})) == (["bird"], [])
    with pytest.raises(mc.LostMaskError) as caught:
        codec.encode(label_map, names)
    assert str(caught.value) == (
        "'bird', 'kite' has pixels, but no cell of the 4 x 4 grid is left of it with "
        'sampling=\'nearest\'; sampling="keep" keeps it, lost="drop" drops it'
    )
    with pytest.raises(mc.LostMaskError, match="'bird' has pixels"):
        codec.encode(label_map == 2, "bird")
    assert not caplog.records
    text = codec.encode(label_map, names, lost="drop")
    assert codec.decode(text).names == ("others", "sky")
    codec.encode(label_map == 2, "bird", lost="drop")
    assert [record.message for record in caplog.records] == [
        "dropped 2 labels: 'bird', 'kite'",
        "dropped 1 label: 'bird'",
    ]
    codec = mc.RRLE(grid=4, sampling="keep")
    with pytest.raises(mc.LostMaskError) as caught:  # the two have one cell between them
        codec.encode(label_map, names)
    assert str(caught.value) == (
        "'kite' has pixels, but no cell of the 4 x 4 grid is left of it with sampling='keep'; "
        'lost="drop" drops it'
    )
    assert "bird*1" in codec.encode(label_map, names, lost="drop")
    with pytest.raises(mc.ConfigError, match="lost must be one of"):
        codec.encode(label_map, names, lost="keep")


@pytest.mark.parametrize("kind", ["u1", "i1", "?", "i4", "u8", "read-only", "F", "strided"])
def test_lost_labels_are_found_in_every_kind_of_array(kind):
    label_map = np.zeros((40, 60), np.uint8)
    label_map[0, 0] = label_map[-1, -1] = 1
    if kind == "F":
        label_map = np.asfortranarray(label_map)
    elif kind == "strided":
        label_map = np.repeat(label_map, 2, axis=1)[:, ::2]
    elif kind == "read-only":
        label_map.flags.writeable = False
    else:
        label_map = label_map.astype(kind)
    if kind == "u8":
        label_map[1, 1] = 2**64 - 1  # not the -1 that it would be in int64
    names = {-1: "none", 1: "dot", 2: "absent"}
    assert mc.RRLE(grid=4).lost(label_map, names) == ["dot"]


@pytest.mark.parametrize("last", ["sky", "x" * 20_001])  # a long table is not kept
def test_a_table_of_names_is_known_by_what_it_says(last):
    names = {1: "dog", 2: last}
    codec = mc.RRLE(grid=(1, 2))
    assert codec.encode([[0, 1]], names) == codec.encode([[0, 1]], dict(names))
    names[1] = "cat"
    assert codec.encode([[0, 1]], names) == "<seg>others*1|cat*1</seg>"
    other = mc.RRLE(grid=(1, 2), background="cat")
    assert other.encode([[0, 1]], names) == "<seg>cat*2</seg>"
    for unused, error in (("|", mc.LabelError), (" ", mc.LabelError), (5, TypeError)):
        with pytest.raises(error):
            codec.encode([[0, 1]], names | {9: unused})
    with pytest.raises(TypeError, match=r"the values in names must be integers, got 1\.0"):
        codec.encode([[0, 1]], {1.0: "cat", 2: last})


@pytest.mark.parametrize(
    "clash", ["|", "*", "\n", "<ref>", "</ref>", "<box>", "</box>", "<seg>", "</seg>"]
)
@pytest.mark.parametrize("kind", CODECS)
def test_a_label_that_would_break_the_text_is_refused_by_name(kind, clash):
    label = f"a{clash}b"
    message = (
        f"label {label!r} holds {clash!r}, which separates the labels of an image-wise text; "
        "remove or replace it"
    )
    for names in (label, {1: label}, ["others", label]):
        with pytest.raises(mc.LabelError) as caught:
            kind().encode(MAP, names)
        assert str(caught.value) == message


@pytest.mark.parametrize(
    ("names", "error", "message"),
    [
        ("", mc.LabelError, "a label must not be empty"),
        ("others", mc.LabelError, "'others' is the background's label; a mask needs another one"),
        (None, TypeError, "names must be a mapping or a sequence, got None"),
        ({"dog"}, TypeError, "names must be a mapping or a sequence, got {'dog'}"),
        ({1: " "}, mc.LabelError, "a label must not be empty"),
        ({1: "x" * 200 + "|"}, mc.LabelError, r"label 'x{80}\.\.\.' holds '\|'"),
        ({1: None}, TypeError, "label must be a str, got None"),
        ({"1": "dog"}, TypeError, "the values in names must be integers, got '1'"),
        ({2**63: "dog"}, mc.LabelError, "must fit int64, got 9223372036854775808"),
    ],
)
def test_what_names_nothing_is_refused(names, error, message):
    with pytest.raises(error, match=message):
        mc.IRLE().encode(MAP, names)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"dialect": "text5seg"}, "dialect must be one of 'maskcodec', 'text4seg', got 'text5seg'"),
        ({"background": ""}, "background: a label must not be empty"),
        ({"background": "a|b"}, r"background: label 'a\|b' holds '\|'"),
        ({"background": 3}, "background: label must be a str, got 3"),
        ({"seg_tags": "<seg>"}, "seg_tags must be two strings that are not empty"),
        ({"seg_tags": ("<seg>", "<seg>")}, "'<seg>' and '<seg>' cannot both be in use"),
        ({"seg_tags": ("aba", "cdc")}, "'aba' and 'aba' cannot both be in use"),
        ({"seg_tags": ("1", "2")}, "must not begin with a digit"),
        ({"seg_tags": ("<a|b>", "<c>")}, r"seg_tags must be two tags without \| and \*"),
        ({"seg_tags": ("<\ud800>", "<c>")}, "seg_tags must not hold lone surrogates"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings, message):
    with pytest.raises(mc.ConfigError, match=message):
        mc.RRLE(**settings)


@pytest.mark.parametrize(
    "text",
    [
        "<seg> others *1 | dog* 2|others*1\n others*2|dog*2</seg>",
        "<seg>\nothers*1|dog*1|dog*1|others*1\nothers*2|dog*2\n</seg>",
        "  others*1|dog*2|others*1\nothers*2|dog*2 \n",
    ],
)
def test_other_splits_and_spaces_read_the_same(text):
    grid = np.array([[0, 1, 1, 0], [0, 0, 1, 1]])
    codec = mc.RRLE(grid=(2, 4))
    assert codec.decode(text) == codec.decode(codec.encode(grid, "dog"))


@given(st.data(), strategies.image_wise)
def test_any_text_decodes_as_the_reference_reads_it_or_is_refused(data, kind):
    codec = kind(grid=(3, 4))
    cells = data.draw(strategies.cells((3, 4)))
    text = codec.encode(cells + 2 * cells[::-1], ["others", "dog", "犬", "black cat"])
    text = data.draw(strategies.mutated(text, strategies.LABEL_PIECES))
    try:
        expected = reference.read_labels(codec.codec_id, text, (3, 4))
    except reference.RefusedError:
        with pytest.raises(mc.DecodeError) as caught:
            codec.decode(text)
        assert 0 <= caught.value.position <= len(text)
        assert codec.recover(text).problems
    else:
        grid = codec.decode(text)
        assert named(grid.cells, grid.names) == expected
        assert codec.recover(text) == (grid, [])


@given(strategies.label_cells(), strategies.image_wise)
def test_any_cut_of_a_valid_text_is_truncated_or_decodes(drawn, kind):
    cells, names = drawn
    cells = cells[:4, :4]
    codec = kind(grid=cells.shape)
    text = codec.encode(cells, names)
    for body in (text, text[5:-6]):
        for end in range(len(body)):
            try:
                codec.decode(body[:end])
            except mc.TruncatedError as error:
                assert error.reason == "truncated"
    for end in range(5, len(text)):
        with pytest.raises(mc.TruncatedError):
            codec.decode(text[:end])


@given(st.text(max_size=60), strategies.image_wise)
def test_any_text_decodes_or_raises_decode_error(text, kind):
    for wrapped in (text, f"<seg>{text}", f"<seg>{text}</seg>", f"{text}</seg>"):
        try:
            kind(grid=(2, 2)).decode(wrapped)
        except mc.DecodeError as error:
            assert str(error).endswith(f"(at character {error.position})")


# ------------------------------------------------------------------------- LabelGrid


def test_a_label_grid_is_a_value():
    grid = mc.LabelGrid([[0, 1], [2, 1]], ("others", "dog", "cat"))
    assert pickle.loads(pickle.dumps(grid)) == grid
    other = mc.LabelGrid([[0, 2], [1, 2]], ("others", "cat", "dog", "absent"))
    assert grid == other
    assert hash(grid) == hash(other)
    assert grid != mc.LabelGrid([[0, 1], [2, 2]], ("others", "dog", "cat"))
    assert grid != 3
    assert mc.LabelGrid([[0, 1], [2, 1]], ("others", " dog", "cat ")) == grid
    assert not pickle.loads(pickle.dumps(grid)).cells.flags.writeable
    assert grid.mask(" dog ", (2, 2)).sum() == 2
    with pytest.raises(TypeError, match="label must be a str, got 3"):
        grid.mask(3, (2, 2))
    assert repr(grid) == "<LabelGrid 2 x 2 cells of 'others', 'dog', 'cat'>"
    with pytest.raises(ValueError, match="read-only"):
        grid.cells[0, 0] = 1


@pytest.mark.parametrize(
    ("cells", "names", "error", "message"),
    [
        ([[0]], "dog", TypeError, "names must be a sequence of str, got 'dog'"),
        ([[0]], (1,), TypeError, "names must be a sequence of str"),
        ([[0]], (), mc.LabelError, "labels that each stand once"),
        ([[0]], ("a", "a"), mc.LabelError, "labels that each stand once"),
        ([[2]], ("a", "b"), mc.MaskError, "cells must be 0 .. 1, got 2 .. 2"),
        ([[-1]], ("a", "b"), mc.MaskError, "cells must be 0 .. 1, got -1 .. -1"),
    ],
)
def test_what_is_no_label_grid_is_refused(cells, names, error, message):
    with pytest.raises(error, match=message):
        mc.LabelGrid(cells, names)


@given(strategies.label_cells(), strategies.shapes)
def test_masks_and_label_maps_are_pillows_enlargement(drawn, shape):
    cells, names = drawn
    grid = mc.LabelGrid(cells, names)
    ys = reference.pillow_index(cells.shape[0], shape[0])
    xs = reference.pillow_index(cells.shape[1], shape[1])
    expected = cells[np.ix_(ys, xs)]
    assert np.array_equal(grid.label_map(shape), expected)
    assert grid.label_map(shape).dtype == np.int32
    for number, name in enumerate(names):
        assert np.array_equal(grid.mask(name, shape), expected == number)
    assert not grid.mask("nowhere", shape).any()
    values = {10 * k + 5: name for k, name in enumerate(names)}
    assert np.array_equal(grid.label_map(shape, values), 10 * expected + 5)


def test_label_maps_in_the_users_own_values():
    codec = mc.RRLE(grid=(2, 4))
    grid = codec.decode(codec.encode(MAP, NAMES))
    assert np.array_equal(grid.label_map((2, 4), NAMES, missing=0), MAP)
    assert grid.label_map((2, 4), ["others", "cat", "dog"]).max() == 2
    assert grid.label_map((2, 4), {5: "dog", 6: "dog", 9: "cat"}, missing=0).max() == 9
    with pytest.raises(mc.LabelError, match="label 'others' has no value in names; give missing="):
        grid.label_map((2, 4), NAMES)
    assert grid.label_map((2, 4), {2**40: "dog", 1: "cat"}, missing=-(2**40)).max() == 2**40
    with pytest.raises(TypeError, match=r"must be integers, got 1\.5"):
        grid.label_map((2, 4), {1.5: "dog"})
    full = codec.decode("<seg>dog*4\ndog*4</seg>")
    assert full.label_map((2, 4), NAMES).tolist() == [[7] * 4] * 2


def test_a_grid_of_another_size_is_refused():
    with pytest.raises(mc.MaskError, match=r"the grid must be \(16, 16\) cells, got \(1, 1\)"):
        mc.ISD().encode_grid(mc.LabelGrid([[0]], ("others",)))


def test_mask_of_a_grid_smoothly():
    grid = mc.LabelGrid([[0, 1], [0, 1]], ("others", "dog"))
    out = np.empty((4, 4), np.uint8)
    assert grid.mask("dog", (4, 4), method="smooth", out=out) is out
    assert out.tolist() == [[0, 0, 1, 1]] * 4


def test_real_label_maps_come_back(real_data):
    from PIL import Image

    names = (real_data / "ade" / "objectInfo150.csv").read_text().splitlines()[1:]
    names = {int(line.split(",")[0]): line.rsplit(",", 1)[1].split(";")[0] for line in names}
    files = sorted((real_data / "ade").glob("*.png"))
    assert files
    for file in files:
        label_map = np.asarray(Image.open(file))
        for kind in CODECS:
            codec = kind(grid=32)
            grid = codec.decode(codec.encode(label_map, names))
            expected = np.asarray(Image.open(file).resize((32, 32), Image.Resampling.NEAREST))
            assert np.array_equal(grid.label_map((32, 32), names, missing=0), expected)
    assert json.dumps(codec.get_config())
