"""Find the skin of the neck and what makes it look old; the face's mesh ends at the jaw."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageDraw

from reage.compositing.bands import LUMA
from reage.compositing.boxed_face import BoxedFace, covered
from reage.compositing.enclosed import fill_holes
from reage.compositing.skin_mask import LOG_OFFSET
from reage.compositing.skin_tone import even_colours
from reage.compositing.smoothing import (
    gaussian,
    masked_gaussian,
    resize_plane,
    smoothstep,
    soft_limit,
)

__all__ = [
    "BELOW",
    "Neck",
    "bare_skin",
    "below_jaw",
    "deepen",
    "inside_neck",
    "look_at_neck",
    "neck_skin",
    "soften",
]

Smooth = Callable[[np.ndarray, float], np.ndarray]  # of a plane, by a share of the square's side
MOST_WIDE = 540  # pixels across, at which a neck is looked at
BELOW = 0.5  # of the mesh's height: how far below it a neck is looked for
# Points of MediaPipe's mesh: the jaw from ear to ear, and cheeks, whose skin is known.
JAW = [172, 136, 150, 149, 176, 148, 152, 377, 400, 378, 379, 365, 397]
CHEEKS = [50, 280, 205, 425, 101, 330, 117, 346, 187, 411]
# All that follows is in shares of FFHQ's square's side, standard deviations, or in logarithms.
PATCH = 0.02  # half a side of what is seen of a cheek
JAW_FEATHER, BOTTOM = 0.012, 0.1
NOISE, GRAIN, EVENED = 0.004, 0.006, 0.02
# By how much R and B differ, beside the luma, within one skin. Towards grey by so much at most,
# even where cheeks are blotched or gleam: that way lie collars, the other way shaded skin.
COLOURS, TO_GREY = np.array([0.03, 0.05]), np.array([0.05, 0.08])
OTHER_COLOUR, SKIN_COLOUR = 5.0, 2.5  # such differences: from here none is skin; to here all is
OTHER_LIGHT, SAME_LIGHT = 1.9, 1.3  # of luma: hollows and collars
IN_SHADE = 1.3  # of luma: how much darker skin is taken for skin in the shade
# Between an old neck's cords skin is darker by so much and redder than any other; shirts and hair
# are not enclosed by skin. Its edges are widened so many times.
HOLLOW, HOLLOW_WIDER = 0.25, 3.0
CLOTH, SKIN_GRAIN = 4.5, 3.0  # times the grain of the cheeks: knits are rougher than folds
PORES, PORE_LIMIT, AROUND, BROADEST = 0.003, 0.04, 0.045, 0.08
LINES, LIGHTS = 0.9, 0.85  # shares of darker and of lighter detail that go
# An old neck: times that its lines and folds are deeper with all of old skin's detail, and how much
# lighter and darker it gets at most.
FOLDS, CORDS = 0.02, 0.07
DEEPER_LINES, DEEPER_FOLDS = 3.5, 1.1
MOST = (0.13, 0.53)
# Stubble is no line of skin: deepened, it is brown blots. Texture so much darker than what is left
# and right of it, as a crease is not, is of hairs, where this share of the skin around has it: bare
# up to the first, stubble from the second.
HAIRS, HAIR_DARKER, BESIDE, STUBBLE_AROUND = 0.006, 0.08, 0.05, 0.03
BARE, STUBBLE = 0.02, 0.08


@dataclass(frozen=True, eq=False)
class Neck:
    """What changes on a neck, over the box of a face that reaches `BELOW` its mesh."""

    younger: np.ndarray  # [3, h, w] for logarithms of colours: takes lines and folds off
    older: np.ndarray  # [h, w] log-luminance: deepens what the neck has of them


def look_at_neck(face: BoxedFace, hidden: np.ndarray | None = None) -> Neck:
    """Find the neck's skin, and its lines, folds and cords.

    `hidden` `[H, W]` in 0..1 is what is known to cover the skin of the photo.
    """
    height, width = face.layers.shape[1:]
    seen = _shrunk(face)
    logs = np.log(seen.layers + np.float32(LOG_OFFSET))
    light = np.tensordot(LUMA, logs, 1)
    colours = logs - light
    skin = neck_skin(seen, light, colours, inside_neck(seen))
    skin = skin * (1 - covered(face.box, colours, hidden))
    weight = np.clip(skin, 1e-3, 1)

    def smooth(plane: np.ndarray, sigma: float) -> np.ndarray:
        return masked_gaussian(plane, weight, sigma * seen.side)

    fine = light - smooth(light, PORES)
    change = soften(light, fine, smooth)
    younger = change + even_colours(logs, change, weight, AROUND * seen.side)
    older = deepen(light, fine, smooth) * bare_skin(light, smooth, seen.side)
    layers = skin * np.concatenate([younger, older[None]])
    layers = np.stack([resize_plane(layer, (width, height)) for layer in layers])
    return Neck(layers[:3], layers[3])


def soften(light: np.ndarray, fine: np.ndarray, smooth: Smooth) -> np.ndarray:
    """Return what takes the lines off a log-luminance `[h, w]`, whose pores are `fine`."""
    pores = soft_limit(fine, PORE_LIMIT)  # what is stronger is a line
    lines = light - smooth(light, BROADEST) - pores
    return -np.where(lines < 0, np.float32(LINES), np.float32(LIGHTS)) * lines


def deepen(light: np.ndarray, fine: np.ndarray, smooth: Smooth) -> np.ndarray:
    """Return what makes the lines and cords of a log-luminance `[h, w]` an old neck's."""
    folds = smooth(light, FOLDS)
    deeper = DEEPER_LINES * (light - fine - folds) + DEEPER_FOLDS * (folds - smooth(light, CORDS))
    most = np.where(deeper > 0, *(np.float32(m) for m in MOST))
    return soft_limit(deeper, most)


def bare_skin(
    light: np.ndarray, smooth: Smooth, side: float, darker: float = HAIR_DARKER
) -> np.ndarray:
    """Return where a neck has no stubble, `[h, w]` in 0..1; hairs are `darker` by so much."""
    height, width = light.shape
    texture = light - smooth(light, HAIRS)
    few = (max(1, round(width / (BESIDE * side))), height)
    beside = resize_plane(resize_plane(texture, few, Image.Resampling.BOX), (width, height))
    hairs = (texture - beside < -darker).astype(np.float32)
    return _falling(smooth(hairs, STUBBLE_AROUND), BARE, STUBBLE)


def _shrunk(face: BoxedFace) -> BoxedFace:
    """Shrink a large face: a neck's lines are broad."""
    height, width = face.layers.shape[1:]
    if width <= MOST_WIDE:
        return face
    factor = width / MOST_WIDE
    size = (MOST_WIDE, round(height / factor))
    layers = np.stack([resize_plane(p, size, Image.Resampling.BOX) for p in face.layers])
    return replace(face, layers=layers, landmarks=(face.landmarks + 0.5) / factor - 0.5)


def neck_skin(
    face: BoxedFace, light: np.ndarray, colours: np.ndarray, below: np.ndarray | np.float32
) -> np.ndarray:
    """Return where the neck's skin is seen, `[h, w]` in 0..1.

    It is `below` the jaw, and has the colours, about the light and the grain of the cheeks.
    """
    side = face.side
    grain = light - gaussian(light, GRAIN * side)
    rough = np.sqrt(gaussian(grain * grain, EVENED * side).clip(0))
    inner = _cheeks(face)
    if not inner.any():
        return np.zeros_like(light)
    usual = np.median(colours[:, inner], axis=1)
    spread = 1.5 * np.median(np.abs(colours[:, inner] - usual[:, None]), axis=1)
    away = [gaussian(colours[i], NOISE * side) - usual[i] for i in (0, 2)]
    apart = np.zeros_like(light)
    bounds = zip(away, spread[[0, 2]], COLOURS, TO_GREY, (-1, 1), strict=True)
    for off, usually, least, most, towards_grey in bounds:
        within = max(usually, least)
        apart += np.square(off / np.where(towards_grey * off > 0, min(within, most), within))
    darker = np.median(light[inner]) - gaussian(light, NOISE * side)
    rougher = rough / max(float(np.median(rough[inner])), 0.015)
    # In the shade light comes from skin and clothes nearby, and colours differ more.
    likely = _falling(np.sqrt(apart) / (1 + darker.clip(0, IN_SHADE)), SKIN_COLOUR, OTHER_COLOUR)
    likely = likely * _falling(np.abs(darker), SAME_LIGHT, OTHER_LIGHT)
    likely = likely * _falling(rougher, SKIN_GRAIN, CLOTH)
    red, blue = away
    hollow = (darker > HOLLOW) & (red > 0) & (blue < 0) & (rougher < CLOTH)
    if not hollow.any():
        return below * likely
    hollow &= _enclosed(below * likely > 0.5, np.broadcast_to(below > 0.5, hollow.shape))
    wide = HOLLOW_WIDER * gaussian(hollow.astype(np.float32), NOISE * side)
    return below * np.maximum(likely, np.clip(wide, 0, 1))


def _enclosed(skin: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Return the places `[h, w]` bool that skin and the jaw above it enclose."""
    columns = below.any(0)
    jaw = ~below & columns & (below.cumsum(0) == 0)
    return fill_holes(skin | jaw) & below & ~skin


def _falling(values: np.ndarray, whole: float, none: float) -> np.ndarray:
    """Fall smoothly from 1 at `whole` to 0 at `none`."""
    return smoothstep((none - values) / (none - whole))


def _cheeks(face: BoxedFace) -> np.ndarray:
    """Mark patches of the cheeks, `[h, w]` bool."""
    height, width = face.layers.shape[1:]
    reach = max(2, round(PATCH * face.side))
    inside = np.zeros((height, width), bool)
    for x, y in face.landmarks[CHEEKS].round().astype(int):
        rows, columns = (slice(max(0, at - reach), max(0, at + reach)) for at in (y, x))
        inside[rows, columns] = True
    return inside


def below_jaw(mesh: np.ndarray, width: int, height: int) -> np.ndarray:
    """Mark the pixels of an upright picture below the jaw of a `mesh` in it, `[height, width]`."""
    image = Image.new("L", (width, height))
    jaw = [(float(x), float(y)) for x, y in mesh[JAW, :2]]
    corners = [(jaw[-1][0], 2.0 * height), (jaw[0][0], 2.0 * height)]
    ImageDraw.Draw(image).polygon(jaw + corners, fill=255)
    return np.asarray(image) > 0


def inside_neck(face: BoxedFace) -> np.ndarray:
    """Draw what lies below the jaw, `[h, w]` in 0..1; it fades towards the box's lower edge."""
    height, width = face.layers.shape[1:]
    drawn = below_jaw(face.landmarks, width, height).astype(np.float32)
    inside = smoothstep(2 * gaussian(drawn, JAW_FEATHER * face.side) - 1)
    left = (height - 1 - np.arange(height, dtype=np.float32)) / face.side
    return inside * smoothstep(left / BOTTOM)[:, None]
