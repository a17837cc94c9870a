"""`maskcodec build`: turn datasets into rows that trainers read."""

import os
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from maskcodec.cli import messages, options, settings
from maskcodec.cli.read import InputError, read_json
from maskcodec.data._jsonfile import is_written, shown
from maskcodec.data.engines import EngineName
from maskcodec.data.formats import FormatName, Storage
from maskcodec.data.labels import Placeholders
from maskcodec.errors import ConfigError
from maskcodec.messages import plural
from maskcodec.text.codec import Lost

if TYPE_CHECKING:
    from maskcodec.data.build import Report
    from maskcodec.data.origins import Origin
    from maskcodec.data.templates import Templates

_ROWS, _RUN = "Rows", "Run"
_SHOWN = 3  # most broken records that notes name


def _row(*names: str, text: str, **more: Any) -> Any:
    return typer.Option(*names, help=text, rich_help_panel=_ROWS, **more)


def _run(*names: str, text: str, **more: Any) -> Any:
    return typer.Option(*names, help=text, rich_help_panel=_RUN, **more)


@messages.reported
@settings.with_codec
def build(
    codec: settings.AnyCodec,
    sources: options.SourcesArgument,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write.", metavar="DIR")],
    format_: Annotated[
        FormatName, typer.Option("--format", "-f", help="Trainer that reads the rows.")
    ] = "ms-swift",
    storage: Annotated[Storage, typer.Option("--storage", help="Kind of files.")] = "jsonl",
    val_fraction: Annotated[
        float, typer.Option("--val-fraction", help="Share of validation images, below 1.", min=0)
    ] = 0.0,
    turns: Annotated[
        int, _row("--turns", text="Most expressions of one image in one conversation.", min=1)
    ] = 1,
    seed: Annotated[
        int, _row("--seed", text="Seed that draws the wordings and the kinds of questions.")
    ] = 0,
    boxes: Annotated[
        float, _row("--boxes", text="Share of questions for boxes only, 0 to 1.")
    ] = 0.0,
    absent: Annotated[
        float,
        _row(
            "--absent",
            text="Share of questions by class that ask for an absent class, 0 to 1. Skips a class "
            "if the image has one that shares its words (wall, wall-brick).",
        ),
    ] = 0.1,
    whole: Annotated[
        float | None,
        _row(
            "--whole",
            text="Share of samples by class that ask for all classes, 0 to 1; for panoptic "
            "segmentation and label maps, which cover the image. Default: 0.5.",
        ),
    ] = None,
    placeholders: Annotated[
        Placeholders,
        _row(
            "--placeholders",
            text="For words that hold <image>, a tag or a brick: refuse the record, or clean them.",
        ),
    ] = "refuse",
    lost: Annotated[
        Lost,
        _row(
            "--lost",
            text="For an object too small for any cell: drop it, or count the record as broken.",
        ),
    ] = "drop",
    targets: Annotated[
        bool,
        _row(
            "--targets",
            text="Add a column with each answer's targets as JSON of COCO RLE, for rewards.",
        ),
    ] = False,
    templates: Annotated[
        Path | None,
        _row(
            "--templates",
            text='JSON file of wordings, {"expression": ["Segment {what}.", ...], ...}. Default: '
            "maskcodec's wordings, also for kinds that the file lacks.",
            metavar="FILE",
        ),
    ] = None,
    tokenizer: Annotated[
        str | None,
        _run(
            "--tokenizer",
            "-t",
            text="Count tokens with this tokenizer: a name on the Hub, a folder, or a "
            "tokenizer.json. Default: no count.",
            metavar="NAME",
        ),
    ] = None,
    strict: Annotated[
        bool, _run("--strict", text="Stop at a broken record. Default: list it and go on.")
    ] = False,
    workers: Annotated[
        int | None, _run("--workers", "-w", text="Processes. Default: one for each core.", min=1)
    ] = None,
    shard_size: Annotated[
        int,
        _run(
            "--shard-size",
            text="Most conversations in a file. A killed run loses at most one unfinished file.",
            min=1,
        ),
    ] = 1000,
    engine: Annotated[
        EngineName, _run("--engine", text="Run on processes of this machine, or on Ray Data.")
    ] = "processes",
    address: Annotated[
        str | None,
        _run(
            "--address",
            text="Address of the Ray cluster. Default: a Ray on this machine.",
            metavar="ADDRESS",
        ),
    ] = None,
) -> None:
    """Turn datasets into the rows that trainers read.

    After an interruption, the same command continues the run.

    \b
    Examples:
      maskcodec build coco:instances_val2017.json,images=val2017 --out rows
      maskcodec build refer:refcoco,images=train2014 --turns 4 --format trl --out rows
      maskcodec build coco:instances_val2017.json --codec r-rle --format llava --out rows
    """
    from maskcodec.data._claim import check_free, partial_of
    from maskcodec.data.build import build as run
    from maskcodec.data.origins import Joined, Origin
    from maskcodec.data.rows import RowMaker

    if val_fraction >= 1:
        raise typer.BadParameter(
            f"it is a share below 1, got {val_fraction}", param_hint="--val-fraction"
        )
    if address is not None and engine != "ray":
        raise typer.BadParameter("it is for --engine ray", param_hint="--address")
    try:
        origins = [Origin.parsed(source) for source in sources]
        _check_whole(whole, origins)
        maker = RowMaker(
            codec=codec,
            seed=seed,
            placeholders=placeholders,
            lost=lost,
            boxes=boxes,
            absent=absent,
            targets=targets,
            **({} if whole is None else {"whole": whole}),
            templates=read_templates(templates),
        )
    except ConfigError as error:
        raise typer.BadParameter(str(error)) from None
    check_free(out)
    try:
        with messages.wait("Reading"):
            opened = Joined(tuple(origin.open() for origin in origins))
        written = out, partial_of(out)  # these may be in a dataset's folder
        with messages.progress("Building", len(opened)) as progress:
            report = run(
                opened,
                out,
                rows=maker,
                format=format_,
                storage=storage,
                val_fraction=val_fraction,
                turns=turns,
                shard_size=shard_size,
                tokenizer=tokenizer,
                engine=engine,
                workers=workers or _cores(),
                address=address,
                strict=strict,
                origin={"sources": [origin.identity(*written) for origin in origins]},
                progress=progress,
            )
    except KeyboardInterrupt:
        messages.note("stopped; the same command goes on where this run was")
        raise typer.Exit(130) from None
    _print(report)


def _check_whole(whole: float | None, origins: "list[Origin]") -> None:
    """Refuse --whole if no source marks every object of an image; note sources that do not."""
    part = sorted({origin.name for origin in origins if not origin.reader().complete})
    if not whole or not part:
        return
    what = (
        f"{', '.join(part)} mark{'s' * (len(part) == 1)} only some objects of an image, so that no "
        "answer shows the whole image"
    )
    if all(origin.name in part for origin in origins):
        raise typer.BadParameter(f"{what}: leave it out, or use panoptic", param_hint="--whole")
    messages.note(f"--whole is for the other sources: {what}")


def read_templates(path: Path | None) -> "Templates":
    """The wordings of a file; kinds that it lacks have the default wordings."""
    from maskcodec.data.templates import Templates

    if path is None:
        return Templates()
    found = read_json(path)
    kinds = [field.name for field in fields(Templates)]
    if not isinstance(found, dict):
        raise InputError(f"{path} must hold an object with lists of wordings, got {shown(found)}")
    for kind, wordings in found.items():
        if kind not in kinds:
            raise InputError(f"{path}: there is no kind {kind!r}; there are {', '.join(kinds)}")
        if not isinstance(wordings, list) or not all(isinstance(one, str) for one in wordings):
            raise InputError(f"{path}: {kind} must be a list of wordings, got {shown(wordings)}")
        for wording in wordings:
            if not is_written(wording):
                raise InputError(f"{path}: {kind} has half of a character: {shown(wording)}")
    try:
        return Templates(**found)
    except ConfigError as error:
        raise InputError(f"{path}: {error}") from error


def _cores() -> int:
    """The number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1  # pragma: no cover, not on Linux


def _print(report: "Report") -> None:
    """Print the counts of rows and tokens, and note left out records."""
    counts = report.counts
    table = messages.new_table("Rows", "split", "rows")
    for split, number in sorted(counts.rows.items()):
        table.add_row(split, f"{number:,}")
    messages.out.print(table)
    if lengths := report.token_lengths():
        shown = ", ".join(f"{name} {value:,.0f}" for name, value in lengths.items())
        messages.out.print(f"Tokens a conversation, without image and chat template: {shown}")
    lost = "no cell is left of them; --sampling keep keeps them"
    for number, one, what in (
        (counts.lost, "instance", f"lost: {lost}"),
        (counts.left_out, "sample", "left out: nothing of the answer would have been right"),
        (counts.cleaned, "placeholder", "taken out of labels and questions"),
        (len(counts.broken), "broken record", f"left out, see {report.out / 'broken.jsonl'}"),
    ):
        if number:
            messages.note(f"{plural(number, one)} {'is' if number == 1 else 'are'} {what}")
    for broken in counts.broken[:_SHOWN]:
        messages.note(f"{broken.where}: {broken.message}")
    what = f"{plural(counts.samples, 'sample')}; {plural(report.made, 'row')}"
    what += f" in {report.seconds:.1f} s"
    what += f", {report.rows_per_second:,.0f} a second"
    if report.resumed:
        what += f", after {plural(report.resumed, 'shard')} of an earlier run"
    messages.wrote(report.out, what)
