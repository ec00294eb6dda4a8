"""The square around a face: cut it out of the photo, and mark the face in it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from reage.errors import FaceError
from reage.faces.face import Face, square_axes
from reage.faces.sampling import BICUBIC, Patch, cut_patch, interpolate

__all__ = [
    "FaceCrop",
    "crop_face",
    "eye_mask",
    "face_mask",
    "face_quad",
    "from_unit",
    "halve_points",
    "outline_of",
    "pixels_within",
    "quad_side",
    "to_unit",
]

BORDER = 0.03  # of the square's side, where a face mask is exactly 0
# The mesh ends at the hairline and in front of the ears. Age shows in the hair above; at the
# sides a wider mask shows as a halo on the background beside a face.
WIDEN, WIDEN_UP = 1.0, 0.3
MASK_SIDE = 256  # enough for a smooth mask; larger masks are enlarged from it
DIRECTIONS = 180  # of the outline of a face
# Half-axes of the opening between an eye's lids, of the distance between the eyes.
EYE_WIDTH, EYE_HEIGHT = 0.24, 0.12


@dataclass(frozen=True)
class FaceCrop:
    """A face as the models see it."""

    image: np.ndarray  # [R, R, 3] uint8
    mask: np.ndarray  # [R, R] float32, the part of each pixel that was really in the photo, 0..1
    quad: np.ndarray  # [4, 2] float64, the square's corners in the photo
    resolution: int


def face_quad(face: Face | np.ndarray, scale: float = 1.0, shift: float = 0.1) -> np.ndarray:
    """Return the corners TL, BL, BR, TR `[4, 2]` of the square around a face or five points.

    `scale` 1 and `shift` 0.1 make FFHQ's square; `shift` moves its middle from the eyes towards
    the mouth. The corners are in the landmarks' coordinates (pixel centres at integers), and the
    square's sides are the outer edges of the crop's pixels. FFHQ means the same: its script adds
    0.5 to the corners because Pillow counts from the pixels' corners.
    """
    eyes, x, eye_to_mouth = square_axes(face.points if isinstance(face, Face) else face)
    x = x * scale
    y = np.array([-x[1], x[0]])
    centre = eyes + shift * eye_to_mouth
    return np.stack([centre - x - y, centre - x + y, centre + x + y, centre + x - y])


def quad_side(quad: np.ndarray) -> float:
    """Return the side of the square in pixels of the photo."""
    return float(np.hypot(*(quad[3] - quad[0])) + np.hypot(*(quad[1] - quad[0]))) / 2


def to_unit(points: np.ndarray, quad: np.ndarray) -> np.ndarray:
    """Map photo positions `[..., 2]` to the square: (0, 0) at TL, (1, 1) at BR."""
    axes = np.stack([quad[3] - quad[0], quad[1] - quad[0]], axis=1)
    return (np.asarray(points, np.float64) - quad[0]) @ np.linalg.inv(axes).T


def from_unit(points: np.ndarray, quad: np.ndarray) -> np.ndarray:
    """Map places `[..., 2]` in the square, as `to_unit` gives them, to the photo."""
    across, down = quad[3] - quad[0], quad[1] - quad[0]
    return quad[0] + points[..., :1] * across + points[..., 1:] * down


def halve_points(points: np.ndarray) -> np.ndarray:
    """Map photo positions `[..., 2]` to the same photo at half the size."""
    return (np.asarray(points, np.float64) + 0.5) / 2 - 0.5  # pixel centres are at integers


def pixels_within(
    quad: np.ndarray, units: np.ndarray, shape: tuple[int, ...]
) -> tuple[int, int, int, int]:
    """Return x0, y0, x1, y1 (exclusive) of the pixels of a picture around places in the square.

    `units` `[N, 2]` are places as `to_unit` gives them, `shape` the picture's, height first.
    """
    corners = from_unit(units, quad)
    limits = np.array(shape[1::-1])
    low = np.clip(np.floor(corners.min(0)).astype(int), 0, limits)
    high = np.clip(np.ceil(corners.max(0)).astype(int) + 1, 0, limits)
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])


def outline_of(box: tuple[int, int, int, int]) -> np.ndarray:
    """The corners TL, BL, BR, TR `[4, 2]` of a box x0, y0, x1, y1 of pixels: their outer edges."""
    x0, y0, x1, y1 = box
    return np.array([[x0, y0], [x0, y1], [x1, y1], [x1, y0]]) - 0.5


def crop_face(rgb: np.ndarray, quad: np.ndarray, resolution: int) -> FaceCrop:
    """Sample the square `quad` of a photo `[H, W, 3]`, uint8 or uint16, at `resolution` pixels.

    A large face is low-pass filtered as it shrinks, a small one is interpolated (bicubic). Beyond
    the photo its mirror image continues, more and more blurred; `mask` marks the real pixels.
    Raises FaceError when the square misses the photo.
    """
    quad = np.asarray(quad, np.float64)
    assert quad.shape == (4, 2), quad.shape
    height, width = rgb.shape[:2]
    mask = _coverage(quad, resolution, width, height)
    if not mask.any():
        raise FaceError("the square around the face lies outside the photo; check the points")
    patch = cut_patch(rgb, quad, resolution)
    pixels = np.asarray(_blur_outside(patch, resolution))
    inner, size = patch.from_photo(quad), (resolution, resolution)
    image = np.stack([interpolate(pixels[..., c], inner, size) for c in range(3)], axis=2)
    image = np.rint(np.clip(image, 0, 255)).astype(np.uint8)
    return FaceCrop(image, mask, quad, resolution)


def face_mask(
    face: Face | np.ndarray, quad: np.ndarray, resolution: int, *, feather: float = 0.06
) -> np.ndarray:
    """Return a soft mask `[R, R]` float32 of the face, hair, ears and jaw in the square `quad`.

    `face` is a Face or its landmarks `[N, 2 or 3]` in the photo. 1 in the face, exactly 0 at the
    square's border; around the face it falls off over 2 * `feather` of the square's side.
    """
    outline = _outline(face) if isinstance(face, Face) else np.asarray(face)[:, :2]
    mask = _soft_oval(to_unit(outline, quad), min(resolution, MASK_SIDE), feather)
    if resolution <= MASK_SIDE:
        return mask
    size = (resolution, resolution)
    return np.clip(np.asarray(Image.fromarray(mask).resize(size, BICUBIC)), 0, 1)


def eye_mask(points: np.ndarray, quad: np.ndarray, resolution: int) -> np.ndarray:
    """Return a soft mask `[R, R]` float32 of both eyes between their lids in the square `quad`.

    `points` `[5, 2]` are the face's five in the photo. 1 inside half of each ellipse, 0 beyond one
    and a half.
    """
    _, across, _ = square_axes(points)
    between = np.hypot(*across) / 2  # the eyes' distance, of a face that looks at the camera
    along = across / np.hypot(*across)
    axes = np.stack([along / EYE_WIDTH, np.array([-along[1], along[0]]) / EYE_HEIGHT]) / between
    steps = (np.arange(resolution) + 0.5) / resolution
    right, down = quad[3] - quad[0], quad[1] - quad[0]
    places = quad[0] + steps[None, :, None] * right + steps[:, None, None] * down  # [R, R, 2]
    away = [np.linalg.norm((places - eye) @ axes.T, axis=2) for eye in np.asarray(points)[:2]]
    return _smoothstep(1.5 - np.minimum(*away)).astype(np.float32)


def _soft_oval(points: np.ndarray, side: int, feather: float) -> np.ndarray:
    """Draw the hull of `points` `[N, 2]`, in units of the square, widened and soft."""
    centre = (points.min(0) + points.max(0)) / 2
    angles = np.linspace(0, 2 * np.pi, DIRECTIONS, endpoint=False)
    reach = _radii(points - centre, angles) * (
        WIDEN + WIDEN_UP * np.clip(-np.sin(angles), 0, None) ** 2
    )
    axis = (np.arange(side) + 0.5) / side
    x, y = axis[None] - centre[0], axis[:, None] - centre[1]
    edge = np.interp(np.arctan2(y, x), angles, reach, period=2 * np.pi)
    border = np.minimum(axis, 1 - axis) - BORDER
    window = _smoothstep(border / (1.25 * feather))  # steeper: a tight square ends at the chin
    inside = _smoothstep((edge - np.hypot(x, y)) / (2 * feather) + 0.5)
    return (inside * window[None] * window[:, None]).astype(np.float32)


def _coverage(quad: np.ndarray, resolution: int, width: int, height: int) -> np.ndarray:
    """How much of each pixel of the crop lies in the photo, `[R, R]` in 0..1."""
    if (quad >= 0).all() and (quad <= [width - 1, height - 1]).all():
        return np.ones((resolution, resolution), np.float32)
    steps = (np.arange(resolution) + 0.5) / resolution
    across, down = quad[3] - quad[0], quad[1] - quad[0]
    points = quad[0] + steps[None, :, None] * across + steps[:, None, None] * down  # [R, R, 2]
    depth = np.minimum(points + 0.5, np.array([width, height]) - 0.5 - points)
    pixel = quad_side(quad) / resolution
    return np.clip(depth / pixel + 0.5, 0, 1).prod(axis=2).astype(np.float32)


def _blur_outside(patch: Patch, resolution: int) -> Image.Image:
    """Blur what is beyond the photo, more with the distance, so that nothing there looks real."""
    image = Image.fromarray(np.ascontiguousarray(patch.pixels))
    x0, y0, x1, y1 = patch.inside
    x, y = np.arange(image.width, dtype=np.float32), np.arange(image.height, dtype=np.float32)
    dx, dy = np.maximum(x0 - x, x - x1), np.maximum(y0 - y, y - y1)
    if max(dx.max(), dy.max()) <= 0:
        return image
    distance = np.hypot(np.clip(dx, 0, None)[None], np.clip(dy, 0, None)[:, None]) / resolution
    for sigma, full_at in ((0.02, 0.05), (0.08, 0.25)):  # of the crop's side; FFHQ blurs by 0.02
        blurred = image.filter(ImageFilter.GaussianBlur(sigma * resolution))
        weight = np.clip(distance / full_at, 0, 1) * 255
        image = Image.composite(blurred, image, Image.fromarray(np.rint(weight).astype(np.uint8)))
    return image


def _outline(face: Face) -> np.ndarray:
    """Return points whose hull is the face: the mesh, or an ellipse around five points."""
    if face.landmarks is not None:
        return face.landmarks[:, :2]
    eyes, x, _ = square_axes(face.points)
    y = np.array([-x[1], x[0]])
    angles = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    # As large as the mesh of a frontal face, in half-sides of the FFHQ square.
    return eyes + 0.25 * y + 0.6 * np.cos(angles)[:, None] * x + 0.7 * np.sin(angles)[:, None] * y


def _radii(points: np.ndarray, angles: np.ndarray) -> np.ndarray:
    """Distance from the origin to the convex hull of `points` `[N, 2]` in each direction."""
    directions = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    support = (points @ directions.T).max(axis=0)  # the hull is where p . d <= support for all d
    cosines = directions @ directions.T
    bound = np.where(cosines > 1e-6, support[None] / np.maximum(cosines, 1e-6), np.inf)
    radii = bound.min(axis=1)
    # Round the hull's corners: they would show as rays in the mask's fall-off.
    kernel = np.hanning(15) / np.hanning(15).sum()
    return np.convolve(np.pad(radii, 7, mode="wrap"), kernel, mode="valid")


def _smoothstep(t: np.ndarray) -> np.ndarray:
    t = np.clip(t, 0, 1)
    return t * t * (3 - 2 * t)
