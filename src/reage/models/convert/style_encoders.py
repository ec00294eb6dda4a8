"""Checkpoints of pSp and its heirs: e4e, ReStyle, SAM and HyperStyle.

Each is a torch file `{"state_dict", "latent_avg", "opts"}` with a rosinality generator as
`decoder.` and one or two encoders. Their sizes are read off the tensors; `opts` says what the
tensors can't: pSp's encoder and e4e's, for one, have the same names and shapes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from reage.errors import ModelError
from reage.models.checkpoints import MAX_WIDTH, Part, Uninitialized, check_shapes
from reage.models.convert.converted import ConvertedGenerator
from reage.models.convert.hypernets import load_hypernet, w_encoder_beside
from reage.models.convert.pickles import Record
from reage.models.convert.rosinality import LATENT_AVG, from_rosinality
from reage.models.convert.torch_files import TorchFile, load_all, read_torch_file, refuse_code
from reage.models.convert.torch_pickles import StoredTensor
from reage.models.encoders import describe_encoder
from reage.networks.irse import BackboneConfig
from reage.networks.style_encoder import Reading, StyleEncoder, StyleEncoderConfig

__all__ = [
    "OLD_COUNTER",
    "Checkpoint",
    "Group",
    "as_checkpoint",
    "family_of",
    "infer_backbone",
    "infer_encoder",
    "read_style_encoders",
    "side_of",
]

STATE = "state_dict"
GROUPS = ("decoder", "encoder", "pretrained_encoder", "hypernet")
OLD_COUNTER = ".num_batches_tracked"  # of batch normalisation; plays no part in its result
RESTYLE_PASSES = 5  # what its authors run, where the file does not say

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
Group = dict[str, StoredTensor]


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A file of this kind, taken apart; no tensor is loaded yet."""

    source: str
    file: TorchFile
    groups: dict[str, Group]  # encoder, decoder, ...: their tensors without the prefix
    opts: dict[str, Any]
    latent_avg: StoredTensor | None
    other: list[str] = field(default_factory=list)  # what else the file holds, unused


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
    channels = _input_channels(groups["encoder"])
    if channels == 4 or "pretrained_encoder" in groups:
        return "SAM"
    kind = checkpoint.opts.get("encoder_type")
    progressive = kind in TYPES and TYPES[str(kind)][1]
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
        with Uninitialized():
            check_shapes(StyleEncoder(config), groups[group], source=where)
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
    hypernet = load_hypernet(tensors, checkpoint.file, found.config, opts, source)
    beside = w_encoder_beside(Path(checkpoint.source), opts)
    start = None if beside is None else as_checkpoint(read_torch_file(beside), beside)
    if start is None or "encoder" not in start.groups:
        found.notes.append("its W encoder is not beside it: faces start from the average one")
        return replace(found, hypernet=hypernet)
    return replace(found, hypernet=hypernet, encoder=read_style_encoders(start).encoder)


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
    if "input_layer.0.weight" not in tensors:
        notes.append(f"its {group} stands on no IR-SE network and is not used")
        return None
    backbone = infer_backbone(tensors, source)
    if backbone.input_channels not in (3, 4, 6):
        notes.append(f"its {group} takes {backbone.input_channels} channels, no photo; not used")
        return None
    reading, progressive = _reading(checkpoint, tensors, group, notes)
    num_ws, w_dim = _codes(tensors, reading, backbone, checkpoint, source)
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
    if kind not in TYPES or TYPES[kind][0] != shown:
        raise ModelError(
            f"{checkpoint.source} calls its {group} {kind!r:.60}, which its tensors are not; "
            f"known are {', '.join(TYPES)}"
        )
    return TYPES[kind]


def _codes(
    tensors: Group, reading: Reading, backbone: BackboneConfig, checkpoint: Checkpoint, source: str
) -> tuple[int, int]:
    """How many levels an encoder makes, and of how many numbers."""
    if reading in ("pyramid", "last"):
        heads = {name.split(".")[1] for name in tensors if name.startswith("styles.")}
        return len(heads), side_of(tensors, "styles.0.linear.weight", 0, source)
    levels = sum(f"to_rgbs.{k}.conv.weight" in checkpoint.groups["decoder"] for k in range(16))
    if reading == "w":
        return 2 * levels + 2, side_of(tensors, "linear.weight", 0, source)
    return 2 * levels + 2, side_of(tensors, "linear.weight", 1, source)


def infer_backbone(tensors: Group, source: str) -> BackboneConfig:
    """Sizes of an IR-SE network: a group of blocks begins where the channels change."""
    stem = side_of(tensors, "input_layer.0.weight", 0, source)
    widths: list[int] = []
    units: list[int] = []
    count = len({name.split(".")[1] for name in tensors if name.startswith("body.")})
    for i in range(count):
        width = side_of(tensors, f"body.{i}.res_layer.1.weight", 0, source)
        if not widths or f"body.{i}.shortcut_layer.0.weight" in tensors:
            widths.append(width)
            units.append(0)
        units[-1] += 1
    if not widths:
        raise ModelError(f"{source} has no blocks (body.0.*)")
    if not _input_channels(tensors):
        raise ModelError(f"{source} begins with no convolution; is it an encoder of pSp's kind?")
    squeezed = side_of(tensors, "body.0.res_layer.5.fc1.weight", 0, source)
    try:
        return BackboneConfig(
            input_channels=_input_channels(tensors),
            stem=stem,
            widths=tuple(widths),
            units=tuple(units),
            squeeze=max(widths[0] // squeezed, 1),
        )
    except ValueError as error:
        raise ModelError(f"{source}: {error}") from error


def _input_channels(tensors: Mapping[str, StoredTensor | Tensor]) -> int:
    shape = tensors["input_layer.0.weight"].shape if "input_layer.0.weight" in tensors else ()
    return int(shape[1]) if len(shape) == 4 else 0


def side_of(tensors: Group, name: str, axis: int, source: str) -> int:
    """One side of a tensor; ModelError where it is missing or makes no sense."""
    if name not in tensors:
        raise ModelError(f"{source} lacks {name}; is it a whole checkpoint?")
    shape = tensors[name].shape
    side = shape[axis] if len(shape) > axis else 0
    if type(side) is not int or not 0 < side <= MAX_WIDTH:
        raise ModelError(f"{source}: {name} is {list(shape)}; is it an encoder of pSp's kind?")
    return side
