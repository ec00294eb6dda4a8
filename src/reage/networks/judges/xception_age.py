"""A small Xception that reads ages: face-api's, used by no loss, so that it can judge an edit.

It is `age_gender_model` of the npm package `@vladmandic/face-api` (MIT): two strided blocks, two
residual ones, another strided one and 512 pooled features (the design is Xception's, Chollet 2017,
at a tenth of its width). It reads the gender too.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reage.networks.judges.efficientnet import SameConv2d

__all__ = ["XCEPTION_INPUT", "XceptionAge", "xception_state_dict"]

XCEPTION_INPUT = 112  # side of the picture that the network takes, pixels
MEAN_RGB = (122.782, 117.001, 104.298)  # subtracted from 0..255 RGB, then / 255
# Where the file's blocks are in the module.
BLOCKS = {
    "entry_flow/conv_in": "stem",
    "entry_flow/reduction_block_0": "entry.0",
    "entry_flow/reduction_block_1": "entry.1",
    "middle_flow/main_block_0": "middle.0",
    "middle_flow/main_block_1": "middle.1",
    "exit_flow/reduction_block": "exit",
    "exit_flow/separable_conv": "last",
}
HEADS = {"fc/age": "age", "fc/gender": "gender"}


class SeparableConv(nn.Module):
    """A 3x3 convolution of each channel, then a 1x1 convolution across them."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.depthwise = SameConv2d(inputs, inputs, 3, groups=inputs, bias=False)
        self.pointwise = nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.pointwise(self.depthwise(x))


class ReductionBlock(nn.Module):
    """Two separable convolutions and a 3x3 maximum, plus a strided 1x1 shortcut."""

    def __init__(self, inputs: int, outputs: int, *, begins: bool = False):
        super().__init__()
        self.begins = begins  # its input has been through a ReLU already
        self.separable = nn.ModuleList(
            [SeparableConv(inputs, outputs), SeparableConv(outputs, outputs)]
        )
        self.expansion = SameConv2d(inputs, outputs, 1, 2)

    def forward(self, x: Tensor) -> Tensor:
        y = self.separable[0](x if self.begins else F.relu(x))
        y = self.separable[1](F.relu(y))
        # TensorFlow's "same": of an even side, the odd pixel goes behind.
        y = F.max_pool2d(F.pad(y, (0, 1, 0, 1), value=-torch.inf), 3, 2)
        return y + self.expansion(x)


class MainBlock(nn.Module):
    """Three residual separable convolutions."""

    def __init__(self, channels: int):
        super().__init__()
        self.separable = nn.ModuleList(SeparableConv(channels, channels) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for layer in self.separable:
            y = layer(F.relu(y))
        return x + y


class XceptionAge(nn.Module):
    """Pictures `[N, 3, H, W]` in [-1, 1] to apparent ages in years, `[N]`."""

    name = "face-api TinyXception"

    def __init__(self) -> None:
        super().__init__()
        self.stem = SameConv2d(3, 32, 3, 2)
        self.entry = nn.ModuleList([ReductionBlock(32, 64, begins=True), ReductionBlock(64, 128)])
        self.middle = nn.ModuleList([MainBlock(128), MainBlock(128)])
        self.exit = ReductionBlock(128, 256)
        self.last = SeparableConv(256, 512)
        self.age = nn.Linear(512, 1)
        self.gender = nn.Linear(512, 2)  # male, female

    def features(self, images: Tensor) -> Tensor:
        """The pooled features before the last layer, `[N, 512]`."""
        assert images.ndim == 4 and images.shape[1] == 3, f"images are {tuple(images.shape)}"
        size = (XCEPTION_INPUT, XCEPTION_INPUT)
        if images.shape[-2:] != size:
            images = F.interpolate(images, size=size, mode="bilinear", antialias=True)
        x = ((images + 1) * 127.5 - images.new_tensor(MEAN_RGB)[:, None, None]) / 255
        x = F.relu(self.stem(x))
        for block in (*self.entry, *self.middle, self.exit):
            x = block(x)
        return F.relu(self.last(x)).mean((2, 3))

    def forward(self, images: Tensor) -> Tensor:
        return self.read(images)[0]

    def read(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Apparent ages in years and the probability of "male", each `[N]`."""
        x = self.features(images)
        return self.age(x)[:, 0], self.gender(x).softmax(1)[:, 0]


def xception_state_dict(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Name and turn the tensors of a TensorFlow.js manifest as `XceptionAge` has them.

    The file's convolutions are `[H, W, in, out]`, its linear layers `[in, out]`. What is not known
    keeps its name, so that a strict load names it.
    """
    state: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        block = next((block for block in BLOCKS if name.startswith(f"{block}/")), None)
        head, _, kind = name.rpartition("/")
        if block is not None:
            state |= _layer(block, name.removeprefix(f"{block}/"), tensor)
        elif head in HEADS and kind == "weights":
            state[f"{HEADS[head]}.weight"] = tensor.T.contiguous()
        else:
            state[f"{HEADS[head]}.{kind}" if head in HEADS else name] = tensor
    return state


def _layer(block: str, path: str, tensor: Tensor) -> dict[str, Tensor]:
    """`separable_conv0/pointwise_filter` to `separable.0.pointwise.weight`, turned."""
    part, _, kind = path.rpartition("/")
    if kind in ("depthwise_filter", "pointwise_filter", "filters"):
        # Of a depthwise one `[H, W, C, 1]`: one filter for each channel.
        order = (2, 3, 0, 1) if kind == "depthwise_filter" else (3, 2, 0, 1)
        tensor = tensor.permute(order).contiguous()
    separable = "separable_conv" in f"{block}/{part}"
    layer = {"filters": "", "depthwise_filter": "depthwise", "pointwise_filter": "pointwise"}.get(
        kind, "pointwise" if separable else ""
    )
    part = part.replace("separable_conv", "separable.").replace("expansion_conv", "expansion")
    parameter = "bias" if kind == "bias" else "weight"
    return {".".join(filter(None, (BLOCKS[block], part, layer, parameter))): tensor}
