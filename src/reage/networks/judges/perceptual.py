"""Distances between pictures in the features of a frozen network.

One signature for both: `distance(images, targets, mask)` gives one number a picture, `[N]`.
Images and targets are `[N, 3, H, W]` in [-1, 1], the mask `[N, 1, H, W]` in 0..1. Pixels under a
zero mask are set to grey in both pictures first, so that they reach no feature at all, and each
layer is averaged over the valid area only (Zhang et al., "The Unreasonable Effectiveness of Deep
Features as a Perceptual Metric", 2018, equation 1, with that average).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reage.networks.judges.efficientnet import EfficientNetLite0

__all__ = [
    "EfficientNetDistance",
    "PerceptualDistance",
    "VGGDistance",
    "feature_distance",
    "masked_mse",
]

NORM_EPS = 1e-10


class PerceptualDistance(Protocol):
    """What inversion needs of a perceptual loss."""

    name: str

    def __call__(self, images: Tensor, targets: Tensor, mask: Tensor) -> Tensor: ...


def masked_mse(images: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
    """Mean squared difference over the valid area, one number a picture, `[N]`."""
    squared = (images - targets).square().mean(1, keepdim=True)
    return (squared * mask).sum((1, 2, 3)) / mask.sum((1, 2, 3)).clamp_min(1e-6)


def _layer_distance(a: Tensor, b: Tensor, mask: Tensor, weight: Tensor | None = None) -> Tensor:
    """Squared difference of unit-length features `[N, C, h, w]`, averaged over the mask, `[N]`."""
    a = a * torch.rsqrt(a.square().sum(1, keepdim=True) + NORM_EPS)
    b = b * torch.rsqrt(b.square().sum(1, keepdim=True) + NORM_EPS)
    difference = (a - b).square()
    summed = difference if weight is None else difference * weight
    area = F.interpolate(mask, size=a.shape[-2:], mode="area")
    total = (summed.sum(1, keepdim=True) * area).sum((1, 2, 3))
    return total / area.sum((1, 2, 3)).clamp_min(1e-6)


def feature_distance(found: Sequence[Tensor], wanted: Sequence[Tensor], mask: Tensor) -> Tensor:
    """Distance of two pictures' features, layer by layer, over a mask `[N, 1, R, R]`: `[N]`."""
    layers = [_layer_distance(a, b, mask) for a, b in zip(found, wanted, strict=True)]
    return torch.stack(layers).sum(0)


class _FeatureDistance(nn.Module):
    """Shared course: mask both, compare layer by layer. The targets' features are kept."""

    name = ""

    def __init__(self) -> None:
        super().__init__()
        self._last: tuple[Tensor, Tensor, list[Tensor]] | None = None

    def features(self, images: Tensor) -> list[Tensor]:
        raise AssertionError("a subclass has features")

    def weights(self) -> list[Tensor | None]:
        raise AssertionError("a subclass has weights")

    def forward(self, images: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
        wanted = self._target_features(targets, mask)
        found = self.features(images * mask)
        layers = [
            _layer_distance(a, b, mask, weight)
            for a, b, weight in zip(found, wanted, self.weights(), strict=True)
        ]
        return torch.stack(layers).sum(0)

    def _target_features(self, targets: Tensor, mask: Tensor) -> list[Tensor]:
        # An inversion compares with the same targets at each step: half of the work once only.
        last = self._last
        if last is None or last[0] is not targets or last[1] is not mask:
            with torch.no_grad():
                self._last = last = (targets, mask, self.features(targets * mask))
        return last[2]


class EfficientNetDistance(_FeatureDistance):
    """Distance in four scales of EfficientNet-Lite0, which comes with reage."""

    name = "efficientnet-lite0"

    def __init__(self, network: EfficientNetLite0):
        super().__init__()
        self.network = network

    def features(self, images: Tensor) -> list[Tensor]:
        return self.network(images)

    def weights(self) -> list[Tensor | None]:
        return [None] * 4


class VGGDistance(_FeatureDistance):
    """LPIPS on VGG16, the field's loss of choice, where its weights are at hand."""

    name = "lpips-vgg"
    plan = (64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512)
    taps = (3, 8, 15, 22, 29)  # relu1_2, relu2_2, relu3_3, relu4_3, relu5_3
    widths = (64, 128, 256, 512, 512)

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for item in self.plan:
            if isinstance(item, str):
                layers.append(nn.MaxPool2d(2))
                continue
            layers += [nn.Conv2d(channels, item, 3, padding=1), nn.ReLU()]
            channels = item
        self.layers = nn.Sequential(*layers)
        self.linear = nn.ParameterList(torch.zeros(1, c, 1, 1) for c in self.widths)

    def features(self, images: Tensor) -> list[Tensor]:
        shift = images.new_tensor((-0.030, -0.088, -0.188))[:, None, None]
        scale = images.new_tensor((0.458, 0.448, 0.450))[:, None, None]
        x, kept = (images - shift) / scale, []
        for i, layer in enumerate(self.layers):
            x = layer(x)
            if i in self.taps:
                kept.append(x)
        return kept

    def weights(self) -> list[Tensor | None]:
        return list(self.linear)

    def load_published(self, vgg16: Mapping[str, Tensor], linear: Mapping[str, Tensor]) -> None:
        """Take torchvision's `vgg16` and the `lpips` package's v0.1 `vgg` weights, strictly.

        Raises KeyError or RuntimeError where names or shapes are not theirs.
        """
        features = {k.removeprefix("features."): v for k, v in vgg16.items() if "features." in k}
        self.layers.load_state_dict(features)
        self.linear.load_state_dict(
            {str(i): linear[f"lin{i}.model.1.weight"] for i in range(len(self.taps))}
        )
