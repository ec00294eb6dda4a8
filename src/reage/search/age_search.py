"""Search for a target age: the strength along the age direction that shows it.

The loop is closed: the age network reads the resulting pictures, so the pasted face's age counts,
not the age that the direction was fitted to reach.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from reage.faces.readings import AgeReading

__all__ = [
    "CHILD",
    "MOST_OVERREAD",
    "AgeCurve",
    "Reached",
    "limit_in",
    "reach_age",
    "shown_ages",
    "trace_curve",
]

# Made younger, a face still shows the networks what stays of it (its build, its clothes), and they
# read it as too old: of 175 pictures, a third network's reading was 7.5 years from theirs, 6.7 from
# the age that the ager was asked for, and 5.3 from the mean of the two. So the mean counts, but
# less than the age read by this share of its years above the first at most: an old face that still
# reads 20 is no child for being asked for one.
CHILD, MOST_OVERREAD = 10.0, 0.4
# A fitted age counts as reached within this many years: half of the network's own error.
TOLERANCE = 2.0
STEEP = 3  # more looks where the read age rises too steeply to be met within the usual ones
FINER = 4  # parts of the step in which a face stops being the same


@dataclass(frozen=True)
class AgeCurve:
    """The estimated ages of a face at a row of strengths along a direction."""

    strengths: Tensor  # [K] ascending, 0 among them
    ages: Tensor  # [K] years, read on the pasted face
    similarities: Tensor  # [K] to the photo, 1 = the same
    low_reason: str  # why the row ends below ...
    high_reason: str  # ... and above

    def with_points(
        self, strengths: Tensor, ages: Tensor, similarities: Tensor | None = None
    ) -> AgeCurve:
        """Return the curve with further points `[N]`, which show the same person."""
        strengths, order = torch.cat([self.strengths, strengths]).sort()
        more = torch.ones_like(ages) if similarities is None else similarities
        return replace(
            self,
            strengths=strengths,
            ages=torch.cat([self.ages, ages])[order],
            similarities=torch.cat([self.similarities, more])[order],
        )


@dataclass(frozen=True)
class Reached:
    """The result of a search for an age."""

    strength: float
    age: float  # years, as read there
    asked: float | None  # None: a strength was asked for
    limit: str | None  # why it stopped short of the asked age; None: reached

    @property
    def reached(self) -> bool:
        return self.limit is None


Look = Callable[[Tensor], tuple[Tensor, Tensor]]  # strengths [K] -> ages [K], similarities [K]


def shown_ages(read: Tensor, own: float, strengths: Tensor) -> Tensor:
    """Estimate the ages that a face of the `own` age shows at strengths `[N]`, decades: `[N]`.

    The ages `read` `[N]` there; where it was made younger, half by the ages asked for.
    """
    beyond = (read - (own + 10 * strengths)).clamp_min(0)
    shown = read - torch.minimum(beyond / 2, MOST_OVERREAD * (read - CHILD).clamp_min(0))
    return torch.where(strengths < 0, shown, read)


def trace_curve(
    look: Look,
    span: tuple[float, float],
    *,
    least_similarity: float,
    points: int = 6,
    edge: str = "the edge of what the generator has learnt",
) -> AgeCurve:
    """Read `points` strengths on either side of 0 within `span`, and cut off ends that look unlike.

    `span` is the range that the direction leaves to this face (low <= 0 <= high), and `edge`
    names the limit there. The curve ends on each side before the first strength whose similarity
    to the photo is below `least_similarity`.
    """
    low, high = min(span[0], 0.0), max(span[1], 0.0)
    below = low * (torch.arange(points, 0, -1) / points)
    above = high * (torch.arange(1, points + 1) / points)
    strengths = torch.cat([below, torch.zeros(1), above])
    ages, similarities = look(strengths)
    first, last = 0, len(strengths) - 1
    reasons = [edge, edge]
    unlike = (similarities < least_similarity).nonzero().flatten().tolist()
    if any(i < points for i in unlike):
        first, reasons[0] = max(i for i in unlike if i < points) + 1, _UNLIKE
    if any(i > points for i in unlike):
        last, reasons[1] = min(i for i in unlike if i > points) - 1, _UNLIKE
    kept = slice(first, last + 1)
    curve = AgeCurve(strengths[kept], ages[kept], similarities[kept], *reasons)
    gaps = [(strengths[i], strengths[i + 1]) for i in (first - 1, last) if 0 <= i < 2 * points]
    return _finer(look, curve, gaps, least_similarity) if gaps else curve


def _finer(
    look: Look, curve: AgeCurve, gaps: Sequence[tuple[Tensor, Tensor]], least_similarity: float
) -> AgeCurve:
    """Refine where a face stops being the same: between the last good point and the next.

    Otherwise a face whose first point is too far already could not be changed at all.
    """
    parts = torch.arange(1, FINER) / FINER
    inside = torch.cat([a + (b - a) * parts for a, b in gaps])
    ages, similarities = look(inside)
    limits = curve.strengths[0], curve.strengths[-1]
    bad = inside[similarities < least_similarity].tolist()
    low = max((s for s in bad if s < limits[0]), default=-torch.inf)
    high = min((s for s in bad if s > limits[1]), default=torch.inf)
    kept = (inside > low) & (inside < high)
    return curve.with_points(inside[kept], ages[kept], similarities[kept])


_UNLIKE = "beyond it the face would no longer be the same person's"


def reach_age(look: Look, curve: AgeCurve, asked: float, *, refinements: int = 3) -> Reached:
    """Find the smallest strength at which the age network reads `asked` years.

    Uses only the half of the curve towards the target: a positive strength makes older. The curve
    gives the bracket nearest to no change; regula falsi (Illinois variant, Dowell and Jarratt
    1971) narrows it, with STEEP extra reads if the age is missed. If no strength reaches the
    target, returns the nearest one, and `limit` names the reason.
    """
    curve = _towards(curve, asked)
    bracket = _nearest_bracket(curve, asked)
    if bracket is None:
        return _nearest(curve, asked)
    (s0, f0), (s1, f1) = bracket
    best = min(((s0, f0), (s1, f1)), key=lambda point: abs(point[1]))
    side = 0
    for done in range(refinements + STEEP):
        enough = 0.25 if done < refinements else TOLERANCE
        if abs(best[1]) <= enough or s0 == s1 or f0 == f1:
            break
        s = (s0 * f1 - s1 * f0) / (f1 - f0)
        f = float(look(torch.tensor([s]))[0][0]) - asked
        best = min((best, (s, f)), key=lambda point: abs(point[1]))
        if f * f1 > 0:
            s1, f1 = s, f
            f0 = f0 / 2 if side == 1 else f0
            side = 1
        else:
            s0, f0 = s, f
            f1 = f1 / 2 if side == -1 else f1
            side = -1
    missed = None if abs(best[1]) <= TOLERANCE else "the age jumps there between two strengths"
    return Reached(best[0], best[1] + asked, asked, missed)


def limit_in(goal: Reached, reading: AgeReading) -> str | None:
    """Return why a finished photo misses the target age by its reading; None: it does not."""
    if goal.asked is not None and abs(reading.age - goal.asked) <= TOLERANCE:
        low, high = min(reading.each, default=0), max(reading.each, default=0)
        return None if reading.agrees else f"two age networks disagree: {low:.0f} and {high:.0f}"
    if goal.asked is None or goal.limit is not None:
        return goal.limit
    return "at the photo's full size it reads otherwise than in the search"


def _towards(curve: AgeCurve, asked: float) -> AgeCurve:
    """Return the half of a curve on the side of the target age.

    The age network may misread an aged face as younger; following it there would show the
    opposite of the request.
    """
    own = int((curve.strengths == 0).nonzero()[0])
    older = asked > float(curve.ages[own])
    half = slice(own, None) if older else slice(None, own + 1)
    return replace(
        curve,
        strengths=curve.strengths[half],
        ages=curve.ages[half],
        similarities=curve.similarities[half],
    )


def _nearest_bracket(
    curve: AgeCurve, asked: float
) -> tuple[tuple[float, float], tuple[float, float]] | None:
    """Return neighbouring points of the curve around `asked`, the nearest to strength 0."""
    errors = (curve.ages - asked).tolist()
    strengths = curve.strengths.tolist()
    pairs = [
        ((strengths[i], errors[i]), (strengths[i + 1], errors[i + 1]))
        for i in range(len(errors) - 1)
        if errors[i] * errors[i + 1] <= 0
    ]
    return min(pairs, key=lambda pair: abs(pair[0][0]) + abs(pair[1][0]), default=None)


def _nearest(curve: AgeCurve, asked: float) -> Reached:
    """Return the strength that comes nearest, and the reason why it comes no nearer."""
    errors = (curve.ages - asked).abs()
    # Of nearly equal ages the weaker edit is the better one.
    largest = float(curve.strengths.abs().max()) or 1.0
    index = int((errors + 0.5 * curve.strengths.abs() / largest).argmin())
    strength, age = float(curve.strengths[index]), float(curve.ages[index])
    if abs(age - asked) <= TOLERANCE:
        return Reached(strength, age, asked, None)
    older = bool(asked > age)
    at_end = index == (len(errors) - 1 if older else 0)
    reason = "moving on does not change the age further"
    if at_end and len(errors) > 1:
        reason = curve.high_reason if older else curve.low_reason
    return Reached(strength, age, asked, reason)
