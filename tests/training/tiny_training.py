"""Settings of trainings that take a fraction of a second a step."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from reage.networks.generator import GeneratorConfig
from reage.training.configs import (
    PRESETS,
    AgerTraining,
    EncoderTraining,
    PhotoAgerTraining,
)
from reage.training.settings import AnyConfig, RunSettings

SMALL = {
    "encoder": EncoderTraining(batch=4),
    "ager": AgerTraining(batch=4, judge_kimg=0.13),
    "photo-ager": PhotoAgerTraining(batch=4, judge_kimg=0.13),
}

__all__ = ["TINY", "tiny_settings"]

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
