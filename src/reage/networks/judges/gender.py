"""The gender network of dlib-models, as a module: used only to see what an edit leaks into."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from reage.networks.judges.age import normalize

__all__ = ["GenderNetwork"]

GENDER_INPUT = 32  # side of the picture that the network takes, pixels
CONVOLUTIONS = ((3, 32), (32, 32), (32, 64), (64, 64))


class GenderNetwork(nn.Module):
    """Pictures `[N, 3, H, W]` in [-1, 1] to the probability of "male", `[N]`."""

    def __init__(self) -> None:
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(*shape, 3, padding=1) for shape in CONVOLUTIONS)
        self.hidden = nn.Linear(4096, 16)
        self.head = nn.Linear(16, 2)

    def forward(self, images: Tensor) -> Tensor:
        x = normalize(images, GENDER_INPUT)
        for i, conv in enumerate(self.convs):
            x = F.relu(conv(x))
            if i % 2 == 1:
                x = F.avg_pool2d(x, 2)
        return self.head(F.relu(self.hidden(x.flatten(1)))).softmax(1)[:, 1]
