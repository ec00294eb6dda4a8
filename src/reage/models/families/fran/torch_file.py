"""FRAN's U-Nets from the torch files of two re-implementations."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from reage.errors import ModelError
from reage.models.families.fran.pixel_network import PixelNetwork
from reage.models.families.sizes import OLD_COUNTER, Group, side_of
from reage.models.loading import build_empty, check_shapes, load_strictly
from reage.models.pickles.files import (
    PickledFile,
    check_descriptions,
    load_all,
    refuse_code,
    state_dict_of,
)
from reage.networks.agers.fran import FranConfig, FranNormed, FranPlain

__all__ = ["load_network", "name_network", "read_state"]

PLAIN, NORMED = "FRAN as in face_reaging", "FRAN as in pytorch-face-reaging-network"
SPANS = {PLAIN: (10.0, 90.0), NORMED: (18.0, 83.0)}  # ages that their programs offer, trained for
LEVELS = 5  # sizes at which the U-Net works
GENERATOR = "generator."  # in files of a training


def name_network(tensors: Group) -> str | None:
    """Name the re-implementation that a state dict belongs to; None if neither."""
    if {"init_conv.0.weight", "down1.layer.2.weight", "final_conv.weight"} <= tensors.keys():
        return PLAIN
    if {"batchnorm1.weight", "downlayer1.conv1.weight", "conv3.weight"} <= tensors.keys():
        return NORMED
    return None


def read_state(file: PickledFile, source: str) -> Group:
    """The tensors of a torch file: a state dict, one under "state_dict", or its generator."""
    tensors = state_dict_of(file, source)
    if any(name.startswith(GENERATOR) for name in tensors):
        tensors = {
            name.removeprefix(GENERATOR): tensor
            for name, tensor in tensors.items()
            if name.startswith(GENERATOR)
        }
    return {k: v for k, v in tensors.items() if not k.endswith(OLD_COUNTER)}


def load_network(
    file: PickledFile, source: str, device: torch.device, dtype: torch.dtype
) -> PixelNetwork:
    """Build the U-Net of a file, strict and frozen; ModelError if it is damaged or no U-Net."""
    tensors = read_state(file, source)
    refuse_code(file, source)
    check_descriptions(tensors, source)
    name = name_network(tensors)
    if name is None:
        first = ", ".join(list(tensors)[:3]) or "nothing"
        raise ModelError(f"{source} is not a FRAN U-Net: it has {first}")
    source = f"{source} ({name})"
    make, config = _network_of(name, tensors, source)
    network = build_empty(partial(make, config), source=source, held=tensors)
    check_shapes(network, tensors, source=source)
    load_strictly(network, load_all(tensors, file, source), source=source)
    network = network.eval().requires_grad_(False)
    network = network.to(device=device, dtype=dtype)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def run(x: Tensor) -> Tensor:
        x = x.to(device=device, dtype=dtype, memory_format=torch.channels_last)
        return network(x).float()

    return PixelNetwork(run, name, make.signed, SPANS[name])


def _network_of(
    name: str, tensors: Group, source: str
) -> tuple[type[FranPlain] | type[FranNormed], FranConfig]:
    """The class, and the widths as the tensors have them."""
    first, layer, make = "init_conv.0.weight", "down{}.layer.2.weight", FranPlain
    if name == NORMED:
        first, layer, make = "conv1.weight", "downlayer{}.conv1.weight", FranNormed
    names = [first, *(layer.format(i) for i in range(1, LEVELS))]
    return make, FranConfig(tuple(side_of(tensors, one, 0, source) for one in names))
