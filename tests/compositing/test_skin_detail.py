"""Detail of skin: it lands on the skin alone, at the strength asked for, and comes off again."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from reage.compositing.bands import LUMA
from reage.compositing.boxed_face import BoxedFace
from reage.compositing.detail_bank import DetailBank, read_bank, write_bank
from reage.compositing.detail_removal import Remover, as_laid, lay_removal, remove_age
from reage.compositing.detail_transfer import (
    MOST_REMOVED,
    Subject,
    add_detail,
    choose_exemplars,
    detail_gains,
    lay_detail,
    mix_detail,
    shading_age,
    wrinkling,
)
from reage.compositing.lips import pale_lips
from reage.compositing.mesh_warp import FRAME, ThinPlate, warp_from_frame
from reage.compositing.neck import BELOW, look_at_neck
from reage.compositing.skin_mask import (
    LIPS,
    LOG_OFFSET,
    fill_rings,
    frame_mask,
    skin_likelihood,
    with_deep_folds,
)
from reage.compositing.smoothing import gaussian, masked_gaussian
from reage.errors import ImageError, ModelError
from reage.models.registry import ASSETS

SKIN = np.array([196, 150, 128], np.uint8)
SUBJECT = Subject("female", 45.0, 0.0, 0.85, 1.18)
LEFT_EYE, LEFT_CHEEK = 159, 50


@pytest.fixture(scope="module")
def bank() -> DetailBank:
    return read_bank(ASSETS / "detail")


@pytest.fixture(scope="module")
def mesh(bank: DetailBank) -> np.ndarray:
    """Landmarks of the canonical face in a photo of 640x720, a little smaller."""
    return bank.canonical * 0.8 + [90.0, 60.0]


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    """Skin everywhere, with faint texture."""
    noise = np.random.default_rng(3).normal(0, 2, (720, 640, 1))
    return np.clip(SKIN + noise, 0, 255).astype(np.uint8)


def aged(
    photo: np.ndarray, mesh: np.ndarray, bank: DetailBank, gain: float = 1.0, **hidden: np.ndarray
) -> np.ndarray:
    skin = mix_detail(bank, choose_exemplars(bank, SUBJECT), SUBJECT)
    laid = lay_detail(photo, mesh, skin, **hidden)
    assert laid is not None
    out = photo.copy()
    add_detail(out, photo, laid, gain, gain)
    return out


def change(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.abs(a.astype(int) - b).max(2)


def test_no_strength_changes_no_pixel(photo, mesh, bank):
    assert np.array_equal(aged(photo, mesh, bank, 0.0), photo)


def test_detail_lands_on_the_skin_and_not_on_eyes_or_background(photo, mesh, bank):
    moved = change(aged(photo, mesh, bank), photo)
    x, y = mesh[LEFT_CHEEK].astype(int)
    assert moved[y - 20 : y + 20, x - 20 : x + 20].max() > 8
    inside = mesh[[159, 145, 33, 133]].mean(0).astype(int)  # between the lids
    assert moved[inside[1] - 2 : inside[1] + 3, inside[0] - 4 : inside[0] + 5].max() <= 1
    assert moved[:, :90].max() == 0
    assert moved[700:].max() == 0


def test_more_strength_is_more_detail(photo, mesh, bank):
    half, whole = (change(aged(photo, mesh, bank, g), photo).mean() for g in (0.4, 0.8))
    assert 1.6 < whole / half < 2.1


def test_what_is_hidden_stays(photo, mesh, bank):
    hidden = np.zeros(photo.shape[:2], np.float32)
    hidden[:, 320:] = 1
    moved = change(aged(photo, mesh, bank, hidden=hidden), photo)
    assert moved[:, 325:].max() == 0
    assert moved[:, :315].max() > 8


def test_sixteen_bits_are_aged_alike(photo, mesh, bank):
    deep = aged(photo.astype(np.uint16) * 257, mesh, bank)
    assert np.abs(deep / 257 - aged(photo, mesh, bank)).max() < 0.6


def test_dark_hair_over_the_face_stays(photo, mesh, bank):
    fringe = photo.copy()
    top = int(mesh[9, 1])
    fringe[:top] = [40, 30, 26]
    moved = change(aged(fringe, mesh, bank), fringe)
    assert moved[: top - 24].max() <= 1


def test_a_small_face_gets_none(mesh, bank):
    skin = mix_detail(bank, choose_exemplars(bank, SUBJECT), SUBJECT)
    tiny = np.full((80, 80, 3), 150, np.uint8)
    assert lay_detail(tiny, mesh * 0.07, skin) is None


def test_a_profile_gets_none(photo, mesh, bank):
    skin = mix_detail(bank, choose_exemplars(bank, SUBJECT), SUBJECT)
    turned = mesh.copy()
    turned[1, 0] = mesh[234, 0] - 90  # the tip of the nose beyond the outline
    assert lay_detail(photo, turned, skin) is None


def test_exemplars_suit_sex_and_tone(bank):
    for sex, ita in (("female", 50.0), ("male", 40.0), ("female", -20.0), ("male", -20.0)):
        chosen = choose_exemplars(bank, replace(SUBJECT, sex=sex, ita=ita))
        for region, (one, _) in chosen.items():
            assert one.sex == sex
            assert region not in one.covered
        eyes = chosen["eyes"][0].ita
        assert abs(eyes - ita) < 40


def test_other_faces_get_other_exemplars(bank):
    names = {
        choose_exemplars(bank, replace(SUBJECT, aspect=a, ita=i))["eyes"][0].name
        for a in (1.08, 1.16, 1.24, 1.3)
        for i in (10.0, 30.0, 60.0)
    }
    assert len(names) >= 4


def test_wrinkling_rises_with_age():
    years = [wrinkling(age) for age in range(100)]
    assert years[20] == 0
    assert all(b >= a for a, b in pairwise(years))
    assert years[80] == 1


def test_gains_are_none_without_a_change_and_of_one_direction():
    assert detail_gains(50, 50) == (0, 0)
    older, younger = detail_gains(25, 80)
    assert older > 0.4
    assert younger == 0
    assert detail_gains(80, 25) == (0, 1.2)
    assert shading_age(20, 80) == 56
    assert shading_age(80, 20) == 20


def removed(photo: np.ndarray, mesh: np.ndarray, bank: DetailBank, network: Remover) -> np.ndarray:
    face = BoxedFace.cut(photo, mesh, bank.canonical)
    assert face is not None
    out = photo.copy()
    add_detail(out, photo, lay_removal(face, network), 1.0, 1.0)
    return out


def smoothing(logs: torch.Tensor, skin: torch.Tensor) -> torch.Tensor:
    """Stand in for the network, which leaves what is no face: take all detail off."""
    planes = [masked_gaussian(plane, skin[0, 0].numpy() + 1e-3, 12.0) for plane in logs[0].numpy()]
    return torch.from_numpy(np.stack(planes))[None] - logs


def test_removal_is_laid_where_it_was_seen(photo, mesh, bank):
    """Off by a pixel, a line would look embossed. Texture that is finer than the network stays."""
    x, y = mesh[LEFT_CHEEK]
    columns = np.arange(photo.shape[1])
    fold = np.exp(-np.square((columns - x) / 4.0) / 2)[None, :, None]
    rows = (np.abs(np.arange(photo.shape[0]) - y) < 30)[:, None, None]
    folded = (photo * (1 - 0.3 * fold * rows)).astype(np.uint8)
    out = removed(folded, mesh, bank, smoothing)
    depth = {}
    for name, picture in (("before", folded), ("after", out)):
        light = (picture @ LUMA)[int(y) - 10 : int(y) + 10].mean(0)
        depth[name] = light[int(x) - 14 : int(x) + 14].max() - light[int(x)]
    assert depth["after"] < 0.4 * depth["before"]
    beside = np.s_[int(y) + 60 : int(y) + 90, int(x) - 20 : int(x) + 20]
    assert out[beside].std() > 0.7 * folded[beside].std()


@pytest.mark.parametrize(
    ("colour", "left"), [((0.55, 0.42, 0.36), (0.0, 0.25)), ((0.3, 0.42, 0.46), (0.8, 1.1))]
)
def test_a_thin_crease_goes_and_a_rim_of_glasses_stays(photo, mesh, bank, colour, left):
    """Half of a line of two pixels was left, in grey; and so were rims, which are greyer."""
    x, y = mesh[LEFT_CHEEK]
    line = np.exp(-np.square(np.arange(photo.shape[0]) - y) / 2)[:, None, None]
    columns = (np.abs(np.arange(photo.shape[1]) - x) < 30)[None, :, None]
    drawn = (photo * np.array(colour) ** (line * columns)).astype(np.uint8)

    def halved(logs: torch.Tensor, skin: torch.Tensor) -> torch.Tensor:
        return 0.5 * smoothing(logs, skin)

    face = BoxedFace.cut(drawn, mesh, bank.canonical)
    assert face is not None
    out = drawn.copy()
    add_detail(out, drawn, lay_removal(face, halved), MOST_REMOVED, MOST_REMOVED)

    def depth(picture: np.ndarray) -> float:
        rows = (picture @ LUMA)[:, int(x) - 10 : int(x) + 10].mean(1)
        return float(rows[int(y) - 12 : int(y) + 12].max() - rows[round(float(y))])

    assert left[0] <= depth(out) / depth(drawn) <= left[1]


def test_light_painted_into_a_crease_is_not_multiplied_with_it():
    """It became violet: blue is nearly 0 there, and the way to skin's blue a large factor."""
    crease = np.full((8, 8, 3), (108, 37, 5), np.uint8)
    box, none = (0, 0, 8, 8), np.zeros((1, 1), np.float32)
    more = np.log((np.array([180, 120, 95]) / 255 + LOG_OFFSET) / (crease[0, 0] / 255 + LOG_OFFSET))
    colours = np.tile(more.astype(np.float32)[:, None, None], (1, 8, 8))
    laid = replace(as_laid(box, colours, (9.0, 9.0)), folds=none)
    out = crease + np.uint8(30)
    add_detail(out, crease, laid, 1.0, 1.0)
    assert np.abs(out[0, 0].astype(int) - (210, 150, 125)).max() <= 3


@pytest.mark.parametrize(
    ("colour", "is_fold"), [((0.3, 0.12, 0.07), True), ((0.1, 0.1, 0.1), False)]
)
def test_the_bottom_of_a_deep_fold_is_skin_and_a_moustache_is_not(bank, colour, is_fold):
    height, width = FRAME[1] // 2, FRAME[0] // 2
    rgb = np.tile(SKIN / np.float32(255), (height, width, 1))
    rgb += np.random.default_rng(0).normal(0, 0.01, rgb.shape).astype(np.float32)
    half = bank.canonical / 2
    (x, y), wide = half[205].astype(int), 5
    rgb[y - 12 : y + 12, x : x + wide] = colour
    fringe = int(half[151, 1])
    rgb[fringe - 3 : fringe + 3, x : x + 60] = colour
    skin = frame_mask(bank.canonical)[::2, ::2]
    likely = skin_likelihood(rgb, skin)
    found = with_deep_folds(rgb, likely, half)
    assert likely[y, x + 2] < 0.5
    assert (found[y, x + 2] > 0.8) == is_fold
    assert np.abs((found - likely)[: fringe + 5]).max() < 0.01


def test_a_gleam_gets_the_colour_of_the_skin_around(bank):
    """Darkened by its light alone, a gleam on dark skin becomes a grey patch."""
    rows, columns = np.mgrid[: FRAME[1] // 2, : FRAME[0] // 2].astype(np.float32)
    x, y = (bank.canonical[LEFT_CHEEK] / 2).round().astype(int)
    spot = np.exp(-(np.square(columns - x) + np.square(rows - y)) / (2 * 6.0**2))
    dark = np.array([0.38, 0.25, 0.2], np.float32)[:, None, None] + 0 * spot
    gleaming = dark + np.float32(0.25) * spot
    light = np.log(np.tensordot(LUMA, dark, 1) + LOG_OFFSET)
    light = light - np.log(np.tensordot(LUMA, gleaming, 1) + LOG_OFFSET)

    def network(logs: torch.Tensor, skin: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(light).expand_as(logs)

    *change, _ = remove_age(gleaming, bank.canonical, network)

    def redness(logs: np.ndarray) -> float:
        return float(logs[0, y, x] - logs[2, y, x])

    before = np.log(gleaming + LOG_OFFSET)
    usual = redness(np.log(dark + LOG_OFFSET))
    assert redness(before) < 0.6 * usual
    assert redness(before + np.stack(change)) > 0.8 * usual


def test_lips_get_paler_and_no_darker(photo, mesh, bank):
    rings = fill_rings([bank.canonical[LIPS]], 1.0)[None]
    size = (photo.shape[1], photo.shape[0])
    (lips,) = warp_from_frame(rings, bank.canonical, mesh, (0, 0, *size), size)
    red = photo + lips[..., None] * np.array([10.0, -40.0, -20.0])
    face = BoxedFace.cut(np.clip(red, 0, 255).astype(np.uint8), mesh, bank.canonical)
    assert face is not None
    change = face.from_frame(pale_lips(face.frame, bank.canonical))
    x0, y0, x1, y1 = face.box
    inside = lips[y0:y1, x0:x1] > 0.95
    assert change[0][inside].mean() < -0.02 < 0 < change[1][inside].mean()
    assert np.abs(np.tensordot(LUMA, change, 1)).max() < 1e-3
    assert np.abs(change[:, lips[y0:y1, x0:x1] < 0.01]).max() < 0.02
    pale = BoxedFace.cut(photo, mesh, bank.canonical)
    assert pale is not None
    assert np.abs(pale_lips(pale.frame, bank.canonical)).max() < 0.02


def test_a_neck_loses_its_lines_or_gets_deeper_ones(photo, mesh, bank):
    """Only below the jaw, on what looks like the cheeks: not on clothes or the background."""
    chin = int(mesh[152, 1])
    assert chin < photo.shape[0] - 100
    seen = photo.astype(np.float64)
    seen[chin + 40 : chin + 43, 280:360] *= 0.85  # a line across the neck
    seen[:, 380:] = (40, 60, 160)  # blue clothes
    face = BoxedFace.cut(seen.astype(np.uint8), mesh, bank.canonical, BELOW)
    assert face is not None
    neck = look_at_neck(face)
    x0, y0 = face.box[:2]
    line = np.s_[chin + 41 - y0, 300 - x0 : 340 - x0]
    assert neck.younger[1][line].mean() > 0.05
    assert neck.older[line].mean() < -0.1
    assert np.abs(neck.younger[:, :, 390 - x0 :]).max() < 0.01
    assert np.abs(neck.older[: int(mesh[1, 1]) - y0]).max() == 0


def test_a_white_collar_and_a_suit_below_dark_blotched_cheeks_stay(photo, mesh, bank):
    """By all the colours of such cheeks, suits and collars were skin."""
    rng = np.random.default_rng(4)
    blotches = gaussian(rng.normal(size=(720, 640)), 4)[..., None]
    seen = photo * np.exp(np.array([-0.75, -0.8, -0.85]) + [1.6, 0, -1.6] * blotches)
    chin = int(mesh[152, 1])
    cloth = rng.normal(1, 0.02, (720 - chin - 20, 640, 1))
    seen[chin + 20 :] = np.where(np.arange(640)[:, None] < 320, 225, 58) * cloth
    face = BoxedFace.cut(seen.clip(0, 255).astype(np.uint8), mesh, bank.canonical, BELOW)
    assert face is not None
    _, y0, *_ = face.box
    neck = look_at_neck(face)
    assert np.abs(neck.younger[:, chin + 36 - y0 :]).max() < 0.05
    assert np.abs(neck.older[chin + 36 - y0 :]).max() < 0.05


def test_a_hanging_fold_in_the_shade_comes_off_a_neck(photo, mesh, bank):
    """It stayed below young faces: too broad for a line, too dark and too red for skin."""
    chin = int(mesh[152, 1])
    seen = photo.astype(np.float64)
    fold = np.exp(-np.square((np.arange(seen.shape[1]) - 322) / 10) / 2)[:, None]
    seen[chin + 15 : chin + 85] *= np.array([0.36, 0.29, 0.26]) ** fold
    face = BoxedFace.cut(seen.astype(np.uint8), mesh, bank.canonical, BELOW)
    assert face is not None
    x0, y0 = face.box[:2]
    deepest = np.s_[chin + 35 - y0 : chin + 65 - y0, 320 - x0 : 324 - x0]
    assert look_at_neck(face).younger[1][deepest].mean() > 0.3


@pytest.mark.parametrize(
    ("colour", "is_hollow"), [((0.3, 0.14, 0.1), True), ((0.2, 0.25, 0.5), False)]
)
def test_a_hollow_between_cords_comes_off_a_neck_and_a_pendant_stays(
    photo, mesh, bank, colour: tuple[float, ...], is_hollow: bool
):
    """Redder and darker than any skin, it stayed as a hole with sharp edges."""
    chin = int(mesh[152, 1])
    seen = photo.astype(np.float64)
    drawn = np.zeros(seen.shape[:2], np.float32)
    drawn[chin + 34 : chin + 74, 300:340] = 1
    seen *= np.array(colour) ** gaussian(drawn, 7)[..., None]
    face = BoxedFace.cut(seen.astype(np.uint8), mesh, bank.canonical, BELOW)
    assert face is not None
    x0, y0 = face.box[:2]
    inner = np.s_[chin + 50 - y0 : chin + 58 - y0, 315 - x0 : 325 - x0]
    light = look_at_neck(face).younger[1][inner]
    assert light.min() > 0.8 if is_hollow else np.abs(light).max() < 0.05


def test_stubble_below_the_jaw_is_not_deepened(photo, mesh, bank):
    """It became brown blots. The cheeks have stubble too, so the neck is as rough as they are."""
    chin = int(mesh[152, 1])
    hairs = np.random.default_rng(0).random(photo.shape[:2]) < 0.06
    seen = np.where(hairs[..., None], 0.7, 1) * photo
    face = BoxedFace.cut(seen.astype(np.uint8), mesh, bank.canonical, BELOW)
    assert face is not None
    x0, y0 = face.box[:2]
    inner = np.s_[chin + 30 - y0 : chin + 70 - y0, 295 - x0 : 345 - x0]
    assert np.abs(look_at_neck(face).older[inner]).mean() < 0.01


def test_bank_is_read_as_it_was_written(bank, tmp_path: Path):
    write_bank(bank, tmp_path)
    again = read_bank(tmp_path)
    assert [e.name for e in again.exemplars] == [e.name for e in bank.exemplars]
    assert np.allclose(again.canonical, bank.canonical, atol=0.01)
    assert np.array_equal(again.exemplars[3].detail(), bank.exemplars[3].detail())


def test_a_bank_that_finds_no_room_leaves_the_old_one_whole(
    bank, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    write_bank(replace(bank, source="old"), tmp_path / "bank")
    before = {file: file.read_bytes() for file in (tmp_path / "bank").iterdir()}
    write, written = Path.write_bytes, []

    def fill(self: Path, data: bytes) -> int:
        written.append(self)
        if len(written) > 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(self, data)

    monkeypatch.setattr(Path, "write_bytes", fill)
    with pytest.raises(ImageError, match="No space left on device"):
        write_bank(bank, tmp_path / "bank")
    assert {file: file.read_bytes() for file in (tmp_path / "bank").iterdir()} == before
    with pytest.raises(ImageError, match="No space left on device"):
        write_bank(bank, tmp_path / "new" / "bank")
    assert not (tmp_path / "new").exists()


def test_a_folder_without_a_bank_is_said(tmp_path: Path):
    with pytest.raises(ModelError, match="not a bank of skin detail"):
        read_bank(tmp_path)
    (tmp_path / "bank.json").write_text("[]")
    with pytest.raises(ModelError, match="not a bank of skin detail"):
        read_bank(tmp_path)


def test_warp_of_the_canonical_face_is_the_layer(bank):
    layer = gaussian(np.random.default_rng(0).normal(0, 1, FRAME[::-1]).astype(np.float32), 3)
    found = warp_from_frame(layer[None], bank.canonical, bank.canonical, (0, 0, *FRAME), FRAME)[0]
    assert np.abs(found - layer)[30:-30, 30:-30].max() < 0.02


def test_thin_plate_follows_its_points():
    rng = np.random.default_rng(1)
    points = rng.uniform(0, 100, (30, 2))
    target = points * 2 + rng.normal(0, 3, (30, 2))
    assert np.abs(ThinPlate.fit(points, target)(points) - target).max() < 0.5


def test_masked_smoothing_lets_nothing_leak_in():
    plane = np.full((60, 60), 2.0, np.float32)
    plane[:, 30:] = 50
    mask = np.zeros_like(plane)
    mask[:, :30] = 1
    assert np.abs(masked_gaussian(plane, mask, 5)[:, :30] - 2).max() < 1e-3
