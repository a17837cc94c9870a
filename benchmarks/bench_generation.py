"""How long a model of Qwen2-VL-7B's dimensions takes to write one mask, in each of the formats.

Weights are random, in bfloat16, and made where they are used: nothing is loaded. An image of 784 x
784 pixels and a question go in, and as many tokens are generated, greedily, as the longest format
needs; the time at which each one came says what every format takes. The lengths are those of
`benchmarks/token_length.py` and `benchmarks/rate_distortion.py`: means over RefCOCO-sized masks of
COCO in Qwen's vocabulary.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import transformers

from _common import Table, middle, number, spread, versions

if TYPE_CHECKING:
    import numpy.typing as npt

LENGTHS = {  # tokens a mask
    "I-SD, 16 x 16": 594,
    "I-RLE, 16 x 16": 104,
    "R-RLE, 16 x 16": 158,
    "R-RLE, 32 x 32": 343,
    "R-RLE, 64 x 64": 718,
    "B-SD without bricks, 32 x 32": 129,
    "B-SD without bricks, 64 x 64": 273,
    "B-SD, 32 x 32": 80,
    "B-SD, 64 x 64": 147,
    "scanlines, 11 rows": 50,
    "scanlines, 11 rows, location tokens": 37,
    "scanlines, 24 rows, location tokens": 68,
    "polygons, 16 vertices": 128,
    "polygons, 16 vertices, location tokens": 37,
}
FIRST = "R-RLE, 64 x 64"  # what the others are compared with: of the paper's, what draws as finely
SIZES: dict[str, dict[str, Any]] = {
    "7b": {
        "text": {
            "vocab_size": 152_064,
            "hidden_size": 3584,
            "intermediate_size": 18_944,
            "num_hidden_layers": 28,
            "num_attention_heads": 28,
            "num_key_value_heads": 4,
        },
        "vision": {"depth": 32, "embed_dim": 1280, "num_heads": 16, "hidden_size": 3584},
        "sections": [16, 24, 24],
        "side": 784,
    },
    "tiny": {
        "text": {
            "vocab_size": 512,
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
        },
        "vision": {"depth": 2, "embed_dim": 64, "num_heads": 4, "hidden_size": 64},
        "sections": [4, 2, 2],
        "side": 112,
    },
}
PATCH, MERGE = 14, 2
IMAGE, VIDEO, START, END = 1, 2, 3, 4  # ids; any will do, since no tokenizer is at work
ASKED = 30  # tokens of the question and of what a chat template puts around it


def make_model(size: dict[str, Any], device: str) -> Any:
    """The model, in bfloat16, its weights drawn on the device."""
    rope = {"rope_type": "default", "mrope_section": size["sections"], "rope_theta": 1e6}
    special = {"bos_token_id": None, "eos_token_id": None, "pad_token_id": 0}
    config = transformers.Qwen2VLConfig(
        text_config={
            **size["text"],
            **special,
            "max_position_embeddings": 32_768,
            "rope_parameters": rope,
        },
        vision_config={
            **size["vision"],
            "mlp_ratio": 4,
            "patch_size": PATCH,
            "spatial_merge_size": MERGE,
        },
        tie_word_embeddings=False,
        image_token_id=IMAGE,
        video_token_id=VIDEO,
        vision_start_token_id=START,
        vision_end_token_id=END,
    )
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    torch.manual_seed(0)
    try:
        with torch.device(device):
            model = transformers.Qwen2VLForConditionalGeneration(config)
    finally:
        torch.set_default_dtype(before)
    model.generation_config.eos_token_id = None  # nothing ends an answer but its length
    return model.eval()


def prompt(size: dict[str, Any], batch: int, device: str) -> dict[str, torch.Tensor]:
    """An image of noise and a question of any tokens, as a processor would have them."""
    patches = size["side"] // PATCH
    images = patches * patches // MERGE**2
    row = [START, *[IMAGE] * images, END, *range(10, 10 + ASKED)]
    ids = torch.tensor([row] * batch)
    grid = torch.tensor([[1, patches, patches]] * batch)
    pixels = torch.randn(batch * patches * patches, 3 * 2 * PATCH * PATCH)
    inputs = {
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids),
        "mm_token_type_ids": (ids == IMAGE).int(),
        "pixel_values": pixels.bfloat16(),
        "image_grid_thw": grid,
    }
    return {name: value.to(device) for name, value in inputs.items()}


class Clock(transformers.StoppingCriteria):
    """Notes when each token is there; stops nothing."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def __call__(self, input_ids: torch.Tensor, scores: Any, **kwargs: Any) -> torch.Tensor:
        """Wait for the device, and look at the time."""
        del scores, kwargs
        if input_ids.is_cuda:
            torch.cuda.synchronize()
        self.times.append(time.perf_counter())
        return torch.zeros(len(input_ids), dtype=torch.bool, device=input_ids.device)


def measured(
    model: Any, inputs: dict[str, torch.Tensor], most: int, repeats: int, *, static: bool
) -> npt.NDArray[np.float64]:
    """Seconds until each token is there: float64 (repeats, most), after one run that warms up."""
    times = []
    options = {"cache_implementation": "static"} if static else {}
    for _ in range(repeats + 1):
        clock = Clock()
        began = time.perf_counter()
        model.generate(
            **inputs, max_new_tokens=most, do_sample=False, stopping_criteria=[clock], **options
        )
        times.append(np.array(clock.times) - began)
    return np.array(times[1:])


def results(times: npt.NDArray[np.float64], batch: int) -> list[list[str]]:
    """A line for each format, the shortest first."""
    lines = []
    most = times.shape[1]
    known = {name: length for name, length in LENGTHS.items() if length <= most}
    first = known.get(FIRST, most)
    for name, length in sorted(known.items(), key=lambda one: one[1]):
        each = times[:, length - 1] / batch
        ratio = times[:, first - 1] / times[:, length - 1]
        rate = number(batch * length / float(np.median(times[:, length - 1])))
        lines.append([name, str(length), middle(each), spread(each), middle(ratio), rate])
    return lines


def main() -> int:
    """Measure, print, and write what was measured."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    cuda = torch.cuda.is_available()
    add = parser.add_argument
    add("--dimensions", choices=SIZES, default="7b", help="(default: %(default)s)")
    add("--batch", type=int, action="append", help="may come again (default: 1 and 16)")
    add("--repeats", type=int, default=5, help="(default: %(default)s)")
    add("--most", type=int, default=max(LENGTHS.values()), help="tokens (default: %(default)s)")
    add("--static", action="store_true", help="a cache of fixed size, for which the model compiles")
    add("--device", default="cuda" if cuda else "cpu", help="(default here: %(default)s)")
    add("--out", type=Path, help="a folder for table.md and times.json")
    options = parser.parse_args()
    size = SIZES[options.dimensions]
    model = make_model(size, options.device)
    numbers = sum(weight.numel() for weight in model.parameters())
    on_gpu = options.device.startswith("cuda")
    name = torch.cuda.get_device_name(options.device) if on_gpu else "a CPU"
    cache = "static cache" if options.static else "dynamic cache"
    first = FIRST if options.most >= LENGTHS[FIRST] else f"{options.most} tokens"
    about = (
        f"Qwen2-VL of {numbers:,} random weights in bfloat16 on {name}, {cache}; an image of "
        f"{size['side']} x {size['side']} pixels. Seconds a mask, the batch's divided by its size, "
        f"with the time that image and question take; {options.repeats} runs; faster than {first}. "
    )
    about += versions(["torch", "transformers"])
    print(about, flush=True)
    table = Table(["format", "tokens", "s a mask", "10 .. 90 %", "times faster", "tokens a second"])
    found = {}
    for batch in options.batch or (1, 16):
        inputs = prompt(size, batch, options.device)
        times = measured(model, inputs, options.most, options.repeats, static=options.static)
        ahead = [middle(times[:, 0] / batch), spread(times[:, 0] / batch)]
        title = f"batch {batch}"
        table.add(title, [["image and question, first token", "1", *ahead, "", ""]])
        table.add("", results(times, batch))
        found[batch] = times.tolist()
    table.show()
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        text = f"{about}\n\n{table.markdown()}\n"
        (options.out / "table.md").write_text(text, encoding="utf-8")
        (options.out / "times.json").write_text(json.dumps(found), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
