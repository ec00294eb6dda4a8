"""The residual network of He et al., "Deep Residual Learning for Image Recognition" (2016).

Its basic blocks, as ResNet-34 has them, behind one convolution with learnt slopes and without
pooling: what HyperStyle's hypernetwork stands on, and ReStyle's encoders of anything but faces.
Parameter names and shapes are those of the published files.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from reage.networks.norm import Norm

__all__ = ["BasicBlock", "ResNetConfig", "resnet_body", "resnet_stem"]


@dataclass(frozen=True)
class ResNetConfig:
    """What shapes a residual network has; the defaults are ResNet-34's."""

    input_channels: int = 3
    stem: int = 64  # channels of the first convolution, at 1/2
    widths: tuple[int, ...] = (64, 128, 256, 512)  # of the maps at 1/2, 1/4, 1/8, 1/16
    units: tuple[int, ...] = (3, 4, 6, 3)  # blocks at each of these sizes

    def __post_init__(self) -> None:
        if len(self.widths) != len(self.units) or not self.units:
            raise ValueError(f"{len(self.widths)} widths but {len(self.units)} block counts")


class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside the input, which is projected if need be (section 3.3)."""

    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = Norm(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = Norm(outputs)
        self.downsample = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), Norm(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


def resnet_stem(config: ResNetConfig) -> tuple[nn.Conv2d, Norm, nn.PReLU]:
    """What halves the pictures `[N, C, H, W]` before the blocks, in order."""
    conv = nn.Conv2d(config.input_channels, config.stem, 7, 2, 3, bias=False)
    return conv, Norm(config.stem), nn.PReLU(config.stem)


def resnet_body(config: ResNetConfig) -> nn.Sequential:
    """All blocks in a row; the first of each group but the first halves the maps."""
    blocks: list[nn.Module] = []
    previous = config.stem
    for k, (width, count) in enumerate(zip(config.widths, config.units, strict=True)):
        for i in range(count):
            blocks.append(BasicBlock(previous, width, 2 if k and not i else 1))
            previous = width
    return nn.Sequential(*blocks)
