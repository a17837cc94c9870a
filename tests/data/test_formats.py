"""Rows as trainers read them, each against the fields that its trainer documents."""

import json
import sys
from typing import get_args

import pytest
from PIL import Image

import maskcodec as mc
from maskcodec.data.formats import FormatName, dataset_info, file_bytes, trainer_rows
from maskcodec.data.rows import Message, Row
from maskcodec.data.split import split_of

SAID = (
    Message("user", "Where is the dog?"),
    Message("assistant", "Hère: <ref>dog</ref>\n<fg1>"),
    Message("user", "And the cat?"),
    Message("assistant", "Nowhere."),
)
ROW = Row("mine:1", "a/1.jpg", SAID)
BARE = Row("mine:2", "", SAID[:2])
FORMATS = get_args(FormatName)


def read(data):
    return [json.loads(line) for line in data.decode().splitlines()]


@pytest.mark.parametrize("name", ["ms-swift", "llama-factory"])
def test_messages(name):
    assert trainer_rows(ROW, name) == [
        {
            "messages": [
                {"role": "user", "content": "<image>Where is the dog?"},
                {"role": "assistant", "content": "Hère: <ref>dog</ref>\n<fg1>"},
                {"role": "user", "content": "And the cat?"},
                {"role": "assistant", "content": "Nowhere."},
            ],
            "images": ["a/1.jpg"],
        }
    ]
    (bare,) = trainer_rows(BARE, name)
    assert bare["images"] == []
    assert bare["messages"][0]["content"] == "Where is the dog?"


def test_trl_learns_each_answer_once():
    first, second = trainer_rows(ROW, "trl")
    question = {
        "role": "user",
        "content": [{"type": "image"}, {"type": "text", "text": "Where is the dog?"}],
    }
    answer = {"role": "assistant", "content": [{"type": "text", "text": SAID[1].text}]}
    assert first == {"prompt": [question], "completion": [answer], "images": ["a/1.jpg"]}
    assert second["prompt"][:2] == [question, answer]
    assert second["prompt"][2]["content"] == [{"type": "text", "text": "And the cat?"}]
    assert second["completion"][0]["content"][0]["text"] == "Nowhere."
    (bare,) = trainer_rows(BARE, "trl")
    assert bare["images"] == []
    assert bare["prompt"][0]["content"] == [{"type": "text", "text": "Where is the dog?"}]


def test_llava():
    assert trainer_rows(ROW, "llava") == [
        {
            "id": "mine:1",
            "image": "a/1.jpg",
            "conversations": [
                {"from": "human", "value": "<image>\nWhere is the dog?"},
                {"from": "gpt", "value": "Hère: <ref>dog</ref>\n<fg1>"},
                {"from": "human", "value": "And the cat?"},
                {"from": "gpt", "value": "Nowhere."},
            ],
        }
    ]
    (bare,) = trainer_rows(BARE, "llava")
    assert sorted(bare) == ["conversations", "id"]


@pytest.mark.parametrize("name", FORMATS)
def test_one_image_has_one_place(name):
    for row in trainer_rows(ROW, name):
        text = json.dumps(row)
        assert text.count("<image>") + text.count('"type": "image"') == 1


@pytest.mark.parametrize("name", FORMATS)
def test_json_lines_hold_the_rows(name):
    rows = [*trainer_rows(ROW, name), *trainer_rows(BARE, name)]
    data = file_bytes(rows, name, "jsonl")
    assert read(data) == rows
    assert "Hère".encode() in data


def without_nothing(value):
    """A value without what is None, which is what is not there in a file of columns."""
    if isinstance(value, dict):
        return {key: without_nothing(one) for key, one in value.items() if one is not None}
    return [without_nothing(one) for one in value] if isinstance(value, list) else value


@pytest.mark.parametrize("name", FORMATS)
def test_parquet_holds_the_rows_in_columns_that_never_change(name, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    tables = []
    for number, row in enumerate([ROW, BARE]):
        rows = trainer_rows(row, name)
        path = tmp_path / f"{number}.parquet"
        path.write_bytes(file_bytes(rows, name, "parquet"))
        tables.append(parquet.read_table(path))
        assert without_nothing(tables[-1].to_pylist()) == rows
    assert tables[0].schema == tables[1].schema


def test_parquet_needs_pyarrow(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(mc.ConfigError, match=r"needs pyarrow, .* pip install 'maskcodec\[data\]'"):
        file_bytes([], "trl", "parquet")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("storage", ["jsonl", "parquet"])
def test_datasets_loads_trl_rows(storage, tmp_path):
    datasets = pytest.importorskip("datasets")
    picture = tmp_path / "1.png"
    Image.new("RGB", (6, 4)).save(picture)
    rows = trainer_rows(ROW._replace(image=str(picture)), "trl") + trainer_rows(BARE, "trl")
    path = tmp_path / f"rows.{storage}"
    path.write_bytes(file_bytes(rows, "trl", storage))
    kind = {"jsonl": "json", "parquet": "parquet"}[storage]
    loaded = datasets.load_dataset(
        kind, data_files=str(path), split="train", cache_dir=str(tmp_path / "cache")
    )
    assert set(loaded.column_names) == {"prompt", "completion", "images"}
    assert without_nothing(loaded.to_list()) == rows
    images = datasets.Sequence(datasets.Image())
    with_images = loaded.cast_column("images", images)
    assert with_images[0]["images"][0].size == (6, 4)
    assert with_images[2]["images"] == []
    for row in loaded:
        assert [message["role"] for message in row["completion"]] == ["assistant"]
        assert row["prompt"][-1]["role"] == "user"
        types = [part["type"] for message in row["prompt"] for part in message["content"]]
        assert types.count("image") == len(row["images"])


def test_dataset_info_names_the_folders():
    tags = {
        "role_tag": "role",
        "content_tag": "content",
        "user_tag": "user",
        "assistant_tag": "assistant",
    }
    entry = {
        "formatting": "sharegpt",
        "columns": {"messages": "messages", "images": "images"},
        "tags": tags,
    }
    assert dataset_info("coco", ["train", "val"]) == {
        "coco_train": {"file_name": "train", **entry},
        "coco_val": {"file_name": "val", **entry},
    }


def test_an_image_is_on_one_side():
    names = [f"{k}.jpg" for k in range(1000)]
    sides = [split_of(f"train2017/{name}", "", 0.2) for name in names]
    assert sides == [split_of(f"http://x/{name}", "other", 0.2) for name in names]
    assert 150 < sides.count("val") < 250
    assert {split_of(name, "", 0.0) for name in names} == {"train"}
    assert {split_of("", f"mine:{k}", 0.5) for k in range(20)} == {"train", "val"}
