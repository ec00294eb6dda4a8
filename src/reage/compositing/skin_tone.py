"""The tone of skin, from dark to light."""

from __future__ import annotations

import numpy as np

from reage.compositing.bands import LUMA
from reage.compositing.smoothing import masked_gaussian
from reage.images import to_depth

__all__ = ["even_colours", "skin_tone", "typology_angle"]

CHEEKS = (50, 280, 205, 425)  # of the mesh: where a cheek is plain skin
EVENING = 4.0  # how fast the colours around take over, a unit of log-luminance
PATCH = 0.05  # half a patch's side there, of the mesh's height


def skin_tone(rgb: np.ndarray, landmarks: np.ndarray) -> float:
    """Return the typology angle of a face's cheeks, degrees; 0 if they lie outside the photo.

    `rgb` is the photo `[H, W, 3 or 4]` uint8 or uint16, `landmarks` `[478, 2 or 3]` its mesh.
    """
    half = PATCH * float(np.ptp(landmarks[:, 1])) + 1
    parts = []
    for x, y in landmarks[list(CHEEKS), :2]:
        rows = slice(max(int(y - half), 0), max(int(y + half), 0))
        columns = slice(max(int(x - half), 0), max(int(x + half), 0))
        parts.append(to_depth(rgb[rows, columns, :3], np.uint8).reshape(-1, 3))
    pixels = np.concatenate(parts)
    return typology_angle(np.median(pixels, axis=0)[None]) if len(pixels) else 0.0


def typology_angle(rgb: np.ndarray) -> float:
    """Return the individual typology angle of skin `[N, 3]` uint8 sRGB, degrees: larger is lighter.

    atan2(L* - 50, b*) of the mean colour in CIELAB, D65 (Chardon et al. 1991).
    """
    srgb = np.asarray(rgb, np.float64).reshape(-1, 3) / 255
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4).mean(0)
    _, y, z = (_RGB_TO_XYZ @ linear) / _WHITE
    light, blue = 116 * _cube_root(y) - 16, 200 * (_cube_root(y) - _cube_root(z))
    return float(np.degrees(np.arctan2(light - 50, max(blue, 1e-6))))


def even_colours(logs: np.ndarray, light: np.ndarray, skin: np.ndarray, sigma: float) -> np.ndarray:
    """Return what brings skin's colours nearer to those around it where its light was changed.

    `logs` `[3, h, w]` are the logarithms of the colours, `light` `[h, w]` the change of the
    log-luminance, `skin` `[h, w]` above 0 where skin is seen, and `sigma` says in pixels, as a
    standard deviation, what is around. The light stays.
    """
    colours = logs - np.tensordot(LUMA, logs, 1)
    usual = np.stack([masked_gaussian(plane, skin, sigma) for plane in colours])
    return (1 - np.exp(-EVENING * np.abs(light))) * (usual - colours)


_RGB_TO_XYZ = np.array(  # IEC 61966-2-1
    [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
)
_WHITE = np.array([0.9505, 1.0, 1.089])


def _cube_root(t: float) -> float:
    """CIELAB's f."""
    return float(np.cbrt(t)) if t > (6 / 29) ** 3 else t * (29 / 6) ** 2 / 3 + 4 / 29
