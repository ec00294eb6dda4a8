"""Hair is found where it is, on a real head, and turns grey there alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from reage.compositing.bands import LUMA
from reage.compositing.hair.greying import grey_crop, grey_hair, grey_share
from reage.compositing.hair.regions import BROWS, HEAD_SIDE, OUTLINE, SKIN, box_mean, filled
from reage.compositing.hair.segmentation import (
    Hair,
    PersonFinder,
    faces_beside,
    find_hair,
    head_crop,
)
from reage.editor import Editor
from reage.faces.detection import FaceDetector
from reage.faces.face import Face
from reage.faces.squares import FaceCrop, crop_face, to_unit

# Places of the astronaut's portrait, x and y: hair above and beside the face, and what is none.
HAIR = [(128, 40), (100, 45), (160, 50), (85, 85), (175, 80)]
SHADED = [(178, 96), (175, 93)]  # beside the temple, darker than hair elsewhere
OTHER = [(128, 110), (110, 125), (20, 20), (230, 30), (128, 210), (20, 220)]


NOBODY = np.zeros((0, 3))


@pytest.fixture(scope="module")
def finder() -> PersonFinder:
    return PersonFinder()


@pytest.fixture(scope="module")
def face(astronaut: np.ndarray) -> Face:
    return FaceDetector().detect(astronaut)[0]


@pytest.fixture(scope="module")
def hair(astronaut: np.ndarray, face: Face, finder: PersonFinder) -> Hair:
    found = find_hair(head_crop(astronaut, face), face, finder, NOBODY)
    assert found is not None
    return found


def share_at(photo: np.ndarray, hair: Hair, places: list[tuple[int, int]]) -> np.ndarray:
    """How much of the photo's pixels is hair."""
    units = np.clip(to_unit(np.array(places), hair.quad) * HEAD_SIDE, 0, HEAD_SIDE - 1).astype(int)
    light = np.array([photo[y, x] @ LUMA / 255 for x, y in places])
    return hair.slope[units[:, 1], units[:, 0]] * light + hair.offset[units[:, 1], units[:, 0]]


def test_hair_is_found_and_nothing_else(astronaut: np.ndarray, hair: Hair):
    assert (share_at(astronaut, hair, HAIR) > 0.85).all()
    assert (share_at(astronaut, hair, SHADED) > 0.75).all()
    assert (share_at(astronaut, hair, OTHER) < 0.15).all()


def test_a_fringe_through_which_skin_shows_is_hair(
    astronaut: np.ndarray, face: Face, finder: PersonFinder, hair: Hair
):
    """Dark hair hangs down to the brows, as red as the forehead below it."""
    head = head_crop(astronaut, face)
    light = head.image @ LUMA / 255
    share = np.clip(hair.slope * light + hair.offset, 0, 1)[..., None]
    mesh = to_unit(face.landmarks[:, :2], head.quad) * HEAD_SIDE
    forehead = filled(mesh[OUTLINE]) & (np.arange(HEAD_SIDE)[:, None] < mesh[BROWS, 1].min() - 2)
    dark = head.image * (1 - 0.65 * share)
    dark = np.where(forehead[..., None], np.minimum(dark, 0.4 * head.image), dark).astype(np.uint8)
    found = find_hair(replace(head, image=dark), face, finder, NOBODY)
    assert found is not None
    still = found.slope * (dark @ LUMA / 255) + found.offset
    assert (still[forehead] > 0.8).mean() > 0.8
    assert (still[filled(mesh[SKIN[0]])] < 0.15).all()


def test_it_is_found_in_a_turned_and_in_a_large_photo(
    astronaut: np.ndarray, finder: PersonFinder, hair: Hair
):
    for photo in (np.rot90(astronaut), astronaut.repeat(4, 0).repeat(4, 1)):
        photo = np.ascontiguousarray(photo)
        face = FaceDetector().detect(photo)[0]
        found = find_hair(head_crop(photo, face), face, finder, NOBODY)
        assert found is not None
        assert found.light == pytest.approx(hair.light, abs=0.04)
        assert np.abs(found.offset - hair.offset).mean() < 0.1


def test_none_is_found_where_none_can_be(
    astronaut: np.ndarray, face: Face, finder: PersonFinder, hair: Hair
):
    head = head_crop(astronaut, face)
    assert find_hair(head, Face.from_points(face.points), finder, NOBODY) is None
    tight = crop_face(astronaut[60:170, 80:180], head.quad - [80, 60], HEAD_SIDE)
    assert find_hair(tight, face, finder, NOBODY) is None
    # A bald head: the hair painted over with the skin of the forehead, grain and all.
    light = head.image @ LUMA / 255
    share = np.clip(box_mean(hair.slope * light + hair.offset, 3) * 3, 0, 1)
    mesh = to_unit(face.landmarks[:, :2], head.quad) * HEAD_SIDE
    middle = filled(mesh[OUTLINE]) & ~filled(mesh[OUTLINE] + [0, -25])
    tone = np.median(head.image[middle], axis=0)
    noise = np.random.default_rng(0).normal(0, 4, (HEAD_SIDE, HEAD_SIDE, 1))
    bald = head.image + share[..., None] * (tone + noise - head.image)
    bald = FaceCrop(np.clip(bald, 0, 255).astype(np.uint8), head.mask, head.quad, HEAD_SIDE)
    assert find_hair(bald, face, finder, NOBODY) is None


@pytest.mark.parametrize("colour", [(200, 25, 30), (30, 60, 200), (30, 140, 60)])
def test_a_coloured_cap_is_no_hair(
    astronaut: np.ndarray, face: Face, finder: PersonFinder, hair: Hair, colour: tuple[int, ...]
):
    """The fringe below it is."""
    head = head_crop(astronaut, face)
    light = head.image @ LUMA / 255
    share = np.clip(hair.slope * light + hair.offset, 0, 1)
    rows = np.arange(HEAD_SIDE) < to_unit(np.array([[128, 58]]), head.quad)[0, 1] * HEAD_SIDE
    share = (share * rows[:, None])[..., None]
    cap = (head.image * (1 - share) + share * np.array(colour)).astype(np.uint8)
    found = find_hair(replace(head, image=cap), face, finder, NOBODY)
    if found is None:
        return
    light = cap @ LUMA / 255
    still = np.clip(found.slope * light + found.offset, 0, 1)
    assert still[share[..., 0] > 0.9].mean() < 0.1


def test_a_neighbours_hair_is_their_own(astronaut: np.ndarray, finder: PersonFinder):
    """Two heads side by side, as close as they can be: only the left one's hair is found."""
    two = np.concatenate([astronaut[:, 75:190]] * 2, axis=1)
    detector = FaceDetector()
    left, right = sorted(detector.detect(two), key=lambda face: face.box[0])
    others = faces_beside(two, left, detector)
    assert others.shape == (1, 3)
    box = np.array(right.box)
    assert others[0, :2] == pytest.approx((box[:2] + box[2:]) / 2, abs=6)
    alone, together = (find_hair(head_crop(two, left), left, finder, o) for o in (NOBODY, others))
    assert alone is not None and together is not None
    theirs = [(168, 40), (150, 50), (185, 60)]
    assert share_at(two, alone, theirs[:1]).max() > 0.5  # unless somebody says whose it is
    photo = two.copy()
    grey_hair(photo, together, 1.0)
    assert all(np.array_equal(photo[y, x], two[y, x]) for x, y in theirs)
    assert not np.array_equal(photo[40, 53], two[40, 53])


def test_hair_fades_out_at_the_edge_of_what_is_looked_at(hair: Hair):
    """A straight cut through long hair would show."""
    for layer in (hair.slope, hair.offset):
        edges = np.concatenate([layer[0], layer[-1], layer[:, 0], layer[:, -1]])
        assert np.abs(edges).max() < 0.3


def test_a_photo_without_colours_stays_so(astronaut: np.ndarray, face: Face, finder: PersonFinder):
    grey = np.rint(astronaut @ LUMA).astype(np.uint8)[..., None].repeat(3, axis=2)
    found = find_hair(head_crop(grey, face), face, finder, NOBODY)
    if found is not None:
        photo = grey.copy()
        grey_hair(photo, found, 1.0)
        assert np.ptp(photo.astype(int), axis=-1).max() <= 1


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
        assert colours[-1] < 0.2 * colours[0]

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
        assert grey_share(20, 80) == grey_share(60, 85) == 1
        shares = [grey_share(25, age) for age in range(30, 81, 5)]
        assert shares == sorted(shares)
        assert np.mean([grey_share(20, age) for age in range(45, 66)]) == pytest.approx(
            0.27, abs=0.03
        )
        assert grey_share(50, 70) < grey_share(20, 70)  # of what is left, less


class TestEditor:
    def test_old_faces_have_grey_hair(self, editor: Editor, astronaut: np.ndarray):
        old, young = editor.edit(astronaut, [75, 12]).edits
        kept = replace(editor, grey_hair=False).edit(astronaut, [75, 12]).edits
        x, y = HAIR[0]
        patch = np.s_[y - 5 : y + 6, x - 5 : x + 6]
        coloured = np.ptp(astronaut[patch].astype(int), axis=-1).mean()
        assert np.ptp(old.photo.rgb8[patch].astype(int), axis=-1).mean() < 0.5 * coloured
        assert np.ptp(kept[0].photo.rgb8[patch].astype(int), axis=-1).mean() > 0.8 * coloured
        assert np.array_equal(young.photo.rgb8, kept[1].photo.rgb8)
        own = old.faces[0].before.age
        near = [replace(editor, grey_hair=g).edit(astronaut, own - 0.6) for g in (True, False)]
        assert np.array_equal(*(result.edits[0].photo.rgb8 for result in near))
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
