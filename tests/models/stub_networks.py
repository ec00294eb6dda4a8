"""Look-alikes of NVIDIA's pickled modules, with stubs instead of their source code."""

from __future__ import annotations

import sys
import types
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from reage.networks.stylegan2.generator import Generator

BUFFERS = ("noise_const", "w_avg", "resample_filter")
FILTER = torch.outer(torch.tensor([1.0, 3, 3, 1]), torch.tensor([1.0, 3, 3, 1])) / 64


class Stub(nn.Module):
    """Pickles itself as their persistent classes do."""

    class_name = "Layer"

    def __reduce__(self) -> Any:
        meta = {
            "type": "class",
            "version": 6,
            "module_src": "raise SystemExit('the source code in the file was run')",
            "class_name": self.class_name,
            "state": self.__dict__,
        }
        return sys.modules["torch_utils.persistence"]._reconstruct_persistent_obj, (meta,)


class PlainStub(nn.Module):
    """Pickles itself as any module does."""


def install_persistence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make their reconstructing function importable for pickling; calling it ends the test."""
    for name, module in persistence_modules().items():
        monkeypatch.setitem(sys.modules, name, module)


def persistence_modules() -> dict[str, types.ModuleType]:
    """Make the modules that pickles name it in."""
    module = types.ModuleType("torch_utils.persistence")

    def _reconstruct_persistent_obj(meta: Any) -> None:
        raise SystemExit("a function named by the file was called")

    _reconstruct_persistent_obj.__module__ = module.__name__
    _reconstruct_persistent_obj.__qualname__ = "_reconstruct_persistent_obj"
    module._reconstruct_persistent_obj = _reconstruct_persistent_obj  # type: ignore[attr-defined]
    return {"torch_utils": types.ModuleType("torch_utils"), "torch_utils.persistence": module}


def network(
    state: Mapping[str, Tensor], attributes: Mapping[str, object], kind: type[nn.Module] = Stub
) -> nn.Module:
    """A tree of stubs that holds `state`, with attributes by dotted names."""
    root = kind()

    def module_of(dotted: str) -> nn.Module:
        module = root
        for part in dotted.split(".") if dotted else []:
            if part not in module._modules:
                module.add_module(part, kind())
            module = module._modules[part]  # type: ignore[assignment]
        return module

    for name, tensor in state.items():
        parent, _, leaf = name.rpartition(".")
        if leaf in BUFFERS:
            module_of(parent).register_buffer(leaf, tensor)
        else:
            module_of(parent).register_parameter(leaf, nn.Parameter(tensor))
    for name, value in attributes.items():
        parent, _, leaf = name.rpartition(".")
        setattr(module_of(parent), leaf, value)
    return root


def with_filters(generator: Generator) -> dict[str, Tensor]:
    state = dict(generator.state_dict())
    for size in generator.config.block_resolutions:
        state[f"synthesis.b{size}.resample_filter"] = FILTER
        state[f"synthesis.b{size}.conv1.resample_filter"] = FILTER
    return state


ATTRIBUTES: dict[str, object] = {
    "c_dim": 0,
    "img_resolution": 32,
    "mapping.c_dim": 0,
    "mapping.fc0.bias_gain": 0.01,
    "mapping.fc0.weight_gain": 0.01 / np.sqrt(12),  # a numpy scalar, as in real files
    "mapping.fc0.activation": "lrelu",
    "synthesis.b8.architecture": "skip",
    "synthesis.b8.conv0.use_noise": True,
    "synthesis.b8.conv0.act_gain": np.sqrt(2),
    "synthesis.b8.conv0.conv_clamp": None,
    "synthesis.b8.conv0.affine.activation": "linear",
    "synthesis.block_resolutions": [4, 8, 16, 32],
}
