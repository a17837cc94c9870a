"""Segmentation masks as text for multimodal language models, and back."""

from maskcodec.bricks import BSD
from maskcodec.codec import Codec, codec_ids, from_config, get_codec, load
from maskcodec.errors import (
    ConfigError,
    DecodeError,
    LabelError,
    LostMaskError,
    MaskCodecError,
    MaskError,
    Problem,
    TruncatedError,
    VocabError,
)
from maskcodec.labelgrid import LabelGrid, RecoveredGrid
from maskcodec.labels import IRLE, ISD, RRLE
from maskcodec.region import RecoveredRegions, Region
from maskcodec.tokenizer import Conflict, Extension, extend_tokenizer
from maskcodec.tokens import TokenCodec

__version__ = "0.1.0"

__all__ = [
    "BSD",
    "IRLE",
    "ISD",
    "RRLE",
    "Codec",
    "ConfigError",
    "Conflict",
    "DecodeError",
    "Extension",
    "LabelError",
    "LabelGrid",
    "LostMaskError",
    "MaskCodecError",
    "MaskError",
    "Problem",
    "RecoveredGrid",
    "RecoveredRegions",
    "Region",
    "TokenCodec",
    "TruncatedError",
    "VocabError",
    "codec_ids",
    "extend_tokenizer",
    "from_config",
    "get_codec",
    "load",
]
