"""Read EarthReason: an image from above, a mask of one region, and questions with answers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from maskcodec.data._jsonfile import shown
from maskcodec.data._labelmaps import picture_mask
from maskcodec.data._pictures import picture_shape
from maskcodec.data.sample import Instance, Sample
from maskcodec.data.sources._records import RecordError, Records, as_object, fail, joined, list_of
from maskcodec.data.sources.reasonseg import (
    PICTURES,
    check_encoding,
    names_by_stem,
    only,
    read_record,
)
from maskcodec.errors import SourceError

if TYPE_CHECKING:
    import os

    from maskcodec.masks.runs import RunMask

_QUESTIONS = ".json", ".txt"


class EarthReason(Records):
    """The questions of a folder such as EarthReason's ``train``.

    The folder has ``images``; ``labels`` with a PNG for each image, black except for the region;
    and ``QAs`` with a JSON file for each image: ``{"questions": [...], "answer": [...]}``. A record
    is a question about one region, ``roi0``, or about none if the PNG is black. Its answer has the
    same number. If there are fewer answers than questions, they repeat in turn. The region comes
    behind the words of the answer.

    The layout is that of the authors' own reader (SegEarth-R1). It has not been checked against the
    dataset's files.

    Parameters
    ----------
    path
        The folder.
    images
        The folder of the images; by default ``images`` in `path`.
    name
        The prefix of keys, as in ``"earthreason:00017:0"``. The file's name and the number of the
        question follow.
    encoding
        The encoding of question files that are not UTF-8, such as ``"cp1252"``. Without it they are
        broken.

    Raises
    ------
    SourceError
        A folder cannot be read, or there are no questions.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        images: str | os.PathLike[str] = "",
        name: str = "earthreason",
        encoding: str = "",
    ) -> None:
        super().__init__(path, images or Path(path) / "images", name)
        self.encoding = check_encoding(encoding)
        self._pictures = names_by_stem(Path(self.images), PICTURES)
        self._labels = names_by_stem(self.path / "labels", (".png",))
        self._files = names_by_stem(self.path / "QAs", _QUESTIONS)
        if not self._files:
            raise SourceError(f"{self.path / 'QAs'} has no file of questions, {{name}}.json")
        self._records: list[tuple[str, int]] = []  # a name, and the number of its question
        for stem in sorted({*self._pictures, *self._labels, *self._files}):
            try:
                count = len(self._texts(stem)[0])
            except RecordError:
                count = 1
            self._records += [(stem, k) for k in range(count)]

    def __len__(self) -> int:
        return len(self._records)

    def _record(self, index: int) -> Sample:
        stem, number = self._records[index]
        questions, answers, picture, mask = self._latest(
            stem, lambda: (*self._texts(stem), *self._region(stem))
        )
        where = f"{self.path / 'QAs' / self._files[stem][0]}: question {number}"
        if number >= len(questions):
            fail(where, "it has gone since the folder was opened")
        answer = answers[number % len(answers)] if answers else ""
        for text in (questions[number], answer):
            if not isinstance(text, str) or (text is not answer and not text.strip()):
                fail(where, f"question and answer must be strings, got {shown(text)}")
        return Sample(
            key=f"{self.name}:{stem}:{number}",
            image=joined(self.images, picture, where),
            shape=mask.shape,
            task="reasoning",
            instances=(Instance(label="roi0", segmentation=mask),) if mask.any() else (),
            query=questions[number].strip(),
            answer=answer.strip(),
        )

    def _texts(self, stem: str) -> tuple[list[Any], list[Any]]:
        name = only(self._files.get(stem, []), f"{self.path}: {stem}", "file of questions in QAs")
        where = str(self.path / "QAs" / name)
        content = as_object(read_record(Path(where), self.encoding), where)
        # A list of texts, or one text.
        content = {key: [one] if isinstance(one, str) else one for key, one in content.items()}
        answers = "answer" if "answer" in content else "answers"
        questions = list_of(content, "questions", where, filled=True)
        return questions, list_of(content, answers, where)

    def _region(self, stem: str) -> tuple[str, RunMask]:
        where = f"{self.path}: {stem}"
        picture = only(self._pictures.get(stem, []), where, "image")
        label = only(self._labels.get(stem, []), where, "PNG in labels")
        try:
            shape = picture_shape(Path(self.images) / picture)
            return picture, picture_mask(self.path / "labels" / label, shape)
        except SourceError as error:
            fail(where, str(error))
