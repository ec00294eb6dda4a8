"""Cut a square out of a photo at another size and angle, without aliasing.

All coordinates count pixel centres as integers; Pillow counts from pixel corners, hence the 0.5.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image

from reage.images import to_depth

__all__ = ["Patch", "cut_patch", "interpolate", "sample_quad"]

# Photo pixels (after shrinking) that the interpolation looks at beyond the square.
MARGIN = 4
# How much finer than the result Pillow's quick averaging may leave a picture that it shrinks before
# the true filter. At 2, gratings of 2.3 pixels left a seventh of their contrast as moire.
REDUCING_GAP = 3.0
BICUBIC, BILINEAR, LANCZOS = (Image.Resampling[k] for k in ("BICUBIC", "BILINEAR", "LANCZOS"))


@dataclass(frozen=True)
class Patch:
    """The part of a photo around a square, shrunk to the square's resolution."""

    pixels: np.ndarray  # [h, w, 3] uint8
    scale: np.ndarray  # [2] patch pixels per photo pixel, at most 1
    offset: np.ndarray  # [2] photo position of the patch's outer top left corner, less 0.5
    inside: tuple[float, float, float, float]  # x0, y0, x1, y1 of the photo in patch pixels (edges)

    def from_photo(self, points: np.ndarray) -> np.ndarray:
        """Map photo positions `[..., 2]` to patch positions."""
        return (np.asarray(points, np.float64) - self.offset) * self.scale - 0.5


def cut_patch(
    rgb: np.ndarray,
    quad: np.ndarray,
    resolution: int,
    outside: Literal["black", "edge", "mirror"] = "mirror",
    resample: Image.Resampling = LANCZOS,
) -> Patch:
    """Cut the photo around `quad` `[4, 2]` and shrink it, if needed, to the crop's pixel size.

    Only this part is ever converted or padded, so that the cost follows the face, not the photo.
    """
    height, width = rgb.shape[:2]
    side = float(np.mean([np.hypot(*(quad[3] - quad[0])), np.hypot(*(quad[1] - quad[0]))]))
    ratio = max(side / resolution, 1.0)
    margin = ratio * MARGIN
    low = np.floor(quad.min(0) - margin).astype(int)
    high = np.ceil(quad.max(0) + margin).astype(int) + 1
    limits = np.array([width, height])
    low_in, high_in = np.clip(low, 0, limits - 1), np.clip(high, 1, limits)
    high_in = np.maximum(high_in, low_in + 1)
    part = to_depth(rgb[low_in[1] : high_in[1], low_in[0] : high_in[0], :3], np.uint8)
    size = np.maximum(np.rint((high_in - low_in) / ratio).astype(int), 1)
    if ratio > 1.0:
        shrunk = Image.fromarray(np.ascontiguousarray(part)).resize(
            (int(size[0]), int(size[1])), resample, reducing_gap=REDUCING_GAP
        )
        part = np.asarray(shrunk)
    scale = np.array([part.shape[1], part.shape[0]]) / (high_in - low_in)
    before = np.ceil(np.maximum(low_in - low, 0) * scale).astype(int)
    after = np.ceil(np.maximum(high - high_in, 0) * scale).astype(int)
    if before.any() or after.any():
        mode = {"black": "constant", "edge": "edge", "mirror": "symmetric"}[outside]
        pads = ((before[1], after[1]), (before[0], after[0]), (0, 0))
        part = np.pad(part, pads, mode=mode)  # type: ignore[call-overload]
    origin = low_in - 0.5 - before / scale
    x0, y0 = (-0.5 - origin) * scale
    x1, y1 = (limits - 0.5 - origin) * scale
    return Patch(part, scale, origin, (x0, y0, x1, y1))


def interpolate(channel: np.ndarray, quad: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Sample `size` (width, height) values of the parallelogram `quad` of a plane `[h, w]`.

    `quad` is TL, BL, BR, TR in the plane's pixels; its sides are the outer edges of the result's
    pixels. Pillow's own bicubic transform (a = -1) moves a ramp by up to 0.1 px, and on bytes it
    cuts off instead of rounding. Its bicubic enlargement (a = -0.5) does neither, so the plane is
    doubled by that, and linear interpolation goes on from there.
    """
    height, width = channel.shape
    image = Image.fromarray(np.ascontiguousarray(channel, dtype=np.float32))
    image = image.resize((2 * width, 2 * height), BICUBIC)
    return np.asarray(_warp(image, 2 * np.asarray(quad, np.float64) + 0.5, size))


def _warp(image: Image.Image, quad: np.ndarray, size: tuple[int, int]) -> Image.Image:
    corner, bottom, _, right = quad
    (ax, ay), (bx, by) = (right - corner) / size[0], (bottom - corner) / size[1]
    coefficients = (ax, bx, corner[0] + 0.5, ay, by, corner[1] + 0.5)
    return image.transform(size, Image.Transform.AFFINE, coefficients, BILINEAR)


def sample_quad(rgb: np.ndarray, quad: np.ndarray, resolution: int) -> np.ndarray:
    """Sample the square cheaply (triangle filter, bilinear): what the networks read, uint8."""
    patch = cut_patch(rgb, quad, resolution, "black", BILINEAR)
    image = Image.fromarray(np.ascontiguousarray(patch.pixels))
    return np.asarray(_warp(image, patch.from_photo(quad), (resolution, resolution)))
