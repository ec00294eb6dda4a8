"""Labels of the person in a picture."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reage.numbers import read_real
from reage.tables import read_table

__all__ = ["Labels", "age_bin", "parse_labels", "read_label_table"]

OLDEST = 120.0  # years
BIN_STARTS = (0, 3, 10, 20, 30, 40, 50, 60, 70)  # years; the last one is open
GENDERS = {
    **dict.fromkeys(("m", "male", "man", "boy"), "male"),
    **dict.fromkeys(("f", "female", "woman", "girl"), "female"),
}
UNKNOWN = ("", "-1", "nan", "none", "null", "unknown")


@dataclass(frozen=True)
class Labels:
    """Labels of one face; empty where nothing is known."""

    age: float | None = None  # years
    age_bin: str = ""  # "30-39", "70+"; of a known age its own bin
    gender: str = ""  # male, female, or the source's word
    race: str = ""
    person: str = ""  # who is the same has the same

    def __or__(self, other: Labels) -> Labels:
        """Fill what is empty from `other`."""
        known_age = self if self.age_bin else other
        return Labels(
            known_age.age,
            known_age.age_bin,
            self.gender or other.gender,
            self.race or other.race,
            self.person or other.person,
        )


def age_bin(age: float) -> str:
    """The bin of the embedded dataset that an age falls into: 0-2, 3-9, 10-19, ..., 70+."""
    index = sum(age >= start for start in BIN_STARTS) - 1
    if index == len(BIN_STARTS) - 1:
        return f"{BIN_STARTS[-1]}+"
    return f"{BIN_STARTS[index]}-{BIN_STARTS[index + 1] - 1}"


def parse_labels(values: Mapping[str, Any]) -> Labels:
    """Read labels of texts or numbers by their names; others are ignored. ValueError if wrong."""
    age, bin_ = _age(_text(values.get("age")))
    if not bin_:
        age, bin_ = _age(_text(values.get("age_bin")))
    gender = _text(values.get("gender")).lower()
    return Labels(
        age,
        bin_,
        GENDERS.get(gender, gender),
        _text(values.get("race")),
        _text(values.get("person")),
    )


def read_label_table(path: Path) -> dict[str, Labels]:
    """Read a CSV table of labels by the column `file`, and age or age_bin, gender, race, person.

    Raises ImageError with the line.
    """
    table = {}
    for row in read_table(path, ("file",)):
        try:
            table[_posix(row.text("file"))] = parse_labels(row.cells)
        except ValueError as error:
            row.refuse(str(error))
    return table


def _posix(name: str) -> str:
    return name.strip().replace("\\", "/").removeprefix("./")


def _text(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = "" if value is None else str(value).strip()
    return "" if text.lower() in UNKNOWN else text


def _age(text: str) -> tuple[float | None, str]:
    """Read "34", "30-39", "70+" or "more than 70" as a known age or a bin."""
    if not text:
        return None, ""
    bin_ = re.fullmatch(r"(\d{1,3})\s*-\s*(\d{1,3})", text)
    if bin_ and int(bin_[1]) <= int(bin_[2]) <= OLDEST:
        return None, f"{int(bin_[1])}-{int(bin_[2])}"
    open_bin = re.fullmatch(r"(?:more than )?(\d{1,3})\+?", text)
    if open_bin and not text.isdecimal():
        return None, f"{int(open_bin[1])}+"
    age = read_real(text, 0, OLDEST)
    if age is None:
        raise ValueError(f"the age {text!r} is not understood; give years, 30-39 or 70+")
    return age, age_bin(age)
