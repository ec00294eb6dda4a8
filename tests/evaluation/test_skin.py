"""Skin at full size: distances of patches and their detail."""

from __future__ import annotations

import numpy as np
import pytest

from reage.compositing.detail_bank import read_bank
from reage.compositing.smoothing import gaussian
from reage.evaluation.head_sheet import choose_heads, head_row
from reage.evaluation.skin import (
    PLACES,
    band_energies,
    skin_distance,
    skin_patches,
    standardise,
    texture_features,
)
from reage.faces.face import Face
from reage.fitting.heads import HeadRow
from reage.models.registry import ASSETS


@pytest.fixture(scope="module")
def face() -> Face:
    """The canonical face in a picture of 512x640."""
    canonical = read_bank(ASSETS / "detail").canonical
    points = np.concatenate([canonical, np.zeros((10, 2)) + canonical.mean(0)])
    return Face.from_landmarks(np.c_[points, np.zeros(len(points))], 1.0)


def skin(seed: int, strength: float, smooth: float = 1.0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, 1, (640, 512)).astype(np.float32)
    noise = gaussian(noise, smooth)
    return np.clip(
        np.array([190, 150, 130]) + strength * (noise / noise.std())[..., None], 0, 255
    ).astype(np.uint8)


def features(pictures: list[np.ndarray], face: Face) -> list[dict[str, np.ndarray]]:
    return [
        {place: texture_features(part) for place, part in skin_patches(p, face).items()}
        for p in pictures
    ]


def test_coarser_skin_is_farther(face: Face):
    real, same, other = (
        features([skin(seed + i, strength) for i in range(6)], face)
        for seed, strength in ((0, 6.0), (10, 6.0), (20, 14.0))
    )
    even = standardise(real)
    near = skin_distance([even(one) for one in same], [even(one) for one in real], 4)
    far = skin_distance([even(one) for one in other], [even(one) for one in real], 4)
    assert set(near.places) == set(PLACES)
    assert far.mean > 20 * abs(near.mean)


def test_colour_and_exposure_are_no_texture(face: Face):
    photo = skin(1, 6.0)
    darker = (photo * np.array([0.7, 0.6, 0.65])).astype(np.uint8)
    a, b = skin_patches(photo, face)["cheeks"], skin_patches(darker, face)["cheeks"]
    assert np.abs(a.astype(int) - b).max() < 8


def test_energy_lies_in_the_band_of_the_detail(face: Face):
    fine = band_energies(skin_patches(skin(2, 8.0, 0.6), face))["cheeks"]
    broad = band_energies(skin_patches(skin(2, 8.0, 6.0), face))["cheeks"]
    assert fine.argmax() < broad.argmax()


def head(name: str, sex: str, age: float, ita: float) -> HeadRow:
    return HeadRow(f"heads/{name}.webp", "made", sex, age, ita, 0.0, 512, "CC0", False)  # pyright: ignore[reportArgumentType]


def test_sheet_has_both_sexes_and_all_groups():
    rows = [
        head(f"{sex}{age}{ita}{i}", sex, age, ita)
        for sex in ("female", "male")
        for age in (25, 45, 70)
        for ita in (-20, 50)
        for i in range(3)
    ]
    chosen = choose_heads(rows, 24)
    assert len(chosen) == 24
    assert len({(row.sex, row.age, row.ita) for row in chosen[:12]}) == 12


def test_row_is_uncut():
    row = head_row([np.full((700, 700, 3), v, np.uint8) for v in (10, 200)], ["a", "b"])
    assert row.shape == (536, 1024, 3)
    assert (row[30:, :500] == 10).all()
    assert (row[30:, 520:] == 200).all()
