"""The exponential moving average (EMA) of weights, which becomes the model."""

from __future__ import annotations

import torch
from torch import nn

__all__ = ["ema_beta", "update_average"]


def ema_beta(batch: int, half_life_kimg: float, seen_kimg: float, rampup: float) -> float:
    """Return the EMA decay of a step of `batch` pictures (Karras et al. 2020).

    The half-life is `half_life_kimg`, but at most `rampup` of the pictures seen so far.
    """
    half_life = min(half_life_kimg * 1000, seen_kimg * 1000 * rampup)
    return 0.5 ** (batch / max(half_life, 1e-8))


@torch.no_grad()
def update_average(average: nn.Module, network: nn.Module, beta: float) -> None:
    """Move the average's parameters towards the network's; its buffers are copied."""
    for kept, new in zip(average.parameters(), network.parameters(), strict=True):
        kept.lerp_(new, 1 - beta)
    for old, buffer in zip(average.buffers(), network.buffers(), strict=True):
        old.copy_(buffer)
