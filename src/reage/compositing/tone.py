"""The single tone of old prints, such as sepia or grey: one colour for each luma."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from reage.compositing.bands import LUMA

__all__ = ["Tone", "has_one_tone", "neutral_print"]

BINS = 256  # of luma
NEAR, FAR = 1.0, 8.0  # bins, standard deviations: of averaging, and where pixels are few
FEW = 30  # pixels
GREY = 0.6  # levels of 255: a curve that is nowhere farther from grey is grey
SAMPLES = 200_000  # pixels of a picture that a curve is fitted to
CELLS = 8  # across a face's square: in their means, noise of a JPEG fades and colours stay
# Levels of 255 by which cells of the age network's square leave the curve, root mean square. Of
# sepia and blue prints as JPEG of quality 75 up to 1.4; of 1,120 colour portraits 1.7 and more, but
# for one.
ONE_TONE, COLOURS = 1.4, 1.65
# Colours by luma in which the age network reads a face of one tone most nearly as in its own
# colours: 3.0 years apart in the mean of 57 portraits, 3.8 in grey.
PRINT = np.array([0.9, 1.1, 1.25], np.float32)


@dataclass(frozen=True, eq=False)
class Tone:
    """The colours of a picture as a function of its luma."""

    curve: np.ndarray  # [BINS, 3] float32: colour less luma, at evenly spaced luma of 0..1
    span: tuple[float, float]  # lowest and highest luma in the picture, 0..1
    single: float = 1.0  # 1: the picture has no other colours, 0: it has

    @classmethod
    def of(cls, colours: np.ndarray, single: float = 1.0) -> Tone:
        """Fit the tone to colours `[..., 3]`, uint8 or uint16, or float in 0..255."""
        values = np.reshape(colours, (-1, colours.shape[-1]))[:, :3]
        values = values[:: max(1, len(values) // SAMPLES)].astype(np.float32)
        values = values / np.float32(257 if colours.dtype == np.uint16 else 1)
        light = values @ LUMA
        places = np.clip(np.rint(light), 0, BINS - 1).astype(int)
        away = (values - light[:, None]).T
        curve = _smooth(
            np.bincount(places, minlength=BINS),
            np.stack([np.bincount(places, one, BINS) for one in away], axis=1),
        )
        if np.abs(curve).max() < GREY:
            curve, light = np.zeros_like(curve), np.array([0.0, 255.0])
        span = float(light.min() / 255), float(light.max() / 255)
        return cls((curve / 255).astype(np.float32), span, single)

    def offsets(self, light: np.ndarray) -> np.ndarray:
        """Return colour minus luma `[..., 3]` for luma `[...]` in 0..1."""
        places = np.clip(light, *self.span) * np.float32(BINS - 1)
        low = np.minimum(places.astype(int), BINS - 2)
        share = (places - low)[..., None].astype(np.float32)
        return self.curve[low] * (1 - share) + self.curve[low + 1] * share

    def project(self, colours: np.ndarray) -> np.ndarray:
        """Bring colours `[..., 3]` of 0..1 onto the curve at their luma, within its span.

        Paper and ink limit a print: nothing in it is lighter or darker.
        """
        light = np.clip(colours @ LUMA, *self.span)
        toned = light[..., None] + self.offsets(light)
        if self.single == 1:  # else rounding could part channels that are the same
            return toned
        return colours + np.float32(self.single) * (toned - colours)


def has_one_tone(square: np.ndarray) -> float:
    """Return whether a face's square `[S, S, 3]` uint8 has a single tone: 1 yes, 0 no."""
    side = len(square) // CELLS * CELLS
    assert side > 0, square.shape
    colours = square[:side, :side].astype(np.float32)
    light = colours @ LUMA
    away = colours - light[..., None] - 255 * Tone.of(colours).offsets(light / 255)
    cell = side // CELLS
    cells = away.reshape(CELLS, cell, CELLS, cell, 3).mean((1, 3))
    spread = float(np.sqrt(np.square(cells).mean()))
    return float(np.clip((COLOURS - spread) / (COLOURS - ONE_TONE), 0, 1))


def neutral_print(light: np.ndarray) -> np.ndarray:
    """Return the colours `[..., 3]` of 0..1 in which the age network reads luma `[...]`."""
    return np.clip(light, 0, 1)[..., None] ** PRINT


def _smooth(counts: np.ndarray, sums: np.ndarray) -> np.ndarray:
    """Average colours `[BINS, 3]` over near bins, where pixels are few over far ones."""
    near, far = _weights()
    wide = (far @ sums) / (far @ counts)[:, None]
    return (near @ sums + FEW * wide) / (near @ counts + FEW)[:, None]


@cache
def _weights() -> tuple[np.ndarray, np.ndarray]:
    places = np.arange(BINS)
    away = np.square(places[:, None] - places)
    near, far = (np.exp(-away / (2 * width**2)) for width in (NEAR, FAR))
    return near, far + 1e-9 / (1 + away)  # no bin stays empty
