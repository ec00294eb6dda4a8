"""Checkpoints of pSp and its heirs: e4e, ReStyle, SAM and HyperStyle.

Each is a torch file `{"state_dict", "latent_avg", "opts"}` with a rosinality generator as
`decoder.` and one or two encoders. Their sizes are read off the tensors; `opts` says what the
tensors can't: pSp's encoder and e4e's, for one, have the same names and shapes.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from reage.errors import ModelError
from reage.models.checkpoints import Part
from reage.models.encoders import describe_encoder
from reage.models.families.converted import ConvertedGenerator
from reage.models.families.psp.encoder_sizes import (
    OLD_COUNTER,
    TYPES,
    Checkpoint,
    Group,
    infer_encoder,
    input_channels,
)
from reage.models.families.psp.hypernets import load_hypernet, w_encoder_beside
from reage.models.families.rosinality import LATENT_AVG, from_rosinality
from reage.models.loading import build_empty, check_shapes
from reage.models.pickles.interpreter import Record
from reage.models.pickles.tensors import StoredTensor
from reage.models.pickles.torch_files import (
    TorchFile,
    check_descriptions,
    load_all,
    read_torch_file,
    refuse_code,
)
from reage.networks.encoders.style_encoder import StyleEncoder
from reage.networks.stylegan2.generator import GeneratorConfig

__all__ = ["GROUPS", "as_checkpoint", "family_of", "read_style_encoders"]

STATE = "state_dict"
GROUPS = ("decoder", "encoder", "pretrained_encoder", "hypernet")


def as_checkpoint(file: TorchFile, path: Path) -> Checkpoint | None:
    """Take a torch file apart; None when it is of another kind.

    Raises ModelError when it would import anything that such a file has no use for.
    """
    content = file.content
    state = content.get(STATE) if isinstance(content, dict) else None
    if not isinstance(state, dict):
        return None
    groups: dict[str, Group] = {}
    for name, tensor in state.items():
        group, dot, rest = str(name).partition(".")
        if dot and isinstance(tensor, StoredTensor) and not rest.endswith(OLD_COUNTER):
            groups.setdefault(group, {})[rest] = tensor
    if "decoder" not in groups or not groups.keys() & {"encoder", "hypernet"}:
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
        latent_avg=_repeated(latent_avg) if isinstance(latent_avg, StoredTensor) else None,
        other=[str(name) for name in content if name not in known],
    )


def _repeated(stored: StoredTensor) -> StoredTensor:
    """The one row of a tensor that was saved as a view which repeats it."""
    if len(stored.shape) == len(stored.stride) and stored.shape and not any(stored.stride[:-1]):
        return replace(stored, shape=stored.shape[-1:], stride=stored.stride[-1:])
    return stored


def _plain_options(opts: Any) -> dict[str, Any]:
    """`opts`, which was saved as a dictionary or as a Namespace."""
    if isinstance(opts, Record):
        opts = opts.state
    return opts if isinstance(opts, dict) else {}


def family_of(checkpoint: Checkpoint) -> str:
    """Whose file it is."""
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


def read_style_encoders(checkpoint: Checkpoint) -> ConvertedGenerator:
    """The generator of a checkpoint with its encoder and, of SAM, its ager. Strict."""
    source, groups = checkpoint.source, checkpoint.groups
    for name in sorted(groups.keys() - set(GROUPS)):
        raise ModelError(
            f"{source} is a file of {family_of(checkpoint)} with unknown {name}.*; "
            "files of pSp, e4e, ReStyle, SAM and HyperStyle can be read"
        )
    decoder = load_all(groups["decoder"], checkpoint.file, source)
    average = None
    if checkpoint.latent_avg is not None:
        stored = {LATENT_AVG: checkpoint.latent_avg}
        average = load_all(stored, checkpoint.file, source)[LATENT_AVG]
    found = from_rosinality(decoder, average, source=f"{source}: its decoder")
    found = replace(found, source_format=family_of(checkpoint), notes=list(found.notes))
    num_ws, w_dim = found.config.num_ws, found.config.w_dim
    parts: dict[str, Part | None] = {}
    for group in ("encoder", "pretrained_encoder"):
        config = infer_encoder(checkpoint, group, found.notes)
        if config is None:
            continue
        if (config.num_ws, config.w_dim) != (num_ws, w_dim):
            raise ModelError(
                f"{source}: its {group} makes codes {[config.num_ws, config.w_dim]}, its generator "
                f"takes {[num_ws, w_dim]}"
            )
        where = f"{source}: its {group}"
        network = build_empty(partial(StyleEncoder, config), source=where)
        check_shapes(network, groups[group], source=where)
        tensors = load_all(groups[group], checkpoint.file, where)
        parts[group] = Part(describe_encoder(config), tensors)
    if "hypernet" in groups:
        return _with_hypernet(checkpoint, found)
    encoder = parts.get("encoder")
    if encoder is not None and encoder.settings["input_channels"] == 4:
        return replace(found, encoder=parts.get("pretrained_encoder"), ager=encoder)
    return replace(found, encoder=encoder)


def _with_hypernet(checkpoint: Checkpoint, found: ConvertedGenerator) -> ConvertedGenerator:
    """Add HyperStyle's hypernetwork, and the encoder that it starts from if it is at hand."""
    source, opts = f"{checkpoint.source}: its hypernet", checkpoint.opts
    tensors = checkpoint.groups["hypernet"]
    if "conv1.weight" not in tensors:
        raise ModelError(f"{source} lacks conv1.weight; is it a whole checkpoint?")
    assert isinstance(found.config, GeneratorConfig)  # rosinality's layout has no other
    hypernet = load_hypernet(tensors, checkpoint.file, found.config, opts, source)
    beside = w_encoder_beside(Path(checkpoint.source), opts)
    start = None if beside is None else as_checkpoint(read_torch_file(beside), beside)
    if start is None or "encoder" not in start.groups:
        found.notes.append("its W encoder is not beside it: faces start from the average one")
        return replace(found, hypernet=hypernet)
    return replace(found, hypernet=hypernet, encoder=read_style_encoders(start).encoder)
