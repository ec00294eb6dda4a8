"""The project's target values, and whether a model reaches them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Mark", "marks"]


@dataclass(frozen=True)
class Mark:
    """One target value and the measured one."""

    name: str
    wanted: float
    at_least: bool  # else at most
    found: float | None  # None: not measured

    @property
    def met(self) -> bool | None:
        if self.found is None:
            return None
        return self.found >= self.wanted if self.at_least else self.found <= self.wanted


def marks(sections: Mapping[str, Any]) -> list[Mark]:
    """Fill the project's marks from the sections of a report."""
    ways = sections.get("inversion", {}).get("ways", {})
    encoder = ways.get("encoder alone")
    steps = next((way for name, way in ways.items() if name.endswith("steps")), None)
    aged = _all_aged(sections.get("ageing", {}))
    worst = sections.get("heads", {}).get("worst", {})
    return [
        Mark("inversion, encoder alone: PSNR, dB", 20.0, True, _mean(encoder, "psnr")),
        Mark("inversion, steps: PSNR, dB", 24.0, True, _mean(steps, "psnr")),
        Mark("inversion, steps: seconds a face", 8.0, False, _mean(steps, "seconds")),
        Mark("ageing: MAE, years, training network", 5.0, False, aged.get("mae")),
        Mark("ageing: MAE, years, second network", 8.0, False, aged.get("mae_second")),
        Mark("ageing: same person, share", 0.9, True, aged.get("same_person")),
        Mark(
            "heads, worst group: years off beyond the mean",
            1.5,
            False,
            _beyond(worst, "mae_second"),
        ),
        Mark(
            "heads, worst group: same person below the mean",
            0.05,
            False,
            _beyond(worst, "same_person"),
        ),
    ]


def _mean(way: Mapping[str, Any] | None, name: str) -> float | None:
    interval = None if way is None else way[name]
    return None if interval is None else interval["mean"]


def _beyond(worst: Mapping[str, Any], measure: str) -> float | None:
    found = worst.get(measure)
    return None if found is None else found["beyond"]


def _all_aged(ageing: Mapping[str, Any]) -> Mapping[str, Any]:
    return ageing.get("by", {}).get("all", {}).get("aged", {}).get("all", {})
