"""A model folder: config.json, generator.safetensors, README.md, and what else belongs to it.

Everything is loaded strictly: what is unknown, missing, misshapen or altered is a ModelError.
`encoder.safetensors` is there when the config's `encoder` is not null, and
`discriminator.safetensors` where a training may go on with it. Direction files
(`*.direction.safetensors`) name the generator they belong to by its `tensor_hash`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from reage.errors import ModelError
from reage.files import name_errors, new_folder
from reage.models.files import (
    file_sha256,
    load_tensors,
    read_bytes,
    save_tensors,
    tensor_hash,
    write_file,
)
from reage.models.generator_configs import describe_generator, generator_config
from reage.models.loading import build_empty, check_names, load_strictly
from reage.networks.encoders.hypernet import HyperNetwork
from reage.networks.generators import AnyGenerator, AnyGeneratorConfig, make_generator
from reage.numbers import is_real, read_json

__all__ = [
    "Alignment",
    "Model",
    "ModelConfig",
    "Part",
    "build_generator",
    "load_config",
    "load_model",
    "load_strictly",
    "load_tensors",
    "save_model",
    "save_tensors",
    "seal",
    "tensor_hash",
]

FORMAT = 1
CONFIG_FILE = "config.json"
GENERATOR_FILE = "generator.safetensors"
ENCODER_FILE = "encoder.safetensors"
DISCRIMINATOR_FILE = "discriminator.safetensors"
CARD_FILE = "README.md"
STORED_DTYPES = (torch.float16, torch.float32)


@dataclass(frozen=True)
class Alignment:
    """Which square of the face a model was trained on; the defaults are FFHQ's."""

    scale: float = 1.0  # half-size of the square, in units of FFHQ's
    shift: float = 0.1  # centre: eyes + shift x (mouth - eyes)


@dataclass(frozen=True)
class ModelConfig:
    """What config.json says."""

    name: str
    generator: AnyGeneratorConfig
    alignment: Alignment = Alignment()
    encoder: dict[str, Any] | None = None  # {"kind": ..., its sizes}; read by its own loader
    data: str = "unknown"  # what it was trained on
    licence: str = "unknown"  # of the weights
    metrics: dict[str, Any] = field(default_factory=dict)
    sha256: dict[str, str] = field(default_factory=dict)  # of the folder's files, by name
    format: int = FORMAT

    def kimg(self, of: str = "kimg") -> float:
        """Thousands of pictures that a network has learnt from, where `metrics` say so; else 0."""
        found = self.metrics.get(of)  # somebody else's config.json may say anything
        return float(found) if is_real(found, 0) else 0.0


@dataclass(frozen=True, eq=False)
class Part:
    """A further network, in memory: of a foreign file, or to be stored."""

    settings: dict[str, Any]  # its sizes, as a model folder would state them
    tensors: Mapping[str, Tensor]


@dataclass(frozen=True)
class Model:
    """A generator, frozen and in evaluation mode, with all that is needed to use it."""

    config: ModelConfig
    generator: AnyGenerator
    folder: Path | None  # None: converted in memory from a foreign file
    generator_hash: str  # `tensor_hash` of the generator as stored
    encoder: Part | None = None  # of a foreign file; a folder has a file for it
    ager: Part | None = None
    hypernet: HyperNetwork | None = None


def load_model(folder: Path) -> Model:
    """Load a model folder; float32, frozen."""
    config = load_config(folder)
    expected = config.sha256.get(GENERATOR_FILE)
    if expected is None:
        raise ModelError(f"{folder / CONFIG_FILE} gives no SHA-256 of {GENERATOR_FILE}; add it")
    if config.encoder is not None and ENCODER_FILE not in config.sha256:
        raise ModelError(
            f"{folder / CONFIG_FILE} has an encoder but no SHA-256 of {ENCODER_FILE}; add it"
        )
    stored, metadata = load_tensors(folder / GENERATOR_FILE, sha256=expected)
    for name, tensor in stored.items():
        if tensor.dtype not in STORED_DTYPES:
            raise ModelError(
                f"{folder / GENERATOR_FILE}: {name} is {tensor.dtype}; store float16 or float32"
            )
    # The file was just verified, so the hash that was written with it need not be made again.
    known = metadata.get("tensor_hash") or tensor_hash(stored)
    # By numpy, in one thread: torch would wake all of its threads for each small tensor.
    tensors = {
        name: torch.from_numpy(tensor.numpy().astype(np.float32, copy=False))
        for name, tensor in stored.items()
    }
    generator = build_generator(config.generator, tensors, source=str(folder / GENERATOR_FILE))
    return Model(config, generator, folder, known)


def build_generator(
    config: AnyGeneratorConfig, tensors: Mapping[str, Tensor], *, source: str
) -> AnyGenerator:
    """Make a frozen generator of float32 tensors; `source` is named in the errors."""
    generator = build_empty(partial(make_generator, config), source=source, held=tensors)
    load_strictly(generator, tensors, source=source)
    return generator.eval().requires_grad_(False)


def save_model(
    config: ModelConfig,
    generator: AnyGenerator,
    folder: Path,
    *,
    card: str,
    dtype: torch.dtype = torch.float16,
    significant_bits: int = 0,
    encoder: Mapping[str, Tensor] | None = None,
    discriminator: Part | None = None,
    add: Callable[[Path], None] | None = None,
    overwrite: bool = False,
) -> Path:
    """Write a model folder, whole or not at all; the checksums of `config` are made here.

    `card` is the text of README.md, `encoder` the tensors of encoder.safetensors, `discriminator`
    what `describe_discriminator` gives; all networks are stored as `dtype`, their matrices rounded
    to `significant_bits` (float16 has 11; 0: not rounded), so that archives of the folder shrink.
    `add` gets the folder before anybody else sees it, to write further files into it.
    Raises ModelError when the folder is there and `overwrite` is not set.
    """
    assert dtype in STORED_DTYPES, f"{dtype} is not a storage type"
    assert (encoder is None) == (config.encoder is None), "config.encoder describes the encoder"
    assert generator.config == config.generator, "the config is another generator's"
    if folder.exists() and not overwrite:
        raise ModelError(f"{folder} exists; choose another name or allow overwriting")
    with name_errors(folder, ModelError), new_folder(folder, overwrite=overwrite) as staged:
        tensors = _to_storage(generator.state_dict(), dtype, significant_bits)
        metadata = {"tensor_hash": tensor_hash(tensors)}
        save_tensors(staged / GENERATOR_FILE, tensors, metadata)
        if encoder is not None:
            save_tensors(staged / ENCODER_FILE, _to_storage(encoder, dtype, significant_bits))
        if discriminator is not None:
            stored = _to_storage(discriminator.tensors, dtype, significant_bits)
            save_tensors(staged / DISCRIMINATOR_FILE, stored, discriminator.settings)
        write_file(staged / CARD_FILE, card.encode())
        seal(staged, config)
        if add is not None:
            add(staged)
            seal(staged)
    return folder


def seal(folder: Path, config: ModelConfig | None = None) -> ModelConfig:
    """Rewrite config.json with the checksums of all safetensors files in the folder.

    To be called when a direction or an encoder was added. Without `config` the folder's own is
    kept, but for the checksums.
    """
    config = config or load_config(folder)
    files = sorted(folder.glob("*.safetensors"))
    sealed = replace(config, sha256={file.name: file_sha256(file) for file in files})
    content = asdict(sealed) | {"generator": describe_generator(sealed.generator)}
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    write_file(folder / CONFIG_FILE, text.encode())
    return sealed


def load_config(folder: Path) -> ModelConfig:
    """Read and check config.json of a model folder."""
    path = folder / CONFIG_FILE
    if not path.is_file():
        raise ModelError(f"{folder} is not a model folder: it has no {CONFIG_FILE}")
    try:
        data = read_json(read_bytes(path))
    except ValueError as error:
        raise ModelError(f"{path} is not JSON: {str(error).splitlines()[0]}") from error
    if not isinstance(data, dict):
        raise ModelError(f"{path} holds a {type(data).__name__}, not an object")
    if data.get("format") != FORMAT:
        raise ModelError(
            f"{path} has format {data.get('format')!r:.60}, this reage reads format {FORMAT}; "
            "update the older of the two"
        )
    check_names({f.name: None for f in fields(ModelConfig)}, data, str(path))
    return ModelConfig(
        name=_read_field(data, "name", str, path),
        generator=generator_config(
            _read_field(data, "generator", dict, path), f"{path}: generator"
        ),
        alignment=_alignment(_read_field(data, "alignment", dict, path), path),
        encoder=None if data["encoder"] is None else _read_field(data, "encoder", dict, path),
        data=_read_field(data, "data", str, path),
        licence=_read_field(data, "licence", str, path),
        metrics=_read_field(data, "metrics", dict, path),
        sha256=_checksums(_read_field(data, "sha256", dict, path), path),
    )


def _read_field(data: dict[str, Any], name: str, kind: type, path: Path) -> Any:
    value = data[name]
    if not isinstance(value, kind) or isinstance(value, bool):
        raise ModelError(f"{path}: {name} is {value!r:.60}; it must be a {kind.__name__}")
    return value


def _alignment(data: dict[str, Any], path: Path) -> Alignment:
    check_names({f.name: None for f in fields(Alignment)}, data, f"{path}: alignment")
    if not (is_real(data["scale"], 1e-3, 10) and is_real(data["shift"], -10, 10)):
        raise ModelError(f"{path}: alignment {data!r:.100} is out of range; FFHQ's is 1.0 and 0.1")
    return Alignment(float(data["scale"]), float(data["shift"]))


def _checksums(data: dict[str, Any], path: Path) -> dict[str, str]:
    for name, value in data.items():
        if Path(name).name != name or not isinstance(value, str) or len(value) != 64:
            raise ModelError(
                f"{path}: sha256 of {name!r:.60} is {value!r:.80}, not 64 hexadecimal digits"
            )
    return data


def _round(tensor: Tensor, bits: int) -> Tensor:
    """Round matrices to `bits` significant binary digits (0: not at all); vectors stay exact."""
    if not bits or tensor.ndim < 2:
        return tensor
    mantissa, exponent = torch.frexp(tensor.float())
    return torch.ldexp((mantissa * 2**bits).round() / 2**bits, exponent)


def _to_storage(
    tensors: Mapping[str, Tensor], dtype: torch.dtype, significant_bits: int
) -> dict[str, Tensor]:
    stored = {n: _round(t.detach(), significant_bits).to(dtype) for n, t in tensors.items()}
    for name, tensor in stored.items():
        if tensor.numel() and not torch.stack(tensor.aminmax()).isfinite().all():
            raise ModelError(f"{name} has values beyond {dtype}; store the model as float32")
    return stored
