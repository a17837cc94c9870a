"""The readers of COCO's panoptic layout and Pix2Cap's."""

import json
from collections import defaultdict

import pytest

from maskcodec import SourceError
from maskcodec.coco import read
from maskcodec.data import open_source
from tests import datasets
from tests.data.records import broken, changed, entry, keys, painted, pixels
from tests.datasets import PERSON, SHAPE, SKY, write

# ------------------------------------------------------------------------------------- panoptic


@pytest.fixture
def panoptic(tmp_path):
    """What to change, and how to open it."""
    content = datasets.panoptic(tmp_path)

    def open_it(**options):
        path = write(tmp_path / "panoptic_val2017.json", content)
        return open_source("panoptic", path, **options)

    return content, open_it


def test_panoptic_gives_every_segment(panoptic):
    first, second = panoptic[1]()
    assert (first.key, second.key) == ("panoptic:8", "panoptic:7")
    assert (first.image, first.shape, first.task) == ("000000000008.jpg", SHAPE, "classes")
    assert first.names == ("person", "sky", "wall-wood")
    ids = datasets.segments()
    assert painted(first) == [
        ("person", pixels(ids == PERSON)),
        ("person", pixels(ids == 5)),
        ("sky", pixels(ids == SKY)),
    ]
    assert [one.crowd for one in first.instances] == [False, True, False]
    assert panoptic[1](task="semantic", labels="file")[0].instances[2].label == "sky-other-merged"
    assert panoptic[1](task="semantic")[1].task == "semantic"


def test_real_panoptic_segments_are_their_run_length_twins(real_data):
    folder = real_data / "panoptic"
    twins = defaultdict(list)
    text = (folder / "panoptic_coco_detection_format.json").read_text("utf-8")
    for annotation in json.loads(text)["annotations"]:
        twins[f"panoptic:{annotation['image_id']}"].append(annotation)
    found = list(open_source("panoptic", folder / "panoptic_examples.json", masks=folder))
    assert [len(one.instances) for one in found] == [18, 32]
    for sample in found:
        for one, twin in zip(sample.instances, twins[sample.key], strict=True):
            assert one.segmentation == read(twin["segmentation"], shape=sample.shape)
            assert one.segmentation.area == twin["area"]
            assert list(one.segmentation.bbox) == twin["bbox"]
            assert one.crowd == bool(twin["iscrowd"])


def test_real_panoptic_classes_that_others_leave(real_data):
    folder = real_data / "panoptic"
    path = folder / "panoptic_examples.json"
    found = list(open_source("panoptic", path, masks=folder))
    listed = {entry["name"] for entry in json.loads(path.read_text("utf-8"))["categories"]}
    rests = {f"{kind}-other" for kind in ("building", "floor", "food", "wall", "water", "window")}
    names = {name.removesuffix("-merged") for name in listed} - rests
    assert set(found[0].names) == {
        name.removesuffix("-other").removesuffix("-stuff") for name in names
    }
    filed = open_source("panoptic", path, masks=folder, labels="file")
    assert set(filed[0].names) == listed


def segment(index, **fields):
    return lambda content: content["annotations"][0]["segments_info"][index].update(fields)


NOWHERE = "is no name of a file below"
PANOPTIC_FAULTS = [
    (
        entry("annotations", 0, []),
        "annotation number 1 of the list",
        "it must be an object, but it is a list",
    ),
    (
        changed("annotations", 0, image_id=5),
        "annotation number 1 of the list",
        "its image 5 is none that the file lists",
    ),
    (
        changed("annotations", 0, image_id=None),
        "annotation number 1 of the list",
        "its image null is none that the file lists",
    ),
    (
        lambda content: content["images"].append({"id": 8.0}),
        "image 8",
        "it is listed twice: an id belongs to one image",
    ),
    (
        changed("annotations", 0, segments_info=5),
        "image 8",
        'its "segments_info" must be a list, got 5',
    ),
    (
        changed("annotations", 0, segments_info=[]),
        "image 8",
        "it lists no segment, and so says nothing of any class",
    ),
    (
        entry("annotations", 0, {"image_id": 8, "segments_info": ["x"]}),
        "image 8, a segment",
        'it must be an object, but it is "x"',
    ),
    *[
        (segment(0, id=value), "image 8", f"a segment has the id {said}; a PNG holds 1 .. 16777215")
        for value, said in [(0, "0"), (1 << 24, "16777216"), ("5", '"5"')]
    ],
    (segment(0, id=5), "image 8", "it lists segment 5 twice"),
    (segment(0, id=6), "image 8, segment 6", "its PNG has no pixel of it"),
    (
        segment(0, category_id=9),
        f"image 8, segment {PERSON}",
        "its category 9 is none of the file's",
    ),
    (segment(1, iscrowd="no"), "image 8, segment 5", 'its "iscrowd" is neither 0 nor 1: "no"'),
    (
        lambda content: content["annotations"][0]["segments_info"].pop(),
        "image 8",
        f"its PNG has a segment {SKY} that the file does not list",
    ),
    (changed("annotations", 0, file_name="8.png"), "image 8", "8.png is missing"),
    (changed("annotations", 0, file_name="../8.png"), "image 8", f"'../8.png' {NOWHERE}"),
    (changed("annotations", 0, file_name="/8.png"), "image 8", f"'/8.png' {NOWHERE}"),
    (changed("annotations", 0, file_name="."), "image 8", f"'.' {NOWHERE}"),
    (changed("annotations", 0, file_name="a/" * 400), "image 8", f"a/a/' {NOWHERE}"),
    (changed("images", 1, width=9), "image 8", "but its image has 6 x 9"),
    (changed("images", 1, width="8"), "image 8", 'in pixels: 6 and "8"'),
    (
        changed("images", 1, file_name=None),
        "image 8",
        'it needs a "file_name", a string that is not empty: null',
    ),
]


@pytest.mark.parametrize(("change", "where", "message"), PANOPTIC_FAULTS)
def test_panoptic_names_what_is_broken(panoptic, change, where, message):
    content, open_it = panoptic
    change(content)
    source = open_it()
    ((found, said),) = broken(source)
    assert found == where
    assert message in said
    assert keys(source) == ["panoptic:7"]


def test_panoptic_takes_one_annotation_an_image(panoptic):
    content, open_it = panoptic
    content["annotations"].append(content["annotations"][0])
    assert broken(open_it()) == [("image 8", "it has an annotation before this one")]


def test_panoptic_needs_its_folder(panoptic, tmp_path):
    with pytest.raises(SourceError, match="elsewhere is no folder; masks= names that of the PNGs"):
        panoptic[1](masks=tmp_path / "elsewhere")


# -------------------------------------------------------------------------------------- Pix2Cap


@pytest.fixture
def pix2cap(tmp_path):
    """What to change, and how to open it."""
    content = datasets.pix2cap(tmp_path)

    def open_it(**options):
        path = write(tmp_path / "pix2cap_coco_val.json", content)
        return open_source("pix2cap", path, **{"masks": tmp_path / "panoptic_val2017", **options})

    return content, open_it


def test_pix2cap_gives_a_sample_for_each_caption(pix2cap):
    content, open_it = pix2cap
    del content["images"], content["categories"]
    found = list(open_it())
    assert [one.key for one in found] == [
        f"pix2cap:{image}:{key}" for image in (8, 7) for key in (PERSON, SKY)
    ]
    first, second, *_ = found
    assert (first.image, first.shape) == ("000000000008.jpg", SHAPE)
    assert (first.task, first.query) == ("expression", "A person on the left.")
    assert painted(first) == [(first.query, pixels(datasets.segments() == PERSON))]
    assert second.query == "The sky above two people, é."


PIX2CAP_FAULTS = [
    (segment(0, id=9), "image 8, segment 9", "its PNG has no pixel of it"),
    (segment(0, id="x"), "image 8", 'a segment has the id "x"; a PNG holds 1 .. 16777215'),
    (
        segment(0, description=12345),
        "image 8",
        'it needs a "description", a string that is not empty: 12345',
    ),
    (
        entry("annotations", 0, "x"),
        "annotation number 1 of the list",
        'it must be an object, but it is "x"',
    ),
]


@pytest.mark.parametrize(("change", "where", "message"), PIX2CAP_FAULTS)
def test_pix2cap_names_what_is_broken(pix2cap, change, where, message):
    content, open_it = pix2cap
    change(content)
    source = open_it()
    assert broken(source) == [(where, message)]
    assert keys(source)[-2:] == [f"pix2cap:7:{PERSON}", f"pix2cap:7:{SKY}"]


@pytest.mark.parametrize(
    ("change", "where", "message"),
    [
        (
            changed("annotations", 0, image_id=True),
            "annotation number 1 of the list",
            'its "image_id" is true, which is no id',
        ),
        (changed("annotations", 0, file_name="8.png"), "image 8", "8.png is missing"),
        (
            lambda content: content["annotations"].append(content["annotations"][0]),
            "image 8",
            "it has an annotation before this one",
        ),
    ],
)
def test_pix2cap_names_each_caption_of_an_annotation_that_is_broken(
    pix2cap, change, where, message
):
    content, open_it = pix2cap
    change(content)
    found = broken(open_it())
    assert len(found) == 2
    for place, said in found:
        assert place == where
        assert said.endswith(message)


def test_pix2cap_needs_its_folder(pix2cap, tmp_path):
    with pytest.raises(SourceError, match="none is no folder; masks= names that of the PNGs"):
        pix2cap[1](masks=tmp_path / "none")


def test_a_backslash_leads_to_the_map_as_well(opened, tmp_path):
    content = datasets.panoptic(tmp_path)
    masks = tmp_path / "panoptic_val2017"
    (masks / "deep").mkdir()
    for annotation in content["annotations"]:
        name = annotation["file_name"]
        (masks / name).rename(masks / "deep" / name)
        annotation["file_name"] = f"deep\\{name}"
    assert keys(opened(content, "panoptic", masks=masks)) == ["panoptic:8", "panoptic:7"]
