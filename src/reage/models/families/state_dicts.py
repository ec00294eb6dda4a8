"""Generators in state dicts: found by the name of the constant input, then read strictly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from reage.errors import ModelError
from reage.models.families.converted import ConvertedGenerator
from reage.models.families.family import ForeignFile
from reage.models.families.layouts import Layout, from_layout
from reage.models.pickles.files import Held, refuse_code
from reage.models.pickles.tensors import StoredTensor

__all__ = ["find_state", "read_state"]


def find_state(content: Any, layout: Layout) -> dict[str, Held] | None:
    """Find the tensors of the generator, without their prefix; None if there are none."""
    if not isinstance(content, dict):
        return None
    held = [content[key] for key in layout.containers if isinstance(content.get(key), dict)]
    for state in (*held, content):
        tensors = {
            k: v
            for k, v in state.items()
            if isinstance(k, str) and isinstance(v, StoredTensor | Tensor)
        }
        for prefix in layout.prefixes:
            if prefix + layout.const in tensors:
                mine = [k for k in tensors if k.startswith(prefix)]
                return {k.removeprefix(prefix): tensors[k] for k in mine}
    return None


def read_state(file: ForeignFile, layout: Layout, content: Any = None) -> ConvertedGenerator:
    """Build a generator from a file's content, or from `content` in its place; strict.

    Raises ModelError, also if the file would import anything that weights do not need.
    """
    content, source = file.content if content is None else content, str(file.path)
    if file.kind == "torch":
        refuse_code(file, source)
    found = find_state(content, layout)
    if found is None:
        raise ModelError(f"{source} holds no generator of {layout.code} code")
    mean = _mean(content, found, layout, source)
    state = {k: v for k, v in found.items() if k != layout.mean}
    return from_layout(layout, state, mean, file, source=source)


def _mean(
    content: Mapping[str, Any], state: Mapping[str, Held], layout: Layout, source: str
) -> Held | None:
    mean = state.get(layout.mean, content.get(layout.mean))
    if mean is not None and not isinstance(mean, StoredTensor | Tensor):
        raise ModelError(f"{source}: {layout.mean} is a {type(mean).__name__}, not a tensor")
    return mean
