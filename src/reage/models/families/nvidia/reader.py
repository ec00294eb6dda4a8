"""Read NVIDIA's StyleGAN2 in PyTorch (stylegan2-ada-pytorch, its successors, and PTI).

Their pickles carry the source code of the networks, and so do the modules that PTI saves with
`torch.save(G)`. It is not run: the tensors are found by walking the recorded states of the modules.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from reage.errors import ModelError
from reage.models.families.converted import ConvertedGenerator, build_converted, fir_kernel
from reage.models.families.family import ForeignFile
from reage.models.generator_configs import MAX_WIDTH
from reage.models.pickles.files import load_all
from reage.models.pickles.interpreter import Record
from reage.models.pickles.tensors import StoredTensor
from reage.networks.stylegan2.generator import GeneratorConfig

__all__ = ["FILTER", "MODULE", "detect", "read"]

PERSISTENT = "torch_utils.persistence._reconstruct_persistent_obj"
TENSORFLOW = "dnnlib.tflib.network.Network"
GENERATOR = "training.networks.Generator"
MODULE = "torch.nn.modules.module"
LOAD_STATE_DICT = f"{MODULE}.Module.load_state_dict"
FILTER = "resample_filter"
MAX_MODULES = 1000  # a 1024-px generator has 62
MAPPING_LR = 0.01  # of all published generators; Mapping has it too


@dataclass
class Found:
    """A network's tensors and plain attributes, both by dotted names."""

    tensors: dict[str, StoredTensor] = field(default_factory=dict)
    attributes: dict[str, Any] = field(default_factory=dict)
    modules: int = 0


def detect(file: ForeignFile) -> bool:
    """Whether a torch file holds their modules; any plain pickle counts as theirs."""
    return file.kind == "pickle" or (file.kind == "torch" and PERSISTENT in file.names)


def read(file: ForeignFile) -> ConvertedGenerator:
    """Read `G_ema`, or the module that PTI saved bare; nothing in the file is run."""
    source, pti = str(file.path), file.kind == "torch"
    if TENSORFLOW in file.names:
        raise ModelError(
            f"{source} is a TensorFlow pickle; convert it with legacy.py of NVIDIA's "
            "stylegan2-ada-pytorch first"
        )
    network = file.content if pti else None
    if isinstance(file.content, dict):
        network = file.content.get("G_ema")
    if not isinstance(network, Record):
        raise ModelError(
            f"{source} holds no generator of NVIDIA's code; is it PTI's model file?"
            if pti
            else f"{source} is a pickle without a network G_ema; is it NVIDIA's?"
        )
    found = _collect(network, source)
    config = _config(found, source)
    tensors = load_all(found.tensors, file, source)
    _check_filters(tensors, source)
    state = {k: v for k, v in tensors.items() if not k.endswith(FILTER)}
    return build_converted(
        config,
        state,
        source=source,
        source_format="pti" if pti else "nvidia",
        notes=_notes(found),
    )


def _collect(network: Record, source: str) -> Found:
    found = Found()
    if network.name == GENERATOR and network.state is None:
        _read_constructed(network, found, source)
    else:
        _walk(network, "", found, source)
    return found


def _read_constructed(network: Record, found: Found, source: str) -> None:
    """The form that our own writer makes: constructor arguments, then load_state_dict."""
    found.attributes["c_dim"] = network.args[1] if len(network.args) > 1 else None
    states = [args[1:2] for name, args in network.passed_to if name == LOAD_STATE_DICT]
    state = states[-1][0] if states and states[-1] else None
    if not isinstance(state, dict):
        raise ModelError(f"{source} makes a generator but gives it no weights")
    found.tensors.update({k: v for k, v in state.items() if isinstance(v, StoredTensor)})


def _walk(module: Record, prefix: str, found: Found, source: str) -> None:
    """Collect what a module and those within it hold."""
    found.modules += 1
    if found.modules > MAX_MODULES or prefix.count(".") > 8:
        raise ModelError(f"{source} is not a generator: it has too many modules")
    state = _state(module)
    if state is None:
        raise ModelError(f"{source}: {prefix.rstrip('.') or 'G_ema'} is not a torch module")
    for name, value in state.items():
        if not isinstance(value, (dict, list, tuple, Record)):
            found.attributes[f"{prefix}{name}"] = value
    for kind in ("_parameters", "_buffers"):
        for name, value in _items(state, kind):
            if isinstance(value, StoredTensor):
                found.tensors[f"{prefix}{name}"] = value
    for name, value in _items(state, "_modules"):
        if isinstance(value, Record):
            _walk(value, f"{prefix}{name}.", found, source)


def _state(module: Record) -> dict[Any, Any] | None:
    state = module.state
    if module.name == PERSISTENT and module.args and isinstance(module.args[0], dict):
        state = module.args[0].get("state")
    return state if isinstance(state, dict) and "_modules" in state else None


def _items(state: dict[Any, Any], kind: str) -> list[tuple[Any, Any]]:
    held = state.get(kind)
    return list(held.items()) if isinstance(held, dict) else []


def _config(found: Found, source: str) -> GeneratorConfig:
    if any(name.startswith(("synthesis.L", "synthesis.input")) for name in found.tensors):
        raise ModelError(f"{source} is a StyleGAN3 generator; StyleGAN2 ones can be used")
    _check_attributes(found, source)
    blocks = 0
    while f"synthesis.b{4 * 2**blocks}.conv1.weight" in found.tensors:
        blocks += 1
    layers = sum(f"mapping.fc{i}.weight" in found.tensors for i in range(64))
    sizes = [4 * 2**i for i in range(blocks)]
    try:
        return GeneratorConfig(
            resolution=4 * 2 ** max(blocks - 1, 0),
            channels=tuple(_size(found, f"synthesis.b{r}.conv1.weight", 0, source) for r in sizes),
            z_dim=_size(found, "mapping.fc0.weight", 1, source),
            w_dim=_size(found, "synthesis.b4.conv1.affine.weight", 1, source),
            mapping_layers=layers,
            image_channels=_size(found, "synthesis.b4.torgb.weight", 0, source),
        )
    except ValueError as error:
        raise ModelError(f"{source}: {error}") from error


def _size(found: Found, name: str, axis: int, source: str) -> int:
    tensor = found.tensors.get(name)
    size = tensor.shape[axis] if tensor is not None and len(tensor.shape) > axis else None
    if type(size) is not int or not 0 < size <= MAX_WIDTH:
        raise ModelError(f"{source}: G_ema has no usable {name}; is it a StyleGAN2 generator?")
    return size


def _check_attributes(found: Found, source: str) -> None:
    """Refuse variants that would load and give another picture."""
    for name, value in found.attributes.items():
        last = name.rpartition(".")[2]
        if last == "c_dim" and value != 0:
            raise ModelError(
                f"{source} is a conditional generator (c_dim {value!r}); only unconditional ones "
                "can be used"
            )
        wanted = {"architecture": "skip", "use_noise": True}.get(last)
        if last == "activation":
            wanted = "linear" if name.endswith("affine.activation") else "lrelu"
        if last == "bias_gain" and name.startswith("mapping.fc"):
            wanted = MAPPING_LR
        if wanted is not None and value != wanted:
            raise ModelError(f"{source}: {name} is {value!r}; only {wanted!r} can be used")


def _check_filters(tensors: Mapping[str, Tensor], source: str) -> None:
    standard = fir_kernel(1)
    for name, tensor in tensors.items():
        if name.endswith(FILTER) and not (
            tensor.shape == standard.shape and torch.allclose(tensor, standard, atol=1e-5)
        ):
            raise ModelError(f"{source}: {name} is not the filter [1, 3, 3, 1]; it cannot be used")


def _notes(found: Found) -> list[str]:
    clamps = {v for k, v in found.attributes.items() if k.endswith("conv_clamp") and v is not None}
    if not clamps:
        return []
    return [
        f"trained with float16 layers that clamp at {max(clamps)}: not imitated, so a picture "
        "can differ where that acted"
    ]
