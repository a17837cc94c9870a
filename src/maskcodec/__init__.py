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
    SourceError,
    TruncatedError,
    VocabError,
)
from maskcodec.formats.bsd.codec import BSD
from maskcodec.formats.labels.codec import IRLE, ISD, RRLE
from maskcodec.formats.labels.label_grid import LabelGrid, RecoveredGrid
from maskcodec.formats.scanlines.codec import Scanlines
from maskcodec.text.codec import Codec, GridCodec, codec_ids, from_config, get_codec, load, register
from maskcodec.text.regions import RecoveredRegions, Region

if TYPE_CHECKING:
    from maskcodec.formats.instances.stream import MaskStream
    from maskcodec.tokenizers.extension import Conflict, Extension, extend_tokenizer
    from maskcodec.tokenizers.guide import Guide
    from maskcodec.tokens import TokenCodec

__version__ = "0.1.0"

__all__ = [
    "BSD",
    "IRLE",
    "ISD",
    "RRLE",
    "BuildError",
    "Codec",
    "ConfigError",
    "Conflict",
    "DecodeError",
    "Extension",
    "GridCodec",
    "Guide",
    "LabelError",
    "LabelGrid",
    "LostMaskError",
    "MaskCodecError",
    "MaskError",
    "MaskStream",
    "Problem",
    "RecoveredGrid",
    "RecoveredRegions",
    "Region",
    "Scanlines",
    "SourceError",
    "TokenCodec",
    "TruncatedError",
    "VocabError",
    "coco",
    "codec_ids",
    "extend_tokenizer",
    "from_config",
    "get_codec",
    "load",
    "register",
]

# What only those with a tokenizer need, imported when it is asked for.
_WITH_TOKENIZERS = {
    "Conflict": "maskcodec.tokenizers.extension",
    "Extension": "maskcodec.tokenizers.extension",
    "Guide": "maskcodec.tokenizers.guide",
    "MaskStream": "maskcodec.formats.instances.stream",
    "TokenCodec": "maskcodec.tokens",
    "extend_tokenizer": "maskcodec.tokenizers.extension",
}


def __getattr__(name: str) -> Any:
    if name not in _WITH_TOKENIZERS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_WITH_TOKENIZERS[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
