"""Faces of sharp heads, before which things are drawn."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from reage.agers.skin import read_embedded_bank
from reage.compositing.cover import SQUARE
from reage.compositing.mesh_warp import MESH
from reage.faces.detection import FaceDetector
from reage.faces.squares import crop_face, face_quad, to_unit
from reage.fitting.heads import HeadRow
from reage.training.kept_heads import look_at_heads
from reage.training.occlusion.covered_faces import cover_face

__all__ = ["BareFaces", "CoveredFace", "faces_of"]

SIDE = 160  # pixels of the faces that things are drawn over
DIMS = {"faces": 4, "meshes": 3}  # of the tensors of `BareFaces`


@dataclass(frozen=True, eq=False)
class CoveredFace:
    """A face with things before it, or without."""

    image: Tensor  # [3, 128, 128] in -1..1
    covered: Tensor  # [1, 64, 64] how much of each place is, 0..1
    face: Tensor  # [1, 64, 64] where the face is, 0..1


@dataclass(frozen=True, eq=False)
class BareFaces:
    """Faces with nothing before them."""

    faces: Tensor  # [N, 160, 160, 3] uint8
    meshes: Tensor  # [N, 468, 2] in 0..1 of the faces

    def __len__(self) -> int:
        return len(self.faces)

    def cover(self, index: int, rng: np.random.Generator, often: float) -> CoveredFace:
        """Draw things before a share of `often` of the faces; half of them are mirrored."""
        face, mesh, others = self.faces[index].numpy(), self.meshes[index].numpy(), self.faces
        if rng.random() < 0.5:
            face, mesh = face[:, ::-1], (mesh * [-1, 1] + [1, 0])[mirrored_points()]
        drawn = cover_face(rng, np.ascontiguousarray(face), mesh, others.numpy(), often)
        image, covered, where = (torch.from_numpy(part.copy()).float() / 255 for part in drawn)
        return CoveredFace(image.permute(2, 0, 1) * 2 - 1, covered[None], where[None])


def faces_of(table: Path, kept: Path | None) -> BareFaces:
    """Crop the faces of a table such as heads.csv, or read those that were `kept`.

    Black-and-white heads are welcome. `look_at_heads` says what else is left out, and raised.
    """
    look = partial(_crop, FaceDetector())
    return BareFaces(**look_at_heads(table, kept, look, DIMS, recipe=("bare faces",), grey=True))


def _crop(detector: FaceDetector, row: HeadRow, rgb: np.ndarray) -> dict[str, Tensor] | None:
    face = next(iter(detector.detect(rgb)), None)
    if face is None or face.landmarks is None:
        return None
    quad = face_quad(face, *SQUARE)
    mesh = to_unit(face.landmarks[:MESH, :2], quad).astype(np.float32)
    crop = np.array(crop_face(rgb, quad, SIDE).image)
    return {"faces": torch.from_numpy(crop), "meshes": torch.from_numpy(mesh)}


@cache
def mirrored_points() -> np.ndarray:
    """Return which of the mesh's points `[468]` each one becomes in a mirror."""
    mesh = read_embedded_bank().canonical
    mirror = mesh * [-1, 1] + [2 * mesh[:, 0].mean(), 0]
    return np.square(mirror[:, None] - mesh[None]).sum(-1).argmin(1)
