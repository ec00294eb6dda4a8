"""The residual network IR-SE of face recognition, which most StyleGAN2 encoders stand on.

Blocks of Deng et al., "ArcFace: Additive Angular Margin Loss" (2019), with the channel weights of
Hu et al., "Squeeze-and-Excitation Networks" (2018). Parameter names and shapes are those of the
published files, so a state dict loads without a table.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from reage.networks.norm import Norm

__all__ = ["FACE_SIDE", "ArcFace", "Backbone", "BackboneConfig"]

FACE_SIDE = 112  # of the picture that the recogniser takes, pixels
DESCRIPTOR = 512


@dataclass(frozen=True)
class BackboneConfig:
    """What shapes a backbone has; the defaults are IR-SE50's."""

    input_channels: int = 3
    stem: int = 64  # channels of the first convolution
    widths: tuple[int, ...] = (64, 128, 256, 512)  # of the maps at 1/2, 1/4, 1/8, 1/16
    units: tuple[int, ...] = (3, 4, 14, 3)  # residual blocks at each of these sizes
    squeeze: int = 16  # channels are weighed through a layer so many times narrower

    def __post_init__(self) -> None:
        if len(self.widths) != len(self.units) or not self.units:
            raise ValueError(f"{len(self.widths)} widths but {len(self.units)} block counts")


class SqueezeExcite(nn.Module):
    """Weigh the channels by what they hold on the whole (Hu et al. 2018, section 3)."""

    def __init__(self, channels: int, squeeze: int):
        super().__init__()
        self.fc1 = nn.Conv2d(channels, channels // squeeze, 1, bias=False)
        self.fc2 = nn.Conv2d(channels // squeeze, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        weights = F.relu(self.fc1(x.mean((2, 3), keepdim=True)))
        return x * self.fc2(weights).sigmoid()


class ResidualUnit(nn.Module):
    """Normalise, convolve twice, weigh the channels; add the input, projected if sizes differ."""

    def __init__(self, inputs: int, outputs: int, stride: int, squeeze: int):
        super().__init__()
        self.stride = stride
        self.res_layer = nn.Sequential(
            Norm(inputs),
            nn.Conv2d(inputs, outputs, 3, 1, 1, bias=False),
            nn.PReLU(outputs),
            nn.Conv2d(outputs, outputs, 3, stride, 1, bias=False),
            Norm(outputs),
            SqueezeExcite(outputs, squeeze),
        )
        self.shortcut_layer = None
        if inputs != outputs:
            self.shortcut_layer = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), Norm(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        if self.shortcut_layer is not None:
            return self.res_layer(x) + self.shortcut_layer(x)
        return self.res_layer(x) + x[:, :, :: self.stride, :: self.stride]


class Backbone(nn.Module):
    """Pictures `[N, C, H, W]` to the maps after each group of blocks, the largest first."""

    def __init__(self, config: BackboneConfig):
        super().__init__()
        self.units = config.units
        self.input_channels = config.input_channels
        self.input_layer = nn.Sequential(
            nn.Conv2d(config.input_channels, config.stem, 3, 1, 1, bias=False),
            Norm(config.stem),
            nn.PReLU(config.stem),
        )
        blocks: list[nn.Module] = []
        previous = config.stem
        for width, count in zip(config.widths, config.units, strict=True):
            for i in range(count):
                blocks.append(ResidualUnit(previous, width, 1 if i else 2, config.squeeze))
                previous = width
        self.body = nn.Sequential(*blocks)

    def maps(self, images: Tensor) -> list[Tensor]:
        wanted = self.input_channels
        assert images.ndim == 4 and images.shape[1] == wanted, f"images are {tuple(images.shape)}"
        x, found, start = self.input_layer(images), [], 0
        for count in self.units:
            x = self.body[start : start + count](x)
            start += count
            found.append(x)
        return found


class ArcFace(Backbone):
    """Faces `[N, 3, 112, 112]` in [-1, 1] to unit vectors `[N, D]`: the nearer, the more alike."""

    def __init__(self, config: BackboneConfig | None = None, descriptor: int = DESCRIPTOR):
        config = config or BackboneConfig()
        super().__init__(config)
        places = FACE_SIDE // 2 ** len(config.units)
        self.output_layer = nn.Sequential(
            Norm(config.widths[-1]),
            nn.Identity(),  # dropout, while it was trained
            nn.Flatten(),
            nn.Linear(config.widths[-1] * places**2, descriptor),
            Norm(descriptor),
        )

    def forward(self, images: Tensor) -> Tensor:
        assert images.shape[2:] == (FACE_SIDE, FACE_SIDE), f"images are {tuple(images.shape)}"
        return F.normalize(self.output_layer(self.maps(images)[-1]))
