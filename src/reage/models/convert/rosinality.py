"""Generators of rosinality/stylegan2-pytorch, and the decoders of pSp-like encoders built on it.

One table of keys serves both directions. The layouts differ in dimensions of size one only:
rosinality's `ModulatedConv2d` divides its weights by sqrt(fan-in), which demodulation undoes (up
to its epsilon) and which `ToRGB.weight_gain` does here.
"""

from __future__ import annotations

import argparse
import io
import pickle
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from reage.errors import ModelError
from reage.models.convert.converted import ConvertedGenerator, checked, fir_kernel
from reage.models.files import load_tensors, read_bytes, save_tensors, write_file
from reage.models.loading import Shaped
from reage.networks.generator import GeneratorConfig

__all__ = [
    "LATENT_AVG",
    "filter_keys",
    "from_rosinality",
    "infer_config",
    "key_table",
    "read_rosinality",
    "to_rosinality",
    "write_rosinality",
]

LATENT_AVG = "latent_avg"
DECODER = "decoder."  # prefix of the generator in pSp, e4e, ReStyle and SAM checkpoints
READ_ERRORS = (
    *(
        pickle.UnpicklingError,
        zipfile.BadZipFile,
        RuntimeError,
        OSError,
        EOFError,
        ValueError,
        KeyError,
    ),
    *(IndexError, TypeError, AttributeError, ArithmeticError, MemoryError, AssertionError),
    *(ImportError, struct.error),
)


@dataclass(frozen=True)
class Row:
    """One tensor in both layouts; theirs has `lead` and `trail` more dimensions of size 1."""

    ours: str
    theirs: str
    lead: int = 0
    trail: int = 0

    def to_ours(self, tensor: Tensor, source: str) -> Tensor:
        shape = list(tensor.shape)
        inner = shape[self.lead : len(shape) - self.trail]
        if shape != [1] * self.lead + inner + [1] * self.trail:
            raise ModelError(f"{source}: {self.theirs} is {shape}; is it a StyleGAN2 generator?")
        return tensor.reshape(inner)

    def to_theirs(self, tensor: Tensor) -> Tensor:
        return tensor.reshape([1] * self.lead + list(tensor.shape) + [1] * self.trail)


def key_table(config: GeneratorConfig) -> list[Row]:
    """All tensors of a generator, but for the mean latent."""
    rows = []
    for i in range(config.mapping_layers):
        rows += [Row(f"mapping.fc{i}.{p}", f"style.{i + 1}.{p}") for p in ("weight", "bias")]
    rows.append(Row("synthesis.b4.const", "input.input", lead=1))
    rows += _layer_rows("synthesis.b4.conv1", "conv1", 0)
    rows += _torgb_rows("synthesis.b4.torgb", "to_rgb1")
    for k, size in enumerate(config.block_resolutions[1:]):
        rows += _layer_rows(f"synthesis.b{size}.conv0", f"convs.{2 * k}", 2 * k + 1)
        rows += _layer_rows(f"synthesis.b{size}.conv1", f"convs.{2 * k + 1}", 2 * k + 2)
        rows += _torgb_rows(f"synthesis.b{size}.torgb", f"to_rgbs.{k}")
    return rows


def filter_keys(config: GeneratorConfig) -> list[str]:
    """Constant filters which rosinality keeps in the state dict."""
    blocks = range(len(config.channels) - 1)
    return [f"convs.{2 * k}.conv.blur.kernel" for k in blocks] + [
        f"to_rgbs.{k}.upsample.kernel" for k in blocks
    ]


def _layer_rows(ours: str, theirs: str, noise: int) -> list[Row]:
    return [
        Row(f"{ours}.weight", f"{theirs}.conv.weight", lead=1),
        Row(f"{ours}.affine.weight", f"{theirs}.conv.modulation.weight"),
        Row(f"{ours}.affine.bias", f"{theirs}.conv.modulation.bias"),
        Row(f"{ours}.bias", f"{theirs}.activate.bias"),
        Row(f"{ours}.noise_strength", f"{theirs}.noise.weight", lead=1),
        Row(f"{ours}.noise_const", f"noises.noise_{noise}", lead=2),
    ]


def _torgb_rows(ours: str, theirs: str) -> list[Row]:
    return [
        Row(f"{ours}.weight", f"{theirs}.conv.weight", lead=1),
        Row(f"{ours}.affine.weight", f"{theirs}.conv.modulation.weight"),
        Row(f"{ours}.affine.bias", f"{theirs}.conv.modulation.bias"),
        Row(f"{ours}.bias", f"{theirs}.bias", lead=1, trail=2),
    ]


def to_rosinality(config: GeneratorConfig, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Name tensors as rosinality's Generator does, filters included, mean latent not."""
    if config.z_dim != config.w_dim:
        raise ModelError(
            f"z has {config.z_dim} and w {config.w_dim} dimensions; rosinality's code needs the "
            "same number: write another format"
        )
    theirs = {row.theirs: row.to_theirs(state[row.ours]) for row in key_table(config)}
    return theirs | {key: fir_kernel(4) for key in filter_keys(config)}


def from_rosinality(
    theirs: Mapping[str, Tensor], latent_avg: Tensor | None, *, source: str
) -> ConvertedGenerator:
    """Name rosinality's tensors as ours; sizes are read off the shapes."""
    config = infer_config(theirs, source)
    for key in filter_keys(config):
        if key in theirs and not _is_standard(theirs[key]):
            raise ModelError(f"{source}: {key} is not the filter [1, 3, 3, 1]; it cannot be used")
    table = key_table(config)
    known = {row.theirs for row in table}.union(filter_keys(config))
    for key in sorted(known.difference(theirs, filter_keys(config))):
        raise ModelError(f"{source} lacks {key}; is it a whole StyleGAN2 generator?")
    for key in sorted(theirs.keys() - known):
        raise ModelError(f"{source} has unknown {key}; is it a StyleGAN2 generator?")
    state = {row.ours: row.to_ours(theirs[row.theirs], source) for row in table}
    if latent_avg is not None:
        state["mapping.w_avg"] = _one_latent(latent_avg, config, source)
    return checked(config, state, source=source, source_format="rosinality", notes=[])


def infer_config(theirs: Mapping[str, Shaped], source: str) -> GeneratorConfig:
    """Sizes of a generator, read off the shapes of its tensors."""

    def shape(key: str, length: int) -> tuple[int, ...]:
        if key not in theirs:
            raise ModelError(f"{source} lacks {key}; is it a StyleGAN2 generator?")
        found = tuple(theirs[key].shape)
        if len(found) != length or 0 in found:
            raise ModelError(f"{source}: {key} is {list(found)}; is it a StyleGAN2 generator?")
        return found

    blocks = sum(f"to_rgbs.{k}.conv.weight" in theirs for k in range(16))
    layers = sum(f"style.{i}.weight" in theirs for i in range(1, 65))
    w_dim, z_dim = shape("style.1.weight", 2)
    later = [shape(f"convs.{2 * k + 1}.conv.weight", 5)[1] for k in range(blocks)]
    try:
        return GeneratorConfig(
            resolution=4 * 2**blocks,
            channels=(shape("input.input", 4)[1], *later),
            z_dim=z_dim,
            w_dim=w_dim,
            mapping_layers=layers,
            image_channels=shape("to_rgb1.conv.weight", 5)[1],
        )
    except ValueError as error:
        raise ModelError(f"{source}: {error}") from error


def _is_standard(kernel: Tensor) -> bool:
    return kernel.shape == (4, 4) and torch.allclose(kernel.float(), fir_kernel(4), atol=1e-5)


def _one_latent(latent: Tensor, config: GeneratorConfig, source: str) -> Tensor:
    """The mean latent `[w_dim]`, which pSp-like checkpoints repeat for each level."""
    rows = latent.reshape(-1, latent.shape[-1]) if latent.ndim else latent.reshape(1, 1)
    if rows.shape[1] != config.w_dim or not torch.equal(rows, rows[:1].expand_as(rows)):
        raise ModelError(
            f"{source}: {LATENT_AVG} {list(latent.shape)} is not one latent of {config.w_dim}"
        )
    return rows[0]


def read_rosinality(path: Path) -> ConvertedGenerator:
    """Read a torch file (converted, training or bare state dict) or safetensors of that layout."""
    data = read_bytes(path)
    if data[8:9] == b"{":
        content: Any = load_tensors(path)[0]
    else:
        content = _load_torch(data, str(path))
    state, latent_avg = _find_generator(content, str(path))
    return from_rosinality(state, latent_avg, source=str(path))


def write_rosinality(config: GeneratorConfig, state: Mapping[str, Tensor], path: Path) -> None:
    """Write `{"g_ema", "latent_avg"}` as a torch file, or flat when `path` ends in .safetensors."""
    theirs = to_rosinality(config, state)
    latent_avg = state["mapping.w_avg"]
    if path.suffix == ".safetensors":
        save_tensors(path, {**theirs, LATENT_AVG: latent_avg}, {"layout": "rosinality"})
        return
    # Cloned, since a view would bring its whole storage into the file.
    plain = {key: tensor.detach().cpu().clone() for key, tensor in theirs.items()}
    buffer = io.BytesIO()
    torch.save({"g_ema": plain, LATENT_AVG: latent_avg.detach().cpu().clone()}, buffer)
    write_file(path, buffer.getvalue())


def _load_torch(data: bytes, source: str) -> Any:
    try:
        if zipfile.is_zipfile(io.BytesIO(data)):
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                if sum(item.file_size for item in archive.infolist()) > len(data):
                    raise ModelError(f"{source} is compressed, which torch files are not")
        # Training files hold their options as a Namespace, which is as harmless as a dict.
        with torch.serialization.safe_globals([argparse.Namespace]):
            return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except READ_ERRORS as error:
        reason = next((x for x in str(error).splitlines() if "GLOBAL" in x), str(error))
        reason = (reason.strip().splitlines() or [type(error).__name__])[0][:200]
        raise ModelError(f"{source} is not a torch file of plain tensors: {reason}") from error


def _find_generator(content: Any, source: str) -> tuple[dict[str, Tensor], Tensor | None]:
    if not isinstance(content, dict):
        raise ModelError(f"{source} holds a {type(content).__name__}, not a state dict")
    latent_avg = content.get(LATENT_AVG)
    if latent_avg is not None and not isinstance(latent_avg, Tensor):
        raise ModelError(f"{source}: {LATENT_AVG} is a {type(latent_avg).__name__}, not a tensor")
    for key in ("g_ema", "state_dict", "g"):
        if isinstance(content.get(key), dict):
            content = content[key]
            break
    tensors = {k: v for k, v in content.items() if isinstance(v, Tensor) and k != LATENT_AVG}
    if any(k.startswith(DECODER) for k in tensors):
        tensors = {k.removeprefix(DECODER): v for k, v in tensors.items() if k.startswith(DECODER)}
    if "input.input" not in tensors:
        first = ", ".join(str(k) for k in list(content)[:3]) or "nothing"
        raise ModelError(
            f"{source} holds no generator in a layout that is known (it has {first}); "
            "StyleGAN2 files of rosinality and of NVIDIA's PyTorch code can be read"
        )
    for key, tensor in (tensors | ({} if latent_avg is None else {LATENT_AVG: latent_avg})).items():
        # Sparse, quantised, complex or empty-handed (meta) tensors are no weights.
        plain = tensor.layout == torch.strided and tensor.device.type == "cpu"
        if not plain or not tensor.is_floating_point():
            raise ModelError(f"{source}: {key} is a tensor of {tensor.dtype}, {tensor.layout}")
    return tensors, latent_avg
