"""Hair is found where it is, on real heads, and turns grey there alone."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from reage.agers.skin import read_embedded_bank
from reage.compositing.bands import LUMA
from reage.compositing.cover import Cover, cover_quad
from reage.compositing.hair import greying
from reage.compositing.hair.beards import LOWER, UPPER_LIP, density
from reage.compositing.hair.dark_beards import UNCOUNTED, BeardFinder
from reage.compositing.hair.face_edge import told_at_face
from reage.compositing.hair.facial import brows_in, pale_brows_in
from reage.compositing.hair.greying import (
    colour_share,
    grey_crop,
    grey_hair,
    grey_share,
    grey_shares,
    turned,
)
from reage.compositing.hair.locks import raised_by_colour, told_by_colour
from reage.compositing.hair.mask import HEAD_SIDE, HairFinders, PersonFinder, look_at_head
from reage.compositing.hair.regions import (
    BROWS,
    OUTLINE,
    SKIN,
    HeadPlaces,
    box_mean,
    filled,
    sized,
    within_hair,
)
from reage.compositing.hair.segmentation import (
    WINDOWS,
    Hair,
    Window,
    faces_beside,
    find_hair,
)
from reage.editor import Editor
from reage.faces.detection import FaceDetector
from reage.faces.face import Face
from reage.faces.squares import crop_face, face_quad, to_unit
from reage.models.hair_segmentation import HairFinder

SHARED = Path(__file__).parents[2] / "../shared"

# Places of the astronaut's portrait, x and y: hair above and beside the face, and what is none.
HAIR = [(128, 40), (100, 45), (160, 50), (85, 85), (175, 80)]
SHADED = [(178, 96), (175, 93)]  # beside the temple, darker than hair elsewhere
OTHER = [(128, 110), (110, 125), (20, 20), (230, 30), (128, 210), (20, 220)]

NOBODY = np.zeros((0, 3))
SEPIA = np.array([1.0, 0.82, 0.6])  # of the light


@pytest.fixture(scope="module")
def finders() -> HairFinders:
    return Editor(ager=None).hair_finders


@pytest.fixture(scope="module")
def face(astronaut: np.ndarray) -> Face:
    return FaceDetector().detect(astronaut)[0]


def hair_in(photo: np.ndarray, face: Face, finders: HairFinders, **given) -> Hair | None:
    cut = partial(crop_face, photo, resolution=HEAD_SIDE)
    return find_hair(cut, face, finders, given.pop("others", NOBODY), **given)


@pytest.fixture(scope="module")
def hair(astronaut: np.ndarray, face: Face, finders: HairFinders) -> Hair:
    found = hair_in(astronaut, face, finders)
    assert found is not None
    return found


def test_it_is_the_same_each_time(
    hair: Hair, astronaut: np.ndarray, face: Face, finders: HairFinders
):
    again = hair_in(astronaut, face, finders)
    assert again is not None
    assert all(map(np.array_equal, hair.layers, again.layers))


def shared_portrait(name: str) -> tuple[np.ndarray, Face]:
    file = SHARED / name
    if not file.is_file():
        pytest.skip(f"no {name} here")
    photo = np.ascontiguousarray(np.asarray(Image.open(file).convert("RGB")))
    return photo, max(FaceDetector().detect(photo), key=lambda face: face.size)


def on_photo(photo: np.ndarray, hair: Hair, layer: np.ndarray) -> np.ndarray:
    """A layer of hair at the photo's pixels, 0 beyond its square."""
    y, x = np.mgrid[: photo.shape[0], : photo.shape[1]]
    side = len(layer)
    units = to_unit(np.stack([x, y], axis=-1), hair.quad) * side
    inside = ((units >= 0) & (units < side)).all(-1)
    at = np.clip(units, 0, side - 1).astype(int)
    return layer[at[..., 1], at[..., 0]] * inside


def shares(photo: np.ndarray, hair: Hair) -> np.ndarray:
    """How much of each pixel of a photo is hair, where its square lies over it."""
    slope, offset = (on_photo(photo, hair, layer) for layer in (hair.slope, hair.offset))
    return np.clip(slope * (photo @ LUMA / 255) + offset, 0, 1)


def share_at(photo: np.ndarray, hair: Hair, places: list[tuple[int, int]]) -> np.ndarray:
    """How much of the photo's pixels is hair."""
    found = shares(photo, hair)
    return np.array([found[y, x] for x, y in places])


def scalp_of(photo: np.ndarray, face: Face, hair: Hair) -> np.ndarray:
    """How much of each pixel above the brows is hair."""
    assert face.landmarks is not None
    quad = face_quad(face, 1.5, 0.5)
    layer = (255 * shares(photo, hair)[..., None]).repeat(3, axis=2).astype(np.uint8)
    found = crop_face(layer, quad, 256).image[..., 0] / 255
    return found[: int((to_unit(face.landmarks[BROWS, :2], quad)[:, 1].min() - 0.02) * 256)]


def mesh_mask(photo: np.ndarray, points: np.ndarray) -> np.ndarray:
    """What lies in a polygon of the photo `[N, 2]`, which is square."""
    return filled(points, len(photo))


def test_hair_is_found_and_nothing_else(astronaut: np.ndarray, hair: Hair):
    assert (share_at(astronaut, hair, HAIR) > 0.85).all()
    assert (share_at(astronaut, hair, SHADED) > 0.75).all()
    assert (share_at(astronaut, hair, OTHER) < 0.15).all()


def test_a_fringe_is_hair_and_the_cheeks_below_it_are_not(
    astronaut: np.ndarray, face: Face, finders: HairFinders, hair: Hair
):
    """Dark hair hangs down to the brows, as red as the forehead below it."""
    assert face.landmarks is not None
    mesh = face.landmarks[:, :2]
    rows = np.arange(len(astronaut))[:, None]
    forehead = mesh_mask(astronaut, mesh[OUTLINE]) & (rows < mesh[BROWS, 1].min() - 1)
    strands = 0.3 + 0.1 * np.sin(np.arange(256) * 1.7)[None, :, None]
    dark = np.where(forehead[..., None], strands * astronaut, astronaut).astype(np.uint8)
    found = hair_in(dark, face, finders)
    assert found is not None
    still = shares(dark, found)
    assert (still[forehead] > 0.8).mean() > 0.8
    assert (still[mesh_mask(dark, mesh[SKIN[0]])] < 0.15).all()


def test_it_is_found_in_a_turned_and_in_a_large_photo(
    astronaut: np.ndarray, finders: HairFinders, hair: Hair
):
    for photo in (np.rot90(astronaut), astronaut.repeat(4, 0).repeat(4, 1)):
        photo = np.ascontiguousarray(photo)
        found = hair_in(photo, FaceDetector().detect(photo)[0], finders)
        assert found is not None
        assert found.light == pytest.approx(hair.light, abs=0.04)
        assert np.abs(found.offset - hair.offset).mean() < 0.1


def test_none_is_found_where_none_can_be(
    astronaut: np.ndarray, face: Face, finders: HairFinders, hair: Hair
):
    assert hair_in(astronaut, Face.from_points(face.points), finders) is None
    # A bald head: the hair painted over with the skin of the forehead, grain and all.
    assert face.landmarks is not None
    mesh = face.landmarks[:, :2]
    painted = np.clip(3 * box_mean(shares(astronaut, hair), 3), 0, 1)[..., None]
    low = mesh_mask(astronaut, mesh[OUTLINE]) & ~mesh_mask(astronaut, mesh[OUTLINE] + [0, -25])
    tone = np.median(astronaut[low], axis=0)
    noise = np.random.default_rng(0).normal(0, 4, (256, 256, 1))
    bald = np.clip(astronaut + painted * (tone + noise - astronaut), 0, 255).astype(np.uint8)
    found = hair_in(bald, face, finders)
    assert found is None or scalp_of(bald, face, found).max() < 0.2


@pytest.mark.parametrize("colour", [(200, 25, 30), (30, 60, 200), (30, 140, 60)])
def test_a_coloured_cap_is_no_hair(
    astronaut: np.ndarray, face: Face, finders: HairFinders, hair: Hair, colour: tuple[int, ...]
):
    share = shares(astronaut, hair) * (np.arange(256) < 58)[:, None]
    cap = (astronaut * (1 - share[..., None]) + share[..., None] * np.array(colour)).astype(
        np.uint8
    )
    photo = cap.copy()
    found = hair_in(cap, face, finders)
    if found is not None:
        grey_hair(photo, found, 1.0)
    assert (share > 0.9).sum() > 1000
    changed = np.abs(photo.astype(int) - cap)[share > 0.9].max(-1)
    assert (changed > 3).mean() < 0.1


def test_a_neighbours_hair_is_their_own(astronaut: np.ndarray, finders: HairFinders):
    """Two heads side by side, as close as they can be: only the left one's hair is found."""
    two = np.concatenate([astronaut[:, 75:190]] * 2, axis=1)
    detector = FaceDetector()
    left, right = sorted(detector.detect(two), key=lambda face: face.box[0])
    others = faces_beside(two, left, detector)
    assert others.shape == (1, 3)
    box = np.array(right.box)
    assert others[0, :2] == pytest.approx((box[:2] + box[2:]) / 2, abs=6)
    alone, together = (hair_in(two, left, finders, others=o) for o in (NOBODY, others))
    assert alone is not None and together is not None
    theirs = [(168, 40), (150, 50), (185, 60)]
    assert share_at(two, alone, theirs[:1]).max() > 0.3  # unless somebody says whose it is
    photo = two.copy()
    grey_hair(photo, together, 1.0)
    assert all(np.array_equal(photo[y, x], two[y, x]) for x, y in theirs)
    assert not np.array_equal(photo[40, 53], two[40, 53])


class TestCompleteness:
    def test_hair_that_goes_on_is_followed_or_left(
        self, astronaut: np.ndarray, face: Face, finders: HairFinders, hair: Hair
    ):
        """A straight cut through hair would show."""
        tight = Window(0.75, 0.1, 256)
        assert hair_in(astronaut, face, finders, windows=[tight]) is None
        followed = hair_in(astronaut, face, finders, windows=[tight, *WINDOWS])
        assert followed is not None
        assert followed.window == hair.window == WINDOWS[0]

    def test_the_photos_edge_is_no_end(
        self, astronaut: np.ndarray, face: Face, finders: HairFinders, hair: Hair
    ):
        """A photo cut through the hair turns as grey at its edge as the whole photo does there."""
        top = 35
        assert face.landmarks is not None
        cut = np.ascontiguousarray(astronaut[top:])
        moved = Face.from_landmarks(face.landmarks - [0, top, 0], face.score)
        found = hair_in(cut, moved, finders)
        assert found is not None
        whole, part = astronaut.copy(), cut.copy()
        grey_hair(whole, hair, 1.0)
        grey_hair(part, found, 1.0)
        added = (part.astype(float) - cut)[0, 110:150].mean()
        wanted = (whole.astype(float) - astronaut)[top, 110:150].mean()
        assert wanted > 20
        assert added == pytest.approx(wanted, rel=0.2)

    @pytest.mark.parametrize("name", ["cases/03_long_hair.jpg", "portraits/synthetic/female-1.jpg"])
    def test_long_hair_turns_grey_to_its_ends(self, finders: HairFinders, name: str):
        photo, face = shared_portrait(name)
        assert hair_in(photo, face, finders, windows=WINDOWS[:1]) is None
        found = hair_in(photo, face, finders)
        assert found is not None
        assert found.window.scale > WINDOWS[0].scale
        low = np.clip(sized(shares(photo, found), 256), 0, 1)
        chin = int(face.box[3] * 256 / len(photo))
        assert low[chin:].sum() > 0.25 * low.sum()


class TestHeads:
    """Other people, where their pictures are at hand."""

    @pytest.mark.parametrize(
        "name", ["london/037_03", "synthetic/male-31", "synthetic/male-11", "synthetic/male-29"]
    )
    def test_bald_and_covered_heads_have_none(self, finders: HairFinders, name: str):
        photo, face = shared_portrait(f"portraits/{name}.jpg")
        found = hair_in(photo, face, finders)
        assert found is None or scalp_of(photo, face, found).max() < 0.2

    @pytest.mark.parametrize("name", ["congress/N000179-newer", "synthetic/female-55"])
    def test_grey_hair_has_no_colour_to_lose(self, finders: HairFinders, name: str):
        photo, face = shared_portrait(f"portraits/{name}.jpg")
        found = hair_in(photo, face, finders)
        assert found is not None
        scalp = scalp_of(photo, face, found) > 0.9
        light = {}
        for amount in (0.0, 0.95, -1.0):
            changed = photo.copy()
            grey_hair(changed, found, amount)
            square = crop_face(changed, face_quad(face, 1.5, 0.5), 256).image
            light[amount] = square[: len(scalp)].mean(-1)[scalp]
        assert np.abs(light[0.95] - light[0.0]).mean() < 1
        assert light[-1.0].mean() < 0.5 * light[0.0].mean()  # but it gets its colour back
        assert np.corrcoef(light[-1.0], light[0.0])[0, 1] > 0.5  # and keeps its strands

    def test_grey_hair_gets_the_colour_that_is_asked_for(self, finders: HairFinders):
        photo, face = shared_portrait("portraits/synthetic/female-55.jpg")
        found = {
            c: hair_in(photo, face, replace(finders, colour=c)) for c in (None, "black", "red")
        }
        red = {c: hair.young[0] for c, hair in found.items() if hair is not None}
        assert red["red"] > 1.3 > red["black"] == red[None]  # black is what the skin says

    @pytest.mark.parametrize(
        "name", ["london/044_03", "synthetic/male-30", "synthetic/male-82", "synthetic/female-35"]
    )
    def test_short_hair_on_dark_skin_is_found(self, finders: HairFinders, name: str):
        photo, face = shared_portrait(f"portraits/{name}.jpg")
        found = hair_in(photo, face, finders)
        assert found is not None and face.landmarks is not None
        quad = face_quad(face)
        layer = (255 * shares(photo, found)[..., None]).repeat(3, axis=2).astype(np.uint8)
        square = crop_face(layer, quad, 256).image[..., 0]
        mesh = to_unit(face.landmarks[:, :2], quad) * 256
        top = int(mesh[OUTLINE, 1].min())
        assert (square[:top, 96:160].max(0) > 200).mean() > 0.9
        assert all(square[filled(mesh[part], 256)].mean() < 5 for part in SKIN)


def test_hair_is_found_in_a_print_as_in_colours(
    astronaut: np.ndarray, face: Face, finders: HairFinders, hair: Hair
):
    sepia = np.rint((astronaut @ LUMA)[..., None] * SEPIA).astype(np.uint8)
    found = hair_in(sepia, face, finders)
    assert found is not None
    same = np.abs(sized(shares(sepia, found), 64) - sized(shares(astronaut, hair), 64))
    assert same.mean() < 0.02


class TestGreying:
    def test_hair_loses_its_colour_and_gets_lighter(self, astronaut: np.ndarray, hair: Hair):
        lights, colours = [], []
        for amount in (0.0, 0.3, 0.6, 1.0):
            photo = astronaut.copy()
            grey_hair(photo, hair, amount)
            seen = np.stack([photo[y - 2 : y + 3, x - 2 : x + 3] for x, y in HAIR]) / 255
            lights.append((seen @ LUMA).mean())
            colours.append(np.ptp(seen, axis=-1).mean())
            unchanged = [np.array_equal(photo[y, x], astronaut[y, x]) for x, y in OTHER]
            assert all(unchanged)
        assert (np.diff(lights) > 0.01).all()
        assert (np.diff(colours) < -0.01).all()
        assert colours[-1] < 0.27 * colours[0]  # the light's own warmth, and skin between hairs

    def test_nothing_turns_grey_by_nothing(self, astronaut: np.ndarray, hair: Hair):
        photo = astronaut.copy()
        grey_hair(photo, hair, 0.0)
        assert np.array_equal(photo, astronaut)

    def test_depth_and_transparency_are_kept(self, astronaut: np.ndarray, hair: Hair):
        plain = astronaut.copy()
        grey_hair(plain, hair, 0.8)
        alpha = np.arange(256, dtype=np.uint16).repeat(256).reshape(256, 256, 1) * 257
        deep = np.concatenate([astronaut.astype(np.uint16) * 257, alpha], axis=2)
        grey_hair(deep, hair, 0.8)
        assert np.array_equal(deep[..., 3:], alpha)
        assert np.abs(deep[..., :3] / 257 - plain).max() <= 0.51

    def test_a_square_shows_what_the_photo_will(self, astronaut: np.ndarray, hair: Hair):
        quad = hair.quad * 0.8 + hair.quad.mean(0) * 0.2
        photo = astronaut.copy()
        grey_hair(photo, hair, 1.0)
        before, after = (crop_face(p, quad, 128).image / 255 for p in (astronaut, photo))
        made = grey_crop(before[None].repeat(2, 0), quad, hair, [0.0, 1.0])
        assert np.abs(made[0] - before).max() < 1e-6
        assert np.abs(made[1] - after).mean() < 0.2 * np.abs(before - after).mean()

    def test_how_much_is_grey_at_which_age(self):
        assert grey_share(20, 30) == grey_share(60, 20) == grey_share(85, 70) == 0
        assert grey_share(20, 80) > 0.75
        assert grey_share(20, 95) == pytest.approx(0.95)
        assert grey_share(70, 100) == pytest.approx(0.88, abs=0.02)
        shares = [grey_share(25, age) for age in range(30, 91, 5)]
        assert shares == sorted(shares)
        assert np.mean([grey_share(20, age) for age in range(45, 66)]) == pytest.approx(
            0.27, abs=0.03
        )
        assert grey_share(50, 70) < grey_share(20, 70)  # of what is left, less

    def test_how_much_grey_hair_gets_its_colour_back(self):
        assert colour_share(70, 80) == colour_share(30, 5) == 0  # pale hair of the young is blond
        assert colour_share(70, 20) == 1
        shares = [colour_share(75, age) for age in range(75, 25, -5)]
        assert shares == sorted(shares) and shares[0] == 0
        assert grey_shares(70, [80, 20, 60, 70], [1, -5, 1, 0])[1:] == (-1.0, 0.0, 0.0)

    def test_it_goes_on_evenly(self, astronaut: np.ndarray, hair: Hair):
        """No ten years between 40 and 90 turn more than twice as much grey as the mean of them."""
        rows, share = slice(0, 70), shares(astronaut, hair)[:70] > 0.9
        seen = []
        for age in range(40, 91, 10):
            photo = astronaut.copy()
            grey_hair(photo, hair, grey_share(25, age))
            seen.append(np.ptp(photo[rows][share].astype(int), axis=-1).mean())
        steps = -np.diff(seen)
        assert (steps > 0).all()
        assert steps.max() < 2 * steps.mean()

    def test_temples_and_lighter_strands_come_first(self, astronaut: np.ndarray, hair: Hair):
        photo = astronaut.copy()
        grey_hair(photo, hair, 0.3)
        colour, left = (np.ptp(p.astype(int), axis=-1).astype(float) for p in (astronaut, photo))
        light = astronaut @ LUMA
        found = (shares(astronaut, hair) > 0.9) & (colour > 12)
        lost = 1 - left / np.maximum(colour, 1)
        temple, crown = found.copy(), found.copy()
        temple[:75], crown[50:] = False, False
        assert temple.sum() > 100 and crown.sum() > 100
        assert lost[temple].mean() > 1.3 * lost[crown].mean()
        around = box_mean(light, 4)
        lighter = [lost[crown & (side * (light - around) > 6)].mean() for side in (1, -1)]
        assert lighter[0] > 1.2 * lighter[1]

    def test_brows_turn_grey_later_than_the_head(
        self, astronaut: np.ndarray, face: Face, finders: HairFinders, hair: Hair
    ):
        assert face.landmarks is not None
        brows = np.zeros((256, 256), bool)
        for part in (BROWS[:5], BROWS[5:]):
            points = face.landmarks[part, :2]
            brows |= mesh_mask(astronaut, np.concatenate([points, points[::-1] + np.array([0, 4])]))
        made_up = np.where(brows[..., None], astronaut // 3, astronaut).astype(np.uint8)
        found = hair_in(made_up, face, finders)
        assert found is not None
        head = shares(astronaut, hair) * (np.arange(256) < 60)[:, None] > 0.9
        changes = []
        for amount in (0.4, 1.0):
            photo = made_up.copy()
            grey_hair(photo, found, amount)
            change = np.abs(photo.astype(int) - made_up).mean(-1)
            changes.append((change[brows].mean(), change[head].mean()))
        assert changes[0][0] < 0.15 * changes[1][0]
        assert changes[0][1] > 0.25 * changes[1][1]
        assert changes[1][0] > 20

    @pytest.mark.parametrize(
        ("name", "bearded"),
        [
            ("london/037_03", True),
            ("synthetic/male-29", False),
            ("synthetic/male-11", True),
            ("london/018_03", False),
            ("synthetic/male-31", False),
            ("synthetic/female-54", False),
            ("london/011_03", False),
        ],
    )
    def test_beards_turn_grey_and_shaded_chins_do_not(
        self, finders: HairFinders, name: str, bearded: bool
    ):
        photo, face = shared_portrait(f"portraits/{name}.jpg")
        found = hair_in(photo, face, finders)
        assert face.landmarks is not None
        grey = photo.copy()
        if found is not None:
            grey_hair(grey, found, 0.6)
        quad = face_quad(face)
        change = np.abs(grey.astype(int) - photo).astype(np.uint8)
        mesh = to_unit(face.landmarks[:, :2], quad) * 256
        chin = filled(mesh[LOWER], 256)
        # Stubble around a tuft keeps the colour of the skin.
        changed = np.percentile(crop_face(change, quad, 256).image[chin], 95)
        assert changed > 8 if bearded else changed < 1

    def test_stubble_and_shade_beside_a_moustache_keep_the_skins_colour(self, finders: HairFinders):
        """A jaw in the shade below stubble became a flat grey band."""
        photo, face = shared_portrait("portraits/synthetic/male-83.jpg")
        found = hair_in(photo, face, finders)
        assert found is not None and face.landmarks is not None
        grey = photo.copy()
        grey_hair(grey, found, 0.8)
        quad = face_quad(face)
        mesh = to_unit(face.landmarks[:, :2], quad) * 256
        jaw = filled(mesh[[58, 172, 136, 150, 149, 170, 169, 135, 138, 215]], 256)
        before, after = (crop_face(p, quad, 256).image[jaw].astype(float) for p in (photo, grey))
        assert np.ptp(after.mean(0)) > 0.85 * np.ptp(before.mean(0))

    @pytest.mark.parametrize("name", ["male-72", "male-29"])
    def test_a_moustache_alone_turns_grey(self, finders: HairFinders, name: str):
        photo, face = shared_portrait(f"portraits/synthetic/{name}.jpg")
        found = hair_in(photo, face, finders)
        assert found is not None and face.landmarks is not None
        grey = photo.copy()
        grey_hair(grey, found, 0.9)
        quad = face_quad(face)
        lip = filled(to_unit(face.landmarks[:, :2], quad)[UPPER_LIP] * 256, 256)
        before, after = (crop_face(p, quad, 256).image[lip] @ LUMA for p in (photo, grey))
        dark = before < np.percentile(before, 15)
        assert after[dark].mean() > 1.2 * before[dark].mean()

    def test_grey_beards_get_their_colour_back(self, finders: HairFinders):
        photo, face = shared_portrait("portraits/synthetic/male-11.jpg")
        found = hair_in(photo, face, finders)
        assert found is not None and face.landmarks is not None
        dark = photo.copy()
        grey_hair(dark, found, -1.0)
        quad = face_quad(face)
        mesh = to_unit(face.landmarks[:, :2], quad) * 256
        lip = filled(mesh[UPPER_LIP], 256)
        before, after = (crop_face(p, quad, 256).image[lip].mean() for p in (photo, dark))
        assert after < 0.8 * before

    def test_glasses_keep_their_frames(self, finders: HairFinders):
        photo, face = shared_portrait("portraits/congress/B001257-newer.jpg")
        found = hair_in(photo, face, finders)
        assert found is not None and face.landmarks is not None
        grey = photo.copy()
        grey_hair(grey, found, 0.9)
        quad = face_quad(face)
        mesh = to_unit(face.landmarks[:, :2], quad) * 256
        left, right = mesh[[46, 276]].astype(int)
        change = crop_face(np.abs(grey.astype(int) - photo).astype(np.uint8), quad, 256).image
        between = change[min(left[1], right[1]) - 10 : left[1] + 30, left[0] + 8 : right[0] - 8]
        assert between.size > 1000
        assert between.mean() < 0.5


class TestEditor:
    def test_old_faces_have_grey_hair(self, editor: Editor, astronaut: np.ndarray, hair: Hair):
        (own,) = (read.age for read in editor.ages(astronaut))
        ages = [75, 12, own - 0.6]
        old, young, near = editor.edit(astronaut, ages).edits
        kept = replace(editor, grey_hair=False).edit(astronaut, ages).edits
        where = shares(astronaut, hair) > 0.9

        def colour(photo: np.ndarray) -> float:
            return float(np.ptp(photo[where].astype(int), axis=-1).mean())

        assert colour(old.photo.rgb8) < 0.65 * colour(astronaut)
        assert colour(kept[0].photo.rgb8) > 0.8 * colour(astronaut)
        assert np.array_equal(young.photo.rgb8, kept[1].photo.rgb8)
        assert old.faces[0].before.age == pytest.approx(own)
        assert np.array_equal(near.photo.rgb8, kept[2].photo.rgb8)
        assert old.faces[0].after.age == pytest.approx(75, abs=4)

    def test_replace_greys_the_photos_hair_and_none_has_no_photo(
        self, editor: Editor, astronaut: np.ndarray
    ):
        x, y = HAIR[0]
        patch = np.s_[y - 5 : y + 6, x - 5 : x + 6]
        pasted, kept = (
            one.edit(astronaut, 80, paste="replace", quality="fast").edits[0].photo.rgb8[patch]
            for one in (editor, replace(editor, grey_hair=False))
        )
        assert (
            np.ptp(pasted.astype(int), axis=-1).mean()
            < 0.85 * np.ptp(kept.astype(int), axis=-1).mean()
        )
        alone = [
            e.edit(astronaut, 75, paste="none", quality="fast").edits[0].photo.rgb8
            for e in (editor, replace(editor, grey_hair=False))
        ]
        assert np.array_equal(*alone)


class TestLight:
    def test_half_grey_dark_hair_does_not_fall_into_blotches(self):
        """How far locks differ, by what they are in the mean, hardly grows where half is grey."""
        rng = np.random.default_rng(0)
        locks, strands = (box_mean(rng.normal(0, 1, (128, 128)), radius) for radius in (6, 1))
        light = 0.1 + 0.02 * locks / locks.std() + 0.02 * strands / strands.std()
        light = np.clip(light, 0.01, 1).astype(np.float32)
        one = np.ones_like(light)
        around = box_mean(light, 9).astype(np.float32)
        shading = (around / around.mean()) ** 0.45
        layers = 0 * one, one, around, shading, 0.5 * one, one, 0 * one, one, 0 * one
        mesh = np.zeros((478, 2))
        spread = float((light - around).std())
        hair = Hair(
            np.zeros((4, 2)),
            WINDOWS[0],
            *(*layers, mesh, np.ones(3), 0.1, spread, 0.6, np.ones(3), 0.1),
        )

        def patchiness(picture: np.ndarray) -> float:
            return float(box_mean(picture, 4).std() / picture.mean())

        for amount, most in ((0.3, 1.7), (0.5, 1.3)):
            share, shown, _ = turned(light, hair, hair.layers, amount)
            assert patchiness(light + share * (shown - light)) < most * patchiness(light)

    def test_white_hair_is_as_much_darker_in_the_shade_as_skin_is(
        self, astronaut: np.ndarray, face: Face, finders: HairFinders
    ):
        """The shade counted twice, by the cheeks and by the hair: half a head stayed dark."""
        across = 1 / (1 + np.exp((np.arange(256) - face.points[2, 0]) / 4))[None, :, None]
        half = np.rint(astronaut * (0.35 + 0.65 * across)).astype(np.uint8)
        found = hair_in(half, face, finders)
        assert found is not None
        within = (found.inner > 0.9) & (found.beard == 0)
        x = np.arange(len(within))[None] - found.mesh[1, 0]
        sides = [found.shading[within & part].mean() for part in (x < -20, x > 20)]
        assert sides[1] / sides[0] > 0.25

    def test_hair_in_the_shadow_gets_no_lighter_than_skin_there(
        self, astronaut: np.ndarray, face: Face, finders: HairFinders, hair: Hair
    ):
        across = 1 / (1 + np.exp((np.arange(256) - 128) / 4))[None, :, None]
        half = np.rint(astronaut * (0.08 + 0.92 * across)).astype(np.uint8)
        found = hair_in(half, face, finders)
        assert found is not None
        photo = half.copy()
        grey_hair(photo, found, 1.0)
        rise = (photo @ LUMA - half @ LUMA)[30:100]
        assert face.landmarks is not None
        skin = (half @ LUMA)[mesh_mask(half, face.landmarks[SKIN[1], :2])].max()
        assert rise[:, 80:110].max() > 60
        assert (photo @ LUMA)[30:100, 160:].max() <= max(skin, (half @ LUMA)[30:100, 160:].max())

    def test_a_dark_face_before_a_bright_sky_keeps_dark_hair(
        self, astronaut: np.ndarray, face: Face, finders: HairFinders, hair: Hair
    ):
        dark = np.rint(0.12 * astronaut).astype(np.uint8)
        found = hair_in(dark, face, finders)
        if found is not None:
            photo = dark.copy()
            grey_hair(photo, found, 1.0)
            assert (photo @ LUMA).max() < 0.3 * 255


def test_hair_that_leaves_the_largest_square_is_said(
    astronaut: np.ndarray, face: Face, finders: HairFinders
):
    notes: list[str] = []
    small = (Window(0.75, 0.3, 128),)
    assert hair_in(astronaut, face, finders, windows=small, notes=notes) is None
    assert len(notes) == 1 and "keeps its colour" in notes[0]


def test_hair_that_a_thing_cuts_off_from_the_head_is_left_and_said(
    astronaut: np.ndarray, face: Face, finders: HairFinders
):
    """A ponytail below a mask is seldom seen whole: half of it would turn grey."""

    class Lock(HairFinder):
        def __call__(self, rgb: np.ndarray) -> np.ndarray:
            found = super().__call__(rgb)
            found[int(0.72 * len(found)) :, int(0.62 * len(found)) : int(0.7 * len(found))] = 1
            return found

    cover = Cover(cover_quad(face.points), np.zeros((64, 64), np.float32), 0.0)
    notes: list[str] = []
    clear = hair_in(astronaut, face, replace(finders, hair=Lock()))
    left = hair_in(astronaut, face, replace(finders, hair=Lock()), cover=cover, notes=notes)
    assert clear is not None and left is not None
    low = shares(astronaut, clear)[200:].sum(), shares(astronaut, left)[200:].sum()
    assert low[0] > 100 and low[1] < 0.1 * low[0]
    assert notes == ["hair that something cuts off from the head keeps its colour"]


def test_brows_in_the_shade_get_no_pale_rim(astronaut: np.ndarray, face: Face):
    """White hair is as light as the skin beside it, not as that of the lit forehead."""
    assert face.landmarks is not None
    light = (astronaut @ LUMA / 255).astype(np.float32)
    shade = np.linspace(1, 0.3, light.shape[1], dtype=np.float32)[None]
    matte = brows_in(light * shade, face.landmarks[:, :2])
    lit = matte.lit[matte.weight > 0.5]
    assert lit.min() < 0.8 * lit.max()


def test_white_brows_above_the_meshs_are_found_and_a_gleam_is_none(face: Face):
    """White brows stayed white below hair that got its colour back."""
    mesh = face.landmarks[:, :2] - face.landmarks[:, :2].min(0) + 30
    left, right = mesh[105].astype(int), mesh[334].astype(int)
    y, x = np.mgrid[:256, :256]
    gleam = np.exp(-(np.square(x - right[0]) + np.square(y - right[1] + 3)) / 200)
    light, red = 0.5 + 0.3 * gleam, 0.15 - 0.09 * gleam
    hairs = np.s_[left[1] - 5 : left[1], left[0] - 7 : left[0] + 7]
    light[hairs], red[hairs] = np.random.default_rng(3).uniform(0.75, 1, (5, 14)), 0.06
    weight = pale_brows_in(light, red, mesh, brows_in(light, mesh)).weight
    assert weight[left[1] - 3, left[0] - 2 : left[0] + 3].min() > 0.38
    assert weight[right[1] - 3, right[0] - 2 : right[0] + 3].max() < 0.35


@pytest.mark.parametrize("amount", [0.7, -0.6])
def test_only_where_hair_may_be_is_looked_at(
    astronaut: np.ndarray, hair: Hair, monkeypatch: pytest.MonkeyPatch, amount: float
):
    less, whole = astronaut.copy(), astronaut.copy()
    grey_hair(less, hair, amount)
    monkeypatch.setattr(greying, "_where_hair", lambda _, width, height: (0, 0, width, height))
    grey_hair(whole, hair, amount)
    assert np.array_equal(less, whole)


def test_short_hair_has_an_inside():
    """What lies within hair is told by the densest nearby: thin bands turn grey too."""
    share = np.zeros((256, 256), np.float32)
    share[:100], share[180:186] = 1, 1
    inner = within_hair(share)
    assert inner[99, 128] < 0.2 < 0.99 < inner[60, 128]
    assert inner[183, 128] > 0.9


def test_what_hardly_differs_from_skin_is_no_beard():
    """Shade on a chin differs in light alone; hair differs in colour and grain, too."""
    rng = np.random.default_rng(0)
    signs = rng.normal(0, [0.08, 0.02, 0.02, 0.2], (64, 64, 4))
    chin, cheeks = np.zeros((2, 64, 64), bool)
    chin[40:], cheeks[:20] = True, True
    assert density(signs, chin, cheeks).max() == 0
    for sign in (1, -1):  # white hair and dark hair
        hair = signs + chin[..., None] * np.array([0.5 * sign, -0.1, -0.05, 0.6])
        found = density(hair, chin, cheeks)
        assert found[chin].mean() > 0.6 and found[cheeks].mean() < 0.1


class TestDarkBeard:
    @staticmethod
    def finder(change: float) -> BeardFinder:
        """Stand in a network that would make all of a chin lighter by so much."""

        def network(given: Tensor, bare: Tensor) -> Tensor:
            return torch.full_like(given[:, :3], change)

        return BeardFinder(network, read_embedded_bank().canonical, "")

    @pytest.mark.parametrize(("change", "found"), [(0.02, False), (-0.3, False), (0.3, True)])
    def test_it_is_what_is_darker_than_skin(
        self, astronaut: np.ndarray, face: Face, change: float, found: bool
    ):
        crop = crop_face(astronaut, face_quad(face, 0.9, 0.5), HEAD_SIDE)
        assert face.landmarks is not None
        assert (self.finder(change)(crop, face.landmarks) is not None) == found

    def test_its_hairs_are_the_darkest_places(self, astronaut: np.ndarray, face: Face):
        quad = face_quad(face, 0.9, 0.5)
        assert face.landmarks is not None
        beard = self.finder(0.6)(crop_face(astronaut, quad, HEAD_SIDE), face.landmarks)
        assert beard is not None
        light = np.full((128, 128), 0.3, np.float32)
        matte = beard.matte(quad, light)
        chin = to_unit(face.landmarks[152, :2], quad) * 128 - [0, 4]
        x, y = chin.round().astype(int)
        skin = float(matte.skin[y, x])
        assert skin == pytest.approx(0.3 * np.exp(0.6), rel=0.1)
        shares = [float(matte.share(np.full_like(light, f * skin))[y, x]) for f in (1.0, 0.9, 0.5)]
        assert shares[0] < UNCOUNTED < shares[1] + 0.05 < shares[2] <= 0.86
        assert matte.share(light)[5, 5] == 0  # above the face

    def test_nothing_is_seen_on_black_skin_in_the_dark(self, astronaut: np.ndarray, face: Face):
        crop = crop_face(astronaut // 12, face_quad(face, 0.9, 0.5), HEAD_SIDE)
        assert face.landmarks is not None and self.finder(0.3)(crop, face.landmarks) is None


def test_none_grows_on_a_forehead(
    astronaut: np.ndarray, face: Face, finders: HairFinders, monkeypatch: pytest.MonkeyPatch
):
    """A gleam there has the colours of white hair."""
    barred: list[np.ndarray] = []

    def record(
        rgb: np.ndarray, share: np.ndarray, none: np.ndarray, skin: np.ndarray, height: float
    ) -> tuple[np.ndarray, np.ndarray]:
        barred.append(none)
        return share, 0 * share

    monkeypatch.setattr("reage.compositing.hair.mask.told_by_colour", record)
    crop = crop_face(astronaut, face_quad(face, WINDOWS[0].scale, WINDOWS[0].shift), HEAD_SIDE)
    look_at_head(crop, face, finders, NOBODY, 256, False)
    assert face.landmarks is not None
    mesh = to_unit(face.landmarks[:, :2], crop.quad) * 256 - 0.5
    top, height = mesh[10], mesh[152, 1] - mesh[10, 1]
    x, y = top.round().astype(int)
    assert barred[0][y - round(0.1 * height), x] == 1
    assert barred[0][y, min(x + round(0.8 * height), 255)] == 0


def test_hair_behind_the_neck_needs_no_person(
    astronaut: np.ndarray, face: Face, finders: HairFinders
):
    """The network of persons leaves out ponytails that that of hair is sure of."""

    class HalfBlind(PersonFinder):
        def __call__(self, rgb: np.ndarray) -> np.ndarray:
            found = super().__call__(rgb)
            found[:, 140:] = 0
            return found

    crop = crop_face(astronaut, face_quad(face, WINDOWS[0].scale, WINDOWS[0].shift), HEAD_SIDE)
    whole = look_at_head(crop, face, finders, NOBODY, 256, False).share
    blind = replace(finders, person=HalfBlind())
    found = look_at_head(crop, face, blind, NOBODY, 256, False).share
    lost = (whole > 0.9) & (np.arange(256) >= 150)
    assert lost.sum() > 500
    assert (found[lost] > 0.8).mean() > 0.8


def test_braids_that_only_a_smaller_picture_shows_are_hair(
    astronaut: np.ndarray, face: Face, finders: HairFinders
):
    """A lock outside the face that the network misses at full size, and knows in a small one."""

    class ShortSighted(HairFinder):
        def __call__(self, rgb: np.ndarray) -> np.ndarray:
            found = super().__call__(rgb)
            if len(rgb) == HEAD_SIDE:
                found[:, 300:] *= 0.3
            return found

    crop = crop_face(astronaut, face_quad(face, WINDOWS[0].scale, WINDOWS[0].shift), HEAD_SIDE)
    sharp = look_at_head(crop, face, finders, NOBODY, 256, False)
    short = replace(finders, hair=ShortSighted())
    found = look_at_head(crop, face, short, NOBODY, 256, False).share
    lost = (sharp.share > 0.9) & (np.arange(256) >= 155) & ~sharp.places.near
    assert lost.sum() > 300
    assert (found[lost] > 0.8).mean() > 0.8


def test_white_hair_in_warm_light_was_not_blond(
    astronaut: np.ndarray, face: Face, finders: HairFinders, hair: Hair
):
    """It is as red as the skin, and lighter than any blond: its own colour says nothing."""
    share = shares(astronaut, hair)[..., None]
    strands = astronaut @ LUMA - box_mean(astronaut @ LUMA, 3)
    white = np.array([250, 215, 190]) + strands[..., None]
    photo = np.clip(astronaut + share * (white - astronaut), 0, 255).astype(np.uint8)
    found = hair_in(photo, face, finders)
    assert found is not None and found.light > 0.9 * found.skin
    assert found.young_light < 0.5 * found.skin


@pytest.mark.parametrize(("below", "beside"), [(-0.85, 0.45), (-0.75, 0.28)])
def test_clothes_in_the_colour_of_hair_are_none(
    astronaut: np.ndarray,
    face: Face,
    finders: HairFinders,
    monkeypatch: pytest.MonkeyPatch,
    below: float,
    beside: float,
):
    """A jacket, or its collar, that the network half takes for hair hangs together with no hair."""
    crop = crop_face(astronaut, face_quad(face, WINDOWS[0].scale, WINDOWS[0].shift), HEAD_SIDE)
    assert face.landmarks is not None
    mesh = to_unit(face.landmarks[:, :2], crop.quad) * 256 - 0.5
    places = HeadPlaces.of(mesh, 256)
    jacket = (places.up < below) & (np.abs(places.aside) > beside)

    def raised(rgb: np.ndarray, hair: np.ndarray, *_: np.ndarray) -> np.ndarray:
        return np.where(jacket, 1.0, hair)

    monkeypatch.setattr("reage.compositing.hair.mask.raised_by_colour", raised)
    head = look_at_head(crop, face, finders, NOBODY, 256, False)
    worn = jacket & (head.person > 0.9)
    assert worn.sum() > 300
    assert np.median(head.share[worn]) < 0.1
    assert head.share[places.up > 0.5].max() > 0.9


@pytest.mark.parametrize(("red", "is_hair"), [(0.5, False), (1.1, True)])
def test_blue_clothes_are_no_hair(
    astronaut: np.ndarray, face: Face, finders: HairFinders, red: float, is_hair: bool
):
    """The network takes denim for hair. Brown below brown hair may be hair."""
    crop = crop_face(astronaut, face_quad(face, WINDOWS[0].scale, WINDOWS[0].shift), HEAD_SIDE)
    assert face.landmarks is not None
    mesh = to_unit(face.landmarks[:, :2], crop.quad) * HEAD_SIDE - 0.5
    places = HeadPlaces.of(mesh, HEAD_SIDE)
    jacket = (places.up < -0.75) & (np.abs(places.aside) > 0.28)
    light = np.maximum(crop.image @ LUMA, 70)[..., None]
    worn = light * [red, 1.0, 1.5 if red < 1 else 0.9]
    image = np.where(jacket[..., None], np.clip(worn, 0, 255), crop.image).astype(np.uint8)

    class Fooled:
        sha256 = finders.hair.sha256

        def __call__(self, rgb: np.ndarray) -> np.ndarray:
            found = finders.hair(rgb)
            return np.maximum(found, jacket) if found.shape == jacket.shape else found

    fooled = replace(finders, hair=Fooled())
    head = look_at_head(replace(crop, image=image), face, fooled, NOBODY, 256, False)
    worn = (sized(jacket, 256) > 0.9) & (head.person > 0.9)
    assert (np.median(head.share[worn]) > 0.9) == is_hair
    assert is_hair or np.percentile(head.share[worn], 90) < 0.1
    assert head.share[head.places.up > 0.5].max() > 0.9


class TestEdgeOfTheFace:
    """A drawn head: hair above, skin below that, a wall around."""

    DARK, SKIN, WALL = (0.1, 0.08, 0.06), (0.8, 0.6, 0.5), (0.5, 0.6, 0.8)
    SHADE = (0.26, 0.21, 0.175)  # of the skin

    @pytest.fixture
    def drawn(self, face: Face) -> SimpleNamespace:
        assert face.landmarks is not None
        quad = face_quad(face, WINDOWS[0].scale, WINDOWS[0].shift)
        mesh = to_unit(face.landmarks[:, :2], quad) * 256 - 0.5
        places, outline = HeadPlaces.of(mesh, 256), mesh[OUTLINE]
        middle = outline.mean(0)
        ring = [filled(middle + f * (outline - middle), 256) for f in (0.9, 1.06, 1.3)]
        up = places.up
        return SimpleNamespace(
            mesh=mesh,
            places=places,
            head=ring[2],
            hair=ring[2] & ~ring[0] & (up > 0.1),
            ears=ring[2] & ~ring[1] & (up < 0.0) & (up > -0.3),
            sideburns=ring[1] & ~ring[0] & (up <= 0.1) & (up > -0.2),
        )

    def told(
        self,
        drawn: SimpleNamespace,
        dark: np.ndarray,
        share: np.ndarray,
        shade: np.ndarray | bool = False,
    ) -> np.ndarray:
        rgb = np.where(drawn.head[..., None], self.SKIN, self.WALL)
        rgb = np.where(np.expand_dims(shade, -1), self.SHADE, rgb)
        rgb = np.where(dark[..., None], self.DARK, rgb)
        rgb = rgb + np.random.default_rng(0).normal(0, 0.02, rgb.shape)
        person = drawn.head.astype(float)
        return told_at_face(rgb.clip(0, 1), share, person, drawn.places, drawn.mesh)

    def test_ears_that_the_network_takes_for_hair_are_none(self, drawn: SimpleNamespace):
        share = np.where(drawn.ears, 0.9, drawn.hair)
        found = self.told(drawn, drawn.hair, share)
        assert found[drawn.ears].mean() < 0.15
        assert found[drawn.hair].min() > 0.9

    def test_hair_over_the_ears_stays(self, drawn: SimpleNamespace):
        share = np.where(drawn.ears, 0.9, drawn.hair)
        found = self.told(drawn, drawn.hair | drawn.ears, share)
        assert found[drawn.ears].mean() > 0.75

    def test_a_light_strand_of_long_hair_stays(self, drawn: SimpleNamespace):
        beside = ~filled(drawn.mesh[OUTLINE], 256) & (np.abs(drawn.places.up) < 0.9)
        share = np.maximum(drawn.hair, beside).astype(float)
        found = self.told(drawn, (share > 0) & ~drawn.ears, share)
        assert found[drawn.ears].min() > 0.9

    def test_sideburns_below_dark_hair_are_found(self, drawn: SimpleNamespace):
        found = self.told(drawn, drawn.hair | drawn.sideburns, drawn.hair.astype(float))
        assert np.median(found[drawn.sideburns]) > 0.8
        assert found[drawn.ears].max() < 0.1

    def test_a_jaw_in_the_shade_is_no_hair(self, drawn: SimpleNamespace):
        """A band along it turned white below dark sideburns: it had lost its red in the shade."""
        outline = drawn.mesh[OUTLINE]
        inner = filled(outline.mean(0) + 0.9 * (outline - outline.mean(0)), 256)
        jaw = filled(outline, 256) & ~inner & (drawn.places.up < -0.42)
        jaw &= drawn.places.aside > 0.1
        share = np.where(jaw, 0.9, drawn.hair)
        found = self.told(drawn, drawn.hair, share, shade=jaw)
        assert found[jaw].mean() < 0.2

    def test_none_grow_where_hair_and_skin_are_alike(self, drawn: SimpleNamespace):
        nothing = np.zeros_like(drawn.hair)
        found = self.told(drawn, nothing, drawn.hair.astype(float))
        assert np.array_equal(found, drawn.hair)


class TestColoursOfTheHair:
    """Somebody's hair, drawn, and a lock of it that the network half knows."""

    @pytest.mark.parametrize(
        ("colour", "is_hair"), [((0.2, 0.1, 0.05), True), ((0.9, 0.4, 0.6), False)]
    )
    def test_a_likely_lock_is_hair_if_it_has_its_colour(
        self, colour: tuple[float, ...], is_hair: bool
    ):
        """A flower behind the ear is as likely, and pink."""
        rgb = np.full((192, 192, 3), (0.5, 0.6, 0.8))
        hair, likely = np.zeros((2, 192, 192))
        rgb[20:80, 60:130], hair[20:80, 60:130] = (0.2, 0.1, 0.05), 1
        rgb[80:140, 90:110], likely[80:140, 90:110] = colour, 0.5
        rgb += np.random.default_rng(0).normal(0, 0.01, rgb.shape)
        found = raised_by_colour(rgb.clip(0, 1), hair, likely, np.ones_like(hair))
        lock = found[85:135, 93:107]
        assert lock.min() > 0.85 if is_hair else lock.max() < 0.45
        assert found[:, :50].max() < 0.05

    def test_clothes_of_that_colour_are_none(self):
        """Where the network sees no hair at all, none is found by colour."""
        rgb = np.full((192, 192, 3), (0.5, 0.6, 0.8))
        hair = np.zeros((192, 192))
        rgb[20:80, 60:130], hair[20:80, 60:130] = (0.2, 0.1, 0.05), 1
        rgb[120:] = 0.2, 0.1, 0.05
        found = raised_by_colour(rgb, hair, np.zeros_like(hair), np.ones_like(hair))
        assert found[120:].max() < 0.05


class TestColoursAround:
    """What the network of hair is unsure of, drawn: dark hair beside a blue wall."""

    def told(self, share: np.ndarray, dark: np.ndarray) -> np.ndarray:
        rng = np.random.default_rng(0)
        wall, hair = np.array([0.5, 0.6, 0.8]), np.array([0.15, 0.1, 0.08])
        rgb = np.where(dark[..., None], hair, wall) + rng.normal(0, 0.02, (192, 192, 3))
        nowhere = np.zeros((192, 192))
        return told_by_colour(rgb.clip(0, 1), share, nowhere, nowhere, 80.0)[0]

    def test_locks_are_followed_further_than_the_network_does(self):
        share, lock = np.zeros((192, 192)), np.zeros((192, 192), bool)
        share[20:80, 60:130] = 1
        lock[80:120, 90:100] = True
        share[80:120, 85:105] = 0.2  # some hair, somewhere there
        found = self.told(share, (share == 1) | lock)
        assert found[85:115, 92:98].min() > 0.8
        assert found[85:115, 86:88].max() < 0.1 and found[85:115, 102:104].max() < 0.1

    def test_nothing_grows_without_any_sign_of_hair(self):
        share, dark = np.zeros((192, 192)), np.zeros((192, 192), bool)
        share[20:80, 60:130] = 1
        dark[20:80, 60:130] = dark[20:120, 140:150] = True  # a dark post behind
        assert self.told(share, dark)[:, 140:].max() < 0.05

    def test_where_colours_do_not_tell_the_network_decides(self):
        share = np.zeros((192, 192))
        share[20:80, 60:130], share[80:120, 85:105] = 1, 0.4
        assert np.abs(self.told(share, np.ones_like(share, bool)) - share).max() < 0.15


def drawn_hair(light: np.ndarray, around: np.ndarray, skin: float = 0.6, **other) -> Hair:
    """Hair all over, of that light; `other` are fields that differ."""
    one = np.ones_like(light)
    spread = float((light - around).std())
    none = 0 * one
    layers = none, one, around, one, 0.5 * one, one, other.pop("faded", none), one, none
    layers = *layers, np.zeros((478, 2))
    given = {"light": float(light.mean()), "young": np.ones(3), "young_light": 0.1, **other}
    return Hair(
        np.zeros((4, 2)), WINDOWS[0], *layers, white=np.ones(3), spread=spread, skin=skin, **given
    )


class TestWhiteHair:
    @pytest.mark.parametrize(("skin", "least"), [(0.36, 0.42), (0.6, 0.49)])
    def test_black_hair_gets_as_light_as_real_white_hair_and_keeps_its_strands(
        self, skin: float, least: float
    ):
        rng = np.random.default_rng(0)
        light = np.clip(rng.normal(0.07, 0.025, (64, 64)), 0.005, 1).astype(np.float32)
        hair = drawn_hair(light, np.full_like(light, 0.07), skin)
        share, shown, _ = turned(light, hair, hair.layers, 0.95)
        made = light + share * (shown - light)
        assert made.mean() > least
        assert made.std() > 0.1 * made.mean()


class TestYoungHair:
    def test_dark_strands_differ_in_light_as_those_of_dark_hair_do(self):
        rng = np.random.default_rng(0)
        light = np.clip(rng.normal(0.6, 0.05, (64, 64)), 0, 1).astype(np.float32)
        hair = drawn_hair(light, np.full_like(light, 0.6), faded=np.ones_like(light))
        _, shown, _ = turned(light, hair, hair.layers, -1.0)
        assert shown.std() > 0.2 * shown.mean()  # of the white hair, 0.08

    def test_grey_temples_below_dark_hair_get_its_colour_back(
        self, astronaut: np.ndarray, face: Face, finders: HairFinders, hair: Hair
    ):
        """Half of the head is grey: that half alone is, in the colour of the other."""
        right = np.clip((np.arange(256) - 118) / 20, 0, 1)[None] * shares(astronaut, hair)
        grey = np.clip(astronaut @ LUMA * 2.2, 0, 190)[..., None]
        photo = np.rint(astronaut + right[..., None] * (grey - astronaut)).astype(np.uint8)
        found = hair_in(photo, face, finders)
        assert found is not None
        faded = on_photo(photo, found, found.faded)
        assert faded[40:60, 150:165].mean() > 0.6 > 0.4 > faded[40:60, 90:105].mean()
        own = np.median(astronaut[40:60, 90:105].reshape(-1, 3), axis=0)
        assert found.young == pytest.approx(own / (own @ LUMA), abs=0.15)
