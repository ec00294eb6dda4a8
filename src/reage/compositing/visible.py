"""What of a face an edit may change: what is neither burnt out, nor black, nor covered."""

from __future__ import annotations

import numpy as np

from reage.compositing.bands import LUMA
from reage.compositing.smoothing import gaussian, smoothstep

__all__ = ["BURNT", "CRUSHED", "exposure", "light_shown"]

BURNT, CRUSHED = (0.9, 0.985), (0.02, 0.08)  # luma between which nothing is left to change
SHADE = 0.3  # of the light of a face's brighter parts: darker is shadow, where a change fades
WIDTH = 0.012  # of a square's side, standard deviation: single pixels say nothing


def light_shown(light: np.ndarray) -> np.ndarray:
    """Return how much of a change luma `[...]` of 0..1 can take, 0..1."""
    white = smoothstep((BURNT[1] - light) / (BURNT[1] - BURNT[0]))
    return white * smoothstep((light - CRUSHED[0]) / (CRUSHED[1] - CRUSHED[0]))


def exposure(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return how much of a change a face's square `[R, R, 3]` uint8 can take, `[R, R]` in 0..1.

    `mask` `[R, R]` is where the face is.
    """
    light = gaussian(image.astype(np.float32) @ LUMA / 255, WIDTH * len(image))
    face = light[mask > 0.5]
    full = SHADE * np.percentile(face, 80) if face.size else 0.0
    full = max(float(full), CRUSHED[1])
    deep = smoothstep((light - CRUSHED[0]) / (full - CRUSHED[0]))
    return (light_shown(light) * deep).astype(np.float32)
