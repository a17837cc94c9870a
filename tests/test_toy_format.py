"""A format from outside: a class and one line of registration, and all of the library takes it."""

import json
import re
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import maskcodec as mc
from maskcodec.cli import app
from maskcodec.cli.annotations import CocoImage
from maskcodec.cli.codecs import encode_image
from maskcodec.coco import RunMask
from maskcodec.data.rows import RowMaker
from maskcodec.text import codec as registry
from maskcodec.tokenizers.binding import Binding
from maskcodec.tokenizers.guide import END, FREE, Guide, guide_words
from tests.vocabularies import fresh

CLOSE, MARKS = "</toy>", ".#/"
OPEN = "<toy>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Toy(mc.GridCodec):
    """Every cell as ``#`` or ``.``, a row behind the other: ``<toy>dog:.#/##</toy>``."""

    codec_id: ClassVar[str] = "toy/1"

    def encode(self, image, labels, *, shape=None, lost="raise"):  # noqa: ARG002
        pixels = np.asarray(image)
        rows, columns = self.canvas
        height, width = pixels.shape
        picked = pixels[
            np.ix_(np.arange(rows) * height // rows, np.arange(columns) * width // columns)
        ]
        if lost == "raise" and pixels.any() and not picked.any():
            raise mc.LostMaskError("no cell is left")
        drawn = "/".join("".join(".#"[bool(cell)] for cell in row) for row in picked)
        return f"{OPEN}{labels}:{drawn}{CLOSE}"

    def decode(self, text):
        grid, problems = self.recover(text)
        if problems:
            raise mc.DecodeError(problems[0].message, problems[0].position, problems[0].reason)
        return grid

    def recover(self, text):
        label, _, drawn = text.partition(OPEN)[2].partition(CLOSE)[0].partition(":")
        rows, columns = self.canvas
        cells = np.zeros(self.canvas, int)
        for row, marks in enumerate(drawn.split("/")[:rows]):
            cells[row, : len(marks)] = [mark == "#" for mark in marks[:columns]]
        whole = [len(row) for row in drawn.split("/")] == [columns] * rows and CLOSE in text
        problems = [] if whole else [mc.Problem(len(text), "truncated", "the text stops", "drawn")]
        names = ("others", label or "thing")
        return mc.RecoveredGrid(mc.LabelGrid(cells, names), problems)

    def tags(self):
        return OPEN, CLOSE

    def vocabulary(self):
        return [OPEN, CLOSE]

    def bind(self, tokenizer, ignore=()):
        return ToyBinding(self, tokenizer, ignore)


class ToyBinding(Binding):
    def stream(self):
        return ToyStream(self)

    def guide(self, options):
        return ToyGuide(self, options)


class ToyStream:
    """Reads all of the ids again at each look, as a toy may."""

    def __init__(self, binding):
        self._binding, self._ids = binding, []

    def push(self, id_):
        self._ids.append(id_)
        return self

    @property
    def regions(self):
        return self._binding.recover(self._ids).regions


class ToyGuide(Guide):
    """Answers with one toy of one label, cell by cell, where each mark is a token."""

    def __init__(self, binding, options):
        words = guide_words(options, binding.tokenizer, binding.vocab)
        rows, columns = binding.codec.canvas
        (label,) = options.labels
        marks = {mark: binding.tokenizer.encode(mark)[0] for mark in MARKS}
        row = [[marks["."], marks["#"]]] * columns
        self._ways = [[binding.vocab.words[OPEN]]]
        self._ways += [[number] for number in binding.tokenizer.encode(f"{label}:")]
        for number in range(rows):
            self._ways += row if number == 0 else [[marks["/"]], *row]
        self._ways.append([binding.vocab.words[CLOSE]])
        super().__init__(words, options)

    def options(self, state):
        if state[0] == END or state[1] == len(self._ways):
            return self.after
        return np.array(sorted(self._ways[state[1]]), np.int64)

    def _outset(self):
        return FREE, 0

    def _step(self, state, number):
        if number not in self.options(state):
            return None
        return (FREE, state[1] + 1) if state[1] < len(self._ways) else (END, 0)


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    monkeypatch.setattr(registry, "_REGISTRY", dict(registry._REGISTRY))
    mc.register("toy/1")(Toy)


@pytest.fixture
def tokens():
    codec = Toy(grid=2)
    backend = fresh("byte-level")
    mc.extend_tokenizer(codec, backend)
    return mc.TokenCodec(codec, backend)


MASK = np.array([[0, 1], [1, 1]])
TEXT = "<toy>dog:.#/##</toy>"


def test_text_and_configuration(tmp_path):
    codec = Toy(grid=2)
    assert codec.encode(MASK, "dog") == TEXT
    assert codec.decode(TEXT).mask("dog", (2, 2)).tolist() == MASK.tolist()
    with pytest.raises(mc.DecodeError, match="the text stops"):
        codec.decode(TEXT[:-8])
    codec.save(tmp_path)
    assert mc.load(tmp_path) == codec == mc.get_codec("toy/1", grid=2)
    assert "toy/1" in mc.codec_ids()
    assert codec.meanings() == {
        OPEN: ("start of segmentation", None),
        CLOSE: ("end of segmentation", None),
    }
    assert [re.findall(pattern, TEXT) for pattern in codec.reserved()] == [[OPEN, CLOSE]] * 2
    assert not codec.is_words("no dog")


def test_ids_streams_and_guides(tokens):
    ids = tokens.encode(MASK, "dog")
    assert ids.tolist() == tokens.tokenizer.encode(TEXT, add_special_tokens=False).ids
    assert tokens.decode(ids) == tokens.codec.decode(TEXT)
    batch, offsets = tokens.encode_batch([MASK, MASK], ["dog", "cat"])
    assert np.array_equal(batch[: offsets[1]], ids)
    (region,) = tokens.recover(ids).regions
    stream = tokens.stream()
    for number in ids.tolist():
        stream.push(number)
    assert stream.regions == [region]
    assert tokens.spans(ids) == [(0, len(ids))]
    guide = tokens.guide(labels=["dog"], ends=0)
    state = guide.start()
    for number in ids.tolist():
        assert number in guide.options(state)
        state = guide.step(state, number)
    assert guide.options(state).tolist() == guide.after.tolist()
    with pytest.raises(mc.ConfigError, match="there are grammars for"):
        tokens.grammar(box=(0, 0, 1, 1))


def test_without_a_binding_everything_goes_through_the_text(tokens, monkeypatch):
    monkeypatch.setattr(Toy, "bind", mc.Codec.bind)
    plain = mc.TokenCodec(tokens.codec, tokens.tokenizer)
    ids = plain.encode(MASK, "dog")
    assert ids.tolist() == tokens.encode(MASK, "dog").tolist()
    assert plain.decode(ids) == tokens.decode(ids)
    for call in (plain.stream, plain.guide):
        with pytest.raises(mc.ConfigError, match="got Toy"):
            call()


def test_what_is_lost_is_refused_or_dropped(tokens, caplog):
    speck = np.zeros((4, 4), int)
    speck[1, 1] = 1
    masks, labels = [MASK, speck], ["dog", "cat"]
    for call in (lambda: tokens.encode(speck, "cat"), lambda: tokens.encode_batch(masks, labels)):
        with pytest.raises(mc.LostMaskError, match=r"no cell is left$"):
            call()
    with pytest.raises(mc.LostMaskError, match=r"^mask 1: no cell is left$"):
        tokens.encode_batch(masks, labels)
    ids, offsets = tokens.encode_batch(masks, labels, lost="drop")
    assert tokens.text(ids[offsets[1] :]) == "<toy>cat:../..</toy>"
    assert [record.message for record in caplog.records] == [
        "dropped 1 of 2 label maps, or labels of them: 1"
    ]


def test_the_command_line_takes_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.fromarray(MASK.astype(np.uint8)).save("mask.png")
    options = ["--codec", "toy", "--grid", "2"]
    result = CliRunner().invoke(app, ["encode", "mask.png", "--label", "dog", *options])
    assert (result.exit_code, result.stdout) == (0, TEXT)
    result = CliRunner().invoke(
        app, ["decode", TEXT, "--shape", "2x2", "--out", "back.png", *options]
    )
    assert result.exit_code == 0, result.output
    with Image.open("back.png") as picture:
        assert (np.asarray(picture) > 0).tolist() == (MASK > 0).tolist()
    assert json.loads((Toy(grid=2).save(tmp_path)).read_text())["id"] == "toy/1"


def test_what_it_cannot_draw_is_said():
    with pytest.raises(mc.ConfigError, match=r"^toy/1 draws one mask at a time: the"):
        RowMaker(codec=Toy(grid=2))
    image = CocoImage((2, 2), ["dog"], [RunMask.from_mask(MASK)], ["annotation 1"])
    with pytest.raises(mc.ConfigError, match=r"^toy/1 draws one mask at a time: the"):
        encode_image(Toy(grid=2), image)
