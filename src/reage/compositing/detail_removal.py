"""Remove what skin has of age from a photo's face: folds, bags, wrinkles, spots and gleams."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from reage.compositing.bands import LUMA
from reage.compositing.boxed_face import HALF, BoxedFace, covered, half_mask
from reage.compositing.detail_transfer import MOST_REMOVED, TONE, LaidSkin
from reage.compositing.mesh_warp import FRAME_SCALE
from reage.compositing.neck import Neck
from reage.compositing.skin_mask import LOG_OFFSET, skin_likelihood, with_deep_folds
from reage.compositing.skin_tone import even_colours
from reage.compositing.smoothing import gaussian, masked_gaussian, smoothstep, soft_limit
from reage.faces.squares import halve_points

__all__ = ["Remover", "as_laid", "centred_logs", "lay_removal", "remove_age"]

# Logarithms of colours `[N, 3, H, W]` less those of the skin, and where it is seen `[N, 1, H, W]`,
# to the change of the logarithms: `reage.networks.agers.skin_removal`.
Remover = Callable[[Tensor, Tensor], Tensor]

PORES = 0.003  # of FFHQ's square's side, standard deviation: what is finer is texture and stays
PORE_LIMIT = 0.05  # log-luminance: of the texture, what is stronger is the core of a wrinkle
# Log-luminance: most lighter and most darker. Hollows of an old neck are deep.
REMOVAL_LIMITS, NECK_LIMITS = (0.9, 0.6), (2.5, 0.6)
AROUND = 0.05  # of FFHQ's square's side, standard deviation: the skin around
# Lines: how far around a change they are looked for, and how far beside them the skin is, standard
# deviations in shares of the square's side; the change of log-luminance between whose ends ever
# more of them goes, and of their colours; how much less of the skin beside they are.
LINE, BESIDE, CHANGED, DEEP, LINES_SEEN = 0.004, 0.02, (0.05, 0.2), (0.12, 0.35), 0.95
# Rims of glasses: how thin, and widened how many times; how much darker, and how much less red by
# green, than the skin around, as logarithms.
RIM, RIM_WIDER, DARKER, GREYER = 0.002, 4.0, (0.12, 0.3), (0.045, 0.12)
LONG = 0.015, 0.04  # share of what is around that is a rim's, too
UNSURE = 0.75  # of the mask: up to here no lines are looked for
CERTAIN = 0.8  # of the mask: skin whose mean colour the network is told


def lay_removal(
    face: BoxedFace,
    network: Remover,
    neck: Neck | None = None,
    hidden: np.ndarray | None = None,
) -> LaidSkin:
    """Compute what makes a photo's face and its neck look young.

    `hidden` `[H, W]` in 0..1 is what is known to cover the skin of the photo.
    """
    *found, skin = face.from_frame(remove_age(face.frame, face.canonical, network))
    skin = np.clip(skin, 0, 1)
    change = skin * np.stack(found)
    logs = np.log(face.layers[:, : face.rows] + np.float32(LOG_OFFSET))
    shown = np.tensordot(LUMA, logs + change, 1)
    change = change - skin * _cores(shown, skin, face.side)
    light = np.tensordot(LUMA, change, 1)
    change = change + soft_limit(light, REMOVAL_LIMITS[0]) - light
    certain = smoothstep((skin - UNSURE) / (1 - UNSURE))  # no lashes
    change = change + certain * _left_of_lines(logs, change, skin, face.side)
    change = face.pad(change * (1 - _rims(logs, skin, face.side)))
    change = face.share * (change if neck is None else change + neck.younger)
    return as_laid(face.box, change * (1 - covered(face.box, change, hidden)), NECK_LIMITS)


def as_laid(
    box: tuple[int, int, int, int],
    change: np.ndarray,
    limits: tuple[float, float] = REMOVAL_LIMITS,
) -> LaidSkin:
    """Lay changes of the logarithms of colours `[3, h, w]` over a box of a photo's pixels."""
    light = np.tensordot(LUMA, change, 1)
    colours = change - np.array(TONE, np.float32)[:, None, None] * light
    return LaidSkin(box, light, np.zeros((1, 1), np.float32), limits, colours, below=True)


def centred_logs(rgb: np.ndarray, skin: np.ndarray) -> np.ndarray:
    """Return logarithms of colours `[3, h, w]` less their means over certain skin `[h, w]`."""
    logs = np.log(rgb + np.float32(LOG_OFFSET))
    certain = skin > CERTAIN
    return logs - logs[:, certain].mean(1)[:, None, None] if certain.any() else logs


@torch.no_grad()
def remove_age(rgb: np.ndarray, canonical: np.ndarray, network: Remover) -> np.ndarray:
    """Ask the network what a young face would have otherwise, `[4, h, w]`.

    `rgb` `[3, h, w]` in 0..1 and the result lie on the canonical face, shrunk by `HALF`: changes of
    the logarithms of the colours, and where skin is seen.
    """
    mask = half_mask(canonical.tobytes())
    seen = np.moveaxis(rgb, 0, 2)
    likely = skin_likelihood(seen, mask)
    skin = mask * with_deep_folds(seen, likely, halve_points(canonical))
    logs = centred_logs(rgb, skin)
    given = (torch.from_numpy(part)[None].float() for part in (logs, skin[None]))
    change = _even_out(logs, network(*given)[0].numpy(), skin)
    return np.concatenate([change, skin[None]]).astype(np.float32)


def _even_out(logs: np.ndarray, change: np.ndarray, skin: np.ndarray) -> np.ndarray:
    """Bring the colours of skin nearer to those around it where its light changes much.

    The bottom of a fold is redder than the skin beside it and a gleam paler, and the network
    corrects both too little.
    """
    sigma, weight = AROUND * FRAME_SCALE / HALF, np.clip(skin, 1e-3, 1)
    return change + even_colours(logs + change, np.tensordot(LUMA, change, 1), weight, sigma)


def _rims(logs: np.ndarray, seen: np.ndarray, side: float) -> np.ndarray:
    """Return where thin rims of glasses are, `[h, w]` in 0..1, by logarithms of colours.

    They are darker than the skin around and greyer, as no crease is.
    """
    weight = np.clip(seen, 1e-3, 1)
    signs = np.ones_like(seen)
    for plane, (least, most) in (
        (np.tensordot(LUMA, logs, 1), DARKER),
        (logs[0] - logs[1], GREYER),
    ):
        less = masked_gaussian(plane, weight, AROUND * side) - gaussian(plane, RIM * side)
        signs = signs * smoothstep((less - least) / (most - least))
    least, most = LONG
    long = smoothstep((gaussian(signs, BESIDE * side) - least) / (most - least))  # no specks
    return np.clip(RIM_WIDER * long * gaussian(signs, RIM * side), 0, 1)


def _left_of_lines(
    logs: np.ndarray, change: np.ndarray, seen: np.ndarray, side: float
) -> np.ndarray:
    """Return what takes off what a `change` `[3, h, w]` leaves of lines, at full size.

    The network draws half as many pixels, so a thin rest stays; and the bottom of a crease has no
    colour to show, so lightened it is grey.
    """
    after = logs + MOST_REMOVED * change
    light = np.tensordot(LUMA, after, 1)
    changed = gaussian(np.abs(np.tensordot(LUMA, change, 1)), LINE * side)
    strong, deep = (smoothstep((changed - low) / (high - low)) for low, high in (CHANGED, DEEP))
    beside = np.clip(seen, 1e-3, 1) * (1 - LINES_SEEN * strong)
    around = np.maximum(gaussian(beside, BESIDE * side), 1e-4)

    def rest(plane: np.ndarray) -> np.ndarray:
        return plane - gaussian(plane * beside, BESIDE * side) / around

    line = rest(light)
    line = line - soft_limit(line, PORE_LIMIT)
    red, blue = (rest(after[i] - light) for i in (0, 2))
    colours = np.stack([red, -(LUMA[0] * red + LUMA[2] * blue) / LUMA[1], blue])
    return -(strong * line + deep * colours) / np.float32(MOST_REMOVED)


def _cores(light: np.ndarray, seen: np.ndarray, side: float) -> np.ndarray:
    """Return what texture `[h, w]` has beyond pores: the network sees lines of two pixels up."""
    texture = light - masked_gaussian(light, np.clip(seen, 1e-3, 1), PORES * side)
    return texture - soft_limit(texture, PORE_LIMIT)
