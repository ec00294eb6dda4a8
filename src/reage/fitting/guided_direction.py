"""Refine an age direction with the age network in the loop.

A linear fit finds what differs between people of different ages; on a small generator that moves
the age network only by a few years. Here the vector itself is optimised, over many real faces at
once, until the *pasted* pictures read as the asked ages. Left to itself such a search cheats (it
changes the light and the colours), so what it must not touch is held: the blurred picture, the
colours, the gender, the distance to the linear fit in units of how faces differ.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from reage.agers.direction import Direction, move
from reage.compositing.change import limit_tone
from reage.compositing.masks import oval_mask
from reage.compositing.view import AGE_ALIGNMENT, age_square
from reage.inversion.adam import Adam
from reage.models.checkpoints import Alignment
from reage.networks.generators import AnyGenerator
from reage.networks.judges.age import AgeNetwork
from reage.networks.judges.gender import GenderNetwork

__all__ = ["GuidedConfig", "refine_direction"]


@dataclass(frozen=True)
class GuidedConfig:
    """Options of `refine_direction`."""

    steps: int = 300  # steps of Adam
    batch: int = 8  # faces a step
    lr: float = 0.03  # in units of the codes' standard deviation along each component
    reach: float = 35.0  # years: how far from a face's own age it is sent
    colour: float = 0.25  # share of the change in colour that is pasted (`Direction.colour`)
    components: int = 200  # principal components of the codes that the vector may use
    prior_weight: float = 1e-2  # squared distance to the linear fit, in standard deviations
    light_weight: float = 150.0  # mean square of the change, averaged over 1/8 of the side
    colour_weight: float = 100.0  # mean square of the change in colour
    gender_weight: float = 2.0  # change of the gender network's probability
    held_out: float = 0.2  # fraction of the faces that the report's figures are taken on
    seed: int = 0


Progress = Callable[[int, int], None]
BEYOND = 1.3  # times the trained reach; farther on, faces bend before they age
YOUNGEST, OLDEST = 3.0, 80.0  # years that are asked for: what the age network can tell


def refine_direction(
    direction: Direction,
    generator: AnyGenerator,
    ws: Tensor,
    images: Tensor,
    age_network: AgeNetwork,
    gender_network: GenderNetwork,
    config: GuidedConfig | None = None,
    *,
    alignment: Alignment = AGE_ALIGNMENT,
    progress: Progress | None = None,
) -> Direction:
    """Refine a fitted direction on faces: codes `[N, num_ws, w_dim]`, pictures `[N, 3, R, R]`.

    `alignment` is the pictures'. One unit of strength is made to be ten years on average. The
    report gains what the direction does to faces that were held out.
    """
    config = config or GuidedConfig()
    order = torch.randperm(len(ws), generator=torch.Generator().manual_seed(config.seed))
    cut = int(len(ws) * config.held_out)
    held, kept = order[:cut], order[cut:]
    ages = torch.cat(
        [age_network.read(age_square(part, alignment))[0] for part in images.split(64)]
    ).detach()
    males = torch.cat([gender_network(part) for part in images.split(64)]).detach()
    mask = oval_mask(images.shape[-1])
    basis, spread, prior = _coordinates(direction, ws[kept], config.components)
    vector = prior.clone().requires_grad_()
    optimizer = Adam([vector])
    rng = torch.Generator().manual_seed(config.seed)
    for step in range(config.steps):
        chosen = kept[torch.randint(len(kept), (config.batch,), generator=rng)]
        offset = (torch.rand(config.batch, generator=rng) * 2 - 1) * config.reach
        asked = (ages[chosen] + offset).clamp(YOUNGEST, OLDEST)
        moved = (vector * spread) @ basis
        codes = ws[chosen] + ((asked - ages[chosen]) / 10)[:, None, None] * moved.view(
            1, *ws.shape[1:]
        )
        with torch.no_grad():
            base = generator.synthesize(ws[chosen])[:, :3]
        edited = limit_tone(base, generator.synthesize(codes)[:, :3], config.colour)
        change = (edited - base) * mask
        pasted = (images[chosen] + change).clamp(-1, 1)
        read = age_network.read(age_square(pasted, alignment))[0]
        male = gender_network(pasted)
        loss = (
            ((read - asked) / 10).abs().mean()
            + config.light_weight * _light(change)
            + config.colour_weight * _colour(change)
            + config.gender_weight * (male - males[chosen]).abs().mean()
            + config.prior_weight * (vector - prior).square().sum()
        )
        loss.backward()
        optimizer.step(config.lr * (1 - step / config.steps))
        if progress is not None:
            progress(step + 1, config.steps)
    flat = ((vector.detach() * spread) @ basis).view(ws.shape[1:])
    reach = config.reach / 10 * BEYOND
    refined = replace(direction, vector=flat, reach=reach, colour=config.colour)
    effect = _effect(
        refined, generator, ws[held], images[held], ages[held], age_network, mask, alignment
    )
    report = direction.report | {"method": "guided", "guided": effect, "steps": config.steps}
    return replace(refined, report=report)


def _light(change: Tensor) -> Tensor:
    return F.avg_pool2d(change, change.shape[-1] // 8).square().mean()


def _colour(change: Tensor) -> Tensor:
    return (change - change.mean(1, keepdim=True)).square().mean()


def _coordinates(
    direction: Direction, ws: Tensor, components: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Principal axes `[K, D]` of the codes, their spread `[K]`, the direction in these units."""
    offsets = (ws - ws.mean(0)).flatten(1)
    basis = torch.linalg.svd(offsets, full_matrices=False).Vh[: min(components, len(ws) - 1)]
    spread = (offsets @ basis.t()).std(0)
    return basis, spread, basis @ direction.vector.flatten() / spread


@torch.no_grad()
def _effect(
    direction: Direction,
    generator: AnyGenerator,
    ws: Tensor,
    images: Tensor,
    ages: Tensor,
    age_network: AgeNetwork,
    mask: Tensor,
    alignment: Alignment,
) -> dict[str, float]:
    """Return the mean change of the estimated age per strength on held-out faces, in years."""
    found = {}
    for strength in (-3.0, -1.5, 1.5, 3.0):
        parts = []
        for codes, pictures in zip(ws.split(8), images.split(8), strict=True):
            base = generator.synthesize(codes)[:, :3]
            edited = generator.synthesize(move(codes, direction, strength))[:, :3]
            change = limit_tone(base, edited, direction.colour) - base
            pasted = (pictures + change * mask).clamp(-1, 1)
            parts.append(age_network.read(age_square(pasted, alignment))[0])
        found[f"{strength:+g}"] = round(float((torch.cat(parts) - ages).mean()), 2)
    return found
