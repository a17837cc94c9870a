"""How many tokens a mask takes: Figure 7 of Text4Seg++ (arXiv 2509.06321) with other masks.

Every instance is written in every spelling and resolution of the figure, and the tokens are
counted. Prints their mean and median beside the paper's, for the first tokenizer in full, and the
ratios that the paper argues with for all of them, with labels of several lengths.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

from _annotations import alike, labelled_masks
from _common import DOCS, Table, paragraph, versions, write_page
from _lengths import (
    COLUMNS,
    EXPRESSION,
    PAPER,
    RATIOS,
    SCANLINES,
    decimals,
    losses,
    means,
    measure,
    ratio,
    rows,
)
from _vocabularies import load_tokenizer
from maskcodec import MaskCodecError
from maskcodec.cli.annotations import CocoFile

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from _lengths import Lengths
    from maskcodec.cli.annotations import Instance
    from maskcodec.coco import RunMask

    Measured = dict[tuple[str, str], tuple[Lengths, float]]  # by tokenizer and label

SIZED = "no crowd, at least 5 % of the image, another of its class in the image"
COMMAND = "python benchmarks/token_length.py ANNOTATIONS.json..."
PACKAGES = "maskcodec", "tokenizers", "transformers", "mistral-common", "dashscope"
PICTURE = DOCS / "images" / "token_lengths.png"
LABELS = "{}", EXPRESSION, "{} on the left"


def counted(
    instances: Sequence[Instance], tokenizer: str, label: str, *, everything: bool
) -> tuple[Lengths, float]:
    """What `measure` finds, and the labels' mean of words; with a progress bar on stderr."""
    columns = [*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn()]
    console = Console(stderr=True)
    words: list[int] = []

    def masks() -> Iterator[tuple[RunMask, str]]:
        pairs = list(zip(instances, alike(instances), strict=True))
        steps = progress.track(pairs, description=f"{tokenizer}, {label}")
        for mask, name in labelled_masks(steps, label, everything=everything):
            words.append(len(name.split()))
            yield mask, name

    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as progress:
        lengths = measure(masks(), load_tokenizer(tokenizer))
    return lengths, sum(words) / max(1, len(words))


def in_full(lengths: Lengths) -> Table:
    """A section for each resolution."""
    table = Table(COLUMNS)
    for title, lines in rows(lengths):
        table.add(title, lines)
    return table


def in_short(measured: Measured) -> Table:
    """A row for each tokenizer and kind of label, a column for each ratio of the paper's."""
    heads = [f"{name} / {base}, {cells}" for name, base, cells in RATIOS]
    table = Table(["tokenizer", "label", "words", *heads])
    lines = []
    for (tokenizer, label), (lengths, words) in measured.items():
        ratios = [decimals(ratio(means(lengths), *each), 3) for each in RATIOS]
        lines.append((tokenizer, f"`{label}`", decimals(words, 1), *ratios))
    quoted = [decimals(ratio(PAPER, *each), 3) for each in RATIOS]
    table.add("", [*lines, ("the paper", "RefCOCO's", "3.5", *quoted)])
    return table


def page(about: str, measured: Measured, label: str) -> str:
    """The page in docs/benchmarks."""
    tokenizer = next(iter(measured))[0]
    lengths = measured[tokenizer, label][0]
    measured_means = means(lengths)
    saved = [1 - ratio(found, *RATIOS[0]) for found in (measured_means, PAPER)]
    plain, bricks = (
        f"{ratio(measured_means, *each):.3f} (the paper's: {ratio(PAPER, *each):.3f})"
        for each in RATIOS[1:]
    )
    labels = f"""
        Labels decide as much as masks do: R-RLE writes one for every run, B-SD once. Where the
        released scripts make R-RLE of RefCOCO, the label is the whole referring expression
        (`create_refcoco_qwenvl.py` in mc-lan/Text4Seg); RefCOCO's have 3.5 words on average, says
        its page in TensorFlow Datasets. There are no expressions here, so `{label}` stands for
        one, with the instance's class for `{{}}`; the second table has other labels as well."""
    outcome = f"""
        With the {tokenizer} vocabulary, R-RLE saves {saved[0]:.1%} of I-SD's tokens at 16 x 16
        cells (the paper's: {saved[1]:.1%}). At 64 x 64, B-SD's share of R-RLE's tokens is {bricks},
        and {plain} where bricks are plain text. Masks and expressions are not the paper's."""
    closing = """
        Means and medians are tokens per mask. The columns of the paper are empty where it names no
        number."""
    spaces = """
        The mistral vocabulary is SentencePiece's as Llama's tokenizer has it, which puts a space
        before any text, also behind an added token: the line break behind a row of bricks is two
        tokens there."""
    note = f"\n{paragraph(spaces)}\n" if any(name == "mistral" for name, _ in measured) else ""
    return f"""\
# Token lengths

```sh
{COMMAND}
```

{paragraph(about)}

{paragraph(labels)}

{paragraph(outcome)}

{paragraph(versions(PACKAGES))}

![Tokens per mask against the cells a side, with the paper's points](../images/{PICTURE.name})

{in_full(lengths).markdown()}

{paragraph(closing)}

{in_short(measured).markdown()}
{note}"""


def described(
    lengths: Lengths, files: Sequence[tuple[str, int]], words: float, *, everything: bool
) -> str:
    """What was measured."""
    names = " and ".join(f"{count:,} in `{name}`" for name, count in files)
    kind = "that have a pixel" if everything else f"like RefCOCO's ({SIZED})"
    lost = losses(lengths) or "Every mask has a cell on every grid."
    return (
        f"{len(lengths[SCANLINES]):,} instances {kind}, out of {names}. Cells are sampled by the "
        f"nearest pixel, those of scanlines by `keep`. {lost} A label has {words:.1f} words on "
        "average."
    )


def main() -> int:
    """Read, count, print, draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="ANNOTATIONS.json")
    parser.add_argument(
        "--tokenizer",
        action="append",
        metavar="NAME",
        help="qwen, mistral, tekken or a path; may come again (default: these three)",
    )
    parser.add_argument(
        "--label", default=EXPRESSION, help="{} is the class (default: %(default)s)"
    )
    parser.add_argument(
        "--all", action="store_true", help="every instance, not RefCOCO's kind only"
    )
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the first table as well")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks as well")
    options = parser.parse_args()
    tokenizers = options.tokenizer or ["qwen", "mistral", "tekken"]

    try:
        by_file = [(path.name, list(CocoFile(path))) for path in options.files]
        instances = [one for _, found in by_file for one in found]
        measured: Measured = {}
        for tokenizer in tokenizers:
            for label in dict.fromkeys([*LABELS, options.label]):
                found = counted(instances, tokenizer, label, everything=options.all)
                measured[tokenizer, label] = found
        lengths, words = measured[tokenizers[0], options.label]
        masks = len(lengths[SCANLINES])
        if masks == 0:
            print("token_length.py: no instance to measure; see --all", file=sys.stderr)
            return 1
    except (MaskCodecError, OSError) as error:
        print(f"token_length.py: {error}", file=sys.stderr)
        return 1
    files = [(name, len(found)) for name, found in by_file]
    about = described(lengths, files, words, everything=options.all)
    print(about)
    in_full(lengths).show()
    in_short(measured).show()
    spoken = options.label.replace("{}", "dog")
    title = f"{tokenizers[0]} vocabulary, {masks:,} masks, labels like {spoken!r}"
    pictures = [options.plot] * (options.plot is not None) + [PICTURE] * options.write
    if pictures:
        from _lengthplot import plot_lengths
    for path in pictures:
        plot_lengths(lengths, path, title=title)
    if options.write:
        write_page("token_length", page(about, measured, options.label))
    return 0


if __name__ == "__main__":
    sys.exit(main())
