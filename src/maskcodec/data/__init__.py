"""Segmentation datasets as instruction-following rows."""

from maskcodec.data.sample import Broken, Instance, Sample
from maskcodec.data.sources import SOURCES, open_source

__all__ = ["SOURCES", "Broken", "Instance", "Sample", "open_source"]
