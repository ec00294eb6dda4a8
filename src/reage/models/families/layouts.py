"""The tensors of generators that are built as rosinality's, under the names of each family.

One table of keys serves both directions. rosinality's `ModulatedConv2d` divides its weights by
sqrt(fan-in), which demodulation undoes (up to its epsilon) and which `ToRGB.weight_gain` does
here; so the layouts differ from ours in dimensions of size one and in transposed matrices only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from reage.errors import ModelError
from reage.models.families.converted import ConvertedGenerator, build_converted, fir_kernel
from reage.models.loading import Shaped
from reage.models.pickles.files import Held, PickledFile, load_all
from reage.networks.stylegan2.generator import GeneratorConfig

__all__ = [
    "Layout",
    "Row",
    "drop_repeats",
    "filter_keys",
    "from_layout",
    "infer_config",
    "key_table",
    "to_layout",
]

MAX_BLOCKS, MAX_LAYERS = 16, 64


@dataclass(frozen=True)
class Layout:
    """How a family names its tensors; `{}` is a number. The defaults are rosinality's."""

    source_format: str
    mapping_weight: str = "style.{}.weight"  # from 1
    mapping_bias: str = "style.{}.bias"
    const: str = "input.input"
    weight: str = "conv.weight"  # in a styled convolution, and in toRGB
    affine_weight: str = "conv.modulation.weight"
    affine_bias: str = "conv.modulation.bias"
    noise_strength: str = "noise.weight"
    noise_const: str = "noises.noise_{}"
    transposed: bool = False  # the matrices of linear layers are (in, out)
    containers: tuple[str, ...] = ("g_ema", "state_dict", "g")  # keys of the state dict, best first
    # Of the generator's keys; "decoder." is that of pSp, e4e, ReStyle and SAM checkpoints.
    prefixes: tuple[str, ...] = ("", "decoder.")
    mean: str = "latent_avg"  # next to the state dict or in it
    code: str = "rosinality's"  # for errors


@dataclass(frozen=True)
class Row:
    """One tensor in both layouts; theirs has `lead` and `trail` more dimensions of size 1."""

    ours: str
    theirs: str
    lead: int = 0
    trail: int = 0
    transposed: bool = False

    def to_ours(self, tensor: Tensor, source: str) -> Tensor:
        shape = list(tensor.shape)
        inner = shape[self.lead : len(shape) - self.trail]
        matrix = len(inner) == 2 or not self.transposed
        if shape != [1] * self.lead + inner + [1] * self.trail or not matrix:
            raise ModelError(f"{source}: {self.theirs} is {shape}; is it a StyleGAN2 generator?")
        tensor = tensor.reshape(inner)
        return tensor.t() if self.transposed else tensor

    def to_theirs(self, tensor: Tensor) -> Tensor:
        tensor = tensor.t() if self.transposed else tensor
        return tensor.reshape([1] * self.lead + list(tensor.shape) + [1] * self.trail)


def key_table(config: GeneratorConfig, layout: Layout) -> list[Row]:
    """All tensors of a generator, but for the mean latent."""
    rows = []
    for i in range(config.mapping_layers):
        weight, bias = layout.mapping_weight.format(i + 1), layout.mapping_bias.format(i + 1)
        rows.append(Row(f"mapping.fc{i}.weight", weight, transposed=layout.transposed))
        rows.append(Row(f"mapping.fc{i}.bias", bias))
    rows.append(Row("synthesis.b4.const", layout.const, lead=1))
    rows += _layer_rows(layout, "synthesis.b4.conv1", "conv1", 0)
    rows += _torgb_rows(layout, "synthesis.b4.torgb", "to_rgb1")
    for k, size in enumerate(config.block_resolutions[1:]):
        rows += _layer_rows(layout, f"synthesis.b{size}.conv0", f"convs.{2 * k}", 2 * k + 1)
        rows += _layer_rows(layout, f"synthesis.b{size}.conv1", f"convs.{2 * k + 1}", 2 * k + 2)
        rows += _torgb_rows(layout, f"synthesis.b{size}.torgb", f"to_rgbs.{k}")
    return rows


def filter_keys(config: GeneratorConfig) -> list[str]:
    """Constant filters which a state dict may hold."""
    blocks = range(len(config.channels) - 1)
    return [f"convs.{2 * k}.conv.blur.kernel" for k in blocks] + [
        f"to_rgbs.{k}.upsample.kernel" for k in blocks
    ]


def _affine_rows(layout: Layout, ours: str, theirs: str) -> list[Row]:
    matrix = f"{theirs}.{layout.affine_weight}"
    return [
        Row(f"{ours}.weight", f"{theirs}.{layout.weight}", lead=1),
        Row(f"{ours}.affine.weight", matrix, transposed=layout.transposed),
        Row(f"{ours}.affine.bias", f"{theirs}.{layout.affine_bias}"),
    ]


def _layer_rows(layout: Layout, ours: str, theirs: str, noise: int) -> list[Row]:
    return [
        *_affine_rows(layout, ours, theirs),
        Row(f"{ours}.bias", f"{theirs}.activate.bias"),
        Row(f"{ours}.noise_strength", f"{theirs}.{layout.noise_strength}", lead=1),
        Row(f"{ours}.noise_const", layout.noise_const.format(noise), lead=2),
    ]


def _torgb_rows(layout: Layout, ours: str, theirs: str) -> list[Row]:
    return [
        *_affine_rows(layout, ours, theirs),
        Row(f"{ours}.bias", f"{theirs}.bias", lead=1, trail=2),
    ]


def to_layout(
    layout: Layout, config: GeneratorConfig, state: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Name tensors as a family's Generator does, filters included, mean latent not."""
    if config.z_dim != config.w_dim:
        raise ModelError(
            f"z has {config.z_dim} and w {config.w_dim} dimensions; {layout.code} code needs the "
            "same number: write another format"
        )
    theirs = {row.theirs: row.to_theirs(state[row.ours]) for row in key_table(config, layout)}
    return theirs | {key: fir_kernel(4) for key in filter_keys(config)}


def from_layout(
    layout: Layout,
    theirs: Mapping[str, Held],
    mean: Held | None,
    file: PickledFile,
    *,
    source: str,
) -> ConvertedGenerator:
    """Name a family's tensors as ours; they leave the file once names and sizes are right."""
    config = infer_config(layout, theirs, source)
    table = key_table(config, layout)
    known = {row.theirs for row in table}.union(filter_keys(config))
    for key in sorted(known.difference(theirs, filter_keys(config))):
        raise ModelError(f"{source} lacks {key}; is it a whole StyleGAN2 generator?")
    for key in sorted(theirs.keys() - known):
        raise ModelError(f"{source} has unknown {key}; is it a StyleGAN2 generator?")
    means = {} if mean is None else {layout.mean: drop_repeats(mean)}
    tensors = load_all({**theirs, **means}, file, source)
    for key in filter_keys(config):
        if key in tensors and not _is_standard(tensors[key]):
            raise ModelError(f"{source}: {key} is not the filter [1, 3, 3, 1]; it cannot be used")
    state = {row.ours: row.to_ours(tensors[row.theirs], source) for row in table}
    if means:
        state["mapping.w_avg"] = _one_latent(tensors[layout.mean], config, source)
    return build_converted(
        config, state, source=source, source_format=layout.source_format, notes=[]
    )


def drop_repeats(mean: Held) -> Held:
    """The one row of a mean latent that was saved as a view which repeats it."""
    if isinstance(mean, Tensor) or len(mean.shape) != len(mean.stride) or any(mean.stride[:-1]):
        return mean
    return replace(mean, shape=mean.shape[-1:], stride=mean.stride[-1:])


def infer_config(layout: Layout, theirs: Mapping[str, Shaped], source: str) -> GeneratorConfig:
    """Sizes of a generator, read off the shapes of its tensors."""

    def shape(key: str, length: int) -> tuple[int, ...]:
        if key not in theirs:
            raise ModelError(f"{source} lacks {key}; is it a StyleGAN2 generator?")
        found = tuple(theirs[key].shape)
        if len(found) != length or 0 in found:
            raise ModelError(f"{source}: {key} is {list(found)}; is it a StyleGAN2 generator?")
        return found

    blocks = sum(f"to_rgbs.{k}.{layout.weight}" in theirs for k in range(MAX_BLOCKS))
    layers = sum(layout.mapping_weight.format(i) in theirs for i in range(1, MAX_LAYERS + 1))
    first = shape(layout.mapping_weight.format(1), 2)
    w_dim, z_dim = first[::-1] if layout.transposed else first
    later = [shape(f"convs.{2 * k + 1}.{layout.weight}", 5)[1] for k in range(blocks)]
    try:
        return GeneratorConfig(
            resolution=4 * 2**blocks,
            channels=(shape(layout.const, 4)[1], *later),
            z_dim=z_dim,
            w_dim=w_dim,
            mapping_layers=layers,
            image_channels=shape(f"to_rgb1.{layout.weight}", 5)[1],
        )
    except ValueError as error:
        raise ModelError(f"{source}: {error}") from error


def _is_standard(kernel: Tensor) -> bool:
    return kernel.shape == (4, 4) and torch.allclose(kernel, fir_kernel(4), atol=1e-5)


def _one_latent(latent: Tensor, config: GeneratorConfig, source: str) -> Tensor:
    """The mean latent `[w_dim]`, which pSp-like checkpoints repeat for each level."""
    rows = latent.reshape(-1, latent.shape[-1]) if latent.ndim else latent.reshape(1, 1)
    if rows.shape[1] != config.w_dim or not torch.equal(rows, rows[:1].expand_as(rows)):
        raise ModelError(
            f"{source}: latent_avg {list(latent.shape)} is not one latent of {config.w_dim}"
        )
    return rows[0]
