"""One face of one photo between the photo and the generator: the crop, its code, its edits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from reage.compositing.bands import LUMA
from reage.compositing.hair.greying import grey_crop, grey_hair
from reage.compositing.hair.segmentation import Hair
from reage.compositing.paste import paste_delta, paste_replace, scale_detail
from reage.compositing.warp import Bend, affine_of, bend_in_place
from reage.errors import ImageError
from reage.faces.face import Face
from reage.faces.readings import AgeReading
from reage.faces.squares import FaceCrop, crop_face, eye_mask, face_mask, face_quad, to_unit
from reage.images import to_array, to_tensor
from reage.inversion.projection import Inversion
from reage.models.checkpoints import Alignment
from reage.networks.agers.growth import bent
from reage.networks.judges.age import AgeNetwork

__all__ = [
    "AGE_ALIGNMENT",
    "AGE_SIDE",
    "FEATHER",
    "AnyFace",
    "FaceView",
    "Greying",
    "InvertedFace",
    "Moved",
    "PasteMode",
    "PhotoFace",
    "age_square",
    "aligned_crop",
    "crop_for_age",
    "luma",
    "made_face",
    "paste_faces",
    "read_age",
    "synthesized_picture",
    "toned",
    "usual_points",
    "view_crop",
    "view_face",
]

PasteMode = Literal["delta", "replace", "none"]

# The square that the age network reads best: on the 2,850 labelled faces of the validation split
# its mean error to the middle of the bin is 7.2 years (correlation 0.80). In the wider square of
# the embedded model, centred higher, it is 9.9 (0.59), and 70-year-olds pass for 45.
AGE_ALIGNMENT = Alignment(scale=0.60, shift=0.46)
EYES_TO_MOUTH = 0.515  # in half-sides of FFHQ's square, the mean of 32 people
MOST_LIGHT = (
    0.35  # by which an aged face gets lighter or darker anywhere, of -1..1 (docs/ageing.md)
)
FEATHER = 0.06  # width of the mask's edge, fraction of the square
AGE_SIDE = 128  # pixels of that square; the network itself takes 64


@dataclass(frozen=True, eq=False)
class Greying:
    """How much of somebody's hair turns grey at each age."""

    hair: Hair
    shares: tuple[float, ...]  # N, of 0..1


@dataclass(frozen=True, eq=False)
class Moved:
    """Pictures of a face at other ages, and how each is bent with what is around it."""

    pictures: Tensor  # [N, 3, R, R]
    bend: Bend | None = None
    detail: Tensor | None = None  # [N] how many times as strong the skin's own detail is; None: 1
    greying: Greying | None = None

    def one(self, index: int) -> Moved:
        """One of them."""
        part = slice(index, index + 1)
        detail = None if self.detail is None else self.detail[part]
        greying = self.greying
        if greying is not None:
            greying = Greying(greying.hair, greying.shares[part])
        return Moved(self.pictures[part], self.bend and self.bend.one(index), detail, greying)

    def alone(self) -> Tensor:
        """The pictures bent, `[N, 3, R, R]`: with no photo around them."""
        if self.bend is None:
            return self.pictures
        return bent(self.pictures, self.bend.moves.to(self.pictures), self.bend.margin)


@dataclass(frozen=True, eq=False)
class FaceView:
    """A face as the generator and the age network see it in the photo."""

    number: int  # from left to right, 1 is the first
    face: Face
    crop: FaceCrop  # the generator's square
    mask: np.ndarray  # [R, R] where an edit may show, 0..1
    age_crop: FaceCrop  # the age network's square
    reading: AgeReading  # of the photo

    @cached_property
    def eyes(self) -> np.ndarray:
        """Where the eyes are in the generator's square, `[R, R]`, 0..1."""
        return eye_mask(self.face.points, self.crop.quad, self.crop.resolution)

    @cached_property
    def skin(self) -> np.ndarray:
        """Where the skin's detail may change in the generator's square, `[R, R]`, 0..1."""
        return self.mask * (1 - self.eyes)

    def bent(self, shown: Tensor, bend: Bend | None) -> Tensor:
        """What the age network's square `[1 or N, 3, 128, 128]` shows where the photo is bent."""
        if bend is None:
            return shown
        corners = to_unit(self.age_crop.quad, self.crop.quad)  # TL, BL, BR, TR
        place = np.stack([corners[0], corners[3] - corners[0], corners[1] - corners[0]])
        moves = bend.moves.to(shown)
        return bent(shown, moves, bend.margin, torch.from_numpy(place).to(moves)).clamp(-1, 1)

    def seen(
        self, base: Tensor, moved: Moved, mode: PasteMode, flat: Tensor | None = None
    ) -> Tensor:
        """What the age network's square will show of a moved face, `[N, 3, 128, 128]`.

        `flat` is the same before anything is bent, as `compose` gives it, where that is at hand.
        """
        if mode == "none":
            return self.compose(base, moved.alone(), mode)
        flat = self.compose(base, moved.pictures, mode) if flat is None else flat
        return self.bent(self.greyed(flat, moved.greying), moved.bend)

    def greyed(self, shown: Tensor, greying: Greying | None) -> Tensor:
        """The age network's square `[1 or N, 3, 128, 128]` with grey hair."""
        if greying is None or not any(greying.shares):
            return shown
        some = [i for i, share in enumerate(greying.shares) if share > 0]
        pictures = shown.expand(len(greying.shares), -1, -1, -1).clone()
        colours = (pictures[some].permute(0, 2, 3, 1).float().cpu().numpy() + 1) / 2
        shares = [greying.shares[i] for i in some]
        found = grey_crop(colours, self.age_crop.quad, greying.hair, shares)
        made = torch.from_numpy(found).to(shown).permute(0, 3, 1, 2) * 2 - 1
        pictures[some] = made.clamp(-1, 1)
        return pictures

    def compose(self, base: Tensor, edited: Tensor, mode: PasteMode) -> Tensor:
        """What the age network's square would show after pasting, `[N, 3, 128, 128]`.

        `base` `[1, 3, R, R]` is the synthesised face, `edited` `[N, 3, R, R]` the changed one.
        Nothing is bent yet.
        """
        mask = torch.from_numpy(self.mask)[None, None].to(edited)
        photo = to_tensor(self.age_crop.image).to(edited)
        if mode == "none":
            return self._to_age_square(edited).clamp(-1, 1)
        if mode == "delta":
            return (photo + self._to_age_square((edited - base) * mask)).clamp(-1, 1)
        weight = self._to_age_square(mask)
        return photo * (1 - weight) + self._to_age_square(edited * mask)

    def _to_age_square(self, layers: Tensor) -> Tensor:
        """Resample `[N, C, R, R]` from the generator's square to the age network's."""
        if np.array_equal(self.crop.quad, self.age_crop.quad):
            factor = layers.shape[-1] // AGE_SIDE
            layers = F.avg_pool2d(layers, factor) if factor > 1 else layers
            if layers.shape[-1] == AGE_SIDE:
                return layers
        corners = to_unit(self.age_crop.quad, self.crop.quad)  # TL, BL, BR, TR
        shrink = int(np.hypot(*(corners[3] - corners[0])) * layers.shape[-1] / AGE_SIDE)
        if shrink > 1:
            layers = F.avg_pool2d(layers, shrink)
        grid = F.affine_grid(
            affine_of(corners).to(layers)[None].expand(len(layers), -1, -1),
            [len(layers), layers.shape[1], AGE_SIDE, AGE_SIDE],
            align_corners=False,
        )
        return F.grid_sample(layers, grid, mode="bilinear", align_corners=False)


@dataclass(frozen=True, eq=False)
class InvertedFace:
    """A face with its code; edits of it start here."""

    view: FaceView
    ws: Tensor  # [1, num_ws, w_dim]
    base: Tensor  # [1, 3, R, R] the face that the code gives
    inversion: Inversion


@dataclass(frozen=True, eq=False)
class PhotoFace:
    """A face that has no code: edits of it start at the photo's own picture."""

    view: FaceView
    base: Tensor  # [1, 3, R, R] the crop


AnyFace = InvertedFace | PhotoFace


def view_face(
    rgb: np.ndarray,
    face: Face,
    number: int,
    alignment: Alignment,
    resolution: int,
    age_network: AgeNetwork,
    feather: float,
) -> FaceView:
    """Cut a face out of a photo `[H, W, 3]` as both networks want it, and read its age."""
    crop = view_crop(rgb, face, alignment, resolution)
    age_crop = crop_for_age(rgb, face)
    mask = face_mask(face, crop.quad, resolution, feather=feather)
    device = age_network.ages.device
    reading = read_age(age_network, to_tensor(age_crop.image).to(device))
    return FaceView(number, face, crop, mask, age_crop, reading)


def made_face(ws: Tensor, image: Tensor, face: Face, age_network: AgeNetwork) -> InvertedFace:
    """Take a code `[1, num_ws, w_dim]` as the inversion of its own picture: nothing is lost.

    `face` is where the face lies in that picture, `image` `[1, 3, R, R]`.
    """
    rgb = to_array(image)[0]
    side = len(rgb)
    whole = np.ones((side, side), np.float32)
    edge = side - 0.5
    quad = np.array([[-0.5, -0.5], [-0.5, edge], [edge, edge], [edge, -0.5]])
    age_crop = crop_for_age(rgb, face)
    reading = read_age(age_network, to_tensor(age_crop.image).to(image.device))
    view = FaceView(1, face, FaceCrop(rgb, whole, quad, side), whole, age_crop, reading)
    found = Inversion(ws, torch.zeros(1), torch.full((1,), 100.0), 0, "steps", 0.0, "none")
    return InvertedFace(view, ws, image, found)


def usual_points(alignment: Alignment, side: int) -> np.ndarray:
    """Where eyes, nose tip and mouth corners lie in a model's square, `[5, 2]` pixels."""
    unit = side / 2 / alignment.scale  # half-side of FFHQ's square
    down = EYES_TO_MOUTH * unit
    eyes = (side - 1) / 2 - alignment.shift * down
    x = (side - 1) / 2 + unit * np.array([-0.25, 0.25, 0.0, -0.19, 0.19])
    return np.stack([x, eyes + down * np.array([0.0, 0.0, 0.6, 1.0, 1.0])], axis=1)


def view_crop(rgb: np.ndarray, face: Face, alignment: Alignment, resolution: int) -> FaceCrop:
    """Cut out the square that a generator makes."""
    return crop_face(rgb, face_quad(face, alignment.scale, alignment.shift), resolution)


def aligned_crop(rgb: np.ndarray, mask: np.ndarray | None, resolution: int) -> FaceCrop:
    """Take a picture that is aligned already as a crop; a mask `[H, W]` uint8 says what counts.

    A picture of another size is resampled. Raises ImageError when picture or mask does not fit.
    """
    height, width = rgb.shape[:2]
    if height != width:
        raise ImageError(
            f"the picture is {width}x{height}; an aligned one is square (or leave out --no-crop)"
        )
    if mask is not None and mask.shape != (height, width):
        raise ImageError(f"the mask is {mask.shape[1]}x{mask.shape[0]}, its picture {width} px")
    side = width - 0.5
    quad = np.array([[-0.5, -0.5], [-0.5, side], [side, side], [side, -0.5]])
    weights = np.full((height, width), 255, np.uint8) if mask is None else mask
    if not weights.any():
        raise ImageError("the mask is black: no pixel is left to compare")
    # What is masked becomes grey before resampling, which would bring it beyond the mask's edge.
    rgb = np.where(weights[..., None] > 0, rgb, np.uint8(128))
    if width != resolution:
        rgb = crop_face(rgb, quad, resolution).image
        weights = crop_face(np.repeat(weights[..., None], 3, 2), quad, resolution).image[..., 0]
    return FaceCrop(rgb, weights / np.float32(255), quad, resolution)


def crop_for_age(rgb: np.ndarray, face: Face) -> FaceCrop:
    """Cut out the square that the age network reads."""
    return crop_face(rgb, face_quad(face, AGE_ALIGNMENT.scale, AGE_ALIGNMENT.shift), AGE_SIDE)


def age_square(images: Tensor, alignment: Alignment) -> Tensor:
    """Take the age network's square out of aligned pictures `[N, 3, R, R]`: `[N, 3, 128, 128]`.

    For pictures of which no more is known than their alignment; what lies outside is reflected.
    Differentiable.
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


@torch.no_grad()
def read_age(network: AgeNetwork, image: Tensor) -> AgeReading:
    """Read the apparent age of one picture `[1, 3, H, W]` of the age network's square."""
    age, spread = network.read(image)
    return AgeReading(float(age[0]), float(spread[0]))


def paste_faces(
    pixels: np.ndarray,
    faces: Sequence[tuple[AnyFace, Moved]],
    mode: PasteMode,
    alpha: np.ndarray | None = None,
) -> np.ndarray:
    """Put changed faces, one picture each, into the photo `[H, W, 3]`, which is not changed.

    The photo is bent when all are in their places. `alpha` `[H, W]` is bent along where it is.
    """
    photo = pixels
    for face, moved in faces:
        pixels = _paste(pixels, face, moved.pictures, mode)
        if moved.detail is not None:
            view = face.view
            scale_detail(pixels, photo, float(moved.detail), view.crop.quad, view.skin)
    for _, moved in faces:
        if moved.greying is not None:
            (share,) = moved.greying.shares
            grey_hair(pixels, moved.greying.hair, share)
    for face, moved in faces:
        if moved.bend is not None:
            quad = face.view.crop.quad
            bend_in_place(pixels, moved.bend, quad, alpha)
            if alpha is not None:
                bend_in_place(alpha, moved.bend, quad)
    return pixels


def _paste(pixels: np.ndarray, face: AnyFace, edited: Tensor, mode: PasteMode) -> np.ndarray:
    """A new photo with one picture `[1, 3, R, R]` in it."""
    view = face.view
    assert len(edited) == 1, f"{len(edited)} pictures for one face"
    if mode == "delta":
        delta = _array((edited - face.base) * 127.5)
        return paste_delta(pixels, delta, view.crop.quad, view.mask)
    assert mode == "replace", mode
    image = _array((edited.clamp(-1, 1) + 1) * 127.5)
    return paste_replace(pixels, image, view.crop.quad, view.mask)


def toned(base: Tensor, edited: Tensor, colour: float) -> Tensor:
    """Keep a share of how colours change from `base` to `edited` `[N, 3, R, R]`; limit the light.

    Small generators carry colour along with age that has nothing to do with it. What gets lighter
    or darker is left, but softly limited: lines and folds are faint or small, while large strong
    changes are patches. With `colour` 1 everything stays: such a direction is not of age alone.
    """
    if colour == 1:
        return edited
    change = edited - base
    light = luma(change)
    limited = MOST_LIGHT * torch.tanh(light / MOST_LIGHT)
    share = (limited.abs() + 1e-6) / (light.abs() + 1e-6)  # colours go with the light
    return base + limited + colour * share * (change - light)


def luma(images: Tensor) -> Tensor:
    """How light pictures, or changes of them, `[N, 3, R, R]` are: `[N, 1, R, R]`."""
    return (images * torch.from_numpy(LUMA).to(images)[:, None, None]).sum(1, keepdim=True)


def synthesized_picture(moved: Moved) -> np.ndarray:
    """One picture of the generator alone, bent as it is, as uint8 `[R, R, 3]`."""
    assert len(moved.pictures) == 1, f"{len(moved.pictures)} pictures for one face"
    return to_array(moved.alone())[0]


def _array(image: Tensor) -> np.ndarray:
    """`[1, 3, R, R]` to float32 `[R, R, 3]`."""
    return image[0].permute(1, 2, 0).float().cpu().contiguous().numpy()
