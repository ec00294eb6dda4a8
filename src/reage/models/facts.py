"""The facts in a file's metadata: one JSON object, read field by field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from reage.errors import LatentError
from reage.numbers import LARGEST, is_real, read_json

__all__ = ["Facts"]

LONGEST = 1000  # characters of a name


class Facts:
    """A JSON object of a safetensors file's metadata; LatentError for what does not fit."""

    def __init__(self, metadata: Mapping[str, str], key: str, source: str, what: str):
        self.source = source
        try:
            known = read_json(metadata[key])
        except (KeyError, ValueError) as error:
            reason = str(error).splitlines()[0][:80]
            raise LatentError(f"{source} is not {what}: {reason}") from error
        if not isinstance(known, dict):
            raise LatentError(f"{source} is not {what}: it holds no object")
        self.known: dict[str, Any] = known

    def text(self, name: str, default: str | None = None) -> str:
        """A text of sane length."""
        value = self.known.get(name, default)
        if not isinstance(value, str) or len(value) > LONGEST:
            self._refuse(name, "a text")
        return value

    def real(
        self, name: str, low: float = -LARGEST, high: float = LARGEST, default: float | None = None
    ) -> float:
        """A finite number from `low` to `high`."""
        value = self.known.get(name, default)
        if not is_real(value, low, high):
            self._refuse(name, f"a number from {low:g} to {high:g}")
        return float(value)

    def span(
        self, name: str, least: float = -LARGEST, most: float = LARGEST
    ) -> tuple[float, float]:
        """Two finite numbers, the smaller one first."""
        value = self.known.get(name)
        if not (
            isinstance(value, list)
            and len(value) == 2
            and all(is_real(v, least, most) for v in value)
            and value[0] < value[1]
        ):
            self._refuse(name, f"two rising numbers from {least:g} to {most:g}")
        return float(value[0]), float(value[1])

    def part(self, name: str) -> dict[str, Any]:
        """An object."""
        value = self.known.get(name)
        if not isinstance(value, dict):
            self._refuse(name, "an object")
        return dict(value)

    def _refuse(self, name: str, wanted: str) -> NoReturn:
        found = self.known.get(name)
        raise LatentError(f"{self.source}: its {name} is {found!r:.60}; it has to be {wanted}")
