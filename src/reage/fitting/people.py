"""Model the codes of real people: a Gaussian in W+, from which new people can be drawn.

The samples of a small generator's z are poor, since few of its pictures ever came from there; an
encoder's codes of real faces are where it rebuilds faces well.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from reage.datasets.face_dataset import FaceDataset, FaceRow
from reage.errors import LatentError, ModelError
from reage.images import to_tensor
from reage.inversion.variation import random_codes
from reage.models.checkpoints import Model, check_names
from reage.models.encoders import load_encoder
from reage.models.facts import Facts
from reage.models.files import load_tensors, save_tensors
from reage.models.registry import find_model

__all__ = [
    "PEOPLE",
    "People",
    "draw_codes",
    "fit_people",
    "lacks_people",
    "load_people",
    "model_people",
    "people_codes",
    "save_people",
]

PEOPLE = "people.safetensors"  # in a model's folder
KIND, FORMAT = "reage-people", 1
BATCH = 32
SPREAD = 0.8  # standard deviations: what is rare among real faces is often broken
TENSORS = {"mean": None, "components": None, "deviations": None}


@dataclass(frozen=True, eq=False)
class People:
    """A Gaussian of codes, by its principal components."""

    mean: Tensor  # [num_ws, w_dim]
    components: Tensor  # [K, num_ws, w_dim] of length 1
    deviations: Tensor  # [K] standard deviations along them
    generator_hash: str
    report: dict[str, Any] = field(default_factory=dict)  # how it was made

    def draw(self, seed: int, spread: float = SPREAD) -> Tensor:
        """Draw the code `[1, num_ws, w_dim]` of somebody who does not exist."""
        rng = torch.Generator().manual_seed(seed)
        steps = torch.randn(len(self.deviations), generator=rng) * self.deviations * spread
        return (self.mean + torch.einsum("k,kld->ld", steps, self.components))[None]

    def check(self, generator_hash: str, num_ws: int, w_dim: int) -> None:
        """Raise LatentError unless it belongs to that generator."""
        if tuple(self.mean.shape) != (num_ws, w_dim) or self.generator_hash != generator_hash:
            raise LatentError(
                f"the people's distribution belongs to the generator {self.generator_hash[:12]}, "
                f"this one is {generator_hash[:12]}; make a new one with: reage people MODEL"
            )


def model_people(model: Model) -> People | None:
    """The distribution in a model's folder; None where there is none."""
    if model.folder is None or not (model.folder / PEOPLE).is_file():
        return None
    people = load_people(model.folder / PEOPLE, sha256=model.config.sha256.get(PEOPLE))
    config = model.config.generator
    people.check(model.generator_hash, config.num_ws, config.w_dim)
    return people


def lacks_people(name: str) -> str | None:
    """Return the warning for a model without a distribution of people; None: it has one.

    Loads nothing; a model that is not there yet is fetched.
    """
    if (find_model(name) / PEOPLE).is_file():
        return None
    return (
        f"{name} has no {PEOPLE}: people are drawn from the generator's z, which varies less like "
        f"real ones; fit it with: reage people {name} --data FACES"
    )


def draw_codes(model: Model, people: People | None, seed: int) -> Tensor:
    """Draw a code `[1, num_ws, w_dim]`: of the distribution, or else of the generator's z."""
    if people is not None:
        return people.draw(seed)
    return random_codes(model.generator, 1, seed)


@torch.no_grad()
def people_codes(
    model: Model,
    dataset: FaceDataset,
    rows: Sequence[FaceRow],
    progress: Callable[[int, int], None] | None = None,
) -> Tensor:
    """Codes `[N, num_ws, w_dim]` that the model's encoder gives to real faces."""
    encoder = load_encoder(model)
    if encoder is None:
        raise ModelError(
            f"the model {model.config.name} has no encoder; train one with: reage train encoder"
        )
    codes, side = [], model.config.generator.resolution
    for begin in range(0, len(rows), BATCH):
        part = rows[begin : begin + BATCH]
        images = to_tensor(dataset.read_all(part))
        if images.shape[-1] != side:
            raise LatentError(
                f"the dataset's crops are {images.shape[-1]} px, the model takes {side}; "
                "prepare one of that size"
            )
        mask = torch.ones_like(images[:, :1])
        codes.append(encoder(images, mask, model.generator.mapping.w_avg))
        if progress is not None:
            progress(begin + len(part), len(rows))
    return torch.cat(codes)


def fit_people(
    codes: Tensor, generator_hash: str, components: int, report: dict[str, Any]
) -> People:
    """Fit a Gaussian to codes `[N, num_ws, w_dim]`, by at most N - 1 principal components."""
    count, levels, width = codes.shape
    if not 0 < components < count:
        raise LatentError(f"{components} components need more than {count} faces")
    flat = codes.double().flatten(1)
    mean = flat.mean(0)
    centred = flat - mean
    # Eigenvectors of the smaller of the two products; the largest come last.
    if count < flat.shape[1]:
        values, vectors = torch.linalg.eigh(centred @ centred.T)
        axes = vectors[:, -components:].T @ centred
    else:
        values, vectors = torch.linalg.eigh(centred.T @ centred)
        axes = vectors[:, -components:].T
    variances = values.flip(0)[:components].clamp_min(0) / (count - 1)
    axes = axes.flip(0) / axes.flip(0).norm(dim=1, keepdim=True).clamp_min(1e-30)
    total = float(centred.square().sum()) / (count - 1)
    if not total:
        raise LatentError(f"all {count} faces have the same code; give pictures of many people")
    known = {"faces": count, "variance_kept": round(float(variances.sum()) / total, 3)}
    return People(
        mean.float().view(levels, width),
        axes.float().view(components, levels, width),
        variances.sqrt().float(),
        generator_hash,
        report | known,
    )


def save_people(people: People, path: Path) -> Path:
    """Write a distribution as safetensors (float16) with all that is known of it; atomic."""
    tensors = {name: getattr(people, name).half().contiguous() for name in TENSORS}
    known = {"kind": KIND, "format": FORMAT, "generator_hash": people.generator_hash}
    text = json.dumps({**known, "report": people.report}, sort_keys=True)
    save_tensors(path, tensors, {"people": text})
    return path


def load_people(path: Path, *, sha256: str | None = None) -> People:
    """Read a distribution; LatentError or ModelError if the file is not one."""
    tensors, metadata = load_tensors(path, sha256=sha256)
    facts = Facts(metadata, "people", str(path), "a file of people")
    if (facts.known.get("kind"), facts.known.get("format")) != (KIND, FORMAT):
        raise LatentError(f"{path} is of another kind or format; update reage")
    labels = (facts.text("generator_hash"), facts.part("report"))
    check_names(TENSORS, tensors, str(path))
    mean, components, deviations = (tensors[name].float() for name in TENSORS)
    fits = mean.ndim == 2 and components.shape == (*deviations.shape, *mean.shape)
    finite = all(bool(tensor.isfinite().all()) for tensor in (mean, components, deviations))
    if not (fits and deviations.ndim == 1 and finite):
        raise LatentError(f"{path} holds tensors that do not fit together; it is damaged")
    return People(mean, components, deviations, *labels)
