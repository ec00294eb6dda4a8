"""Checkpoints of pSp and its successors e4e, ReStyle, SAM and HyperStyle."""

from reage.models.families.family import ForeignFile
from reage.models.families.psp.checkpoint import groups_in
from reage.models.families.psp.description import describe
from reage.models.families.psp.reader import read

__all__ = ["describe", "detect", "read"]


def detect(file: ForeignFile) -> bool:
    """Whether a torch file holds a generator and an encoder or hypernetwork."""
    return file.kind == "torch" and groups_in(file.content) is not None
