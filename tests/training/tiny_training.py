"""Settings of trainings that take a fraction of a second a step."""

from __future__ import annotations

import csv
import io
import tarfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from reage.networks.stylegan2.generator import GeneratorConfig
from reage.training.configs import (
    PRESETS,
    AgerTraining,
    EncoderTraining,
    PhotoAgerTraining,
)
from reage.training.settings import AnyConfig, RunSettings

SMALL = {
    "encoder": EncoderTraining(batch=4),
    "ager": AgerTraining(batch=4, judge_kimg=0.064),
    "photo-ager": PhotoAgerTraining(batch=4, judge_kimg=0.064),
}

__all__ = ["TINY", "tiny_settings", "write_faces"]

TINY = GeneratorConfig(resolution=32, channels=(8, 8, 8, 8), z_dim=512, w_dim=512, mapping_layers=2)


def tiny_settings(
    kind: str, data: Path, model: Path | None = None, recipe: str = "projected+encoder", **changes
) -> RunSettings:
    """Settings of a training that takes a fraction of a second a step."""
    if kind == "generator":
        config: AnyConfig = replace(
            PRESETS[recipe],
            resolution=TINY.resolution,
            channels=TINY.channels,
            mapping_layers=TINY.mapping_layers,
            batch=8,
            feature_side=64,
            stages=(),
        )
    else:
        config = SMALL[kind]
    return RunSettings(
        kind=kind,
        config=replace(config, **changes),
        data=str(data),
        model=None if model is None else str(model),
        kimg=1.0,
    )


def write_faces(
    folder: Path,
    pictures: Sequence[np.ndarray],
    bins: Sequence[str],
    splits: Sequence[str] | None = None,
) -> Path:
    """A dataset of pictures `[R, R, 3]`, 0..255, with age bins; all of "train" without `splits`."""
    rows = []
    with tarfile.open(folder / "faces.tar", "w") as archive:
        for i, (picture, bin_) in enumerate(zip(pictures, bins, strict=True)):
            stream = io.BytesIO()
            Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8)).save(stream, "PNG")
            entry = tarfile.TarInfo(f"{i:03}.png")
            entry.size = stream.tell()
            stream.seek(0)
            archive.addfile(entry, stream)
            rows.append((entry.name, splits[i] if splits else "train", bin_))
    with (folder / "faces.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("file", "split", "age_bin"))
        writer.writerows(rows)
    return folder
