"""Frames as Y'CbCr 4:2:0, and changes added in that space.

A change of RGB is a linear change of Y'CbCr. So samples outside the changed or warped area stay
identical, and no frame is converted to RGB and back.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from reage.compositing.warp import Warp, warp_in_place
from reage.faces.sampling import interpolate
from reage.faces.squares import outline_of, pixels_within, quad_side, to_unit

__all__ = ["Planes", "add_layer", "rgb_to_ycc", "sample_luma", "sample_rgb", "warp_planes"]

LUMA_WEIGHTS = {1: (0.2126, 0.0722), 9: (0.2627, 0.0593), 10: (0.2627, 0.0593)}  # red, blue
BT601_WEIGHTS = (0.299, 0.114)  # FFmpeg's numbers 5 and 6, and whatever is rare


@dataclass(frozen=True, eq=False)
class Planes:
    """One frame; `packed` is `[3 H / 2, W]` uint8 as FFmpeg's yuv420p in one block."""

    packed: np.ndarray
    matrix: int  # FFmpeg's number of the matrix
    full_range: bool  # 0..255 instead of 16..235

    @classmethod
    def of(cls, packed: np.ndarray, turns: int, matrix: int, full_range: bool) -> Planes:
        """Wrap FFmpeg's frame, turned by quarters against the clock."""
        planes = cls(packed, matrix, full_range)
        if not turns:
            return planes
        turned = [np.rot90(plane, turns) for plane in planes.layers]
        height, width = turned[0].shape
        flat = np.concatenate([np.ascontiguousarray(plane).ravel() for plane in turned])
        return cls(flat.reshape(height * 3 // 2, width), matrix, full_range)

    @property
    def layers(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Views of Y' `[H, W]`, Cb and Cr `[H / 2, W / 2]`."""
        rows, width = self.packed.shape
        height = rows * 2 // 3
        flat = self.packed.reshape(-1)
        size, small = height * width, height * width // 4
        shape = (height // 2, width // 2)
        blue, red = flat[size : size + small], flat[size + small :]
        return self.packed[:height], blue.reshape(shape), red.reshape(shape)

    def copy(self) -> Planes:
        return Planes(self.packed.copy(), self.matrix, self.full_range)


def rgb_to_ycc(change: np.ndarray, matrix: int, full_range: bool) -> np.ndarray:
    """Convert a change of R'G'B' `[..., 3]` in 0..255 to a change of Y'CbCr samples."""
    return change @ _ycc_matrix(matrix, full_range).T.astype(np.float32)


def _ycc_matrix(matrix: int, full_range: bool) -> np.ndarray:
    """Return the matrix from R'G'B' to Y'CbCr, `[3, 3]`."""
    red, blue = LUMA_WEIGHTS.get(matrix, BT601_WEIGHTS)
    luma = np.array([red, 1 - red - blue, blue])
    cb = (np.array([0.0, 0.0, 1.0]) - luma) / (2 * (1 - blue))
    cr = (np.array([1.0, 0.0, 0.0]) - luma) / (2 * (1 - red))
    scale = np.array([1.0, 1.0, 1.0]) if full_range else np.array([219.0, 224.0, 224.0]) / 255
    return np.stack([luma, cb, cr]) * scale[:, None]


def add_layer(planes: Planes, layer: np.ndarray, quad: np.ndarray, weight: float = 1.0) -> None:
    """Add a change `[R, R, 3]` of Y'CbCr, 0 at its border, over the square `quad` `[4, 2]`."""
    support = _support(layer)
    if support is None or weight <= 0:
        return
    ratio = quad_side(quad) / layer.shape[0]
    if ratio < 1:  # low-pass first: the layer is finer than the frame
        side = max(4, round(layer.shape[0] * ratio * 1.5))
        layer = _shrunk(layer, min(side, layer.shape[0]))
    for channel, plane in enumerate(planes.layers):
        place = quad if channel == 0 else _chroma_place(quad)
        _add_to_plane(plane, layer[..., channel] * np.float32(weight), place, support)


def warp_planes(planes: Planes, warp: Warp, quad: np.ndarray) -> None:
    """Warp a frame around the square `quad` `[4, 2]`, in place."""
    for channel, plane in enumerate(planes.layers):
        place = quad if channel == 0 else _chroma_place(quad)
        warp_in_place(plane, warp, place)


def _add_to_plane(
    plane: np.ndarray, layer: np.ndarray, quad: np.ndarray, support: np.ndarray
) -> None:
    box = x0, y0, x1, y1 = pixels_within(quad, support, plane.shape)
    if x0 >= x1 or y0 >= y1:
        return
    inner = to_unit(outline_of(box), quad) * layer.shape[0] - 0.5
    added = interpolate(layer, inner, (x1 - x0, y1 - y0))
    target = plane[y0:y1, x0:x1]
    np.copyto(target, np.clip(np.rint(target + added), 0, 255), casting="unsafe")


def _support(layer: np.ndarray) -> np.ndarray | None:
    """Return the corners `[4, 2]` in 0..1 of the non-zero part, widened for interpolation."""
    some = layer.any(axis=2)
    rows, columns = (np.flatnonzero(np.any(some, axis=i)) for i in (1, 0))
    if not rows.size:
        return None
    u = np.clip(np.array([columns[0] - 2, columns[-1] + 3]) / layer.shape[0], 0, 1)
    v = np.clip(np.array([rows[0] - 2, rows[-1] + 3]) / layer.shape[0], 0, 1)
    return np.array([[a, b] for a in u for b in v])


def _shrunk(layer: np.ndarray, side: int) -> np.ndarray:
    resize = [
        np.asarray(
            Image.fromarray(np.ascontiguousarray(layer[..., c])).resize(
                (side, side), Image.Resampling.LANCZOS
            )
        )
        for c in range(3)
    ]
    return np.stack(resize, axis=2)


def sample_rgb(planes: Planes, quad: np.ndarray, side: int) -> np.ndarray:
    """Sample the colours in the square `quad`: `[side, side, 3]` uint8; black beyond the frame."""
    luma, cb, cr = planes.layers
    place = _chroma_place(quad)
    sampled = [sample_luma(luma, quad, side)]
    sampled += [sample_luma(plane, place, side) for plane in (cb, cr)]
    start = np.array([0 if planes.full_range else 16, 128, 128], np.float32)
    inverse = np.linalg.inv(_ycc_matrix(planes.matrix, planes.full_range)).astype(np.float32)
    rgb = (np.stack(sampled, axis=2) - start) @ inverse.T
    inside = sample_luma(np.full_like(luma, 255), quad, side) > 127
    return np.rint(np.clip(rgb, 0, 255) * inside[..., None]).astype(np.uint8)


def _chroma_place(quad: np.ndarray) -> np.ndarray:
    """Return a square's place in the planes of Cb and Cr, which are sited left, between lines."""
    return (quad - [0.0, 0.5]) / 2


def sample_luma(plane: np.ndarray, quad: np.ndarray, side: int) -> np.ndarray:
    """Sample Y' `[H, W]` uint8 in the square `quad`: `[side, side]` float32; 0 beyond the frame."""
    factor = max(1, int(quad_side(quad) / side))
    low = np.floor(quad.min(0) - factor).astype(int)
    high = np.ceil(quad.max(0) + factor).astype(int) + 1
    limits = np.array(plane.shape[::-1])
    low, high = np.clip(low, 0, limits - 1), np.clip(high, 1, limits)
    high = np.maximum(high, low + 1)
    image = Image.fromarray(plane[low[1] : high[1], low[0] : high[0]])
    image = image.reduce(factor) if factor > 1 else image
    corner, bottom, _, right = (quad - low + 0.5) / factor
    (ax, ay), (bx, by) = (right - corner) / side, (bottom - corner) / side
    coefficients = (ax, bx, corner[0], ay, by, corner[1])
    taken = image.transform(
        (side, side), Image.Transform.AFFINE, coefficients, Image.Resampling.BILINEAR
    )
    return np.asarray(taken, np.float32)
