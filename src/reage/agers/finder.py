"""What moves the faces of a model along age: what was given, or what lies in its folder."""

from __future__ import annotations

from pathlib import Path

from reage.agers.direction import Direction, for_generator, sefa_direction
from reage.agers.direction_files import load_direction
from reage.agers.direction_scale import scaled
from reage.agers.neural import AnyAger, load_ager, picture_ager
from reage.models.checkpoints import Model

__all__ = ["AGE_AGER", "AGE_DIRECTION", "find_direction"]

AGE_DIRECTION = "age.direction.safetensors"
AGE_AGER = "age.ager.safetensors"


def find_direction(model: Model, given: str | Path | None) -> Direction | AnyAger | None:
    """What was given (a file, or "sefa:N"), else the folder's ager, else its age direction."""
    if str(given).startswith("sefa:"):
        return sefa_direction(model.generator, model.generator_hash, str(given))
    if str(given).endswith(".ager.safetensors"):
        return load_ager(Path(str(given)), model.generator)
    if given is not None:
        loaded = for_generator(load_direction(Path(given)), model.config.generator.num_ws)
        return scaled(loaded, model.generator)
    if model.ager is not None:
        return picture_ager(model)
    if model.folder is not None and (model.folder / AGE_AGER).is_file():
        return load_ager(model.folder / AGE_AGER, model.generator)
    if model.folder is None or not (model.folder / AGE_DIRECTION).is_file():
        return None
    return load_direction(model.folder / AGE_DIRECTION)
