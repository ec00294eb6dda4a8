"""Layers of a square around a face, laid out over the photo's pixels a band of rows at a time."""

from __future__ import annotations

import numpy as np
from PIL import Image

from reage.faces.sampling import BICUBIC, LANCZOS, interpolate
from reage.faces.squares import outline_of, quad_side, to_unit

__all__ = ["BAND", "LUMA", "enlarge_rows", "resize_layer", "rotate_layer", "units_of"]

LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601
BAND = 128  # rows worked on at a time: they stay in the processor's cache


def units_of(photo: np.ndarray) -> np.float32:
    """Return the number of steps of the photo's depth, uint8 or uint16, per 8-bit step."""
    assert photo.dtype in (np.uint8, np.uint16), photo.dtype
    return np.float32(1 if photo.dtype == np.uint8 else 257)


def rotate_layer(
    layer: np.ndarray, quad: np.ndarray, region: tuple[int, int, int, int]
) -> Image.Image:
    """Rotate one layer `[R, R]` to the photo's axes, over exactly the photo's `region`.

    Rotation costs several times as much per pixel as enlarging. So it uses a grid slightly finer
    than the layer, and `enlarge_rows` does the rest.
    """
    x0, y0, x1, y1 = region
    ratio = quad_side(quad) / layer.shape[0]  # photo pixels for one of the layer's
    if ratio < 1:  # low-pass first: the layer is finer than the photo
        layer = resize_layer(layer, min(layer.shape[0], round(layer.shape[0] * ratio * 1.5)))
    coarse = max(ratio / 1.5, 1.0)
    size = (max(1, round((x1 - x0) / coarse)), max(1, round((y1 - y0) / coarse)))
    inner = to_unit(outline_of(region), quad) * layer.shape[0] - 0.5
    return Image.fromarray(interpolate(layer, inner, size))


def enlarge_rows(
    image: Image.Image,
    rows: tuple[int, int],
    width: int,
    height: int,
    columns: tuple[int, int] | None = None,
) -> np.ndarray:
    """Return some rows (of some columns) of the image enlarged to `width` and `height`."""
    left, right = columns or (0, width)
    across, down = image.width / width, image.height / height
    box = (left * across, rows[0] * down, min(right * across, image.width), rows[1] * down)
    return np.asarray(image.resize((right - left, rows[1] - rows[0]), BICUBIC, box))


def resize_layer(channel: np.ndarray, size: int) -> np.ndarray:
    """Resample one layer to `size` pixels a side."""
    image = Image.fromarray(np.ascontiguousarray(channel, dtype=np.float32))
    size = max(1, size)
    return np.asarray(image.resize((size, size), LANCZOS if size < image.width else BICUBIC))
