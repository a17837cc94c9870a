"""Classes of a dataset: which of them an image says nothing about, given those that it shows."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from maskcodec.data.labels import words_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

# Of names that say what something is not: tools and datasets have a category for the rest.
_NONE = frozenset({"background", "ignore", "ignored", "unlabeled", "unlabelled", "void"})


def is_class(name: str) -> bool:
    """Whether a name is a class's; that of what has no class is none.

    Examples
    --------
    >>> from maskcodec.data._classes import is_class
    >>> [is_class(name) for name in ("_background_", "__ignore__", "Void", "dog", "+")]
    [False, False, False, True, True]
    """
    found = words_of(name)
    return len(found) != 1 or not found <= _NONE


class Classes:
    """The classes of a dataset, and how they are related.

    Parameters
    ----------
    names
        Those that a question may ask for; what is no class is left out.
    above
        By a name those of the broader classes that it belongs to. A broader one is there where
        a narrower one is, whatever its annotations say.
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
        above: Mapping[str, Collection[str]],
        synonyms: Mapping[str, Collection[str]],
    ) -> None:
        self.names = tuple(filter(is_class, dict.fromkeys(names)))
        self._above = {name: found for name in above if (found := _closed(name, above))}
        self._below: defaultdict[str, set[str]] = defaultdict(set)
        for name, found in self._above.items():
            for broader in found:
                self._below[broader].add(name)
        self._terms = {
            name: {words_of(term) for term in (name, *synonyms.get(name, ()))}
            for name in (dict.fromkeys([*self.names, *synonyms]) if synonyms else ())
        }
        self._users: defaultdict[str, set[str]] = defaultdict(set)  # of a word, in their terms
        for name, terms in self._terms.items():
            for word in set[str]().union(*terms):
                self._users[word].add(name)
        self._kin: dict[str, frozenset[str]] = {}

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
        broader = set[str]().union(*(self._above.get(name, ()) for name in there))
        related = broader.union(*(self._related(name) for name in there))
        if not related.isdisjoint(names):
            names = tuple(name for name in names if name not in related or name in there)
        return names, tuple(name for name in there if name in broader)

    def _related(self, name: str) -> frozenset[str]:
        """Narrower classes, and others of which all words of a term are among those of its own."""
        if name not in self._kin:
            found, terms = set(self._below.get(name, ())), self._terms.get(name, set())
            users = (self._users[word] for term in terms for word in term)
            for other in set[str]().union(*users):
                if any(a <= b or b <= a for a in terms for b in self._terms[other]):
                    found.add(other)
            self._kin[name] = frozenset(found - {name})
        return self._kin[name]


def _closed(name: str, above: Mapping[str, Collection[str]]) -> frozenset[str]:
    """All classes above one, which a file may put in a circle."""
    found, waiting = set[str](), [name]
    while waiting:
        new = set(above.get(waiting.pop(), ())) - found
        found |= new
        waiting += new
    return frozenset(found - {name})
