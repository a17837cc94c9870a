"""`maskcodec report`: what it reads, counts and writes."""

import json
import re
from pathlib import Path

import pytest
from PIL import Image

import maskcodec as mc
from maskcodec.data.build import build
from maskcodec.data.formats import trainer_rows
from maskcodec.data.rows import Message, Row, RowMaker
from maskcodec.data.sample import Instance, Sample
from tests.cli.calling import BOTH, MASK, SHAPE, TEXT, fails, misused, run, write

pytest.importorskip("jinja2")
pytestmark = pytest.mark.usefixtures("folder")

RLE = mc.coco.RunMask.from_mask(MASK).coco_rle(text=True)
BROKEN = "<ref>dog</ref><box>[["


def lines(name, *rows):
    write(name, "".join(json.dumps(row) + "\n" for row in rows))


def made(*args):
    """The cards of a page, its HTML, and what was said of it."""
    result = run("report", *args)
    html = Path("report.html").read_text(encoding="utf-8")
    text = re.search(r'id="cards">(.*?)</script>', html, re.DOTALL)[1]
    return json.loads(text)["cards"], html, result.stderr


def targets(*more):
    size = {"height": SHAPE[0], "width": SHAPE[1]}
    lines(
        "targets.jsonl",
        {"id": 1, "segmentation": RLE, "label": "dog", "image": "photo.png", "caption": "Where?"},
        {"id": 2, "segmentation": RLE, "image": "a/gone.png", "dataset": "mine", **size},
        {"id": 3, "segmentation": None, **size},
        *more,
    )


def answers(*more):
    lines(
        "p.jsonl",
        {"id": 1, "text": f"Here: {TEXT}"},
        {"id": 2, "text": BROKEN, "question": "Which?"},
        {"id": 3, "text": TEXT[:-20]},
        *more,
    )


def test_answers_beside_their_targets():
    targets()
    answers()
    cards, html, said = made("p.jsonl", "targets.jsonl")
    assert [one["name"] for one in cards] == ["1", "2", "3"]
    assert [one["kind"] for one in cards] == ["valid", "broken", "recovered"]
    assert [one["lost"] for one in cards] == [0, 1, 0]
    assert [one["size"] for one in cards] == ["medium", "medium", "medium"]
    assert [one["source"] for one in cards] == ["", "mine", ""]
    assert [one["photo"] for one in cards] == [0, None, None]
    assert [one["thumb"] for one in cards] == [[213, 320]] * 3
    assert cards[0]["iou"] > 0.97
    assert [one["iou"] for one in cards[1:]] == [0, 0]
    assert cards[0]["labels"] == ["dog", "black dog"]
    assert [turn["text"] for turn in cards[0]["turns"]] == [
        [["Where?", []]],
        [[f"Here: {TEXT}", []]],
    ]
    assert cards[1]["turns"][0]["text"] == [["Which?", []]]
    assert cards[1]["turns"][1]["text"][-1][1]
    assert cards[0]["tokens"] == len(TEXT) + 6
    assert "characters" in html
    assert "wrote report.html: 3 cards" in said
    assert "1 photo cannot be read" in said
    assert "a/gone.png: No such file" in said


def test_the_table_is_that_of_eval():
    targets()
    answers()
    _, html, _ = made("p.jsonl", "targets.jsonl")
    run("eval", "p.jsonl", "targets.jsonl", "--json", "figures.json")
    figures = json.loads(Path("figures.json").read_text(encoding="utf-8"))["figures"]
    for name, value in figures.items():
        shown = "-" if value is None else f"{value:.4f}"
        assert f'<dt>{name}</dt><dd class="value">{shown}</dd>' in html
    assert re.search(r"valid, as the format has it</th><td>1</td><td>33.3%", html)


def test_cards_are_chosen_and_figures_are_of_all():
    targets()
    answers()
    cards, html, said = made("p.jsonl", "targets.jsonl", "--start", 1, "--count", 1)
    assert [one["name"] for one in cards] == ["2"]
    assert "the figures are of 3 answers; --count and --start choose cards" in said
    assert '<dd class="of">of 3</dd>' in html
    assert "p.jsonl has no record 9" in fails("report", "p.jsonl", "targets.jsonl", "--start", 9)


def test_what_eval_notes_is_noted():
    targets({"id": 4, "segmentation": RLE})
    answers({"id": 5, "text": ""})
    assert "lacks 1 of the ids" in fails("report", "p.jsonl", "targets.jsonl")
    _, html, said = made("p.jsonl", "targets.jsonl", "--allow-missing")
    assert "left out: 1 target without an answer" in said
    assert "left out: 1 answer without a target" in html


def test_masks_are_answers_too():
    lines("t.jsonl", {"id": 1, "segmentation": RLE}, {"id": 2, "segmentation": RLE})
    lines("p.jsonl", {"id": 1, "segmentation": RLE}, {"id": 2, "segmentation": None})
    cards, _, _ = made("p.jsonl", "t.jsonl")
    assert [(one["kind"], one["iou"], one["tokens"]) for one in cards] == [
        ("mask", 1, None),
        ("mask", 0, None),
    ]
    assert cards[0]["regions"] == [{"label": "", "runs": cards[0]["targets"][0]["runs"]}]


def test_coco_annotations_are_targets_with_photos(coco):
    coco["images"][0]["file_name"] = "photo.png"
    coco["images"][1]["file_name"] = "x" * 5000
    coco["annotations"] = coco["annotations"][2:3]
    write("coco.json", coco)
    lines("p.jsonl", {"id": 3, "text": TEXT})
    (one,), _, said = made("p.jsonl", "coco.json", "--images", ".")
    assert one["labels"] == ["[cat]", "black dog"]
    assert one["photo"] == 0
    assert "photo" not in said


def test_photos_of_another_size_are_no_ground():
    Image.new("RGB", (50, 40)).save("small.png")
    Image.new("RGB", SHAPE[::-1]).save("right.png")
    shapes = {"right.png": SHAPE, "small.png": SHAPE}
    lines(
        "t.jsonl",
        *({"id": n, "segmentation": RLE, "image": n} for n in shapes),
        {"id": "no", "segmentation": None, "size": [40, 50], "image": "right.png"},
    )
    lines("p.jsonl", *({"id": n, "text": TEXT} for n in shapes), {"id": "no", "text": "Nothing."})
    cards, _, said = made("p.jsonl", "t.jsonl")
    assert [one["photo"] for one in cards] == [0, None, None]
    assert "2 photos cannot be read" in said
    assert "small.png has other sides than 128 x 192" in said
    write("small.png", "no image")
    _, _, said = made("p.jsonl", "t.jsonl")
    assert "small.png is not a PNG" in said


def test_tokens_are_counted():
    tokenizers = pytest.importorskip("tokenizers")
    bare = tokenizers.Tokenizer(tokenizers.models.WordLevel({"?": 0}, unk_token="?"))
    bare.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    bare.save("tokenizer.json")
    targets()
    answers()
    cards, html, _ = made("p.jsonl", "targets.jsonl", "--tokenizer", "tokenizer.json")
    assert 20 < cards[0]["tokens"] < len(TEXT) / 3
    assert "Tokens of the answer" in html
    lines("t.jsonl", {"id": 1, "segmentation": RLE})
    lines("p.jsonl", {"id": 1, "segmentation": RLE})
    (one,), _, _ = made("p.jsonl", "t.jsonl", "--tokenizer", "tokenizer.json")
    assert one["tokens"] is None


def test_what_build_wrote():
    samples = [
        Sample(
            key=f"mine:{n}",
            image="photo.png",
            shape=SHAPE,
            task="expression",
            query=f"dog {n}",
            instances=(Instance(label=f"dog {n}", segmentation=RLE),),
        )
        for n in range(3)
    ]
    build(samples, "rows", rows=RowMaker(codec=mc.BSD(grid=32), targets=True))
    cards, html, said = made("rows")
    assert [one["kind"] for one in cards] == ["valid"] * 3
    assert {one["source"] for one in cards} == {"train"}
    assert [one["photo"] for one in cards] == [0, 0, 0]
    assert all(one["iou"] > 0.9 for one in cards)
    assert [label for one in cards for label in one["labels"]] == ["dog 0", "dog 1", "dog 2"]
    assert "b-sd/1, cells 32 x 32" in html
    assert "<dt>gIoU</dt>" in html
    assert "note" not in said
    assert "the rows were written by BSD" in misused("report", "rows", "--codec", "b-sd")


def test_rows_without_targets_have_no_figures():
    said = [Message("user", "Where?"), Message("assistant", BOTH[:-30])]
    rows = trainer_rows(Row("mine:2", "", tuple(said)), "llava")
    lines("rows.jsonl", *rows)
    (one,), html, _ = made("rows.jsonl")
    assert (one["kind"], one["iou"], one["source"]) == ("recovered", None, "mine")
    assert one["remark"] == ""
    assert [problem[0] for problem in one["turns"][1]["problems"]] == ["truncated"]
    assert "<dt>" not in html


def test_the_last_answer_is_measured():
    said = [("user", "Where?"), ("assistant", TEXT), ("user", "Thank you.")]
    row = {"messages": [{"role": role, "content": text} for role, text in said]}
    lines("rows.jsonl", {**row, "targets": [{"label": "dog", "segmentation": RLE}]})
    (one,), _, _ = made("rows.jsonl")
    assert one["iou"] > 0.97


def test_targets_of_rows_are_checked():
    def row(given):
        said = [{"role": "user", "content": "?"}, {"role": "assistant", "content": TEXT}]
        return {"messages": said, "targets": given}

    huge = {"size": [60000, 60000], "counts": [0, 3600000000]}
    small = {"size": [2, 2], "counts": [0, 4]}
    lines(
        "rows.jsonl",
        *map(
            row,
            [
                None,
                "[]",
                "[",
                7,
                [7],
                [{"label": "dog"}],
                [{"label": "dog", "segmentation": RLE}],
                [{"label": "dog", "segmentation": huge}],
                [{"label": "dog", "segmentation": RLE}, {"label": "dog", "segmentation": small}],
            ],
        ),
    )
    cards, _, _ = made("rows.jsonl")
    assert [one["iou"] for one in cards[:2]] == [None, 0]
    remarks = [one["remark"] for one in cards]
    for remark, said in zip(
        remarks,
        [
            "^$",
            "^$",
            "targets is not JSON",
            "targets must be a list, or JSON of one, got 7",
            "target 0 must be an object with a label",
            "the segmentation of target 0",
            "^$",
            "the image claims 60000 x 60000 pixels",
            "target 1 is of another image than target 0",
        ],
        strict=True,
    ):
        assert re.search(said, remark), (said, remark)


def test_datasets_go_through_the_codec(coco):
    coco["categories"].pop()
    coco["images"][0]["file_name"] = "photo.png"
    coco["annotations"] = [coco["annotations"][number] for number in (2, 4)]
    write("coco.json", coco)
    cards, _, _ = made("coco.json", "--codec", "b-sd", "--count", 1)
    (one,) = cards
    assert one["kind"] == ""
    assert one["remark"] == ""
    assert one["iou"] == 0.5
    assert (one["lost"], len(one["targets"]), len(one["regions"])) == (1, 2, 1)
    cards, _, _ = made("map.png")
    assert cards[0]["source"] == ""


@pytest.mark.parametrize("option", [("--key", "id"), ("--answer", "text"), ("--allow-missing",)])
def test_options_of_answers_need_targets(option):
    write("rows.jsonl", "")
    assert "it is for answers with TARGETS" in misused("report", "rows.jsonl", *option)


def test_bad_usage():
    assert "must end in .html" in misused("report", "rows.jsonl", "--out", "page.txt")
    assert "must end in .json for COCO" in misused("report", "p.jsonl", "targets.txt")
    write("rows.jsonl", "")
    assert "rows.jsonl has no record 0" in fails("report", "rows.jsonl")
