"""Files of lucidrains/stylegan2-pytorch: `model_N.pt`, `{"GAN": state dict, "version": ...}`.

The state dict holds the trained networks (`S.` the mapping, `G.` the synthesis), their moving
averages (`SE.`, `GE.`), and the discriminator in its wrappers. Only the two that are used are
loaded, once all of their names and shapes are known to be right. The factor `lr_mlp` of the
mapping is in no tensor but in `.config.json` beside the files; it goes into the weights here.

From version 1.1 to 1.9 the network is the same, but for its attention: that of 1.8.8 and later is
read, and the names of any other are refused; only the epsilon of 1.8.0 to 1.8.7 has no name.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

from reage.errors import ModelError
from reage.models.families.converted import ConvertedGenerator, checked
from reage.models.generator_configs import MAX_WIDTH
from reage.models.loading import Shaped
from reage.networks.lucidrains.generator import BLUR, BilinearConfig
from reage.networks.lucidrains.linear_attention import HEAD_WIDTH, HEADS

__all__ = ["file_version", "lucidrains_state", "mapping_factor", "read_lucidrains"]

FAMILY = "lucidrains"
TRAINING = "GAN"  # the key of the state dict
SIGN = "blocks.0.to_noise1.weight"  # no StyleGAN2 of another family has a noise layer
AVERAGED, LAST = ("SE.", "GE."), ("S.", "G.")  # prefixes of mapping and synthesis
USUAL_FACTOR = 0.1
SETTINGS = ".config.json"
MAX_SETTINGS = 1 << 20  # bytes
MAX_BLOCKS, MAX_LAYERS = 16, 64
NOISE_SEED = 0
ATTENTION_SINCE = (1, 8, 8)

Held = TypeVar("Held", bound=Shaped)


@dataclass(frozen=True)
class Row:
    """One tensor in both layouts; the shapes differ by sides of 1 only."""

    ours: str
    theirs: str
    shape: tuple[int, ...]  # ours
    stored: tuple[int, ...] = ()  # theirs, where it is another


def lucidrains_state(content: Any) -> dict[str, Any] | None:
    """The state dict of such a file's content; None where it is of another family."""
    if not isinstance(content, dict):
        return None
    for state in (content.get(TRAINING), content):
        names = state if isinstance(state, dict) else {}
        if any(isinstance(name, str) and name.endswith(SIGN) for name in names):
            return {name: held for name, held in names.items() if isinstance(name, str)}
    return None


def file_version(content: Any) -> str:
    """What wrote a file, "" where it does not say."""
    version = content.get("version") if isinstance(content, dict) else None
    return version if isinstance(version, str) else ""


def mapping_factor(path: Path) -> tuple[float, list[str]]:
    """`lr_mlp` of the training that wrote `path`, and a note where nothing says it."""
    file = path.with_name(SETTINGS)
    if not file.is_file():
        return USUAL_FACTOR, [f"no {SETTINGS} beside it: lr_mlp is taken for {USUAL_FACTOR}"]
    try:
        with file.open("rb") as opened:
            settings = json.loads(opened.read(MAX_SETTINGS))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{file}, the settings of {path.name}, cannot be read") from error
    factor = settings.get("lr_mlp", USUAL_FACTOR) if isinstance(settings, dict) else None
    if not isinstance(factor, int | float) or not 0 < factor <= 100:
        raise ModelError(f"{file}: lr_mlp is {factor!r:.60}, not a number above 0")
    return float(factor), []


def read_lucidrains(
    state: Mapping[str, Any],
    load: Callable[[Mapping[str, Any]], Mapping[str, Tensor]],
    source: str,
    *,
    factor: float,
    version: str,
    notes: list[str],
) -> ConvertedGenerator:
    """Make a generator of a state dict; `load` gives the tensors of a part that is in order.

    Raises ModelError where a tensor of the generator is missing, unknown or of another shape.
    """
    prefixes = AVERAGED if any(name.startswith(AVERAGED) for name in state) else LAST
    if prefixes == LAST:
        notes = [*notes, "the file has no moving average: its last weights are taken"]
    theirs = {name: held for name, held in state.items() if name.startswith(prefixes)}
    for name, held in theirs.items():
        if not hasattr(held, "shape"):
            raise ModelError(f"{source}: {name} is a {type(held).__name__}, not a tensor")
    config = _infer_config(theirs, *prefixes, source)
    if config.attention:
        notes = [*notes, *_attention_notes(version)]
    table = _key_table(config, *prefixes)
    blurs = [f"{prefixes[1]}blocks.{i}.to_rgb.upsample.1.f" for i in range(config.num_ws - 1)]
    _check_against(table, blurs, theirs, source)
    loaded = load(theirs)
    for name in blurs:
        if not torch.allclose(loaded[name].float(), torch.tensor(BLUR)):
            raise ModelError(f"{source}: {name} is not the filter [1, 2, 1]; it cannot be used")
    tensors = {row.ours: loaded[row.theirs].float().reshape(row.shape) for row in table}
    for name in [name for name in tensors if name.startswith("mapping.")]:
        tensors[name] = tensors[name] * factor
    # Each picture has new noise in that program; here a code has to give one picture.
    rng = torch.Generator().manual_seed(NOISE_SEED)
    side = config.resolution
    tensors["synthesis.noise_const"] = torch.rand(side, side, generator=rng)
    return checked(config, tensors, source=source, source_format=FAMILY, notes=notes)


def _attention_notes(version: str) -> list[str]:
    found = re.match(r"(\d{1,4})\.(\d{1,4})\.(\d{1,4})", version, re.ASCII)
    if found is None:
        return ["the file names no version: its attention is taken for that of 1.8.8 and later"]
    if tuple(map(int, found.groups())) >= ATTENTION_SINCE:
        return []
    return [f"its attention is of version {found[0]}: pictures differ a little from that program's"]


def _infer_config(
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


def _key_table(config: BilinearConfig, mapping: str, synthesis: str) -> list[Row]:
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


def _check_against(
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
