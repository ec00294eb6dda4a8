"""The ages of a missing person then and now, and the years since the photo."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from reage.errors import UsageError
from reage.outputs.poster.dates import OLDEST, PosterDate
from reage.outputs.poster.fields import PosterFields

__all__ = ["Times", "times_of"]


@dataclass(frozen=True)
class Times:
    """What follows from the dates of a poster, in months."""

    today: PosterDate
    passed: int  # since the photo
    age_then: int | None  # when last seen; None: not known
    age_now: int | None
    age_in_photo: int | None

    @property
    def years(self) -> float:
        """The years since the photo."""
        return self.passed / 12

    def target(self, read: float) -> float:
        """Return the age to show of a face that looks `read` years old in the photo.

        The years that passed are added to the age that is read, so that somebody who looks older
        than he is changes as much as anybody.
        """
        return round(read + self.years, 1)


def times_of(fields: PosterFields) -> Times:
    """Compare the dates of a poster. Raises UsageError where they contradict each other."""
    now = date.today()
    today = fields.today or PosterDate(now.year, now.month, now.day)
    taken = fields.photo_taken or fields.missing_since
    if taken is None:
        raise UsageError(
            "give missing-since or photo-taken as YYYY-MM or YYYY: the years since then are shown"
        )
    seen = fields.missing_since or taken
    for name, day in (("photo_taken", fields.photo_taken), ("missing_since", fields.missing_since)):
        if day is not None and today.months_since(day) < 0:
            raise UsageError(f"{name} {day} is after today ({today}); correct one of them")
    passed = today.months_since(taken)
    if fields.age is not None and fields.born is not None:
        raise UsageError("give born or age, not both: the age follows from the date of birth")
    if fields.age is not None:
        then = round(12 * fields.age)
        times = Times(
            today, passed, then, then + today.months_since(seen), then - seen.months_since(taken)
        )
    elif fields.born is not None:
        ages = (day.months_since(fields.born) for day in (seen, today, taken))
        times = Times(today, passed, *ages)
    else:
        times = Times(today, passed, None, None, None)
    _check(times, fields)
    return times


def _check(times: Times, fields: PosterFields) -> None:
    ages = [age for age in (times.age_then, times.age_in_photo) if age is not None]
    if ages and min(ages) < 0:
        raise UsageError(
            f"the date of birth ({fields.born or 'by age'}) is after the photo or the day when "
            "last seen; correct one of them"
        )
    years = times.years if times.age_now is None else times.age_now / 12
    if years > OLDEST:
        raise UsageError(f"the dates make {years:.0f} years; at most {OLDEST} are possible")
