"""TRL's trainer on rows that `maskcodec build` wrote and the folder that `prepare_model` wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import maskcodec as mc
from maskcodec.cli import app
from tests.conftest import PURE
from tests.datasets import coco, write
from tests.tiny_models import tiny_model, tiny_processor, torch, transformers

if TYPE_CHECKING:
    from pathlib import Path

datasets = pytest.importorskip("datasets", reason="datasets is not installed: maskcodec[dev]")
peft = pytest.importorskip("peft", reason="peft is not installed: maskcodec[hf]")
trl = pytest.importorskip("trl", reason="trl is not installed: maskcodec[dev]")

from maskcodec import hf  # noqa: E402

STEPS = 12


def built(folder: Path, *flags: str) -> Path:
    """Rows as the command writes them for TRL."""
    random = np.random.default_rng(0)
    content = coco()
    for image in content["images"]:
        (folder / "images").mkdir(exist_ok=True)
        pixels = random.integers(0, 256, (image["height"] * 9, image["width"] * 9, 3), np.uint8)
        Image.fromarray(pixels).save(folder / "images" / image["file_name"])
    write(folder / "instances.json", content)
    source = f"coco:{folder / 'instances.json'},images={folder / 'images'}"
    options = ["--format", "trl", "--out", str(folder / "rows"), "--workers", "1", *flags]
    result = CliRunner().invoke(app, ["build", source, "--rows", "5", "--absent", "0", *options])
    assert result.exit_code == 0, result.output
    return folder / "rows"


@pytest.mark.skipif(PURE, reason="one run of the trainer is enough: it has nothing to compile")
@pytest.mark.filterwarnings(  # the libraries among each other
    "ignore:.(is_)?gradient_checkpointing. is deprecated:FutureWarning"
)
def test_a_few_steps_of_trl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    rows = built(tmp_path)
    processor = tiny_processor("qwen2-vl")
    hf.prepare_model(
        tiny_model("qwen2-vl"),
        mc.load(rows),
        processor.tokenizer,
        out=tmp_path / "prepared",
        processor=processor,
    )

    # From here on as a user has it: only the two folders.
    tokens = mc.TokenCodec.load(tmp_path / "prepared")
    load = transformers.AutoModelForImageTextToText.from_pretrained
    model = load(tmp_path / "prepared")
    data = datasets.load_dataset(str(rows), split="train", cache_dir=str(tmp_path / "cache"))
    data = data.cast_column("images", datasets.Sequence(datasets.Image()))
    torch.manual_seed(0)  # LoRA begins with random numbers
    adapted = peft.get_peft_model(model, hf.lora_config(model, tokens, rank=4, dropout=0.0))
    adapted.get_output_embeddings().bias = None  # TRL asks for it, and peft's wrapper has none
    trainer = trl.SFTTrainer(
        model=adapted,
        args=trl.SFTConfig(
            str(tmp_path / "trained"),
            max_length=None,
            per_device_train_batch_size=2,
            learning_rate=0.02,
            lr_scheduler_type="constant",
            max_steps=STEPS,
            logging_steps=1,
            save_strategy="no",
            report_to="none",
            use_cpu=True,
            bf16=False,
            disable_tqdm=True,
        ),
        train_dataset=data,
        processing_class=type(processor).from_pretrained(tmp_path / "prepared"),
    )
    trainer.train()
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    assert len(losses) == STEPS
    assert losses[-1] < losses[0] - 1  # digits and words have rows that are not trained

    trainer.save_model(tmp_path / "adapter")
    names = {path.name for path in (tmp_path / "adapter").iterdir()}
    assert {"adapter_config.json", "adapter_model.safetensors"} <= names
    again = peft.PeftModel.from_pretrained(load(tmp_path / "prepared"), tmp_path / "adapter")
    ids = torch.tensor([tokens.encode([[0, 1], [1, 1]], "dog").tolist()])
    with torch.no_grad():
        want = trainer.model.eval()(input_ids=ids).logits
        assert torch.equal(again.eval()(input_ids=ids).logits, want)
        merged = again.merge_and_unload()
        torch.testing.assert_close(merged(input_ids=ids).logits, want, atol=1e-4, rtol=0.0)
