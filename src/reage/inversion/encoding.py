"""Encode faces by any encoder, in one pass or in several."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from reage.networks.encoders.encoder import Encoder
from reage.networks.encoders.style_encoder import StyleEncoder
from reage.networks.generators import AnyGenerator

__all__ = ["AnyEncoder", "downsample", "encode"]

AnyEncoder = Encoder | StyleEncoder


@torch.no_grad()
def encode(
    encoder: AnyEncoder,
    generator: AnyGenerator,
    images: Tensor,
    mask: Tensor,
    *,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Codes `[N, num_ws, w_dim]` of crops `[N, 3, R, R]` with their validity `[N, 1, R, R]`.

    Foreign encoders have learnt whole faces: they see what was put where the photo ends. `dtype`
    is the generator's, whose pictures an iterative encoder compares with the crops.
    """
    average = generator.mapping.w_avg
    if isinstance(encoder, Encoder):
        return encoder(images, mask, average)
    config = encoder.config
    seen = downsample(images, config.resolution)
    start = average if config.from_average else torch.zeros_like(average)
    ws = start.expand(len(images), config.num_ws, -1)
    if config.backbone.input_channels == 3:
        return ws + encoder(seen)
    for _ in range(config.iterations):  # ReStyle: how the picture so far differs, and the change
        picture = downsample(generator.synthesize(ws, dtype=dtype)[:, :3], config.resolution)
        ws = ws + encoder(torch.cat([seen, picture], 1))
    return ws


def downsample(images: Tensor, side: int) -> Tensor:
    """Downsample pictures to an encoder's size by area averaging, as its authors' code does."""
    return images if images.shape[-1] == side else F.adaptive_avg_pool2d(images, side)
