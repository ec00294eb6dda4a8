"""Dates to the day, the month or the year, and ages and years between them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

from reage.errors import UsageError

__all__ = ["OLDEST", "PosterDate", "parse_date"]

OLDEST = 120  # years


@dataclass(frozen=True)
class PosterDate:
    """A day, or a month or a year of which nobody knows more."""

    year: int
    month: int | None = None  # 1..12
    day: int | None = None  # 1..31

    def __str__(self) -> str:
        parts = (self.month, self.day)
        return "-".join([f"{self.year:04}", *(f"{part:02}" for part in parts if part is not None)])

    def months_since(self, earlier: PosterDate) -> int:
        """Return the completed months since an earlier date; negative if it is later.

        Months and days count only where both are known.
        """
        months = 12 * (self.year - earlier.year)
        if self.month is None or earlier.month is None:
            return months
        months += self.month - earlier.month
        known = self.day is not None and earlier.day is not None
        return months - 1 if known and (self.day or 0) < (earlier.day or 0) else months


def parse_date(text: str, name: str) -> PosterDate:
    """Read 2015, 2015-03 or 2015-03-17. Raises UsageError with the `name` of the field."""
    found = re.fullmatch(r"([0-9]{4})(?:-([0-9]{1,2})(?:-([0-9]{1,2}))?)?", text.strip())
    parts = [int(part) for part in found.groups() if part] if found else [0]
    _, month, day = (*parts, None, None)[:3]
    try:
        date(parts[0], 1 if month is None else month, 1 if day is None else day)
    except ValueError:
        raise UsageError(
            f"{name} {text!r:.60} is not a date; give it as 2015, 2015-03 or 2015-03-17"
        ) from None
    return PosterDate(parts[0], month, day)
