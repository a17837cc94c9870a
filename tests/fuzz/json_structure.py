"""Files of datasets with another structure than they should have: read, or refused by name."""

from __future__ import annotations

import json
import pickle
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from PIL import Image

import maskcodec as mc
from maskcodec.data import open_source
from maskcodec.data._jsonfile import is_written
from maskcodec.data.formats import file_bytes, trainer_rows
from maskcodec.data.rows import RowMaker
from maskcodec.data.sample import Broken, Sample
from maskcodec.errors import SourceError
from tests import datasets, refer_fixtures

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator

    from maskcodec.data.rows import Made

CODEC = mc.BSD()
MAKERS = RowMaker(codec=CODEC), RowMaker(codec=CODEC, placeholders="clean", boxes=0.3, absent=0.5)
FORMATS = "ms-swift", "llama-factory", "trl", "llava"
PICTURES = "pictures"  # the folder that images' names are put behind, in some cases


def case(rng: random.Random, folder: Path) -> list[str]:
    """A small dataset with a few faults, its records, and the rows of them."""
    name = rng.choice(list(LAYOUTS))
    options = LAYOUTS[name](folder, rng)
    path = options.pop("path", folder)
    if "images" not in options and rng.random() < 0.5:
        options["images"] = PICTURES
    try:
        source = open_source(name, path, **options)
        records = list(source)
        if rng.random() < 0.1:
            source = pickle.loads(pickle.dumps(source))
            again = [source[k] for k in rng.sample(range(len(records)), len(records))]
            assert sorted(map(repr, again)) == sorted(map(repr, records)), "they are others"
    except SourceError as error:
        check_message(str(error), folder)
        return [f"{name}: refused"]
    assert len(source) == len(records)
    outcomes = [outcome(record, folder, options, rng) for record in records]
    keys = [record.key for record in records if isinstance(record, Sample)]
    assert len(keys) == len(set(keys)), f"two samples have one key: {keys}"
    return [f"{name}: {found}" for found in outcomes or ["empty"]]


def outcome(
    record: Sample | Broken, folder: Path, options: dict[str, Any], rng: random.Random
) -> str:
    """What became of a record."""
    if isinstance(record, Broken):
        check_message(record.message, folder)
        assert record.where
        return "broken"
    assert isinstance(record, Sample), record
    if options.get("images") == PICTURES and record.image:
        parts = PurePosixPath(record.image).parts
        assert parts[0] == PICTURES, record.image
        assert ".." not in parts, record.image
    maker = rng.choice(MAKERS)
    made = maker(record)
    if made.broken:
        (broken,) = made.broken
        check_message(broken.message, folder)
        assert not made.rows
        return "sample without a row"
    if not made.rows:
        assert made.left_out == 1
        return "sample left out"
    check_row(maker, made, record, rng)
    return "row"


def check_row(maker: RowMaker, made: Made, sample: Sample, rng: random.Random) -> None:
    """What was made can be written and read again, and its masks are those of the sample."""
    (row,) = made.rows
    assert [message.role for message in row.messages] == ["user", "assistant"] * (
        len(row.messages) // 2
    )
    assert all(message.text.strip() for message in row.messages)
    if sample.task != "chat":
        question, answer = row.messages
        assert not CODEC.decode(question.text)
        regions = CODEC.decode(answer.text) if "<seg>" in answer.text else []
        if sample.task in {"expression", "reasoning"} and regions:
            assert len(regions) == len(sample.instances)
        labels = {" ".join(instance.label.split()) for instance in sample.instances}
        if maker.placeholders == "refuse":
            assert {region.label for region in regions} <= labels
        if sample.task in {"expression", "reasoning"}:
            for instance in sample.instances:
                text = CODEC.encode(instance.segmentation, "dog", shape=sample.shape, lost="drop")
                assert text, "an instance is lost in an answer that was made"
    found = trainer_rows(row, rng.choice(FORMATS))
    data = file_bytes(found, "ms-swift", "jsonl")
    assert [json.loads(line) for line in data.splitlines()] == found


def check_message(message: str, folder: Path) -> None:
    """One line or a few, which can be written and are not the whole file."""
    assert is_written(message), f"it cannot be printed: {message[:300]!a}"
    short = message.replace(str(folder), "")
    assert 5 < len(short) < 2000, f"the message has {len(short)} characters: {short[:300]}"


# ------------------------------------------------------------------------ datasets


def _coco(folder: Path, rng: random.Random) -> dict[str, Any]:
    return {"path": put(folder / "a.json", datasets.coco(), rng), **_labels(rng)}


def _lvis(folder: Path, rng: random.Random) -> dict[str, Any]:
    options = {"partial": rng.choice(["drop", "keep"]), **_labels(rng)}
    return {"path": put(folder / "a.json", datasets.lvis(), rng), **options}


def _panoptic(folder: Path, rng: random.Random) -> dict[str, Any]:
    path = folder / "panoptic_val2017.json"
    options = {"task": rng.choice(["classes", "semantic"]), **_labels(rng)}
    return {"path": put(path, datasets.panoptic(folder), rng), **options}


def _pix2cap(folder: Path, rng: random.Random) -> dict[str, Any]:
    path = put(folder / "a.json", datasets.pix2cap(folder), rng)
    return {"path": path, "masks": folder / "panoptic_val2017"}


def _labels(rng: random.Random) -> dict[str, Any]:
    return {"labels": rng.choice(["plain", "file"])}


def _llava(folder: Path, rng: random.Random) -> dict[str, Any]:
    return {"path": put(folder / "a.json", datasets.llava(), rng)}


def _gseval(folder: Path, rng: random.Random) -> dict[str, Any]:
    return {"path": put(folder / "a.jsonl", datasets.gseval(), rng)}


def _muse(folder: Path, rng: random.Random) -> dict[str, Any]:
    square = {"segmentation": refer_fixtures.SQUARE, "id": 7}
    image = {"height": 6, "width": 8, "file_name": "COCO_train2014_000000000001.jpg"}
    asked = {"questions": ["What barks?", "What else?"], "answers": [[square, 7], [{"ann_id": 7}]]}
    words = {"text_answers": ["The {seg} and the {seg}.", None], "ann_list": [square]}
    other = {"height": 6, "width": 8, "coco_url": "http://images/train2017/2.jpg"}
    other |= {"questions": ["And this?"], "answers": [[{"segmentation": datasets.rle(BLOCK)}]]}
    return {"path": put(folder / "a.json", [image | asked | words, other], rng)}


def _refs() -> list[dict[str, Any]]:
    refs = [refer_fixtures.ref(7, "the dog", "left"), refer_fixtures.ref(8, "a cat", split="val")]
    return json.loads(json.dumps(refs))


def _refer(folder: Path, rng: random.Random) -> dict[str, Any]:
    refer_fixtures.write(folder, _refs())
    if rng.random() < 0.5:
        refs = bare(changed(_refs(), rng))
        (folder / "refs(unc).p").write_bytes(pickle.dumps(refs, rng.randrange(3)))
    else:
        _tables(folder, rng)
    return {"split": rng.choice(["train", "all", "val,train"])}


def _grefer(folder: Path, rng: random.Random) -> dict[str, Any]:
    refs = _refs()
    refs[0]["ann_id"], refs[1]["ann_id"] = [7, 8], [-1]
    refs[1]["no_target"] = True
    refer_fixtures.write(folder, refs, file="grefs(unc).json")
    if rng.random() < 0.6:
        put(folder / "grefs(unc).json", refs, rng)
    else:
        _tables(folder, rng)
    return {"split": "all"}


def _tables(folder: Path, rng: random.Random) -> None:
    path = folder / "instances.json"
    put(path, json.loads(path.read_text()), rng)


def _reasonseg(folder: Path, rng: random.Random) -> dict[str, Any]:
    target = {"label": "target", "points": [[1, 1], [4, 1], [4, 4], [1, 4]]}
    ignored = {"label": "ignore", "points": [[2, 2], [3, 2], [3, 3]]}
    content = {
        "text": ["what barks?", "what else?"],
        "is_sentence": True,
        "shapes": [target, ignored],
    }
    _photo(folder / "1_d.jpg")
    put(folder / "1_d.json", content, rng)
    return {"images": folder}


def _earthreason(folder: Path, rng: random.Random) -> dict[str, Any]:
    for inner in ("images", "labels", "QAs"):
        (folder / inner).mkdir()
    _photo(folder / "images" / "7.jpg")
    Image.fromarray(BLOCK * 255).save(folder / "labels" / "7.png")
    content = {"questions": ["Where is water?", "And where not?"], "answer": ["Here.", "There."]}
    put(folder / "QAs" / "7.json", content, rng)
    return {"images": folder / "images"}


def _index(folder: Path, rng: random.Random) -> dict[str, Any]:
    datasets.label_maps(folder)
    if rng.random() < 0.7:
        names = rng.choice([{"1": "wall", "2": "building"}, ["", "wall", None, "building"]])
        return {"path": folder / "maps", "names": put(folder / "names.json", names, rng)}
    path = folder / rng.choice(["names.csv", "names.txt"])
    data = b"Idx,Ratio,Name\n1,0.5,wall\n2,0.1,building;edifice\n"
    path.write_bytes(scrambled(data.replace(b",", rng.choice([b",", b"\t"])), rng))
    return {"path": folder / "maps", "names": path}


BLOCK = datasets.block(1, 2, 3, 4)
LAYOUTS: dict[str, Callable[[Path, random.Random], dict[str, Any]]] = {
    "coco": _coco,
    "lvis": _lvis,
    "panoptic": _panoptic,
    "pix2cap": _pix2cap,
    "llava": _llava,
    "gseval": _gseval,
    "muse": _muse,
    "refer": _refer,
    "grefer": _grefer,
    "reasonseg": _reasonseg,
    "earthreason": _earthreason,
    "index": _index,
}


def _photo(path: Path) -> None:
    height, width = datasets.SHAPE
    Image.new("RGB", (width, height)).save(path)


# ------------------------------------------------------------------------ faults


class Raw(str):
    """Text that stands in a file as it is."""

    __slots__ = ()


class Pairs(list):
    """An object whose keys may come again."""


def put(path: Path, content: Any, rng: random.Random) -> Path:
    """Write a file whose structure was changed, or its bytes, or neither."""
    kind = rng.random()
    if kind < 0.75:
        content = changed(json.loads(json.dumps(content)), rng)
    lined = path.suffix == ".jsonl" and isinstance(content, list)
    text = "".join(f"{written(row)}\n" for row in content) if lined else written(content)
    data = text.encode("utf-8", "surrogatepass")
    path.write_bytes(scrambled(data, rng) if 0.7 < kind < 0.95 else data)
    return path


def written(value: Any) -> str:
    """JSON, and what is almost JSON."""
    if isinstance(value, Raw):
        return value
    if isinstance(value, (dict, Pairs)):
        pairs = value.items() if isinstance(value, dict) else value
        return "{" + ",".join(f"{written(key)}:{written(one)}" for key, one in pairs) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(written, value)) + "]"
    return json.dumps(value)


def bare(value: Any) -> Any:
    """A value without `Raw` and `Pairs`, which only JSON has."""
    if isinstance(value, (dict, Pairs)):
        pairs = value.items() if isinstance(value, dict) else value
        return {str(key): bare(one) for key, one in pairs}
    if isinstance(value, list):
        return [bare(one) for one in value]
    return str(value)[:50] if isinstance(value, Raw) else value


NUMBERS = [0, 1, 2, 3, 6, 7, 8, 9, -1, 1.5, 7.0, 255, 256, 2**24, 2**31, 2**32, 2**53 + 1, 2**63]
TEXTS = [
    *[
        "",
        " ",
        "\n",
        "7",
        "dog",
        "犬",
        "\ud800",
        "\udfff dog",
        "\0",
        "\x1b[2J",
        "\u2028",
        "a" * 3000,
    ],
    *[
        "<image>",
        "<seg>",
        "</ref>",
        "<ref>a</ref>",
        "<fg3>",
        "{roi0}",
        "{roi9}",
        "{seg}",
        "<|im_end|>",
    ],
    *["../../up.png", "/etc/passwd", "\\\\host\\x", "a/../../b", "C:\\x", ".", "a\0b", "a" * 300],
    *["train2017/1.jpg", "human", "gpt", "target", "flag", "52203", "9240k0", "PPPPPPPP", "0" * 9],
]
RAW = [
    *[
        "NaN",
        "Infinity",
        "-Infinity",
        "1e999",
        "-0",
        "-0.0",
        "1e400",
        "00",
        "+1",
        ".5",
        "1.",
        "0x1",
    ],
    *[
        "9" * 400,
        "9" * 5000,
        "1" + "0" * 30,
        '"\\ud800"',
        '"\\u0000"',
        '"a\tb"',
        '"a\x01b"',
        '"\\q"',
    ],
    *[
        "tru",
        "nul",
        "undefined",
        "'a'",
        "[",
        "]",
        "{",
        "}",
        ",",
        ":",
        "[,]",
        "[1,]",
        "{,}",
        "//",
        '"',
    ],
    *[
        "[" * 50 + "]" * 50,
        "[" * 3000 + "]" * 3000,
        '{"a":' * 3000 + "1" + "}" * 3000,
        "[" * 99_999,
    ],
]
LISTS = [
    [],
    {},
    [[]],
    [{}],
    [[1, 2, 3]],
    [1, 2, 3, 4, 5, 6],
    {"size": [6, 8], "counts": "0"},
    [None],
]
MORE = [
    {"size": [6, 8], "counts": [48]},
    {"size": [6, 8], "counts": [0, 48]},
    {"size": [6, 8], "counts": [2**63, 1]},
    {"size": [8, 6], "counts": "9240k0"},
    {"size": [2**16, 2**16], "counts": [2**32 - 1]},
    {"size": [2**15, 2**15], "counts": [0, 2**30]},
    {"size": [-1, 8], "counts": "o" * 1000},
    {"counts": []},
    [[-1e308, 1, 4, 1e308, 4, 4, 1, 4]],
    [[1, 1, 1, 1, 1, 1]],
    [[1e9, 1e9, 2e9, 1e9, 2e9, 2e9]],
    [[0, 0, 8, 0, 8, 6, 0, 6]] * 50,
    [[-8, -6, 16, -6, 16, 12, -8, 12]],
    [[1, 1, 4, 1, 4, 4, 1, 4], [1, 2]],
]


def junk(rng: random.Random) -> Any:
    """A value of any kind."""
    kind = rng.randrange(8)
    if kind == 0:
        return rng.choice([None, True, False])
    if kind == 1:
        return rng.choice(NUMBERS)
    if kind < 4:
        return rng.choice(TEXTS)
    if kind == 4:
        return Raw(rng.choice(RAW))
    found = rng.choice(LISTS if kind == 5 else MORE)
    return json.loads(json.dumps(found))  # which may be changed later


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """All lists and objects of a value, with each of their keys."""
    waiting = [value]
    while waiting:
        box = waiting.pop()
        keys = range(len(box)) if isinstance(box, list) else box
        for key in keys:
            yield box, key
            if isinstance(box[key], (list, dict)) and not isinstance(box[key], Pairs):
                waiting.append(box[key])


def changed(value: Any, rng: random.Random) -> Any:
    """A structure with one to three changes."""
    if rng.random() < 0.04:
        return junk(rng)
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        found = list(places(value))
        if not found:
            return value
        box, key = rng.choice(found)
        kind = rng.randrange(9)
        if kind < 4:
            box[key] = junk(rng)
        elif kind == 4:
            del box[key]
        elif kind == 5:
            other, name = rng.choice(found)
            box[key] = json.loads(json.dumps(bare(other[name])))
        elif kind == 6 and type(box[key]) in {int, float}:
            box[key] += rng.choice([-1, 1, 0.5, 1e308])
        elif kind == 6 and isinstance(box[key], list):
            rng.shuffle(box[key])
        elif kind == 6 and isinstance(box[key], str):
            box[key] += rng.choice(TEXTS)
        elif isinstance(box, list):
            box.insert(key, json.loads(json.dumps(bare(box[key]))))
        elif kind == 7:
            box[rng.choice([name for _, name in found if isinstance(name, str)])] = junk(rng)
        elif isinstance(box[key], dict):
            pairs = Pairs(box[key].items())
            if pairs:
                pairs.append((rng.choice(pairs)[0], junk(rng)))
            box[key] = pairs
        else:
            box[rng.choice(TEXTS)] = box.pop(key)
    return value


def scrambled(data: bytes, rng: random.Random) -> bytes:
    """Bytes that are cut, changed, or in another encoding."""
    at = rng.randrange(len(data) + 1)
    kind = rng.randrange(10)
    if kind == 0:
        return data[:at]
    if kind == 1:
        return b"\xef\xbb\xbf" * rng.randrange(1, 3) + data
    if kind == 2:
        return data.decode("utf-8", "replace").encode(rng.choice(["utf-16", "utf-32", "utf-16-be"]))
    if kind == 3:
        return b""
    if kind == 4:
        return data + rng.choice([b"x", data, b"\0", b" \n", b"]", b"}"])
    bad = [
        b"\xff",
        b"\xc3",
        b"\xed\xa0\x80",
        b"\0",
        b"\x01",
        b'"',
        b"\\",
        b"]",
        b"}",
        b",",
        b"\xa0",
    ]
    return data[:at] + rng.choice(bad) + data[at + rng.randrange(2) :]
