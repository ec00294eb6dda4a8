"""Small things that many tests make."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from reage.agers.base import PreparedFace
from reage.agers.files import StoredAger
from reage.compositing.change import PasteMode
from reage.compositing.view import FaceView, usual_points, whole_quad
from reage.compositing.warp import Warp, warp_in_place
from reage.editor import Editor, load
from reage.faces.face import Face
from reage.faces.readings import AgeReading
from reage.faces.squares import FaceCrop
from reage.images import to_array
from reage.inversion.space import LatentSpace
from reage.models.checkpoints import Alignment, Model
from reage.networks.agers.growth import Growth, GrowthConfig
from reage.networks.agers.latent_ager import Ager as LatentNetwork
from reage.networks.agers.latent_ager import AgerConfig
from reage.networks.agers.photo_ager import PhotoAger as PhotoNetwork
from reage.networks.agers.photo_ager import PhotoAgerConfig
from reage.networks.stylegan2.generator import Generator, GeneratorConfig

__all__ = [
    "SMALL",
    "Command",
    "bent_photo",
    "editor_with",
    "face_at",
    "made_ager",
    "make_generator",
    "random",
    "within",
]

Command = Callable[..., tuple[int, str, str]]  # exit status, output, errors
Value = TypeVar("Value")

SMALL = GeneratorConfig(
    resolution=32, channels=(16, 16, 16, 8), z_dim=32, w_dim=32, mapping_layers=2
)


def make_generator(config: GeneratorConfig, seed: int = 1000) -> Generator:
    """A generator as it would be after some training: noise counts, w_avg is the mean."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        generator = Generator(config)
        for layer in generator.synthesis.noise_layers:
            torch.nn.init.constant_(layer.noise_strength, 0.1)
            torch.nn.init.normal_(layer.bias, 0, 0.1)
    generator.eval().requires_grad_(False)
    generator.mapping.w_avg.copy_(generator.mean_w(1000))
    return generator


def bent_photo(photo: np.ndarray, bend: Warp, quad: np.ndarray) -> np.ndarray:
    """A bent copy of a photo `[H, W, 3 or 4]`; a fourth channel stays."""
    out = photo.copy()
    warp_in_place(out[..., :3], bend, quad)
    return out


def editor_with(stored: StoredAger, folder: Path) -> Editor:
    """A model's editor with what an ager's file holds: its ager of photos, else that of codes."""
    editor = load(folder, device="cpu", precision="float32")
    if stored.photo is None:
        return replace(editor, ager=stored.on_codes(editor.latents))
    alignment = editor.model.config.alignment
    return replace(editor, ager=stored.on_photos(alignment, editor.device))


def face_at(
    age: float,
    picture: Tensor,
    paste: PasteMode = "delta",
    *,
    eyes: np.ndarray | None = None,
    latents: LatentSpace | None = None,
    ws: Tensor | None = None,
) -> PreparedFace:
    """A face read as `age` years that fills a picture `[1, 3, R, R]` of any values."""
    side = picture.shape[-1]
    whole = np.ones((side, side), np.float32)
    crop = FaceCrop(to_array(picture.clamp(-1, 1))[0], whole, whole_quad(side), side)
    face = Face.from_points(usual_points(Alignment(), side))
    view = FaceView(1, face, crop, whole, crop, AgeReading(age, 5.0))
    prepared = PreparedFace(view, paste, picture, latents, None, ws)
    # What is found at the first use.
    view.__dict__["eyes"] = np.zeros_like(whole) if eyes is None else eyes
    prepared.__dict__["photo"] = picture
    return prepared


def made_ager(model: Model, *, photo: bool = True, seed: int = 5) -> StoredAger:
    """An ager that has learnt something, it does not matter what; `photo`: with one of photos."""
    config = model.config.generator
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = LatentNetwork(AgerConfig(config.num_ws, config.w_dim, hidden=8))
        on_photos = PhotoNetwork(PhotoAgerConfig(config.resolution, widths=(8, 8)))
        for part, change in ((network, 0.05), (on_photos, 0.2)):
            for parameter in part.parameters():
                parameter.data = (parameter + change * torch.randn_like(parameter)).half().float()
    frozen = [part.eval().requires_grad_(False) for part in (network, on_photos)]
    if not photo:
        return StoredAger(frozen[0], model.generator_hash)
    growth = Growth(GrowthConfig((10.0, 50.0), side=10)).eval().requires_grad_(False)
    growth.shapes[1, 1, 3:7, 3:7] = 0.0625
    return StoredAger(frozen[0], model.generator_hash, photo=frozen[1], growth=growth)


def random(*shape: int, seed: int = 0) -> Tensor:
    """Normal random numbers."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def within(named: Mapping[str, Value], prefix: str) -> dict[str, Value]:
    """What has names that begin so, without that beginning."""
    return {name.removeprefix(prefix): named[name] for name in named if name.startswith(prefix)}
