"""Somebody's hair in a photo: layers that say at any size how much of a pixel is hair."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import numpy as np

from reage.compositing.hair.mask import (
    PERSON_SIDE,
    HairFinders,
    Head,
    is_bald_or_covered,
    is_cut_off,
    is_grey,
    look_at_head,
)
from reage.compositing.hair.regions import box_mean
from reage.compositing.tone import Tone
from reage.faces.detection import FaceDetector
from reage.faces.face import Face
from reage.faces.squares import (
    FaceCrop,
    crop_face,
    face_quad,
    from_unit,
    pixels_within,
    quad_side,
)

__all__ = [
    "WINDOWS",
    "Hair",
    "Window",
    "blended",
    "faces_beside",
    "find_hair",
    "others_in",
]

LEAST_HAIR = 0.003  # of the square
UNIT_SQUARE = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 1.0], [1.0, 0.0]])
SMOOTH, EDGE = 3, 2e-4  # places and squared light: of the guided filter
NEARBY = 9  # places on each side, over which the light of hair is evened


@dataclass(frozen=True)
class Window:
    """A square around a head, as `face_quad` takes it."""

    scale: float
    shift: float
    side: int  # places of the layers of hair


# The first is enough for most; the others follow long hair, the last to the waist.
WINDOWS = (Window(1.5, 0.5, 256), Window(2.25, 1.0, 384), Window(3.4, 2.0, 512))


@dataclass(frozen=True, eq=False)
class Hair:
    """The hair of one head in a photo; light is of 0..1, layers are `[S, S]` float32.

    How much of a pixel is hair is `slope * light + offset`, so it follows single strands at the
    photo's full size (He and Sun, "Fast Guided Filter", 2015).
    """

    quad: np.ndarray  # [4, 2] the square around the head in the photo, TL, BL, BR, TR
    window: Window  # which square that is
    tone: Tone  # of the photo
    slope: np.ndarray
    offset: np.ndarray
    around: np.ndarray  # mean light of the hair nearby
    light: float  # of all of it, the mean
    spread: float  # how far strands are from what is around them
    skin: float  # light of the brighter skin

    @property
    def layers(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return self.slope, self.offset, self.around

    def region(self, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
        """x0, y0, x1, y1 (exclusive) of the pixels of a picture, height first, that it covers."""
        return pixels_within(self.quad, UNIT_SQUARE, shape)


def find_hair(
    cut: Callable[[np.ndarray], FaceCrop],
    face: Face,
    finders: HairFinders,
    others: np.ndarray,
    windows: Sequence[Window] = WINDOWS,
) -> Hair | None:
    """Find the hair of a face; None where none is to turn grey.

    That is so for bald, covered and grey heads, for hair that goes on beyond the largest of the
    `windows`, and for faces that were given by points alone. `cut` gives the picture of a square
    `[4, 2]` at `mask.HEAD_SIDE` pixels. What is nearer to one of the `others` `[N, 3]`
    (`faces_beside`) is that one's.
    """
    if face.landmarks is None:
        return None
    for window in windows:
        quad = face_quad(face, window.scale, window.shift)
        head = look_at_head(cut(quad), face, finders, others, window.side)
        if is_bald_or_covered(head) or head.share.sum() < LEAST_HAIR * head.share.size:
            return None
        if not is_cut_off(head):
            return None if is_grey(head) else _hair_of(head, quad, window)
    return None


def faces_beside(rgb: np.ndarray, face: Face, detector: FaceDetector) -> np.ndarray:
    """Middles and heights of other faces around a head in a photo, `[N, 3]` pixels."""
    quad = face_quad(face, 2 * WINDOWS[0].scale, WINDOWS[0].shift)
    return others_in(crop_face(rgb, quad, PERSON_SIDE).image, quad, face.points, detector)


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


def blended(first: Hair, second: Hair, share: float, quad: np.ndarray) -> Hair:
    """Between two findings of the same hair in the same window, now in the square `quad`.

    `share` 1 is the second.
    """
    assert first.window == second.window, "hair of two windows"
    values = {
        field.name: (1 - share) * getattr(first, field.name) + share * getattr(second, field.name)
        for field in fields(Hair)
        if field.name not in ("quad", "window", "tone")
    }
    return Hair(quad, second.window, second.tone, **values)


def _hair_of(head: Head, quad: np.ndarray, window: Window) -> Hair:
    """The layers that tell hair at any size."""
    light, share, shown = head.light, head.share, np.maximum(head.shown, 1e-3)
    slope, offset = _guided(light, share, shown)
    weights = share * shown
    mean = float((light * weights).sum() / weights.sum())
    weight = box_mean(weights, NEARBY)
    nearby = box_mean(light * weights, NEARBY) / np.maximum(weight, 0.01)
    around = np.where(weight > 0.01, nearby, mean)
    spread = float(np.sqrt((np.square(light - around) * weights).sum() / weights.sum()))
    skin = light[head.places.near] if head.places.near.any() else light
    slope, offset, around = (layer.astype(np.float32) for layer in (slope, offset, around))
    brighter = float(np.percentile(skin, 90))
    return Hair(quad, window, head.tone, slope, offset, around, mean, spread, brighter)


def _guided(light: np.ndarray, share: np.ndarray, shown: np.ndarray) -> list[np.ndarray]:
    """Slope and offset of the guided filter (He, Sun and Tang 2013), of what is in the photo."""
    total = box_mean(shown, SMOOTH)

    def mean(layer: np.ndarray) -> np.ndarray:
        return box_mean(layer * shown, SMOOTH) / total

    mean_light, mean_share = mean(light), mean(share)
    together = mean(light * share) - mean_light * mean_share
    slope = together / (mean(light * light) - mean_light**2 + EDGE)
    return [mean(slope), mean(mean_share - slope * mean_light)]
