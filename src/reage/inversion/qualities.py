"""How much work an inversion is worth, by name."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral

from reage.errors import UsageError
from reage.inversion.projection import ProjectConfig
from reage.numbers import LAST

__all__ = ["AS_ENCODED", "QUALITIES", "check_quality", "check_seed"]

QUALITIES: Mapping[str, ProjectConfig] = {
    "fast": ProjectConfig(step=8, start_lr=0.15, final_lr=0.05, plateau=0),
    "normal": ProjectConfig(step=80, plateau=20),
    "best": ProjectConfig(step=300, final_lr=0.01, plateau=40),
}
AS_ENCODED = ProjectConfig(step=1, plateau=0)


def check_quality(quality: str) -> None:
    """Raise UsageError for an unknown name."""
    if quality not in QUALITIES:
        raise UsageError(f"quality {quality!r} is not known; choose {', '.join(QUALITIES)}")


def check_seed(seed: int) -> None:
    """Raise UsageError for what no generator of random numbers takes."""
    whole = isinstance(seed, Integral) and not isinstance(seed, bool)
    if not whole or not 0 <= seed <= LAST:
        raise UsageError(f"seed is {seed!s:.40}; give a whole number from 0 to 2**63 - 1")
