"""Write network pickles that NVIDIA's own code loads.

They carry no code at all: a pickle that calls `training.networks.Generator` of their repository,
where it is loaded, with its sizes, and gives it a state dict.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from reage.errors import ModelError
from reage.models.families.converted import fir_kernel
from reage.models.families.nvidia.reader import FILTER, MODULE
from reage.models.files import write_file
from reage.models.pickles.writer import Call, Named, pickle_program
from reage.networks.stylegan2.generator import GeneratorConfig

__all__ = ["write"]


def write(config: GeneratorConfig, state: Mapping[str, Tensor], path: Path) -> None:
    """Write a network pickle that `legacy.load_network_pkl` of stylegan2-ada-pytorch reads.

    Their constructor can only make widths of min(base / resolution, maximum); others are refused.
    """
    base, maximum = _channel_rule(config)
    generator = Call(
        Named("training.networks", "Generator"),
        (
            *(config.z_dim, 0, config.w_dim, config.resolution, config.image_channels),
            {"num_layers": config.mapping_layers},
            {"channel_base": base, "channel_max": maximum},
        ),
    )
    theirs = {name: tensor.detach().cpu().float().clone() for name, tensor in state.items()}
    theirs |= {name: fir_kernel(1) for name in _filter_names(config)}
    buffer = io.BytesIO()
    # The old layout, which tensors in plain pickles use.
    torch.save(theirs, buffer, _use_new_zipfile_serialization=False)
    weights = Call(Named("torch.storage", "_load_from_bytes"), (buffer.getvalue(),))
    network = {
        "G": generator,
        "D": Call(Named("torch.nn.modules.linear", "Identity"), ()),  # their loader wants a module
        "G_ema": generator,
        "training_set_kwargs": None,
        "augment_pipe": None,
    }
    effects = [
        Call(Named(MODULE, "Module.load_state_dict"), (generator, weights)),
        Call(Named(MODULE, "Module.requires_grad_"), (generator, False)),
        Call(Named(MODULE, "Module.eval"), (generator,)),
    ]
    write_file(path, pickle_program(network, effects))


def _filter_names(config: GeneratorConfig) -> list[str]:
    names = []
    for size in config.block_resolutions:
        block = f"synthesis.b{size}"
        names += [f"{block}.{FILTER}", f"{block}.conv1.{FILTER}"]
        names += [f"{block}.conv0.{FILTER}"] if size > 4 else []
    return names


def _channel_rule(config: GeneratorConfig) -> tuple[int, int]:
    sizes = config.block_resolutions
    maximum = max(config.channels)
    base = max(r * c for r, c in zip(sizes, config.channels, strict=True))
    if tuple(min(base // r, maximum) for r in sizes) != config.channels:
        raise ModelError(
            f"channels {list(config.channels)} cannot be made by NVIDIA's constructor, which "
            "halves them from some resolution on; write the rosinality layout"
        )
    return base, maximum
