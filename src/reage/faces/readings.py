"""What networks read in a face."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["MEAN_ERROR", "AgeReading"]

MEAN_ERROR = 6.4  # years, of the mean of both networks on 2,850 labelled faces (assets/age)

# Years by which the two networks differ on 19 of 20 real faces at most, measured on the 2,850
# labelled faces of FairFace's validation split.
DISAGREEMENT = 21.0


@dataclass(frozen=True)
class AgeReading:
    """Apparent age of one face in one picture."""

    age: float  # expected age, years
    spread: float  # calibrated error, years: two of three faces are truly within it
    each: tuple[float, ...] = ()  # by each network that was asked, years

    @property
    def agrees(self) -> bool:
        """Whether the networks agree as far as they do on real faces."""
        return not self.each or max(self.each) - min(self.each) <= DISAGREEMENT
