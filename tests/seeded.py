"""Weights that any program can make again from a name and a shape, so that no test stores them."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np

__all__ = ["seeded", "seeded_picture"]


def seeded(name: str, shape: Sequence[int]) -> np.ndarray:
    """Random float32 numbers of a sensible size for a layer's tensor of that name and shape."""
    values = np.random.RandomState(zlib.crc32(name.encode())).standard_normal(tuple(shape))
    if name.endswith("running_var"):
        values = 0.5 + np.abs(values)
    elif name.endswith("num_batches_tracked"):
        return np.array(7, np.int64)
    elif len(shape) >= 2 and not name.endswith(("linear.weight", "modulation.weight")):
        values *= 0.9 / np.sqrt(values[0].size)  # as usual layers; equalised ones do it themselves
    elif name.endswith(("weight", "modulation.bias")):
        values = 1 + 0.2 * values  # normalisations, slopes and styles
    elif len(shape) == 1:
        values *= 0.1
    return values.astype(np.float32)


def seeded_picture(name: str, side: int, count: int = 1) -> np.ndarray:
    """Coloured noise `[N, 3, R, R]` in [-1, 1], coarse and fine."""
    rng = np.random.RandomState(zlib.crc32(name.encode()))
    coarse = np.kron(rng.uniform(-1, 1, (count, 3, 8, 8)), np.ones((side // 8, side // 8)))
    return (0.7 * coarse + 0.3 * rng.uniform(-1, 1, coarse.shape)).astype(np.float32)
