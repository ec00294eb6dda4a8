"""What children have otherwise than the learnt changes say: shapes, necks, and no beards."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from reage.compositing.smoothing import smoothstep
from reage.networks.agers.growth import Growth, GrowthConfig

__all__ = ["child_moves", "neck_moves", "shaving"]

# Meshes of children's faces keep much of an adult's: below so many years they grow this much more
# than the meshes say. Chosen by eye on portraits sent to 5 years.
GROWN, CHILDLIKE = 20.0, 0.7
BARE = (13.0, 16.0), (1.0, 0.0)  # years, and how much of a beard is off
# The older a face, the lower the age that a search has to ask for before it reads young: 58 years
# are asked for 8 and read 20. So childhood begins lower, by a share of the years beyond the first.
LAG, LAG_FROM = 0.35, 30.0

# A neck's width relative to an adult's on a face of the same width. Chosen by eye on portraits.
# Even over the years: a slider interpolates moves.
AGES, WIDTHS = (4.0, 20.0), (0.80, 1.0)
# In sides of the face's square: where the neck begins to thin, is thinnest, and has its width back;
# how wide a neck is, and where what lies beside it is no longer moved.
TOP, MIDDLE, BOTTOM = 0.84, 1.1, 1.3
HALF_WIDTH, REACH = 0.33, 0.78


def lag(own: float) -> float:
    """Return by how many years an age that is asked for lies below the age that is shown."""
    return LAG * max(own - LAG_FROM, 0.0)


def shaving(own: float, wanted: float) -> float:
    """Return how much of a beard to take off a face of `own` years at the `wanted` age, 0..1."""
    shown = wanted + lag(own) if wanted < own else wanted
    return max(float(np.interp(shown, *BARE) - np.interp(own, *BARE)), 0.0)


def child_moves(growth: Growth, own: float, wanted: Tensor) -> Tensor:
    """Return what `growth` lacks of a child's shape, as it says its own: `[N, 2, S, S]`."""
    grown = GROWN - lag(own)
    before = torch.full_like(wanted, min(own, grown))
    return CHILDLIKE * growth(before, wanted.clamp_max(grown))


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
