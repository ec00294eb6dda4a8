"""The parts of a pSp-like checkpoint; no tensor is loaded yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reage.models.families.layouts import drop_repeats
from reage.models.families.rosinality import LATENT_AVG
from reage.models.families.sizes import OLD_COUNTER, Group, input_channels
from reage.models.pickles.files import Held, PickledFile, check_descriptions, refuse_code
from reage.models.pickles.interpreter import Record
from reage.models.pickles.tensors import StoredTensor
from reage.networks.encoders.style_encoder import Reading

__all__ = ["GROUPS", "TYPES", "Checkpoint", "family_of", "groups_in", "open_checkpoint"]

STATE = "state_dict"
GROUPS = ("decoder", "encoder", "pretrained_encoder", "hypernet")

# What `opts.encoder_type` may say: how codes are read, and whether the first counts for all.
TYPES: Mapping[str, tuple[Reading, bool]] = {
    "GradualStyleEncoder": ("pyramid", False),
    "Encoder4Editing": ("pyramid", True),
    "BackboneEncoder": ("last", False),
    "ProgressiveBackboneEncoder": ("last", True),
    "BackboneEncoderUsingLastLayerIntoW": ("w", False),
    "BackboneEncoderUsingLastLayerIntoWPlus": ("w+", False),
    "SingleStyleCodeEncoder": ("w", False),
    "WEncoder": ("w", False),
}


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """The parts of a checkpoint; no tensor is loaded yet."""

    source: str
    file: PickledFile
    groups: dict[str, Group]  # encoder, decoder, ...: their tensors without the prefix
    opts: dict[str, Any]
    latent_avg: Held | None
    other: list[str] = field(default_factory=list)  # other keys of the file, unused


def groups_in(content: Any) -> dict[str, Group] | None:
    """The tensors of each network of a checkpoint; None where a file is of another kind."""
    state = content.get(STATE) if isinstance(content, dict) else None
    if not isinstance(state, dict):
        return None
    groups: dict[str, Group] = {}
    for name, tensor in state.items():
        group, dot, rest = str(name).partition(".")
        if dot and isinstance(tensor, StoredTensor) and not rest.endswith(OLD_COUNTER):
            groups.setdefault(group, {})[rest] = tensor
    return groups if "decoder" in groups and groups.keys() & {"encoder", "hypernet"} else None


def open_checkpoint(file: PickledFile, path: Path) -> Checkpoint | None:
    """Split a torch file into its parts; None if it is of another kind.

    Raises ModelError if it would import anything that weights do not need.
    """
    content, groups = file.content, groups_in(file.content)
    if groups is None:
        return None
    refuse_code(file, str(path))
    for group in groups.values():
        check_descriptions(group, str(path))
    latent_avg = content.get(LATENT_AVG)
    known = {STATE, "opts", LATENT_AVG}
    return Checkpoint(
        source=str(path),
        file=file,
        groups=groups,
        opts=_plain_options(content.get("opts")),
        latent_avg=drop_repeats(latent_avg) if isinstance(latent_avg, StoredTensor) else None,
        other=[str(name) for name in content if name not in known],
    )


def _plain_options(opts: Any) -> dict[str, Any]:
    """`opts`, which was saved as a dictionary or as a Namespace."""
    if isinstance(opts, Record):
        opts = opts.state
    return opts if isinstance(opts, dict) else {}


def family_of(checkpoint: Checkpoint) -> str:
    """Name the project that wrote a checkpoint."""
    groups = checkpoint.groups
    if "hypernet" in groups:
        return "HyperStyle"
    if "blender" in groups:
        return "MyTimeMachine"
    channels = input_channels(groups["encoder"])
    if channels == 4 or "pretrained_encoder" in groups:
        return "SAM"
    kind = checkpoint.opts.get("encoder_type")
    progressive = str(kind) in TYPES and TYPES[str(kind)][1]
    if channels == 6:
        return "ReStyle over e4e" if progressive else "ReStyle over pSp"
    return "e4e" if progressive or kind == "SingleStyleCodeEncoder" else "pSp"
