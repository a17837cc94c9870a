"""Samples, and builds of them to folders."""

import inspect
import json
from pathlib import Path

from typer.testing import CliRunner

import maskcodec as mc
from maskcodec.cli import commands
from maskcodec.data.build import build
from maskcodec.data.rows import RowMaker
from maskcodec.data.sample import Broken, Instance, Sample
from maskcodec.data.shards import Batch, Counts, Shard

RLE = {"size": [4, 4], "counts": [5, 2, 2, 2, 5]}
MAKER = RowMaker(codec=mc.BSD(grid=4))


def sample(number, image=None, **more):
    """An expression; two in a row are of one image."""
    fields = {
        "key": f"mine:{number}",
        "image": image or f"a/{number // 2}.jpg",
        "shape": (4, 4),
        "task": "expression",
        "query": f"dog {number}",
        "instances": (Instance(label=f"dog {number}", segmentation=RLE),),
    }
    return Sample(**{**fields, **more})


def samples(count=25):
    """Samples, of which one in seven is broken."""
    return [
        Broken(f"mine.json: {number}", "it is bad") if number % 7 == 3 else sample(number)
        for number in range(count)
    ]


class Stopping:
    """Samples that end in an error, as a run ends that is killed."""

    def __init__(self, count):
        self.count = count

    def __iter__(self):
        yield from samples()[: self.count]
        raise KeyboardInterrupt


def rows(folder, split="train"):
    files = sorted((Path(folder) / split).glob("*.jsonl"))
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def save_tokenizer(folder):
    from tests.vocabularies import byte_level

    Path(folder).mkdir()
    byte_level().save(str(Path(folder) / "tokenizer.json"))


def content(folder):
    """All files of a folder by their names."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(Path(folder).rglob("*"))
        if path.is_file()
    }


def made(some, out, **settings):
    return build(some, out, **{"rows": MAKER, "shard_size": 4, **settings})


def numbers(count):
    return [Batch(number, []) for number in range(count)]


def empty(batch):
    return Shard(batch.number, {}, Counts())


_mixes = "mix_stderr" in inspect.signature(CliRunner).parameters  # before Click 8.2
RUNNER = CliRunner(mix_stderr=False) if _mixes else CliRunner()


def run(*args, code=0):
    result = RUNNER.invoke(commands.app, ["build", *map(str, args)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result


def words(text):
    return " ".join(text.split())
