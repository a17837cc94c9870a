"""Grammars of token ids for serving engines, in the notations of xgrammar and llguidance."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from maskcodec.errors import ConfigError
from maskcodec.messages import check_choice
from maskcodec.tokenizers.automaton import Automaton, label_automaton, text_automaton
from maskcodec.tokenizers.token_bytes import PlainText

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from maskcodec.masks.arrays import Index
    from maskcodec.tokenizers.guide import GuideOptions, GuideWords

Dialect: TypeAlias = Literal["xgrammar", "llguidance"]

EMPTY = '""'


class Grammar:
    """Rules over ids, written as xgrammar's EBNF or as llguidance's Lark.

    A way (an alternative of a rule) is a text: sets of ids and names of rules in sequence.

    Parameters
    ----------
    dialect
        ``"xgrammar"`` or ``"llguidance"``.
    known
        All ids of the vocabulary, sorted.
    """

    def __init__(self, dialect: Dialect, known: Index) -> None:
        check_choice(dialect, Dialect, "dialect")
        self.lark = dialect == "llguidance"
        self._known = known
        # Without it, llguidance 1.9 skips the second of two equal ids that are both forced.
        self._lines = ['%llguidance {"no_forcing": true}'] if self.lark else []

    def __str__(self) -> str:
        return "\n".join(self._lines) + "\n"

    def ids(self, *ids: int) -> str:
        """A term that matches one of these ids; the vocabulary must have all of them."""
        numbers = np.unique(np.array(ids, np.int64))
        if self.lark:
            return f"<[{','.join(_ranges(numbers))}]>"
        if 2 * len(numbers) <= len(self._known):
            return f"Token({', '.join(map(str, numbers.tolist()))})"
        others = np.setdiff1d(np.arange(self._known[-1] + 1), numbers)
        return f"ExcludeToken({', '.join(map(str, others.tolist()))})"

    def rule(self, name: str, ways: Iterable[str]) -> str:
        """Add a rule with these ways; returns its name."""
        self._lines.append(f"{name} {':' if self.lark else '::='} {' | '.join(ways)}")
        return name

    def root(self, ways: Iterable[str]) -> None:
        """Add the root rule, which describes a whole answer."""
        self.rule("start" if self.lark else "root", ways)

    def automaton(self, name: str, automaton: Automaton) -> str:
        """Add the rules of an automaton with at least one edge; returns the first rule's name.

        Use it for short inputs: every id opens a rule, and all rules close at the end.
        """
        edges, ends = automaton
        names = [name, *(f"{name}_{state}" for state in range(1, len(edges)))]
        for state, after in enumerate(edges):
            ways = [EMPTY] if state in ends and after else []
            for target, ids in after.items():
                ways.append(self.ids(*ids) + f" {names[target]}" * bool(edges[target]))
            if ways:
                self.rule(names[state], ways)
        return name

    def long_automaton(self, name: str, automaton: Automaton) -> str:
        """Add the rules of an automaton that may read any number of ids; returns the name.

        Most ids lead to the same state from all states that may end, or from all that may not:
        these ids are written once. For xgrammar, a rule ends with the name of the next state's
        rule: xgrammar then forgets the first one. For llguidance, a rule must begin with the name
        of the previous state's rule; at the beginning, the rules of all states are open.
        """
        edges, ends = automaton
        ways = defaultdict(list)
        if self.lark:
            ways[f"{name}_0"] = [EMPTY]
        else:
            ways[name] = [f"{name}_0"]
        for last in (False, True):
            states = [state for state in range(len(edges)) if (state in ends) == last]
            if not states:
                continue
            every = f"{name}_{'any' if last else 'none'}"
            common = _common([edges[state] for state in states])
            sources = [(every, common)]
            for state in states:
                own = f"{name}_{state}"
                if self.lark:
                    ways[every].append(own)
                else:
                    ways[own] += [EMPTY] * last + [every] * bool(common)
                rest = {
                    target: np.setdiff1d(ids, common.get(target, ()), assume_unique=True)
                    for target, ids in edges[state].items()
                }
                sources.append((own, rest))
            for source, after in sources:
                for target, ids in after.items():
                    if len(ids) and self.lark:
                        ways[f"{name}_{target}"].append(f"{source} {self.ids(*ids)}")
                    elif len(ids):
                        ways[source].append(f"{self.ids(*ids)} {name}_{target}")
        if self.lark:
            ways[name] = [f"{name}_any"]
        for rule, found in ways.items():
            self.rule(rule, found)
        return name


def _common(edges: Sequence[dict[int, Index]]) -> dict[int, Index]:
    """The edges that all the states share."""
    common = dict(edges[0])
    for others in edges[1:]:
        common = {
            target: np.intersect1d(ids, others.get(target, ()), assume_unique=True)
            for target, ids in common.items()
        }
    return {target: ids for target, ids in common.items() if len(ids)}


def _ranges(ids: Index) -> list[str]:
    parts = np.split(ids, np.flatnonzero(np.diff(ids) > 1) + 1)
    return [f"{p[0]}-{p[-1]}" if len(p) > 1 else str(p[0]) for p in map(np.ndarray.tolist, parts)]


def add_answer(
    grammar: Grammar,
    words: GuideWords,
    options: GuideOptions,
    labels: Sequence[Sequence[int]] | None,
    tags: Sequence[int],
    rest: str,
) -> None:
    """Add the rules of a whole answer: its instances, and the text around them if allowed.

    Parameters
    ----------
    grammar
        The grammar; it must have the rules that `rest` names.
    words, options
        The tokens of the vocabulary by their use, and the options of the guide.
    labels
        The ids of each allowed label; None for any label.
    tags
        The ids of the two tags around a label.
    rest
        The terms of an instance behind its label's closing tag.
    """
    if labels is None:
        grammar.long_automaton("label", label_automaton(words.within.pieces, words.within.words))
    else:
        grammar.automaton("label", _tree(labels))
    ref, ref_end = map(grammar.ids, tags)
    text, most = words.text, options.instances
    instance = f"{ref} label {ref_end} {rest}"
    if isinstance(text, PlainText):
        grammar.long_automaton("text", text_automaton(text.pieces, text.words, words.always))
        grammar.rule("more", [f"{instance} text"])
        ways = ["text" + ("" if most == 0 else " more*" if most is None else f" more{{0,{most}}}")]
    else:
        grammar.rule("more", [instance])
        more = "more+" if most is None else f"more{{1,{most}}}"
        ways = [*([f"{grammar.ids(*text.spaces)} {more}"] if text.spaces else []), more]
    grammar.root(ways)


def _tree(labels: Sequence[Sequence[int]]) -> Automaton:
    if not labels:
        raise ConfigError("labels must have at least one label to choose from, got none")
    edges: list[dict[int, Index]] = [{}]
    ends = set()
    for label in labels:
        node = 0
        for number in label:
            after = next((n for n, ids in edges[node].items() if ids[0] == number), len(edges))
            if after == len(edges):
                edges.append({})
                edges[node][after] = np.array([number], np.int64)
            node = after
        ends.add(node)
    return Automaton(edges, frozenset(ends))
