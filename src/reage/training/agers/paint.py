"""What a photo ager may paint beside skin detail, and how the result is judged.

What a face may be painted with is bounded by what old faces have more of than young ones, by place
and by width. Judged at one place of its grid, a network would learn paint that pleases that judge
alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

from reage.agers.photo import shading
from reage.compositing.change import luma
from reage.errors import UsageError
from reage.networks.judges.age_reader import AgeReader
from reage.training.agers.detailed_heads import DetailedHeads
from reage.training.configs import PhotoAgerTraining
from reage.training.kept_heads import kept_out
from reage.training.loop.draws import Draws

__all__ = ["BesideDetail", "PaintBounds", "bands", "shake", "years_off"]

WIDTHS = tuple(width / 128 for width in (1.0, 2.2, 4.5, 9.0))  # sides of the crop: part the bands
SPREAD_OVER = 3.0 / 128  # sides, over which bounds are evened
YOUNG, OLD = 38.0, 58.0  # years, of the heads that the bounds are measured on
LEAST, MOST = 0.25, 1.6  # shares of the bound, by the years between
# Times as much, where a face grows younger: children differ by more than skin.
YOUNGER = 1.5
KEPT_OUT = 48  # heads that are not learnt from; the pictures show some
OLD_SHARE, OLD_FROM = 0.45, 62.0  # share of the ages asked for that are at least so old, years
# Deviations by which pictures are turned, moved, enlarged and exposed before they are judged:
# radians, half-sides, logarithms.
TURN, MOVE, ENLARGE, EXPOSE = 0.06, 0.03, 0.05, 0.1


@dataclass(frozen=True, eq=False)
class PaintBounds:
    """How much more light varies in old faces than in young ones."""

    most: list[Tensor]  # [1, 1, R, R] by band, of light in -1..1
    years: float  # between the two: those who are aged by more may be painted with more

    @classmethod
    def of(cls, heads: DetailedHeads) -> PaintBounds:
        """Measure them. Raises UsageError where there are no old or no young heads."""
        groups = [heads.years > OLD, heads.years < YOUNG]
        old, young = (int(group.sum()) for group in groups)
        if not old or not young:
            raise UsageError(
                f"{old} heads older than {OLD:g} years and {young} younger than {YOUNG:g}: "
                "some of both are needed"
            )
        sizes = []
        for group in groups:
            light = luma(heads.take(group).photos)
            sizes.append([band.abs().mean(0, keepdim=True) for band in bands(light)])
        most = []
        for of_old, of_young in zip(*sizes, strict=True):
            more = (of_old.square() - of_young.square()).clamp_min(0).sqrt()
            more = shading(more, SPREAD_OVER)
            most.append((more + more.flip(-1)) / 2)
        old_age, young_age = (float(heads.years[group].mean()) for group in groups)
        return cls(most, old_age - young_age)

    def excess(self, parts: list[Tensor], own: Tensor, wanted: Tensor) -> Tensor:
        """Return the mean square of what bands of a change have beyond the bounds.

        `own` and `wanted` `[N]` are ages in years.
        """
        share = ((wanted - own).abs() / self.years).clamp(LEAST, MOST)
        share = torch.where(wanted > own, share, YOUNGER * share)[:, None, None, None]
        pairs = zip(parts, self.most, strict=True)
        over = [F.relu(part.abs() - share * most.to(part)) for part, most in pairs]
        return torch.stack([part.square().mean() for part in over]).sum()


@dataclass(frozen=True, eq=False)
class BesideDetail:
    """Sharp heads, and what judges a photo ager on them."""

    heads: DetailedHeads  # that are learnt from
    shown: DetailedHeads  # that are not
    bounds: PaintBounds
    reader: AgeReader

    @classmethod
    def of(cls, heads: DetailedHeads, reader: AgeReader, shown: int) -> BesideDetail:
        """Keep heads out of those that are learnt from, as many as are `shown`."""
        kept = torch.from_numpy(kept_out(heads, KEPT_OUT))
        learnt = heads.take(~kept)
        some = heads.take(kept if kept.any() else ~kept)
        some = some.take(torch.arange(min(shown, len(some))))
        return cls(learnt, some, PaintBounds.of(learnt), reader)

    def ages(self, draws: Draws, config: PhotoAgerTraining) -> Tensor:
        """Draw ages to ask for, `[N]` years: more old ones than by chance."""
        even = draws.uniform(low=config.youngest, high=config.oldest)
        old = draws.uniform(low=min(OLD_FROM, config.oldest), high=config.oldest)
        return torch.where(draws.uniform() < OLD_SHARE, old, even)


def bands(light: Tensor) -> list[Tensor]:
    """Part light `[N, 1, R, R]` by width, fine first; what is broadest of all is left out."""
    smooth = [light, *(shading(light, width) for width in WIDTHS)]
    return [fine - broad for fine, broad in pairwise(smooth)]


def shake(pictures: list[Tensor], draws: Draws) -> list[Tensor]:
    """Turn, move, enlarge and expose pictures `[N, 3, R, R]` of the same faces in the same way."""
    turn, size, light = TURN * draws.normal(), (ENLARGE * draws.normal()).exp(), draws.normal()
    moves, exposure = MOVE * draws.normal(2), (EXPOSE * light).exp().view(-1, 1, 1, 1)
    cos, sin = size * turn.cos(), size * turn.sin()
    rows = [torch.stack(row, 1) for row in ([cos, -sin, moves[:, 0]], [sin, cos, moves[:, 1]])]
    places = F.affine_grid(torch.stack(rows, 1), list(pictures[0].shape), align_corners=False)
    found = []
    for picture in pictures:
        moved = F.grid_sample(picture, places, padding_mode="reflection", align_corners=False)
        found.append((exposure * (moved + 1) - 1).clamp(-1, 1))
    return found


def years_off(error: Tensor) -> Tensor:
    """Return the mean of errors in years, in tens; those far off weigh more than in proportion."""
    tens = error.abs() / 10
    return (tens + tens.square() / 4).mean()
