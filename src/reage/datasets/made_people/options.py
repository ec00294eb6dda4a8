"""Options of a dataset of people who do not exist."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from reage.errors import UsageError
from reage.models.files import file_sha256
from reage.models.registry import find_model

__all__ = ["SynthesisOptions", "derive_seed"]

FORMAT = 3  # of what the work folder holds, and of how people are made


@dataclass(frozen=True)
class SynthesisOptions:
    """How many people, at which ages, and how their pictures differ."""

    people: int = 1000
    ages: tuple[float, ...] = (10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0)  # years
    conditions: int = 3  # pictures of each age; the first is plain
    amount: float = 1.0  # of what the conditions change; 0: nothing
    apart: float | None = None  # distance from all earlier people; None: the recogniser's
    recogniser: str = "auto"  # dlib, features, or auto: dlib where it is installed
    unseen: bool = False  # keep people in whose picture no face is found
    pairs: int = 300  # same, and as many different pairs in each fold, where there are so many
    shard: int = 5000  # pictures a tar file at most
    seed: int = 0
    model: str = "faces128"
    device: str = "auto"
    precision: str = "auto"
    direction: str | None = None  # instead of the model's

    def __post_init__(self) -> None:
        for name, low, high in _LIMITS:
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise UsageError(f"{name} is {value:g}; it has to be from {low:g} to {high:g}")
        if not self.ages or len(set(self.ages)) < len(self.ages):
            raise UsageError("ages are given twice or not at all; give such as 10:80:10")
        if not all(0 <= age <= 120 for age in self.ages):
            raise UsageError("ages have to be from 0 to 120 years")

    def describe(self) -> dict[str, Any]:
        """Return all options that determine the result, as plain JSON data."""
        model = find_model(self.model)
        file = model / "config.json" if model.is_dir() else model
        direction = None
        if self.direction is not None and Path(self.direction).is_file():
            direction = file_sha256(Path(self.direction))
        return {
            **asdict(self),
            "ages": list(self.ages),
            "format": FORMAT,
            "model_hash": file_sha256(file) if file.is_file() else None,
            "direction_hash": direction,
        }


_LIMITS = (
    ("people", 2, 1_000_000),
    ("conditions", 1, 100),
    ("amount", 0, 3),
    ("apart", 0, 10),
    ("pairs", 1, 100_000),
    ("shard", 1, 1_000_000),
    ("seed", 0, 2**63 - 1),
)


def derive_seed(*parts: object) -> int:
    """Derive a separate seed, below 2**63, for each name."""
    digest = hashlib.sha256(repr(parts).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
