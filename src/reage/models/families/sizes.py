"""Sizes of residual networks, read off the shapes of their tensors."""

from __future__ import annotations

from collections.abc import Mapping

from reage.errors import ModelError
from reage.models.generator_configs import MAX_WIDTH
from reage.models.loading import Shaped
from reage.models.pickles.tensors import StoredTensor
from reage.networks.encoders.irse import BackboneConfig

__all__ = ["OLD_COUNTER", "Group", "infer_backbone", "infer_groups", "input_channels", "side_of"]

OLD_COUNTER = ".num_batches_tracked"  # of batch normalisation; plays no part in its result

Group = dict[str, StoredTensor]


def infer_backbone(tensors: Group, source: str) -> BackboneConfig:
    """Infer the sizes of an IR-SE network."""
    stem = side_of(tensors, "input_layer.0.weight", 0, source)
    widths, units = infer_groups(tensors, "res_layer.1", "shortcut_layer", source)
    if not input_channels(tensors):
        raise ModelError(f"{source} does not begin with a convolution; is it a pSp-like encoder?")
    squeezed = side_of(tensors, "body.0.res_layer.5.fc1.weight", 0, source)
    try:
        return BackboneConfig(
            input_channels=input_channels(tensors),
            stem=stem,
            widths=widths,
            units=units,
            squeeze=max(widths[0] // squeezed, 1),
        )
    except ValueError as error:
        raise ModelError(f"{source}: {error}") from error


def infer_groups(
    tensors: Group, first: str, projection: str, source: str
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Infer widths and block counts; each group of blocks begins with a projected shortcut.

    `first` is a block's first convolution, `projection` its shortcut.
    """
    widths: list[int] = []
    units: list[int] = []
    count = len({name.split(".")[1] for name in tensors if name.startswith("body.")})
    for i in range(count):
        width = side_of(tensors, f"body.{i}.{first}.weight", 0, source)
        if not widths or f"body.{i}.{projection}.0.weight" in tensors:
            widths.append(width)
            units.append(0)
        units[-1] += 1
    if not widths:
        raise ModelError(f"{source} has no blocks (body.0.*)")
    return tuple(widths), tuple(units)


def input_channels(tensors: Mapping[str, Shaped]) -> int:
    """Return an encoder's input channels; 0 if its first layer is not a convolution."""
    first = "input_layer.0.weight" if "input_layer.0.weight" in tensors else "conv1.weight"
    shape = tensors[first].shape if first in tensors else ()
    return int(shape[1]) if len(shape) == 4 else 0


def side_of(tensors: Group, name: str, axis: int, source: str) -> int:
    """Return one side of a tensor; ModelError if it is missing or makes no sense."""
    if name not in tensors:
        raise ModelError(f"{source} lacks {name}; is it a whole checkpoint?")
    shape = tensors[name].shape
    side = shape[axis] if len(shape) > axis else 0
    if type(side) is not int or not 0 < side <= MAX_WIDTH:
        raise ModelError(f"{source}: {name} is {list(shape)}; is it a pSp-like encoder?")
    return side
