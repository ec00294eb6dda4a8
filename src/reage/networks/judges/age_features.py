"""An age network on ImageNet features, trained on labelled faces: the second of two readers."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reage.networks.judges.efficientnet import TAP_CHANNELS

__all__ = ["LAST_AGE", "AgeFeatures", "pool_features"]

LAST_AGE = 95  # years
HIDDEN = 256
WIDTH = 2 * sum(TAP_CHANNELS)


class AgeFeatures(nn.Module):
    """Pooled features `[N, 992]` of EfficientNet-Lite0 to log-probabilities of 0 to 95 years."""

    mean: Tensor
    deviation: Tensor
    read_at: Tensor
    true_at: Tensor

    def __init__(self, knots: int = 8) -> None:
        super().__init__()
        self.hidden = nn.Linear(WIDTH, HIDDEN)
        self.out = nn.Linear(HIDDEN, LAST_AGE + 1)
        self.register_buffer("mean", torch.zeros(WIDTH))
        self.register_buffer("deviation", torch.ones(WIDTH))
        # What it reads, years, and what that means: regression shrinks the ages of the old.
        self.register_buffer("read_at", torch.linspace(0, LAST_AGE, knots))
        self.register_buffer("true_at", torch.linspace(0, LAST_AGE, knots))

    def forward(self, pooled: Tensor, dropout: float = 0.0) -> Tensor:
        """Return log-probabilities `[N, 96]`; `dropout` is for training."""
        x = F.dropout((pooled.float() - self.mean) / self.deviation, dropout, self.training)
        x = F.dropout(F.silu(self.hidden(x)), dropout, self.training)
        return F.log_softmax(self.out(x), 1)

    def read(self, pooled: Tensor) -> Tensor:
        """Return expected ages in years, `[N]`."""
        probabilities = self(pooled).exp()
        ages = torch.arange(LAST_AGE + 1.0, device=probabilities.device)
        return interpolate(probabilities @ ages, self.read_at, self.true_at)


def pool_features(features: Sequence[Tensor]) -> Tensor:
    """Return means and maxima of feature maps over their places, `[N, 992]`."""
    pools = [pool for f in features for pool in (f.mean((2, 3)), f.amax((2, 3)))]
    return torch.cat(pools, 1)


def interpolate(values: Tensor, at: Tensor, levels: Tensor) -> Tensor:
    """Interpolate linearly between `levels` `[K]` at ascending `at` `[K]`; the ends go on."""
    right = torch.searchsorted(at, values.contiguous()).clamp(1, len(at) - 1)
    low, high = at[right - 1], at[right]
    share = (values - low) / (high - low)
    return levels[right - 1] + share * (levels[right] - levels[right - 1])
