"""The editor: what changes in a photo, what may not, and what it says about it."""

from __future__ import annotations

import gc
import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

import reage.editor
import reage.inversion.space
import reage.search.photo_search
from made import random
from reage.agers.direction import Direction
from reage.agers.direction_ager import DirectionAger
from reage.agers.direction_files import save_direction
from reage.agers.finder import find_direction
from reage.agers.skin import SkinAger
from reage.compositing.change import PasteMode
from reage.compositing.view import crop_for_age, read_age
from reage.devices import choose_device, choose_dtype
from reage.editor import QUALITIES, Editor, load
from reage.errors import FaceError, LatentError, ModelError, ReageError, UsageError
from reage.faces.readings import AgeReading
from reage.faces.squares import to_unit
from reage.images import photo_from_array, read_photo, save_array, to_tensor
from reage.inputs import as_photo, as_targets
from reage.networks.judges.age import AgeNetwork
from reage.types import Edit, Result


@pytest.fixture(scope="module")
def result(editor: Editor, astronaut: np.ndarray) -> Result:
    """Of the embedded model: as young and as old as it can."""
    return editor.edit(astronaut, [18, 70], quality="fast")


@pytest.fixture(scope="module")
def loaded(small_folder: Path) -> Editor:
    return load(small_folder, device="cpu", precision="float32")


@pytest.fixture
def small_editor(loaded: Editor, any_likeness: None, monkeypatch: pytest.MonkeyPatch) -> Editor:
    """A model that knows no faces; so nothing it makes is like the photo."""
    monkeypatch.setitem(QUALITIES, "fast", replace(QUALITIES["fast"], step=3))  # type: ignore[arg-type]
    return loaded


@pytest.fixture
def unused(monkeypatch: pytest.MonkeyPatch) -> None:
    """No inversion may begin: the mistake is said before the work."""

    def never(*_: object, **__: object) -> None:
        raise AssertionError("the work had begun")

    monkeypatch.setattr(reage.inversion.space, "project", never)


@pytest.fixture(scope="module")
def two(astronaut: np.ndarray) -> np.ndarray:
    return np.concatenate([astronaut, astronaut[:, ::-1]], axis=1)


def inside(result: Result, index: int = 0, beyond: float = 0.0) -> np.ndarray:
    """Which pixels an edit can reach: the square of a face, `[H, W]`, widened by `beyond` sides."""
    height, width = result.photo.pixels.shape[:2]
    points = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=2)
    crop = result.prepared[index].view.crop
    unit = to_unit(points, crop.quad)
    # The mask ends before the square does; of a tiny model that is less than interpolation reaches.
    margin = beyond + (3 / crop.resolution if crop.resolution < 64 else 0)
    return ((unit >= -margin) & (unit <= 1 + margin)).all(2)


def pixels(edit: Edit) -> np.ndarray:
    return edit.photo.pixels


def test_only_the_face_changes_and_the_size_stays(result: Result, astronaut: np.ndarray):
    face = inside(result, beyond=0.3)  # photos are bent a little beside the face
    assert 0.05 < face.mean() < 0.7
    for edit in result.edits:
        assert pixels(edit).shape == astronaut.shape
        assert pixels(edit).dtype == np.uint8
        assert np.array_equal(pixels(edit)[~face], astronaut[~face])
        changed = (pixels(edit) != astronaut).any(2)[face].mean()
        assert changed > 0.2 if edit.faces[0].strength else changed == 0
    assert any(edit.faces[0].strength for edit in result.edits)
    assert np.array_equal(result.photo.pixels, astronaut)
    assert result.image.size == (256, 256)
    assert np.array_equal(np.asarray(result.edits[1].image), pixels(result.edits[1]))


def test_the_numbers_are_those_of_the_pictures(
    editor: Editor, result: Result, astronaut: np.ndarray
):
    young, old = (edit.faces[0] for edit in result.edits)
    assert (young.asked, old.asked) == (18, 70)
    assert 22 < old.before.age < 45
    assert old.before == young.before == result.prepared[0].view.reading
    # Rounding of the pasted photo moves a reading by some tenths of a year.
    assert young.after.age < young.before.age + 0.5
    assert old.after.age > old.before.age - 0.5
    assert young.strength <= 0 <= old.strength
    for face in (young, old):
        assert face.number == 1
        assert 0.5 < face.before.spread < 15
        assert 0.4 < face.likeness <= 1
        assert face.psnr is None  # no code was needed
        # Reached is within 2 years as traced; what was pasted may be read a year off that.
        missed = abs(face.asked - face.after.age)
        assert missed <= 3 if face.limit is None else missed > 1
        assert f"-> {face.after.age:.0f} years" in face.summary
    crop = crop_for_age(pixels(result.edits[1]), result.prepared[0].view.face)
    again = read_age(editor.age_network, to_tensor(crop.image))
    assert again.age == pytest.approx(old.after.age, abs=0.01)
    parts = [result.seconds[name] for name in ("detection", "inversion", "editing")]
    assert sum(parts) == pytest.approx(result.seconds["total"], rel=0.01)
    assert result.inverted == () and result.perceptual is None
    made = editor.edit(astronaut, 70, quality="fast", paste="replace")
    assert made.inverted == made.prepared and made.perceptual is not None
    assert 12 < made.edits[0].faces[0].psnr < 40


def test_an_age_that_the_finished_photo_misses_is_looked_for_again(
    editor: Editor, astronaut: np.ndarray, monkeypatch: pytest.MonkeyPatch
):
    """As where the small square of the search shows less than the photo."""
    photo, ager = as_photo(astronaut), editor.required_ager()
    assert isinstance(ager, SkinAger)
    editor = replace(editor, ager=ager.base)  # whose ages pass smoothly into each other
    faces = editor.prepare(photo, editor.choose_faces(photo))
    traced = editor.trace(photo, faces)
    plain = traced.edit(60).faces[0]
    read = reage.search.photo_search.read_age

    def older(network: AgeNetwork, shown: Tensor) -> AgeReading:
        reading = read(network, shown)
        return replace(reading, age=reading.age + 6)

    monkeypatch.setattr(reage.search.photo_search, "read_age", older)
    again = traced.edit(60).faces[0]
    assert plain.limit is None and again.limit is None
    assert again.after.age == pytest.approx(60, abs=2)
    assert again.strength < plain.strength
    # Where that does not help either, it is said.
    monkeypatch.setattr(reage.search.photo_search, "read_age", lambda *_: AgeReading(30.0, 5.0))
    missed = traced.edit(60).faces[0]
    assert missed.after.age == 30 and "full size" in str(missed.limit)


def test_an_age_that_only_the_finished_photo_passes_is_gone_back_to(
    editor: Editor, astronaut: np.ndarray, monkeypatch: pytest.MonkeyPatch
):
    """As with folds that the small square of the search does not show to be gone."""
    photo, ager = as_photo(astronaut), editor.required_ager()
    assert isinstance(ager, SkinAger)
    editor = replace(editor, ager=ager.base)
    traced = editor.trace(photo, editor.prepare(photo, editor.choose_faces(photo)))
    most = float(traced.curves[1].ages.max())
    assert traced.edit(most + 6).faces[0].limit is not None  # out of the search's reach
    read = reage.search.photo_search.read_age

    def older(network: AgeNetwork, shown: Tensor) -> AgeReading:
        reading = read(network, shown)
        return replace(reading, age=reading.age + 15)

    monkeypatch.setattr(reage.search.photo_search, "read_age", older)
    assert traced.edit(most + 6).faces[0].after.age == pytest.approx(most + 6, abs=2)


def test_the_same_call_gives_the_same_bytes(editor: Editor, result: Result, astronaut: np.ndarray):
    again = editor.edit(astronaut, 70, quality="fast")
    assert torch.equal(again.prepared[0].base, result.prepared[0].base)
    assert pixels(again.edits[0]).tobytes() == pixels(result.edits[1]).tobytes()
    (one,), (other,) = again.edits[0].faces, result.edits[1].faces
    # Its search looked at one side only: some processors sum in another order in another batch.
    assert one.strength == pytest.approx(other.strength, abs=1e-5)
    assert replace(one, strength=other.strength) == other


def test_the_same_search_finds_the_same_code(small_editor: Editor, astronaut: np.ndarray):
    one, two = (small_editor.edit(astronaut, 70, quality="fast") for _ in range(2))
    assert torch.equal(one.inverted[0].ws, two.inverted[0].ws)
    assert pixels(one.edits[0]).tobytes() == pixels(two.edits[0]).tobytes()
    assert one.edits[0].faces == two.edits[0].faces


@pytest.mark.parametrize("paste", ["delta", "replace"])
def test_sixteen_bits_stay_sixteen_bits(
    small_editor: Editor, astronaut: np.ndarray, paste: PasteMode
):
    deep = astronaut.astype(np.uint16) * 257
    deep[0, 0] = (1, 40_000, 65_535)  # values that 8 bits do not have
    shallow = small_editor.edit(astronaut, 70, quality="fast", paste=paste)
    found = small_editor.edit(deep, 70, quality="fast", paste=paste)
    assert pixels(found.edits[0]).dtype == np.uint16
    face = inside(found)
    assert np.array_equal(pixels(found.edits[0])[~face], deep[~face])
    difference = pixels(found.edits[0]) / 257 - pixels(shallow.edits[0])
    assert np.abs(difference[~face][1:]).max() == 0
    assert np.abs(difference[face]).max() < 1
    assert found.image.mode == "RGB"


def test_nothing_keeps_a_photo_after_its_edit(small_editor: Editor, astronaut: np.ndarray):
    photo = photo_from_array(astronaut)
    held = weakref.ref(photo)
    gc.disable()  # a circle would hold hundreds of megabytes of a large photo until it runs
    try:
        small_editor.edit(photo, 60, quality="fast")
        del photo
        assert held() is None
    finally:
        gc.enable()


def test_each_face_goes_to_its_own_age(small_editor: Editor, two: np.ndarray):
    found = small_editor.edit(two, {1: 70, 2: 12}, quality="fast")
    assert [(f.number, f.asked) for f in found.edits[0].faces] == [(1, 70), (2, 12)]
    changed = (pixels(found.edits[0]) != two).any(2)
    for index, half in enumerate((np.s_[:, :256], np.s_[:, 256:])):
        assert changed[half].any()
        assert inside(found, index)[half].any()
    assert not changed[~(inside(found, 0) | inside(found, 1))].any()


def test_the_other_face_is_left_alone(small_editor: Editor, two: np.ndarray):
    for found in (
        small_editor.edit(two, 70, face=2, quality="fast"),
        small_editor.edit(two, {2: 70}, quality="fast"),
    ):
        assert [f.number for f in found.edits[0].faces] == [2]
        assert np.array_equal(pixels(found.edits[0])[:, :256], two[:, :256])
        assert not np.array_equal(pixels(found.edits[0])[:, 256:], two[:, 256:])


def test_a_face_s_result_does_not_depend_on_the_other(small_editor: Editor, two: np.ndarray):
    both = small_editor.edit(two, {1: 70, 2: 12}, quality="fast").edits[0]
    alone = small_editor.edit(two, {2: 12}, quality="fast").edits[0]
    assert np.array_equal(pixels(both)[:, 256:], pixels(alone)[:, 256:])
    assert both.faces[1] == alone.faces[0]
    everybody = small_editor.edit(two, 12, face="all", quality="fast").edits[0]
    assert [f.number for f in everybody.faces] == [1, 2]
    assert np.array_equal(pixels(everybody)[:, 256:], pixels(alone)[:, 256:])


def test_an_age_s_result_does_not_depend_on_the_others(small_editor: Editor, astronaut: np.ndarray):
    several = small_editor.edit(astronaut, [12, 40, 70], quality="fast")
    alone = small_editor.edit(astronaut, 40, quality="fast")
    assert [edit.faces[0].asked for edit in several.edits] == [12, 40, 70]
    assert np.array_equal(pixels(several.edits[1]), pixels(alone.edits[0]))


def test_none_gives_the_made_faces_alone(small_editor: Editor, two: np.ndarray):
    found = small_editor.edit(two, {1: 70, 2: 12}, quality="fast", paste="none")
    assert pixels(found.edits[0]).shape == (32, 64, 3)
    one = small_editor.edit(two, {2: 12}, quality="fast", paste="none")
    assert np.array_equal(pixels(one.edits[0]), pixels(found.edits[0])[:, 32:])


def test_moving_by_nothing_changes_nothing_but_what_is_replaced(
    small_editor: Editor, astronaut: np.ndarray, tmp_path: Path
):
    photo = as_photo(astronaut)
    faces = small_editor.choose_faces(photo)
    inverted = small_editor.invert(photo, faces, quality="fast")
    ager = small_editor.required_ager()
    assert isinstance(ager, DirectionAger)
    edits = small_editor.move(photo, inverted, ager, [0, 1, -1])
    assert np.array_equal(pixels(edits[0]), astronaut)
    assert not np.array_equal(pixels(edits[1]), pixels(edits[2]))
    assert [edit.faces[0].strength for edit in edits] == [0, 1, -1]
    assert edits[1].faces[0].asked is None
    made = [replace(face, paste="replace") for face in inverted]
    replaced = small_editor.move(photo, made, ager, [0])
    face = inside(small_editor.result(photo, inverted, replaced, {}))
    assert np.array_equal(pixels(replaced[0])[~face], astronaut[~face])
    assert (pixels(replaced[0])[face] != astronaut[face]).mean() > 0.3  # the made face is another
    in_w = save_direction(Direction("any", random(1, 32), space="W"), tmp_path / "w.safetensors")
    any_way = find_direction(small_editor.latents, in_w)
    assert len(small_editor.move(photo, inverted, any_way, [1.0])) == 1
    with pytest.raises(LatentError, match="belongs to the generator"):
        replace(ager, direction=replace(ager.direction, generator_hash="b" * 64))


def test_points_by_hand_are_as_good_as_the_detector_s(
    small_editor: Editor, astronaut: np.ndarray, monkeypatch: pytest.MonkeyPatch
):
    face = small_editor.choose_faces(as_photo(astronaut))[1]
    detected = small_editor.edit(astronaut, 70, quality="fast")
    monkeypatch.setattr(type(small_editor.detector), "detect", lambda *_: [])
    by_hand = small_editor.edit(astronaut, 70, points=face.points, quality="fast")
    quads = [r.inverted[0].view.crop.quad for r in (detected, by_hand)]
    assert np.allclose(quads[0], quads[1], atol=1e-6)
    assert torch.equal(detected.inverted[0].ws, by_hand.inverted[0].ws)
    assert not np.array_equal(pixels(by_hand.edits[0]), astronaut)


def test_a_photo_may_come_in_any_form(small_editor: Editor, astronaut: np.ndarray, tmp_path: Path):
    save_array(astronaut, tmp_path / "a.png")
    forms = [
        astronaut,
        Image.fromarray(astronaut),
        Image.fromarray(astronaut).convert("RGBA"),
        tmp_path / "a.png",
        str(tmp_path / "a.png"),
        read_photo(tmp_path / "a.png"),
    ]
    wanted = pixels(small_editor.edit(forms[0], 70, quality="fast").edits[0])
    for form in forms[1:]:
        assert np.array_equal(as_photo(form).pixels, astronaut)
    last = small_editor.edit(forms[-1], 70, quality="fast")
    assert np.array_equal(pixels(last.edits[0]), wanted)
    assert last.edits[0].photo.path == tmp_path / "a.png"


@pytest.mark.usefixtures("unused")
class TestRefusals:
    def refused(
        self, kind: type[ReageError], editor: Editor, *args: object, **options: object
    ) -> str:
        with pytest.raises(kind) as caught:
            editor.edit(*args, **options)  # type: ignore[arg-type]
        assert "\n" not in str(caught.value)
        return str(caught.value)

    def test_a_model_without_age_direction(self, small_editor: Editor, astronaut: np.ndarray):
        bare = replace(small_editor, ager=None)
        assert "reage fit small" in self.refused(ModelError, bare, astronaut, 70)

    def test_a_direction_of_another_generator(
        self, small_editor: Editor, small_folder: Path, tmp_path: Path, astronaut: np.ndarray
    ):
        ager = small_editor.required_ager()
        assert isinstance(ager, DirectionAger)
        foreign = replace(ager.direction, generator_hash="b" * 64)
        file = save_direction(foreign, tmp_path / "foreign.direction.safetensors")
        with pytest.raises(LatentError, match=r"^[^\n]*belongs to the generator[^\n]*$"):
            load(small_folder, direction=file).edit(astronaut, 70)

    @pytest.mark.parametrize("to", [-1, 121, float("nan"), [20, 500], {1: 200}, [], {}, [{}]])
    def test_ages_that_are_none(self, small_editor: Editor, astronaut: np.ndarray, to: object):
        self.refused(UsageError, small_editor, astronaut, to)

    @pytest.mark.parametrize("face", [2, 9])
    def test_a_face_that_is_not_there(self, small_editor: Editor, astronaut: np.ndarray, face: int):
        message = self.refused(FaceError, small_editor, astronaut, 70, face=face)
        assert f"there is no face {face}: found 1 face" in message
        assert message == self.refused(FaceError, small_editor, astronaut, {face: 70})

    def test_points_are_face_1(self, small_editor: Editor, astronaut: np.ndarray):
        points = np.array([[80, 80], [130, 80], [105, 110], [85, 135], [125, 135]])
        self.refused(FaceError, small_editor, astronaut, {2: 70}, points=points)

    def test_no_face(self, small_editor: Editor):
        message = self.refused(FaceError, small_editor, np.full((64, 64, 3), 90, np.uint8), 70)
        assert "no face found in the picture" in message

    def test_unknown_quality(self, small_editor: Editor, astronaut: np.ndarray):
        message = self.refused(UsageError, small_editor, astronaut, 70, quality="great")
        assert "fast, normal, best" in message

    @pytest.mark.parametrize("shape", [(8,), (8, 8, 5), (3, 8, 8)])
    def test_arrays_that_are_no_photo(self, small_editor: Editor, shape: tuple[int, ...]):
        self.refused(UsageError, small_editor, np.zeros(shape, np.uint8), 70)
        self.refused(UsageError, small_editor, np.zeros((8, 8, 3), np.float32), 70)


def test_loading(small_folder: Path, tmp_path: Path):
    editor = load(small_folder)
    assert editor.ager is not None
    assert editor.required_ager().name == "age"
    with pytest.raises(LatentError, match="does not exist"):
        load(small_folder, direction=tmp_path / "absent.npy")
    with pytest.raises(ModelError, match="no model 'absent'"):
        load("absent")


def test_targets():
    assert as_targets(70) == [70]
    assert as_targets((20, 30.5)) == [20, 30.5]
    assert as_targets({1: 70, 2: 12}) == [{1: 70, 2: 12}]
    assert as_targets([0, 120, {1: 5}]) == [0, 120, {1: 5}]
    for wrong in (10**5000, True, {True: 70}, float("nan"), "70"):
        with pytest.raises(UsageError, match=r"the age|is not a face"):
            as_targets(wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "wrong",
    [{"paste": "x"}, {"seed": -1}, {"seed": 1.5}, {"seed": 2**70}, {"face": True},
     {"shape": "x"}, {"hair": "x"}, {"skin": float("nan")}, {"quality": "x"}],
    ids=str,
)  # fmt: skip
def test_wrong_options_are_refused(editor: Editor, astronaut: np.ndarray, wrong: dict[str, Any]):
    with pytest.raises(UsageError):
        editor.edit(astronaut, 70, **wrong)


def test_device_and_precision():
    cpu = torch.device("cpu")
    assert choose_device("cpu") == cpu
    assert choose_dtype("float32", cpu) == torch.float32
    assert choose_dtype("bfloat16", cpu) == torch.bfloat16
    assert choose_dtype("auto", cpu) in (torch.float32, torch.bfloat16)
    for name, why in (("abacus", "is not known; give"), ("cuda:99", "cannot be used:")):
        with pytest.raises(UsageError, match=rf"^the device '{name}' {why} [^\n]*$"):
            choose_device(name)
    with pytest.raises(UsageError, match="precision 'int4' is not known"):
        choose_dtype("int4", cpu)


@pytest.mark.parametrize("paste", ["delta", "replace", "none"])
def test_the_direction_is_followed_in_every_mode(
    editor: Editor, result: Result, paste: PasteMode
) -> None:
    """A made face is unlike the photo from the start; that must not end the search at once."""
    faces = {face.view.number: face.view.face for face in result.prepared}
    prepared = editor.prepare(result.photo, faces, paste=paste, quality="fast")
    curve = editor.trace(result.photo, prepared).curves[1]
    assert curve.strengths.min() < -1
    assert curve.strengths.max() > 1
    own = int((curve.strengths == 0).nonzero()[0])
    assert float(curve.similarities[own]) == pytest.approx(1, abs=1e-4)
