"""REFER's layout and gRefCOCO's, in small folders written here."""

import json
import pickle

import pytest

from maskcodec.coco import read
from maskcodec.data import Broken, Instance, Sample, open_source
from maskcodec.data.sources.grefer import GRefer
from maskcodec.data.sources.refer import Refer
from maskcodec.errors import SourceError
from tests.refer_fixtures import RLE, SQUARE, annotation, image, python2, ref, write

NAME = "COCO_train2014_000000000001.jpg"


def broken(source, folder):
    """The one broken record, without the folder's path."""
    (found,) = [record for record in source if isinstance(record, Broken)]
    return Broken(*(part.replace(f"{folder}/", "") for part in found))


def refer(folder, refs, **tables):
    return Refer(write(folder, refs, **tables))


def test_a_sample_for_each_sentence(tmp_path):
    folder = write(tmp_path / "refcoco", [ref(7, "left dog", "dog on the left"), ref(8, "cat")])
    source = open_source("refer", folder, images="train2014/")
    assert source.name == "refcoco"
    assert list(source) == [
        Sample(
            key=key,
            image=f"train2014/{NAME}",
            shape=(6, 8),
            task="expression",
            instances=(Instance(label=text, segmentation=SQUARE),),
            query=text,
        )
        for key, text in [
            ("refcoco:7:70", "left dog"),
            ("refcoco:7:71", "dog on the left"),
            ("refcoco:8:80", "cat"),
        ]
    ]
    assert list(source) == list(source) == list(pickle.loads(pickle.dumps(source)))
    assert len(source) == 3
    assert source[1].query == "dog on the left"


@pytest.mark.parametrize("protocol", [0, 1, 2])
def test_pickles_of_python_2(tmp_path, protocol):
    refs = [ref(7, "the café's dog")]
    (sample,) = refer(tmp_path, python2(refs, protocol))
    assert sample.query == "the café's dog"


@pytest.mark.parametrize("protocol", range(6))
def test_pickles_of_python_3(tmp_path, protocol):
    refs = [ref(7, "the café's dog")]
    (sample,) = refer(tmp_path, pickle.dumps(refs, protocol))
    assert sample.query == "the café's dog"


def test_run_lengths_as_refclef_and_rrsis_d_have_them(tmp_path):
    (sample,) = refer(tmp_path, [ref(7, "dog")], annotations=[annotation(7, segmentation=RLE)])
    assert read(sample.instances[0].segmentation, shape=sample.shape).area == 4


def test_a_crowd_and_ids_as_floats(tmp_path):
    tables = {"annotations": [annotation(7.0, image_id=1.0, iscrowd=1)]}
    (sample,) = refer(tmp_path, [ref(7, "dogs")], **tables)
    assert sample.instances[0].crowd
    assert sample.key.endswith(":7:70")


def test_splits(tmp_path):
    refs = [ref(7, "a"), ref(8, "b", split="testA"), ref(8, "c", split="val", ref_id=9)]
    folder = write(tmp_path, refs)

    def queries(**options):
        return [sample.query for sample in Refer(folder, **options)]

    assert queries() == ["a"]
    assert queries(split="testA") == ["b"]
    assert queries(split="val, train") == ["a", "c"]
    assert queries(split="all") == ["a", "b", "c"]
    with pytest.raises(SourceError) as caught:
        Refer(folder, split="testB")
    there = "it has train (1), testA (1), val (1)"
    assert str(caught.value) == f"{folder}/refs(unc).p has no ref of the split 'testB'; {there}"
    with pytest.raises(SourceError, match="has no ref of the split ''; it has none"):
        Refer(write(tmp_path, []), split="")


def test_names_of_splits_in_a_message_are_few_short_and_printable(tmp_path):
    splits = ["a" * 3000, "\ud800\x1b[2J", *map(str, range(20))]
    refs = [ref(k, "dog", split=split) for k, split in enumerate(splits)]
    data = pickle.dumps(refs)
    with pytest.raises(SourceError) as caught:
        Refer(write(tmp_path, data), split="train")
    _, _, known = str(caught.value).partition("; it has ")
    start = "a" * 27
    assert known == (
        f"{start}...{start}a (1), \\ud800\\x1b[2J (1), 0 (1), 1 (1), 2 (1), 3 (1), 4 (1), 5 (1) "
        "and 14 more"
    )


def test_who_split_them(tmp_path):
    write(tmp_path, [ref(7, "by umd")], file="refs(umd).p")
    assert [sample.query for sample in Refer(tmp_path)] == ["by umd"]
    write(tmp_path, [ref(7, "by google")], file="refs(google).p")
    assert [sample.query for sample in Refer(tmp_path, split_by="umd")] == ["by umd"]
    there = "split_by= chooses one by what is in its brackets: refs(google).p, refs(umd).p"
    with pytest.raises(SourceError) as caught:
        Refer(tmp_path)
    assert str(caught.value) == f"{tmp_path} has several of them; {there}"
    with pytest.raises(SourceError) as caught:
        Refer(tmp_path, split_by="unc")
    assert str(caught.value) == f"{tmp_path} has no refs(unc).p; {there}"


def test_only_annotations_that_refs_name_are_kept(tmp_path):
    refs = [ref(7, "dog"), ref(8, "cat", split="val")]
    listed = [annotation(number) for number in range(100)]
    source = refer(tmp_path, refs, annotations=[*listed, annotation(5)])
    assert len(source._instances._stored) == 1
    assert isinstance(source[0], Sample)


@pytest.mark.parametrize(
    ("write_it", "message"),
    [
        (lambda folder: folder.mkdir(), "has no refs(*).p; expected is the folder with that and"),
        (lambda folder: folder.parent, "has no refs(*).p; expected is the folder with that and"),
        (
            lambda folder: write(folder, b"cos\nsystem\n."),
            "refs(unc).p: GLOBAL b'os system' at byte 0 names code; only plain data is read",
        ),
        (
            lambda folder: write(folder, b"}."),
            "refs(unc).p must hold a list of refs, but it holds an",
        ),
        (
            lambda folder: (write(folder, [ref(7, "dog")]) / "instances.json").write_text("[]"),
            "instances.json: it must be an object, but it is a list",
        ),
        (
            lambda folder: (write(folder, [ref(7, "dog")]) / "instances.json").write_text("{}"),
            "instances.json has no list 'images'; expected are images, annotations",
        ),
        (
            lambda folder: (write(folder, [ref(7, "dog")]) / "instances.json").unlink(),
            "instances.json cannot be read: No such file or directory",
        ),
        (
            lambda folder: (folder / "refs(unc).p").mkdir(parents=True),
            "has no refs(*).p; expected is the folder with that and",
        ),
        (
            lambda folder: (folder.mkdir(), (folder / "refs(unc).p").symlink_to("gone")),
            "refs(unc).p cannot be read: No such file or directory",
        ),
    ],
)
def test_folders_that_cannot_be_read(tmp_path, write_it, message):
    folder = tmp_path / "refcoco"
    write_it(folder)
    with pytest.raises(SourceError) as caught:
        Refer(folder)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("bad", "place", "message"),
    [
        ("dog", "ref 1", 'it must be an object, but it is "dog"'),
        (ref(8, "cat", split=5), "ref 1", 'its "split" is 5, which is no name'),
        (ref(8, "cat", ref_id=[1]), "ref 1", 'its "ref_id" is a list, which is no id'),
        (ref(8, "cat", image_id=None), "ref 1", 'its "image_id" is null, which is no id'),
        (ref(8, "cat", ref_id=7), "ref 1", 'its "ref_id" 7 is that of ref 0'),
        (ref(8), "ref 1", 'its "sentences" must be a list that is not empty, got a list'),
        (ref(8, sentences=3), "ref 1", 'its "sentences" must be a list that is not empty, got 3'),
        (ref(8, "cat", ann_id=[8]), "ref 1", 'its "ann_id" is a list, which is no id'),
        (ref(8, sentences=["cat"]), "ref 1, sentence 0", 'it must be an object, but it is "cat"'),
        (
            ref(8, sentences=[{"sent": "cat"}]),
            "ref 1, sentence 0",
            'its "sent_id" is null, which is no id',
        ),
        (ref(8, " "), "ref 1, sentence 0", 'it needs a "sent", a string that is not empty: " "'),
        (
            ref(8, sentences=[{"sent": "a", "sent_id": 1}, {"sent": "b", "sent_id": 1}]),
            "ref 1, sentence 1",
            'its "sent_id" 1 is that of a sentence before it',
        ),
        (
            ref(8, "cat", image_id=5),
            "ref 1, sentence 0",
            "it names image 5, which instances.json does not have",
        ),
        (
            ref(8, "cat", ann_id=99),
            "ref 1, sentence 0",
            "it names annotation 99, which instances.json does not have",
        ),
    ],
)
def test_broken_refs(tmp_path, bad, place, message):
    source = refer(tmp_path, pickle.dumps([ref(7, "dog"), bad]))
    assert broken(source, tmp_path) == Broken(f"refs(unc).p: {place}", message)
    assert source[0].query == "dog"


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        (
            [annotation(7, segmentation=[])],
            "instances.json: annotation 0 of the list: it has no segmentation: a list; "
            "a mask is needed, not only a box",
        ),
        (
            [annotation(9), annotation(7, segmentation="x")],
            "instances.json: annotation 1 of the list: its segmentation must be polygons or run "
            'lengths, got "x"',
        ),
        (
            [annotation(7, iscrowd="no")],
            'instances.json: annotation 0 of the list: its "iscrowd" is neither 0 nor 1: "no"',
        ),
        (
            [annotation(7, image_id=2)],
            'instances.json: annotation 0 of the list: it belongs to image "2", but the ref is of '
            "image 1",
        ),
        (
            [annotation(7), annotation(9), annotation(7)],
            "it names annotation 7, but instances.json lists that id 2 times, as annotation 0 and "
            "2 of the list",
        ),
    ],
)
def test_broken_annotations(tmp_path, entries, message):
    source = refer(tmp_path, [ref(7, "dog")], annotations=entries)
    assert broken(source, tmp_path) == Broken("refs(unc).p: ref 0, sentence 0", message)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        (
            [image(1, height=0)],
            "instances.json: image 0 of the list: its size must be two integers of at least 1, got "
            "(0, 8)",
        ),
        (
            [image(2), image(1, file_name=None)],
            'instances.json: image 1 of the list: it needs a "file_name", a string that is not '
            "empty: null",
        ),
        (
            [image(1), image(1)],
            "it names image 1, but instances.json lists that id 2 times, as image 0 and 1 of the "
            "list",
        ),
    ],
)
def test_broken_images(tmp_path, entries, message):
    source = refer(tmp_path, [ref(7, "dog")], images=entries)
    assert broken(source, tmp_path) == Broken("refs(unc).p: ref 0, sentence 0", message)


def test_entries_without_an_id_come_last(tmp_path):
    nameless = annotation(7) | {"id": None}
    source = refer(
        tmp_path, [ref(7, "dog")], images=[image(1), "x"], annotations=[annotation(7), nameless]
    )
    first, *rest = source
    assert first.query == "dog"
    assert rest == [
        Broken(f"{tmp_path}/instances.json: image 1 of the list", 'its id is "x"'),
        Broken(f"{tmp_path}/instances.json: annotation 1 of the list", "its id is null"),
    ]


def grefer(folder, refs, **tables):
    return GRefer(write(folder, refs, file="grefs(unc).json", **tables))


def gref(number, text, ann_id, **more):
    return ref(number, text, **more) | {"ann_id": ann_id}


def test_no_object_one_or_several(tmp_path):
    refs = [
        gref(1, "two dogs", [7, 8, 7], no_target=False),
        gref(2, "a dog", [7]),
        gref(3, "a dog too", 8),
        gref(4, "no such thing", [-1], no_target=True),
        gref(5, "nor this", [], no_target=0),
    ]
    write(tmp_path, refs, file="grefs(unc).json")
    source = open_source("grefer", tmp_path, name="g")
    samples = list(source)
    assert [(s.key, s.query, len(s.instances)) for s in samples] == [
        ("g:1:10", "two dogs", 2),
        ("g:2:20", "a dog", 1),
        ("g:3:30", "a dog too", 1),
        ("g:4:40", "no such thing", 0),
        ("g:5:50", "nor this", 0),
    ]
    assert {instance.label for instance in samples[0].instances} == {"two dogs"}
    assert {sample.shape for sample in samples} == {(6, 8)}


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (gref(1, "x", "dog" * 40), "it names annotation " + "dog" * 20 + ", which"),
        (gref(1, "x", None), 'its "ann_id" must be a list of ids, got null'),
        (gref(1, "x", [[7]]), 'its "ann_id" must be a list of ids, got a list'),
        (gref(1, "x", [7, -1]), 'its "ann_id" has -1, which is no object, among 2 ids'),
        (
            gref(1, "x", [7], no_target=True),
            'its "no_target" is true, but its "ann_id" names 1 object',
        ),
        (gref(1, "x", [7, 99]), "it names annotation 99, which instances.json does not have"),
    ],
)
def test_broken_grefs(tmp_path, bad, message):
    found = broken(grefer(tmp_path, [bad]), tmp_path)
    assert found.where.startswith("grefs(unc).json: ref 0")
    assert found.message.startswith(message)


def test_grefs_that_are_no_list(tmp_path):
    with pytest.raises(SourceError) as caught:
        grefer(tmp_path, json.dumps({"refs": []}).encode())
    assert str(caught.value).endswith("grefs(unc).json: it must be a list, but it is an object")
    with pytest.raises(SourceError, match=r"has no grefs\(\*\)\.json; expected is the folder with"):
        GRefer(write(tmp_path / "other", [ref(7, "dog")]))
