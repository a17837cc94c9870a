"""What holding a model to what decodes costs a step of its generation.

The answers of 16 masks are replayed with a real vocabulary, a step at a time: the processor sees
the ids so far and random scores, as in `generate`. Rows are out of step with each other, as in a
batch: some are in a label while others draw. Each step's options must be those of the guide.
Then a small model with as large a head generates with and without the processor.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from typing import TYPE_CHECKING

import numpy as np
import torch
import transformers

import maskcodec as mc
from _common import Table, middle, paragraph, spread, versions, write_page
from _vocabularies import load_tokenizer
from maskcodec.hf import MaskLogitsProcessor
from maskcodec.hf.likelihood import Likelihood

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from maskcodec.tokenizers.guide import Guide

    Times = npt.NDArray[np.float64]

PACKAGES = "maskcodec", "torch", "transformers", "numpy"
COMMAND = "python benchmarks/bench_constraint.py"
BATCH, PROMPT, COLUMNS = 16, 1024, 152_064  # Qwen2.5-VL-7B's rows, and an image in the prompt
NEW, OWN = "a new tensor each step", "in place, as generate does it"
BEAMS = "in place, rows change places each step"
ALONE = "of it, the guides and which row is which"
SCORES = "log-probabilities of the ids chosen, for scores"
SOFTMAX = "for comparison: softmax of the scores"
PARTS = {
    "all steps": bool,
    "all rows draw": lambda kinds: kinds == {"rows"},
    "some rows draw": lambda kinds: "rows" in kinds and len(kinds) > 1,
    "no row draws": lambda kinds: "rows" not in kinds,
}


def answers(tokens: mc.TokenCodec) -> tuple[npt.NDArray[np.int64], list[set[str]]]:
    """The ids of two masks for each row, behind more or fewer words, and where rows are."""
    rng = np.random.default_rng(0)
    ys, xs = np.mgrid[:480, :640]
    word = tokens.tokenizer.encode(" the").ids[0]
    rows, where = [], []
    ref, seg, seg_end = (tokens.words[tag] for tag in ("<ref>", "<seg>", "</seg>"))
    for row in range(BATCH):
        masks = [
            (ys - rng.integers(100, 380)) ** 2 + (xs - rng.integers(100, 540)) ** 2
            < rng.integers(80, 200) ** 2
            for _ in range(2)
        ]
        ids = [word] * (2 + row % 4) + [i for mask in masks for i in tokens.encode(mask, "dog")]
        kind, kinds = "text", []
        for number in ids:
            kinds.append(kind)  # of the step that chooses this id
            kind = {ref: "label", seg: "rows", seg_end: "text"}.get(number, kind)
        rows.append(ids)
        where.append(kinds)
    steps = min(map(len, rows))
    at = [{kinds[step] for kinds in where} for step in range(steps)]
    return np.array([ids[:steps] for ids in rows]).T, at


def replay(
    call: Callable[[torch.Tensor, torch.Tensor], object],
    ids: npt.NDArray[np.int64],
    scores: torch.Tensor,
    *,
    moved: bool = False,
) -> Times:
    """Microseconds of each step."""
    rng = np.random.default_rng(1)
    prompt = torch.randint(0, 1000, (BATCH, PROMPT), generator=torch.Generator().manual_seed(0))
    grown = torch.cat([prompt, torch.from_numpy(ids.T)], 1)
    times = []
    order = np.arange(BATCH)
    for step in range(len(ids)):
        if moved:
            order = rng.permutation(BATCH)
        own = scores.clone()
        so_far = grown[order, : PROMPT + step].contiguous()
        began = time.perf_counter()
        call(so_far, own)
        times.append((time.perf_counter() - began) * 1e6)
    return np.array(times)


def check(guide: Guide, ids: npt.NDArray[np.int64]) -> None:
    """Every step's options are those of the guide."""
    processor = MaskLogitsProcessor(guide, inplace=True)
    for step in range(len(ids)):
        masked = processor(torch.from_numpy(ids[:step].T.copy()), torch.zeros(BATCH, COLUMNS))
        for row in range(BATCH):
            found = masked[row].isfinite().nonzero()[:, 0].numpy()
            if not np.array_equal(found, guide.allowed(ids[:step, row].tolist())):
                raise SystemExit(f"step {step}, row {row}: other ids than the guide's")


def small_model() -> transformers.PreTrainedModel:
    """A model whose head is that of a large one."""
    config = transformers.Qwen2Config(
        vocab_size=COLUMNS,
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
    )
    torch.manual_seed(0)
    return transformers.Qwen2ForCausalLM(config).eval()


def generated(model: transformers.PreTrainedModel, processors: list[object]) -> float:
    """Microseconds a step of `generate`, its first one left out."""
    prompt = torch.randint(0, 1000, (BATCH, 64), generator=torch.Generator().manual_seed(0))
    seconds = []
    for steps in (2, 34):
        began = time.perf_counter()
        model.generate(
            prompt,
            logits_processor=processors,
            max_new_tokens=steps,
            do_sample=False,
            eos_token_id=None,
            pad_token_id=0,
        )
        seconds.append(time.perf_counter() - began)
    return (seconds[1] - seconds[0]) / 32 * 1e6


def main() -> int:
    """Measure, print, and write the section if that is asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=20, help="(default: %(default)s)")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks as well")
    options = parser.parse_args()
    torch.set_num_threads(1)
    codec, tokenizer = mc.BSD(), load_tokenizer("qwen")
    mc.extend_tokenizer(codec, tokenizer)
    tokens = mc.TokenCodec(codec, tokenizer)
    guide = tokens.guide()
    ids, kinds = answers(tokens)
    check(guide, ids)
    scores = torch.randn(BATCH, COLUMNS, generator=torch.Generator().manual_seed(0))

    def guides_only() -> MaskLogitsProcessor:
        processor = MaskLogitsProcessor(guide)
        processor._masked = lambda scores, options: scores  # noqa: ARG005
        return processor

    def likelihood() -> Callable[[torch.Tensor, torch.Tensor], object]:
        own = Likelihood(BATCH)

        def call(so_far: torch.Tensor, now: torch.Tensor) -> object:
            if so_far.shape[1] > PROMPT:
                own.choose(so_far)
            return own(so_far, now)

        return call

    calls = {
        NEW: lambda: MaskLogitsProcessor(guide),
        OWN: lambda: MaskLogitsProcessor(guide, inplace=True),
        BEAMS: lambda: MaskLogitsProcessor(guide, inplace=True),
        ALONE: guides_only,
        SCORES: likelihood,
        SOFTMAX: lambda: lambda so_far, now: now.softmax(-1),  # noqa: ARG005
    }
    times: dict[str, list[Times]] = {name: [] for name in calls}
    for _ in range(options.repeats):
        for name, make in calls.items():
            times[name].append(replay(make(), ids, scores, moved=name == BEAMS))
    table = Table(["", "µs a step", "10 .. 90 %"])
    for part, chosen in PARTS.items():
        at = [step for step, where in enumerate(kinds) if step and chosen(where)]
        rows = {name: np.stack(found)[:, at] for name, found in times.items()}
        table.add(
            f"{part}: {len(at)} of {len(ids) - 1} steps",
            [(name, middle(found), spread(found)) for name, found in rows.items()],
        )
    model = small_model()
    pairs = [
        (generated(model, []), generated(model, [MaskLogitsProcessor(guide, inplace=True)]))
        for _ in range(options.repeats)
    ]
    without, held = np.array(pairs).T
    table.add(
        "generate, a model of 128 x 2 with the same head, in free text",
        [
            ("without", middle(without), spread(without)),
            ("with, in place", middle(held), spread(held)),
            ("difference", middle(held - without), spread(held - without)),
        ],
    )
    table.show()
    if options.write:
        about = paragraph(
            f"""{BATCH} rows, a prompt of {PROMPT:,} ids, the Qwen vocabulary, {COLUMNS:,} columns
            of float32; two masks a row as B-SD on 64 x 64 cells. The median over {options.repeats}
            replays of all steps. A new tensor of {BATCH} x {COLUMNS:,} numbers takes most of the
            time where one is made. One thread of {os.cpu_count()} shared cores."""
        )
        body = "\n\n".join(
            [
                "# Constrained generation",
                f"```sh\n{COMMAND}\n```",
                about,
                versions(PACKAGES),
                table.markdown(),
            ]
        )
        write_page("bench_constraint", body)
    return 0


if __name__ == "__main__":
    sys.exit(main())
