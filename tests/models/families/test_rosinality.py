"""rosinality's layout: golden pictures of its own code, round trips, refusals."""

from __future__ import annotations

import argparse
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from made import within
from reage.errors import ModelError
from reage.models.checkpoints import build_generator
from reage.models.families.rosinality import to_rosinality
from reage.models.families.rosinality import write as write_rosinality
from reage.models.families.table import read_foreign
from reage.networks.stylegan2.generator import Generator

pytestmark = pytest.mark.quick

GOLDEN = Path(__file__).with_name("golden_rosinality.npz")
Saved = Callable[[Any], Path]


@pytest.fixture
def save(tmp_path: Path) -> Saved:
    def saved(content: Any) -> Path:
        torch.save(content, tmp_path / "file.pt")
        return tmp_path / "file.pt"

    return saved


@pytest.fixture
def theirs(tiny: Generator) -> dict[str, Tensor]:
    return to_rosinality(tiny.config, tiny.state_dict())


@pytest.mark.parametrize("layers", [2, 8])
def test_pictures_are_those_of_rosinality_s_code(save: Saved, layers: int):
    # Seeded random weights, and what its Generator made of them (widths reduced to 8, 8, 6, 4).
    stored = within(np.load(GOLDEN), f"mlp{layers}/")
    golden = {name: torch.from_numpy(array) for name, array in stored.items()}
    state = within(golden, "g_ema/")
    found = read_foreign(save({"g_ema": state, "latent_avg": golden["latent_avg"]}))
    assert found.config.mapping_layers == layers
    assert found.config.channels == (8, 8, 6, 4)
    assert (found.source_format, found.notes) == ("rosinality", [])
    generator = build_generator(found.config, found.state_dict, source="golden")
    with torch.no_grad():
        image = generator.synthesize(generator.map(golden["z"], truncation_psi=0.7))
    assert (image - golden["image"]).abs().max() < 1e-5
    again = to_rosinality(found.config, found.state_dict)
    assert again.keys() == state.keys()
    assert all(torch.equal(again[k], v) for k, v in state.items())


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_round_trip_is_bit_exact(tmp_path: Path, tiny: Generator, suffix: str):
    path = tmp_path / f"file{suffix}"
    write_rosinality(tiny.config, tiny.state_dict(), path)
    found = read_foreign(path)
    assert found.config == tiny.config
    assert found.state_dict.keys() == tiny.state_dict().keys()
    for name, tensor in tiny.state_dict().items():
        assert torch.equal(found.state_dict[name], tensor), name


def test_rgba_generators_keep_their_channels(save: Saved, theirs: dict[str, Tensor]):
    for key in theirs:
        if key.startswith("to_rgb") and key.endswith("conv.weight"):
            theirs[key] = theirs[key][:, :1].repeat(1, 4, 1, 1, 1)
        elif key.startswith("to_rgb") and key.endswith("bias") and "conv" not in key:
            theirs[key] = theirs[key][:, :1].repeat(1, 4, 1, 1)
    assert read_foreign(save({"g_ema": theirs})).config.image_channels == 4


@pytest.mark.parametrize("legacy", [False, True])
def test_training_files(tmp_path: Path, tiny: Generator, theirs: dict[str, Tensor], legacy: bool):
    content = {
        "g": {k: v + 1 for k, v in theirs.items()},
        "g_ema": theirs,
        "g_optim": {"state": {0: {"step": 1, "exp_avg": torch.zeros(2)}}, "param_groups": []},
        "args": argparse.Namespace(size=32, latent=12),
        "ada_aug_p": 0.2,
    }
    path = tmp_path / "020000.pt"
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    found = read_foreign(path)
    assert found.notes == ["the file has no mean latent: computed from 4096 samples"]
    assert torch.equal(found.state_dict["mapping.w_avg"], tiny.mean_w())
    assert torch.equal(
        found.state_dict["synthesis.b4.const"], tiny.state_dict()["synthesis.b4.const"]
    )


def test_bare_state_dicts(save: Saved, theirs: dict[str, Tensor], tiny: Generator):
    assert read_foreign(save(theirs)).config == tiny.config


def test_decoders_of_psp_like_checkpoints(save: Saved, theirs: dict[str, Tensor], tiny: Generator):
    state = {f"decoder.{k}": v for k, v in theirs.items()} | {"encoder.weight": torch.ones(3)}
    latents = tiny.mapping.w_avg.expand(8, -1)
    found = read_foreign(
        save({"state_dict": state, "opts": argparse.Namespace(), "latent_avg": latents})
    )
    for name, tensor in tiny.state_dict().items():
        assert torch.equal(found.state_dict[name], tensor), name


def drop(key: str) -> Callable[[dict[str, Tensor]], object]:
    return lambda state: state.pop(key)


def put(key: str, value: Tensor) -> Callable[[dict[str, Tensor]], object]:
    return lambda state: state.update({key: value})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (drop("style.1.weight"), "lacks style.1.weight"),
        (drop("noises.noise_3"), "lacks noises.noise_3"),
        (drop("convs.1.conv.weight"), "lacks convs.1.conv.weight"),
        (drop("input.input"), "no generator in a known layout"),
        (put("extra.weight", torch.ones(1)), "unknown extra.weight"),
        (put("convs.0.conv.blur.kernel", torch.ones(4, 4)), r"not the filter \[1, 3, 3, 1\]"),
        (put("to_rgbs.0.upsample.kernel", torch.ones(2, 2)), r"not the filter \[1, 3, 3, 1\]"),
        (put("style.2.weight", torch.ones(12, 13)), "do not belong together"),
        (put("input.input", torch.ones(2, 16, 4, 4)), r"input.input is \[2, 16, 4, 4\]"),
        (put("input.input", torch.ones(3)), r"input.input is \[3\]"),
        (put("style.1.bias", torch.full((12,), torch.nan)), "not finite"),
        (put("to_rgb1.conv.weight", torch.ones(1, 7, 16, 1, 1)), "image_channels is 7"),
        (put("style.1.bias", torch.ones(12, dtype=torch.complex64)), "complex64"),
        (put("style.1.bias", torch.ones(12).to_sparse()), "asks for .*sparse_tensor"),
        (put("style.1.bias", torch.ones(12, device="meta")), "asks for .*meta_tensor"),
        (put("style.1.bias", torch.ones(12, dtype=torch.int64)), "int64"),
        (put("style.1.bias", torch.ones(1).expand(10**12)), "larger than the file"),
    ],
)
def test_what_does_not_fit_is_refused(
    save: Saved,
    theirs: dict[str, Tensor],
    change: Callable[[dict[str, Tensor]], object],
    message: str,
):
    change(theirs)
    with pytest.raises(ModelError, match=message):
        read_foreign(save({"g_ema": theirs, "latent_avg": torch.zeros(12)}))


@pytest.mark.parametrize("latent", [torch.zeros(13), torch.tensor(1.0), torch.rand(8, 12), "x"])
def test_odd_mean_latents_are_refused(save: Saved, theirs: dict[str, Tensor], latent: object):
    with pytest.raises(ModelError, match="latent_avg"):
        read_foreign(save({"g_ema": theirs, "latent_avg": latent}))


@pytest.mark.parametrize("content", [[1, 2], {}, {"g_ema": 3}, torch.ones(3)])
def test_other_contents_are_refused(save: Saved, content: object):
    with pytest.raises(ModelError, match="holds"):
        read_foreign(save(content))


def test_compressed_files_are_refused(tmp_path: Path):
    # torch writes none; a small one could unpack to any size.
    with zipfile.ZipFile(tmp_path / "file.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(10_000_000))
    with pytest.raises(ModelError, match="compressed"):
        read_foreign(tmp_path / "file.pt")


def test_different_z_and_w_cannot_be_written(tmp_path: Path, tiny: Generator):
    config = argparse.Namespace(**{**vars(tiny.config), "z_dim": 8})
    with pytest.raises(ModelError, match="z has 8 and w 12"):
        write_rosinality(config, tiny.state_dict(), tmp_path / "x.pt")  # type: ignore[arg-type]
