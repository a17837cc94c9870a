"""Whether a small model learns to draw shapes that it is asked for, in each of the formats.

Scenes of coloured shapes are drawn, and questions such as "Segment the red circle on the left."
are built into rows by `maskcodec.data`. A Qwen2-VL of 2.5 million random weights is trained on
them in full, and asked with `maskcodec.hf.generate`, with the constraint and without.

Sizes: `small` learns 64 images by heart on one core; `gpu` sees new images at each step, in all
formats, and is asked about images that it never saw; `ci` is `small` for a minute. A run that is
stopped goes on where it was, when the same command is given again: so a size that takes longer
than a machine can be had is done in parts. The exit code is 1 where a claim does not hold.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # batches are made by forked processes

import torch

import maskcodec as mc
from _asking import can_constrain, evaluate, questions
from _learning import Batches, Learner, built_rows, train
from _learnreport import report
from _shapes import scene, write_refer

if TYPE_CHECKING:
    from _asking import Question
    from _learnreport import Results
    from maskcodec.text.codec import Codec

SETTINGS: dict[str, Codec] = {
    "r-rle-16": mc.RRLE(grid=16),
    "i-rle-16": mc.IRLE(grid=16),
    "b-sd-32-plain": mc.BSD(grid=32, bricks=False),
    "b-sd-32": mc.BSD(grid=32),
    "b-sd-64": mc.BSD(grid=64),
    "scanlines-11": mc.Scanlines(),
    "scanlines-11-tokens": mc.Scanlines(coordinates="tokens"),
    "polygons-16": mc.Polygons(points=16),
    "polygons-16-tokens": mc.Polygons(points=16, coordinates="tokens"),
}
CI = {"b-sd-16": mc.BSD(grid=16)}  # short enough for a minute
SHOWN = 6  # scenes in the picture of predictions
TRAIN, VAL = 0, 1  # which seeds scenes are drawn by; those of fresh ones are the runs' and larger
FRESH = 1000
EXACT = 27  # of 32
FALL = 0.5  # what the loss of `ci` must fall to, at most, of what it began with


class Size(NamedTuple):
    """How much is learned, and asked.

    Attributes
    ----------
    settings, seeds
        Which formats, and how many runs of each.
    learned
        How many images are learned by heart; 0 for new ones at each step.
    held_out
        How many questions about images that are not learned.
    steps, batch
        How long.
    looks
        How many times the held-out questions are asked on the way, for the curve.
    """

    settings: tuple[str, ...]
    seeds: int
    learned: int
    held_out: int
    steps: int
    batch: int
    looks: int


SIZES = {
    "ci": Size(tuple(CI), 1, 8, 8, 100, 4, 0),
    "small": Size(("b-sd-32",), 1, 64, 32, 250, 16, 0),
    "gpu": Size(tuple(SETTINGS), 2, 0, 256, 6000, 64, 8),
}


def scenes(folder: Path, size: Size) -> Path:
    """A folder in REFER's layout: what is learned by heart, and what is held out."""
    path = folder / "instances.json"
    if not path.exists():
        drawn = {"train": [scene(TRAIN, k) for k in range(size.learned)]}
        write_refer(folder, drawn | {"val": [scene(VAL, k) for k in range(size.held_out)]})
    there = len(json.loads(path.read_text(encoding="utf-8"))["images"])
    if there != size.learned + size.held_out:
        sys.exit(f"{folder} has {there} scenes; give the same --held-out, or another --out")
    return folder


def learn(name: str, seed: int, size: Size, options: argparse.Namespace) -> dict[str, Any]:
    """One run of one setting, as far as it comes in its time; what is known of it then."""
    until = time.perf_counter() + options.seconds
    codec = (SETTINGS | CI)[name]
    folder = options.work / f"{name}-{seed}"
    folder.mkdir(parents=True, exist_ok=True)
    drawn, state = options.work / "scenes", folder / "state.pt"
    learner = Learner.new(codec, seed, options.device)
    if state.exists():
        learner.load(state)
    held_out = questions(drawn, "val", learner.tokens)
    rows = None
    if size.learned:
        rows = built_rows(drawn, codec, folder / "rows")
    every = max(1, size.steps // max(1, size.looks * 5))

    def watch(learner: Learner) -> None:
        step, loss = learner.losses[-1]
        took = learner.seconds / step
        say(f"{name}, seed {seed}: step {step} of {size.steps}, loss {loss:.4f}, {took:.3f} s each")
        if size.looks and len(learner.losses) % 5 == 0 and step < size.steps:
            found, _ = evaluate(learner, held_out[:64], constrain=can_constrain(codec), room=2)
            learner.curve.append((step, learner.seconds, found.giou))
            learner.save(state)  # whoever is killed goes on from here
            say(f"{name}, seed {seed}: held-out gIoU {found.giou:.3f}")

    train(
        learner,
        Batches(learner, rows, size.batch, FRESH + seed if rows is None else seed),
        size.steps,
        until=until,
        workers=options.workers,
        note=every if size.looks else max(1, min(20, size.steps // 6)),
        watch=watch,
    )
    learner.save(state)
    result: dict[str, Any] = {
        "setting": name,
        "seed": seed,
        "step": learner.step,
        "steps": size.steps,
        "batch": size.batch,
        "seconds": learner.seconds,
        "losses": learner.losses,
        "curve": learner.curve,
        "device": device_name(options.device),
    }
    if learner.step == size.steps or options.finish:
        by_split = {"held out": held_out}
        if size.learned:
            by_split = {"learned": questions(drawn, "train", learner.tokens)[:32], **by_split}
        result["asked"] = {split: ask(learner, some) for split, some in by_split.items()}
        final = result["asked"]["held out"]
        giou = final.get("guided", final["free"])["giou"]
        if size.looks:
            result["curve"] = [*learner.curve, (learner.step, learner.seconds, giou)]
    (folder / "result.json").write_text(json.dumps(result, indent=1), encoding="utf-8")
    return result


def ask(learner: Learner, asked: list[Question]) -> dict[str, Any]:
    """Figures without and with the constraint, and what was answered to the first questions."""
    found: dict[str, Any] = {}
    ways = {"free": False} | ({"guided": True} if can_constrain(learner.tokens.codec) else {})
    for way, constrain in ways.items():
        figures, answers = evaluate(learner, asked, constrain=constrain)
        texts = [answer.text for answer in answers[:SHOWN]]
        found[way] = {**figures._asdict(), "texts": texts}
    return found


def device_name(device: str) -> str:
    """What it ran on, in words."""
    if device.startswith("cuda"):
        return torch.cuda.get_device_name(device)
    return f"{torch.get_num_threads()} thread of a CPU"


def say(line: str) -> None:
    """Print it now: a run that is cut off should have said how far it came."""
    print(line, flush=True)


def run_all(size: Size, options: argparse.Namespace) -> bool:
    """All runs that are not done, one after another, or some at a time in processes of their own.

    A small model keeps a GPU busy for a fraction of the time, so that several share it well.
    Returns whether none failed.
    """
    end = time.perf_counter() + 60 * options.minutes
    names = options.setting or size.settings
    tasks = [(name, seed) for seed in range(size.seeds) for name in names]
    tasks = [task for task in tasks if not done(options.work, *task)]
    if options.jobs == 1:
        for name, seed in tasks:
            options.seconds = min(options.seconds, end - time.perf_counter())
            if options.seconds > 0:
                learn(name, seed, size, options)
        return True

    def start(task: tuple[str, int]) -> bool:
        seconds = min(options.seconds, end - time.perf_counter())
        if seconds < 30:  # which are gone before the first step
            return True
        command = [sys.executable, __file__, "--setting", task[0], "--only-seed", str(task[1])]
        command += ["--seconds", str(seconds), *(["--finish"] if options.finish else [])]
        for flag in ("size", "out", "device", "workers", "steps", "batch", "held_out"):
            value = getattr(options, flag)
            command += [] if value is None else [f"--{flag.replace('_', '-')}", str(value)]
        return subprocess.run(command, check=False).returncode == 0

    with ThreadPoolExecutor(options.jobs) as pool:
        return all(list(pool.map(start, tasks)))


def done(out: Path, name: str, seed: int) -> bool:
    """Whether a run has come to its end."""
    path = out / f"{name}-{seed}" / "result.json"
    if not path.exists():
        return False
    result = json.loads(path.read_text(encoding="utf-8"))
    return "asked" in result and result["step"] == result["steps"]


def claims(size: str, found: Results) -> bool:
    """Whether what must hold of a size does, for the runs that are done; says what was measured."""
    holds = True
    for run in (run for runs in found.values() for run in runs):
        name = f"{run['setting']}, seed {run['seed']}"
        if "asked" not in run:
            say(
                f"{name}: stopped at step {run['step']} of {run['steps']}; the same command goes on"
            )
            continue
        first, last = run["losses"][0][1], run["losses"][-1][1]
        checks = [(f"loss {last:.3g} from {first:.3g}", last <= FALL * first)]
        for split, asked in run["asked"].items():
            for figures in (asked[way] for way in asked if way == "guided"):
                valid = f"{figures['valid']} of {figures['asked']}"
                text = f"{split}: constrained answers valid: {valid}"
                checks.append((text, figures["valid"] == figures["asked"]))
                if size == "small" and split == "learned":
                    text = f"masks exact: {figures['exact']} of 32, at least {EXACT}"
                    checks.append((text, figures["exact"] >= EXACT))
        for text, passed in checks:
            say(f"{name}: {text}: {'pass' if passed else 'FAIL'}")
            holds &= passed
    return holds


def parsed() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--size", choices=SIZES, default="small", help="(default: %(default)s)")
    add("--out", type=Path, default=Path("learned"), help="state and results (default: learned)")
    add("--report", type=Path, help="tables and pictures (default: OUT/SIZE/report)")
    add("--setting", action="append", choices=SETTINGS | CI, help="only this one; may come again")
    add("--seeds", type=int, help="runs of each setting (default: the size's)")
    add("--only-seed", type=int, help="one run, without a report; for --jobs")
    add("--steps", type=int, help="(default: the size's)")
    add("--batch", type=int, help="rows a step (default: the size's)")
    add("--held-out", type=int, help="questions (default: the size's)")
    add("--seconds", type=float, default=1e9, help="to train each run for, in this call")
    add("--minutes", type=float, default=1e9, help="after which no training goes on, in all")
    add("--finish", action="store_true", help="ask runs that time stopped short, too")
    add("--jobs", type=int, default=1, help="runs at a time (default: %(default)s)")
    add("--workers", type=int, default=0, help="processes making batches, a run (default: none)")
    add("--device", default="cuda" if torch.cuda.is_available() else "cpu", help="(%(default)s)")
    return parser.parse_args()


def main() -> int:
    """Learn, ask, report."""
    options = parsed()
    torch.set_num_threads(1)  # on shared cores, two are slower than one
    torch.set_float32_matmul_precision("high")
    given = {name: getattr(options, name) for name in ("seeds", "steps", "batch", "held_out")}
    size = SIZES[options.size]._replace(**{k: v for k, v in given.items() if v is not None})
    if size.learned:
        size = size._replace(batch=min(size.batch, size.learned))
    options.work = options.out / options.size
    scenes(options.work / "scenes", size)
    if options.only_seed is not None:
        learn(options.setting[0], options.only_seed, size, options)
        return 0
    finished = run_all(size, options)
    folder = options.report or options.work / "report"
    found = report(SETTINGS | CI, options.work, folder, SHOWN)
    return int(not (claims(options.size, found) and finished))


if __name__ == "__main__":
    sys.exit(main())
