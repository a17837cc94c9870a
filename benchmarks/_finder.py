"""A model of 0.6 million weights that looks at an image and writes about it, in plain torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PREFIX = 64  # image tokens, which see each other; text sees them and what stands before it
_WIDTH, _HEADS, _LAYERS = 112, 4, 3
_PER_HEAD = _WIDTH // _HEADS

Cache = list[tuple[torch.Tensor, torch.Tensor]]


class Finder(nn.Module):
    """Three convolutions make 8 x 8 tokens of 64 x 64 pixels; a causal transformer goes on.

    Parameters
    ----------
    words
        The size of its vocabulary.
    """

    def __init__(self, words: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            *(nn.Conv2d(3, 32, 5, 2, 2), nn.GELU()),
            *(nn.Conv2d(32, 64, 3, 2, 1), nn.GELU()),
            *(nn.Conv2d(64, _WIDTH, 3, 2, 1), nn.Flatten(2)),
        )
        self.places = nn.Parameter(torch.randn(PREFIX, _WIDTH) * 0.5)
        self.words = nn.Embedding(words, _WIDTH)
        nn.init.normal_(self.words.weight, std=0.05)
        self.layers = nn.ModuleList(_Layer() for _ in range(_LAYERS))
        self.norm = nn.LayerNorm(_WIDTH)
        self.head = nn.Linear(_WIDTH, words, bias=False)

    def grow(self, words: int) -> None:
        """Add rows for new words. Each row starts near the mean of the old ones."""
        for name in "words", "head":
            old = getattr(self, name).weight.data
            new = old.mean(0) + old.std() * 0.1 * torch.randn(words - len(old), _WIDTH)
            getattr(self, name).weight = nn.Parameter(torch.cat([old, new]))
        self.words.num_embeddings = self.head.out_features = words

    def look(self, photos: torch.Tensor) -> torch.Tensor:
        """Images as tokens: uint8 (n, height, width, 3) to float32 (n, `PREFIX`, width)."""
        pixels = photos.permute(0, 3, 1, 2).float() / 128 - 1
        return self.stem(pixels).transpose(1, 2) + self.places

    def forward(self, photos: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        """What may follow each id: int64 (n, length) to float32 (n, length, words)."""
        mixed = torch.cat([self.look(photos), self.words(ids)], 1)
        length = mixed.shape[1]
        seen = torch.ones(length, length, dtype=torch.bool, device=ids.device).tril()
        seen[:PREFIX, :PREFIX] = True
        turns = _turns(0, length, ids.device)
        for layer in self.layers:
            mixed, _ = layer(mixed, turns, seen)
        return self.head(self.norm(mixed[:, PREFIX:]))

    @torch.no_grad()
    def generate(
        self,
        photos: torch.Tensor,
        asked: Sequence[Sequence[int]],
        end: int,
        room: int,
        allowed: Callable[[list[list[int]]], Sequence[np.ndarray | None]] | None = None,
    ) -> list[list[int]]:
        """Greedy answers, each without what it was asked and without `end`.

        Parameters
        ----------
        photos
            uint8 (n, height, width, 3).
        asked
            The ids before each answer, at least one. They may be of several lengths: an answer
            begins where its own question ends.
        end
            The id that ends an answer.
        room
            The most ids of an answer.
        allowed
            Gets the answers so far; returns for each the ids that may come next, or None for all.
        """
        answers: list[list[int]] = [[] for _ in asked]
        going = np.ones(len(asked), bool)
        mixed, start, seen = self.look(photos), 0, None
        past: Cache | None = None
        for position in range(max(map(len, asked)) + room):
            new = [
                question[position] if position < len(question) else ([0, *answer][-1])
                for question, answer in zip(asked, answers, strict=True)
            ]
            words = self.words(torch.tensor(new, device=photos.device)[:, None])
            mixed = words if past else torch.cat([mixed, words], 1)
            if not past:
                seen = torch.ones(len(mixed[0]), len(mixed[0]), dtype=torch.bool).tril()
                seen[:PREFIX, :PREFIX] = True
            turns = _turns(start, start + mixed.shape[1], photos.device)
            start += mixed.shape[1]
            grown: Cache = []
            for number, layer in enumerate(self.layers):
                mixed, kept = layer(mixed, turns, seen, past[number] if past else None)
                grown.append(kept)
            past, seen = grown, None
            scores = self.head(self.norm(mixed[:, -1]))
            if allowed is not None:
                for row, options in enumerate(allowed(answers)):
                    if options is not None and going[row] and position + 1 >= len(asked[row]):
                        barred = torch.full_like(scores[row], -torch.inf)
                        barred[torch.from_numpy(options.copy())] = 0
                        scores[row] += barred
            chosen = scores.argmax(1).tolist()
            for row, (question, answer) in enumerate(zip(asked, answers, strict=True)):
                if position + 1 < len(question) or not going[row]:
                    continue
                if chosen[row] == end or len(answer) == room:
                    going[row] = False
                else:
                    answer.append(chosen[row])
            if not going.any():
                break
        return answers


class _Layer(nn.Module):
    """Attention and two dense layers, each on what is normed before."""

    def __init__(self) -> None:
        super().__init__()
        self.norms = nn.ModuleList([nn.LayerNorm(_WIDTH), nn.LayerNorm(_WIDTH)])
        self.mix = nn.Linear(_WIDTH, 3 * _WIDTH, bias=False)
        self.out = nn.Linear(_WIDTH, _WIDTH, bias=False)
        self.dense = nn.Sequential(
            nn.Linear(_WIDTH, 4 * _WIDTH), nn.GELU(), nn.Linear(4 * _WIDTH, _WIDTH)
        )

    def forward(
        self,
        mixed: torch.Tensor,
        turns: torch.Tensor,
        seen: torch.Tensor | None,
        past: tuple[torch.Tensor, torch.Tensor] | None = None,
    ) -> tuple[torch.Tensor, tuple[torch.Tensor, torch.Tensor]]:
        """Tokens (n, length, width) and what later ones need of them; `seen` None means all."""
        parts = self.mix(self.norms[0](mixed)).unflatten(-1, (3, _HEADS, _PER_HEAD))
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        query, key = _turned(query, turns), _turned(key, turns)
        if past is not None:
            key, value = torch.cat([past[0], key], 2), torch.cat([past[1], value], 2)
        out = scaled_dot_product_attention(query, key, value, attn_mask=seen)
        mixed = mixed + self.out(out.transpose(1, 2).flatten(2))
        return mixed + self.dense(self.norms[1](mixed)), (key, value)


def _turns(start: int, stop: int, device: torch.device) -> torch.Tensor:
    """Rotary positions: the cosines and sines of positions, (2, length, half a head)."""
    rates = 1000.0 ** -(torch.arange(0, _PER_HEAD, 2, device=device) / _PER_HEAD)
    angles = torch.arange(start, stop, device=device)[:, None] * rates
    return torch.stack([angles.cos(), angles.sin()])


def _turned(parts: torch.Tensor, turns: torch.Tensor) -> torch.Tensor:
    first, second = parts.chunk(2, -1)
    cosine, sine = turns
    return torch.cat([first * cosine - second * sine, first * sine + second * cosine], -1)
