"""MediaPipe's hair segmentation network (Tkachenka et al. 2019), as a module.

An hourglass of ENet's bottlenecks (Paszke et al. 2016): max pooling remembers where the largest
values were, and unpooling puts values back there. Modules are registered in the order of the
TFLite file's operations.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["HAIR_INPUT", "HairSegmentationNetwork"]

HAIR_INPUT = 512  # side of the picture that it was trained on, pixels; any multiple of 32 works

# How the twelve bottlenecks at 1/32 look around: see `_around`.
DEEPEST = ("separable", 2, "wide", 4, "separable", 8) * 2


class HairSegmentationNetwork(nn.Module):
    """RGB in 0..1 `[N, 3, H, W]` to the probability of hair `[N, 1, H, W]`."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(4, 8, 2, 2), nn.PReLU(8), nn.Conv2d(8, 32, 2, 2), nn.PReLU(32)
        )
        self.down1 = DownBlock(32, 64, 16)  # 1/8
        self.blocks1 = nn.Sequential(*(Bottleneck(64, 16) for _ in range(2)))
        self.down2 = DownBlock(64, 128, 32)  # 1/16
        self.blocks2 = nn.Sequential(*(Bottleneck(128, 16) for _ in range(4)))
        self.down3 = DownBlock(128, 128, 16)  # 1/32
        self.blocks3 = nn.Sequential(
            *(Bottleneck(128, 8, kind) for kind in DEEPEST), Bottleneck(128, 4, 1)
        )
        self.up3 = UpBlock(128, 128, 8)
        self.merge2 = MergeBlock(128, 8)
        self.up2 = UpBlock(128, 64, 8)
        self.merge1 = MergeBlock(64, 4)
        self.up1 = UpBlock(64, 32, 4)
        self.block0 = Bottleneck(32, 4, 1)
        self.head = nn.Sequential(
            nn.ConvTranspose2d(32, 8, 2, 2), nn.PReLU(8), nn.ConvTranspose2d(8, 2, 2, 2)
        )

    def forward(self, images: Tensor) -> Tensor:
        logits = self.logits(images)
        return torch.sigmoid(logits[:, 1:] - logits[:, :1])  # softmax of two

    def logits(self, images: Tensor) -> Tensor:
        """Of anything else and of hair, `[N, 2, H, W]`."""
        assert images.shape[1] == 3 and images.shape[2] % 32 == images.shape[3] % 32 == 0
        # In a video the fourth channel is the mask of the frame before.
        x = self.stem(F.pad(images, (0, 0, 0, 0, 0, 1)))  # [N, 32, H / 4, W / 4]
        merged1, places1 = self.down1(x)
        merged2, places2 = self.down2(self.blocks1(merged1))
        x, places3 = self.down3(self.blocks2(merged2))
        x = self.up3(self.blocks3(x), places3)
        x = self.up2(self.merge2(torch.cat([x, merged2], 1)), places2)
        x = self.up1(self.merge1(torch.cat([x, merged1], 1)), places1)
        return self.head(self.block0(x))


class Bottleneck(nn.Module):
    """Narrow, look around, widen again, and add what came in."""

    def __init__(self, channels: int, narrow: int, kind: str | int = "separable"):
        super().__init__()
        self.narrow = nn.Sequential(nn.Conv2d(channels, narrow, 1), nn.PReLU(narrow))
        self.around = _neighbour_layers(narrow, kind)
        self.widen = nn.Conv2d(narrow, channels, 1)
        self.activation = nn.PReLU(channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(self.widen(self.around(self.narrow(x))) + x)


class DownBlock(nn.Module):
    """A bottleneck to half the size; what is added is max pooled."""

    def __init__(self, inputs: int, outputs: int, narrow: int):
        super().__init__()
        self.narrow = nn.Sequential(nn.Conv2d(inputs, narrow, 2, 2), nn.PReLU(narrow))
        self.around = _neighbour_layers(narrow, "separable")
        self.widen = nn.Conv2d(narrow, outputs, 1)
        self.skip = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()
        self.activation = nn.PReLU(outputs)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the features, and where the largest of each 2x2 values were (`_places`)."""
        added = self.skip(F.max_pool2d(x, 2))
        return self.activation(self.widen(self.around(self.narrow(x))) + added), _places(x)


class UpBlock(nn.Module):
    """A bottleneck to twice the size; what is added is unpooled."""

    def __init__(self, inputs: int, outputs: int, narrow: int):
        super().__init__()
        self.narrow = nn.Sequential(nn.Conv2d(inputs, narrow, 1), nn.PReLU(narrow))
        self.enlarge = nn.ConvTranspose2d(narrow, narrow, 3, 2)
        self.enlarged = nn.PReLU(narrow)
        self.skip = nn.Conv2d(inputs, outputs, 1)
        self.widen = nn.Conv2d(narrow, outputs, 1)
        self.activation = nn.PReLU(outputs)

    def forward(self, x: Tensor, places: Tensor) -> Tensor:
        # TensorFlow's padding SAME: the odd row and column go behind.
        enlarged = self.enlarged(self.enlarge(self.narrow(x))[..., :-1, :-1])
        return self.activation(self.widen(enlarged) + _unpool(self.skip(x), places))


class MergeBlock(nn.Module):
    """A bottleneck from twice the channels."""

    def __init__(self, channels: int, narrow: int):
        super().__init__()
        self.narrow = nn.Sequential(nn.Conv2d(2 * channels, narrow, 1), nn.PReLU(narrow))
        self.around = _neighbour_layers(narrow, 1)
        self.widen = nn.Conv2d(narrow, channels, 1)
        self.skip = nn.Conv2d(2 * channels, channels, 1)
        self.activation = nn.PReLU(channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(self.widen(self.around(self.narrow(x))) + self.skip(x))


def _places(x: Tensor) -> Tensor:
    """Which of each 2x2 values is the largest, the first of equals: `[N, C, 1, H / 2, W / 2]`."""
    a, b, c, d = F.pixel_unshuffle(x, 2).unflatten(1, (-1, 4)).unbind(2)
    # Ten times as fast as argmax.
    upper, lower = torch.where(b > a, 1, 0), torch.where(d > c, 3, 2)
    return torch.where(torch.maximum(c, d) > torch.maximum(a, b), lower, upper).unsqueeze(2)


def _unpool(x: Tensor, places: Tensor) -> Tensor:
    """Put values back where they were, zeros elsewhere: `max_unpool2d`, which ONNX lacks."""
    four = torch.arange(4, device=x.device).view(4, 1, 1)
    return F.pixel_shuffle((x.unsqueeze(2) * (places == four)).flatten(1, 2), 2)


def _neighbour_layers(channels: int, kind: str | int) -> nn.Sequential:
    """The layers that look at neighbours: "separable", "wide", or the dilation of a full one."""
    if isinstance(kind, int):
        full = nn.Conv2d(channels, channels, 3, padding=kind, dilation=kind)
        return nn.Sequential(full, nn.PReLU(channels))
    if kind == "wide":
        return nn.Sequential(*_separable(channels, 5))
    assert kind == "separable", kind
    last = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
    return nn.Sequential(*_separable(channels, 3), last, nn.PReLU(channels))


def _separable(channels: int, kernel: int) -> tuple[nn.Module, ...]:
    depthwise = nn.Conv2d(channels, channels, kernel, padding=kernel // 2, groups=channels)
    return depthwise, nn.Conv2d(channels, channels, 1), nn.PReLU(channels)
