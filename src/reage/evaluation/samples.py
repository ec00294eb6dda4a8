"""Compare generated with real faces: FID and KID in several feature spaces."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from reage.datasets.face_dataset import FaceDataset, FaceRow
from reage.editor import Editor
from reage.evaluation.config import EvaluationConfig
from reage.evaluation.judges import Describe, Judges, feature_spaces
from reage.evaluation.metrics import frechet_distance, kernel_distance
from reage.images import to_array, to_tensor

__all__ = ["Samples", "draw_samples", "measure_samples", "real_pictures"]

BATCH = 16
GRID = 64  # uncurated samples that are shown
USED_BY_LOSSES = ("EfficientNet-Lite0",)
LOOKED_FOR_POINTS = 40  # real crops in which the usual place of the eyes and the mouth is read

Progress = Callable[[str, int, int], None]  # what, done, of how many


@dataclass(frozen=True, eq=False)
class Samples:
    """Figures and the first samples of each truncation."""

    figures: dict[str, Any]
    grids: dict[str, np.ndarray]  # file name -> [N, R, R, 3] uint8


def measure_samples(
    editor: Editor,
    judges: Judges,
    dataset: FaceDataset,
    rows: Sequence[FaceRow],
    config: EvaluationConfig,
    progress: Progress,
) -> Samples:
    """Draw samples at each truncation and compare them with as many real crops.

    The floor is the same figure between two disjoint sets of real crops of that size.
    """
    real = real_pictures(dataset, rows, 2 * config.samples, config.seed)
    count = min(config.samples, len(real) // 2)
    drawn = {psi: draw_samples(editor, count, psi, config.seed, progress) for psi in config.psis}
    grids = {f"samples-psi{psi:g}": pictures[:GRID] for psi, pictures in drawn.items()}
    figures: dict[str, Any] = {"count": count, "psis": list(config.psis), "spaces": {}}
    if count < 2:
        return Samples(figures, grids)
    side = min(real.shape[1], editor.model.config.generator.resolution)
    real, drawn = (
        _shrink(real, side),
        {psi: _shrink(made, side) for psi, made in drawn.items()},
    )
    points = _usual_points(judges, real[:LOOKED_FOR_POINTS])
    for name, describe in feature_spaces(judges, points).items():
        progress(f"features, {name}", 0, 1)
        figures["spaces"][name] = _compare(describe, real, drawn, count, config.seed) | {
            "used_by_losses": name in USED_BY_LOSSES
        }
    return Samples(figures, grids)


def draw_samples(
    editor: Editor, count: int, psi: float, seed: int, progress: Progress
) -> np.ndarray:
    """Pictures of `count` random codes, `[N, R, R, 3]` uint8; the same for the same seed."""
    generator = editor.model.generator
    rng = torch.Generator().manual_seed(seed)
    z = torch.randn(count, generator.config.z_dim, generator=rng)
    pictures = []
    for part in z.split(BATCH):
        with torch.no_grad():
            ws = generator.map(part.to(editor.device), truncation_psi=psi)
        pictures.append(to_array(editor.latents.synthesize(ws)))
        progress(f"samples, psi {psi:g}", sum(map(len, pictures)), count)
    return np.concatenate(pictures)


def real_pictures(
    dataset: FaceDataset, rows: Sequence[FaceRow], count: int, seed: int
) -> np.ndarray:
    """Random crops of some rows, `[N, R, R, 3]` uint8, no more than there are."""
    order = np.random.default_rng(seed).permutation(len(rows))[:count]
    return dataset.read_all([rows[i] for i in order])


def _compare(
    describe: Describe,
    real: np.ndarray,
    drawn: dict[float, np.ndarray],
    count: int,
    seed: int,
) -> dict[str, Any]:
    wanted = describe(real[:count])
    # One number a space: KID's kernel is meant for features of about 1.
    size = float(np.sqrt(np.square(wanted, dtype=np.float64).mean())) or 1.0
    wanted, sets = wanted / size, {"real": describe(real[count : 2 * count]) / size}
    sets |= {f"psi {psi:g}": describe(made) / size for psi, made in drawn.items()}
    return {
        "dimensions": wanted.shape[1],
        "fid": {name: frechet_distance(found, wanted) for name, found in sets.items()},
        "kid": {
            name: asdict(kernel_distance(found, wanted, seed=seed)) for name, found in sets.items()
        },
    }


def _shrink(pictures: np.ndarray, side: int) -> np.ndarray:
    """Downsample pictures, so that all compared pictures have one size."""
    if pictures.shape[1] == side:
        return pictures
    parts = to_tensor(pictures).split(BATCH)
    small = [F.interpolate(part, (side, side), mode="bilinear", antialias=True) for part in parts]
    return np.concatenate([to_array(part) for part in small])


def _usual_points(judges: Judges, pictures: np.ndarray) -> np.ndarray | None:
    """Return the typical five points, `[5, 2]` in sides of the crop; None: no face found."""
    if judges.recogniser is None:
        return None
    faces = [face for face in map(judges.find, pictures) if face is not None]
    if not faces:
        return None
    return (np.mean([face.points for face in faces], 0) + 0.5) / pictures.shape[1]
