"""Regions of a head by MediaPipe's mesh, and sums over squares of pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

__all__ = [
    "BRIDGE",
    "BROWS",
    "CHIN",
    "OUTLINE",
    "SKIN",
    "TOP",
    "HeadPlaces",
    "box_mean",
    "connected",
    "filled",
    "sized",
    "within_hair",
]

# Of MediaPipe's mesh: the face's outline, places that show skin (cheeks and nose), brows, the
# bridge of the nose, the outline's highest point and its lowest.
OUTLINE = [10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377]
OUTLINE += [152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109]
SKIN = (
    [116, 117, 118, 119, 100, 142, 203, 206, 207, 187, 123],
    [345, 346, 347, 348, 329, 371, 423, 426, 427, 411, 352],
    [6, 197, 195, 5, 4, 45, 275],
)
BROWS = [70, 63, 105, 66, 107, 336, 296, 334, 293, 300]
BRIDGE, TOP, CHIN = 168, 10, 152
HAIRLINE = 6  # places of 256 on each side of hair's edge that are near it


@dataclass(frozen=True, eq=False)
class HeadPlaces:
    """Where each pixel of a square is from the bridge of the nose, in heights of the face.

    All are `[S, S]`.
    """

    up: np.ndarray
    aside: np.ndarray  # to the picture's right
    face: np.ndarray  # whether it is well within the face and below the brows
    near: np.ndarray  # whether it is within the face or close to it
    skin: np.ndarray  # whether it is on the cheeks or the nose

    @classmethod
    def of(cls, mesh: np.ndarray, side: int) -> HeadPlaces:
        """`mesh` `[478, 2]` are MediaPipe's points in pixels of a square of that `side`."""
        axis = mesh[TOP] - mesh[CHIN]
        axis = axis / max(float(axis @ axis), 1.0)
        y, x = np.mgrid[:side, :side]
        away = np.stack([x, y], axis=-1) - mesh[BRIDGE]
        up, aside = away @ axis, away @ np.array([-axis[1], axis[0]])
        brows = float(((mesh[BROWS] - mesh[BRIDGE]) @ axis).max())
        outline = mesh[OUTLINE]
        inner, outer = (outline.mean(0) + f * (outline - outline.mean(0)) for f in (0.9, 1.1))
        face = filled(inner, side) & (up < brows - 0.02)
        skin = np.any([filled(mesh[part], side) for part in SKIN], axis=0)
        return cls(up, aside, face, filled(outer, side), skin)


def box_mean(layer: np.ndarray, radius: int) -> np.ndarray:
    """Means over squares of 2 * radius + 1, the edges mirrored, of `[S, S]` or `[S, S, C]`."""
    length = 2 * radius + 1
    pad = [(radius + 1, radius)] * 2 + [(0, 0)] * (layer.ndim - 2)
    total = np.pad(layer.astype(np.float64), pad, mode="symmetric").cumsum(0).cumsum(1)
    rows = total[length:] - total[:-length]
    return (rows[:, length:] - rows[:, :-length]) / length**2


def connected(share: np.ndarray, seeds: np.ndarray, side: int = 64) -> np.ndarray:
    """How well each place hangs together with `seeds`, `[S, S]` in 0..1: on the best way there.

    The reconstruction of mathematical morphology (Vincent 1993), by the least share on the way.
    """
    coarse = sized(share, side)
    reached = np.where(sized(seeds, side) > 0.3, coarse, 0)
    for _ in range(4 * side):
        wide = np.pad(reached, 1)
        wide = np.maximum(np.maximum(wide[:-2], wide[1:-1]), wide[2:])
        wide = np.maximum(np.maximum(wide[:, :-2], wide[:, 1:-1]), wide[:, 2:])
        further = np.minimum(coarse, wide)
        if np.abs(further - reached).max() < 1e-3:
            break
        reached = further
    return np.clip(sized(reached / np.maximum(coarse, 1e-3), len(share)), 0, 1)


def filled(points: np.ndarray, side: int) -> np.ndarray:
    """Which pixels lie in a polygon `[N, 2]`, `[side, side]`."""
    image = Image.new("L", (side, side))
    ImageDraw.Draw(image).polygon([(float(x), float(y)) for x, y in points], fill=255)
    return np.asarray(image) > 0


def sized(layer: np.ndarray, side: int) -> np.ndarray:
    """A layer at `side` pixels, averaged where that is less."""
    how = Image.Resampling.BOX if side <= len(layer) else Image.Resampling.BILINEAR
    image = Image.fromarray(np.ascontiguousarray(layer, dtype=np.float32))
    return np.asarray(image.resize((side, side), how))


def within_hair(share: np.ndarray) -> np.ndarray:
    """How far within the hair each place is, `[S, S]`: 0 at its edge, 1 well within.

    By the densest nearby, so that short or thin hair has an inside too.
    """
    reach = HAIRLINE * len(share) // 256
    dense = box_mean(share, reach)
    levels = Image.fromarray(np.rint(255 * dense).astype(np.uint8))
    densest = np.asarray(levels.filter(ImageFilter.MaxFilter(2 * reach + 1))) / 255
    return np.clip(2 * dense / np.maximum(densest, 1e-3) - 1, 0, 1)
