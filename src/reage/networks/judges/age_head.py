"""A small second opinion on age, learnt from labels on ImageNet features."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reage.networks.judges.age_features import pool_features

__all__ = ["AgeJudge"]


class AgeJudge(nn.Module):
    """Features of EfficientNet-Lite0 at four scales to apparent age, by bins of years."""

    middles: Tensor

    def __init__(self, middles: Sequence[float], channels: Sequence[int], hidden: int = 256):
        super().__init__()
        width = 2 * sum(channels)  # mean and maximum over the places
        self.norm = nn.LayerNorm(width)
        self.hidden = nn.Linear(width, hidden)
        self.out = nn.Linear(hidden, len(middles))
        self.register_buffer("middles", torch.tensor(list(middles)))

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Logits of the bins, `[N, bins]`."""
        return self.out(F.silu(self.hidden(self.norm(pool_features(features).float()))))

    def read(self, features: Sequence[Tensor]) -> Tensor:
        """Expected age in years, `[N]`."""
        return self(features).softmax(1) @ self.middles
