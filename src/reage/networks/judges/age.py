"""The apparent-age network of dlib-models (ResNet-10, 81 classes: 0 to 80 years), as a module.

Written as a module it is differentiable, runs on any device and takes pictures of any size.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["AGE_INPUT", "AgeNetwork", "age_moments", "normalize"]

AGE_INPUT = 64  # side of the picture that the network takes, pixels
MEAN_RGB = (122.781998, 117.000999, 104.297997)  # subtracted from 0..255 RGB, then / 256
BLOCKS = ((64, 64, 1), (64, 128, 2), (128, 128, 1), (128, 256, 2), (256, 256, 1))


class AgeBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut, which averages 2x2 where the block has stride 2."""

    def __init__(self, in_channels: int, out_channels: int, stride: int):
        super().__init__()
        self.stride = stride
        self.conv0 = nn.Conv2d(in_channels, out_channels, 3, stride, padding=2 - stride)
        self.conv1 = nn.Conv2d(out_channels, out_channels, 3, 1, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv1(F.relu(self.conv0(x)))
        if self.stride == 1:
            return F.relu(x + y)
        shortcut = F.avg_pool2d(x, 2)
        # dlib's add_prev pads the smaller one with zeros behind, in channels, rows and columns.
        shortcut = F.pad(shortcut, (0, 0, 0, 0, 0, y.shape[1] - shortcut.shape[1]))
        rows = max(shortcut.shape[2], y.shape[2])
        columns = max(shortcut.shape[3], y.shape[3])
        return F.relu(_pad_to(shortcut, rows, columns) + _pad_to(y, rows, columns))


class AgeNetwork(nn.Module):
    """Pictures `[N, 3, H, W]` in [-1, 1] to probabilities of the ages 0 to 80, `[N, 81]`."""

    ages: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 64, 7, 2)
        self.blocks = nn.ModuleList(AgeBlock(*shape) for shape in BLOCKS)
        self.head = nn.Linear(256, 81)
        ages = torch.arange(81.0)
        ages[0] = 0.25  # the class of the first year; the package's own weight
        self.register_buffer("ages", ages, persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        assert images.ndim == 4 and images.shape[1] == 3, f"images are {tuple(images.shape)}"
        x = F.max_pool2d(F.relu(self.stem(normalize(images, AGE_INPUT))), 3, 2)
        for block in self.blocks:
            x = block(x)
        return self.head(x.mean((2, 3))).softmax(1)

    def read(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Expected age and its standard deviation in years, each `[N]`."""
        return age_moments(self(images), self.ages)


def normalize(images: Tensor, side: int) -> Tensor:
    """Convert pictures in [-1, 1] to the size and range of dlib's face networks."""
    if images.shape[-2:] != (side, side):
        images = F.interpolate(images, size=(side, side), mode="bilinear", antialias=True)
    return ((images + 1) * 127.5 - images.new_tensor(MEAN_RGB)[:, None, None]) / 256


def age_moments(probabilities: Tensor, ages: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of ages `[81]` under probabilities `[N, 81]`."""
    mean = probabilities @ ages
    variance = probabilities @ ages.square() - mean.square()
    return mean, variance.clamp_min(0).sqrt()


def _pad_to(x: Tensor, rows: int, columns: int) -> Tensor:
    return F.pad(x, (0, columns - x.shape[3], 0, rows - x.shape[2]))
