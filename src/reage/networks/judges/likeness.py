"""How much a changed face still looks like the photo it came from."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from reage.networks.judges.efficientnet import EfficientNetLite0

__all__ = ["FeatureLikeness"]

LAYERS = (0, 1, 2)  # features at 1/4, 1/8 and 1/16 of the size


class FeatureLikeness(nn.Module):
    """Cosine of two faces' features, less those of the average face: 1 = the same picture.

    Not a face recogniser: it compares aligned crops in place by ImageNet features. On 25
    people photographed twice, ten years or more apart, it finds the right one of 25 for 18
    (mean 0.2; different people: 0.0), so it does see who somebody is, and it is free to give away.
    """

    name = "efficientnet-lite0 likeness"

    def __init__(self, network: EfficientNetLite0, average_face: Tensor):
        super().__init__()
        self.network = network
        self.centre = self._features(average_face)  # of [1, 3, R, R], at the size that is compared

    def _features(self, images: Tensor) -> list[Tensor]:
        layers = self.network(images)
        return [layers[i] for i in LAYERS]

    def describe(self, images: Tensor) -> list[Tensor]:
        """Unit vectors of pictures `[N, 3, R, R]`, one `[N, D]` a layer."""
        found = self._features(images)
        return [
            nn.functional.normalize((f - c).flatten(1))
            for f, c in zip(found, self.centre, strict=True)
        ]

    def forward(self, a: list[Tensor], b: list[Tensor]) -> Tensor:
        """Likeness `[N]` of described pictures; either side may be one picture for all."""
        return torch.stack([(x * y).sum(1) for x, y in zip(a, b, strict=True)]).mean(0)
