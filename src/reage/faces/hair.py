"""Where somebody's hair is in a photo: what shows a person, and is no skin and no clothes.

MediaPipe's selfie segmentation says where a person is; `parting` finds the hair in that.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from reage.errors import ModelError
from reage.faces.alignment import FaceCrop, crop_face, face_quad, to_unit
from reage.faces.bands import LUMA
from reage.faces.face import Face
from reage.faces.landmarker import LiteNetwork
from reage.faces.parting import HEAD_SIDE, OUTLINE, box_mean, filled, share_of_hair

__all__ = ["HEAD_SCALE", "HEAD_SHIFT", "Hair", "PersonFinder", "blended", "find_hair", "head_crop"]

HEAD_SCALE, HEAD_SHIFT = 1.3, 0.1
SHOWN = 0.45  # of that square at least: of a tight crop it cannot be told what is hair
PERSON_FILE = Path(__file__).parent.parent / "assets" / "mediapipe" / "selfie_segmentation.tflite"

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


class PersonFinder:
    """MediaPipe's selfie segmentation (2021): which pixels show a person. Safe for threads."""

    def __init__(self, num_threads: int = 1) -> None:
        try:
            content = PERSON_FILE.read_bytes()
        except OSError as error:
            raise ModelError(f"cannot read {PERSON_FILE}: reinstall reage") from error
        self._network = LiteNetwork(content, num_threads, (1, HEAD_SIDE, HEAD_SIDE, 3))

    def __call__(self, rgb: np.ndarray) -> np.ndarray:
        """Probabilities `[256, 256]` float32 of a uint8 picture `[256, 256, 3]`."""
        assert rgb.shape == (HEAD_SIDE, HEAD_SIDE, 3), rgb.shape
        (found,) = self._network(rgb[None].astype(np.float32) / 255).values()
        return found[0, ..., 0].copy()


def head_crop(rgb: np.ndarray, face: Face) -> FaceCrop:
    """Cut the square around a head out of a photo `[H, W, 3]`."""
    return crop_face(rgb, face_quad(face, HEAD_SCALE, HEAD_SHIFT), HEAD_SIDE)


def find_hair(head: FaceCrop, face: Face, finder: PersonFinder) -> Hair | None:
    """Find the hair of a face in the square around its head; None where there is none to be seen.

    That is so for bald heads, for photos that show too little of the head, and for faces that were
    given by points alone.
    """
    if face.landmarks is None or head.mask.mean() < SHOWN:
        return None
    mesh = to_unit(face.landmarks[:, :2], head.quad) * HEAD_SIDE - 0.5
    light = head.image.astype(np.float32) @ LUMA / 255
    share = share_of_hair(head.image, finder(head.image) * head.mask, mesh)
    if share is None:
        return None
    slope, offset = _guided(light, share)
    weight = box_mean(share, NEARBY)
    mean = float((light * share).sum() / share.sum())
    around = np.where(
        weight > 0.01, box_mean(light * share, NEARBY) / np.maximum(weight, 0.01), mean
    )
    away = np.square(light - around) * share
    skin = float(np.percentile(light[filled(mesh[OUTLINE])], 90))
    spread = float(np.sqrt(away.sum() / share.sum()))
    return Hair(head.quad, slope, offset, around.astype(np.float32), mean, spread, skin)


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
