"""Read the answer of any model."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias, get_args

from maskcodec.errors import ConfigError, Problem
from maskcodec.formats.bsd.codec import BSD
from maskcodec.formats.labels.codec import RRLE
from maskcodec.formats.polygons.codec import Polygons
from maskcodec.formats.polygons.region import read_region
from maskcodec.formats.polygons.scale import MIDDLES
from maskcodec.formats.polygons.spellings import Florence, Gemini, SimpleSeg
from maskcodec.formats.scanlines.codec import Scanlines
from maskcodec.masks.runs import as_image_size
from maskcodec.messages import check_choice, check_codec
from maskcodec.others.boxes import Coordinates, coco_runs, gemini_maps, paligemma, qwen_boxes
from maskcodec.others.frame import Frame
from maskcodec.others.regions import BoxRegion
from maskcodec.text.codec import from_config
from maskcodec.text.problems import TextReading

if TYPE_CHECKING:
    from maskcodec.text.regions import Region

Source: TypeAlias = Literal[
    "auto",
    "maskcodec",
    "text4seg",
    "simpleseg",
    "gemini-2.5",
    "gemini-3",
    "florence-2",
    "qwen2.5-vl",
    "qwen3-vl",
    "coco-rle",
    "paligemma",
]
SOURCES: tuple[str, ...] = get_args(Source)
Decoder: TypeAlias = Callable[[list[int]], Any]

_GRIDS = 16, 24, 32, 64  # cells a side of Text4Seg's checkpoints
_OURS: list[tuple[str, Any]] = [
    (r"<(?:end|bg):[0-9]+>", Scanlines()),
    (r"<(?:fg|bg)[0-9]+>", BSD()),
    (r"<seg>\s*[0-9]+ [0-9]+", Polygons()),
    (r"<seg>\s*<loc[0-9]+>", Polygons(coordinates="tokens")),
]
# Patterns that identify the source of an answer; the first match wins.
_SIGNS = (
    (r"<loc_[0-9]+>|<poly>", "florence-2"),
    (r"(?:<loc[0-9]{4}>\s*){4}|<seg[0-9]{3}>", "paligemma"),
    (r"data:image/png;base64", "gemini-2.5"),
    (r'"counts"', "coco-rle"),
    (r'"(?:bbox|point)_2d"', "qwen3-vl"),
    (r'"mask"\s*:\s*\[', "gemini-3"),
    (r'"box_2d"', "gemini-2.5"),
    (r" \*[0-9]+\|", "text4seg"),
    (r"\[\s*\[\s*(?:\[\s*)?[0-9.]", "simpleseg"),
)
_LARGE = re.compile(r'"(?:bbox|point)_2d"\s*:\s*\[[^\]]{0,80}?[1-9][0-9]{3}')


class ForeignAnswer(NamedTuple):
    """The regions and problems of an answer.

    Attributes
    ----------
    regions
        All objects, in the order of the text. An object without a mask is a `BoxRegion`.
    problems
        All problems, in the order of the text.
    source
        The source by which the text was read: one of `read`'s, or "" if none was recognised.
    """

    regions: list[Region]
    problems: list[Problem]
    source: str


def read(
    text: str,
    *,
    source: Source = "auto",
    shape: tuple[int, int] | None = None,
    frame: Frame | None = None,
    codec: Any = None,
    decoder: Decoder | None = None,
) -> ForeignAnswer:
    """The regions of any model's answer, and its problems.

    No str raises: the reader skips code fences and words around, and closes a text that is cut off.
    Coordinates that cannot belong to the frame are a problem, ``"frame"``, which names their likely
    frame; they are still read in the given frame.

    Parameters
    ----------
    text
        The answer.
    source
        The model or the format that wrote the answer. ``"auto"`` recognises it by typical strings;
        the result's ``source`` names it.

        =================  =============================================================
        ``"maskcodec"``    a codec's text; give ``codec``
        ``"text4seg"``     released checkpoints of Text4Seg: a grid, each label a region
        ``"simpleseg"``    ``[[[0.123, 0.456], ...], ...]``
        ``"gemini-2.5"``   JSON with ``box_2d``, y first, and base64 PNG maps
        ``"gemini-3"``     JSON with polygons
        ``"florence-2"``   ``<loc_12>`` tokens: polygons, boxes
        ``"qwen2.5-vl"``   ``bbox_2d`` and ``point_2d`` in pixels of the resized image
        ``"qwen3-vl"``     the same in thousandths
        ``"coco-rle"``     JSON with COCO's run lengths
        ``"paligemma"``    ``<loc0123>`` boxes, y first; masks with ``decoder``
        =================  =============================================================
    shape
        (height, width) of the image in pixels; coordinates in pixels need it.
    frame
        The frame of the coordinates; None for the source's own.
    codec
        For ``"maskcodec"``: the codec, or its configuration.
    decoder
        For PaliGemma's 16 segment tokens: takes their numbers, 0 .. 127, and returns the mask of
        the box, (rows, columns) of 0 .. 1 or bool. They are the codes of a VQ-VAE, which has
        learned weights.

    Raises
    ------
    ConfigError
        There is no such source, or the codec is missing.
    MaskError
        Coordinates are pixels, and `shape` is missing or no shape.
    TypeError
        The text is not a str, the frame not a `Frame`, or the codec none.

    Examples
    --------
    >>> import maskcodec as mc
    >>> found = mc.read('[{"bbox_2d": [100, 200, 300, 400], "label": "dog"}]')
    >>> found.source, found.regions
    ('qwen3-vl', [<BoxRegion 'dog', a box at 0.100, 0.200 to 0.300, 0.400>])
    >>> mc.read("[[[0.1, 0.2], [0.9, 0.2], [0.5, 0.7], [0.3, 0.").regions
    [<PolygonRegion '' of 1 ring, 3 vertices>]
    """
    check_choice(source, Source, "source")
    if frame is not None and not isinstance(frame, Frame):
        raise TypeError(f"frame must be a Frame, such as Frame.thousand, got {frame!r}")
    size = None if shape is None else as_image_size(shape, "shape")
    if isinstance(codec, Mapping):
        codec = from_config(codec)
    if codec is not None:
        check_codec(codec)
    reading = TextReading(text, strict=False)
    name = guessed(text, codec) if source == "auto" else source
    if source == "auto" and name == "qwen2.5-vl" and size is None and frame is None:
        name = "qwen3-vl"  # pixels cannot be read without a size
    if name == "maskcodec":
        own = codec or next((c for sign, c in _OURS if re.search(sign, text)), None)
        if own is None:
            raise ConfigError('source="maskcodec" needs codec=, the codec or its configuration')
        return ForeignAnswer(*_by_codec(own, text), name)
    if name == "text4seg":
        return ForeignAnswer(*_by_codec(codec or _grid_of(text), text), name)
    if not name:
        message = "the text looks like no answer that is known; give source="
        return ForeignAnswer([], [Problem(0, "unknown", message, "read nothing")], "")
    usual = _usual(name, size) if frame is None else frame
    places = Coordinates(reading, usual, size)
    regions = _READERS[name](reading, places, decoder)
    places.report_doubt()
    return ForeignAnswer(regions, reading.problems(), name)


def guessed(text: str, codec: Any = None) -> str:
    """The source whose typical strings a text has; "" if none is recognised.

    A text with a tag of `codec` is ``"maskcodec"``.
    """
    if codec is not None and any(tag in text for tag in codec.tags()):
        return "maskcodec"
    if any(re.search(sign, text) for sign, _ in _OURS):
        return "maskcodec"
    name = next((name for sign, name in _SIGNS if re.search(sign, text)), "")
    return "qwen2.5-vl" if name == "qwen3-vl" and _LARGE.search(text) else name


def _by_codec(codec: Any, text: str) -> tuple[list[Region], list[Problem]]:
    found = codec.recover(text)
    return found.regions, found.problems


def _grid_of(text: str) -> RRLE:
    """The codec of a Text4Seg grid, as wide as the text's first row."""
    row = next((line for line in text.splitlines() if "*" in line), "")
    counts = [count[:4] for count in re.findall(r"\*([0-9]+)", row[:100_000])]
    columns = sum(map(int, counts))
    return RRLE(grid=columns if columns in _GRIDS else _GRIDS[0], dialect="text4seg")


def _usual(name: str, shape: tuple[int, int] | None) -> Frame:
    """The usual frame of a source's coordinates."""
    if name == "qwen2.5-vl":
        return Frame.pixels if shape is None else Frame.resized(*shape, min_pixels=56 * 56)
    if name == "simpleseg":
        return Frame.unit
    return Frame.thousand.y_first if name == "gemini-2.5" else Frame.thousand


def _json_polygons(kind: Any) -> Any:
    def read_them(reading: TextReading, places: Coordinates, _: Any) -> list[Region]:
        spelling, own = kind(), Frame.unit if kind is SimpleSeg else Frame.thousand
        if (places.frame.kind, places.frame.axes) == (own.kind, own.axes):
            spelling = kind(seen=places.seen)
        else:
            factors = 1000 / places.width, 1000 / places.height
            spelling = kind(factors, places.frame.axes == "yx", places.seen)
        return [
            region for one in spelling.found(reading) for region in _region(one, spelling, places)
        ]

    return read_them


def _florence(reading: TextReading, places: Coordinates, _: Any) -> list[Region]:  # noqa: ARG001
    regions: list[Region] = []
    for one in Florence().found(reading):
        if one.rings:
            regions.append(read_region(one.label, one.rings, MIDDLES))
        elif one.box is not None:
            x1, y1, x2, y2 = ((n + 0.5) / MIDDLES.size for n in one.box)
            regions.append(BoxRegion(one.label, (x1, y1, x2, y2)))
    return regions


def _region(one: Any, spelling: Any, places: Coordinates) -> list[Region]:
    if one.rings:
        return [read_region(one.label, one.rings, spelling.scale)]
    return [] if one.box is None else [BoxRegion(one.label, places.box(one.box, one.start))]


_READERS: dict[str, Callable[..., list[Region]]] = {
    "simpleseg": _json_polygons(SimpleSeg),
    "gemini-3": _json_polygons(Gemini),
    "florence-2": _florence,
    "gemini-2.5": gemini_maps,
    "qwen2.5-vl": qwen_boxes,
    "qwen3-vl": qwen_boxes,
    "coco-rle": coco_runs,
    "paligemma": paligemma,
}
