"""Files that commands write: what cannot be written is refused before any work."""

import json
import os
from pathlib import Path

import pytest
import typer

from maskcodec.cli import messages
from tests.cli.calling import misused, run

TEXT = "<ref>dog</ref><box>[[100 100 200 200]]</box><seg><end:63></seg>"
COMMANDS = {
    "demo": (["demo", "--out"], ".png"),
    "decode": (["decode", TEXT, "-s", "9x9", "--out"], ".png"),
    "names": (["decode", TEXT, "-s", "9x9", "--names-out"], ".json"),
    "show": (["show", "missing.json", "--image-id", "1", "--out"], ".png"),
    "encode": (["encode", "missing.png", "-l", "dog", "--out"], ".txt"),
    "eval": (["eval", "missing.jsonl", "missing.json", "--json"], ".json"),
}


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "400")
    (tmp_path / "file").write_text("mine")
    for _, ending in COMMANDS.values():
        (tmp_path / f"folder{ending}").mkdir(exist_ok=True)
        (tmp_path / f"loop{ending}").unlink(missing_ok=True)
        (tmp_path / f"loop{ending}").symlink_to(f"loop{ending}")


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("folder", "it is a folder"),
        ("missing/x", "there is no folder"),
        ("file/x", "Not a directory"),
        ("x" * 300, "File name too long"),
        ("loop", "ymbolic link"),  # in the system's words, or in Python's
    ],
)
def test_an_output_that_cannot_be_is_refused_at_once(command, name, wrong):
    args, ending = COMMANDS[command]
    before = sorted(Path().iterdir())
    said = misused(*args, name + ending)
    assert f"{args[-1]}: " in said
    assert "cannot be written: " in said
    assert wrong in said
    assert sorted(Path().iterdir()) == before


@pytest.mark.parametrize("name", [".", "", "/"])
def test_a_folder_is_no_text(name):
    assert "cannot be written: it is a folder" in misused(*COMMANDS["encode"][0], name)
    assert "the name must end in .png" in misused(*COMMANDS["decode"][0], name)


def test_what_may_not_be_changed_is_refused(monkeypatch):
    monkeypatch.setattr(os, "access", lambda _path, mode: not mode & os.W_OK)
    args, _ = COMMANDS["eval"]
    assert "cannot be written: its folder may not be changed" in misused(*args, "x.json")
    assert "'file' cannot be written: it may not be changed" in misused(*args, "file")


def test_a_null_is_in_no_name():
    assert "null" in misused(*COMMANDS["eval"][0], "a\0b")  # Typer says it
    with pytest.raises(typer.BadParameter, match=r"'a.x00b' cannot be written: .*embedded null"):
        messages.checked_output(Path("a\0b"), ())


def test_a_link_is_followed():
    Path("there.json").symlink_to("target.json")
    Path("nowhere.json").symlink_to("missing/target.json")
    args, _ = COMMANDS["names"]
    run(*args, "there.json")
    assert json.loads(Path("target.json").read_text()) == {"1": "dog"}
    assert "there is no folder" in misused(*args, "nowhere.json")


def test_all_masks_are_looked_at_before_one_is_written():
    Path("x-2.png").mkdir()
    args = ["decode", TEXT * 2, "-s", "9x9", "--as", "masks", "--out", "x.png"]
    assert "'x-2.png' cannot be written: it is a folder" in misused(*args)
    assert not Path("x-1.png").exists()
    Path("x-2.png").rmdir()
    run(*args)
    assert Path("x-1.png").is_file()
    assert Path("x-2.png").is_file()
