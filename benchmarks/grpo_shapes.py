"""Whether `maskcodec.rewards` teaches: the shapes model of `learn_shapes.py`, reinforced by GRPO.

The model first learns 64 scenes for some supervised steps, too few to answer well. Then it answers
16 of the same questions freely, eight times each, and learns from the rewards alone: advantages
within a group, one update a batch, no reference model, which are TRL's defaults. The loop is our
own, since TRL's trainer takes longer than a model that is this small. `--reward strict` gives
malformed answers 0, as rewards by regular expression do.

Time is that of the processor, so that what others do on the machine does not count.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import numpy as np
import torch

import maskcodec as mc
from _asking import evaluate, questions
from _learning import Batches, Learner, built_rows, train
from learn_shapes import Size, say, scenes
from maskcodec.coco import RunMask
from maskcodec.hf import generate
from maskcodec.rewards import MaskReward

if TYPE_CHECKING:
    from _asking import Question

CODEC = mc.BSD(grid=16)
LEARNED, HELD_OUT = 64, 64  # scenes
REINFORCED = 16  # of those that were learned: each is asked about again every other step
BATCH = 16  # rows of a supervised step
WEIGHTS = {"iou": 4.0, "boundary": 1.0, "box": 1.0, "label": 1.0, "length": 1.0}  # the defaults
GROUP, PROMPTS = 8, 8  # answers to a question, and questions a step
RATE = 2e-4
TEMPERATURE = 0.7  # of answers, and of what is learned from them: at 1, few can be read
ROOM = 1.25  # times the longest right answer
NOTE = 10  # steps
PARTS = "total", "iou", "boundary", "box", "label", "format", "length"


class Sampled(NamedTuple):
    """Answers as the model learns from them.

    Attributes
    ----------
    inputs
        What the model takes: prompts, and the answers behind them.
    start
        Where answers begin.
    learned
        bool (answers, ids): which ids are the model's own.
    """

    inputs: dict[str, Any]
    start: int
    learned: torch.Tensor


class Grpo:
    """A model that learns from rewards.

    Parameters
    ----------
    learner
        The model and its tokenizer.
    asked
        The questions.
    strict
        Whether malformed answers get 0.
    valid
        The weight of the part for the format.
    """

    def __init__(
        self, learner: Learner, asked: list[Question], *, strict: bool, valid: float
    ) -> None:
        self._learner, self._asked, self._strict = learner, asked, strict
        self._reward = MaskReward(learner.tokens, weights=WEIGHTS | {"format": valid})
        self._longest = int(ROOM * max(one.ids for one in asked))
        self._end = learner.tokens.tokenizer.eos_token_id
        config = learner.model.config  # in an answer, these would stand for an image that is not
        self._never = [config.image_token_id, config.video_token_id]
        self._optimizer = torch.optim.AdamW(learner.model.parameters(), lr=RATE, weight_decay=0.0)
        self._random = np.random.default_rng(0)
        self._targets = [self._target(one) for one in asked]

    def step(self) -> dict[str, float]:
        """Ask, score, learn; the mean of what was scored."""
        learner = self._learner
        chosen = self._random.choice(len(self._asked), PROMPTS, replace=False)
        chosen = np.repeat(chosen, GROUP).tolist()
        images = [self._asked[k].image for k in chosen]
        texts = [self._asked[k].text for k in chosen]
        answers = generate(
            learner.model,
            learner.processor,
            images,
            texts,
            learner.tokens,
            constrain=False,
            max_new_tokens=self._longest,
            do_sample=True,
            temperature=TEMPERATURE,
            top_k=0,
            top_p=1.0,
            suppress_tokens=self._never,
        )
        ids = [[*answer.ids, self._end] if answer.finished else answer.ids for answer in answers]
        scored = [
            self._reward(answer.ids, self._targets[k])
            for k, answer in zip(chosen, answers, strict=True)
        ]
        totals = np.array([self._total(parts) for parts in scored])
        groups = totals.reshape(PROMPTS, GROUP)
        spread = groups.std(1, keepdims=True)
        advantages = ((groups - groups.mean(1, keepdims=True)) / (spread + 1e-4)).ravel()
        self._learn(self._sampled(images, texts, ids), torch.tensor(advantages).float())
        means = {name: float(np.mean([parts[name] for parts in scored])) for name in PARTS}
        return {**means, "learned": float((spread > 0).mean())}

    def _total(self, parts: dict[str, float]) -> float:
        return 0.0 if self._strict and parts["format"] < 1 else parts["total"]

    def _target(self, one: Question) -> list[dict[str, Any]]:
        label = one.text.removeprefix("Segment ").removesuffix(".")
        rle = RunMask.from_mask(one.target).coco_rle(text=True)
        return [{"label": label, "segmentation": rle}]

    def _sampled(self, images: list[str], texts: list[str], ids: list[list[int]]) -> Sampled:
        processor = self._learner.processor
        said = [
            [{"role": "user", "content": [{"type": "image", "path": image}, _words(text)]}]
            for image, text in zip(images, texts, strict=True)
        ]
        inputs = dict(
            processor.apply_chat_template(
                said,
                add_generation_prompt=True,
                tokenize=True,
                return_dict=True,
                return_tensors="pt",
                processor_kwargs={"padding": True},
            )
        )
        start, longest = inputs["input_ids"].shape[1], max(map(len, ids))
        own = torch.full((len(ids), longest), self._learner.tokens.tokenizer.pad_token_id)
        learned = torch.zeros((len(ids), longest), dtype=torch.bool)
        for row, some in enumerate(ids):
            own[row, : len(some)] = torch.tensor(some)
            learned[row, : len(some)] = True
        inputs["input_ids"] = torch.cat([inputs["input_ids"], own], 1)
        inputs["attention_mask"] = torch.cat([inputs["attention_mask"], learned.long()], 1)
        if "mm_token_type_ids" in inputs:
            kinds = inputs["mm_token_type_ids"]
            inputs["mm_token_type_ids"] = torch.cat([kinds, torch.zeros_like(own)], 1)
        return Sampled(inputs, start, learned)

    def _learn(self, sampled: Sampled, advantages: torch.Tensor) -> None:
        model = self._learner.model
        logits = model(**sampled.inputs).logits[:, sampled.start - 1 : -1] / TEMPERATURE
        chosen = sampled.inputs["input_ids"][:, sampled.start :]
        gains = logits.log_softmax(-1).gather(2, chosen[:, :, None])[:, :, 0]
        loss = -(gains * advantages[:, None])[sampled.learned].mean()
        self._optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        self._optimizer.step()


def _words(text: str) -> dict[str, str]:
    return {"type": "text", "text": text}


def asked(learner: Learner, by_split: dict[str, list[Question]]) -> dict[str, Any]:
    """The figures of greedy, free answers to the questions of each split."""
    found = {}
    for split, some in by_split.items():
        figures, _ = evaluate(learner, some, constrain=False, room=2)
        found[split] = figures._asdict()
        say(
            f"  {split}: gIoU {figures.giou:.3f}, cIoU {figures.ciou:.3f}, Acc@0.5 "
            f"{figures.accuracy:.3f}, valid {figures.valid} of {figures.asked}"
        )
    return found


def main() -> None:
    """Learn, ask, reinforce, ask."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--out", type=Path, default=Path("reinforced"), help="(default: %(default)s)")
    add("--supervised", type=int, default=150, help="steps before (default: %(default)s)")
    add("--minutes", type=float, default=8, help="of the processor, for GRPO (%(default)s)")
    add("--format", type=float, default=2, help="its weight in the reward (default: %(default)s)")
    add("--reward", choices=("full", "strict"), default="full", help="(default: %(default)s)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.out.mkdir(parents=True, exist_ok=True)
    size = Size((), 1, LEARNED, HELD_OUT, options.supervised, BATCH, 0)
    folder = scenes(options.out / "scenes", size)
    learner = Learner.new(CODEC, 0, "cpu")
    state = options.out / f"supervised-{options.supervised}.pt"
    if state.exists():
        learner.load(state)
    else:
        rows = built_rows(folder, CODEC, options.out / "rows")
        batches = Batches(learner, rows, BATCH, 0)
        train(learner, batches, options.supervised, until=time.perf_counter() + 1e9)
        learner.save(state)
    learned = questions(folder, "train", learner.tokens)
    by_split = {
        "reinforced": learned[:REINFORCED],
        "learned alone": learned[REINFORCED:],
        "never seen": questions(folder, "val", learner.tokens),
    }
    say(f"after {options.supervised} supervised steps:")
    result: dict[str, Any] = {"before": asked(learner, by_split), "steps": []}
    torch.manual_seed(0)
    strict = options.reward == "strict"
    grpo = Grpo(learner, by_split["reinforced"], strict=strict, valid=options.format)
    path = options.out / f"{options.reward}.json"
    used, looks, noted = 0.0, 1, list[dict[str, float]]()
    while used < 60 * options.minutes:
        began = time.process_time()
        noted.append(grpo.step())
        used += time.process_time() - began
        if len(noted) == NOTE:
            means = {name: float(np.mean([one[name] for one in noted])) for name in noted[0]}
            result["steps"].append({"seconds": used, **means})
            shown = ", ".join(f"{name} {value:.3f}" for name, value in means.items())
            say(f"step {NOTE * len(result['steps'])}, {used:.0f} s: {shown}")
            noted.clear()
            if used > looks * 15 * options.minutes:  # a quarter of them
                looks += 1
                result["after"] = asked(learner, by_split)
                path.write_text(json.dumps(result, indent=1), encoding="utf-8")
    say(f"after {used / 60:.1f} minutes of GRPO:")
    result["after"] = asked(learner, by_split)
    path.write_text(json.dumps(result, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
