"""What all sources share, and the readers of LLaVA's and GSEval's layouts."""

import pickle

import pytest

import maskcodec as mc
from maskcodec import ConfigError, SourceError
from maskcodec.coco import read
from maskcodec.data import SOURCES, Instance, Sample, open_source
from tests import datasets
from tests.data.records import EMPTY, MINE, broken, keys, painted, pixels
from tests.datasets import SHAPE, block, write
from tests.test_public_api import fresh

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
    datasets.masks(folders["masks"])
    paths["masks"] = folders["masks"]
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
            assert read(instance.segmentation, shape=one.shape).any()


@pytest.mark.parametrize("name", sorted(set(MINE) - {"index", "ade20k"}))
def test_a_name_of_its_own_and_a_folder_of_images(everything, name):
    options = {"masks": everything[name].masks} if name in {"panoptic", "pix2cap"} else {}
    for folder in "images", "images/":
        source = open_source(name, everything[name].path, name="mine", images=folder, **options)
        plain = list(everything[name])
        for one, before in zip(source, plain, strict=True):
            assert one.key == before.key.replace(name, "mine")
            assert one.image == (before.image and f"images/{before.image}")


def test_sources_are_listed_by_name():
    assert list(SOURCES) == sorted(SOURCES)
    assert set(MINE) <= set(SOURCES)
    others = {"refer", "grefer", "reasonseg", "muse", "earthreason", "refcoco-m"}
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
    (
        {"segmentation": [[0, 0, 1, 1, 2, 2]]},
        'its "segmentation" must be run lengths with a "size", got a list',
    ),
    (
        {"segmentation": {"counts": "0"}},
        'its "segmentation" must be run lengths with a "size", got an object',
    ),
    (
        {"segmentation": {"size": [6], "counts": "0"}},
        'its "segmentation" must be run lengths with a "size", got an object',
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
    wrong = f"byte {path.read_bytes().index(255)} is 0xff; save it as UTF-8"
    assert fourth == ("record 5", f"the line is not UTF-8: {wrong}")
    path.write_bytes(b"\n")
    with pytest.raises(SourceError, match="is empty; expected is a JSON object a line"):
        open_source("gseval", path)


OUTSIDE = [
    *("../1.jpg", "a/../../1.jpg", "/etc/1.jpg", ".", "a\0.jpg"),
    *("\\\\host\\1.jpg", "a\\..\\..\\1.jpg", "..\\1.jpg", "C:1.jpg", "a/c:1.jpg"),
    *("D:\\data\\1.jpg", "\\data\\1.jpg", "//host/1.jpg"),
    *(".. /1.jpg", "a/. ./1.jpg", "..."),  # Windows passes over dots and spaces at the end
]


def image_of(tmp_path, name, **options):
    """The image of a record that names it so; else what is wrong with it."""
    path = write(tmp_path / "a.jsonl", [{**datasets.gseval()[0], "image_path": name}])
    (found,) = open_source("gseval", path, **options)
    return found.image if isinstance(found, Sample) else found.message


@pytest.mark.parametrize("name", OUTSIDE)
def test_an_image_lies_below_its_folder(tmp_path, name):
    message = f"{name!r} is no name of an image"
    assert image_of(tmp_path, name, images="photos") == f"{message} below photos"
    found = image_of(tmp_path, name)
    if name == "/etc/1.jpg":
        assert found == name  # the whole path of a file of this machine
    else:
        assert found == f"{message}: a path without .. and a drive letter is one"


@pytest.mark.parametrize("name", ["a/1.jpg", "./1.jpg", "a//b..c/.1.jpg", "a b/1.jpg", "..1.jpg"])
def test_names_that_stay_below_their_folder(tmp_path, name):
    assert image_of(tmp_path, name, images="photos") == f"photos/{name}"


def test_a_backslash_separates_folders(tmp_path):
    assert image_of(tmp_path, "images\\90f-a.jpg") == "images/90f-a.jpg"
    assert image_of(tmp_path, "a\\b\\90f-a.jpg", images="photos/") == "photos/a/b/90f-a.jpg"


@pytest.mark.parametrize("name", ["https://host/a.jpg", "s3://bucket/../b\\a.jpg", "file:///a.jpg"])
def test_an_address_stays_as_it_is(tmp_path, name):
    assert image_of(tmp_path, name) == name
    message = f"its image {name!r} is an address, and images= cannot go before it"
    assert image_of(tmp_path, name, images="photos") == message


def test_real_expressions(real_data):
    found = list(open_source("gseval", real_data / "gseval_dev.jsonl"))
    assert len(found) == 770
    assert len({one.key for one in found}) == 770
    codec = mc.BSD(sampling="keep")
    for one in found[::10]:
        (instance,) = one.instances
        assert codec.encode(instance.segmentation, one.query, shape=one.shape)
