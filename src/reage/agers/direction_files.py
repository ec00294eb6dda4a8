"""Files of directions: reage's own, and those of other projects."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

from reage.agers.direction import SPACES, Direction, check_vector
from reage.agers.foreign_directions import read_foreign_direction
from reage.errors import LatentError, ModelError
from reage.files import absence
from reage.inversion.latent_files import split_choice
from reage.models.facts import Facts
from reage.models.files import is_file, load_tensors, save_tensors

__all__ = ["SUFFIX", "load_direction", "save_direction"]

MOST_REACH = 1e6  # strengths
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
    if not is_file(file):
        raise LatentError(f"{file!s:.200} {absence(file)}; give a direction file")
    if file.suffix == ".safetensors":
        return _read_own(file)
    return read_foreign_direction(file, choice)


def _read_own(path: Path) -> Direction:
    try:
        tensors, metadata = load_tensors(path)
    except ModelError as error:
        raise LatentError(f"{path} is not a reage direction: {error}") from error
    facts, vector = (
        Facts(metadata, "direction", str(path), "a reage direction"),
        tensors.get("vector"),
    )
    known = facts.known
    if (known.get("kind"), known.get("format")) != ("reage-direction", 1) or vector is None:
        raise LatentError(f"{path} is not a reage direction of format 1; fit one: reage fit MODEL")
    space = facts.text("space")
    if space not in SPACES:
        raise LatentError(f"{path} lives in {space:.60}; only W and W+ can be added to ws")
    return Direction(
        name=facts.text("name"),
        vector=check_vector(vector, str(path)),
        space=space,
        sign=facts.text("sign"),
        generator_hash=None
        if known.get("generator_hash") is None
        else facts.text("generator_hash"),
        span=None if known.get("span") is None else facts.span("span"),
        reach=None if known.get("reach") is None else facts.real("reach", 0, MOST_REACH),
        colour=facts.real("colour", 0, 1, default=1.0),
        origin=tensors.get("origin"),
        report=facts.part("report"),
    )
