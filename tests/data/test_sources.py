"""The readers of datasets whose layouts `tests.datasets` generates."""

import csv
import itertools
import json
import pickle
import tracemalloc
from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

import maskcodec as mc
from maskcodec import ConfigError, SourceError
from maskcodec.coco import RunMask, read
from maskcodec.data import SOURCES, Broken, Instance, Sample, _jsontext, open_source
from maskcodec.data._labelmaps import read_index, value_masks
from maskcodec.data._names import read_names
from maskcodec.files import images as image_files
from tests import datasets
from tests.datasets import PERSON, SHAPE, SKY, block, write
from tests.test_public_api import fresh

MINE = "ade20k", "coco", "gseval", "index", "llava", "lvis", "panoptic", "pix2cap"


def painted(sample):
    """The label and the pixels of each instance."""
    return [
        (one.label, read(one.segmentation, sample.shape).mask().tolist())
        for one in sample.instances
    ]


def pixels(mask):
    return mask.astype(int).tolist()


def broken(source):
    """What is wrong with the records that are, without the file's path."""
    found = [(str(one.where), one.message) for one in source if isinstance(one, Broken)]
    return [(where.replace(f"{source.path}: ", ""), message) for where, message in found]


def keys(source):
    return [one.key for one in source if isinstance(one, Sample)]


# ------------------------------------------------------------------------------ what all share


@pytest.fixture
def everything(tmp_path):
    """Each of these sources, opened on a fixture of its own."""
    folders = {name: tmp_path / name for name in MINE}
    contents = {
        "coco": datasets.coco,
        "lvis": datasets.lvis,
        "llava": datasets.llava,
        "gseval": datasets.gseval,
        "panoptic": lambda: datasets.panoptic(folders["panoptic"]),
        "pix2cap": lambda: datasets.pix2cap(folders["pix2cap"]),
    }
    paths = {
        name: write(folders[name] / f"panoptic_val2017.json{'l' * (name == 'gseval')}", make())
        for name, make in contents.items()
    }
    options = {"pix2cap": {"masks": folders["pix2cap"] / "panoptic_val2017"}}
    for name in "index", "ade20k":
        datasets.label_maps(folders[name])
        paths[name] = folders[name] / "maps"
        options[name] = {"names": folders[name] / "names.csv"}
    return {name: open_source(name, paths[name], **options.get(name, {})) for name in MINE}


@pytest.mark.parametrize("name", MINE)
def test_a_source_gives_the_same_records_in_every_way(everything, name):
    source = everything[name]
    found = list(source)
    assert source.name == name
    assert len(found) == len(source) >= 2
    assert all(isinstance(one, Sample) for one in found)
    assert len({one.key for one in found}) == len(found)
    assert all(one.key.startswith(f"{name}:") for one in found)
    assert list(source) == found
    elsewhere = pickle.loads(pickle.dumps(source))
    assert [elsewhere[k] for k in range(len(found))[::-1]] == found[::-1]
    for wrong in (-1, len(found)):
        with pytest.raises(IndexError, match=f"has {len(found)} records, there is no number"):
            source[wrong]
    for one in found:
        for instance in one.instances:
            assert read(instance.segmentation, one.shape).any()


@pytest.mark.parametrize("name", sorted(set(MINE) - {"index", "ade20k"}))
def test_a_name_of_its_own_and_a_folder_of_images(everything, name):
    options = {"masks": everything[name].masks} if "p" in name else {}
    for folder in "images", "images/":
        source = open_source(name, everything[name].path, name="mine", images=folder, **options)
        plain = list(everything[name])
        for one, before in zip(source, plain, strict=True):
            assert one.key == before.key.replace(name, "mine")
            assert one.image == (before.image and f"images/{before.image}")


def test_sources_are_listed_by_name():
    assert list(SOURCES) == sorted(SOURCES)
    assert set(MINE) <= set(SOURCES)
    others = {"refer", "grefer", "reasonseg", "muse", "earthreason"}
    assert set(SOURCES) - set(MINE) == others


def test_unknown_sources_and_options_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="there is no source 'imagenet'; there are ade20k, coco,"):
        open_source("imagenet", tmp_path)
    message = "source 'coco' has no option 'mask'; it has images, name, labels"
    with pytest.raises(ConfigError, match=message):
        open_source("coco", tmp_path / "a.json", mask=1)
    with pytest.raises(ConfigError, match="source 'index' needs the option 'names'"):
        open_source("index", tmp_path)
    for name, option in ("coco", "labels"), ("lvis", "partial"), ("panoptic", "task"):
        with pytest.raises(ConfigError, match=f"{option} must be one of '.*', got 'none'"):
            open_source(name, write(tmp_path / "a.json", {}), **{option: "none"})


def test_only_the_reader_that_is_asked_for_is_imported(tmp_path):
    code = f"""
import sys, json
from maskcodec.data import open_source
before = [name for name in sys.modules if name.startswith("maskcodec.data.sources.")]
open_source("llava", {str(write(tmp_path / "a.json", []))!r})
after = [name for name in sys.modules if name.startswith("maskcodec.data.sources.")]
print(json.dumps([before, after, [name for name in ("numba", "PIL") if name in sys.modules]]))
"""
    before, after, heavy = fresh(code)
    assert (before, heavy) == ([], [])
    assert after == [f"maskcodec.data.sources.{name}" for name in ("_records", "llava")]


# ----------------------------------------------------------------------------------- COCO, LVIS


@pytest.fixture
def coco():
    return datasets.coco()


@pytest.fixture
def opened(tmp_path):
    """Open some content as a source that is one JSON file."""

    def open_it(content, name="coco", **options):
        return open_source(name, write(tmp_path / "a.json", content), **options)

    return open_it


def test_coco_gives_the_instances_of_an_image_together(opened, coco):
    first, second, third = opened(coco)
    assert (first.key, first.image, first.shape) == ("coco:7", "000000000007.jpg", SHAPE)
    assert (first.task, first.names) == ("classes", ("person", "dog"))
    assert first.complete
    square = block(1, 1, 3, 3)
    assert painted(first) == [
        ("dog", pixels(square)),
        ("person", pixels(square | block(0, 5, 3, 3))),
    ]
    assert [(one.label, one.crowd) for one in second.instances] == [
        ("dog", False),
        ("person", True),
    ]
    assert painted(second)[1][1] == pixels(block(0, 0, 2, 3))
    assert (third.key, third.instances) == ("coco:9", ())


def test_lists_of_a_file_come_in_any_order(opened, coco):
    assert list(opened(dict(reversed(coco.items())))) == list(opened(coco))


def without(key):
    return lambda content: content.pop(key)


def changed(name, index, /, **fields):
    """Change fields of an entry; None takes one away."""

    def change(content):
        for key, value in fields.items():
            if value is None:
                del content[name][index][key]
            else:
                content[name][index][key] = value

    return change


def entry(name, index, value):
    return lambda content: content[name].__setitem__(index, value)


EMPTY = "; a mask is needed, not only a box"
COCO_FAULTS = [
    *[
        (
            changed("annotations", 1, segmentation=value),
            "annotation 102",
            f"it has no segmentation: {said}{EMPTY}",
        )
        for value, said in [([], "a list"), ({}, "an object"), ("", '""')]
    ],
    (
        changed("annotations", 1, segmentation=None),
        "annotation 102",
        f"it has no segmentation: null{EMPTY}",
    ),
    (
        changed("annotations", 1, segmentation="52203"),
        "annotation 102",
        'its segmentation must be polygons or run lengths, got "52203"',
    ),
    (
        changed("annotations", 1, category_id=5),
        "annotation 102",
        "its category 5 is none of the file's",
    ),
    (
        changed("annotations", 1, category_id=None),
        "annotation 102",
        "its category null is none of the file's",
    ),
    (changed("annotations", 1, iscrowd=2), "annotation 102", 'its "iscrowd" is neither 0 nor 1: 2'),
    (
        changed("annotations", 1, id=101),
        "annotation 101",
        "its id is that of an annotation before it",
    ),
    (
        changed("images", 0, height=None),
        "image 7",
        'it needs a "height" and a "width" in pixels: null and 8',
    ),
    (
        changed("images", 0, height=0),
        "image 7",
        "its size must be two integers of at least 1, got (0, 8)",
    ),
    (
        changed("images", 0, width=1 << 31),
        "image 7",
        "its size is 6 x 2147483648; COCO counts in 32 bits, up to 4,294,967,295 pixels",
    ),
    (
        changed("images", 0, file_name="  "),
        "image 7",
        'it needs a "file_name", a string that is not empty: "  "',
    ),
]


@pytest.mark.parametrize(("change", "where", "message"), COCO_FAULTS)
def test_coco_leaves_an_image_out_of_which_something_is_broken(
    opened, coco, change, where, message
):
    change(coco)
    source = opened(coco)
    assert broken(source) == [(where, message)]
    assert keys(source) == ["coco:8", "coco:9"]
    assert isinstance(source[0], Broken)


COCO_LOST = [
    (changed("annotations", 2, image_id=5), "annotation 103", "its image 5 is none that the file"),
    (
        changed("annotations", 2, image_id=None, id=None),
        "annotation number 3 of the list",
        "its image null is none that the file lists",
    ),
    (entry("annotations", 2, 4), "annotation number 3 of the list", "it must be an object, but it"),
]


@pytest.mark.parametrize(("change", "where", "message"), COCO_LOST)
def test_coco_names_annotations_that_belong_to_no_image(opened, coco, change, where, message):
    change(coco)
    source = opened(coco)
    assert keys(source) == ["coco:7", "coco:8", "coco:9"]
    ((found, said),) = broken(source)
    assert found == where
    assert said.startswith(message)
    assert isinstance(source[3], Broken)


def test_coco_refuses_images_that_cannot_be_told_apart(opened, coco):
    coco["images"] += [dict(coco["images"][0]), {**coco["images"][0], "id": True}, 5]
    source = opened(coco)
    assert keys(source) == ["coco:7", "coco:8", "coco:9"]
    assert broken(source) == [
        ("image 7", "it is listed before: an id belongs to one image"),
        ("image number 5 of the list", 'its "id" is true, which is no id'),
        ("image number 6 of the list", "it must be an object, but it is 5"),
    ]
    assert len(source[0].instances) == 2


def test_ids_of_annotations_may_be_words_or_missing(opened, coco):
    for one, key in zip(coco["annotations"], ["a", "b", "a", None], strict=True):
        one["id"] = key
    assert broken(opened(coco)) == [("annotation a", "its id is that of an annotation before it")]
    coco["annotations"][2]["id"] = 7.0
    assert broken(opened(coco)) == []


TABLES = [
    (without("images"), "has no list 'images'; expected are images, annotations, categories"),
    (without("categories"), "has no list 'categories'"),
    (lambda content: content.update(annotations={}), "its 'annotations' must be a list, but it is"),
    (entry("categories", 0, 7), "a category needs an id: 7"),
    (changed("categories", 0, id=[1]), "a category needs an id: a list"),
    (
        changed("categories", 0, name=" "),
        'category 1 needs a name, a string that is not empty: " "',
    ),
    (changed("categories", 0, id=18), 'category 18 is listed twice: as "person" and as "dog"'),
]


@pytest.mark.parametrize("name", ["coco", "panoptic"])
@pytest.mark.parametrize(("change", "message"), TABLES)
def test_a_file_needs_its_lists_and_names(opened, coco, name, change, message):
    change(coco)
    with pytest.raises(SourceError) as caught:
        opened(coco, name)
    assert message in str(caught.value)


def test_labels_are_plain_where_they_stay_apart(opened, coco):
    names = ["sky-other-merged", "door-stuff", "aerosol_can", "tree", "tree-merged", "_"]
    coco["categories"] += [{"id": 200 + k, "name": name} for k, name in enumerate(names)]
    assert opened(coco)[0].names[2:] == ("sky", "door", "aerosol can", "tree", "tree-merged", "_")
    assert opened(coco, labels="file")[0].names[2:] == tuple(names)


def test_what_others_leave_is_called_other_and_not_asked_for(opened, coco):
    names = {
        "wall-brick": "wall",
        "wall-other-merged": "wall",
        "water-other": "water",
        "sea": "water",
        "sky-other-merged": "sky",
        "other fruit": "food",
        "fruit-other": "food",
        "mother-otherwise": "food",
        "door-other": ["door"],
    }
    coco["categories"] += [
        {"id": 200 + k, "name": name, "supercategory": kind}
        for k, (name, kind) in enumerate(names.items())
    ]
    coco["annotations"] += [
        {**coco["annotations"][0], "id": 300 + k, "category_id": 200 + k} for k in range(len(names))
    ]
    found = opened(coco)[1]
    assert [one.label for one in found.instances][2:] == [
        *("wall-brick", "other wall", "other water", "sea", "sky"),
        *("other fruit", "fruit-other", "mother-otherwise", "door"),
    ]
    assert found.names[2:] == (
        *("wall-brick", "sea", "sky", "other fruit", "mother-otherwise", "door"),
    )
    found = opened(coco, labels="file")[1]
    assert [one.label for one in found.instances][2:] == list(names)
    assert found.names[2:] == tuple(names)


def test_lvis_has_names_of_its_own(opened):
    content = datasets.lvis()
    content["images"][0]["neg_category_ids"] = [3, 1]
    content["images"][1]["not_exhaustive_category_ids"] = [18, 3]
    content["images"][2]["file_name"] = "val2017/9.jpg"
    first, second, third = opened(content, "lvis")
    assert first.image == "val2017/000000000007.jpg"
    assert [one.label for one in first.instances] == ["bow (weapon)", "baseball bat"]
    assert first.names == ("bow (weapon)", "baseball bat", "cat")
    assert [one.label for one in second.instances] == ["baseball bat"]
    assert second.names == ("baseball bat", "cat")
    assert (third.image, third.names) == ("val2017/9.jpg", ("cat",))
    kept = opened(content, "lvis", partial="keep", labels="file")[1]
    assert [one.label for one in kept.instances] == ["bow_(weapon)", "baseball_bat"]
    assert kept.key == "lvis:8"
    assert [one.complete for one in (first, second, third, kept)] == [False] * 4


LVIS_FAULTS = [
    ({"neg_category_ids": 3}, 'its "neg_category_ids" must be a list, got 3'),
    ({"neg_category_ids": [3, 9]}, 'its "neg_category_ids" has 9, which is none of the categories'),
    (
        {"not_exhaustive_category_ids": [None]},
        'its "not_exhaustive_category_ids" has null, which is none of the categories',
    ),
    ({"coco_url": None}, 'it needs a "coco_url", a string that is not empty: null'),
]


@pytest.mark.parametrize(("fields", "message"), LVIS_FAULTS)
def test_lvis_needs_lists_of_categories(opened, fields, message):
    content = datasets.lvis()
    content["images"][0] |= fields
    assert broken(opened(content, "lvis")) == [("image 7", message)]


def test_half_a_character_is_no_text(opened, coco):
    coco["images"][0]["file_name"] = "\ud800.jpg"
    coco["images"][1]["id"] = "\udc00"
    source = opened(coco)
    assert broken(source)[:2] == [
        ("image 7", 'its "file_name" cannot be written as UTF-8: "\\ud800.jpg"'),
        ("image number 2 of the list", 'its "id" is "\\udc00", which is no id'),
    ]
    coco["categories"][0]["name"] = "\ud800"
    with pytest.raises(SourceError, match="category 1 needs a name, a string that is not empty"):
        opened(coco)


def test_a_file_that_changes_stops_the_run(opened, coco):
    source = opened(coco)
    opened({**coco, "info": "another"})
    with pytest.raises(SourceError, match="has changed since it was first read"):
        list(source)


def test_coco_is_read_without_being_held(tmp_path, monkeypatch):
    """Twenty times the annotations: a few bytes more for each, of a kilobyte that it has."""

    def peak(count):
        content = datasets.coco()
        polygon = [x % 7 + x / 10 for x in range(200)]
        content["annotations"] = [
            {"id": k, "image_id": 7 + k % 3, "category_id": 1, "segmentation": [polygon]}
            for k in range(count)
        ]
        content["images"] += datasets._images(*range(10, 10 + count))
        path = write(tmp_path / "large.json", content)
        del content
        tracemalloc.start()
        try:
            source = open_source("coco", path)
            numbers = sum(len(source[k].instances) for k in range(3, len(source)))
            return tracemalloc.get_traced_memory()[1], len(source), numbers
        finally:
            tracemalloc.stop()

    monkeypatch.setattr(_jsontext, "CHUNK", 1 << 14)
    peak(10)  # imports
    small, large = peak(100), peak(2000)
    assert (small[1:], large[1:]) == ((103, 0), (2003, 0))
    assert (tmp_path / "large.json").stat().st_size > 2_000_000
    assert large[0] - small[0] < 700_000


@pytest.mark.parametrize(
    ("file", "images", "instances"),
    [
        ("coco_tiny_val2017.json", 80, 815),
        ("coco_mini_val2017.json", 75, 585),
        ("nwpu_vhr10.json", 650, 3921),
    ],
)
def test_real_instances(real_data, file, images, instances):
    found = list(open_source("coco", real_data / file))
    assert all(isinstance(one, Sample) for one in found)
    assert (len(found), sum(len(one.instances) for one in found)) == (images, instances)
    content = json.loads((real_data / file).read_text("utf-8"))
    by_image = defaultdict(list)
    for annotation in content["annotations"]:
        by_image[f"coco:{annotation['image_id']}"].append(annotation["segmentation"])
    for one in found:
        assert [instance.segmentation for instance in one.instances] == by_image[one.key]


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
            assert one.segmentation == read(twin["segmentation"], sample.shape)
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


# ----------------------------------------------------------------------------------- label maps


def test_label_maps_give_a_mask_for_each_class(tmp_path):
    values = datasets.label_maps(tmp_path)
    options = {"names": tmp_path / "names.csv"}
    first, second = open_source("index", tmp_path / "maps", suffix=".png", images="p", **options)
    assert (first.key, first.image) == ("index:b", "p/b.png")
    assert (first.task, first.shape, first.names) == ("semantic", SHAPE, ("wall", "building"))
    assert painted(first) == [("wall", pixels(values == 1)), ("building", pixels(values == 2))]
    assert (second.key, second.image) == ("index:street/a", "p/street/a.png")
    assert painted(second) == [("wall", pixels(np.ones(SHAPE)))]
    (alone,) = open_source("ade20k", tmp_path / "maps" / "b.png", **options)
    assert (alone.key, alone.image) == ("ade20k:b", "b.jpg")
    assert alone.instances == first.instances


def test_a_value_needs_a_name_or_to_mean_nothing(tmp_path):
    datasets.label_maps(tmp_path, "Idx,Name\n1,wall\n")
    options = {"names": tmp_path / "names.csv"}
    source = open_source("index", tmp_path / "maps", **options)
    message = "it has 24 pixels of value 2, which has no name"
    assert next(iter(source)) == Broken(str(tmp_path / "maps" / "b.png"), message)
    assert keys(source) == ["index:street/a"]
    assert len(keys(open_source("index", tmp_path / "maps", unlabelled=[0, 2], **options))) == 2
    source = open_source("index", tmp_path / "maps", unlabelled=[], **options)
    assert source[0].message == "it has 15 pixels of value 0, which has no name"


def test_real_label_maps(real_data):
    folder = real_data / "ade"
    found = list(open_source("ade20k", folder, names=folder / "objectInfo150.csv"))
    assert [one.key for one in found] == [f"ade20k:ADE_val_0000000{k}" for k in (1, 2, 3)]
    with (folder / "objectInfo150.csv").open() as file:
        names = {int(row["Idx"]): row["Name"].split(";")[0] for row in csv.DictReader(file)}
    assert found[0].names[:3] == ("wall", "building", "sky")
    assert len(found[0].names) == len(set(found[0].names)) == len(names) == 150
    assert {"chest of drawers", "traffic light", "screen door", "television"} < set(found[0].names)
    assert [name for name in found[0].names if ";" in name] == []
    for one in found:
        with Image.open(folder / one.image.replace(".jpg", ".png")) as picture:
            values = np.asarray(picture)
        expected = [value for value in np.unique(values).tolist() if value]
        assert [instance.label for instance in one.instances] == [names[v] for v in expected]
        for value, instance in zip(expected, one.instances, strict=True):
            assert np.array_equal(instance.segmentation.mask(), values == value)


def test_a_folder_must_hold_label_maps(tmp_path):
    datasets.label_maps(tmp_path)
    (tmp_path / "empty").mkdir()
    for path in tmp_path / "empty", tmp_path / "none.png":
        with pytest.raises(SourceError, match="is no PNG, and no folder that holds any"):
            open_source("index", path, names=tmp_path / "names.csv")


def test_a_picture_must_be_a_label_map(tmp_path, monkeypatch):
    datasets.label_maps(tmp_path)
    path = tmp_path / "maps" / "b.png"
    source = open_source("index", path, names=tmp_path / "names.csv")
    path.write_bytes(path.read_bytes()[:50])
    assert source[0].message.startswith("is not an image that can be read: ")
    Image.new("RGB", (4, 4)).save(path)
    message = (
        "has the mode RGB; expected is an image with one number a pixel, as an index image has"
    )
    assert source[0] == Broken(str(path), message)
    Image.new("L", (9, 9)).save(path)
    monkeypatch.setattr(image_files, "MOST_CLAIMED", 80)
    assert source[0].message == "claims 9 x 9 pixels; up to 80 are read"
    path.unlink()
    assert source[0].message == "is missing"


def test_a_large_picture_is_taken_without_a_warning(tmp_path, monkeypatch):
    Image.new("L", (9, 9)).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 80)
    assert read_index(tmp_path / "a.png", (9, 9))[0].shape == (9, 9)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with pytest.raises(SourceError, match=r"is not an image that can be read: .* bomb"):
        read_index(tmp_path / "a.png")


@pytest.mark.parametrize("kind", ["1", "L", "P", "I;16"])
def test_every_image_of_numbers_is_read(tmp_path, kind):
    values = np.eye(3, 4, dtype=np.uint16 if kind == "I;16" else np.uint8)
    picture = Image.fromarray(values * 255).convert("1") if kind == "1" else Image.fromarray(values)
    if kind == "P":
        picture.putpalette(bytes(range(60)))
    picture.save(tmp_path / "a.png")
    masks = read_index(tmp_path / "a.png")
    assert list(masks) == [0, 1]
    assert np.array_equal(masks[1].mask(), values)


@given(
    hnp.arrays(
        np.uint32, st.tuples(st.integers(1, 6), st.integers(1, 6)), elements=st.integers(0, 3)
    ),
    st.lists(st.integers(0, 36)),
)
def test_masks_of_values_are_those_of_their_pixels(values, cuts):
    flat = values.T.ravel()
    edges = sorted({0, flat.size, *(cut for cut in cuts if cut < flat.size)})
    pieces = [flat[start:stop] for start, stop in itertools.pairwise(edges)]
    masks = value_masks(pieces, values.shape, "a.png")
    assert list(masks) == np.unique(values).tolist()
    for value, mask in masks.items():
        assert mask == RunMask.from_mask(values == value)
        assert mask.counts.tolist() == RunMask.from_mask(values == value).counts.tolist()
        assert np.array_equal(mask.mask(), values == value)


NAMES = [
    ("a.json", '["wall", null, "", "sky"]', {1: "wall", 4: "sky"}),
    ("a.json", '{"7": "wall", "0": " sky "}', {7: "wall", 0: "sky"}),
    ("a.txt", "\ufeffwall\r\n\r\nsky, blue", {1: "wall", 3: "sky, blue"}),
    ("a.csv", 'Name,Idx\n"wall",5\n\n"sky;air",6\n', {5: "wall", 6: "sky"}),
    (
        "a.csv",
        "Idx,Name\n45,chest;of;drawers;chest\n57,pool;table\n58,pool;tables\n110,swimming;pool\n",
        {45: "chest of drawers", 57: "pool table", 58: "pool", 110: "swimming pool"},
    ),
    (
        "a.csv",
        "Idx,Name\n1,screen;monitor\n2,screen;silver;screen\n3,wall\n",
        {1: "screen;monitor", 2: "screen;silver;screen", 3: "wall"},
    ),
    (
        "a.txt",
        "Idx\tRatio\tName\n1\t0.1\twall\n2\t0.2\tbuilding, edifice\n",
        {1: "wall", 2: "building"},
    ),
]


@pytest.mark.parametrize(("file", "text", "expected"), NAMES)
def test_names_come_in_several_files(tmp_path, file, text, expected):
    (tmp_path / file).write_text(text, encoding="utf-8")
    assert read_names(tmp_path / file, 1) == expected


NO_NAMES = [
    ("a.json", b"{", "is not JSON that can be read"),
    ("a.json", b"7", 'must be {"1": "wall", ...} or a list of names, got 7'),
    ("a.json", b"[7]", "a name must be a string or null, got 7"),
    ("a.json", b'{"wall": "1"}', "a value must be a whole number, got 'wall'"),
    ("a.json", rb'["\ud800"]', r'a name must be a string or null, got "\ud800"'),
    ("a.json", b"[null]", "names no value"),
    ("a.json", b'{"1": "a", " 1": "b"}', "names value 1 twice"),
    ("a.txt", b"", "names no value"),
    ("a.txt", b"\xff", "is not UTF-8: invalid start byte"),
    ("a.csv", b"", "is no table: "),
    ("a.csv", b'Idx,Name\n1,"a', "is no table: unexpected end of data"),
    (
        "a.csv",
        b"Index,Label\n1,a",
        "needs the columns Idx and Name, as objectInfo150.csv has them, ",
    ),
    ("a.csv", b"Name\na", "got 'Name'"),
    ("a.csv", b"Idx,Name\n1\n", "line 2 has 1 columns, not 2"),
    ("a.csv", b"Idx,Name\n-1,a\n", "a value must be a whole number, got '-1'"),
]


@pytest.mark.parametrize(("file", "data", "message"), NO_NAMES)
def test_what_names_nothing(tmp_path, file, data, message):
    (tmp_path / file).write_bytes(data)
    with pytest.raises(SourceError) as caught:
        read_names(tmp_path / file, 0)
    assert message in str(caught.value)
    assert str(caught.value).startswith(str(tmp_path / file))


def test_names_must_be_there(tmp_path):
    with pytest.raises(SourceError, match="cannot be read: No such file or directory"):
        read_names(tmp_path / "none.json", 0)


# --------------------------------------------------------------------------------- LLaVA, GSEval


def test_llava_passes_conversations_through(opened):
    first, second = opened(datasets.llava(), "llava", images="data")
    assert first == Sample(
        key="llava:0",
        image="data/coco/train2017/000000033471.jpg",
        shape=None,
        task="chat",
        turns=(
            ("user", "<image>\nWhat is this?"),
            ("assistant", "A bus, é.\n"),
            ("user", "Where?"),
            ("assistant", "Here."),
        ),
    )
    assert (second.key, second.image) == ("llava:1", "")
    assert second.turns == (("user", "Count to two."), ("assistant", "One, two."))


def turn(index, **fields):
    return lambda content: content[0]["conversations"][index].update(fields)


LLAVA_FAULTS = [
    (lambda content: content.__setitem__(0, 5), "", "it must be an object, but it is 5"),
    (lambda content: content[0].update(image=5), "", 'it needs a "image", a string that is not'),
    (
        lambda content: content[0].pop("conversations"),
        "",
        'its "conversations" must be a list, got',
    ),
    (lambda content: content[0]["conversations"].pop(), "", "its conversation ends without an"),
    (lambda content: content[0]["conversations"].clear(), "", "its conversation ends without an"),
    (lambda content: content[0]["conversations"].insert(0, 1), ", turn 0", "it must be an object"),
    (turn(0, **{"from": "system"}), ", turn 0", 'it must be from "human" or "gpt", got "system"'),
    (turn(0, **{"from": []}), ", turn 0", 'it must be from "human" or "gpt", got a list'),
    (turn(1, value=" "), ", turn 1", 'it needs a "value", a string that is not empty: " "'),
    (turn(1, **{"from": "human"}), ", turn 1", "it is from the user, as the one before"),
]


@pytest.mark.parametrize(("change", "where", "message"), LLAVA_FAULTS)
def test_llava_names_what_is_broken(opened, change, where, message):
    content = datasets.llava()
    change(content)
    source = opened(content, "llava")
    ((found, said),) = broken(source)
    assert found == f"record 0{where}"
    assert said.startswith(message)
    assert keys(source) == ["llava:1"]


def test_gseval_gives_an_expression_a_line(tmp_path):
    rows = datasets.gseval()
    first, second = open_source("gseval", write(tmp_path / "a.jsonl", rows))
    assert first == Sample(
        key="gseval:3",
        image="unlabeled2017/000000000003.jpg",
        shape=SHAPE,
        task="expression",
        instances=(Instance(label=rows[0]["caption"], segmentation=rows[0]["segmentation"]),),
        query="The snow under skier 3.",
    )
    assert painted(second) == [("The snow under skier 15.", pixels(block(1, 2, 3, 4)))]


GSEVAL_FAULTS = [
    ({"idx": None}, 'its "idx" is null, which is no id'),
    ({"caption": ""}, 'it needs a "caption", a string that is not empty: ""'),
    ({"image_path": 1}, 'it needs a "image_path", a string that is not empty: 1'),
    ({"segmentation": None}, f"it has no segmentation: null{EMPTY}"),
    ({"segmentation": [[0, 0, 1, 1, 2, 2]]}, 'its segmentation must be run lengths with a "size"'),
    ({"segmentation": {"counts": "0"}}, 'its segmentation must be run lengths with a "size"'),
    (
        {"segmentation": {"size": [6], "counts": "0"}},
        'its segmentation must be run lengths with a "size"',
    ),
    (
        {"segmentation": {"size": [6, 0], "counts": "0"}},
        "its size must be two integers of at least 1, got (6, 0)",
    ),
]


@pytest.mark.parametrize(("fields", "message"), GSEVAL_FAULTS)
def test_gseval_names_what_is_broken(tmp_path, fields, message):
    rows = datasets.gseval()
    rows[0] |= fields
    source = open_source("gseval", write(tmp_path / "a.jsonl", rows))
    assert broken(source) == [("record 0", message)]
    assert keys(source) == ["gseval:15"]


def test_gseval_names_lines_that_are_none(tmp_path):
    path = write(tmp_path / "a.jsonl", [*datasets.gseval(), datasets.gseval()[0], 7])
    with path.open("ab") as file:
        file.write(b'{"idx": \n\xff\n')
    source = open_source("gseval", path)
    first, second, third, fourth = broken(source)
    assert first == ("record 2", 'its "idx" 3 is that of record 0')
    assert second == ("record 3", "it must be an object, but it is 7")
    assert third[0] == "record 4"
    assert third[1].startswith("the line is not JSON that can be read: ")
    assert fourth == ("record 5", "the line is not UTF-8: invalid start byte")
    path.write_bytes(b"\n")
    with pytest.raises(SourceError, match="is empty; expected is a JSON object a line"):
        open_source("gseval", path)


OUTSIDE = [
    *("../1.jpg", "a/../../1.jpg", "/etc/1.jpg", ".", "a\0.jpg"),
    *("\\\\host\\1.jpg", "a\\..\\..\\1.jpg", "..\\1.jpg", "C:1.jpg", "a/c:1.jpg"),
    *(".. /1.jpg", "a/. ./1.jpg", "..."),  # Windows passes over dots and spaces at the end
]


@pytest.mark.parametrize("name", OUTSIDE)
def test_an_image_lies_below_its_folder(tmp_path, name):
    rows = [{**datasets.gseval()[0], "image_path": name}]
    path = write(tmp_path / "a.jsonl", rows)
    (found,) = broken(open_source("gseval", path, images="photos"))
    assert found == ("record 0", f"{name!r} is no name of an image below photos")
    if "\0" in name:
        (found,) = broken(open_source("gseval", path))
        assert found == ("record 0", f"{name!r} is no name of an image")
    else:
        (sample,) = open_source("gseval", path)
        assert sample.image == name


@pytest.mark.parametrize("name", ["a/1.jpg", "./1.jpg", "a//b..c/.1.jpg", "a b/1.jpg", "..1.jpg"])
def test_names_that_stay_below_their_folder(tmp_path, name):
    path = write(tmp_path / "a.jsonl", [{**datasets.gseval()[0], "image_path": name}])
    (sample,) = open_source("gseval", path, images="photos")
    assert sample.image == f"photos/{name}"


def test_real_expressions(real_data):
    found = list(open_source("gseval", real_data / "gseval_dev.jsonl"))
    assert len(found) == 770
    assert len({one.key for one in found}) == 770
    codec = mc.BSD(sampling="keep")
    for one in found[::10]:
        (instance,) = one.instances
        assert codec.encode(instance.segmentation, one.query, shape=one.shape)
