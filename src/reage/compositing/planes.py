"""Frames as Y'CbCr 4:2:0, and changes added in that space.

A change of RGB is a linear change of Y'CbCr. So samples outside the changed or warped area stay
identical, and no frame is converted to RGB and back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from reage.compositing.warp import Warp, warp_in_place
from reage.faces.sampling import interpolate
from reage.faces.squares import outline_of, pixels_within, quad_side, to_unit

__all__ = [
    "Planes",
    "add_layer",
    "multiply_region",
    "region_rgb",
    "region_values",
    "region_ycc",
    "rgb_to_ycc",
    "sample_inside",
    "sample_luma",
    "sample_rgb",
    "warp_planes",
]

LUMA_WEIGHTS = {1: (0.2126, 0.0722), 9: (0.2627, 0.0593), 10: (0.2627, 0.0593)}  # red, blue
BT601_WEIGHTS = (0.299, 0.114)  # FFmpeg's numbers 5 and 6, and whatever is rare


@dataclass(frozen=True, eq=False)
class Planes:
    """One frame as Y'CbCr; `packed` is `[3 H / 2, W]` uint8 as FFmpeg's yuv420p in one block.

    Deeper frames are uint16, 256 steps for one of 8 bits. Without subsampling, `packed` is
    `[3 H, W]`.
    """

    packed: np.ndarray
    matrix: int  # FFmpeg's number of the matrix
    full_range: bool  # 0..255 instead of 16..235
    subsampling: tuple[int, int] = (2, 2)  # luma samples for one of chroma, across and down
    alpha: np.ndarray | None = None  # [H, W] of the same type

    @classmethod
    def of(cls, packed: np.ndarray, turns: int, matrix: int, full_range: bool) -> Planes:
        """Wrap FFmpeg's yuv420p frame, turned by quarters against the clock."""
        planes = cls(packed, matrix, full_range)
        return planes.turn(turns) if turns else planes

    @classmethod
    def join(
        cls,
        layers: Sequence[np.ndarray],
        matrix: int,
        full_range: bool,
        subsampling: tuple[int, int] = (2, 2),
    ) -> Planes:
        """Pack Y', Cb, Cr and perhaps alpha."""
        flat = np.concatenate([np.ascontiguousarray(layer).ravel() for layer in layers[:3]])
        alpha = np.ascontiguousarray(layers[3]) if len(layers) > 3 else None
        packed = flat.reshape(-1, layers[0].shape[1])
        return cls(packed, matrix, full_range, subsampling, alpha)

    def turn(self, turns: int) -> Planes:
        """Return the frame turned by quarters against the clock."""
        layers = [np.rot90(layer, turns) for layer in self.layers]
        if self.alpha is not None:
            layers.append(np.rot90(self.alpha, turns))
        across, down = self.subsampling
        sides = (across, down) if turns % 2 == 0 else (down, across)
        return Planes.join(layers, self.matrix, self.full_range, sides)

    @property
    def layers(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Views of Y' `[H, W]`, Cb and Cr `[H / 2, W / 2]`, or as they are subsampled."""
        rows, width = self.packed.shape
        across, down = self.subsampling
        height = rows * across * down // (across * down + 2)
        flat = self.packed.reshape(-1)
        size, small = height * width, height * width // (across * down)
        shape = (height // down, width // across)
        blue, red = flat[size : size + small], flat[size + small :]
        return self.packed[:height], blue.reshape(shape), red.reshape(shape)

    @property
    def unit(self) -> np.float32:
        """Steps of this depth for one of 8 bits."""
        return np.float32(1 if self.packed.dtype == np.uint8 else 256)

    def copy(self) -> Planes:
        alpha = None if self.alpha is None else self.alpha.copy()
        return replace(self, packed=self.packed.copy(), alpha=alpha)

    def place(self, channel: int, quad: np.ndarray) -> np.ndarray:
        """Return a square's place in one of the layers; chroma is sited left, between lines."""
        if channel == 0:
            return quad
        across, down = self.subsampling
        return (quad - [0.0, 0.5 if down == 2 else 0.0]) / [across, down]


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
    scale = np.float32(weight) * planes.unit
    for channel, plane in enumerate(planes.layers):
        _add_to_plane(plane, layer[..., channel] * scale, planes.place(channel, quad), support)


def warp_planes(planes: Planes, warp: Warp, quad: np.ndarray) -> None:
    """Warp a frame around the square `quad` `[4, 2]`, in place."""
    for channel, plane in enumerate(planes.layers):
        warp_in_place(plane, warp, planes.place(channel, quad))
    if planes.alpha is not None:
        warp_in_place(planes.alpha, warp, quad)


def _add_to_plane(
    plane: np.ndarray, layer: np.ndarray, quad: np.ndarray, support: np.ndarray
) -> None:
    box = x0, y0, x1, y1 = pixels_within(quad, support, plane.shape)
    if x0 >= x1 or y0 >= y1:
        return
    inner = to_unit(outline_of(box), quad) * layer.shape[0] - 0.5
    added = interpolate(layer, inner, (x1 - x0, y1 - y0))
    target = plane[y0:y1, x0:x1]
    highest = np.iinfo(plane.dtype).max
    np.copyto(target, np.clip(np.rint(target + added), 0, highest), casting="unsafe")


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
    sampled = [
        sample_luma(plane, planes.place(channel, quad), side)
        for channel, plane in enumerate(planes.layers)
    ]
    start = np.array([0 if planes.full_range else 16, 128, 128], np.float32)
    rgb = (np.stack(sampled, axis=2) - start) @ _rgb_matrix(planes).T
    inside = sample_inside(planes, quad, side) > 0.5
    return np.rint(np.clip(rgb, 0, 255) * inside[..., None]).astype(np.uint8)


def region_rgb(planes: Planes, box: tuple[int, int, int, int]) -> np.ndarray:
    """Return the colours of pixels x0, y0, x1, y1 `[h, w, 3]` uint8; chroma is not interpolated."""
    return np.rint(np.clip(region_values(planes, box), 0, 255)).astype(np.uint8)


def region_values(planes: Planes, box: tuple[int, int, int, int]) -> np.ndarray:
    """Return R'G'B' of pixels `[h, w, 3]` float32, 0..255 and beyond where samples are."""
    return (region_ycc(planes, box) / planes.unit) @ _rgb_matrix(planes).T


def region_ycc(planes: Planes, box: tuple[int, int, int, int]) -> np.ndarray:
    """Return Y', Cb and Cr of some pixels, less those of black, `[h, w, 3]` float32."""
    x0, y0, x1, y1 = box
    across, down = planes.subsampling
    columns, rows = np.arange(x0, x1) // across, np.arange(y0, y1) // down
    luma, *colours = planes.layers
    wide = [plane[rows][:, columns] for plane in colours]
    start = np.array([0 if planes.full_range else 16, 128, 128], np.float32) * planes.unit
    return np.stack([luma[y0:y1, x0:x1], *wide], axis=2) - start


def multiply_region(
    planes: Planes, box: tuple[int, int, int, int], gains: np.ndarray, offset: float
) -> None:
    """Multiply R'G'B' + `offset` (of 0..255) by gains `[h, w, 3]` in some pixels, in place."""
    across, down = planes.subsampling
    x0, y0 = -(-box[0] // across) * across, -(-box[1] // down) * down
    x1, y1 = box[2] // across * across, box[3] // down * down
    if x0 >= x1 or y0 >= y1:
        return
    gains = gains[y0 - box[1] : y1 - box[1], x0 - box[0] : x1 - box[0]]
    rgb = region_values(planes, (x0, y0, x1, y1))
    added = np.clip((rgb + np.float32(offset)) * gains - np.float32(offset), 0, 255) - rgb
    added[gains == 1] = 0  # samples outside R'G'B' stay as they are
    change = rgb_to_ycc(added, planes.matrix, planes.full_range) * planes.unit
    height, width = change.shape[:2]
    blocks = change.reshape(height // down, down, width // across, across, 3).mean((1, 3))
    for channel, plane in enumerate(planes.layers):
        part = plane[y0:y1, x0:x1]
        if channel:
            part = plane[y0 // down : y1 // down, x0 // across : x1 // across]
        values = part + (blocks if channel else change)[..., channel]
        values = np.clip(np.rint(values), 0, np.iinfo(plane.dtype).max)
        np.copyto(part, values, casting="unsafe")


def _rgb_matrix(planes: Planes) -> np.ndarray:
    """Return the matrix from Y'CbCr to R'G'B', `[3, 3]`."""
    return np.linalg.inv(_ycc_matrix(planes.matrix, planes.full_range)).astype(np.float32)


def sample_inside(planes: Planes, quad: np.ndarray, side: int) -> np.ndarray:
    """Return which part of the square `quad` lies in the frame, `[side, side]` 0..1."""
    whole = np.full(planes.layers[0].shape, 255, np.uint8)
    return sample_luma(whole, quad, side) / 255


def sample_luma(plane: np.ndarray, quad: np.ndarray, side: int) -> np.ndarray:
    """Sample Y' `[H, W]` in the square `quad`: `[side, side]` float32 of 0..255; 0 beyond."""
    factor = max(1, int(quad_side(quad) / side))
    low = np.floor(quad.min(0) - factor).astype(int)
    high = np.ceil(quad.max(0) + factor).astype(int) + 1
    limits = np.array(plane.shape[::-1])
    low, high = np.clip(low, 0, limits - 1), np.clip(high, 1, limits)
    high = np.maximum(high, low + 1)
    part = plane[low[1] : high[1], low[0] : high[0]]
    if part.dtype != np.uint8:
        part = part.astype(np.float32) / 256
    image = Image.fromarray(part)
    image = image.reduce(factor) if factor > 1 else image
    corner, bottom, _, right = (quad - low + 0.5) / factor
    (ax, ay), (bx, by) = (right - corner) / side, (bottom - corner) / side
    coefficients = (ax, bx, corner[0], ay, by, corner[1])
    taken = image.transform(
        (side, side), Image.Transform.AFFINE, coefficients, Image.Resampling.BILINEAR
    )
    return np.asarray(taken, np.float32)
