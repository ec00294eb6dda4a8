"""Read labels from file names, by the conventions of the field's datasets."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from reage.datasets.prepare.labels import Labels, parse_labels
from reage.errors import UsageError

__all__ = ["CONVENTIONS", "PICTURE_SUFFIXES", "Convention", "compile_pattern", "find_convention"]

PICTURE_SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".heic", ".heif", ".hif"),
    *(".avif", ".tif", ".tiff", ".bmp", ".gif"),
)
SURE = 0.9  # of the names of a folder that have to fit, before they are believed unasked
_SUFFIXES = re.compile(rf"(\.chip|{'|'.join(map(re.escape, PICTURE_SUFFIXES))})+$", re.IGNORECASE)


@dataclass(frozen=True)
class Convention:
    """One way to name files; the pattern's groups are labels."""

    name: str
    pattern: re.Pattern[str]
    words: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # label -> code -> word
    prefix: str = ""  # of persons who are only numbered
    whole: bool = True  # the pattern is of the name without suffix, not of a part of the path

    def read(self, original: str) -> Labels | None:
        """Read the labels in a path; None if it does not follow the convention."""
        stem = _SUFFIXES.sub("", original.rpartition("/")[2])
        found = self.pattern.fullmatch(stem) if self.whole else self.pattern.search(original)
        if not found:
            return None
        values = {k: v for k, v in found.groupdict().items() if v is not None}
        for label, words in self.words.items():
            values[label] = words.get(values.get(label, ""), "")
        if self.prefix and values.get("person"):
            values["person"] = self.prefix + values["person"]
        try:
            return parse_labels(values)
        except ValueError:  # 999 years: the number means something else
            return None


CONVENTIONS = {
    convention.name: convention
    for convention in (
        # 25_0_2_20170116174525125.jpg.chip.jpg; a few lack the race
        Convention(
            "utkface",
            re.compile(r"(?P<age>\d{1,3})_(?P<gender>[01])(_(?P<race>[0-4]))?_+\d{14,17}"),
            {
                "gender": {"0": "male", "1": "female"},
                "race": dict(zip("01234", ("White", "Black", "Asian", "Indian", ""), strict=True)),
            },
        ),
        # 001A02.JPG, 010A07b.JPG: person, age, which of several
        Convention("fgnet", re.compile(r"(?P<person>\d{3})[Aa](?P<age>\d{2})[a-z]?"), {}, "fgnet-"),
        # 0_MariaCallas_35_f.jpg
        Convention("agedb", re.compile(r"\d+_(?P<person>[^_]+)_(?P<age>\d{1,3})_(?P<gender>[mf])")),
        # 53_Robin_Williams_0001.jpg
        Convention("cacd", re.compile(r"(?P<age>\d{2})_(?P<person>[^\W\d].*)_\d{4}")),
    )
}


def compile_pattern(text: str) -> Convention:
    """Make a convention of a regular expression with a group `age`, found anywhere in a path."""
    try:
        pattern = re.compile(text)
    except re.error as error:
        raise UsageError(
            f"the age pattern {text!r} is not a regular expression: {error}"
        ) from error
    if "age" not in pattern.groupindex:
        raise UsageError(rf"the age pattern {text!r} has no group (?P<age>\d+)")
    return Convention("pattern", pattern, whole=False)


def find_convention(names: str, pattern: str | None, originals: Sequence[str]) -> Convention | None:
    """The convention for the pictures of one input: asked for, or followed by nearly all."""
    if pattern is not None:
        return compile_pattern(pattern)
    if names == "none":
        return None
    if names != "auto":
        return CONVENTIONS[names]
    for convention in CONVENTIONS.values():
        fitting = sum(convention.read(original) is not None for original in originals)
        if fitting and fitting >= SURE * len(originals):
            return convention
    return None
