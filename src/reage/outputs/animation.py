"""Animations of ageing: constant speed in estimated age, forwards and back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from reage.agers.base import PreparedFace
from reage.errors import FaceError, UsageError
from reage.outputs.labels import draw_text, fitting_size, plain, text_length
from reage.search.paced_curve import PacedCurve
from reage.search.photo_search import PhotoSearch, TracedFaces, pace_faces

__all__ = ["AnimationPlan", "Timing", "plan_animation", "plan_strengths", "play", "time_ages"]

KEPT = 256 << 20  # bytes of frames kept for the way back; more are made a second time
AS_ZEROS = str.maketrans("123456789", "000000000")  # digits of one width: the band stays
EASE = 0.2  # share of one way in which the speed rises, and again in which it falls


@dataclass(frozen=True)
class Timing:
    """The length and the pace of an animation."""

    fps: int = 25
    seconds: float = 6.0  # of the whole, there and back
    once: bool = False  # only from the first age to the last
    ease: bool = False  # start and stop gently

    def __post_init__(self) -> None:
        if self.frames < 2:
            raise UsageError(
                f"{self.seconds:g} s at {self.fps:g} fps make fewer than two frames; "
                "give more seconds or a higher fps"
            )

    @property
    def frames(self) -> int:
        """Number of frames of the whole; there and back it is even."""
        whole = round(self.fps * self.seconds)
        return whole if self.once else whole // 2 * 2


@dataclass(frozen=True, eq=False)
class AnimationPlan:
    """The ages of the frames, and the strengths that show them."""

    search: PhotoSearch
    faces: Sequence[PreparedFace]
    curves: Mapping[int, PacedCurve]  # by face number
    ages: np.ndarray  # [N] years (or strengths of a direction), of one way
    timing: Timing
    words: str = "looks {age}"  # of the label
    digits: str = ".0f"  # how a number is written there

    @property
    def frames(self) -> int:
        """Number of frames."""
        return len(self.order)

    @property
    def order(self) -> list[int]:
        """Return the index of each frame's age; the way back leaves out both ends."""
        forth = list(range(len(self.ages)))
        return forth if self.timing.once else forth + forth[-2:0:-1]


def plan_animation(
    traced: TracedFaces,
    first: float,
    last: float,
    timing: Timing,
) -> AnimationPlan:
    """Plan from one age to another, in years, as far as a face reaches.

    Raises FaceError if no face reaches any of the ages.
    """
    curves = pace_faces(traced)
    low = min(curve.reach[0] for curve in curves.values())
    high = max(curve.reach[1] for curve in curves.values())
    start, end = (float(np.clip(age, low, high)) for age in (first, last))
    if abs(end - start) < 1:
        raise FaceError(
            f"the ages {first:g} to {last:g} cannot be shown: this face reaches {low:.0f} to "
            f"{high:.0f} years with this model; give ages within them"
        )
    return AnimationPlan(traced.search, traced.faces, curves, time_ages(start, end, timing), timing)


def plan_strengths(
    search: PhotoSearch, faces: Sequence[PreparedFace], first: float, last: float, timing: Timing
) -> AnimationPlan:
    """Plan from one strength of a direction to another, which are not ages."""
    ends = np.array(sorted((first, last)))
    curves = {face.view.number: PacedCurve(ends, ends) for face in faces}
    strengths = time_ages(first, last, timing)
    return AnimationPlan(search, faces, curves, strengths, timing, "strength {age}", "+.1f")


def time_ages(start: float, end: float, timing: Timing) -> np.ndarray:
    """Return the ages of one way, one per frame, `[N]`: equal steps, or eased ones."""
    count = timing.frames if timing.once else timing.frames // 2 + 1
    t = np.linspace(0, 1, count)
    return start + (end - start) * (_ease(t) if timing.ease else t)


def play(plan: AnimationPlan, *, label: bool = False) -> Iterator[np.ndarray]:
    """Yield the frames `[H, W, 3]` uint8."""
    size = plan.search.photo.pixels.nbytes
    if plan.timing.once or len(plan.ages) * size > KEPT:
        yield from _frames(plan, plan.order, label)
        return
    kept = []
    for frame in _frames(plan, list(range(len(plan.ages))), label):
        kept.append(frame)
        yield frame
    yield from kept[-2:0:-1]


def _frames(plan: AnimationPlan, order: list[int], label: bool) -> Iterator[np.ndarray]:
    ages = plan.ages[order]
    paths = [(face, plan.curves[face.view.number].at(ages)) for face in plan.faces]
    texts = [plain(plan.words.replace("{age}", f"{age:{plan.digits}}")) for age in ages]
    widest = max(texts, key=len).translate(AS_ZEROS)
    for text, frame in zip(texts, plan.search.frames(paths), strict=True):
        yield _draw_label(frame, text, widest) if label else frame


def _draw_label(frame: np.ndarray, text: str, widest: str) -> np.ndarray:
    """Write on a dark band in the lower left corner, with the same width for all texts."""
    image = Image.fromarray(frame)
    size = fitting_size([widest], image.width * 0.9, max(image.height * 0.055, 11))
    pad = size * 0.45
    top, right = image.height - size - 2 * pad, text_length(widest, size) + 2 * pad
    ImageDraw.Draw(image, "RGBA").rectangle((0, top, right, image.height), fill=(0, 0, 0, 150))
    draw_text(image, pad, top + pad + size * 0.8, text, (255, 255, 255), size)
    return np.asarray(image)


def _ease(t: np.ndarray) -> np.ndarray:
    """Ease time 0..1: constant speed between two parabolas."""
    v = 1 / (1 - EASE)
    rise = v * t**2 / (2 * EASE)
    fall = 1 - v * (1 - t) ** 2 / (2 * EASE)
    return np.where(t < EASE, rise, np.where(t > 1 - EASE, fall, v * (t - EASE / 2)))
