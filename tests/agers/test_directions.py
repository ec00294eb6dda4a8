"""Directions: their files, the generator they belong to, and directions in closed form."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from made import make_generator, random
from reage.agers.direction import Direction, factorize, for_generator, move, sefa_direction
from reage.agers.direction_files import load_direction, save_direction
from reage.errors import LatentError, UsageError
from reage.models.files import load_tensors, save_tensors
from reage.networks.stylegan2.generator import Generator, GeneratorConfig

pytestmark = pytest.mark.quick

HASH = "a" * 64
DIRECTION = Direction(
    name="age",
    vector=random(8, 32),
    sign="+ is older",
    generator_hash=HASH,
    span=(-2.0, 3.5),
    origin=random(8, 32, seed=1),
    report={"r2": 0.5, "leakage": {"gender": {"after": 0.01}}},
)


def test_round_trip(tmp_path: Path):
    read = load_direction(save_direction(DIRECTION, tmp_path / "age.direction.safetensors"))
    assert torch.equal(read.vector, DIRECTION.vector)
    assert read.origin is not None
    assert DIRECTION.origin is not None
    assert torch.equal(read.origin, DIRECTION.origin)
    for name in ("name", "space", "sign", "generator_hash", "span", "report"):
        assert getattr(read, name) == getattr(DIRECTION, name)
    bare = Direction("smile", random(1, 32), space="W")
    again = load_direction(save_direction(bare, tmp_path / "smile.safetensors"))
    assert (again.origin, again.span, again.generator_hash, again.space) == (None, None, None, "W")


def test_the_file_says_sign_norm_space_and_generator(tmp_path: Path):
    save_direction(DIRECTION, tmp_path / "age.safetensors")
    known = json.loads(load_tensors(tmp_path / "age.safetensors")[1]["direction"])
    assert known["norm"] == pytest.approx(float(DIRECTION.vector.square().sum().sqrt()))
    assert (known["sign"], known["space"], known["generator_hash"]) == ("+ is older", "W+", HASH)


def test_another_generator_is_refused():
    DIRECTION.check(HASH, 8, 32)
    replace(DIRECTION, generator_hash=None).check("b" * 64, 8, 32)  # unknown: taken on trust
    with pytest.raises(LatentError, match=r"^[^\n]*belongs to the generator aaaaaaaaaaaa[^\n]*$"):
        DIRECTION.check("b" * 64, 8, 32)
    for shape in ((10, 32), (8, 64)):
        with pytest.raises(LatentError, match=r"^[^\n]*is \[8, 32\], this model takes [^\n]*$"):
            DIRECTION.check(HASH, *shape)


def test_w_is_repeated_over_the_levels():
    w = Direction("smile", random(1, 32), space="W")
    wide = for_generator(w, 8)
    assert wide.vector.shape == (8, 32)
    assert torch.equal(wide.vector, w.vector.expand(8, -1))
    assert for_generator(DIRECTION, 18) is DIRECTION


def test_moving_adds_strengths_that_position_measures():
    ws = random(3, 8, 32, seed=2)
    strengths = torch.tensor([-1.0, 0.0, 2.5])
    moved = move(ws, DIRECTION, strengths)
    assert torch.equal(moved[1], ws[1])
    gone = DIRECTION.position(moved) - DIRECTION.position(ws)
    assert torch.allclose(gone, strengths, atol=1e-5)
    assert torch.allclose(move(moved, DIRECTION, -strengths), ws, atol=1e-5)
    assert torch.allclose(move(ws, DIRECTION, 2.0)[0], ws[0] + 2 * DIRECTION.vector)
    assert DIRECTION.origin is not None
    assert DIRECTION.position(DIRECTION.origin[None]).abs() < 1e-6


@pytest.mark.parametrize(
    ("shape", "space"),
    [((512,), "W"), ((1, 512), "W"), ((1, 1, 512), "W"), ((18, 512), "W+"), ((1, 18, 512), "W+")],
)
@pytest.mark.parametrize("suffix", ["npy", "pt"])
def test_foreign_files(tmp_path: Path, shape: tuple[int, ...], space: str, suffix: str):
    array, file = random(*shape).numpy().astype(np.float64), tmp_path / f"smile.{suffix}"
    if suffix == "npy":
        np.save(file, array)
    else:
        torch.save(torch.from_numpy(array), file)
    found = load_direction(file)
    assert (found.name, found.space, found.generator_hash) == ("smile", space, None)
    assert found.report["trusted"] == ["sign", "scale", "space", "generator"]
    wanted = np.broadcast_to(array.reshape(-1, 512).astype(np.float32), (18, 512))
    assert np.array_equal(for_generator(found, 18).vector.numpy(), wanted)
    for_generator(found, 18).check(HASH, 18, 512)
    if space == "W+":
        with pytest.raises(LatentError, match=r"this model takes \[14, 512\]"):
            for_generator(found, 14).check(HASH, 14, 512)


@pytest.mark.parametrize("shape", [(), (3, 18, 512), (2, 3, 4, 5)])
def test_arrays_that_are_no_direction(tmp_path: Path, shape: tuple[int, ...]):
    np.save(tmp_path / "x.npy", np.zeros(shape))
    with pytest.raises(LatentError, match=r"^[^\n]*holds [^\n]*a direction is [^\n]*$"):
        load_direction(tmp_path / "x.npy")


def test_files_that_are_no_direction(tmp_path: Path):
    file = tmp_path / "x.safetensors"
    with pytest.raises(LatentError, match="does not exist"):
        load_direction(file)
    file.write_bytes(b"hello")
    with pytest.raises(LatentError, match=r"^[^\n]*is not a reage direction[^\n]*$"):
        load_direction(file)
    save_direction(DIRECTION, file)
    good = json.loads(load_tensors(file)[1]["direction"])
    vector = {"vector": DIRECTION.vector}
    changes = [{"kind": "other"}, {"format": 2}, {"space": "Z"}, {"space": "S"}, {"span": [1]}]
    texts = [json.dumps(good | change) for change in changes]
    texts += ["{", "[]", "3", json.dumps({k: v for k, v in good.items() if k != "sign"})]
    for text in texts:
        save_tensors(file, vector, {"direction": text})
        with pytest.raises(LatentError, match=r"^[^\n]*x\.safetensors[^\n]*$"):
            load_direction(file)
    save_tensors(file, vector)
    with pytest.raises(LatentError, match="is not a reage direction"):
        load_direction(file)


class TestFactorize:
    def test_rows_are_orthonormal(self, small: Generator):
        rows = factorize(small)
        assert rows.shape == (32, 32)
        assert torch.allclose(rows @ rows.t(), torch.eye(32), atol=1e-5)
        few = factorize(small, (0,))  # fewer weights than dimensions: still a whole basis
        assert torch.allclose(few @ few.t(), torch.eye(32), atol=1e-5)

    def test_the_first_rows_move_the_styles_most(self, small: Generator):
        rows = factorize(small)
        layers = small.synthesis.noise_layers
        weights = torch.cat(
            [torch.nn.functional.normalize(layer.affine.weight) for layer in layers]
        )
        moved = (weights @ rows.t()).norm(dim=0)  # equation 5: what is maximised
        assert torch.allclose(moved, moved.sort(descending=True).values)
        assert moved[0] > 1.2 * moved[-1]

    def test_a_planted_direction_is_found(self):
        generator = make_generator(GeneratorConfig(16, (8, 8, 8), 16, 16, 1))
        secret = torch.nn.functional.normalize(random(16), dim=0)
        for layer in generator.synthesis.noise_layers:
            layer.affine.weight += 10 * torch.sign(random(8, 1)) * secret
        assert (factorize(generator)[0] @ secret).abs() > 0.95

    def test_levels_without_a_convolution_are_refused(self, small: Generator):
        with pytest.raises(LatentError, match="no convolution"):
            factorize(small, (7,))  # the last level feeds a toRGB only


class TestSefaByName:
    def test_it_moves_only_its_levels(self, small: Generator) -> None:
        direction = sefa_direction(small, "hash", "sefa:2:1-3")
        assert direction.generator_hash == "hash"
        norms = direction.vector.norm(dim=1)
        assert torch.allclose(norms[1:4], torch.ones(3), atol=1e-5)
        assert (norms[0], norms[4:].sum()) == (0, 0)
        assert torch.equal(direction.vector[1], factorize(small, (1, 2, 3))[1])

    @pytest.mark.parametrize("text", ["sefa:", "sefa:x", "sefa:1:3", "sefa:-1"])
    def test_what_is_not_understood(self, small: Generator, text: str) -> None:
        with pytest.raises(UsageError, match="sefa:N"):
            sefa_direction(small, "hash", text)

    @pytest.mark.parametrize("text", ["sefa:0", "sefa:99999", "sefa:1:0-99"])
    def test_what_does_not_exist(self, small: Generator, text: str) -> None:
        with pytest.raises(LatentError, match="factors 1 to"):
            sefa_direction(small, "hash", text)
