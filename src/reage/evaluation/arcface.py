"""The ArcFace recogniser, from the user's file: the field's usual identity measure."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from reage.faces.face import Face
from reage.faces.squares import crop_face, face_quad
from reage.images import to_tensor
from reage.models.checkpoints import Alignment
from reage.models.families.face_networks import load_arcface
from reage.networks.encoders.irse import FACE_SIDE, ArcFace

__all__ = ["ArcFaceRecogniser", "load_arcface_recogniser"]

SIDE = 256  # pixels of FFHQ's square, out of which
TOP, LEFT, INNER = 35, 32, 188  # this part is the face, as in pSp's identity loss


@dataclass(frozen=True, eq=False)
class ArcFaceRecogniser:
    """IR-SE50 (Deng et al. 2019): Euclidean distances of unit vectors, d^2 = 2 - 2 cosine."""

    network: ArcFace
    name: str = "ArcFace IR-SE50"
    threshold: float = 1.5**0.5  # d^2 = 1.5 is the default of its authors' code

    @torch.no_grad()
    def describe(self, rgb: np.ndarray, points: np.ndarray) -> np.ndarray:
        """Descriptor `[D]` of the face with the points `[5, 2]` in a photo `[H, W, 3]` uint8."""
        ffhq = Alignment()
        quad = face_quad(Face.from_points(points), ffhq.scale, ffhq.shift)
        image = to_tensor(crop_face(rgb, quad, SIDE).image)
        face = image[:, :, TOP : TOP + INNER, LEFT : LEFT + INNER]
        return self.network(F.adaptive_avg_pool2d(face, FACE_SIDE))[0].numpy()


def load_arcface_recogniser(file: Path) -> ArcFaceRecogniser:
    """Load it from model_ir_se50.pth; ModelError for another file."""
    return ArcFaceRecogniser(load_arcface(file))
