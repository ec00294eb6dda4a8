"""The description of a pSp-like checkpoint for `reage models inspect`; no tensor is loaded."""

from __future__ import annotations

from functools import partial

from reage.models.encoders import describe_encoder
from reage.models.families.family import ForeignFile
from reage.models.families.layouts import filter_keys, infer_config, key_table
from reage.models.families.psp.checkpoint import GROUPS, family_of, open_checkpoint
from reage.models.families.psp.encoder_sizes import infer_encoder
from reage.models.families.rosinality import ROSINALITY
from reage.models.loading import build_empty
from reage.models.summaries import (
    SHOWN,
    Inspection,
    summarize_encoder,
    summarize_generator,
    summarize_names,
)
from reage.networks.encoders.style_encoder import StyleEncoder

__all__ = ["describe"]


def describe(file: ForeignFile) -> Inspection:
    """Name the networks, and what is unknown, missing or unused."""
    path, checkpoint = file.path, open_checkpoint(file, file.path)
    assert checkpoint is not None, "the file was detected as one"
    notes: list[str] = []
    decoder = checkpoint.groups["decoder"]
    config = infer_config(ROSINALITY, decoder, f"{path}: its decoder")
    unknown = [f"{group}.*" for group in checkpoint.groups.keys() - set(GROUPS)]
    known = {row.theirs for row in key_table(config, ROSINALITY)}.union(filter_keys(config))
    unknown += [f"decoder.{name}" for name in decoder.keys() - known]
    lines = [("generator", f"{summarize_generator(config)}, in rosinality's layout")]
    for group in ("encoder", "pretrained_encoder"):
        settings = infer_encoder(checkpoint, group, notes)
        if settings is None:
            continue
        lines.append((group.replace("_", " "), summarize_encoder(describe_encoder(settings))))
        make = partial(StyleEncoder, settings)
        wanted = build_empty(make, source=f"{path}: its {group}").state_dict()
        found = checkpoint.groups[group]
        unknown += [f"{group}.{name}" for name in found.keys() - wanted.keys()]
        notes += [f"lacks {group}.{name}" for name in sorted(wanted.keys() - found.keys())[:SHOWN]]
    if "hypernet" in checkpoint.groups:
        count = len(checkpoint.groups["hypernet"])
        lines.append(("hypernetwork", f"{count} tensors; its W encoder is a separate file"))
    average = checkpoint.latent_avg
    lines.append(("latent average", "none" if average is None else f"{list(average.shape)}"))
    data = checkpoint.opts.get("dataset_type")
    lines += [("learnt from", f"{data!r:.60}")] if isinstance(data, str) else []
    lines.append(("unknown keys", summarize_names(unknown)))
    lines.append(("unused", summarize_names(checkpoint.other)))
    lines += [("note", note) for note in notes]
    return Inspection(path, family_of(checkpoint), tuple(lines))
