"""Sound files that the zoo's animals are made of."""

from __future__ import annotations

import json
import shutil
import struct
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import save

from made import SMALL, make_generator, random
from reage.agers.direction import Direction
from reage.agers.direction_files import save_direction
from reage.agers.files import StoredAger, save_ager
from reage.agers.finder import AGE_DIRECTION
from reage.models.checkpoints import Alignment, Model, ModelConfig, load_model, save_model, seal
from reage.models.families.table import write_foreign
from reage.networks.agers.latent_ager import Ager, AgerConfig

__all__ = ["FAMILIES", "Ground", "rewrite", "safetensors_with"]

FAMILIES = {"rosinality": ".pt", "nvidia": ".pkl", "paddlegan": ".pdparams", "mmgen": ".pth"}


class Ground:
    """Paths of a photo, a tiny model and its parts in a folder."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.photo, self.model = folder / "photo.png", folder / "small"
        self.direction, self.ager = (
            folder / "age.direction.safetensors",
            folder / "age.ager.safetensors",
        )
        self.onnx = folder / "ager.onnx"

    def make(self) -> Ground:
        from skimage import data

        Image.fromarray(data.astronaut()[:256, 96:352]).save(self.photo)
        generator = make_generator(SMALL)
        config = ModelConfig("small", generator.config, Alignment(0.7, 0.22), data="noise")
        save_model(config, generator, self.model, card="# small\n", dtype=torch.float32)
        model = load_model(self.model)
        vector = random(generator.num_ws, SMALL.w_dim, seed=3) / 4
        own = Direction("age", vector, generator_hash=model.generator_hash, span=(-3.0, 3.0))
        save_direction(own, self.direction)
        shutil.copy(self.direction, self.model / AGE_DIRECTION)
        seal(self.model)
        network = Ager(AgerConfig(generator.num_ws, SMALL.w_dim)).eval()
        save_ager(StoredAger(network, model.generator_hash), self.ager)
        for family, suffix in FAMILIES.items():
            write_foreign(
                Model(config, generator, None, model.generator_hash),
                self.foreign(family).with_suffix(suffix),
                family,
            )
        save_onnx(self.onnx)
        return self

    def foreign(self, family: str) -> Path:
        """The tiny generator as another program's file."""
        return self.folder / f"{family}{FAMILIES[family]}"

    @cache  # noqa: B019 - there is one ground
    def data(self, path: Path) -> bytes:
        """A file's bytes."""
        return path.read_bytes()


def save_onnx(path: Path, weight: float = 0.01) -> None:
    """An ager of pixels of one convolution whose weights are all the same."""
    from onnx import TensorProto, helper, numpy_helper, save_model

    weights = numpy_helper.from_array(np.full((3, 5, 1, 1), weight, np.float32), "w")
    takes = helper.make_tensor_value_info("input", TensorProto.FLOAT, ["n", 5, "h", "w"])
    gives = helper.make_tensor_value_info("output", TensorProto.FLOAT, ["n", 3, "h", "w"])
    node = helper.make_node("Conv", ["input", "w"], ["output"])
    graph = helper.make_graph([node], "ager", [takes], [gives], [weights])
    opset = [helper.make_opsetid("", 17)]
    save_model(helper.make_model(graph, opset_imports=opset, ir_version=8), str(path))


def safetensors_with(header: Any, data: bytes = b"", length: int | None = None) -> bytes:
    """Bytes of a safetensors file of a header that is text or becomes JSON."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def rewrite(source: Path, target: Path, key: str, change: Any, tensors: Any = None) -> None:
    """Copy a safetensors file with other metadata: `change` takes and gives the JSON's content."""
    with safe_open(source, "pt") as file:
        held = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        known = json.loads(file.metadata()[key])
    changed = change(known)
    text = changed if isinstance(changed, str) else json.dumps(changed)
    target.write_bytes(save(tensors(held) if tensors else held, {key: text}))
