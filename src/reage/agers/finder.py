"""Choose the ager of a model: the given one, or the one in its folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from reage.agers.base import Ager
from reage.agers.direction import for_generator, sefa_direction
from reage.agers.direction_ager import DirectionAger
from reage.agers.direction_files import load_direction
from reage.agers.direction_scale import limit_scale
from reage.agers.files import StoredAger, read_ager, read_sam_ager
from reage.agers.fran import load_fran
from reage.agers.latent import SamAger
from reage.agers.skin import SkinAger, read_embedded_bank
from reage.compositing.detail_bank import read_bank
from reage.inversion.space import LatentSpace
from reage.models.checkpoints import Model, ModelConfig
from reage.models.encoders import make_style_encoder
from reage.models.families.fran import is_pixel_ager

__all__ = [
    "AGE_AGER",
    "AGE_DIRECTION",
    "KINDS",
    "AgerSource",
    "find_ager",
    "find_direction",
    "read_stored_ager",
]

AGE_DIRECTION = "age.direction.safetensors"
AGE_AGER = "age.ager.safetensors"


@dataclass(frozen=True, eq=False)
class AgerSource:
    """The model whose ager is searched. Its generator is loaded only if an ager needs it."""

    config: ModelConfig
    folder: Path | None  # None: converted in memory from a foreign file
    latents: Callable[[], LatentSpace]
    device: torch.device
    dtype: torch.dtype = torch.float32
    fine_skin: bool = True  # whether photo agers add detail at the photo's full size
    detail: Path | None = None  # folder of that detail; None: the embedded one

    @classmethod
    def of(cls, latents: LatentSpace) -> AgerSource:
        """Return the source of a loaded latent space."""
        model = latents.model
        return cls(model.config, model.folder, lambda: latents, latents.device, latents.dtype)


def find_ager(source: AgerSource, given: str | Path | None = None) -> Ager | None:
    """Find the given ager (a file, or "sefa:N"), else the folder's ager, else its age direction.

    Raises LatentError or ModelError if it cannot be read or belongs to another generator.
    """
    if given is not None:
        return _load_given(source, str(given))
    if source.folder is None:
        return _foreign(source)
    if (source.folder / AGE_AGER).is_file():
        return _of_file(source, source.folder / AGE_AGER)
    if (source.folder / AGE_DIRECTION).is_file():
        return find_direction(source.latents(), source.folder / AGE_DIRECTION)
    return None


def read_stored_ager(model: Model) -> StoredAger | None:
    """Read the file of reage's own agers in a model's folder; None if there is none."""
    file = None if model.folder is None else model.folder / AGE_AGER
    found = None if file is None or not file.is_file() else read_ager(file)
    return found if isinstance(found, StoredAger) else None


def find_direction(latents: LatentSpace, given: str | Path) -> DirectionAger:
    """Find a direction by its file, or "sefa:N"; LatentError if it belongs to another generator."""
    model, config = latents.model, latents.model.config.generator
    if str(given).startswith("sefa:"):
        direction = sefa_direction(model.generator, model.generator_hash, str(given))
    else:
        direction = for_generator(load_direction(Path(given)), config.num_ws)
        direction = limit_scale(direction, model.generator)
    return DirectionAger(direction, latents)


def _load_given(source: AgerSource, given: str) -> Ager:
    for start, make in KINDS.items():
        if given.startswith(start):
            return make(source, given.removeprefix(start))
    path = Path(given)
    if given.endswith(".ager.safetensors"):
        return _of_file(source, path)
    if is_pixel_ager(path):
        return load_fran(path, source.device, source.dtype)
    return find_direction(source.latents(), given)


def _of_file(source: AgerSource, path: Path) -> Ager:
    found = read_ager(path)
    if not isinstance(found, StoredAger):
        return read_sam_ager(found, source.latents(), path)
    if found.photo is None:
        return found.on_codes(source.latents())
    if source.folder is None or path.parent.resolve() != source.folder.resolve():
        model, config = source.latents().model, source.config.generator
        found.check(model.generator_hash, config.num_ws, config.w_dim)
    ager = found.on_photos(source.config.alignment, source.device, source.dtype)
    if not source.fine_skin:
        return ager
    bank = read_embedded_bank() if source.detail is None else read_bank(source.detail)
    return SkinAger(ager, bank)


def _foreign(source: AgerSource) -> Ager | None:
    """Return the ager of a foreign file, in memory."""
    latents = source.latents()
    part = latents.model.ager
    if part is None:
        return None
    name = f"{source.config.name}: its ager"
    network = make_style_encoder(part.settings, part.tensors, latents.model.generator, name)
    return SamAger(network.to(latents.device), latents)


def _of_factor(source: AgerSource, rest: str) -> Ager:
    return find_direction(source.latents(), f"sefa:{rest}")


# What a text that names an ager begins with, and who loads the rest. A new kind is one line here.
KINDS: dict[str, Callable[[AgerSource, str], Ager]] = {
    "sefa:": _of_factor,
}
