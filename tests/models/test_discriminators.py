"""A model folder's discriminator is read strictly."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from reage.errors import ModelError
from reage.models import discriminators
from reage.models.checkpoints import (
    DISCRIMINATOR_FILE,
    ModelConfig,
    load_model,
    save_model,
    seal,
)
from reage.models.discriminators import describe_discriminator, load_discriminator
from reage.models.files import load_tensors, save_tensors
from reage.models.registry import load
from reage.networks.stylegan2.discriminator import Discriminator, DiscriminatorConfig
from reage.networks.stylegan2.generator import Generator

pytestmark = pytest.mark.quick


@pytest.fixture
def folder(tmp_path: Path, tiny: Generator, tiny_config: ModelConfig) -> Path:
    torch.manual_seed(0)
    part = describe_discriminator(Discriminator(DiscriminatorConfig(32, (4, 8))))
    return save_model(tiny_config, tiny, tmp_path / "m", card="", discriminator=part)


def test_it_comes_back_as_it_was(folder: Path):
    torch.manual_seed(0)
    saved = Discriminator(DiscriminatorConfig(32, (4, 8)))
    found = load_discriminator(load_model(folder))
    assert found is not None and found.config == saved.config
    for name, value in saved.state_dict().items():
        assert torch.equal(found.state_dict()[name], value.half().float()), name


def test_a_model_without_one(tmp_path: Path, tiny: Generator, tiny_config: ModelConfig):
    model = load_model(save_model(tiny_config, tiny, tmp_path / "m", card=""))
    assert load_discriminator(model) is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"channels": [4, 0]}, "not whole numbers above 0"),
        ({"channels": [4, 16]}, "config needs"),
        ({"resolution": 64}, "does not say what discriminator it is: 2 channel counts do not fit"),
        ({"resolution": 16}, "is for 16 px, its generator makes 32"),
        ({"more": 1}, "has unknown more"),
        ({"channels": None}, "does not say what discriminator it is"),
    ],
)
def test_sizes_that_are_not_its_own(folder: Path, change: dict[str, object], words: str):
    file = folder / DISCRIMINATOR_FILE
    tensors, metadata = load_tensors(file)
    settings = json.loads(metadata["discriminator"]) | change
    save_tensors(file, tensors, {"discriminator": json.dumps(settings)})
    seal(folder)
    with pytest.raises(ModelError, match=words):
        load_discriminator(load_model(folder))


def test_a_damaged_file(folder: Path):
    file = folder / DISCRIMINATOR_FILE
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.raises(ModelError, match="changed or damaged"):
        load_discriminator(load_model(folder))


@pytest.mark.parametrize("place", ["clone", "working folder"])
def test_a_model_of_the_package_has_it_in_a_clone(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
):
    monkeypatch.setattr(discriminators, "CLONE", tmp_path / "clone")
    root = tmp_path / ("clone" if place == "clone" else "here")
    kept = root / "training" / folder.name / DISCRIMINATOR_FILE
    kept.parent.mkdir(parents=True)
    (tmp_path / "here").mkdir(exist_ok=True)
    monkeypatch.chdir(tmp_path / "here")
    wanted = load_discriminator(load_model(folder))
    (folder / DISCRIMINATOR_FILE).rename(kept)
    found = load_discriminator(load_model(folder))
    assert wanted is not None and found is not None
    assert all(map(torch.equal, wanted.state_dict().values(), found.state_dict().values()))
    kept.write_bytes(kept.read_bytes()[:-1] + b"x")  # what lies there is checked as well
    with pytest.raises(ModelError, match="changed or damaged"):
        load_discriminator(load_model(folder))


def test_where_to_get_it_is_said(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    (folder / DISCRIMINATOR_FILE).unlink()
    with pytest.raises(ModelError, match=f"copy it from training/{folder.name} in a clone"):
        load_discriminator(load_model(folder))
    assert load_discriminator(load_model(folder), required=False) is None


def test_that_of_the_embedded_model_is_in_this_clone():
    model = load("faces128")
    assert model.folder is not None and not (model.folder / DISCRIMINATOR_FILE).exists()
    found = load_discriminator(model)
    assert found is not None
    assert found.config == DiscriminatorConfig(128, (256, 256, 192, 96, 48))
