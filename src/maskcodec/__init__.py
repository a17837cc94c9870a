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
)
from maskcodec.labelgrid import LabelGrid, RecoveredGrid
from maskcodec.labels import IRLE, ISD, RRLE
from maskcodec.region import RecoveredRegions, Region

__version__ = "0.1.0"

__all__ = [
    "BSD",
    "IRLE",
    "ISD",
    "RRLE",
    "Codec",
    "ConfigError",
    "DecodeError",
    "LabelError",
    "LabelGrid",
    "LostMaskError",
    "MaskCodecError",
    "MaskError",
    "Problem",
    "RecoveredGrid",
    "RecoveredRegions",
    "Region",
    "TruncatedError",
    "codec_ids",
    "from_config",
    "get_codec",
    "load",
]
