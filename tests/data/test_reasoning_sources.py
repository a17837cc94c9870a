"""ReasonSeg, MUSE and EarthReason, in small files written here."""

import json
import pickle
import struct

import numpy as np
import pytest
from PIL import Image

from maskcodec.coco import read
from maskcodec.data import Broken, Instance, Sample, _jsontext, open_source
from maskcodec.data._labelmaps import picture_mask
from maskcodec.data._pictures import picture_shape
from maskcodec.data.sources.earthreason import EarthReason
from maskcodec.data.sources.reasonseg import ReasonSeg
from maskcodec.errors import ConfigError, SourceError
from maskcodec.files import images as image_files
from tests.refer_fixtures import SQUARE

SHAPE = 6, 8


def photo(path, shape=SHAPE, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", shape[::-1]).save(path, **options)


def broken(source, folder):
    """The one broken record, without the folder's path."""
    (found,) = [record for record in source if isinstance(record, Broken)]
    return Broken(*(part.replace(f"{folder}/", "").replace(f"{folder}", ".") for part in found))


# ReasonSeg


def polygon(label, left, top, right, bottom):
    points = [[left, top], [right, top], [right, bottom], [left, bottom]]
    return {"label": label, "points": points, "shape_type": "polygon"}


TARGET = polygon("target", 1, 1, 5, 5)


def reasonseg(folder, content, name="1_d", picture=True):
    folder.mkdir(exist_ok=True)
    if picture:
        photo(folder / f"{name}.jpg")
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    (folder / f"{name}.json").write_bytes(data)
    return ReasonSeg(folder)


def shapes(*entries, text=("what barks?",), is_sentence=True):
    return {"text": list(text), "is_sentence": is_sentence, "shapes": list(entries)}


def mask_of(source):
    (sample,) = source
    return sample.instances[0].segmentation.mask()


def test_a_sample_for_each_text(tmp_path):
    reasonseg(tmp_path, shapes(TARGET, text=["what barks? ", "who guards the house?"]))
    reasonseg(tmp_path, shapes(TARGET, text=["the dog"], is_sentence=False), name="0_d")
    (tmp_path / "notes.txt").touch()
    source = open_source("reasonseg", tmp_path)
    found = [(s.key, s.task, s.query, s.image, s.shape) for s in source]
    assert found == [
        ("reasonseg:0_d:0", "expression", "the dog", f"{tmp_path}/0_d.jpg", SHAPE),
        ("reasonseg:1_d:0", "reasoning", "what barks?", f"{tmp_path}/1_d.jpg", SHAPE),
        ("reasonseg:1_d:1", "reasoning", "who guards the house?", f"{tmp_path}/1_d.jpg", SHAPE),
    ]
    assert source[0].instances[0].label == "roi0"
    assert list(pickle.loads(pickle.dumps(source))) == list(source)


def test_the_first_text_of_each_image(tmp_path):
    reasonseg(tmp_path, shapes(TARGET, text=["what barks?", "who guards the house?"]))
    reasonseg(tmp_path, shapes(TARGET, text=["the dog"], is_sentence=False), name="0_d")
    source = open_source("reasonseg", tmp_path, texts="first")
    assert [one.key for one in source] == ["reasonseg:0_d:0", "reasonseg:1_d:0"]
    with pytest.raises(ConfigError, match="texts must be one of 'all', 'first', got 'last'"):
        open_source("reasonseg", tmp_path, texts="last")


def test_polygons_are_united_and_flags_are_left_out(tmp_path):
    source = reasonseg(
        tmp_path,
        shapes(
            polygon("target", 0, 0, 2, 2),
            polygon("Target", 4, 4, 6, 6),
            polygon("flag", 0, 0, 8, 6),
        ),
    )
    expected = np.zeros(SHAPE, np.uint8)
    expected[:2, :2] = expected[4:6, 4:6] = 1
    assert np.array_equal(mask_of(source), expected)


def test_the_largest_polygon_lies_below(tmp_path):
    source = reasonseg(
        tmp_path,
        shapes(
            polygon("target", 3, 3, 4, 4),
            polygon("ignore", 2, 2, 5, 5),
            polygon("target", 1, 1, 6, 6),
        ),
    )
    expected = np.zeros(SHAPE, np.uint8)
    expected[1:6, 1:6] = 1
    expected[2:5, 2:5] = 0
    expected[3, 3] = 1
    assert np.array_equal(mask_of(source), expected)


def test_an_area_to_be_ignored_from_the_first_pixel(tmp_path):
    source = reasonseg(
        tmp_path, shapes(polygon("target", 0, 0, 8, 6), polygon("ignore", 0, 0, 8, 5))
    )
    assert np.array_equal(mask_of(source), np.repeat([[0]] * 5 + [[1]], 8, axis=1))


def test_files_in_windows_1252(tmp_path):
    content = shapes(TARGET, text=["what\u2019s the café\u2019s dog?"])
    data = json.dumps(content, ensure_ascii=False).encode("cp1252")
    wrong = (
        f"it is not UTF-8: byte {data.index(0x92)} is 0x92; save it as UTF-8, or say what it is in"
    )
    assert broken(reasonseg(tmp_path, data), tmp_path) == Broken(
        "1_d.json", f"{wrong}, such as encoding=cp1252"
    )
    (sample,) = ReasonSeg(tmp_path, encoding="cp1252")
    assert sample.query == "what\u2019s the café\u2019s dog?"


def test_files_in_gbk_are_not_guessed_at(tmp_path):
    content = shapes(TARGET, text=["狗在哪里"])
    data = json.dumps(content, ensure_ascii=False).encode("gbk")
    assert "it is not UTF-8: byte " in broken(reasonseg(tmp_path, data), tmp_path).message
    (sample,) = ReasonSeg(tmp_path, encoding="gbk")
    assert sample.query == "狗在哪里"
    reasonseg(tmp_path, json.dumps(content, ensure_ascii=False).encode())
    assert ReasonSeg(tmp_path, encoding="cp1252")[0].query == "狗在哪里"  # UTF-8 comes first
    (tmp_path / "1_d.json").write_bytes(b'{"text": "\x81"}')
    found = broken(ReasonSeg(tmp_path, encoding="cp1252"), tmp_path)
    assert found.message == "it is neither UTF-8 nor cp1252: byte 10 is no text"
    for name in "latin-9000", "hex", "idna\0":
        with pytest.raises(ConfigError, match="there is no text encoding "):
            ReasonSeg(tmp_path, encoding=name)


def test_one_text_alone(tmp_path):
    (sample,) = reasonseg(tmp_path, shapes(TARGET) | {"text": "what barks?"})
    assert sample.key == "reasonseg:1_d:0"
    assert sample.query == "what barks?"


def test_images_in_another_folder(tmp_path):
    reasonseg(tmp_path / "json", shapes(TARGET), picture=False)
    photo(tmp_path / "images" / "1_d.PNG")
    source = ReasonSeg(tmp_path / "json", images=tmp_path / "images", name="mine")
    (sample,) = source
    assert (sample.key, sample.image) == ("mine:1_d:0", f"{tmp_path}/images/1_d.PNG")


def test_photos_that_lie_on_their_side(tmp_path):
    for orientation, shape in [(1, SHAPE), (5, SHAPE[::-1]), (6, SHAPE[::-1]), (8, SHAPE[::-1])]:
        tags = Image.Exif()
        tags[0x0112] = orientation
        photo(tmp_path / "1.jpg", exif=tags)
        photo(tmp_path / "1.png", exif=tags)
        assert picture_shape(tmp_path / "1.jpg") == shape
        assert picture_shape(tmp_path / "1.png") == SHAPE


NOT_JSON = "it is not JSON that can be read: Expecting value: line 1 column 1 (char 0)"
LABELS = 'its "label" must be "target", "ignore" or "flag", got '


@pytest.mark.parametrize(
    ("content", "place", "message"),
    [
        (b"what barks?", "", NOT_JSON),
        ([], "", "it must be an object, but it is a list"),
        (shapes(text=[]), "", 'its "text" must be a list that is not empty, got a list'),
        ({"text": None}, "", 'its "text" must be a list that is not empty, got null'),
        (
            shapes(TARGET, is_sentence="yes"),
            "",
            'its "is_sentence" must be true or false, got "yes"',
        ),
        (shapes() | {"shapes": 3}, "", 'its "shapes" must be a list, got 3'),
        (shapes(), "", 'nothing of a "target" is left of its 0 polygons'),
        (
            shapes(TARGET, polygon("ignore", 1, 1, 5, 5)),
            "",
            'nothing of a "target" is left of its 2 polygons',
        ),
        (shapes(TARGET, text=[" "]), "text 0", 'it must be a string that is not empty, got " "'),
        (shapes(TARGET, text=[7]), "text 0", "it must be a string that is not empty, got 7"),
        (shapes(TARGET, "dog"), "shape 1", 'it must be an object, but it is "dog"'),
        (shapes(polygon("dog", 1, 1, 5, 5)), "shape 0", f'{LABELS}"dog"'),
        (shapes(polygon(None, 1, 1, 5, 5)), "shape 0", f"{LABELS}null"),
        (
            shapes(TARGET | {"points": []}, TARGET | {"points": [[1, 2], [3, 4]]}),
            "",
            'nothing of a "target" is left of its 0 polygons',
        ),
        (
            shapes(TARGET | {"points": [[1, 2], [3]]}),
            "shape 0",
            'its "points" must be a list of [x, y], got a list',
        ),
        (
            shapes(TARGET | {"points": [["1", 2], [3, 4], [5, 6]]}),
            "shape 0",
            "its polygon, polygon 0 must be numbers [x1, y1, x2, y2, x3, y3, ...], got ['1', 2, 3, "
            "4, 5, 6]",
        ),
    ],
)
def test_broken_reasonseg(tmp_path, content, place, message):
    found = broken(reasonseg(tmp_path, content), tmp_path)
    assert found == Broken(f"1_d.json: {place}" if place else "1_d.json", message)


def test_images_that_are_missing_twice_there_or_broken(tmp_path):
    source = reasonseg(tmp_path, shapes(TARGET), picture=False)
    wanted = "it needs one image of its name, but there is "
    assert broken(source, tmp_path) == Broken("1_d.json", f"{wanted}none")
    (tmp_path / "1_d.jpg").write_bytes(b"no image")
    found = broken(ReasonSeg(tmp_path), tmp_path)
    assert found.message == "1_d.jpg is not a PNG, JPEG, BMP, WEBP or TIFF image"
    photo(tmp_path / "1_d.png")
    found = broken(ReasonSeg(tmp_path), tmp_path)
    assert found == Broken("1_d.json", f"{wanted}2: 1_d.jpg, 1_d.png")


def test_folders_that_change_while_they_are_read(tmp_path):
    source = reasonseg(tmp_path, shapes(TARGET, text=["a", "b"]))
    reasonseg(tmp_path, shapes(TARGET))
    gone = Broken("1_d.json: text 1", "it has gone since the folder was opened")
    assert broken(source, tmp_path) == gone
    (tmp_path / "1_d.json").unlink()
    message = f"{tmp_path}/1_d.json cannot be read: No such file or directory"
    fresh = pickle.loads(pickle.dumps(source))
    assert fresh[0] == Broken(f"{tmp_path}/1_d.json", message)


def test_folders_without_json(tmp_path):
    with pytest.raises(SourceError) as caught:
        ReasonSeg(tmp_path)
    assert str(caught.value) == f"{tmp_path} has no JSON file; expected is one beside each image"
    with pytest.raises(SourceError) as caught:
        ReasonSeg(tmp_path / "train")
    assert str(caught.value) == f"{tmp_path}/train cannot be read: No such file or directory"


def test_deep_json_is_refused(tmp_path):
    found = broken(reasonseg(tmp_path, b"[" * 100_000), tmp_path)
    assert found.message == "it is nested too deep"


def test_files_of_any_size_are_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(_jsontext, "LARGEST", 20)
    found = broken(reasonseg(tmp_path, shapes(TARGET)), tmp_path)
    assert found == Broken("1_d.json", "1_d.json has more than 20 bytes")


# MUSE


def muse_image(**more):
    entry = {
        "image_id": 5,
        "file_name": "COCO_train2014_000000000005.jpg",
        "height": 6,
        "width": 8,
        "ann_list": [{"id": 31, "segmentation": SQUARE, "category_id": 3}],
        "questions": ["what barks, and what purrs?"],
        "answers": [[{"segmentation": SQUARE}, {"segmentation": SQUARE, "iscrowd": 1}]],
        "text_answers": ["The dog {seg} barks, the cat {seg} purrs."],
    }
    return entry | more


def muse(folder, *entries, **options):
    (folder / "MUSE_train.json").write_text(json.dumps(list(entries)))
    return open_source("muse", folder / "MUSE_train.json", **options)


def test_the_words_are_kept_around_the_regions(tmp_path):
    (sample,) = muse(tmp_path, muse_image(), images="coco")
    assert sample == Sample(
        key="muse:0:0",
        image="coco/train2014/COCO_train2014_000000000005.jpg",
        shape=SHAPE,
        task="reasoning",
        instances=(
            Instance(label="roi0", segmentation=SQUARE),
            Instance(label="roi1", segmentation=SQUARE, crowd=True),
        ),
        query="what barks, and what purrs?",
        answer="The dog {roi0} barks, the cat {roi1} purrs.",
    )


def test_several_questions_with_and_without_words(tmp_path):
    one = [{"segmentation": SQUARE}]
    source = muse(
        tmp_path,
        muse_image(),
        muse_image(
            questions=["a?", "b?", "c?"],
            answers=[one, one, []],
            text_answers=["{seg}", None, "Nothing of {this}."],
        ),
        muse_image(text_answers=None),
    )
    assert [(s.key, s.answer, len(s.instances)) for s in list(source)[1:]] == [
        ("muse:1:0", "{roi0}", 1),
        ("muse:1:1", "", 1),
        ("muse:1:2", "Nothing of {this}.", 0),
        ("muse:2:0", "", 2),
    ]
    assert list(pickle.loads(pickle.dumps(source))) == list(source)


@pytest.mark.parametrize(
    ("entry", "path"),
    [
        ({"file_name": "COCO_val2014_05.jpg"}, "val2014/COCO_val2014_05.jpg"),
        ({"file_name": "train2017/05.jpg"}, "train2017/05.jpg"),
        ({"coco_url": "http://images.cocodataset.org/val2017/05.jpg"}, "val2017/05.jpg"),
    ],
)
def test_coco_folders(tmp_path, entry, path):
    without = muse_image()
    del without["file_name"]
    (sample,) = muse(tmp_path, without | entry)
    assert sample.image == path


@pytest.mark.parametrize("target", [31, "31", {"id": 31}, {"ann_id": 31, "id": 0}])
def test_targets_by_their_ids(tmp_path, target):
    (sample,) = muse(tmp_path, muse_image(answers=[[target]], text_answers=None))
    assert sample.instances == (Instance(label="roi0", segmentation=SQUARE),)


NO_TARGET = "it needs a segmentation, or the id of an annotation of ann_list"


@pytest.mark.parametrize(
    ("more", "place", "message"),
    [
        ({"height": None}, "", 'it needs a "height" and a "width" in pixels: null and 8'),
        ({"file_name": ""}, "", 'it needs a "file_name", a string that is not empty: ""'),
        ({"questions": []}, "", 'its "questions" must be a list that is not empty, got a list'),
        ({"questions": "x"}, "", 'its "questions" must be a list that is not empty, got "x"'),
        ({"answers": None}, "", 'its "answers" must be a list, got null'),
        ({"answers": []}, "", 'it has 1 "questions", but 0 "answers"'),
        ({"text_answers": "x"}, "", 'its "text_answers" must be a list, got "x"'),
        ({"text_answers": [None] * 2}, "", 'it has 1 "questions", but 2 "text_answers"'),
        ({"questions": [" "]}, "question 0", 'it must be a string that is not empty, got " "'),
        ({"answers": [7]}, "question 0", "its answer must be a list of targets, got 7"),
        (
            {"text_answers": [7]},
            "question 0",
            "the words of its answer must be a string or null, got 7",
        ),
        (
            {"text_answers": ["{seg}"]},
            "question 0",
            "the words of its answer have 1 times {seg}, but it has 2 targets",
        ),
        (
            {"text_answers": ["{seg} {roi1} {seg}"]},
            "question 0",
            'the words of its answer hold "{roi", which stands for a region',
        ),
        ({"answers": [[None]]}, "question 0, target 0", NO_TARGET),
        ({"answers": [[{"box": []}]]}, "question 0, target 0", NO_TARGET),
        (
            {"answers": [[31, 32]]},
            "question 0, target 1",
            '"ann_list" has annotation 32 0 times; expected is one',
        ),
        (
            {"answers": [[31]], "ann_list": [{"id": 31}, {"id": "31"}, None]},
            "question 0, target 0",
            '"ann_list" has annotation 31 2 times; expected is one',
        ),
        (
            {"answers": [[31]], "ann_list": None},
            "question 0, target 0",
            '"ann_list" has annotation 31 0 times; expected is one',
        ),
        (
            {"answers": [[{"segmentation": 3}]]},
            "question 0, target 0",
            "its segmentation must be polygons or run lengths, got 3",
        ),
    ],
)
def test_broken_muse(tmp_path, more, place, message):
    found = broken(muse(tmp_path, muse_image(**more), muse_image()), tmp_path)
    where = "MUSE_train.json: image 0 of the list"
    assert found == Broken(f"{where}, {place}" if place else where, message)


def test_entries_of_muse_that_are_no_objects(tmp_path):
    found = broken(muse(tmp_path, 3), tmp_path)
    assert found.message == "it must be an object, but it is 3"


# EarthReason


def earthreason(folder, name="00017", qa=None, mask=None, **options):
    for part in ("images", "labels", "QAs"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    photo(folder / "images" / f"{name}.jpg")
    label = np.pad(np.full((2, 3), 255, np.uint8), ((1, 3), (2, 3))) if mask is None else mask
    picture = label if isinstance(label, Image.Image) else Image.fromarray(label)
    picture.save(folder / "labels" / f"{name}.png")
    content = {"questions": ["where to land?", "where do planes go?"], "answer": ["On it."]}
    (folder / "QAs" / f"{name}.json").write_text(json.dumps(content if qa is None else qa))
    return open_source("earthreason", folder, **options)


def test_a_sample_for_each_question(tmp_path):
    source = earthreason(tmp_path)
    found = [(s.key, s.task, s.query, s.answer, s.image, s.shape) for s in source]
    picture = f"{tmp_path}/images/00017.jpg"
    assert found == [
        ("earthreason:00017:0", "reasoning", "where to land?", "On it.", picture, SHAPE),
        ("earthreason:00017:1", "reasoning", "where do planes go?", "On it.", picture, SHAPE),
    ]
    (instance,) = source[1].instances
    assert instance.label == "roi0"
    assert read(instance.segmentation).bbox == (2, 1, 3, 2)
    assert list(pickle.loads(pickle.dumps(source))) == list(source)


def test_a_black_mask_shows_nothing(tmp_path):
    qa = {"questions": "where is the sea?", "answers": []}
    (sample,) = earthreason(tmp_path, qa=qa, mask=np.zeros(SHAPE, np.uint8))
    assert sample.instances == ()
    assert (sample.query, sample.answer, sample.shape) == ("where is the sea?", "", SHAPE)


def palette():
    picture = Image.fromarray(np.eye(6, 8, dtype=np.uint8)).convert("P")
    picture.putpalette([0, 0, 0, 255, 0, 0])
    picture.info["transparency"] = b"\0\xff"
    return picture


@pytest.mark.parametrize(
    "mask",
    [
        np.eye(6, 8, dtype=np.uint8),
        np.eye(6, 8, dtype=bool),
        np.eye(6, 8, dtype=np.uint16) * 300,
        np.eye(6, 8, dtype=np.uint8)[..., None] * np.array([0, 7, 0], np.uint8),
        np.eye(6, 8, dtype=np.uint8)[..., None] * np.array([0, 7, 0, 0], np.uint8)
        + np.array([0, 0, 0, 255], np.uint8),
        palette(),
    ],
    ids=["grey", "bool", "16 bit", "RGB", "RGBA", "palette"],
)
def test_kinds_of_masks(tmp_path, mask):
    sample = earthreason(tmp_path, mask=mask)[0]
    assert np.array_equal(sample.instances[0].segmentation.mask(), np.eye(6, 8))


def test_masks_that_are_none(tmp_path):
    Image.new("CMYK", SHAPE[::-1]).save(tmp_path / "mask.tif")
    with pytest.raises(SourceError) as caught:
        picture_mask(tmp_path / "mask.tif", SHAPE)
    message = f"{tmp_path}/mask.tif is not a PNG image; it seems to be TIFF"
    assert str(caught.value) == message
    with pytest.raises(SourceError, match=r"no\.png is missing"):
        picture_mask(tmp_path / "no.png", SHAPE)


def test_a_mask_of_another_size_is_not_even_read(tmp_path):
    earthreason(tmp_path)
    label = tmp_path / "labels" / "00017.png"
    data = bytearray(label.read_bytes())
    data[16:24] = struct.pack(">II", 10_000, 10_000)  # a claim; its check sum is wrong as well
    label.write_bytes(data)
    source = EarthReason(tmp_path)
    assert {record.where for record in source} == {f"{tmp_path}: 00017"}
    Image.new("L", (9, 6)).save(label)
    assert source[0].message == (
        f"{label} has 6 x 9 pixels, height x width, but its image has 6 x 8"
    )


def test_a_mask_that_is_too_large_is_not_read(tmp_path, monkeypatch):
    source = earthreason(tmp_path)
    monkeypatch.setattr(image_files, "MOST_CLAIMED", 40)
    label = tmp_path / "labels" / "00017.png"
    assert source[0].message == f"{label} claims 6 x 8 pixels; up to 40 are read"


def test_whatever_is_missing_is_named(tmp_path):
    earthreason(tmp_path)
    photo(tmp_path / "images" / "3.jpg")
    Image.new("L", (8, 6)).save(tmp_path / "labels" / "4.png")
    (tmp_path / "QAs" / "5.json").write_text('{"questions": ["where?"], "answer": []}')
    earthreason(tmp_path, name="6")
    (tmp_path / "labels" / "6.png").unlink()
    found = [record for record in EarthReason(tmp_path) if isinstance(record, Broken)]
    asked = "it needs one file of questions in QAs, but there is none"
    unlabelled = Broken(f"{tmp_path}: 6", "it needs one PNG in labels, but there is none")
    assert found == [
        Broken(f"{tmp_path}: 3", asked),
        Broken(f"{tmp_path}: 4", asked),
        Broken(f"{tmp_path}: 5", "it needs one image, but there is none"),
        unlabelled,
        unlabelled,
    ]


STRINGS = "question and answer must be strings, got "


@pytest.mark.parametrize(
    ("qa", "place", "message"),
    [
        ([], "", "it must be an object, but it is a list"),
        ({}, "", 'its "questions" must be a list that is not empty, got null'),
        ({"questions": []}, "", 'its "questions" must be a list that is not empty, got a list'),
        ({"questions": ["a"]}, "", 'its "answers" must be a list, got null'),
        ({"questions": ["a"], "answer": 3}, "", 'its "answer" must be a list, got 3'),
        ({"questions": [7], "answer": []}, "question 0", f"{STRINGS}7"),
        ({"questions": [" "], "answer": "b"}, "question 0", f'{STRINGS}" "'),
        ({"questions": ["a"], "answer": [None]}, "question 0", f"{STRINGS}null"),
    ],
)
def test_broken_questions(tmp_path, qa, place, message):
    found = broken(earthreason(tmp_path, qa=qa), tmp_path)
    where = "QAs/00017.json"
    assert found == Broken(f"{where}: {place}" if place else where, message)


def test_questions_that_change(tmp_path):
    source = earthreason(tmp_path)
    earthreason(tmp_path, qa={"questions": ["where?"], "answer": []})
    gone = Broken("QAs/00017.json: question 1", "it has gone since the folder was opened")
    assert broken(source, tmp_path) == gone


def test_folders_that_are_no_earthreason(tmp_path):
    with pytest.raises(SourceError) as caught:
        EarthReason(tmp_path)
    assert str(caught.value) == f"{tmp_path}/images cannot be read: No such file or directory"
    for part in ("images", "labels", "QAs"):
        (tmp_path / part).mkdir()
    with pytest.raises(SourceError) as caught:
        EarthReason(tmp_path)
    assert str(caught.value) == f"{tmp_path}/QAs has no file of questions, {{name}}.json"
