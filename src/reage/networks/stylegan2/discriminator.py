"""The adversaries: StyleGAN2's discriminator, and small heads on a frozen network's features."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from reage.networks.judges.efficientnet import TAP_CHANNELS
from reage.networks.stylegan2.ops import leaky_relu

__all__ = [
    "Discriminator",
    "DiscriminatorConfig",
    "FeatureHeads",
    "FeatureHeadsConfig",
    "TextureCritic",
    "minibatch_stddev",
]


@dataclass(frozen=True)
class DiscriminatorConfig:
    """What shapes StyleGAN2's discriminator has."""

    resolution: int  # of the pictures, a power of two from 8
    # Feature maps at 4, 8, ... px: up to the full size as published, or to a half or a quarter of
    # it; every pixel is seen then as well, and the largest maps, which cost most, are left out.
    channels: tuple[int, ...]
    group: int = 4  # pictures that the minibatch standard deviation is taken over

    def __post_init__(self) -> None:
        if len(self.channels) < 2 or self.resolution / self.finest not in (1, 2, 4):
            raise ValueError(f"{len(self.channels)} channel counts do not fit {self.resolution} px")

    @property
    def finest(self) -> int:
        """Places a side of the first maps."""
        return 4 * 2 ** (len(self.channels) - 1)

    @property
    def patch(self) -> int:
        """Pixels between two of them."""
        return self.resolution // self.finest


class EqualConv2d(nn.Module):
    """Convolution with equalised learning rate (Karras et al. 2018, section 4.1)."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, *, bias: bool = True, stride: int = 1
    ):
        super().__init__()
        self.stride = stride
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None
        self.gain = 1 / math.sqrt(inputs * kernel**2)

    def forward(self, x: Tensor) -> Tensor:
        weight = (self.weight * self.gain).to(x.dtype)
        bias = None if self.bias is None else self.bias.to(x.dtype)
        padding = (self.weight.shape[2] - self.stride + 1) // 2
        return F.conv2d(x, weight, bias, stride=self.stride, padding=padding)


class DiscriminatorBlock(nn.Module):
    """Two 3x3 convolutions that halve the size, with a 1x1 shortcut (Karras 2020, fig. 7)."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.conv0 = EqualConv2d(inputs, inputs, 3)
        self.conv1 = EqualConv2d(inputs, outputs, 3)
        self.shortcut = EqualConv2d(inputs, outputs, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        # [1, 3, 3, 1] and a stride of two is bilinear reduction; a 2x2 mean comes close to it and
        # its backward pass is far cheaper without compiled kernels.
        y = F.avg_pool2d(leaky_relu(self.conv0(x)), 2)
        y = leaky_relu(self.conv1(y))
        return (y + self.shortcut(F.avg_pool2d(x, 2))) * math.sqrt(0.5)


class Discriminator(nn.Module):
    """Pictures `[N, 3, R, R]` in [-1, 1] to logits `[N]`, real above 0."""

    ada_p: Tensor
    ada_sign: Tensor

    def __init__(self, config: DiscriminatorConfig):
        super().__init__()
        self.config = config
        # Where ADA stands: the probability of each augmentation that it has come to see, and the
        # signs on real pictures since that was changed.
        self.register_buffer("ada_p", torch.zeros([]))
        self.register_buffer("ada_sign", torch.zeros([]))
        widths = config.channels[::-1]  # from the first maps down to 4 px
        kernel = 2 * config.patch if config.patch > 1 else 1
        self.from_rgb = EqualConv2d(3, widths[0], kernel, stride=config.patch)
        self.blocks = nn.ModuleList(DiscriminatorBlock(a, b) for a, b in pairwise(widths))
        self.conv = EqualConv2d(widths[-1] + 1, widths[-1], 3)
        self.hidden = EqualConv2d(widths[-1] * 16, widths[-1], 1)
        self.head = EqualConv2d(widths[-1], 1, 1)

    def forward(self, images: Tensor) -> Tensor:
        x = leaky_relu(self.from_rgb(images))
        for block in self.blocks:
            x = block(x)
        x = leaky_relu(self.conv(minibatch_stddev(x, self.config.group)))
        x = leaky_relu(self.hidden(x.flatten(1)[:, :, None, None]))
        return self.head(x).flatten()


def minibatch_stddev(x: Tensor, group: int) -> Tensor:
    """Add a map of the standard deviation within each group of neighbours in the batch.

    `[N, C, H, W]` to `[N, C + 1, H, W]`; N must be divisible by the group or be smaller
    (Karras et al. 2018, section 3).
    """
    count, channels, height, width = x.shape
    size = min(group, count)
    assert count % size == 0, f"{count} pictures do not fall into groups of {size}"
    y = x.view(-1, size, channels, height, width)
    y = (y.var(1, unbiased=False) + 1e-8).sqrt().mean((1, 2, 3))  # [N / size]
    y = y.repeat_interleave(size)[:, None, None, None].expand(-1, 1, height, width)
    return torch.cat([x, y], 1)


@dataclass(frozen=True)
class FeatureHeadsConfig:
    """What shapes the heads of a projected discriminator have."""

    channels: tuple[int, ...] = (64, 96, 128, 192)  # of the projections, finest first
    width: int = 96  # feature maps of the heads
    classes: int = 0  # of a condition; 0 = none
    side: int = 128  # of the pictures that the feature network sees, pixels
    colour_side: int = 16  # pixels of the view that the plain colour head sees; 0 = none


class FeatureHeads(nn.Module):
    """Judge pictures by frozen features at four scales, randomly projected and mixed.

    Sauer et al., "Projected GANs Converge Faster" (2021), sections 3 and 4: a fixed random 1x1
    convolution a scale, then fixed random 3x3 convolutions from coarse to fine; one small
    spectrally normalised head a scale. ImageNet features hardly see how saturated a picture is, so
    a plain head on a tiny view watches the colours. With `classes`, each head also gives one logit
    map a class, which is added to the unconditional one.
    """

    def __init__(self, config: FeatureHeadsConfig, seed: int = 0):
        super().__init__()
        self.config = config
        rng = torch.Generator().manual_seed(seed)
        widths = config.channels
        for i, (inputs, width) in enumerate(zip(TAP_CHANNELS, widths, strict=True)):
            self.register_buffer(f"projection{i}", _random_kernel(width, inputs, 1, rng))
        for i, (finer, coarser) in enumerate(pairwise(widths)):
            self.register_buffer(f"mixer{i}", _random_kernel(finer, coarser, 3, rng))
        sizes = [max(config.side // shrunk, 4) for shrunk in (4, 8, 16, 32)]
        outputs = 1 + config.classes
        self.heads = nn.ModuleList(
            _head(width, config.width, size, outputs)
            for width, size in zip(widths, sizes, strict=True)
        )
        self.colour = _head(3, 48, config.colour_side, outputs) if config.colour_side else None

    def project(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Mix the features of EfficientNet-Lite0, finest first, from coarse to fine."""
        fixed = dict(self.named_buffers(recurse=False))
        mixed = [F.conv2d(f, fixed[f"projection{i}"]) for i, f in enumerate(features)]
        for i in reversed(range(len(mixed) - 1)):
            y = F.conv2d(mixed[i + 1], fixed[f"mixer{i}"], padding=1)
            mixed[i] = mixed[i] + F.interpolate(y, size=mixed[i].shape[-2:], mode="bilinear")
        return mixed

    def view(self, images: Tensor) -> Tensor | None:
        """The tiny view that the colour head takes."""
        side = self.config.colour_side
        return F.adaptive_avg_pool2d(images, side) if side else None

    def forward(
        self, projected: Sequence[Tensor], view: Tensor | None, classes: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Logits of the feature heads `[N, L]` and of the colour head `[N, P]`, real above 0.

        `classes` `[N]` (int64) names each picture's class; -1 = unconditional.
        """
        pairs = zip(self.heads, projected, strict=True)
        logits = torch.cat([_add_class_logit(head(x), classes) for head, x in pairs], 1)
        if self.colour is None or view is None:
            return logits, None
        return logits, _add_class_logit(self.colour(view), classes)


class TextureCritic(nn.Module):
    """Logits of small patches of pictures, which say nothing of what is where.

    A Markovian discriminator (Isola et al., "Image-to-Image Translation with Conditional
    Adversarial Networks", 2017) that sees 18 pixels: skin and lines, but no glasses, no features.
    """

    def __init__(self, classes: int, width: int = 64):
        super().__init__()
        self.maps = nn.Sequential(
            spectral_norm(nn.Conv2d(3, width // 2, 4, 2, padding=1)),
            nn.LeakyReLU(0.2),
            spectral_norm(nn.Conv2d(width // 2, width, 4, 2, padding=1)),
            nn.LeakyReLU(0.2),
            spectral_norm(nn.Conv2d(width, width, 3, padding=1)),
            nn.LeakyReLU(0.2),
            spectral_norm(nn.Conv2d(width, 1 + classes, 1)),
        )

    def forward(self, images: Tensor, classes: Tensor | None = None) -> Tensor:
        """Logits `[N, P]` of the patches of pictures `[N, 3, R, R]`, real above 0.

        `classes` `[N]` (int64) names each picture's class; -1 = none.
        """
        return _add_class_logit(self.maps(images), classes)


def _random_kernel(outputs: int, inputs: int, kernel: int, rng: torch.Generator) -> Tensor:
    gain = math.sqrt(2 / (inputs * kernel**2))
    return torch.randn(outputs, inputs, kernel, kernel, generator=rng) * gain


def _head(inputs: int, width: int, size: int, outputs: int) -> nn.Sequential:
    """Halve with 4x4 convolutions down to 4 px, then logits a place."""
    layers: list[nn.Module] = []
    while size > 4:
        layers += [spectral_norm(nn.Conv2d(inputs, width, 4, 2, padding=1)), nn.LeakyReLU(0.2)]
        inputs, size = width, size // 2
    layers += [spectral_norm(nn.Conv2d(inputs, width, 3, padding=1)), nn.LeakyReLU(0.2)]
    layers += [spectral_norm(nn.Conv2d(width, outputs, 3, padding=1))]
    return nn.Sequential(*layers)


def _add_class_logit(maps: Tensor, classes: Tensor | None) -> Tensor:
    """Add the logit map of each picture's class to the unconditional one, `[N, P]`."""
    logits = maps[:, 0]
    if classes is not None and maps.shape[1] > 1:
        picked = maps[:, 1:][torch.arange(len(maps)), classes.clamp_min(0)]
        logits = logits + picked * (classes >= 0)[:, None, None]
    return logits.flatten(1)
