"""Measure how well codes reconstruct unseen faces."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import Tensor

from reage.compositing.view import aligned_crop
from reage.datasets.face_dataset import FaceDataset, FaceRow
from reage.editor import Editor
from reage.evaluation.config import EvaluationConfig
from reage.evaluation.judges import Judges
from reage.evaluation.metrics import bootstrap
from reage.evaluation.samples import Progress
from reage.faces.face import Face
from reage.faces.squares import FaceCrop
from reage.images import to_array, to_tensor
from reage.inversion.projection import ProjectConfig, masked_psnr
from reage.networks.judges.perceptual import masked_mse

__all__ = ["Inversions", "InvertedCrop", "measure_inversion"]


@dataclass(frozen=True)
class InvertedCrop:
    """The reconstruction of one crop by one inversion method."""

    file: str
    way: str
    psnr: float  # dB
    perceptual: float
    distance: float | None  # of the recogniser; None: absent, or no face in the crop
    seconds: float


@dataclass(frozen=True, eq=False)
class Inversions:
    """The reconstructions of all crops by all methods, and their pictures."""

    crops: Sequence[InvertedCrop]
    perceptual: str  # name of the distance
    rows: Sequence[Sequence[np.ndarray]]  # of the sheet: the crop, then one picture a way
    threshold: float | None  # of the recogniser

    def figures(self) -> dict[str, object]:
        """Means with their intervals, by way."""
        ways = {way: self._way(way) for way in dict.fromkeys(crop.way for crop in self.crops)}
        return {"perceptual": self.perceptual, "ways": ways}

    def _way(self, way: str) -> dict[str, object]:
        crops = [crop for crop in self.crops if crop.way == way]
        distances = [crop.distance for crop in crops if crop.distance is not None]
        found: dict[str, object] = {
            name: _interval([getattr(crop, name) for crop in crops])
            for name in ("psnr", "perceptual", "seconds")
        }
        found["identity_distance"] = _interval(distances)
        if distances and self.threshold is not None:
            found["same_person"] = float(np.mean([d < self.threshold for d in distances]))
        return found | {"faces": len(crops)}


Invert = Callable[[FaceCrop], Tensor]  # a crop -> its code [1, num_ws, w_dim]


def measure_inversion(
    editor: Editor,
    judges: Judges,
    dataset: FaceDataset,
    rows: Sequence[FaceRow],
    config: EvaluationConfig,
    progress: Progress,
) -> Inversions:
    """Invert aligned crops, one at a time, by the encoder alone and by `steps` steps.

    The crops have to have the model's alignment; another size is resampled.
    """
    found, pictures = [], []
    ways = _ways(editor, config)
    for done, row in enumerate(rows, 1):
        rgb = dataset.read(row)
        crop = aligned_crop(rgb, None, editor.model.config.generator.resolution)
        face = judges.find(crop.image)
        shown = [crop.image]
        for name, invert in ways.items():
            began = time.perf_counter()
            ws = invert(crop)
            seconds = time.perf_counter() - began
            image = editor.latents.synthesize(ws)
            found.append(_measure(editor, judges, row.file, name, crop, face, image, seconds))
            shown.append(to_array(image)[0])
        pictures.append(shown)
        progress("inversion", done, len(rows))
    recogniser = judges.recogniser
    threshold = None if recogniser is None else recogniser.threshold
    return Inversions(found, editor.latents.perceptual.name, pictures, threshold)


def _ways(editor: Editor, config: EvaluationConfig) -> Mapping[str, Invert]:
    steps = ProjectConfig(step=config.steps, plateau=0, seed=config.seed)
    ways: dict[str, Invert] = {}
    if editor.latents.encoder is not None:
        ways["encoder alone"] = lambda crop: editor.latents.encode([crop])
    if config.steps:
        ways[f"{config.steps} steps"] = lambda crop: editor.latents.project(crop, steps).ws
    return ways


@torch.no_grad()
def _measure(
    editor: Editor,
    judges: Judges,
    file: str,
    way: str,
    crop: FaceCrop,
    face: Face | None,
    image: Tensor,
    seconds: float,
) -> InvertedCrop:
    """Compare a made picture `[1, 3, R, R]` with its whole crop."""
    wanted = to_tensor(crop.image).to(image)
    mask = torch.ones_like(wanted[:, :1])
    image = image.clamp(-1, 1)
    psnr = masked_psnr(masked_mse(image, wanted, mask))
    perceptual = editor.latents.perceptual(image, wanted, mask)
    apart = None
    if judges.recogniser is not None and face is not None:
        describe = judges.recogniser.describe
        made = describe(to_array(image)[0], face.points)
        apart = float(np.linalg.norm(made - describe(crop.image, face.points)))
    return InvertedCrop(file, way, float(psnr[0]), float(perceptual[0]), apart, seconds)


def _interval(values: Sequence[float]) -> dict[str, float] | None:
    found = bootstrap(values)
    return None if found is None else asdict(found)
