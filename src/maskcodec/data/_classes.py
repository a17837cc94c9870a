"""Classes of a dataset: which of them an image says nothing about, given those that it shows."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from maskcodec.data.labels import MOST_LABEL, words_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    Relations = Mapping[str, Collection[str]]

# Names that say what something is not: tools and datasets have a category for the rest.
_NONE = frozenset({"background", "ignore", "ignored", "unlabeled", "unlabelled", "void"})
_MOST_KEPT = 100  # names that are kept as one's relatives; LVIS's have fewer


def is_class(name: str) -> bool:
    """Whether a name is a class's; that of what has no class is none.

    Examples
    --------
    >>> from maskcodec.data._classes import is_class
    >>> [is_class(name) for name in ("_background_", "__ignore__", "Void", "dog", "+")]
    [False, False, False, True, True]
    """
    return len(name) > MOST_LABEL or len(words_of(name)) != 1 or not words_of(name) <= _NONE


class Classes:
    """The classes of a dataset, and how they are related.

    Parameters
    ----------
    names
        Those that a question may ask for; what is no class is left out.
    kinds
        By a name what it is known as among `above`.
    above
        By a kind the broader ones that it belongs to. A broader one is there where a narrower
        one is, whatever its annotations say.
    synonyms
        By a name other names of it.

    Attributes
    ----------
    names
        Those that a question may ask for.
    """

    def __init__(
        self,
        names: Iterable[str],
        *,
        kinds: Mapping[str, str] | None = None,
        above: Relations | None = None,
        synonyms: Relations | None = None,
    ) -> None:
        self.names = tuple(filter(is_class, dict.fromkeys(names)))
        self._kinds = dict(kinds or {})
        self._above = {kind: set(broader) - {kind} for kind, broader in (above or {}).items()}
        self._below: defaultdict[str, set[str]] = defaultdict(set)
        for kind, broader in self._above.items():
            for one in broader:
                self._below[one].add(kind)
        others = synonyms or {}
        self._terms = {
            name: {words_of(term) for term in (name, *terms) if len(term) <= MOST_LABEL}
            for name in (dict.fromkeys([*self.names, *others]) if any(others.values()) else ())
            for terms in [others.get(name, ())]
        }
        self._users: defaultdict[str, set[str]] = defaultdict(set)  # of a word, in their terms
        for name, terms in self._terms.items():
            for word in frozenset[str]().union(*terms):
                self._users[word].add(name)
        self._kept: dict[str, frozenset[str]] = {}

    def given(
        self, present: Iterable[str], names: tuple[str, ...] | None = None
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """What may be asked of an image.

        Parameters
        ----------
        present
            The classes that it shows.
        names
            Those that may be denied if they are not there; by default all.

        Returns
        -------
        The names without those that a class that is there may be called as well: broader and
        narrower ones, and those of a synonym in common. And the classes that are there but must
        not be asked for, since a narrower one is, too: an answer would miss its instances.
        """
        there = dict.fromkeys(present)
        names = self.names if names is None else tuple(filter(is_class, names))
        kinds = {self._kinds[name] for name in there if name in self._kinds}
        broader = _reached(kinds, self._above)
        kin = broader | _reached(kinds, self._below)
        alike = frozenset[str]().union(*map(self._alike, there)) if self._terms else frozenset()
        if kin or alike:
            names = tuple(
                name
                for name in names
                if name in there or (self._kinds.get(name) not in kin and name not in alike)
            )
        return names, tuple(name for name in there if self._kinds.get(name) in broader)

    def _alike(self, name: str) -> frozenset[str]:
        """Names of which all words of a term are among those of one of its own, or around."""
        if name in self._kept:
            return self._kept[name]
        terms = self._terms.get(name, set())
        users = (self._users[word] for term in terms for word in term)
        found = frozenset(
            other
            for other in set[str]().union(*users)
            if any(a <= b or b <= a for a in terms for b in self._terms[other])
        )
        if len(found) <= _MOST_KEPT:
            self._kept[name] = found
        return found


def _reached(kinds: Collection[str], steps: Relations) -> set[str]:
    """All kinds that steps lead to, even if a file has put them in a circle."""
    found, waiting = set[str](), list(kinds)
    while waiting:
        new = set(steps.get(waiting.pop(), ())) - found
        found |= new
        waiting += new
    return found
