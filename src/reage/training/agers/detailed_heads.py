"""Sharp heads with the detail that an edit lays over them: what a photo ager paints beside."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from reage.agers.base import PreparedFace
from reage.agers.photo import PhotoAger, photo_mask
from reage.agers.skin import SkinAger, read_embedded_bank
from reage.compositing.detail_transfer import detail_gains, detail_in, shading_age
from reage.compositing.mesh_warp import MESH
from reage.compositing.preview import relight_by_detail
from reage.compositing.view import view_face
from reage.faces.detection import FaceDetector
from reage.faces.squares import quad_side, to_unit
from reage.fitting.heads import HeadRow
from reage.images import to_tensor
from reage.models.checkpoints import Alignment
from reage.models.pretrained import load_age_reader, load_occlusion
from reage.networks.agers.photo_ager import PhotoAger as PhotoNetwork
from reage.training.kept_heads import MOST_TURNED, look_at_heads

__all__ = ["DetailedHeads", "LaidDetail", "heads_of"]

# Dimensions of the tensors of `DetailedHeads`.
DIMS = {"images": 4, "old": 4, "own": 4, "eyes": 3, "ages": 1, "years": 1, "meshes": 3}
DIMS |= {"male": 1, "ita": 1}


@dataclass(frozen=True, eq=False)
class LaidDetail:
    """What skin detail does to faces at the ages that they are sent to."""

    removed: Tensor  # [N, 3, R, R] logarithms of colours that take the faces' own away
    laid: Tensor  # [N, 3, R, R] those that lay old skin's over them
    asked: Tensor  # [N] years that shading has to show
    mask: Tensor  # [N, 1, R, R] where the ager paints

    def before(self, photos: Tensor) -> Tensor:
        """Return what the ager sees of photos: without their own detail of old skin."""
        return relight_by_detail(photos, self.removed)

    def over(self, painted: Tensor) -> Tensor:
        """Lay the detail over painted photos."""
        return relight_by_detail(painted, self.laid)


@dataclass(frozen=True, eq=False)
class DetailedHeads:
    """Heads on the ager's square."""

    images: Tensor  # [N, 3, R, R] uint8
    old: Tensor  # [N, 3, R, R] logarithms of colours that old skin's detail adds
    own: Tensor  # [N, 3, R, R] that take the face's own away
    eyes: Tensor  # [N, R, R] 0..1
    ages: Tensor  # [N] years, as edits read them
    years: Tensor  # [N] by the table, or as read where it has none
    meshes: Tensor  # [N, 468, 3] in units of the square
    male: Tensor  # [N] bool
    ita: Tensor  # [N] skin tone: individual typology angle, degrees

    def __len__(self) -> int:
        return len(self.ages)

    def take(self, index: Tensor) -> DetailedHeads:
        """Return some of the heads."""
        return DetailedHeads(*(getattr(self, field.name)[index] for field in fields(self)))

    def to(self, device: torch.device) -> DetailedHeads:
        return DetailedHeads(*(getattr(self, field.name).to(device) for field in fields(self)))

    @property
    def photos(self) -> Tensor:
        """The pictures in -1..1."""
        return self.images.float() / 127.5 - 1

    def lay(self, wanted: Tensor) -> LaidDetail:
        """Return what detail does at ages `[N]`, as `SkinAger` has it."""
        pairs = list(zip(self.ages.tolist(), wanted.tolist(), strict=True))
        shares = wanted.new_tensor([detail_gains(*pair) for pair in pairs])[..., None, None, None]
        gains, losses = shares.unbind(1)
        removed = losses * self.own.float()
        asked = wanted.new_tensor([shading_age(*pair) for pair in pairs])
        oval = photo_mask(torch.zeros_like(self.eyes[0], dtype=torch.float32))
        mask = oval * (1 - self.eyes.float()[:, None])
        return LaidDetail(removed, gains * self.old.float(), asked, mask)


def heads_of(
    table: Path, network: PhotoNetwork, alignment: Alignment, kept: Path | None
) -> DetailedHeads:
    """Look at the heads of a table such as heads.csv as edits do, or read those that were `kept`.

    `alignment` is that of the ager's `network`. Turned and grey heads are left out;
    `look_at_heads` says what else is, and what it raises.
    """
    bank, side = read_embedded_bank(), network.config.resolution
    ager = SkinAger(PhotoAger(network, None, alignment), bank)
    look = partial(_look, FaceDetector(), ager, side)
    recipe = ("detailed heads", bank.sha256, str(alignment), str(side))
    return DetailedHeads(**look_at_heads(table, kept, look, DIMS, recipe=recipe))


def _look(
    detector: FaceDetector, ager: SkinAger, side: int, row: HeadRow, rgb: np.ndarray
) -> dict[str, Tensor] | None:
    """Return one head's part of `DetailedHeads`; None where no face looks ahead."""
    face = next(iter(detector.detect(rgb)), None)
    if face is None or face.landmarks is None or abs(face.pose[0]) > MOST_TURNED:
        return None
    view = view_face(rgb, face, 1, ager.alignment, side, load_age_reader(), load_occlusion())
    layers = ager.skin_layers(PreparedFace(view, "delta", to_tensor(view.crop.image), pixels=rgb))
    if layers is None:
        return None
    quad = view.crop.quad
    old, own = (torch.from_numpy(detail_in(laid, quad, side)).half() for laid in layers)
    mesh = to_unit(face.landmarks[:MESH, :2], quad)
    depth = face.landmarks[:MESH, 2:] / quad_side(quad)
    return {
        "images": torch.from_numpy(np.array(view.crop.image)).permute(2, 0, 1),
        "old": old,
        "own": own,
        "eyes": torch.from_numpy(view.eyes).half(),
        "ages": torch.tensor(view.reading.age),
        "years": torch.tensor(view.reading.age if np.isnan(row.age) else row.age),
        "meshes": torch.from_numpy(np.concatenate([mesh, depth], 1)).float(),
        "male": torch.tensor(row.sex == "male"),
        "ita": torch.tensor(row.ita),
    }
