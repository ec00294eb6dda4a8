"""Networks as ONNX or OpenVINO graphs, each compared with PyTorch before it counts as made.

The batch is free in all of them; styles are demodulated when the graph runs, so any code can be
given. The noise maps and the mean code are constants of the graph.
"""

from __future__ import annotations

import json
import tempfile
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from reage.errors import ModelError
from reage.files import name_errors, place_for_files, publish
from reage.models.checkpoints import Model
from reage.models.graphs import (
    FILES,
    Graph,
    GraphFormat,
    graph_files,
    import_onnx,
    import_openvino,
    open_graph,
)
from reage.networks.agers.growth import Growth
from reage.networks.agers.latent_ager import Ager
from reage.networks.agers.photo_ager import PhotoAger
from reage.networks.encoders.encoder import Encoder
from reage.networks.generators import AnyGenerator
from reage.parts import new_part, remove

__all__ = ["Exported", "Part", "export_parts", "parts_of"]

OPSET = 17
LIMIT = 1e-3  # largest difference from PyTorch, of pictures in [-1, 1], codes and changes
SAMPLES = (1, 3)  # batches that are compared
RECORD = "export.json"


@dataclass(frozen=True)
class Part:
    """A network as it is exported, with the names and the sizes of what it takes and gives."""

    name: str  # "synthesis", "encoder", "ager", "photo_ager" or "growth"
    network: nn.Module
    inputs: Mapping[str, tuple[int, ...]]  # name -> shape without the batch
    output: str


@dataclass(frozen=True)
class Exported:
    """A graph that was written, and how far it is from PyTorch."""

    name: str
    path: Path
    error: float  # largest absolute difference


class SynthesisGraph(nn.Module):
    """ws to pictures, with the stored noise."""

    def __init__(self, generator: AnyGenerator):
        super().__init__()
        self.generator = generator

    def forward(self, ws: Tensor) -> Tensor:
        noise: list[Tensor | None] = [*self.generator.stored_noise()]
        # Not `synthesize`: its way for fixed weights depends on the batch.
        return self.generator.synthesis(ws, noise, torch.float32)


class EncoderGraph(nn.Module):
    """Crops and their validity to ws, with the generator's mean code."""

    def __init__(self, encoder: Encoder, w_avg: Tensor):
        super().__init__()
        self.encoder, self.w_avg = encoder, nn.Buffer(w_avg.clone())

    def forward(self, images: Tensor, mask: Tensor) -> Tensor:
        return self.encoder(images, mask, self.w_avg)


class PhotoAgerGraph(nn.Module):
    """Photos and two ages to changes of their colours."""

    def __init__(self, ager: PhotoAger):
        super().__init__()
        self.ager = ager

    def forward(self, images: Tensor, own: Tensor, wanted: Tensor) -> Tensor:
        return self.ager(images, own, wanted)


def parts_of(
    model: Model,
    encoder: nn.Module | None,
    ager: Ager | None = None,
    photo_ager: PhotoAger | None = None,
    growth: Growth | None = None,
) -> list[Part]:
    """What there is to export of a model; encoder and agers where it has them, of reage's kind."""
    config = model.config.generator
    codes = (config.num_ws, config.w_dim)
    side = config.resolution
    parts = [Part("synthesis", SynthesisGraph(model.generator), {"ws": codes}, "images")]
    if isinstance(encoder, Encoder):
        takes = {"images": (3, side, side), "mask": (1, side, side)}
        graph = EncoderGraph(encoder, model.generator.mapping.w_avg)
        parts.append(Part("encoder", graph, takes, "ws"))
    if ager is not None:
        parts.append(Part("ager", ager, {"ws": codes, "own": (), "wanted": ()}, "change"))
    if photo_ager is not None:
        takes = {"images": (3, side, side), "own": (), "wanted": ()}
        parts.append(Part("photo_ager", PhotoAgerGraph(photo_ager), takes, "change"))
    if growth is not None:
        parts.append(Part("growth", growth, {"own": (), "wanted": ()}, "moves"))
    return parts


def export_parts(
    model: Model,
    parts: list[Part],
    folder: Path,
    layout: GraphFormat,
    *,
    ager_fingerprint: str | None = None,
    overwrite: bool = False,
) -> list[Exported]:
    """Write the graphs of a model into a folder, with a record of what they are; all or none.

    Each is compared before it is seen; ModelError where one is too far off. `ager_fingerprint` is
    that of the ager whose networks are among the parts.
    """
    if (folder / RECORD).exists() and not overwrite:
        raise ModelError(f"{folder} holds an export already; add --overwrite to replace it")
    with (
        name_errors(folder, ModelError),
        place_for_files(folder),
        new_part(folder / RECORD, Path.mkdir) as staged,
    ):
        try:
            made = [_export_part(part, staged, layout) for part in parts]
            record = _record(model, made, layout, ager_fingerprint)
            (staged / RECORD).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
            (folder / RECORD).unlink(missing_ok=True)  # never an old record of new graphs
            for part in made:
                for file in reversed(graph_files(part.path)):  # the one looked for comes last
                    publish(file, folder / file.name)
            publish(staged / RECORD, folder / RECORD)
        finally:
            remove(staged)
    return [replace(part, path=folder / part.path.name) for part in made]


def _record(
    model: Model, done: list[Exported], layout: GraphFormat, ager_fingerprint: str | None
) -> dict[str, Any]:
    config = model.config
    return {
        "model": config.name,
        "generator_hash": model.generator_hash,
        "ager_fingerprint": ager_fingerprint,
        "licence": config.licence,
        "data": config.data,
        "resolution": config.generator.resolution,
        "alignment": {"scale": config.alignment.scale, "shift": config.alignment.shift},
        "format": layout,
        "opset": OPSET,
        "errors": {part.name: part.error for part in done},
    }


def _export_part(part: Part, folder: Path, layout: GraphFormat) -> Exported:
    """Write one graph and compare it; ModelError where it is too far off."""
    path = folder / f"{part.name}{FILES[layout]}"
    network = part.network.cpu().eval()
    onnx = _trace(part, network)
    if layout == "onnx":
        path.write_bytes(onnx)
    else:
        openvino = import_openvino()
        try:
            openvino.save_model(openvino.Core().read_model(onnx), path, compress_to_fp16=False)
        except RuntimeError as error:  # of its stream, which does not say why
            raise OSError("OpenVINO could not write it; is the disk full?") from error
    error = _largest_error(part, network, open_graph(path, layout))
    if not error <= LIMIT:
        far = f"{error:.2g} off PyTorch (allowed {LIMIT})"
        raise ModelError(f"{part.name}: {far}; nothing is kept")
    return Exported(part.name, path, error)


def sample_inputs(part: Part, count: int, seed: int = 0) -> list[Tensor]:
    """Inputs that look like real ones, `count` of each."""
    rng = torch.Generator().manual_seed(seed)
    made = []
    for name, shape in part.inputs.items():
        values = torch.randn(count, *shape, generator=rng)
        if name in ("own", "wanted"):
            values = 40 + 15 * values  # years
        elif name in ("images", "mask"):
            values = values.clamp(-1, 1) if name == "images" else (values > -1).float()
        made.append(values)
    return made


def _trace(part: Part, network: nn.Module) -> bytes:
    import_onnx()  # without it, PyTorch ends in a traceback
    names = list(part.inputs)
    with tempfile.TemporaryDirectory() as folder, torch.no_grad(), warnings.catch_warnings():
        # The tracer warns of each size that is read; the comparison at two batches is the proof.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            tuple(sample_inputs(part, 2)),
            Path(folder, "graph.onnx"),
            input_names=names,
            output_names=[part.output],
            dynamic_axes={name: {0: "batch"} for name in (*names, part.output)},
            opset_version=OPSET,
            dynamo=False,
        )
        return Path(folder, "graph.onnx").read_bytes()


def _largest_error(part: Part, network: nn.Module, graph: Graph) -> float:
    errors = []
    for count in SAMPLES:
        inputs = sample_inputs(part, count, seed=count)
        with torch.no_grad():
            expected = network(*inputs).numpy()
        found = graph(*inputs).numpy()
        if found.shape != expected.shape:
            return float("inf")
        errors.append(float(np.abs(found - expected).max()))
    return max(errors)
