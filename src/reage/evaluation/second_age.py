"""Find and read the second age network's file, or tell how to get it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from reage.errors import ModelError
from reage.models.checkpoints import load_strictly
from reage.models.families.face_networks import load_dex_age
from reage.models.files import file_sha256, read_bytes
from reage.models.registry import models_folder
from reage.networks.judges.dex_age import DexAge
from reage.networks.judges.xception_age import XceptionAge, xception_state_dict
from reage.numbers import is_real, is_whole, read_json

__all__ = ["HOW_TO_GET", "SecondAge", "find_second_age", "load_second_age"]

FILE = "age_gender_model.bin"
MANIFEST = "-weights_manifest.json"  # in place of .bin
TORCH_SUFFIXES = (".pth", ".pt")
MAX_TENSOR = 1 << 22  # numbers: the largest layer has 2^17
HOW_TO_GET = (
    "npm pack @vladmandic/face-api@1.7.15 (MIT), unpack it, and give "
    f"--second-age package/model/{FILE}, or copy that file and its manifest beside your models"
)


@dataclass(frozen=True, eq=False)
class SecondAge:
    """The network and which file it is of."""

    network: XceptionAge | DexAge
    sha256: str


def find_second_age() -> Path | None:
    """The file in the folder of the user's models (`$REAGE_HOME/models`), or None."""
    file = models_folder() / FILE
    return file if file.is_file() else None


def load_second_age(file: Path) -> SecondAge:
    """Read the network: DEX from a torch file, face-api's from TensorFlow.js's format.

    Strict, frozen. Raises ModelError.
    """
    if file.suffix in TORCH_SUFFIXES:
        return SecondAge(load_dex_age(file), file_sha256(file))
    manifest = file.with_name(file.name.removesuffix(".bin") + MANIFEST)
    for path in (file, manifest):
        if not path.is_file():
            raise ModelError(f"{path} does not exist; get it with: {HOW_TO_GET}")
    try:
        entries = [entry for group in read_json(read_bytes(manifest)) for entry in group["weights"]]
        tensors = _tensors(read_bytes(file), entries)
    except (ValueError, KeyError, TypeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelError(f"{manifest} does not describe {file.name}: {reason}") from error
    network = XceptionAge()
    load_strictly(network, xception_state_dict(tensors), source=str(file))
    return SecondAge(network.eval().requires_grad_(False), file_sha256(file))


def _tensors(data: bytes, entries: list[dict[str, Any]]) -> dict[str, Tensor]:
    """Cut the bytes into tensors, one after the other; quantised ones are q * scale + min."""
    tensors, offset = {}, 0
    for entry in entries:
        name, shape, quantized = str(entry["name"]), entry["shape"], entry.get("quantization")
        if not all(is_whole(side, 1, MAX_TENSOR) for side in shape):
            raise ValueError(f"{name:.60} has the shape {shape!r:.60}")
        count = math.prod(shape)
        if count > MAX_TENSOR:
            raise ValueError(f"{name:.60} has {count} numbers")
        kind = np.dtype("u1" if quantized else "<f4")
        values = np.frombuffer(data, kind, count, offset).astype(np.float32)
        if quantized:
            if not (is_real(quantized["scale"]) and is_real(quantized["min"])):
                raise ValueError(f"{name:.60} is quantised by {quantized!r:.60}")
            values = values * np.float32(quantized["scale"]) + np.float32(quantized["min"])
        tensors[name] = torch.from_numpy(values.reshape(shape))
        offset += count * kind.itemsize
    if offset != len(data):
        raise ValueError(f"it describes {offset} bytes, there are {len(data)}")
    return tensors
