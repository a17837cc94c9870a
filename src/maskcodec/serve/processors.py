"""The common part of all engines' processors: guides for requests, and the state of each answer.

`maskcodec.serve.vllm` and `maskcodec.serve.sglang` have the classes that an engine loads.
"""

from __future__ import annotations

import json
import logging
from functools import lru_cache
from importlib import metadata
from typing import TYPE_CHECKING, Any

import numpy as np

from maskcodec.errors import ConfigError, DecodeError, MaskCodecError
from maskcodec.messages import brief
from maskcodec.serve.checks import check, end_ids

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence

    from maskcodec.masks.arrays import Index
    from maskcodec.tokenizers.guide import Guide

NAME = "maskcodec"  # the key of a request's options
_GUIDES = 16  # most cached guides; each has tables of the vocabulary's size
_REMEMBERED = 8  # most cached lists of forbidden ids
_OTHERS: dict[Any, tuple[Index, Any]] = {}

_log = logging.getLogger("maskcodec")


class Walk:
    """The state of one answer in a guide.

    An exception in a processor stops the engine and all its answers. So an id that the guide does
    not allow, which another processor must have forced, does not raise: the log gets an error, and
    the answer is no longer constrained. Without a guide, an answer ends at once.
    """

    def __init__(self, guide: Guide | None, ends: Index | None = None) -> None:
        self._guide, self._ends = guide, ends
        self._state: Any = guide and guide.start()
        self.count = 0  # ids so far

    def options(self, ids: Sequence[int]) -> Index | None:
        """The ids that may come after these further ids of the answer; None for any."""
        for number in ids:
            self.count += 1
            try:
                self._state = self._guide and self._guide.step(self._state, number)
            except DecodeError as error:
                _log.error("an answer is no longer held, behind %d ids: %s", self.count, error)
                self._guide = None
        return self._ends if self._guide is None else self._guide.options(self._state)


class Guides:
    """The guides of the model that an engine serves.

    The model's folder is checked; errors are those of `check`.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self._tokens = check(folder)
        words = self._tokens.words.values()
        self._ends = [number for number in end_ids(folder) if number not in words]
        self._guide = lru_cache(_GUIDES)(self._made)

    def walk(self, asked: Any) -> Walk:
        """The start of an answer, held by the options of its request.

        If there is no guide for them, the log gets an error, and the answer ends at once.
        """
        try:
            return Walk(self._guide(asked if isinstance(asked, str) else ""))
        except MaskCodecError as error:
            _log.error("an answer is ended at once, since it cannot be held: %s", error)
            ends = sorted({*self._tokens.ends, *self._ends})
            return Walk(None, np.array(ends, np.int64) if ends else None)

    def _made(self, asked: str) -> Guide:
        return self._tokens.guide(**parsed(asked), ends=self._ends)


def parsed(asked: Any) -> dict[str, Any]:
    """Parse a request's options of a guide.

    Raises
    ------
    ConfigError
        They are not the JSON that `maskcodec.serve.request` writes.
    """
    try:
        options = json.loads(asked)
        labels, instances, free_text = (
            options.pop(name) for name in ("labels", "instances", "free_text")
        )
        good = not options and type(free_text) is bool and type(instances) in (int, type(None))
        good = good and (labels is None or all(type(label) is str for label in labels))
    except (TypeError, ValueError, KeyError, AttributeError, RecursionError):
        good = False
    if not good:
        raise ConfigError(
            f"{NAME} must be the JSON that maskcodec.serve.request writes, such as "
            f'{{"labels": ["dog"], "instances": 1, "free_text": false}}, got {brief(asked)}'
        )
    names = None if labels is None else tuple(labels)
    return {"labels": names, "instances": instances, "free_text": free_text}


def hold(logits: Any, rows: Mapping[int, Index]) -> None:
    """Set all columns but the given ids to -inf, in some rows of a tensor (rows, columns).

    Ids beyond the columns, which the model cannot write, are ignored.
    """
    import torch

    for number, ids in rows.items():
        row = logits[number]
        if 2 * len(ids) > len(row):
            row.index_fill_(0, _others(ids, row), -torch.inf)
        else:
            own = np.array(ids[: np.searchsorted(ids, len(row))])  # copy: guides' ids are read-only
            places = torch.from_numpy(own).to(row.device)
            kept = row.index_select(0, places)
            row.fill_(-torch.inf).index_copy_(0, places, kept)


def _others(ids: Index, row: Any) -> Any:
    """The columns that are not among the ids, cached: guides return the same array repeatedly."""
    import torch

    key = id(ids), len(row), row.device
    if key not in _OTHERS:
        if len(_OTHERS) >= _REMEMBERED:
            _OTHERS.clear()
        mask = np.ones(len(row), np.bool_)
        mask[ids[: np.searchsorted(ids, len(row))]] = False
        # The ids are kept as well, so that no other array gets their id().
        _OTHERS[key] = ids, torch.from_numpy(np.flatnonzero(mask)).to(row.device)
    return _OTHERS[key][1]


def version(*names: str) -> str:
    """The name and version of the first package that is installed, for messages."""
    for name in names:
        try:
            return f"{name} {metadata.version(name)}"
        except metadata.PackageNotFoundError:
            continue
    return f"{names[0]}, which is not installed"
