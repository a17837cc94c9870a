"""`maskcodec eval`: score a model's answers."""

import json
import math
from pathlib import Path
from typing import Annotated, Any

import typer

from maskcodec.cli import messages, options, settings
from maskcodec.cli.scoring import Comparison, Scored, Scores
from maskcodec.errors import SourceError
from maskcodec.messages import plural
from maskcodec.others.read import Source
from maskcodec.others.reader import SourceReader
from maskcodec.pictures.figure import compared, drawn_shape, fitted, panels, plain

_WORST = 10  # answers that --worst draws
_UNKNOWN = 480, 640  # (height, width) of the plain ground for an image of unknown size


@messages.reported
@settings.with_codec
def evaluate(
    codec: settings.AnyCodec,
    predictions: Annotated[
        Path,
        typer.Argument(
            metavar="PREDICTIONS",
            help='JSON Lines of answers: {"id": 7, "text": "..."}; or, instead of the text, a mask '
            'in COCO\'s "segmentation", null for an empty mask.',
        ),
    ],
    truth: Annotated[
        Path,
        typer.Argument(
            metavar="TARGETS",
            help="COCO annotations (.json), found by their ids; or JSON Lines (.jsonl): id, "
            '"segmentation", null for no target, "height" and "width".',
        ),
    ],
    key: options.KeyOption = None,
    answer: options.AnswerTextOption = None,
    allow_missing: options.AllowMissingOption = False,
    path: Annotated[
        Path | None, typer.Option("--json", help="Also write the figures as JSON.", metavar="FILE")
    ] = None,
    per_sample: Annotated[
        Path | None,
        typer.Option(
            "--per-sample", help="Write JSON Lines with each answer's id and IoU.", metavar="FILE"
        ),
    ] = None,
    worst: Annotated[
        Path | None,
        typer.Option(
            "--worst",
            help="Draw the ten worst answers beside their targets into this folder.",
            metavar="DIR",
        ),
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option(
            "--images",
            help='Folder of the photos for --worst, which the lines name as "image".',
            metavar="DIR",
        ),
    ] = None,
    source: Annotated[
        Source | None,
        typer.Option(
            "--source",
            help="Source of answers that no codec wrote, as in `maskcodec convert --from`.",
        ),
    ] = None,
    method: options.MethodOption = None,
) -> None:
    """Score a model's answers: cIoU, gIoU, mIoU, P@0.5 to 0.9, AP, Acc@0.5, N-acc and T-acc.

    AP needs a "score" in each answer. Pixels of a target's "ignore" do not count.

    Answers are decoded strictly; broken answers are recovered and counted. All regions of an
    answer are united. Figures are 0 .. 1. With an empty target, an empty answer counts 1, any
    other answer 0, also one that cannot be read.

    If a maskcodec.json is beside the predictions, the codec must be the same.

    \b
    Examples:
      maskcodec eval predictions.jsonl instances_val2017.json
      maskcodec eval predictions.jsonl targets.jsonl --codec b-sd --json figures.json
      maskcodec eval gemini.jsonl targets.jsonl --source gemini-3
      maskcodec eval answers.jsonl targets.jsonl --key idx --answer response --config checkpoint
    """
    check_targets(truth)
    if path is not None:
        messages.checked_output(path, (), option="--json")
    if source is not None:
        codec = SourceReader(source, codec if source == "maskcodec" else None)
    if per_sample is not None:
        messages.checked_output(per_sample, (), option="--per-sample")
    if worst is not None and worst.exists() and not worst.is_dir():
        raise typer.BadParameter(f"{str(worst)!r} is no folder", param_hint="--worst")
    if images is not None and worst is None:
        raise typer.BadParameter("it is for --worst", param_hint="--images")
    rows: list[str] = []
    bad: list[Scored] = []
    scores = Scores(codec, answer, method)
    pairs = Comparison(predictions, truth, key=key, scores=scores, allow_missing=allow_missing)
    for scored in pairs:
        if per_sample is not None:
            rows.append(json.dumps(scored.plain()) + "\n")
        if worst is not None:
            bad = sorted([*bad, scored], key=lambda one: one.iou)[:_WORST]
    _print(codec.codec_id, scores, pairs.ids)
    if path is not None:
        found: dict[str, Any] = {
            name: None if math.isnan(value) else value
            for name, (value, _) in scores.compute().items()
        }
        report = {
            "figures": found,
            "samples": scores.figures.samples,
            "with_target": scores.figures.targets,
            "answers": {kind: scores.figures.counts[kind] for kind in KINDS},
            **pairs.ids,
            "codec": codec.get_config(),
        }
        path.write_text(json.dumps(report, indent=2) + "\n", "utf-8")
        messages.wrote(path, f"the figures of {plural(scores.figures.samples, 'sample')}")
    if per_sample is not None:
        per_sample.write_text("".join(rows), "utf-8")
        messages.wrote(per_sample, plural(len(rows), "line"))
    if worst is not None:
        _draw(bad, worst, images)


def check_targets(truth: Path) -> None:
    """Refuse a file of targets whose name does not end in .json or .jsonl."""
    if truth.suffix.lower() not in {".json", ".jsonl"}:
        raise typer.BadParameter(
            f"the name must end in .json for COCO annotations, or in .jsonl, got {str(truth)!r}",
            param_hint="TARGETS",
        )


def _draw(bad: list[Scored], folder: Path, images: Path | None) -> None:
    """Draw each answer beside its target, the worst first."""
    folder.mkdir(parents=True, exist_ok=True)
    missing = []
    for number, one in enumerate(bad, 1):
        shape = one.target.shape or _UNKNOWN
        ground = plain(drawn_shape(shape))
        if one.target.image:
            try:
                ground = one.target.photo(images)
            except SourceError as error:
                missing.append(str(error))
        small = fitted(ground)
        size = small.height, small.width
        sample = [[one.target.mask.cells(size)] if one.target.mask else []]
        sample += [[one.mask.cells(size)] if one.mask else []]
        both = compared(small, sample).pictures
        sheet = panels(
            [
                ("Target", messages.printable(f"id {one.row.key:.60}"), both[0]),
                ("Answer", f"IoU {one.iou:.3f}, {one.kind}", both[1]),
            ],
            caption=messages.printable(one.text),
        )
        sheet.save(folder / f"{number:02}.png", optimize=True)
    messages.wrote(folder, f"the {plural(len(bad), 'worst answer')}, 01.png first")
    if missing:
        messages.note(f"{plural(len(missing), 'photo')} cannot be drawn on: {missing[0]}")


KINDS = {
    "valid": "valid, as the format has it",
    "broken": "broken",
    "recovered": "  of these recovered in part",
    "empty": "empty, valid or broken: nothing is shown",
    "empty_broken": "  of these broken",
}


def _print(codec_id: str, scores: Scores, ids: dict[str, int]) -> None:
    """Print two tables: the figures, and the counts of answers by kind."""
    table = messages.new_table(f"Answers as {codec_id}", "figure", "value", "samples")
    table.columns[0].justify = "left"
    for name, (value, samples) in scores.compute().items():
        table.add_row(name, "-" if math.isnan(value) else f"{value:.4f}", f"{samples:,}")
    messages.out.print(table)
    counted = plural(scores.figures.samples, "answer")
    table = messages.new_table(counted, "answers", "count", "share")
    table.columns[0].justify = "left"
    for kind, words in KINDS.items():
        share = f"{scores.figures.share(kind):.1%}"
        table.add_row(words, f"{scores.figures.counts[kind]:,}", share)
    messages.out.print(table)
    for note in scores.notes(ids):
        messages.note(note)
