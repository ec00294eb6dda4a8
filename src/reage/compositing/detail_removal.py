"""Remove the detail of old skin from a photo's face: folds, bags, wrinkles and spots."""

from __future__ import annotations

import numpy as np
from PIL import Image

from reage.compositing.bands import LUMA, units_of
from reage.compositing.detail_bank import DetailBank, Sex
from reage.compositing.detail_transfer import (
    LaidSkin,
    box_around,
    laid_size,
    scale_of,
    visible_skin,
)
from reage.compositing.mesh_warp import warp_from_frame
from reage.compositing.skin_mask import LOG_OFFSET, frame_mask
from reage.compositing.smoothing import masked_gaussian, resize_plane

__all__ = ["REMOVAL_LIMITS", "lay_removal"]

# Standard deviations in shares of FFHQ's square's side. Finer than the first is texture, which
# stays; broader than the last the face's shape and its light.
PORES, FINE, BROADEST = 0.003, 0.014, 0.04
# How much goes of what the detail departs from that of young faces, by band, where it is darker
# (folds, spots) and where it is lighter (the swellings beside them).
WRINKLES, FOLDS = (0.95, 0.7), (0.85, 0.6)
PORE_LIMIT = 0.05  # log-luminance: of the texture, what is stronger is the core of a wrinkle
REMOVAL_LIMITS = (0.6, 0.3)  # log-luminance: most lighter, most darker
KEPT = (0.3, 1.2)  # of young detail: how much a face's light may show of it


def lay_removal(
    source: np.ndarray,
    landmarks: np.ndarray,
    bank: DetailBank,
    sex: Sex,
    hidden: np.ndarray | None = None,
) -> LaidSkin | None:
    """Compute the detail that makes a photo's face look young; arguments as `lay_detail`.

    Detail that young faces also show (lids, the nose and its wings, the chin) stays.
    """
    share = scale_of(landmarks, bank.canonical)[1]
    x0, y0, x1, y1 = box = box_around(landmarks, source.shape)
    if share == 0 or x0 >= x1 or y0 >= y1:
        return None
    size = laid_size(box)
    layers = np.stack([bank.young_detail(sex), frame_mask(bank.canonical)])
    young, face = warp_from_frame(layers, bank.canonical, landmarks, box, size)
    part = source[y0:y1, x0:x1, :3]
    seen = visible_skin(part, face)
    if hidden is not None:
        seen = seen * (1 - resize_plane(hidden[y0:y1, x0:x1], size, Image.Resampling.BOX))
    full = np.float32(255 * units_of(source))
    light = resize_plane(part @ LUMA / full, size, Image.Resampling.BOX)
    side = scale_of(landmarks, bank.canonical)[0] * size[0] / (x1 - x0)
    wrinkles, folds = _change(np.log(light + LOG_OFFSET), young, seen, side)
    return LaidSkin(box, share * wrinkles * seen, share * folds * seen, REMOVAL_LIMITS)


def _change(
    light: np.ndarray, young: np.ndarray, seen: np.ndarray, side: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return what brings the detail of log-luminance `[h, w]` near to `young` `[h, w]`."""
    weight = np.clip(seen, 1e-3, 1)
    detail = light - masked_gaussian(light, weight, BROADEST * side)
    overlap = float((seen * young * young).sum()) + 1e-6
    like = np.clip(float((seen * young * detail).sum()) / overlap, *KEPT)
    other = detail - np.float32(like) * young
    texture = other - masked_gaussian(other, weight, PORES * side)
    broad = masked_gaussian(other, weight, FINE * side)
    cores = texture - PORE_LIMIT * np.tanh(texture / PORE_LIMIT)
    return -_weight_signs(other - texture - broad, WRINKLES) - cores, -_weight_signs(broad, FOLDS)


def _weight_signs(detail: np.ndarray, shares: tuple[float, float]) -> np.ndarray:
    darker, lighter = shares
    return np.where(detail < 0, np.float32(darker), np.float32(lighter)) * detail
