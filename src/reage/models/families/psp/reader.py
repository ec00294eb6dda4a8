"""Checkpoints of pSp and its successors: e4e, ReStyle, SAM and HyperStyle.

Each is a torch file `{"state_dict", "latent_avg", "opts"}` with a rosinality generator as
`decoder.` and one or two encoders. Their sizes are read off the tensors; `opts` says what the
tensors can't: pSp's encoder and e4e's, for one, have the same names and shapes.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

from reage.errors import ModelError
from reage.models.checkpoints import Part
from reage.models.encoders import describe_encoder
from reage.models.families.converted import ConvertedGenerator
from reage.models.families.family import ForeignFile
from reage.models.families.layouts import from_layout
from reage.models.families.psp.checkpoint import GROUPS, Checkpoint, family_of, open_checkpoint
from reage.models.families.psp.encoder_sizes import infer_encoder
from reage.models.families.psp.hypernets import load_hypernet, w_encoder_beside
from reage.models.families.rosinality import ROSINALITY
from reage.models.loading import build_empty, check_shapes
from reage.models.pickles.files import load_all, read_torch_file
from reage.networks.encoders.style_encoder import StyleEncoder
from reage.networks.stylegan2.generator import GeneratorConfig

__all__ = ["read"]


def read(file: ForeignFile) -> ConvertedGenerator:
    """Read the generator of a checkpoint with its encoder and, of SAM, its ager. Strict."""
    checkpoint = open_checkpoint(file, file.path)
    assert checkpoint is not None, "the file was detected as one"
    return _read(checkpoint)


def _read(checkpoint: Checkpoint) -> ConvertedGenerator:
    source, groups = checkpoint.source, checkpoint.groups
    for name in sorted(groups.keys() - set(GROUPS)):
        raise ModelError(
            f"{source} is a file of {family_of(checkpoint)} with unknown {name}.*; "
            "files of pSp, e4e, ReStyle, SAM and HyperStyle can be read"
        )
    found = from_layout(
        ROSINALITY,
        groups["decoder"],
        checkpoint.latent_avg,
        checkpoint.file,
        source=f"{source}: its decoder",
    )
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
    start = None if beside is None else open_checkpoint(read_torch_file(beside), beside)
    if start is None or "encoder" not in start.groups:
        found.notes.append(
            "its W encoder is not in the same folder: inversion starts from the average face"
        )
        return replace(found, hypernet=hypernet)
    return replace(found, hypernet=hypernet, encoder=_read(start).encoder)
