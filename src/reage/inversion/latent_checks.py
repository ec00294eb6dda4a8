"""Check codes from files against the generator that will render them."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from reage.errors import LatentError
from reage.inversion.latent_files import Z_NAME, Latents, read_latents, split_choice
from reage.models.checkpoints import Model
from reage.networks.generators import AnyGenerator

__all__ = ["Recalled", "distance", "radius", "recall_latents"]

Recalled = tuple[Latents, list[str]]  # codes, and what has to be said of them

# In radii of W. A code of Z lies about three from the average face of NVIDIA's FFHQ generator,
# optimised codes of W+ up to two; ten is no code of this generator, whatever it is.
ODD, FAR = 2.5, 10.0
SAMPLES = 256  # of z, from which the radius of W is measured


def recall_latents(model: Model, file: Path) -> Recalled:
    """Read the codes of FILE, or FILE:NAME, or FILE:NUMBER, that this model can show.

    Raises LatentError where shape, levels, space or generator are others, as far as the file says
    it or its numbers do.
    """
    path, choice = split_choice(file)
    config = model.config.generator
    found = read_latents(path, config.num_ws, config.w_dim, choice=choice)
    if found.generator_hash not in (None, model.generator_hash):
        made_by = f"{found.provenance.get('model', 'another model')} ({found.generator_hash:.12})"
        raise LatentError(
            f"{path} holds codes of {made_by}, this is {model.config.name} "
            f"({model.generator_hash[:12]}); give the --model that they were found with"
        )
    if Z_NAME.search(path.stem):
        raise LatentError(
            f"{path} is named as codes of Z, the space before the mapping; give codes of W or W+, "
            "or rename the file if they are"
        )
    return found, _remarks(found, model, path)


@torch.no_grad()
def radius(generator: AnyGenerator) -> float:
    """How far the codes of a generator's own faces lie from the average face's."""
    rng = torch.Generator().manual_seed(0)
    z = torch.randn(SAMPLES, generator.config.z_dim, generator=rng)
    average = generator.mapping.w_avg
    return float((generator.mapping(z.to(average)) - average).square().sum(1).mean().sqrt())


def distance(ws: Tensor, generator: AnyGenerator) -> float:
    """How far codes `[N, num_ws, w_dim]` lie from the average face at most, in radii of W."""
    away = (ws.to(generator.mapping.w_avg) - generator.mapping.w_avg).square().sum(2).mean(1)
    return float(away.max().sqrt()) / radius(generator)


def _remarks(found: Latents, model: Model, path: Path) -> list[str]:
    """Return unverified assumptions; LatentError if the values are not codes of this generator."""
    far = distance(found.ws, model.generator)
    if far > FAR:
        raise LatentError(
            f"{path} holds values {far:.0f} times as far from the average face as this generator's "
            "own codes: they are another generator's, or of another space (S, Z); give the --model "
            "that they were found with"
        )
    remarks = []
    if found.generator_hash is None:
        remarks.append(f"{path.name} does not name its generator; assuming {model.config.name}")
    steps = found.provenance.get("steps_of_encoder")
    if steps:
        remarks.append(f"{path.name}: {steps} steps of an encoder, only the last is used")
    if far > ODD:
        remarks.append(
            f"{path.name} lies {far:.1f} times as far from the average face as this generator's "
            "own codes; it may be another's, or of Z"
        )
    return remarks
