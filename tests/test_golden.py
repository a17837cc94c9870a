"""Frozen texts: what a release once wrote, every later one writes and reads.

`pytest --write-golden` writes the files anew. A change there is a change of a format: it needs a
new version in the codec's id, and a line under **Format** in CHANGELOG.md.
"""

import json

import numpy as np
import pytest

import maskcodec as mc
from maskcodec.coco import RunMask
from tests.conftest import ROOT

FOLDER = ROOT / "tests" / "golden"
METHODS = "nearest", "smooth", "contour"

CODECS = {
    "b-sd": mc.BSD(grid=(6, 8)),
    "b-sd-64": mc.BSD(grid=64),
    "b-sd-unseparated": mc.BSD(grid=(6, 8), row_separator=""),
    "b-sd-plain": mc.BSD(grid=(6, 8), bricks=False),
    "b-sd-qwen": mc.BSD(
        grid=(6, 8),
        ref_tags=("<|object_ref_start|>", "<|object_ref_end|>"),
        box_tags=("<|box_start|>", "<|box_end|>"),
    ),
    "scanlines": mc.Scanlines(rows=6, columns=8),
    "scanlines-63": mc.Scanlines(rows=63),
    "scanlines-tokens": mc.Scanlines(coordinates="tokens"),
    "scanlines-padded-yx": mc.Scanlines(
        coordinates="tokens", location="<loc{:04}>", bins=1024, axes="yx"
    ),
    "scanlines-nearest": mc.Scanlines(rows=6, columns=8, bins=24, sampling="nearest"),
    "polygons": mc.Polygons(bins=25),
    "polygons-tokens": mc.Polygons(points=12, coordinates="tokens"),
    "polygons-simpleseg": mc.Polygons(spelling="simpleseg"),
    "polygons-gemini": mc.Polygons(spelling="gemini"),
    "polygons-florence2": mc.Polygons(spelling="florence2"),
    "i-sd": mc.ISD(grid=(6, 8)),
    "i-rle": mc.IRLE(grid=(6, 8)),
    "r-rle": mc.RRLE(grid=(6, 8)),
    "r-rle-text4seg": mc.RRLE(grid=(6, 8), dialect="text4seg"),
}


def pictures(shape):
    """Named label maps, drawn by formulas: 0 is background."""
    ys, xs = np.mgrid[: shape[0], : shape[1]]
    rows, columns = shape
    ring = ((2 * ys + 1 - rows) / rows) ** 2 + ((2 * xs + 1 - columns) / columns) ** 2
    return {
        "empty": np.zeros(shape, int),
        "full": np.ones(shape, int),
        "one cell": (ys == rows - 1) & (xs == columns - 1),
        "ring": (ring < 0.9) & (ring > 0.2),
        "checker": (ys + xs) % 2,
        "stripes": (xs // 3) % 3,
    }


SIZES = [(37, 50), (6, 8), (5, 3)]
LARGE = 1203, 1601  # more pixels than bins


def images():
    """Named masks of images of several sizes, drawn by formulas."""
    found = {}
    for rows, columns in SIZES:
        ys, xs = np.mgrid[:rows, :columns]
        named = pictures((rows, columns))
        named["slope"] = (2 * ys > xs) & (2 * ys < xs + columns) & (xs > 1) & (ys < rows - 1)
        named["two pixels"] = (ys + xs == 2) & (ys != 1)
        for name, picture in named.items():
            found[f"{name}, {rows} x {columns}"] = RunMask.from_mask(np.asarray(picture) == 1)
    ys, xs = np.mgrid[: LARGE[0], : LARGE[1]]
    disc = (ys - 700) ** 2 + (xs - 900) ** 2 < 211**2
    found[f"disc, {LARGE[0]} x {LARGE[1]}"] = RunMask.from_mask(disc & (xs > 801))
    return found


LABELS = ["others", "black dog", "犬"]


def in_boxes(codec):
    """What becomes of every image, and what the text paints on it."""
    texts, painted = {}, {}
    methods = METHODS[:1] if isinstance(codec, mc.Polygons) else METHODS
    for name, image in images().items():
        texts[name] = codec.encode(image, LABELS[1], lost="drop")
        for region in codec.decode(texts[name]):
            runs = [region.coco_rle(image.shape, method=method)["counts"] for method in methods]
            painted[name] = dict(zip(methods, (counts.decode() for counts in runs), strict=True))
    return {"config": codec.get_config(), "texts": texts, "painted": painted}


def written(codec):
    if isinstance(codec, (mc.Scanlines, mc.Polygons)):
        return in_boxes(codec)
    texts = {}
    for name, picture in pictures(codec.canvas).items():
        if isinstance(codec, mc.BSD):
            masks = [picture == k for k in (1, 2)]
            texts[name] = codec.encode_many(masks, LABELS[1:])
        else:
            texts[name] = codec.encode(picture.astype(int), LABELS)
    return {"config": codec.get_config(), "texts": texts}


@pytest.mark.parametrize("name", CODECS)
def test_texts_are_what_they_were(name, write_golden):
    path = FOLDER / f"{name}.json"
    if write_golden:
        path.write_text(
            json.dumps(written(CODECS[name]), indent=1, ensure_ascii=False) + "\n", "utf-8"
        )
    golden = json.loads(path.read_text("utf-8"))
    assert written(CODECS[name]) == golden
    codec = mc.from_config(golden["config"])
    if "painted" in golden:
        assert all(codec.encode_regions(codec.decode(t)) == t for t in golden["texts"].values())
        return
    for picture, text in golden["texts"].items():
        expected = pictures(codec.canvas)[picture].astype(int)
        decoded = codec.decode(text)
        for number, label in enumerate(LABELS[1:], 1):
            if isinstance(decoded, mc.LabelGrid):
                mask = decoded.mask(label, codec.canvas)
            else:
                masks = [r.mask(codec.canvas) for r in decoded if r.label == label]
                mask = masks[0] if masks else np.zeros(codec.canvas, int)
            assert np.array_equal(mask, expected == number), (picture, label)


GEMINI = '{"boxes": [{"label": "dog", '
RINGS = "<ref>dog</ref><seg>"
HEAD = "<ref>dog</ref><box>[[1 1 3 2]]</box><seg>"
WRONG = {
    "b-sd": [
        HEAD + "<fg3>\n<fg2></seg>",
        HEAD + "<fg2>\n<fg3></seg>",
        HEAD + "<fg3>\n<bg1><fg3></seg>",
        HEAD + "<fg3></seg>",
        HEAD + "<fg3>\n<fg3>\n<fg3></seg>",
        HEAD + "<fg0><fg3>\n<fg3></seg>",
        HEAD + "<fg64>\n<fg3></seg>",
        HEAD + "<fg03>\n<fg3></seg>",
        HEAD + "<fg99999999999999999999>\n<fg3></seg>",
        HEAD + "<fg3>, then <fg3></seg>",
        HEAD + "<fg3>\n<fg",
        HEAD + "<fg3>\n<fg3>",
        "<ref>dog</ref><box>[[3 1 1 2]]</box><seg><fg3>\n<fg3></seg>",
        "<ref>dog</ref><box>[[1 1 8 2]]</box><seg><fg8>\n<fg8></seg>",
        "<ref>dog</ref><box>[[1 1 999999999999 2]]</box><seg><fg3>\n<fg3></seg>",
        "<ref>dog</ref><box>[[1 1 03 2]]</box><seg><fg3>\n<fg3></seg>",
        "<ref>dog</ref><box>1 1 3 2</box><seg><fg3>\n<fg3></seg>",
        "<ref>dog</ref><box>[[1 1 3",
        "<ref>dog</ref><seg><fg3>\n<fg3></seg>",
        "<ref>dog</ref> at <box>[[1 1 3 2]]</box><seg><fg3>\n<fg3></seg>",
        "<ref>dog<ref>cat</ref><box>[[1 1 3 2]]</box><seg><fg3>\n<fg3></seg>",
        "<ref> </ref><box>[[1 1 3 2]]</box><seg><fg3>\n<fg3></seg>",
        "<ref>a<fg1></ref><box>[[1 1 3 2]]</box><seg><fg3>\n<fg3></seg>",
        "dog</ref><box>[[1 1 3 2]]</box><seg><fg3>\n<fg3></seg>",
        "犬 </seg>",
        HEAD + "<fg3>\n\n<fg3></seg>",
        HEAD + "<fg3><fg3></seg>",
        HEAD + "<fg3>\\n<fg3></seg>",
        "Here: &lt;ref&gt;dog&lt;/ref&gt;",
        "<ref>dog[[1 1 3 2]]<seg><fg3>\n<fg3></seg>",
    ],
    "b-sd-unseparated": [
        HEAD + "<fg3>\n<fg3></seg>",
        HEAD + "<fg2><fg2></seg>",
        HEAD + "<fg3><fg3><fg1></seg>",
    ],
    "scanlines": [
        HEAD + "</seg>",
        HEAD + " </seg>",
        HEAD + "<fg:3></seg>",
        HEAD + "<end:3><bg:2></seg>",
        HEAD + "<end:9></seg>",
        HEAD + "<fg:63><end:63></seg>",
        HEAD + "<fg:3><bg:3><end:5></seg>",
        HEAD + "<fg:3><bg:2><end:5></seg>",
        HEAD + "<fg:3><end:2></seg>",
        HEAD + "<end:1>" * 7 + "</seg>",
        HEAD + "<end:1>\n<end:1></seg>",
        HEAD + "<end:1>, <end:1></seg>",
        HEAD + "<fg3><end:1></seg>",
        HEAD + "<fg:0><end:1></seg>",
        HEAD + "<bg:007><end:8></seg>",
        HEAD + "<end:00></seg>",
        HEAD + "<end:64></seg>",
        HEAD + "<end:99999999999></seg>",
        HEAD,
        HEAD + "<end:3><fg",
        HEAD + "<end:3><bg:2>",
        "<ref>dog</ref><box>[[1 1 1000 2]]</box><seg><end:3></seg>",
        "<ref>dog</ref><box>[[1 01 3 2]]</box><seg><end:3></seg>",
        "<ref>dog</ref><box><loc1><loc1><loc3><loc2></box><seg><end:3></seg>",
        "<ref>dog</ref><box>[[1 1 3 2",
        "<ref>a<end:0></ref><box>[[1 1 3 2]]</box><seg><end:3></seg>",
    ],
    "scanlines-padded-yx": [
        "<ref>dog</ref><box><loc0001><loc0001><loc0003></box><seg><end:3></seg>",
        "<ref>dog</ref><box><loc0001><loc0001><loc0003><loc2></box><seg><end:3></seg>",
        "<ref>dog</ref><box><loc0001><loc0001><loc0003><loc00002></box><seg><end:3></seg>",
        "<ref>dog</ref><box><loc0001><loc0001><loc0003><loc1024></box><seg><end:3></seg>",
        "<ref>dog</ref><box><loc0001>, <loc0001><loc0003><loc0002></box><seg><end:3></seg>",
        "<ref>dog</ref><box>[[1 1 3 2]]</box><seg><end:3></seg>",
        "<ref>dog</ref><box><loc0001><loc00",
        "<ref>dog<loc0001></ref><box><loc0001><loc0001><loc0003><loc0002></box><seg><end:3></seg>",
    ],
    "polygons": [
        RINGS + "</seg>",
        RINGS + "1 2 9 2</seg>",
        RINGS + "1 2 9 2 5</seg>",
        RINGS + "1 2 9 2 5 7 4</seg>",
        RINGS + "1 2 9 2 5 25</seg>",
        RINGS + "1 2 9 2 5 99999999999999</seg>",
        RINGS + "1 2 9 2 5 -7</seg>",
        RINGS + "1 2 9 2 5 07</seg>",
        RINGS + "1 2 9 2 0.5 0.7</seg>",
        RINGS + "1, 2, 9, 2, 5, 7</seg>",
        RINGS + "1 2 9 2\n5 7</seg>",
        RINGS + "[[1 2] [9 2] [5 7]]</seg>",
        RINGS + "1 2 9 2 5 2</seg>",
        RINGS + "1 2 9 2 5 7<ring></seg>",
        RINGS + "1 2 9 2 5 7<ring>9 2 1 2 5 7</seg>",
        RINGS + "1 2 9 2 5 7<ring>1 2 9",
        RINGS + "1 2 9 2 5 7</s",
        RINGS + "1 2 9 2 5 7",
        RINGS,
        "<ref>dog</ref><se",
        "<ref>dog</ref> is <seg>1 2 9 2 5 7</seg>",
        "<ref>do<ring>g</ref><seg>1 2 9 2 5 7</seg>",
        "<ref>dog<seg>1 2 9 2 5 7</seg>",
        "dog</ref>1 2 9 2 5 7</seg>",
        "<ref>dog</ref><box>[[1 1 3 2]]</box><seg>1 2 9 2 5 7</seg>",
        "&lt;ref&gt;dog&lt;/ref&gt;&lt;seg&gt;1 2 9 2 5 7&lt;/seg&gt;",
    ],
    "polygons-tokens": [
        RINGS + "<loc1><loc2><loc9><loc2><loc5></seg>",
        RINGS + "<loc1><loc2><loc9><loc2><loc5><loc1000></seg>",
        RINGS + "<loc1><loc2><loc9><loc2><loc5><loc07></seg>",
        RINGS + "<loc1><loc2>, <loc9><loc2><loc5><loc7></seg>",
        RINGS + "1 2 9 2 5 7</seg>",
        RINGS + "<loc1><loc2><loc9><loc2><loc5><lo",
    ],
    "polygons-simpleseg": [
        "[[[0.1, 0.2], [0.9, 0.2], [0.5, 0.7]]",
        "[[[0.1, 0.2], [0.9, 0.2], [0.5, 0.7]], [[0.1, 0.2]]]",
        "[[[0.1, 0.2], [0.9, 0.2], [0.5, 0.2]]]",
        "[[[0.1, 0.2], [0.9, 0.2], [0.5, 1.2]]]",
        "[[[0.1, 0.2], [0.9, 0.2], [0.5, 0.7123]]]",
        "[[0.1, 0.2], [0.9, 0.2], [0.5, 0.7]]",
        "[[[[0.1, 0.2], [0.9, 0.2], [0.5, 0.7]]]]",
        "[[0.1, 0.2, 0.9, 0.2, 0.5, 0.7]]",
        "[[[0.1, 0.2], [0.9, 0.2, 0.3], [0.5, 0.7]]]",
        "[[[0.1, 0.2], [0.9, 0.2], [0.5, 0.7],]]",
        "[[[0.1 0.2], [0.9, 0.2], [0.5, 0.7]]]",
        '{"polygon": [[0.1, 0.2], [0.9, 0.2], [0.5, 0.7]]}',
    ],
    "polygons-gemini": [
        GEMINI + '"mask": [[100, 200], [900, 200], [500, 700]]}]',
        GEMINI + '"mask": [[100, 200], [900, 200], [500, 700]]]}',
        GEMINI + '"mask": [[100, 200], [900, 200], [500, 1700]]}]}',
        GEMINI + '"mask": [[100, 200], [900, 200], [500, 700.5]]}]}',
        GEMINI + '"mask": [[[100, 200], [900, 200], [500, 700]]]}]}',
        GEMINI + '"mask": []}]}',
        GEMINI + '"mask": "data:image/png;base64,AAAA"}]}',
        GEMINI + '"box_2d": [1, 2, 3, 4]}]}',
        GEMINI + '"box_2d": [1, 2, 3], "mask": [[100, 200], [900, 200], [500, 700]]}]}',
        '{"boxes": [{"mask": [[100, 200], [900, 200], [500, 700]]}]}',
        '{"boxes": [{"label": "dog"}]}',
    ],
    "polygons-florence2": [
        "dog<poly><loc_100><loc_200><loc_900><loc_200><loc_500><loc_700>",
        "dog<poly><loc_100><loc_200><loc_900><loc_200><loc_500></poly>",
        "dog<poly><loc_100><loc_200><loc_900><loc_200></poly>",
        "dog<poly><loc_100><loc_200><loc_900><loc_200><loc_500><loc_1000></poly>",
        "dog<poly><loc_100><loc_200><loc_900><loc_200><loc_500><loc_007></poly>",
        "dog<poly><loc_100><loc_200>, <loc_900><loc_200><loc_500><loc_7></poly>",
        "dog<poly><loc_100><loc_200><loc_900><loc_200><loc_500><loc_7><sep></poly>",
        "dog<loc_100><loc_200><loc_900><loc_200><loc_500><loc_7></poly>",
        "dog<loc_100><loc_200><loc_900><loc_200>",
        "dog<poly><poly><loc_100><loc_200><loc_900><loc_200><loc_500><loc_7></poly>",
    ],
    "i-sd": ["<seg>dog|dog</seg>", "<seg>dog|dog", "<seg>dog*48</seg>"],
    "i-rle": ["<seg>dog*47</seg>", "<seg>dog*49</seg>", "<seg>dog*24\ndog*24</seg>"],
    "r-rle": [
        "<seg>" + "\n".join(["dog*8"] * 5) + "</seg>",
        "<seg>" + "\n".join(["dog*8"] * 7) + "</seg>",
        "<seg>" + "\n".join(["dog*8"] * 6),
        "<seg>dog*8\ndog*7\n" + "\n".join(["dog*8"] * 4) + "</seg>",
        "<seg>dog*999999999999\n" + "\n".join(["dog*8"] * 5) + "</seg>",
        "<seg>dog*08\n" + "\n".join(["dog*8"] * 5) + "</seg>",
        "<seg>dog*0|dog*8\n" + "\n".join(["dog*8"] * 5) + "</seg>",
        "<seg>dog\n" + "\n".join(["dog*8"] * 5) + "</seg>",
        "<seg>*8\n" + "\n".join(["dog*8"] * 5) + "</seg>",
        "<seg>dog*8|\n" + "\n".join(["dog*8"] * 5) + "</seg>",
        "<seg>a*b*8\n" + "\n".join(["dog*8"] * 5) + "</seg>",
        "<seg>dog*8</seg> and <seg>dog*8</seg>",
        "dog*8</seg>",
        "<seg>dog*8<seg>",
    ],
}


def refused(codec, text):
    with pytest.raises(mc.DecodeError) as caught:
        codec.decode(text)
    return {
        "text": text,
        "error": type(caught.value).__name__,
        "reason": caught.value.reason,
        "position": caught.value.position,
        "message": str(caught.value),
    }


@pytest.mark.parametrize("name", WRONG)
def test_errors_are_what_they_were(name, write_golden):
    path = FOLDER / "errors" / f"{name}.json"
    found = [refused(CODECS[name], text) for text in WRONG[name]]
    if write_golden:
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", "utf-8")
    assert found == json.loads(path.read_text("utf-8"))


def test_every_reason_is_documented_and_occurs():
    golden = [json.loads(path.read_text("utf-8")) for path in (FOLDER / "errors").glob("*.json")]
    reasons = {entry["reason"] for entries in golden for entry in entries}
    documented = {
        line.split("`")[1]
        for line in (ROOT / "docs" / "errors.md").read_text("utf-8").splitlines()
        if line.startswith("| `")
    }
    # One that only `recover` reports, one that only guides raise, and those of `read`.
    read = {"frame", "bad-mask", "segment-tokens", "unknown"}
    assert reasons | read | {"more-problems", "not-allowed"} == documented
