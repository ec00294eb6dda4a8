"""Directions of other projects: their files, what is refused, what is measured of the rest.

The shapes and keys are those of the files that PTI's repository carries (InterFaceGAN's age.pt
(1, 512) of length 1, GANSpace's ffhq_pca.pt), and of PaddleGAN's dictionary by name.
"""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from made import face_at, random
from reage.agers.direction import Direction, for_generator
from reage.agers.direction_ager import DirectionAger
from reage.agers.direction_files import load_direction
from reage.agers.direction_scale import OLDER, oriented, scaled
from reage.editor import Editor
from reage.errors import LatentError
from reage.inversion.latent_files import read_latents
from reage.inversion.space import LatentSpace
from reage.models.checkpoints import Model, ModelConfig
from reage.networks.stylegan2.generator import Generator, GeneratorConfig

pytestmark = pytest.mark.quick

VECTOR = random(18, 512).numpy()


@pytest.fixture
def paddle(tmp_path: Path) -> Path:
    path = tmp_path / "directions.pdparams"
    path.write_bytes(pickle.dumps({"age": VECTOR, "smile": VECTOR * 2, "name@@": {"age": "x"}}))
    return path


@pytest.mark.parametrize(("name", "factor"), [("age", 1), ("smile", 2)])
def test_paddlegan_s_dictionary_by_name(paddle: Path, name: str, factor: int):
    found = load_direction(Path(f"{paddle}:{name}"))
    assert (found.name, found.space) == (name, "W+")
    assert np.array_equal(found.vector.numpy(), VECTOR * factor)


@pytest.mark.parametrize("choice", ["", ":hair"])
def test_a_dictionary_lists_its_names(paddle: Path, choice: str):
    with pytest.raises(LatentError, match=r"holds age, smile; choose one with .*:NAME"):
        load_direction(Path(f"{paddle}{choice}"))


@pytest.fixture
def pca(tmp_path: Path) -> Path:
    path = tmp_path / "ffhq_pca.pt"
    parts = {"mean": random(1, 512), "comp": random(5, 1, 512, seed=2), "std": random(5).abs()}
    torch.save(parts, path)
    return path


def test_ganspace_s_components_move_by_deviations_at_their_levels(pca: Path):
    parts = torch.load(pca, weights_only=True)
    found = for_generator(load_direction(Path(f"{pca}:3:2-5")), 18)
    assert torch.equal(found.vector[2:6], (parts["comp"][3] * parts["std"][3]).expand(4, -1))
    assert found.vector[:2].abs().max() == found.vector[6:].abs().max() == 0
    everywhere = for_generator(load_direction(Path(f"{pca}:3")), 18)
    assert everywhere.vector.abs().min(0).values.max() > 0
    # One deviation from the mean is position 1.
    code = parts["mean"].expand(1, 18, -1) + everywhere.vector
    assert everywhere.position(code)[0] == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("choice", ["", ":5", ":x", ":1:3", ":1:0-18"])
def test_components_that_are_not_there(pca: Path, choice: str):
    with pytest.raises(LatentError, match="components 0 to 4 of GANSpace"):
        load_direction(Path(f"{pca}{choice}"))


def test_whole_ganspace_files(tmp_path: Path):
    parts = {"lat_comp": VECTOR[:3, None], "lat_mean": VECTOR[:1], "lat_stdev": np.ones(3)}
    np.savez(tmp_path / "stylegan2.npz", act_comp=np.ones((2, 3)), **parts)
    found = load_direction(Path(f"{tmp_path}/stylegan2.npz:2"))
    assert np.array_equal(found.vector.numpy()[0], VECTOR[2])


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("stylegan_ffhq_age_boundary.npy", "StyleGAN1 or PGGAN"),
        ("stylegan_ffhq_age_w_boundary.npy", "StyleGAN1 or PGGAN"),
        ("pggan_celebahq_age_boundary.npy", "StyleGAN1 or PGGAN"),
        ("age_z.npy", "the space before the mapping"),
        ("z-age.npy", "the space before the mapping"),
        ("fs3.npy", "StyleSpace's"),
    ],
)
def test_files_of_other_spaces_are_refused_with_the_reason(tmp_path: Path, name: str, reason: str):
    np.save(tmp_path / name, VECTOR[:1])
    with pytest.raises(LatentError, match=reason):
        load_direction(tmp_path / name)


@pytest.mark.parametrize("content", [{"age": VECTOR, "space": "Z"}, {"z": VECTOR}])
def test_directions_that_say_z_are_refused(tmp_path: Path, content: object):
    (tmp_path / "age.pkl").write_bytes(pickle.dumps(content))
    with pytest.raises(LatentError, match="lives in Z"):
        load_direction(tmp_path / "age.pkl")


@pytest.mark.parametrize("array", [np.zeros((1, 512)), np.full((18, 512), np.nan)])
def test_empty_directions_are_refused(tmp_path: Path, array: np.ndarray):
    np.save(tmp_path / "x.npy", array)
    with pytest.raises(LatentError, match="zero or not finite"):
        load_direction(tmp_path / "x.npy")


@pytest.fixture
def generator() -> Generator:
    torch.manual_seed(1)
    return Generator(GeneratorConfig(16, (8, 8, 8), 16, 16, 2)).eval().requires_grad_(False)


FOREIGN = Direction("age", random(6, 16), report={"trusted": ["sign", "scale"]})


def test_an_unknown_scale_is_limited_to_the_radius_of_w(generator: Generator):
    ends = []
    for factor in (1.0, 40.0):
        found = scaled(replace(FOREIGN, vector=FOREIGN.vector * factor), generator)
        low, high = found.allowed(torch.zeros(1, 6, 16), 0.0)
        assert low == -high
        ends.append(high * float(found.vector.norm(dim=1).max()))
    assert ends[0] == pytest.approx(ends[1])  # the farthest code does not depend on the length
    w = generator.mapping(torch.randn(500, 16, generator=torch.Generator().manual_seed(5)))
    radius = (w - generator.mapping.w_avg).norm(dim=1).square().mean().sqrt()
    assert ends[0] == pytest.approx(float(radius), rel=0.1)
    own = replace(FOREIGN, report={})
    assert scaled(own, generator) is own


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_sign_on_trust_is_measured(generator: Generator, sign: float):
    direction = scaled(FOREIGN, generator)
    average = torch.zeros(1, 6, 16)

    def ages(ws: Tensor) -> Tensor:  # a network that reads older along sign x the vector
        return 40 + 5 * sign * direction.position(ws)

    found = oriented(direction, average, ages)
    assert torch.equal(found.vector, sign * direction.vector)
    assert (found.sign, found.report["turned"]) == (OLDER, sign < 0)
    moved = found.moved(average, torch.tensor([0.0, 1.0]), 0.0)
    assert ages(moved)[1] > ages(moved)[0]
    assert oriented(found, average, ages) is found


def test_what_does_not_change_age_is_refused(generator: Generator):
    direction = scaled(FOREIGN, generator)
    with pytest.raises(LatentError, match=r"\+0\.0 years only.*StyleGAN1, Z.*--strength"):
        oriented(direction, torch.zeros(1, 6, 16), lambda ws: torch.full((len(ws),), 40.0))


def test_the_editor_measures_directions_of_age_only(
    generator: Generator, monkeypatch: pytest.MonkeyPatch
):
    model = Model(ModelConfig("tiny", generator.config), generator, None, "ab" * 32)
    direction, measured = scaled(FOREIGN, generator), []

    def ages(_: DirectionAger, ws: Tensor) -> Tensor:
        measured.append(len(ws))
        return 40 - 5 * direction.position(ws)

    monkeypatch.setattr(DirectionAger, "_ages_of", ages)
    space = LatentSpace(model)
    ager = DirectionAger(direction, space)
    editor = Editor(ager, model.config, lambda: space)
    assert editor.given_ager() is ager  # by strengths, whatever it is
    assert not measured
    face = face_at(40.0, torch.zeros(1, 3, 16, 16), ws=random(1, 6, 16), latents=space)
    by_strength = ager.move(face, torch.tensor([1.0])).added
    assert not measured and by_strength.any()
    assert editor.required_ager() is ager
    assert torch.equal(ager.older.vector, -direction.vector)
    by_age = ager.change(face, torch.tensor([30.0, 50.0])).added  # a decade is a strength of 1
    assert torch.allclose(by_age[:1], by_strength, atol=1e-5)
    assert not torch.allclose(by_age[1:], by_strength, atol=1e-3)
    assert len(measured) == 1  # once


def test_z_codes_are_mapped_or_refused(tmp_path: Path, generator: Generator):
    z = random(3, 16)
    np.savez(tmp_path / "z.npz", z=z.numpy())
    found = read_latents(tmp_path / "z.npz", 6, 16, map_z=generator.map)
    assert torch.allclose(found.ws, generator.map(z), atol=1e-6)
    assert found.provenance["space"] == "Z"
    with pytest.raises(LatentError, match="codes of Z"):
        read_latents(tmp_path / "z.npz", 6, 16)
    np.savez(tmp_path / "z.npz", z=random(3, 17).numpy())
    with pytest.raises(LatentError, match="z of another size"):
        read_latents(tmp_path / "z.npz", 6, 16, map_z=generator.map)
    np.savez(tmp_path / "both.npz", z=z.numpy(), w=random(3, 6, 16).numpy())
    assert torch.equal(read_latents(tmp_path / "both.npz", 6, 16).ws, random(3, 6, 16))
