"""Sound files that the zoo's animals are made of."""

from __future__ import annotations

import csv
import io
import json
import shutil
import struct
import subprocess
import sys
import tarfile
from dataclasses import replace
from functools import cache, cached_property
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
from reage.models.encoders import describe_encoder
from reage.models.families.table import write_foreign
from reage.networks.agers.latent_ager import Ager, AgerConfig
from reage.networks.encoders.encoder import Encoder, EncoderConfig

__all__ = [
    "FACES",
    "FAMILIES",
    "SIDE",
    "Ground",
    "Table",
    "png_of",
    "rewrite",
    "safetensors_with",
    "table_bytes",
    "write_faces",
    "write_tar",
]

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

    @cached_property
    def encoding(self) -> Path:
        """A model folder with an encoder."""
        model, folder = load_model(self.model), self.folder / "encoding"
        size = model.config.generator
        config = EncoderConfig(size.num_ws, size.w_dim, 32, 1, (8, 8, 8, 8), (1, 1, 1, 1), 16)
        changed = replace(model.config, name="encoding", encoder=describe_encoder(config))
        weights = Encoder(config).state_dict()
        save_model(
            changed, model.generator, folder, card="# it\n", dtype=torch.float32, encoder=weights
        )
        shutil.copy(self.direction, folder / AGE_DIRECTION)
        seal(folder)
        return folder

    @cached_property
    def run(self) -> Path:
        """The folder of a training of two steps, in a process of its own: it starts threads."""
        place, data = self.folder / "run", self.folder / "faces"
        write_faces(data)
        command = (
            *("train", "encoder", self.encoding, "--data", data, "--run", place, "--kimg", "0.008"),
            *("--set", "batch=4", "--threads", "1", "--log-steps", "1", "--precision", "float32"),
        )
        subprocess.run([sys.executable, "-m", "reage", *map(str, command)], check=True)
        return place

    @cache  # noqa: B019 - there is one ground
    def data(self, path: Path) -> bytes:
        """A file's bytes."""
        return path.read_bytes()


Table = list[dict[str, str]]
SIDE, FACES = 32, 12


def table_bytes(rows: Table) -> bytes:
    """A CSV file."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]) if rows else ["file"])
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode("utf-8", "surrogateescape")


def write_tar(path: Path, entries: dict[str, bytes]) -> None:
    """A tar of files by their names."""
    with tarfile.open(path, "w") as archive:
        for name, data in entries.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))


def png_of(pixels: np.ndarray) -> bytes:
    """A PNG file."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def write_faces(place: Path) -> Table:
    """A dataset of noise; returns the table's rows."""
    place.mkdir()
    rows = [
        {
            "file": f"{n}.png",
            "split": "train",
            "age": f"{20 + 4 * n}",
            "gender": "male",
            "race": "",
            "yaw": "1.5",
            "padding": "0",
            "apparent_age": "30",
            "person": f"{n // 2}",
        }
        for n in range(FACES)
    ]
    chance = np.random.default_rng(5)
    pictures = chance.integers(0, 255, (FACES, SIDE, SIDE, 3), np.uint8)
    write_tar(place / "a.tar", {f"{n}.png": png_of(picture) for n, picture in enumerate(pictures)})
    (place / "d.csv").write_bytes(table_bytes(rows))
    return rows


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
