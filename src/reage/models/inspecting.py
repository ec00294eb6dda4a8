"""Describe a file or folder without using it; large checkpoints are not loaded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from reage.models.checkpoints import load_config
from reage.models.encoders import check_encoder
from reage.models.families.family import open_foreign
from reage.models.families.table import find_family
from reage.models.hub import SCHEME, read_pins
from reage.models.registry import find_model
from reage.models.summaries import Inspection, summarize_encoder, summarize_generator

__all__ = ["inspect_model"]


def inspect_model(name: str | Path) -> Inspection:
    """Describe a model's file or folder; ModelError if its kind is unknown."""
    path = find_model(name)
    found = _inspect(path)
    if not str(name).startswith(SCHEME):
        return found
    pins = read_pins(path)
    lines = [("hub", f"{pins.repository}, revision {pins.revision}, commit {pins.commit}")]
    lines += [("SHA-256", f"{sha256}  {file}") for file, sha256 in sorted(pins.sha256.items())]
    return replace(found, lines=(*lines, *found.lines))


def _inspect(path: Path) -> Inspection:
    if path.is_dir():
        return _folder(path)
    file = open_foreign(path)
    family = find_family(file)
    if family.describe is not None:
        return family.describe(file)
    found = family.read(file)
    lines = [("generator", summarize_generator(found.config)), ("encoder", "none")]
    notes = [("note", note) for note in found.notes]
    return Inspection(path, found.source_format, (*lines, ("unknown keys", "none"), *notes))


def _folder(path: Path) -> Inspection:
    config = load_config(path)
    if config.encoder is not None:
        check_encoder(config.encoder, config.generator, f"{path}: its encoder")
    agers = sorted(file.name for file in path.glob("age.*.safetensors"))
    lines = (
        ("generator", summarize_generator(config.generator)),
        ("encoder", summarize_encoder(config.encoder)),
        ("ages by", ", ".join(agers) or "nothing; see: reage fit"),
        ("alignment", f"scale {config.alignment.scale:g}, shift {config.alignment.shift:g}"),
        ("data", config.data),
        ("licence", config.licence),
    )
    return Inspection(path, "model folder", lines)
