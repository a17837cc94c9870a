"""The comparison of formats by a small model: it learns, and what it says is what it was taught."""

import importlib
import json
import sys
import time

import numpy as np
import pytest

from tests.conftest import ROOT

torch = pytest.importorskip("torch", reason="the model is of torch")
pytest.importorskip("transformers", reason="its tokenizer is of transformers")


@pytest.fixture(scope="module")
def benchmarks():
    """The modules of `benchmarks/`."""
    sys.path.insert(0, str(ROOT / "benchmarks"))
    yield importlib.import_module
    sys.path.remove(str(ROOT / "benchmarks"))


def test_generation_sees_what_training_sees(benchmarks):
    finder = benchmarks("_finder")
    torch.manual_seed(0)
    model = finder.Finder(50).eval()
    photos = torch.randint(0, 256, (3, 64, 64, 3), dtype=torch.uint8)
    asked = [[1, 2, 3], [4, 5], [6, 7, 8, 9]]
    answers = model.generate(photos, asked, end=0, room=12)
    assert {len(answer) for answer in answers} - {0, 12} or any(answers)
    for row, (question, answer) in enumerate(zip(asked, answers, strict=True)):
        ids = question + answer
        with torch.no_grad():
            scores = model(photos[row : row + 1], torch.tensor([ids]))[0]
        chosen = scores.argmax(1).tolist()[len(question) - 1 :]
        assert chosen[: len(answer)] == answer
        assert len(answer) == 12 or chosen[len(answer)] == 0


def test_a_model_learns_what_it_is_shown(benchmarks, tmp_path, capsys):
    learn, tasks = benchmarks("learn_formats"), benchmarks("_formattasks")
    size, now = learn.SIZES["ci"], time.monotonic()
    torch.set_num_threads(1)
    assert learn.finding(tmp_path, size, now) is None  # no time is left
    found = learn.finding(tmp_path, size, now + 600)
    first, last = (look["loss"] for look in torch.load(found, weights_only=True)["curve"])
    assert last < first / 2
    learn.drawing(tmp_path, size, "scanlines-11", 0, found, now, 2e-3)  # as above
    assert not [*tmp_path.glob("*.json")]
    learn.drawing(tmp_path, size, "scanlines-11", 0, found, now + 600, 2e-3)
    (path,) = tmp_path.glob("*.json")
    result = json.loads(path.read_text("utf-8"))
    first, last = (look["loss"] for look in result["curve"])
    assert last < 0.8 * first
    assert result["curve"][0]["valid"] < result["ways"]["free"]["valid"]
    assert result["ways"]["guided"]["valid"] == 1
    task = tasks.Task("scanlines-11")
    scenes = [benchmarks("_objects").scene(learn.UNSEEN, k) for k in range(size.unseen)]
    drawn = [task.read(ids) for ids in result["answers"]["given box"]]
    right, chance = learn.ious(drawn, scenes), learn.ious(drawn, scenes[1:] + scenes[:1])
    assert np.mean(right) == pytest.approx(result["ways"]["given box"]["giou"])
    assert np.mean(right) > 5 * np.mean(chance)
    learn.report(tmp_path, ["scanlines-11"], tmp_path / "report")
    assert f"scanlines-11 | 1 | {result['tokens']:.1f}" in capsys.readouterr().out
    names = {"tables.md", "results.json", "formats.png", "scenes.png"}
    assert {each.name for each in (tmp_path / "report").iterdir()} == names


def test_right_answers_draw_what_their_format_can(benchmarks):
    tasks = benchmarks("_formattasks")
    scenes = [benchmarks("_objects").scene(0, k) for k in range(4)]
    for name in tasks.CODECS:
        task = tasks.Task(name)
        readings = [task.read(task.answer(one)) for one in scenes]
        assert all(reading.valid for reading in readings)
        assert np.mean(benchmarks("learn_formats").ious(readings, scenes)) > 0.6
        if task.steps:  # a row that is longer than there are columns
            *rows, last, tag = task.answer(scenes[0])
            assert not task.read([*rows, task.tokens.words["<bg:63>"], last, tag]).valid
