"""A small residual encoder: a face crop to its code in W+, in one pass."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["Encoder", "EncoderConfig"]


@dataclass(frozen=True)
class EncoderConfig:
    """What shapes an encoder has."""

    resolution: int  # of the crop, pixels
    num_ws: int  # levels of the generator
    w_dim: int = 512
    channels: tuple[int, ...] = (32, 64, 128, 256, 256)  # maps at 1/2, 1/4, ... of the size

    def __post_init__(self) -> None:
        if self.resolution < 2 ** len(self.channels):
            raise ValueError(f"{len(self.channels)} halvings do not fit into {self.resolution} px")


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions at half the size, and a 1x1 shortcut."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.conv0 = nn.Conv2d(inputs, outputs, 3, 2, padding=1)
        self.conv1 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.shortcut = nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv1(F.leaky_relu(self.conv0(x), 0.2))
        return F.leaky_relu(y + self.shortcut(F.avg_pool2d(x, 2)), 0.2)


class Encoder(nn.Module):
    """Crops `[N, 3, R, R]` in [-1, 1] with their validity to ws `[N, num_ws, w_dim]`.

    The code is w_avg + one shift for all levels + a small offset for each, so that it stays where
    edits work (Tov et al., "Designing an Encoder for StyleGAN Image Manipulation", 2021).
    """

    def __init__(self, config: EncoderConfig):
        super().__init__()
        self.config = config
        widths = (4, *config.channels)  # RGB and the validity mask
        self.blocks = nn.ModuleList(ResidualBlock(a, b) for a, b in pairwise(widths))
        self.shift = nn.Linear(config.channels[-1] * 16, config.w_dim)
        self.offsets = nn.Linear(config.channels[-1] * 16, config.num_ws * config.w_dim)

    def forward(self, images: Tensor, mask: Tensor, w_avg: Tensor) -> Tensor:
        """`mask` `[N, 1, R, R]`: what is not valid is grey to the network."""
        size = self.config.resolution
        assert images.shape[1:] == (3, size, size), f"images are {tuple(images.shape)}"
        x = nn.functional.pad(images * mask, (0, 0, 0, 0, 0, 1))
        x[:, 3:] = mask
        for block in self.blocks:
            x = block(x)
        x = F.adaptive_avg_pool2d(x, 4).flatten(1)  # [N, 16 C]
        offsets = self.offsets(x).view(-1, self.config.num_ws, self.config.w_dim)
        return w_avg + self.shift(x)[:, None] + offsets
