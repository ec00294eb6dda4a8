"""Sizes of the encoders in a checkpoint of pSp's kind, read off its tensors' shapes."""

from __future__ import annotations

from reage.errors import ModelError
from reage.models.families.psp.checkpoint import TYPES, Checkpoint
from reage.models.families.sizes import Group, infer_backbone, side_of
from reage.networks.encoders.style_encoder import Reading, StyleEncoderConfig

__all__ = ["infer_encoder"]

RESTYLE_PASSES = 5  # what its authors run, where the file does not say

# Two of these are a ResNet: ReStyle's encoders of cars, churches, horses and wild animals.
RESNET = {"conv1.weight", "relu.weight", "body.0.conv1.weight"}
CARS = "cars_encode"  # pictures with bars, which nothing else is seen in


def infer_encoder(
    checkpoint: Checkpoint, group: str, notes: list[str]
) -> StyleEncoderConfig | None:
    """Infer the sizes and the meaning of an encoder; None if there is none or it is unknown.

    What the file leaves open and what is not used goes into `notes`.
    """
    tensors = checkpoint.groups.get(group, {})
    if not tensors:
        return None
    source = f"{checkpoint.source}: its {group}"
    if len(RESNET & tensors.keys()) > 1 or checkpoint.opts.get("dataset_type") == CARS:
        raise ModelError(
            f"{source} is for cars, buildings or animals; only encoders for faces can be used"
        )
    if "input_layer.0.weight" not in tensors:
        notes.append(f"its {group} is not an IR-SE network and is not used")
        return None
    backbone = infer_backbone(tensors, source)
    if backbone.input_channels not in (3, 4, 6):
        notes.append(
            f"its {group} takes {backbone.input_channels} channels instead of a photo; not used"
        )
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
        )
    except ValueError as error:
        raise ModelError(f"{source}: {error}") from error


def _reading(
    checkpoint: Checkpoint, tensors: Group, group: str, notes: list[str]
) -> tuple[Reading, bool]:
    """Infer how codes are read from the names, else from `opts.encoder_type`."""
    shown: Reading = "pyramid" if "latlayer1.weight" in tensors else "last"
    if "linear.weight" in tensors:
        shown = "w+" if "output_layer_2.3.weight" in tensors else "w"
    kind = checkpoint.opts.get("encoder_type")
    if group == "pretrained_encoder" or checkpoint.groups.get("pretrained_encoder"):
        kind = "GradualStyleEncoder"  # SAM has no other
    if kind is None:
        if shown in ("pyramid", "last"):
            notes.append("the file does not name its encoder: pSp's is assumed, not e4e's")
        return shown, False
    alike = [t for t in TYPES if TYPES[t][0] == shown]
    if str(kind) not in alike:
        raise ModelError(
            f"{checkpoint.source} calls its {group} {kind!r:.60}, which its tensors are not; "
            f"they may be of {' or '.join(alike) or 'no type that is known'}"
        )
    return TYPES[str(kind)]


def _codes(
    tensors: Group, reading: Reading, checkpoint: Checkpoint, source: str
) -> tuple[int, int]:
    """Return the number of levels of an encoder's codes, and their width."""
    if reading in ("pyramid", "last"):
        heads = {name.split(".")[1] for name in tensors if name.startswith("styles.")}
        return len(heads), side_of(tensors, "styles.0.linear.weight", 0, source)
    levels = sum(f"to_rgbs.{k}.conv.weight" in checkpoint.groups["decoder"] for k in range(16))
    if reading == "w":
        return 2 * levels + 2, side_of(tensors, "linear.weight", 0, source)
    return 2 * levels + 2, side_of(tensors, "linear.weight", 1, source)
