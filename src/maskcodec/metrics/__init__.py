"""Measure answers: cIoU, gIoU, mIoU, P@0.5, AP, Acc@0.5, N-acc, T-acc, IoU of classes.

All accumulators work alike: `update` takes a prediction and its target, `merge` takes another
accumulator of the same kind, `compute` returns the figure, 0 .. 1. They count in whole numbers, so
that parts merged in any order give the same figure. They can be pickled. ``docs/metrics.md`` says
who reports which figure.
"""

from maskcodec.metrics.boxes import BoxAccuracy
from maskcodec.metrics.classes import ClassIoU
from maskcodec.metrics.instances import AveragePrecision
from maskcodec.metrics.masks import CIoU, GIoU, MaskMetric, MIoU, NAcc, TAcc
from maskcodec.metrics.overlap import Overlap, measure
from maskcodec.metrics.precision import Precision
from maskcodec.metrics.tally import Metric

__all__ = [
    "AveragePrecision",
    "BoxAccuracy",
    "CIoU",
    "ClassIoU",
    "GIoU",
    "MIoU",
    "MaskMetric",
    "Metric",
    "NAcc",
    "Overlap",
    "Precision",
    "TAcc",
    "measure",
]
