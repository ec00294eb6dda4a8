"""Options of a dataset, and their description in a work folder."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from reage.datasets.prepare.names import CONVENTIONS, compile_pattern
from reage.errors import UsageError
from reage.models.checkpoints import Alignment, load_config
from reage.models.files import file_sha256
from reage.models.registry import KNOWN, find_model

__all__ = ["FaceChoice", "PrepareOptions", "model_square"]

FaceChoice = Literal["largest", "all", "skip"]
FORMAT = 1  # of what the work folder holds
LARGEST_SIZE = 2048  # pixels


@dataclass(frozen=True)
class PrepareOptions:
    """How to crop, filter and pack faces."""

    size: int = 128  # side of the crops, pixels
    scale: float = 0.70  # of the square, in FFHQ's; the embedded model's
    shift: float = 0.22  # of its middle, from the eyes towards the mouth
    faces: FaceChoice = "largest"  # where a picture has several; skip: leaves the picture out
    max_yaw: float = 30.0  # degrees, either way
    max_pitch: float = 24.0  # degrees, either way
    max_padding: float = 0.22  # fraction of the square that lies outside the picture
    min_sharpness: float = 20.0  # variance of the Laplacian, of the face at 128 px
    blurriest: float = 0.0  # fraction that is left out of those that pass everything else
    min_face: float | None = None  # side of the square in the picture, pixels; None: size / 2
    grey: bool = False  # whether pictures without colour are kept
    duplicates: int = 24  # differing bits of 256 up to which two faces are one picture; -1: off
    labels: Path | None = None  # CSV table: file, age or age_bin, gender, race, person
    names: str = "auto"  # convention of the file names
    age_pattern: str | None = None  # instead: regular expression with a group `age`
    val: float = 0.1  # fraction of the people, or pictures, in the split `val`
    shard: int = 5000  # pictures a tar file at most
    quality: int = 95  # of WebP
    licence: str = ""  # of the pictures, for the dataset's card

    def __post_init__(self) -> None:
        for name, low, high in _LIMITS:
            value = getattr(self, name)
            if not low <= value <= high:
                raise UsageError(f"{name} is {value:g}; it has to be from {low:g} to {high:g}")
        if self.names not in ("auto", "none", *CONVENTIONS):
            known = ", ".join(("auto", "none", *CONVENTIONS))
            raise UsageError(f"names are {self.names!r}; known are {known}")
        if self.age_pattern is not None:
            compile_pattern(self.age_pattern)

    @property
    def smallest(self) -> float:
        """Side of the smallest square that is taken, pixels of the picture."""
        return self.size / 2 if self.min_face is None else self.min_face

    def describe(self) -> dict[str, Any]:
        """Return all options that determine the result, as plain data; a label file by its hash."""
        values: dict[str, Any] = {**asdict(self), "format": FORMAT}
        values["labels"] = None if self.labels is None else file_sha256(self.labels)
        return values


_LIMITS = (
    ("size", 16, LARGEST_SIZE),
    ("scale", 0.1, 10),
    ("shift", -5, 5),
    ("max_yaw", 0, 180),
    ("max_pitch", 0, 90),
    ("max_padding", 0, 1),
    ("min_sharpness", 0, float("inf")),
    ("blurriest", 0, 0.99),
    ("duplicates", -1, 64),
    ("val", 0, 1),
    ("shard", 1, 1_000_000),
    ("quality", 1, 100),
)


def model_square(name: str | Path) -> tuple[int | None, Alignment]:
    """Resolution and alignment of a model, without loading or fetching it; None: not known."""
    for row in KNOWN:
        if row.name == name:
            return None, row.alignment
    folder = find_model(name)
    if not folder.is_dir():
        return None, Alignment()  # a foreign file: FFHQ's, the convention of the field
    config = load_config(folder)
    return config.generator.resolution, config.alignment
