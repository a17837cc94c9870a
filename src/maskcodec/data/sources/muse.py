"""Read MUSE: questions about several regions of an image, and answers with words around them."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Any

from maskcodec.data._jsonfile import Stored, id_of, items, shown
from maskcodec.data.sample import Instance, Sample
from maskcodec.data.sources._records import (
    Records,
    as_object,
    crowd_of,
    fail,
    joined,
    list_of,
    segmentation_of,
    size_of,
    text_of,
)

if TYPE_CHECKING:
    import os

_PLACE = "{seg}"
_OF_2014 = "COCO_train2014_", "COCO_val2014_"


class Muse(Records):
    """The questions of a file of MUSE, such as ``MUSE_train.json``.

    A record is a question about an image. Its targets are ``roi0``, ``roi1``, ... in the order of
    the answer. The words of the answer around them are kept, if there are any.

    The layout is that of the authors' own reader (PixelLM). It has not been checked against the
    dataset's files. An image has ``file_name`` (COCO 2014) or ``coco_url`` (2017), ``height``,
    ``width`` and ``questions``. For each question, ``answers`` has a list of targets, and
    ``text_answers`` has words with ``{seg}`` for each target, or null. A target has its
    ``segmentation``, or is the id of an annotation in ``ann_list``, alone or as ``ann_id`` or
    ``id``.

    Parameters
    ----------
    path
        The file: a list of images.
    images
        A folder or an address to put before the images' names, ``train2014/..``, ``train2017/..``
        or ``val2017/..``.
    name
        The prefix of keys, as in ``"muse:17:0"``. The numbers of image and question in the file
        follow, since images come more than once.

    Raises
    ------
    SourceError
        The file cannot be read, or has another layout.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        images: str | os.PathLike[str] = "",
        name: str = "muse",
    ) -> None:
        super().__init__(path, images, name)
        self._stored = Stored(self.path)
        self._owners, self._questions = array("q"), array("q")
        for _, start, stop, entry in items(self.path):
            number = self._stored.add(start, stop)
            questions = entry.get("questions") if isinstance(entry, dict) else None
            for question in range(max(1, len(questions) if isinstance(questions, list) else 1)):
                self._owners.append(number)
                self._questions.append(question)

    def __len__(self) -> int:
        return len(self._owners)

    def _record(self, index: int) -> Sample:
        number, question = self._owners[index], self._questions[index]
        (found,) = self._latest(number, lambda: self._stored.read([number]))
        where = f"{self.path}: image {number} of the list"
        entry = as_object(found, where)
        shape, file = size_of(entry, where), _file(entry, where)
        questions, answers, words = _conversations(entry, where)
        where = f"{where}, question {question}"
        query, targets, told = questions[question], answers[question], words[question]
        if not isinstance(query, str) or not query.strip():
            fail(where, f"it must be a string that is not empty, got {shown(query)}")
        if not isinstance(targets, list):
            fail(where, f"its answer must be a list of targets, got {shown(targets)}")
        return Sample(
            key=f"{self.name}:{number}:{question}",
            image=joined(self.images, file, where),
            shape=shape,
            task="reasoning",
            instances=tuple(
                _instance(k, target, entry, f"{where}, target {k}")
                for k, target in enumerate(targets)
            ),
            query=query.strip(),
            answer=_answer(told, len(targets), where),
        )


def _file(entry: dict[str, Any], where: str) -> str:
    """Return the name of an image's file in COCO's folders."""
    if "file_name" not in entry:
        return "/".join(text_of(entry, "coco_url", where).split("/")[-2:])
    name = text_of(entry, "file_name", where)
    for start in _OF_2014:
        if name.startswith(start):
            return f"{start[5:-1]}/{name}"
    return name


def _conversations(entry: dict[str, Any], where: str) -> tuple[list[Any], list[Any], list[Any]]:
    """Return the questions, the targets of each, and the words of each answer."""
    questions = list_of(entry, "questions", where, filled=True)
    if entry.get("text_answers") is None:
        entry = entry | {"text_answers": [None] * len(questions)}
    answers, words = (list_of(entry, key, where) for key in ("answers", "text_answers"))
    for key, found in (("answers", answers), ("text_answers", words)):
        if len(found) != len(questions):
            fail(where, f'it has {len(questions)} "questions", but {len(found)} "{key}"')
    return questions, answers, words


def _instance(number: int, target: Any, entry: dict[str, Any], where: str) -> Instance:
    """Return a target, which may be named by its id only."""
    found = target
    if not isinstance(target, dict) or "segmentation" not in target:
        own = target if isinstance(target, dict) else {"id": target}
        key = id_of(own, "ann_id" if "ann_id" in own else "id")
        if key is None:
            fail(where, "it needs a segmentation, or the id of an annotation of ann_list")
        listed = entry.get("ann_list")
        known = [
            one for one in (listed if isinstance(listed, list) else []) if id_of(one, "id") == key
        ]
        if len(known) != 1:
            fail(where, f'"ann_list" has annotation {key:.60} {len(known)} times; expected is one')
        found = known[0]
    return Instance(
        label=f"roi{number}",
        segmentation=segmentation_of(found, where),
        crowd=crowd_of(found, where),
    )


def _answer(told: Any, count: int, where: str) -> str:
    """Return the words of an answer with ``{roi0}``, ``{roi1}``, ... in place of the targets."""
    if told is None:
        return ""
    if not isinstance(told, str):
        fail(where, f"the words of its answer must be a string or null, got {shown(told)}")
    pieces = told.strip().split(_PLACE)
    if len(pieces) - 1 != count:
        fail(
            where,
            f"the words of its answer have {len(pieces) - 1} times {_PLACE}, but it has {count} "
            "targets",
        )
    if "{roi" in told:
        fail(where, 'the words of its answer hold "{roi", which stands for a region')
    return "".join(piece + (f"{{roi{k}}}" if k < count else "") for k, piece in enumerate(pieces))
