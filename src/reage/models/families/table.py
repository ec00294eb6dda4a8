"""The families of checkpoints that are known. A new one is a folder beside these and a row here."""

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

# The first that knows a file has it: pSp's, for one, hold a generator of rosinality's.
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
    """Whose file it is; ModelError where nobody's."""
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
        f"{file.path} holds no generator in a layout that is known (it has {first:.80}); files of "
        f"{', '.join(family.name for family in FAMILIES)} can be read"
    )


def read_foreign(path: Path) -> ConvertedGenerator:
    """Read a generator of another program, with its encoder; no code in the file is run.

    Raises ModelError when it is of no family, damaged, or holds no generator.
    """
    file = open_foreign(path)
    return find_family(file).read(file)


def layouts() -> tuple[str, ...]:
    """The families that a generator can be written for."""
    return tuple(family.name for family in FAMILIES if family.write is not None)


def write_foreign(model: Model, path: Path, layout: str) -> None:
    """Write the model's generator so that another program can load it."""
    write = next((family.write for family in FAMILIES if family.name == layout), None)
    if write is None:
        raise ModelError(f"layout {layout!r} is not one of {', '.join(layouts())}")
    config = model.config.generator
    if not isinstance(config, GeneratorConfig):
        raise ModelError(
            f"{model.config.name} is lucidrains' network, which is no StyleGAN2: no other program "
            "can load it; make a model folder of it"
        )
    write(config, model.generator.state_dict(), path)
