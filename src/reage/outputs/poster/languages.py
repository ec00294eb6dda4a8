"""The words of posters and pictures by language: TOML files in `assets/poster/languages`."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from reage.outputs.poster.dates import PosterDate

__all__ = ["LANGUAGES", "Words", "load_words"]

FOLDER = Path(__file__).parents[2] / "assets" / "poster" / "languages"
# English first: it is the default.
LANGUAGES = ("en", *sorted({path.stem for path in FOLDER.glob("*.toml")} - {"en"}))


@dataclass(frozen=True)
class Words:
    """All words of a poster, and of strips and animations, in one language."""

    language: str  # ISO 639-1
    direction: str  # "ltr" or "rtl"
    colon: str  # after a label
    comma: str  # between parts of a line
    fonts: tuple[str, ...]  # families of the system that suit the language
    date: str  # how a day is said, with {day}, {month}, {year}
    month_of_year: str  # how a month is said, with {month}, {year}
    year_alone: str  # how a year is said, with {year}
    months: tuple[str, ...]
    years: tuple[tuple[int, str], ...]  # plural forms, and from which number on each holds
    age_months: tuple[tuple[int, str], ...]
    span_years: tuple[tuple[int, str], ...]  # the same of a time that passed, where it differs
    labels: dict[str, str]  # by field name, and headings
    values: dict[str, str]  # translations of known values such as "female"
    looks: dict[str, str]  # how the outcomes differ
    sentences: dict[str, str]
    pictures: dict[str, str]  # what is written into strips and animations

    def say_date(self, date: PosterDate) -> str:
        """Put a date in words."""
        if date.month is None:
            return self.year_alone.format(year=date.year)
        pattern = self.month_of_year if date.day is None else self.date
        return pattern.format(day=date.day, month=self.months[date.month - 1], year=date.year)

    def say_age(self, months: int) -> str:
        """Put an age in words: months for small children, years for others."""
        return self._say(months, self.years)

    def say_span(self, months: int) -> str:
        """Put a time that passed in words."""
        return self._say(months, self.span_years)

    def _say(self, months: int, years: tuple[tuple[int, str], ...]) -> str:
        count, forms = (months, self.age_months) if months < 24 else (months // 12, years)
        return [form for least, form in forms if least <= count][-1].format(n=count)


@cache
def load_words(language: str) -> Words:
    """Read a language's file."""
    data = tomllib.loads((FOLDER / f"{language}.toml").read_text("utf-8"))
    data.setdefault("span_years", data["years"])
    for name in ("fonts", "months", "years", "age_months", "span_years"):
        data[name] = tuple(data[name])
    return Words(language=language, **data)
