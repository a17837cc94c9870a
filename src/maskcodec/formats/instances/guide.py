"""The guide of instances: the ids that may come next in a label, a box, and its rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from maskcodec.errors import ConfigError
from maskcodec.formats.instances.guide_box import BoxGuide, LocationGuide
from maskcodec.formats.instances.spelling import BOX, BOX_END, REF, REF_END, SEG
from maskcodec.tokenizers.automaton import unshown
from maskcodec.tokenizers.guide import END, FREE, Guide, State
from maskcodec.tokenizers.token_bytes import frozen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maskcodec.formats.instances.boxes import Box
    from maskcodec.formats.instances.codec import RegionCodec
    from maskcodec.masks.arrays import Index
    from maskcodec.tokenizers.guide import GuideOptions, GuideWords
    from maskcodec.tokenizers.vocab import Vocab

_LABEL, _LISTED, _BOX_TAG, _BOX, _SEG_TAG, _ROWS = (
    "label",
    "listed",
    "<box>",
    "box",
    "<seg>",
    "rows",
)


class RowGuide(Protocol):
    """The ids that may come next between ``<seg>`` and ``</seg>``, and when ``</seg>`` may come."""

    def start(self, box: Box) -> Any:
        """The state behind ``<seg>`` in a box."""

    def options(self, state: Any) -> Index:
        """The ids that may come next: int64, sorted, read-only, never empty."""

    def step(self, state: Any, number: int) -> Any:
        """The state after an id other than ``</seg>``, or None if the id may not come."""

    def ends(self, state: Any, number: int) -> bool:
        """Whether the id is ``</seg>`` and may come."""


class BrickGuide(Guide):
    """The automaton of instances with bricks.

    The states are:

    - (FREE, instances so far, end of the text)
    - (LABEL, instances, half a letter or None after a visible character, end of the text)
    - (LISTED, instances, node)
    - (BOX_TAG, instances)
    - (BOX, instances, state of the box's guide)
    - (SEG_TAG, instances, box or None)
    - (ROWS, instances, state of `rows`)
    - (END,)

    Parameters
    ----------
    codec, vocab
        The codec and its ids.
    rows
        The guide of the format's rows.
    tokens, options
        The tokens to choose from, and the options of the guide.
    labels
        The ids of each label to choose from; None for any label.
    """

    def __init__(
        self,
        codec: RegionCodec,
        vocab: Vocab,
        rows: RowGuide,
        tokens: GuideWords,
        options: GuideOptions,
        *,
        labels: Sequence[Sequence[int]] | None,
    ) -> None:
        words: Any = codec.words()
        tags = words.tags if isinstance(words.tags, dict) else dict(enumerate(words.tags))
        self._tags = {kind: vocab.words[tag] for kind, tag in tags.items()}
        self._only = {kind: frozen(np.array([tag])) for kind, tag in self._tags.items()}
        self._instances = options.instances
        locations = [vocab.words[word] for word in words.locations()]
        self._box: Any = None  # of a format with boxes
        if words.boxes is not None and locations:
            self._box = LocationGuide(locations, words.boxes)
        elif words.boxes is not None:
            self._box = BoxGuide(tokens.pieces, tokens.continuing, words.boxes)
        self._rows = rows
        self._pieces = tokens.pieces
        self._tree = None if labels is None else _tree(labels, self._tags[REF_END])
        self._label_text = tokens.within
        super().__init__(tokens, options)
        for state in (self._outset(), (_LABEL, 0, b"", b""), (_LABEL, 0, None, b"")):
            self.options(state)  # make the long lists now, so that no answer waits for them

    def options(self, state: State) -> Index:
        """The ids that may come next in a state: int64, sorted, read-only, never empty."""
        phase = state[0]
        if phase == _ROWS:
            return self._rows.options(state[2])
        if phase == FREE:
            more = self._instances is None or state[1] < self._instances
            also = (self._tags[REF],) if more else ()
            if state[1] or not self._text.silent:
                also = (*also, *sorted(self._ends))
            return self._text.options(state[2], also)
        if phase == _LABEL:
            also = (self._tags[REF_END],) if state[2] is None else ()
            return self._label_text.options(state[3], also)
        if phase == _LISTED:
            assert self._tree is not None
            return self._tree[state[2]][1]
        if phase == _BOX:
            return self._only[BOX_END] if state[2].done else self._box.options(state[2])
        tag = {_BOX_TAG: BOX, _SEG_TAG: SEG}.get(phase)
        return self._after if tag is None else self._only[tag]

    def _outset(self) -> State:
        return FREE, 0, b""

    def _step(self, state: State, number: int) -> State | None:
        phase, count = state[0], state[-1] if state[0] == END else state[1]
        after: State | None = None
        if phase == _ROWS:
            following = self._rows.step(state[2], number)
            if following is not None:
                after = _ROWS, count, following
            elif self._rows.ends(state[2], number):
                after = FREE, count + 1, self._text.behind
        elif phase == FREE:
            if number != self._tags[REF]:
                after = self._step_text(state, number)
            elif self._instances is None or count < self._instances:
                after = (_LABEL, count, b"", b"") if self._tree is None else (_LISTED, count, 0)
        elif phase == _LABEL:
            if number != self._tags[REF_END]:
                end = self._label_text.step(state[3], number)
                if end is not None:
                    half = state[2]
                    if half is not None:
                        half = unshown(half + self._pieces[number])
                    after = _LABEL, count, half, end
            elif state[2] is None:
                after = self._behind_label(count)
        elif phase == _LISTED:
            assert self._tree is not None
            node = self._tree[state[2]][0].get(number)
            if node is not None:
                ends = number == self._tags[REF_END]
                after = self._behind_label(count) if ends else (phase, count, node)
        elif phase == _BOX_TAG:
            after = (_BOX, count, self._box.start()) if number == self._tags[BOX] else None
        elif phase == _BOX:
            box = state[2]
            if box.done:
                after = (
                    (_SEG_TAG, count, self._box.box(box)) if number == self._tags[BOX_END] else None
                )
            else:
                spelled = self._box.step(box, number)
                after = None if spelled is None else (_BOX, count, spelled)
        elif phase == _SEG_TAG:
            begun = _ROWS, count, self._rows.start(state[2])
            after = begun if number == self._tags[SEG] else None
        elif number in self._after:
            after = state
        return after

    def _behind_label(self, count: int) -> State:
        return (_BOX_TAG, count) if self._box else (_SEG_TAG, count, None)


def _tree(labels: Sequence[Sequence[int]], end: int) -> list[tuple[dict[int, int], Index]]:
    """The labels as a tree of ids: for each node the next nodes by id, and the ids sorted."""
    if not labels:
        raise ConfigError("labels must have at least one label to choose from, got none")
    children: list[dict[int, int]] = [{}]
    for label in labels:
        node = 0
        for number in label:
            if number not in children[node]:
                children[node][number] = len(children)
                children.append({})
            node = children[node][number]
        children[node][end] = node
    return [(nodes, frozen(np.array(sorted(nodes), np.int64))) for nodes in children]
