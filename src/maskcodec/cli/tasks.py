"""`maskcodec eval-tasks`: write datasets as tasks for lmms-eval."""

import inspect
import json
import re
from dataclasses import replace
from pathlib import Path
from shutil import rmtree
from typing import TYPE_CHECKING, Annotated, Any

import typer

from maskcodec.cli import messages, options, settings
from maskcodec.cli.build import read_templates
from maskcodec.cli.read import InputError
from maskcodec.data._pictures import picture_shape
from maskcodec.data.rows import RowMaker
from maskcodec.data.sample import Broken
from maskcodec.data.templates import filled
from maskcodec.data.turns import Turns
from maskcodec.errors import ConfigError, MaskCodecError, SourceError
from maskcodec.files.regular import is_file
from maskcodec.masks.runs import RunMask, united
from maskcodec.masks.segmentations import read
from maskcodec.messages import plural, sides
from maskcodec.metrics.lmms import FIGURES

if TYPE_CHECKING:
    from maskcodec.data.origins import Origin
    from maskcodec.data.sample import Sample
    from maskcodec.data.sources import Source

_FUNCTIONS = (f'{name} = partial(lmms.figure, "{figure}")\n' for figure, name in FIGURES.items())
_METRICS = (
    f"  - metric: {figure}\n"
    f"    aggregation: !function utils.{name}\n"
    f"    higher_is_better: {str(figure != 'recovered').lower()}\n"
    for figure, name in FIGURES.items()
)
_UTILS = f'''"""What the tasks here call. maskcodec.json is the codec of the answers."""

from functools import partial
from pathlib import Path

import maskcodec
from maskcodec.metrics import lmms

process_results = partial(lmms.process_results, maskcodec.load(Path(__file__).parent))
doc_to_visual = lmms.doc_to_visual
{"".join(_FUNCTIONS)}'''

_TASK = f"""task: NAME
tag: maskcodec # --tasks maskcodec runs all of the folder
dataset_path: json
dataset_kwargs:
  data_files:
    test: NAME.jsonl
test_split: test
output_type: generate_until
doc_to_visual: !function utils.doc_to_visual
doc_to_text: question # or a wording of your own: "Segment {{{{query}}}}."
doc_to_target: segmentation
process_results: !function utils.process_results
generation_kwargs:
  max_new_tokens: 4096
  do_sample: false
  temperature: 0
  until: []
metric_list:
{"".join(_METRICS)}metadata:
  version: 1
"""


@messages.reported
@settings.with_codec
def eval_tasks(
    codec: settings.AnyCodec,
    sources: options.SourcesArgument,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write.", metavar="DIR")],
    templates: Annotated[
        Path | None,
        typer.Option(
            "--templates",
            help="JSON file of wordings, as in build; the first one of each kind is used. Default: "
            "maskcodec's wordings.",
            metavar="FILE",
        ),
    ] = None,
    allow_broken: Annotated[
        bool,
        typer.Option(
            "--allow-broken",
            help="Leave broken records out. Default: stop at the first broken record.",
        ),
    ] = False,
) -> None:
    """Write a folder of lmms-eval tasks, one for each dataset, with the figures of eval.

    For datasets with expressions or questions: RefCOCO, RefCOCO+, RefCOCOg, gRefCOCO, RefCOCO-M,
    ReasonSeg, GSEval, MUSE, EarthReason. maskcodec eval reads the written .jsonl files as targets.

    \b
    Examples:
      maskcodec eval-tasks refer:refcoco,split=val,images=train2014 --config merged --out tasks
      maskcodec eval-tasks reasonseg:ReasonSeg/val --codec b-sd --out tasks
      lmms-eval --model qwen2_5_vl --model_args pretrained=merged --include_path tasks \\
        --tasks maskcodec
    """
    from maskcodec.data._claim import check_free
    from maskcodec.data.origins import Origin

    check_free(out)
    opened: dict[str, Source] = {}
    try:
        for origin in map(Origin.parsed, sources):
            name, source = _opened(origin)
            if opened.setdefault(name, source) is not source:
                raise typer.BadParameter(f"two of the datasets would be {name}: name= changes one")
    except ConfigError as error:
        raise typer.BadParameter(str(error)) from None
    maker = RowMaker(codec=codec, templates=read_templates(templates))
    codec.save(out)
    try:
        (out / "utils.py").write_text(_UTILS, "utf-8")
        for name, source in opened.items():
            count, left_out = _written(source, out / f"{name}.jsonl", maker, allow_broken)
            (out / f"{name}.yaml").write_text(_TASK.replace("NAME", name), "utf-8")
            messages.wrote(out / f"{name}.yaml", plural(count, "sample"))
            if left_out:
                messages.note(
                    f"{name} lacks {plural(left_out, 'broken record')}: its figures do not compare "
                    "with those of the whole set"
                )
    except BaseException:
        rmtree(out)  # it was empty before
        raise


def _opened(origin: "Origin") -> tuple[str, "Source"]:
    """Open a dataset, and name its task after the dataset and its split or folder."""
    typed = dict(origin.options)
    split = typed.get("split", "")
    if not split and "split" in inspect.signature(origin.reader()).parameters:
        raise ConfigError(f"{origin.name}:{origin.path} needs a split: add ,split=val")
    if origin.name == "reasonseg":
        split = Path(origin.path).name
        origin = replace(origin, options=tuple(({"texts": "first"} | typed).items()))
    source = origin.open()
    words = "maskcodec", source.name, split
    return re.sub(r"[^\w+-]+", "_", "_".join(filter(None, words))), source


def _written(source: "Source", path: Path, maker: RowMaker, allow_broken: bool) -> tuple[int, int]:
    """Write the rows of a dataset; returns how many rows and broken records there are."""
    count = left_out = 0
    with path.open("w", encoding="utf-8") as file:
        for record in messages.steps(source, "Reading"):
            row = _row(record, maker)
            if not isinstance(row, Broken):
                file.write(json.dumps({"doc_id": count} | row) + "\n")  # as lmms-eval logs it
                count += 1
            elif allow_broken:
                left_out += 1
            else:
                raise InputError(f"{row.where}: {row.message}; --allow-broken leaves it out")
    if not count:
        raise InputError(f"{path.stem}: there is no record that can be used")
    return count, left_out


def _row(record: "Sample | Broken", maker: RowMaker) -> dict[str, Any] | Broken:
    """A line of a task's file, which `maskcodec eval` also reads as a target."""
    if isinstance(record, Broken):
        return record
    if record.task not in {"expression", "reasoning"} or record.shape is None:
        raise InputError(
            f"{record.key}: it has no expression and no question; a task needs a dataset such as "
            "refer, grefer, reasonseg or refcoco-m"
        )
    shape, empty = record.shape, RunMask([record.shape[0] * record.shape[1]], record.shape)
    path, turns = Path(record.image), Turns(maker, record)
    try:
        turns.check_names()
        what, wordings = turns.question()
        masks = [read(one.segmentation, shape=shape, what="its mask") for one in record.instances]
        if not is_file(path):
            raise SourceError(f"there is no image {path}; images= says where they are")
        pictured = picture_shape(path)
    except (MaskCodecError, TypeError) as error:
        return Broken(record.key, str(error))
    if pictured != shape:
        return Broken(record.key, f"{path} has {sides(pictured)} pixels, its mask {sides(shape)}")
    mask = united([empty, *masks])
    if masks and not mask.any():
        return Broken(record.key, "its mask has no pixel, though it has a target")
    # A column has one type in all rows, so an empty mask is used instead of null.
    ignored = empty if record.ignored is None else record.ignored
    return {
        "id": record.key,
        "image": str(path.absolute()),
        "query": record.query,
        "question": filled(wordings[0], what=what),
        "segmentation": mask.coco_rle(text=True),
        "ignore": ignored.coco_rle(text=True),
    }
