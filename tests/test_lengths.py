import importlib
import json
import sys

import numpy as np
import pytest
from benchmarks._vocabularies import load_tokenizer

import maskcodec as mc
from maskcodec import lengths
from maskcodec.coco import RunMask
from maskcodec.lengths import token_counts
from tests.conftest import ROOT
from tests.test_real_masks import FILES

tokenizers = pytest.importorskip("tokenizers", reason="tokenizers is not installed")

MASK = [[0, 1], [1, 1]]


@pytest.fixture
def letters():
    """A tokenizer for which every character is a token."""
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel({"?": 0}, unk_token="?"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Split("", "isolated")
    return tokenizer


def test_tokens_are_counted_as_by_hand(letters):
    expected = {
        mc.ISD(grid=2): len("others|dog|dog|dog") + 2,
        mc.IRLE(grid=2): len("others*1|dog*3") + 2,
        mc.RRLE(grid=2): len("others*1|dog*1\ndog*2") + 2,
        mc.BSD(grid=2, bricks=False): len("dog[[0 0 1 1]]bg1fg1\nfg2") + 6,
        mc.BSD(grid=2): len("dog[[0 0 1 1]]\n") + 3 + 6,
        mc.Scanlines(): len("dog[[0 0 999 999]]") + 3 + 6,
        mc.Scanlines(coordinates="tokens"): len("dog") + 4 + 3 + 6,
    }
    counts = token_counts([(MASK, "dog")], list(expected), letters)
    assert counts.tolist() == [[count] for count in expected.values()]
    assert counts.dtype == np.int64
    assert letters.get_vocab_size() == 1


def test_run_lengths_are_counted_as_the_masks_that_they_are(letters):
    random = np.random.default_rng(3)
    masks = [(random.random((20, 30)) < share).astype(np.uint8) for share in (0, 0.01, 0.4, 1)]
    codecs = [mc.ISD(), mc.RRLE(), mc.BSD(bricks=False), mc.BSD(), mc.Scanlines()]
    painted = token_counts([(mask, "dog") for mask in masks], codecs, letters)
    found = token_counts([(RunMask.from_mask(mask), "dog") for mask in masks], codecs, letters)
    assert np.array_equal(found, painted)
    assert not painted[:, 0].any()


@pytest.mark.parametrize("count", [0, *(lengths._BATCH + k for k in (-1, 0, 1))])
def test_many_masks_are_counted_as_one_by_one(letters, count):
    labels = ["dog" * (1 + k % 5) for k in range(count)]
    pairs = ((MASK, label) for label in labels)
    counts = token_counts(pairs, [mc.BSD(grid=2)], letters)
    assert counts.tolist() == [[len(label) + 21 for label in labels]]


def test_what_a_tokenizer_adds_or_cuts_does_not_count(letters):
    letters.enable_truncation(5)
    letters.enable_padding(length=100)
    letters.post_processor = tokenizers.processors.TemplateProcessing(
        single="? $A ?", special_tokens=[("?", 0)]
    )
    assert token_counts([(MASK, "dog")], [mc.ISD(grid=2)], letters).tolist() == [[20]]
    assert letters.truncation["max_length"] == 5


def test_lost_and_empty_masks_take_none(letters):
    letters.normalizer = tokenizers.normalizers.Prepend("?")  # an empty text might be a token
    dot = np.zeros((9, 9), np.uint8)
    dot[0, 0] = 1
    pairs = [(MASK, "dog"), (dot, "flea"), (0 * dot, "none")]
    counts = token_counts(pairs, [mc.RRLE(grid=2), mc.BSD(grid=2), mc.ISD(grid=9)], letters)
    assert (counts > 0).tolist() == [[True, False, False]] * 2 + [[True, True, False]]


def test_a_label_that_breaks_a_text_is_refused(letters):
    with pytest.raises(mc.LabelError, match=r"holds '\|'"):
        token_counts([(MASK, "a|b")], [mc.ISD(grid=2)], letters)


# benchmarks/token_length.py


@pytest.fixture
def script(monkeypatch):
    """A module of the benchmarks, by its name."""
    pytest.importorskip("rich")
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    return importlib.import_module


def annotations(*masks):
    """Dogs on one image, as a COCO file has them."""
    entries = [
        {
            "id": number,
            "image_id": 1,
            "category_id": 1,
            "segmentation": {
                "size": list(mask.shape),
                "counts": RunMask.from_mask(mask).counts.tolist(),
            },
        }
        for number, mask in enumerate(masks, 1)
    ]
    height, width = masks[0].shape
    return {
        "images": [{"id": 1, "height": height, "width": width}],
        "annotations": entries,
        "categories": [{"id": 1, "name": "dog"}],
    }


def test_the_figure_is_measured_and_drawn(letters, script, tmp_path, monkeypatch, capsys):
    pytest.importorskip("matplotlib")
    letters.save(str(tmp_path / "tokenizer.json"))
    whole, none = np.ones((100, 100), np.uint8), np.zeros((100, 100), np.uint8)
    dot = none.copy()
    dot[0, 0] = 1
    file, plot = tmp_path / "coco.json", tmp_path / "lengths.svg"
    file.write_text(json.dumps(annotations(whole, whole, none, dot)), encoding="utf-8")
    command = ["token_length.py", str(file), "--tokenizer", str(tmp_path), "--plot", str(plot)]
    monkeypatch.setattr(sys, "argv", command)
    assert script("token_length").main() == 0
    said = " ".join(capsys.readouterr().out.split())
    assert said.startswith("2 instances like RefCOCO's (no crowd, at least 5 % of the image, ")
    assert "Every mask has a cell on every grid. A label has 3.0 words on average." in said
    rows = [" ".join(row.split()) for row in said.split("│")]
    isd, rle = 256 * len("dog on left") + 255 + 2, 16 * len("dog on left*16\n") - 1 + 2
    assert " ".join(rows).count(f"I-SD {isd:,}.0 {isd:,} 1.000") == 1
    assert f"R-RLE {rle}.0 {rle} {rle / isd:.3f} 1.000 154.0 0.264 1.000" in " ".join(rows)
    drawn = plot.read_text("utf-8")
    for text in "R-RLE", "767.6", "the paper", "scanlines, up to 11 rows a box":
        assert f"<!-- {text} -->" in drawn
    monkeypatch.setattr(sys, "argv", [*command, "--all"])
    assert script("token_length").main() == 0
    said = " ".join(capsys.readouterr().out.split())
    assert said.startswith("3 instances that have a pixel, out of 4 in `coco.json`.")
    assert "Of 3 masks no cell is left of 1 at 16 x 16 cells, 1 at 32 x 32 cells, " in said


@pytest.mark.parametrize(
    ("area", "alike", "crowd", "fits"),
    [(50, 2, False, True), (49, 2, False, False), (50, 1, False, False), (50, 2, True, False)],
)
def test_what_is_like_refcocos(script, area, alike, crowd, fits):
    assert script("_annotations").refcoco_sized(area, (20, 50), alike, crowd=crowd) is fits


@pytest.mark.usefixtures("compiled")
def test_real_masks_take_as_many_tokens_as_in_the_paper(real_data, script):
    pytest.importorskip("pycocotools", reason="polygons need pycocotools")
    try:
        tokenizer = load_tokenizer("qwen")
    except mc.ConfigError as error:
        pytest.skip(str(error))
    figure, files = script("_lengths"), script("_annotations")
    instances = [one for file in FILES for one in files.read(real_data / file, None)]
    pairs = zip(instances, files.alike(instances), strict=True)
    masks = files.labelled_masks(pairs, figure.EXPRESSION, everything=False)
    found = figure.measure(masks, tokenizer)
    assert (len(found[figure.SCANLINES]), figure.losses(found)) == (109, "")
    means = figure.means(found)
    for ratio, tolerance in zip(figure.RATIOS, (0.005, 0.015, 0.01), strict=True):
        quoted = figure.ratio(figure.PAPER, *ratio)
        assert figure.ratio(means, *ratio) == pytest.approx(quoted, abs=tolerance)
    for line, quoted in figure.PAPER.items():
        assert means[line] == pytest.approx(quoted, rel=0.07)
