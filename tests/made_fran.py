"""U-Nets of FRAN whose change is known, and their files."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import torch
from torch import nn

from reage.networks.agers.fran import FRAN_CHANNELS, FranConfig, FranNormed, FranPlain
from seeded import seeded

__all__ = ["KNOWN_CHANGE", "NARROW", "known_fran", "save_graph", "save_state", "seeded_fran"]

NARROW = FranConfig((4, 8, 16, 32, 64))
KNOWN_CHANGE = (0.2, 0.1, -0.1)  # of colours in [0, 1], for a hundred years


def known_fran() -> FranPlain:
    """Adds `KNOWN_CHANGE` times the years / 100, whatever the picture."""
    network = FranPlain(NARROW)
    state = {k: v if k.endswith(".filt") else v * 0 for k, v in network.state_dict().items()}
    # One more than the years / 100, so that it passes every activation as it is.
    state["init_conv.0.weight"][0, 3:5, 1, 1] = torch.tensor([-1.0, 1.0])
    state["init_conv.0.bias"][0] = 1
    state["init_conv.2.weight"][0, 0, 1, 1] = 1
    state["up4.layer.0.weight"][0, NARROW.widths[0], 1, 1] = 1  # what came past the lower levels
    state["up4.layer.2.weight"][0, 0, 1, 1] = 1
    state["final_conv.weight"][:, 0, 0, 0] = torch.tensor(KNOWN_CHANGE)
    state["final_conv.bias"] = -torch.tensor(KNOWN_CHANGE)
    network.load_state_dict(state)
    return network.eval()


def seeded_fran(network: FranPlain | FranNormed) -> FranPlain | FranNormed:
    """Fill it with numbers that any program can make again."""
    gain = {4: 1.5}  # otherwise little is left of the picture after so many layers
    state = {
        name: tensor
        if name.endswith(".filt")
        else torch.from_numpy(np.asarray(seeded(name, tensor.shape))) * gain.get(tensor.ndim, 1)
        for name, tensor in network.state_dict().items()
    }
    network.load_state_dict(state)
    return network.eval()


def save_state(network: nn.Module, path: Path, prefix: str = "") -> Path:
    """As a training or its last step saves it."""
    state = {prefix + name: tensor for name, tensor in network.state_dict().items()}
    torch.save({"state_dict": state, "epoch": 3} if prefix else state, path)
    return path


def save_graph(
    network: nn.Module, path: Path, *, side: int | None = None, channels: int = FRAN_CHANNELS
) -> Path:
    """As an ONNX graph, for any size or for one."""
    sizes = {0: "batch", 2: "height", 3: "width"} if side is None else {0: "batch"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of each size that the tracer reads
        torch.onnx.export(
            network,
            (torch.zeros(1, channels, side or 64, side or 64),),
            path,
            input_names=["input"],
            output_names=["output"],
            dynamic_axes={"input": sizes, "output": sizes},
            dynamo=False,
        )
    return path
