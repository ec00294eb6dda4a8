"""The colour that hair had before it turned grey."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from reage.compositing.bands import LUMA
from reage.compositing.hair.mask import Head, grey_places
from reage.compositing.hair.regions import BROWS, box_mean
from reage.compositing.skin_tone import typology_angle

__all__ = ["HAIR_COLOURS", "young_colour"]

# Light by that of the brighter skin, and red, green and blue by light (of 60 studio portraits).
HAIR_COLOURS: Mapping[str, tuple[float, np.ndarray]] = {
    "black": (0.15, np.array([1.06, 0.99, 0.93])),
    "dark-brown": (0.20, np.array([1.18, 0.96, 0.80])),
    "brown": (0.26, np.array([1.22, 0.95, 0.72])),
    "light-brown": (0.36, np.array([1.20, 0.96, 0.70])),
    "blond": (0.56, np.array([1.14, 0.98, 0.70])),
    "red": (0.32, np.array([1.42, 0.88, 0.55])),
}
SURE, LEFT = 0.9, 0.15  # certain hair, and the share of it that has to have its colour
PALEST = 0.6  # light by the skin's: what is lighter is white hair in warm light, no blond
# Degrees of the typology angle of skin: below the first hair was black, below the second dark.
BLACK, DARK = 10.0, 28.0
# Light of the darkest of the brows by that of the skin: brows keep their colour longest.
DARK_BROWS, LIGHT_BROWS = 0.42, 0.62


def young_colour(head: Head, skin: float, name: str | None = None) -> tuple[np.ndarray, float]:
    """Return colour by light `[3]`, and mean light, of a head's hair before it turned grey.

    `skin` is the light of the brighter skin. Without a `name` of `HAIR_COLOURS`, the hair that has
    its colour says it, and where hardly any is left, the skin and the brows decide.
    """
    left = np.zeros_like(head.share) if name else _coloured_hair(head)
    if left.any():
        colour = np.average(head.rgb / 255, axis=(0, 1), weights=left)
        light = float(colour @ LUMA)
        if light < PALEST * skin:
            return colour / max(light, 1e-3), light
    light, colour = HAIR_COLOURS[name or _guess(head, skin)]
    colour = colour * head.white
    return colour / float(colour @ LUMA), light * skin


def _coloured_hair(head: Head) -> np.ndarray:
    """Return what hair has its colour still, `[S, S]`; none on dark skin, which shows through."""
    hair = (head.share > SURE) & (head.shown > 0.5)
    left = hair * (1 - grey_places(head, head.share))
    enough = not head.toned and _tone(head) >= BLACK and left.sum() > LEFT * hair.sum()
    return left if enough else np.zeros_like(left)


def _tone(head: Head) -> float:
    """Return the typology angle of the skin, degrees: the darker the lower."""
    places = head.places.skin
    return typology_angle(np.median(head.rgb[places], axis=0)) if places.any() else DARK


def _guess(head: Head, skin: float) -> str:
    """Return the name of the most likely colour."""
    tone = _tone(head)
    if tone < DARK:
        return "black" if tone < BLACK else "dark-brown"
    brows = np.clip(np.rint(head.mesh[BROWS]).astype(int), 0, len(head.light) - 1)
    seen = box_mean(head.light, 1)[brows[:, 1], brows[:, 0]]
    left = float(np.percentile(seen, 20)) / max(skin, 1e-3)
    if left < DARK_BROWS:
        return "dark-brown"
    return "brown" if left < LIGHT_BROWS else "light-brown"
