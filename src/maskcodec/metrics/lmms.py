"""Functions for the task folders of lmms-eval, which `maskcodec eval-tasks` writes.

lmms-eval passes rows of a task's file as dicts and answers as texts. It is not imported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from maskcodec.files.photos import as_picture
from maskcodec.masks.segmentations import read
from maskcodec.metrics.answers import Figures, Measured, measured, read_answer
from maskcodec.metrics.overlap import Overlap

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from PIL import Image

# The figures of a task, and the names of their aggregations in its YAML.
FIGURES = {
    "cIoU": "ciou",
    "gIoU": "giou",
    "P@0.5": "precision",
    "Acc@0.5": "box_accuracy",
    "N-acc": "n_acc",
    "T-acc": "t_acc",
    "valid": "valid",
    "recovered": "recovered",
}


def doc_to_visual(doc: Mapping[str, Any]) -> list[Image.Image]:
    """The image of a row, as viewers show it."""
    return [as_picture(doc["image"])]


def process_results(
    codec: Any, doc: Mapping[str, Any], results: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """Measure an answer, as plain numbers: the same numbers for each figure.

    Parameters
    ----------
    codec
        The codec of the answer.
    doc
        A row. ``segmentation`` is a COCO RLE with a size; without a pixel it is no target. The
        pixels of ``ignore``, an optional mask, do not count.
    results
        A list with the answer.

    Raises
    ------
    MaskError
        A mask cannot be read, or is too large.

    Examples
    --------
    >>> import maskcodec as mc
    >>> from maskcodec.metrics.lmms import figure, process_results
    >>> row = {"segmentation": {"size": [4, 4], "counts": "52203"}}
    >>> said = "<ref>dog</ref><box>[[1 1 2 2]]</box><seg><fg2>\\n<fg2></seg>"
    >>> found = process_results(mc.BSD(grid=4), row, [said])
    >>> figure("cIoU", [found["cIoU"]])
    1.0
    """
    target = read(doc["segmentation"], what="the segmentation")
    ignore = doc.get("ignore")
    ignored = None if ignore is None else read(ignore, shape=target.shape, what="the ignored part")
    answer = read_answer(codec, results[0])
    one, _ = measured(answer, target, shape=target.shape, ignored=ignored)
    plain = {**one._asdict(), "overlap": one.overlap._asdict(), "iou": one.iou}
    return dict.fromkeys(FIGURES, plain)


def figure(name: str, items: Sequence[Mapping[str, Any]]) -> float:
    """Compute a figure, 0 .. 1, from the results of `process_results`.

    Parameters
    ----------
    name
        One of `FIGURES`. ``"valid"`` and ``"recovered"`` are shares of all answers.
    items
        The result of `process_results` for each answer and this figure.
    """
    figures = Figures()
    for item in items:
        flags = (item[flag] for flag in ("hit", "broken", "claimed"))
        figures.add(Measured(Overlap(**item["overlap"]), *flags))
    found = figures.compute()
    return found[name][0] if name in found else figures.share(name)
