"""Examine one picture: detect, measure, crop and encode its faces."""

from __future__ import annotations

import hashlib
import io

import numpy as np
import torch
from PIL import Image

from reage.compositing.view import crop_for_age
from reage.datasets.prepare.options import PrepareOptions
from reage.datasets.prepare.records import Examined, FaceRecord, Record
from reage.datasets.prepare.sources import Picture, read_picture, read_side_labels
from reage.errors import FaceError, ImageError
from reage.faces.detection import FaceDetector
from reage.faces.face import Face, left_to_right, select_faces
from reage.faces.squares import FaceCrop, crop_face, face_quad, quad_side
from reage.images import decode_photo, to_tensor
from reage.models.pretrained import load_age_network

__all__ = ["Examiner", "colourfulness", "encode_webp", "look_of", "sharpness"]

# The square and size that the age network reads best (reage.agers.faces has the same). The
# sharpness is measured there too, so that its limit does not depend on the crops' size.
READING = (0.70, 0.22, 128)
GREYEST = 5.0  # mean of the pixels' largest less smallest colour; of colour pictures, 10 or more
LOOK_SIDE = 16


class Examiner:
    """Everything needed to examine a picture, loaded once per process."""

    def __init__(self, options: PrepareOptions):
        self.options = options
        self.detector = FaceDetector()
        self.age_network = load_age_network()

    def examine(self, picture: Picture) -> Examined:
        """Find, measure and cut out the faces of a picture."""
        digest = ""
        try:
            data = read_picture(picture)
            digest = hashlib.sha256(data).hexdigest()
            labels = read_side_labels(picture)
            rgb = decode_photo(data, picture.name).rgb8
        except ImageError as error:
            return Examined(Record(picture.key, digest, "unreadable", str(error)))
        faces = left_to_right(self.detector.detect(rgb, all_ways_up=True))
        if not faces:
            return Examined(Record(picture.key, digest, "no face", "none was found"))
        if len(faces) > 1 and self.options.faces == "skip":
            detail = f"{len(faces)} were found"
            return Examined(Record(picture.key, digest, "several faces", detail))
        chosen = faces if self.options.faces == "all" else select_faces(faces, "largest")
        found = [self._face(rgb, face, 1 + _index(faces, face)) for face in chosen]
        records, crops = tuple(r for r, _ in found), tuple(c for _, c in found if c)
        return Examined(Record(picture.key, digest, labels=labels, faces=records), crops)

    def _face(self, rgb: np.ndarray, face: Face, number: int) -> tuple[FaceRecord, bytes]:
        """Measure a face; it gets a crop unless there is a reason to leave it out."""
        options = self.options
        quad = face_quad(face, options.scale, options.shift)
        yaw, pitch, _ = face.pose
        if quad_side(quad) < options.smallest:
            detail = f"{quad_side(quad):.0f} px, less than {options.smallest:g}"
            return FaceRecord(number, "small", detail), b""
        if abs(yaw) > options.max_yaw or abs(pitch) > options.max_pitch:
            return FaceRecord(number, "turned", f"yaw {yaw:.0f}°, pitch {pitch:.0f}°"), b""
        try:
            crop = crop_face(rgb, quad, options.size)
        except FaceError:
            return FaceRecord(number, "padded", "the square lies outside the picture"), b""
        padding = 1.0 - float(crop.mask.mean())
        if padding > options.max_padding:
            return FaceRecord(number, "padded", f"{padding:.0%} lie outside the picture"), b""
        reading = self._age_crop(rgb, face, crop)
        if not options.grey and colourfulness(reading.image) < GREYEST:
            return FaceRecord(number, "grey", "it has no colour"), b""
        sharp = sharpness(reading.image)
        if sharp < options.min_sharpness:
            detail = f"sharpness {sharp:.1f}, less than {options.min_sharpness:g}"
            return FaceRecord(number, "blurred", detail), b""
        age, spread = self._read_age(crop_for_age(rgb, face).image)
        record = FaceRecord(
            number,
            yaw=round(yaw, 4),
            pitch=round(pitch, 4),
            padding=round(padding, 4),
            sharpness=round(sharp, 4),
            apparent_age=round(age, 4),
            apparent_age_spread=round(spread, 4),
            look=look_of(reading.image),
        )
        return record, encode_webp(crop.image, options.quality)

    def _age_crop(self, rgb: np.ndarray, face: Face, crop: FaceCrop) -> FaceCrop:
        scale, shift, size = READING
        if (self.options.scale, self.options.shift, self.options.size) == READING:
            return crop
        return crop_face(rgb, face_quad(face, scale, shift), size)

    @torch.no_grad()
    def _read_age(self, image: np.ndarray) -> tuple[float, float]:
        age, spread = self.age_network.read(to_tensor(image))
        return float(age[0]), float(spread[0])


def sharpness(image: np.ndarray) -> float:
    """Variance of the Laplacian of the luma of `[H, W, 3]` uint8; at the edges it is mirrored."""
    grey = np.pad(_luma(image).astype(np.float64), 1, mode="reflect")
    across = grey[1:-1, :-2] + grey[1:-1, 2:]
    return float((across + grey[:-2, 1:-1] + grey[2:, 1:-1] - 4 * grey[1:-1, 1:-1]).var())


def colourfulness(image: np.ndarray) -> float:
    """Mean over the pixels of their largest less their smallest colour, 0..255."""
    return float((image.max(axis=2).astype(np.int16) - image.min(axis=2)).mean())


def look_of(image: np.ndarray) -> str:
    """The difference hash (dHash) of a face: which of 16x16 places is lighter than its left one.

    The usual 64 bits are too few for faces that all lie alike: of 2,850 faces, 49 pairs of
    different ones differ in at most two of those.
    """
    small = Image.fromarray(_luma(image)).resize((LOOK_SIDE + 1, LOOK_SIDE), Image.Resampling.BOX)
    levels = np.asarray(small).astype(np.int16)
    return np.packbits(levels[:, 1:] > levels[:, :-1]).tobytes().hex()


def encode_webp(image: np.ndarray, quality: int) -> bytes:
    """Encode `[H, W, 3]` uint8 as WebP."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "WEBP", quality=quality, method=4)
    return buffer.getvalue()


def _luma(image: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(image).convert("L"))


def _index(faces: list[Face], face: Face) -> int:
    return next(i for i, other in enumerate(faces) if other is face)
