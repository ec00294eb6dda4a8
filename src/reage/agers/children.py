"""What children have otherwise than the learnt changes say: shapes, necks, and no beards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from reage.agers.base import PreparedFace
from reage.compositing.smoothing import smoothstep
from reage.networks.agers.growth import Growth, GrowthConfig

__all__ = [
    "CHILDHOOD",
    "GROWN",
    "NEVER",
    "Childhood",
    "child_moves",
    "childhood_of",
    "find_childhood",
    "neck_moves",
    "shaving",
]

CHILDHOOD = "childhood"  # key under which a face keeps its `Childhood`

# Meshes of children's faces keep much of an adult's: below so many years they grow this much more
# than the meshes say. Chosen by eye on portraits sent to 5 years.
GROWN, CHILDLIKE = 20.0, 0.7
BARE = (13.0, 16.0), (1.0, 0.0)  # years, and how much of a beard is off
# Years that a face may read without a child's shape when it begins to get one, and years of
# childhood for each year asked for, at most. With 20 a man of 35 who reads 20.6 at the end would
# remain so when sent to 8; with 26 two of twenty older people sent to 20 would become children.
READS, MOST_PACE = 23.0, 4.0

# A neck's width relative to an adult's on a face of the same width. Chosen by eye on portraits.
# Even over the years: a slider interpolates moves.
AGES, WIDTHS = (4.0, 20.0), (0.80, 1.0)
# In sides of the face's square: where the neck begins to thin, is thinnest, and has its width back;
# how wide a neck is, and where what lies beside it is no longer moved.
TOP, MIDDLE, BOTTOM = 0.84, 1.1, 1.3
HALF_WIDTH, REACH = 0.33, 0.78


@dataclass(frozen=True)
class Childhood:
    """From which age on, asked of an ager, a face gets a child's shape, and how fast.

    The older a face, the lower the age that has to be asked for before it reads young: 58 years
    asked for 8 may read 20, and asked for -9 still 29. Such a face is no child, and gets no child's
    jaw, neck or bare chin.
    """

    begins: float  # years asked for, at which the face is just grown up
    pace: float = 1.0  # years younger for each year asked for below that

    def shown(self, own: float, wanted: float) -> float:
        """Return the age of the shape of a face of `own` years, asked for `wanted` years."""
        if own <= GROWN or wanted >= GROWN:
            return wanted
        return GROWN - self.pace * max(self.begins - wanted, 0.0)


FROM_START = Childhood(GROWN)
NEVER = Childhood(-np.inf)


def childhood_of(face: PreparedFace) -> Childhood:
    """Return when a face becomes a child: as was found for it, or at the ages asked for."""
    return face.notes.get(CHILDHOOD, FROM_START)


def find_childhood(asked: Sequence[float], read: Sequence[float]) -> Childhood:
    """Find where a face that was asked for falling ages, from `GROWN` on, reads grown up at most.

    `read` are its ages without a child's shape. All of childhood has to fit in what is left.
    """
    low = next((i for i, age in enumerate(read) if age <= READS), None)
    if low is None:
        return NEVER
    begins = asked[low]
    if low:
        begins = float(np.interp(READS, [read[low], read[low - 1]], [asked[low], asked[low - 1]]))
    left = begins - asked[-1]
    return Childhood(begins, float(np.clip(GROWN / max(left, 1e-3), 1.0, MOST_PACE)))


def shaving(own: float, shown: float) -> float:
    """Return how much of a beard to take off a face of `own` years that shows `shown`, 0..1."""
    return max(float(np.interp(shown, *BARE) - np.interp(own, *BARE)), 0.0)


def child_moves(growth: Growth, own: float, shown: Tensor) -> Tensor:
    """Return what `growth` lacks of a child's shape, as it says its own: `[N, 2, S, S]`.

    `own` and `shown` `[N]` are ages in years.
    """
    before = shown.new_full(shown.shape, min(own, GROWN))
    return CHILDLIKE * growth(before, shown.clamp_max(GROWN))


def neck_moves(own: float, wanted: Tensor, config: GrowthConfig) -> Tensor:
    """By how much each place moves right and down, as `Growth` says: `[N, 2, S, S]`.

    `own` and `wanted` `[N]` are ages in years. All is 0 between adult ages.
    """
    widths = [float(np.interp(age, AGES, WIDTHS)) for age in (own, *wanted.tolist())]
    thinner = wanted.new_tensor([width / widths[0] - 1 for width in widths[1:]])
    side, margin = config.side, config.margin
    places = (np.arange(side) + 0.5) / side * (1 + 2 * margin) - margin
    down = smoothstep((places - TOP) / (MIDDLE - TOP))
    down = down * smoothstep((BOTTOM - places) / (BOTTOM - MIDDLE))
    beside = smoothstep((REACH - np.abs(places - 0.5)) / (REACH - HALF_WIDTH))
    right = np.clip(places - 0.5, -HALF_WIDTH, HALF_WIDTH) * beside
    moves = thinner[:, None, None] * torch.from_numpy(np.outer(down, right)).to(wanted)
    return torch.stack([moves, torch.zeros_like(moves)], 1)
