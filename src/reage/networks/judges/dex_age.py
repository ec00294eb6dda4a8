"""DEX: ages read by a VGG16 with a class a year (Rothe et al., "Deep Expectation", 2018).

Parameter names and shapes are those of the published files, with "_" for "-".
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reage.networks.judges.age import age_moments

__all__ = ["DEX_AGES", "DEX_INPUT", "DEX_LAYERS", "DexAge"]

DEX_INPUT = 224  # side of the picture that the network takes, pixels
DEX_AGES = 101  # classes: 0 to 100 years
DEX_LAYERS = (2, 2, 3, 3, 3)  # convolutions before each halving
WIDTHS = (64, 128, 256, 512, 512)
PLACES = (DEX_INPUT // 2 ** len(DEX_LAYERS)) ** 2


class DexAge(nn.Module):
    """Pictures `[N, 3, H, W]` in [-1, 1], of FFHQ's square, to probabilities of ages `[N, 101]`.

    Called as by SAM's age loss: plain RGB, no mean subtracted.
    """

    name = "DEX-VGG16"
    ages: Tensor

    def __init__(self, widths: Sequence[int] = WIDTHS, hidden: int = 4096):
        super().__init__()
        previous = 3
        for i, (width, count) in enumerate(zip(widths, DEX_LAYERS, strict=True), 1):
            for j in range(1, count + 1):
                self.add_module(f"conv{i}_{j}", nn.Conv2d(previous, width, 3, padding=1))
                previous = width
        self.fc6 = nn.Linear(previous * PLACES, hidden)
        self.fc7 = nn.Linear(hidden, hidden)
        self.fc8_101 = nn.Linear(hidden, DEX_AGES)
        self.register_buffer("ages", torch.arange(float(DEX_AGES)), persistent=False)

    def logits(self, images: Tensor) -> Tensor:
        """Before the softmax, `[N, 101]`."""
        assert images.ndim == 4 and images.shape[1] == 3, f"images are {tuple(images.shape)}"
        x = F.interpolate(images, size=(DEX_INPUT, DEX_INPUT), mode="bilinear")
        for i, count in enumerate(DEX_LAYERS, 1):
            for j in range(1, count + 1):
                x = F.relu(self.get_submodule(f"conv{i}_{j}")(x))
            x = F.max_pool2d(x, 2)
        x = F.relu(self.fc7(F.relu(self.fc6(x.flatten(1)))))
        return self.fc8_101(x)

    def forward(self, images: Tensor) -> Tensor:
        return self.logits(images).softmax(1)

    def read(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Expected age and its standard deviation in years, each `[N]`."""
        return age_moments(self(images), self.ages)
