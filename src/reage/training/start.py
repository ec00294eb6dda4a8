"""From a run's settings to its trainer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from reage.datasets import FaceDataset, FaceRow, open_dataset
from reage.errors import ModelError, UsageError
from reage.latents.agers import NeuralAger
from reage.latents.finding import find_direction
from reage.models.checkpoints import Model
from reage.models.encoders import load_encoder
from reage.models.pretrained import load_age_network, load_efficientnet, load_gender_network
from reage.models.registry import load as load_any_model
from reage.networks.age_judge import AgeJudge
from reage.networks.ager import Ager, AgerConfig
from reage.networks.discriminator import (
    Discriminator,
    DiscriminatorConfig,
    FeatureHeads,
    FeatureHeadsConfig,
)
from reage.networks.efficientnet import TAP_CHANNELS
from reage.networks.encoder import Encoder, EncoderConfig
from reage.networks.generator import Generator, GeneratorConfig
from reage.networks.generators import AnyGenerator
from reage.networks.identity import FeatureLikeness
from reage.networks.photo_ager import PhotoAger, PhotoAgerConfig
from reage.training.adversaries import (
    Adversary,
    NoAdversary,
    ProjectedAdversary,
    StyleganAdversary,
    at_side,
)
from reage.training.ageing import FaceNetworks
from reage.training.ager import AgerTrainer
from reage.training.configs import (
    AgerTraining,
    EncoderTraining,
    GeneratorTraining,
    PhotoAgerTraining,
)
from reage.training.critics import AgeCritics
from reage.training.data import AGE_BINS, BIN_MIDDLES, BatchSource
from reage.training.encoder import EncoderTrainer
from reage.training.generator import GeneratorTrainer
from reage.training.mapping import centre_offsets, lift, set_mapping
from reage.training.parallel import World
from reage.training.photo_ager import PhotoAgerTrainer
from reage.training.settings import AnyConfig, RunSettings

__all__ = ["AnyTrainer", "Machine", "start"]

LIKENESS_SIDE = 128
JUDGE_BATCH = 64
PHOTO_PLACES = 64  # a side at most, of a photo ager's finest maps
MAPPING_FACES = 2048  # whose codes the mapping draws like when a run with an encoder begins

AnyTrainer = GeneratorTrainer | EncoderTrainer | AgerTrainer | PhotoAgerTrainer


@dataclass(frozen=True)
class Machine:
    """Where and how precisely a run computes, among how many."""

    device: torch.device
    dtype: torch.dtype
    world: World = field(default_factory=World)


def start(settings: RunSettings, machine: Machine) -> AnyTrainer:
    """Build the trainer of a run; its networks are new or those of the run's model."""
    dataset = open_dataset(Path(settings.data))
    rows = [row for row in dataset.rows if row.split == settings.split]
    if not rows:
        splits = sorted({row.split for row in dataset.rows})
        raise UsageError(f"{settings.data} has no split {settings.split!r}; it has {splits}")
    model = None if settings.model is None else load_any_model(settings.model)
    if isinstance(settings.config, GeneratorTraining):
        return _start_generator(settings.config, dataset, rows, model, machine)
    if model is None:
        raise UsageError(f"{settings.kind}: name the model that it is trained for")
    if isinstance(settings.config, EncoderTraining):
        return _start_encoder(settings.config, dataset, rows, model, machine)
    if isinstance(settings.config, PhotoAgerTraining):
        return _start_photo_ager(settings.config, dataset, rows, model, machine)
    return _start_ager(settings.config, dataset, rows, model, machine)


def _start_generator(
    config: GeneratorTraining,
    dataset: FaceDataset,
    rows: Sequence[FaceRow],
    model: Model | None,
    machine: Machine,
) -> GeneratorTrainer:
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        generator = _new_generator(config) if model is None else _trainable(model)
        encoder = None
        if config.encoder_share:
            encoder = _encoder_of(model, generator)
        adversary = _adversary(config, generator.config, machine)
    source = _source(config, dataset, rows, generator.config.resolution, machine)
    if model is not None and encoder is not None and _own_encoder(model) is not None:
        codes, means = _real_codes(generator, encoder, source)
        centre_offsets(generator, encoder, means)
        set_mapping(generator.mapping, codes + lift(generator, codes))
    elif encoder is not None:
        lift(generator, generator.mapping.w_avg[None])
    return GeneratorTrainer(
        config,
        generator,
        encoder,
        adversary,
        load_efficientnet().to(machine.device),
        source,
        world=machine.world,
        device=machine.device,
        dtype=machine.dtype,
    )


def _new_generator(config: GeneratorTraining) -> Generator:
    layers = config.mapping_layers
    return Generator(GeneratorConfig(config.resolution, config.channels, mapping_layers=layers))


def _trainable(model: Model) -> Generator:
    """The model's generator; ModelError where it is no StyleGAN2."""
    if not isinstance(model.generator, Generator):
        raise ModelError(
            f"the generator of {model.config.name} is lucidrains' network: only StyleGAN2 can be "
            "trained; its encoder and ager can be: reage train encoder"
        )
    return model.generator


@torch.no_grad()
def _real_codes(
    generator: Generator, encoder: Encoder, source: BatchSource
) -> tuple[Tensor, Tensor]:
    """Where an encoder puts real faces in W, `[N, w_dim]`, and its mean offset at each level."""
    found, offsets = [], []
    for images in source.fixed(MAPPING_FACES).split(32):
        shift, offset = encoder.changes(images, torch.ones_like(images[:, :1]))
        found.append(generator.mapping.w_avg + shift[:, 0])
        offsets.append(offset)
    return torch.cat(found), torch.cat(offsets).mean(0)


def _adversary(config: GeneratorTraining, size: GeneratorConfig, machine: Machine) -> Adversary:
    if config.adversary == "none":
        return NoAdversary(load_efficientnet(), side=config.feature_side)
    if config.adversary == "projected":
        heads = FeatureHeads(FeatureHeadsConfig(side=config.feature_side), seed=config.seed)
        return ProjectedAdversary(
            load_efficientnet(),
            heads,
            colour_weight=config.colour_weight,
            side=config.feature_side,
            dtype=machine.dtype,
        )
    if config.stages:
        raise UsageError("the stylegan2 recipe has one size only: leave the stages out")
    network = Discriminator(DiscriminatorConfig(size.resolution, size.channels))
    return StyleganAdversary(
        network,
        r1_gamma=config.r1_gamma,
        r1_every=config.r1_every,
        ada_target=config.ada_target,
        ada_kimg=config.ada_kimg,
    )


def _start_encoder(
    config: EncoderTraining,
    dataset: FaceDataset,
    rows: Sequence[FaceRow],
    model: Model,
    machine: Machine,
) -> EncoderTrainer:
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        encoder = _encoder_of(model, model.generator)
    model.generator.to(machine.device)
    return EncoderTrainer(
        config,
        encoder,
        model.generator,
        load_efficientnet().to(machine.device),
        _likeness(model, machine),
        _source(config, dataset, rows, model.generator.config.resolution, machine),
        world=machine.world,
        device=machine.device,
        dtype=machine.dtype,
    )


def _start_ager(
    config: AgerTraining,
    dataset: FaceDataset,
    rows: Sequence[FaceRow],
    model: Model,
    machine: Machine,
) -> AgerTrainer:
    encoder = _own_encoder(model)
    if encoder is None:
        raise ModelError(
            f"the model {model.config.name} has no encoder; train one first: reage train encoder"
        )
    size = model.generator.config
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        ager = Ager(AgerConfig(size.num_ws, size.w_dim))
        critics = _critics(config, dataset, rows, machine)
    trainer = AgerTrainer(
        config,
        ager,
        model.generator.to(machine.device),
        encoder.to(machine.device),
        _face_networks(model, machine),
        critics,
        _source(config, dataset, rows, size.resolution, machine),
        world=machine.world,
        device=machine.device,
        dtype=machine.dtype,
    )
    trainer.calibrate()
    return trainer


def _start_photo_ager(
    config: PhotoAgerTraining,
    dataset: FaceDataset,
    rows: Sequence[FaceRow],
    model: Model,
    machine: Machine,
) -> PhotoAgerTrainer:
    beside = find_direction(model, None)
    if not isinstance(beside, NeuralAger):
        raise ModelError(
            f"the model {model.config.name} has no ager of reage's; train one first: "
            "reage train ager"
        )
    resolution = model.generator.config.resolution
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        ager = beside.photo or PhotoAger(_photo_ager_config(resolution))
        critics = _critics(config, dataset, rows, machine)
    return PhotoAgerTrainer(
        config,
        ager,
        beside,
        _face_networks(model, machine),
        critics,
        _source(config, dataset, rows, resolution, machine),
        world=machine.world,
        device=machine.device,
        dtype=machine.dtype,
    )


def _photo_ager_config(resolution: int) -> PhotoAgerConfig:
    return PhotoAgerConfig(resolution, patch=max(2, resolution // PHOTO_PLACES))


def _face_networks(model: Model, machine: Machine) -> FaceNetworks:
    device = machine.device
    return FaceNetworks(
        load_age_network().to(device),
        load_gender_network().to(device),
        _likeness(model, machine),
        model.config.alignment,
        machine.dtype,
    )


def _critics(
    config: AgerTraining | PhotoAgerTraining,
    dataset: FaceDataset,
    rows: Sequence[FaceRow],
    machine: Machine,
) -> AgeCritics:
    heads = FeatureHeads(FeatureHeadsConfig(classes=len(AGE_BINS)), seed=config.seed)
    judge = AgeJudge(BIN_MIDDLES, TAP_CHANNELS)
    known = [row for row in rows if row.age_range is not None]
    labelled = BatchSource(
        dataset,
        known or rows,
        JUDGE_BATCH * machine.world.size,
        machine.world,
        seed=config.seed,
        balance=config.balance,
        purpose="judge",
    )
    features = load_efficientnet().to(machine.device)
    adversary = ProjectedAdversary(
        features, heads, colour_weight=config.colour_weight, dtype=machine.dtype
    )
    return AgeCritics(
        config, adversary, judge, labelled, world=machine.world, device=machine.device
    )


def _own_encoder(model: Model) -> Encoder | None:
    found = load_encoder(model)
    if found is not None and not isinstance(found, Encoder):
        raise ModelError(
            f"the encoder of {model.config.name} is another project's, which is used as it is; "
            "train one of reage's for its generator alone"
        )
    return found


def _encoder_of(model: Model | None, generator: AnyGenerator) -> Encoder:
    """The model's encoder, or a new one that fits the generator."""
    found = None if model is None else _own_encoder(model)
    if found is not None:
        return found
    size = generator.config
    side = min(size.resolution, 128)
    # Small pictures have fewer places to halve; the last maps are always 4 places a side.
    patch = max(side // 32, 1)
    stages = max((side // patch // 4).bit_length(), 1)
    widths = EncoderConfig.channels[-stages:]
    return Encoder(
        EncoderConfig(size.num_ws, size.w_dim, side, patch, widths, EncoderConfig.blocks[-stages:])
    )


@torch.no_grad()
def _likeness(model: Model, machine: Machine) -> FeatureLikeness:
    generator = model.generator.to(machine.device)
    ws = generator.mapping.w_avg.expand(1, generator.num_ws, -1)
    average = at_side(generator.synthesize(ws)[:, :3], LIKENESS_SIDE)
    return FeatureLikeness(load_efficientnet().to(machine.device), average)


def _source(
    config: AnyConfig,
    dataset: FaceDataset,
    rows: Sequence[FaceRow],
    resolution: int,
    machine: Machine,
) -> BatchSource:
    side = dataset.read(rows[0]).shape[0]
    if side != resolution:
        raise UsageError(
            f"the dataset's crops are {side} px, the generator makes {resolution}; "
            "prepare one of that size: reage prepare --size"
        )
    return BatchSource(
        dataset, rows, config.batch, machine.world, seed=config.seed, balance=config.balance
    )
