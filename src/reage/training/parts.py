"""Parts shared by the starts of several trainings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from reage.datasets.face_dataset import FaceDataset, FaceRow
from reage.errors import ModelError, UsageError
from reage.models.checkpoints import Model
from reage.models.encoders import load_encoder
from reage.models.pretrained import load_efficientnet
from reage.networks.encoders.encoder import Encoder
from reage.networks.judges.likeness import FeatureLikeness
from reage.training.loop.data import BatchSource
from reage.training.loop.parallel import World
from reage.training.settings import FaceTraining, RunSettings
from reage.training.stylegan2.adversaries import at_side

__all__ = [
    "EMBEDDED",
    "LIKENESS_SIDE",
    "Machine",
    "likeness_of",
    "network_card",
    "own_encoder",
    "source_of",
]

EMBEDDED = "embedded"  # names the packaged network or folder of skin detail
LIKENESS_SIDE = 128  # pixels of the pictures that are compared


@dataclass(frozen=True)
class Machine:
    """Where and how precisely a run computes, among how many."""

    device: torch.device
    dtype: torch.dtype
    world: World = field(default_factory=World)


def own_encoder(model: Model) -> Encoder | None:
    """The model's encoder, if it has one; ModelError where it is another project's."""
    found = load_encoder(model)
    if found is not None and not isinstance(found, Encoder):
        raise ModelError(
            f"the encoder of {model.config.name} is another project's, which is used as it is; "
            "train one of reage's for its generator alone"
        )
    return found


@torch.no_grad()
def likeness_of(model: Model, machine: Machine) -> FeatureLikeness:
    """Make the identity similarity for crops of the model's square."""
    generator = model.generator.to(machine.device)
    ws = generator.mapping.w_avg.expand(1, generator.num_ws, -1)
    average = at_side(generator.synthesize(ws)[:, :3], LIKENESS_SIDE)
    return FeatureLikeness(load_efficientnet().to(machine.device), average)


def source_of(
    config: FaceTraining,
    dataset: FaceDataset,
    rows: Sequence[FaceRow],
    resolution: int,
    machine: Machine,
    often: Tensor | None = None,
) -> BatchSource:
    """Batches of a training; UsageError where the crops have another size."""
    side = dataset.read(rows[0]).shape[0]
    if side != resolution:
        raise UsageError(
            f"the dataset's crops are {side} px, the generator makes {resolution}; "
            "prepare one of that size: reage prepare --size"
        )
    return BatchSource(
        dataset,
        rows,
        config.batch,
        machine.world,
        seed=config.seed,
        balance=config.balance,
        often=often,
    )


def network_card(title: str, settings: RunSettings, kimg: float) -> str:
    """Return the model card of a network that was trained on a table of heads."""
    data = settings.about or Path(settings.data).name
    return (
        f"# {title}\n\nTrained with `reage train {settings.kind}`: {kimg:.1f} thousand heads. "
        f"Data: {data}. Licence: {settings.licence or 'unknown'}. It began from "
        f"{settings.model or 'nothing'}. The run's config.json says with which settings.\n"
    )
