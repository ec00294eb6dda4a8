"""The discriminator of a model folder, with which training of its generator resumes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from reage.errors import ModelError
from reage.models.checkpoints import DISCRIMINATOR_FILE, Model, Part
from reage.models.files import load_tensors
from reage.models.loading import build_empty, check_names, load_strictly
from reage.networks.stylegan2.discriminator import Discriminator, DiscriminatorConfig
from reage.numbers import is_whole, read_json

__all__ = ["describe_discriminator", "load_discriminator"]

MAX_SIZE = 8192  # of any number in its config: no sensible one comes near
METADATA = "discriminator"
CLONE = Path(__file__).parents[3]


def load_discriminator(model: Model, *, required: bool = True) -> Discriminator | None:
    """Load the discriminator of a model, float32; None when it has none. Strict.

    Its file is in the model's folder or, to keep the package small, in `training/` of a clone.
    Raises ModelError when it is damaged or not the model's, and when it is `required` and in
    neither place.
    """
    if model.folder is None or DISCRIMINATOR_FILE not in model.config.sha256:
        return None
    file = _find(model.folder)
    if file is None and required:
        raise ModelError(
            f"{model.folder / DISCRIMINATOR_FILE} is missing: copy it from training/"
            f"{model.folder.name} in a clone of reage, or set discriminator_channels to start "
            "with a new discriminator"
        )
    if file is None:
        return None
    stored, metadata = load_tensors(file, sha256=model.config.sha256[DISCRIMINATOR_FILE])
    try:
        config = _config(read_json(metadata[METADATA]), str(file))
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{file} does not say what discriminator it is: {error}") from error
    made = model.config.generator.resolution
    if config.resolution != made:
        raise ModelError(f"{file} is for {config.resolution} px, its generator makes {made}")
    network = build_empty(partial(Discriminator, config), source=str(file), held=stored)
    load_strictly(network, {name: t.float() for name, t in stored.items()}, source=str(file))
    return network


def describe_discriminator(network: Discriminator) -> Part:
    """Return its sizes and tensors for `save_model`."""
    return Part({METADATA: json.dumps(asdict(network.config))}, network.state_dict())


def _find(folder: Path) -> Path | None:
    # A clone is where an editable installation is from, or where the command runs.
    kept = Path("training", folder.name)
    places = (place / DISCRIMINATOR_FILE for place in (folder, CLONE / kept, Path.cwd() / kept))
    return next((place for place in places if place.is_file()), None)


def _config(settings: Mapping[str, Any], where: str) -> DiscriminatorConfig:
    check_names(asdict(DiscriminatorConfig(8, (1, 1))), settings, where)
    channels = settings["channels"]
    sizes = [settings["resolution"], settings["group"], *channels]
    if not all(is_whole(n, 1, MAX_SIZE) for n in sizes):
        raise ModelError(f"{where} has sizes that are not whole numbers above 0")
    return DiscriminatorConfig(settings["resolution"], tuple(channels), settings["group"])
