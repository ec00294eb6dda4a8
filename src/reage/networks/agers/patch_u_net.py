"""The U-Net on patches of a picture that the agers of photos share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reage.networks.stylegan2.ops import lower_precision

__all__ = ["PatchUNet"]

BINOMIAL = (0.25, 0.5, 0.25)


class PatchUNet(nn.Module):
    """A U-Net (Ronneberger et al., 2015) whose places are patches of pixels.

    It is as in FRAN (Zoss et al., "Production-Ready Face Re-Aging for Visual Effects", 2022), but
    small. It returns 0 before it has learnt.
    """

    blur: Tensor

    def build(
        self, layers: int, widths: Sequence[int], patch: int, block: Callable[[int], nn.Module]
    ) -> None:
        """Make the maps: of patches of `layers` numbers a pixel and of where each of them lies.

        `widths` are those of the maps at 1/1, 1/2, ... of the patches; `block` makes what is done
        at each.
        """
        self.patch = patch
        self.stem = nn.Conv2d(layers * patch**2 + 2, widths[0], 3, padding=1)
        self.inward = nn.ModuleList(block(width) for width in widths)
        self.halvings = nn.ModuleList(nn.Conv2d(a, b, 3, 2, padding=1) for a, b in pairwise(widths))
        self.doublings = nn.ModuleList(nn.Conv2d(b, a, 1) for a, b in pairwise(widths))
        self.outward = nn.ModuleList(block(width) for width in widths[:-1])
        self.out = nn.Conv2d(widths[0], 3 * patch**2, 3, padding=1)
        nn.init.zeros_(self.out.weight)
        assert self.out.bias is not None
        nn.init.zeros_(self.out.bias)
        taps = torch.tensor(BINOMIAL)
        kernel = torch.outer(taps, taps).expand(3, 1, 3, 3).contiguous()
        self.register_buffer("blur", kernel, persistent=False)

    def run(self, pictures: Tensor, gain: float, dtype: torch.dtype, *condition: Tensor) -> Tensor:
        """Return `gain` times what it makes of pictures `[N, layers, H, W]`: `[N, 3, H, W]`.

        `condition` is handed to each block; `dtype` is that of the maps.
        """
        x = F.pixel_unshuffle(pictures, self.patch)
        # Faces are aligned.
        axes = (torch.linspace(-1, 1, n, device=x.device) for n in x.shape[2:])
        where = torch.stack(torch.meshgrid(*axes, indexing="ij"))
        x = torch.cat([x, where.expand(x.shape[0], -1, -1, -1)], 1)
        if x.device.type == "cpu":
            x = x.contiguous(memory_format=torch.channels_last)
        with lower_precision(x, dtype):
            x = self._through(x, condition)
        change = gain * F.pixel_shuffle(x.float(), self.patch)
        # The pixels of a patch come from different channels: without this they show as a grid.
        return F.conv2d(F.pad(change, (1,) * 4, mode="replicate"), self.blur, groups=3)

    def _through(self, x: Tensor, condition: tuple[Tensor, ...]) -> Tensor:
        x = self.stem(x)
        skips = []
        for i, block in enumerate(self.inward):
            if i:
                skips.append(x)
                x = self.halvings[i - 1](x)
            x = block(x, *condition)
        for i in reversed(range(len(skips))):
            x = skips[i] + F.interpolate(self.doublings[i](x), scale_factor=2.0, mode="nearest")
            x = self.outward[i](x, *condition)
        return self.out(F.leaky_relu(x, 0.2))
