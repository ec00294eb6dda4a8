"""Show a photo to the detector at several sizes, so that it meets every face at one it knows."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image

__all__ = ["FINE", "TILE", "WHOLE", "Level", "Photo", "levels", "resize_to", "tiles"]

# The detector sees faces of 16 to 130 px. Read at three sizes, a photo shows it every face from
# all of the photo's longer side down to 1.3 % of it.
WHOLE = 128  # MediaPipe's own input: the whole photo
TILE = 384  # second size, and the tiles of the third: one shape, so that nothing is reallocated
FINE = 1248  # third size: four tiles
_BAND = 64  # lines of the smaller copy that are made at once: Pillow holds a picture twice more
OVERLAP = 96  # of the tiles: a face of up to this size is whole in one of them; a larger box there
# is part of a face, which the coarser sizes see whole


@dataclass(frozen=True)
class Photo:
    """A photo and a smaller copy for readers that need less detail."""

    full: np.ndarray  # [H, W, 3] uint8
    small: np.ndarray  # reduced by `factor`, its longer side FINE or more if the photo's is
    factor: int

    @classmethod
    def of(cls, rgb: np.ndarray) -> Photo:
        factor = max(1, max(rgb.shape[:2]) // FINE)
        if factor == 1:
            return cls(rgb, rgb, 1)
        bands = [_reduced(rgb[top : top + _BAND * factor], factor)
                 for top in range(0, len(rgb), _BAND * factor)]  # fmt: skip
        return cls(rgb, np.concatenate(bands), factor)

    def at(self, pixel: float) -> tuple[np.ndarray, int]:
        """Return the copy to read where one pixel covers `pixel` of the photo's, and its factor."""
        return (self.small, self.factor) if pixel >= self.factor else (self.full, 1)


def _reduced(rgb: np.ndarray, factor: int) -> np.ndarray:
    return np.asarray(Image.fromarray(np.ascontiguousarray(rgb)).reduce(factor))


@dataclass(frozen=True)
class Level:
    """One size at which the photo is shown to the detector."""

    size: int  # longer side of the photo in pixels
    tile: int  # side of the squares read at once
    smallest: float = 0.0  # longer side of accepted boxes, in pixels
    largest: float = float("inf")


def levels(longer: int) -> list[Level]:
    """Choose the sizes at which to read a photo; only the first may enlarge it."""
    chosen = [Level(WHOLE, WHOLE)]
    if longer > 1.5 * WHOLE:
        # What is small at the first size is left to the second, which sees it better.
        chosen = [Level(WHOLE, WHOLE, smallest=28.0)]
        chosen.append(Level(min(longer, TILE), TILE, largest=130.0))
    if longer > 1.3 * TILE:
        chosen.append(Level(min(longer, FINE), TILE, largest=OVERLAP))
    return chosen


def tiles(pixels: np.ndarray, side: int) -> Iterator[tuple[int, int, np.ndarray]]:
    """Cut a picture into overlapping squares: x and y of the corner, and the pixels."""
    height, width = pixels.shape[:2]
    for y in _starts(height, side):
        for x in _starts(width, side):
            part = pixels[max(y, 0) : y + side, max(x, 0) : x + side]
            tile = np.zeros((side, side, 3), np.uint8)  # black around, as MediaPipe
            top, left = max(-y, 0), max(-x, 0)
            tile[top : top + part.shape[0], left : left + part.shape[1]] = part
            yield x, y, tile


def _starts(length: int, side: int) -> list[int]:
    """Place tiles of `side` evenly; a shorter picture lies in the middle of its one tile."""
    if length <= side:
        return [-((side - length) // 2)]
    count = 1 + math.ceil((length - side) / (side - OVERLAP))
    return np.linspace(0, length - side, count).round().astype(int).tolist()


def resize_to(rgb: np.ndarray, longer: int) -> np.ndarray:
    """Bring the longer side to `longer`, keeping the shape."""
    height, width = rgb.shape[:2]
    factor = longer / max(width, height)
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    image = Image.fromarray(np.ascontiguousarray(rgb))
    return np.asarray(image.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0))
