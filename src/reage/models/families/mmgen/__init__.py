"""Generators of open-mmlab's mmgeneration and mmagic (.pth)."""

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
from reage.models.files import write_file
from reage.networks.stylegan2.generator import GeneratorConfig

__all__ = ["MMGEN", "detect", "read", "to_mmgen", "write"]

PREFIX = "generator_ema."
MMGEN = Layout(
    "mmgen",
    mapping_weight="style_mapping.{}.linear.weight_orig",
    mapping_bias="style_mapping.{}.bias",
    const="constant_input.input",
    weight="conv.weight_orig",
    affine_weight="conv.style_modulation.linear.weight_orig",
    affine_bias="conv.style_modulation.bias",
    noise_strength="noise_injector.weight",
    noise_const="injected_noise_{}",
    containers=("state_dict",),
    # mmagic wraps its moving average once more.
    prefixes=(PREFIX, "generator_ema.module.", "generator.", ""),
    mean="w_avg",
    code="mmgeneration's",
)


def detect(file: ForeignFile) -> bool:
    """Whether a file holds such a generator."""
    return file.kind != "pickle" and find_state(file.content, MMGEN) is not None


def read(file: ForeignFile) -> ConvertedGenerator:
    """Read the moving average of the generator, else its last weights."""
    return read_state(file, MMGEN)


def to_mmgen(config: GeneratorConfig, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Name tensors as mmgeneration's StyleGANv2Generator does; it holds no mean latent."""
    return to_layout(MMGEN, config, state)


def write(config: GeneratorConfig, state: Mapping[str, Tensor], path: Path) -> None:
    """Write `{"state_dict", "meta"}` for its `pretrained=dict(ckpt_path=..., prefix=...)`.

    Its generator has no place for a mean latent, and draws one itself where it truncates.
    """
    theirs = to_mmgen(config, state)
    plain = {PREFIX + key: tensor.detach().cpu().clone() for key, tensor in theirs.items()}
    buffer = io.BytesIO()
    torch.save({"meta": {}, "state_dict": plain}, buffer)
    write_file(path, buffer.getvalue())
