"""Constant speed in estimated age: the strength of each age in a row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from reage.search.age_search import AgeCurve, Look

__all__ = ["PacedCurve", "level_curve", "pace_curve", "point_near", "read_near"]

# Years that the whole curve gains, where the read age stands still: a flat part is passed quickly
# but not jumped over.
SLOPE = 1.0
FLAT = 0.1  # years that do not count as a gain
STEEP = 4.0  # years between two points: too many for linear interpolation
STEEP_ROUNDS = 2  # of looks there
WIDEST = 1.0  # decades between two points, for the same


@dataclass(frozen=True, eq=False)
class PacedCurve:
    """A strictly rising curve of ages, so that each age in it has one strength."""

    strengths: np.ndarray  # [K] ascending
    ages: np.ndarray  # [K] years, ascending

    @property
    def reach(self) -> tuple[float, float]:
        """The youngest and the oldest estimated age along the curve, years."""
        return float(self.ages[0]), float(self.ages[-1])

    def at(self, ages: np.ndarray) -> Tensor:
        """Return strengths `[N]` for ages `[N]`; ages out of reach use the nearer end."""
        return torch.from_numpy(np.interp(ages, self.ages, self.strengths)).float()


def pace_curve(look: Look, curve: AgeCurve) -> PacedCurve:
    """Read between the points of a curve, again where it is steep, and make it strictly rising."""
    for least in (0.0, *[STEEP] * STEEP_ROUNDS):
        strengths, ages = curve.strengths, curve.ages
        wide = (ages[1:] - ages[:-1]).abs() >= least
        between = ((strengths[1:] + strengths[:-1]) / 2)[wide]
        if not len(between):
            break
        curve = curve.with_points(between, look(between)[0])
    return level_curve(curve)


def level_curve(curve: AgeCurve) -> PacedCurve:
    """Make a curve strictly rising, as far as it is known.

    It never falls above the source age and never rises below it, so that misreadings of the age
    network do not make time run backwards.
    """
    s, a = curve.strengths.double().numpy(), curve.ages.double().numpy()
    own = int(np.abs(s).argmin())
    kept = _within_extremes(a, own)
    s, a, own = s[kept], a[kept], own - kept.start
    rising = np.maximum.accumulate(a[own:])
    falling = np.minimum.accumulate(a[: own + 1][::-1])[::-1]
    level = np.concatenate([falling[:-1], rising])
    width = s[-1] - s[0]
    tilt = (s - s[own]) / width * SLOPE if width else np.zeros_like(s)
    return PacedCurve(s, level + tilt)


def read_near(look: Look, curve: AgeCurve, age: float) -> AgeCurve:
    """Read once where an age is expected, if the points around it are far apart; else not at all.

    A slider that is dragged asks for what it needs of the finer curve, and no more.
    """
    between = point_near(curve, age)
    return curve if between is None else curve.with_points(between, look(between)[0])


def point_near(curve: AgeCurve, age: float) -> Tensor | None:
    """Return the strength `[1]` that `read_near` reads; None: the curve is fine enough there."""
    strength = level_curve(curve).at(np.array([age]))
    above = int(torch.searchsorted(curve.strengths, strength))
    if above == len(curve.strengths) or curve.strengths[above] == strength:
        return None
    strengths, ages = (row[above - 1 : above + 1] for row in (curve.strengths, curve.ages))
    if float(ages.diff().abs()) < STEEP and float(strengths.diff()) <= WIDEST:
        return None
    quarter = float(strengths.diff()) / 4  # a point beside a known one would part nothing
    return strength.clip(float(strengths[0]) + quarter, float(strengths[1]) - quarter)


def _within_extremes(ages: np.ndarray, own: int) -> slice:
    """Cut off the ends at which a face changes but its age does not."""
    above, below = ages[own:], ages[: own + 1][::-1]
    last = own + int(np.argmax(above >= above.max() - FLAT))
    first = own - int(np.argmax(below <= below.min() + FLAT))
    return slice(first, last + 1)
