"""Let lips, lids and noses of older faces change as those of sharp heads of known age do.

The growth that is learnt on small faces is evened over a third of the eyes' distance: lips and
lids hardly change in it. What the meshes of sharp heads say otherwise is added from 22 years on, on
a finer grid.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from reage.compositing.mesh_warp import ThinPlate
from reage.networks.agers.growth import Growth, GrowthConfig
from reage.training.agers.detailed_heads import DetailedHeads
from reage.training.agers.growth import (
    CORNERS,
    GROWTH,
    LEAST_FACES,
    mean_places,
    mirror_mean,
    places_of,
)

__all__ = ["FINER", "add_older_shapes"]

FINER = GrowthConfig(GROWTH.ages, side=96)
KNOTS = (22.0, 45.0, 66.0)  # years; shapes are linear between, and as those at 66 beyond
STIFFNESS = 2e-5  # of the spline, so that single points' noise stays out
HELD, NEAR, FAR = 60, 1.45, 1.8  # points that stay, on two ovals of so many half-axes of the face
FADE = 0.35  # half-axes over which what is left ends


def add_older_shapes(shapes: Tensor, heads: DetailedHeads) -> Tensor:
    """Refine shapes `[K, 2, 40, 40]` of `GROWTH` to those of `FINER`, `[K, 2, 96, 96]`.

    They then move a mesh as that of the heads moves between the knots. Where few heads are as old
    as a knot, nothing but the grid is finer.
    """
    finer = F.interpolate(shapes, (FINER.side,) * 2, mode="bicubic", align_corners=False)
    ages = heads.years.numpy()
    nearest = np.abs(ages[:, None] - np.array(KNOTS)).argmin(1)
    if np.bincount(nearest, minlength=len(KNOTS)).min() < LEAST_FACES:
        return finer
    male, meshes = heads.male.numpy() - 0.5, heads.meshes.numpy().astype(np.float64)
    # Wide mouths are wide faces, too: jaws of heavy people would be those of the old.
    mouth = np.linalg.norm(meshes[:, CORNERS[0], :2] - meshes[:, CORNERS[1], :2], axis=1)
    more = np.stack([heads.ita.numpy(), mouth], 1)
    places = mean_places(meshes, shares_at(ages), male, more)
    coarse = Growth(GROWTH)
    coarse.shapes.copy_(shapes)
    margin = FINER.margin
    at = torch.from_numpy(2 * (places[0] + margin) / (1 + 2 * margin) - 1).float()[None, None]
    fields = [np.zeros((2, FINER.side, FINER.side))]
    for age, place in zip(KNOTS[1:], places[1:], strict=True):
        said = coarse(torch.tensor([KNOTS[0]]), torch.tensor([age]))
        said = F.grid_sample(said, at, "bicubic", "zeros", align_corners=False)[0, :, 0].T
        fields.append(_dense(places[0], place - places[0] - said.numpy()))
    more = np.tensordot(shares_at(np.array(FINER.ages)), np.stack(fields), 1)
    return finer + torch.from_numpy(mirror_mean(more)).to(finer)


def shares_at(ages: np.ndarray) -> np.ndarray:
    """Return how much of each knot's shape ages `[N]` have, `[N, K]`."""
    return np.stack([np.interp(ages, KNOTS, line) for line in np.eye(len(KNOTS))], 1)


def _dense(base: np.ndarray, moves: np.ndarray) -> np.ndarray:
    """Carry moves `[P, 2]` of a mesh `base` on to all places: `[2, S, S]`, 0 away from the face."""
    places = places_of(FINER)
    middle, half = base.mean(0), np.ptp(base, axis=0) / 2
    angles = np.linspace(0, 2 * np.pi, HELD, endpoint=False)
    oval = half * np.stack([np.cos(angles), np.sin(angles)], 1)
    points = np.concatenate([base, middle + NEAR * oval, middle + FAR * oval])
    values = np.concatenate([moves, np.zeros((2 * HELD, 2))])
    away = np.linalg.norm((places - middle) / half, axis=-1)
    field = ThinPlate.fit(points, values, STIFFNESS)(places.reshape(-1, 2)).reshape(places.shape)
    return (field * np.clip((FAR - away) / FADE, 0, 1)[..., None]).transpose(2, 0, 1)
