"""`maskcodec tokens`: how many tokens the masks of COCO annotations take."""

from itertools import chain
from pathlib import Path
from typing import Annotated

import typer

from maskcodec.cli import coco, say
from maskcodec.cli.read import InputError
from maskcodec.lengths import COLUMNS, EXPRESSION, losses, measure, rows
from maskcodec.vocabularies import load_tokenizer

_PICTURES = ".png", ".svg", ".pdf"


@say.reported
def tokens(
    annotations: Annotated[list[Path], typer.Argument(help="COCO annotation files.")],
    tokenizer: Annotated[
        str,
        typer.Option(
            "--tokenizer",
            "-t",
            help="What counts: qwen, mistral, tekken, or a tokenizer.json or its folder.",
            metavar="NAME",
        ),
    ],
    everything: Annotated[
        bool,
        typer.Option(
            "--all",
            help="Take every instance. Default: those like RefCOCO's, no crowd, at least 5 % of "
            "the image, another of the same class in the image.",
        ),
    ] = False,
    label: Annotated[
        str,
        typer.Option(
            "--label",
            "-l",
            help="What to call an instance, {} for its class. The default is as long as RefCOCO's "
            "expressions are.",
            metavar="TEXT",
        ),
    ] = EXPRESSION,
    plot: Annotated[
        Path | None,
        typer.Option("--plot", help="Draw the means as well: .png, .svg, .pdf.", metavar="FILE"),
    ] = None,
) -> None:
    """Count the tokens that masks take, in every spelling and resolution of the paper's Figure 7.

    Beside what is measured stands what Text4Seg++ (arXiv 2509.06321) has, where it has something.
    B-SD in the box frame is counted as well, as it is by default but for the paper's sampling.

    \b
    Examples:
      maskcodec tokens instances_val2017.json --tokenizer qwen
      maskcodec tokens instances_val2017.json -t checkpoint --all --label "{}" --plot lengths.png
    """
    if plot is not None:
        say.checked_output(plot, _PICTURES, option="--plot")
        try:
            from maskcodec.lengthplot import plot_lengths
        except ModuleNotFoundError as error:
            raise InputError(
                "--plot needs matplotlib, which is missing: pip install 'maskcodec[plot]'"
            ) from error
    files = [coco.CocoFile(path) for path in annotations]
    found = sum(map(len, files))
    with say.wait("Reading the vocabulary"):
        counter = load_tokenizer(tokenizer)
    instances = say.steps(chain.from_iterable(files), "Counting", found)
    masks = coco.labelled_masks(instances, label, everything=everything)
    lengths = measure(masks, counter)
    if lengths.masks == 0:
        raise InputError(
            f"none of the {found:,} instances has a pixel"
            if everything
            else f"none of the {found:,} instances is like RefCOCO's: no crowd, at least 5 % "
            "of the image, another of its class there; --all takes every one"
        )
    spoken = f"labels like {label.replace('{}', 'dog')!r}"
    table = say.new_table(f"Tokens per mask, {tokenizer}, {spoken}", *COLUMNS)
    table.columns[0].no_wrap = True
    for title, lines in rows(lengths):
        table.add_section()
        table.add_row(f"[bold]{title}[/bold]")
        for line in lines:
            table.add_row(*line)
    say.out.print(table)
    taken = "all" if everything else "those like RefCOCO's"
    say.note(f"{lengths.masks:,} of {found:,} instances, {taken}")
    if lengths.empty:
        say.note(f"{lengths.empty:,} without a pixel are left out")
    if gone := losses(lengths):
        say.note(gone)
    if plot is not None:
        title = f"{tokenizer} vocabulary, {lengths.masks:,} masks, {spoken}"
        plot_lengths(lengths, plot, title=title)
        say.wrote(plot, "tokens per mask by resolution")
