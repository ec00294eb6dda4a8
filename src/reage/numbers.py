"""The one reader of numbers from outside: options, JSON, headers and lists.

A number is finite, in range and written in ASCII digits. Python reads more than that: nan, 1_0,
digits of every script, True as 1, and it fails on 5,000 digits.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, TypeGuard

__all__ = ["LARGEST", "LAST", "is_real", "is_whole", "read_json", "read_real", "read_whole"]

WHOLE = re.compile(r"[+-]?[0-9]{1,19}")
REAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?")
LONGEST = 40  # characters of a real number
LARGEST = float("1e30")  # of any quantity here: its square is finite in float64
LAST = 2**63 - 1


def read_whole(text: str, low: int = 0, high: int = LAST) -> int | None:
    """Read a whole number from `low` to `high`; None if the text is not one."""
    value = int(text) if WHOLE.fullmatch(text) else None
    return value if value is not None and low <= value <= high else None


def read_real(text: str, low: float = -LARGEST, high: float = LARGEST) -> float | None:
    """Read a finite number from `low` to `high`; None if the text is not one."""
    text = text.strip()
    plain = len(text) <= LONGEST and REAL.fullmatch(text)
    value = float(text) if plain else math.nan
    return value if low <= value <= high else None


def is_whole(value: object, low: int = 0, high: int = LAST) -> TypeGuard[int]:
    """Whether a value of JSON or a pickle is a whole number from `low` to `high`."""
    return type(value) is int and low <= value <= high


def is_real(value: object, low: float = -LARGEST, high: float = LARGEST) -> TypeGuard[int | float]:
    """Whether a value of JSON or a pickle is a finite number from `low` to `high`."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return low <= value <= high


def read_json(text: str | bytes) -> Any:
    """Read JSON; ValueError also where it is nested without end or not UTF-8."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
