"""Hair that turns grey, at the photo's full size."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from reage.compositing.bands import BAND, LUMA, enlarge_rows, rotate_layer, units_of
from reage.compositing.hair.dark_beards import UNCOUNTED
from reage.compositing.hair.segmentation import Hair
from reage.compositing.smoothing import soft_limit
from reage.faces.sampling import interpolate
from reage.faces.squares import to_unit
from reage.threads import share_out

__all__ = [
    "COLOUR",
    "RECIPE",
    "TINT",
    "colour_share",
    "grey_crop",
    "grey_hair",
    "grey_share",
    "grey_shares",
    "turned",
]

RECIPE = "hair-18"  # of all in this folder: another one where hair turns grey otherwise
# Years, and how much of the hair is grey then. From 45 to 65 it is 27 % in the mean of people all
# over the world (Panhard, Lozano and Loussouarn, Br. J. Dermatol. 167, 2012); here 28 %.
AGES = 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0
GREY_AT = 0.0, 0.06, 0.18, 0.37, 0.59, 0.80, 0.95
GREY_BY = 60.0  # years
PALE = 45.0, 55.0  # years between which pale hair is ever less ash blond and more grey
# Light between hair and the skin from which a pixel at hair's edge is more and more skin.
ROOTS = 0.5  # of how grey hair turns well within, that it turns at its edge
THIN, LEAST_OPEN = (0.12, 0.5), 0.08
PALER = 0.4  # of the skin's light, by which hair has to be darker, so that light tells the two
LIKELY = 0.08, 0.85  # the same of what gets its colour back
LOCKS = 0.9  # power of the light of locks of grey hair in that of coloured hair
# The same of strands, and how far strands of dark hair differ in light, by their light.
GLOSS, DARK_SPREAD = (1.4, 2.8), 0.35
# Logarithms of the light by which those differ from what is around them at most: white strands of
# brows over a dark ground stay dark, and folds among them do not turn black.
COLOURED_ROOM = 0.8, 1.1
WHITE = 0.86  # light of white hair, of the brighter skin's, within
WHITES = 0.5, 0.75
LIGHTEST = 0.82  # of white hair in the light; lighter ones would lose their strands
BACKLIT = 1.8  # of the brighter skin's light: white hair of a dark face is no lighter than that
CONTRAST, BLACK = 0.5, 0.02  # power of the light of strands by what is around; light that is noise
GLEAM, SHADE = 0.45, 0.7  # logarithms of the light by which strands differ from white hair at most
TINT = np.array([0.0, -0.005, -0.02], np.float32)  # of white hair, of its light
COLOUR = 0.12  # of the hair's colour that is left
CERTAIN = (
    UNCOUNTED,
    0.9,
)  # of a pixel that is hair: below the first nothing turns grey, above it all
# When a pixel turns grey, of all: half way, by its place and by its light, and the time it takes.
# Where light decides more, or the turn is faster, dark hair half grey falls into white blotches.
BY_PLACE, BY_LIGHT, SOFT = 0.55, 0.95, 1.25


def grey_share(own: float, wanted: float) -> float:
    """The share of somebody's hair that turns grey between two ages in years, 0..1.

    Of what had its colour at the `own` age. Nothing gets its colour back.
    """
    before, after = np.interp([own, wanted], AGES, GREY_AT)
    return float(max(after - before, 0) / max(1 - before, 1e-6))


def colour_share(own: float, wanted: float) -> float:
    """The share of somebody's grey hair that gets its colour back between two ages, 0..1.

    Grey hair is taken for that of somebody of `GREY_BY` at least, and pale hair of somebody young
    for ash blond.
    """
    before, after = np.interp([max(own, GREY_BY), wanted], AGES, GREY_AT)
    grey = np.interp(own, PALE, (0.0, 1.0))
    return float(np.clip(1 - after / before, 0, 1) * grey) if wanted < own else 0.0


def grey_shares(own: float, ages: Sequence[float], strengths: Sequence[float]) -> tuple[float, ...]:
    """The shares at ages read in a face that was moved by those strengths: -1..1.

    Positive ones turn grey, negative ones get their colour back. By the ages and not by the
    strengths: to look ten years older, some faces have to be asked for twenty. But somebody made
    younger whom the network reads as older does not turn grey, and the other way round.
    """
    pairs = zip(ages, strengths, strict=True)
    return tuple(
        grey_share(own, age) if strength > 0 else -colour_share(own, age) if strength < 0 else 0.0
        for age, strength in pairs
    )


def grey_crop(
    images: np.ndarray, quad: np.ndarray, hair: Hair, amounts: Sequence[float]
) -> np.ndarray:
    """Squares of the photo `[N, R, R, 3]` of 0..1, each with that share of the hair grey."""
    side = images.shape[1]
    places = to_unit(quad, hair.quad) * hair.slope.shape[0] - 0.5
    layers = [interpolate(layer, places, (side, side)) for layer in hair.layers]
    pairs = zip(images, amounts, strict=True)
    return np.stack([_greyed(image, hair, layers, amount) for image, amount in pairs])


def turned(
    light: np.ndarray, hair: Hair, layers: Sequence[np.ndarray], amount: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The share of each pixel that changes, the light it gets, both `[...]`, and colour by light.

    `light` is the pixels', 0..1; `layers` are those of `hair` at the same places; `amount` is the
    share of all hair that turns grey, or, negative, the share of grey hair that is coloured.
    """
    if amount < 0:
        return *_coloured(light, hair, layers, -amount), hair.young
    return *_turned_grey(light, hair, layers, amount), hair.white * (1 + TINT)


def _coloured(
    light: np.ndarray, hair: Hair, layers: Sequence[np.ndarray], amount: float
) -> tuple[np.ndarray, np.ndarray]:
    """The share of each pixel that gets its colour back, and the light that it gets."""
    slope, offset, around, _, _, _, faded, _ = layers
    # What hair is left grey at the edges shows more than skin that is too dark there.
    share = np.clip((slope * light + offset - LIKELY[0]) / (LIKELY[1] - LIKELY[0]), 0, 1)
    share = share * faded * amount
    shown = light.copy()
    at = share > 0
    light, base = light[at], np.maximum(around[at], 0.02)
    goal = hair.young_light * (base / max(hair.light, 0.02)) ** LOCKS
    lit = np.maximum(light, 0)  # film has samples below black
    # Strands of white hair hardly differ in light; those of dark hair do, as it shines.
    gloss = np.clip(DARK_SPREAD * hair.light / max(hair.spread, 1e-3), *GLOSS)
    strands = gloss * np.log(np.maximum(lit, 1e-3) / base)
    room = np.where(strands > 0, *COLOURED_ROOM)
    shown[at] = np.minimum(goal * np.exp(soft_limit(strands, room)), light)
    return share, shown


def _turned_grey(
    light: np.ndarray, hair: Hair, layers: Sequence[np.ndarray], amount: float
) -> tuple[np.ndarray, np.ndarray]:
    """The share of each pixel that turns grey, and the light that it gets."""
    slope, offset, around, shading, late, strands_first, _, inner = layers
    share = np.clip((slope * light + offset - CERTAIN[0]) / (CERTAIN[1] - CERTAIN[0]), 0, 1)
    shown = light.copy()
    at = share > 0  # a tenth of the square around a head
    light, base, whole = light[at], np.maximum(around[at], 0.02), share[at]
    # Single strands turn grey one after the other, which shows on the lighter ones first.
    lighter = np.tanh((light - base) / (2 * max(hair.spread, 1e-3)))
    turn = 0.5 + BY_PLACE * (late[at] - 0.5) - BY_LIGHT / 2 * lighter * strands_first[at]
    share[at] *= np.clip((amount * (1 + SOFT) - np.clip(turn, 0, None)) / SOFT, 0, 1)
    # What is lighter near the edge is the skin or the sky between the strands, which stays.
    open_to = np.maximum(hair.skin - base, LEAST_OPEN)
    between = np.clip(((light - base) / open_to - THIN[0]) / (THIN[1] - THIN[0]), 0, 1)
    # Pale hair is as light as skin: there light does not tell the two.
    between = between * np.clip((hair.skin - base) / (PALER * hair.skin), 0, 1)
    # At its edge hair is short or its roots show, without strands of light: it stays darker.
    share[at] *= (1 - (1 - inner[at]) * between) * (ROOTS + (1 - ROOTS) * inner[at])
    # A face in front of a bright sky is dark in all its skin, and so is its hair.
    least = min(WHITES[0], BACKLIT * hair.skin)
    white = float(np.clip(WHITE * hair.skin, least, WHITES[1]))
    goal = np.maximum(np.minimum(white * shading[at], LIGHTEST), base)
    # Strands keep how they differ, by what is around them; what is nearly black is half noise.
    strands = CONTRAST * np.log((np.maximum(light, 0) + BLACK) / (base + BLACK))
    # What is lighter at the edge is the skin that shows through, no gleam.
    room = np.where(strands > 0, GLEAM * whole, SHADE) + 1e-6
    bright = goal * np.exp(soft_limit(strands, room))
    shown[at] = np.maximum(bright, np.minimum(light, goal))
    return share, shown


def _greyed(rgb: np.ndarray, hair: Hair, layers: Sequence[np.ndarray], amount: float) -> np.ndarray:
    """Colours `[..., 3]` of 0..1 with a share `amount` of the hair in them turned grey."""
    light = rgb @ LUMA
    share, shown, colour = turned(light, hair, layers, amount)
    at = share > 0
    before, light, share = rgb[at], light[at][:, None], share[at][:, None]
    changed = light + share * (shown[at][:, None] - light)
    added = colour.astype(np.float32) - 1
    tint = share * changed * added + (1 - share * (1 - COLOUR)) * (before - light)
    out = rgb.copy()
    out[at] = changed + tint
    return out


def grey_hair(picture: np.ndarray, hair: Hair, amount: float) -> None:
    """Turn a share `amount` of somebody's hair in a photo grey, or of grey hair dark, in place.

    `amount` is 0..1, or -1..0 for what gets its colour back. `picture` is `[H, W, 3 or 4]` uint8
    or uint16; a fourth channel stays as it is.
    """
    if amount == 0:
        return
    x0, y0, x1, y1 = region = hair.region(picture.shape)
    if x0 >= x1 or y0 >= y1:
        return
    width, height = x1 - x0, y1 - y0
    full = np.float32(255) * units_of(picture)
    if region not in hair.rotated:
        hair.rotated[region] = [rotate_layer(layer, hair.quad, region) for layer in hair.layers]
    grids = hair.rotated[region]  # 0 beyond the square
    left, first, right, last = _where_hair(grids, width, height)

    def change(top: int) -> None:
        rows = (top, min(top + BAND, last))
        layers = [enlarge_rows(grid, rows, width, height, (left, right)) for grid in grids]
        band = picture[y0 + rows[0] : y0 + rows[1], x0 + left : x0 + right, :3]
        values = _greyed(band / full, hair, layers, amount)
        band[...] = np.rint(np.clip(values, 0, 1) * full)

    share_out(change, range(first, last, BAND))


def _where_hair(grids: Sequence[Image.Image], width: int, height: int) -> tuple[int, int, int, int]:
    """Return x0, y0, x1, y1 (exclusive) of what of a region may be hair: a third of it, or so.

    `grids` are the layers of hair over the region, which has `width` by `height` pixels.
    """
    slope, offset = (np.asarray(grid) for grid in grids[:2])
    rows, columns = np.nonzero(offset + np.maximum(slope, 0) > LIKELY[0])
    if not len(rows):
        return 0, 0, 0, 0
    ends = []
    # Bicubic interpolation reaches two places farther.
    for at, places, pixels in ((columns, slope.shape[1], width), (rows, slope.shape[0], height)):
        factor = pixels / places
        ends.append((int((at.min() - 2) * factor), int((at.max() + 3) * factor) + 1, pixels))
    (x0, x1, right), (y0, y1, last) = ends
    return max(x0, 0), max(y0, 0), min(x1, right), min(y1, last)
