"""Brows in the square around a head: by MediaPipe's mesh, and darker than the skin."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageFilter

from reage.compositing.hair.regions import CHIN, SKIN, TOP, box_mean, filled

__all__ = [
    "Matte",
    "brows_in",
    "cheeks_light",
    "pale_brows_in",
    "side_light",
]

# Of MediaPipe's mesh: around each brow, and its upper edge.
BROW_OUTLINES = (
    [70, 63, 105, 66, 107, 55, 65, 52, 53, 46],
    [300, 293, 334, 296, 336, 285, 295, 282, 283, 276],
)
UPPER = 5  # points of the outline that are its upper edge
WIDER = 1.15  # the hairs reach a little beyond it
BROW_BARE, BROW_DENSE = 0.06, 0.3  # see Matte
BROW_SHADE = 0.45  # of the skin's light above the brows, that of skin beside them at least
PALE, ANY_LIGHT = 0.3, 1e4  # share of a pale brow that is hair; light by the skin's
# White brows: how far above and below the mesh's they may be, and the skin around them, in heights
# of a brow; the percentile of redness and light that is the skin's; by how much of it hair is less
# red; how far light differs from place to place, of the skin's: a gleam of the forehead is even.
BUSHY, NEAR_BROW, SKINS = (0.9, 0.3), (2.5, 0.3), 60
PALER, GRAIN = (0.1, 0.3), (0.03, 0.05)
LEAST = 0.12  # by which brows have to be darker than the skin, of its light
ABOVE = 0.5  # heights of a brow above it, where the skin is looked at
# Between the brows, and down the bridge of the nose, where glasses sit; half the width looked at,
# in heights of the face; darker than this, of 1,046 heads with and without, are dark frames.
GLABELLA, NOSE_RIDGE, BRIDGE_WIDTH, GLASSES = 9, 195, 0.03, 0.45

SEEN = 0.3  # of the nearer cheek's size: where the farther one shows less, it says nothing


@dataclass(frozen=True, eq=False)
class Matte:
    """Dark hairs on skin: how much of a pixel they are falls with its light."""

    weight: np.ndarray  # [S, S] 0..1: where there may be some
    skin: np.ndarray  # [S, S] light of the skin below, in the shade of hairs
    lit: np.ndarray  # [S, S] light of the skin by which white hair is as light as it is
    bare: float  # of it, by which skin may be darker
    dense: float  # of it, by which what is all hair is darker

    def within(self, certain: np.ndarray) -> Matte:
        """Return the same where there is some for certain, `[S, S]` in 0..1."""
        return replace(self, weight=self.weight * certain)

    def share(self, light: np.ndarray) -> np.ndarray:
        """How much of each pixel of this light is hair, `[S, S]`."""
        return np.clip(self.slope * light + self.offset, 0, self.weight)

    @property
    def slope(self) -> np.ndarray:
        return -self.weight / (self.skin * (self.dense - self.bare))

    @property
    def offset(self) -> np.ndarray:
        return self.weight * (1 - self.bare) / (self.dense - self.bare)


def brows_in(light: np.ndarray, mesh: np.ndarray) -> Matte:
    """Both brows in a square `[S, S]`; `mesh` `[478, 2]` is in its pixels.

    None where dark frames of glasses lie over them: those have no colour to lose.
    """
    if _dip(light, mesh) < GLASSES:
        skin = np.ones_like(light)
        return Matte(np.zeros_like(light), skin, skin, BROW_BARE, BROW_DENSE)
    lightest = _lightest(light, len(light) // 42)
    first, second = (_brow(light, lightest, mesh[outline]) for outline in BROW_OUTLINES)
    left = first.weight >= second.weight
    skin, around = (
        np.where(left, *pair) for pair in ((first.skin, second.skin), (first.lit, second.lit))
    )
    weight = np.maximum(first.weight, second.weight)
    return Matte(weight, skin, around, BROW_BARE, BROW_DENSE)


def pale_brows_in(light: np.ndarray, red: np.ndarray, mesh: np.ndarray, dark: Matte) -> Matte:
    """Grey and white brows, in a square `[S, S]`: a share of each pixel, whatever its light.

    Where light is uneven, as far as it is less `red` `[S, S]` than the skin around; and a little of
    brows no darker than the skin, where none are `dark`. None where frames of glasses lie over
    them.
    """
    side, weight = len(light), np.zeros_like(light)
    if _dip(light, mesh) >= GLASSES:
        soft = max(side // 128, 1)
        for outline in (mesh[brow] for brow in BROW_OUTLINES):
            bushy, near = (filled(_reached(outline, *by), side) for by in (BUSHY, NEAR_BROW))
            found = _colourless_hairs(light, red, near) * box_mean(bushy, soft)
            if not dark.weight.any():
                found = np.maximum(found, PALE * box_mean(filled(outline, side), soft))
            weight = np.maximum(weight, found)
    return Matte(weight, dark.skin, dark.lit, -ANY_LIGHT, ANY_LIGHT)


def _colourless_hairs(light: np.ndarray, red: np.ndarray, near: np.ndarray) -> np.ndarray:
    """Return how much each place is hair that is less red than the skin `near` it, `[S, S]`."""
    if not near.any():
        return np.zeros_like(light)
    skin, skins_red = (max(float(np.percentile(one[near], SKINS)), 0.02) for one in (light, red))
    grain = box_mean(np.abs(light - box_mean(light, 2)), 2) / skin
    signs = (1 - box_mean(red, 1) / skins_red, PALER), (grain, GRAIN)
    first, second = (np.clip((one - low) / (high - low), 0, 1) for one, (low, high) in signs)
    return first * second


def _reached(outline: np.ndarray, above: float, below: float) -> np.ndarray:
    """Return a brow's outline `[10, 2]`, so many of its heights wider above and below."""
    upper, lower = outline[:UPPER], outline[UPPER:][::-1]
    up = upper - lower
    return np.concatenate([upper + above * up, (lower - below * up)[::-1]])


def _dip(light: np.ndarray, mesh: np.ndarray) -> float:
    """How dark the darkest place on the nose's bridge is, by what is above and below it."""
    start, end = mesh[GLABELLA], mesh[NOSE_RIDGE]
    along = end - start
    across = np.array([-along[1], along[0]]) / max(float(np.hypot(*along)), 1e-6)
    across = across * BRIDGE_WIDTH * np.hypot(*(mesh[TOP] - mesh[CHIN]))
    steps, wide = np.linspace(0, 1, 24)[:, None, None], np.linspace(-1, 1, 5)[None, :, None]
    places = np.rint(start + steps * along + wide * across).astype(int)
    x, y = np.moveaxis(np.clip(places, 0, len(light) - 1), -1, 0)
    profile = np.median(light[y, x], axis=1)
    above = np.maximum.accumulate(profile)[:-2]
    below = np.maximum.accumulate(profile[::-1])[::-1][2:]
    return float((profile[1:-1] / np.maximum(np.minimum(above, below), 0.02)).min())


def _brow(light: np.ndarray, lightest: np.ndarray, outline: np.ndarray) -> Matte:
    """One brow, beside the lightest nearby: at the temples skin lies in the shade."""
    side = len(light)
    middle = outline.mean(0)
    upper, lower = outline[:UPPER], outline[UPPER:][::-1]
    up = (1 + ABOVE) * (upper - lower)
    above = filled(np.concatenate([upper + 0.4 * up, (upper + up)[::-1]]), side)
    within = filled(middle + WIDER * (outline - middle), side)
    skin = max(float(np.median(light[above])), 0.02) if above.any() else 1.0
    near = np.clip(lightest, BROW_SHADE * skin, skin)
    seen = above.any() and within.any()
    if not seen or float(np.percentile(light[within], 25)) > (1 - LEAST) * skin:
        within = np.zeros_like(within)
    weight = box_mean(within, max(side // 256, 1))
    # By the skin beside: by that of the forehead, thin ends in the shade get a pale rim.
    return Matte(weight, near, near, BROW_BARE, BROW_DENSE)


def _lightest(light: np.ndarray, reach: int) -> np.ndarray:
    """What is light among the pixels so far around, `[S, S]`."""
    levels = Image.fromarray(np.rint(255 * np.clip(light, 0, 1)).astype(np.uint8))
    size = 2 * reach + 1
    rank = ImageFilter.RankFilter(size, int(0.85 * size**2))
    return box_mean(np.asarray(levels.filter(rank)) / 255, reach)


def side_light(light: np.ndarray, mesh: np.ndarray) -> np.ndarray:
    """Light that falls on each side of a head, by that of the brighter cheek, `[S, S]` in 0..1.

    1 where one cheek is hardly seen.
    """
    sizes = [filled(mesh[part], len(light)).sum() for part in SKIN[:2]]
    if min(sizes) < SEEN * max(sizes):
        return np.ones_like(light)
    skin = cheeks_light(light, mesh)
    return skin / max(float(skin.max()), 0.02)


def cheeks_light(light: np.ndarray, mesh: np.ndarray) -> np.ndarray:
    """Light of skin `[S, S]`: that of each cheek, and between them what lies between."""
    side = len(light)
    cheeks = [filled(mesh[part], side) for part in SKIN[:2]]
    if not all(part.any() for part in cheeks):
        return np.ones_like(light)
    left, right = (float(np.median(light[part])) for part in cheeks)
    start, end = (mesh[part].mean(0) for part in SKIN[:2])
    y, x = np.mgrid[:side, :side]
    across = (end - start) / max(float(np.sum((end - start) ** 2)), 1.0)
    along = (np.stack([x, y], -1) - start) @ across
    return left + (right - left) * np.clip(along, 0, 1)
