"""A photo ager: what age changes in the colours of an aligned photo, from the photo itself."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reage.networks.agers.latent_ager import AGE_NUMBERS, embed_age
from reage.networks.agers.patch_u_net import PatchUNet

__all__ = ["PhotoAger", "PhotoAgerConfig"]

CONDITION = 64  # numbers that both ages become
RAMP = 15.0  # years from the own age over which the change comes in
OUT_GAIN = 0.2  # Adam's first steps are as large as its rate: here they are pixels
MOST = 0.6  # by which a colour changes, of -1 to 1, softly


@dataclass(frozen=True)
class PhotoAgerConfig:
    """What shapes a photo ager has."""

    resolution: int = 128  # pixels a side
    patch: int = 2  # pixels a side that become the channels of one place
    widths: tuple[int, ...] = (32, 64, 128, 192)  # maps at 1/1, 1/2, ... of the patches

    def __post_init__(self) -> None:
        places, rest = divmod(self.resolution, self.patch)
        if rest or places % 2 ** (len(self.widths) - 1):
            raise ValueError(
                f"{self.resolution} px do not fall into patches of {self.patch} that can be "
                f"halved {len(self.widths) - 1} times"
            )


class AgedBlock(nn.Module):
    """Two residual 3x3 convolutions, scaled and shifted by the ages (FiLM, 2018)."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv0 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.film = nn.Linear(CONDITION, 2 * channels)
        nn.init.normal_(self.conv1.weight, std=0.1 / channels**0.5 / 3)
        nn.init.zeros_(self.film.weight)
        nn.init.zeros_(self.film.bias)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        gain, shift = self.film(condition)[:, :, None, None].to(x.dtype).chunk(2, 1)
        y = self.conv0(F.leaky_relu(x, 0.2)) * (1 + gain) + shift
        return x + self.conv1(F.leaky_relu(y, 0.2))


class PhotoAger(PatchUNet):
    """Photos with their own and wanted ages to what is to be added to their colours.

    A U-Net conditioned on both ages at every size. It changes nothing at the own age, and nothing
    at all before it has learnt.
    """

    def __init__(self, config: PhotoAgerConfig):
        super().__init__()
        self.config = config
        self.ages = nn.Linear(2 * AGE_NUMBERS, CONDITION)
        self.build(3, config.widths, config.patch, AgedBlock)

    def forward(
        self, photos: Tensor, own: Tensor, wanted: Tensor, *, dtype: torch.dtype = torch.float32
    ) -> Tensor:
        """Changes `[N, 3, R, R]` of photos `[N, 3, R, R]` in [-1, 1]; ages `[N]` in years.

        `dtype` is that of the maps.
        """
        side = self.config.resolution
        assert photos.shape[1:] == (3, side, side), f"photos are {tuple(photos.shape)}"
        condition = F.silu(self.ages(torch.cat([embed_age(own), embed_age(wanted)], 1)))
        change = self.run(photos, OUT_GAIN, dtype, condition)
        ramp = torch.tanh((wanted - own).abs() / RAMP)[:, None, None, None]
        return MOST * torch.tanh(change / MOST) * ramp
