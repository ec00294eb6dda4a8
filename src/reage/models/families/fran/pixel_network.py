"""The interface of agers that work on pixels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

__all__ = ["PixelNetwork"]


@dataclass(frozen=True, eq=False)
class PixelNetwork:
    """A function from colours and ages `[N, 5, H, W]` to changes `[N, 3, H, W]`."""

    run: Callable[[Tensor], Tensor]
    family: str
    signed: bool  # colours and changes are in the range of [-1, 1], else of [0, 1]
    span: tuple[float, float]  # years that may be asked
    side: int | None = None  # of the only square that it takes, pixels; None: any multiple of 16
