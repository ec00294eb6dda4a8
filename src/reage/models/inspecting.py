"""What a file or folder is, said without using it; of large checkpoints nothing is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from reage.models.checkpoints import load_config
from reage.models.encoders import describe_encoder
from reage.models.families.face_networks import face_network_of
from reage.models.families.fran import is_pixel_ager, load_pixel_network
from reage.models.families.layouts import filter_keys, infer_config, key_table
from reage.models.families.psp.checkpoint import GROUPS, family_of
from reage.models.families.psp.encoder_sizes import Checkpoint, infer_encoder
from reage.models.families.rosinality import ROSINALITY
from reage.models.families.table import read_checkpoint, read_foreign
from reage.models.hub import SCHEME, pinned
from reage.models.loading import build_empty
from reage.models.registry import find_model
from reage.networks.encoders.style_encoder import StyleEncoder
from reage.networks.generators import AnyGeneratorConfig
from reage.networks.lucidrains.generator import BilinearConfig

__all__ = ["Inspection", "inspect_model"]

SHOWN = 5  # unknown keys that are named
BACKBONES = {"ir-se": "IR-SE", "resnet": "ResNet"}
READINGS = {
    "pyramid": "a head a level on three maps",
    "last": "a head a level on the last map",
    "w": "one code for all levels",
    "w+": "one layer for all levels",
}


@dataclass(frozen=True)
class Inspection:
    """What was found, line by line."""

    path: Path
    family: str  # "pSp", "SAM", "rosinality", "model folder", ...
    lines: tuple[tuple[str, str], ...]  # what, and what is known of it


def inspect_model(name: str | Path) -> Inspection:
    """Say what a model's file or folder is; ModelError where it is none that is known."""
    path = find_model(name)
    found = _inspected(path)
    if not str(name).startswith(SCHEME):
        return found
    pins = pinned(path)
    lines = [("hub", f"{pins.repository}, revision {pins.revision}, commit {pins.commit}")]
    lines += [("SHA-256", f"{sha256}  {file}") for file, sha256 in sorted(pins.sha256.items())]
    return replace(found, lines=(*lines, *found.lines))


def _inspected(path: Path) -> Inspection:
    if path.is_dir():
        return _folder(path)
    checkpoint = read_checkpoint(path)
    if checkpoint is not None:
        return _checkpoint(checkpoint, path)
    network = face_network_of(path)
    if network is not None:
        family, _, use = network.partition("; ")
        return Inspection(path, family, (("generator", "none"), ("use", use)))
    if is_pixel_ager(path):
        return _pixel_ager(path)
    found = read_foreign(path)
    lines = [("generator", _generator(found.config)), ("encoder", "none")]
    notes = [("note", note) for note in found.notes]
    return Inspection(path, found.source_format, (*lines, ("unknown keys", "none"), *notes))


def _pixel_ager(path: Path) -> Inspection:
    """An ager that works on pixels, loaded: its sizes and its use."""
    network = load_pixel_network(path, torch.device("cpu"), torch.float32)
    size = f"squares of {network.side} px" if network.side else "any size"
    colours = "[-1, 1]" if network.signed else "[0, 1]"
    lines = (
        ("generator", "none"),
        ("takes", f"{size}, colours in {colours}, both ages / 100"),
        ("gives", "what is added to the colours"),
        ("ages", f"{network.span[0]:g} to {network.span[1]:g} years"),
        ("use", f"reage edit PHOTO --to AGE --model {path}"),
    )
    return Inspection(path, network.family, lines)


def _folder(path: Path) -> Inspection:
    config = load_config(path)
    agers = sorted(file.name for file in path.glob("age.*.safetensors"))
    lines = (
        ("generator", _generator(config.generator)),
        ("encoder", _encoder(config.encoder)),
        ("ages by", ", ".join(agers) or "nothing; see: reage fit"),
        ("alignment", f"scale {config.alignment.scale:g}, shift {config.alignment.shift:g}"),
        ("data", config.data),
        ("licence", config.licence),
    )
    return Inspection(path, "model folder", lines)


def _checkpoint(checkpoint: Checkpoint, path: Path) -> Inspection:
    notes: list[str] = []
    decoder = checkpoint.groups["decoder"]
    config = infer_config(ROSINALITY, decoder, f"{path}: its decoder")
    unknown = [f"{group}.*" for group in checkpoint.groups.keys() - set(GROUPS)]
    known = {row.theirs for row in key_table(config, ROSINALITY)}.union(filter_keys(config))
    unknown += [f"decoder.{name}" for name in decoder.keys() - known]
    lines = [("generator", f"{_generator(config)}, in rosinality's layout")]
    for group in ("encoder", "pretrained_encoder"):
        settings = infer_encoder(checkpoint, group, notes)
        if settings is None:
            continue
        lines.append((group.replace("_", " "), _encoder(describe_encoder(settings))))
        make = partial(StyleEncoder, settings)
        wanted = build_empty(make, source=f"{path}: its {group}").state_dict()
        found = checkpoint.groups[group]
        unknown += [f"{group}.{name}" for name in found.keys() - wanted.keys()]
        notes += [f"lacks {group}.{name}" for name in sorted(wanted.keys() - found.keys())[:SHOWN]]
    if "hypernet" in checkpoint.groups:
        count = len(checkpoint.groups["hypernet"])
        lines.append(("hypernetwork", f"{count} tensors; its W encoder is a file of its own"))
    average = checkpoint.latent_avg
    lines.append(("latent average", "none" if average is None else f"{list(average.shape)}"))
    data = checkpoint.opts.get("dataset_type")
    lines += [("learnt from", f"{data!r:.60}")] if isinstance(data, str) else []
    lines.append(("unknown keys", _listed(unknown)))
    lines.append(("unused", _listed(checkpoint.other)))
    lines += [("note", note) for note in notes]
    return Inspection(path, family_of(checkpoint), tuple(lines))


def _generator(config: AnyGeneratorConfig) -> str:
    widths = " ".join(str(width) for width in config.channels)
    text = (
        f"{config.resolution} px, channels {widths}, {config.num_ws} levels of {config.w_dim}, "
        f"{config.mapping_layers} mapping layers"
    )
    return f"{text}, {_differences(config)}" if isinstance(config, BilinearConfig) else text


def _differences(config: BilinearConfig) -> str:
    """What sets a network of lucidrains' apart from StyleGAN2, and from its others."""
    parts = ["lucidrains' network"]
    parts += [] if config.constant else ["no constant input"]
    places = " ".join(str(size) for size in config.attention)
    parts += [f"attention before {places} px"] if places else []
    return ", ".join(parts)


def _encoder(settings: Mapping[str, Any] | None) -> str:
    if settings is None:
        return "none"
    if settings["kind"] not in list(BACKBONES):  # a folder's may be anything
        return f"{settings['kind']}, {settings.get('resolution')} px"
    rows = f" (the middle {settings['rows']} rows)" if "rows" in settings else ""
    parts = [
        f"{BACKBONES[settings['kind']]} of {sum(settings['units'])} blocks",
        f"{settings['input_channels']} channels of {settings['resolution']} px{rows}",
        READINGS[settings["reading"]],
    ]
    parts += ["offsets to the first"] if settings["progressive"] else []
    parts += [f"{settings['iterations']} passes"] if settings["iterations"] > 1 else []
    return ", ".join(parts)


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(sorted(names)[:SHOWN]) + more if names else "none"
