"""Style mixing: coarse levels of one face with fine levels of another."""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor

__all__ = ["mix"]


def mix(ws: Tensor, other: Tensor, levels: Iterable[int]) -> Tensor:
    """Take the given levels of `other` and all else of `ws`, both `[N, num_ws, w_dim]`.

    Karras et al., "A Style-Based Generator Architecture" (2019), section 3.1. Raises ValueError
    where a level does not exist.
    """
    chosen = sorted(set(levels))
    assert ws.shape[1:] == other.shape[1:], (tuple(ws.shape), tuple(other.shape))
    if any(not 0 <= level < ws.shape[1] for level in chosen):
        raise ValueError(f"the levels {chosen} are not all within 0 to {ws.shape[1] - 1}")
    mixed = ws.clone()
    mixed[:, chosen] = other[:, chosen]
    return mixed
