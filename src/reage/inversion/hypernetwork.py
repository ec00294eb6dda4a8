"""Tune the generator to one face in a few passes of a hypernetwork, without optimisation."""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from reage.inversion.encoding import downsample
from reage.inversion.projection import masked_psnr
from reage.inversion.tuning import Tuned
from reage.networks.encoders.hypernet import HyperNetwork
from reage.networks.generators import AnyGenerator
from reage.networks.judges.perceptual import masked_mse

__all__ = ["hypertune"]


@torch.no_grad()
def hypertune(
    hypernet: HyperNetwork, generator: AnyGenerator, target: Tensor, mask: Tensor, ws: Tensor
) -> Tuned:
    """Change the generator's weights until `ws` shows `target`, as HyperStyle does.

    `target` `[1, 3, R, R]` in [-1, 1], `mask` `[1, 1, R, R]`, `ws` `[1, num_ws, w_dim]`.
    """
    side, bent = hypernet.config.resolution, copy.deepcopy(generator)
    names = changed_names(generator)
    original, parameters = dict(generator.named_parameters()), dict(bent.named_parameters())
    total: dict[str, Tensor] = {}
    seen = downsample(target[:, :3], side)
    for _ in range(hypernet.config.passes):
        picture = downsample(bent.synthesize(ws)[:, :3], side)
        for name, change in zip(names, hypernet(torch.cat([seen, picture], 1)), strict=True):
            if change is not None:
                total[name] = total.get(name, 0) + change[0]
                parameters[name].copy_(original[name] * (1 + total[name]))
    image = bent.synthesize(ws)
    psnr = float(masked_psnr(masked_mse(image[:, :3], target[:, :3], mask))[0])
    difference = {name: parameters[name] - original[name] for name in total}
    return Tuned(difference, image[:, :3], psnr, hypernet.config.passes)


def changed_names(generator: AnyGenerator) -> list[str]:
    """Names of the weights in the order in which a hypernetwork counts them."""
    names = []
    for size in generator.config.block_resolutions:
        first = size == generator.config.block_resolutions[0]
        for layer in ("conv1", "torgb") if first else ("conv0", "conv1", "torgb"):
            names.append(f"synthesis.b{size}.{layer}.weight")
    return names
