"""Beards and moustaches: whether a face has one, and how much of each pixel is of it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from reage.compositing.bands import LUMA
from reage.compositing.hair.facial import cheeks_light
from reage.compositing.hair.regions import CHIN, SKIN, TOP, box_mean, filled
from reage.compositing.skin_mask import OVAL

__all__ = [
    "LOWER",
    "UPPER_LIP",
    "beard_in",
    "beard_on_mesh",
    "beard_reach",
    "beard_zones",
    "density",
    "like_hair",
]

LIPS = [61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185]
LOWER = [18, 313, 406, 335, 273, 422, 430, 394, 379, 378, 400, 377, 152, 148, 176, 149, 150, 169]
LOWER += [210, 202, 43, 106, 182, 83]  # the chin
UPPER_LIP = [165, 92, 39, 37, 0, 267, 269, 322, 391, 327, 326, 2, 97, 98]
# What a beard may cover: along the jaw from ear to ear, and back below the cheeks and the nose.
OUTLINE = [132, 58, 172, 136, 150, 149, 176, 148, 152, 377, 400, 378, 379, 365, 397, 288, 361, 401]
OUTLINE += [435, 427, 426, 391, 327, 2, 98, 165, 206, 207, 215, 177]
# From the ears down to the jaw's corners, on both sides.
BESIDE = {-1: [93, 132, 58, 172, 136, 150, 169, 215, 177, 137]}
BESIDE[1] = [323, 361, 288, 397, 365, 379, 394, 435, 401, 366]
WIDER, TO_NOSE = 1.08, 1.25
JAW, NOSE = slice(1, 16), slice(20, 27)  # of that
CHINS = slice(5, 12)
# Of the way from the mouth to the jaw: so far a beard reaches beyond it, and a full dark one.
BELOW, LONG = 1.1, 1.4
LONG_DARK, LONG_SHARE = -0.6, 0.5  # a full one: so dark by the cheeks, on so much of the chin
NOSE_SHADE = 0.3  # of the way from the nose to the mouth lies its shade, which is no moustache
CORNERS = 1.5  # of the width of the upper lip: so far a moustache reaches
LIPS_WIDER = 1.15
# Heights of the face: over which signs are evened (hairs, locks, a zone), and edges are soft.
FINE, HAIRS, LOCKS, ZONE = 0.006, 0.012, 0.03, 0.04
FEATHER = 0.01, 0.035  # of a moustache, and of a beard
BEYOND = 0.1, 0.2  # heights of the face above and below it that are looked at
# What tells dark hair and grey hair from shade and make-up: logistic regressions on 1,046 heads,
# 120 of them with beards or moustaches. A row has the means and the spreads of the nine signs of
# `_signs` on the chin, the same on the upper lip, and a constant.
WEIGHTS: Mapping[str, np.ndarray] = {
    "chin": np.array([
        [-1.37, -1.22, -11.4, 3.47, 1.07, 1.18, -0.252, -10.8, 2.86, 2.12, 1.92, 2.36, 8.91,
         0.448, 0.893, -0.682, 1.81, 6.12, -1.07, -0.52, 5.98, 17, 0.714, 0.417, -0.383, 0.886,
         19.4, -0.293, -1.08, -12.1, 27.8, -4.54, -4.84, -1.77, -15.9, 22.8, 3.82],
        [2.02, 2.09, -16.7, -13.9, 1.09, 0.842, 0.557, -15.5, -12.4, -1.36, -1.83, 21, -9.41,
         -0.13, -0.239, 2.89, 19.9, -13.4, -0.0866, -0.111, -4.21, 11.1, 0.596, 0.143, 0.592,
         -3.42, 13.8, 0.0126, 0.23, 0.878, -2.5, -3.69, -3.75, 4.16, -0.707, -14.2, 6.19],
    ]),
    "lip": np.array([
        [-0.981, -0.835, -10.5, 2.76, 1.04, 0.865, -0.0618, -9.18, 3.32, 1.9, 1.52, 0.167, 7.07,
         0.362, 0.634, 0.239, 0.113, 4.52, -1.15, -0.592, 1.3, 16.2, 1.22, 0.621, -0.246, -3.42,
         21, -0.38, -1.53, -8.04, 27.3, -5, -5.52, -0.869, -16.8, 16.8, 6.06],
        [1.57, 1.52, -4.29, -8.47, 0.957, 0.511, 0.354, -4.24, -7.82, -1.14, -1.05, 14, -20.1,
         0.222, 0.126, 1.91, 15.4, -18.5, 0.538, 0.517, -19, 7.07, 0.891, 0.286, 0.392, -17.2,
         11.6, -0.0865, -0.0816, 8.47, -11.4, -5.36, -5.41, 2.38, 6.82, -30.4, 7.64],
    ]),
}  # fmt: skip
DOUBTFUL, CERTAIN = 0.0, 0.8
KINDS = [0, 2, 3, 5]  # of the signs: light, redness, yellowness and grain, by those of the cheeks
NOISE = np.diag(np.square([0.1, 0.03, 0.03, 0.3]))  # variance of skin that is even
BARE, DENSE = 90, 75  # percentiles of the cheeks, none of it hair, and of the zone, all of it
# How far hair and skin differ along the direction that tells them: below the first it is skin that
# is a little darker, from the second on there is hair for certain.
ALIKE, APART = 0.8, 1.5
GLEAM = 0.2  # logarithm of the light by the cheeks', from which nothing is dark hair
LEAST_PLACES = 8  # pixels


def beard_in(image: np.ndarray, mesh: np.ndarray) -> tuple[np.ndarray, bool]:
    """Return how much of each pixel `[S, S]` is beard or moustache, and whether that is grey.

    `mesh` `[478, 2]` is in the pixels of the picture `[S, S, 3]`. Light stubble reads 0.
    """
    share, grey = np.zeros(image.shape[:2], np.float32), False
    height = float(np.hypot(*(mesh[TOP] - mesh[CHIN])))
    above, below = (reach * height for reach in BEYOND)
    low = np.maximum(np.floor(mesh.min(0) - above).astype(int), 0)
    side = int(min((mesh.max(0) + below - low).max(), len(image) - low.max()))
    near, part = mesh - low, np.s_[low[1] : low[1] + side, low[0] : low[0] + side]
    zones = beard_zones(near, side) if side > 0 else {}
    if min((zone.sum() for zone in zones.values()), default=0) < LEAST_PLACES:
        return share, grey
    signs = _signs(image[part], near, height)
    told = [f(signs[zones[name]], axis=0) for name in WEIGHTS for f in (np.mean, np.std)]
    for name, weights in WEIGHTS.items():
        dark, white = weights[:, :-1] @ np.concatenate(told) + weights[:, -1]
        certain = np.clip((max(dark, white) - DOUBTFUL) / (CERTAIN - DOUBTFUL), 0, 1)
        if certain > 0:
            grey |= bool(white > dark)
            found = _hair_in(signs, zones, near, name, white > dark)
            share[part] = np.maximum(share[part], certain * found)
    return share, grey


def beard_reach(mesh: np.ndarray, side: int) -> np.ndarray:
    """Return where beards and moustaches grow around a mesh `[468, 2]`, `[side, side]` in 0..1.

    It reaches up to the middle of the ears and the nose, further than where `beard_in` looks.
    """
    within = sum(_reach(mesh, side, name, True) for name in WEIGHTS)
    soft = max(1, round(FEATHER[0] * float(np.hypot(*(mesh[TOP] - mesh[CHIN])))))
    middle = mesh[LIPS].mean(0)
    off_lips = 1 - box_mean(_grown(mesh[LIPS], mesh, 1.05, side), soft)
    lip = _grown(mesh[UPPER_LIP], mesh, TO_NOSE, side)
    within = np.maximum(within, off_lips * box_mean(box_mean(lip, soft), soft))
    for sign in (-1, 1):
        strip = mesh[BESIDE[sign]]
        strip = filled(middle + WIDER * (strip - middle), side)
        within = np.maximum(within, box_mean(box_mean(strip, 3 * soft), 3 * soft))
    return np.clip(within, 0, 1)


def beard_on_mesh(mesh: np.ndarray, side: int) -> np.ndarray:
    """Return the part of `beard_reach` that lies on the face, `[side, side]` in 0..1."""
    return beard_reach(mesh, side) * filled(mesh[OVAL], side)


def like_hair(image: np.ndarray, mesh: np.ndarray, hair: np.ndarray) -> np.ndarray:
    """Return how much each pixel is as the `hair` `[S, S]` bool is and skin is not, 0..1."""
    zones = beard_zones(mesh, len(image))
    if min(*(zone.sum() for zone in zones.values()), hair.sum()) < LEAST_PLACES:
        return np.zeros(hair.shape)
    signs = _signs(image, mesh, float(np.hypot(*(mesh[TOP] - mesh[CHIN]))))
    return density(signs[..., KINDS], hair, zones["cheeks"])


def _hair_in(
    signs: np.ndarray, zones: dict[str, np.ndarray], mesh: np.ndarray, name: str, grey: bool
) -> np.ndarray:
    """Return how much of each pixel `[S, S]` is hair of the chin and jaw, or of the upper lip."""
    light = signs[..., 0]
    long = name == "chin" and (light[zones[name]] < LONG_DARK).mean() > LONG_SHARE
    found = density(signs[..., KINDS], zones[name], zones["cheeks"])
    gleams = 0 if grey else np.clip(light / GLEAM, 0, 1)  # which are no dark hair
    return found * (1 - gleams) * _reach(mesh, len(light), name, long)


def beard_zones(mesh: np.ndarray, side: int) -> dict[str, np.ndarray]:
    """Return which pixels `[S, S]` are of the chin, the upper lip and the cheeks."""
    lips = _grown(mesh[LIPS], mesh, LIPS_WIDER, side)
    parts = {
        "chin": filled(mesh[LOWER], side) & ~lips,
        "lip": filled(mesh[UPPER_LIP], side) & ~lips,
    }
    left, right = (filled(mesh[part], side) for part in SKIN[:2])
    return parts | {"left": left, "right": right, "cheeks": left | right}


def _grown(points: np.ndarray, mesh: np.ndarray, by: float | np.ndarray, side: int) -> np.ndarray:
    """Return which pixels lie in a polygon that is larger, seen from the mouth."""
    middle = mesh[LIPS].mean(0)
    return filled(middle + by * (points - middle), side)


def _signs(image: np.ndarray, mesh: np.ndarray, height: float) -> np.ndarray:
    """Return light, colours and grain `[S, S, 9]`, most of them by those of the cheeks."""
    values = image.astype(np.float32) / 255
    light, total = np.log(values @ LUMA + 0.04), values.sum(-1) + 0.15
    red = (values[..., 0] - values[..., 1]) / total
    yellow = (values[..., 1] - values[..., 2]) / total

    def even(layer: np.ndarray, *reaches: float) -> np.ndarray:
        for reach in reaches:
            layer = box_mean(layer, max(1, round(reach * height)))
        return layer

    smooth = even(light, FINE, FINE)
    rough = even(np.square(light - even(light, HAIRS, HAIRS)), LOCKS)
    grain = np.log(np.sqrt(np.maximum(rough, 0)) + 0.005)
    skin, skins_red, skins_yellow, skins_grain = (
        cheeks_light(layer, mesh) for layer in (smooth, red, yellow, grain)
    )
    colours = [even(red, HAIRS) - skins_red, even(yellow, HAIRS) - skins_yellow]
    zone = [even(red, ZONE) - skins_red, even(yellow, ZONE) - skins_yellow]
    lights = [smooth - skin, even(smooth, LOCKS) - skin]
    return np.stack([*lights, *colours, grain, grain - skins_grain, skin, *zone], axis=-1)


def _reach(mesh: np.ndarray, side: int, name: str, long: bool) -> np.ndarray:
    """Return where hair of the chin and jaw, or of the upper lip, may be, `[S, S]` in 0..1."""
    axis = mesh[TOP] - mesh[CHIN]
    height = float(np.hypot(*axis))
    middle, fine = mesh[LIPS].mean(0), max(1, round(FEATHER[0] * height))
    across = np.array([-axis[1], axis[0]]) / max(height, 1e-6)
    upper = mesh[UPPER_LIP] - middle
    upper = filled(middle + upper + (CORNERS - 1) * (upper @ across)[:, None] * across, side)
    upper = box_mean(box_mean(upper, fine), fine)
    off_lips = 1 - box_mean(_grown(mesh[LIPS], mesh, 1.05, side), fine)
    if name == "lip":
        return upper * off_lips
    outline = mesh[OUTLINE] - middle
    outline[JAW] *= BELOW
    if long:
        outline[CHINS] *= LONG / BELOW
    outline[NOSE] *= 1 - NOSE_SHADE
    wide = max(1, round(FEATHER[1] * height))
    within = box_mean(box_mean(filled(middle + outline, side), wide), wide)
    return within * off_lips * (1 - upper)


def density(signs: np.ndarray, zone: np.ndarray, cheeks: np.ndarray) -> np.ndarray:
    """Return how much of each pixel `[S, S]` is as the `zone` is and the `cheeks` are not, 0..1.

    Along the direction that tells the two best (Fisher 1936), so dark, red and grey hair alike.
    """
    hair, skin = signs[zone], signs[cheeks]
    middle = skin.mean(0)
    spread = np.cov(hair.T) + np.cov(skin.T) + NOISE
    along = np.linalg.solve(spread, hair.mean(0) - middle)
    bare = float(np.percentile((skin - middle) @ along, BARE))
    apart = float(np.percentile((hair - middle) @ along, DENSE)) - bare
    certain = np.clip((apart - ALIKE) / (APART - ALIKE), 0, 1)
    return certain * np.clip(((signs - middle) @ along - bare) / max(apart, APART), 0, 1)
