"""Smoothing over time without lag, and the detection of cuts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

__all__ = ["fade", "is_cut", "local_polynomial", "picture_change", "smoothstep", "thumbnail"]

THUMBNAIL = (64, 36)
BINS = 16  # of the histogram of one colour
# A cut changes the picture at once: where things are, and which colours there are. Fast pans
# change the one, fades and flashes the other.
PIXELS, COLOURS, SUDDEN = 0.04, 0.12, 3.0


def local_polynomial(
    times: np.ndarray, values: np.ndarray, at: np.ndarray, half_width: float, order: int = 2
) -> np.ndarray:
    """Smooth values at the times `at` `[M]` by local polynomial regression: `[M, ...]`.

    `values` `[N, ...]` were read at `times` `[N]`, seconds, rising. Tricube weights within
    `half_width` seconds (Cleveland, "Robust Locally Weighted Regression", 1979), more if that
    holds fewer than order + 3 readings. Symmetric in time, so nothing lags, and any motion that is
    a polynomial of that order passes unchanged; at the ends the fit is one-sided.
    """
    assert len(times) == len(values) > 0, (len(times), len(values))
    flat = np.asarray(values, np.float64).reshape(len(values), -1)
    need = min(order + 3, len(times))
    out = np.empty((len(at), flat.shape[1]))
    for i, moment in enumerate(at):
        distance = np.abs(times - moment)
        width = max(half_width, float(np.partition(distance, need - 1)[need - 1])) * (1 + 1e-9)
        near = np.flatnonzero(distance <= width)
        out[i] = _kernel((times[near] - moment) / max(width, 1e-9), order) @ flat[near]
    return out.reshape(len(at), *values.shape[1:])


def _kernel(offsets: np.ndarray, order: int) -> np.ndarray:
    """Return weights `[K]` of readings at offsets in -1..1; their sum is the fitted value at 0."""
    weight = np.maximum((1 - np.abs(offsets) ** 3) ** 3, 1e-4)
    order = min(order, len(np.unique(offsets)) - 1)
    powers = offsets[:, None] ** np.arange(order + 1)  # [K, order + 1]
    weighted = powers * weight[:, None]
    # Row 0 of (P^T W P)^-1 P^T W: the constant term of the weighted least squares.
    return np.linalg.solve(weighted.T @ powers, weighted.T)[0]


def smoothstep(x: np.ndarray | float) -> np.ndarray:
    """Rise smoothly from 0 at 0 to 1 at 1."""
    t = np.clip(np.asarray(x, np.float64), 0, 1)
    return t * t * (3 - 2 * t)


def fade(times: np.ndarray, start: float | None, end: float | None, seconds: float) -> np.ndarray:
    """Return weights `[N]` that rise after `start` and fall before `end`; None: no fade."""
    weight = np.ones(len(times))
    if start is not None:
        weight *= smoothstep((times - start) / seconds)
    if end is not None:
        weight *= smoothstep((end - times) / seconds)
    return weight


def thumbnail(rgb: np.ndarray) -> np.ndarray:
    """Make a tiny picture `[36, 64, 3]` uint8 for comparing frames."""
    factor = max(1, min(rgb.shape[0] // THUMBNAIL[1], rgb.shape[1] // THUMBNAIL[0]))
    image = Image.fromarray(rgb).reduce(factor) if factor > 1 else Image.fromarray(rgb)
    return np.asarray(image.resize(THUMBNAIL, Image.Resampling.BILINEAR))


def picture_change(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    """Return the difference of two thumbnails per pixel and in colours, both 0..1.

    Per pixel, it is the median: a person who enters changes much, but not most of the picture.
    """
    pixels = float(np.median(np.abs(a.astype(np.float32) - b).mean(2)) / 255)
    return pixels, float(np.abs(_histogram(a) - _histogram(b)).sum() / 2)


def _histogram(picture: np.ndarray) -> np.ndarray:
    """Return the colour and brightness histogram `[3 * BINS]`, blurred over neighbouring bins."""
    levels = picture.reshape(-1, 3) // (256 // BINS)
    counts = np.stack([np.bincount(levels[:, c], minlength=BINS) for c in range(3)])
    padded = np.pad(counts.astype(np.float64), ((0, 0), (1, 1)), "edge")
    soft = 0.25 * padded[:, :-2] + 0.5 * padded[:, 1:-1] + 0.25 * padded[:, 2:]
    return (soft / soft.sum()).ravel()


def is_cut(pixels: float, colours: float, recent: Sequence[float]) -> bool:
    """Return whether a change begins a new shot, given the `recent` pixel changes."""
    usual = float(np.median(recent)) if recent else 0.0
    return pixels > PIXELS and colours > COLOURS and pixels > SUDDEN * usual
