"""A dataset of made pictures and tiny trainings on it."""

from __future__ import annotations

import csv
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_training import tiny_settings

from made import SMALL
from reage.training.settings import RunSettings
from reage.training.start import Machine

SIDE = SMALL.resolution
BINS = ("0-2", "10-19", "30-39", "70+", "")


@pytest.fixture(scope="session")
def faces_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty blurred blots of 32 px in two splits, with an age bin each."""
    folder = tmp_path_factory.mktemp("faces")
    rng = np.random.default_rng(0)
    rows = []
    with tarfile.open(folder / "faces.tar", "w") as archive:
        for i in range(40):
            small = rng.integers(0, 255, (4, 4, 3), dtype=np.uint8)
            stream = io.BytesIO()
            Image.fromarray(small).resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(
                stream, "PNG"
            )
            entry = tarfile.TarInfo(f"{i:03}.png")
            entry.size = stream.tell()
            stream.seek(0)
            archive.addfile(entry, stream)
            split = "val" if i % 5 == 4 else "train"
            rows.append({"file": entry.name, "split": split, "age_bin": BINS[i % len(BINS)]})
    with (folder / "faces.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["file", "split", "age_bin"])
        writer.writeheader()
        writer.writerows(rows)
    return folder


@pytest.fixture(scope="session")
def machine() -> Machine:
    return Machine(torch.device("cpu"), torch.float32)


@pytest.fixture
def settings(faces_folder: Path) -> Callable[..., RunSettings]:
    def make(kind: str = "generator", **changes) -> RunSettings:
        return tiny_settings(kind, faces_folder, **changes)

    return make
