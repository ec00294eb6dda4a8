"""How much thinner a child's neck is; the growth of faces is learnt from points that end above."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from reage.compositing.smoothing import smoothstep
from reage.networks.agers.growth import GrowthConfig

__all__ = ["neck_moves"]

# A neck's width relative to an adult's on a face of the same width. Chosen by eye on portraits.
# Even over the years: a slider interpolates moves.
AGES, WIDTHS = (4.0, 20.0), (0.80, 1.0)
# In sides of the face's square: where the neck begins to thin, is thinnest, and has its width back;
# how wide a neck is, and where what lies beside it is no longer moved.
TOP, MIDDLE, BOTTOM = 0.84, 1.1, 1.3
HALF_WIDTH, REACH = 0.33, 0.78


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
