"""Masks of a typical crop, for use before a face is known."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["oval_mask"]


def oval_mask(side: int) -> Tensor:
    """Draw a soft oval `[1, 1, R, R]`: the pasted area of a typical crop."""
    y, x = torch.meshgrid(*[torch.linspace(-1, 1, side)] * 2, indexing="ij")
    return torch.sigmoid((0.8 - (1.2 * x.square() + y.square()).sqrt()) * 15)[None, None]
