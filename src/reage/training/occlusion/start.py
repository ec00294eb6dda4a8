"""Build the trainer of an occlusion network; write the folder that holds the trained one."""

from __future__ import annotations

from pathlib import Path

import torch

from reage.errors import ModelError
from reage.files import name_errors, new_folder
from reage.models.files import save_tensors
from reage.models.pretrained import OCCLUSION_FILE, load_efficientnet, load_occlusion
from reage.networks.occlusion import OcclusionDecoder
from reage.training.configs import OcclusionTraining
from reage.training.occlusion.bare_faces import faces_of
from reage.training.occlusion.trainer import OcclusionTrainer
from reage.training.parts import EMBEDDED, Machine, network_card
from reage.training.settings import RunSettings

__all__ = ["export_occlusion", "start_occlusion"]

FACES = "faces.safetensors"  # of a run: the faces of its heads
HALVED_FROM = 1000  # values, from which a tensor is written as float16


def start_occlusion(
    config: OcclusionTraining, settings: RunSettings, machine: Machine, run: Path | None
) -> OcclusionTrainer:
    """Build the trainer; its faces are cropped once for a `run` folder.

    The network is new, or that of the folder that the settings name. Raises UsageError where heads
    are missing, and ModelError where that folder is none.
    """
    if settings.model is not None:
        own = None if settings.model == EMBEDDED else Path(settings.model)
        network = load_occlusion(own).decoder
    else:
        with torch.random.fork_rng():
            torch.manual_seed(config.seed)
            network = OcclusionDecoder()
    return OcclusionTrainer(
        settings.kind,
        config,
        network,
        load_efficientnet(),
        faces_of(Path(settings.data), None if run is None else run / FACES),
        world=machine.world,
        device=machine.device,
        dtype=machine.dtype,
    )


def export_occlusion(
    trainer: OcclusionTrainer, settings: RunSettings, folder: Path, *, kimg: float
) -> None:
    """Write a folder for `--occlusion`. Raises ModelError where it cannot be written."""
    state = trainer.average.state_dict()
    tensors = {k: (t.half() if t.numel() > HALVED_FROM else t).cpu() for k, t in state.items()}
    with name_errors(folder, ModelError), new_folder(folder) as staged:
        save_tensors(staged / OCCLUSION_FILE, tensors)
        card = network_card("What covers a face", settings, kimg)
        (staged / "README.md").write_text(card, encoding="utf-8")
