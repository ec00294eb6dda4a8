"""What a network reads in a face."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["AgeReading"]


@dataclass(frozen=True)
class AgeReading:
    """Apparent age of one face in one picture."""

    age: float  # expected age, years
    spread: float  # standard deviation of the network's answer, years
