"""Neural agers: what they are, their files, and how the editor moves a face with one."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from reage.agers.faces import Moved, luma
from reage.compositing.masks import oval_mask
from reage.compositing.warp import Bend
from reage.errors import LatentError
from reage.inversion.encoding import pooled
from reage.models.checkpoints import Model, check_names, load_strictly
from reage.models.encoders import describe_encoder, make_style_encoder
from reage.models.files import load_tensors, save_tensors
from reage.networks.agers.growth import Growth, GrowthConfig
from reage.networks.agers.latent_ager import Ager, AgerConfig
from reage.networks.agers.photo_ager import PhotoAger, PhotoAgerConfig
from reage.networks.encoders.style_encoder import StyleEncoder, with_age
from reage.networks.generators import AnyGenerator

__all__ = [
    "AnyAger",
    "NeuralAger",
    "PictureAger",
    "lit",
    "load_ager",
    "photo_ager_of",
    "photo_change",
    "photo_mask",
    "picture_ager",
    "save_ager",
    "shading_of",
    "spun",
]

KIND = "reage-ager"
PICTURE_KIND = "reage-picture-ager"
FORMAT = 1
MAX_SIZE = 8192
PHOTO = "photo."  # before the names of its tensors
GROWTH = "growth.shapes"
# Share of the colour that a photo ager changes, where a face grows younger. More of it, and cheeks
# get orange, noses purple; older cheeks get orange with any.
PHOTO_COLOUR = 0.1
# Shifts of the photo and of its mirror image, in half patches: all that their grid can lie like.
SPINS = ((0, 0), (1, 1)), ((0, 1), (1, 0))
PHOTO_GAIN = 1.3  # the mean over shifts leaves lines fainter than the network draws them
# The same of the lines and of all broader light of a face that grows older: networks that see 128
# pixels take shading for age that looks like dirt at a photo's size.
OLDER_LINES, OLDER_SHADING = 2.1, 1.0
LINE_WIDTH = 0.02  # of a crop's side: of the Gaussian that parts the two
# By which the logarithm of the skin's finest detail grows each year: it is 1.8 times as strong
# at 70 and more as in the twenties (docs/ageing.md).
DETAIL_A_YEAR = 0.0125
TINT_ROUNDS = 4  # in which pixels of other colours than the skin's come to count less
LEAST_SPREAD = 1e-4  # squared light: a face of one colour gets grey light
BEYOND = 10.0  # years past the trained ages that may be asked of the network


@dataclass(frozen=True, eq=False)
class NeuralAger:
    """An ager of one generator; it moves a code by decades from the face's own age."""

    network: Ager  # frozen
    generator_hash: str
    name: str = "age"
    colour: float = 1.0  # share of the change's colour that is pasted; its light always is
    span: tuple[float, float] = (1.0, 82.0)  # years that it was trained for
    report: dict[str, Any] = field(default_factory=dict)  # how it was made, how good it is
    photo: PhotoAger | None = None  # ages pictures of faces in the codes' place; frozen
    growth: Growth | None = None  # ... and how their proportions change

    def to(self, device: torch.device) -> NeuralAger:
        """Move its networks there; returns itself."""
        self.network.to(device)
        for part in (self.photo, self.growth):
            if part is not None:
                part.to(device)
        return self

    def check(self, generator_hash: str, num_ws: int, w_dim: int) -> None:
        """Raise LatentError unless it belongs to that generator."""
        _check(self, generator_hash, num_ws, w_dim)

    def allowed(self, ws: Tensor, own: float) -> tuple[float, float]:
        """Lowest and highest strength for a face of `own` years; a little past the training."""
        low = min(self.span[0] - BEYOND - own, 0.0)
        return low / 10, max(self.span[1] + BEYOND - own, 0.0) / 10

    @torch.no_grad()
    def moved(self, ws: Tensor, strengths: Tensor, own: float) -> Tensor:
        """Codes `[1, num_ws, w_dim]` moved by strengths `[N]`, decades from the own age."""
        strengths = strengths.to(ws)
        ages = torch.full_like(strengths, own)
        codes = ws.expand(len(strengths), -1, -1)
        return codes + self.network(codes, ages, ages + 10 * strengths)

    @torch.no_grad()
    def added(
        self,
        crop: Tensor,
        eyes: np.ndarray,
        strengths: Tensor,
        own: float,
        *,
        dtype: torch.dtype = torch.float32,
    ) -> Tensor:
        """What its photo ager adds to photos' crops `[1 or N, 3, R, R]` at strengths `[N]`.

        `[N, 3, R, R]`, to be added to the colours; nothing outside the oval that the training
        looked at. Eyes stay the photo's: `eyes` `[R, R]` is 1 there (`eye_mask`). `dtype` is that
        of the maps.
        """
        assert self.photo is not None, f"the ager {self.name} has no photo ager"
        strengths = strengths.to(crop)
        ages = torch.full_like(strengths, own)
        photos, wanted = crop.expand(len(ages), -1, -1, -1), ages + 10 * strengths
        # A face and its mirror image age alike: what the network paints on one of them alone, spots
        # mostly, fades to half in their mean.
        plain, mirrored = (
            spun(self.photo, seen, ages, wanted, shifts, dtype=dtype).mean(0)
            for seen, shifts in zip((photos, photos.flip(-1)), SPINS, strict=True)
        )
        change = (plain + mirrored.flip(-1)) / 2
        shown = photo_change(crop, change, strengths > 0)
        return shown * photo_mask(torch.from_numpy(eyes).to(change))

    def painted(
        self,
        pictures: Tensor,
        eyes: np.ndarray,
        strengths: Tensor,
        own: float,
        *,
        dtype: torch.dtype = torch.float32,
    ) -> Moved:
        """Made faces `[1 or N, 3, R, R]` at strengths `[N]`, taken for photos by its photo ager.

        Lines that it draws on them look better than what a small generator makes of a code moved
        far (docs/ageing.md). The rest is as `added` has it.
        """
        added = self.added(pictures.clamp(-1, 1), eyes, strengths, own, dtype=dtype)
        return Moved(pictures + added, self.bend(strengths, own))

    @torch.no_grad()
    def bend(self, strengths: Tensor, own: float) -> Bend | None:
        """How a photo is bent at strengths `[N]`; None where nothing is known of it."""
        if self.growth is None or self.photo is None:  # where codes move, shapes move with them
            return None
        strengths = strengths.to(self.growth.shapes)
        ages = torch.full_like(strengths, own)
        return Bend(self.growth(ages, ages + 10 * strengths), self.growth.config.margin)

    def detail(self, strengths: Tensor) -> Tensor | None:
        """How many times as strong a photo's own detail is at strengths `[N]`, a decade each.

        A crop is too small to show it, so no network ages it. None where codes change.
        """
        return None if self.photo is None else torch.exp(10 * DETAIL_A_YEAR * strengths)


def spun(
    network: PhotoAger,
    photos: Tensor,
    own: Tensor,
    wanted: Tensor,
    shifts: Sequence[tuple[int, int]],
    *,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """A photo ager's change of photos under each shift of them (down, right): `[S, N, 3, R, R]`.

    They count in half patches. What the network paints by the grid of its patches, hatching of old
    skin mostly, differs from shift to shift and fades in their mean; lines and folds stay.
    Coifman and Donoho, "Translation-Invariant De-Noising" (1995), call it cycle spinning.
    """
    half = network.config.patch // 2
    steps = [(down * half, right * half) for down, right in shifts]
    seen = torch.cat([photos.roll(step, (2, 3)) for step in steps])
    changes = network(seen, own.repeat(len(steps)), wanted.repeat(len(steps)), dtype=dtype)
    parts = zip(changes.chunk(len(steps)), steps, strict=True)
    return torch.stack([change.roll((-down, -right), (2, 3)) for change, (down, right) in parts])


def shading_of(light: Tensor) -> Tensor:
    """What of a crop's light `[N, 1, R, R]` is broader than lines; edges go on as they are."""
    sigma = LINE_WIDTH * light.shape[-1]
    reach = max(1, round(3 * sigma))
    places = torch.arange(-reach, reach + 1).to(light)
    taps = torch.exp(-places.square() / (2 * sigma**2))
    taps = taps / taps.sum()
    padded = F.pad(light, (reach,) * 4, mode="replicate")
    return F.conv2d(F.conv2d(padded, taps.view(1, 1, 1, -1)), taps.view(1, 1, -1, 1))


def photo_change(photos: Tensor, change: Tensor, older: Tensor) -> Tensor:
    """What of a photo ager's change is added to photos, all `[N, 3, R, R]` of -1..1.

    Its light, a little stronger (`PHOTO_GAIN`), and a share of its colour (`PHOTO_COLOUR`). Where a
    face grows older, `older` `[N]`, it is light alone, and of lines more than of shading.
    """
    light = luma(change)
    shading = shading_of(light)

    def either(if_older: float, if_younger: float) -> Tensor:
        return torch.where(older, if_older, if_younger).to(light)[:, None, None, None]

    lines = either(OLDER_LINES, PHOTO_GAIN) * (light - shading)
    added = lines + either(OLDER_SHADING, PHOTO_GAIN) * shading
    return lit(photos, added) + either(0.0, PHOTO_GAIN * PHOTO_COLOUR) * (change - light)


def lit(photos: Tensor, light: Tensor) -> Tensor:
    """What makes photos `[N, 3, R, R]` of -1..1 lighter by `light` `[N, 1, R, R]`, to be added.

    It has the colours that the face itself takes from shade to light: under a warm lamp, in the
    sun's gleam and on dark skin they differ. As much grey, or as much of the skin's own colour,
    makes patches of skin orange on some photos and grey or blue on others.
    """
    return light * (1 + _tint(photos))


def _tint(photos: Tensor) -> Tensor:
    """How the colours of faces (RGB less luma) change with their light, `[N, 3, 1, 1]`.

    A regression on the pixels of the face, in which those far from it (lips, brows, a fringe)
    count less and less (iteratively reweighted least squares, weights after Cauchy).
    """
    inside = oval_mask(photos.shape[-1]).to(photos)
    lights = luma(photos)
    colours = photos - lights
    weights = inside.expand_as(lights)
    slope = photos.new_zeros(len(photos), 3, 1, 1)
    for _ in range(TINT_ROUNDS):
        weights = weights / weights.sum((2, 3), keepdim=True)
        shade, colour = (
            values - (weights * values).sum((2, 3), keepdim=True) for values in (lights, colours)
        )
        spread = (weights * shade.square()).sum((2, 3), keepdim=True)
        slope = (weights * shade * colour).sum((2, 3), keepdim=True) / (spread + LEAST_SPREAD)
        away = (colour - slope * shade).square().sum(1, keepdim=True)
        typical = (weights * away).sum((2, 3), keepdim=True)
        weights = inside / (1 + away / (typical + LEAST_SPREAD))
    return slope


def photo_mask(eyes: Tensor) -> Tensor:
    """Where a photo ager's change is added, `[1, 1, R, R]`: the face without `eyes` `[R, R]`."""
    return oval_mask(len(eyes)).to(eyes) * (1 - eyes)


def photo_ager_of(direction: object) -> NeuralAger | None:
    """What moves faces along age, where that ages pictures of them and not their codes."""
    if isinstance(direction, NeuralAger) and direction.photo is not None:
        return direction
    return None


@dataclass(frozen=True, eq=False)
class PictureAger:
    """SAM's ager: it looks at the face's picture with the age asked for, and offsets the code.

    A face at its own age stays as it is: what counts is by how much the offsets of the two ages
    differ. `codes` are SAM's own.
    """

    network: StyleEncoder  # of four channels, frozen
    generator: AnyGenerator  # shows the codes of which there is no picture
    generator_hash: str
    name: str = "age"
    colour: float = 1.0  # share of the change's colour that is pasted; its light always is
    span: tuple[float, float] = (0.0, 100.0)  # years that it was trained for
    report: dict[str, Any] = field(default_factory=dict)  # how it was made, how good it is
    picture: Tensor | None = None  # [1, 3, R, R] that it looks at; None: what the code shows

    def to(self, device: torch.device) -> PictureAger:
        """Move its network there; returns itself."""
        self.network.to(device)
        return self

    def check(self, generator_hash: str, num_ws: int, w_dim: int) -> None:
        """Raise LatentError unless it belongs to that generator."""
        _check(self, generator_hash, num_ws, w_dim)

    def seeing(self, picture: Tensor) -> PictureAger:
        """The same one, looking at a picture `[1, 3, R, R]` of the face."""
        return replace(self, picture=picture)

    def allowed(self, ws: Tensor, own: float) -> tuple[float, float]:
        """Lowest and highest strength for a face of `own` years."""
        return min(self.span[0] - own, 0.0) / 10, max(self.span[1] - own, 0.0) / 10

    @torch.no_grad()
    def moved(self, ws: Tensor, strengths: Tensor, own: float) -> Tensor:
        """Codes `[1, num_ws, w_dim]` moved by strengths `[N]`, decades from the own age."""
        picture = self.generator.synthesize(ws)[:, :3] if self.picture is None else self.picture
        ages = own + 10 * torch.cat([strengths.to(ws), torch.zeros(1).to(ws)])
        offsets = self.offsets(picture, ages)
        return ws + (offsets[:-1] - offsets[-1:])

    @torch.no_grad()
    def codes(self, picture: Tensor, start: Tensor, ages: Tensor) -> Tensor:
        """SAM's codes of one picture at ages `[N]`, from the code `[1, num_ws, w_dim]` of its pSp.

        `encode` gives that code.
        """
        return start + self.offsets(picture, ages)

    def offsets(self, picture: Tensor, ages: Tensor) -> Tensor:
        """What the network adds to the code of one picture at ages `[N]`."""
        seen = pooled(picture, self.network.config.resolution)
        return self.network(with_age(seen.expand(len(ages), -1, -1, -1), ages))


AnyAger = NeuralAger | PictureAger


def _check(ager: AnyAger, generator_hash: str, num_ws: int, w_dim: int) -> None:
    config = ager.network.config
    if (config.num_ws, config.w_dim) != (num_ws, w_dim):
        raise LatentError(
            f"the ager {ager.name} takes codes {[config.num_ws, config.w_dim]}, this model's "
            f"are {[num_ws, w_dim]}; choose the model it was made for"
        )
    if ager.generator_hash != generator_hash:
        raise LatentError(
            f"the ager {ager.name} belongs to the generator {ager.generator_hash[:12]}, this "
            f"one is {generator_hash[:12]}; train a new one with: reage train ager"
        )


def picture_ager(model: Model) -> PictureAger:
    """The ager that came with a model's foreign file, in memory."""
    assert model.ager is not None, f"{model.config.name} brought no ager"
    source = f"{model.config.name}: its ager"
    network = make_style_encoder(model.ager.settings, model.ager.tensors, model.generator, source)
    return PictureAger(network, model.generator, model.generator_hash)


def save_ager(ager: AnyAger, path: Path) -> Path:
    """Write an ager as safetensors with all that is known of it; atomic.

    reage's own in float16; what another program trained keeps its float32.
    """
    own = isinstance(ager, NeuralAger)
    dtype = torch.float16 if own else torch.float32
    tensors = {k: v.to(dtype).contiguous() for k, v in ager.network.state_dict().items()}
    photo = ager.photo if isinstance(ager, NeuralAger) else None
    if photo is not None:
        stored = photo.state_dict().items()
        tensors |= {PHOTO + k: v.to(dtype).contiguous() for k, v in stored}
    growth = ager.growth if isinstance(ager, NeuralAger) else None
    if growth is not None:
        tensors[GROWTH] = growth.shapes.to(dtype).contiguous()
    known = {
        "kind": KIND if own else PICTURE_KIND,
        "format": FORMAT,
        "name": ager.name,
        "generator_hash": ager.generator_hash,
        "colour": ager.colour,
        "span": ager.span,
        "network": asdict(ager.network.config) if own else describe_encoder(ager.network.config),
        "report": ager.report,
    }
    if photo is not None:
        known["photo"] = asdict(photo.config)
    if growth is not None:
        known["growth"] = asdict(growth.config)
    save_tensors(path, tensors, {"ager": json.dumps(known, sort_keys=True)})
    return path


def load_ager(path: Path, generator: AnyGenerator | None = None) -> AnyAger:
    """Read an ager; LatentError where the file is none.

    An ager that looks at pictures needs the generator which it belongs to.
    """
    tensors, metadata = load_tensors(path)
    tensors = {name: tensor.float() for name, tensor in tensors.items()}
    try:
        known = json.loads(metadata["ager"])
        if known["kind"] not in (KIND, PICTURE_KIND) or known["format"] != FORMAT:
            raise LatentError(f"{path} is of another kind or format; update reage")
        low, high = (float(age) for age in known["span"])
        labels = (str(known["generator_hash"]), str(known["name"]), float(known["colour"]))
        rest: dict[str, Any] = {"span": (low, high), "report": dict(known["report"])}
        settings = dict(known["network"])
        if known["kind"] == KIND:
            network = Ager(AgerConfig(**_sizes(settings, path)))
            if "photo" in known:
                rest["photo"] = _photo_ager(dict(known["photo"]), tensors, path)
                tensors = {k: v for k, v in tensors.items() if not k.startswith(PHOTO)}
            if "growth" in known:
                rest["growth"] = _growth(dict(known["growth"]), tensors.pop(GROWTH), path)
            load_strictly(network, tensors, source=str(path))
            return NeuralAger(network.eval().requires_grad_(False), *labels, **rest)
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise LatentError(f"{path} is not an ager's file: {error}") from error
    if generator is None:
        raise LatentError(f"{path} is an ager that looks at pictures; load it with its model")
    looking = make_style_encoder(settings, tensors, generator, str(path))
    return PictureAger(looking, generator, *labels, **rest)


def _photo_ager(settings: dict[str, Any], tensors: dict[str, Tensor], path: Path) -> PhotoAger:
    check_names(asdict(PhotoAgerConfig()), settings, f"{path}: photo ager")
    widths = tuple(settings.pop("widths"))
    if not all(type(n) is int and 0 < n <= MAX_SIZE for n in (*widths, *settings.values())):
        raise LatentError(f"{path}: its photo ager has sizes that are not whole numbers above 0")
    network = PhotoAger(PhotoAgerConfig(widths=widths, **settings))
    own = {k.removeprefix(PHOTO): v for k, v in tensors.items() if k.startswith(PHOTO)}
    load_strictly(network, own, source=f"{path}: photo ager")
    return network.eval().requires_grad_(False)


def _growth(settings: dict[str, Any], shapes: Tensor, path: Path) -> Growth:
    check_names(asdict(GrowthConfig((0.0, 1.0))), settings, f"{path}: growth")
    side, ages = settings["side"], tuple(float(age) for age in settings["ages"])
    if shapes.shape != (len(ages), 2, side, side) or not all(map(math.isfinite, ages)):
        raise LatentError(f"{path}: its growth's shapes {[*shapes.shape]} do not fit its settings")
    growth = Growth(GrowthConfig(ages, side, float(settings["margin"])))
    load_strictly(growth, {"shapes": shapes}, source=f"{path}: growth")
    return growth.eval().requires_grad_(False)


def _sizes(settings: dict[str, Any], path: Path) -> dict[str, int]:
    check_names(asdict(AgerConfig(1)), settings, f"{path}: network")
    if not all(type(n) is int and 0 < n <= MAX_SIZE for n in settings.values()):
        raise LatentError(f"{path}: its network has sizes that are not whole numbers above 0")
    return settings
