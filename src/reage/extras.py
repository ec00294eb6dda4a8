"""How to get the optional packages: no index has reage, so it is installed from its clone."""

from __future__ import annotations

__all__ = ["how_to_install"]


def how_to_install(extra: str) -> str:
    """The command that adds an extra of pyproject.toml, for messages."""
    return f'in the clone of reage, run: pip install ".[{extra}]"'
