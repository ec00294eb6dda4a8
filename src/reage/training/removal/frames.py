"""Lay sharp heads out on the canonical face, to learn removal from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from reage.compositing.boxed_face import HALF, BoxedFace, half_mask
from reage.compositing.hair.beards import beard_in
from reage.compositing.mesh_warp import carry_to_frame
from reage.compositing.skin_mask import LOG_OFFSET, skin_likelihood
from reage.faces.detection import FaceDetector
from reage.fitting.heads import HeadRow
from reage.training.kept_heads import MOST_TURNED, look_at_heads

__all__ = ["Frames", "Head", "frames_of"]

DIMS = {"layers": 4, "ages": 1, "male": 1, "ita": 1}  # of the tensors of `Frames`


@dataclass(frozen=True, eq=False)
class Head:
    """A head on the canonical face."""

    logs: Tensor  # [3, h, w] logarithms of its colours
    skin: Tensor  # [1, h, w] 0..1


@dataclass(frozen=True, eq=False)
class Frames:
    """Heads on the canonical face, and what is known of them."""

    layers: Tensor  # [N, 5, 320, 256] uint8: colours, skin and beard
    ages: Tensor  # [N] years
    male: Tensor  # [N] bool
    ita: Tensor  # [N] skin tone: individual typology angle, degrees

    def head(self, index: int) -> Head:
        """Return one of the heads."""
        layers = self.layers[index].float() / 255
        return Head(torch.log(layers[:3] + LOG_OFFSET), layers[3:4])

    def __len__(self) -> int:
        return len(self.ages)


def frames_of(table: Path, canonical: np.ndarray, kept: Path | None) -> Frames:
    """Lay the heads of a table such as heads.csv out, or read those that were `kept`.

    Turned heads are left out, and those that `look_at_heads` leaves out, which says what it raises.
    Grey pictures have no colour of skin.
    """
    look = partial(_layers_of, FaceDetector(), canonical)
    recipe = (canonical.tobytes().hex(),)
    return Frames(**look_at_heads(table, kept, look, DIMS, recipe=recipe))


def _layers_of(
    detector: FaceDetector, canonical: np.ndarray, row: HeadRow, rgb: np.ndarray
) -> dict[str, Tensor] | None:
    """Return one head's part of `Frames`; None where no face looks ahead."""
    face = next(iter(detector.detect(rgb)), None)
    if face is None or face.landmarks is None or abs(face.pose[0]) > MOST_TURNED:
        return None
    boxed = BoxedFace.cut(rgb, face.landmarks, canonical)
    if boxed is None:
        return None
    mask = half_mask(canonical.tobytes())
    skin = mask * skin_likelihood(np.moveaxis(boxed.frame, 0, 2), mask)
    beard = beard_in(rgb, face.landmarks[:, :2])[0][None]
    beard = carry_to_frame(beard, canonical, face.landmarks, HALF)
    layers = np.concatenate([boxed.frame, skin[None], np.clip(beard, 0, 1)])
    return {
        "layers": torch.from_numpy(np.rint(255 * layers).astype(np.uint8)),
        "ages": torch.tensor(row.age),
        "male": torch.tensor(row.sex == "male"),
        "ita": torch.tensor(row.ita),
    }
