"""What holds for every ager, whatever it is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from made import editor_with, face_at, made_ager
from made_fran import NARROW, save_state, seeded_fran
from reage.agers.base import Ager, PreparedFace
from reage.agers.fran import load_fran
from reage.agers.latent import CodeAger, SamAger
from reage.compositing.change import Change
from reage.editor import Editor, load
from reage.inputs import as_photo
from reage.models.families.fran import PixelNetwork
from reage.networks.agers.fran import FranPlain
from reage.networks.encoders.irse import BackboneConfig
from reage.networks.encoders.style_encoder import StyleEncoder, StyleEncoderConfig
from reage.search.looker import Looker, change_by

KINDS = ("photo", "skin", "latent", "direction", "sam", "fran")
AGES = (20.0, 35.5, 70.0)


def sam_network(num_ws: int, w_dim: int) -> StyleEncoder:
    backbone = BackboneConfig(4, 8, (8, 8, 16, 16), (1, 1, 1, 1), 4)
    with torch.random.fork_rng():
        torch.manual_seed(2)
        network = StyleEncoder(StyleEncoderConfig(num_ws, w_dim, backbone, resolution=256))
        for parameter in network.parameters():
            parameter.data = parameter + 0.05 * torch.randn_like(parameter)
    return network.eval().requires_grad_(False)


def taught(network: PixelNetwork) -> PixelNetwork:
    """The same as if it had learnt that a face at its own age does not change."""

    def run(x: torch.Tensor) -> torch.Tensor:
        own = torch.cat([x[:, :4], x[:, 3:4]], 1)
        return network.run(x) - network.run(own)

    return replace(network, run=run)


@pytest.fixture(scope="module")
def make(
    small_folder: Path, editor: Editor, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Editor]:
    """An editor with an ager of a kind, made anew each time."""
    fran = save_state(seeded_fran(FranPlain(NARROW)), tmp_path_factory.mktemp("fran") / "fran.pth")
    loaded = load_fran(fran, torch.device("cpu"), torch.float32)

    def of(kind: str) -> Editor:
        plain = load(small_folder, device="cpu", precision="float32")
        if kind == "direction":
            return plain
        if kind == "skin":
            return editor  # the embedded model's
        if kind == "sam":
            config = plain.model.config.generator
            network = sam_network(config.num_ws, config.w_dim)
            return replace(plain, ager=SamAger(network, plain.latents))
        if kind == "fran":
            return replace(plain, ager=replace(loaded, network=taught(loaded.network)))
        return editor_with(made_ager(plain.model, photo=kind == "photo"), small_folder)

    return of


@pytest.fixture(scope="module", params=KINDS)
def prepared(
    request: pytest.FixtureRequest, make: Callable[[str], Editor], astronaut: np.ndarray
) -> tuple[Ager, PreparedFace]:
    """Each ager with a face of its own: in a photo large enough for all that it can do."""
    photo = as_photo(Image.fromarray(astronaut).resize((768, 768), Image.Resampling.LANCZOS))
    one = make(request.param)
    (face,) = one.prepare(photo, one.choose_faces(photo), quality="fast")
    return one.required_ager(), face


def parts(change: Change) -> dict[str, torch.Tensor]:
    """All that a change holds, each `[N, ...]`."""
    found = {"added": change.added}
    if change.warp is not None:
        found["warp"] = change.warp.moves
    if change.detail is not None:
        found["detail"] = change.detail
    if change.relief is not None:
        found["relief"] = change.relief
    if change.skin is not None:
        found["gains"] = torch.tensor(change.skin.gains)
        found["losses"] = torch.tensor(change.skin.losses)
    return found


def test_it_says_what_it_is(prepared: tuple[Ager, PreparedFace]):
    ager, face = prepared
    assert isinstance(ager, Ager)
    assert ager.name and ager.edge and ager.looks > 0
    assert ager.span[0] < ager.span[1]
    assert len(ager.fingerprint) == 64 and int(ager.fingerprint, 16)
    # A code is there exactly where it is needed.
    assert (face.code is None) == (ager.needs == "photo") != isinstance(ager, CodeAger)
    for quality in ("fast", "normal", "best"):
        assert ager.side(200.0, quality) > 0
    assert face.view.crop.resolution == ager.side(2000.0, "fast")


def test_a_face_at_its_own_age_stays_as_it_is(prepared: tuple[Ager, PreparedFace]):
    ager, face = prepared
    for change in (
        ager.change(face, torch.tensor([face.own_age])),
        change_by(ager, face, torch.zeros(1)),
    ):
        for name, part in parts(change).items():
            still = torch.ones_like(part) if name == "detail" else torch.zeros_like(part)
            assert torch.allclose(part, still, atol=1e-5), name
        assert change.greying is None  # that is not the ager's to decide


def test_several_ages_at_once_are_as_one_by_one(prepared: tuple[Ager, PreparedFace]):
    ager, face = prepared
    together = ager.change(face, torch.tensor(AGES))
    assert len(together) == len(AGES)
    for i, age in enumerate(AGES):
        alone, found = (parts(c) for c in (ager.change(face, torch.tensor([age])), together.one(i)))
        assert alone.keys() == found.keys() == parts(together).keys()
        for name, part in found.items():
            assert part.shape == alone[name].shape and len(part) == 1, name
            assert torch.allclose(part, alone[name], atol=2e-4), (name, age)
            assert torch.equal(part[0], parts(together)[name][i]), name
    apart = together.added[0] - together.added[2]
    assert apart.abs().max() > 1e-3  # so that all this says something


def test_it_holds_no_face(prepared: tuple[Ager, PreparedFace]):
    """The same before and after another face was seen."""
    ager, face = prepared
    before = ager.change(face, torch.tensor(AGES)).added
    other = face_at(60.0, -face.base, face.paste, latents=face.latents, ws=face.code)
    assert not torch.allclose(ager.change(other, torch.tensor(AGES)).added, before, atol=1e-4)
    assert torch.equal(ager.change(face, torch.tensor(AGES)).added, before)


@pytest.mark.parametrize("own", [0.5, 30.0, 110.0])
def test_its_reach_has_the_own_age_in_it(prepared: tuple[Ager, PreparedFace], own: float):
    ager, face = prepared
    reading = replace(face.view.reading, age=own)
    aged = replace(face, view=replace(face.view, reading=reading))
    low, high = ager.reach(aged)
    assert low <= own <= high and low < high
    looker = Looker(ager, None, None, [aged], lambda: [None])  # type: ignore[arg-type]
    assert looker.span() == pytest.approx(((low - own) / 10, (high - own) / 10))


@pytest.mark.parametrize("kind", KINDS)
def test_its_fingerprint_is_that_of_its_tensors(make: Callable[[str], Editor], kind: str):
    ager = make(kind).required_ager()
    assert make(kind).required_ager().fingerprint == ager.fingerprint
    others = {make(other).required_ager().fingerprint for other in KINDS if other != kind}
    assert ager.fingerprint not in others
    if kind in ("skin", "fran"):
        return  # of files: another file is another one
    if kind == "direction":
        direction = replace(ager.direction, vector=1.05 * ager.direction.vector)  # type: ignore[attr-defined]
        changed = replace(ager, direction=direction)  # type: ignore[type-var]
    else:
        network = make(kind).required_ager().network  # type: ignore[attr-defined]
        next(iter(network.parameters())).mul_(1.05)
        changed = replace(ager, network=network)  # type: ignore[type-var]
    assert changed.fingerprint != ager.fingerprint  # type: ignore[attr-defined]
