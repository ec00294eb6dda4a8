"""The known families of checkpoints. A new one is a folder next to this file and a row here."""

from __future__ import annotations

from pathlib import Path

from reage.errors import ModelError
from reage.models.checkpoints import Model
from reage.models.families import (
    face_networks,
    fran,
    lucidrains,
    mmgen,
    nvidia,
    paddlegan,
    psp,
    rosinality,
)
from reage.models.families.converted import ConvertedGenerator
from reage.models.families.family import Family, ForeignFile, open_foreign
from reage.networks.stylegan2.generator import GeneratorConfig

__all__ = ["FAMILIES", "find_family", "layouts", "read_foreign", "write_foreign"]

# The first match wins: pSp's files, for example, contain a generator of rosinality's.
FAMILIES = [
    Family("psp", psp.detect, psp.read, describe=psp.describe),
    Family("fran", fran.detect, fran.read, describe=fran.describe),
    Family(
        "face networks", face_networks.detect, face_networks.read, describe=face_networks.describe
    ),
    Family("lucidrains", lucidrains.detect, lucidrains.read),
    Family("rosinality", rosinality.detect, rosinality.read, rosinality.write),
    Family("mmgen", mmgen.detect, mmgen.read, mmgen.write),
    Family("paddlegan", paddlegan.detect, paddlegan.read, paddlegan.write),
    Family("nvidia", nvidia.detect, nvidia.read, nvidia.write),
]


def find_family(file: ForeignFile) -> Family:
    """Find the family of a file; ModelError if none matches."""
    for family in FAMILIES:
        if family.detect(file):
            return family
    content = file.content
    if file.kind == "other":
        raise ModelError(f"{file.path} is neither a torch file, a pickle nor safetensors")
    if not isinstance(content, dict):
        raise ModelError(f"{file.path} holds a {type(content).__name__}, not a state dict")
    first = ", ".join(str(key) for key in list(content)[:3]) or "nothing"
    raise ModelError(
        f"{file.path} holds no generator in a known layout (it has {first:.80}); files of "
        f"{', '.join(family.name for family in FAMILIES)} can be read"
    )


def read_foreign(path: Path) -> ConvertedGenerator:
    """Read a generator of another program, with its encoder, without running any code in the file.

    Raises ModelError if the file is of an unknown family, damaged or without a generator.
    """
    file = open_foreign(path)
    return find_family(file).read(file)


def layouts() -> tuple[str, ...]:
    """List the families that a generator can be written for."""
    return tuple(family.name for family in FAMILIES if family.write is not None)


def write_foreign(model: Model, path: Path, layout: str) -> None:
    """Write the model's generator so that another program can load it."""
    write = next((family.write for family in FAMILIES if family.name == layout), None)
    if write is None:
        raise ModelError(f"layout {layout!r} is not one of {', '.join(layouts())}")
    config = model.config.generator
    if not isinstance(config, GeneratorConfig):
        raise ModelError(
            f"{model.config.name} is lucidrains' network, not a StyleGAN2: no other program "
            "can load it; convert it to a model folder"
        )
    write(config, model.generator.state_dict(), path)
