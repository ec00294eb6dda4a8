"""Foreign models, in and out: one adapter a format, each with its key table."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

from reage.errors import ModelError
from reage.models.checkpoints import Model
from reage.models.convert.converted import ConvertedGenerator
from reage.models.convert.encoder_sizes import Checkpoint
from reage.models.convert.nvidia import read_nvidia, write_nvidia
from reage.models.convert.rosinality import read_rosinality, write_rosinality
from reage.models.convert.style_encoders import as_checkpoint, read_style_encoders
from reage.models.convert.torch_files import read_torch_file
from reage.models.convert.torch_pickles import is_torch_file

__all__ = [
    "ConvertedGenerator",
    "ForeignFormat",
    "read_checkpoint",
    "read_foreign",
    "write_foreign",
]

ForeignFormat = Literal["rosinality", "nvidia"]


def read_foreign(path: Path) -> ConvertedGenerator:
    """Read a generator of another program, with its encoder; the format is seen from the content.

    No code in the file is run. Raises ModelError when it is none of the formats that are known.
    """
    start = _start(path)
    if is_torch_file(start):
        checkpoint = read_checkpoint(path)
        return read_style_encoders(checkpoint) if checkpoint else read_rosinality(path)
    if start[8:9] == b"{":
        return read_rosinality(path)
    if start[:1] == b"\x80":
        return read_nvidia(path)
    raise ModelError(
        f"{path} is neither a torch file, a pickle nor safetensors; "
        "give a StyleGAN2 checkpoint of rosinality's or NVIDIA's PyTorch code"
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
    write = write_rosinality if layout == "rosinality" else write_nvidia
    write(model.config.generator, model.generator.state_dict(), path)
