"""Learn how faces grow from mesh positions on labelled faces of each age."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from reage.datasets.face_dataset import FaceDataset, FaceRow
from reage.faces.landmarker import FaceMesh
from reage.models.checkpoints import Alignment
from reage.networks.agers.growth import GrowthConfig
from reage.training.agers.crops import length, lies
from reage.training.loop.data import BIN_MIDDLES, age_bin
from reage.training.loop.draws import make_rng

__all__ = [
    "CORNERS",
    "GROWTH",
    "LEAST_FACES",
    "fit_growth",
    "growth_shapes",
    "mean_places",
    "mean_shapes",
    "mirror_mean",
    "places_of",
]

GROWTH = GrowthConfig(BIN_MIDDLES)
LEAST_FACES = 20  # of an age bin; with fewer it takes the shape of the nearest bin
# All lengths in half-sides of FFHQ's square, down from the eyes.
SEEN, SEEN_DOWN = 1.08, 0.113  # square that the mesh looks at, before it enlarges it: side, middle
LIKELY = 0.5  # probability of a face from which a mesh counts
# Points of the mesh: inner lips, corners of the mouth, outer lips, sides, forehead and chin.
LIPS, CORNERS, MOUTH, SIDES, ENDS = (13, 14), (61, 291), (0, 17), (234, 454), (10, 152)
# The mesh's moves are carried on by Gaussians of this width, held at 0 on an oval around the head:
# its middle and half-axes. RIDGE keeps noise of single points out.
REACH, RIDGE = 0.126, 0.02
OVAL_DOWN, OVAL = 0.183, (0.868, 0.924)
HELD = 64  # points on that oval
FADE = 0.1  # of the square's side, over which the moves end at the widened square's border


def fit_growth(
    dataset: FaceDataset,
    rows: Sequence[FaceRow],
    alignment: Alignment,
    *,
    faces: int,
    seed: int = 0,
) -> Tensor:
    """Shapes of `Growth` with the settings `GROWTH`, from up to `faces` faces of each age bin.

    `alignment` is that of the dataset's crops.
    """
    chosen = _choose(rows, faces, seed)
    mesh = FaceMesh()
    found, bins, male = [], [], []
    for row in chosen:
        picture = dataset.read(row)
        side = len(picture)
        middle = np.array([0.5, lies(SEEN_DOWN, alignment)]) * side - 0.5
        points, likely = mesh(picture, middle, side * length(SEEN, alignment), 0.0)
        if likely >= LIKELY:
            found.append((points + np.array([0.5, 0.5, 0.0])) / side)
            bins.append(age_bin(row.age_range))
            male.append({"male": 0.5, "female": -0.5}.get(row.gender, 0.0))
    if not found:
        return torch.zeros(len(GROWTH.ages), 2, GROWTH.side, GROWTH.side)
    meshes = np.stack(found)
    moves = mean_shapes(meshes, np.array(bins), np.array(male))
    return growth_shapes(moves, meshes.mean(0)[:, :2], alignment)


def mean_shapes(meshes: np.ndarray, bins: np.ndarray, male: np.ndarray) -> np.ndarray:
    """Where points lie in each age bin, less the mean of all: `[K, P, 2]`.

    `meshes` `[N, P, 3]` in sides of the square.
    """
    counts = np.bincount(bins, minlength=len(GROWTH.ages))
    known = np.flatnonzero(counts >= LEAST_FACES)
    if len(known) < 2:
        return np.zeros((len(GROWTH.ages), meshes.shape[1], 2))
    mine = np.isin(bins, known)
    found = mean_places(meshes[mine], bins[mine, None] == known, male[mine])
    nearest = [int(np.abs(known - k).argmin()) for k in range(len(GROWTH.ages))]
    return found[nearest] - meshes[..., :2].mean(0)


def mean_places(
    meshes: np.ndarray, shares: np.ndarray, male: np.ndarray, more: np.ndarray | None = None
) -> np.ndarray:
    """Where points lie at each age `[K, P, 2]`, of which faces `[N, P, 3]` have `shares` `[N, K]`.

    By least squares, so that what else differs between the ages' pictures (how far mouths are open,
    smiles, pose, gender, and what is in `more` `[N, M]`) stays out.
    """
    xy = meshes[..., :2]
    (upper, lower), (left, right) = LIPS, CORNERS
    open_ = np.linalg.norm(xy[:, upper] - xy[:, lower], axis=1)
    lift = xy[:, CORNERS, 1].mean(1) - xy[:, MOUTH, 1].mean(1)
    width = np.linalg.norm(xy[:, left] - xy[:, right], axis=1)
    yaw = (meshes[:, SIDES[0], 2] - meshes[:, SIDES[1], 2]) / np.ptp(xy[:, SIDES, 0], axis=1)
    pitch = (meshes[:, ENDS[0], 2] - meshes[:, ENDS[1], 2]) / np.ptp(xy[:, ENDS, 1], axis=1)
    beside = np.stack([open_, lift, open_ / width, yaw, pitch, male], 1)
    beside = beside if more is None else np.concatenate([beside, more], 1)
    beside = (beside - beside.mean(0)) / np.maximum(beside.std(0), 1e-6)
    factors = np.concatenate([shares, beside], 1).astype(np.float64)
    found = np.linalg.lstsq(factors, xy.reshape(len(xy), -1), rcond=None)[0]
    return found[: shares.shape[1]].reshape(shares.shape[1], -1, 2)


def growth_shapes(moves: np.ndarray, points: np.ndarray, alignment: Alignment) -> Tensor:
    """Extend moves `[K, P, 2]` of points `[P, 2]` to all pixels: `[K, 2, S, S]`, symmetric."""
    places = places_of(GROWTH)
    angles = np.linspace(0, 2 * np.pi, HELD, endpoint=False)
    across, down = (length(axis, alignment) for axis in OVAL)
    middle = lies(OVAL_DOWN, alignment)
    oval = np.stack([0.5 + across * np.cos(angles), middle + down * np.sin(angles)], 1)
    reach = length(REACH, alignment)
    anchors = np.concatenate([points, oval])
    known = np.concatenate([moves, np.zeros((len(moves), HELD, 2))], 1)
    kernel = _gaussians(anchors, anchors, reach) + RIDGE * np.eye(len(anchors))
    weights = np.linalg.solve(kernel, known.transpose(1, 0, 2).reshape(len(anchors), -1))
    dense = _gaussians(places.reshape(-1, 2), anchors, reach) @ weights
    dense = dense.reshape(GROWTH.side, GROWTH.side, -1, 2)
    axis = places[0, :, 0]
    edge = np.clip((0.5 + GROWTH.margin - np.abs(axis - 0.5)) / FADE, 0, 1)
    dense *= (edge[:, None] * edge[None])[..., None, None]
    return torch.from_numpy(mirror_mean(dense.transpose(2, 3, 0, 1))).float()


def places_of(config: GrowthConfig) -> np.ndarray:
    """Where a growth's shapes are known, `[S, S, 2]` in sides of the square."""
    axis = (np.arange(config.side) + 0.5) / config.side * (1 + 2 * config.margin) - config.margin
    return np.stack(np.meshgrid(axis, axis), 2)


def mirror_mean(shapes: np.ndarray) -> np.ndarray:
    """Make shapes `[K, 2, S, S]` symmetric."""
    return (shapes + shapes[..., ::-1] * np.array([-1, 1])[:, None, None]) / 2


def _gaussians(a: np.ndarray, b: np.ndarray, reach: float) -> np.ndarray:
    squared = ((a[:, None] - b[None]) ** 2).sum(2)
    return np.exp(-squared / (2 * reach**2))


def _choose(rows: Sequence[FaceRow], faces: int, seed: int) -> list[FaceRow]:
    """Draw up to `faces` rows of each age bin by the seed."""
    by_bin: dict[int, list[FaceRow]] = {}
    for row in rows:
        by_bin.setdefault(age_bin(row.age_range), []).append(row)
    by_bin.pop(-1, None)
    chosen = []
    for bin_, some in sorted(by_bin.items()):
        order = torch.randperm(len(some), generator=make_rng(seed, "growth", bin_))
        chosen += [some[int(i)] for i in order[:faces]]
    return chosen
