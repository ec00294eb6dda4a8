"""A dataset of made pictures and tiny trainings on it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_training import tiny_settings, write_faces

from made import SMALL
from reage.training.export import export_model
from reage.training.settings import RunSettings
from reage.training.start import Machine, start

SIDE = SMALL.resolution
BINS = ("0-2", "10-19", "30-39", "70+", "")


@pytest.fixture(scope="session")
def faces_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty blurred blots of 32 px in two splits, with an age bin each."""
    folder = tmp_path_factory.mktemp("faces")
    rng = np.random.default_rng(0)
    pictures = []
    for _ in range(40):
        small = Image.fromarray(rng.integers(0, 255, (4, 4, 3), dtype=np.uint8))
        pictures.append(np.asarray(small.resize((SIDE, SIDE), Image.Resampling.BICUBIC)))
    splits = ["val" if i % 5 == 4 else "train" for i in range(40)]
    return write_faces(folder, pictures, [*BINS] * 8, splits)


@pytest.fixture(scope="session")
def machine() -> Machine:
    return Machine(torch.device("cpu"), torch.float32)


@pytest.fixture(scope="session")
def chain(
    faces_folder: Path, machine: Machine, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """Model folders of a generator with its encoder, of a tuned encoder, and with an ager."""
    folder = tmp_path_factory.mktemp("chain")
    models: dict[str, Path] = {}
    previous = None
    for kind in ("generator", "encoder", "ager", "photo-ager"):
        settings = tiny_settings(kind, faces_folder, previous)
        trainer = start(settings, machine)
        trainer.step(0)
        previous = models[kind] = folder / kind / "model"
        export_model(trainer, settings, previous, kimg=0.008)
    return models


@pytest.fixture
def settings(faces_folder: Path) -> Callable[..., RunSettings]:
    def make(kind: str = "generator", **changes) -> RunSettings:
        return tiny_settings(kind, faces_folder, **changes)

    return make
