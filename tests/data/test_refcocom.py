"""RefCOCO-M's rows, in small files written here."""

import json
import pickle
from pathlib import Path

import pytest

from maskcodec.data import Broken, Instance, Sample, open_source
from maskcodec.data.sources.refcocom import RefCOCOM
from maskcodec.errors import SourceError

MASK = {"size": [6, 8], "counts": "9240k0"}


def sample(number=70, *texts, mask=MASK, **more):
    return {"id": number, "sentences": list(texts) or ["dog"], "mask": mask} | more


def row(*samples, **more):
    return {"image_id": 1, "file_name": "1.jpg", "samples": list(samples)} | more


def refcoco_m(folder, *rows):
    path = folder / "refcoco-m.jsonl"
    lines = (one if isinstance(one, str) else json.dumps(one) for one in rows)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return RefCOCOM(path)


def broken(source):
    """What is wrong with the records that are broken, without the folder."""
    path = source.path
    return [
        (str(one.where).replace(str(path), path.name), one.message)
        for one in source
        if isinstance(one, Broken)
    ]


def test_a_sample_for_each_sentence(tmp_path):
    refcoco_m(tmp_path, row(sample(70, "left dog", "dog é"), sample(80, "cat")))
    source = open_source("refcoco-m", tmp_path / "refcoco-m.jsonl", images="train2014")
    assert list(source) == [
        Sample(
            key=key,
            image=str(Path("train2014/1.jpg")),
            shape=(6, 8),
            task="expression",
            instances=(Instance(label=text, segmentation=MASK),),
            query=text,
        )
        for key, text in [
            ("refcoco-m:70:0", "left dog"),
            ("refcoco-m:70:1", "dog é"),
            ("refcoco-m:80:0", "cat"),
        ]
    ]
    assert list(source) == list(pickle.loads(pickle.dumps(source)))
    assert (len(source), source[1].query) == (3, "dog é")


LINE, SAMPLE = "refcoco-m.jsonl: record 0", "refcoco-m.jsonl: record 0, sample 0"


@pytest.mark.parametrize(
    ("line", "where", "message"),
    [
        ("{", LINE, "the line is not JSON that can be read"),
        ("[1]", LINE, "must be an object"),
        ("{}", LINE, 'its "samples" must be a list that is not empty, got null'),
        (row(samples=7), LINE, 'its "samples" must be a list that is not empty, got 7'),
        (row(7), SAMPLE, "must be an object"),
        (row(sample(None)), SAMPLE, 'its "id" is null, which is no id'),
        (row(sample(True)), SAMPLE, 'its "id" is true, which is no id'),
        (
            row(sample(sentences="dog")),
            SAMPLE,
            'its "sentences" must be a list that is not empty, got "dog"',
        ),
        (row(sample(sentences=[7])), SAMPLE, "sentence"),
        (row(sample(sentences=[""])), SAMPLE, "sentence"),
        (row(sample(mask=[[0, 0, 1, 1]])), SAMPLE, 'its "mask" must be run lengths with a "size"'),
        (row(sample(mask={"size": 7})), SAMPLE, 'its "mask" must be run lengths with a "size"'),
        (row(sample(mask={"size": [0, 8]})), SAMPLE, "its size"),
        (row(sample(mask={"size": [1 << 40, 8]})), SAMPLE, "its size"),
        (row(sample(), file_name=None), SAMPLE, "file_name"),
        (row(sample(), file_name="../1.jpg"), SAMPLE, "../1.jpg"),
    ],
)
def test_broken_rows(tmp_path, line, where, message):
    source = refcoco_m(tmp_path, line, row(sample(80)))
    ((place, found),) = broken(source)
    assert (place, message in found) == (where, True), found
    assert len([one for one in source if isinstance(one, Sample)]) == 1


def test_ids_that_come_again(tmp_path):
    source = refcoco_m(tmp_path, row(sample(70)), row(sample(80), sample("70", "a", "b")))
    where = "refcoco-m.jsonl: record 1, sample 1"
    message = 'its "id" is "70", as a sample before it has'
    assert broken(source) == [(where, message)] * 2


def test_files_without_rows(tmp_path):
    with pytest.raises(SourceError, match="is empty; expected is a JSON object a line"):
        refcoco_m(tmp_path)
    with pytest.raises(SourceError, match=r"none\.jsonl"):
        RefCOCOM(tmp_path / "none.jsonl")
