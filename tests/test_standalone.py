"""What an edit does not need is not loaded: no generator for agers of photos."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

import reage
import reage.editor.loading
import reage.inversion.space
import reage.models.checkpoints
from made import Command
from reage.agers.base import Ager, PreparedFace
from reage.compositing.change import Change
from reage.editor import Editor
from reage.errors import ModelError, UsageError
from reage.models.checkpoints import Alignment


class Lighter(Ager):
    """Makes faces lighter by a hundredth a year, and darker the other way."""

    name = "lighter"
    span = (0.0, 100.0)
    alignment = Alignment(0.9, 0.15)  # no model's here
    needs = "photo"
    fingerprint = "1" * 64

    def __init__(self) -> None:
        self.seen: list[tuple[float, Sequence[float]]] = []

    def change(self, face: PreparedFace, ages: Tensor) -> Change:
        self.seen.append((face.own_age, ages.tolist()))
        years = (ages - face.own_age)[:, None, None, None]
        return Change((years / 100).expand(-1, *face.picture.shape[1:]))


@pytest.fixture
def no_generator(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever loads a generator, an encoder or the inversion's loss, fails."""

    def never(*_: object, **__: object) -> None:
        raise AssertionError("it was loaded")

    for module, name in (
        (reage.editor.loading, "load_any_model"),
        (reage.models.checkpoints, "load_model"),
        (reage.models.checkpoints, "build_generator"),
        (reage.inversion.space, "load_encoder"),
        (reage.inversion.space, "load_perceptual"),
    ):
        monkeypatch.setattr(module, name, never)


@pytest.fixture
def portrait(astronaut: np.ndarray, tmp_path: Path) -> Path:
    Image.fromarray(astronaut).save(tmp_path / "ada.png")
    return tmp_path / "ada.png"


@pytest.mark.usefixtures("no_generator")
def test_the_default_edit_loads_no_generator(portrait: Path, reage_command: Command):
    status, _, err = reage_command("edit", portrait, "--to", 60, "--device", "cpu")
    assert status == 0, err
    before, after = (
        np.asarray(Image.open(p)) for p in (portrait, portrait.with_name("ada-age60.png"))
    )
    assert 0.02 < (before != after).any(2).mean() < 0.7
    report = json.loads(portrait.with_name("ada-age60-reage.json").read_text())
    assert report["model"]["name"] == "faces128" and "generator_hash" not in report["model"]
    assert report["faces"][0]["inversion"] is None and report["perceptual_loss"] is None


@pytest.mark.usefixtures("no_generator")
def test_a_made_face_needs_one(portrait: Path):
    """So that the test above says something."""
    with pytest.raises(AssertionError, match="it was loaded"):
        reage.load(device="cpu").edit(portrait, 60, paste="replace")


@pytest.mark.usefixtures("no_generator")
@pytest.mark.parametrize("alone", [True, False])
@pytest.mark.parametrize("paste", ["delta", "replace", "none"])
def test_an_ager_of_ones_own_needs_no_model(astronaut: np.ndarray, alone: bool, paste: str):
    """As an editor of its own, or with a model of which nothing is loaded."""
    ager = Lighter()
    editor = Editor(ager, grey_hair=False) if alone else reage.load(ager=ager, device="cpu")
    assert editor.required_ager() is ager
    assert editor.name == ("lighter" if alone else "faces128")
    found = editor.edit(astronaut, [20, 45], paste=paste)  # type: ignore[arg-type]
    assert found.inverted == () and found.fingerprint == editor.fingerprint(paste)  # type: ignore[arg-type]
    own = found.prepared[0].own_age
    assert {age for age, _ in ager.seen} == {own}
    asked = [age for _, ages in ager.seen for age in ages]
    assert min(asked) == pytest.approx(0, abs=1e-3) and max(asked) == pytest.approx(100, abs=1e-3)
    for edit, sign in zip(found.edits, (-1, 1), strict=True):
        (face,) = edit.faces
        assert face.psnr is None
        if paste == "none":
            continue
        change = edit.photo.pixels.astype(int) - astronaut
        assert (sign * np.sign(face.strength) >= 0) and not change[:5].any()
        nose = found.prepared[0].view.face.points[2].round().astype(int)
        if paste == "delta":
            wanted = 127.5 * face.strength / 10
            inner = (astronaut[nose[1], nose[0]] > 60) & (astronaut[nose[1], nose[0]] < 200)
            assert change[nose[1], nose[0]][inner] == pytest.approx(wanted, abs=1)


def test_without_a_model_what_needs_codes_says_so(astronaut: np.ndarray):
    editor = Editor(Lighter())
    with pytest.raises(ModelError, match=r"^lighter is an ager .* without latent codes"):
        _ = editor.model
    assert editor.fingerprint() == Editor(Lighter(), grey_hair=False).fingerprint()


def test_what_is_no_ager_is_refused():
    with pytest.raises(UsageError, match="is not an ager"):
        reage.load(ager=torch.nn.Identity())  # type: ignore[arg-type]
