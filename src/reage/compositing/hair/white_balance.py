"""What is white in a photo's light: the whites of the eyes say it."""

from __future__ import annotations

import numpy as np

from reage.compositing.bands import LUMA
from reage.compositing.hair.regions import filled

__all__ = ["white_of_eyes"]

# Of MediaPipe's mesh: the opening of each eye, the middle of its iris and points around that.
OPENINGS = (
    [33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246],
    [362, 382, 381, 380, 374, 373, 390, 249, 263, 466, 388, 387, 386, 385, 384, 398],
)
IRISES = ((468, [469, 470, 471, 472]), (473, [474, 475, 476, 477]))
INNER, IRIS = 0.8, 1.15  # of the opening, of the iris' radius: lids and iris stay out
LEAST = 16  # pixels
BRIGHTER = 60  # percentile from which on it is no shade
# Colour by light of whites of eyes in neutral light (30 studio portraits), how much of what is
# different counts, and the most that comes of it: some eyes are red. Sunglasses are farther off
# than plausible.
NEUTRAL = np.array([1.04, 0.985, 0.97])
TRUST = 0.4
LIMITS = np.array([[0.95, 0.97, 0.9], [1.07, 1.02, 1.04]])
PLAUSIBLE = np.array([[0.9, 0.84, 0.6], [1.4, 1.06, 1.15]])


def white_of_eyes(image: np.ndarray, mesh: np.ndarray) -> np.ndarray:
    """Colour `[3]` of white by its light, in a picture `[S, S, 3]` of a face; ones if not seen.

    `mesh` `[478, 2]` is in its pixels.
    """
    y, x = np.mgrid[: len(image), : len(image)]
    seen = []
    for opening, (middle, around) in zip(OPENINGS, IRISES, strict=True):
        points = mesh[opening]
        inner = points.mean(0) + INNER * (points - points.mean(0))
        radius = IRIS * np.hypot(*(mesh[around] - mesh[middle]).T).mean()
        away = np.hypot(x - mesh[middle][0], y - mesh[middle][1])
        seen.append(image[filled(inner, len(image)) & (away > radius)])
    pixels = np.concatenate(seen).astype(np.float64)
    if len(pixels) < LEAST:
        return np.ones(3)
    light = pixels @ LUMA
    white = np.median(pixels[light >= np.percentile(light, BRIGHTER)], axis=0)
    white = white / max(float(white @ LUMA), 1.0)
    if (white < PLAUSIBLE[0]).any() or (white > PLAUSIBLE[1]).any():
        return np.ones(3)
    white = np.clip((white / NEUTRAL) ** TRUST, *LIMITS)
    return white / float(white @ LUMA)
