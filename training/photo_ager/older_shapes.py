"""Let lips, lids and noses of older faces change as those of sharp heads of known age do.

    python training/photo_ager/older_shapes.py HEADS.csv AGER.ager.safetensors NEW.ager.safetensors

The pictures of HEADS.csv lie unpacked beside it. The growth of an ager was learnt on faces of 128
pixels, evened over a third of the eyes' distance: lips and lids hardly change in it. What the
meshes of sharp heads say otherwise is added from 22 years on, on a finer grid. Three minutes.
"""

from __future__ import annotations

import argparse
import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from scipy.interpolate import RBFInterpolator

from reage.agers.files import read_ager, save_ager
from reage.compositing.mesh_warp import MESH
from reage.editor import Editor, load
from reage.errors import FaceError
from reage.faces.squares import face_quad, to_unit
from reage.images import Photo
from reage.networks.agers.growth import Growth
from reage.training.agers.growth import CORNERS, LIPS

SIDE = 96  # places a side of the finer grid
PIXELS = 512  # at which a head is looked at
MOST_TURNED = 20.0  # degrees
KNOTS = (22.0, 45.0, 66.0)  # years; shapes are linear between, and as those at 66 beyond
SMOOTHING = 2e-5  # of the spline, so that single points' noise stays out
HELD, NEAR, FAR = 60, 1.45, 1.8  # points that stay, on two ovals of so many half-axes of the face
FADE = 0.35  # half-axes over which what is left ends


def look(editor: Editor, path: Path) -> tuple[np.ndarray, tuple[float, float]] | None:
    """Return a head's mesh `[468, 2]` in units of the ager's square, and its pose; None if none."""
    with Image.open(path) as picture:
        small = picture.convert("RGB").resize((PIXELS, PIXELS), Image.Resampling.LANCZOS)
    try:
        face = next(iter(editor.choose_faces(Photo(np.asarray(small))).values()))
    except FaceError:
        return None
    if face.landmarks is None or abs(face.pose[0]) > MOST_TURNED:
        return None
    alignment = editor.ager.alignment
    quad = face_quad(face, alignment.scale, alignment.shift)
    return to_unit(face.landmarks[:MESH, :2], quad), face.pose[:2]


def shares_at(ages: np.ndarray) -> np.ndarray:
    """Return how much of each knot's shape ages `[N]` have, `[N, K]`."""
    return np.stack([np.interp(ages, KNOTS, line) for line in np.eye(len(KNOTS))], 1)


def shapes_at(
    meshes: np.ndarray, rows: list[dict[str, str]], poses: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the mesh at the first knot, `[468, 2]`, and its moves at the others, symmetric.

    By least squares, so that sex, skin, smiles, open mouths and pose stay out.
    """
    ages = np.array([float(row["age"]) for row in rows])
    mouth = np.linalg.norm(meshes[:, CORNERS[0]] - meshes[:, CORNERS[1]], axis=1)
    opened = np.linalg.norm(meshes[:, LIPS[0]] - meshes[:, LIPS[1]], axis=1)
    male = np.array([row["sex"].startswith("m") for row in rows], float)
    tone = np.array([float(row["ita"]) for row in rows])
    yaw, pitch = poses.T
    beside = np.stack([male, tone, mouth, opened, yaw, yaw**2, pitch], 1)
    beside = (beside - beside.mean(0)) / beside.std(0)
    found = np.linalg.lstsq(
        np.concatenate([shares_at(ages), beside], 1), meshes.reshape(len(meshes), -1), rcond=None
    )[0][: len(KNOTS)].reshape(len(KNOTS), MESH, 2)
    mirror, turned = np.array([-1.0, 1.0]), found[0] * [-1, 1] + [1, 0]
    twins = np.argmin(((found[0][:, None] - turned[None]) ** 2).sum(2), 1)
    base = (found[0] + turned[twins]) / 2
    moves = found[1:] - found[0]
    return base, (moves + moves[:, twins] * mirror) / 2


def dense(base: np.ndarray, moves: np.ndarray, margin: float) -> np.ndarray:
    """Carry moves `[468, 2]` of a mesh on to all places: `[2, S, S]`, 0 away from the face."""
    axis = (np.arange(SIDE) + 0.5) / SIDE * (1 + 2 * margin) - margin
    places = np.stack(np.meshgrid(axis, axis), 2)
    middle, half = base.mean(0), np.ptp(base, axis=0) / 2
    angles = np.linspace(0, 2 * np.pi, HELD, endpoint=False)
    oval = half * np.stack([np.cos(angles), np.sin(angles)], 1)
    points = np.concatenate([base, middle + NEAR * oval, middle + FAR * oval])
    values = np.concatenate([moves, np.zeros((2 * HELD, 2))])
    spline = RBFInterpolator(points, values, kernel="thin_plate_spline", smoothing=SMOOTHING)
    away = np.linalg.norm((places - middle) / half, axis=2)
    field = spline(places.reshape(-1, 2)).reshape(SIDE, SIDE, 2)
    return (field * np.clip((FAR - away) / FADE, 0, 1)[..., None]).transpose(2, 0, 1)


def refine(growth: Growth, base: np.ndarray, measured: np.ndarray) -> Growth:
    """Return a growth on the finer grid that moves a mesh as it was measured at the knots."""
    config = replace(growth.config, side=SIDE)
    margin = config.margin
    at = torch.from_numpy(2 * (base + margin) / (1 + 2 * margin) - 1).float()[None, None]
    fields = [np.zeros((2, SIDE, SIDE))]
    for age, moves in zip(KNOTS[1:], measured, strict=True):
        said = growth(torch.tensor([KNOTS[0]]), torch.tensor([age]))
        said = F.grid_sample(said, at, "bicubic", "zeros", align_corners=False)[0, :, 0].T
        fields.append(dense(base, moves - said.numpy(), margin))
    finer = Growth(config)
    shapes = F.interpolate(growth.shapes, (SIDE, SIDE), mode="bicubic", align_corners=False)
    more = np.tensordot(shares_at(np.array(config.ages)), np.stack(fields), 1)
    finer.shapes.copy_(shapes + torch.from_numpy(more).to(shapes))
    return finer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("heads", type=Path, help="table; its pictures lie unpacked beside it")
    parser.add_argument("ager", type=Path)
    parser.add_argument("output", type=Path)
    options = parser.parse_args()
    ager, editor = read_ager(options.ager), load()
    assert ager.growth is not None, "an ager without growth"
    rows = list(csv.DictReader(options.heads.open(newline="")))
    rows = [row for row in rows if "BY-SA" not in row["licence"]]  # it would bind what is learnt
    seen = [(row, look(editor, options.heads.parent / row["file"])) for row in rows]
    known = [(row, found) for row, found in seen if found is not None]
    meshes = np.stack([found[0] for _, found in known])
    poses = np.array([found[1] for _, found in known])
    base, moves = shapes_at(meshes, [row for row, _ in known], poses)
    save_ager(replace(ager, growth=refine(ager.growth, base, moves)), options.output)
    print(len(known), "heads")


if __name__ == "__main__":
    main()
