import math
from itertools import chain

import numpy as np
import pytest

import maskcodec as mc
from maskcodec import lengths
from maskcodec.cli.coco import CocoFile, labelled_masks
from maskcodec.coco import RunMask
from maskcodec.lengths import PLAIN, measure
from maskcodec.vocabularies import load_tokenizer
from tests.test_real_masks import FILES

tokenizers = pytest.importorskip("tokenizers", reason="the extra 'vocab' is not installed")

MASK = [[0, 1], [1, 1]]
SQUARE = [
    mc.ISD(grid=2),
    mc.IRLE(grid=2),
    mc.RRLE(grid=2),
    mc.BSD(grid=2, bricks=False),
    mc.BSD(grid=2),
]


@pytest.fixture
def letters():
    """A tokenizer for which every character is a token."""
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel({"?": 0}, unk_token="?"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Split("", "isolated")
    return tokenizer


def test_tokens_are_counted_as_by_hand(letters):
    found = measure([(MASK, "dog")], letters, SQUARE)
    assert {counts.name: counts.mean for counts in found.counts} == {
        "I-SD": len("others|dog|dog|dog") + 2,
        "I-RLE": len("others*1|dog*3") + 2,
        "R-RLE": len("others*1|dog*1\ndog*2") + 2,
        PLAIN: len("dog[[0 0 1 1]]bg1fg1\nfg2") + 6,
        "B-SD": len("dog[[0 0 1 1]]\n") + 3 + 6,
    }
    assert (found.masks, found.empty) == (1, 0)
    assert letters.get_vocab_size() == 1


def test_frames_and_repeats_are_told_apart(letters):
    codecs = [
        mc.BSD(grid=2, repeats=True),
        mc.BSD(grid=2, repeats=True, bricks=False),
        mc.BSD(frame="box", grid=2),
        mc.BSD(frame="box", grid=(1, 2), repeats=True),
    ]
    found = measure([(np.ones((2, 2), int), "dog")], letters, codecs)
    assert [(counts.name, counts.grid, counts.frame, counts.mean) for counts in found.counts] == [
        ("B-SD, repeats", (2, 2), "canvas", len("dog[[0 0 1 1]]\n") + 2 + 6),
        ("B-SD, repeats, no bricks", (2, 2), "canvas", len("dog[[0 0 1 1]]fg2\nrep1") + 6),
        ("B-SD-BOX", (2, 2), "box", len("dog[[0 0 999 999]]\n") + 2 + 6),
        ("B-SD-BOX, repeats", (1, 2), "box", len("dog[[0 0 999 999]]") + 1 + 6),
    ]
    titles = [(title, len(lines)) for title, lines in lengths.rows(found)]
    assert titles == [("2 x 2 cells", 2), ("2 x 2 a box", 1), ("1 x 2 a box", 1)]


def test_means_and_medians_are_over_masks(letters):
    pairs = [(MASK, "dog"), (MASK, "black dog"), (MASK, "dog")]
    (counts,) = measure(pairs, letters, [mc.ISD(grid=2)]).counts
    assert counts.tokens.tolist() == [20, 38, 20]
    assert counts.tokens.dtype == np.int64
    assert (counts.mean, counts.median) == (26.0, 20.0)


def test_run_lengths_are_counted_as_the_masks_that_they_are(letters):
    random = np.random.default_rng(3)
    masks = [(random.random((20, 30)) < share).astype(np.uint8) for share in (0, 0.01, 0.4, 1)]
    painted = measure([(mask, "dog") for mask in masks], letters)
    found = measure([(RunMask.from_mask(mask), "dog") for mask in masks], letters)
    assert (found.masks, found.empty) == (painted.masks, painted.empty) == (3, 1)
    for ours, theirs in zip(found.counts, painted.counts, strict=True):
        assert (ours.name, ours.grid, ours.lost) == (theirs.name, theirs.grid, theirs.lost)
        assert np.array_equal(ours.tokens, theirs.tokens)


@pytest.mark.parametrize("count", [lengths._BATCH - 1, lengths._BATCH, 2 * lengths._BATCH + 1])
def test_many_masks_are_counted_as_one_by_one(letters, count):
    labels = ["dog" * (1 + k % 5) for k in range(count)]
    (counts,) = measure([(MASK, label) for label in labels], letters, [mc.BSD(grid=2)]).counts
    assert counts.tokens.tolist() == [len(label) + 21 for label in labels]


def test_what_a_tokenizer_adds_or_cuts_does_not_count(letters):
    letters.enable_truncation(5)
    letters.enable_padding(length=100)
    letters.post_processor = tokenizers.processors.TemplateProcessing(
        single="? $A ?", special_tokens=[("?", 0)]
    )
    assert measure([(MASK, "dog")], letters, [mc.ISD(grid=2)]).counts[0].mean == 20
    assert letters.truncation["max_length"] == 5


def test_lost_and_empty_masks_are_counted(letters):
    dot = np.zeros((9, 9), np.uint8)
    dot[0, 0] = 1
    pairs = [(MASK, "dog"), (dot, "flea"), (0 * dot, "none")]
    found = measure(pairs, letters, [*SQUARE, mc.ISD(grid=9)])
    assert (found.masks, found.empty) == (2, 1)
    assert [counts.lost for counts in found.counts] == [1] * 5 + [0]
    assert [len(counts.tokens) for counts in found.counts] == [1] * 5 + [2]
    said = "of 2 masks no cell is left of 1 at 2 x 2: not in those means"
    assert lengths.losses(found) == said
    assert lengths.losses(measure([(MASK, "dog")], letters, SQUARE)) == ""
    boxed = mc.BSD(frame="box", grid=2, sampling="nearest")
    dots = np.zeros((9, 9), np.uint8)
    dots[::8, ::8] = 1
    said = "of 1 masks no cell is left of 1 at 2 x 2, 1 at 2 x 2 a box: not in those means"
    assert lengths.losses(measure([(dots, "fleas")], letters, [mc.BSD(grid=2), boxed])) == said


def test_without_a_mask_there_is_no_mean(letters):
    found = measure([], letters, SQUARE)
    assert math.isnan(found.counts[0].mean)
    assert math.isnan(found.counts[0].median)
    assert math.isnan(found.ratio("B-SD", "R-RLE", 2))
    assert lengths.rows(found)[0][1][0] == ("I-SD", *[""] * 7)


def test_ratios_are_of_means_on_one_grid(letters):
    found = measure([(MASK, "dog")], letters, [*SQUARE, mc.BSD(grid=(2, 3))])
    assert found.ratio("R-RLE", "I-SD", 2) == 22 / 20
    assert math.isnan(found.ratio("R-RLE", "I-SD", 3))
    assert [title for title, _ in lengths.rows(found)] == ["2 x 2 cells"]


def test_a_label_that_breaks_a_text_is_refused(letters):
    with pytest.raises(mc.LabelError, match=r"holds '\|'"):
        measure([(MASK, "a|b")], letters, SQUARE)


def test_the_figures_codecs_sample_as_the_paper_did(letters):
    codecs = lengths.figure_codecs()
    assert {codec.sampling for codec in codecs} == {"nearest"}
    found = measure([(np.ones((4, 4), int), "dog")], letters)
    *canvas, box = codecs
    assert [counts.grid for counts in found.counts[:-1]] == [codec.canvas for codec in canvas]
    assert box == mc.BSD(frame="box", sampling="nearest")
    assert (found.counts[-1].grid, found.counts[-1].frame) == ((11, 63), "box")
    assert {(counts.name, counts.grid[0]) for counts in found.counts} > set(lengths.PAPER)


def test_the_table_has_the_papers_numbers_beside_ours(letters):
    sections = dict(lengths.rows(measure([(np.ones((4, 4), int), "dog")], letters)))
    grids = [f"{cells} x {cells} cells" for cells in (16, 32, 48, 64, 80)]
    assert list(sections) == [*grids, "11 x 63 a box"]
    tokens = len("dog[[0 0 999 999]]") + 6 + 4 + 3
    assert sections["11 x 63 a box"] == [("B-SD-BOX", f"{tokens}.0", str(tokens), *[""] * 5)]
    by_name = {row[0]: row for row in sections["64 x 64 cells"]}
    assert by_name["B-SD"][5:] == ("150.4", "", "0.196")
    assert by_name[PLAIN][5:] == ("283.0", "", "0.369")
    by_name = {row[0]: row for row in sections["16 x 16 cells"]}
    assert by_name["R-RLE"][5:] == ("154.0", "0.264", "1.000")
    assert by_name["I-RLE"][5:] == ("", "", "")
    assert by_name["I-SD"][1:4] == ("1,025.0", "1,025", "1.000")
    assert all(len(row) == len(lengths.COLUMNS) for rows in sections.values() for row in rows)


@pytest.mark.parametrize(
    ("area", "alike", "crowd", "fits"),
    [(50, 2, False, True), (49, 2, False, False), (50, 1, False, False), (50, 2, True, False)],
)
def test_what_is_like_refcocos(area, alike, crowd, fits):
    assert lengths.refcoco_sized(area, (20, 50), alike, crowd=crowd) is fits


@pytest.mark.parametrize("ending", [".png", ".svg", ".pdf"])
def test_the_picture_is_drawn(letters, ending, tmp_path):
    pytest.importorskip("matplotlib", reason="the extra 'plot' is not installed")
    from maskcodec.lengthplot import plot_lengths

    path = tmp_path / f"lengths{ending}"
    plot_lengths(measure([(np.eye(80, dtype=int), "dog")], letters), path, title="$It")
    assert path.stat().st_size > 5000
    if ending == ".svg":
        drawn = path.read_text("utf-8")
        box = "B-SD-BOX, up to 11 x 63 cells a box"
        assert all(
            f"<!-- {text} -->" in drawn for text in ["$It", "R-RLE", "767.6", "the paper", box]
        )


def test_what_was_not_measured_is_not_drawn(letters, tmp_path):
    pytest.importorskip("matplotlib", reason="the extra 'plot' is not installed")
    from maskcodec.lengthplot import plot_lengths

    path = tmp_path / "lengths.svg"
    plot_lengths(measure([(MASK, "dog")], letters, [mc.RRLE(grid=8)]), path, title="It")
    drawn = path.read_text("utf-8")
    assert "<!-- R-RLE -->" in drawn
    assert "<!-- B-SD" not in drawn


@pytest.mark.usefixtures("compiled")
def test_real_masks_take_as_many_tokens_as_in_the_paper(real_data):
    pytest.importorskip("pycocotools", reason="polygons need pycocotools")
    try:
        tokenizer = load_tokenizer("qwen")
    except mc.ConfigError as error:
        pytest.skip(str(error))
    instances = chain.from_iterable(CocoFile(real_data / file) for file in FILES)
    found = measure(labelled_masks(instances, lengths.EXPRESSION), tokenizer)
    assert (found.masks, found.empty, lengths.losses(found)) == (109, 0, "")
    for ratio, tolerance in zip(lengths.RATIOS, (0.005, 0.015, 0.01), strict=True):
        assert found.ratio(*ratio) == pytest.approx(lengths.paper_ratio(*ratio), abs=tolerance)
    for name, cells in lengths.PAPER:
        assert found.find(name, cells).mean == pytest.approx(lengths.PAPER[name, cells], rel=0.07)
