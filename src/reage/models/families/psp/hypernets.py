"""The hypernetwork of a HyperStyle checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from reage.errors import ModelError
from reage.models.families.sizes import Group, infer_groups
from reage.models.loading import build_empty, check_shapes
from reage.models.pickles.files import PickledFile, load_all
from reage.models.pickles.tensors import StoredTensor
from reage.networks.encoders.hypernet import (
    HyperNetwork,
    HyperNetworkConfig,
    LayerChange,
    generator_layers,
)
from reage.networks.stylegan2.generator import GeneratorConfig

__all__ = ["HYPERSTYLE_PASSES", "load_hypernet", "w_encoder_beside"]

HYPERSTYLE_PASSES = 5  # what its authors run, where the file does not say
BLOCK = "refinement_blocks"
SHARED = ".hypernet."  # the shared weights, once more under each layer that takes them


def load_hypernet(
    tensors: Group,
    file: PickledFile,
    generator: GeneratorConfig,
    opts: Mapping[str, Any],
    source: str,
) -> HyperNetwork:
    """Make the hypernetwork of a generator, frozen. Strict; sizes are read off the tensors."""
    own = {name: tensor for name, tensor in tensors.items() if SHARED not in name}
    config = _infer(own, generator, opts, source)
    network = build_empty(partial(HyperNetwork, config), source=source)
    check_shapes(network, own, source=source)
    network.load_state_dict(load_all(own, file, source), assign=True)
    return network.eval().requires_grad_(False)


def w_encoder_beside(path: Path, opts: Mapping[str, Any]) -> Path | None:
    """Find the file of HyperStyle's initial encoder in the checkpoint's folder."""
    named = opts.get("w_encoder_checkpoint_path")
    name = PurePosixPath(named).name if isinstance(named, str) else ""
    file = path.with_name(name) if name else path
    return file if file != path and file.is_file() else None


def _infer(
    tensors: Group,
    generator: GeneratorConfig,
    opts: Mapping[str, Any],
    source: str,
) -> HyperNetworkConfig:
    layers = generator_layers(generator.channels, generator.image_channels)
    changes: tuple[LayerChange, ...] = tuple([_change(tensors, i) for i in range(len(layers))])
    kinds = {change: i for i, change in enumerate(changes)}
    first = next((i for i, change in enumerate(changes) if change not in (None, "shared")), None)
    shared = kinds.get("shared")
    if first is None and shared is None:
        raise ModelError(f"{source} changes no layer; is it a whole checkpoint?")
    passes = opts.get("n_iters_per_batch")
    usual = HyperNetworkConfig(tuple(layers), changes)
    widths, units = infer_groups(tensors, "conv1", "downsample", source)
    some = shared if first is None else first
    return HyperNetworkConfig(
        layers=tuple(layers),
        changes=changes,
        stem=_side(tensors, "conv1.weight", source),
        widths=widths,
        units=units,
        inner=usual.inner if first is None else _width(tensors, first, source),
        shared_inner=usual.shared_inner if shared is None else _width(tensors, shared, source),
        code=_side(tensors, f"{BLOCK}.{some}.convs.{_last(tensors, some)}.weight", source),
        passes=passes if type(passes) is int and 0 < passes <= 100 else HYPERSTYLE_PASSES,
    )


def _change(tensors: Mapping[str, StoredTensor], layer: int) -> LayerChange:
    block = f"{BLOCK}.{layer}"
    if f"{block}.linear.weight" in tensors:
        return "shared"
    if f"{block}.output.0.make_kernel_in.weight" in tensors:
        return "product"
    if f"{block}.output.1.weight" in tensors:
        return "pair"
    return "rgb" if f"{block}.output.0.weight" in tensors else None


def _width(tensors: Mapping[str, StoredTensor], layer: int, source: str) -> int:
    return _side(tensors, f"{BLOCK}.{layer}.convs.0.weight", source)


def _last(tensors: Mapping[str, StoredTensor], layer: int | None) -> int:
    """Number of a block's last convolution."""
    start = f"{BLOCK}.{layer}.convs."
    numbers = [name.removeprefix(start).split(".")[0] for name in tensors if name.startswith(start)]
    return max((int(n) for n in numbers if n.isdigit()), default=0)


def _side(tensors: Mapping[str, StoredTensor], name: str, source: str) -> int:
    shape = tensors[name].shape if name in tensors else ()
    if not shape or not 0 < shape[0] <= 8192:
        raise ModelError(f"{source} lacks a sensible {name}; is it a whole checkpoint?")
    return shape[0]
