"""The writer of scanlines as text: from cells to an instance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from maskcodec.kernels import writing

if TYPE_CHECKING:
    from maskcodec.formats.instances.boxes import Box
    from maskcodec.formats.instances.spelling import Spelling
    from maskcodec.masks.arrays import Mask


def boxed_text(words: Spelling, label: str, box: Box, cells: Mask) -> str:
    """An instance of a box and its cells."""
    runs = np.empty(cells.size + len(cells), np.int64)
    return words.instance(label, box, words.spelled(runs, writing.scanlines(cells, runs)))
