"""The reach and the sign of a direction, measured on the generator if the file lacks them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from reage.agers.direction import Direction
from reage.errors import LatentError
from reage.inversion.latent_checks import radius
from reage.networks.generators import AnyGenerator

__all__ = ["limit_scale", "orient"]

LEAST_YEARS = 1.0  # between both ends; a direction that changes less is not of age
OLDER = "+ is older, as measured"


def limit_scale(direction: Direction, generator: AnyGenerator) -> Direction:
    """Limit a direction of unknown scale to the radius of W, so that codes still show faces."""
    known = direction.reach is not None or direction.span is not None
    if known or "scale" not in direction.report.get("trusted", []):
        return direction
    longest = direction.vector.norm(dim=1).max()
    return replace(direction, reach=radius(generator) / float(longest))


def orient(direction: Direction, average: Tensor, ages: Callable[[Tensor], Tensor]) -> Direction:
    """Orient a direction of unknown sign so that a positive strength makes older.

    `average` `[1, num_ws, w_dim]` is the average face's code, `ages` reads codes `[N, ...]` as
    years. Raises LatentError if the average face's age does not change along it.
    """
    if "sign" not in direction.report.get("trusted", []) or direction.sign == OLDER:
        return direction
    low, high = direction.strength_range(average, 0.0)
    strengths = torch.tensor([low, low / 2, high / 2, high])
    read = ages(direction.move_codes(average, strengths, 0.0)).cpu()
    years = float(read[2:].mean() - read[:2].mean())
    if not abs(years) >= LEAST_YEARS:
        raise LatentError(
            f"the direction {direction.name} changes the average face's age by {years:+.1f} years "
            "only: it is not of age, or of another generator or space (StyleGAN1, Z); to move "
            "along it all the same give --strength A:B:STEP"
        )
    sign = 1.0 if years > 0 else -1.0
    report = {**direction.report, "years_between_ends": years, "turned": years < 0}
    span = direction.span if sign > 0 or direction.span is None else direction.span[::-1]
    span = None if span is None else (sign * span[0], sign * span[1])
    return replace(direction, vector=sign * direction.vector, sign=OLDER, span=span, report=report)
