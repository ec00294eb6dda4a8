"""The reader of apparent ages: the mean of two networks that learnt from different faces."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from reage.networks.judges.age import AgeNetwork
from reage.networks.judges.age_features import AgeFeatures, interpolate, pool_features
from reage.networks.judges.efficientnet import EfficientNetLite0

__all__ = ["AgeReader"]

# What the networks read, years, and what that means: on labelled faces both read teenagers and
# people in their twenties as too old. They also read the old as too young, but that is left: no
# real face reads 80 on average, and a target of 80 should look so to any network.
RAW = (0.0, 10.0, 21.4, 24.7, 28.0, 34.0, 100.0)
MEANT = (0.0, 9.0, 16.0, 20.0, 25.0, 34.0, 100.0)
# Years, and within how many of them the true age lies for two of three faces that are read so:
# measured on the 2,850 labelled faces of FairFace's validation split and 262 held-out heads.
READ = (2.0, 12.0, 20.0, 29.0, 39.0, 49.0, 59.0, 72.0)
ERROR = (2.0, 6.5, 7.0, 7.5, 9.0, 9.5, 9.0, 7.5)


class AgeReader(nn.Module):
    """Pictures `[N, 3, H, W]` in [-1, 1] of the age network's square to apparent ages.

    Two networks err less than one (docs/reference/ageing.md), and an edit that one of them alone
    believes is found out.
    """

    ages: Tensor
    raw: Tensor
    meant: Tensor
    read_at: Tensor
    error_at: Tensor

    def __init__(self, first: AgeNetwork, features: EfficientNetLite0, second: AgeFeatures):
        super().__init__()
        self.first, self.features, self.second = first, features, second
        self.register_buffer("ages", first.ages, persistent=False)
        self.register_buffer("raw", torch.tensor(RAW), persistent=False)
        self.register_buffer("meant", torch.tensor(MEANT), persistent=False)
        self.register_buffer("read_at", torch.tensor(READ), persistent=False)
        self.register_buffer("error_at", torch.tensor(ERROR), persistent=False)

    def read_each(self, images: Tensor) -> Tensor:
        """Return the expected ages by each network, years, `[2, N]`."""
        pooled = pool_features(self.features(images))
        ages = torch.stack([self.first.read(images)[0], self.second.read(pooled)])
        return interpolate(ages, self.raw, self.meant)

    def read(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return the mean age and its calibrated error in years, each `[N]`."""
        ages = self.read_each(images).mean(0)
        return ages, self.error(ages)

    def error(self, ages: Tensor) -> Tensor:
        """Return within how many years the true age lies for two of three faces, `[N]`."""
        inside = ages.clamp(READ[0], READ[-1])
        return interpolate(inside, self.read_at, self.error_at)
