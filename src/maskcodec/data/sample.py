"""What every source yields: an image, a question's subject, and the instances of the answer."""

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
        Its class, the expression that it is the answer to, or ``roi0``, ``roi1``, ... where it has
        no name.
    segmentation
        What `maskcodec.coco.read` takes: polygons, run lengths, or a `RunMask`.
    crowd
        Whether it stands for a group of objects.
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
        The source's name and the record's own, ``"refcoco:17:2"``: the same in every run, and no
        other sample's.
    image
        The path of the image, as rows will have it.
    shape
        The image's (height, width) in pixels; None where nothing is segmented.
    task
        ``"expression"``: `query` names no, one or several `instances`. ``"classes"``: `instances`
        are those of an image, by class. ``"semantic"``: the same, and together they cover every
        pixel that has a class. ``"reasoning"``: `query` is a question, `instances` are ``roi0``,
        ``roi1``, ... ``"chat"``: `turns`, passed through.
    instances
        What the answer shows, in its order; none where there is nothing to show.
    query
        The expression or the question.
    answer
        The words of the answer, with ``{roi0}`` where a region belongs; or nothing.
    names
        Classes that a question may ask for where they are absent; those that are there may be
        among them.
    unasked
        Labels of instances that no question asks for by their class, since others that are there
        are of that class as well: an answer would miss them.
    complete
        Whether the instances are all that the image shows, as those of panoptic segmentation are,
        so that a question may claim so. Those of a ``"semantic"`` sample always are; other samples
        by class are not asked for all classes without it.
    ignored
        A mask of pixels that do not count when answers are scored, as ReasonSeg has them; None for
        none.
    turns
        (role, text) of a conversation, role ``"user"`` or ``"assistant"``.
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
        What is wrong with it, and what was expected.
    """

    where: str
    message: str
