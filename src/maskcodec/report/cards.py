"""The cards of a page: texts with their problems marked, and small masks."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from maskcodec.masks.runs import RunMask, united

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maskcodec.errors import Problem
    from maskcodec.masks.grid import Method
    from maskcodec.text.regions import Region

Kind: TypeAlias = Literal["valid", "recovered", "broken", "mask", ""]
Size: TypeAlias = Literal["none", "small", "medium", "large"]
Thumb: TypeAlias = tuple[int, int]  # (height, width) of a small picture

MOST_TURNS, MOST_MASKS, MOST_MARKS = 64, 200, 200  # on a card
_MOST_CELLS = 1 << 16  # most cells of a region that a card holds
MOST_TEXT, MOST_NAME = 20_000, 300  # characters
_SMALL, _MEDIUM = 0.01, 0.1  # shares of the image
_TOKEN = re.compile(r"<[^<>\s]{1,30}>|[^<\s]{1,24}|.", re.DOTALL)


class Turn(NamedTuple):
    """One message of a conversation.

    Attributes
    ----------
    role
        ``"user"``, ``"assistant"`` or ``"system"``.
    text
        The whole text, masks included.
    problems
        The problems of the text, in its order.
    """

    role: str
    text: str
    problems: Sequence[Problem] = ()


class Card(NamedTuple):
    """One answer or one row, with all that a page shows of it.

    Attributes
    ----------
    name
        The id of the answer or row.
    source
        The dataset, split or folder it is from.
    turns
        The questions and answers.
    regions
        The regions of the answers; an answer that is a mask is that mask.
    targets
        The targets of the answers, with labels; None if they are unknown.
    kind
        How the answers decode; "" if there are none.
    thumb
        (height, width) of the picture in pixels.
    photo
        The page's number of the photo, None if there is no photo.
    iou
        0 .. 1; None if there is no target.
    tokens
        The length of the answers in the page's unit; None if there are no answers.
    lost
        How many targets are lost: the answers show nothing of them.
    remark
        Another sentence to show, or "".
    method
        How cells become pixels, as in `maskcodec.Region.mask`.
    """

    name: str
    source: str
    turns: Sequence[Turn]
    regions: Sequence[Region | RunMask]
    targets: Sequence[tuple[str, RunMask]] | None
    kind: Kind
    thumb: Thumb
    photo: int | None = None
    iou: float | None = None
    tokens: int | None = None
    lost: int = 0
    remark: str = ""
    method: Method | None = None

    def labels(self) -> list[str]:
        """The labels of the targets and the regions, each once."""
        own = [one.label for one in self.regions if not isinstance(one, RunMask)]
        named = [label for label, _ in self.targets or ()] + own
        return list(dict.fromkeys(cut(label) for label in named if label))

    def plain(self) -> dict[str, Any]:
        """The card as plain data for JSON, which the page's script reads."""
        wanted = [small(mask, self.thumb) for _, mask in (self.targets or ())[:MOST_MASKS]]
        shown = [self._shown(one) for one in self.regions[:MOST_MASKS]]
        names = [cut(label) for label, _ in self.targets or ()]
        return {
            "name": cut(self.name),
            "source": cut(self.source),
            "kind": self.kind,
            "photo": self.photo,
            "thumb": self.thumb,
            "iou": None if self.iou is None or math.isnan(self.iou) else round(self.iou, 4),
            "tokens": self.tokens,
            "size": self._size(),
            "lost": self.lost,
            "labels": self.labels(),
            "remark": cut(self.remark, 2000),
            "turns": [_said(turn) for turn in self.turns[:MOST_TURNS]],
            "more": max(0, len(self.turns) - MOST_TURNS),
            "targets": [
                {"label": label, "runs": _counts(mask)}
                for label, mask in zip(names, wanted, strict=False)
            ],
            "regions": shown,
            "undrawn": max(0, len(self.regions) - MOST_MASKS)
            + max(0, len(self.targets or ()) - MOST_MASKS),
        }

    def _size(self) -> Size:
        """The size class of the targets' share of the image; without targets, of the regions'."""
        masks = [mask for _, mask in self.targets or () if mask.any()][:MOST_MASKS]
        if not masks:
            masks = [self._runs(one) for one in self.regions[:MOST_MASKS]]
            masks = [one for one in masks if one.any()]
        if not masks:
            return "none"
        share = united(masks).area / math.prod(masks[0].shape)
        return "small" if share < _SMALL else "medium" if share < _MEDIUM else "large"

    def _shown(self, one: Region | RunMask) -> dict[str, Any]:
        """A region or a mask as plain data: its runs, and a region's label, box and cells."""
        runs = _counts(self._runs(one))
        if isinstance(one, RunMask):
            return {"label": "", "runs": runs}
        label = cut(one.label)
        x1, y1, x2, y2 = one.box
        if one.frame == "canvas" and (y2 - y1 + 1) * (x2 - x1 + 1) > _MOST_CELLS:
            return {"label": label, "runs": runs}
        return {
            "label": label,
            "runs": runs,
            "box": [round(side, 1) for side in one.box_pixels(self.thumb)],
            "cells": _counts(RunMask.from_mask(one.cells)),
            "grid": one.cells.shape,
        }

    def _runs(self, one: Region | RunMask) -> RunMask:
        if isinstance(one, RunMask):
            return small(one, self.thumb)
        return one.runs(self.thumb, method=self.method)


def cut(text: str, most: int = MOST_NAME) -> str:
    """A text for a page: cut after `most` characters, with lone surrogates as escapes."""
    text = text if len(text) <= most else f"{text[:most]}…"
    return text.encode("utf-8", "backslashreplace").decode()


def marked(text: str, problems: Sequence[Problem]) -> list[tuple[str, list[int]]]:
    """A text in pieces, each with the numbers, from 0, of the problems that begin in it.

    A marked piece goes from a problem's position to the end of the token there. A problem at the
    end of the text has an empty piece.

    Examples
    --------
    >>> from maskcodec.errors import Problem
    >>> from maskcodec.report.cards import marked
    >>> marked("a <fog3>", [Problem(2, "unknown", "", ""), Problem(8, "truncated", "", "")])
    [('a ', []), ('<fog3>', [0]), ('', [1])]
    """
    pieces: list[tuple[str, list[int]]] = []
    start, done = -1, 0
    for number, problem in enumerate(problems):
        at = min(max(problem.position, 0), len(text))
        if at < done or at == start:
            pieces[-1][1].append(number)
            continue
        if at > done:
            pieces.append((text[done:at], []))
        found = _TOKEN.match(text, at)
        start, done = at, found.end() if found else at
        pieces.append((text[at:done], [number]))
    if done < len(text):
        pieces.append((text[done:], []))
    return pieces


def small(mask: RunMask, thumb: Thumb) -> RunMask:
    """A mask in the size of a small picture; a mask with pixels keeps at least one."""
    return RunMask.from_mask(mask.cells(thumb, "keep"))


def _said(turn: Turn) -> dict[str, Any]:
    """A turn as plain data for JSON."""
    text = turn.text[:MOST_TEXT]
    listed = [one for one in turn.problems if one.position <= len(text)][:MOST_MARKS]
    return {
        "role": turn.role,
        "text": marked(text, listed),
        "omitted": len(turn.text) - len(text),
        "problems": [
            [one.reason, cut(one.message, 600), cut(one.action), one.position] for one in listed
        ],
        "unlisted": len(turn.problems) - len(listed),
    }


def _counts(mask: RunMask) -> str:
    """The run lengths of a mask in COCO's compressed text."""
    return str(mask.coco_rle(text=True)["counts"])
