"""The names and shapes of lucidrains' tensors, next to ours."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from reage.errors import ModelError
from reage.models.generator_configs import MAX_WIDTH
from reage.models.loading import Shaped
from reage.networks.lucidrains.generator import BilinearConfig
from reage.networks.lucidrains.linear_attention import HEAD_WIDTH, HEADS

__all__ = ["FAMILY", "Row", "check_against", "infer_config", "key_table"]

FAMILY = "lucidrains"
MAX_BLOCKS, MAX_LAYERS = 16, 64


@dataclass(frozen=True)
class Row:
    """One tensor in both layouts; the shapes differ by sides of 1 only."""

    ours: str
    theirs: str
    shape: tuple[int, ...]  # ours
    stored: tuple[int, ...] = ()  # theirs, where it is another


def infer_config(
    theirs: Mapping[str, Shaped], mapping: str, synthesis: str, source: str
) -> BilinearConfig:
    """Sizes of a generator, read off the shapes of its tensors."""

    def side(key: str, axis: int, length: int) -> int:
        if key not in theirs:
            raise ModelError(f"{source} lacks {key}; is it a whole file of {FAMILY}' program?")
        shape = tuple(theirs[key].shape)
        size = shape[axis] if len(shape) == length else 0
        if type(size) is not int or not 0 < size <= MAX_WIDTH:
            raise ModelError(f"{source}: {key} is {list(shape)!r:.80}, which fits no generator")
        return size

    starts = [f"{synthesis}blocks.{i}." for i in range(MAX_BLOCKS)]
    blocks = sum(any(name.startswith(start) for name in theirs) for start in starts)
    layers = sum(f"{mapping}net.{2 * i}.weight" in theirs for i in range(MAX_LAYERS))
    w_dim = side(f"{mapping}net.0.weight", 1, 2)
    widths = [side(f"{synthesis}blocks.{i}.conv1.weight", 0, 4) for i in range(blocks)]
    attended = {i for i in range(blocks) if f"{synthesis}attns.{i}.0.fn.norm.g" in theirs}
    try:
        return BilinearConfig(
            resolution=4 * 2 ** max(blocks - 1, 0),
            channels=tuple(widths),
            z_dim=w_dim,
            w_dim=w_dim,
            mapping_layers=layers,
            image_channels=side(f"{synthesis}blocks.0.to_rgb.conv.weight", 0, 4),
            constant=f"{synthesis}to_initial_block.weight" not in theirs,
            attention=tuple(4 * 2**i for i in sorted(attended)),
        )
    except ValueError as error:
        raise ModelError(f"{source}: {error}") from error


def key_table(config: BilinearConfig, mapping: str, synthesis: str) -> list[Row]:
    """All tensors of a generator, but for the noise, the filters and the mean latent."""
    first, w_dim = config.channels[0], config.w_dim
    rows = []
    for i in range(config.mapping_layers):
        rows += _linear(f"mapping.fc{i}", f"{mapping}net.{2 * i}", w_dim, w_dim)
    if config.constant:
        shape = (first, 4, 4)
        rows.append(Row("synthesis.start", f"{synthesis}initial_block", shape, (1, *shape)))
    else:
        shape = (w_dim, first, 4, 4)
        rows.append(Row("synthesis.start", f"{synthesis}to_initial_block.weight", shape))
    rows += _conv("synthesis.first", f"{synthesis}initial_conv", (first, first, 3, 3))
    before = first
    sizes = zip(config.block_resolutions, config.channels, strict=True)
    for i, (size, width) in enumerate(sizes):
        ours, theirs = f"synthesis.b{size}", f"{synthesis}blocks.{i}"
        if size in config.attention:
            rows += _attention(f"{ours}.attention", f"{synthesis}attns.{i}", before)
        rows += _layer(f"{ours}.conv0", theirs, 1, (width, before), w_dim)
        rows += _layer(f"{ours}.conv1", theirs, 2, (width, width), w_dim)
        rows += _linear(f"{ours}.torgb.affine", f"{theirs}.to_rgb.to_style", width, w_dim)
        picture = (config.image_channels, width, 1, 1)
        rows.append(Row(f"{ours}.torgb.weight", f"{theirs}.to_rgb.conv.weight", picture))
        before = width
    return rows


def _linear(ours: str, theirs: str, outputs: int, inputs: int) -> list[Row]:
    return [
        Row(f"{ours}.weight", f"{theirs}.weight", (outputs, inputs)),
        Row(f"{ours}.bias", f"{theirs}.bias", (outputs,)),
    ]


def _conv(ours: str, theirs: str, shape: tuple[int, ...]) -> list[Row]:
    return [
        Row(f"{ours}.weight", f"{theirs}.weight", shape),
        Row(f"{ours}.bias", f"{theirs}.bias", shape[:1]),
    ]


def _layer(ours: str, theirs: str, number: int, size: tuple[int, int], w_dim: int) -> list[Row]:
    """The `number`th convolution of a block, of `size` (outputs, inputs)."""
    outputs, inputs = size
    noise = f"{theirs}.to_noise{number}"
    return [
        *_linear(f"{ours}.affine", f"{theirs}.to_style{number}", inputs, w_dim),
        Row(f"{ours}.weight", f"{theirs}.conv{number}.weight", (*size, 3, 3)),
        Row(f"{ours}.noise_strength", f"{noise}.weight", (outputs,), (outputs, 1)),
        Row(f"{ours}.bias", f"{noise}.bias", (outputs,)),
    ]


def _attention(ours: str, theirs: str, width: int) -> list[Row]:
    inner, rows = HEADS * HEAD_WIDTH, []
    for number in (0, 1):
        for name, letter in (("weight", "g"), ("bias", "b")):
            norm = f"{theirs}.{number}.fn.norm.{letter}"
            rows.append(Row(f"{ours}.norm{number}.{name}", norm, (width,), (1, width, 1, 1)))
    attention, places = f"{theirs}.0.fn.fn", f"{theirs}.1.fn.fn"
    return [
        *rows,
        Row(f"{ours}.query.weight", f"{attention}.to_q.weight", (inner, width, 1, 1)),
        Row(f"{ours}.around.weight", f"{attention}.to_kv.net.0.weight", (width, 1, 3, 3)),
        Row(
            f"{ours}.key_value.weight",
            f"{attention}.to_kv.net.1.weight",
            (2 * inner, width, 1, 1),
        ),
        *_conv(f"{ours}.out", f"{attention}.to_out", (width, inner, 1, 1)),
        *_conv(f"{ours}.wide", f"{places}.0", (2 * width, width, 1, 1)),
        *_conv(f"{ours}.narrow", f"{places}.2", (width, 2 * width, 1, 1)),
    ]


def check_against(
    table: list[Row], blurs: list[str], theirs: Mapping[str, Shaped], source: str
) -> None:
    """Raise ModelError unless names and shapes are all those of the table."""
    shapes = {row.theirs: row.stored or row.shape for row in table} | dict.fromkeys(blurs, (3,))
    for name in sorted(shapes.keys() - theirs.keys()):
        raise ModelError(f"{source} lacks {name}; files of versions 1.1 to 1.9 can be read")
    for name in sorted(theirs.keys() - shapes.keys()):
        raise ModelError(f"{source} has unknown {name}; files of versions 1.1 to 1.9 can be read")
    for name, shape in shapes.items():
        if tuple(theirs[name].shape) != shape:
            found = list(theirs[name].shape)
            raise ModelError(f"{source}: {name} is {found!r:.80}, its sizes need {list(shape)}")
    assert all(math.prod(row.stored or row.shape) == math.prod(row.shape) for row in table)
