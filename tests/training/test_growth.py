"""Learning how faces grow from meshes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_training import write_faces

from reage.datasets.reading import open_dataset
from reage.faces.detection import FaceDetector
from reage.faces.squares import crop_face, face_quad
from reage.models.checkpoints import Alignment
from reage.training.agers.crops import lies
from reage.training.agers.growth import GROWTH, fit_growth, growth_shapes, mean_shapes

pytestmark = pytest.mark.quick

POINTS = 478


@pytest.fixture(scope="module")
def face() -> np.ndarray:
    """A mesh `[P, 3]` that fills an oval."""
    rng = np.random.default_rng(0)
    angle, reach = rng.uniform(0, 2 * np.pi, POINTS), np.sqrt(rng.uniform(0, 1, POINTS))
    x, y = 0.5 + 0.38 * reach * np.cos(angle), 0.55 + 0.42 * reach * np.sin(angle)
    return np.stack([x, y, 0.1 * (1 - reach)], 1)


def test_a_change_with_age_is_found_and_what_came_along_is_not(face: np.ndarray):
    """Young faces are planted a narrower jaw, and open mouths that are not their age's."""
    rng = np.random.default_rng(1)
    bins = np.repeat([1, 4, 7], 60)
    meshes = np.repeat(face[None], len(bins), 0)
    meshes[..., :2] += rng.normal(0, 0.004, meshes[..., :2].shape)
    opened = rng.uniform(0, 0.03, len(bins)) + 0.03 * (bins == 1)
    meshes[:, 14, 1] += opened
    meshes[:, 17, 1] += opened  # the lower lip goes along
    jaw = np.argsort(face[:, 1])[-40:]
    meshes[:, jaw, 0] += np.where(bins == 1, -0.02, 0.0)[:, None]
    shapes = mean_shapes(meshes, bins, np.zeros(len(bins)))
    young = shapes[1] - shapes[4]
    assert np.allclose(young[jaw, 0], -0.02, atol=0.005)
    assert abs(young[17, 1]) < 0.012  # of 0.03
    assert np.abs(np.delete(young, [*jaw, 13, 14, 17], 0)).max() < 0.01
    assert np.array_equal(shapes[0], shapes[1])  # ages of which nothing is known: the nearest


def test_too_few_faces_say_nothing(face: np.ndarray):
    shapes = mean_shapes(np.repeat(face[None], 30, 0), np.full(30, 3), np.zeros(30))
    assert not shapes.any()


def test_moves_are_carried_on_smoothly_and_end_at_the_border(face: np.ndarray):
    moves = np.zeros((len(GROWTH.ages), POINTS, 2))
    moves[2, :, 1] = 0.02 * (face[:, 1] - 0.5)  # the lower face is longer
    shapes = growth_shapes(moves, face[:, :2], Alignment(0.7, 0.22)).numpy()
    assert shapes.shape == (len(GROWTH.ages), 2, GROWTH.side, GROWTH.side)
    assert not shapes[[0, 1, 3]].any()
    for border in (shapes[..., 0], shapes[..., -1], shapes[..., 0, :], shapes[..., -1, :]):
        assert np.abs(border).max() < 1e-4
    cell = (1 + 2 * GROWTH.margin) / GROWTH.side
    row, column = int((0.85 + GROWTH.margin) / cell), GROWTH.side // 2
    assert shapes[2, 1, row, column] == pytest.approx(0.02 * 0.35, rel=0.25)
    assert np.allclose(shapes[:, 0], -shapes[:, 0, :, ::-1], atol=1e-6)  # left as right
    assert np.allclose(shapes[:, 1], shapes[:, 1, :, ::-1], atol=1e-6)


def test_a_wider_crop_grows_alike(face: np.ndarray):
    """The same face in FFHQ's own square, which is wider and lies higher."""
    moves = np.zeros((len(GROWTH.ages), POINTS, 2))
    moves[2, :, 1] = 0.02 * (face[:, 1] - 0.5)
    near, wide = Alignment(0.7, 0.22), Alignment(1.0, 0.1)
    share = near.scale / wide.scale
    down = lies(near.shift * 0.515, wide)  # the middle of the near square in the wide one
    points = (face[:, :2] - 0.5) * share + [0.5, down]
    shapes = growth_shapes(moves, face[:, :2], near)[2, 1]
    wider = growth_shapes(moves * share, points, wide)[2, 1]

    def at(field: torch.Tensor, x: float, y: float) -> float:
        place = torch.tensor([x, y]) + GROWTH.margin
        grid = (2 * place / (1 + 2 * GROWTH.margin) - 1).view(1, 1, 1, 2)
        return float(torch.nn.functional.grid_sample(field[None, None], grid, align_corners=False))

    for x, y in ((0.5, 0.85), (0.35, 0.3), (0.6, 0.95)):
        there = at(wider, (x - 0.5) * share + 0.5, (y - 0.5) * share + down)
        assert there / share == pytest.approx(at(shapes, x, y), abs=5e-4)
    assert abs(at(shapes, 0.5, 0.95)) > 0.006


def test_meshes_of_real_pictures_say_who_is_narrower(astronaut: np.ndarray, tmp_path: Path):
    """One face as it is and squeezed about its middle: the one under 10, the other from 30 on."""
    alignment = Alignment(0.7, 0.22)
    face = FaceDetector().detect(astronaut)[0]
    crop = crop_face(astronaut, face_quad(face, alignment.scale, alignment.shift), 128).image
    squeezed = Image.fromarray(crop).resize((112, 128), Image.Resampling.LANCZOS)
    narrow = np.pad(np.asarray(squeezed), ((0, 0), (8, 8), (0, 0)), mode="reflect")
    rng = np.random.default_rng(0)
    noisy = [one + rng.normal(0, 4, crop.shape) for _ in range(24) for one in (narrow, crop)]
    write_faces(tmp_path, noisy, ["3-9", "30-39"] * 24)
    dataset = open_dataset(tmp_path)
    shapes = fit_growth(dataset, dataset.rows, alignment, faces=24)
    across = shapes[4, 0] - shapes[1, 0]  # from 6 to 35 years, to the right
    cell = (1 + 2 * GROWTH.margin) / GROWTH.side
    row = int((0.6 + GROWTH.margin) / cell)
    left, right = (int((x + GROWTH.margin) / cell) for x in (0.2, 0.8))
    assert across[row, left] < -0.01 and across[row, right] > 0.01
    assert not fit_growth(dataset, dataset.rows, alignment, faces=5).any()  # too few to tell
