"""Gaussian smoothing of float planes, also under a mask, fast at any width."""

from __future__ import annotations

import numpy as np
from PIL import Image

__all__ = ["gaussian", "masked_gaussian", "resize_plane", "smoothstep", "soft_limit"]

FINEST = 3.0  # pixels: wider Gaussians work on a plane shrunk until theirs is this wide
REACH = 3  # standard deviations that a kernel extends


def gaussian(plane: np.ndarray, sigma: float) -> np.ndarray:
    """Smooth a float32 plane `[H, W]` by a Gaussian of `sigma` pixels; edges are replicated."""
    factor = max(1, int(sigma / FINEST))
    if factor == 1:
        return _convolve(plane, sigma)
    height, width = plane.shape
    small = (max(1, round(width / factor)), max(1, round(height / factor)))
    shrunk = resize_plane(plane, small, Image.Resampling.BOX)
    smooth = _convolve(shrunk, sigma / factor)
    return resize_plane(smooth, (width, height), Image.Resampling.BICUBIC)


def masked_gaussian(plane: np.ndarray, mask: np.ndarray, sigma: float) -> np.ndarray:
    """Smooth a plane over the pixels that `mask` `[H, W]` in 0..1 selects; no others leak in."""
    weight = gaussian(mask, sigma)
    return gaussian(plane * mask, sigma) / np.maximum(weight, 1e-4)


def resize_plane(
    plane: np.ndarray, size: tuple[int, int], filter: Image.Resampling = Image.Resampling.BILINEAR
) -> np.ndarray:
    """Resample a plane `[h, w]` to `size` (width, height), float32."""
    image = Image.fromarray(np.ascontiguousarray(plane, dtype=np.float32))
    return np.asarray(image.resize(size, filter))


def soft_limit(values: np.ndarray, most: np.ndarray | float) -> np.ndarray:
    """Bring values smoothly between -`most` and `most`; small ones stay."""
    return most * np.tanh(values / most)


def smoothstep(t: np.ndarray) -> np.ndarray:
    """Rise smoothly from 0 at 0 to 1 at 1."""
    t = np.clip(t, 0, 1)
    return t * t * (3 - 2 * t)


def _convolve(plane: np.ndarray, sigma: float) -> np.ndarray:
    if sigma < 0.3:
        return np.asarray(plane, np.float32)
    reach = max(1, round(REACH * sigma))
    taps = np.exp(-np.square(np.arange(-reach, reach + 1) / sigma) / 2)
    taps = (taps / taps.sum()).astype(np.float32)
    for axis in (0, 1):
        pads = [(reach, reach) if a == axis else (0, 0) for a in (0, 1)]
        padded = np.pad(np.asarray(plane, np.float32), pads, mode="edge")
        length = plane.shape[axis]
        plane = np.zeros_like(plane, dtype=np.float32)
        for i, tap in enumerate(taps):
            part = padded[i : i + length] if axis == 0 else padded[:, i : i + length]
            plane += tap * part
    return plane
