"""From a trainer to a model folder."""

from __future__ import annotations

import copy
import shutil
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

from reage.agers.direction_files import SUFFIX, load_direction, save_direction
from reage.agers.files import StoredAger, save_ager
from reage.agers.finder import AGE_AGER, read_stored_ager
from reage.errors import ModelError
from reage.files import name_errors, new_folder
from reage.fitting.people import PEOPLE, model_people, save_people
from reage.models.checkpoints import (
    CARD_FILE,
    Alignment,
    Model,
    ModelConfig,
    Part,
    load_model,
    save_model,
    seal,
)
from reage.models.discriminators import describe_discriminator, load_discriminator
from reage.models.encoders import describe_encoder
from reage.models.registry import load as load_any_model
from reage.networks.stylegan2.discriminator import Discriminator
from reage.training.agers.latent_ager import AgerTrainer
from reage.training.agers.photo_ager import PhotoAgerTrainer
from reage.training.occlusion.start import export_occlusion
from reage.training.occlusion.trainer import OcclusionTrainer
from reage.training.removal.start import export_detail
from reage.training.removal.trainer import RemovalTrainer
from reage.training.settings import RunSettings
from reage.training.start import AnyTrainer
from reage.training.stylegan2.encoder import EncoderTrainer
from reage.training.stylegan2.generator import GeneratorTrainer
from reage.training.stylegan2.mapping import rebase

__all__ = ["export_model"]


def export_model(trainer: AnyTrainer, settings: RunSettings, folder: Path, *, kimg: float) -> None:
    """Write the averaged weights as a model folder that every command takes.

    Those of removal networks make a folder of skin detail, that of an occlusion network one for
    `--occlusion`.
    """
    if isinstance(trainer, RemovalTrainer):
        export_detail(trainer, settings, folder, kimg=kimg)
        return
    if isinstance(trainer, OcclusionTrainer):
        export_occlusion(trainer, settings, folder, kimg=kimg)
        return
    base = None if settings.model is None else load_any_model(settings.model)
    if isinstance(trainer, AgerTrainer | PhotoAgerTrainer):
        assert base is not None
        _export_ager(_ager_of(trainer, base, kimg), base, folder)
        return
    if isinstance(trainer, EncoderTrainer):
        generator, encoder = trainer.average_generator, trainer.average
    else:
        generator, encoder = trainer.average, trainer.average_encoder
        if encoder is not None and not trainer.config.keeps_codes:
            generator, encoder = copy.deepcopy(generator), copy.deepcopy(encoder)
            rebase(generator, encoder)
    alignment = Alignment(settings.scale, settings.shift)
    config = ModelConfig(
        name=folder.parent.name,
        generator=generator.config,
        alignment=alignment if base is None else base.config.alignment,
        encoder=None if encoder is None else describe_encoder(encoder.config),
        data=settings.about or _data_of(settings, base),
        licence=settings.licence or _licence_of(base),
        metrics=_metrics(trainer, base, kimg),
    )
    save_model(
        config,
        generator,
        folder,
        card=_card(config, settings, kimg),
        encoder=None if encoder is None else encoder.state_dict(),
        discriminator=_discriminator_of(trainer, base),
        significant_bits=trainer.config.significant_bits,
        add=None if base is None or not trainer.config.keeps_codes else partial(_keep_beside, base),
        overwrite=True,
    )


def _keep_beside(base: Model, folder: Path) -> None:
    """If codes are unchanged, copy what depends on them: ager, directions, people."""
    if base.folder is None:  # the contents of a foreign file belong to that file
        return
    made = load_model(folder).generator_hash
    for file in sorted(base.folder.glob(f"*{SUFFIX}")):
        direction = load_direction(file)
        if direction.generator_hash == base.generator_hash:
            save_direction(replace(direction, generator_hash=made), folder / file.name)
    ager = read_stored_ager(base)
    if isinstance(ager, StoredAger):
        save_ager(replace(ager, generator_hash=made), folder / AGE_AGER)
    people = model_people(base)
    if people is not None:
        save_people(replace(people, generator_hash=made), folder / PEOPLE)


def _data_of(settings: RunSettings, base: Model | None) -> str:
    """Describe the training data, that of the base model first."""
    folder = Path(settings.data).name
    return folder if base is None else f"{base.config.data}; then {folder}"


def _licence_of(base: Model | None) -> str:
    # The data of this run may ask for more than the base's licence does.
    return "unknown" if base is None else f"unknown (begun from {base.config.licence})"


def _metrics(
    trainer: GeneratorTrainer | EncoderTrainer, base: Model | None, kimg: float
) -> dict[str, float]:
    """Return the thousands of pictures that each network trained on, including the base's."""
    if isinstance(trainer, EncoderTrainer):
        of, learnt = "encoder_kimg", kimg
    else:
        of, learnt = "kimg", _learned_kimg(trainer, kimg)
    before = {}
    if base is not None:
        names = [name for name in base.config.metrics if name.endswith("kimg")]
        before = {name: base.config.kimg(name) for name in names}
    made = {of: round(before.get(of, 0.0) + learnt, 1)}
    if not trainer.config.keeps_codes:  # the other networks no longer fit
        before = {name: value for name, value in before.items() if name == "kimg"}
    return before | made


def _learned_kimg(trainer: GeneratorTrainer | PhotoAgerTrainer, kimg: float) -> float:
    """Return thousands of pictures after the head start, in which only the critics learn."""
    return max(kimg - trainer.config.head_start_kimg, 0.0)


def _discriminator_of(
    trainer: GeneratorTrainer | EncoderTrainer, base: Model | None
) -> Part | None:
    """Return the networks that a further training of the generator can continue from."""
    found = None
    if isinstance(trainer, GeneratorTrainer):
        network = trainer.adversary.network
        found = network if isinstance(network, Discriminator) else None
    elif base is not None:
        found = load_discriminator(base)
    return None if found is None else describe_discriminator(found)


def _ager_of(trainer: AgerTrainer | PhotoAgerTrainer, base: Model, kimg: float) -> StoredAger:
    """The trained ager with what is stored beside it: the one of photos, or the one of codes."""
    report: dict[str, Any] = {"kimg": round(kimg, 1), "trainer": asdict(trainer.config)}
    if isinstance(trainer, PhotoAgerTrainer):
        report["kimg"] = round(trainer.begun_kimg + _learned_kimg(trainer, kimg), 1)
        ager = trainer.beside
        return replace(
            ager,
            photo=trainer.average,
            growth=trainer.growth,
            report={**ager.report, "photo": report},
        )
    span = (trainer.config.youngest, trainer.config.oldest)
    ager = StoredAger(
        trainer.average, base.generator_hash, colour=trainer.config.colour, span=span, report=report
    )
    begun = trainer.begun
    if begun is None:
        return ager
    report["kimg"] = round(kimg + begun.report.get("kimg", 0.0), 1)
    if begun.photo is not None and "photo" in begun.report:
        report["photo"] = begun.report["photo"]
    return replace(ager, photo=begun.photo, growth=begun.growth)


def _export_ager(ager: StoredAger, base: Model, folder: Path) -> None:
    """Return the base model with its new ager; its generator, and so the rest, is unchanged."""
    if base.folder is None:
        raise ModelError(
            f"{base.config.name} is not a model folder; convert it first: reage convert"
        )
    with name_errors(folder, ModelError), new_folder(folder) as staged:
        for file in [base.folder / CARD_FILE, *base.folder.glob("*.safetensors")]:
            if file.is_file():
                shutil.copyfile(file, staged / file.name)
        save_ager(ager, staged / AGE_AGER)
        seal(staged, replace(base.config, name=folder.parent.name))


def _card(config: ModelConfig, settings: RunSettings, kimg: float) -> str:
    return (
        f"# {config.name}\n\nTrained with `reage train {settings.kind}`: {kimg:.1f} thousand "
        f"pictures, {config.generator.resolution} px. Data: {config.data}. "
        f"Licence: {config.licence}. The run's config.json says with which settings.\n"
    )
