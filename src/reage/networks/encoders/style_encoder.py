"""Encoders that read a code in W+ off the maps of an IR-SE network.

pSp: Richardson et al., "Encoding in Style" (2021); e4e: Tov et al., "Designing an Encoder for
StyleGAN Image Manipulation" (2021); ReStyle: Alaluf et al., "ReStyle: A Residual-Based StyleGAN
Encoder" (2021); SAM: Alaluf et al., "Only a Matter of Style" (2021). Parameter names and shapes
are those of the published files.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reage.networks.encoders.irse import Backbone, BackboneConfig
from reage.networks.norm import Norm
from reage.networks.stylegan2.synthesis import EqualLinear

__all__ = ["HALVINGS", "Reading", "StyleEncoder", "StyleEncoderConfig", "with_age"]

# Where the codes are read: off a pyramid of maps, off the last map by one head a level, or off
# the last map by one layer, to one code for all levels or to one for each.
Reading = Literal["pyramid", "last", "w", "w+"]

COARSE, MIDDLE = 3, 7  # levels below them are read off the 1/16 and 1/8 maps, the others off 1/4
HALVINGS = 4  # of a 1/16 map of a 256-px picture until one place is left
POOLED = 7  # places a side of the last map before the single layer of "w+"


@dataclass(frozen=True)
class StyleEncoderConfig:
    """What shapes a style encoder has, and what its numbers mean."""

    num_ws: int
    w_dim: int = 512
    backbone: BackboneConfig = field(default_factory=BackboneConfig)
    reading: Reading = "pyramid"
    progressive: bool = False  # the first level's code counts for all, the others are offsets
    from_average: bool = True  # codes are offsets from the average face's
    iterations: int = 1  # passes; more than one also sees the picture made so far
    resolution: int = 256  # side of the pictures, pixels

    def __post_init__(self) -> None:
        if self.reading not in get_args(Reading):
            raise ValueError(f"reading {self.reading!r} is not one of {get_args(Reading)}")
        if len(self.backbone.units) < 3 and self.reading == "pyramid":
            raise ValueError("a pyramid needs three sizes of maps")

    def halvings(self, level: int) -> int:
        """Return how often to halve the map from which a level is read."""
        if self.reading != "pyramid" or level < COARSE:
            return HALVINGS
        return HALVINGS + (1 if level < MIDDLE else 2)


class StyleHead(nn.Module):
    """A map `[N, C, H, W]` to one code `[N, w_dim]`, halved until one place is left."""

    def __init__(self, inputs: int, w_dim: int, halvings: int):
        super().__init__()
        layers: list[nn.Module] = []
        for i in range(halvings):
            layers += [nn.Conv2d(w_dim if i else inputs, w_dim, 3, 2, 1), nn.LeakyReLU(0.01)]
        self.convs = nn.Sequential(*layers)
        self.linear = EqualLinear(w_dim, w_dim)

    def forward(self, x: Tensor) -> Tensor:
        x = self.convs(x)
        assert x.shape[2:] == (1, 1), f"{tuple(x.shape[2:])} places are left, not one"
        return self.linear(x.flatten(1))


class StyleEncoder(Backbone):
    """Pictures `[N, C, R, R]` in [-1, 1] to codes `[N, num_ws, w_dim]`, as the config counts them.

    Besides RGB, C may hold a map of the age asked for (`with_age`), or the picture made so far.
    """

    def __init__(self, config: StyleEncoderConfig):
        super().__init__(config.backbone)
        self.config = config
        last, w_dim = config.backbone.widths[-1], config.w_dim
        if config.reading == "w":
            self.linear = EqualLinear(last, w_dim)
        elif config.reading == "w+":
            self.output_layer_2 = nn.Sequential(
                Norm(last),
                nn.AdaptiveAvgPool2d(POOLED),
                nn.Flatten(),
                nn.Linear(last * POOLED**2, w_dim),
            )
            self.linear = EqualLinear(w_dim, w_dim * config.num_ws)
        else:
            self.styles = nn.ModuleList(
                StyleHead(last, w_dim, config.halvings(i)) for i in range(config.num_ws)
            )
        if config.reading == "pyramid":
            self.latlayer1 = nn.Conv2d(config.backbone.widths[-2], last, 1)
            self.latlayer2 = nn.Conv2d(config.backbone.widths[-3], last, 1)

    def forward(self, images: Tensor) -> Tensor:
        config, maps = self.config, self.maps(images)
        if config.reading == "w":
            code = self.linear(maps[-1].mean((2, 3)))
            return code[:, None].expand(-1, config.num_ws, -1)
        if config.reading == "w+":
            codes = self.linear(self.output_layer_2(maps[-1]))
            return codes.unflatten(1, (config.num_ws, config.w_dim))
        codes = self._read(maps)
        if config.progressive:
            codes = torch.cat([codes[:, :1], codes[:, :1] + codes[:, 1:]], 1)
        return codes

    def _read(self, maps: list[Tensor]) -> Tensor:
        """One code a level, `[N, num_ws, w_dim]`."""
        levels = self._pyramid(maps) if self.config.reading == "pyramid" else [maps[-1]]
        sources = [levels[self.config.halvings(i) - HALVINGS] for i in range(len(self.styles))]
        return torch.stack([head(x) for head, x in zip(self.styles, sources, strict=True)], 1)

    def _pyramid(self, maps: list[Tensor]) -> list[Tensor]:
        """The 1/16, 1/8 and 1/4 maps, each with what the coarser ones know."""
        coarse = maps[-1]
        middle = _enlarge(coarse, maps[-2]) + self.latlayer1(maps[-2])
        fine = _enlarge(middle, maps[-3]) + self.latlayer2(maps[-3])
        return [coarse, middle, fine]


def with_age(images: Tensor, ages: Tensor) -> Tensor:
    """Append a map of target ages, in years `[N]`, to pictures `[N, 3, R, R]`."""
    plane = (ages / 100).to(images)[:, None, None, None]
    return torch.cat([images, plane.expand(-1, 1, *images.shape[2:])], 1)


def _enlarge(x: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(x, size=like.shape[2:], mode="bilinear", align_corners=True)
