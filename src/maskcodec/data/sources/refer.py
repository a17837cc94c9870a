"""Read REFER's datasets: RefCOCO, RefCOCO+, RefCOCOg, RefCLEF, and RRSIS-D in their layout."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from maskcodec.data._jsonfile import content, id_of, shown
from maskcodec.data._pickle import read_pickle
from maskcodec.data.sample import Instance, Sample
from maskcodec.data.sources._instances import Instances
from maskcodec.data.sources._records import (
    Records,
    as_object,
    fail,
    joined,
    list_of,
    needed_id,
    text_of,
)
from maskcodec.errors import SourceError
from maskcodec.files.regular import is_file
from maskcodec.messages import brief, few

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

_LARGEST = 1 << 29  # bytes of a pickle, which is held as a whole; RefCOCO's have some 50 MB
_KEPT = "ref_id", "image_id", "ann_id", "split", "no_target"


class Refer(Records):
    """The expressions of a folder with ``refs(*.p)`` and ``instances.json``, one object each.

    A record is a sentence of a ref. The refs are a pickle. Only plain data is read, and none of its
    code runs, see `maskcodec.data._pickle`. The reader keeps the positions of those annotations in
    ``instances.json`` that the refs of the split name. Entries of ``instances.json`` without an id
    are broken records, behind all others.

    Parameters
    ----------
    path
        The folder.
    split
        The split of the refs: ``"train"``, ``"val"``, ``"testA"``, ..., several with commas between
        them, or ``"all"``.
    split_by
        The author of the split, in the brackets of the file's name: ``"unc"``, ``"google"``,
        ``"umd"``, ``"berkeley"``. It may be left out if there is one such file.
    images
        A folder or an address to put before the images' names, which are in ``instances.json``.
    name
        The prefix of keys, as in ``"refcoco:17:42"``. The ids of the ref and the sentence follow.
        By default the folder's name.

    Raises
    ------
    SourceError
        The folder has no such files, they cannot be read, the pickle holds more than plain data,
        or no ref is of the split.
    """

    _FILE = "refs({}).p"

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        split: str = "train",
        split_by: str = "",
        images: str | os.PathLike[str] = "",
        name: str = "",
    ) -> None:
        folder = Path(path)
        super().__init__(self._find(folder, split_by), images, name or folder.resolve().name)
        self._chosen = _of_split(self._read(self.path), split, self.path)
        self._records: list[tuple[int, int]] = []  # a ref, and its sentence; -1 if it has none
        self._repeated: dict[int, int] = {}  # refs whose id an earlier ref has: the earlier ref
        self._again: set[tuple[int, int]] = set()  # sentences whose id an earlier one has
        seen: dict[str, int] = {}
        wanted: set[str] = set()
        for number, ref in self._chosen.items():
            self._list(number, ref.get("sentences") if isinstance(ref, dict) else None)
            if isinstance(ref, dict):
                wanted.update(ids_of(ref.get("ann_id")) or ())
                key = id_of(ref, "ref_id")
                if key is not None and seen.setdefault(key, number) != number:
                    self._repeated[number] = seen[key]
        self._instances = Instances(folder / "instances.json", wanted)

    def _list(self, number: int, sentences: Any) -> None:
        """Make a record of each sentence of a ref, or one broken record if it has none."""
        if not isinstance(sentences, list) or not sentences:
            self._records.append((number, -1))
            return
        seen: set[str] = set()
        for k, sentence in enumerate(sentences):
            self._records.append((number, k))
            key = id_of(sentence, "sent_id")
            if key in seen:
                self._again.add((number, k))
            seen.add(str(key))

    def _find(self, folder: Path, split_by: str) -> Path:
        listed = folder.glob(self._FILE.format("*"))
        found = sorted(path.name for path in listed if is_file(path))
        if not found:
            raise SourceError(
                f"{folder} has no {self._FILE.format('*')}; expected is the folder with that and "
                "instances.json"
            )
        if split_by and self._FILE.format(split_by) in found:
            return folder / self._FILE.format(split_by)
        if split_by or len(found) > 1:
            wrong = f"no {self._FILE.format(split_by)}" if split_by else "several of them"
            raise SourceError(
                f"{folder} has {wrong}; split_by= chooses one by what is in its brackets: "
                f"{', '.join(found)}"
            )
        return folder / found[0]

    def _read(self, path: Path) -> Iterable[Any]:
        refs = read_pickle(content(path, _LARGEST), str(path))
        if not isinstance(refs, list):
            raise SourceError(f"{path} must hold a list of refs, but it holds {shown(refs)}")
        return refs

    def _targets(self, ref: dict[str, Any], where: str) -> list[str]:
        """Return the ids of the annotations that a ref names."""
        return [needed_id(ref, "ann_id", where)]

    def __len__(self) -> int:
        return len(self._records) + len(self._instances.broken)

    def _record(self, index: int) -> Sample:
        if index >= len(self._records):
            fail(*self._instances.broken[index - len(self._records)])
        number, sentence = self._records[index]
        where = f"{self.path}: ref {number}"
        ref = as_object(self._chosen[number], where)
        if not isinstance(ref.get("split"), str):
            fail(where, f'its "split" is {shown(ref.get("split"))}, which is no name')
        key, image = needed_id(ref, "ref_id", where), needed_id(ref, "image_id", where)
        if number in self._repeated:
            fail(where, f'its "ref_id" {key:.60} is that of ref {self._repeated[number]}')
        sentences = list_of(ref, "sentences", where, filled=True)
        targets = self._targets(ref, where)
        where = f"{where}, sentence {sentence}"
        spoken = as_object(sentences[sentence], where)
        own, expression = needed_id(spoken, "sent_id", where), text_of(spoken, "sent", where)
        if (number, sentence) in self._again:
            fail(where, f'its "sent_id" {own:.60} is that of a sentence before it')
        file, shape = self._instances.image(image, where)
        masks = self._latest(
            number, lambda: [self._instances.annotation(one, image, where) for one in targets]
        )
        return Sample(
            key=f"{self.name}:{key}:{own}",
            image=joined(self.images, file, where),
            shape=shape,
            task="expression",
            instances=tuple(
                Instance(label=expression, segmentation=segmentation, crowd=crowd)
                for segmentation, crowd in masks
            ),
            query=expression,
        )


def ids_of(value: Any) -> list[str] | None:
    """Return one id or several as a list; None if any is no id."""
    found = [id_of({"id": one}, "id") for one in (value if isinstance(value, list) else [value])]
    return None if None in found else [str(one) for one in found]


def _of_split(refs: Iterable[Any], split: str, path: Path) -> dict[int, Any]:
    """Return the refs of some splits by their numbers, and those whose split is no name."""
    wanted = {part.strip() for part in split.split(",")}
    there: Counter[str] = Counter()
    chosen: dict[int, Any] = {}
    for number, ref in enumerate(refs):
        own = ref.get("split") if isinstance(ref, dict) else None
        if isinstance(own, str):
            there[own] += 1
        if not isinstance(own, str) or wanted & {own, "all"}:
            chosen[number] = _trimmed(ref)
    missing = sorted(wanted - {*there, "all"})
    if missing:
        known = few(f"{brief(name)[1:-1]} ({count})" for name, count in there.items())
        raise SourceError(f"{path} has no ref of the split {missing[0]!r}; it has {known}")
    return chosen


def _trimmed(ref: Any) -> Any:
    """Return a ref with only the fields that a sample needs."""
    if not isinstance(ref, dict):
        return ref
    kept = {key: ref[key] for key in _KEPT if key in ref}
    spoken = ref.get("sentences")
    if isinstance(spoken, list):
        spoken = [
            {key: one[key] for key in ("sent_id", "sent") if key in one}
            if isinstance(one, dict)
            else one
            for one in spoken
        ]
    return kept | {"sentences": spoken}
