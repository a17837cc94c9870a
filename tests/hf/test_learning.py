"""A small model learns to draw: `benchmarks/learn_shapes.py` in its shortest form."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.conftest import PURE, ROOT

if TYPE_CHECKING:
    from pathlib import Path

for name in ("torch", "transformers", "matplotlib"):
    pytest.importorskip(name, reason=f"{name} is not installed: maskcodec[dev]")

if PURE or os.environ.get("MASKCODEC_PROFILE") == "checked":
    pytest.skip("one training run is enough, with the compiler", allow_module_level=True)


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """What the script said, and the folder that it wrote."""
    out = tmp_path_factory.mktemp("learned")
    script = ROOT / "benchmarks" / "learn_shapes.py"
    command = [sys.executable, str(script), "--size", "ci", "--device", "cpu", "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout, out


@pytest.fixture
def script(monkeypatch):
    """A module of the benchmarks, by its name."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    return importlib.import_module


def result(out: Path) -> dict:
    (runs,) = json.loads(
        (out / "ci" / "report" / "results.json").read_text(encoding="utf-8")
    ).values()
    (run,) = runs
    return run


def test_the_loss_falls(learned):
    losses = [loss for _, loss in result(learned[1])["losses"]]
    assert losses[-1] < 0.2 * losses[0]
    assert losses == sorted(losses, reverse=True)


def test_constrained_answers_decode_strictly(learned):
    """Also about images that were never seen."""
    asked = result(learned[1])["asked"]
    assert asked["learned"]["guided"]["valid"] == 8
    assert asked["held out"]["guided"]["valid"] == 8


def test_what_was_learned_by_heart_is_drawn(learned):
    figures = result(learned[1])["asked"]["learned"]["guided"]
    assert figures["exact"] >= 6
    assert figures["giou"] > 0.7 * figures["best"]


def test_pictures_and_tables_are_written(learned):
    said, out = learned
    assert said.count("constrained answers valid: 8 of 8: pass") == 2
    names = {path.name for path in (out / "ci" / "report").iterdir()}
    pictures = {"curves.png", "predictions-learned.png", "predictions-held-out.png"}
    assert names == {"results.json", "tables.md", *pictures}
    assert "| b-sd-16 | 1 |" in (out / "ci" / "report" / "tables.md").read_text(encoding="utf-8")


def test_a_run_that_is_done_is_not_run_again(learned, script, monkeypatch, capsys):
    said, out = learned
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "false")  # these two the script sets for good
    monkeypatch.setattr("torch.set_float32_matmul_precision", lambda _precision: None)
    monkeypatch.setattr(sys, "argv", ["learn_shapes.py", "--size", "ci", "--out", str(out)])
    assert "s each" in said
    assert script("learn_shapes").main() == 0
    assert "s each" not in capsys.readouterr().out  # no step was taken


def test_scenes_are_the_same_again_and_their_questions_mean_one_shape(script):
    shapes = script("_shapes")
    for seed in range(40):
        drawn, again = shapes.scene(5, seed), shapes.scene(5, seed)
        assert drawn.image.tobytes() == again.image.tobytes()
        assert drawn.expression == again.expression
        assert drawn.expression in shapes.EXPRESSIONS
        first, *others = drawn.shapes
        twins = [one for one in others if one.name == first.name]
        if drawn.expression == first.name:
            assert not twins
        else:
            (twin,) = twins
            place = drawn.expression.removeprefix(f"{first.name} ")
            ahead = {
                "on the left": twin.x - first.x,
                "on the right": first.x - twin.x,
                "at the top": twin.y - first.y,
                "at the bottom": first.y - twin.y,
            }
            assert ahead[place] >= 28
        masks = [one.mask() for one in drawn.shapes]
        assert sum(map(np.count_nonzero, masks)) == np.count_nonzero(np.logical_or.reduce(masks))


def test_run_lengths_of_a_scene_are_its_mask(script):
    import maskcodec as mc
    from maskcodec.coco import read

    drawn = script("_shapes").scene(5, 41)
    assert (read(drawn.counts(), shape=(128, 128)).mask() == drawn.shapes[0].mask()).all()
    assert mc.BSD().encode(drawn.counts(), "it", shape=(128, 128))


def test_attention_to_all_images_at_once_is_the_same(script):
    import torch
    from transformers import Qwen2VLForConditionalGeneration as Model

    made = script("_shapemodel")
    tokenizer = made.make_tokenizer()
    ours = made.make_model(tokenizer, 0)
    theirs = Model(ours.config).float().eval()
    theirs.load_state_dict(ours.state_dict())
    images = [script("_shapes").scene(5, seed).image for seed in range(3)]
    inputs = made.make_processor(tokenizer).image_processor(images, return_tensors="pt")
    with torch.no_grad():
        found = [
            model.model.visual(inputs["pixel_values"], grid_thw=inputs["image_grid_thw"])[1]
            for model in (ours, theirs)
        ]
    assert torch.allclose(*found, atol=1e-5)
