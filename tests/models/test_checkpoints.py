"""Model folders: round trips, hashes, and that everything is refused which does not fit."""

from __future__ import annotations

import hashlib
import json
import math
import struct
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from reage.errors import ModelError
from reage.models.checkpoints import (
    ModelConfig,
    load_config,
    load_model,
    load_tensors,
    save_model,
    save_tensors,
    seal,
    tensor_hash,
)
from reage.networks.stylegan2.generator import Generator, GeneratorConfig

pytestmark = pytest.mark.quick


@pytest.fixture
def folder(tmp_path: Path, tiny: Generator, tiny_config: ModelConfig) -> Path:
    return save_model(tiny_config, tiny, tmp_path / "tiny", card="# tiny", dtype=torch.float32)


def edit_config(folder: Path, **changes: object) -> None:
    path = folder / "config.json"
    data = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({k: v for k, v in data.items() if v != "REMOVE"}))


def test_float32_round_trip_is_exact(folder: Path, tiny: Generator, tiny_config: ModelConfig):
    model = load_model(folder)
    for name, tensor in tiny.state_dict().items():
        assert torch.equal(model.generator.state_dict()[name], tensor)
    assert replace(model.config, sha256={}) == tiny_config
    assert (folder / "README.md").read_text() == "# tiny"
    assert model.folder == folder
    assert not model.generator.training
    assert not any(p.requires_grad for p in model.generator.parameters())


def test_float16_hash_is_that_of_the_loaded_values(
    tmp_path: Path, tiny: Generator, tiny_config: ModelConfig
):
    half = load_model(save_model(tiny_config, tiny, tmp_path / "half", card=""))
    assert half.generator_hash == tensor_hash(half.generator.state_dict())
    assert half.generator_hash != tensor_hash(tiny.state_dict())
    again = load_model(save_model(half.config, half.generator, tmp_path / "again", card=""))
    assert again.generator_hash == half.generator_hash


def test_hash_sees_names_shapes_and_values_but_not_order():
    a, b = torch.arange(4.0), torch.ones(2, 2)
    assert tensor_hash({"a": a, "b": b}) == tensor_hash({"b": b.half(), "a": a.double()})
    variants = ({"a": a}, {"b": a}, {"a": a.reshape(2, 2)}, {"a": -a})
    assert len({tensor_hash(tensors) for tensors in variants}) == 4
    # Spelled out, since direction files depend on it: it must never change.
    plain = b"a [4]\n" + struct.pack("<4f", 0, 1, 2, 3) + b"b [2, 2]\n" + struct.pack("<f", 1) * 4
    assert tensor_hash({"a": a, "b": b}) == hashlib.sha256(plain).hexdigest()


def test_the_same_content_makes_the_same_bytes(tmp_path: Path):
    tensors = {"a": torch.randn(3, 5), "é": torch.arange(7, dtype=torch.int16)}
    metadata = {f"key {n}": f'"{n}"\n\u00e9\x01' for n in range(20)}
    shuffled = dict(sorted(metadata.items(), key=lambda item: item[0][::-1]))
    for name, known in (("one", metadata), ("two", shuffled), ("none", None)):
        save_tensors(tmp_path / name, tensors, known)
        found, said = load_tensors(tmp_path / name)
        assert said == (known or {}) and all(torch.equal(found[n], tensors[n]) for n in tensors)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_hash_is_made_anew_when_the_file_does_not_say_it(folder: Path, tiny: Generator):
    save_file(load_file(folder / "generator.safetensors"), folder / "generator.safetensors")
    seal(folder)
    assert load_model(folder).generator_hash == tensor_hash(tiny.state_dict())


def test_encoder_and_directions_are_sealed(
    tmp_path: Path, tiny: Generator, tiny_config: ModelConfig
):
    config = replace(tiny_config, encoder={"kind": "test"})
    encoder = {"weight": torch.ones(2)}
    folder = save_model(config, tiny, tmp_path / "m", card="", encoder=encoder)
    save_tensors(folder / "age.direction.safetensors", {"direction": torch.ones(3)}, {"a": "b"})
    sealed = seal(folder)
    assert set(sealed.sha256) == {
        "age.direction.safetensors",
        "encoder.safetensors",
        "generator.safetensors",
    }
    tensors, metadata = load_tensors(
        folder / "age.direction.safetensors", sha256=sealed.sha256["age.direction.safetensors"]
    )
    assert metadata == {"a": "b"}
    assert torch.equal(tensors["direction"], torch.ones(3))
    assert load_model(folder).config == sealed == load_config(folder)


def test_an_existing_folder_is_kept_unless_overwriting(
    folder: Path, tiny: Generator, tiny_config: ModelConfig
):
    with pytest.raises(ModelError, match="exists"):
        save_model(tiny_config, tiny, folder, card="new")
    assert (folder / "README.md").read_text() == "# tiny"
    save_model(tiny_config, tiny, folder, card="new", overwrite=True)
    assert (folder / "README.md").read_text() == "new"
    assert [p.name for p in folder.parent.iterdir()] == ["tiny"]  # nothing temporary is left


def test_a_failed_save_leaves_nothing(
    folder: Path, tiny: Generator, tiny_config: ModelConfig, monkeypatch: pytest.MonkeyPatch
):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("reage.models.checkpoints.seal", full)
    for target in (folder, folder.parent / "other"):
        with pytest.raises(ModelError, match="No space left"):
            save_model(tiny_config, tiny, target, card="new", overwrite=True)
    assert [p.name for p in folder.parent.iterdir()] == ["tiny"]
    assert (folder / "README.md").read_text() == "# tiny"


def test_values_beyond_float16_are_refused(tmp_path: Path, tiny_config: ModelConfig):
    generator = Generator(tiny_config.generator)
    generator.mapping.w_avg.fill_(1e6)
    with pytest.raises(ModelError, match="store the model as float32"):
        save_model(tiny_config, generator, tmp_path / "m", card="")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 2}, "format 2, this reage reads format 1"),
        ({"format": "REMOVE"}, "format None"),
        ({"colour": "red"}, "unknown colour"),
        ({"licence": "REMOVE"}, "lacks licence"),
        ({"name": 3}, "name is 3"),
        ({"encoder": 3}, "encoder is 3"),
        ({"encoder": {"kind": "x"}}, "no SHA-256 of encoder"),
        ({"sha256": {}}, "no SHA-256 of generator"),
        ({"sha256": {"generator.safetensors": "0" * 64}}, "changed or damaged"),
        ({"sha256": {"../generator.safetensors": "0" * 64}}, "not 64 hexadecimal"),
        ({"alignment": {"scale": 1.0}}, "lacks shift"),
        ({"alignment": {"scale": "1", "shift": 0.1}}, "out of range"),
        ({"alignment": {"scale": -1, "shift": 0.1}}, "out of range"),
        ({"alignment": {"scale": math.nan, "shift": 0.1}}, "out of range"),
        ({"generator": {}}, "lacks channels"),
        ({"generator": None}, "generator is None"),
    ],
)
def test_bad_configs_are_refused(folder: Path, changes: dict[str, object], message: str):
    edit_config(folder, **changes)
    with pytest.raises(ModelError, match=message):
        load_model(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"resolution": 48}, "not a power of two"),
        ({"resolution": 0}, "whole numbers above 0"),
        ({"resolution": True}, "whole numbers above 0"),
        ({"resolution": 64}, "4 channel counts given"),
        ({"channels": [16, 16, 16, 10**12]}, "whole numbers above 0"),
        ({"channels": 16}, "whole numbers above 0"),
        ({"channels": [16, 16, 16, 4]}, "do not belong together"),
        ({"w_dim": 13}, "do not belong together"),
        ({"mapping_layers": 3}, "lacks mapping.fc2.bias and 1 more"),
        ({"mapping_layers": 1}, "unknown mapping.fc1.bias and 1 more"),
        ({"mapping_layers": 5000}, "5000 mapping layers"),
        ({"image_channels": 5}, "not 3 or 4"),
    ],
)
def test_sizes_that_are_not_the_file_s_are_refused(
    folder: Path, changes: dict[str, object], message: str
):
    sizes = json.loads((folder / "config.json").read_text())["generator"]
    edit_config(folder, generator=sizes | changes)
    with pytest.raises(ModelError, match=message):
        load_model(folder)


def test_other_dtypes_are_refused(folder: Path):
    tensors = load_file(folder / "generator.safetensors")
    tensors["mapping.w_avg"] = tensors["mapping.w_avg"].double()
    save_file(tensors, folder / "generator.safetensors")
    seal(folder)
    with pytest.raises(ModelError, match="store float16 or float32"):
        load_model(folder)


@pytest.mark.parametrize("content", [b"", b"\xff" * 100, b"\x10" + bytes(7) + b"{" * 16])
def test_damaged_files_are_refused(folder: Path, content: bytes):
    (folder / "generator.safetensors").write_bytes(content)
    with pytest.raises(ModelError, match="changed or damaged"):
        load_model(folder)
    with pytest.raises(ModelError, match="not a safetensors file"):
        load_tensors(folder / "generator.safetensors")


@pytest.mark.parametrize("content", ["", "[1]", "{", "[" * 100_000])
def test_damaged_configs_are_refused(folder: Path, content: str):
    (folder / "config.json").write_text(content)
    with pytest.raises(ModelError):
        load_model(folder)


def test_missing_files_are_refused(folder: Path):
    (folder / "generator.safetensors").unlink()
    with pytest.raises(ModelError, match="cannot read"):
        load_model(folder)
    with pytest.raises(ModelError, match="not a model folder"):
        load_model(folder.parent)


def test_a_config_belongs_to_its_generator(tmp_path: Path, tiny: Generator):
    other = GeneratorConfig(resolution=8, channels=(4, 4))
    with pytest.raises(AssertionError, match="another generator"):
        save_model(ModelConfig("x", other), tiny, tmp_path / "x", card="")
