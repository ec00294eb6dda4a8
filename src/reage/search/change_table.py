"""Changes of one face that were computed for a search, to show the ages between them at once."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from reage.compositing.change import Change

__all__ = ["ChangeTable"]

# Decades between two changes that are interpolated, for a picture that gives way to an exact one a
# moment later. Half a decade from both, 99.9 % of the pixels are within 2 levels of 255 of that.
WIDEST = 2.0
MOST_SIDE = 256  # pixels of a change: larger ones take too much memory


class ChangeTable:
    """Changes of one face by strength, decades from its own age, and the ages read there."""

    def __init__(self) -> None:
        # By strength: the change, `added` in half precision, and the age, years.
        self._rows: dict[float, tuple[Change, float]] = {}

    def add(self, strengths: Tensor, changes: Change, ages: Tensor) -> None:
        """Keep changes at strengths `[N]`, and the ages `[N]` read there."""
        if changes.added.shape[-1] > MOST_SIDE:
            return
        for i, strength in enumerate(strengths.tolist()):
            change = changes.one(i)
            half = replace(change, added=change.added.half())
            self._rows[strength] = half, float(ages[i])

    def at(self, strength: float) -> tuple[Change, float] | None:
        """Interpolate the change and the age at a strength; None where too little is known."""
        rows = dict(self._rows)
        below = max((s for s in rows if s <= strength), default=None)
        above = min((s for s in rows if s >= strength), default=None)
        if below is None or above is None or above - below > WIDEST:
            return None
        share = (strength - below) / (above - below) if above > below else 0.0
        (one, age), (other, other_age) = rows[below], rows[above]
        one, other = (replace(c, added=c.added.float()) for c in (one, other))
        return one.between(other, share), (1 - share) * age + share * other_age
