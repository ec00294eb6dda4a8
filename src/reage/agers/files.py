"""The files of reage's own agers, and of SAM's."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from reage.agers.latent import LatentAger, SamAger
from reage.agers.photo import PhotoAger
from reage.errors import LatentError
from reage.inversion.space import LatentSpace
from reage.models.checkpoints import Alignment, check_names, load_strictly
from reage.models.encoders import describe_encoder, make_style_encoder
from reage.models.facts import Facts
from reage.models.files import fingerprint_of, load_tensors, save_tensors
from reage.models.loading import build_empty
from reage.networks.agers.growth import Growth, GrowthConfig
from reage.networks.agers.latent_ager import Ager as LatentNetwork
from reage.networks.agers.latent_ager import AgerConfig
from reage.networks.agers.photo_ager import PhotoAger as PhotoNetwork
from reage.networks.agers.photo_ager import PhotoAgerConfig
from reage.numbers import is_real, is_whole

__all__ = ["StoredAger", "read_ager", "read_sam_ager", "save_ager", "save_sam_ager"]

KIND = "reage-ager"
PICTURE_KIND = "reage-picture-ager"
FORMAT = 1
MAX_SIZE = 8192
OLDEST = 200.0  # years
PHOTO = "photo."  # before the names of its tensors
GROWTH = "growth.shapes"


@dataclass(frozen=True, eq=False)
class StoredAger:
    """The content of a file of reage's own agers: a network on codes, and perhaps one on photos."""

    network: LatentNetwork  # frozen
    generator_hash: str  # whose codes it moves
    name: str = "age"
    colour: float = 1.0  # share of the change's colour that is shown; its light always is
    span: tuple[float, float] = (1.0, 82.0)  # years that it was trained for
    report: dict[str, Any] = field(default_factory=dict)  # how it was made, how good it is
    photo: PhotoNetwork | None = None  # ages pictures of faces in the codes' place; frozen
    growth: Growth | None = None  # ... and how their proportions change

    def check(self, generator_hash: str, num_ws: int, w_dim: int) -> None:
        """Raise LatentError unless the ager belongs to that generator."""
        config = self.network.config
        if (config.num_ws, config.w_dim) != (num_ws, w_dim):
            raise LatentError(
                f"the ager {self.name} takes codes {[config.num_ws, config.w_dim]}, this model's "
                f"are {[num_ws, w_dim]}; choose the model it was made for"
            )
        if self.generator_hash != generator_hash:
            raise LatentError(
                f"the ager {self.name} belongs to the generator {self.generator_hash[:12]}, this "
                f"one is {generator_hash[:12]}; train a new one with: reage train ager"
            )

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the ager that edits use: the one of photos if there is one."""
        if self.photo is None:
            return fingerprint_of(
                "latent", self.generator_hash, str(self.colour), self.network.state_dict()
            )
        return self.on_photos(Alignment(), torch.device("cpu")).fingerprint

    def on_photos(
        self, alignment: Alignment, device: torch.device, dtype: torch.dtype = torch.float32
    ) -> PhotoAger:
        """The stored ager of photos."""
        assert self.photo is not None, f"the ager {self.name} has no photo ager"
        growth = self.growth and self.growth.to(device)
        network = self.photo.to(device)
        return PhotoAger(network, growth, alignment, self.name, self.span, dtype)

    def on_codes(self, latents: LatentSpace) -> LatentAger:
        """Return the stored ager of codes; LatentError if it belongs to another generator."""
        config = latents.model.config.generator
        self.check(latents.model.generator_hash, config.num_ws, config.w_dim)
        network = self.network.to(latents.device)
        return LatentAger(network, latents, self.name, self.span, self.colour)


def save_ager(ager: StoredAger, path: Path) -> Path:
    """Write an ager as safetensors in float16, with all its facts; atomic."""
    tensors = {k: v.half().contiguous() for k, v in ager.network.state_dict().items()}
    known: dict[str, Any] = {
        "kind": KIND,
        "format": FORMAT,
        "name": ager.name,
        "generator_hash": ager.generator_hash,
        "colour": ager.colour,
        "span": ager.span,
        "network": asdict(ager.network.config),
        "report": ager.report,
    }
    if ager.photo is not None:
        stored = ager.photo.state_dict().items()
        tensors |= {PHOTO + k: v.half().contiguous() for k, v in stored}
        known["photo"] = asdict(ager.photo.config)
    if ager.growth is not None:
        tensors[GROWTH] = ager.growth.shapes.half().contiguous()
        known["growth"] = asdict(ager.growth.config)
    save_tensors(path, tensors, {"ager": json.dumps(known, sort_keys=True)})
    return path


def save_sam_ager(ager: SamAger, path: Path) -> Path:
    """Write SAM's ager as safetensors in its own float32; atomic."""
    known = {
        "kind": PICTURE_KIND,
        "format": FORMAT,
        "name": ager.name,
        "generator_hash": ager.latents.model.generator_hash,
        "colour": ager.colour,
        "span": ager.span,
        "network": describe_encoder(ager.network.config),
        "report": {},
    }
    tensors = {k: v.float().contiguous() for k, v in ager.network.state_dict().items()}
    save_tensors(path, tensors, {"ager": json.dumps(known, sort_keys=True)})
    return path


def read_ager(path: Path) -> StoredAger | dict[str, Any]:
    """Read an ager's file, or the input of `read_sam_ager`; LatentError if it is neither."""
    tensors, metadata = load_tensors(path)
    tensors = {name: tensor.float() for name, tensor in tensors.items()}
    facts = Facts(metadata, "ager", str(path), "an ager's file")
    known = facts.known
    if known.get("kind") not in (KIND, PICTURE_KIND) or known.get("format") != FORMAT:
        raise LatentError(f"{path} is of another kind or format; update reage")
    labels = (facts.text("generator_hash"), facts.text("name"), facts.real("colour", 0, 1))
    rest: dict[str, Any] = {"span": facts.span("span", 0, OLDEST), "report": facts.part("report")}
    settings = facts.part("network")
    if known["kind"] == PICTURE_KIND:
        return {"settings": settings, "tensors": tensors, "labels": labels, **rest}
    try:
        if "photo" in known:
            rest["photo"] = _photo_ager(facts.part("photo"), tensors, path)
            tensors = {k: v for k, v in tensors.items() if not k.startswith(PHOTO)}
        if "growth" in known:
            rest["growth"] = _growth(facts.part("growth"), tensors.pop(GROWTH), path)
        config = AgerConfig(**_sizes(settings, path))
        network = build_empty(partial(LatentNetwork, config), source=str(path), held=tensors)
    except (KeyError, ValueError) as error:  # sizes that do not fit together
        raise LatentError(f"{path} is not an ager's file: {error}") from error
    load_strictly(network, tensors, source=str(path))
    return StoredAger(network.eval().requires_grad_(False), *labels, **rest)


def read_sam_ager(found: dict[str, Any], latents: LatentSpace, path: Path) -> SamAger:
    """Make SAM's ager from the result of `read_ager`; LatentError for another generator."""
    generator_hash, name, colour = found["labels"]
    if generator_hash != latents.model.generator_hash:
        raise LatentError(
            f"the ager {name} belongs to the generator {generator_hash[:12]}, this one is "
            f"{latents.model.generator_hash[:12]}; choose the model it was made for"
        )
    generator = latents.model.generator
    network = make_style_encoder(found["settings"], found["tensors"], generator, str(path))
    return SamAger(network.to(latents.device), latents, name, found["span"], colour)


def _photo_ager(settings: dict[str, Any], tensors: dict[str, Tensor], path: Path) -> PhotoNetwork:
    check_names(asdict(PhotoAgerConfig()), settings, f"{path}: photo ager")
    widths = settings.pop("widths")
    numbers = (*widths, *settings.values()) if isinstance(widths, list) else (None,)
    if not widths or not all(is_whole(n, 1, MAX_SIZE) for n in numbers):
        raise LatentError(f"{path}: its photo ager has sizes that are not whole numbers above 0")
    config = PhotoAgerConfig(widths=tuple(widths), **settings)
    own = {k.removeprefix(PHOTO): v for k, v in tensors.items() if k.startswith(PHOTO)}
    network = build_empty(partial(PhotoNetwork, config), source=f"{path}: photo ager", held=own)
    load_strictly(network, own, source=f"{path}: photo ager")
    return network.eval().requires_grad_(False)


def _growth(settings: dict[str, Any], shapes: Tensor, path: Path) -> Growth:
    check_names(asdict(GrowthConfig((0.0, 1.0))), settings, f"{path}: growth")
    side, ages, margin = settings["side"], settings["ages"], settings["margin"]
    fits = is_whole(side, 1, MAX_SIZE) and is_real(margin) and isinstance(ages, list)
    if not (fits and all(map(is_real, ages)) and shapes.shape == (len(ages), 2, side, side)):
        raise LatentError(f"{path}: its growth's shapes {[*shapes.shape]} do not fit its settings")
    growth = Growth(GrowthConfig(tuple(map(float, ages)), side, float(margin)))
    load_strictly(growth, {"shapes": shapes}, source=f"{path}: growth")
    return growth.eval().requires_grad_(False)


def _sizes(settings: dict[str, Any], path: Path) -> dict[str, int]:
    check_names(asdict(AgerConfig(1)), settings, f"{path}: network")
    if not all(is_whole(n, 1, MAX_SIZE) for n in settings.values()):
        raise LatentError(f"{path}: its network has sizes that are not whole numbers above 0")
    return settings
