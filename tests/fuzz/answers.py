"""Answers of polygons and of other models: what is typical of them, cut, looped and broken."""

from __future__ import annotations

from typing import TYPE_CHECKING

import maskcodec as mc
from maskcodec.others.read import SOURCES
from tests.strategies import POLYGON_PIECES

if TYPE_CHECKING:
    import random
    from pathlib import Path

CODECS = [
    mc.Polygons(),
    mc.Polygons(bins=30, coordinates="tokens"),
    *(mc.Polygons(spelling=name) for name in ("simpleseg", "gemini", "florence2")),
]
TRIANGLE = "[[100, 200], [900, 200], [500, 700]]"
WHOLE = [
    "<ref>dog</ref><seg>1 2 9 2 5 7<ring>6 3 7 4 6 5</seg>",
    "<ref>dog</ref><seg><loc1><loc2><loc9><loc2><loc5><loc7></seg>",
    "[[[0.100, 0.200], [0.900, 0.200], [0.500, 0.700]]]",
    f'{{"boxes": [{{"box_2d": [100, 200, 900, 700], "label": "dog", "mask": {TRIANGLE}}}]}}',
    "dog<poly><loc_1><loc_2><loc_900><loc_2><loc_5><loc_700><sep><loc_3><loc_4></poly>",
    '[{"box_2d": [1, 2, 30, 40], "mask": "data:image/png;base64,iVBORw0KGgo=", "label": "dog"}]',
    '[{"bbox_2d": [100, 200, 300, 400], "label": "dog"}, {"point_2d": [5, 6]}]',
    '{"masks": [{"size": [4, 6], "counts": [5, 3, 16]}]}',
    "<loc0256><loc0128><loc0512><loc0384>" + "<seg001>" * 16 + " dog ; ",
    "others *1| dog *15\n " * 3,
]
PIECES = [
    *POLYGON_PIECES,
    *["[", "]", "{", "}", ",", ":", '"', "'", "\\", "null", "1e999", "-", ".", "```json\n", "\x00"],
    *["<poly>", "</poly>", "<sep>", "<loc_7>", "<loc0007>", "<seg001>", "NaN", "9" * 400, "\ud800"],
    *['"mask"', '"label"', '"bbox_2d"', '"counts"', '"size"', "[1, 2]", "[1,2,3,4]", "[" * 40],
]


def case(rng: random.Random, _folder: Path) -> list[str]:
    """One text, read strictly, recovered, and read as an answer of some model."""
    number = rng.randrange(len(CODECS))
    codec, text = CODECS[number], _text(rng, WHOLE[number])
    found, problems = codec.recover(text)
    try:
        decoded = codec.decode(text)
    except mc.DecodeError as error:
        assert (error.reason, error.position) in {(p.reason, p.position) for p in problems}
        assert isinstance(error, mc.TruncatedError) == (error.reason == "truncated")
        outcomes = ["refused"]
    else:
        assert problems == []
        assert decoded == found
        outcomes = ["decoded" if decoded else "nothing"]
    outcomes += [f"problem: {problem.reason}" for problem in problems[:1]]
    if found and all(region.label.strip() for region in found):
        try:
            again = codec.encode_regions(found)
        except (mc.LabelError, mc.MaskError):  # a label that recover keeps, or several rings
            again = None
        assert again is None or len(codec.decode(again)) == len(found)
    source = rng.choice(SOURCES)
    answer = mc.read(text, source=source, shape=(48, 64), codec=codec)
    for region in (*found, *answer.regions):
        region.box_pixels((48, 64))
        if not isinstance(region, mc.BoxRegion) and rng.random() < 0.1:
            region.area((rng.randint(1, 40), rng.randint(1, 40)))
    return [*outcomes, f"read as {answer.source or 'nothing'}"]


def _text(rng: random.Random, likely: str) -> str:
    """Whole answers and pieces of them, changed here and there."""
    text = "".join(
        rng.choice([likely, likely, rng.choice(WHOLE)]) for _ in range(rng.randint(0, 2))
    )
    for _ in range(rng.randint(0, 4)):
        at = rng.randint(0, len(text))
        end = min(len(text), at + rng.randint(0, 12))
        kind = rng.randrange(5)
        if kind == 0:
            text = text[:at] + text[end:]
        elif kind == 1:
            text = text[:at] + rng.choice(PIECES) + text[end:]
        elif kind == 2:
            text = text[:end] + text[at:end] * rng.randint(1, 8) + text[end:]
        elif kind == 3:
            text = text[:at]
        else:
            text = text[:at] + "".join(rng.choices(PIECES, k=rng.randint(1, 9))) + text[at:]
    return text
