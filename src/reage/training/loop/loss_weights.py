"""Losses with their weights, for the total and for the log."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

__all__ = ["Losses", "total_of", "values_of"]

Losses = Mapping[str, tuple[Tensor, float]]  # by the names in the log: value and weight


def total_of(losses: Losses) -> Tensor:
    """Return the weighted sum."""
    return torch.stack([value * weight for value, weight in losses.values()]).sum()


def values_of(losses: Losses) -> dict[str, Tensor]:
    """Return the unweighted losses."""
    return {name: value for name, (value, _) in losses.items()}
