"""Build the trainer of a removal network; write a folder of skin detail with it."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch
from torch import nn

from reage.compositing.detail_bank import INDEX, read_bank
from reage.errors import ModelError
from reage.files import name_errors, new_folder
from reage.models.files import save_tensors
from reage.models.pretrained import (
    BEARD_REMOVAL,
    DETAIL,
    SKIN_REMOVAL,
    load_beard_removal,
    load_skin_removal,
    removal_file,
)
from reage.networks.agers.skin_removal import BeardRemovalNetwork, SkinRemovalNetwork
from reage.training.configs import BeardRemovalTraining, RemovalTraining
from reage.training.parts import EMBEDDED, Machine, network_card
from reage.training.removal.beards import BeardPairs
from reage.training.removal.frames import frames_of
from reage.training.removal.pairs import SkinPairs
from reage.training.removal.trainer import RemovalTrainer
from reage.training.settings import RunSettings

__all__ = ["export_detail", "start_removal"]

FRAMES = "frames.safetensors"  # of a run: its heads on the canonical face


def start_removal(
    config: RemovalTraining, settings: RunSettings, machine: Machine, run: Path | None
) -> RemovalTrainer:
    """Build the trainer; its heads are laid out once for a `run` folder.

    The network is new, or that of the folder of skin detail that the settings name. Raises
    UsageError where heads are missing, and ModelError where that folder is none.
    """
    folder = _folder_of(settings)
    bank = read_bank(folder)
    frames = frames_of(Path(settings.data), bank.canonical, None if run is None else run / FRAMES)
    beards = isinstance(config, BeardRemovalTraining)
    pairs = BeardPairs(frames, bank.canonical, config) if beards else SkinPairs(frames, config)
    if settings.model is not None:
        network = load_beard_removal(folder) if beards else load_skin_removal(folder)
    else:
        with torch.random.fork_rng():
            torch.manual_seed(config.seed)
            network = BeardRemovalNetwork() if beards else SkinRemovalNetwork()
    return RemovalTrainer(
        settings.kind,
        config,
        network,
        pairs,
        world=machine.world,
        device=machine.device,
        dtype=machine.dtype,
    )


def export_detail(
    trainer: RemovalTrainer, settings: RunSettings, folder: Path, *, kimg: float
) -> None:
    """Write a folder of skin detail: the bank and the networks of the one begun from, and the new.

    Raises ModelError where it cannot be written.
    """
    base = _folder_of(settings)
    beards = isinstance(trainer.config, BeardRemovalTraining)
    trained, other = (BEARD_REMOVAL, SKIN_REMOVAL) if beards else (SKIN_REMOVAL, BEARD_REMOVAL)
    with name_errors(folder, ModelError), new_folder(folder) as staged:
        for file in [base / INDEX, *base.glob("*.webp"), removal_file(base, other)]:
            shutil.copyfile(file, staged / file.name)
        save_tensors(staged / trained, _halved(trainer.average))
        card = network_card("Skin detail", settings, kimg)
        (staged / "README.md").write_text(card, encoding="utf-8")


def _halved(network: nn.Module) -> dict:
    return {name: value.half().cpu() for name, value in network.state_dict().items()}


def _folder_of(settings: RunSettings) -> Path:
    return DETAIL if settings.model in (None, EMBEDDED) else Path(settings.model)
