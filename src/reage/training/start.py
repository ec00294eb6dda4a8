"""From settings to a trainer, and from a trainer to a model folder."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from reage.datasets import FaceDataset, FaceRow, open_dataset
from reage.errors import ModelError, UsageError
from reage.latents.agers import NeuralAger, save_ager
from reage.models.checkpoints import (
    ENCODER_FILE,
    Alignment,
    Model,
    ModelConfig,
    save_model,
    seal,
)
from reage.models.encoders import describe_encoder, load_encoder
from reage.models.files import write_file
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
from reage.networks.identity import FeatureLikeness
from reage.training.adversaries import (
    Adversary,
    NoAdversary,
    ProjectedAdversary,
    StyleganAdversary,
    at_side,
)
from reage.training.ager import AgerNetworks, AgerTrainer
from reage.training.configs import (
    AdamSettings,
    AgerTraining,
    EncoderTraining,
    GeneratorTraining,
)
from reage.training.data import AGE_BINS, BIN_MIDDLES, BatchSource
from reage.training.encoder import EncoderTrainer
from reage.training.generator import GeneratorTrainer
from reage.training.mapping import centre_offsets, lift, rebase, set_mapping
from reage.training.parallel import World

__all__ = [
    "AGER_FILE",
    "AnyTrainer",
    "Machine",
    "RunSettings",
    "export_model",
    "open_run",
    "read_settings",
    "start",
]

CONFIG_FILE = "config.json"
AGER_FILE = "age.ager.safetensors"
CONFIGS = {"generator": GeneratorTraining, "encoder": EncoderTraining, "ager": AgerTraining}
LIKENESS_SIDE = 128
JUDGE_BATCH = 64
MAPPING_FACES = 2048  # whose codes the mapping draws like when a run with an encoder begins

AnyTrainer = GeneratorTrainer | EncoderTrainer | AgerTrainer
AnyConfig = GeneratorTraining | EncoderTraining | AgerTraining


@dataclass(frozen=True)
class RunSettings:
    """What a run folder's config.json says: all that decides what comes out."""

    kind: str  # generator, encoder or ager
    config: AnyConfig
    data: str  # folder of the dataset
    split: str = "train"
    model: str | None = None  # what the run begins from; None: nothing
    scale: float = 0.70  # of the dataset's crops, where no model says it
    shift: float = 0.22
    kimg: float = 600.0
    licence: str = "unknown"  # of the weights that come out
    about: str = "unknown"  # the data, in words
    version: str = "unknown"  # of reage


@dataclass(frozen=True)
class Machine:
    """Where and how precisely a run computes, among how many."""

    device: torch.device
    dtype: torch.dtype
    world: World = field(default_factory=World)


def open_run(folder: Path, settings: RunSettings | None) -> RunSettings:
    """Write a new run's settings, or read those of a run that goes on (`settings` None)."""
    file = folder / CONFIG_FILE
    if settings is None:
        return read_settings(folder)
    if file.exists():
        raise UsageError(f"{folder} holds a run already: add --resume to go on, or name another")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ModelError(f"cannot make the folder {folder}: {error.strerror}") from error
    write_file(file, (json.dumps(asdict(settings), indent=2) + "\n").encode())
    return settings


def read_settings(folder: Path) -> RunSettings:
    """Read a run folder's settings; ModelError where they are none."""
    file = folder / CONFIG_FILE
    if not file.is_file():
        raise ModelError(f"{folder} is no run folder: it has no {CONFIG_FILE}")
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        return RunSettings(**(data | {"config": _config(data["kind"], data["config"])}))
    except (ValueError, TypeError, KeyError) as error:
        raise ModelError(f"{file} does not describe a run of this version: {error}") from error


def _config(kind: str, data: dict[str, Any]) -> AnyConfig:
    values: dict[str, Any] = {}
    for name, value in data.items():
        if isinstance(value, dict):
            value = AdamSettings(**value)
        elif isinstance(value, list):
            value = tuple(tuple(item) if isinstance(item, list) else item for item in value)
        values[name] = value
    return CONFIGS[kind](**values)


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
        if model is not None:
            generator = model.generator
        else:
            generator = Generator(
                GeneratorConfig(
                    config.resolution, config.channels, mapping_layers=config.mapping_layers
                )
            )
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
    device = machine.device
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        ager = Ager(AgerConfig(size.num_ws, size.w_dim))
        heads = FeatureHeads(FeatureHeadsConfig(classes=len(AGE_BINS)), seed=config.seed)
        judge = AgeJudge(BIN_MIDDLES, TAP_CHANNELS)
    model.generator.to(device)
    features = load_efficientnet().to(device)
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
    trainer = AgerTrainer(
        config,
        ager,
        AgerNetworks(
            model.generator,
            encoder.to(device),
            load_age_network().to(device),
            load_gender_network().to(device),
            _likeness(model, machine),
            model.config.alignment,
            machine.dtype,
        ),
        ProjectedAdversary(
            features, heads, colour_weight=config.colour_weight, dtype=machine.dtype
        ),
        judge,
        _source(config, dataset, rows, size.resolution, machine),
        labelled,
        world=machine.world,
        device=device,
        dtype=machine.dtype,
    )
    trainer.calibrate()
    return trainer


def _own_encoder(model: Model) -> Encoder | None:
    found = load_encoder(model)
    if found is not None and not isinstance(found, Encoder):
        raise ModelError(
            f"the encoder of {model.config.name} is another project's, which is used as it is; "
            "train one of reage's for its generator alone"
        )
    return found


def _encoder_of(model: Model | None, generator: Generator) -> Encoder:
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


def export_model(trainer: AnyTrainer, settings: RunSettings, folder: Path, *, kimg: float) -> None:
    """Write the averaged weights as a model folder that every command takes."""
    base = None if settings.model is None else load_any_model(settings.model)
    if isinstance(trainer, AgerTrainer):
        assert base is not None
        _export_ager(trainer, base, folder, kimg)
        return
    if isinstance(trainer, EncoderTrainer):
        generator, encoder = trainer.average_generator, trainer.average
    else:
        generator, encoder = trainer.average, trainer.average_encoder
        if encoder is not None:
            generator, encoder = copy.deepcopy(generator), copy.deepcopy(encoder)
            rebase(generator, encoder)
    metrics = {"kimg": round(kimg, 1)}
    alignment = Alignment(settings.scale, settings.shift)
    config = ModelConfig(
        name=folder.parent.name,
        generator=generator.config,
        alignment=alignment if base is None else base.config.alignment,
        encoder=None if encoder is None else describe_encoder(encoder.config),
        data=settings.about,
        licence=settings.licence,
        metrics=metrics,
    )
    save_model(
        config,
        generator,
        folder,
        card=_card(config, settings, kimg),
        encoder=None if encoder is None else encoder.state_dict(),
        overwrite=True,
    )


def _export_ager(trainer: AgerTrainer, base: Model, folder: Path, kimg: float) -> None:
    """The base model with its new ager beside it."""
    if base.folder is None:
        raise ModelError(f"{base.config.name} is no model folder; convert it first: reage convert")
    staged = folder.with_name(f".{folder.name}.new")
    shutil.rmtree(staged, ignore_errors=True)
    staged.mkdir(parents=True)
    for name in ("README.md", "generator.safetensors", ENCODER_FILE):
        if (base.folder / name).is_file():
            shutil.copyfile(base.folder / name, staged / name)
    report = {"kimg": round(kimg, 1), "trainer": asdict(trainer.config)}
    span = (trainer.config.youngest, trainer.config.oldest)
    ager = NeuralAger(
        trainer.average,
        base.generator_hash,
        colour=trainer.config.colour,
        span=span,
        report=report,
    )
    save_ager(ager, staged / AGER_FILE)
    seal(staged, replace(base.config, name=folder.parent.name))
    shutil.rmtree(folder, ignore_errors=True)
    staged.rename(folder)


def _card(config: ModelConfig, settings: RunSettings, kimg: float) -> str:
    return (
        f"# {config.name}\n\nTrained with `reage train {settings.kind}`: {kimg:.1f} thousand "
        f"pictures, {config.generator.resolution} px. Data: {config.data}. "
        f"Licence: {config.licence}. The run's config.json says with which settings.\n"
    )
