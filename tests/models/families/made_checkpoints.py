"""Checkpoints of pSp and its heirs with the names that their own code gives, of seeded weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from seeded import seeded

__all__ = ["FAMILIES", "golden", "made_checkpoint", "published", "seeded_tensor"]

GOLDEN = Path(__file__).with_name("golden_style_encoders.npz")
FAMILIES = ("psp", "psp_w", "psp_wplus", "e4e", "restyle_psp", "restyle_e4e", "sam", "w_encoder")
TAPS = np.array([1.0, 3.0, 3.0, 1.0], np.float32)


def golden(family: str) -> dict[str, Any]:
    """What the family's own code made of the seeded weights; "shapes" and "opts" of its file."""
    arrays = np.load(GOLDEN)
    found = {key: arrays[f"{family}/{key}"] for key in _keys(arrays, family)}
    return found | json.loads(found.pop("meta").tobytes())


def published(family: str) -> dict[str, Any]:
    """The content of a checkpoint as its authors' code saves it, of seeded weights."""
    known = golden(family)
    state = {name: seeded_tensor(name, shape) for name, shape in known["shapes"].items()}
    rows = 1 if family == "psp_w" else 8
    average = torch.from_numpy(seeded("latent_avg", (48,))).repeat(rows, 1)
    return {"state_dict": state, "latent_avg": average, "opts": known["opts"]}


def made_checkpoint(family: str, folder: Path) -> Path:
    """Write a checkpoint of a family."""
    path = folder / f"{family}.pt"
    torch.save(published(family), path)
    return path


def _keys(arrays: Any, family: str) -> list[str]:
    return [k.removeprefix(f"{family}/") for k in arrays.files if k.startswith(f"{family}/")]


def seeded_tensor(name: str, shape: list[int]) -> Tensor:
    """One tensor of a checkpoint; filters are the standard ones."""
    if name.endswith(".kernel"):
        return torch.from_numpy(np.outer(TAPS, TAPS) / 16)
    return torch.from_numpy(np.asarray(seeded(name, shape)))
