"""Attention of linear cost between the places of feature maps (Shen et al., "Efficient Attention",
2021), with what follows it in generators: a small network at each place."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reage.networks.stylegan2.ops import SLOPE

__all__ = ["HEADS", "HEAD_WIDTH", "AttentionBlock"]

HEADS, HEAD_WIDTH = 8, 64
EPS = 1e-5


class ChannelNorm(nn.Module):
    """Each place's channels at mean 0 and variance 1, then scaled and moved by channel."""

    def __init__(self, channels: int):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        centred = x - x.mean(1, keepdim=True)
        scale = torch.rsqrt(centred.square().mean(1, keepdim=True) + EPS)
        return centred * scale * self.weight[:, None, None] + self.bias[:, None, None]


class AttentionBlock(nn.Module):
    """Maps `[N, C, H, W]` to maps of the same size: attention, then two layers at each place.

    Both are added to what they took. It always computes in float32, since
    sums over all places need the precision.
    """

    def __init__(self, channels: int):
        super().__init__()
        inner = HEADS * HEAD_WIDTH
        self.norm0 = ChannelNorm(channels)
        self.query = nn.Conv2d(channels, inner, 1, bias=False)
        self.around = nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
        self.key_value = nn.Conv2d(channels, 2 * inner, 1, bias=False)
        self.out = nn.Conv2d(inner, channels, 1)
        self.norm1 = ChannelNorm(channels)
        self.wide = nn.Conv2d(channels, 2 * channels, 1)
        self.narrow = nn.Conv2d(2 * channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        maps = x.float()
        maps = maps + self.out(F.gelu(self._attend(self.norm0(maps))))
        maps = maps + self.narrow(F.leaky_relu(self.wide(self.norm1(maps)), SLOPE))
        return maps.to(x.dtype)

    def _attend(self, x: Tensor) -> Tensor:
        """What each place asks for of the sum over all places, `[N, HEADS * HEAD_WIDTH, H, W]`."""
        heads = (HEADS, HEAD_WIDTH)
        query = self.query(x).flatten(2).unflatten(1, heads)  # [N, heads, width, places]
        both = self.key_value(self.around(x)).flatten(2)
        key, value = (part.unflatten(1, heads) for part in both.chunk(2, 1))
        gathered = value @ key.softmax(3).transpose(2, 3)  # [N, heads, width, width]
        found = gathered @ (query.softmax(2) * HEAD_WIDTH**-0.5)
        return found.flatten(1, 2).unflatten(2, x.shape[2:])
