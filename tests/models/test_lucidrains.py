"""Files of lucidrains/stylegan2-pytorch.

The golden pictures are what that project's own classes made (with kornia's filter, on the CPU) of
weights that `seeded` repeats here; names and shapes are their state dict's.
"""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from reage.models.checkpoints import build_generator
from reage.models.convert import read_foreign
from reage.networks.bilinear_generator import BilinearConfig, BilinearGenerator
from seeded import seeded

GOLDEN = Path(__file__).with_name("golden_lucidrains.npz")
CONFIGS = {
    "plain": BilinearConfig(32, (32, 16, 8, 4), 24, 24, 2),
    "deep": BilinearConfig(64, (16, 16, 16, 8, 4), 16, 16, 8, attention=(16, 64)),
    "free": BilinearConfig(16, (32, 16, 8), 12, 12, 2, image_channels=4, constant=False),
    "large": BilinearConfig(256, (8, 8, 8, 8, 8, 4, 2), 16, 16, 2),
}
STRIDES = {16: 1, 32: 1, 64: 3, 256: 15}  # of the stored pictures; first and last row are there


def state_of(case: str) -> dict[str, Tensor]:
    """Mapping and synthesis of a case, under their names."""
    shapes = json.loads(np.load(GOLDEN)[f"{case}/shapes"].tobytes())
    return {name: weight(name, shape) for name, shape in shapes.items()}


def weight(name: str, shape: list[int]) -> Tensor:
    if name.endswith("upsample.1.f"):
        return torch.tensor([1.0, 2.0, 1.0])
    return torch.from_numpy(seeded(name, shape)) * (10 if name.startswith("SE.") else 1)


def file_of(state: dict[str, Any], folder: Path) -> Path:
    """A file as its training writes it, with the other networks that it holds."""
    others = {f"{name[0]}.{name.partition('.')[2]}": held + 1 for name, held in state.items()}
    others |= {"D.blocks.0.conv_res.weight": torch.ones(4, 3, 1, 1), "D_aug.D.to_logit.bias": torch.ones(1)}
    torch.save({"GAN": others | state, "version": "1.9.0"}, folder / "model_7.pt")
    (folder / ".config.json").write_text('{"image_size": 32, "lr_mlp": 0.1}')
    return folder / "model_7.pt"


def inputs(case: str) -> tuple[Tensor, Tensor, Tensor]:
    """z `[2, z_dim]`, ws, and noise maps `[2, 1, R, R]`, whose sides their code swaps."""
    config, rng = CONFIGS[case], np.random.RandomState(zlib.crc32(case.encode()))
    z = rng.standard_normal((2, config.z_dim)).astype(np.float32)
    ws = rng.standard_normal((2, config.num_ws, config.w_dim)).astype(np.float32)
    noise = rng.uniform(0, 1, (2, config.resolution, config.resolution, 1)).astype(np.float32)
    return torch.from_numpy(z), torch.from_numpy(ws), torch.from_numpy(noise).permute(0, 3, 2, 1)


@pytest.mark.parametrize("case", list(CONFIGS))
def test_pictures_are_those_of_their_own_code(tmp_path: Path, case: str):
    golden, (z, ws, noise) = np.load(GOLDEN), inputs(case)
    found = read_foreign(file_of(state_of(case), tmp_path))
    assert (found.config, found.source_format) == (CONFIGS[case], "lucidrains")
    assert found.notes == ["the file has no mean latent: computed from 4096 samples"]
    generator = build_generator(found.config, found.state_dict, source="golden")
    assert isinstance(generator, BilinearGenerator)
    with torch.no_grad():
        pictures = {
            "image": generator.synthesize(ws, noise=[noise]),
            "zero": generator.synthesize(ws, noise_mode="none"),
            "mapped": generator.synthesize(generator.map(z), noise=[noise]),
        }
        w = torch.from_numpy(golden[f"{case}/w"])
        assert (generator.mapping(z) - w).abs().max() < 1e-6
    stride = STRIDES[found.config.resolution]
    for name, picture in pictures.items():
        theirs = 2 * torch.from_numpy(golden[f"{case}/{name}"]) - 1  # [0, 1] becomes [-1, 1]
        error = (picture[:, :, ::stride, ::stride] - theirs).abs().max()
        print(case, name, float(error), float(theirs.abs().max()))
        assert error < 1e-5 * theirs.abs().max(), (name, error)
