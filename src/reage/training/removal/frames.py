"""Lay sharp heads out on the canonical face, to learn removal from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from reage.compositing.boxed_face import HALF, BoxedFace, half_mask
from reage.compositing.hair.beards import beard_in
from reage.compositing.mesh_warp import carry_to_frame
from reage.compositing.skin_mask import LOG_OFFSET, skin_likelihood
from reage.errors import ModelError, UsageError
from reage.faces.detection import FaceDetector
from reage.fitting.heads import HeadRow, read_heads, read_pictures
from reage.models.files import file_sha256, fingerprint_of, load_tensors, save_tensors

__all__ = ["Frames", "Head", "frames_of"]

HEADS = "heads"  # in what is kept: of which table and canonical face they are
MOST_TURNED = 22.0  # degrees
SHARE_ALIKE = "BY-SA"  # a licence that would bind the weights


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

    Grey pictures and those under share-alike licences are left out, turned heads too. Raises
    UsageError where the table cannot be read, ImageError where pictures cannot be, and ModelError
    where what was kept cannot be.
    """
    # Grey pictures have no colour of skin.
    rows = [row for row in read_heads(table) if not row.grey and SHARE_ALIKE not in row.licence]
    heads_of = fingerprint_of(file_sha256(table), canonical.tobytes().hex())
    if kept is not None and kept.is_file():
        found = _read(kept, heads_of)
        if found is not None:
            return found
    detector = FaceDetector()
    found = _stacked(
        _layers_of(detector, row, picture, canonical) for row, picture in read_pictures(table, rows)
    )
    if not found:
        raise UsageError(f"{table}: none of {len(rows)} heads shows a face that looks ahead")
    if kept is not None:
        save_tensors(kept, found, {HEADS: heads_of})
    return Frames(**found)


def _read(file: Path, heads_of: str) -> Frames | None:
    """Read kept heads; None where they are of another table or canonical face."""
    found, known = load_tensors(file)
    names = [field.name for field in fields(Frames)]
    if sorted(found) != sorted(names) or found["layers"].ndim != 4:
        raise ModelError(f"{file} does not hold this run's heads: delete it, and they are laid out")
    return Frames(**found) if known.get(HEADS) == heads_of else None


def _stacked(heads: Iterable[dict[str, Tensor] | None]) -> dict[str, Tensor]:
    known = [head for head in heads if head is not None]
    return {name: torch.stack([head[name] for head in known]) for name in (known or [{}])[0]}


def _layers_of(
    detector: FaceDetector, row: HeadRow, rgb: np.ndarray, canonical: np.ndarray
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
