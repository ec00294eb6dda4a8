"""Where somebody's hair is in a photo: what shows a person, and is no skin and no clothes.

MediaPipe's selfie segmentation says where a person is; `parting` finds the hair in that.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields

import numpy as np

from reage.compositing.bands import LUMA
from reage.compositing.hair.regions import HEAD_SIDE, OUTLINE, box_mean, filled, share_of_hair
from reage.faces.detection import FaceDetector
from reage.faces.face import Face
from reage.faces.landmarker import LiteNetwork, mediapipe_model
from reage.faces.squares import (
    FaceCrop,
    crop_face,
    face_quad,
    from_unit,
    pixels_within,
    quad_side,
    to_unit,
)

__all__ = [
    "HEAD_SCALE",
    "HEAD_SHIFT",
    "Hair",
    "PersonFinder",
    "blended",
    "faces_beside",
    "find_hair",
    "head_crop",
    "others_in",
]

HEAD_SCALE, HEAD_SHIFT = 1.5, 0.5
SHOWN = 0.33  # of that square at least: of a tight crop it cannot be told what is hair

UNIT_SQUARE = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 1.0], [1.0, 0.0]])
FADE = 0.06  # of the square's side, over which hair ends at its edges
WARM = 30.0  # levels of 255 between the channels of skin, from which on a photo has colours
SMOOTH, EDGE = 3, 2e-4  # places and squared light: of the guided filter
NEARBY = 9  # places on each side, over which the light of hair is evened


@dataclass(frozen=True, eq=False)
class Hair:
    """The hair of one head in a photo; light is of 0..1, layers are `[256, 256]` float32.

    How much of a pixel is hair is `slope * light + offset`, so it follows single strands at the
    photo's full size (He and Sun, "Fast Guided Filter", 2015).
    """

    quad: np.ndarray  # [4, 2] the square around the head in the photo, TL, BL, BR, TR
    slope: np.ndarray
    offset: np.ndarray
    around: np.ndarray  # mean light of the hair nearby
    light: float  # of all of it, the mean
    spread: float  # how far strands are from what is around them
    skin: float  # light of the brighter skin
    warmth: float = 1.0  # 0: the photo has no colours

    @property
    def layers(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return self.slope, self.offset, self.around

    def region(self, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
        """x0, y0, x1, y1 (exclusive) of the pixels of a picture, height first, that it covers."""
        return pixels_within(self.quad, UNIT_SQUARE, shape)


class PersonFinder:
    """MediaPipe's selfie segmentation (2021): which pixels show a person. Safe for threads."""

    def __init__(self, num_threads: int = 1) -> None:
        content = mediapipe_model("selfie_segmentation.tflite")
        self.sha256 = hashlib.sha256(content).hexdigest()
        self._network = LiteNetwork(content, num_threads, (1, HEAD_SIDE, HEAD_SIDE, 3))

    def __call__(self, rgb: np.ndarray) -> np.ndarray:
        """Probabilities `[256, 256]` float32 of a uint8 picture `[256, 256, 3]`."""
        assert rgb.shape == (HEAD_SIDE, HEAD_SIDE, 3), rgb.shape
        (found,) = self._network(rgb[None].astype(np.float32) / 255).values()
        return found[0, ..., 0].copy()


def head_crop(rgb: np.ndarray, face: Face) -> FaceCrop:
    """Cut the square around a head out of a photo `[H, W, 3]`."""
    return crop_face(rgb, face_quad(face, HEAD_SCALE, HEAD_SHIFT), HEAD_SIDE)


def find_hair(head: FaceCrop, face: Face, finder: PersonFinder, others: np.ndarray) -> Hair | None:
    """Find the hair of a face in the square around its head; None where none is to turn grey.

    That is so for bald and for grey heads, for photos that show too little of the head, and for
    faces that were given by points alone. What is nearer to one of the `others` `[N, 3]`
    (`faces_beside`) is that one's.
    """
    if face.landmarks is None or head.mask.mean() < SHOWN:
        return None
    mesh = to_unit(face.landmarks[:, :2], head.quad) * HEAD_SIDE - 0.5
    light = head.image.astype(np.float32) @ LUMA / 255
    person = finder(head.image) * head.mask * _own(head, mesh, others)
    edge = _towards_edge()
    person *= np.minimum(edge[:, None], edge)
    share = share_of_hair(head.image, person, mesh)
    if share is None:
        return None
    slope, offset = _guided(light, share)
    weight = box_mean(share, NEARBY)
    mean = float((light * share).sum() / share.sum())
    around = np.where(
        weight > 0.01, box_mean(light * share, NEARBY) / np.maximum(weight, 0.01), mean
    )
    away = np.square(light - around) * share
    face_at = filled(mesh[OUTLINE])
    skin = float(np.percentile(light[face_at], 90))
    spread = float(np.sqrt(away.sum() / share.sum()))
    layers = slope, offset, around.astype(np.float32)
    return Hair(head.quad, *layers, mean, spread, skin, _warmth(head.image[face_at]))


def faces_beside(rgb: np.ndarray, face: Face, detector: FaceDetector) -> np.ndarray:
    """Middles and heights of other faces around a head in a photo, `[N, 3]` pixels."""
    quad = face_quad(face, 2 * HEAD_SCALE, HEAD_SHIFT)
    return others_in(crop_face(rgb, quad, HEAD_SIDE).image, quad, face.points, detector)


def others_in(
    image: np.ndarray, quad: np.ndarray, points: np.ndarray, detector: FaceDetector
) -> np.ndarray:
    """The same of faces in the picture of a square, but for that with the five `points`.

    `quad`, `points` and what comes out are in the same pixels, whatever picture those are of.
    """
    found, scale = [], quad_side(quad) / len(image)
    for face in detector.detect(image):
        x0, y0, x1, y1 = face.box
        middle = from_unit((np.array([x0 + x1, y0 + y1]) / 2 + 0.5) / len(image), quad)
        if np.hypot(*(middle - points.mean(0))) > (y1 - y0) * scale / 2:
            found.append([*middle, (y1 - y0) * scale])
    return np.array(found).reshape(-1, 3)


def _own(head: FaceCrop, mesh: np.ndarray, others: np.ndarray) -> np.ndarray:
    """What is nearer to this face, by its height, than to any other, `[256, 256]` bool."""
    y, x = np.mgrid[:HEAD_SIDE, :HEAD_SIDE]
    low, high = mesh.min(0), mesh.max(0)
    middles = to_unit(others[:, :2], head.quad) * HEAD_SIDE - 0.5
    heights = others[:, 2] * HEAD_SIDE / quad_side(head.quad)
    places = [((low + high) / 2, high[1] - low[1]), *zip(middles, heights, strict=True)]
    away = np.stack([np.hypot(x - at[0], y - at[1]) / height for at, height in places])
    return away.argmin(0) == 0


def _towards_edge() -> np.ndarray:
    """How much counts along a side of the square `[256]`: nothing ends in a straight cut."""
    places = np.arange(HEAD_SIDE) + 0.5
    return np.clip(np.minimum(places, HEAD_SIDE - places) / (FADE * HEAD_SIDE), 0, 1)


def _warmth(skin: np.ndarray) -> float:
    """0 for a photo without colours, 1 for usual ones, of pixels `[N, 3]` of a face."""
    return float(np.clip(np.ptp(skin.astype(int), axis=-1).mean() / WARM, 0, 1))


def blended(first: Hair, second: Hair, share: float, quad: np.ndarray) -> Hair:
    """Between two findings of the same hair, in the square `quad`; `share` 1 is the second."""
    values = {
        field.name: (1 - share) * getattr(first, field.name) + share * getattr(second, field.name)
        for field in fields(Hair)
        if field.name != "quad"
    }
    return Hair(quad, **values)


def _guided(light: np.ndarray, share: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Slope and offset of the guided filter (He, Sun and Tang 2013), radius SMOOTH."""
    mean_light, mean_share = box_mean(light, SMOOTH), box_mean(share, SMOOTH)
    together = box_mean(light * share, SMOOTH) - mean_light * mean_share
    slope = together / (box_mean(light * light, SMOOTH) - mean_light**2 + EDGE)
    offset = mean_share - slope * mean_light
    return box_mean(slope, SMOOTH).astype(np.float32), box_mean(offset, SMOOTH).astype(np.float32)
