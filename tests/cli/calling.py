"""What tests of the command line share: inputs in an empty folder, and calls of commands."""

import inspect
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import maskcodec as mc
from maskcodec.cli import commands

_mixes = "mix_stderr" in inspect.signature(CliRunner).parameters  # before Click 8.2
RUNNER = CliRunner(mix_stderr=False) if _mixes else CliRunner()

SHAPE = (128, 192)  # on 64 x 64 cells, a cell is 2 x 3 pixels
DOG, CAT = (10, 12, 30, 25), (40, 5, 50, 60)


def boxes(*corners, canvas=(64, 64)):
    """A label map that cells lose nothing of: box k has the value k + 1."""
    cells = np.zeros(canvas, np.uint8)
    for value, (y1, x1, y2, x2) in enumerate(corners, 1):
        cells[y1:y2, x1:x2] = value
    return np.kron(cells, np.ones((SHAPE[0] // canvas[0], SHAPE[1] // canvas[1]), np.uint8))


def disc(y, x, radius):
    """A mask with round edges, which cells do not have."""
    ys, xs = np.mgrid[: SHAPE[0], : SHAPE[1]]
    return ((ys - y) ** 2 + (xs - x) ** 2 < radius**2).astype(np.uint8)


MASK = boxes(DOG)
MAP = boxes(DOG, CAT)
TEXT = mc.Scanlines().encode(MASK, "black dog")
BOTH = mc.Scanlines().encode_many([MAP == 1, MAP == 2], ["dog", "cat"])


def write(name, content):
    text = content if isinstance(content, (str, bytes)) else json.dumps(content)
    Path(name).write_bytes(text if isinstance(text, bytes) else text.encode())


def run(*args, stdin=None, code=0):
    result = RUNNER.invoke(commands.app, [str(arg) for arg in args], input=stdin)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result


def words(text):
    """What a text says, without colours, frames and line breaks."""
    return " ".join(re.sub(r"[─━│╭╮╰╯]", " ", uncoloured(text)).split())


def uncoloured(text):
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def fails(*args, stdin=None):
    """The message of a command that finds its data bad."""
    result = run(*args, stdin=stdin, code=1)
    message = words(result.stderr)
    assert "Traceback" not in message
    assert message.count("error: ") == 1
    return message[message.index("error: ") + 7 :]


def misused(*args):
    """The message of a command that was called wrongly."""
    result = run(*args, code=2)
    assert result.stdout == ""
    return words(result.stderr)


def image(name):
    with Image.open(name) as opened:
        return np.array(opened)


# show


def polygon(box):
    y1, x1, y2, x2 = (side * step for side, step in zip(box, (2, 3, 2, 3), strict=True))
    return [x1, y1, x2, y1, x2, y2, x1, y2]


def rle(counts):
    return {"size": list(SHAPE), "counts": counts}


def write_tokenizer(folder):
    """A ``tokenizer.json`` of characters."""
    tokenizers = pytest.importorskip("tokenizers")
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel({"?": 0}, unk_token="?"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Split("", "isolated")
    tokenizer.save(str(folder / "tokenizer.json"))
