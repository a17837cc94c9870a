"""`maskcodec eval`: how good a model's answers are."""

import json
import math
from pathlib import Path
from typing import Annotated, Any

import typer

from maskcodec.cli import messages, options, settings
from maskcodec.cli.read import InputError
from maskcodec.cli.scoring import Predictions, Scored, Scores, targets
from maskcodec.errors import SourceError
from maskcodec.files.photos import as_picture
from maskcodec.messages import plural, sides
from maskcodec.pictures.figure import compared, drawn_shape, fitted, panels, plain
from maskcodec.text.codec import check_same_codec, file_beside, load

_SHOWN = 5  # ids that a message names
_WORST = 10  # answers that are drawn
_UNKNOWN = 480, 640  # pixels of an image whose size nobody says, where nothing is shown


@messages.reported
@settings.with_codec()
def evaluate(
    codec: settings.AnyCodec,
    predictions: Annotated[
        Path,
        typer.Argument(
            metavar="PREDICTIONS",
            help='JSON Lines: an id and the text of the answer, {"id": 7, "text": "..."}; or '
            'instead of a text a mask, "segmentation" as COCO has it, null for nothing.',
        ),
    ],
    truth: Annotated[
        Path,
        typer.Argument(
            metavar="TARGETS",
            help="A .json file of COCO annotations, found by their ids; or .jsonl: an id, "
            '"segmentation", null where there is no target, "height" and "width".',
        ),
    ],
    key: Annotated[
        str | None,
        typer.Option(
            "--key",
            "-k",
            help="What the id is called in lines. Default: id, or where there is none idx.",
            metavar="NAME",
        ),
    ] = None,
    answer: Annotated[
        str | None,
        typer.Option(
            "--answer",
            "-a",
            help="What the text of an answer is called. Default: text, or where there is none the "
            "mask counts.",
            metavar="NAME",
        ),
    ] = None,
    allow_missing: Annotated[
        bool,
        typer.Option(
            "--allow-missing",
            help="Score only what both files have, instead of refusing files whose ids differ.",
        ),
    ] = False,
    path: Annotated[
        Path | None,
        typer.Option("--json", help="Write the figures as JSON as well.", metavar="FILE"),
    ] = None,
    per_sample: Annotated[
        Path | None,
        typer.Option(
            "--per-sample", help="Write a line of JSON for each answer: id, iou.", metavar="FILE"
        ),
    ] = None,
    worst: Annotated[
        Path | None,
        typer.Option(
            "--worst",
            help="Draw the ten worst answers beside their targets, into a folder.",
            metavar="DIR",
        ),
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option(
            "--images",
            help='The folder of the photos of --worst, which lines name "image".',
            metavar="DIR",
        ),
    ] = None,
    method: options.MethodOption = None,
) -> None:
    """Score a model's answers: cIoU, gIoU, mIoU, P@0.5 to 0.9, AP, Acc@0.5, N-acc and T-acc.

    AP needs a "score" in each answer. Pixels of a target's "ignore" do not count.

    Answers are decoded strictly. Answers that break are recovered and counted. All regions of
    an answer are united. Figures are 0 .. 1. Where the target is empty, an empty answer counts 1
    and any other answer 0, one that cannot be read included.

    If a maskcodec.json is beside the predictions, the codec must be that one.

    \b
    Examples:
      maskcodec eval predictions.jsonl instances_val2017.json
      maskcodec eval predictions.jsonl targets.jsonl --codec b-sd --json figures.json
      maskcodec eval answers.jsonl targets.jsonl --key idx --answer response --config checkpoint
    """
    if truth.suffix.lower() not in {".json", ".jsonl"}:
        raise typer.BadParameter(
            f"the name must end in .json for COCO annotations, or in .jsonl, got {str(truth)!r}",
            param_hint="TARGETS",
        )
    if path is not None:
        messages.checked_output(path, (), option="--json")
    file = file_beside(predictions)
    if file is not None:
        check_same_codec(load(file), f"{file} (--config takes it)", codec, "the codec chosen")
    if per_sample is not None:
        messages.checked_output(per_sample, (), option="--per-sample")
    if worst is not None and worst.exists() and not worst.is_dir():
        raise typer.BadParameter(f"{str(worst)!r} is no folder", param_hint="--worst")
    if images is not None and worst is None:
        raise typer.BadParameter("it is for --worst", param_hint="--images")
    rows: list[str] = []
    bad: list[Scored] = []
    answers = Predictions(predictions, key)
    scores = Scores(codec, answer, method)
    unknown, missing = set(answers), []
    for target in messages.steps(targets(truth, key), "Scoring", len(answers)):
        if target.key not in answers:
            missing.append(target.key)
            continue
        unknown.remove(target.key)
        if allow_missing or not missing:
            scored = scores.add(answers[target.key], target)
            if per_sample is not None:
                rows.append(json.dumps(scored.plain()) + "\n")
            if worst is not None:
                bad = sorted([*bad, scored], key=lambda one: one.iou)[:_WORST]
    if not allow_missing:
        _check_ids(predictions, truth, missing, [name for name in answers if name in unknown])
    if not scores.figures.samples:
        raise InputError(f"{predictions} and {truth} have no id in common")
    ids = {"missing": len(missing), "unknown": len(unknown)}
    _print(codec.codec_id, scores, ids)
    if path is not None:
        found: dict[str, Any] = {
            name: None if math.isnan(value) else value
            for name, (value, _) in scores.figures.compute().items()
        }
        report = {
            "figures": found,
            "samples": scores.figures.samples,
            "with_target": scores.figures.targets,
            "answers": {kind: scores.figures.counts[kind] for kind in _KINDS},
            **ids,
            "codec": codec.get_config(),
        }
        path.write_text(json.dumps(report, indent=2) + "\n", "utf-8")
        messages.wrote(path, f"the figures of {plural(scores.figures.samples, 'sample')}")
    if per_sample is not None:
        per_sample.write_text("".join(rows), "utf-8")
        messages.wrote(per_sample, plural(len(rows), "line"))
    if worst is not None:
        _draw(bad, worst, images)


def _draw(bad: list[Scored], folder: Path, images: Path | None) -> None:
    """A picture of each answer beside its target, the worst first."""
    folder.mkdir(parents=True, exist_ok=True)
    missing = []
    for number, one in enumerate(bad, 1):
        shape = one.target.shape or _UNKNOWN
        ground = plain(drawn_shape(shape))
        if one.target.image:
            try:
                photo = as_picture((images or Path()) / one.target.image)
                if (photo.height, photo.width) == shape:
                    ground = photo
                else:
                    missing.append(f"{one.target.image} has other sides than {sides(shape)}")
            except (OSError, SourceError) as error:
                missing.append(f"{one.target.image}: {getattr(error, 'strerror', None) or error}")
        small = fitted(ground)
        size = small.height, small.width
        sample = [[one.target.mask.cells(size)] if one.target.mask else []]
        sample += [[one.mask.cells(size)] if one.mask else []]
        both = compared(small, sample).pictures
        text = str(one.row.entry.get("text", ""))
        sheet = panels(
            [
                ("Target", messages.printable(f"id {one.row.key:.60}"), both[0]),
                ("Answer", f"IoU {one.iou:.3f}, {one.kind}", both[1]),
            ],
            caption=messages.printable(text),
        )
        sheet.save(folder / f"{number:02}.png", optimize=True)
    messages.wrote(folder, f"the {plural(len(bad), 'worst answer')}, 01.png first")
    if missing:
        messages.note(f"{plural(len(missing), 'photo')} cannot be drawn on: {missing[0]}")


_KINDS = {
    "valid": "valid, as the format has it",
    "broken": "broken",
    "recovered": "  of these recovered in part",
    "empty": "empty, valid or broken: nothing is shown",
    "empty_broken": "  of these broken",
}


def _check_ids(predictions: Path, truth: Path, missing: list[str], unknown: list[str]) -> None:
    """Refuse files that do not have the same ids.

    Raises
    ------
    InputError
        It names some of them.
    """
    wrong = []
    for ids, has, lacks in ((missing, truth, predictions), (unknown, predictions, truth)):
        if ids:
            some = ", ".join(f"{name:.60}" for name in ids[:_SHOWN])
            more = ", ..." if len(ids) > _SHOWN else ""
            wrong.append(f"{lacks} lacks {len(ids):,} of the ids of {has}: {some}{more}")
    if wrong:
        raise InputError(f"{'; '.join(wrong)}; --allow-missing scores what both have")


def _print(codec_id: str, scores: Scores, ids: dict[str, int]) -> None:
    """Two tables: the figures, and what answers there were."""
    table = messages.new_table(f"Answers as {codec_id}", "figure", "value", "samples")
    table.columns[0].justify = "left"
    for name, (value, samples) in scores.figures.compute().items():
        table.add_row(name, "-" if math.isnan(value) else f"{value:.4f}", f"{samples:,}")
    messages.out.print(table)
    counted = plural(scores.figures.samples, "answer")
    table = messages.new_table(counted, "answers", "count", "share")
    table.columns[0].justify = "left"
    for kind, words in _KINDS.items():
        share = f"{scores.figures.share(kind):.1%}"
        table.add_row(words, f"{scores.figures.counts[kind]:,}", share)
    messages.out.print(table)
    for flags, count in scores.readable.most_common():
        messages.note(f"{count:,} of the broken answers can be read as a whole with {flags}")
    if masks := scores.masks:
        messages.note(
            f'{plural(masks, "answer")} without a "text": the "segmentation" was read instead'
        )
    if ids["missing"]:
        messages.note(f"left out: {plural(ids['missing'], 'target')} without an answer")
    if ids["unknown"]:
        messages.note(f"left out: {plural(ids['unknown'], 'answer')} without a target")
