"""HyperStyle's hypernetwork: the change of a generator's weights to show one face.

Alaluf et al., "HyperStyle: StyleGAN Inversion with HyperNetworks for Real Image Editing" (2022).
Parameter names and shapes are those of the published files.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

from reage.networks.encoders.resnet import ResNet
from reage.networks.stylegan2.synthesis import EqualLinear

__all__ = ["HyperNetwork", "HyperNetworkConfig", "LayerChange", "generator_layers"]

# How a layer's change is made: by the weights that all wide layers share, as a product of two
# vectors, one number a pair of channels, or one a weight of toRGB; None: the layer stays.
LayerChange = Literal["shared", "product", "pair", "rgb"] | None


@dataclass(frozen=True)
class HyperNetworkConfig:
    """What shapes a hypernetwork has."""

    layers: tuple[tuple[int, int, int], ...]  # kernel, in and out channels of the generator's
    changes: tuple[LayerChange, ...]  # of each of them
    stem: int = 64
    widths: tuple[int, ...] = (64, 128, 256, 512)  # of the maps at 1/2, 1/4, 1/8, 1/16
    units: tuple[int, ...] = (3, 4, 6, 3)  # ResNet-34's blocks at each of these sizes
    inner: int = 256  # channels on the way from the maps to one layer's code
    shared_inner: int = 128
    code: int = 512
    passes: int = 5
    resolution: int = 256


def generator_layers(channels: tuple[int, ...], image_channels: int) -> list[tuple[int, int, int]]:
    """Kernel, in and out channels of a generator's convolutions in order, toRGB included."""
    layers = [(3, channels[0], channels[0]), (1, channels[0], image_channels)]
    for before, width in pairwise(channels):
        layers += [(3, before, width), (3, width, width), (1, width, image_channels)]
    return layers


def reduction(inputs: int, inner: int, code: int, strides: tuple[int, ...]) -> nn.Sequential:
    """Convolutions with slope 0.01, the last one to `code` channels."""
    layers: list[nn.Module] = []
    for i, stride in enumerate(strides):
        outputs = code if i == len(strides) - 1 else inner
        layers += [nn.Conv2d(inner if i else inputs, outputs, 3, stride, 1), nn.LeakyReLU(0.01)]
    return nn.Sequential(*layers)


class SharedWeights(nn.Module):
    """Codes `[N, code]` to changes `[N, out, in, 3, 3]` of layers that are all of one shape."""

    def __init__(self, code: int, channels: int):
        super().__init__()
        self.w1 = nn.Parameter(torch.randn(code, channels * 9))
        self.b1 = nn.Parameter(torch.randn(channels * 9))
        self.w2 = nn.Parameter(torch.randn(code, channels * code))
        self.b2 = nn.Parameter(torch.randn(channels * code))

    def forward(self, code: Tensor) -> Tensor:
        rows = (code @ self.w2 + self.b2).unflatten(1, (-1, len(self.w1)))
        flat = (rows @ self.w1 + self.b1).flatten(1)
        channels = len(self.b1) // 9
        return flat.view(-1, channels, channels, 3, 3)


class SharedBlock(nn.Module):
    """Maps to the code that the shared weights take."""

    def __init__(self, config: HyperNetworkConfig):
        super().__init__()
        strides = (1, 2, 2, 2, 2)
        last = config.widths[-1]
        self.convs = reduction(last, config.shared_inner, config.code, strides)
        self.linear = EqualLinear(config.code, config.code)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(self.convs(x).flatten(1))


class Product(nn.Module):
    """A code to a kernel that is a product over the channels, then mixed along each."""

    def __init__(self, code: int, kernel: int, inputs: int, outputs: int):
        super().__init__()
        self.kernel = kernel
        self.make_kernel_in = nn.Linear(code, kernel**2 * inputs)
        self.make_kernel_out = nn.Linear(code, kernel**2 * outputs)
        self.kernel_linear_in = nn.Linear(inputs, inputs)
        self.kernel_linear_out = nn.Linear(outputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        sides = (self.kernel, self.kernel, -1)
        across = self.make_kernel_in(x.flatten(1)).unflatten(1, sides)[..., None, :]
        down = self.make_kernel_out(x.flatten(1)).unflatten(1, sides)[..., :, None]
        mixed = self.kernel_linear_in(down @ across).transpose(3, 4)  # [N, k, k, in, out]
        return self.kernel_linear_out(mixed).permute(0, 4, 3, 1, 2)


class LayerBlock(nn.Module):
    """Maps to the change `[N, out, in, k, k]` of one layer."""

    def __init__(
        self, config: HyperNetworkConfig, layer: tuple[int, int, int], change: LayerChange
    ):
        super().__init__()
        self.layer = layer
        kernel, inputs, outputs = layer
        strides = (2, 2, 2) if change == "pair" else (2, 2, 2, 2)
        self.convs = reduction(config.widths[-1], config.inner, config.code, strides)
        if change == "product":
            self.output = nn.Sequential(Product(config.code, kernel, inputs, outputs))
        elif change == "pair":
            pairs = nn.Conv2d(config.code, inputs * outputs, 1)
            self.output = nn.Sequential(nn.AdaptiveAvgPool2d(1), pairs)
        else:
            self.output = nn.Sequential(nn.Conv2d(config.code, inputs * outputs, 1))

    def forward(self, x: Tensor) -> Tensor:
        kernel, inputs, outputs = self.layer
        found = self.output(self.convs(x))
        if found.ndim == 5:
            return found
        return found.view(-1, outputs, inputs, 1, 1).expand(-1, -1, -1, kernel, kernel)


class HyperNetwork(ResNet):
    """A photo and the picture made of it, `[N, 6, 256, 256]`, to the generator's changes.

    A change d belongs to weights w as w * (1 + d); None where a layer stays.
    """

    def __init__(self, config: HyperNetworkConfig):
        super().__init__(6, config.stem, config.widths, config.units)
        self.config = config
        self.refinement_blocks = nn.ModuleDict()
        shared = 0
        for i, (layer, change) in enumerate(zip(config.layers, config.changes, strict=True)):
            if change == "shared":
                shared = layer[1]
                self.refinement_blocks[str(i)] = SharedBlock(config)
            elif change is not None:
                self.refinement_blocks[str(i)] = LayerBlock(config, layer, change)
        if shared:
            self.shared_weight_hypernet = SharedWeights(config.code, shared)

    def forward(self, images: Tensor) -> list[Tensor | None]:
        x = self.features(images)
        return [self._change(str(i), x) for i in range(len(self.config.layers))]

    def _change(self, name: str, x: Tensor) -> Tensor | None:
        if name not in self.refinement_blocks:
            return None
        found = self.refinement_blocks[name](x)
        if self.config.changes[int(name)] == "shared":
            return self.shared_weight_hypernet(found)
        return found
