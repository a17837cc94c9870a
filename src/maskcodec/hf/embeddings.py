"""Initialise the embedding rows of new tokens with the rows of words of the same meaning."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Iterable

    from maskcodec.text.codec import Codec
    from maskcodec.tokenizers.any_tokenizer import AnyTokenizer

_SPREAD = 0.05  # of the rows' standard deviation: enough for bfloat16 to keep the rows apart
_CHUNK = 8192  # rows; a matrix of 150,000 in float32 would be gigabytes
_NOTHING = 1e-12  # the largest value of a padding row that is zero, up to rounding


def word_shares(
    codec: Codec, tokenizer: AnyTokenizer, usable: set[int]
) -> dict[str, dict[int, float]]:
    """The ids whose rows make the row of each tag and brick, and their shares, which sum to 1.

    The ids spell the words of `Codec.meanings`. Each digit counts twice as much as the next one, so
    that 12 and 21 differ. A tag or brick has no ids if none of its ids are in `usable`.
    """
    pieces: dict[str, list[int]] = {}

    def ids(text: str) -> list[int]:
        if text not in pieces:
            found = (i for i in tokenizer.encode(text) if i in usable)
            pieces[text] = [i for i in found if _is_piece(tokenizer.decode([i]), text)]
        return pieces[text]

    shares = {}
    for word, (text, number) in codec.meanings().items():
        weighed = [(i, 1.0) for i in ids(" " + text)]
        digits = [] if number is None else ids(str(number))
        weighed += [(i, 2.0 ** (len(digits) - place)) for place, i in enumerate(digits, 1)]
        total = sum(weight for _, weight in weighed)
        shares[word] = {i: 0.0 for i, _ in weighed}
        for i, weight in weighed:
            shares[word][i] += weight / total
    return shares


def _is_piece(piece: str, text: str) -> bool:
    """Whether a token spells a part of a text: it is not only a space, and not an unknown word."""
    bare = piece.strip().removeprefix("##")  # WordPiece marks the inside of a word so
    return bool(bare) and bare in text


def untouched(weight: torch.Tensor, ids: Iterable[int], unnamed: list[int]) -> set[int]:
    """The ids whose rows nobody trained: zero, or bit for bit equal to an unnamed id's row."""
    rest = weight.detach()[unnamed]
    found = set()
    for i in ids:
        row = weight.detach()[i]
        if row.abs().max() <= _NOTHING or bool((rest == row).all(1).any()):
            found.add(i)
    return found


def set_rows(layer: Any, shares: dict[int, dict[int, float]], trained: list[int]) -> None:
    """Set rows of an embedding or a head in place, and the head's biases of the same ids.

    Parameters
    ----------
    layer
        Its ``weight`` is (rows, width), of any floating-point type, on any device.
    shares
        For each id to set, the ids and weights of a weighted mean of rows; empty for the mean of
        all `trained`. Small random numbers are added to each row, the same on every machine.
    trained
        Ids whose rows have been trained.
    """
    if not shares:
        return
    weight, bias = layer.weight, getattr(layer, "bias", None)
    mean, deviation = _moments(weight, trained)
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(len(shares), weight.shape[1], generator=generator).to(weight.device)
    with torch.no_grad():
        for (i, parts), random in zip(shares.items(), noise, strict=True):
            of, share = list(parts), torch.tensor(list(parts.values()), device=weight.device)
            row = share @ weight[of].float() if parts else mean
            weight[i] = (row + _SPREAD * deviation * random).to(weight.dtype)
            if bias is not None:
                offset = share @ bias[of].float() if parts else bias[trained].float().mean()
                bias[i] = offset.to(bias.dtype)


def _moments(weight: torch.Tensor, ids: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and standard deviation of rows, each (width,) in float32."""
    total = torch.zeros(weight.shape[1], device=weight.device)
    squares = torch.zeros_like(total)
    for start in range(0, len(ids), _CHUNK):
        rows = weight.detach()[ids[start : start + _CHUNK]].float()
        total += rows.sum(0)
        squares += rows.square().sum(0)
    mean = total / len(ids)
    return mean, (squares / len(ids) - mean.square()).clamp(min=0).sqrt()
