"""Read the values of options: ages, faces, ranges and levels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reage.errors import UsageError
from reage.numbers import read_real, read_whole

__all__ = [
    "parse_ages",
    "parse_face",
    "parse_levels",
    "parse_range",
    "parse_same_ages",
    "parse_targets",
]

MAX_AGES = 200
MAX_LEVELS = 100  # of ws; a generator of 1024 px has 18


def parse_targets(to: Sequence[str], ages: str | None) -> list[Any]:
    """Parse targets from `--to 20 40`, `--to 1=70 2=12` or `--ages 10:80:10`."""
    if bool(to) == bool(ages):
        raise UsageError("give either --to AGE or --ages FROM:TO:STEP, for example --to 70")
    if ages:
        return list(parse_ages(ages))
    if len(to) > MAX_AGES:
        raise UsageError(f"--to has {len(to)} ages; 1 to {MAX_AGES} are possible")
    if any("=" in text for text in to):
        return [_ages_by_face(to)]
    form = "an age such as 70, several such as 20 60, or FACE=AGE such as 1=70"
    return [_number(text, "--to", form) for text in to]


def parse_same_ages(to: Sequence[str], ages: str | None) -> list[float]:
    """Parse ages for all faces, each once, from --to or --ages."""
    from reage.inputs import as_targets

    targets = as_targets(parse_targets(to, ages))
    same = [float(age) for age in targets if isinstance(age, int | float)]
    if len(same) < len(targets) or len(set(same)) < len(same):
        raise UsageError("here all faces get the same ages, each once; give --to 20 40, without =")
    return same


def parse_ages(text: str) -> tuple[float, ...]:
    """Read `10:80:10` as ages, both ends included."""
    return parse_range(text, "--ages")


def parse_range(text: str, name: str) -> tuple[float, ...]:
    """Read `A:B:STEP` (both ends included), `A:B` (step 1) or `A`."""
    form = "FROM:TO:STEP such as 10:80:10"
    parts = [_number(part, name, form) for part in text.split(":")]
    if len(parts) > 3:
        raise UsageError(f"{name} {text!r:.60} is not understood; give {form}")
    if len(parts) == 1:
        return (parts[0],)
    low, high = parts[:2]
    step = abs(parts[2]) if len(parts) == 3 else 1.0
    steps = abs(high - low) / step + 1e-6 if step else float("inf")
    if not steps < MAX_AGES:
        raise UsageError(f"{name} {text!r:.60} makes too many values; 1 to {MAX_AGES} are possible")
    count = int(steps) + 1
    sign = 1 if high >= low else -1
    return tuple(round(low + sign * step * i, 6) for i in range(count))


def parse_face(text: str) -> Any:
    """Read --face: largest, all or a number."""
    if text in ("largest", "all"):
        return text
    number = read_whole(text, 1)
    if number is not None:
        return number
    raise UsageError(f"--face {text!r:.60} is not understood; give largest, all or a number from 1")


def parse_levels(text: str | None) -> tuple[int, ...] | None:
    """Read `0-8` or `0,2,4` as levels of ws."""
    if text is None:
        return None
    levels: set[int] = set()
    for part in text.split(","):
        low, dash, high = part.partition("-")
        first = read_whole(low, 0, MAX_LEVELS - 1)
        last = read_whole(high, 0, MAX_LEVELS - 1) if dash else first
        if first is None or last is None or first > last:
            raise UsageError(f"--latent-level {text!r:.60} is not understood; give 0-8 or 0,2,4")
        levels |= set(range(first, last + 1))
    return tuple(sorted(levels))


def _ages_by_face(to: Sequence[str]) -> dict[int, float]:
    targets: dict[int, float] = {}
    for text in to:
        face, equals, age = text.partition("=")
        number = read_whole(face)
        if not equals or number is None or number in targets:
            raise UsageError(f"--to {text!r:.60} does not fit; give one FACE=AGE for each face")
        targets[number] = _number(age, "--to", "FACE=AGE such as 1=70 2=12")
    return targets


def _number(text: str, name: str, form: str) -> float:
    value = read_real(text)
    if value is None:
        raise UsageError(f"{name} {text!r:.60} is not understood; give {form}")
    return value
