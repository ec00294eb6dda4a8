"""Remove what skin has of age from a photo's face: folds, bags, wrinkles, spots and gleams."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from reage.compositing.bands import LUMA
from reage.compositing.boxed_face import HALF, BoxedFace, covered, half_mask
from reage.compositing.detail_transfer import TONE, LaidSkin
from reage.compositing.mesh_warp import FRAME_SCALE
from reage.compositing.neck import Neck
from reage.compositing.skin_mask import LOG_OFFSET, skin_likelihood
from reage.compositing.skin_tone import even_colours
from reage.compositing.smoothing import masked_gaussian, soft_limit

__all__ = ["Remover", "as_laid", "centred_logs", "lay_removal", "remove_age"]

# Logarithms of colours `[N, 3, H, W]` less those of the skin, and where it is seen `[N, 1, H, W]`,
# to the change of the logarithms: `reage.networks.agers.skin_removal`.
Remover = Callable[[Tensor, Tensor], Tensor]

PORES = 0.003  # of FFHQ's square's side, standard deviation: what is finer is texture and stays
PORE_LIMIT = 0.05  # log-luminance: of the texture, what is stronger is the core of a wrinkle
# Log-luminance: most lighter and most darker. Hollows of an old neck are deep.
REMOVAL_LIMITS, NECK_LIMITS = (0.9, 0.6), (2.5, 0.6)
AROUND = 0.05  # of FFHQ's square's side, standard deviation: the skin around
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
    *logs, skin = face.from_frame(remove_age(face.frame, face.canonical, network))
    skin = np.clip(skin, 0, 1)
    change = skin * np.stack(logs)
    shown = np.log(face.light[: face.rows] + LOG_OFFSET) + np.tensordot(LUMA, change, 1)
    change = change - skin * _cores(shown, skin, face.side)
    light = np.tensordot(LUMA, change, 1)
    change = face.pad(change + soft_limit(light, REMOVAL_LIMITS[0]) - light)
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
    return LaidSkin(box, light, np.zeros((1, 1), np.float32), limits, colours)


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
    skin = mask * skin_likelihood(np.moveaxis(rgb, 0, 2), mask)
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


def _cores(light: np.ndarray, seen: np.ndarray, side: float) -> np.ndarray:
    """Return what texture `[h, w]` has beyond pores: the network sees lines of two pixels up."""
    texture = light - masked_gaussian(light, np.clip(seen, 1e-3, 1), PORES * side)
    return texture - soft_limit(texture, PORE_LIMIT)
