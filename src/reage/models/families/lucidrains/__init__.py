"""Files of lucidrains/stylegan2-pytorch: `model_N.pt`, `{"GAN": state dict, "version": ...}`.

The state dict holds the trained networks (`S.` the mapping, `G.` the synthesis), their moving
averages (`SE.`, `GE.`), and the discriminator in its wrappers. Only the two that are used are
loaded, once all of their names and shapes are known to be right. The factor `lr_mlp` of the
mapping is not in a tensor but in `.config.json` next to the file; here it goes into the weights.

From version 1.1 to 1.9 the network is the same, but for its attention: that of 1.8.8 and later is
read, and the names of any other are refused; only the epsilon of 1.8.0 to 1.8.7 has no name.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from reage.errors import ModelError
from reage.files import open_file
from reage.models.families.converted import ConvertedGenerator, build_converted
from reage.models.families.family import ForeignFile
from reage.models.families.lucidrains.key_table import (
    FAMILY,
    check_against,
    infer_config,
    key_table,
)
from reage.models.pickles.files import load_all, refuse_code
from reage.models.pickles.tensors import StoredTensor
from reage.networks.lucidrains.generator import BLUR
from reage.numbers import is_real, read_json

__all__ = ["FAMILY", "detect", "read"]

TRAINING = "GAN"  # the key of the state dict
SIGN = "blocks.0.to_noise1.weight"  # no StyleGAN2 of another family has a noise layer
AVERAGED, LAST = ("SE.", "GE."), ("S.", "G.")  # prefixes of mapping and synthesis
USUAL_FACTOR = 0.1
SETTINGS = ".config.json"
MAX_SETTINGS = 1 << 20  # bytes
NOISE_SEED = 0
ATTENTION_SINCE = (1, 8, 8)


def lucidrains_state(content: Any) -> dict[str, Any] | None:
    """Find the state dict in a file's content; None if it is of another family."""
    if not isinstance(content, dict):
        return None
    for state in (content.get(TRAINING), content):
        names = state if isinstance(state, dict) else {}
        if any(isinstance(name, str) and name.endswith(SIGN) for name in names):
            return {name: held for name, held in names.items() if isinstance(name, str)}
    return None


def mapping_factor(path: Path) -> tuple[float, list[str]]:
    """Read `lr_mlp` of the training that wrote `path`; the second item notes an assumption."""
    file = path.with_name(SETTINGS)
    if not file.is_file():
        return USUAL_FACTOR, [f"no {SETTINGS} next to it: lr_mlp {USUAL_FACTOR} is assumed"]
    try:
        with open_file(file) as opened:
            settings = read_json(opened.read(MAX_SETTINGS))
    except (OSError, ValueError) as error:
        raise ModelError(f"{file}, the settings of {path.name}, cannot be read") from error
    factor = settings.get("lr_mlp", USUAL_FACTOR) if isinstance(settings, dict) else None
    if not is_real(factor, 1e-9, 100):
        raise ModelError(f"{file}: lr_mlp is {factor!r:.60}, not a number above 0")
    return float(factor), []


def detect(file: ForeignFile) -> bool:
    """Whether a state dict has their noise layers."""
    return file.kind != "pickle" and lucidrains_state(file.content) is not None


def read(file: ForeignFile) -> ConvertedGenerator:
    """Read the moving averages, else the last weights.

    Tensors are loaded only after all names and shapes are checked.
    """
    source = str(file.path)
    if file.kind == "torch":
        refuse_code(file, source)
    state = lucidrains_state(file.content) or {}
    factor, notes = mapping_factor(file.path)
    version = file.content.get("version")
    prefixes = AVERAGED if any(name.startswith(AVERAGED) for name in state) else LAST
    if prefixes == LAST:
        notes = [*notes, "the file has no moving average: its last weights are taken"]
    theirs = {name: held for name, held in state.items() if name.startswith(prefixes)}
    for name, held in theirs.items():
        if not isinstance(held, StoredTensor | Tensor):
            raise ModelError(f"{source}: {name} is a {type(held).__name__}, not a tensor")
    config = infer_config(theirs, *prefixes, source)
    if config.attention:
        notes = [*notes, *_attention_notes(version if isinstance(version, str) else "")]
    table = key_table(config, *prefixes)
    blurs = [f"{prefixes[1]}blocks.{i}.to_rgb.upsample.1.f" for i in range(config.num_ws - 1)]
    check_against(table, blurs, theirs, source)
    loaded = load_all(theirs, file, source)
    for name in blurs:
        if not torch.allclose(loaded[name], torch.tensor(BLUR)):
            raise ModelError(f"{source}: {name} is not the filter [1, 2, 1]; it cannot be used")
    tensors = {row.ours: loaded[row.theirs].reshape(row.shape) for row in table}
    for name in [name for name in tensors if name.startswith("mapping.")]:
        tensors[name] = tensors[name] * factor
    # That program draws new noise for each picture; here a code must give one picture.
    rng = torch.Generator().manual_seed(NOISE_SEED)
    side = config.resolution
    tensors["synthesis.noise_const"] = torch.rand(side, side, generator=rng)
    return build_converted(config, tensors, source=source, source_format=FAMILY, notes=notes)


def _attention_notes(version: str) -> list[str]:
    found = re.match(r"(\d{1,4})\.(\d{1,4})\.(\d{1,4})", version, re.ASCII)
    if found is None:
        return ["the file names no version: the attention of 1.8.8 and later is assumed"]
    if tuple(map(int, found.groups())) >= ATTENTION_SINCE:
        return []
    return [f"its attention is of version {found[0]}: pictures differ a little from that program's"]
