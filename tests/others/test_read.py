"""Answers of other models: of the kinds that are published, and hostile ones."""

import base64
import io
import json
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import maskcodec as mc
from maskcodec.coco import RunMask
from maskcodec.others.read import SOURCES
from tests.conftest import PURE

SHAPE = (480, 640)
MASK = np.zeros(SHAPE, np.uint8)
MASK[100:200, 150:400] = 1
TRIANGLE = ((100, 200), (900, 200), (500, 700))


def png(values, mode="PNG"):
    data = io.BytesIO()
    Image.fromarray(np.asarray(values, np.uint8)).save(data, mode)
    return "data:image/png;base64," + base64.b64encode(data.getvalue()).decode()


def rle(mask=MASK):
    return RunMask.from_mask(mask).coco_rle(text=True)


MAP = png(np.tile([0, 255], (10, 10)))
QWEN = '[{"bbox_2d": [100, 200, 300, 400], "label": "dog"}]'
GEMINI = (
    '{"boxes": [{"box_2d": [100, 200, 900, 700], "label": "dog", '
    '"mask": [[100, 200], [900, 200], [500, 700]]}]}'
)
FLORENCE = "dog<poly><loc_100><loc_200><loc_900><loc_200><loc_500><loc_700></poly>"
PALIGEMMA = "<loc0256><loc0128><loc0512><loc0384> dog"
SEGMENTS = "".join(f"<seg{n:03}>" for n in range(16))
ANSWERS = {
    "qwen3-vl": QWEN,
    "gemini-3": GEMINI,
    "gemini-2.5": json.dumps([{"box_2d": [250, 100, 500, 300], "mask": MAP, "label": "dog"}]),
    "florence-2": FLORENCE,
    "paligemma": PALIGEMMA,
    "coco-rle": json.dumps({"masks": [rle()]}),
    "simpleseg": "[[[0.100, 0.200], [0.900, 0.200], [0.500, 0.700]]]",
    "text4seg": "others *1| dog *15\n " * 16,
    "maskcodec": mc.Scanlines().encode(MASK, "dog"),
}


def reasons(found):
    return [problem.reason for problem in found.problems]


# ------------------------------------------------------------------------- what is typical


@pytest.mark.parametrize("source", ANSWERS)
@pytest.mark.parametrize("around", ["{}", "Sure! Here it is:\n```json\n{}\n```\nAnything else?"])
def test_an_answer_is_read_and_known(source, around):
    if around != "{}" and source in ("text4seg", "paligemma", "florence-2"):
        return  # these models write nothing else
    found = mc.read(around.replace("{}", ANSWERS[source]), shape=SHAPE)
    assert found.source == source
    assert found.problems == []
    (region,) = found.regions
    assert region.label in ("dog", "") if source in ("simpleseg", "coco-rle") else "dog"


def test_each_source_may_be_named():
    for source, text in ANSWERS.items():
        if source != "maskcodec":
            assert mc.read(text, source=source, shape=SHAPE) == mc.read(text, shape=SHAPE)
    named = mc.read(ANSWERS["maskcodec"], source="maskcodec", codec=mc.Scanlines().get_config())
    assert named == mc.read(ANSWERS["maskcodec"])
    for codec in (mc.BSD(), mc.Polygons(), mc.Polygons(coordinates="tokens")):
        found = mc.read(codec.encode(MASK, "dog"))
        assert (found.source, len(found.regions)) == ("maskcodec", 1)
    own = mc.BSD(spelling=("[F{}]", "[B{}]"))
    assert mc.read(own.encode(MASK, "dog"), codec=own).source == "maskcodec"
    assert set(SOURCES) == {*ANSWERS, "auto", "qwen2.5-vl"}


def test_words_are_no_answer():
    found = mc.read("I see no dog.")
    assert (found.regions, reasons(found), found.source) == ([], ["unknown"], "")
    assert mc.read("no dog", source="maskcodec", codec=mc.BSD()).problems == []


# ------------------------------------------------------------------------------- each kind


def test_boxes_and_points_of_qwen():
    (box,) = mc.read(QWEN).regions
    assert box == mc.BoxRegion("dog", (0.1, 0.2, 0.3, 0.4))
    assert box.box_pixels(SHAPE) == pytest.approx((64, 96, 192, 192))
    assert box.box == (100, 200, 299, 399)
    (point,) = mc.read('{"point_2d": [500, 250], "label": "nose"}').regions
    assert (point.is_point, box.is_point) == (True, False)
    assert repr(point) == "<BoxRegion 'nose', a point at 0.500, 0.250>"
    frame = mc.Frame.resized(952, 1288)
    (large,) = mc.read(QWEN, source="qwen2.5-vl", frame=frame).regions
    assert large.place == (100 / 1288, 200 / 952, 300 / 1288, 400 / 952)
    by_default = mc.read(QWEN, source="qwen2.5-vl", shape=SHAPE)
    assert by_default.regions[0].place == (100 / 644, 200 / 476, 300 / 644, 400 / 476)
    pixels = QWEN.replace("300", "1300")
    assert mc.read(pixels, shape=(1000, 2000)).source == "qwen2.5-vl"
    assert mc.read(pixels).source == "qwen3-vl"


def test_where_a_mask_is_needed_a_box_is_refused():
    (box,) = mc.read(QWEN).regions
    calls = [
        lambda: box.mask(SHAPE),
        lambda: box.runs(SHAPE),
        lambda: box.cells,
        lambda: box.area(SHAPE),
        lambda: box.coco_rle(SHAPE),
        lambda: mc.BSD().encode_regions([box]),
    ]
    for call in calls:
        with pytest.raises(mc.MaskError, match=r"has no mask: the answer says where it is|codec"):
            call()
    assert box == mc.read(QWEN).regions[0]
    assert hash(box) == hash(mc.read(QWEN).regions[0])


def test_a_map_of_gemini_is_cut_in_its_box():
    (region,) = mc.read(ANSWERS["gemini-2.5"]).regions
    mask = region.mask((100, 200))
    assert mask.sum() == mask[25:50, 20:60].sum() > 0
    assert mask[30, 20:60].tolist() == [int(n % 4 > 1) for n in range(40)]
    assert region.runs((100, 200)) == RunMask.from_mask(mask)
    assert region.box_pixels((100, 200)) == pytest.approx((20, 25, 60, 50))
    assert region.cells.sum() == 100
    assert repr(region) == "<MapRegion 'dog' of 10 x 20 values>"
    assert region == mc.read(ANSWERS["gemini-2.5"]).regions[0]


def test_run_lengths_are_masks_of_their_image():
    (region,) = mc.read(ANSWERS["coco-rle"]).regions
    assert np.array_equal(region.mask(SHAPE), MASK)
    assert region.runs((240, 320)) == RunMask.from_mask(MASK[1::2, 1::2])
    assert region.box_pixels(SHAPE) == (150.0, 100.0, 400.0, 200.0)
    assert region.cells.all()
    assert repr(region).startswith("<RunsRegion '' of <RunMask of 480 x 640")
    assert region == mc.read(ANSWERS["coco-rle"]).regions[0]
    labelled = mc.read(json.dumps([{"label": "cat", "segmentation": rle()}]))
    assert [r.label for r in labelled.regions] == ["cat"]
    plain = json.dumps({"size": [2, 3], "counts": [1, 2, 3]})
    assert mc.read(plain).regions[0].mask((2, 3)).tolist() == [[0, 1, 0], [1, 0, 0]]


def test_segment_tokens_of_paligemma_need_a_decoder():
    found = mc.read(PALIGEMMA.replace(" dog", SEGMENTS + " dog ; ") + PALIGEMMA)
    assert reasons(found) == ["segment-tokens"]
    assert "learned decoder" in found.problems[0].message
    assert found.regions == [mc.BoxRegion("dog", (0.125, 0.25, 0.375, 0.5))] * 2
    given_codes = []

    def decoder(codes):
        given_codes.append(codes)
        return np.ones((4, 4))

    decoded = mc.read(PALIGEMMA.replace(" dog", SEGMENTS + " dog"), decoder=decoder)
    assert given_codes == [list(range(16))]
    assert decoded.problems == []
    assert decoded.regions[0].area((80, 80)) == 20 * 20
    with pytest.raises(mc.MaskError, match=r"decoder must return a mask \(rows, columns\)"):
        mc.read(PALIGEMMA.replace(" dog", SEGMENTS), decoder=lambda _: [1.0])


def test_florence_has_boxes_too():
    found = mc.read("a cat<loc_10><loc_20><loc_509><loc_619>" + FLORENCE, source="florence-2")
    box, polygon = found.regions
    assert (box.label, polygon.label, found.problems) == ("a cat", "dog", [])
    assert box.place == pytest.approx((0.0105, 0.0205, 0.5095, 0.6195))


# ------------------------------------------------------------------------------ what breaks


@pytest.mark.parametrize(
    ("text", "source", "found", "regions"),
    [
        (GEMINI[:-20], "gemini-3", ["truncated"], 1),
        (GEMINI.partition("]]}")[0] + "], [300, 2", "gemini-3", ["truncated"], 1),
        (QWEN[:-1] + ', {"bbox_2d": [1, 2', "qwen3-vl", ["truncated"], 1),
        (QWEN.replace("400", "400, 5"), "qwen3-vl", ["bad-box"], 0),
        (QWEN.replace("[100", '["100"'), "qwen3-vl", ["bad-box"], 0),
        (QWEN.replace("300", "50"), "qwen3-vl", ["box-order"], 1),
        (QWEN.replace("}", "},"), "qwen3-vl", ["bad-json"], 1),
        (QWEN.replace('"', "'"), "qwen3-vl", ["bad-json"], 1),
        ("[" + QWEN + "]", "qwen3-vl", [], 1),
        (QWEN * 40, "qwen3-vl", [], 40),
        (
            '[{"box_2d": [1, 2, 30, 40], "mask": "data:image/png;base64,!!"}]',
            "gemini-2.5",
            ["bad-mask"],
            1,
        ),
        (
            '[{"box_2d": [1, 2, 30, 40], "mask": "data:image/png;base64,AAAA"}]',
            "gemini-2.5",
            ["bad-mask"],
            1,
        ),
        ('[{"box_2d": [1, 2, 30, 40], "mask": "<start>"}]', "gemini-2.5", ["bad-mask"], 1),
        ('[{"box_2d": [1, 2, 30, 40], "mask": 7}]', "gemini-2.5", ["bad-mask"], 1),
        ('{"masks": [{"size": [480, 640], "counts": "5"}]}', "coco-rle", ["bad-mask"], 0),
        ('{"masks": [{"size": [4000000, 4], "counts": "5"}]}', "coco-rle", ["bad-mask"], 0),
        ('{"masks": [{"size": [2, 3], "counts": [6]}]}', "coco-rle", ["no-mask"], 0),
        ('{"masks": [{"counts": "5"}]}', "coco-rle", ["bad-mask"], 0),
        ('{"masks": [{"size": [2, 3], "counts": [1.5, 4.5]}]}', "coco-rle", ["bad-mask"], 0),
        ("<loc0001><loc0002><loc0003> dog", "paligemma", ["truncated"], 0),
        ("<loc0001><loc0002><loc0003> dog; x", "paligemma", ["bad-box"], 0),
        ("<loc0001><loc0002><loc0003><loc2000> dog", "paligemma", ["number-range"], 1),
        ("<loc0100><loc0002><loc0003><loc0020> dog", "paligemma", ["box-order"], 1),
        (PALIGEMMA.replace(" dog", "<seg001> dog"), "paligemma", ["bad-mask"], 1),
    ],
)
def test_what_is_broken_is_said_and_read_as_far_as_it_goes(text, source, found, regions):
    answer = mc.read(text, source=source)
    assert reasons(answer) == found
    assert len(answer.regions) == regions


def test_a_map_may_claim_what_it_likes():
    header = base64.b64decode(png(np.zeros((1, 1)))[22:])
    claims = header[:16] + (20_000).to_bytes(4, "big") * 2 + header[24:]
    url = "data:image/png;base64," + base64.b64encode(claims).decode()
    found = mc.read(json.dumps([{"box_2d": [1, 2, 30, 40], "mask": url}]), source="gemini-2.5")
    assert reasons(found) == ["bad-mask"]
    large = mc.read(
        json.dumps([{"box_2d": [1, 2, 30, 40], "mask": png(np.zeros((2049, 2049)))}]),
        source="gemini-2.5",
    )
    assert "claims more than 4,194,304 values" in large.problems[0].message


PIECES = [
    *[
        "[",
        "]",
        "{",
        "}",
        ",",
        ":",
        '"',
        "0.5",
        "700",
        "1e999",
        "-1",
        "null",
        "dog",
        "é",
        "\\",
        " ",
    ],
    *['"mask"', '"label"', '"bbox_2d"', '"box_2d"', '"point_2d"', '"counts"', '"size"', "[1, 2]"],
    *[
        "[1,2,3,4]",
        "<poly>",
        "</poly>",
        "<sep>",
        "<loc_7>",
        "<loc0007>",
        "<seg001>",
        "```",
        " *7| ",
    ],
    *["<ref>", "</ref>", "<seg>", "</seg>", '"data:image/png;base64,AAAA"', "99999999999999999999"],
]


@given(st.lists(st.sampled_from(PIECES), max_size=40).map("".join), st.sampled_from(SOURCES))
def test_no_text_raises(text, source):
    codec = mc.Polygons() if source == "maskcodec" else None
    found = mc.read(text, source=source, shape=SHAPE, codec=codec)
    for region in found.regions:
        if not isinstance(region, mc.BoxRegion):
            region.area((20, 30))
        region.box_pixels((20, 30))
        repr(region)


def test_reading_takes_time_linear_in_the_text():
    size = 2_000 if PURE else 30_000
    for piece in (
        "[",
        "[[",
        "[ ",
        '"',
        '{"bbox_2d":',
        "<loc0001>",
        "<loc_1>",
        "[1,",
        "[[0.5,",
        '["',
    ):
        text = piece * (size // len(piece))
        for source in ("auto", "gemini-3", "simpleseg", "qwen3-vl", "florence-2", "paligemma"):
            began = time.process_time()
            mc.read(text, source=source, shape=SHAPE)
            assert time.process_time() - began < 2, (piece, source)


def test_what_is_asked_for_wrongly_is_refused():
    with pytest.raises(mc.ConfigError, match="source must be one of 'auto', 'maskcodec'"):
        mc.read("", source="gpt")
    with pytest.raises(mc.ConfigError, match='source="maskcodec" needs codec='):
        mc.read("", source="maskcodec")
    with pytest.raises(mc.MaskError, match=r"pass shape=\(height, width\) of the image"):
        mc.read(QWEN, frame=mc.Frame.pixels)
    with pytest.raises(TypeError, match=r"frame must be a Frame, such as Frame.thousand, got 7"):
        mc.read(QWEN, frame=7)
    with pytest.raises(TypeError, match="codec must be one of"):
        mc.read(QWEN, codec="b-sd")
    with pytest.raises(TypeError, match="text must be a str"):
        mc.read(b"")
