"""The classes of a dataset, and which of them a question about an image may ask for."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from maskcodec.data.labels import MOST_LABEL, words_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    Relations = Mapping[str, Collection[str]]

# Names of the category that tools and datasets have for pixels without a class.
_NONE = frozenset({"background", "ignore", "ignored", "unlabeled", "unlabelled", "void"})
_MOST_KEPT = 100  # relatives of a name that are cached; LVIS's names have fewer


def is_class(name: str) -> bool:
    """Whether a name is that of a class, and not of pixels without one.

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
        The classes that a question may ask for. Names that are no class are left out.
    kinds
        The kind of each name, as `above` has it.
    above
        The broader kinds of each kind. An image that shows a narrower kind also shows the broader
        one, with or without an annotation.
    synonyms
        Other names of each name.

    Attributes
    ----------
    names
        The classes that a question may ask for.
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
        self._users: defaultdict[str, set[str]] = defaultdict(set)  # by word: names that use it
        for name, terms in self._terms.items():
            for word in frozenset[str]().union(*terms):
                self._users[word].add(name)
        self._kept: dict[str, frozenset[str]] = {}

    def given(
        self, present: Iterable[str], names: tuple[str, ...] | None = None
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the classes that may be asked of an image, and those that may not.

        Parameters
        ----------
        present
            The classes that the image shows.
        names
            The classes that may be denied if the image does not show them; by default all.

        Returns
        -------
        First, `names` without absent relatives of a class that the image shows: broader and
        narrower classes, and those with a synonym in common. Second, the classes that the image
        shows but that no question may ask for: the image also shows a narrower class, and an
        answer would miss its instances.
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
        """Return names with a term that has all words of a term of this name, or the reverse."""
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
    """Return all kinds that steps lead to, even if a file has put them in a circle."""
    found, waiting = set[str](), list(kinds)
    while waiting:
        new = set(steps.get(waiting.pop(), ())) - found
        found |= new
        waiting += new
    return found
