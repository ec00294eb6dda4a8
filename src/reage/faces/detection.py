"""Find every face of a photo, however large the photo and however small or turned the face."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from reage.faces.face import Face, left_to_right, parse_points, select_faces
from reage.faces.landmarker import MESH_SIZE, BlazeFace, Detections, FaceMesh, overlap
from reage.faces.pyramid import FINE, TILE, WHOLE, Level, Photo, levels, resize_to, tiles
from reage.faces.sampling import sample_quad

__all__ = ["Face", "FaceDetector", "left_to_right", "parse_points", "select_faces"]

TILE_SCORE = 0.6  # in a large photo there are many more places to be wrong in
SHARES = 0.25, 0.5  # of the square that is read again around a candidate, which its box takes
# Mean score of the three readings that is believed, of the whole photo and of its tiles. Of 492
# faces from 26 to 300 px pasted into scenes, 98 % had over 0.87; of 115 boxes without a face, in
# textures and behind erased faces, none had over 0.63 in the whole photo, 0.80 in tiles.
BELIEF, BELIEF_SMALL = 0.65, 0.82
UPRIGHT = 0.9  # mean score that only faces seen upright reach: no need to turn them
CROWD = 0.2  # of the longer side: next to a larger face, faces under 4 % do not count
PRESENCE = 0.5
SAME_FACE = 0.3  # overlap of the landmarks' boxes
HALF_PIXEL = np.array([0.5, 0.5, 0.0])  # between counting from centres and from edges; not in z


class FaceDetector:
    """MediaPipe's Face Landmarker over several sizes of a photo, as it lies and turned.

    `min_score` is of the detector's first reading. Safe to call from several threads.
    """

    def __init__(self, min_score: float = 0.5, num_threads: int = 1) -> None:
        self.min_score = min_score
        self._detect_whole = BlazeFace(WHOLE, num_threads)
        self._detect_tile = BlazeFace(TILE, num_threads)
        self._mesh = FaceMesh(num_threads)

    def detect(self, rgb: np.ndarray, *, all_ways_up: bool = False) -> list[Face]:
        """Return the faces in a uint8 photo `[H, W, 3]`, largest first; none is an empty list.

        `all_ways_up`: also look for large turned faces beside upright ones.
        """
        assert rgb.dtype == np.uint8, rgb.dtype
        assert rgb.ndim == 3, rgb.shape
        height, width = rgb.shape[:2]
        faces: list[Face] = []
        # A photo without its orientation tag may lie on its side.
        for turns in range(4):
            if faces and not all_ways_up:
                break
            size = (width, height) if turns % 2 == 0 else (height, width)
            known = [_turn_back(face, -turns % 4, *size) for face in faces]
            turned = Photo.of(np.rot90(rgb[..., :3], turns))
            found = self._search(turned, known, TILE if faces else FINE)
            faces += [_turn_back(face, turns, width, height) for face in found]
        return sorted(faces, key=lambda face: -face.size)

    def follow(self, rgb: np.ndarray, centre: np.ndarray, side: float, roll: float) -> Face | None:
        """Read the face that a frame before was `side` pixels large here; None where it is gone.

        One reading of the mesh, an eighth of a detection's work. `roll` is in radians.
        """
        near = _Candidate(np.asarray(centre, np.float64), side, roll, 1.0)
        face = self._landmarks(Photo(rgb, rgb, 1), near)
        return face if face.score >= PRESENCE and _plausible(face, near) else None

    def _search(self, photo: Photo, known: Sequence[Face], finest: int) -> list[Face]:
        """Find the faces of a photo as it lies, from coarse to fine, beside those known."""
        faces = list(known)
        longer = max(photo.full.shape[:2])
        for level in levels(longer):
            crowd = level.size <= TILE or all(_longer_side(f) <= CROWD * longer for f in faces)
            if level.size > finest or not crowd:
                break
            for seen in self._candidates(level, photo):
                if _known(faces, seen.box):
                    continue
                sure = self._look_again(
                    photo, seen, BELIEF if level.size == WHOLE else BELIEF_SMALL
                )
                if sure is None:
                    continue
                # The whole photo is read as MediaPipe does; elsewhere the second look is better.
                place = seen if level.size == WHOLE and sure.upright else sure
                face = self._landmarks(photo, place)
                plausible = face.score >= PRESENCE and _plausible(face, place)
                if plausible and not _known(faces, face.box):
                    faces.append(face)
        return faces[len(known) :]

    def _landmarks(self, photo: Photo, place: _Candidate) -> Face:
        pixels, factor = photo.at(place.side / MESH_SIZE)
        centre = (place.centre + 0.5) / factor - 0.5
        mesh, presence = self._mesh(pixels, centre, place.side / factor, place.roll)
        return Face.from_landmarks((mesh + HALF_PIXEL) * factor - HALF_PIXEL, presence)

    def _candidates(self, level: Level, photo: Photo) -> Iterator[_Candidate]:
        """Yield what one size of the photo shows."""
        pixels = resize_to(photo.small, level.size)
        fx, fy = (np.array(photo.small.shape[1::-1]) / pixels.shape[1::-1] * photo.factor).tolist()
        whole = level.tile == WHOLE
        for x, y, tile in tiles(pixels, level.tile):
            if whole:
                found = self._detect_whole(tile, self.min_score)
            else:
                found = self._detect_tile(tile, max(self.min_score, TILE_SCORE))
            origin = np.array([(x + 0.5) * fx - 0.5, (y + 0.5) * fy - 0.5])
            for i, side in enumerate((found.boxes[:, 2:] - found.boxes[:, :2]).max(axis=1)):
                if level.smallest <= side <= level.largest:
                    yield _candidate(found, i, origin, np.array([fx, 0.0]), np.array([0.0, fy]))

    def _look_again(self, photo: Photo, seen: _Candidate, needed: float) -> _Candidate | None:
        """Read a candidate's surroundings at sizes that the detector knows best; None: no face.

        What looks like a face at one size only (a car's wheel, a pattern) fails. An upside-down
        face passes for an upright one, with forehead and chin exchanged, unless compared.
        """
        best = self._read_around(photo, seen, 0)
        if (best.score * len(SHARES) + seen.score) / (len(SHARES) + 1) < needed:
            return None
        if best.score < UPRIGHT:
            turned = [self._read_around(photo, seen, turns) for turns in (1, 2, 3)]
            best = max([best, *turned], key=lambda candidate: candidate.score)
        return best

    def _read_around(self, photo: Photo, seen: _Candidate, turns: int) -> _Candidate:
        """Find a candidate again in squares around it, turned by quarters; score 0 if not there."""
        scores, candidate = [], seen
        across = np.array([(1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0)][turns])
        for share in SHARES:  # the last one, where the face is larger, gives the place
            x = across * candidate.side / share / 2
            y = np.array([-x[1], x[0]])
            quad = candidate.centre + np.stack([-x - y, y - x, x + y, x - y])
            pixels, factor = photo.at(candidate.side / share / WHOLE)
            pixels = sample_quad(pixels, (quad + 0.5) / factor - 0.5, WHOLE)
            found = self._detect_whole(pixels, 0.05)
            middles = (found.boxes[:, :2] + found.boxes[:, 2:]) / 2
            sizes = (found.boxes[:, 2:] - found.boxes[:, :2]).max(axis=1) / (share * WHOLE)
            near = np.abs(middles - WHOLE / 2).max(axis=1) < 0.5 * share * WHOLE
            hits = np.flatnonzero(near & (sizes > 0.6) & (sizes < 1.6))
            if not hits.size:
                return _Candidate(seen.centre, seen.side, seen.roll, 0.0)
            x, y = x * 2 / WHOLE, y * 2 / WHOLE
            candidate = _candidate(found, hits[0], quad[0] + (x + y) / 2, x, y)
            scores.append(candidate.score)
        return _Candidate(
            candidate.centre, candidate.side, candidate.roll, float(np.mean(scores)), turns == 0
        )


@dataclass(frozen=True)
class _Candidate:
    """What the detector takes for a face, in pixels of the photo."""

    centre: np.ndarray  # [2]
    side: float
    roll: float  # radians, of the line from the left to the right eye
    score: float
    upright: bool = True  # found without turning the picture

    @property
    def box(self) -> np.ndarray:
        return np.concatenate([self.centre - self.side / 2, self.centre + self.side / 2])


def _candidate(
    found: Detections, index: int, origin: np.ndarray, x: np.ndarray, y: np.ndarray
) -> _Candidate:
    """Map a detection to the photo, where the detector's pixel (i, j) is origin + i x + j y."""
    box, (left, right) = found.boxes[index], found.keypoints[index, :2]
    middle = (box[:2] + box[2:]) / 2
    across = (right[0] - left[0]) * x + (right[1] - left[1]) * y
    size = box[2:] - box[:2]
    side = max(size[0] * np.hypot(*x), size[1] * np.hypot(*y))
    centre = origin + middle[0] * x + middle[1] * y
    roll = np.arctan2(across[1], across[0])
    return _Candidate(centre, float(side), float(roll), float(found.scores[index]))


def _known(faces: list[Face], box: Sequence[float] | np.ndarray) -> bool:
    """Whether a box shows, whole or in part, a face that was found before."""
    if not faces:
        return False
    known, candidate = np.array([face.box for face in faces]), np.asarray(box, np.float64)
    centre = (candidate[:2] + candidate[2:]) / 2
    within = ((known[:, :2] < centre) & (centre < known[:, 2:])).all(1)
    return bool(within.any() or (overlap(candidate, known) > SAME_FACE).any())


def _plausible(face: Face, place: _Candidate) -> bool:
    """Whether the landmarks lie where, and are about as large as, the box that led to them."""
    x0, y0, x1, y1 = face.box
    shift = np.abs(np.array([x0 + x1, y0 + y1]) / 2 - place.centre).max()
    return 0.5 < _longer_side(face) / place.side < 2.0 and bool(shift < 0.5 * place.side)


def _longer_side(face: Face) -> float:
    x0, y0, x1, y1 = face.box
    return max(x1 - x0, y1 - y0)


def _turn_back(face: Face, quarter_turns: int, width: int, height: int) -> Face:
    """Map a face in `np.rot90(photo, quarter_turns)` to the photo of this width and height."""
    if quarter_turns == 0:
        return face
    assert face.landmarks is not None
    x, y, z = face.landmarks.T
    if quarter_turns == 1:
        x, y = width - 1 - y, x
    elif quarter_turns == 2:
        x, y = width - 1 - x, height - 1 - y
    else:
        x, y = y, height - 1 - x
    return Face.from_landmarks(np.stack([x, y, z], axis=1), face.score)
