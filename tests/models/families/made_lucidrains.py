"""Files as lucidrains/stylegan2-pytorch writes them, of seeded weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from reage.networks.lucidrains.generator import BilinearConfig
from seeded import seeded

__all__ = ["CONFIGS", "GOLDEN", "lucidrains_file", "lucidrains_state"]

GOLDEN = Path(__file__).with_name("golden_lucidrains.npz")
CONFIGS = {
    "plain": BilinearConfig(32, (32, 16, 8, 4), 24, 24, 2),
    "deep": BilinearConfig(64, (16, 16, 16, 8, 4), 16, 16, 8, attention=(16, 64)),
    "free": BilinearConfig(16, (32, 16, 8), 12, 12, 2, image_channels=4, constant=False),
    "large": BilinearConfig(256, (8, 8, 8, 8, 8, 4, 2), 16, 16, 2),
}


def lucidrains_state(case: str) -> dict[str, Tensor]:
    """The averaged mapping and synthesis of a case, under their names."""
    shapes = json.loads(np.load(GOLDEN)[f"{case}/shapes"].tobytes())
    return {name: _weight(name, shape) for name, shape in shapes.items()}


def lucidrains_file(folder: Path, state: dict[str, Any], factor: float | None = 0.1) -> Path:
    """`model_7.pt` with the other networks that it holds, `.config.json` beside it."""
    folder.mkdir(exist_ok=True)
    others = {name.replace("E.", ".", 1): held + 1 for name, held in state.items()
              if name.startswith(("SE.", "GE.")) and isinstance(held, Tensor)}  # fmt: skip
    others |= {"D.blocks.0.conv_res.weight": torch.ones(4, 3, 1, 1)}
    others |= {"D_aug.D.to_logit.bias": torch.full((1,), torch.nan)}  # nobody looks at it
    torch.save({"GAN": others | state, "version": "1.9.0"}, folder / "model_7.pt")
    if factor is not None:
        settings = {"image_size": 32, "network_capacity": 2, "lr_mlp": factor}
        (folder / ".config.json").write_text(json.dumps(settings))
    return folder / "model_7.pt"


def _weight(name: str, shape: list[int]) -> Tensor:
    if name.endswith("upsample.1.f"):
        return torch.tensor([1.0, 2.0, 1.0])
    return torch.from_numpy(seeded(name, shape)) * (10 if name.startswith("SE.") else 1)
