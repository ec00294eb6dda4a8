"""Prepared faces of generated pictures: a code is the exact inversion of its own picture."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from reage.agers.base import PreparedFace
from reage.compositing.view import FaceView, crop_for_age, read_age, whole_quad
from reage.faces.face import Face
from reage.faces.squares import FaceCrop
from reage.images import to_array, to_tensor
from reage.inversion.projection import Inversion
from reage.inversion.space import LatentSpace
from reage.networks.judges.age_reader import AgeReader

__all__ = ["face_of_code"]


def face_of_code(
    latents: LatentSpace,
    ws: Tensor,
    image: Tensor,
    face: Face,
    age_network: AgeReader,
) -> PreparedFace:
    """Prepare the face of a code `[1, num_ws, w_dim]`, which is its picture's exact inversion.

    `image` `[1, 3, R, R]` is that picture, and `face` the face found in it.
    """
    rgb = to_array(image)[0]
    side = len(rgb)
    whole = np.ones((side, side), np.float32)
    age_crop = crop_for_age(rgb, face)
    reading = read_age(age_network, to_tensor(age_crop.image).to(image.device))
    crop = FaceCrop(rgb, whole, whole_quad(side), side)
    view = FaceView(1, face, crop, whole, age_crop, reading)
    found = Inversion(ws, torch.zeros(1), torch.full((1,), 100.0), 0, "steps", 0.0, "none")
    return PreparedFace(view, "none", image, latents, found, ws)
