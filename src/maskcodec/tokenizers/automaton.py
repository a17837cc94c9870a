"""Automata over token ids: texts that spell no tag or brick, and labels that are not blank."""

from __future__ import annotations

from codecs import getincrementaldecoder
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import TypeAlias

    import numpy.typing as npt

    from maskcodec.masks.arrays import Index

    Flags: TypeAlias = npt.NDArray[np.bool_]

_SPACES = [chr(n) for n in range(0x3001) if chr(n).isspace()]  # no space is above U+3000
_SPACE_BEGINNINGS = {space.encode()[:n] for space in _SPACES for n in (1, 2)}


class Automaton(NamedTuple):
    """An automaton over ids; its first state is 0.

    Attributes
    ----------
    edges
        For each state, the next states and the sorted ids that lead to each.
    ends
        The states in which it may end.
    """

    edges: list[dict[int, Index]]
    ends: frozenset[int]


def text_automaton(
    pieces: dict[int, bytes], words: Iterable[str], still: frozenset[int] = frozenset()
) -> Automaton:
    """The automaton of all texts that spell none of the words, as `PlainText` defines them.

    Parameters
    ----------
    pieces
        The ids of tokens, and their bytes.
    words
        The words that a text must not spell.
    still
        The ids that do not change the state.
    """
    table = _plain_table(words)
    return _over_tokens(*_smallest(table, np.arange(len(table)) < len(table) - 1), pieces, still)


def label_automaton(pieces: dict[int, bytes], words: Iterable[str]) -> Automaton:
    """The automaton of all texts that spell none of the words and are not only white space."""
    plain = _plain_table(words)
    dead = len(plain) - 1
    # A state: the bytes of an unfinished character, and the state of `_plain_table`.
    states: dict[tuple[bytes, int], int] = {(b"", 0): 0}
    rows: list[list[int]] = []
    while len(rows) < len(states):
        half, begun = list(states)[len(rows)]
        row = []
        for byte in range(256):
            word = int(plain[begun, byte])
            after = _unshown(half + bytes([byte]))
            key = (b"" if after is None else after), word
            if word == dead:
                row.append(-1)
            elif after is None:
                row.append(-2 - word)
            else:
                row.append(states.setdefault(key, len(states)))
        rows.append(row)
    first = np.array(rows, np.int64)
    count = len(states)
    table = np.vstack([np.where(first < -1, count - 2 - first, first), plain + count])
    table[table < 0] = count + dead
    shown = np.arange(len(table))
    return _over_tokens(*_smallest(table, (shown >= count) & (shown < count + dead)), pieces)


def unshown(text: bytes) -> bytes | None:
    """The bytes of an unfinished character at the end of a label that is white space so far.

    None if the label has another character than white space.
    """
    decoder = getincrementaldecoder("utf-8")("ignore")
    return None if decoder.decode(text).strip() else decoder.getstate()[0]


def _unshown(text: bytes) -> bytes | None:
    """`unshown`, with one representative for all beginnings with the same continuations."""
    half = unshown(text)
    if half is None or len(half) < 2 or half in _SPACE_BEGINNINGS:
        return half
    missing = (4 if half[0] >= 0xF0 else 3) - len(half)
    letter = (half + b"\x80" * missing).decode(errors="ignore")
    return b"\xf1\x80\x80"[: 4 - missing] if letter else half  # surrogates are no characters


def _plain_table(words: Iterable[str]) -> Index:
    """The next state for each state and byte: int64 (states, 256).

    A state is the longest end of the text that begins a word. The last state means that a word
    was spelled.
    """
    spelled = {word.encode() for word in words}
    states = {b"": 0}
    for n in range(1, max(map(len, spelled))):
        for word in spelled:
            if len(word) > n:
                states.setdefault(word[:n], len(states))
    dead = len(states)
    children: list[dict[int, int]] = [{} for _ in states]
    for word in spelled:
        for n in range(len(word)):
            after = dead if word[: n + 1] in spelled else states[word[: n + 1]]
            children[states[word[:n]]][word[n]] = after
    table = np.full((dead + 1, 256), dead, np.int64)
    table[0] = 0
    fallback = [0] * (dead + 1)
    for state in range(dead):  # shorter beginnings come first
        if state:
            table[state] = table[fallback[state]]
        for byte, after in children[state].items():
            if table[state, byte] != dead:
                fallback[after] = int(table[state, byte]) if state else 0
                table[state, byte] = after
    return table


def _smallest(table: Index, ends: Flags) -> tuple[Index, Flags]:
    """The same automaton with the fewest states; the first state is still 0."""
    kind = ends.astype(np.int64)
    kinds = 0
    while True:
        _, first, kind = np.unique(
            np.column_stack([kind, kind[table]]), axis=0, return_index=True, return_inverse=True
        )
        kind = kind.reshape(-1)
        if len(first) == kinds:
            break
        kinds = len(first)
    order = np.argsort(np.where(first == first[kind[0]], -1, first))
    rank = np.empty(kinds, np.int64)
    rank[order] = np.arange(kinds)
    return rank[kind[table[first[order]]]], ends[first[order]]


def _over_tokens(
    table: Index, ends: Flags, pieces: dict[int, bytes], still: frozenset[int] = frozenset()
) -> Automaton:
    """An automaton over tokens, from an automaton over bytes; drops the state without a way out.

    Most tokens lead to the same state from everywhere. For each state, only tokens whose first
    byte leads elsewhere than from a similar state are followed again.
    """
    ids = np.array(sorted(pieces), np.int64)
    spelled = [pieces[number] for number in ids.tolist()]
    lengths = np.array([len(piece) for piece in spelled], np.int64)
    flat = np.frombuffer(b"".join(spelled), np.uint8)
    begins = np.cumsum(lengths) - lengths
    first = np.full(len(ids), 256)
    first[lengths > 0] = flat[begins[lengths > 0]]
    stays = np.isin(ids, sorted(still))
    stuck = (table == np.arange(len(table))[:, None]).all(axis=1)
    dead = int(np.flatnonzero(stuck & ~ends)[0])
    known: dict[int, Index] = {}

    def after(state: int) -> Index:
        """The state after each token, from one state."""
        base = min(known, key=lambda other: int((table[state] != table[other]).sum()), default=None)
        found = np.full(len(ids), state, np.int64) if base is None else known[base].copy()
        differs = np.ones(257, np.bool_)
        if base is not None:
            differs[:256] = table[state] != table[base]
        at = np.flatnonzero(differs[first])
        now, k = np.full(len(at), state, np.int64), 0
        left = np.arange(len(at))
        while len(left := left[lengths[at[left]] > k]):
            now[left] = table[now[left], flat[begins[at[left]] + k]]
            k += 1
        found[at] = now
        return found

    order = {0: 0}
    edges: list[dict[int, Index]] = []
    while len(edges) < len(order):
        state = list(order)[len(edges)]
        known[state] = after(state)
        found = np.where(stays & (known[state] != dead), state, known[state])
        sort = np.argsort(found, kind="stable")
        cuts = np.flatnonzero(np.diff(found[sort], prepend=-1))
        ways = {}
        for part in np.split(sort, cuts[1:]):
            target = int(found[part[0]])
            if target != dead:
                ways[order.setdefault(target, len(order))] = ids[part]
        edges.append(ways)
    return Automaton(edges, frozenset(order[state] for state in order if ends[state]))
