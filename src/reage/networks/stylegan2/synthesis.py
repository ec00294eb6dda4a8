"""The layers and blocks of the StyleGAN2 generator, as published, in plain PyTorch.

Parameter names and shapes are those of NVIDIA's PyTorch code, without its filter buffers, so a
published `G_ema` maps onto this module one to one (`reage.models.families.table`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reage.networks.stylegan2.ops import leaky_relu, modulated_conv, upsample_2x
from reage.networks.stylegan2.style_generator import NoiseMode, StyleConfig

__all__ = ["GeneratorConfig", "NoiseMode", "level_resolutions"]


@dataclass(frozen=True)
class GeneratorConfig(StyleConfig):
    """What shapes a StyleGAN2 generator has."""

    @property
    def num_ws(self) -> int:
        """How many style vectors the synthesis takes: 2 log2(resolution) - 2."""
        return 2 * len(self.channels)


def level_resolutions(config: GeneratorConfig) -> tuple[int, ...]:
    """Resolution at which each of the `num_ws` levels acts first: 4, 8, 8, 16, 16, ..., last.

    Level 0 feeds the 4-px convolution; levels 2k-1 and 2k the two convolutions of block k; the
    last level only the last toRGB.
    """
    last = config.block_resolutions[-1]
    pairs = [r for r in config.block_resolutions[1:] for _ in (0, 1)]
    return (config.block_resolutions[0], *pairs, last)


class EqualLinear(nn.Module):
    """Fully connected layer with equalised learning rate (Karras et al. 2018, section 4.1)."""

    def __init__(
        self, in_features: int, out_features: int, *, bias_init: float = 0, lr_multiplier: float = 1
    ):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_features, in_features) / lr_multiplier)
        self.bias = nn.Parameter(torch.full((out_features,), float(bias_init)))
        self.weight_gain = lr_multiplier / math.sqrt(in_features)
        self.bias_gain = lr_multiplier

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight * self.weight_gain, self.bias * self.bias_gain)


class Mapping(nn.Module):
    """z `[N, z_dim]` to w `[N, w_dim]`; holds the mean w, `w_avg`."""

    w_avg: Tensor

    def __init__(self, z_dim: int, w_dim: int, layers: int):
        super().__init__()
        self.layers = layers
        for i in range(layers):
            layer = EqualLinear(z_dim if i == 0 else w_dim, w_dim, lr_multiplier=0.01)
            self.add_module(f"fc{i}", layer)
        self.register_buffer("w_avg", torch.zeros(w_dim))

    def forward(self, z: Tensor) -> Tensor:
        x = z * torch.rsqrt(z.square().mean(1, keepdim=True) + 1e-8)
        for i in range(self.layers):
            x = leaky_relu(self.get_submodule(f"fc{i}")(x))
        return x


class SynthesisLayer(nn.Module):
    """Modulated 3x3 convolution, noise, bias, leaky ReLU."""

    noise_const: Tensor

    def __init__(self, in_channels: int, out_channels: int, w_dim: int, resolution: int, up: bool):
        super().__init__()
        self.up = up
        self.affine = EqualLinear(w_dim, in_channels, bias_init=1)
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, 3, 3))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.noise_strength = nn.Parameter(torch.zeros([]))
        self.register_buffer("noise_const", torch.randn(resolution, resolution))

    def forward(self, x: Tensor, w: Tensor, noise: Tensor | None) -> Tensor:
        x = modulated_conv(x, self.weight, self.affine(w), up=self.up)
        if noise is not None:
            x = x + (noise * self.noise_strength).to(x.dtype)
        return leaky_relu(x + self.bias[:, None, None].to(x.dtype))


class ToRGB(nn.Module):
    """Modulated 1x1 convolution to the picture, without demodulation."""

    def __init__(self, in_channels: int, image_channels: int, w_dim: int):
        super().__init__()
        self.affine = EqualLinear(w_dim, in_channels, bias_init=1)
        self.weight = nn.Parameter(torch.randn(image_channels, in_channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(image_channels))
        self.weight_gain = 1 / math.sqrt(in_channels)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        styles = self.affine(w) * self.weight_gain
        y = modulated_conv(x, self.weight, styles, demodulate=False)
        return y + self.bias[:, None, None].to(y.dtype)


class SynthesisBlock(nn.Module):
    """One resolution: two convolutions (one at 4 px) and the picture so far (skip connection)."""

    const: Tensor

    def __init__(self, in_channels: int, out_channels: int, config: GeneratorConfig, size: int):
        super().__init__()
        self.is_first = size == config.block_resolutions[0]
        if self.is_first:
            self.const = nn.Parameter(torch.randn(out_channels, size, size))
        else:
            self.conv0 = SynthesisLayer(in_channels, out_channels, config.w_dim, size, up=True)
        self.conv1 = SynthesisLayer(out_channels, out_channels, config.w_dim, size, up=False)
        self.torgb = ToRGB(out_channels, config.image_channels, config.w_dim)

    @property
    def layers(self) -> list[SynthesisLayer]:
        """The layers that take noise, in order."""
        return [self.conv1] if self.is_first else [self.conv0, self.conv1]

    def forward(
        self, x: Tensor, image: Tensor | None, ws: Tensor, noise: list[Tensor | None]
    ) -> tuple[Tensor, Tensor]:
        for i, layer in enumerate(self.layers):
            x = layer(x, ws[:, i], noise[i])
        rgb = self.torgb(x, ws[:, len(self.layers)]).float()
        return x, rgb if image is None else upsample_2x(image) + rgb


class Synthesis(nn.Module):
    """ws `[N, num_ws, w_dim]` to a picture `[N, C, R, R]`, or the smaller one of an inner block."""

    def __init__(self, config: GeneratorConfig):
        super().__init__()
        self.config = config
        previous = 0
        for size, channels in zip(config.block_resolutions, config.channels, strict=True):
            self.add_module(f"b{size}", SynthesisBlock(previous, channels, config, size))
            previous = channels

    @property
    def blocks(self) -> list[SynthesisBlock]:
        """The blocks from 4 px upwards."""
        found = [self.get_submodule(f"b{size}") for size in self.config.block_resolutions]
        return [block for block in found if isinstance(block, SynthesisBlock)]

    @property
    def noise_layers(self) -> list[SynthesisLayer]:
        """The num_ws - 1 layers that take noise, from 4 px upwards."""
        return [layer for block in self.blocks for layer in block.layers]

    def forward(
        self, ws: Tensor, noise: list[Tensor | None], dtype: torch.dtype, resolution: int = 0
    ) -> Tensor:
        first = self.blocks[0].const.to(dtype)
        x = first.expand(ws.shape[0], *first.shape)  # not len(): an exported batch is free
        if x.device.type == "cpu" or dtype != torch.float32:
            x = x.contiguous(memory_format=torch.channels_last)
        image, level, used = None, 0, 0
        for size, block in zip(self.config.block_resolutions, self.blocks, strict=True):
            count = len(block.layers)
            x, image = block(x, image, ws[:, level:], noise[used : used + count])
            level, used = level + count, used + count  # toRGB shares the next block's first w
            if size == resolution:
                break
        assert image is not None
        return image
