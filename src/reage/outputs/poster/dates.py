"""Dates to the day or the month, and ages and years between them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

from reage.errors import UsageError

__all__ = ["OLDEST", "PosterDate", "parse_date"]

OLDEST = 120  # years


@dataclass(frozen=True)
class PosterDate:
    """A day, or a month whose day nobody knows."""

    year: int
    month: int  # 1..12
    day: int | None = None  # 1..31

    def __str__(self) -> str:
        month = f"{self.year:04}-{self.month:02}"
        return month if self.day is None else f"{month}-{self.day:02}"

    def months_since(self, earlier: PosterDate) -> int:
        """Return the completed months since an earlier date; negative if it is later.

        Days count only where both are known.
        """
        months = 12 * (self.year - earlier.year) + self.month - earlier.month
        known = self.day is not None and earlier.day is not None
        return months - 1 if known and (self.day or 0) < (earlier.day or 0) else months


def parse_date(text: str, name: str) -> PosterDate:
    """Read 2015-03 or 2015-03-17. Raises UsageError with the `name` of the field."""
    found = re.fullmatch(r"([0-9]{4})-([0-9]{1,2})(?:-([0-9]{1,2}))?", text.strip())
    try:
        year, month, day = (int(part or 0) for part in found.groups()) if found else (0, 0, 0)
        date(year, month, day or 1)
    except ValueError:
        raise UsageError(
            f"{name} {text!r:.60} is not a date; give it as 2015-03 or 2015-03-17"
        ) from None
    return PosterDate(year, month, day or None)
