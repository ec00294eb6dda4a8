"""What makes old skin look young: a U-Net on the face laid out on the canonical mesh."""

from __future__ import annotations

import torch
from torch import Tensor

from reage.networks.agers.patch_u_net import PatchUNet
from reage.networks.encoders.encoder import ResidualBlock

__all__ = ["BeardRemovalNetwork", "SkinRemovalNetwork"]

PATCH = 2
OUT_GAIN = 0.1


class SkinRemovalNetwork(PatchUNet):
    """Logarithms of colours to what the skin of a young face would change of them.

    It knows no ages: what is removed is scaled afterwards.
    """

    widths = (32, 64, 96, 128)  # maps at 1/2, 1/4, 1/8, 1/16 of the picture
    most = 0.8  # by which a logarithm changes, softly

    def __init__(self) -> None:
        super().__init__()
        self.build(4, self.widths, PATCH, ResidualBlock)

    def forward(self, logs: Tensor, skin: Tensor, *, dtype: torch.dtype = torch.float32) -> Tensor:
        """Return the change `[N, 3, H, W]` of logarithms `[N, 3, H, W]` less those of the skin.

        `skin` `[N, 1, H, W]` in 0..1 says where it is seen; H and W are multiples of 16. `dtype` is
        that of the maps.
        """
        change = self.run(torch.cat([logs, skin], 1), OUT_GAIN, dtype)
        return self.most * torch.tanh(change / self.most)


class BeardRemovalNetwork(SkinRemovalNetwork):
    """Logarithms of colours to what the skin under a beard would change of them."""

    widths = (24, 48, 72, 96)
    most = 2.0
