"""One face of one photo as the networks see it: the cropped squares, and the estimated age."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from reage.compositing.bands import LUMA
from reage.compositing.change import PasteMode
from reage.compositing.cover import Cover, find_cover
from reage.compositing.paste import scale_detail
from reage.compositing.tone import Tone, has_one_tone, neutral_print
from reage.compositing.visible import exposure
from reage.errors import ImageError
from reage.faces.face import Face
from reage.faces.readings import AgeReading
from reage.faces.squares import (
    FaceCrop,
    crop_face,
    eye_mask,
    face_mask,
    face_quad,
    quad_side,
    to_unit,
)
from reage.images import to_array, to_tensor
from reage.models.checkpoints import Alignment
from reage.networks.judges.age_reader import AgeReader
from reage.networks.occlusion import OcclusionNetwork

__all__ = [
    "AGE_ALIGNMENT",
    "AGE_SIDE",
    "EYES_TO_MOUTH",
    "FEATHER",
    "FaceView",
    "age_square",
    "aligned_crop",
    "crop_for_age",
    "fit_tone",
    "read_age",
    "read_ages",
    "reading_of",
    "usual_points",
    "view_crop",
    "view_face",
    "whole_quad",
]

# The square that the age network reads best: on the 2,850 labelled faces of the validation split
# its mean error to the middle of the bin is 7.2 years (correlation 0.80). In the wider square of
# the embedded model, centred higher, it is 9.9 (0.59), and 70-year-olds pass for 45.
AGE_ALIGNMENT = Alignment(scale=0.60, shift=0.46)
EYES_TO_MOUTH = 0.515  # in half-sides of FFHQ's square, the mean of 32 people
FEATHER = 0.06  # width of the mask's edge, fraction of the square
# Degrees of yaw between which a face is ever less like those that photo agers learn from (at most
# 30): what they paint on cheeks seen from the side are dark patches.
TURNED, LEAST_FRONTAL = (25.0, 45.0), 0.5
DETAIL_SEEN = 0.6  # of the age square's own detail: about what photos' detail is in it
DIM = 0.7  # of a face that can change: what is less is said
AGE_SIDE = 128  # pixels of that square; the network itself takes 64


@dataclass(frozen=True, eq=False)
class FaceView:
    """A face as the ager and the age network see it in the photo."""

    number: int  # from left to right, 1 is the first
    face: Face
    crop: FaceCrop  # the ager's square
    mask: np.ndarray  # [R, R] where an edit may show, 0..1
    age_crop: FaceCrop  # the age network's square
    reading: AgeReading  # of the photo
    tone: Tone | None = None  # of the photo, if it has a single one
    cover: Cover | None = None  # what covers the face in the photo

    @cached_property
    def eyes(self) -> np.ndarray:
        """Where the eyes are in the ager's square, `[R, R]`, 0..1."""
        return eye_mask(self.face.points, self.crop.quad, self.crop.resolution)

    @cached_property
    def uncovered(self) -> np.ndarray:
        """Where the mask shows the face and no thing before it, `[R, R]`, 0..1."""
        if self.cover is None:
            return self.mask
        return self.mask * (1 - self.cover.within(self.crop.quad, self.crop.resolution))

    @cached_property
    def open(self) -> np.ndarray:
        """Where the photo's own pixels can take a change in the ager's square, `[R, R]`, 0..1."""
        return self.uncovered * exposure(self.crop.image, self.mask)

    @property
    def frontal(self) -> float:
        """How far the face is seen as agers know faces: 1, and `LEAST_FRONTAL` where turned far."""
        turned = float(np.nan_to_num(abs(self.face.pose[0])))
        return float(np.interp(turned, TURNED, (1.0, LEAST_FRONTAL)))

    @property
    def notices(self) -> list[str]:
        """What of the face an edit has to leave, one line each."""
        found = []
        if self.cover is not None:
            found.append(f"part of face {self.number} is covered; nothing is changed there")
        face = self.uncovered > 0.5
        if face.any() and self.open[face].mean() < DIM * self.uncovered[face].mean():
            found.append(
                f"much of face {self.number} is burnt out or black; what has no detail is left"
            )
        if self.frontal < 0.5 + LEAST_FRONTAL / 2:
            found.append(
                f"face {self.number} is turned by {abs(self.face.pose[0]):.0f} degrees; its skin "
                "is aged less"
            )
        return found

    @cached_property
    def skin(self) -> np.ndarray:
        """Where the skin's detail may change in the ager's square, `[R, R]`, 0..1."""
        return self.open * (1 - self.eyes)

    @cached_property
    def detail(self) -> np.ndarray:
        """The skin's own faint detail in the age network's square, `[R, R]` light of -1..1."""
        deep = self.age_crop.image.astype(np.uint16) * 257
        doubled, side = deep.copy(), len(deep)
        quad = to_unit(self.crop.quad, self.age_crop.quad) * side - 0.5
        if quad_side(self.crop.quad) >= side:  # else the photo has none
            scale_detail(doubled, deep, 2.0, quad, self.skin)
        return DETAIL_SEEN * (doubled.astype(np.float32) - deep).mean(-1) / (127.5 * 257)

    def mask_for(self, paste: PasteMode) -> np.ndarray:
        """Where an edit shows in one paste mode, `[R, R]`, 0..1."""
        return self.open if paste == "delta" else self.uncovered


def view_face(
    rgb: np.ndarray,
    face: Face,
    number: int,
    alignment: Alignment,
    resolution: int,
    age_network: AgeReader,
    cover_network: OcclusionNetwork,
) -> FaceView:
    """Crop a face from a photo `[H, W, 3]` for the networks; estimate its age, and its cover."""
    crop = view_crop(rgb, face, alignment, resolution)
    age_crop = crop_for_age(rgb, face)
    mask = face_mask(face, crop.quad, resolution, feather=FEATHER)
    device = age_network.ages.device
    reading = read_age(age_network, to_tensor(age_crop.image).to(device))
    cover = find_cover(cover_network, rgb, face)
    return FaceView(number, face, crop, mask, age_crop, reading, fit_tone(rgb, face), cover)


def view_crop(rgb: np.ndarray, face: Face, alignment: Alignment, resolution: int) -> FaceCrop:
    """Crop the square of an alignment."""
    return crop_face(rgb, face_quad(face, alignment.scale, alignment.shift), resolution)


def crop_for_age(rgb: np.ndarray, face: Face) -> FaceCrop:
    """Crop the square that the age network reads."""
    return crop_face(rgb, face_quad(face, AGE_ALIGNMENT.scale, AGE_ALIGNMENT.shift), AGE_SIDE)


def fit_tone(rgb: np.ndarray, face: Face) -> Tone | None:
    """Fit the tone of a photo `[H, W, 3]` whose face and head have a single one; None: colours."""
    head = crop_face(rgb, face_quad(face), AGE_SIDE).image
    single = min(has_one_tone(square) for square in (crop_for_age(rgb, face).image, head))
    return Tone.of(rgb, single) if single > 0 else None


@torch.no_grad()
def read_age(network: AgeReader, image: Tensor) -> AgeReading:
    """Read the apparent age of one picture `[1, 3, H, W]` of the age network's square."""
    first, second = network.read_each(_without_tone(image))[:, 0].tolist()
    return reading_of(network, (first + second) / 2, (first, second))


def reading_of(network: AgeReader, age: float, each: tuple[float, ...] = ()) -> AgeReading:
    """Return a known age with its calibrated error."""
    return AgeReading(age, float(network.error(torch.tensor([age]))), each)


@torch.no_grad()
def read_ages(network: AgeReader, images: Tensor) -> tuple[Tensor, Tensor]:
    """Read ages and their errors `[N]`, years, in pictures `[N, 3, H, W]`, as `read_age`.

    Faces of a single tone are read in the same colours, whatever the tone.
    """
    return network.read(torch.cat([_without_tone(image[None]) for image in images]))


def _without_tone(image: Tensor) -> Tensor:
    """Give a face `[1, 3, H, W]` of a single tone the colours that the age network reads best."""
    pixels = to_array(image)[0]
    single = has_one_tone(pixels)
    if single == 0:
        return image
    toned = to_tensor(np.rint(255 * neutral_print(pixels @ LUMA / 255)).astype(np.uint8)).to(image)
    return image + single * (toned - image)


def age_square(images: Tensor, alignment: Alignment) -> Tensor:
    """Crop the age network's square from aligned pictures `[N, 3, R, R]`: `[N, 3, 128, 128]`.

    For pictures of which only the alignment is known. Reflects the border. Differentiable.
    """
    ratio = AGE_ALIGNMENT.scale / alignment.scale
    down = (AGE_ALIGNMENT.shift - alignment.shift) * EYES_TO_MOUTH / alignment.scale
    theta = images.new_tensor([[ratio, 0, 0], [0, ratio, down]])
    shrink = int(images.shape[-1] * ratio / AGE_SIDE)
    images = F.avg_pool2d(images, shrink) if shrink > 1 else images
    grid = F.affine_grid(
        theta.expand(len(images), -1, -1),
        [len(images), images.shape[1], AGE_SIDE, AGE_SIDE],
        align_corners=False,
    )
    return F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)


def usual_points(alignment: Alignment, side: int) -> np.ndarray:
    """Return the usual eyes, nose tip and mouth corners in a model's square, `[5, 2]` pixels."""
    unit = side / 2 / alignment.scale  # half-side of FFHQ's square
    down = EYES_TO_MOUTH * unit
    eyes = (side - 1) / 2 - alignment.shift * down
    x = (side - 1) / 2 + unit * np.array([-0.25, 0.25, 0.0, -0.19, 0.19])
    return np.stack([x, eyes + down * np.array([0.0, 0.0, 0.6, 1.0, 1.0])], axis=1)


def whole_quad(side: int) -> np.ndarray:
    """Return the corners TL, BL, BR, TR `[4, 2]` of a whole square picture: its outer edges."""
    edge = side - 0.5
    return np.array([[-0.5, -0.5], [-0.5, edge], [edge, edge], [edge, -0.5]])


def aligned_crop(rgb: np.ndarray, mask: np.ndarray | None, resolution: int) -> FaceCrop:
    """Make a crop of an aligned picture; a mask `[H, W]` uint8 selects its pixels.

    A picture of another size is resampled. Raises ImageError when picture or mask does not fit.
    """
    height, width = rgb.shape[:2]
    if height != width:
        raise ImageError(
            f"the picture is {width}x{height}; an aligned one is square (or leave out --no-crop)"
        )
    if mask is not None and mask.shape != (height, width):
        raise ImageError(f"the mask is {mask.shape[1]}x{mask.shape[0]}, its picture {width} px")
    quad = whole_quad(width)
    weights = np.full((height, width), 255, np.uint8) if mask is None else mask
    if not weights.any():
        raise ImageError("the mask is black: no pixel is left to compare")
    # What is masked becomes grey before resampling, which would bring it beyond the mask's edge.
    rgb = np.where(weights[..., None] > 0, rgb, np.uint8(128))
    if width != resolution:
        rgb = crop_face(rgb, quad, resolution).image
        weights = crop_face(np.repeat(weights[..., None], 3, 2), quad, resolution).image[..., 0]
    return FaceCrop(rgb, weights / np.float32(255), quad, resolution)
