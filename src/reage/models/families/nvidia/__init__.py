"""Generators of NVIDIA's code: network pickles, and the modules that PTI saves."""

from reage.models.families.nvidia.reader import detect, read
from reage.models.families.nvidia.writer import write

__all__ = ["detect", "read", "write"]
