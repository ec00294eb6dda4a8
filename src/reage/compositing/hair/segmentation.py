"""Somebody's hair in a photo: layers that say at any size how much of a pixel is hair."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
from PIL import Image

from reage.compositing.cover import Cover
from reage.compositing.hair.beards import beard_on_mesh
from reage.compositing.hair.colours import young_colour
from reage.compositing.hair.mask import (
    PERSON_SIDE,
    HairFinders,
    Head,
    is_bald_or_covered,
    is_cut_off,
    look_at_head,
    without_cover,
    without_hair,
    without_loose_ends,
)
from reage.compositing.hair.parts import (
    SMOOTH,
    brows_on_face,
    dark_beard_on_face,
    grey_beard_on_face,
    hair_on_head,
    mixed,
    with_tufts,
)
from reage.compositing.hair.regions import box_mean
from reage.compositing.tone import has_one_tone
from reage.faces.detection import FaceDetector
from reage.faces.face import Face
from reage.faces.sampling import interpolate
from reage.faces.squares import (
    FaceCrop,
    crop_face,
    face_quad,
    from_unit,
    halve_points,
    pixels_within,
    quad_side,
    to_unit,
)

__all__ = [
    "WINDOWS",
    "Hair",
    "Window",
    "blended",
    "faces_beside",
    "find_hair",
    "others_in",
    "widened",
]

FACE = 0.6, 0.46  # scale and shift of the square of a face in which its tone is looked for
BEARD = 0.9, 0.5  # the same for its beard
LEAST_HAIR = 0.003  # of the square
LOOSE = 0.0005  # of the square: hair cut off from the head, that is worth a word
UNIT_SQUARE = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 1.0], [1.0, 0.0]])
EDGE = 2e-4  # squared light: of the guided filter
NEARBY = 9  # places on each side, over which the light of hair is evened
INNER, EDGE_COUNTS = 0.8, 0.02  # share around of what is well within hair; what others count
BESIDE = 5  # places on each side, over which what lies beside hair is looked at
CONTRAST = 0.1, 0.25  # of light, between which hair is told from that by its light
RIM, RIM_HAIR, RIM_REACH = 2.2, 0.25, 2  # see `_at_rim`: its width, what may be hair at all
LEAST_PART = 8.0  # places

LAYERS = ("slope", "offset", "around", "shading", "late", "strands", "faded", "inner")


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
    slope: np.ndarray
    offset: np.ndarray
    around: np.ndarray  # mean light of the hair nearby
    shading: np.ndarray  # how light it would be here, by what it is on the whole, all of it white
    late: np.ndarray  # when it turns grey: what is 0 first
    strands: np.ndarray  # how much sooner lighter strands do, 0..1
    faded: np.ndarray  # how grey it is already, 0..1
    inner: np.ndarray  # how far within hair a place is, 0 at its edge, 1 well within
    beard: np.ndarray  # how much of the hair here is beard, 0..1
    mesh: np.ndarray  # [478, 2] MediaPipe's points in the layers' pixels
    white: np.ndarray  # [3] colour by light of what is white
    light: float  # of all of it, the mean
    spread: float  # how far strands are from what is around them
    skin: float  # light of the brighter skin
    young: np.ndarray  # [3] colour by light of the hair before it turned grey
    young_light: float  # mean light of that hair

    @property
    def layers(self) -> tuple[np.ndarray, ...]:
        return tuple(getattr(self, name) for name in LAYERS)

    @cached_property
    def rotated(self) -> dict[tuple[int, int, int, int], list[Image.Image]]:
        """Layers on the photo's axes, by region of it: other ages of the face take them again."""
        return {}

    def without(self, cover: Cover) -> Hair:
        """Return the same hair where nothing covers it; `cover` is of the same picture."""
        free = 1 - cover.within(self.quad, len(self.slope))
        return replace(self, slope=self.slope * free, offset=self.offset * free)

    @cached_property
    def shaven(self) -> Hair:
        """The same hair without the beard, and without what else would be one on the face."""
        rest = 1 - np.maximum(self.beard, beard_on_mesh(self.mesh, len(self.beard)))
        return replace(self, slope=self.slope * rest, offset=self.offset * rest)

    @cached_property
    def halved(self) -> Hair:
        """The same hair in the photo at half the size."""
        return replace(self, quad=halve_points(self.quad))

    def region(self, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
        """x0, y0, x1, y1 (exclusive) of the pixels of a picture, height first, that it covers."""
        return pixels_within(self.quad, UNIT_SQUARE, shape)


def find_hair(
    cut: Callable[[np.ndarray], FaceCrop],
    face: Face,
    finders: HairFinders,
    others: np.ndarray,
    windows: Sequence[Window] = WINDOWS,
    cover: Cover | None = None,
    notes: list[str] | None = None,
) -> Hair | None:
    """Find the hair of a face; None where none is to turn grey.

    Bald, covered and grey heads still have brows. Hair that goes on beyond the largest of the
    `windows` stays as it is, and so does all of a face that was given by points alone. `cut` gives
    the picture of a square `[4, 2]` at `mask.HEAD_SIDE` pixels. What is nearer to one of the
    `others` `[N, 3]` (`faces_beside`) is that one's, and what is in the `cover` is no hair. Why it
    stays as it is goes into `notes`.
    """
    if face.landmarks is None:
        return None
    toned = has_one_tone(cut(face_quad(face, *FACE)).image) > 0.5
    dark_beard = finders.beard(cut(face_quad(face, *BEARD)), face.landmarks)
    for window in windows:
        quad = face_quad(face, window.scale, window.shift)
        crop = cut(quad)
        head = look_at_head(crop, face, finders, others, window.side, toned, dark_beard)
        loose = 0.0
        if cover is not None:
            whole = without_cover(head, cover.within(quad, window.side))
            head = without_loose_ends(whole)
            loose = float((whole.share - head.share).sum()) / head.share.size
        bare = is_bald_or_covered(head) or head.share.sum() < LEAST_HAIR * head.share.size
        if bare or not is_cut_off(head):
            if notes is not None and loose > LOOSE:
                notes.append("hair that something cuts off from the head keeps its colour")
            return _hair_of(without_hair(head) if bare else head, quad, window, finders.colour)
    if notes is not None:
        notes.append("its hair goes on too far to be followed to its end, and keeps its colour")
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
        if field.name not in ("quad", "window")
    }
    return Hair(quad, second.window, **values)


def widened(first: Hair, second: Hair, quad: np.ndarray) -> Hair:
    """Return a finding of hair in the larger window of a second one, in the square `quad` there.

    `first.quad` is of the same frame. What lies beyond it is as in the second.
    """
    side, old = second.window.side, len(first.slope)
    places, size = to_unit(quad, first.quad) * old - 0.5, (side, side)
    within = interpolate(np.ones((old, old)), places, size)
    layers: dict[str, Any] = {}
    for name in (*LAYERS, "beard"):
        inner = interpolate(getattr(first, name), places, size)
        layers[name] = within * inner + (1 - within) * getattr(second, name)
    mesh = to_unit(from_unit((first.mesh + 0.5) / old, first.quad), quad) * side - 0.5
    return replace(first, quad=quad, window=second.window, mesh=mesh, **layers)


def _hair_of(head: Head, quad: np.ndarray, window: Window, colour: str | None) -> Hair | None:
    """The layers that tell hair at any size; None where there is none."""
    head = with_tufts(head)
    light, shown = head.light, np.maximum(head.shown, 1e-3)
    skin = light[head.places.near] if head.places.near.any() else light
    brighter = max(float(np.percentile(skin, 90)), 0.02)
    brows = list(brows_on_face(head, brighter))
    told, grown = [matte for matte, _ in brows], np.maximum(head.share, head.beard)
    thick = grown
    if head.dark_beard is not None:
        told.append(head.dark_beard)
        thick = np.maximum(grown, head.dark_beard.share(light))
    share = np.max([thick, *(part.share for _, part in brows)], axis=0)
    weights = share * shown
    if weights.sum() < LEAST_PART:
        return None
    mean = float((light * weights).sum() / weights.sum())
    # Within it: its edge has light of the skin beside.
    inner = np.clip((box_mean(thick, SMOOTH) - INNER) / (1 - INNER), EDGE_COUNTS, 1)
    weight = box_mean(weights * inner, NEARBY)
    nearby = box_mean(light * weights * inner, NEARBY) / np.maximum(weight, 1e-5)
    around = np.where(weight > 0.01 * EDGE_COUNTS, nearby, mean)
    spread = float(np.sqrt((np.square(light - around) * weights).sum() / weights.sum()))
    slope, offset = _at_rim(head, grown, around)
    for matte in told:
        slope, offset = slope + matte.slope, offset + matte.offset
    beards = [grey_beard_on_face(head, around)]
    if head.dark_beard is not None:
        beards.append(dark_beard_on_face(head, head.dark_beard, brighter))
    others = [*(part for _, part in brows), *beards]
    beside = np.prod([1 - part.weight for part in others], axis=0)
    parts = [hair_on_head(head, around, beside), *others]
    shading = mixed(parts, [part.shading for part in parts])
    late = mixed(parts, [part.late for part in parts])
    strands = mixed(parts, [part.strands for part in parts])
    faded = mixed(parts, [part.faded for part in parts])
    inner = mixed(parts, [part.inner for part in parts])
    layers = slope, offset, around, shading, late, strands, faded, inner
    places: dict[str, Any] = {
        name: one.astype(np.float32) for name, one in zip(LAYERS, layers, strict=True)
    }
    young, young_light = young_colour(head, brighter, colour)
    return Hair(
        **places,
        quad=quad,
        window=window,
        white=head.white,
        light=mean,
        spread=spread,
        skin=brighter,
        beard=np.max([part.weight for part in beards], axis=0).astype(np.float32),
        mesh=head.mesh,
        young=young,
        young_light=young_light,
    )


def _at_rim(head: Head, share: np.ndarray, around: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Tell hair from what lies beside it by light, along the edge of the hair `[S, S]`.

    Pixels there are partly skin or wall, in the share that their light says; all of them turned
    grey would be a pale band around the face.
    """
    slope, offset = _guided(head.light, share, np.maximum(head.shown, 1e-3))
    beside = (1 - share) ** 2 * head.shown
    other = box_mean(head.light * beside, BESIDE) / np.maximum(box_mean(beside, BESIDE), 1e-3)
    contrast = around - other
    known = np.clip((np.abs(contrast) - CONTRAST[0]) / (CONTRAST[1] - CONTRAST[0]), 0, 1)
    known = known * np.clip(RIM * (1 - box_mean(share, SMOOTH)), 0, 1)
    known = known * (box_mean(beside, BESIDE) > 1e-2) * (1 - head.told)
    # The network's edge lies within the hair: single strands are beyond it.
    there = np.clip(box_mean(share, RIM_REACH) / RIM_HAIR, 0, 1)
    steep = there / np.where(known > 0, contrast, 1)
    return slope + known * (steep - slope), offset + known * (-steep * other - offset)


def _guided(light: np.ndarray, share: np.ndarray, shown: np.ndarray) -> list[np.ndarray]:
    """Slope and offset of the guided filter (He, Sun and Tang 2013), of what is in the photo."""
    total = box_mean(shown, SMOOTH)

    def mean(layer: np.ndarray) -> np.ndarray:
        return box_mean(layer * shown, SMOOTH) / total

    mean_light, mean_share = mean(light), mean(share)
    together = mean(light * share) - mean_light * mean_share
    slope = together / (mean(light * light) - mean_light**2 + EDGE)
    return [mean(slope), mean(mean_share - slope * mean_light)]
