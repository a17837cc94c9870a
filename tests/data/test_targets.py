"""The column `targets`: what an answer shows, for rewards."""

import json
from typing import get_args

import pytest
from typer.testing import CliRunner

import maskcodec as mc
from maskcodec import coco
from maskcodec.cli import app
from maskcodec.data.build import build
from maskcodec.data.formats import FormatName, dataset_card, trainer_rows
from maskcodec.data.rows import RowMaker
from maskcodec.data.sample import Instance
from maskcodec.rewards import MaskReward
from tests.data.builds import RLE, rows, sample
from tests.datasets import coco as coco_file
from tests.datasets import write

MAKER = RowMaker(codec=mc.BSD(grid=4), targets=True, absent=0)
DOT = {"size": [4, 4], "counts": [0, 1, 15]}
FORMATS = get_args(FormatName)


def targets_of(*samples, maker=MAKER):
    """What each answer of one conversation shows."""
    (row,) = maker(*samples).rows
    assert all(message.targets is None for message in row.messages[::2])
    found = [message.targets for message in row.messages[1::2]]
    return [None if one is None else json.loads(one) for one in found]


def test_an_answer_carries_its_masks_as_compressed_run_lengths():
    assert targets_of(sample(1)) == [
        [{"label": "dog 1", "segmentation": {"size": [4, 4], "counts": "52203"}}]
    ]
    assert coco.read(RLE).coco_rle(text=True)["counts"] == "52203"


def test_nothing_is_an_empty_list_and_what_asks_for_no_masks_is_none():
    chat = sample(2, task="chat", turns=(("user", "Hi?"), ("assistant", "Hi.")), instances=())
    assert targets_of(sample(1, instances=()), chat) == [[], None]
    boxes = RowMaker(codec=mc.BSD(grid=4), targets=True, boxes=1.0)
    assert targets_of(sample(1), maker=boxes) == [None]


def test_classes_have_those_that_the_answer_shows():
    both = Instance(label="dog", segmentation=RLE), Instance(label="cat", segmentation=DOT)
    asked = sample(1, task="classes", query="", instances=both, names=("cow",))
    shown = sorted(one["label"] for one in targets_of(asked)[0])
    (row,) = MAKER(asked).rows
    assert shown == sorted(region.label for region in mc.BSD(grid=4).decode(row.messages[1].text))
    absent = RowMaker(codec=mc.BSD(grid=4), targets=True, absent=1.0)
    assert targets_of(sample(1, task="classes", instances=(), names=("cow",)), maker=absent) == [[]]
    lost = RowMaker(codec=mc.BSD(grid=2), targets=True, absent=0)
    (found,) = targets_of(sample(1, task="classes", query="", instances=both), maker=lost)
    assert [one["label"] for one in found] in (["dog"], [])  # no cell of the cat is left


@pytest.mark.parametrize("name", FORMATS)
def test_rows_have_the_column_only_where_it_is_asked_for(name):
    (row,) = MAKER(sample(1), sample(0, instances=())).rows
    found = [one["targets"] for one in trainer_rows(row, name, targets=True)]
    answers = [message.targets for message in row.messages[1::2]]
    assert found == (answers if name == "trl" else answers[-1:])
    plain = trainer_rows(row, name)
    assert [{k: v for k, v in one.items() if k != "targets"} for one in plain] == plain
    assert ('"targets"' in dataset_card(name, targets=True)) is (
        '"targets"' not in dataset_card(name)
    )


@pytest.mark.parametrize("storage", ["jsonl", "parquet"])
def test_a_folder_has_the_column_with_its_type(tmp_path, storage, monkeypatch):
    datasets = pytest.importorskip("datasets")
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    chat = sample(2, task="chat", turns=(("user", "Hi?"), ("assistant", "Hi.")), instances=())
    build([chat, sample(1)], tmp_path / "rows", rows=MAKER, storage=storage)
    loaded = datasets.load_dataset(
        str(tmp_path / "rows"), split="train", cache_dir=str(tmp_path / "cache")
    )
    assert loaded.features["targets"].dtype == "string"
    assert [one is None for one in loaded["targets"]] == [True, False]
    reward = MaskReward(mc.load(tmp_path / "rows"))
    answer = loaded[1]["messages"][1]["content"]
    assert reward(answer, loaded[1]["targets"])["total"] == 1


def test_the_command_writes_it(tmp_path):
    write(tmp_path / "instances.json", coco_file())
    for flags in ([], ["--targets"]):
        out = tmp_path / f"rows{len(flags)}"
        source = f"coco:{tmp_path / 'instances.json'}"
        options = ["--out", str(out), "--workers", "1", "--absent", "0"]
        result = CliRunner().invoke(app, ["build", source, *flags, *options])
        assert result.exit_code == 0, result.output
        reward = MaskReward(mc.load(out))
        for row in rows(out):
            assert ("targets" in row) is bool(flags)
            if flags:
                answer = row["messages"][1]["content"]
                assert reward(answer, row["targets"])["format"] == 1
