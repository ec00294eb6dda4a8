"""Looks at one person in several good frames: means of looks at each."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from made import editor_with, made_ager
from reage.agers.base import PreparedFace
from reage.agers.children import CHILDHOOD, GROWN, NEVER, Childhood
from reage.compositing.hair.greying import grey_shares
from reage.compositing.hair.segmentation import Hair
from reage.compositing.preview import preview
from reage.editor import Editor, load
from reage.errors import ModelError
from reage.inputs import as_photo
from reage.models.checkpoints import Model
from reage.search.looker import MOST_AHEAD, Looker

STRENGTHS = torch.tensor([-2.0, 0.0, 1.5, 4.0, 0.0])


@pytest.fixture(scope="module")
def aged(small_model: Model, small_folder: Path) -> Editor:
    return editor_with(made_ager(small_model), small_folder)


@pytest.fixture(scope="module")
def frames(aged: Editor, astronaut: np.ndarray) -> list[PreparedFace]:
    """The same face, darker, and seen in a mirror."""
    found = []
    for picture in (astronaut, astronaut // 2, np.ascontiguousarray(astronaut[:, ::-1])):
        photo = as_photo(picture)
        found += aged.prepare(photo, aged.choose_faces(photo))
    return found


@pytest.fixture(scope="module")
def hair(aged: Editor, astronaut: np.ndarray) -> Hair:
    photo = as_photo(astronaut)
    found = aged.find_hair(photo, aged.choose_faces(photo)[1])
    assert found is not None
    return found


def looker(editor: Editor, faces: list[PreparedFace], hair: list[Hair | None]) -> Looker:
    return Looker(editor.required_ager(), editor.age_network, editor.likeness, faces, lambda: hair)


def test_several_frames_are_the_mean_of_single_ones(aged: Editor, frames: list[PreparedFace]):
    whole = looker(aged, frames, [None] * len(frames))
    single = [looker(aged, [face], [None]) for face in frames]
    assert whole.own_age == pytest.approx(np.mean([face.own_age for face in frames]))
    looks = [one.look(STRENGTHS) for one in single]
    for found, each in zip(whole.look(STRENGTHS), zip(*looks, strict=True), strict=True):
        assert torch.allclose(found, torch.stack(each).mean(0), atol=1e-4)
        assert torch.stack(each).std(0).max() > 1e-3  # they differ
    for found, one in zip(whole.changes(STRENGTHS), single, strict=True):
        assert torch.equal(found.added, one.changes(STRENGTHS)[0].added)


def test_strengths_may_come_in_any_order_and_several_times(
    aged: Editor, frames: list[PreparedFace]
):
    one = looker(aged, frames[:1], [None])
    ages, similar = one.look(STRENGTHS)
    for i, strength in enumerate(STRENGTHS):
        age, like = one.look(strength[None])
        assert float(ages[i]) == pytest.approx(float(age[0]), abs=1e-3)
        assert float(similar[i]) == pytest.approx(float(like[0]), abs=1e-4)
    assert similar[1] == pytest.approx(1, abs=1e-5)
    many = torch.linspace(-3, 3, 21)  # of more than one batch
    assert torch.allclose(one.look(many)[0], one.look(many.flip(0))[0].flip(0), atol=1e-3)


def test_hair_turns_grey_alike_in_all_frames_by_the_mean_of_the_ages(
    aged: Editor, frames: list[PreparedFace], hair: Hair
):
    """As grey as between the ages read and asked for, but not far ahead of the one read.

    A frame without hair keeps its own.
    """
    faces = [replace(face, view=replace(face.view, reading=frames[0].view.reading))
             for face in frames[:2]]  # fmt: skip
    plain = looker(aged, faces, [None, None])
    strengths = torch.tensor([-2.0, 0.0, 1.0, 4.0, 6.0])
    read = plain.look(strengths)[0]
    asked = plain.own_age + 10 * strengths
    most = plain.own_age + MOST_AHEAD * (read - plain.own_age).clamp(min=0)
    ages = (read + asked) / 2
    assert (ages > most)[2:].any()  # here the face hardly ages
    ages = torch.where(strengths > 0, torch.minimum(ages, most), ages)
    shares = grey_shares(plain.own_age, ages.tolist(), strengths.tolist())
    greying = looker(aged, faces, [hair, None])
    with_hair, without = greying.changes(strengths)
    assert without.greying is None
    assert with_hair.greying is not None and with_hair.greying.shares == pytest.approx(shares)
    assert with_hair.one(4).greying is not None
    # What is read is read with it.
    seen = [
        aged.age_network.read(preview(f.view, f.picture, c, "delta"))[0]
        for f, c in zip(faces, (with_hair, without), strict=True)
    ]
    assert torch.allclose(greying.look(strengths)[0], torch.stack(seen).mean(0), atol=1e-3)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_not_finite_is_never_pasted(
    small_model: Model, small_folder: Path, astronaut: np.ndarray, value: float
):
    """It was pasted as a black square, and an age was read in it."""
    stored = made_ager(small_model)
    assert stored.photo is not None
    next(iter(stored.photo.parameters())).data.fill_(value)
    broken = editor_with(stored, small_folder)
    with pytest.raises(ModelError, match="not finite"):
        broken.edit(astronaut, 70)


def test_a_code_that_is_not_finite_is_never_pasted(
    small_folder: Path, astronaut: np.ndarray, two_steps: None
):
    editor = load(small_folder, device="cpu", precision="float32")
    photo = as_photo(astronaut)
    (face,) = editor.invert(photo, editor.choose_faces(photo), paste="replace")
    assert face.ws is not None
    for paste in ("delta", "replace", "none"):
        with pytest.raises(ModelError, match="not finite"):
            editor.show(photo, [replace(face, paste=paste).with_code(face.ws * float("nan"))])


@pytest.mark.parametrize(("reads", "childhood"), [(50.0, NEVER), (5.0, Childhood(GROWN))])
def test_only_a_face_that_reads_young_gets_a_childs_shape(
    aged: Editor,
    frames: list[PreparedFace],
    monkeypatch: pytest.MonkeyPatch,
    reads: float,
    childhood: Childhood,
):
    """Old men sent to 20 were asked for -9, lost their beards and got a child's jaw."""
    reading = replace(frames[0].view.reading, age=70.0)
    face = replace(frames[0], view=replace(frames[0].view, reading=reading), notes={})
    one = looker(aged, [face], [None])
    monkeypatch.setattr(Looker, "_ages", lambda self, changes, flats: torch.full((4,), reads))
    one.changes(torch.tensor([1.0]))
    assert CHILDHOOD not in face.notes  # older faces are not looked at for it
    one.changes(torch.tensor([-6.0]))
    assert face.notes[CHILDHOOD] == childhood


def test_only_the_side_of_the_targets_is_traced(
    aged: Editor, astronaut: np.ndarray, monkeypatch: pytest.MonkeyPatch
):
    looked: list[float] = []
    look = Looker.look

    def note(one: Looker, strengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        looked.extend(strengths.tolist())
        return look(one, strengths)

    monkeypatch.setattr(Looker, "look", note)
    older = aged.edit(astronaut, to=80)
    assert min(looked) == 0 < max(looked)
    both = aged.edit(astronaut, to=[5, 80])
    assert min(looked) < 0
    assert older.edits[0].faces[0].strength == pytest.approx(both.edits[1].faces[0].strength)
