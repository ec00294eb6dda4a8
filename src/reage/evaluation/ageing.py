"""Edit faces of a dataset to every target age, and measure the results."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import torch
from PIL import Image

from reage.agers.base import PreparedFace
from reage.compositing.change import Change
from reage.compositing.render import render_photo
from reage.compositing.view import FaceView
from reage.datasets.face_dataset import FaceDataset, FaceRow
from reage.editor import Editor
from reage.errors import FaceError
from reage.evaluation.config import EvaluationConfig
from reage.evaluation.judges import Judges
from reage.evaluation.looks import Look, distance
from reage.evaluation.metrics import roughness
from reage.evaluation.samples import Progress
from reage.faces.face import Face
from reage.faces.squares import to_unit
from reage.images import Photo, photo_from_array
from reage.inversion.projection import ProjectConfig

__all__ = ["AgedRow", "Ageing", "Subject", "age_photo", "measure_ageing", "paste_reconstruction"]

MOST_PSNR = 100.0  # dB; where nothing changed
MARGIN = 2  # pixels around the mask that resampling may touch


@dataclass(frozen=True, eq=False)
class Subject:
    """The looks of one face: unedited, reconstructed, and at each target."""

    row: FaceRow
    photo: Look
    reconstruction: Look  # the generator's unedited face pasted in place of the photo's
    aged: Mapping[float, Look]  # by target, years
    claimed: Mapping[float, bool]  # whether the edit says that it reached the target
    steps: Sequence[float]  # RMS difference of neighbouring targets, grey levels
    outside: float  # dB, lowest PSNR outside the mask, at most 100
    seconds: float  # of the edit, all targets

    def apart(self, look: Look) -> float | None:
        """Identity distance of a look to the photo."""
        return distance(look, self.photo)

    @property
    def age_roughness(self) -> float | None:
        """Return the standard deviation of second differences of the ages along the targets."""
        return roughness([self.aged[target].age for target in sorted(self.aged)])


@dataclass(frozen=True, eq=False)
class AgedRow:
    """One row of the contact sheet."""

    title: str
    pictures: Sequence[np.ndarray]  # photo, reconstruction, targets
    notes: Sequence[str]  # below each


@dataclass(frozen=True, eq=False)
class Ageing:
    """All faces, and those of the sheet."""

    subjects: Sequence[Subject]
    missed: Sequence[str]  # files in which no face was found
    rows: Sequence[AgedRow]


def measure_ageing(
    editor: Editor,
    judges: Judges,
    dataset: FaceDataset,
    rows: Sequence[FaceRow],
    config: EvaluationConfig,
    progress: Progress,
) -> Ageing:
    """Age crops of a dataset as if they were photos, with the whole edit including detection."""
    subjects, missed, sheet = [], [], []
    for done, row in enumerate(rows, 1):
        try:
            subject, pictures = age_photo(
                editor, judges, row, photo_from_array(dataset.read(row)), config
            )
        except FaceError:
            missed.append(row.file)
        else:
            subjects.append(subject)
            if len(sheet) < config.rows:
                sheet.append(_sheet_row(subject, pictures))
        progress("ageing", done, len(rows))
    return Ageing(subjects, missed, sheet)


def age_photo(
    editor: Editor, judges: Judges, row: FaceRow, photo: Photo, config: EvaluationConfig
) -> tuple[Subject, list[np.ndarray]]:
    """Edit one photo's largest face; also the pictures: photo, reconstruction, targets."""
    began = time.perf_counter()
    faces = editor.choose_faces(photo)
    prepared = editor.prepare(
        photo, faces, paste=config.paste, quality=config.quality, seed=config.seed
    )
    traced = editor.trace(photo, prepared)
    edits = {target: traced.edit(target) for target in config.targets}
    seconds = time.perf_counter() - began
    face = prepared[0]
    made = {target: edit.photo.rgb8 for target, edit in edits.items()}
    unedited = paste_reconstruction(photo, _generate(editor, photo, faces, face, config))
    aged = {target: judges.look(rgb, face.view.face) for target, rgb in made.items()}
    subject = Subject(
        row=row,
        photo=judges.look(photo.rgb8, face.view.face),
        reconstruction=judges.look(unedited, face.view.face),
        aged=aged,
        claimed={target: edit.faces[0].limit is None for target, edit in edits.items()},
        steps=[_rms(made[a], made[b]) for a, b in _neighbours(config.targets)],
        outside=min(_psnr_outside(photo.rgb8, rgb, face.view) for rgb in made.values()),
        seconds=seconds,
    )
    return subject, [photo.rgb8, unedited, *made.values()]


def _generate(
    editor: Editor,
    photo: Photo,
    faces: Mapping[int, Face],
    face: PreparedFace,
    config: EvaluationConfig,
) -> PreparedFace:
    """Return the face with its code, by the encoder if the edit needed no code."""
    if face.code is not None or editor.load_latents is None:
        return face
    steps = ProjectConfig(step=1, plateau=0)
    return editor.invert(photo, faces, config=steps, seed=config.seed)[0]


def paste_reconstruction(photo: Photo, face: PreparedFace) -> np.ndarray:
    """Paste the generator's unedited face into the photo, `[H, W, 3]` uint8.

    It always pastes as `replace`: with `delta`, the photo would not change.
    """
    still = Change(torch.zeros_like(face.base))
    layer = replace(face.layer(still), picture=face.base)
    return photo.with_pixels(render_photo(photo.pixels, [layer])).rgb8


def _neighbours(targets: Sequence[float]) -> list[tuple[float, float]]:
    return list(pairwise(sorted(targets)))


def _rms(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.sqrt(np.square(a.astype(np.float32) - b).mean()))


def _psnr_outside(before: np.ndarray, after: np.ndarray, view: FaceView) -> float:
    """Return the PSNR of two photos where the edit's mask is 0, dB; 100 if nothing changed."""
    outside = ~_edited_area(before.shape[:2], view)
    if not outside.any():
        return MOST_PSNR
    squared = np.square(before.astype(np.float32) - after)[outside].mean()
    return float(min(10 * np.log10(255**2 / max(squared, 1e-12)), MOST_PSNR))


def _edited_area(shape: tuple[int, int], view: FaceView) -> np.ndarray:
    """Return the dilated mask in photo coordinates, `[H, W]` bool."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    places = to_unit(np.stack([x, y], 2), view.crop.quad) * len(view.mask)
    row, column = (np.floor(places[..., i]).astype(int) for i in (1, 0))
    inside = (np.minimum(row, column) >= 0) & (np.maximum(row, column) < len(view.mask))
    last = len(view.mask) - 1
    touched = inside & (view.mask[row.clip(0, last), column.clip(0, last)] > 0)
    padded = np.pad(touched, MARGIN)
    shifts = range(2 * MARGIN + 1)
    height, width = shape
    parts = [padded[dy : dy + height, dx : dx + width] for dy in shifts for dx in shifts]
    return np.any(parts, axis=0)


def _sheet_row(subject: Subject, pictures: Sequence[np.ndarray]) -> AgedRow:
    row = subject.row
    ages = "" if row.age_range is None else "{:g}-{:g}".format(*row.age_range)
    title = " ".join(filter(None, (ages, row.gender, row.group)))
    looks = [subject.photo, subject.reconstruction, *subject.aged.values()]
    return AgedRow(title, [_small(p) for p in pictures], [_note(subject, look) for look in looks])


def _note(subject: Subject, look: Look) -> str:
    second = "" if look.second is None else f"/{look.second:.0f}"
    apart = subject.apart(look)
    return f"{look.age:.0f}{second}" + ("" if not apart else f" {apart:.2f}")


def _small(rgb: np.ndarray, side: int = 128) -> np.ndarray:
    image = Image.fromarray(rgb)
    return np.asarray(image.resize((side, side), Image.Resampling.LANCZOS))
