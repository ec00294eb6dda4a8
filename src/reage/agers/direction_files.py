"""Files of directions: reage's own, and those of other projects."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

from reage.agers.direction import SPACES, Direction
from reage.agers.foreign_directions import read_foreign_direction
from reage.errors import LatentError, ModelError
from reage.inversion.latent_files import split_choice
from reage.models.files import load_tensors, save_tensors

__all__ = ["SUFFIX", "load_direction", "save_direction"]

SUFFIX = ".direction.safetensors"


def save_direction(direction: Direction, path: Path) -> Path:
    """Write a direction as safetensors with all its facts; atomic."""
    tensors = {"vector": direction.vector.float().contiguous()}
    if direction.origin is not None:
        tensors["origin"] = direction.origin.float().contiguous()
    known = {k: v for k, v in asdict(replace(direction, origin=None)).items() if k != "vector"}
    known |= {"norm": direction.norm, "kind": "reage-direction", "format": 1}
    save_tensors(path, tensors, {"direction": json.dumps(known, sort_keys=True)})
    return path


def load_direction(path: Path) -> Direction:
    """Read a direction: reage's own, or another project's file; "FILE:NAME" names a part of it.

    A foreign file does not state its sign, its space or its generator. They are assumed, and the
    report says so. Raises LatentError if the file cannot be a direction.
    """
    file, choice = split_choice(path)
    if not file.is_file():
        raise LatentError(f"{file} does not exist; give a direction file")
    if file.suffix == ".safetensors":
        return _read_own(file)
    return read_foreign_direction(file, choice)


def _read_own(path: Path) -> Direction:
    try:
        tensors, metadata = load_tensors(path)
        known = json.loads(metadata["direction"])
    except (ModelError, KeyError, ValueError) as error:
        raise LatentError(f"{path} is not a reage direction: {error}") from error
    vector = tensors.get("vector")
    own = isinstance(known, dict) and known.get("kind") == "reage-direction"
    if not own or known.get("format") != 1 or vector is None:
        raise LatentError(f"{path} is not a reage direction of format 1; fit one: reage fit MODEL")
    try:
        span = known["span"]
        direction = Direction(
            name=known["name"],
            vector=vector,
            space=known["space"],
            sign=known["sign"],
            generator_hash=known["generator_hash"],
            span=None if span is None else (float(span[0]), float(span[1])),
            reach=known.get("reach"),
            colour=float(known.get("colour", 1.0)),
            origin=tensors.get("origin"),
            report=known["report"],
        )
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise LatentError(f"{path} is a damaged direction: {error!r}") from error
    if direction.space not in SPACES:
        raise LatentError(f"{path} lives in {direction.space}; only W and W+ can be added to ws")
    return direction
