"""Make a face heavier or thinner: a warp of cheeks, jaw and neck that leaves the features."""

from __future__ import annotations

import numpy as np
import torch

from reage.compositing.mesh_warp import ThinPlate
from reage.compositing.warp import Warp
from reage.faces.face import Face
from reage.faces.squares import to_unit

__all__ = ["weight_warp"]

# Points of MediaPipe's mesh: the outline from the ears down over the chin, and the same points of
# the upper face; features that stay; cheeks that follow half.
JAW = [454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152]
JAW += [148, 176, 149, 150, 136, 172, 58, 132, 93, 234]
FOREHEAD = [10, 338, 297, 332, 284, 251, 389, 162, 21, 54, 103, 67, 109]
FEATURES = [33, 133, 159, 145, 362, 263, 386, 374, 70, 105, 107, 336, 334, 300, 168, 1, 48, 278]
FEATURES += [61, 291, 0, 17]
CHEEKS = [117, 50, 187, 207, 205, 346, 280, 411, 427, 425]
BRIDGE, TOP, CHIN = 168, 10, 152
FULL = 0.35  # heights of the face below the bridge of the nose: there a face widens most
DOWN = 0.35  # by which the chin sinks, of what the jaw widens
NECK = 0.16, 0.85  # heights below the chin, half-widths of the jaw
CELLS, MARGIN = 64, 0.25  # of a warp where the face has none yet


def weight_warp(face: Face, quad: np.ndarray, amount: float, like: Warp | None) -> Warp | None:
    """Widen the lower face in the square `quad` by `amount` (0.1: a tenth; negative: narrow it).

    Adds to the warp `like`, if there is one. None for a face that was given by five points.
    """
    if face.landmarks is None:
        return None
    margin, side = (MARGIN, CELLS) if like is None else (like.margin, like.moves.shape[-1])
    before, after = _pairs(to_unit(face.landmarks[:, :2], quad), amount, margin)
    steps = (np.arange(side) + 0.5) / side * (1 + 2 * margin) - margin
    grid = np.stack(np.meshgrid(steps, steps), -1)  # [S, S, 2] x, y
    found = ThinPlate.fit(after, before)(grid.reshape(-1, 2)).reshape(grid.shape)
    rim = np.minimum(grid + margin, 1 + margin - grid).min(-1) / margin  # 0 at the border
    moves = (grid - found) * np.clip(rim * 2, 0, 1)[..., None]
    added = torch.from_numpy(np.moveaxis(moves, 2, 0)[None]).float()
    return Warp(added if like is None else like.moves.cpu() + added, margin)


def _pairs(mesh: np.ndarray, amount: float, margin: float) -> tuple[np.ndarray, np.ndarray]:
    """Return points of a face's mesh in the square, and where they move, both `[N, 2]`."""
    axis = mesh[TOP] - mesh[CHIN]
    height = float(np.hypot(*axis))
    up = axis / height
    across = np.array([-up[1], up[0]])

    def widen(points: np.ndarray, share: float) -> np.ndarray:
        away = points - mesh[BRIDGE]
        level = np.clip(-(away @ up) / height / FULL, 0, 1)
        level = level * level * (3 - 2 * level)  # smooth from the eyes down
        wide = (away @ across) * amount * share * level
        sinks = amount * share * DOWN * height / 2 * np.clip(-(away @ up) / height - FULL, 0, 1)
        return points + wide[:, None] * across - sinks[:, None] * up

    jaw = mesh[JAW]
    half = np.ptp(jaw @ across) / 2 * NECK[1]
    neck = mesh[CHIN] - NECK[0] * height * up + np.outer([-half, half], across)
    ends = np.linspace(-margin, 1 + margin, 7)
    low, high = np.full_like(ends, -margin), np.full_like(ends, 1 + margin)
    border = np.concatenate(
        [np.c_[ends, low], np.c_[ends, high], np.c_[low, ends], np.c_[high, ends]]
    )
    still = np.concatenate([mesh[FOREHEAD], mesh[FEATURES], np.unique(border, axis=0)])
    before = np.concatenate([jaw, mesh[CHEEKS], neck, still])
    after = np.concatenate([widen(jaw, 1.0), widen(mesh[CHEEKS], 0.6), widen(neck, 0.7), still])
    return before, after
