"""Format figures in Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["number", "percent", "table"]


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    """A Markdown table; floats are written by `number`."""
    lines = [head, ["---"] * len(head), *rows]
    return ["", *("| " + " | ".join(map(number, line)) + " |" for line in lines), ""]


def number(value: Any, digits: int = 2) -> str:
    """A figure for people; "-" where there is none."""
    if value is None:
        return "-"
    if isinstance(value, Mapping) and "low" in value:
        low, high = (number(value[name], digits) for name in ("low", "high"))
        return f"{number(value['mean'], digits)} ({low} to {high})"
    if not isinstance(value, float):
        return str(value)
    return f"{value:.{digits}f}" if abs(value) >= 0.1 or value == 0 else f"{value:.2g}"


def percent(value: float | None) -> str:
    """A share in whole per cent; "-" where there is none."""
    return "-" if value is None else f"{value:.0%}"
