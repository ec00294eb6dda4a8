"""FRAN: a U-Net that gives what age changes in a picture's colours (Zoss et al., "Production-Ready
Face Re-Aging for Visual Effects", 2022).

No weights of its authors are public. Parameter names and shapes are those of two public
re-implementations, which differ in their layers and in the range of their pictures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import exp

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reage.networks.norm import Norm

__all__ = ["FRAN_CHANNELS", "FRAN_STEP", "FranConfig", "FranNormed", "FranPlain", "fran_input"]

FRAN_CHANNELS = 5  # red, green, blue, the own age / 100 and the wanted age / 100
FRAN_STEP = 16  # sides of pictures are multiples of it: four halvings
PASCAL = (1.0, 2.0, 1.0)
GAUSS_SIGMA = 1.5  # of the blur before each doubling, pixels


@dataclass(frozen=True)
class FranConfig:
    """Sizes of the network."""

    widths: tuple[int, ...] = (64, 128, 256, 512, 1024)  # channels from the full size down


def fran_input(pictures: Tensor, own: Tensor, wanted: Tensor) -> Tensor:
    """Pictures `[N, 3, H, W]` with maps of both ages `[N]` in years: `[N, 5, H, W]`."""
    shape = (len(pictures), 1, *pictures.shape[2:])
    maps = [(age.to(pictures) / 100)[:, None, None, None].expand(shape) for age in (own, wanted)]
    return torch.cat([pictures, *maps], dim=1)


def _check(x: Tensor) -> None:
    assert x.ndim == 4 and x.shape[1] == FRAN_CHANNELS, f"input is {tuple(x.shape)}"
    assert x.shape[2] % FRAN_STEP == x.shape[3] % FRAN_STEP == 0, f"input is {tuple(x.shape)}"


class BlurPool(nn.Module):
    """A stored filter of 4 x 4 before each subsampling (Zhang, "Making ... Shift-Invariant")."""

    filt: Tensor

    def __init__(self, channels: int, stride: int):
        super().__init__()
        self.stride = stride
        taps = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
        self.register_buffer("filt", torch.outer(taps, taps).repeat(channels, 1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        x = F.pad(x, (1, 2, 1, 2), mode="reflect")
        return F.conv2d(x, self.filt, stride=self.stride, groups=x.shape[1])


def _double_conv(inner: int, outer: int) -> list[nn.Module]:
    return [
        nn.Conv2d(inner, outer, 3, padding=1),
        nn.LeakyReLU(),
        nn.Conv2d(outer, outer, 3, padding=1),
        nn.LeakyReLU(),
    ]


class PlainDown(nn.Module):
    """Halve the size."""

    def __init__(self, inner: int, outer: int):
        super().__init__()
        pool = [nn.MaxPool2d(2, stride=1), BlurPool(inner, stride=2)]
        self.layer = nn.Sequential(*pool, *_double_conv(inner, outer))

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x)


class PlainUp(nn.Module):
    """Double the size, then join what was there at that size on the way down."""

    def __init__(self, inner: int, outer: int):
        super().__init__()
        doubled = nn.ConvTranspose2d(inner, outer, 2, stride=2)
        self.blur_upsample = nn.Sequential(doubled, BlurPool(outer, stride=1))
        self.layer = nn.Sequential(*_double_conv(2 * outer, outer))

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        return self.layer(torch.cat([self.blur_upsample(x), skip], dim=1))


class FranPlain(nn.Module):
    """The network of face_reaging: `[N, 5, H, W]`, colours in [0, 1], to changes `[N, 3, H, W]`."""

    signed = False  # colours are in [0, 1]

    def __init__(self, config: FranConfig | None = None):
        super().__init__()
        self.config = config or FranConfig()
        widths = self.config.widths
        self.init_conv = nn.Sequential(*_double_conv(FRAN_CHANNELS, widths[0]))
        for i, (outer, inner) in enumerate(pairwise(widths), 1):
            self.add_module(f"down{i}", PlainDown(outer, inner))
        for i, (inner, outer) in enumerate(_up_widths(widths), 1):
            self.add_module(f"up{i}", PlainUp(inner, outer))
        self.final_conv = nn.Conv2d(widths[0], 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        _check(x)
        levels = [self.init_conv(x)]
        steps = range(1, len(self.config.widths))
        for i in steps:
            levels.append(self.get_submodule(f"down{i}")(levels[-1]))
        x = levels.pop()
        for i in steps:
            x = self.get_submodule(f"up{i}")(x, levels.pop())
        return self.final_conv(x)


class Smooth(nn.Module):
    """A 3x3 low-pass filter that is not stored in the file."""

    kernel: Tensor

    def __init__(self, channels: int, taps: Sequence[float], *, stride: int = 1, padding: int = 0):
        super().__init__()
        line = torch.tensor(taps) / sum(taps)
        kernel = torch.outer(line, line).repeat(channels, 1, 1, 1)
        self.register_buffer("kernel", kernel, persistent=False)
        self.channels, self.stride, self.padding = channels, stride, padding

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.kernel, None, self.stride, self.padding, groups=self.channels)


class NormedPair(nn.Module):
    """Two convolutions, each with its batch normalisation."""

    def __init__(self, inner: int, outer: int):
        super().__init__()
        self.conv1 = nn.Conv2d(inner, outer, 3, padding=1)
        self.bn1 = Norm(outer)
        self.conv2 = nn.Conv2d(outer, outer, 3, padding=1)
        self.bn2 = Norm(outer)

    def convolve(self, x: Tensor) -> Tensor:
        x = F.leaky_relu(self.bn1(self.conv1(x)))
        return F.leaky_relu(self.bn2(self.conv2(x)))


class NormedDown(NormedPair):
    """Halve the size."""

    def __init__(self, inner: int, outer: int):
        super().__init__(inner, outer)
        self.smooth = Smooth(inner, PASCAL, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.convolve(self.smooth(F.max_pool2d(x, 2, stride=1)))


class NormedUp(NormedPair):
    """Double the size, then join what was there at that size on the way down."""

    def __init__(self, inner: int, outer: int):
        super().__init__(inner + outer, outer)
        side = exp(-1 / (2 * GAUSS_SIGMA**2))
        self.smooth = Smooth(inner, (side, 1.0, side))

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        x = self.smooth(F.pad(x, (1, 1, 1, 1), mode="reflect"))
        x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
        return self.convolve(torch.cat([x, skip], dim=1))


class FranNormed(nn.Module):
    """The network of pytorch-face-reaging-network: as `FranPlain`, colours in [-1, 1]."""

    signed = True

    def __init__(self, config: FranConfig | None = None):
        super().__init__()
        self.config = config or FranConfig()
        widths = self.config.widths
        self.conv1 = nn.Conv2d(FRAN_CHANNELS, widths[0], 3, padding=1)
        self.conv2 = nn.Conv2d(widths[0], widths[0], 3, padding=1)
        self.batchnorm1 = Norm(widths[0])  # behind both
        for i, (outer, inner) in enumerate(pairwise(widths), 1):
            self.add_module(f"downlayer{i}", NormedDown(outer, inner))
        for i, (inner, outer) in enumerate(_up_widths(widths), 1):
            self.add_module(f"uplayer{i}", NormedUp(inner, outer))
        self.conv3 = nn.Conv2d(widths[0], 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        _check(x)
        x = F.leaky_relu(self.batchnorm1(self.conv1(x)))
        levels = [F.leaky_relu(self.batchnorm1(self.conv2(x)))]
        steps = range(1, len(self.config.widths))
        for i in steps:
            levels.append(self.get_submodule(f"downlayer{i}")(levels[-1]))
        x = levels.pop()
        for i in steps:
            x = self.get_submodule(f"uplayer{i}")(x, levels.pop())
        return self.conv3(x)


def _up_widths(widths: Sequence[int]) -> list[tuple[int, int]]:
    return list(zip(widths[:0:-1], widths[-2::-1], strict=True))
