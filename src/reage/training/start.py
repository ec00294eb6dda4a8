"""Build the trainer of a run from its settings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from reage.datasets.face_dataset import FaceDataset, FaceRow, open_dataset
from reage.errors import ModelError, UsageError
from reage.models.checkpoints import Model
from reage.models.discriminators import load_discriminator
from reage.models.pretrained import load_efficientnet
from reage.models.registry import load as load_any_model
from reage.networks.encoders.encoder import Encoder, EncoderConfig
from reage.networks.generators import AnyGenerator
from reage.networks.stylegan2.discriminator import (
    Discriminator,
    DiscriminatorConfig,
    FeatureHeads,
    FeatureHeadsConfig,
    TextureCritic,
)
from reage.networks.stylegan2.generator import Generator, GeneratorConfig
from reage.training.agers.latent_ager import AgerTrainer
from reage.training.agers.photo_ager import PhotoAgerTrainer
from reage.training.agers.start import start_ager, start_photo_ager
from reage.training.configs import (
    EncoderTraining,
    GeneratorTraining,
    OcclusionTraining,
    PhotoAgerTraining,
    RemovalTraining,
)
from reage.training.loop.data import BatchSource
from reage.training.occlusion.start import start_occlusion
from reage.training.occlusion.trainer import OcclusionTrainer
from reage.training.parts import Machine, likeness_of, own_encoder, source_of
from reage.training.removal.start import start_removal
from reage.training.removal.trainer import RemovalTrainer
from reage.training.settings import RunSettings
from reage.training.stylegan2.adversaries import (
    Adversary,
    NoAdversary,
    ProjectedAdversary,
    StyleganAdversary,
)
from reage.training.stylegan2.encoder import EncoderTrainer
from reage.training.stylegan2.generator import GeneratorTrainer
from reage.training.stylegan2.mapping import fold_offsets, lift, set_mapping

__all__ = ["AnyTrainer", "Machine", "start"]

MAPPING_FACES = 4096  # whose codes the mapping draws like when a run with an encoder begins

FaceTrainer = GeneratorTrainer | EncoderTrainer | AgerTrainer | PhotoAgerTrainer
AnyTrainer = FaceTrainer | RemovalTrainer | OcclusionTrainer


def start(settings: RunSettings, machine: Machine, run: Path | None = None) -> AnyTrainer:
    """Build the trainer of a run; its networks are new or those of the run's model.

    In the folder of the `run` it keeps what takes long to make again.
    """
    if isinstance(settings.config, RemovalTraining):
        return start_removal(settings.config, settings, machine, run)
    if isinstance(settings.config, OcclusionTraining):
        return start_occlusion(settings.config, settings, machine, run)
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
        heads = None if settings.heads is None else Path(settings.heads)
        return start_photo_ager(settings.config, dataset, rows, model, machine, heads, run)
    agers = None if settings.agers is None else load_any_model(settings.agers)
    return start_ager(settings.config, dataset, rows, model, machine, agers)


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
        adversary = _adversary(config, model, generator.config, machine)
    source = source_of(config, dataset, rows, generator.config.resolution, machine)
    if config.keeps_codes:  # the model's mapping draws like them
        if model is None or own_encoder(model) is None:
            raise UsageError("encoder.lr=0 keeps a model's encoder: --from a model that has one")
    elif model is not None and encoder is not None and own_encoder(model) is not None:
        codes, offsets = _real_codes(generator, encoder, source)
        fold_offsets(generator, encoder, codes, offsets)
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
        begun_kimg=0.0 if model is None else model.config.kimg(),
    )


def _new_generator(config: GeneratorTraining) -> Generator:
    layers = config.mapping_layers
    return Generator(GeneratorConfig(config.resolution, config.channels, mapping_layers=layers))


def _trainable(model: Model) -> Generator:
    """The model's generator; ModelError if it is not a StyleGAN2."""
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
    """Where an encoder puts real faces in W, `[N, w_dim]`, and their offsets from there."""
    found, offsets = [], []
    for images in source.fixed_faces(MAPPING_FACES).split(32):
        shift, offset = encoder.changes(images, torch.ones_like(images[:, :1]))
        found.append(generator.mapping.w_avg + shift[:, 0])
        offsets.append(offset)
    return torch.cat(found), torch.cat(offsets)


def _adversary(
    config: GeneratorTraining, model: Model | None, size: GeneratorConfig, machine: Machine
) -> Adversary:
    if config.adversary == "none":
        return NoAdversary(load_efficientnet(), side=config.feature_side)
    if config.adversary == "projected":
        # Before the features, which are made at random, too, where they are not at hand yet.
        heads = FeatureHeads(FeatureHeadsConfig(side=config.feature_side), seed=config.seed)
        texture = TextureCritic(classes=0) if config.texture_weight else None
        return ProjectedAdversary(
            load_efficientnet(),
            heads,
            texture,
            colour_weight=config.colour_weight,
            texture_weight=config.texture_weight,
            side=config.feature_side,
            dtype=machine.dtype,
        )
    if config.stages:
        raise UsageError("the stylegan2 recipe has one size only: leave the stages out")
    channels = config.discriminator_channels
    network = None if model is None else load_discriminator(model, required=not channels)
    if network is None or channels not in ((), network.config.channels):
        network = _new_discriminator(channels or size.channels, size.resolution)
    return StyleganAdversary(
        network,
        r1_gamma=config.r1_gamma,
        r1_every=config.r1_every,
        ada_target=config.ada_target,
        ada_kimg=config.ada_kimg,
        dtype=machine.dtype,
    )


def _new_discriminator(channels: tuple[int, ...], resolution: int) -> Discriminator:
    try:
        return Discriminator(DiscriminatorConfig(resolution, channels))
    except ValueError as error:
        raise UsageError(f"discriminator_channels: {error}") from error


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
        likeness_of(model, machine),
        source_of(config, dataset, rows, model.generator.config.resolution, machine),
        world=machine.world,
        device=machine.device,
        dtype=machine.dtype,
    )


def _encoder_of(model: Model | None, generator: AnyGenerator) -> Encoder:
    """The model's encoder, or a new one that fits the generator."""
    found = None if model is None else own_encoder(model)
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
