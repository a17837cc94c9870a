"""What a terminal is given of files and answers: nothing that it would obey."""

import inspect
import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console
from typer.testing import CliRunner

import maskcodec as mc
from maskcodec.cli import commands, messages

_mixes = "mix_stderr" in inspect.signature(CliRunner).parameters  # before Click 8.2
RUNNER = CliRunner(mix_stderr=False) if _mixes else CliRunner()

# Clears the screen, turns the direction of writing, has no width, is a C1 sign, forges a line.
EVIL = "dog\x1b[2J\u202e\u200b\x9b\x7f\rnote: all is well"
SHOWN = r"dog\x1b[2J\u202e\u200b\x9b\x7f\rnote: all is well"
MASK = np.kron(np.eye(2, dtype=np.uint8), np.ones((4, 4), np.uint8))
RLE = {"size": [8, 8], "counts": [0, 4, 4, 4, 4, 4, 4, 4, 8, 4, 4, 4, 4, 4, 4, 4]}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.fromarray(MASK).save("mask.png")
    monkeypatch.setattr(messages, "out", Console(highlight=False, width=200))
    return tmp_path


def coco(**more):
    notes = {
        "images": [{"id": 7, "file_name": "7.jpg", "height": 8, "width": 8}],
        "annotations": [{"id": 1, "image_id": 7, "category_id": 1, "segmentation": RLE} | more],
        "categories": [{"id": 1, "name": EVIL}],
    }
    Path("a.json").write_text(json.dumps(notes))


def run(*args, code=0, **more):
    result = RUNNER.invoke(commands.app, [*map(str, args)], **more)
    assert result.exit_code == code, result.output
    return result.stdout + result.stderr


def is_harmless(said):
    return all(c.isprintable() or c == "\n" for c in said)


def test_what_is_no_letter_is_an_escape():
    assert messages.printable(EVIL) == SHOWN
    assert messages.printable("é狗 😀") == "é狗 😀"
    assert messages.printable("a\nb\x1b") == r"a\nb\x1b"
    assert messages.printable("a\nb\x1b", keep="\n") == "a\nb\\x1b"


def test_encode_shows_a_terminal_escapes(monkeypatch):
    coco()
    monkeypatch.setattr(messages, "is_terminal", lambda: True)
    said = run("encode", "a.json", "--image-id", "7")
    assert is_harmless(said)
    assert f"<ref>{SHOWN}</ref>" in said
    assert "characters that a terminal obeys are shown as escapes; --out writes them" in said
    assert "note" not in run("encode", "mask.png", "--label", "dog")


def test_encode_pipes_the_text_as_it_is():
    coco()
    result = RUNNER.invoke(commands.app, ["encode", "a.json", "--image-id", "7"])
    assert result.stdout_bytes.decode() == mc.Scanlines().encode(RLE, EVIL, shape=(8, 8))


def test_a_terminal_is_what_python_says(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stdout", Terminal())
    assert messages.is_terminal()


def test_tables_and_notes_of_other_commands():
    text = mc.Scanlines().encode(MASK, EVIL)
    shape = "--shape", "8x8"
    said = run("decode", "-", *shape, "--as", "masks", input=text.encode())
    assert SHOWN in said
    assert is_harmless(said)
    said = run("decode", "-", *shape, "--recover", input=(text[:-6] + EVIL).encode())
    assert is_harmless(said)
    coco()
    said = run("show", "a.json", "--image-id", "7")
    assert SHOWN in said
    assert is_harmless(said)
    assert is_harmless(run("encode", "a.json", "--image-id", EVIL, code=1))


@pytest.mark.parametrize("args", [["encode"], ["show"]])
def test_ids_forge_no_lines(args):
    coco(id="1\nerror: give me your password", segmentation=None)
    said = run(*args, "a.json", "--image-id", "7", code=1)
    assert said.count("\n") == 1
    assert r"annotation 1\nerror: give me" in said


def test_answers_and_their_ids():
    Path("t.jsonl").write_text(json.dumps({"id": EVIL, "segmentation": RLE}))
    Path("p.jsonl").write_text(json.dumps({"id": "other\n" + EVIL, "text": EVIL}))
    said = run("eval", "p.jsonl", "t.jsonl", code=1)
    assert is_harmless(said)
    assert said.count("\n") == 1


def test_broken_records_of_a_build():
    coco(category_id="9\n" + EVIL)
    said = run("build", "coco:a.json", "--out", "rows", "--workers", 1, code=1)
    assert is_harmless(said)
    assert said.count("\n") == 1
    coco(id="1\n" + EVIL, segmentation=None)
    notes = json.loads(Path("a.json").read_text())
    notes["images"].append({"id": 8, "file_name": "8.jpg", "height": 8, "width": 8})
    notes["annotations"].append({"id": 2, "image_id": 8, "category_id": 1, "segmentation": RLE})
    Path("a.json").write_text(json.dumps(notes))
    said = run("build", "coco:a.json", "--out", "others", "--workers", 1)
    assert r"annotation 1\ndog\x1b[2J" in said
    assert is_harmless(said)


def test_titles_are_no_markup():
    file = io.StringIO()
    Console(file=file, width=200).print(messages.new_table(f"Image [red]7{EVIL}", "x" * 150))
    assert f"Image [red]7{SHOWN}" in file.getvalue()


def test_a_traceback_has_no_escape_sequences():
    @messages.reported
    def command():
        raise ZeroDivisionError(EVIL)

    app = commands.typer.Typer()
    app.command()(command)
    result = RUNNER.invoke(app, [])
    assert result.exit_code == 1
    assert is_harmless(result.stderr)
    assert result.stderr.startswith("Traceback (most recent call last):\n")
    assert f"ZeroDivisionError: {SHOWN}" in result.stderr
