"""How fast rewards are: 1,024 answers of one to three masks, against RLE targets of 480 x 640.

Eight answers belong to each question, as in GRPO, so that targets are read once for eight, anew in
each turn. Answers are B-SD on its canvas, or scanlines, as text
or as ids of Qwen's vocabulary. Malformed ones stop short, so that each has a problem. Beside them
is what people write: a regular expression, painting, NumPy, and all ways to match.

Time is that of the processor, since what others do on the machine is no matter of the code. Results
are checked before they are timed. The exit code is 1 where a limit is missed or a result is wrong.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
import time
from functools import partial
from itertools import permutations
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from PIL import Image
from pycocotools import mask as pycoco

import maskcodec as mc
from _common import Table, paragraph, versions, write_page
from _idtasks import parse
from _tasks import SHAPE
from _vocabularies import load_tokenizer
from bench_codec import Claim, claims_table, misses
from maskcodec.coco import RunMask
from maskcodec.rewards import MaskReward

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PACKAGES = "maskcodec", "numba", "numpy", "pycocotools", "scipy", "tokenizers"
QUESTIONS, GROUP = 128, 8
ANSWERS = QUESTIONS * GROUP
MOST, MOST_TIMES = 100, 2  # milliseconds for all answers; what malformed ones may cost
LEAST = 10  # times as long as ours, for the naive way
NAIVE = "B-SD, text, the naive way"
SHIFT = 20  # pixels that an answer may be off, each way
CUT = {"text": 9, "ids": 3}  # what malformed answers lack
CODECS = {"B-SD": mc.BSD(), "scanlines": mc.Scanlines()}
EXACT = 1e-9
MEANS = (
    "rewards take longer than was asked for. Beside the seconds that a model takes to write the "
    "answers it is still little. A malformed answer in ids is read again, so that each problem is "
    "put into words."
)


class Group(NamedTuple):
    """The answers to one question.

    Attributes
    ----------
    targets
        What they should show, as JSON, which is what a column holds.
    answers
        Texts, or lists of ids.
    """

    targets: str
    answers: list[Any]


def blob(random: np.random.Generator) -> Any:
    """A round thing with some lobes, anywhere: uint8 of `SHAPE`."""
    ys, xs = np.mgrid[: SHAPE[0], : SHAPE[1]]
    y, x = random.uniform(100, 380), random.uniform(120, 520)
    height, width = random.uniform(40, 140), random.uniform(40, 160)
    lobes = np.sin(random.integers(2, 6) * np.arctan2(ys - y, xs - x) + random.uniform(0, 6))
    inside = ((ys - y) / height) ** 2 + ((xs - x) / width) ** 2 < 1 + lobes / 4
    return inside.astype(np.uint8)


def questions(codec: Any) -> list[Group]:
    """All questions with answers as text: each mask is somewhere near the one that is meant."""
    random = np.random.default_rng(0)
    groups = []
    for number in range(QUESTIONS):
        masks = [blob(random) for _ in range(1 + number % 3)]
        labels = [f"object {k}" for k in range(len(masks))]
        rles = [RunMask.from_mask(mask).coco_rle(text=True) for mask in masks]
        pairs = zip(labels, rles, strict=True)
        targets = [{"label": label, "segmentation": rle} for label, rle in pairs]
        answers = []
        for _ in range(GROUP):
            off = random.integers(-SHIFT, SHIFT, (len(masks), 2)).tolist()
            shifted = [np.roll(mask, by, (0, 1)) for mask, by in zip(masks, off, strict=True)]
            answers.append(codec.encode_many(shifted, labels))
        groups.append(Group(json.dumps(targets), answers))
    return groups


def in_ids(groups: Sequence[Group], tokens: mc.TokenCodec) -> list[Group]:
    """The same answers as ids."""
    encode = tokens.tokenizer.encode
    return [
        Group(one.targets, [encode(text, add_special_tokens=False).ids for text in one.answers])
        for one in groups
    ]


def cut_short(groups: Sequence[Group], by: int) -> list[Group]:
    """The same answers, each without its end."""
    return [Group(one.targets, [answer[:-by] for answer in one.answers]) for one in groups]


def score(reward: MaskReward, groups: Sequence[Group], turn: int = 0) -> list[dict[str, float]]:
    """The rewards of all answers; in each turn the targets are such as were never seen."""
    found = []
    for one in groups:
        targets = one.targets + turn * " "
        found += [reward(answer, targets) for answer in one.answers]
    return found


def naive(groups: Sequence[Group]) -> list[float]:
    """The IoU of all answers, matched in the best way, as people write it."""
    found = []
    for one in groups:
        for answer in one.answers:
            targets = json.loads(one.targets)
            wanted = [pycoco.decode(target["segmentation"]) for target in targets]
            drawn = [painted(*box, cells) for _, box, cells in parse(answer)]
            table = np.array([[iou(mask, other) for other in wanted] for mask in drawn])
            found.append(best(table))
    return found


def painted(x1: int, y1: int, x2: int, y2: int, cells: Any) -> Any:
    """The cells of a canvas of 64 x 64 as a mask of the image, by the nearest cell."""
    canvas = np.zeros((64, 64), np.uint8)
    canvas[y1 : y2 + 1, x1 : x2 + 1] = cells
    return np.asarray(Image.fromarray(canvas).resize(SHAPE[::-1], Image.Resampling.NEAREST))


def iou(mask: Any, other: Any) -> float:
    """Intersection over union."""
    union = np.logical_or(mask, other).sum()
    return float(np.logical_and(mask, other).sum() / union) if union else 0.0


def best(table: Any) -> float:
    """The largest mean of pairs, by trying all of them."""
    rows, columns = table.shape
    tall = table if rows >= columns else table.T
    few = min(rows, columns)
    sums = [tall[list(order), range(few)].sum() for order in permutations(range(len(tall)), few)]
    return max(sums) / max(rows, columns)


def checked(codec: Any, tokens: mc.TokenCodec, groups: list[Group]) -> None:
    """Compare text with ids, and with the naive way where there is one.

    Raises
    ------
    SystemExit
        They differ.
    """
    some = groups[::8]
    by_iou = score(MaskReward(codec, weights={"iou": 1}), some)
    if isinstance(codec, mc.BSD):
        pairs = zip(by_iou, naive(some), strict=True)
        if any(abs(parts["iou"] - other) > EXACT for parts, other in pairs):
            sys.exit("bench_rewards.py: the naive way finds other IoUs")
    of_ids = score(MaskReward(tokens, weights={"iou": 1}), in_ids(some, tokens))
    if of_ids != by_iou:
        sys.exit("bench_rewards.py: ids have other rewards than their text")
    for kind, by in CUT.items():
        short = cut_short(some if kind == "text" else in_ids(some, tokens), by)
        found = score(MaskReward(codec if kind == "text" else tokens), short)
        if any(not 0 < parts["format"] < 1 for parts in found):
            sys.exit(f"bench_rewards.py: some answers are not malformed, as {kind}")


def timed(call: Callable[[], Any]) -> float:
    """Milliseconds of the processor."""
    gc.collect()
    gc.disable()
    began = time.process_time()
    call()
    seconds = time.process_time() - began
    gc.enable()
    return seconds * 1e3


def main() -> int:
    """Time, print, and say whether the limits are kept."""
    parser = argparse.ArgumentParser(description=__doc__.replace("\n\n", "\n", 1))
    parser.add_argument("--repeats", type=int, default=20, help="turns (default: %(default)s)")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks as well")
    options = parser.parse_args()
    calls: dict[str, Callable[..., Any]] = {}
    for name, codec in CODECS.items():
        tokenizer = load_tokenizer("qwen")
        mc.extend_tokenizer(codec, tokenizer)
        tokens = mc.TokenCodec(codec, tokenizer)
        groups = questions(codec)
        checked(codec, tokens, groups)
        ways = ("text", codec, groups), ("ids", tokens, in_ids(groups, tokens))
        for kind, reader, some in ways:
            calls[f"{name}, {kind}"] = partial(score, MaskReward(reader), some)
            short = cut_short(some, CUT[kind])
            calls[f"{name}, {kind}, malformed"] = partial(score, MaskReward(reader), short)
        if name == "B-SD":
            slow = partial(naive, groups[:: QUESTIONS // 8])  # one in 16, or it takes minutes
    times: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        call()
    for turn in range(1, options.repeats + 1):
        for name, call in calls.items():
            times[name].append(timed(partial(call, turn)))
    found = {name: np.array(values) for name, values in times.items()}
    found[NAIVE] = np.array([timed(slow) * 16 for _ in range(3)])
    claims = [
        Claim(name, values, MOST, "ms", means=MEANS)
        for name, values in found.items()
        if name.endswith(("text", "ids"))
    ]
    claims += [
        Claim(
            f"{name}, over valid ones",
            values / found[name.removesuffix(", malformed")],
            MOST_TIMES,
            "x",
            means=MEANS,
        )
        for name, values in found.items()
        if name.endswith("malformed")
    ]
    ratio = found[NAIVE] / np.median(found["B-SD, text"])
    claims.append(Claim(f"{NAIVE}, over ours", ratio, LEAST, "x", at_least=True, means=MEANS))
    table = Table(["", "ms, median", "10 .. 90 %", "µs an answer"])
    rows = []
    for name, values in found.items():
        low, median, high = np.quantile(values, [0.1, 0.5, 0.9])
        row = name, f"{median:.0f}", f"{low:.0f} .. {high:.0f}", f"{median / ANSWERS * 1e3:.0f}"
        rows.append(row)
    table.add(f"{ANSWERS:,} answers", rows)
    verdicts = claims_table(claims)
    table.show()
    verdicts.show()
    if options.write:
        write_page("bench_rewards", page(options.repeats, verdicts, claims, table))
    return 0 if all(claim.holds for claim in claims) else 1


def page(turns: int, verdicts: Table, claims: list[Claim], table: Table) -> str:
    """The page in docs/benchmarks."""
    what = f"""
        {ANSWERS:,} answers of one to three masks, {GROUP} to each question, against targets as COCO
        RLE of 480 x 640. Each mask is a round shape with lobes; an answer has it off by up to
        {SHIFT} pixels. All parts are scored, in {turns} turns, and the targets are new in each. The
        time is that of the processor, on two shared cores. Malformed answers are cut short. The
        naive way is a regular expression, painting, NumPy's IoU and all ways to match: it finds the
        IoU alone, of one answer in 16, whose time is multiplied. Its IoUs are equal."""
    return f"""\
# Rewards

```sh
python benchmarks/bench_rewards.py
```

{paragraph(what)}

{paragraph(versions(PACKAGES))}

## What was asked for

{verdicts.markdown()}

{misses(claims)}

## Everything that was timed

{table.markdown()}
"""


if __name__ == "__main__":
    sys.exit(main())
