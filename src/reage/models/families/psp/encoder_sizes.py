"""Sizes of the encoders in a checkpoint of pSp's kind, read off its tensors' shapes."""

from __future__ import annotations

from collections.abc import Mapping

from reage.errors import ModelError
from reage.models.families.psp.checkpoint import TYPES, Checkpoint
from reage.models.families.sizes import Group, infer_backbone, infer_groups, side_of
from reage.networks.encoders.resnet import ResNetConfig
from reage.networks.encoders.style_encoder import Reading, StyleEncoderConfig

__all__ = ["infer_encoder"]

RESTYLE_PASSES = 5  # what its authors run, where the file does not say

# Rows that are seen of 256-px pictures, by `opts.dataset_type`; above and below there is nothing.
ROWS: Mapping[str, int] = {"cars_encode": 192}
# Two of these are a ResNet, even where one is missing. IR-SE networks have none of them.
RESNET = {"conv1.weight", "relu.weight", "body.0.conv1.weight"}


def infer_encoder(
    checkpoint: Checkpoint, group: str, notes: list[str]
) -> StyleEncoderConfig | None:
    """Sizes and meaning of an encoder; None when there is none, or none that is known.

    What the file leaves open, and what is not used, is added to `notes`.
    """
    tensors = checkpoint.groups.get(group, {})
    if not tensors:
        return None
    source = f"{checkpoint.source}: its {group}"
    if "input_layer.0.weight" in tensors:
        backbone = infer_backbone(tensors, source)
    elif len(RESNET & tensors.keys()) > 1:
        backbone = _infer_resnet(tensors, source)
    else:
        notes.append(f"its {group} stands on no IR-SE network or ResNet and is not used")
        return None
    if backbone.input_channels not in (3, 4, 6):
        notes.append(f"its {group} takes {backbone.input_channels} channels, no photo; not used")
        return None
    reading, progressive = _reading(checkpoint, tensors, group, notes)
    num_ws, w_dim = _codes(tensors, reading, checkpoint, source)
    opts = checkpoint.opts
    passes = opts.get("n_iters_per_batch")
    if backbone.input_channels != 6:
        passes = 1
    elif type(passes) is not int or not 1 <= passes <= 100:
        passes = RESTYLE_PASSES
    # ReStyle, HyperStyle's W encoder and SAM's fixed pSp always count from the average.
    always = backbone.input_channels == 6 or opts.get("encoder_type") == "WEncoder"
    always = always or group == "pretrained_encoder"
    try:
        return StyleEncoderConfig(
            num_ws=num_ws,
            w_dim=w_dim,
            backbone=backbone,
            reading=reading,
            progressive=progressive,
            from_average=always or bool(opts.get("start_from_latent_avg", True)),
            iterations=passes,
            rows=ROWS.get(str(opts.get("dataset_type")), 0),
        )
    except ValueError as error:
        raise ModelError(f"{source}: {error}") from error


def _reading(
    checkpoint: Checkpoint, tensors: Group, group: str, notes: list[str]
) -> tuple[Reading, bool]:
    """How codes are read: off the names, and off `opts.encoder_type` where these say no more."""
    shown: Reading = "pyramid" if "latlayer1.weight" in tensors else "last"
    if "linear.weight" in tensors:
        shown = "w+" if "output_layer_2.3.weight" in tensors else "w"
    kind = checkpoint.opts.get("encoder_type")
    if group == "pretrained_encoder" or checkpoint.groups.get("pretrained_encoder"):
        kind = "GradualStyleEncoder"  # SAM has no other
    if kind is None:
        if shown in ("pyramid", "last"):
            notes.append("the file does not name its encoder: taken for pSp's, not e4e's")
        return shown, False
    resnet = "input_layer.0.weight" not in tensors
    alike = [t for t in TYPES if TYPES[t][0] == shown and t.startswith("ResNet") == resnet]
    if str(kind) not in alike:
        raise ModelError(
            f"{checkpoint.source} calls its {group} {kind!r:.60}, which its tensors are not; "
            f"they may be of {' or '.join(alike) or 'no type that is known'}"
        )
    return TYPES[str(kind)]


def _codes(
    tensors: Group, reading: Reading, checkpoint: Checkpoint, source: str
) -> tuple[int, int]:
    """How many levels an encoder makes, and of how many numbers."""
    if reading in ("pyramid", "last"):
        heads = {name.split(".")[1] for name in tensors if name.startswith("styles.")}
        return len(heads), side_of(tensors, "styles.0.linear.weight", 0, source)
    levels = sum(f"to_rgbs.{k}.conv.weight" in checkpoint.groups["decoder"] for k in range(16))
    if reading == "w":
        return 2 * levels + 2, side_of(tensors, "linear.weight", 0, source)
    return 2 * levels + 2, side_of(tensors, "linear.weight", 1, source)


def _infer_resnet(tensors: Group, source: str) -> ResNetConfig:
    stem = side_of(tensors, "conv1.weight", 0, source)
    inputs = side_of(tensors, "conv1.weight", 1, source)
    return ResNetConfig(inputs, stem, *infer_groups(tensors, "conv1", "downsample", source))
