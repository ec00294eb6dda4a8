"""Face tracking: follow faces from frame to frame, and recognise them when they return."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from reage.faces.detection import FaceDetector
from reage.faces.face import Face
from reage.faces.landmarker import overlap

__all__ = ["Found", "Place", "Tracker"]

SAME_PLACE = 0.3  # overlap of boxes of one face in one frame
DOUBLE = 0.55  # overlap at which two tracks have come upon one face
# Likeness (FeatureLikeness) of one person in two shots. Of 1,100 pairs of different portraits the
# middle one has 0.55, the highest 0.76; one portrait, turned, shrunk and in other light, over 0.87.
KNOWN_AGAIN = 0.78
NEARBY = 0.6  # enough where someone was lost a moment ago in just this place
MOMENT = 1.0  # seconds
LOOKS = 3  # remembered of each person, in different poses
REMEMBERED = 40  # persons whose looks are kept
NEW_LOOK = 0.93  # likeness below which a look is worth remembering beside the others


@dataclass(frozen=True)
class Place:
    """The place at which to read a face in the next frame."""

    centre: tuple[float, float]  # pixels
    side: float  # of the upright square around the mesh
    roll: float  # radians
    speed: tuple[float, float] = (0.0, 0.0)  # pixels a frame

    @classmethod
    def of(cls, face: Face, before: Place | None = None) -> Place:
        """Return the place of a face; its speed follows from the frame before."""
        assert face.landmarks is not None
        roll = float(np.radians(face.pose[2]))
        c, s = np.cos(roll), np.sin(roll)
        turn = np.array([[c, -s], [s, c]])
        upright = face.landmarks[:, :2].astype(np.float64) @ turn
        low, high = upright.min(0), upright.max(0)
        x, y = (turn @ ((low + high) / 2)).tolist()
        speed = (0.0, 0.0) if before is None else (x - before.centre[0], y - before.centre[1])
        return cls((x, y), float((high - low).max()), roll, speed)

    @property
    def ahead(self) -> np.ndarray:
        """The expected centre in the next frame."""
        return np.array(self.centre) + self.speed

    @property
    def box(self) -> np.ndarray:
        return np.array([*self.centre, *self.centre]) + self.side / 2 * np.array([-1, -1, 1, 1])

    def plain(self) -> list[Any]:
        return [*self.centre, self.side, self.roll, *self.speed]

    @classmethod
    def read(cls, v: Sequence[float]) -> Place:
        return cls((v[0], v[1]), v[2], v[3], (v[4], v[5]))


Found = dict[int, dict[int, Face]]  # track -> position in the block -> face
Describe = Callable[[np.ndarray, Face], np.ndarray]  # what somebody looks like, a unit vector [D]


@dataclass
class Tracker:
    """Follows faces through blocks of frames of one shot, and holds the whole state."""

    detector: FaceDetector
    describe: Describe
    rate: float  # frames a second
    next_track: int = 1
    live: dict[int, Place] = field(default_factory=dict)
    lost: dict[int, tuple[int, Place]] = field(default_factory=dict)  # last frame, place there
    looks: dict[int, list[np.ndarray]] = field(default_factory=dict)

    def block(self, first: int, pictures: Sequence[np.ndarray], new_shot: bool) -> Found:
        """Find the faces in some frames of one shot, the first of which is number `first`."""
        if new_shot:
            # After a cut, a place says nothing: whoever was there is known by looks alone.
            self.lost = {}
            self.live = {}
        found: Found = {}
        for track, place in sorted(self.live.items()):
            found[track] = self._follow(pictures, range(len(pictures)), place)
        for at in dict.fromkeys([0, len(pictures) - 1] if new_shot else [len(pictures) - 1]):
            for face in self.detector.detect(pictures[at]):
                self._meet(face, at, first, pictures, found)
        _part(found)
        self._remember(first, pictures, found)
        return {track: faces for track, faces in found.items() if faces}

    def _meet(
        self, face: Face, at: int, first: int, pictures: Sequence[np.ndarray], found: Found
    ) -> None:
        """Start to follow a detected face, unless it is followed already."""
        others = [faces[at].box for faces in found.values() if at in faces]
        if others and (overlap(np.array(face.box), np.array(others)) > SAME_PLACE).any():
            return
        busy = {track for track, faces in found.items() if at in faces}
        place = Place.of(face)
        again = self._read(pictures[at], place)  # as the frames around it will be read
        face = again or face
        track = self._recognise(pictures[at], face, first + at, busy)
        if track is None:
            track, self.next_track = self.next_track, self.next_track + 1
        faces = found.setdefault(track, {})
        faces[at] = face
        place = Place.of(face)
        ahead = list(range(at + 1, len(pictures)))
        back = list(range(at - 1, -1, -1))
        for way in (ahead, back):
            for i, other in self._follow(pictures, way, place, stop=set(faces) - {at}).items():
                faces.setdefault(i, other)

    def _follow(
        self,
        pictures: Sequence[np.ndarray],
        way: Sequence[int] | range,
        place: Place,
        stop: set[int] = frozenset(),  # type: ignore[assignment]
    ) -> dict[int, Face]:
        faces: dict[int, Face] = {}
        for i in way:
            if i in stop:
                break
            face = self._read(pictures[i], place)
            if face is None:
                break
            faces[i] = face
            place = Place.of(face, place)
        return faces

    def _read(self, rgb: np.ndarray, place: Place) -> Face | None:
        height, width = rgb.shape[:2]
        x, y = place.ahead
        if not (0 <= x < width and 0 <= y < height):  # half of it is gone, and soon all
            return None
        face = self.detector.follow(rgb, place.ahead, place.side, place.roll)
        if face is None and place.speed != (0.0, 0.0):  # it stopped, or turned round
            face = self.detector.follow(rgb, np.array(place.centre), place.side, place.roll)
        return face

    def _recognise(self, rgb: np.ndarray, face: Face, frame: int, busy: set[int]) -> int | None:
        """Return the track of a person seen before; None: a new person."""
        look = self.describe(rgb, face)
        best, track = -1.0, None
        for known, looks in sorted(self.looks.items()):
            if known in busy:
                continue
            likeness = max(float(look @ other) for other in looks)
            if known in self.lost:
                when, place = self.lost[known]
                near = overlap(np.array(face.box), place.box[None])[0] > SAME_PLACE
                if near and frame - when < MOMENT * self.rate:
                    likeness += KNOWN_AGAIN - NEARBY
            if likeness >= KNOWN_AGAIN and likeness > best:
                best, track = likeness, known
        return track

    def _remember(self, first: int, pictures: Sequence[np.ndarray], found: Found) -> None:
        last = len(pictures) - 1
        live = {}
        for track, faces in found.items():
            if not faces:
                if track in self.live:
                    self.lost[track] = (first - 1, self.live[track])
                continue
            newest = max(faces)
            before = faces.get(newest - 1)
            place = Place.of(faces[newest], Place.of(before) if before else None)
            if newest == last:
                live[track] = place
                self.lost.pop(track, None)
            else:
                self.lost[track] = (first + newest, place)
            self._add_look(track, pictures[newest], faces[newest], first + newest)
        self.live = live

    def _add_look(self, track: int, rgb: np.ndarray, face: Face, frame: int) -> None:
        """Store a description, if the person has none or looks different after a while."""
        looks = self.looks.pop(track, [])
        due = not looks or frame // max(1, round(2 * self.rate)) != self._period.get(track)
        if due and (not looks or abs(face.pose[0]) < 40):
            self._period[track] = frame // max(1, round(2 * self.rate))
            look = self.describe(rgb, face)
            if not looks or max(float(look @ other) for other in looks) < NEW_LOOK:
                looks = [*looks, look][-LOOKS:]
        self.looks[track] = looks  # the last one seen is the last in order
        while len(self.looks) > REMEMBERED:
            self.looks.pop(next(iter(self.looks)))

    _period: dict[int, int] = field(default_factory=dict)  # when a track was last looked at

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Return everything needed to resume, as plain data and arrays."""
        plain = {
            "next": self.next_track,
            "live": [[t, p.plain()] for t, p in self.live.items()],
            "lost": [[t, when, p.plain()] for t, (when, p) in self.lost.items()],
            "looks": [[t, len(looks)] for t, looks in self.looks.items()],
            "period": list(self._period.items()),
        }
        stacked = [look for looks in self.looks.values() for look in looks]
        return plain, {"looks": np.array(stacked, np.float32)}

    def restore(self, plain: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
        """Restore the result of `state`."""
        self.next_track = plain["next"]
        self.live = {t: Place.read(p) for t, p in plain["live"]}
        self.lost = {t: (when, Place.read(p)) for t, when, p in plain["lost"]}
        self._period = dict(plain["period"])
        looks = iter(arrays["looks"])
        self.looks = {t: [next(looks) for _ in range(count)] for t, count in plain["looks"]}


def _part(found: Found) -> None:
    """If two tracks follow one face, leave it to the older one."""
    for younger in sorted(found, reverse=True):
        for older in sorted(found):
            if older >= younger:
                break
            for i in sorted(set(found[older]) & set(found[younger])):
                a, b = found[older][i].box, found[younger][i].box
                if overlap(np.array(a), np.array([b]))[0] > DOUBLE:
                    del found[younger][i]
