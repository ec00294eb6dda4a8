"""Teaching the mapping network to draw codes like those of real faces.

An encoder puts real faces somewhere into W; the adversary alone needs millions of pictures until
the mapping draws from there. The energy distance between drawn and encoded codes needs no pictures.
"""

from __future__ import annotations

import torch
from torch import Tensor

from reage.networks.encoder import Encoder
from reage.networks.generator import EqualLinear, Generator, Mapping
from reage.training.draws import seeded

__all__ = ["centre_offsets", "energy_distance", "fit_mapping", "rebase"]

DRAWN = 384  # codes a step
LR = 0.15  # the mapping's own learning rate is a hundredth of it (its lr_multiplier)


def energy_distance(a: Tensor, b: Tensor) -> Tensor:
    """How far two sets of points `[N, D]` and `[M, D]` are from one distribution; at least 0.

    2 E|a - b| - E|a - a'| - E|b - b'| (Szekely and Rizzo, "Energy statistics", 2013), each
    within a set over different points, so that it is unbiased.
    """
    between = torch.cdist(a, b).mean()
    return 2 * between - _spread(a) - _spread(b)


def _spread(points: Tensor) -> Tensor:
    count = len(points)
    # The distance of a point to itself has no gradient: it is left out before the root.
    squared = torch.pdist(points)
    return squared.sum() * 2 / (count * (count - 1))


def fit_mapping(mapping: Mapping, codes: Tensor, z_dim: int, *, steps: int, seed: int = 0) -> float:
    """Fit the mapping to codes `[N, w_dim]`; returns the last energy distance."""
    kept = [p.requires_grad for p in mapping.parameters()]
    mapping.requires_grad_(True)
    optimizer = torch.optim.Adam(mapping.parameters(), lr=LR, betas=(0.9, 0.99))
    rng = seeded(seed, "mapping")
    loss = torch.zeros([])
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = LR * min(1.0, 2 * (1 - step / steps))
        z = torch.randn(DRAWN, z_dim, generator=rng).to(codes)
        chosen = torch.randint(len(codes), (DRAWN,), generator=rng).to(codes.device)
        loss = energy_distance(mapping(z), codes[chosen])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
    for parameter, flag in zip(mapping.parameters(), kept, strict=True):
        parameter.requires_grad_(flag)
    return float(loss.detach())


@torch.no_grad()
def rebase(generator: Generator, encoder: Encoder) -> None:
    """Make `w_avg` the mean of what the mapping draws, without moving the encoder's codes."""
    mean = generator.mean_w()
    encoder.shift.bias.add_(generator.mapping.w_avg - mean)
    generator.mapping.w_avg.copy_(mean)


@torch.no_grad()
def centre_offsets(generator: Generator, encoder: Encoder, means: Tensor) -> None:
    """Take the mean offsets `[num_ws, w_dim]` out of the encoder and into the generator.

    No picture of an encoded face changes, but a w that comes without offsets, as the mapping's
    does, is then at the middle of all faces instead of where no face has ever been.
    """
    level = 0
    for block in generator.synthesis.blocks:
        count = len(block.layers)
        affines = [*(layer.affine for layer in block.layers), block.torgb.affine]
        for i, affine in enumerate(affines):
            _move_input(affine, means[level + i])
        level += count
    encoder.offsets.bias.sub_(means.flatten())


def _move_input(affine: EqualLinear, step: Tensor) -> None:
    """Make the layer take x for what was x + step."""
    affine.bias.add_(affine.weight @ step * (affine.weight_gain / affine.bias_gain))
