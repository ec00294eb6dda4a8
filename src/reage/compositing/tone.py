"""The single tone of old prints, such as sepia or grey: one colour for each luma."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reage.compositing.bands import LUMA

__all__ = ["Tone"]

BINS = 32  # of light
REACH = 8  # bins by which is told how a curve goes on
# Levels of 255 by which the colours of a face leave the curve, root mean square: a sepia print
# 0.9 (as JPEG of quality 50 1.9), the palest of 150 colour portraits 2.4.
ONE_TONE, COLOURS = 1.9, 2.3


@dataclass(frozen=True, eq=False)
class Tone:
    """The colours of a picture as a function of its luma."""

    curve: np.ndarray  # [BINS, 3] float32: colour less light, at evenly spaced light of 0..1
    single: float  # 1: the picture has no other colours, 0: it has

    @classmethod
    def of(cls, colours: np.ndarray) -> Tone:
        """Fit the tone to colours `[N, 3]` of 0..255; average their noise first."""
        values = np.asarray(colours, np.float32).reshape(-1, 3)
        light = values @ LUMA
        away = values - light[:, None]
        places = np.clip(light / 255 * (BINS - 1), 0, BINS - 1)
        nearest = np.rint(places).astype(int)
        counts = np.bincount(nearest, minlength=BINS)
        known = counts > 0
        assert known.any(), "no colours"
        sums = np.stack([np.bincount(nearest, one, BINS) for one in away.T], axis=1)
        means = sums[known] / counts[known, None]
        curve = np.stack([_fill_gaps(one, np.flatnonzero(known)) for one in means.T], axis=1)
        tone = cls((curve / 255).astype(np.float32), 1.0)
        left = away / 255 - tone.offsets(light / 255)
        spread = 255 * float(np.sqrt(np.square(left).mean()))
        return cls(tone.curve, float(np.clip((COLOURS - spread) / (COLOURS - ONE_TONE), 0, 1)))

    def offsets(self, light: np.ndarray) -> np.ndarray:
        """Return colour minus luma `[..., 3]` for luma `[...]` in 0..1."""
        places = np.clip(light, 0, 1) * np.float32(BINS - 1)
        low = np.minimum(places.astype(int), BINS - 2)
        share = (places - low)[..., None]
        return self.curve[low] * (1 - share) + self.curve[low + 1] * share


def _fill_gaps(values: np.ndarray, bins: np.ndarray) -> np.ndarray:
    """Interpolate one channel `[BINS]` from its values at some bins; extrapolate linearly."""
    every = np.arange(BINS)
    filled = np.interp(every, bins, values)
    for ends, beyond in (
        (slice(None, REACH), every < bins[0]),
        (slice(-REACH, None), every > bins[-1]),
    ):
        if len(bins) > 1 and beyond.any():
            line = np.polyfit(bins[ends], values[ends], 1)
            filled[beyond] = np.polyval(line, every[beyond])
    return filled
