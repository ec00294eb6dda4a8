"""The residual network of He et al., "Deep Residual Learning for Image Recognition" (2016).

Its basic blocks, as ResNet-34 has them, behind one convolution with learnt slopes and without
pooling: HyperStyle's hypernetwork stands on it. Parameter names and shapes are those of the
published files.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from reage.networks.norm import Norm

__all__ = ["BasicBlock", "ResNet"]


class BasicBlock(nn.Module):
    """Two residual 3x3 convolutions, with a projected shortcut if sizes differ (section 3.3)."""

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


class ResNet(nn.Module):
    """Pictures `[N, C, H, W]` to the last map; `features` reads it, and subclasses go on.

    `widths` are those of the maps at 1/2, 1/4, 1/8 ..., `units` the blocks at each of these sizes.
    """

    def __init__(self, inputs: int, stem: int, widths: tuple[int, ...], units: tuple[int, ...]):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, stem, 7, 2, 3, bias=False)
        self.bn1 = Norm(stem)
        self.relu = nn.PReLU(stem)
        blocks: list[nn.Module] = []
        previous = stem
        for k, (width, count) in enumerate(zip(widths, units, strict=True)):
            for i in range(count):
                blocks.append(BasicBlock(previous, width, 2 if k and not i else 1))
                previous = width
        self.body = nn.Sequential(*blocks)

    def features(self, images: Tensor) -> Tensor:
        wanted = self.conv1.in_channels
        assert images.ndim == 4 and images.shape[1] == wanted, f"images are {tuple(images.shape)}"
        return self.body(self.relu(self.bn1(self.conv1(images))))
