"""Every block of code in the README and the documentation runs."""

import json
import re
import shlex
import tomllib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import maskcodec as mc
from tests import refer_fixtures
from tests.conftest import ROOT
from tests.vocabularies import fresh, wrapped

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
IMAGE = re.compile(r"!\[(.*?)\]\((.*?)\)", re.DOTALL)
TOCTREE = re.compile(r"^```\{toctree\}\n(.*?)^```", re.MULTILINE | re.DOTALL)
BLOCKS = [
    pytest.param(language, code, id=f"{page.relative_to(ROOT)}-{number}")
    for page in PAGES
    for number, (language, code) in enumerate(BLOCK.findall(page.read_text(encoding="utf-8")))
]
PYTHON = [block for block in BLOCKS if block.values[0] == "python"]
CONSOLE = [
    pytest.param(block.values[1], id=block.id)
    for block in BLOCKS
    if block.values[0] == "console" and "maskcodec " in block.values[1]
]


# What packages carry of the checkpoints that the examples name.
CARRIED = {
    "Qwen/Qwen2.5-VL-7B-Instruct": ("qwen", {"eos_token": "<|im_end|>"}),
    "mistralai/Mistral-7B-v0.1": ("mistral", {"bos_token": "<s>", "eos_token": "</s>"}),
}


@pytest.fixture
def empty_folder(tmp_path, monkeypatch):
    """A working directory, and no network: packages carry the vocabularies of the examples."""
    monkeypatch.chdir(tmp_path)
    try:
        from transformers import AutoTokenizer
    except ImportError:
        return
    load = AutoTokenizer.from_pretrained

    def carried(name, **options):
        if str(name) not in CARRIED:
            return load(name, **options)
        vocabulary, roles = CARRIED[str(name)]
        return wrapped(fresh(vocabulary), **roles)

    monkeypatch.setattr(AutoTokenizer, "from_pretrained", carried)


@pytest.mark.parametrize(("language", "code"), PYTHON)
@pytest.mark.usefixtures("empty_folder")
def test_python_block_runs(language, code):
    assert language == "python"
    if re.search(r"\b(torch|maskcodec\.hf|TrainingArguments)\b", code):
        pytest.importorskip("torch", reason="the block is about models")
    if "transformers" in code:
        pytest.importorskip("transformers", reason="the block loads a tokenizer")
    exec(compile(code, "<documentation>", "exec"), {"__name__": "documentation"})


def datasets_of_expressions():
    """RefCOCO and ReasonSeg, of one image each."""
    for picture in "train2014/COCO_train2014_000000000001.jpg", "ReasonSeg/val/1.jpg":
        Path(picture).parent.mkdir(parents=True)
        Image.new("RGB", (8, 6)).save(picture)
    refer_fixtures.write(Path("refcoco"), [refer_fixtures.ref(7, "dog", split="val")])
    shape = {"label": "target", "points": [[1, 1], [4, 1], [4, 4]]}
    content = {"text": ["what barks?"], "is_sentence": True, "shapes": [shape]}
    Path("ReasonSeg/val/1.json").write_text(json.dumps(content), encoding="utf-8")


@pytest.fixture
def users_folder(empty_folder):  # noqa: ARG001
    """A folder with the files of its own that the documentation speaks of."""
    mask = np.zeros((480, 640), np.uint8)
    mask[100:300, 200:500] = 255
    Image.fromarray(mask).save("mask.png")
    Path("masks").mkdir()
    Image.fromarray(mask).save("masks/dog.png")
    Image.new("RGB", (640, 480), "olive").save("photo.jpg")
    corners = [200, 100, 500, 100, 500, 300, 200, 300]
    coco = {
        "images": [{"id": 139, "height": 480, "width": 640, "file_name": "photo.jpg"}],
        "categories": [{"id": 18, "name": "dog"}],
        "annotations": [{"id": 1, "image_id": 139, "category_id": 18, "segmentation": [corners]}],
    }
    Path("instances_val2017.json").write_text(json.dumps(coco), encoding="utf-8")
    answer = {"id": 1, "text": "<ref>dog</ref><box>[[20 13 49 39]]</box><seg></seg>"}
    Path("predictions.jsonl").write_text(json.dumps(answer), encoding="utf-8")
    target = {"id": 1, "segmentation": [corners], "height": 480, "width": 640}
    Path("targets.jsonl").write_text(json.dumps(target), encoding="utf-8")
    datasets_of_expressions()
    mc.Scanlines().save("merged")


@pytest.mark.parametrize("code", CONSOLE)
@pytest.mark.usefixtures("users_folder")
def test_console_block_runs(code):
    """Its `maskcodec` commands run one after another; ``> FILE`` is followed."""
    from typer.testing import CliRunner

    from maskcodec.cli import app

    lines = re.sub(r"\\\n\s*", "", code).splitlines()
    commands = [shlex.split(part, comments=True) for line in lines for part in line.split("&&")]
    commands = [words[1:] for words in commands if words[:1] == ["maskcodec"]]
    assert commands
    for words in commands:
        arguments, _, target = " ".join(map(shlex.quote, words)).partition(" '>' ")
        result = CliRunner().invoke(app, shlex.split(arguments))
        assert result.exit_code == 0, (words, result.output)
        if target:
            Path(target).write_text(result.stdout, encoding="utf-8")


def test_links_lead_somewhere():
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (page.parent / target).exists(), (page.name, target)


def test_files_that_pages_name_exist():
    places = ROOT, ROOT / "src", ROOT / "src" / "maskcodec"
    named = {
        (page.name, name)
        for page in PAGES
        for name in re.findall(r"`([\w/]+/\w+\.py)`", page.read_text("utf-8"))
        if "NAME" not in name
    }
    assert ("design.md", "masks/inputs.py") in named
    assert not {one for one in named if not any((place / one[1]).exists() for place in places)}


def test_alternative_texts_are_sentences_about_their_pictures():
    shown = set()
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        prose = IMAGE.sub("", text)
        for said, target in IMAGE.findall(text):
            shown.add((page.parent / target).resolve())
            assert re.fullmatch(r"[A-Z][^`<>{}\[\]=_\n]+[\w)]", said), (page.name, said)
            words = said.split()
            assert len(words) >= 5, (page.name, said)
            for start in range(len(words) - 4):  # what a replacement of text leaves behind
                assert " ".join(words[start : start + 5]) not in prose, (page.name, said)
        assert text.count("![") == len(IMAGE.findall(text)), page.name
    assert shown == {path.resolve() for path in (ROOT / "docs" / "images").iterdir()}


def test_the_readme_shows_the_two_commands():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "pip install . && maskcodec demo" in readme
    assert "pip install -e '.[dev]' && pytest" in readme


def test_extras_that_pages_name_are_those_that_there_are():
    """The README lists those for users, and pages say what to type in a checkout."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = set(project["optional-dependencies"]) - {"bench", "dev", "docs", "test"}
    table = (ROOT / "README.md").read_text("utf-8").split("| extra |")[1].split("\n\n")[0]
    assert set(re.findall(r"^\| `(\w+)`", table, re.MULTILINE)) == extras
    for page in PAGES:
        text = page.read_text("utf-8")
        named = re.findall(r"^maskcodec .*#.*extras? ([\w, ]+)$", text, re.MULTILINE)
        assert {one for names in named for one in names.split(", ")} <= extras, page.name
        assert "maskcodec[" not in text, page.name  # which is right once it is published


def test_the_page_of_results_says_what_its_tables_say():
    page = ROOT / "docs" / "benchmarks.md"
    lines = re.findall(
        r"^\| (.*) \| \[[^]]+\]\(([^)]+)\) \|$", page.read_text("utf-8"), re.MULTILINE
    )
    assert len(lines) > 10
    for line, target in lines:
        tables = (page.parent / target).read_text("utf-8")
        for figure in re.findall(r"(?<=\| )[\d.]+(?= )", line):
            assert f"| {figure} " in tables, (line, target)


def test_a_table_that_misses_a_limit_says_what_that_means():
    for page in (ROOT / "docs" / "benchmarks").glob("*.md"):
        text = page.read_text("utf-8")
        assert ("| FAIL |" in text) == ("**FAIL** means: " in text), page.name


def test_every_page_has_its_line_in_the_navigation():
    docs = ROOT / "docs"
    pages = [*docs.rglob("*.md"), *docs.rglob("*.ipynb")]
    listed = [docs / "index"]
    for page in pages:
        for block in TOCTREE.findall(page.read_text(encoding="utf-8")):
            for name in re.findall(r"^[\w/.*-]+$", block, re.MULTILINE):
                listed += page.parent.glob(name) if "*" in name else [page.parent / name]
    names = [str(page.resolve().relative_to(docs)).removesuffix(".md") for page in listed]
    assert sorted(names) == sorted(str(page.relative_to(docs).with_suffix("")) for page in pages)
