"""Segmentation masks as text for multimodal language models, and back."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from maskcodec import coco
from maskcodec.errors import (
    BuildError,
    ConfigError,
    DecodeError,
    LabelError,
    LostMaskError,
    MaskCodecError,
    MaskError,
    Problem,
    ServerError,
    SourceError,
    TruncatedError,
    VocabError,
)
from maskcodec.formats.bsd.codec import BSD
from maskcodec.formats.labels.codec import IRLE, ISD, RRLE
from maskcodec.formats.labels.label_grid import LabelGrid, RecoveredGrid
from maskcodec.formats.polygons.codec import Polygons
from maskcodec.formats.polygons.region import PolygonRegion
from maskcodec.formats.scanlines.codec import Scanlines
from maskcodec.text.codec import Codec, GridCodec, codec_ids, from_config, get_codec, load, register
from maskcodec.text.regions import RecoveredRegions, Region

if TYPE_CHECKING:
    from maskcodec.formats.instances.stream import MaskStream
    from maskcodec.others.frame import Frame
    from maskcodec.others.read import ForeignAnswer, read
    from maskcodec.others.regions import BoxRegion
    from maskcodec.pictures.regions import draw
    from maskcodec.tokenizers.extension import Conflict, Extension, extend_tokenizer
    from maskcodec.tokenizers.guide import Guide
    from maskcodec.tokens import TokenCodec

__version__ = "0.1.0"

__all__ = [
    "BSD",
    "IRLE",
    "ISD",
    "RRLE",
    "BoxRegion",
    "BuildError",
    "Codec",
    "ConfigError",
    "Conflict",
    "DecodeError",
    "Extension",
    "ForeignAnswer",
    "Frame",
    "GridCodec",
    "Guide",
    "LabelError",
    "LabelGrid",
    "LostMaskError",
    "MaskCodecError",
    "MaskError",
    "MaskStream",
    "PolygonRegion",
    "Polygons",
    "Problem",
    "RecoveredGrid",
    "RecoveredRegions",
    "Region",
    "Scanlines",
    "ServerError",
    "SourceError",
    "TokenCodec",
    "TruncatedError",
    "VocabError",
    "coco",
    "codec_ids",
    "draw",
    "extend_tokenizer",
    "from_config",
    "get_codec",
    "load",
    "read",
    "register",
]

# What only those with a tokenizer or pictures need, imported when it is asked for.
_LATER = {
    "Conflict": "maskcodec.tokenizers.extension",
    "Extension": "maskcodec.tokenizers.extension",
    "Guide": "maskcodec.tokenizers.guide",
    "BoxRegion": "maskcodec.others.regions",
    "ForeignAnswer": "maskcodec.others.read",
    "Frame": "maskcodec.others.frame",
    "MaskStream": "maskcodec.formats.instances.stream",
    "read": "maskcodec.others.read",
    "TokenCodec": "maskcodec.tokens",
    "draw": "maskcodec.pictures.regions",
    "extend_tokenizer": "maskcodec.tokenizers.extension",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_LATER[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
