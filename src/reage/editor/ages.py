"""The ages of all faces of a photo."""

from __future__ import annotations

from reage.compositing.view import crop_for_age, read_age
from reage.faces.detection import FaceDetector
from reage.faces.face import left_to_right
from reage.images import Photo, to_tensor
from reage.networks.judges.age_reader import AgeReader
from reage.types import FaceAge

__all__ = ["read_ages"]


def read_ages(photo: Photo, detector: FaceDetector, age_network: AgeReader) -> list[FaceAge]:
    """Read the apparent age of every face, from left to right; empty for none."""
    found = []
    for number, face in enumerate(left_to_right(detector.detect(photo.rgb8, all_ways_up=True)), 1):
        crop = to_tensor(crop_for_age(photo.pixels, face).image).to(age_network.ages.device)
        reading = read_age(age_network, crop)
        x0, y0, x1, y1 = (float(v) for v in face.box)
        found.append(FaceAge(number, (x0, y0, x1, y1), reading.age, reading.spread))
    return found
