"""Collect codes with ages to fit a direction: from generator samples or real faces."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from reage.compositing.view import age_square
from reage.datasets.face_dataset import FaceDataset, FaceRow
from reage.errors import LatentError
from reage.faces.detection import FaceDetector
from reage.faces.face import Face
from reage.fitting.age_direction import CodeSet
from reage.images import to_array, to_tensor
from reage.inversion.projection import ProjectConfig, project
from reage.models.checkpoints import Model
from reage.models.files import load_tensors, save_tensors
from reage.networks.judges.age import AgeNetwork
from reage.networks.judges.gender import GenderNetwork
from reage.networks.judges.perceptual import PerceptualDistance
from reage.numbers import read_json

__all__ = [
    "FIT_PROJECTION",
    "codes_of_dataset",
    "codes_of_samples",
    "describe_faces",
    "put_stored_first",
]

# Few steps: a code near the average face says less of noise, and many faces say more than few.
FIT_PROJECTION = ProjectConfig(step=30, final_lr=0.02, plateau=0)
BATCH = 8
SAMPLE_PSI = 0.7  # truncation of the samples: what is rare in the generator is often broken
LEFT_MOUTH, RIGHT_MOUTH, LEFT_EYE, RIGHT_EYE = 3, 4, 0, 1  # of Face.points

Progress = Callable[[int, int], None]  # faces done, of how many


@torch.no_grad()
def codes_of_samples(
    model: Model,
    count: int,
    age_network: AgeNetwork,
    gender_network: GenderNetwork,
    *,
    seed: int = 0,
    progress: Progress | None = None,
) -> CodeSet:
    """Draw `count` faces of a generator; ages and attributes are read from their pictures."""
    rng = torch.Generator().manual_seed(seed)
    generator = model.generator
    ws, pictures, ages = [], [], []
    for begin in range(0, count, BATCH):
        z = torch.randn(min(BATCH, count - begin), generator.config.z_dim, generator=rng)
        ws.append(generator.map(z, truncation_psi=SAMPLE_PSI))
        images = generator.synthesize(ws[-1])[:, :3]
        small = torch.nn.functional.interpolate(images, 128, mode="bilinear", antialias=True)
        ages.append(age_network.read(age_square(images, model.config.alignment))[0])
        pictures.append(to_array(small))
        if progress is not None:
            progress(min(begin + BATCH, count), count)
    attributes, seen = describe_faces(np.concatenate(pictures), gender_network)
    name = f"{count} samples of {model.config.name}, psi {SAMPLE_PSI}"
    images = to_tensor(np.concatenate(pictures))
    codes = CodeSet(torch.cat(ws), torch.cat(ages), attributes, images, name)
    return codes.part(seen.nonzero().flatten())


def codes_of_dataset(
    model: Model,
    dataset: FaceDataset,
    rows: Sequence[FaceRow],
    age_network: AgeNetwork,
    gender_network: GenderNetwork,
    perceptual: PerceptualDistance,
    *,
    store: Path | None = None,
    config: ProjectConfig = FIT_PROJECTION,
    progress: Progress | None = None,
) -> CodeSet:
    """Project real faces, whose crops have the model's alignment and resolution.

    A face's age is what the age network reads, held within the label's range. `store` is a file
    that keeps the codes: they are not projected again, so a killed run can resume.
    """
    known = _read_store(store, model.generator_hash)
    for begin in range(0, len(rows), BATCH):
        part = [row for row in rows[begin : begin + BATCH] if row.file not in known]
        if part:
            images = to_tensor(dataset.read_all(part))
            known |= _project_batch(model, part, images, perceptual, config)
            if store is not None:
                _write_store(store, known, model.generator_hash)
        if progress is not None:
            progress(min(begin + BATCH, len(rows)), len(rows))
    pictures = dataset.read_all(rows)
    with torch.no_grad():
        parts = to_tensor(pictures).split(64)
        squares = [age_square(part, model.config.alignment) for part in parts]
        read = torch.cat([age_network.read(square)[0] for square in squares])
    low, high = (
        torch.tensor([row.age_range[i] if row.age_range else (0.0, 100.0)[i] for row in rows])
        for i in (0, 1)
    )
    attributes, seen = describe_faces(pictures, gender_network)
    if all(row.gender for row in rows):
        attributes["gender"] = torch.tensor([float(row.gender == "male") for row in rows])
    ws = torch.stack([known[row.file].float() for row in rows])
    name = f"{len(rows)} faces of {dataset.folder.name}, projected in {config.step} steps"
    ages = torch.minimum(torch.maximum(read, low), high)
    codes = CodeSet(ws, ages, attributes, to_tensor(pictures), name)
    return codes.part(seen.nonzero().flatten())


def put_stored_first(rows: Sequence[FaceRow], store: Path | None, model: Model) -> list[FaceRow]:
    """Move the rows whose codes are stored to the front; otherwise keep the order."""
    known = _read_store(store, model.generator_hash)
    return sorted(rows, key=lambda row: row.file not in known)


def describe_faces(
    pictures: np.ndarray, gender_network: GenderNetwork
) -> tuple[dict[str, Tensor], Tensor]:
    """Measure the attributes that an age direction must not change, of crops `[N, H, W, 3]` uint8.

    Gender (probability of male), yaw and pitch (degrees), smile (mouth's width over the eyes'
    distance), brightness and contrast (0..255). Also whether a face was found, `[N]`.
    """
    detector = FaceDetector()
    found = [next(iter(detector.detect(picture)), None) for picture in pictures]
    grey = pictures.astype(np.float32).mean(3)
    with torch.no_grad():
        male = torch.cat([gender_network(part) for part in to_tensor(pictures).split(64)])
    attributes = {
        "gender": male,
        "yaw": torch.tensor([face.pose[0] if face else 0.0 for face in found]),
        "pitch": torch.tensor([face.pose[1] if face else 0.0 for face in found]),
        "smile": torch.tensor([_smile(face) if face else 0.0 for face in found]),
        "brightness": torch.from_numpy(grey.mean((1, 2))),
        "contrast": torch.from_numpy(grey.std((1, 2))),
    }
    return attributes, torch.tensor([face is not None for face in found])


def _smile(face: Face) -> float:
    points = face.points
    mouth = np.hypot(*(points[RIGHT_MOUTH] - points[LEFT_MOUTH]))
    return float(mouth / np.hypot(*(points[RIGHT_EYE] - points[LEFT_EYE])))


def _project_batch(
    model: Model,
    rows: Sequence[FaceRow],
    images: Tensor,
    perceptual: PerceptualDistance,
    config: ProjectConfig,
) -> dict[str, Tensor]:
    generator = model.generator
    side = generator.config.resolution
    if images.shape[-1] != side:
        raise LatentError(
            f"the dataset's crops are {images.shape[-1]} px, the model takes {side}; "
            "prepare one of that size"
        )
    count = len(rows)
    start = generator.mapping.w_avg.expand(count, generator.num_ws, -1)
    mask = torch.ones(count, 1, side, side)
    found = project(generator, images, mask, start, perceptual, config)
    return {row.file: code.half() for row, code in zip(rows, found.ws, strict=True)}


def _read_store(store: Path | None, generator_hash: str) -> dict[str, Tensor]:
    if store is None or not store.is_file():
        return {}
    tensors, metadata = load_tensors(store)
    if metadata.get("generator_hash") != generator_hash:
        raise LatentError(f"{store} holds codes of another generator; give another file")
    try:
        return dict(zip(read_json(metadata["files"]), tensors["ws"], strict=True))
    except (KeyError, TypeError, ValueError) as error:
        raise LatentError(f"{store} is damaged; delete it to collect the codes again") from error


def _write_store(store: Path, known: dict[str, Tensor], generator_hash: str) -> None:
    metadata = {"generator_hash": generator_hash, "files": json.dumps(list(known))}
    save_tensors(store, {"ws": torch.stack(list(known.values()))}, metadata)
