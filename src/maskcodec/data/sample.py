"""The record that every source yields: `Sample` with its `Instance` objects, or `Broken`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias

Task: TypeAlias = Literal["expression", "classes", "semantic", "reasoning", "chat"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """One region of an answer.

    Attributes
    ----------
    label
        The class, or the expression that the region answers; ``roi0``, ``roi1``, ... if the region
        has no name.
    segmentation
        Polygons, run lengths or a `RunMask`, as `maskcodec.coco.read` takes them.
    crowd
        Whether the region is a group of objects.
    """

    label: str
    segmentation: Any
    crowd: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One record of a dataset.

    Attributes
    ----------
    key
        The source's name and the record's own, ``"refcoco:17:2"``. It is unique, and the same in
        every run.
    image
        The path of the image in rows.
    shape
        The image's (height, width) in pixels; None if nothing is segmented.
    task
        ``"expression"``: `query` names no, one or several `instances`. ``"classes"``: `instances`
        are those of an image, by class. ``"semantic"``: the same, and the instances cover every
        pixel that has a class. ``"reasoning"``: `query` is a question, `instances` are ``roi0``,
        ``roi1``, ... ``"chat"``: `turns` is a conversation, which rows pass through.
    instances
        The regions that the answer shows, in its order; empty if it shows none.
    query
        The expression or the question.
    answer
        The words of the answer, with ``{roi0}`` in the place of a region; "" if it has no words.
    names
        Classes that a question may ask for even if the image does not show them. Classes that it
        shows may be among them.
    unasked
        Labels that no question asks for by class. The image shows instances of a narrower class,
        and an answer would miss them.
    complete
        Whether the instances are all that the image shows, as in panoptic segmentation. Only then
        may a question ask for all classes. A ``"semantic"`` sample always counts as complete.
    ignored
        A mask of pixels that scores ignore, as in ReasonSeg; None if no pixel is ignored.
    turns
        The (role, text) pairs of a conversation. The role is ``"user"`` or ``"assistant"``.
    """

    key: str
    image: str
    shape: tuple[int, int] | None
    task: Task
    instances: tuple[Instance, ...] = ()
    query: str = ""
    answer: str = ""
    names: tuple[str, ...] = ()
    unasked: tuple[str, ...] = ()
    complete: bool = False
    ignored: Any = None
    turns: tuple[tuple[str, str], ...] = ()


class Broken(NamedTuple):
    """A record that cannot be used.

    Attributes
    ----------
    where
        The file and the record, ``"instances.json: annotation 17"``.
    message
        The fault of the record, and what was expected.
    """

    where: str
    message: str
