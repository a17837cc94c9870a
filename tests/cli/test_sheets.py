"""`maskcodec show` of rows, datasets and PNGs."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import maskcodec as mc
from maskcodec.cli import records, show
from maskcodec.cli.records import Viewer, words_around
from maskcodec.data.build import build
from maskcodec.data.formats import trainer_rows
from maskcodec.data.rows import Message, Row, RowMaker
from maskcodec.data.sample import Instance, Sample
from tests.cli.calling import BOTH, CAT, MAP, MASK, SHAPE, boxes, fails, image, misused, run, write

pytestmark = pytest.mark.usefixtures("folder")

RLE = mc.coco.RunMask.from_mask(MASK).coco_rle()
COUNTS = {**RLE, "counts": RLE["counts"].decode()}
SAID = Message("user", "Where are they?"), Message("assistant", f"Here: {BOTH}")


def line(**fields):
    return json.dumps(fields) + "\n"


def drawn(what, codec=None, start=0, count=12, **more):
    return Viewer(str(what), codec or mc.Scanlines(), **more).read(start, count)


@pytest.mark.parametrize("name", ["ms-swift", "llama-factory", "trl", "llava"])
@pytest.mark.parametrize("ending", [".jsonl", ".json"])
def test_rows_of_every_trainer_are_drawn(name, ending):
    rows = trainer_rows(Row("mine:1", "photo.png", SAID), name)
    text = json.dumps(rows) if ending == ".json" else "".join(line(**row) for row in rows)
    write(f"rows{ending}", text)
    found = drawn(f"rows{ending}")
    assert found.missing == []
    (record,) = found.records
    assert record.labels == ["dog", "cat"]
    assert record.said == [("user", "Where are they?"), ("assistant", "Here:  [dog]  [cat]")]
    assert record.before is None
    assert record.remark == ""
    mask = record.after[1][0].mask(SHAPE)
    assert (mask & (MAP == 2)).sum() / (mask | (MAP == 2)).sum() > 0.98
    assert np.array(record.photo)[0, 0].tolist() == [90, 120, 150]


@pytest.mark.parametrize("storage", ["jsonl", "parquet"])
def test_what_build_wrote_is_drawn_by_its_own_codec(storage, folder):
    if storage == "parquet":
        pytest.importorskip("pyarrow")
    samples = [
        Sample(
            key=f"mine:{n}",
            image=f"photos/{n}.png",
            shape=SHAPE,
            task="expression",
            query=f"dog {n}",
            instances=(Instance(label=f"dog {n}", segmentation=COUNTS),),
        )
        for n in range(5)
    ]
    build(samples, "rows", rows=RowMaker(codec=mc.BSD(grid=32)), storage=storage, shard_size=2)
    Path("photos").mkdir()
    Image.new("RGB", SHAPE[::-1], "olive").save("photos/1.png")
    result = run("show", "rows", "--count", 3, "--out", "s.png")
    assert "wrote s.png: records 0 to 2 of rows; --start 3 shows what follows" in result.stderr
    assert "2 photos cannot be read, so that the masks are on a plain ground" in result.stderr
    assert "photos/0.png: No such file" in result.stderr
    assert image("s.png").shape[0] > 2 * 266
    result = run("show", folder / "rows" / "train" / f"00000.{storage}", "--start", 1)
    assert "records 1 to 1 of" in result.stderr
    assert "shows what follows" not in result.stderr
    found = drawn("rows", mc.BSD())
    assert [record.labels for record in found.records] == [[f"dog {n}"] for n in range(5)]
    assert "rows has no record 5: it has fewer" in fails("show", "rows", "--start", 5)
    message = misused("show", "rows", "--codec", "b-sd")
    assert "the rows were written by BSD(grid=(32, 32)" in message


def test_lists_of_rows_are_drawn(folder):
    write("train.json", trainer_rows(Row("mine:1", "", SAID), "llava"))
    (found,) = drawn(folder).records
    assert found.labels == ["dog", "cat"]


def test_broken_rows_say_what_is_wrong():
    broken = {"messages": [{"role": "user", "content": "?"}]}
    said = [Message("user", "?"), Message("assistant", BOTH[:-30])]
    (cut,) = trainer_rows(Row("mine:2", "", tuple(said)), "ms-swift")
    write("rows.jsonl", line(**broken) + line(**cut) + "7\n")
    one, two, three = drawn("rows.jsonl").records
    assert "no answer of the assistant" in one.remark
    assert two.remark.startswith("1 problem: ")
    assert two.labels == ["dog", "cat"]
    assert "must be a dict" in three.remark
    run("show", "rows.jsonl")
    write("rows.parquet", "none")
    pytest.importorskip("pyarrow")
    assert "rows.parquet is no Parquet file that can be read" in fails("show", "rows.parquet")


def test_parquet_needs_pyarrow(monkeypatch):
    write("rows.parquet", "none")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert "maskcodec[data]" in fails("show", "rows.parquet")


def test_gseval_stands_beside_what_the_codec_makes_of_it():
    write(
        "gseval.jsonl",
        line(idx=7, image_path="photo.png", caption="a dog", segmentation=COUNTS)
        + line(idx=8, image_path="gone.png", caption="a dog")
        + line(idx=9, image_path="small.png", caption="<seg>", segmentation=COUNTS),
    )
    Image.new("RGB", (9, 9)).save("small.png")
    one, two, three = drawn("gseval.jsonl").records
    assert one.said == [("user", "a dog")]
    assert one.before == [mc.coco.RunMask.from_mask(MASK)]
    assert one.remark.startswith("mean IoU 0.9") or one.remark == "mean IoU 1.000"
    assert "segmentation" in two.remark
    assert "holds '<seg>'" in three.remark
    assert three.after == [[]]
    result = run("show", "gseval:gseval.jsonl,images=.", "--images", ".")
    assert "note" not in result.stderr
    write("gseval.jsonl", line(idx=9, image_path="small.png", caption="dog", segmentation=COUNTS))
    (record,) = drawn("gseval.jsonl", images=Path()).records
    assert record.remark.startswith("the photo has 9 x 9 pixels, annotated are 128 x 192")


def test_annotations_are_drawn_by_image(coco, monkeypatch):
    pytest.importorskip("pycocotools")
    coco["categories"].pop()
    coco["images"] = coco["images"][:1]
    coco["images"][0]["file_name"] = "photo.png"
    coco["annotations"] = [coco["annotations"][0], coco["annotations"][2], coco["annotations"][4]]
    write("coco.json", coco)
    (record,) = drawn("coco.json", mc.BSD()).records
    assert record.labels == ["dog", "[cat]", "dog"]
    assert record.after[2] == []
    assert record.remark == "mean IoU 0.667, 1 lost"
    (record,) = drawn("coco.json", mc.RRLE(grid=64)).records
    assert record.labels == ["dog", "[cat]"]
    assert [len(one) for one in record.after] == [1, 1]
    monkeypatch.setattr(records, "MOST_CLAIMED", 9)
    (record,) = drawn("coco.json").records
    assert record.remark == "it claims 128 x 192 pixels; up to 9 are drawn"
    coco["annotations"][0]["segmentation"] = [[1, 2]]
    write("coco.json", coco)
    (record,) = drawn("coco.json").records
    assert "2 coordinates" in record.remark


@pytest.mark.parametrize("beside", [True, False])
def test_panoptic_has_its_pngs_in_a_folder_or_beside(beside, folder):
    target = folder if beside else folder / "panoptic"
    target.mkdir(exist_ok=True)
    Image.fromarray(np.stack([MAP, 0 * MAP, 0 * MAP], axis=2)).save(target / "7.png")
    segments = [{"id": n, "category_id": n, "iscrowd": 0} for n in (1, 2)]
    content = {
        "images": [{"id": 7, "file_name": "photo.png", "height": SHAPE[0], "width": SHAPE[1]}],
        "annotations": [{"image_id": 7, "file_name": "7.png", "segments_info": segments}],
        "categories": [{"id": 1, "name": "dog"}, {"id": 2, "name": "cat"}],
    }
    write("panoptic.json", content)
    (record,) = drawn("panoptic.json").records
    assert record.labels == ["dog", "cat"]
    assert record.remark.startswith("mean IoU 0.9") or "1.000" in record.remark


def test_pngs_are_drawn_beside_their_photos(folder):
    (record,) = drawn("map.png", names=folder / "names.json").records
    assert record.labels == ["dog", "cat"]
    (record,) = drawn("map.png").records
    assert record.labels == ["value 1", "value 2"]
    found = drawn("mask.png")
    assert found.records[0].labels == ["mask"]
    assert len(found.missing) == 1
    for sub in "masks/a", "photos/a":
        Path(sub).mkdir(parents=True)
    Image.fromarray(boxes(CAT) * 255).save("masks/a/cat.png")
    Image.new("RGB", SHAPE[::-1], "olive").save("photos/a/cat.jpg")
    Image.new("RGB", SHAPE[::-1], "olive").save("masks/colours.png")
    found = drawn("masks", images=Path("photos"))
    assert [record.name for record in found.records] == ["a/cat", "colours"]
    assert found.missing == []
    assert found.records[0].labels == ["cat"]
    assert "expected is an image with one number" in found.records[1].remark


def test_what_is_none_of_these_is_refused(folder):
    assert "nothing.txt is none of what can be drawn" in fails("show", "nothing.txt")
    (folder / "empty").mkdir()
    assert "empty holds no rows" in fails("show", "empty")
    assert "pngs:a is none of what can be drawn" in fails("show", "pngs:a")
    assert "give --image-id" in misused("show", "map.png", "--image", "photo.png")
    write("empty.jsonl", "")
    assert "has no record 0" in fails("show", "empty.jsonl")
    write("chat.jsonl", line(idx=1, segmentation=None))
    run("show", "chat.jsonl")


def test_words_around_masks_keep_their_labels():
    text = f"Sure. {BOTH}And a <ref>c"
    assert words_around(mc.Scanlines(), text) == "Sure.  [dog]  [cat] And a  [c"
    assert words_around(mc.RRLE(), "Sure. <seg>dog*9</seg> Done") == "Sure.   Done"


def test_letters_that_no_font_has_are_mentioned(monkeypatch):
    monkeypatch.setattr("maskcodec.cli.messages.unlettered", lambda _: list("狗猫鼠牛虎兔"))
    write("rows.jsonl", line(**trainer_rows(Row("mine:1", "", SAID), "ms-swift")[0]))
    said = run("show", "rows.jsonl").stderr
    assert "no font here has '狗', '猫', '鼠', '牛', '虎' and 1 more, so the picture shows" in said
    assert r"\u72d7 and the like" in said


def test_a_sheet_breaks_long_words():
    said = Message("user", "word " * 500), Message("assistant", "Nothing.")
    write("rows.jsonl", line(**trainer_rows(Row("mine:1", "", said), "ms-swift")[0]))
    run("show", "rows.jsonl", "--out", "long.png")
    assert image("long.png").shape[0] < 600
    assert show._MOST == 100
