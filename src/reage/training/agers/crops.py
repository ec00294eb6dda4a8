"""Positions and lengths in aligned crops, for any alignment."""

from __future__ import annotations

from reage.compositing.view import EYES_TO_MOUTH
from reage.models.checkpoints import Alignment

__all__ = ["length", "lies"]


def lies(down: float, alignment: Alignment) -> float:
    """How far down the crop, 0..1, a place lies; `down` from the eyes in FFHQ's half-sides."""
    return 0.5 + length(down - alignment.shift * EYES_TO_MOUTH, alignment)


def length(half_sides: float, alignment: Alignment) -> float:
    """A length in half-sides of FFHQ's square, as a part of the crop's side."""
    return half_sides / (2 * alignment.scale)
