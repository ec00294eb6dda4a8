"""Foreign models, in and out: one adapter a format, each with its key table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal, get_args

from torch import Tensor

from reage.errors import ModelError
from reage.models.checkpoints import Model
from reage.models.convert.converted import ConvertedGenerator
from reage.models.convert.encoder_sizes import Checkpoint
from reage.models.convert.families import convert_content
from reage.models.convert.mmgen import MMGEN, write_mmgen
from reage.models.convert.nvidia import read_nvidia, write_nvidia
from reage.models.convert.paddle import read_paddlegan, write_paddlegan
from reage.models.convert.pti import is_module, read_module
from reage.models.convert.rosinality import ROSINALITY, write_rosinality
from reage.models.convert.style_encoders import as_checkpoint, read_style_encoders
from reage.models.convert.torch_files import read_torch_file
from reage.models.convert.torch_load import load_torch
from reage.models.convert.torch_pickles import is_torch_file
from reage.models.files import load_tensors, read_bytes
from reage.networks.generator import GeneratorConfig

__all__ = [
    "ConvertedGenerator",
    "ForeignFormat",
    "read_checkpoint",
    "read_foreign",
    "write_foreign",
]

ForeignFormat = Literal["rosinality", "nvidia", "mmgen", "paddlegan"]
CAN = (
    "StyleGAN2 files of rosinality, mmgeneration, PaddleGAN, PTI and NVIDIA's PyTorch code can be "
    "read"
)
NETWORK = b"G_ema"  # in each of NVIDIA's pickles
PADDLE = b"input.input"  # in each of PaddleGAN's
WRITERS: dict[str, Callable[[GeneratorConfig, Mapping[str, Tensor], Path], None]] = {
    "rosinality": write_rosinality,
    "nvidia": write_nvidia,
    "mmgen": write_mmgen,
    "paddlegan": write_paddlegan,
}


def read_foreign(path: Path) -> ConvertedGenerator:
    """Read a generator of another program, with its encoder; the format is seen from the content.

    No code in the file is run. Raises ModelError when it is none of the formats that are known.
    """
    start = _start(path)
    if is_torch_file(start):
        checkpoint = read_checkpoint(path)
        if checkpoint:
            return read_style_encoders(checkpoint)
    data, source = read_bytes(path), str(path)
    if is_torch_file(data[:16]):
        if is_module(data):
            return read_module(read_torch_file(path), source)
        return convert_content(load_torch(data, source), (ROSINALITY, MMGEN), source, can=CAN)
    if data[8:9] == b"{":
        return convert_content(load_tensors(path)[0], (ROSINALITY, MMGEN), source, can=CAN)
    if data[:1] == b"\x80":
        is_paddle = PADDLE in data and NETWORK not in data
        return read_paddlegan(data, source) if is_paddle else read_nvidia(data, source)
    raise ModelError(
        f"{path} is neither a torch file, a pickle nor safetensors; give a StyleGAN2 checkpoint "
        "of rosinality's, NVIDIA's, mmgeneration's or PaddleGAN's code"
    )


def _start(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(16)
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror}") from error


def read_checkpoint(path: Path) -> Checkpoint | None:
    """A checkpoint with encoders, not loaded yet; None when it is another file, or damaged.

    Raises ModelError when it is one and asks for code.
    """
    if not is_torch_file(_start(path)):
        return None
    try:
        file = read_torch_file(path)
    except ModelError:  # the reader of generators says what is wrong with it
        return None
    return as_checkpoint(file, path)


def write_foreign(model: Model, path: Path, layout: ForeignFormat) -> None:
    """Write the model's generator so that another program can load it."""
    if layout not in get_args(ForeignFormat):
        raise ModelError(f"layout {layout!r} is not one of {', '.join(get_args(ForeignFormat))}")
    WRITERS[layout](model.config.generator, model.generator.state_dict(), path)
