"""HyperStyle: the weight changes and the picture of its own code, and files that are damaged."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from made_checkpoints import published, seeded_tensor
from torch import Tensor

from reage.editor import load as load_editor
from reage.errors import ModelError
from reage.faces.squares import FaceCrop
from reage.images import to_array
from reage.inversion.hypernetwork import changed_names, hypertune
from reage.inversion.tuning import TuneConfig
from reage.models.inspecting import inspect_model
from reage.models.registry import load
from seeded import seeded, seeded_picture

# Widths of 16 to 48, a generator of 256 px, two passes; once with products ("Separable", as
# published), once with a number a pair of channels, and toRGB changed too.
GOLDEN = Path(__file__).with_name("golden_hyperstyle.npz")
KINDS = ("product", "pair")
EVERY = 97  # th value of each change was kept
SHARED = "hypernet.shared_weight_hypernet."


def golden(kind: str) -> dict[str, Any]:
    arrays = np.load(GOLDEN)
    names = [key for key in arrays.files if key.startswith(f"{kind}/")]
    found = {key.removeprefix(f"{kind}/"): arrays[key] for key in names}
    return found | json.loads(found.pop("meta").tobytes())


def checkpoint(kind: str) -> dict[str, Any]:
    """As its authors' code saves it: the shared weights under many names."""
    known = golden(kind)
    state: dict[str, Tensor] = {}
    for name, shape in known["shapes"].items():
        _, inner, leaf = name.rpartition(".hypernet.")
        state[name] = state[SHARED + leaf] if inner else seeded_tensor(name, shape)
    average = torch.from_numpy(seeded("latent_avg", (48,))).repeat(14, 1)
    return {"state_dict": state, "latent_avg": average, "opts": known["opts"]}


def saved(content: object, path: Path) -> Path:
    torch.save(content, path)
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_changes_and_picture_are_those_of_its_own_code(kind: str, tmp_path: Path):
    known = golden(kind)
    model = load(saved(checkpoint(kind), tmp_path / "hyperstyle.pt"))
    assert model.hypernet is not None
    assert model.hypernet.config.passes == 2
    photo = torch.from_numpy(seeded_picture("photo", 256))
    codes = torch.from_numpy(seeded("codes", (1, 14, 48)))
    ws = model.generator.mapping.w_avg + 0.1 * codes
    found = hypertune(model.hypernet, model.generator, photo, torch.ones(1, 1, 256, 256), ws)
    names = changed_names(model.generator)
    changed = {names[i]: known[f"delta{i}"] for i in range(len(names)) if f"delta{i}" in known}
    assert found.difference.keys() == changed.keys()
    weights = dict(model.generator.named_parameters())
    for name, change in changed.items():
        wanted = weights[name].flatten()[::EVERY].numpy() * change
        error = np.abs(found.difference[name].flatten()[::EVERY].numpy() - wanted).max()
        assert error < 1e-4 * np.abs(wanted).max(), name
    image = torch.nn.functional.adaptive_avg_pool2d(found.image, 256)[0, :, ::4, ::4]
    assert np.abs(image.numpy() - known["image"]).max() < 1e-4 * np.abs(known["image"]).max()


def test_the_w_encoder_beside_it_finds_the_code_and_tuning_uses_the_network(tmp_path: Path):
    content = checkpoint("product")
    file = saved(content, tmp_path / "hyperstyle.pt")
    decoder = {k: v for k, v in content["state_dict"].items() if k.startswith("decoder.")}
    start = published("w_encoder")
    encoder = {k: v for k, v in start["state_dict"].items() if k.startswith("encoder.")}
    assert load(file).config.encoder is None
    saved(start | {"state_dict": encoder | decoder}, tmp_path / "faces_w_encoder.pt")
    editor = load_editor(file, precision="float32")
    assert editor.latents.encoder is not None
    picture = to_array(torch.from_numpy(seeded_picture("photo", 256)))[0]
    crop = FaceCrop(picture, np.ones((256, 256), np.float32), np.zeros((4, 2)), 256)
    ws = editor.latents.encode([crop])
    assert torch.equal(ws, ws[:, :1].expand_as(ws))  # one code for all levels
    tuned = editor.latents.tune(crop, ws, TuneConfig(step=0))
    assert tuned.steps == 2
    assert not torch.allclose(tuned.image, editor.latents.synthesize(ws), atol=1e-2)


def test_inspect_says_that_it_is_one(tmp_path: Path):
    found = inspect_model(saved(checkpoint("product"), tmp_path / "hyperstyle.pt"))
    assert found.family == "HyperStyle"
    assert dict(found.lines)["unknown keys"] == "none"


class Harm:
    def __reduce__(self) -> Any:
        return os.system, ("true",)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("hypernet.body.3.conv1.weight", torch.ones(3, 3), "do not belong together"),
        ("hypernet.more.weight", torch.ones(3), "unknown more.weight"),
        ("hypernet.conv1.weight", None, "lacks conv1.weight"),
        ("hypernet.bn1.running_var", None, "lacks bn1.running_var"),
        (f"{SHARED}w1", None, "lacks shared_weight_hypernet.w1"),
        (f"{SHARED}w1", torch.full((48, 432), torch.nan), "not finite"),
        ("hypernet.conv1.weight", Harm(), "system"),
    ],
)
def test_damaged_ones_are_refused(name: str, value: object, message: str, tmp_path: Path):
    content = checkpoint("product")
    content["state_dict"].pop(name, None)
    if value is not None:
        content["state_dict"][name] = value
    with pytest.raises(ModelError, match=message) as caught:
        load(saved(content, tmp_path / "hyperstyle.pt"))
    assert "\n" not in str(caught.value)
