"""TRL's `GRPOTrainer` on rows with targets and the folder that `prepare_model` wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import maskcodec as mc
from maskcodec.rewards.folder import VARIABLE
from maskcodec.rewards.trainers.for_trl import mask_reward
from tests.conftest import PURE
from tests.hf.test_trl import built, datasets, hf, trl
from tests.tiny_models import tiny_model, tiny_processor, torch, transformers

if TYPE_CHECKING:
    from pathlib import Path

STEPS = 2


@pytest.mark.skipif(PURE, reason="one run of the trainer is enough: it has nothing to compile")
@pytest.mark.filterwarnings(  # the libraries among each other
    "ignore:.(is_)?gradient_checkpointing(_\\w+)?. is deprecated:FutureWarning"
)
def test_a_few_steps_of_grpo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    rows = built(tmp_path, "--targets")
    processor = tiny_processor("qwen2-vl")
    hf.prepare_model(
        tiny_model("qwen2-vl"),
        mc.load(rows),
        processor.tokenizer,
        out=tmp_path / "prepared",
        processor=processor,
    )

    # From here on as a user has it: the two folders, and the variable that names the reward's.
    monkeypatch.setenv(VARIABLE, str(tmp_path / "prepared"))
    data = datasets.load_dataset(str(rows), split="train", cache_dir=str(tmp_path / "cache"))
    data = data.cast_column("images", datasets.Sequence(datasets.Image()))
    model = transformers.AutoModelForImageTextToText.from_pretrained(tmp_path / "prepared")
    before = model.lm_head.weight.detach().clone()
    calls = []

    def noted(**columns: object) -> list[float | None]:
        calls.append(columns)
        return mask_reward(**columns)

    torch.manual_seed(0)
    trainer = trl.GRPOTrainer(
        model=model,
        reward_funcs=noted,
        args=trl.GRPOConfig(
            str(tmp_path / "trained"),
            per_device_train_batch_size=4,
            num_generations=4,
            max_completion_length=4,
            learning_rate=0.01,
            max_steps=STEPS,
            logging_steps=1,
            save_strategy="no",
            report_to="none",
            use_cpu=True,
            bf16=False,
            gradient_checkpointing=False,
            disable_tqdm=True,
        ),
        train_dataset=data,
        processing_class=type(processor).from_pretrained(tmp_path / "prepared"),
    )
    trainer.train()
    assert len(calls) == STEPS
    for columns in calls:
        assert len(columns["targets"]) == len(columns["completion_ids"]) == 4
        assert all(isinstance(target, str) for target in columns["targets"])
    logged = [entry for entry in trainer.state.log_history if "mask/total" in entry]
    assert len(logged) == STEPS
    assert all(0 <= entry["reward"] == pytest.approx(entry["mask/total"]) for entry in logged)
    assert torch.isfinite(model.lm_head.weight).all()
    assert before.shape == model.lm_head.weight.shape
