"""Generators of PaddleGAN (.pdparams): pickled dictionaries of NumPy arrays.

Its names are rosinality's; the matrices of its linear layers are (in, out).
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from reage.models.families.converted import ConvertedGenerator
from reage.models.families.family import ForeignFile
from reage.models.families.layouts import Layout, to_layout
from reage.models.families.state_dicts import read_state
from reage.models.files import write_file
from reage.models.pickles.arrays import arrays_in
from reage.networks.stylegan2.generator import GeneratorConfig

__all__ = ["PADDLEGAN", "detect", "read", "to_paddlegan", "to_tensors", "write"]

PADDLEGAN = Layout(
    "paddlegan",
    transposed=True,
    containers=("gen_ema", "g_ema", "gen"),
    code="PaddleGAN's",
)
INTERNAL = "@@"  # ends the keys that paddle.save adds for itself
BLUR = "blur.kernel"  # not in their state dict


def detect(file: ForeignFile) -> bool:
    """Whether a plain pickle names the constant input of their generator."""
    if file.kind != "pickle" or not isinstance(file.content, dict):
        return False
    states = [file.content, *(file.content.get(key) for key in PADDLEGAN.containers)]
    names = (name for state in states if isinstance(state, dict) for name in state)
    return any(str(name).endswith(PADDLEGAN.const) for name in names)


def read(file: ForeignFile) -> ConvertedGenerator:
    """Read the generator of a .pdparams file; nothing in it is run."""
    return read_state(file, PADDLEGAN, to_tensors(arrays_in(file, str(file.path))))


def to_tensors(value: Any) -> Any:
    """Arrays as tensors, and paddle.save's pairs (name, array) as their array."""
    if isinstance(value, np.ndarray):
        return torch.from_numpy(np.array(value, order="C", dtype=value.dtype.newbyteorder("=")))
    if isinstance(value, list) and len(value) == 2 and isinstance(value[1], np.ndarray):
        return to_tensors(value[1]) if isinstance(value[0], str) else value
    if isinstance(value, dict):
        named = {k: v for k, v in value.items() if not str(k).endswith(INTERNAL)}
        return {key: to_tensors(item) for key, item in named.items()}
    return value


def to_paddlegan(config: GeneratorConfig, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Name tensors as PaddleGAN's StyleGANv2Generator does; it holds no mean latent."""
    theirs = to_layout(PADDLEGAN, config, state)
    return {key: tensor for key, tensor in theirs.items() if not key.endswith(BLUR)}


def write(config: GeneratorConfig, state: Mapping[str, Tensor], path: Path) -> None:
    """Write a file for `paddle.load`; the mean latent is left out, as in theirs."""
    theirs = to_paddlegan(config, state)
    arrays = {k: np.ascontiguousarray(t.detach().cpu().numpy()) for k, t in theirs.items()}
    write_file(path, pickle.dumps(arrays, protocol=4))
