"""`maskcodec tokens`: count the tokens of the masks in COCO annotations."""

from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

from maskcodec import BSD, IRLE, ISD, RRLE, Scanlines
from maskcodec.cli import messages
from maskcodec.cli.annotations import CocoFile
from maskcodec.cli.read import InputError
from maskcodec.lengths import token_counts
from maskcodec.messages import plural
from maskcodec.tokenizers.pretrained import bare_tokenizer, load_tokenizer

if TYPE_CHECKING:
    from maskcodec.cli.settings import AnyCodec

_GRIDS = 16, 32, 48, 64, 80


@messages.reported
def tokens(
    annotations: Annotated[list[Path], typer.Argument(help="Files of COCO annotations.")],
    tokenizer: Annotated[
        str,
        typer.Option(
            "--tokenizer",
            "-t",
            help="Tokenizer that counts: a name on the Hub, a folder, or a tokenizer.json.",
            metavar="NAME",
        ),
    ],
    label: Annotated[
        str,
        typer.Option(
            "--label",
            "-l",
            help='Label of each instance; {} becomes its category: "the {} on the left".',
            metavar="TEXT",
        ),
    ] = "{}",
) -> None:
    """Count the tokens of each mask, for every codec and several grids.

    \b
    Examples:
      maskcodec tokens instances_val2017.json --tokenizer Qwen/Qwen2.5-VL-7B-Instruct
      maskcodec tokens instances_val2017.json -t checkpoint --label "the {} on the left"
    """
    files = [CocoFile(path) for path in annotations]
    found = sum(map(len, files))
    with messages.wait("Reading the vocabulary"):
        counter = bare_tokenizer(load_tokenizer(tokenizer))
    codecs: list[AnyCodec] = [ISD(grid=_GRIDS[0]), IRLE(grid=_GRIDS[0])]
    for cells in _GRIDS:
        codecs += [RRLE(grid=cells), BSD(grid=cells, bricks=False), BSD(grid=cells)]
    codecs += [Scanlines(), Scanlines(coordinates="tokens")]
    instances = messages.steps(chain.from_iterable(files), "Counting", found)
    masks = ((one.mask(), label.replace("{}", one.label)) for one in instances)
    counts = token_counts(masks, codecs, counter)
    if not counts.any():
        raise InputError(f"of {plural(found, 'instance')} none has a cell on any grid")
    title = f"Tokens per mask, {tokenizer}, {plural(found, 'instance')}"
    table = messages.new_table(title, "codec", "cells", "mean", "median", "p95", "max", "lost")
    for codec, own in zip(codecs, counts, strict=True):
        name = codec.codec_id
        if not getattr(codec, "bricks", True):
            name += ", no bricks"
        if getattr(codec, "coordinates", "digits") == "tokens":
            name += ", location tokens"
        figures = [""] * 4
        if len(kept := own[own > 0]):
            figures = [f"{kept.mean():,.1f}"]
            figures += [f"{part:,.0f}" for part in np.quantile(kept, [0.5, 0.95, 1])]
        table.add_row(name, codec.cells_text(), *figures, f"{len(own) - len(kept):,}")
    messages.out.print(table)
    if not counts.all():
        messages.note("lost masks have no cell on the grid; no other column counts them")
