"""The parts of a model that need no gradients, run by another runtime than PyTorch.

A model is exported once, into the user's folder, under the hashes of its tensors.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from torch import nn

from reage.errors import UsageError
from reage.models.checkpoints import ENCODER_FILE, Model
from reage.models.export import Part, export_part, parts_of
from reage.models.graphs import FILES, Graph, GraphFormat, graph_files, open_graph
from reage.models.registry import models_folder

__all__ = ["BACKENDS", "Backend", "Graphs", "open_graphs"]

Backend = Literal["torch", "onnxruntime", "openvino"]
BACKENDS: dict[str, GraphFormat] = {"onnxruntime": "onnx", "openvino": "openvino"}
VERSION = 1  # of how graphs are made: one more makes all users' anew


@dataclass(frozen=True, eq=False)
class Graphs:
    """What another runtime does for an editor; inversion's gradients stay PyTorch's."""

    synthesis: Graph  # ws to pictures, with the stored noise
    encoder: Graph | None  # crops and their validity to ws


def open_graphs(
    model: Model, encoder: nn.Module | None, backend: str, *, bfloat16: bool = False
) -> Graphs | None:
    """Load the graphs of a model, made at first use; None where PyTorch is the backend."""
    if backend == "torch":
        return None
    layout = BACKENDS.get(backend)
    if layout is None:
        known = ", ".join(("torch", *BACKENDS))
        raise UsageError(f"backend {backend!r} is not known; choose {known}")
    folder = _folder(model)
    graphs: dict[str, Graph] = {}
    for part in parts_of(model, encoder):
        path = folder / f"{part.name}{FILES[layout]}"
        if not path.is_file():
            _export(part, folder, layout)
        graphs[part.name] = open_graph(path, layout, bfloat16=bfloat16)
    return Graphs(graphs["synthesis"], graphs.get("encoder"))


def _export(part: Part, folder: Path, layout: GraphFormat) -> None:
    """Make a graph that other processes see when it is whole and compared, or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".", dir=folder) as staged:
        made = export_part(part, Path(staged), layout)
        for file in reversed(graph_files(made.path)):  # the one that is looked for comes last
            os.replace(file, folder / file.name)


def _folder(model: Model) -> Path:
    encoder = model.config.sha256.get(ENCODER_FILE, "none")
    name = f"{model.generator_hash[:16]}-{encoder[:16]}-{VERSION}"
    return models_folder().parent / "graphs" / name
