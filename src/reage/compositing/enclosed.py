"""Places that hang together, and places that others enclose."""

from __future__ import annotations

import numpy as np

__all__ = ["fill_holes", "grow"]


def grow(seeds: np.ndarray, may: np.ndarray) -> np.ndarray:
    """Return the places `[h, w]` that hang together with seeds where they `may`."""
    found = seeds & may
    while True:
        wide = np.pad(found, 1)
        near = [np.roll(wide, step, axis) for step in (-1, 1) for axis in (0, 1)]
        further = (np.any([wide, *near], axis=0)[1:-1, 1:-1] & may) | found
        if (further == found).all():
            return found
        found = further


def fill_holes(found: np.ndarray) -> np.ndarray:
    """Return what was `found` `[h, w]` bool and what it encloses."""
    edge = np.ones_like(found)
    edge[1:-1, 1:-1] = False
    return ~grow(edge, ~found)
