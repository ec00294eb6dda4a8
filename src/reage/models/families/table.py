"""Foreign models, in and out: one adapter a format, each with its key table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_args

from torch import Tensor

from reage.errors import ModelError
from reage.models.checkpoints import Model
from reage.models.families.converted import ConvertedGenerator
from reage.models.families.lucidrains import (
    file_version,
    lucidrains_state,
    mapping_factor,
    read_lucidrains,
)
from reage.models.families.mmgen import MMGEN, write_mmgen
from reage.models.families.nvidia.network import read_nvidia, write_nvidia
from reage.models.families.nvidia.pti import is_module, read_module
from reage.models.families.paddlegan import read_paddlegan, write_paddlegan
from reage.models.families.psp.checkpoint import as_checkpoint, read_style_encoders
from reage.models.families.psp.encoder_sizes import Checkpoint
from reage.models.families.rosinality import ROSINALITY, write_rosinality
from reage.models.families.state_dicts import convert_content
from reage.models.files import load_tensors, read_bytes
from reage.models.pickles.tensors import is_torch_file
from reage.models.pickles.torch_files import (
    TorchFile,
    load_all,
    read_torch_file,
    refuse_code,
)
from reage.models.pickles.torch_load import load_torch
from reage.networks.stylegan2.generator import GeneratorConfig

__all__ = [
    "ConvertedGenerator",
    "ForeignFormat",
    "read_checkpoint",
    "read_foreign",
    "write_foreign",
]

ForeignFormat = Literal["rosinality", "nvidia", "mmgen", "paddlegan"]
CAN = (
    "StyleGAN2 files of rosinality, lucidrains, mmgeneration, PaddleGAN, PTI and NVIDIA's PyTorch "
    "code can be read"
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
    file = _torch_file(path)
    if file is not None:
        checkpoint = as_checkpoint(file, path)
        if checkpoint is not None:
            return read_style_encoders(checkpoint)
        state = lucidrains_state(file.content)
        if state is not None:
            return _read_lucidrains(state, file, path)
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
        "of rosinality's, lucidrains', NVIDIA's, mmgeneration's or PaddleGAN's code"
    )


def _torch_file(path: Path) -> TorchFile | None:
    """What a torch file describes, no tensor loaded; None where it is none, or damaged."""
    try:
        with path.open("rb") as file:
            start = file.read(16)
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror}") from error
    if not is_torch_file(start):
        return None
    try:
        return read_torch_file(path)
    except ModelError:  # the reader of generators says what is wrong with it
        return None


def _read_lucidrains(state: dict[str, Any], file: TorchFile, path: Path) -> ConvertedGenerator:
    """Only the tensors that are used leave the file, once their names and shapes are right."""
    source = str(path)
    refuse_code(file, source)
    factor, notes = mapping_factor(path)
    load = partial(load_all, file=file, source=source)
    version = file_version(file.content)
    return read_lucidrains(state, load, source, factor=factor, version=version, notes=notes)


def read_checkpoint(path: Path) -> Checkpoint | None:
    """A checkpoint with encoders, not loaded yet; None when it is another file, or damaged.

    Raises ModelError when it is one and asks for code.
    """
    file = _torch_file(path)
    return None if file is None else as_checkpoint(file, path)


def write_foreign(model: Model, path: Path, layout: ForeignFormat) -> None:
    """Write the model's generator so that another program can load it."""
    if layout not in get_args(ForeignFormat):
        raise ModelError(f"layout {layout!r} is not one of {', '.join(get_args(ForeignFormat))}")
    config = model.config.generator
    if not isinstance(config, GeneratorConfig):
        raise ModelError(
            f"{model.config.name} is lucidrains' network, which is no StyleGAN2: no other program "
            "can load it; make a model folder of it"
        )
    WRITERS[layout](config, model.generator.state_dict(), path)
