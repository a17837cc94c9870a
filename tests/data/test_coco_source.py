"""The readers of COCO's and LVIS' instances."""

import json
import tracemalloc
from collections import defaultdict

import pytest

import maskcodec as mc
from maskcodec import SourceError
from maskcodec.data import Broken, Sample, _jsontext, open_source
from maskcodec.data.rows import RowMaker
from tests import datasets
from tests.data.records import EMPTY, broken, changed, entry, keys, painted, pixels
from tests.datasets import SHAPE, block, write


@pytest.fixture
def coco():
    return datasets.coco()


def test_coco_gives_the_instances_of_an_image_together(opened, coco):
    first, second, third = opened(coco)
    assert (first.key, first.image, first.shape) == ("coco:7", "000000000007.jpg", SHAPE)
    assert (first.task, first.names) == ("classes", ("person", "dog"))
    assert not first.complete
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
    (entry("categories", 0, 7), "a category: it must be an object, but it is 7"),
    (changed("categories", 0, id=[1]), 'a category: its "id" is a list, which is no id'),
    (
        changed("categories", 0, name=" "),
        'category 1: it needs a "name", a string that is not empty: " "',
    ),
    (changed("categories", 0, id=18), 'category 18: it is listed twice: as "person" and as "dog"'),
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
    with pytest.raises(SourceError, match='category 1: its "name" cannot be written as UTF-8'):
        opened(coco)


def test_a_number_that_is_none_breaks_what_reads_it(opened, coco):
    coco["info"] = float("inf")
    for annotation in coco["annotations"]:
        annotation["area"] = float("nan")
    source = opened(coco)
    assert keys(source) == ["coco:7", "coco:8", "coco:9"]
    coco["images"][0]["height"] = coco["annotations"][0]["iscrowd"] = float("nan")
    coco["images"][2]["id"] = float("-inf")
    assert broken(opened(coco)) == [
        ("image 7", 'it needs a "height" and a "width" in pixels: NaN and 8'),
        ("annotation 101", 'its "iscrowd" is neither 0 nor 1: NaN'),
        ("image number 3 of the list", 'its "id" is -Infinity, which is no id'),
    ]


@pytest.mark.parametrize(
    "segmentation",
    [
        [[float("nan"), 1, 4, 1, 4, 4]],
        {"size": [6, 8], "counts": [float("nan")]},
        {"size": [6, float("inf")], "counts": [48]},
    ],
)
def test_a_mask_of_numbers_that_are_none_is_broken(opened, coco, segmentation):
    for annotation in coco["annotations"]:
        annotation["segmentation"] = segmentation
    made = RowMaker(codec=mc.BSD(), absent=0.0)(opened(coco)[0])
    assert (made.rows, len(made.broken)) == ([], 1)


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
