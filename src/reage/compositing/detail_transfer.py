"""Add the detail of old skin to a photo's face at its full size.

After image-based surface detail transfer (Liu, Shan and Zhang 2001): the mesh carries over the
ratio of an old face's light to a young one's, which multiplies the photo's own light.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

import numpy as np
from PIL import Image

from reage.compositing.bands import BAND, LUMA, enlarge_rows, units_of
from reage.compositing.detail_bank import REGIONS, DetailBank, Exemplar, Sex
from reage.compositing.mesh_warp import FRAME_SCALE, MESH, warp_from_frame
from reage.compositing.skin_mask import (
    LOG_OFFSET,
    frame_mask,
    near_eyes,
    region_weights,
    skin_likelihood,
)
from reage.compositing.smoothing import masked_gaussian, resize_plane, smoothstep, soft_limit
from reage.compositing.visible import light_shown
from reage.faces.face import Face
from reage.faces.sampling import interpolate
from reage.faces.squares import quad_side
from reage.images import to_depth
from reage.threads import share_out

__all__ = [
    "MASK_SIDE",
    "TONE",
    "AgedSkin",
    "LaidSkin",
    "Subject",
    "add_detail",
    "box_around",
    "choose_exemplars",
    "detail_gains",
    "detail_in",
    "laid_size",
    "lay_detail",
    "limited_detail",
    "mix_detail",
    "scale_of",
    "shading_age",
    "usual_strength",
    "visible_skin",
    "wrinkling",
]

FINE = 0.014  # of FFHQ's square's side: of the Gaussian that parts wrinkles from folds and bags
# What darkens skin reddens it: how much the logarithms of red, green and blue change with that of
# the luma, the mean of 17 old faces of all skin tones (their spread is 0.07, 0.04 and 0.17).
TONE = (0.75, 1.16, 1.4)
SMALL, LARGE = 60, 140  # pixels of FFHQ's square: none is added below, all above
TURNED = (-0.15, 0.08)  # of `_facing`: profiles, whose mesh is a guess, get none
MASK_SIDE = 160  # pixels across, at which skin is told from hair
MOST_WIDE = 720  # pixels at which a face's detail is laid out: exemplars have no finer
# How an exemplar suits a face: differences that count one each. Then those that look alike differ
# by the shape of the face, so that not everybody gets the same wrinkles.
TONES, SMILES, YAWS, ASPECTS = 22.0, 0.07, 9.0, 0.045
OLD = 75.0  # years at which an exemplar's strength counts as whole
# How much of an exemplar's strength is taken. Many old people have smooth foreheads, and furrows
# there are the first that a stranger doubts.
SHARES = {"forehead": 0.6, "eyes": 1.0, "cheeks": 0.85, "mouth": 0.65}
AROUND_EYES = 20.0  # pixels of the frame, standard deviation
EVENED = 0.6  # how much of an exemplar's departure from what is usual is undone


@dataclass(frozen=True)
class Subject:
    """The face that an exemplar has to suit."""

    sex: Sex
    ita: float  # skin tone, degrees
    yaw: float  # degrees
    smile: float  # mouth's width over the eyes' distance
    aspect: float  # height of the mesh over its width

    @classmethod
    def of(cls, face: Face, sex: Sex, ita: float) -> Subject:
        """Describe a face that has a mesh."""
        assert face.landmarks is not None, "a face without a mesh"
        left_eye, right_eye, _, left, right = face.points
        smile = np.hypot(*(right - left)) / np.hypot(*(right_eye - left_eye))
        width, height = np.ptp(face.landmarks[:MESH, :2], axis=0)
        return cls(sex, ita, face.pose[0], float(smile), float(height / width))


@dataclass(frozen=True, eq=False)
class AgedSkin:
    """Detail of old skin for one face, on the canonical face, at the strength of its exemplars."""

    canonical: np.ndarray  # [468, 2]
    wrinkles: np.ndarray  # [h, w] log-luminance, fine
    folds: np.ndarray  # [h, w] log-luminance, broader
    mask: np.ndarray  # [h, w] 0..1
    names: Sequence[str]  # of the exemplars, by region


def choose_exemplars(bank: DetailBank, subject: Subject) -> Mapping[str, tuple[Exemplar, bool]]:
    """Choose an exemplar for each region and whether it is mirrored; always the same for a face.

    One gives eyes, cheeks and mouth, the next best the forehead.
    """
    fits = [one for one in bank.exemplars if one.sex == subject.sex] or list(bank.exemplars)
    ranked = sorted(fits, key=lambda one: (_misfit(one, subject), one.name))
    chosen: dict[str, tuple[Exemplar, bool]] = {}
    for region in REGIONS:
        able = [one for one in ranked if region not in one.covered] or ranked
        one = able[1] if region == "forehead" and len(able) > 1 else able[0]
        chosen[region] = one, one.yaw * subject.yaw < 0 and abs(subject.yaw) > 3
    return chosen


def mix_detail(
    bank: DetailBank, chosen: Mapping[str, tuple[Exemplar, bool]], subject: Subject
) -> AgedSkin:
    """Join the exemplars' regions, each scaled towards the usual strength for such old skin."""
    mask, regions, near = _masks(bank.canonical.tobytes())
    total = np.zeros_like(mask)
    for name, region in zip(REGIONS, regions, strict=True):
        one, mirrored = chosen[name]
        detail = one.detail()
        gain = (usual_strength(bank, subject, name) / one.strengths[name]) ** EVENED
        total += SHARES[name] * region * gain * (detail[:, ::-1] if mirrored else detail)
    # Around the eyes, light beside the lines looks like make-up.
    total = np.where(total > 0, total * (1 - 0.85 * near), total)
    folds = masked_gaussian(total, np.clip(mask, 1e-3, 1), FINE * FRAME_SCALE)
    names = [chosen[name][0].name for name in REGIONS]
    return AgedSkin(bank.canonical, total - folds, folds, mask, names)


def usual_strength(bank: DetailBank, subject: Subject, region: str) -> float:
    """Estimate the strength of such skin's fine detail at `OLD` years from the bank's exemplars.

    A regression of its logarithm on age, tone and sex: dark skin gleams, so it shows more.
    """
    seen = [one for one in bank.exemplars if region not in one.covered]
    rows = np.array([[1, one.age, one.ita, one.sex == "male"] for one in seen], float)
    logs = np.log([max(one.strengths[region], 1e-3) for one in seen])
    ridge = np.diag([1e-6, 1.0, 1.0, 0.1])
    weights = np.linalg.solve(rows.T @ rows + ridge, rows.T @ logs)
    tones = [one.ita for one in seen]
    tone = np.clip(subject.ita, min(tones), max(tones))
    return float(np.exp(weights @ [1, OLD, tone, subject.sex == "male"]))


def wrinkling(age: float) -> float:
    """Return the strength of skin detail at an age: 0 for the young, 1 at 80."""
    return float(np.interp(age, *WRINKLING))


def detail_gains(own: float, wanted: float) -> tuple[float, float]:
    """Return how much of old skin's detail to add, and of what is old in the face to remove."""
    change = wrinkling(wanted) - wrinkling(own)
    # Somebody of 80 at 60 keeps what people of 60 have.
    kept, had = np.interp([wanted, own], *REAL_DETAIL)
    most = MOST_REMOVED * max(1 - float(kept / max(had, 1e-6)), 0.0)
    return OLDER * max(change, 0.0), min(YOUNGER * max(-change, 0.0), most)


def shading_age(own: float, wanted: float) -> float:
    """Return the age that broad shading has to show when detail shows the rest."""
    share = float(np.interp(wanted, FARTHEST, SHADING))
    return own + share * (wanted - own) if wanted > own else wanted


# Chosen by eye on 12 studio portraits, and by the skin's distance to real old people's.
OLDER, YOUNGER = 0.45, 1.6
MOST_REMOVED = 1.2  # of what the network finds old: it takes too little of deep folds
# Of the exemplars' folds, beside their wrinkles. Another's folds make another's face, and the
# ager's shading draws this one's.
FOLDS = 0.62
# Share of the way that shading goes: more of it beyond 80 years, which the search asks for where a
# face reads too young.
FARTHEST, SHADING = (80.0, 107.0), (0.6, 1.4)
# Years, and the finest detail of 3,046 faces' cheeks beyond that of the twenties, of that at 75
# (docs/reference/ageing.md).
REAL_DETAIL = (25.0, 45.0, 75.0), (0.0, 0.33, 1.0)
WRINKLED_AT = (25.0, 35.0, 50.0, 60.0, 70.0, 80.0, 95.0, 110.0)
WRINKLING = (WRINKLED_AT, (0.0, 0.05, 0.28, 0.5, 0.75, 1.0, 1.2, 1.5))


@dataclass(frozen=True, eq=False)
class LaidSkin:
    """Detail of old skin over a photo's face: laid once, added at any strength."""

    box: tuple[int, int, int, int]  # x0, y0, x1, y1 of the photo's pixels
    wrinkles: np.ndarray  # [h, w] log-luminance over the box; large faces have fewer pixels here
    folds: np.ndarray  # [h, w]
    limits: tuple[float, float] = (0.12, 0.45)  # log-luminance: most lighter, most darker
    # [3, h, w] what is added to the logarithm of each colour beside `TONE` times the light's
    colours: np.ndarray | None = None
    # Whether it changes a photo below what is painted, since light painted into a dark crease would
    # be multiplied with it. Films lay all of it over the paint.
    below: bool = False
    # What `detail_in` found, by the square's corners and pixels: a search asks again and again.
    seen: dict[tuple[bytes, int], np.ndarray] = field(init=False, default_factory=dict, repr=False)

    @cached_property
    def halved(self) -> LaidSkin:
        """The same over the photo at half the size, off by half a pixel of that at most."""
        x0, y0, x1, y1 = self.box
        height, width = self.wrinkles.shape
        size = (-(-width // 2), -(-height // 2))

        def half(plane: np.ndarray) -> np.ndarray:
            return resize_plane(plane, size, Image.Resampling.BOX)

        colours = None if self.colours is None else np.stack([half(p) for p in self.colours])
        box = (x0 // 2, y0 // 2, -(-x1 // 2), -(-y1 // 2))
        wrinkles, folds = half(self.wrinkles), half(self.folds)
        return LaidSkin(box, wrinkles, folds, self.limits, colours, self.below)


def lay_detail(
    source: np.ndarray, landmarks: np.ndarray, skin: AgedSkin, hidden: np.ndarray | None = None
) -> LaidSkin | None:
    """Lay detail over a photo's face; None if the face has too few pixels.

    `source` is the photo before any edit, `[H, W, 3 or 4]` uint8 or uint16, `landmarks`
    `[468 or more, 2 or 3]` the mesh in it. `hidden` `[H, W]` in 0..1 is what is known to cover the
    skin, hair above all.
    """
    share = scale_of(landmarks, skin.canonical)[1]
    x0, y0, x1, y1 = box = box_around(landmarks, source.shape)
    if share == 0 or x0 >= x1 or y0 >= y1:
        return None
    size = laid_size(box)
    layers = np.stack([skin.wrinkles, skin.folds, skin.mask])
    wrinkles, folds, face = warp_from_frame(layers, skin.canonical, landmarks, box, size)
    seen = np.float32(share) * visible_skin(source[y0:y1, x0:x1, :3], face)
    if hidden is not None:
        seen *= 1 - resize_plane(hidden[y0:y1, x0:x1], size, Image.Resampling.BOX)
    return LaidSkin(box, wrinkles * seen, np.float32(FOLDS) * folds * seen)


def scale_of(landmarks: np.ndarray, canonical: np.ndarray) -> tuple[float, float]:
    """Return the side of a face's square in pixels, and how much of any detail it can show."""
    side = float(np.ptp(landmarks[:MESH, 0]) / np.ptp(canonical[:, 0])) * FRAME_SCALE
    seen = smoothstep(np.array((side - SMALL) / (LARGE - SMALL)))
    profile, frontal = TURNED
    return side, float(seen * smoothstep((_facing(landmarks) - profile) / (frontal - profile)))


def _facing(landmarks: np.ndarray) -> np.ndarray:
    """Return the visible width of a face's farther half relative to the nearer: 1 from the front.

    About 0.07 at 30 degrees of yaw, and below 0 where the nose covers the outline.
    """
    left, right, nose = landmarks[[234, 454, 1], :2].astype(np.float64)
    across = right - left
    at = (nose - left) @ across / (across @ across)
    return np.minimum(at, 1 - at) / np.maximum(at, 1 - at)


def laid_size(box: tuple[int, int, int, int]) -> tuple[int, int]:
    """Width and height at which the detail of a face in a box is laid out."""
    x0, y0, x1, y1 = box
    factor = max(1.0, (x1 - x0) / MOST_WIDE)
    return round((x1 - x0) / factor), round((y1 - y0) / factor)


def add_detail(
    picture: np.ndarray, source: np.ndarray, laid: LaidSkin, wrinkles: float, folds: float
) -> None:
    """Add detail to a face of a picture in place, as a multiple of old skin's strength.

    `source` is the photo before any edit, of the picture's size and type.
    """
    x0, y0, x1, y1 = laid.box
    detail = limited_detail(laid, wrinkles, folds)
    colours = None if laid.colours is None else np.float32(wrinkles) * laid.colours
    target, seen = (pixels[y0:y1, x0:x1, :3] for pixels in (picture, source))
    _multiply(target, seen, detail, colours, laid.below)


def limited_detail(laid: LaidSkin, wrinkles: float, folds: float) -> np.ndarray:
    """Return the detail at a strength, `[h, w]` log-luminance, softly limited."""
    detail = wrinkles * laid.wrinkles + folds * laid.folds
    lighter, darker = laid.limits
    most = np.where(detail > 0, np.float32(lighter), np.float32(darker))
    return soft_limit(detail, most)


def detail_in(laid: LaidSkin, quad: np.ndarray, side: int) -> np.ndarray:
    """Return the detail in a square of the photo at strength 1, `[3, side, side]`.

    It is what is added to the logarithms of its colours. `quad` `[4, 2]` are the square's corners.
    What limits and the photo's light take off is left out.
    """
    key = (np.asarray(quad, np.float64).tobytes(), side)
    if key not in laid.seen:
        light = _plane_in(laid, laid.wrinkles + laid.folds, quad, side)
        logs = np.array(TONE, np.float32)[:, None, None] * light
        if laid.colours is not None:
            logs = logs + np.stack([_plane_in(laid, p, quad, side) for p in laid.colours])
        laid.seen[key] = logs
    return laid.seen[key]


def _plane_in(laid: LaidSkin, plane: np.ndarray, quad: np.ndarray, side: int) -> np.ndarray:
    """Sample a plane `[h, w]` that lies over the detail's box: `[side, side]`."""
    x0, y0, x1, _ = laid.box
    factor = plane.shape[1] / (x1 - x0)
    shrink = quad_side(quad) * factor / side
    if shrink > 1:
        size = [max(1, round(length / shrink)) for length in plane.shape[::-1]]
        plane = resize_plane(plane, (size[0], size[1]), Image.Resampling.BOX)
        factor = plane.shape[1] / (x1 - x0)
    corners = (np.asarray(quad, np.float64) - [x0, y0] + 0.5) * factor - 0.5
    return interpolate(plane, corners, (side, side))


def _multiply(
    target: np.ndarray,
    seen: np.ndarray,
    detail: np.ndarray,
    colours: np.ndarray | None,
    below: bool,
) -> None:
    """Make a picture `[h, w, 3]` lighter or darker by log-luminance, in the colours of skin.

    If `below`, add what becomes of the photo `seen` so instead.

    `detail`, and other changes of the `colours`, lie over it at the same or a smaller size.
    """
    height, width = target.shape[:2]
    full = np.float32(255 * units_of(target))
    offset = np.float32(LOG_OFFSET) * full
    base = seen if below else target
    whole = [Image.fromarray(plane) for plane in (detail, *(() if colours is None else colours))]

    def change(top: int) -> None:
        rows = (top, min(top + BAND, height))
        part = slice(*rows)
        shown = light_shown((seen[part] @ LUMA) / full)
        logs, *others = (shown * enlarge_rows(plane, rows, width, height) for plane in whole)
        for channel in range(3):
            exponent = np.float32(TONE[channel]) * logs
            if others:
                exponent += others[channel]
            more = (base[part, :, channel] + offset) * np.expm1(exponent)
            values = target[part, :, channel] + more
            target[part, :, channel] = np.clip(np.rint(values), 0, full)

    share_out(change, range(0, height, BAND))


def visible_skin(seen: np.ndarray, face: np.ndarray) -> np.ndarray:
    """Restrict the mesh's skin mask `[h, w]` to visible skin of a photo `[H, W, 3]`."""
    height, width = face.shape
    face = np.clip(face, 0, 1)
    factor = max(1.0, width / MASK_SIDE)
    size = (max(1, round(width / factor)), max(1, round(height / factor)))
    there = resize_plane(face, size, Image.Resampling.BOX)
    if (there > 0.9).sum() < 50:
        return face
    levels = np.ascontiguousarray(to_depth(seen, np.uint8))
    small = Image.fromarray(levels).resize(size, Image.Resampling.BOX)
    likely = skin_likelihood(np.asarray(small, np.float32) / 255, there)
    return face * np.clip(resize_plane(likely, (width, height)), 0, 1)


def box_around(landmarks: np.ndarray, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """Pixels x0, y0, x1, y1 around a mesh and the forehead above it."""
    points = landmarks[:MESH, :2]
    low, high = points.min(0), points.max(0)
    margin = 0.14 * (high - low).max()
    limits = np.array(shape[1::-1])
    x0, y0 = np.clip(np.floor(low - margin).astype(int), 0, limits)
    x1, y1 = np.clip(np.ceil(high + margin).astype(int) + 1, 0, limits)
    return int(x0), int(y0), int(x1), int(y1)


def _misfit(one: Exemplar, subject: Subject) -> float:
    yaw = abs(abs(one.yaw) - abs(subject.yaw))  # mirrored where that suits
    differences = (
        (one.ita - subject.ita) / TONES,
        max(one.smile - subject.smile, 0.0) / SMILES,
        yaw / YAWS,
        (one.aspect - subject.aspect) / ASPECTS,
    )
    return float(np.square(differences).sum())


@lru_cache(maxsize=2)
def _masks(canonical: bytes) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    mesh = np.frombuffer(canonical).reshape(-1, 2)
    return frame_mask(mesh), region_weights(mesh), near_eyes(mesh, AROUND_EYES)
