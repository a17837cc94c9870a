"""The guide of R-RLE and I-RLE: a fixed set of labels, and exactly rows x columns cells."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from maskcodec.errors import VocabError
from maskcodec.tokenizers.guide import FREE, Guide, State
from maskcodec.tokenizers.token_bytes import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from maskcodec.formats.labels.base import LabelCodec
    from maskcodec.masks.arrays import Index
    from maskcodec.tokenizers.guide import GuideOptions, GuideWords
    from maskcodec.tokenizers.vocab import Vocab

_CELLS = "cells"
_SPACE, _ZERO = b" 0"
_DIGITS = b"0123456789"
_DIGIT = re.compile(rb"[0-9]")
_IN_LABEL, _IN_COUNT, _IN_MARK, _DONE = range(4)
_REMEMBERED = 20_000  # states whose tokens are kept


class RunState(NamedTuple):
    """The state of a descriptor that is partly written.

    Attributes
    ----------
    below
        Rows below the current one.
    left
        Cells left in the row, the current run's included.
    before
        The label of the run before in the row, -1 for none.
    phase
        In a label, in a count, in the mark behind a run, or done.
    at
        By phase: the node in the tree of labels, the label, the label, unused.
    number
        By phase: whether a space may come; the count so far; the count, shifted left by 8 bits,
        with the written bytes of the mark; unused.
    """

    below: int
    left: int
    before: int
    phase: int
    at: int
    number: int


class GridGuide(Guide):
    """The automaton of R-RLE and I-RLE over tokens, made from one over bytes.

    States are (FREE, descriptors so far, end of the text), (CELLS, `RunState`) and (END,).

    Parameters
    ----------
    codec, vocab
        The codec and its ids.
    words, options
        The tokens to choose from, and the options of the guide.
    labels
        The labels to choose from, the background included.
    """

    def __init__(
        self,
        codec: LabelCodec,
        vocab: Vocab,
        words: GuideWords,
        options: GuideOptions,
        *,
        labels: Sequence[str],
    ) -> None:
        rows, columns = codec.canvas
        self._rows, self._columns = (rows, columns) if codec.by_row else (1, rows * columns)
        self._seg, self._seg_end = (vocab.words[tag] for tag in codec.seg_tags)
        self._only_end = frozen(np.array([self._seg_end], np.int64))
        star, bar, newline, last = (mark.encode() for mark in codec.marks())
        self._bar, self._newline, self._last = bar, newline, last
        self._alternate = options.colours == "alternate" and len(labels) > 1
        self._nodes: list[dict[int, int]] = [{}]
        self._below: list[set[int]] = [set()]  # the labels below each node
        self._leaves: dict[int, int] = {}
        for k, label in enumerate(labels):
            self._plant(label.encode() + star, k)
        written = [*labels, *(codec.marks() if codec.by_row else codec.marks()[:2])]
        alphabet = set(" ".join(written).encode() + _DIGITS)
        tokens = {n: p for n, p in words.pieces.items() if p and alphabet.issuperset(p)}
        _check_alphabet("".join([*written, _DIGITS.decode()]), set(tokens.values()))
        self._pieces = tokens
        self._trie, self._ids = _trie(tokens)
        # The reach of one token: rows, the factor by which it extends a count, and cells in all.
        self._ahead = 1 + max(piece.count(b"\n") for piece in tokens.values())
        numbers = [re.findall(rb"[0-9]+", piece) for piece in tokens.values()]
        self._digits = 10 ** max(len(number) for found in numbers for number in found)
        self._single = all(len(piece) == 1 for piece in tokens.values() if _DIGIT.search(piece))
        self._most = 1 + max(sum(map(int, found)) for found in numbers)
        self._known: dict[RunState, Index] = {}
        super().__init__(words, options)
        for count in (0, 1):
            self.options((FREE, count, b""))  # make the long lists now, so that no answer waits

    def options(self, state: State) -> Index:
        """The ids that may come next in a state: int64, sorted, read-only, never empty."""
        if state[0] == FREE:
            also = sorted(self._ends) if state[1] else [self._seg]  # an answer has a grid
            return self._text.options(state[2], tuple(also))
        if state[0] != _CELLS:
            return self._after
        run: RunState = state[1]
        key = self._alike(run)
        ids = self._known.get(key)
        if ids is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            ids = self._known[key] = self._search(key)
        return ids

    def _alike(self, run: RunState) -> RunState:
        """A state with the same options; one for all states that are cheap to recognise as alike.

        The numbers of cells and rows left only matter within the reach of one token. If every digit
        of a count is a token, it only matters whether the count fills the row, and which digits may
        follow.
        """
        phase, written = run.phase, run.number & 0xFF if run.phase == _IN_MARK else 0
        count = {_IN_COUNT: run.number, _IN_MARK: run.number >> 8}.get(phase, 0)
        left = min(run.left, (count + 1) * self._digits + self._most)
        if self._single and phase != _DONE:
            full, digit = count == left, min(left - 10 * count, 9)
            if count > 0:
                left = 1 if full else 10 + digit if digit >= 0 else 2
                count = 1
            else:
                left = min(left, 9)
        below = min(run.below, self._ahead)
        number = count << 8 | written if phase == _IN_MARK else count or run.number
        if phase == _IN_LABEL:
            return RunState(
                below, left, run.before if self._alternate else -1, phase, run.at, number
            )
        return RunState(below, left, -1, phase, run.at if self._alternate else 0, number)

    def _outset(self) -> State:
        return FREE, 0, b""

    def _step(self, state: State, number: int) -> State | None:
        if state[0] == FREE:
            if number in self._ends and not state[1]:
                return None
            if number != self._seg:
                return self._step_text(state, number)
            # Some tokenizers begin any text with a space, which decoders ignore.
            begun = self._row(self._rows - 1)._replace(number=1)
            return None if state[1] else (_CELLS, begun)
        if state[0] != _CELLS:
            return state if number in self._after else None
        run: RunState | None = state[1]
        if number == self._seg_end:
            return (FREE, 1, self._text.behind) if self._ends_here(state[1]) else None
        for byte in self._pieces.get(number, b""):
            run = None if run is None else self._byte(run, byte)
        return None if run is None or number not in self._pieces else (_CELLS, run)

    def _search(self, state: RunState) -> Index:
        """Walk the trie of tokens; return the tokens whose bytes may all come."""
        found = [self._seg_end] if self._ends_here(state) else []
        stack = [(0, state)]
        while stack:
            node, run = stack.pop()
            children = self._trie[node]
            for byte in self._bytes(run):
                child = children.get(byte)
                after = None if child is None else self._byte(run, byte)
                if child is not None and after is not None:
                    found += self._ids.get(child, ())
                    stack.append((child, after))
        return frozen(np.array(sorted(found), np.int64))

    def _row(self, below: int) -> RunState:
        return RunState(below, self._columns, -1, _IN_LABEL, 0, 0)

    def _ends_here(self, run: RunState) -> bool:
        if run.phase == _IN_COUNT and not self._last:
            return run.below == 0 and run.number == run.left
        return run.phase == _DONE

    def _bytes(self, run: RunState) -> Iterable[int]:
        """The bytes that may come, and some others; `_byte` decides."""
        if run.phase == _IN_LABEL:
            return [*self._nodes[run.at], *b" " * run.number]
        if run.phase == _IN_COUNT:
            mark = self._mark(run, run.number)
            return _DIGITS + mark[:1] * (run.number > 0)
        return self._mark(run, run.number >> 8)[run.number & 0xFF :][:1]

    def _byte(self, run: RunState, byte: int) -> RunState | None:
        """The state after a byte, or None if the byte may not come."""
        below, left, before, phase, at, number = run
        if phase == _IN_LABEL:
            if number and byte == _SPACE:
                return run._replace(number=0)
            child = self._nodes[at].get(byte)
            if child is None or (self._alternate and self._below[child] <= {before}):
                return None
            leaf = self._leaves.get(child)
            if leaf is None:
                return run._replace(at=child, number=0)
            return RunState(below, left, before, _IN_COUNT, leaf, 0)
        if phase == _IN_COUNT:
            if byte in _DIGITS and (number > 0 or byte != _ZERO):
                number = 10 * number + byte - _ZERO
                return run._replace(number=number) if number <= left else None
            if number == 0:
                return None
            return self._in_mark(run, number, 0, byte)
        if phase == _IN_MARK:
            return self._in_mark(run, number >> 8, number & 0xFF, byte)
        return None

    def _mark(self, run: RunState, count: int) -> bytes:
        """The mark behind a run of `count` cells."""
        if run.phase == _DONE:
            return b""
        if count < run.left:
            return self._bar
        return self._newline if run.below else self._last

    def _in_mark(self, run: RunState, count: int, written: int, byte: int) -> RunState | None:
        mark = self._mark(run, count)
        if mark[written : written + 1] != bytes([byte]):
            return None
        written += 1
        if written < len(mark):
            return run._replace(phase=_IN_MARK, number=count << 8 | written)
        if count < run.left:
            return RunState(run.below, run.left - count, run.at, _IN_LABEL, 0, 0)
        if run.below:
            return self._row(run.below - 1)
        return RunState(0, 0, -1, _DONE, 0, 0)

    def _plant(self, spelled: bytes, label: int) -> None:
        node = 0
        for byte in spelled:
            self._below[node].add(label)
            if byte not in self._nodes[node]:
                self._nodes[node][byte] = len(self._nodes)
                self._nodes.append({})
                self._below.append(set())
            node = self._nodes[node][byte]
        self._below[node].add(label)
        self._leaves[node] = label


def _trie(tokens: dict[int, bytes]) -> tuple[list[dict[int, int]], dict[int, list[int]]]:
    """The tokens as a tree of bytes, and the ids that end at each node."""
    nodes: list[dict[int, int]] = [{}]
    ids: dict[int, list[int]] = {}
    for number, piece in tokens.items():
        node = 0
        for byte in piece:
            if byte not in nodes[node]:
                nodes[node][byte] = len(nodes)
                nodes.append({})
            node = nodes[node][byte]
        ids.setdefault(node, []).append(number)
    return nodes, ids


def _check_alphabet(characters: str, tokens: set[bytes]) -> None:
    """Refuse a vocabulary in which a label could begin but never end."""
    for character in dict.fromkeys(characters):
        spelled = character.encode()
        if spelled not in tokens and not all(bytes([byte]) in tokens for byte in spelled):
            raise VocabError(
                f"a guide needs a token for every character of the labels and between them, and "
                f"this tokenizer has none for {character!r}"
            )
