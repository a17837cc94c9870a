"""Tokens against fidelity: what every codec and setting takes, and what it leaves of real masks.

Every instance is written in every way, beside polygons and COCO's run lengths as text; the tokens
are counted, and the mask that the text says is compared to the one it was made from.
"""

from __future__ import annotations

import argparse
import sys
import textwrap
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

from _common import PAGE, Table, paragraph, versions, write_section
from _distortion import Contender, Judge, Sample, all_contenders
from maskcodec import MaskCodecError
from maskcodec.cli.coco import CocoFile, checked_claim
from maskcodec.cli.read import MOST_PIXELS
from maskcodec.lengths import refcoco_sized
from maskcodec.vocabularies import load_tokenizer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt
    from matplotlib.axes import Axes

    from maskcodec.cli.coco import Instance

    Values = npt.NDArray[np.float64]

COMMAND = "python benchmarks/rate_distortion.py ANNOTATIONS.json..."
PACKAGES = "maskcodec", "numpy", "opencv-python-headless", "contourpy", "pycocotools", "tokenizers"
PICTURE = PAGE.parent / "images" / "rate_distortion.png"
ALL, REFCOCO = "all instances", "RefCOCO-sized"
SIZES = "small", "medium", "large"
SMALL, MEDIUM = 32**2, 96**2  # the pixels that COCO's classes begin below
MARK = "x"
LOCATED = "polygon, location tokens"
# By family: told apart by the colour-blind as well; where the settings are written, in points.
STYLES = {
    "B-SD, nearest": ("#007A5A", "o", (6, -10)),
    "B-SD, keep and smooth": ("#D55E00", "o", (-6, 5)),
    "B-SD, no bricks, nearest": ("#CC79A7", "o", (8, -9)),
    "R-RLE, nearest": ("#0072B2", "s", (7, -10)),
    "I-RLE, nearest": ("#E69F00", "s", (7, -10)),
    "I-SD, nearest": ("#666666", "s", (7, -10)),
    "polygon": ("#222222", "^", (7, -9)),
    LOCATED: ("#56B4E9", "^", (-4, 6)),
    "COCO RLE": ("#8B5E3C", "D", (-8, 5)),
}
OTHER = "#999999", "v", (5, -9)


@dataclass
class Scores:
    """What became of the instances, in their order, with one contender."""

    contender: Contender
    tokens: list[int] = field(default_factory=list)
    ious: list[float] = field(default_factory=list)
    boundaries: list[float] = field(default_factory=list)
    lost: int = 0

    def add(self, sample: Sample, judge: Judge) -> None:
        """One more instance; a lost one has an IoU and an F-score of 0."""
        tokens, mask = self.contender.trip(sample)
        gone = mask is None or not mask.any()
        self.lost += gone
        self.tokens.append(tokens)
        self.ious.append(0.0 if gone else judge.iou(mask))
        self.boundaries.append(0.0 if gone else judge.boundary_f(mask))


@dataclass
class Result:
    """All scores.

    Attributes
    ----------
    scores
        Of each contender.
    sets
        Which instances belong to which set: bool (instances,), by its name.
    vertices
        How many the file has of each instance that is made of polygons.
    empty
        How many instances had no pixel, and were left out.
    """

    scores: list[Scores]
    sets: dict[str, npt.NDArray[np.bool_]]
    vertices: list[int]
    empty: int

    @property
    def count(self) -> int:
        """How many instances there are."""
        return len(self.sets[ALL])

    def means(self, what: str, chosen: str) -> Values:
        """For each contender the mean over a set; not a number where that is empty."""
        values = np.array([getattr(scores, what) for scores in self.scores], float)
        members = values[:, self.sets[chosen]]
        return members.mean(axis=1) if members.size else np.full(len(values), np.nan)

    def front(self, chosen: str, without: str = "") -> list[int]:
        """The contenders that none with as few tokens beats in IoU, by tokens; `without` a family.

        Of those with the same tokens and the same IoU, the first.
        """
        tokens, ious = self.means("tokens", chosen), self.means("ious", chosen)
        found: list[int] = []
        for number in np.lexsort((-ious, tokens)).tolist():
            if np.isnan(ious[number]) or self.scores[number].contender.family == without:
                continue
            if not found or ious[number] > ious[found[-1]]:
                found.append(number)
        return found


def shown(instances: Sequence[Instance]) -> Iterator[Instance]:
    """The same, with a progress bar on stderr."""
    columns = [*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn()]
    console = Console(stderr=True)
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as progress:
        yield from progress.track(instances, description="round trips")


def measure(instances: Sequence[Instance], contenders: Sequence[Contender]) -> Result:
    """All round trips of all instances that have a pixel."""
    scores = [Scores(contender) for contender in contenders]
    areas: list[int] = []
    alike: list[bool] = []
    vertices: list[int] = []
    for one in shown(instances):
        checked_claim(one.shape, one.where, MOST_PIXELS)
        sample = Sample(one.mask(), one.label)
        area = sample.runs.area
        if area == 0:
            continue
        areas.append(area)
        alike.append(refcoco_sized(area, one.shape, one.alike, crowd=one.crowd))
        parts = one.segmentation if isinstance(one.segmentation, list) else [None]
        if all(isinstance(part, list) for part in parts):
            vertices.append(sum(len(polygon) // 2 for polygon in parts))
        judge = Judge(sample.pixels)
        for each in scores:
            each.add(sample, judge)
    found = np.array(areas, int)
    sets = {
        ALL: np.ones(len(found), bool),
        "small": found < SMALL,
        "medium": (found >= SMALL) & (found < MEDIUM),
        "large": found >= MEDIUM,
        REFCOCO: np.array(alike, bool),
    }
    return Result(scores, sets, vertices, len(instances) - len(found))


def _table(result: Result, heads: Sequence[str], columns: Sequence[Sequence[str]]) -> Table:
    """A section for each family, a row for each setting."""
    table = Table(["contender", *heads])
    lines = list(zip(*columns, strict=True))
    for family in dict.fromkeys(s.contender.family for s in result.scores):
        rows = [
            (each.contender.setting, *line)
            for each, line in zip(result.scores, lines, strict=True)
            if each.contender.family == family
        ]
        table.add(family, rows)
    return table


def in_short(result: Result) -> Table:
    """What the picture shows, and the IoU by size."""
    columns, heads = [], []
    for chosen, suffix in ((ALL, ""), (REFCOCO, f", {REFCOCO}")):
        front = set(result.front(chosen))
        marks = [MARK if k in front else "" for k in range(len(result.scores))]
        tokens, ious = (_text(result, what, chosen) for what in ("tokens", "ious"))
        columns += [tokens, ious, marks]
        heads += [f"tokens{suffix}", f"IoU{suffix}", f"front{suffix}"]
        if chosen == ALL:
            columns += [_text(result, "ious", size) for size in SIZES]
            columns += [_text(result, "boundaries", ALL)]
            columns += [[f"{s.lost / result.count:.1%}" for s in result.scores]]
            heads += [*(f"IoU, {size}" for size in SIZES), "boundary F", "lost"]
    return _table(result, heads, columns)


def by_size(result: Result) -> Table:
    """Tokens and boundaries of the smaller sets."""
    chosen = [(what, size) for what in ("tokens", "boundaries") for size in (*SIZES, REFCOCO)]
    names = {"tokens": "tokens", "boundaries": "boundary F"}
    heads = [f"{names[what]}, {size}" for what, size in chosen]
    return _table(result, heads, [_text(result, *which) for which in chosen])


def _text(result: Result, what: str, chosen: str) -> list[str]:
    digits = 1 if what == "tokens" else 3
    means = result.means(what, chosen).tolist()
    return ["" if np.isnan(mean) else f"{mean:,.{digits}f}" for mean in means]


def _front(result: Result, chosen: str, without: str = "") -> str:
    """The front in words."""
    on_it = [result.scores[k].contender for k in result.front(chosen, without)]
    families = dict.fromkeys(one.family for one in on_it)
    settings = [[one.setting for one in on_it if one.family == family] for family in families]
    parts = zip(families, settings, strict=True)
    return "; ".join(f"{family} ({', '.join(numbers)})" for family, numbers in parts) or "none"


def page(about: str, result: Result, vocabulary: str) -> str:
    """The section of docs/benchmarks.md."""
    tokens = f"""
        What a text costs against what it keeps. Tokens are those of the {vocabulary} vocabulary
        with what a contender needs added, and of the whole answer: with the tags, with the box
        where there is one, and with the label, which is the instance's class for all, and which the
        image-wise codecs repeat. Nobody makes mistakes here: a model that writes these texts will,
        and how much of a mask a mistake costs is not measured."""
    contenders = """
        Numbers are cells a side, or the most vertices a polygon may have. `nearest` samples and
        paints by the nearest, as the paper does; `keep and smooth` is `sampling="keep"` and
        `method="smooth"`. A polygon is the mask's outline, holes as well, simplified by Douglas and
        Peucker as little as its vertices allow, in 1,000 steps from edge to edge of the image:
        `<ref>dog</ref>[[x1 y1 x2 y2 ...] [...]]`, in digits, or with 1,000 added tokens for the
        numbers. COCO RLE is the compressed string of pycocotools, of every pixel or of cells
        by the nearest. Tags are tokens in all of them, as they are in ours."""
    origin = f"""
        Of these masks, {len(result.vertices):,} were drawn as polygons, of
        {np.median(result.vertices or [0]):.0f} vertices in the median, to which a polygon comes
        back more easily than to masks of another origin."""
    measures = """
        Boundary F is DAVIS's: precision and recall of boundary pixels, matched within 0.8 % of the
        image's diagonal (7 pixels at 480 x 640), which forgives much where objects are small. Lost
        are instances of which no cell or no pixel is left: they count with an IoU and an F of 0,
        and with the tokens that were written, mostly none, so that what loses many looks cheap.
        Small is below 32 x 32 pixels, medium below 96 x 96, by the mask's area. RefCOCO-sized means
        no crowd, at least 5 % of the image, another of its class in the image. On the front,
        marked `x`, is what no other with as few tokens beats in IoU."""
    fronts = [
        f"- **{chosen}{suffix}**: {_front(result, chosen, without)}"
        for without, suffix in (("", ""), (LOCATED, ", without location tokens"))
        for chosen in (ALL, REFCOCO)
    ]
    listed = "\n".join(textwrap.fill(line, 99, subsequent_indent="  ") for line in fronts)
    return f"""\
## Tokens against fidelity

```sh
{COMMAND}
```

{paragraph(tokens)}

{paragraph(about)}

![Mean IoU against tokens per mask, all contenders](images/{PICTURE.name})

On the front:

{listed}

{paragraph(contenders)}

{paragraph(origin)}

{paragraph(measures)}

{paragraph(versions(PACKAGES))}

{in_short(result).markdown()}

{by_size(result).markdown()}
"""


def plot(result: Result, path: Path, *, vocabulary: str) -> None:
    """Draw the mean IoU against the tokens, over all and over what is like RefCOCO's."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 6.6), layout="constrained")
    for axes, chosen in zip(figure.subplots(1, 2), (ALL, REFCOCO), strict=True):
        _draw(axes, result, chosen)
    lines = figure.axes[0].get_lines()
    figure.legend(handles=lines, loc="outside lower center", ncols=5, frameon=False, fontsize=9)
    title = f"{vocabulary} vocabulary, whole answers: tags, label, box"
    figure.suptitle(title, x=0.01, ha="left", fontsize=10, parse_math=False)
    figure.savefig(path, dpi=150)


def _draw(axes: Axes, result: Result, chosen: str) -> None:
    from matplotlib.patheffects import withStroke
    from matplotlib.ticker import MaxNLocator, NullLocator, StrMethodFormatter

    tokens, ious = result.means("tokens", chosen), result.means("ious", chosen)
    front = result.front(chosen)
    grey: dict[str, Any] = {"color": "#aaaaaa", "linewidth": 1.0, "label": "front"}
    axes.step(tokens[front], ious[front], where="post", **grey)
    for family in dict.fromkeys(s.contender.family for s in result.scores):
        colour, marker, place = STYLES.get(family, OTHER)
        mine = [k for k, s in enumerate(result.scores) if s.contender.family == family]
        look: dict[str, Any] = {"color": colour, "marker": marker, "markersize": 5}
        axes.plot(tokens[mine], ious[mine], label=family, **look)
        where: dict[str, Any] = {"xytext": place, "textcoords": "offset points", "ha": "center"}
        where["path_effects"] = [withStroke(linewidth=2.5, foreground="white")]  # above the lines
        for k in mine:
            setting = result.scores[k].contender.setting
            axes.annotate(setting, (tokens[k], ious[k]), color=colour, fontsize=8, **where)
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_locator(MaxNLocator(steps=[1, 5, 10]))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:.2f}"))
    axes.set_ylabel("mean IoU")
    axes.set_xlabel("tokens per mask, mean")
    axes.set_title(f"{chosen}, {np.count_nonzero(result.sets[chosen]):,}", loc="left", fontsize=10)
    axes.grid(color="#eeeeee", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def main() -> int:
    """Read, go all round trips, print, draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="ANNOTATIONS.json")
    parser.add_argument(
        "--tokenizer",
        default="qwen",
        metavar="NAME",
        help="qwen, mistral, tekken or a path (default: %(default)s)",
    )
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the picture as well")
    parser.add_argument("--limit", type=int, help="stop after that many instances of each file")
    parser.add_argument("--write", action="store_true", help="refresh docs/benchmarks.md as well")
    options = parser.parse_args()
    if options.limit is not None and options.limit < 1:
        parser.error("--limit must be at least 1")

    try:
        by_file = [
            (path.name, list(islice(CocoFile(path), options.limit))) for path in options.files
        ]
        instances = [one for _, found in by_file for one in found]
        result = measure(instances, all_contenders(load_tokenizer(options.tokenizer)))
    except (MaskCodecError, OSError) as error:
        print(f"rate_distortion.py: {error}", file=sys.stderr)
        return 1
    if result.count == 0:
        print("rate_distortion.py: no instance has a pixel set", file=sys.stderr)
        return 1
    files = " and ".join(f"{len(found):,} of `{name}`" for name, found in by_file)
    empty = f", without {result.empty:,} empty ones" if result.empty else ""
    members = ", ".join(
        f"{np.count_nonzero(result.sets[name]):,} {name}" for name in (*SIZES, REFCOCO)
    )
    about = f"{result.count:,} instances: {files}{empty}. Of them {members}."
    print(about)
    in_short(result).show()
    by_size(result).show()
    pictures = [options.plot] * (options.plot is not None) + [PICTURE] * options.write
    for path in pictures:
        plot(result, path, vocabulary=options.tokenizer)
    if options.write:
        write_section("rate_distortion", page(about, result, options.tokenizer))
    return 0


if __name__ == "__main__":
    sys.exit(main())
