"""A small residual encoder: a face crop to its code in W+, in one pass."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reage.networks.stylegan2.ops import lower_precision

__all__ = ["Encoder", "EncoderConfig"]


@dataclass(frozen=True)
class EncoderConfig:
    """What shapes an encoder has."""

    num_ws: int  # levels of the generator
    w_dim: int = 512
    resolution: int = 128  # pixels that a crop is reduced to, at most
    patch: int = 4  # pixels a side that become the channels of one place
    channels: tuple[int, ...] = (64, 128, 192, 256)  # maps at 1/1, 1/2, ... of the patches
    blocks: tuple[int, ...] = (2, 2, 2, 1)  # residual blocks at each of these sizes
    hidden: int = 384  # width before the codes

    def __post_init__(self) -> None:
        if len(self.channels) != len(self.blocks):
            raise ValueError(f"{len(self.channels)} widths but {len(self.blocks)} block counts")
        places = self.resolution // self.patch
        if places * self.patch != self.resolution or places % 2 ** (len(self.channels) - 1):
            raise ValueError(
                f"{self.resolution} px do not fall into patches of {self.patch} that can be "
                f"halved {len(self.channels) - 1} times"
            )

    @property
    def last_side(self) -> int:
        """Places a side of the last maps."""
        return self.resolution // self.patch // 2 ** (len(self.channels) - 1)


class ResidualBlock(nn.Module):
    """Two residual 3x3 convolutions."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv0 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        # Near the identity at first, so that depth costs nothing early in training.
        nn.init.normal_(self.conv1.weight, std=0.1 / channels**0.5 / 3)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv1(F.leaky_relu(self.conv0(F.leaky_relu(x, 0.2)), 0.2))


class Encoder(nn.Module):
    """Crops `[N, 3, R, R]` in [-1, 1] with their validity to ws `[N, num_ws, w_dim]`.

    The code is w_avg + one shift for all levels + a small offset for each, so that it stays where
    edits work (Tov et al., "Designing an Encoder for StyleGAN Image Manipulation", 2021).
    """

    def __init__(self, config: EncoderConfig):
        super().__init__()
        self.config = config
        widths = config.channels
        layers: list[nn.Module] = [nn.Conv2d(4 * config.patch**2, widths[0], 3, padding=1)]
        for i, (width, count) in enumerate(zip(widths, config.blocks, strict=True)):
            if i:
                layers.append(nn.Conv2d(widths[i - 1], width, 3, 2, padding=1))
            layers += [ResidualBlock(width) for _ in range(count)]
        self.body = nn.Sequential(*layers)
        self.hidden = nn.Linear(widths[-1] * config.last_side**2, config.hidden)
        self.shift = nn.Linear(config.hidden, config.w_dim)
        self.offsets = nn.Linear(config.hidden, config.num_ws * config.w_dim)
        for layer in (self.shift, self.offsets):  # the average face at first
            nn.init.normal_(layer.weight, std=0.1 / config.hidden**0.5)
            nn.init.zeros_(layer.bias)

    def forward(self, images: Tensor, mask: Tensor, w_avg: Tensor) -> Tensor:
        """`mask` `[N, 1, R, R]`: what is not valid is grey to the network.

        R may be the encoder's resolution or 2, 4, 8, ... times as much.
        """
        return w_avg + self.changes(images, mask).sum(0)

    def changes(
        self, images: Tensor, mask: Tensor, *, dtype: torch.dtype = torch.float32
    ) -> Tensor:
        """The shift and the offsets, each as `[N, num_ws, w_dim]`, stacked; `dtype` of the maps."""
        x = torch.cat([images * mask, mask], 1)
        assert x.ndim == 4 and x.shape[1] == 4, f"images are {tuple(images.shape)}"
        factor, rest = divmod(int(x.shape[-1]), self.config.resolution)
        assert factor and not rest, f"images of {x.shape[-1]} px, made for {self.config.resolution}"
        x = F.pixel_unshuffle(F.avg_pool2d(x, factor) if factor > 1 else x, self.config.patch)
        if x.device.type == "cpu":
            x = x.contiguous(memory_format=torch.channels_last)
        with lower_precision(x, dtype):
            x = self.body(x)
        x = F.leaky_relu(self.hidden(F.leaky_relu(x.float(), 0.2).flatten(1)), 0.2)
        offsets = self.offsets(x).view(-1, self.config.num_ws, self.config.w_dim)
        return torch.stack([self.shift(x)[:, None].expand_as(offsets), offsets])
