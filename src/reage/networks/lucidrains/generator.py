"""A relative of the StyleGAN2 generator: doubled by bilinear interpolation, a w a resolution.

Where it differs from `reage.networks.stylegan2.generator`:

- Each resolution, 4 px too, has two convolutions and one w that styles both and toRGB.
- A plain convolution stands between the constant (or what is made of the mean w) and the first.
- Features and the picture are doubled by bilinear interpolation that repeats the border; the
  picture is then blurred once more, with a mirrored border.
- Noise is one map of uniform values in [0, 1), of whose corner each resolution takes what it needs;
  it is weighed by channel.
- Styles are counted from 1, no layer has a gain, z is brought to length 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reage.networks.lucidrains.linear_attention import AttentionBlock
from reage.networks.stylegan2.ops import SLOPE, modulated_conv
from reage.networks.stylegan2.style_generator import StyleConfig, StyleGenerator

__all__ = ["BilinearConfig", "BilinearGenerator"]

BLUR = (1.0, 2.0, 1.0)


@dataclass(frozen=True)
class BilinearConfig(StyleConfig):
    """What shapes such a generator has."""

    constant: bool = True  # it starts from a constant; else from the mean of ws
    attention: tuple[int, ...] = ()  # resolutions of the blocks that begin with attention

    def __post_init__(self) -> None:
        super().__post_init__()
        unknown = set(self.attention) - set(self.block_resolutions)
        if unknown or len(set(self.attention)) < len(self.attention):
            raise ValueError(f"attention {list(self.attention)} is not a choice of its resolutions")

    @property
    def num_ws(self) -> int:
        """One for each resolution: log2(resolution) - 1."""
        return len(self.channels)


class UnitMapping(nn.Module):
    """z `[N, z_dim]`, brought to length 1, to w `[N, w_dim]`; holds the mean w, `w_avg`."""

    w_avg: Tensor

    def __init__(self, z_dim: int, w_dim: int, layers: int):
        super().__init__()
        self.layers = layers
        for i in range(layers):
            self.add_module(f"fc{i}", nn.Linear(z_dim if i == 0 else w_dim, w_dim))
        self.register_buffer("w_avg", torch.zeros(w_dim))

    def forward(self, z: Tensor) -> Tensor:
        x = F.normalize(z, dim=1)
        for i in range(self.layers):
            x = F.leaky_relu(self.get_submodule(f"fc{i}")(x), SLOPE)
        return x


class BilinearLayer(nn.Module):
    """Modulated 3x3 convolution, noise weighed by channel, bias, leaky ReLU."""

    def __init__(self, in_channels: int, out_channels: int, w_dim: int):
        super().__init__()
        self.affine = nn.Linear(w_dim, in_channels)
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, 3, 3))
        self.noise_strength = nn.Parameter(torch.zeros(out_channels))
        self.bias = nn.Parameter(torch.zeros(out_channels))

    def forward(self, x: Tensor, w: Tensor, noise: Tensor | None) -> Tensor:
        x = modulated_conv(x, self.weight, 1 + self.affine(w))
        added = self.bias[:, None, None]
        if noise is not None:
            added = added + noise * self.noise_strength[:, None, None]
        return F.leaky_relu(x + added.to(x.dtype), SLOPE)


class PlainToRGB(nn.Module):
    """Modulated 1x1 convolution to the picture, without demodulation and bias."""

    def __init__(self, in_channels: int, image_channels: int, w_dim: int):
        super().__init__()
        self.affine = nn.Linear(w_dim, in_channels)
        self.weight = nn.Parameter(torch.randn(image_channels, in_channels, 1, 1))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        return modulated_conv(x, self.weight, 1 + self.affine(w), demodulate=False)


class BilinearBlock(nn.Module):
    """One resolution: perhaps attention before it is reached, two convolutions, the picture."""

    def __init__(self, in_channels: int, out_channels: int, config: BilinearConfig, size: int):
        super().__init__()
        self.up = size != config.block_resolutions[0]
        self.attention = AttentionBlock(in_channels) if size in config.attention else None
        self.conv0 = BilinearLayer(in_channels, out_channels, config.w_dim)
        self.conv1 = BilinearLayer(out_channels, out_channels, config.w_dim)
        self.torgb = PlainToRGB(out_channels, config.image_channels, config.w_dim)

    def forward(
        self, x: Tensor, image: Tensor | None, w: Tensor, noise: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        if self.attention is not None:
            x = self.attention(x)
        if self.up:
            x = double_size(x)
        if noise is not None:
            noise = noise[:, :, : x.shape[2], : x.shape[3]]
        x = self.conv1(self.conv0(x, w, noise), w, noise)
        rgb = self.torgb(x, w).float()
        return x, rgb if image is None else blur(double_size(image)) + rgb


class BilinearSynthesis(nn.Module):
    """ws `[N, num_ws, w_dim]` and one noise map `[N or 1, 1, R, R]` to a picture `[N, C, R, R]`."""

    noise_const: Tensor

    def __init__(self, config: BilinearConfig):
        super().__init__()
        self.config = config
        width = config.channels[0]
        shape = (width, 4, 4) if config.constant else (config.w_dim, width, 4, 4)
        self.start = nn.Parameter(torch.randn(shape))
        self.first = nn.Conv2d(width, width, 3, padding=1)
        for size, channels in zip(config.block_resolutions, config.channels, strict=True):
            self.add_module(f"b{size}", BilinearBlock(width, channels, config, size))
            width = channels
        self.register_buffer("noise_const", torch.rand(config.resolution, config.resolution))

    @property
    def blocks(self) -> list[BilinearBlock]:
        """The blocks from 4 px upwards."""
        found = [self.get_submodule(f"b{size}") for size in self.config.block_resolutions]
        return [block for block in found if isinstance(block, BilinearBlock)]

    def forward(self, ws: Tensor, noise: list[Tensor | None], dtype: torch.dtype) -> Tensor:
        if self.config.constant:
            x = self.start.expand(ws.shape[0], *self.start.shape)
        else:
            x = torch.einsum("nw,wchv->nchv", ws.mean(1), self.start)
        x = x.to(dtype)
        if x.device.type == "cpu" or dtype != torch.float32:
            x = x.contiguous(memory_format=torch.channels_last)
        assert self.first.bias is not None
        x = F.conv2d(x, self.first.weight.to(dtype), self.first.bias.to(dtype), padding=1)
        (map_,), image = noise, None
        for level, block in enumerate(self.blocks):
            x, image = block(x, image, ws[:, level], map_)
        assert image is not None
        return 2 * image - 1  # the layers' own colours are in [0, 1]


class BilinearGenerator(StyleGenerator):
    """The network of lucidrains/stylegan2-pytorch. It takes one noise map."""

    config: BilinearConfig
    mapping: UnitMapping
    synthesis: BilinearSynthesis
    noise_mean: ClassVar[float] = 0.5
    noise_deviation: ClassVar[float] = 12**-0.5

    def __init__(self, config: BilinearConfig):
        super().__init__()
        self.config = config
        self.mapping = UnitMapping(config.z_dim, config.w_dim, config.mapping_layers)
        self.synthesis = BilinearSynthesis(config)

    def stored_noise(self) -> list[Tensor]:
        return [self.synthesis.noise_const[None, None]]

    def draw_noise(self, rng: torch.Generator | None, device: torch.device) -> list[Tensor]:
        side = self.config.resolution
        return [torch.rand(1, side, side, generator=rng, device=device)]

    def style_weights(self, level: int) -> list[Tensor]:
        """Of both convolutions at a level."""
        blocks = self.synthesis.blocks[level : level + 1]
        return [conv.affine.weight for block in blocks for conv in (block.conv0, block.conv1)]


def double_size(maps: Tensor) -> Tensor:
    """Double the size by bilinear interpolation with a repeated border: `[N, C, 2H, 2W]`."""
    return F.interpolate(maps, scale_factor=2, mode="bilinear", align_corners=False)


def blur(image: Tensor) -> Tensor:
    """Apply the filter [1, 2, 1] both ways with a mirrored border: `[N, C, H, W]`."""
    channels = int(image.shape[1])  # a plain number, which an exported graph needs
    kernel = _blur_kernel(image.dtype, image.device).expand(channels, 1, 3, 3)
    return F.conv2d(F.pad(image, (1, 1, 1, 1), mode="reflect"), kernel, groups=channels)


@cache
def _blur_kernel(dtype: torch.dtype, device: torch.device) -> Tensor:
    taps = torch.tensor(BLUR) / sum(BLUR)
    return torch.outer(taps, taps).to(device=device, dtype=dtype)
