"""Pivotal tuning: tune the generator to one face and store the small difference.

Roich et al., "Pivotal Tuning for Latent-based Editing of Real Images" (2021): the code stays, the
weights move a little until the picture is the photo's. Only the convolutions and toRGB layers
from `first_resolution` up move, so what the coarse layers know of faces stays as it was, and the
difference is a few megabytes instead of a generator.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from reage.errors import LatentError, ModelError
from reage.inversion.adam import Adam
from reage.inversion.projection import masked_psnr
from reage.models.files import load_tensors, save_tensors, tensor_hash, write_file
from reage.networks.generators import AnyGenerator
from reage.networks.judges.perceptual import PerceptualDistance, masked_mse

__all__ = [
    "TuneConfig",
    "Tuned",
    "TunedCode",
    "apply_difference",
    "load_tuned",
    "save_tuned",
    "tune",
]

PIVOT = "pivot"
TUNED = ("weight", "bias")  # of conv0, conv1 and torgb; the affines and the noise stay


@dataclass(frozen=True)
class TuneConfig:
    """Options of `tune`."""

    step: int = 100  # steps of Adam on the weights
    lr: float = 2e-3
    mse_weight: float = 5.0
    first_resolution: int = 32  # layers below stay
    locality_weight: float = 0.1  # keeps the pictures of other codes as they were (section 3.3)
    seed: int = 0  # of those codes


@dataclass(frozen=True, eq=False)
class Tuned:
    """The result of tuning."""

    difference: dict[str, Tensor]  # parameter name -> change
    image: Tensor  # [1, 3, R, R] of the pivot
    psnr: float  # dB under the mask
    steps: int


@dataclass(frozen=True, eq=False)
class TunedCode:
    """A code, and the change of the generator that makes it show its photo."""

    ws: Tensor  # [1, num_ws, w_dim] the pivot
    difference: dict[str, Tensor]  # parameter name -> change

    @property
    def sha256(self) -> str:
        """Of all tensors, whatever the file's layout is."""
        return tensor_hash({PIVOT: self.ws, **self.difference})


def tune(
    generator: AnyGenerator,
    target: Tensor,
    mask: Tensor,
    ws: Tensor,
    perceptual: PerceptualDistance,
    config: TuneConfig | None = None,
) -> Tuned:
    """Tune a copy of the generator until `ws` shows `target`.

    `target` `[1, C, R, R]` in [-1, 1], `mask` `[1, 1, R, R]`, `ws` `[1, num_ws, w_dim]`.
    """
    config = config or TuneConfig()
    bent = copy.deepcopy(generator)
    names = tuned_names(bent, config.first_resolution)
    parameters = dict(bent.named_parameters())
    moving = [parameters[name].requires_grad_() for name in names]
    optimizer = Adam(moving)
    rng = torch.Generator().manual_seed(config.seed)
    for _ in range(config.step):
        images = bent.synthesize(ws)
        mse = masked_mse(images, target, mask)
        loss = perceptual(images[:, :3], target[:, :3], mask) + config.mse_weight * mse
        z = torch.randn(1, generator.config.z_dim, generator=rng).to(ws)
        near = ws + 0.3 * (generator.map(z) - ws)  # between the face and somebody else
        with torch.no_grad():
            before = generator.synthesize(near)
        locality = (bent.synthesize(near) - before).square().mean()
        (loss.sum() + config.locality_weight * locality).backward()
        optimizer.step(config.lr)
    with torch.no_grad():
        image = bent.synthesize(ws)
        psnr = float(masked_psnr(masked_mse(image, target, mask))[0])
        original = dict(generator.named_parameters())
        difference = {name: parameters[name].detach() - original[name] for name in names}
    return Tuned(difference, image[:, :3], psnr, config.step)


def tuned_names(generator: AnyGenerator, first_resolution: int) -> list[str]:
    """Names of the parameters that tuning moves."""
    names = []
    for resolution in generator.config.block_resolutions:
        if resolution < first_resolution:
            continue
        for layer in ("conv0", "conv1", "torgb"):
            names += [f"synthesis.b{resolution}.{layer}.{leaf}" for leaf in TUNED]
    known = dict(generator.named_parameters())
    return [name for name in names if name in known]


def apply_difference(generator: AnyGenerator, difference: dict[str, Tensor]) -> AnyGenerator:
    """Return a frozen copy of the generator with a difference added."""
    bent = copy.deepcopy(generator)
    parameters = dict(bent.named_parameters())
    with torch.no_grad():
        for name, change in difference.items():
            if name not in parameters or parameters[name].shape != change.shape:
                raise LatentError(f"the tuning moves {name}, which this generator does not have")
            parameters[name].add_(change.to(parameters[name]))
    return bent.requires_grad_(False)


def save_tuned(
    path: Path,
    tuned: Tuned,
    ws: Tensor,
    generator_hash: str,
    write: Callable[[Path, bytes], None] = write_file,
) -> None:
    """Write a pivot and the difference that belongs to it, in half precision."""
    halves = {name: change.half() for name, change in tuned.difference.items()}
    metadata = {"kind": "reage-tuning", "generator_hash": generator_hash}
    save_tensors(path, {PIVOT: ws.float(), **halves}, metadata, write=write)


def load_tuned(path: Path, generator_hash: str) -> TunedCode:
    """Read a tuned code; LatentError where it belongs to another generator."""
    try:
        tensors, metadata = load_tensors(path)
    except ModelError as error:
        raise LatentError(str(error)) from error
    known = metadata.get("kind"), metadata.get("generator_hash")
    if known != ("reage-tuning", generator_hash):
        raise LatentError(
            f"{path} is not a tuning of this generator; make one: reage project --tune"
        )
    if PIVOT not in tensors:
        raise LatentError(f"{path} holds no code; make it again: reage project --tune")
    floats = {name: tensor.float() for name, tensor in tensors.items()}
    pivot = floats.pop(PIVOT)
    if pivot.ndim != 3 or len(pivot) != 1 or not pivot.isfinite().all():
        raise LatentError(f"{path}: its code is {list(pivot.shape)}, not [1, num_ws, w_dim]")
    return TunedCode(pivot, floats)
