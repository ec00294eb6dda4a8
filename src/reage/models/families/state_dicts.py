"""Which family's generator a state dict holds, told by the name of its constant input."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from reage.errors import ModelError
from reage.models.families.converted import ConvertedGenerator
from reage.models.families.layouts import Layout, from_layout
from reage.models.families.lucidrains import (
    file_version,
    lucidrains_state,
    mapping_factor,
    read_lucidrains,
)

__all__ = ["convert_content"]


def convert_content(
    content: Any, layouts: tuple[Layout, ...], source: str, *, can: str
) -> ConvertedGenerator:
    """Make a generator of a file's content; `can` says in the error what is known."""
    if not isinstance(content, dict):
        raise ModelError(f"{source} holds a {type(content).__name__}, not a state dict")
    state = lucidrains_state(content)
    if state is not None:
        return _lucidrains(state, file_version(content), source)
    for layout in layouts:
        found = _find(content, layout)
        if found is not None:
            mean = _mean(content, found, layout, source)
            state = {k: v for k, v in found.items() if k != layout.mean}
            _check_plain(state if mean is None else state | {layout.mean: mean}, source)
            return from_layout(layout, state, mean, source=source)
    first = ", ".join(str(k) for k in list(content)[:3]) or "nothing"
    raise ModelError(
        f"{source} holds no generator in a layout that is known (it has {first}); {can}"
    )


def _lucidrains(state: dict[str, Any], version: str, source: str) -> ConvertedGenerator:
    def plain(tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        _check_plain(tensors, source)
        return tensors

    factor, notes = mapping_factor(Path(source))
    return read_lucidrains(state, plain, source, factor=factor, version=version, notes=notes)


def _find(content: Mapping[str, Any], layout: Layout) -> dict[str, Tensor] | None:
    """The generator's own tensors, under its own names."""
    held = [content[key] for key in layout.containers if isinstance(content.get(key), dict)]
    for state in (*held, content):
        tensors = {k: v for k, v in state.items() if isinstance(k, str) and isinstance(v, Tensor)}
        for prefix in layout.prefixes:
            if prefix + layout.const in tensors:
                mine = [k for k in tensors if k.startswith(prefix)]
                return {k.removeprefix(prefix): tensors[k] for k in mine}
    return None


def _mean(
    content: Mapping[str, Any], state: Mapping[str, Tensor], layout: Layout, source: str
) -> Tensor | None:
    mean = state.get(layout.mean, content.get(layout.mean))
    if mean is not None and not isinstance(mean, Tensor):
        raise ModelError(f"{source}: {layout.mean} is a {type(mean).__name__}, not a tensor")
    return mean


def _check_plain(tensors: Mapping[str, Tensor], source: str) -> None:
    for key, tensor in tensors.items():
        # Sparse, quantised, complex or empty-handed (meta) tensors are no weights.
        plain = tensor.layout == torch.strided and tensor.device.type == "cpu"
        if not plain or not tensor.is_floating_point():
            raise ModelError(f"{source}: {key} is a tensor of {tensor.dtype}, {tensor.layout}")
