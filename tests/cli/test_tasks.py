"""`maskcodec eval-tasks`: tasks for lmms-eval, which count as `maskcodec eval` does."""

import importlib.util
import json
import pickle
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import maskcodec as mc
from maskcodec.coco import RunMask, read
from maskcodec.errors import MaskError
from maskcodec.metrics import lmms
from maskcodec.metrics.lmms import FIGURES
from tests.cli.calling import fails, misused, run, words
from tests.refer_fixtures import annotation, image, ref, write

pytest.importorskip("pycocotools.mask", reason="the extra 'coco' is not installed")

SHAPE = 32, 48  # of all images; cells of a 16 x 16 grid lose nothing of the squares
NAME = "COCO_train2014_000000000001.jpg"
NOTHING = {"size": list(SHAPE), "counts": "P`1"}


def square(y1, x1, y2, x2):
    """A mask of whole cells."""
    mask = np.zeros(SHAPE, np.uint8)
    mask[2 * y1 : 2 * y2, 3 * x1 : 3 * x2] = 1
    return mask


def polygon(y1, x1, y2, x2):
    return [3 * x1, 2 * y1, 3 * x2, 2 * y1, 3 * x2, 2 * y2, 3 * x1, 2 * y2]


LEFT, RIGHT = (2, 1, 10, 7), (2, 9, 10, 15)


def picture(number=1, **more):
    return image(number, height=SHAPE[0], width=SHAPE[1], **more)


def refcoco(name="refcoco", refs=None, **tables):
    """A folder in REFER's layout: a dog on the left, one on the right."""
    tables.setdefault("images", [picture()])
    tables.setdefault(
        "annotations", [annotation(7, 1, [polygon(*LEFT)]), annotation(8, 1, [polygon(*RIGHT)])]
    )
    refs = (
        [ref(7, "Left dog.", "a {{dog}}", split="val"), ref(8, "right", split="val")]
        if refs is None
        else refs
    )
    if name == "grefcoco":
        tables["file"] = "grefs(unc).json"
    write(Path(name), pickle.dumps(refs) if name != "grefcoco" else refs, **tables)
    return f"{'grefer' if name == 'grefcoco' else 'refer'}:{name},images=.,split=val"


def grefcoco():
    """Both dogs, one, and none."""
    targets = ([7, 8], "dogs"), ([8], "the right dog"), ([-1], "a cat")
    refs = [
        ref(number, text, split="val", ann_id=ids, no_target=ids == [-1])
        for number, (ids, text) in enumerate(targets, 1)
    ]
    return refcoco("grefcoco", refs)


def reasonseg():
    """A target of which a half is to be ignored, and two questions."""
    folder = Path("ReasonSeg", "val")
    folder.mkdir(parents=True)
    Image.new("RGB", SHAPE[::-1]).save(folder / "1.jpg")

    def shape(label, *corners):
        flat = polygon(*corners)
        return {"label": label, "points": list(zip(flat[::2], flat[1::2], strict=True))}

    shapes = [shape("target", *LEFT), shape("ignore", 2, 4, 10, 7)]
    content = {"text": ["what barks?", "who guards?"], "is_sentence": True, "shapes": shapes}
    (folder / "1.json").write_text(json.dumps(content))
    return f"reasonseg:{folder}"


def refcoco_m(**more):
    """One image with both dogs, as the published rows have them."""
    samples = [
        {
            "id": number,
            "sentences": texts,
            "mask": RunMask.from_mask(square(*at)).coco_rle(text=True),
        }
        for number, texts, at in ((70, ["left dog", "dog"], LEFT), (80, ["right dog"], RIGHT))
    ]
    row = {"image_id": 1, "file_name": NAME, "samples": samples} | more
    Path("refcoco-m.jsonl").write_text(json.dumps(row) + "\n")
    return "refcoco-m:refcoco-m.jsonl,images=."


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """An empty folder to work in, with the one image."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    Image.new("RGB", SHAPE[::-1]).save(NAME)


CODECS = {
    "b-sd": ["--codec", "b-sd", "--grid", "16"],
    "scanlines": [],
    "r-rle": ["--codec", "r-rle", "--grid", "16"],
}


def made(*sources, codec="b-sd"):
    """What a call says."""
    return words(run("eval-tasks", *sources, *CODECS[codec], "--out", "tasks").stderr)


def rows(name):
    lines = Path("tasks", f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def task(name):
    """What lmms-eval finds in a folder: the module, and the functions of a task's metrics."""
    text = Path("tasks", f"{name}.yaml").read_text(encoding="utf-8")
    spec = importlib.util.spec_from_file_location("utils", Path("tasks", "utils.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found = re.findall(r"  - metric: (\S+)\n    aggregation: !function utils\.(\w+)\n", text)
    return module, {metric: getattr(module, function) for metric, function in found}


def counted(name, said):
    """The figures of a task as lmms-eval counts them, which does it through plain values."""
    module, metrics = task(name)
    found = [
        module.process_results(row, [text]) for row, text in zip(rows(name), said, strict=True)
    ]
    found = json.loads(json.dumps(found))
    return {metric: of([one[metric] for one in found]) for metric, of in metrics.items()}


def evaluated(name, said):
    """The same figures by `maskcodec eval`, from answers as lmms-eval logs them."""
    log = "".join(
        json.dumps({"doc_id": k, "filtered_resps": text}) + "\n" for k, text in enumerate(said)
    )
    Path("log.jsonl").write_text(log, encoding="utf-8")
    names = ["--key", "doc_id", "--answer", "filtered_resps"]
    run(
        "eval",
        "log.jsonl",
        f"tasks/{name}.jsonl",
        *names,
        "--config",
        "tasks",
        "--json",
        "log.json",
    )
    report = json.loads(Path("log.json").read_text(encoding="utf-8"))
    shares = {kind: report["answers"][kind] / report["samples"] for kind in ("valid", "recovered")}
    return report["figures"] | shares


def answers(codec, name):
    """A right answer, a wrong one, one that breaks off, words, and more of the like."""
    right = [read(row["segmentation"]).mask() for row in rows(name)]
    kinds = [
        lambda mask: codec.encode(mask, "dog") if mask.any() else "There is no dog.",
        lambda mask: codec.encode(np.roll(mask, 9, 1) | square(0, 0, 2, 2), "dog"),
        lambda mask: codec.encode(mask | square(*RIGHT), "dog")[:-9],
        lambda _: "There is no dog.",
        lambda _: "<ref>dog</ref>",
        lambda _: "",
    ]
    for shift in range(0, len(kinds), 2):
        yield [kinds[(shift + k) % len(kinds)](mask) for k, mask in enumerate(right)]


SETS = {
    "maskcodec_refcoco_val": refcoco,
    "maskcodec_grefcoco_val": grefcoco,
    "maskcodec_reasonseg_val": reasonseg,
    "maskcodec_refcoco-m": refcoco_m,
}


@pytest.mark.parametrize("codec", CODECS)
def test_a_task_counts_as_eval_does(codec):
    made(*(make() for make in SETS.values()), codec=codec)
    reader, recovered = mc.load("tasks"), []
    for name in SETS:
        for said in answers(reader, name):
            mine, its = counted(name, said), evaluated(name, said)
            assert list(mine) == list(FIGURES)
            shown = {figure: None if np.isnan(value) else value for figure, value in mine.items()}
            assert shown == {figure: its[figure] for figure in mine}
            recovered.append(mine["recovered"])
    assert max(recovered) > 0


def test_rows_of_each_dataset():
    said = made(*(make() for make in SETS.values()))
    for name, count in zip(SETS, ("3 samples", "3 samples", "1 sample", "3 samples"), strict=True):
        assert f"wrote tasks/{name}.yaml: {count}" in said
    left, right, both, nothing = (
        RunMask.from_mask(mask).coco_rle(text=True)
        for mask in (
            square(*LEFT),
            square(*RIGHT),
            square(*LEFT) | square(*RIGHT),
            square(0, 0, 0, 0),
        )
    )
    found = rows("maskcodec_refcoco_val")
    assert found[0] == {
        "doc_id": 0,
        "id": "refcoco:7:70",
        "image": str(Path(NAME).absolute()),
        "query": "Left dog.",
        "question": "Segment what this describes: Left dog.",
        "segmentation": left,
        "ignore": nothing,
    }
    assert found[1]["question"] == "Segment what this describes: a {{dog}}."
    shown = [row["segmentation"] for row in rows("maskcodec_grefcoco_val")]
    assert shown == [both, right, nothing]
    shown = [row["segmentation"] for row in rows("maskcodec_refcoco-m")]
    assert shown == [left, left, right]
    (row,) = rows("maskcodec_reasonseg_val")  # the first text alone, as LISA has it
    assert (read(row["segmentation"]).mask() == square(2, 1, 10, 4)).all()
    assert (read(row["ignore"]).mask() == square(2, 4, 10, 7)).all()


def test_all_texts_of_reasonseg_can_be_asked_for():
    made(f"{reasonseg()},texts=all")
    assert [row["query"] for row in rows("maskcodec_reasonseg_val")] == [
        "what barks?",
        "who guards?",
    ]


def test_names_of_tasks_and_their_figures():
    """What lmms-eval looks for by name: metrics, functions, and files beside the YAML."""
    made(refcoco("refcoco+"), f"{refcoco()},name=../my: set")
    names = "maskcodec_refcoco+_val", "maskcodec__my_set_val"
    assert sorted(path.name for path in Path("tasks").iterdir()) == sorted(
        [
            *(f"{name}.{kind}" for name in names for kind in ("yaml", "jsonl")),
            *("utils.py", "maskcodec.json"),
        ]
    )
    text = Path("tasks", f"{names[1]}.yaml").read_text(encoding="utf-8")
    assert f"task: {names[1]}\n" in text
    assert f"    test: {names[1]}.jsonl\n" in text
    assert "  - metric: recovered\n    aggregation: !function utils.recovered\n" in text
    module, metrics = task(names[0])
    assert list(metrics) == list(FIGURES)
    (image,) = module.doc_to_visual(rows(names[0])[0])
    assert image.size == SHAPE[::-1]


def test_a_task_is_yaml_of_the_keys_that_lmms_eval_has():
    yaml = pytest.importorskip("yaml")
    loader = type("Loader", (yaml.SafeLoader,), {})
    loader.add_constructor("!function", lambda _, node: node.value)
    made(f"{refcoco()},name=é+1")
    text = Path("tasks", "maskcodec_é+1_val.yaml").read_text(encoding="utf-8")
    found = yaml.load(text, loader)
    assert (found["task"], found["tag"]) == ("maskcodec_é+1_val", "maskcodec")
    assert found["dataset_kwargs"] == {"data_files": {"test": "maskcodec_é+1_val.jsonl"}}
    assert found["doc_to_text"] == "question"
    assert found["process_results"] == "utils.process_results"
    assert found["generation_kwargs"]["until"] == []
    better = {one["metric"]: one["higher_is_better"] for one in found["metric_list"]}
    assert better == {figure: figure != "recovered" for figure in FIGURES}


def test_wordings_are_those_of_build():
    Path("words.json").write_text(json.dumps({"expression": ["Segment {what}!"]}))
    run("eval-tasks", refcoco(), "--templates", "words.json", "--out", "tasks")
    assert mc.load("tasks") == mc.Scanlines()
    assert rows("maskcodec_refcoco_val")[2]["question"] == "Segment right!"
    message = fails("eval-tasks", refcoco(), "--templates", "none.json", "--out", "more")
    assert "none.json" in message
    assert not Path("more").exists()


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            lambda: refcoco().removesuffix(",split=val"),
            "refer:refcoco needs a split: add ,split=val",
        ),
        (lambda: "refer", "a source is name:path"),
        (lambda: "nothing:here", "there is no source 'nothing'"),
        (lambda: f"{refcoco()},texts=first", "texts"),
        (
            lambda: f"{reasonseg()},texts=second",
            "texts must be one of 'all', 'first', got 'second'",
        ),
    ],
)
def test_misused(source, message):
    assert message in misused("eval-tasks", source(), "--out", "tasks")
    assert not Path("tasks").exists()


def test_tasks_of_one_name():
    message = misused("eval-tasks", refcoco(), refcoco(), "--out", "tasks")
    assert "two of the datasets would be maskcodec_refcoco_val: name= changes one" in message
    made(refcoco(), f"{refcoco()},name=other")
    assert len(rows("maskcodec_other_val")) == 3


def test_folders_that_are_there():
    source = refcoco()
    Path("tasks").mkdir()
    made(source)  # an empty one is as good as none
    message = fails("eval-tasks", source, "--out", "tasks")
    assert message == "tasks is there already: choose another folder"
    assert "cannot be written" in fails("eval-tasks", source, "--out", f"{NAME}/tasks")


def test_datasets_without_expressions():
    tables = {
        "images": [picture()],
        "annotations": [annotation(7, 1)],
        "categories": [{"id": 3, "name": "dog"}],
    }
    Path("instances.json").write_text(json.dumps(tables))
    message = fails("eval-tasks", "coco:instances.json,images=.", "--out", "tasks")
    assert message == (
        "coco:1: it has no expression and no question; a task needs a dataset such as refer, "
        "grefer, reasonseg or refcoco-m"
    )
    assert not Path("tasks").exists()


def no_picture():
    Path(NAME).write_bytes(b"P3 1 1 255")
    return refcoco()


BROKEN = {
    "image": (
        lambda: refcoco(images=[picture(file_name="away.jpg")]),
        "there is no image away.jpg; images= says where they are",
    ),
    "folder": (
        lambda: refcoco(images=[picture(file_name="refcoco")]),
        "there is no image refcoco;",
    ),
    "picture": (no_picture, f"{NAME}"),
    "size": (
        lambda: refcoco(images=[picture() | {"height": 33}]),
        f"{NAME} has 32 x 48 pixels, its mask 33 x 48",
    ),
    "claim": (
        lambda: refcoco(images=[picture() | {"height": 1 << 13, "width": 1 << 15}]),
        f"{NAME} has 32 x 48 pixels, its mask 8192 x 32768",
    ),
    "mask": (
        lambda: refcoco(annotations=[annotation(k, 1, [[0, 0, 0, 1, 0, 2]]) for k in (7, 8)]),
        "its mask has no pixel, though it has a target",
    ),
    "polygon": (
        lambda: refcoco(annotations=[annotation(k, 1, [["1"] * 6]) for k in (7, 8)]),
        "its mask",
    ),
    "words": (lambda: refcoco(refs=[ref(7, " .", split="val")]), "an expression must have words"),
    "token": (
        lambda: refcoco(refs=[ref(7, "a <seg>", split="val")]),
        "question 'a <seg>' holds '<seg>'",
    ),
    "long": (
        lambda: refcoco(refs=[ref(7, "dog " * 2000, split="val")]),
        "has 7,999 characters; at most 4,096 are taken",
    ),
    "half": (
        lambda: refcoco("grefcoco", [ref(7, "a \ud800", split="val", ann_id=[7])]),
        "cannot be written as UTF-8",
    ),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_broken_records(kind):
    make, message = BROKEN[kind]
    found = fails("eval-tasks", make(), "--out", "tasks")
    assert message in found
    assert found.endswith("--allow-broken leaves it out")
    assert not Path("tasks").exists()


def test_polygons_without_what_reads_them(monkeypatch):
    monkeypatch.setitem(sys.modules, "pycocotools.mask", None)
    message = fails("eval-tasks", refcoco(), "--allow-broken", "--out", "tasks")
    assert "pycocotools" in message
    assert not Path("tasks").exists()


def test_broken_records_can_be_left_out():
    dogs = [annotation(7, 1, [polygon(*LEFT)]), annotation(8, 1, "no mask")]
    said = words(
        run("eval-tasks", refcoco(annotations=dogs), "--allow-broken", "--out", "tasks").stderr
    )
    assert "tasks/maskcodec_refcoco_val.yaml: 2 samples" in said
    assert (
        "maskcodec_refcoco_val lacks 1 broken record: its figures do not compare with those of "
        "the whole set"
    ) in said
    assert len(rows("maskcodec_refcoco_val")) == 2
    message = fails(
        *("eval-tasks", refcoco(annotations=dogs[1:]), "--allow-broken", "--out", "more")
    )
    assert message == "maskcodec_refcoco_val: there is no record that can be used"
    assert not Path("more").exists()


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"segmentation": None}, "the segmentation"),
        ({"segmentation": {"size": [4, 4], "counts": "5"}}, "the segmentation"),
        ({"segmentation": {"size": [1 << 15, 1 << 15], "counts": [1 << 30]}}, "the image claims"),
        ({"segmentation": {"size": [4, 4], "counts": [16]}, "ignore": NOTHING}, "the ignored part"),
    ],
)
def test_rows_that_were_changed(row, message):
    answer = mc.BSD(grid=4).encode([[1, 1], [0, 0]], "dog")
    with pytest.raises((MaskError, TypeError), match=message):
        lmms.process_results(mc.BSD(grid=4), row, [answer])
