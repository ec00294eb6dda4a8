"""Who is followed, lost and known again, with faces that are only numbers."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from reage.faces.face import Face
from reage.video.tracking import Place, Tracker

LOOKS = np.eye(4)


def face(x: float, who: int) -> Face:
    """A frontal face 100 px large around (x, 100), whose score says who it is."""
    mesh = np.random.default_rng(7).uniform(-50, 50, (478, 3)).astype(np.float32)
    mesh[33, :2], mesh[263, :2], mesh[10, :2], mesh[152, :2] = (
        (-30, -20),
        (30, -20),
        (0, -50),
        (0, 50),
    )
    for eye, sign in (([33, 160, 158, 133, 153, 144], -1), ([362, 385, 387, 263, 373, 380], 1)):
        mesh[eye, :2] = (20 * sign, -20)
    mesh[:, 2] = 0
    mesh[:2, :2] = [[-50, -50], [50, 50]]
    return Face.from_landmarks(mesh + np.array([x, 100, 0], np.float32), who / 10)


@dataclass
class Scene:
    """A detector whose pictures only carry the number of their frame."""

    people: dict[int, dict[int, float]]  # frame -> who -> x
    detected: list[int] = field(default_factory=list)

    def detect(self, rgb: np.ndarray) -> list[Face]:
        self.detected.append(int(rgb[0, 0, 0]))
        return [face(x, who) for who, x in self.people[int(rgb[0, 0, 0])].items()]

    def follow(self, rgb: np.ndarray, centre: np.ndarray, side: float, roll: float) -> Face | None:
        faces = self.detect(rgb)
        self.detected.pop()
        near = [f for f in faces if abs((f.box[0] + f.box[2]) / 2 - centre[0]) < 40]
        return near[0] if near else None


def pictures(start: int, stop: int) -> list[np.ndarray]:
    return [np.full((200, 600, 3), i, np.uint8) for i in range(start, stop)]


def tracker(scene: Scene) -> Tracker:
    def describe(rgb: np.ndarray, face: Face) -> np.ndarray:
        return LOOKS[round(face.score * 10)]

    return Tracker(scene, describe, 10.0)  # type: ignore[arg-type]


def where(found: dict[int, dict[int, Face]]) -> dict[int, list[int]]:
    return {track: sorted(faces) for track, faces in found.items()}


def test_who_comes_is_followed_back_to_where_they_came_in():
    scene = Scene({i: {1: 100.0 + 5 * i} | ({2: 400.0} if i >= 5 else {}) for i in range(8)})
    t = tracker(scene)
    assert where(t.block(0, pictures(0, 4), True)) == {1: [0, 1, 2, 3]}
    assert where(t.block(4, pictures(4, 8), False)) == {1: [0, 1, 2, 3], 2: [1, 2, 3]}
    assert scene.detected == [0, 3, 7]  # the rest is followed


def test_who_leaves_and_comes_back_keeps_the_number_and_a_stranger_gets_another():
    scene = Scene({i: {1: 100.0} for i in range(4)} | {i: {} for i in range(4, 8)})
    scene.people |= {i: {3: 100.0} for i in range(8, 12)} | {i: {1: 450.0} for i in range(12, 16)}
    t = tracker(scene)
    assert where(t.block(0, pictures(0, 4), True)) == {1: [0, 1, 2, 3]}
    assert where(t.block(4, pictures(4, 8), False)) == {}
    assert where(t.block(8, pictures(8, 12), True)) == {2: [0, 1, 2, 3]}
    assert where(t.block(12, pictures(12, 16), True)) == {1: [0, 1, 2, 3]}


def test_two_tracks_on_one_face_become_the_older_one():
    scene = Scene(
        {i: {1: 100.0, 2: 300.0 - 40 * i} for i in range(5)} | {i: {1: 100.0} for i in range(5, 10)}
    )
    t = tracker(scene)
    t.block(0, pictures(0, 5), True)
    assert where(t.block(5, pictures(5, 10), False)) == {1: [0, 1, 2, 3, 4]}


def test_its_state_is_all_there_is():
    scene = Scene({i: {1: 100.0 + 3 * i, 2: 400.0} for i in range(12)})
    whole, first = tracker(scene), tracker(scene)
    for t in (whole, first):
        t.block(0, pictures(0, 4), True)
    again = tracker(scene)
    again.restore(*first.state())
    for start in (4, 8):
        a = whole.block(start, pictures(start, start + 4), False)
        b = again.block(start, pictures(start, start + 4), False)
        assert where(a) == where(b)
    assert again.state()[0] == whole.state()[0]


def test_a_place_is_upright_in_the_face_s_own_axes():
    one = face(100, 1)
    assert one.landmarks is not None
    turn = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])  # a quarter with the clock
    other = Place.of(Face.from_landmarks(one.landmarks @ turn.T, 1.0))
    straight = Place.of(one)
    assert np.isclose(other.side, straight.side, rtol=1e-4)
    assert np.isclose(other.roll - straight.roll, np.pi / 2)
    assert np.allclose(other.centre, turn[:2, :2] @ straight.centre, atol=1e-2)
