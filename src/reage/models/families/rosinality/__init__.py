"""Generators of rosinality/stylegan2-pytorch, and the decoders of pSp-like encoders built on it."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from reage.models.families.converted import ConvertedGenerator
from reage.models.families.family import ForeignFile
from reage.models.families.layouts import Layout, to_layout
from reage.models.families.state_dicts import find_state, read_state
from reage.models.files import save_tensors, write_file
from reage.networks.stylegan2.generator import GeneratorConfig

__all__ = ["LATENT_AVG", "ROSINALITY", "detect", "read", "to_rosinality", "write"]

LATENT_AVG = "latent_avg"
ROSINALITY = Layout("rosinality")


def detect(file: ForeignFile) -> bool:
    """Whether a file holds such a generator, alone or in a training checkpoint."""
    return file.kind != "pickle" and find_state(file.content, ROSINALITY) is not None


def read(file: ForeignFile) -> ConvertedGenerator:
    """Read the moving average of the generator, else its last weights."""
    return read_state(file, ROSINALITY)


def to_rosinality(config: GeneratorConfig, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Name tensors as rosinality's Generator does, filters included, mean latent not."""
    return to_layout(ROSINALITY, config, state)


def write(config: GeneratorConfig, state: Mapping[str, Tensor], path: Path) -> None:
    """Write `{"g_ema", "latent_avg"}` as a torch file, or flat when `path` ends in .safetensors."""
    theirs = to_rosinality(config, state)
    latent_avg = state["mapping.w_avg"]
    if path.suffix == ".safetensors":
        save_tensors(path, {**theirs, LATENT_AVG: latent_avg}, {"layout": "rosinality"})
        return
    # Cloned, since a view would bring its whole storage into the file.
    plain = {key: tensor.detach().cpu().clone() for key, tensor in theirs.items()}
    buffer = io.BytesIO()
    torch.save({"g_ema": plain, LATENT_AVG: latent_avg.detach().cpu().clone()}, buffer)
    write_file(path, buffer.getvalue())
