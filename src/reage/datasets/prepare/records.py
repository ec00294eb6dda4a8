"""Records of examined pictures in the journal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from reage.datasets.prepare.labels import Labels

__all__ = ["REASONS", "Examined", "FaceRecord", "Record", "record_from"]

NO_LABELS = Labels()
# Reasons to leave out a picture or face, in the order of the checks.
REASONS = (
    *("unreadable", "no face", "several faces", "small", "turned", "padded", "grey", "blurred"),
    "duplicate",
)


@dataclass(frozen=True)
class FaceRecord:
    """One face of a picture and its measures."""

    number: int  # from left to right, 1 is the first
    reason: str = ""  # why it is left out; empty: it is not, so far
    detail: str = ""  # the reason in numbers
    yaw: float = 0.0  # degrees
    pitch: float = 0.0
    padding: float = 0.0  # fraction of the square outside the picture
    sharpness: float = 0.0  # variance of the Laplacian
    apparent_age: float = 0.0  # years
    apparent_age_spread: float = 0.0
    look: str = ""  # 256 bits, hexadecimal


@dataclass(frozen=True)
class Record:
    """One picture: a reason why it is left out, or its faces."""

    key: str  # of the Picture
    digest: str  # SHA-256 of its bytes; empty if they could not be read
    reason: str = ""
    detail: str = ""
    labels: Labels = NO_LABELS  # what lies beside it
    faces: tuple[FaceRecord, ...] = ()


@dataclass(frozen=True)
class Examined:
    """A record and the encoded crops of those of its faces that have no reason against them."""

    record: Record
    crops: tuple[bytes, ...] = ()

    @property
    def crops_by_number(self) -> dict[int, bytes]:
        """Return the crops by face number."""
        numbers = [face.number for face in self.record.faces if not face.reason]
        return dict(zip(numbers, self.crops, strict=True))


def record_from(values: dict[str, Any]) -> Record:
    """The inverse of `asdict`; KeyError or TypeError where something is missing."""
    faces = tuple(FaceRecord(**face) for face in values["faces"])
    return Record(**{**values, "labels": Labels(**values["labels"]), "faces": faces})
