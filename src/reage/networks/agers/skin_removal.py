"""What makes old skin look young: a U-Net on the face laid out on the canonical mesh."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reage.networks.stylegan2.ops import lower_precision

__all__ = ["SkinRemovalNetwork"]

WIDTHS = (32, 64, 96, 128)  # maps at 1/2, 1/4, 1/8, 1/16 of the picture
PATCH = 2
OUT_GAIN = 0.1
MOST = 0.8  # by which a logarithm changes, softly
BINOMIAL = (0.25, 0.5, 0.25)


class SkinRemovalNetwork(nn.Module):
    """Logarithms of colours to what the skin of a young face would change of them.

    After FRAN's U-Net (Zoss et al., "Production-Ready Face Re-Aging for Visual Effects", 2022), but
    without ages: what is removed is scaled afterwards.
    """

    blur: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(4 * PATCH**2 + 2, WIDTHS[0], 3, padding=1)
        self.inward = nn.ModuleList(_Block(width) for width in WIDTHS)
        self.halvings = nn.ModuleList(nn.Conv2d(a, b, 3, 2, padding=1) for a, b in pairwise(WIDTHS))
        self.doublings = nn.ModuleList(nn.Conv2d(b, a, 1) for a, b in pairwise(WIDTHS))
        self.outward = nn.ModuleList(_Block(width) for width in WIDTHS[:-1])
        self.out = nn.Conv2d(WIDTHS[0], 3 * PATCH**2, 3, padding=1)
        nn.init.zeros_(self.out.weight)
        assert self.out.bias is not None
        nn.init.zeros_(self.out.bias)
        taps = torch.tensor(BINOMIAL)
        kernel = torch.outer(taps, taps).expand(3, 1, 3, 3).contiguous()
        self.register_buffer("blur", kernel, persistent=False)

    def forward(self, logs: Tensor, skin: Tensor, *, dtype: torch.dtype = torch.float32) -> Tensor:
        """Return the change `[N, 3, H, W]` of logarithms `[N, 3, H, W]` less those of the skin.

        `skin` `[N, 1, H, W]` in 0..1 says where it is seen; H and W are multiples of 16. `dtype` is
        that of the maps.
        """
        x = F.pixel_unshuffle(torch.cat([logs, skin], 1), PATCH)
        rows, columns = (torch.linspace(-1, 1, n, device=x.device) for n in x.shape[2:])
        where = torch.stack(torch.meshgrid(rows, columns, indexing="ij"))
        x = torch.cat([x, where.expand(len(x), -1, -1, -1)], 1)
        if x.device.type == "cpu":
            x = x.contiguous(memory_format=torch.channels_last)
        with lower_precision(x, dtype):
            x = self._u_net(x)
        change = OUT_GAIN * F.pixel_shuffle(x.float(), PATCH)
        change = F.conv2d(F.pad(change, (1,) * 4, mode="replicate"), self.blur, groups=3)
        return MOST * torch.tanh(change / MOST)

    def _u_net(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        skips = []
        for i, block in enumerate(self.inward):
            if i:
                skips.append(x)
                x = self.halvings[i - 1](x)
            x = block(x)
        for i in reversed(range(len(skips))):
            x = skips[i] + F.interpolate(self.doublings[i](x), scale_factor=2.0, mode="nearest")
            x = self.outward[i](x)
        return self.out(F.leaky_relu(x, 0.2))


class _Block(nn.Module):
    """Two residual 3x3 convolutions, the second of which begins small."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv0 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.normal_(self.conv1.weight, std=0.1 / channels**0.5 / 3)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv0(F.leaky_relu(x, 0.2))
        return x + self.conv1(F.leaky_relu(y, 0.2))
