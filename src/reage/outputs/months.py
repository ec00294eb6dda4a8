"""Dates to the month, and a person's age then and now."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

from reage.errors import UsageError

__all__ = ["Dates", "Month", "parse_month", "said_age"]

OLDEST = 120 * 12  # months
NAMES = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip


@dataclass(frozen=True, order=True)
class Month:
    """A month of a year, without the day."""

    year: int
    month: int  # 1..12

    def __str__(self) -> str:
        return f"{self.year:04}-{self.month:02}"

    @property
    def words(self) -> str:
        """Such as "March 2015"."""
        return f"{NAMES[self.month - 1]} {self.year}"

    def since(self, earlier: Month) -> int:
        """Return the months since another one."""
        return 12 * (self.year - earlier.year) + self.month - earlier.month


@dataclass(frozen=True)
class Dates:
    """A person's months of birth and of the last sighting, and the sheet's date."""

    born: Month
    last_seen: Month
    today: Month

    def __post_init__(self) -> None:
        if self.last_seen < self.born:
            raise UsageError(f"last seen {self.last_seen} is before born {self.born}; swap them?")
        if self.today < self.last_seen:
            raise UsageError(
                f"last seen {self.last_seen} is after today ({self.today}); correct one of them"
            )
        if self.months_now > OLDEST:
            raise UsageError(
                f"born {self.born} makes {self.years_now:.0f} years on {self.today}; at most "
                f"{OLDEST // 12} are possible"
            )

    @property
    def months_then(self) -> int:
        """Age when last seen, months."""
        return self.last_seen.since(self.born)

    @property
    def months_now(self) -> int:
        """Age on the day of the sheet, months."""
        return self.today.since(self.born)

    @property
    def years_now(self) -> float:
        return self.months_now / 12

    @property
    def years_between(self) -> float:
        return (self.months_now - self.months_then) / 12


def parse_month(text: str | None, option: str) -> Month:
    """Read 2015-03 or 2015-03-17; None is this month. UsageError if it is not a date."""
    if text is None:
        now = date.today()
        return Month(now.year, now.month)
    found = re.fullmatch(r"(\d{4})-(\d{1,2})(?:-(\d{1,2}))?", text.strip())
    try:
        year, month, day = (int(part or 1) for part in found.groups()) if found else (0, 0, 0)
        date(year, month, day)
    except ValueError:
        raise UsageError(f"{option} {text!r} is not a date; give it as 2015-03") from None
    return Month(year, month)


def said_age(months: int) -> str:
    """Put an age in words: months for small children, years for others."""
    if months < 24:
        return "1 month" if months == 1 else f"{months} months"
    return f"{months // 12} years"
