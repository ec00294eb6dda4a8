"""Pivotal tuning: nearer to the photo, small on disk, and of one generator only."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import reage.inversion.space
from made import random
from reage.editor import load
from reage.errors import LatentError, ReageError, UsageError
from reage.inputs import as_photo
from reage.inversion.projection import masked_psnr
from reage.inversion.tuning import (
    TuneConfig,
    Tuned,
    apply_difference,
    load_tuned,
    save_tuned,
    tune,
)
from reage.models.files import save_tensors
from reage.networks.judges.perceptual import EfficientNetDistance, masked_mse
from reage.networks.stylegan2.generator import Generator

CONFIG = TuneConfig(step=15, lr=5e-3, first_resolution=16)
MASK = torch.ones(1, 1, 32, 32)


@pytest.fixture(scope="module")
def target(small: Generator) -> Tensor:
    image = small.synthesize(small.map(random(1, 32, seed=9), truncation_psi=0.5))
    return (image + 0.2 * random(1, 3, 32, 32, seed=1)).clamp(-1, 1)


@pytest.fixture(scope="module")
def ws(small: Generator) -> Tensor:
    return small.map(random(1, 32, seed=9), truncation_psi=0.6).clone()


@pytest.fixture(scope="module")
def tuned(small: Generator, target: Tensor, ws: Tensor, distance: EfficientNetDistance) -> Tuned:
    return tune(small, target, MASK, ws, distance, CONFIG)


def psnr(image: Tensor, target: Tensor) -> float:
    return float(masked_psnr(masked_mse(image, target, MASK))[0])


def test_the_photo_comes_nearer_and_the_generator_stays(
    small: Generator, target: Tensor, ws: Tensor, tuned: Tuned
):
    with torch.no_grad():
        before = psnr(small.synthesize(ws), target)
        bent = apply_difference(small, tuned.difference)
        assert torch.allclose(bent.synthesize(ws), tuned.image, atol=1e-5)
    assert tuned.psnr == pytest.approx(psnr(tuned.image, target), abs=0.01)
    assert tuned.psnr > before + 1
    assert not any(p.requires_grad or p.grad is not None for p in small.parameters())
    assert not any(p.requires_grad for p in bent.parameters())


def test_only_layers_from_the_first_resolution_on_move(small: Generator, tuned: Tuned):
    known = dict(small.named_parameters())
    for name, change in tuned.difference.items():
        _, block, layer, leaf = name.split(".")
        assert int(block[1:]) >= 16
        assert layer in ("conv0", "conv1", "torgb")
        assert leaf in ("weight", "bias")
        assert change.shape == known[name].shape
        assert change.abs().max() > 0
    assert len(tuned.difference) == 12  # two blocks, three layers, two tensors each


def test_masked_pixels_have_no_influence(
    small: Generator, target: Tensor, ws: Tensor, distance: EfficientNetDistance
):
    mask = MASK.clone()
    mask[..., 20:] = 0
    config = TuneConfig(step=3, first_resolution=16)
    other = torch.where(mask == 0, torch.tensor(9.0), target)
    one, two = (tune(small, t, mask, ws, distance, config) for t in (target, other))
    assert torch.equal(one.image, two.image)
    assert one.psnr == two.psnr


def test_difference_file_round_trip_in_half_precision(
    small: Generator, ws: Tensor, tuned: Tuned, tmp_path: Path
):
    file = tmp_path / "face.tuning.safetensors"
    save_tuned(file, tuned, ws, "a" * 64)
    code = load_tuned(file, "a" * 64)
    assert torch.equal(code.ws, ws)
    found = code.difference
    assert found.keys() == tuned.difference.keys()
    for name, change in found.items():
        assert change.dtype == torch.float32
        assert torch.equal(change, tuned.difference[name].half().float())
    numbers = sum(change.numel() for change in found.values())
    assert file.stat().st_size < 2 * numbers + 4 * ws.numel() + 4000
    with torch.no_grad():
        again = apply_difference(small, found).synthesize(ws)
    assert psnr(again, tuned.image) > 50


def test_a_difference_of_another_generator_is_refused(
    small: Generator, ws: Tensor, tuned: Tuned, tmp_path: Path
):
    file = tmp_path / "face.tuning.safetensors"
    save_tuned(file, tuned, ws, "a" * 64)
    with pytest.raises(LatentError, match=r"^[^\n]*is not a tuning of this generator[^\n]*$"):
        load_tuned(file, "b" * 64)
    save_tensors(file, {"ws": torch.zeros(1)})
    with pytest.raises(LatentError, match="is not a tuning"):
        load_tuned(file, "a" * 64)
    # As written before the code was kept with it.
    known = {"kind": "reage-tuning", "generator_hash": "a" * 64}
    save_tensors(file, {"synthesis.b32.conv0.bias": torch.zeros(8)}, known)
    with pytest.raises(LatentError, match="holds no code; make it again"):
        load_tuned(file, "a" * 64)
    for wrong in ({"synthesis.b64.conv0.weight": torch.zeros(1)},
                  {"synthesis.b32.conv0.weight": torch.zeros(3)}):  # fmt: skip
        with pytest.raises(LatentError, match="which this generator does not have"):
            apply_difference(small, wrong)


@pytest.mark.parametrize("content", [None, b"", b"hello"])
def test_a_file_that_is_none_is_one_line(tmp_path: Path, content: bytes | None):
    file = tmp_path / "face.tuning.safetensors"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ReageError, match=r"^[^\n]*$"):
        load_tuned(file, "a" * 64)


def test_an_edit_takes_a_tuned_code_and_searches_for_none(
    small_folder: Path,
    ws: Tensor,
    tuned: Tuned,
    any_likeness: None,
    astronaut: np.ndarray,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    editor, file = (
        load(small_folder, device="cpu", precision="float32"),
        tmp_path / "face.tuning.safetensors",
    )
    save_tuned(file, tuned, ws, editor.model.generator_hash)
    monkeypatch.setattr(reage.inversion.space, "project", None)
    photo = as_photo(astronaut)
    face = editor.prepare_tuned(photo, editor.choose_faces(photo), file)
    assert torch.equal(face.ws, ws) and psnr(face.base, tuned.image) > 50
    found = editor.edit(astronaut, 70, tuned=file, paste="replace")
    assert found.inverted == () and torch.equal(found.prepared[0].base, face.base)
    assert found.edits[0].faces[0].strength != 0
    plain = editor.result(photo, [replace(face, latents=editor.latents)], [], {})
    assert plain.fingerprint == editor.fingerprint("replace") != found.fingerprint
    with pytest.raises(UsageError, match="one face, not 2"):
        editor.prepare_tuned(photo, dict.fromkeys((1, 2), face.view.face), file)
