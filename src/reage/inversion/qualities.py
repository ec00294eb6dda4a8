"""How much work an inversion is worth, by name."""

from __future__ import annotations

from collections.abc import Mapping

from reage.errors import UsageError
from reage.inversion.projection import ProjectConfig

__all__ = ["AS_ENCODED", "QUALITIES", "check_quality"]

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
