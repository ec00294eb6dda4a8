"""What covers a face: a small head on an ImageNet classifier's features."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reage.networks.judges.efficientnet import EfficientNetLite0

__all__ = ["LEVELS", "OCCLUSION_INPUT", "OcclusionDecoder", "OcclusionNetwork"]

OCCLUSION_INPUT = 128  # side of the picture that it was trained on, pixels
WIDTH = 48
LEVELS = 3  # of the features that are looked at


class OcclusionNetwork(nn.Module):
    """RGB in [-1, 1] `[N, 3, R, R]` to how likely a thing covers the face, `[N, 1, R/2, R/2]`.

    What it says outside the face's outline means nothing.
    """

    def __init__(self, features: EfficientNetLite0):
        super().__init__()
        self.features = features.requires_grad_(False)
        self.decoder = OcclusionDecoder()

    def forward(self, images: Tensor) -> Tensor:
        return torch.sigmoid(self.decoder(images, self.features.first(images, LEVELS)))


class OcclusionDecoder(nn.Module):
    """From pictures `[N, 3, R, R]` and their features to logits `[N, 1, R/2, R/2]`."""

    def __init__(self) -> None:
        super().__init__()
        self.fine = nn.Conv2d(3, 16, 5, 2, 2)
        self.inner = nn.ModuleList(nn.Conv2d(n, WIDTH, 1) for n in (24, 40, 112))
        self.deep = _convolve(WIDTH, WIDTH, 2)
        self.middle = _convolve(WIDTH, WIDTH, 1)
        self.merged = _convolve(WIDTH, WIDTH, 1)
        self.last = nn.Sequential(_convolve(WIDTH + 16, 24, 1), _convolve(24, 16, 1))
        self.head = nn.Conv2d(16, 1, 1)

    def forward(self, images: Tensor, layers: list[Tensor]) -> Tensor:
        """Return logits; `layers` are the features at 1/4, 1/8 and 1/16 of the pictures' size."""
        quarter, eighth, x = (c(layer) for c, layer in zip(self.inner, layers, strict=True))
        x = self.middle(_double(self.deep(x)) + eighth)
        x = self.merged(_double(x) + quarter)
        fine = F.relu(self.fine(images))
        return self.head(self.last(torch.cat([_double(x), fine], 1)))


def _convolve(inputs: int, outputs: int, reach: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=reach, dilation=reach),
        nn.GroupNorm(8, outputs),
        nn.ReLU(),
    )


def _double(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="bilinear")
