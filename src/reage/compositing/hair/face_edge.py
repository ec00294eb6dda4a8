"""Hair along the edge of a face: sideburns and fringes in, ears out, by the colours of the two."""

from __future__ import annotations

import numpy as np

from reage.compositing.bands import LUMA
from reage.compositing.hair.regions import (
    BRIDGE,
    BROWS,
    CHIN,
    OUTLINE,
    TOP,
    HeadPlaces,
    box_mean,
    connected,
    filled,
)

__all__ = ["told_at_face"]

# Of the outline, seen from its middle: what is skin for certain, what hair may grow over from the
# hair above, and how far ears reach.
SKIN, INNER, OUTER, EARS = 0.85, 0.9, 1.06, 1.5
# Heights of the face above the bridge of the nose: of skin, of sideburns' lower ends, of jaws and
# of the ears' upper ends, and what is left free above the brows.
SKIN_AT, SIDEBURNS, JAW, EARS_AT, ABOVE_BROWS = (-0.45, -0.05), (-0.4, -0.3), -0.8, 0.1, 0.04
SHADES = 10  # percentile of the skin's light: what is darker is lips, eyes or beard
SURE = 0.95  # share from which on hair is certain
LEAST = 100  # places of hair and of skin
NOISE = np.diag(np.square([0.15, 0.01, 0.01]))  # variances that say nothing
# Squared deviations by which hair and skin differ: from where on colours tell them.
APART = 6.0, 10.0
BETWEEN = 0.5, 0.8  # of the way from skin to hair: what is between is both
SHADE = np.diag([0.3**2, 0, 0])  # of ears: they lie in the shade
# Logarithm of odds: below the sideburns, on a side that long hair does not cover, a jaw in the
# shade has the colours of hair, and a beard is found by itself.
NO_SIDEBURNS = 5.0
COVERED = 0.5, 0.7  # share of hair beside the face, between which it ever more covers the ear
DARKER = 0.7, 1.1  # logarithm of light, by which hair that grows over skin is darker


def told_at_face(
    rgb: np.ndarray, share: np.ndarray, person: np.ndarray, places: HeadPlaces, mesh: np.ndarray
) -> np.ndarray:
    """Return how much of each pixel `[S, S]` is hair, by colour along the edge of the face.

    There the network takes ears for hair, and misses sideburns and strands over the forehead.
    `rgb` `[S, S, 3]` is of 0..1; `mesh` `[478, 2]` is in its pixels. Hair and skin of this person
    make a linear discriminant of light and two colours (Fisher 1936).
    """
    low, high = (np.clip(f(mesh, axis=0), 0, len(share)) for f in (np.min, np.max))
    reach = (EARS - 1) / 2 * (high - low)
    (x0, y0), (x1, y1) = (low - 2 * reach).astype(int), (high + reach).astype(int)
    part = np.s_[max(y0, 0) : y1, max(x0, 0) : x1]
    signs = _signs(rgb[part])
    if not signs.size:
        return share
    zones = _zones(places, mesh, len(share))
    skin, ears, grows, jaw = (zone[part] for zone in zones)
    light = signs[..., 0]
    hair = (share[part] > SURE) & (ears + grows == 0)
    if min(hair.sum(), skin.sum()) < LEAST:
        return share
    skin = skin & (light > np.percentile(light[skin], SHADES))
    way, apart = _way(signs, hair, skin)
    telling = np.clip((apart - APART[0]) / (APART[1] - APART[0]), 0, 1)
    kept = _likely(signs, hair, skin, -NO_SIDEBURNS * jaw)
    found = share.copy()
    free = _free(ears * share[part], ears, places.aside[part])
    found[part] *= 1 - telling * free * np.maximum(ears, jaw) * (1 - kept)
    darker = float(light[skin].mean() - light[hair].mean())
    telling *= np.clip((darker - DARKER[0]) / (DARKER[1] - DARKER[0]), 0, 1)
    if telling > 0:
        like = np.clip((way - BETWEEN[0]) / (BETWEEN[1] - BETWEEN[0]), 0, 1)
        more = found.copy()
        more[part] = np.maximum(more[part], telling * like * grows * person[part])
        found = np.maximum(found, more * connected(more, found > SURE))
    return found


def _signs(rgb: np.ndarray) -> np.ndarray:
    """Return logarithm of light, redness and yellowness `[h, w, 3]`."""
    total = rgb.sum(-1) + 0.15
    red, yellow = ((rgb[..., c] - rgb[..., c + 1]) / total for c in (0, 1))
    return box_mean(np.stack([np.log(rgb @ LUMA + 0.04), red, yellow], axis=-1), 1)


def _way(signs: np.ndarray, hair: np.ndarray, skin: np.ndarray) -> tuple[np.ndarray, float]:
    """Return how far each place is from skin to hair, and how far apart the two are."""
    middle = signs[skin].mean(0)
    apart = signs[hair].mean(0) - middle
    spread = np.cov(signs[hair].T) + np.cov(signs[skin].T) + NOISE
    along = np.linalg.solve(spread, apart)
    distance = float(along @ apart)
    return (signs - middle) @ along / max(distance, 1e-6), distance


def _likely(signs: np.ndarray, hair: np.ndarray, skin: np.ndarray, prior: np.ndarray) -> np.ndarray:
    """Return how likely each place is hair and no skin: by the means and spreads of the two.

    `prior` `[h, w]` is the logarithm of the odds before anything is seen.
    """
    odds = prior
    for kind, sign, noise in ((hair, 1, NOISE), (skin, -1, NOISE + SHADE)):
        spread = np.cov(signs[kind].T) + noise
        away = signs - signs[kind].mean(0)
        near = (away @ np.linalg.inv(spread) * away).sum(-1) + np.log(np.linalg.det(spread))
        odds = odds - sign * near / 2
    return 1 / (1 + np.exp(-np.clip(odds, -30, 30)))


def _free(hair: np.ndarray, ears: np.ndarray, aside: np.ndarray) -> np.ndarray:
    """Return where ears are seen, `[S, S]` in 0..1: on sides that long hair does not cover."""
    free = np.zeros_like(hair)
    for side in (aside < 0, aside >= 0):
        covered = hair[side].sum() / max(ears[side].sum(), 1.0)
        free[side] = np.clip((COVERED[1] - covered) / (COVERED[1] - COVERED[0]), 0, 1)
    return free


def _zones(places: HeadPlaces, mesh: np.ndarray, side: int) -> tuple[np.ndarray, ...]:
    """Return where there is skin, bool, ears, hair that grows over, and jaws, all `[S, S]`."""
    outline = mesh[OUTLINE]
    middle = outline.mean(0)
    skin, inner, whole, outer, ears = (
        filled(middle + f * (outline - middle), side) for f in (SKIN, INNER, 1.0, OUTER, EARS)
    )
    up = places.up
    skin &= (up > SKIN_AT[0]) & (up < SKIN_AT[1])
    ears = (ears & ~inner & (up > JAW) & (up < EARS_AT)).astype(float)
    axis = mesh[TOP] - mesh[CHIN]
    brows = (mesh[BROWS] - mesh[BRIDGE]) @ axis / max(float(axis @ axis), 1.0)
    above = up > float(brows.max()) + ABOVE_BROWS
    low = np.clip((up - SIDEBURNS[0]) / (SIDEBURNS[1] - SIDEBURNS[0]), 0, 1)
    return skin, ears, low * outer * (~inner | above), (1 - low) * whole
