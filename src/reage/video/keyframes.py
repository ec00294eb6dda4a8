"""Values that change over a video's time: ages and strengths at key times."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reage.errors import UsageError

__all__ = ["KeyFrames", "interpolate_keys", "parse_keys", "parse_seconds"]

MOST_KEYS = 200
NUMBER = r"-?\d{1,9}(?:\.\d{1,9})?"


@dataclass(frozen=True)
class KeyFrames:
    """A value over time: linear between the keys, constant before and after them."""

    keys: tuple[tuple[float, float], ...]  # seconds from the video's first frame, rising; value

    @property
    def seconds(self) -> list[float]:
        return [second for second, _ in self.keys]

    @property
    def values(self) -> list[float]:
        return [value for _, value in self.keys]

    def at(self, second: float) -> float:
        return interpolate_keys(self.seconds, self.values, second)

    def __str__(self) -> str:
        if len(self.keys) == 1:
            return f"{self.keys[0][1]:g}"
        return "-".join(f"{value:g}" for value in self.values)


def interpolate_keys(seconds: Sequence[float], values: Sequence[float], at: float) -> float:
    """Interpolate values of key times linearly; constant beyond them."""
    return float(np.interp(at, seconds, values))


def parse_keys(text: str, name: str) -> KeyFrames | None:
    """Read `0s=40,3s=60`; None if the text has no times. UsageError if a key is not understood."""
    if not re.search(r"s\s*=", text):
        return None
    keys = []
    for part in text.split(","):
        match = re.fullmatch(rf"\s*({NUMBER})s\s*=\s*({NUMBER})\s*", part)
        if match is None:
            raise UsageError(f"{name} {text!r} is not understood; give SECONDs=VALUE: 0s=40,3s=60")
        keys.append((float(match[1]), float(match[2])))
    times = [second for second, _ in keys]
    if times != sorted(set(times)) or times[0] < 0 or len(keys) > MOST_KEYS:
        raise UsageError(
            f"{name} {text!r}: give rising times from 0 on, each once, at most {MOST_KEYS}"
        )
    return KeyFrames(tuple(keys))


def parse_seconds(text: str, name: str) -> float:
    """Read a time such as `2.5s` or `2.5`."""
    match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)s?", text)
    if match is None or not math.isfinite(float(match[1])):
        raise UsageError(f"{name} {text!r} is not understood; give seconds such as 2.5s")
    return float(match[1])
