"""From settings to the trainers of agers: of codes, and of photos."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from reage.agers.files import StoredAger
from reage.agers.finder import read_stored_ager
from reage.datasets.face_dataset import FaceDataset, FaceRow
from reage.errors import ModelError
from reage.models.checkpoints import Model
from reage.models.pretrained import (
    load_age_network,
    load_age_reader,
    load_efficientnet,
    load_gender_network,
)
from reage.networks.agers.growth import Growth
from reage.networks.agers.latent_ager import Ager, AgerConfig
from reage.networks.agers.photo_ager import PhotoAger, PhotoAgerConfig
from reage.networks.judges.age_head import AgeJudge
from reage.networks.judges.efficientnet import TAP_CHANNELS
from reage.networks.stylegan2.discriminator import FeatureHeads, FeatureHeadsConfig, TextureCritic
from reage.training.agers.critics import AgeCritics, SkinCritic
from reage.training.agers.detailed_heads import heads_of
from reage.training.agers.face_networks import FaceNetworks
from reage.training.agers.glasses import wear_glasses
from reage.training.agers.growth import GROWTH, fit_growth
from reage.training.agers.latent_ager import SHOWN_FACES, AgerTrainer
from reage.training.agers.older_shapes import FINER, add_older_shapes
from reage.training.agers.paint import BesideDetail
from reage.training.agers.photo_ager import PhotoAgerTrainer
from reage.training.configs import AgerTraining, PhotoAgerTraining
from reage.training.loop.data import AGE_BINS, BIN_MIDDLES, BatchSource, bins_of, even_shares
from reage.training.parts import Machine, likeness_of, own_encoder, source_of
from reage.training.stylegan2.adversaries import ProjectedAdversary

__all__ = ["start_ager", "start_photo_ager"]

JUDGE_BATCH = 64
HEADS = "heads.safetensors"  # of a run: what was found of its sharp heads
PHOTO_PLACES = 64  # a side at most, of a photo ager's finest maps


def start_ager(
    config: AgerTraining,
    dataset: FaceDataset,
    rows: Sequence[FaceRow],
    model: Model,
    machine: Machine,
    agers: Model | None = None,
) -> AgerTrainer:
    """Make the trainer of a latent ager; it continues from that of `agers`, or of `model`.

    ModelError where the model has no encoder, or `agers` no ager for codes of its shape.
    """
    encoder = own_encoder(model)
    if encoder is None:
        raise ModelError(
            f"the model {model.config.name} has no encoder; train one first: reage train encoder"
        )
    size = model.generator.config
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        begun = _previous_ager(model, agers)
        ager = Ager(AgerConfig(size.num_ws, size.w_dim)) if begun is None else begun.network
        critics = _critics(config, dataset, rows, machine)
    trainer = AgerTrainer(
        config,
        ager,
        begun,
        model.generator.to(machine.device),
        encoder.to(machine.device),
        _face_networks(model, machine),
        critics,
        source_of(config, dataset, rows, size.resolution, machine),
        world=machine.world,
        device=machine.device,
        dtype=machine.dtype,
    )
    trainer.calibrate()
    return trainer


def _previous_ager(model: Model, agers: Model | None) -> StoredAger | None:
    """Return the ager that a training continues from, if there is one.

    It may belong to an earlier state of the generator: its code statistics are set again.
    """
    found = read_stored_ager(agers or model)
    shape = (model.generator.num_ws, model.config.generator.w_dim)
    if isinstance(found, StoredAger):
        config = found.network.config
        if (config.num_ws, config.w_dim) == shape:
            return found
    if agers is not None:
        raise ModelError(
            f"{agers.config.name} has no ager of reage's for codes of {shape[0]} x {shape[1]}, as "
            f"{model.config.name} has them; leave --agers-of out to start a new one"
        )
    return None


def start_photo_ager(
    config: PhotoAgerTraining,
    dataset: FaceDataset,
    rows: Sequence[FaceRow],
    model: Model,
    machine: Machine,
    heads: Path | None = None,
    run: Path | None = None,
) -> PhotoAgerTrainer:
    """The trainer of a photo ager; ModelError where the model has no ager of codes.

    With a table of sharp `heads` it learns beside their detail as well, and how older faces'
    shapes change; what is found of them is kept in the `run` folder.
    """
    beside = read_stored_ager(model)
    if not isinstance(beside, StoredAger):
        raise ModelError(
            f"the model {model.config.name} has no ager of reage's; train one first: "
            "reage train ager"
        )
    resolution = model.generator.config.resolution
    often = None
    if config.glasses_share:
        wearing = torch.from_numpy(wear_glasses(dataset, rows, model.config.alignment))
        often = even_shares(bins_of(rows), wearing, config.glasses_share)
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        ager = beside.photo or PhotoAger(_photo_ager_config(resolution))
        size = GROWTH if heads is None else FINER
        growth = Growth(size) if config.growth_faces else None
        skin = SkinCritic(TextureCritic(len(AGE_BINS)), config.texture, config.texture_weight)
        critics = _critics(config, dataset, rows, machine, skin, often)
    alignment = model.config.alignment
    detailed = beside_detail = None
    if heads is not None:
        detailed = heads_of(heads, ager, alignment, None if run is None else run / HEADS)
        reader = load_age_reader().to(machine.device)
        beside_detail = BesideDetail.of(detailed, reader, SHOWN_FACES)

    def shapes() -> Tensor:
        faces, seed = config.growth_faces, config.seed
        found = fit_growth(dataset, rows, alignment, faces=faces, seed=seed)
        return found if detailed is None else add_older_shapes(found, detailed)

    return PhotoAgerTrainer(
        config,
        ager,
        beside,
        growth,
        shapes,
        _face_networks(model, machine),
        critics,
        source_of(config, dataset, rows, resolution, machine, often),
        beside_detail,
        world=machine.world,
        device=machine.device,
        dtype=machine.dtype,
        begun_kimg=0.0 if beside.photo is None else _photo_kimg(beside),
    )


def _photo_kimg(ager: StoredAger) -> float:
    """Thousands of pictures that its photo ager has learnt from, where its report says so."""
    return float(ager.report.get("photo", {}).get("kimg", 0.0))


def _photo_ager_config(resolution: int) -> PhotoAgerConfig:
    return PhotoAgerConfig(resolution, patch=max(2, resolution // PHOTO_PLACES))


def _face_networks(model: Model, machine: Machine) -> FaceNetworks:
    device = machine.device
    return FaceNetworks(
        load_age_network().to(device),
        load_gender_network().to(device),
        likeness_of(model, machine),
        model.config.alignment,
        machine.dtype,
    )


def _critics(
    config: AgerTraining | PhotoAgerTraining,
    dataset: FaceDataset,
    rows: Sequence[FaceRow],
    machine: Machine,
    skin: SkinCritic | None = None,
    often: Tensor | None = None,
) -> AgeCritics:
    heads = FeatureHeads(FeatureHeadsConfig(classes=len(AGE_BINS)), seed=config.seed)
    judge = AgeJudge(BIN_MIDDLES, TAP_CHANNELS)
    known = [i for i, row in enumerate(rows) if row.age_range is not None] or range(len(rows))
    labelled = BatchSource(
        dataset,
        [rows[i] for i in known],
        JUDGE_BATCH * machine.world.size,
        machine.world,
        seed=config.seed,
        balance=config.balance,
        purpose="judge",
        often=None if often is None else often[list(known)],
    )
    features = load_efficientnet().to(machine.device)
    adversary = ProjectedAdversary(
        features, heads, colour_weight=config.colour_weight, dtype=machine.dtype
    )
    return AgeCritics(
        config, adversary, judge, labelled, skin, world=machine.world, device=machine.device
    )
