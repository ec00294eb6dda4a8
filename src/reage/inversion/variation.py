"""Vary a code: named levels, and small steps towards other codes at them."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from reage.inversion.style_mixing import mix
from reage.networks.generators import AnyGenerator

__all__ = ["LEVELS", "named_levels", "random_codes", "step_towards"]

LEVELS = ("coarse", "middle", "fine")
PSI = 0.7  # truncation: what is rare in the generator is often broken


def named_levels(num_ws: int) -> dict[str, range]:
    """The levels of ws that are called coarse, middle and fine.

    Karras et al., "A Style-Based Generator Architecture" (2019), section 3.1: 4 and 8 pixels, 16
    and 32, the rest; of a small generator, thirds.
    """
    first, second = (4, 8) if num_ws >= 10 else (num_ws // 3, 2 * num_ws // 3)
    return dict(
        zip(LEVELS, (range(first), range(first, second), range(second, num_ws)), strict=True)
    )


def random_codes(generator: AnyGenerator, count: int, seed: int) -> Tensor:
    """Draw codes `[count, num_ws, w_dim]` of faces that do not exist."""
    rng = torch.Generator().manual_seed(seed)
    z = torch.randn(count, generator.config.z_dim, generator=rng)
    return generator.map(z.to(generator.mapping.w_avg.device), truncation_psi=PSI)


def step_towards(
    ws: Tensor, other: Tensor, weights: Mapping[str, float], amount: float = 1.0
) -> Tensor:
    """Go a fraction of the way from `ws` to `other` `[1, num_ws, w_dim]`, by named level."""
    for name, levels in named_levels(ws.shape[1]).items():
        part = min(amount * weights.get(name, 0.0), 1.0)
        ws = mix(ws, ws.lerp(other.to(ws), part), levels)
    return ws
