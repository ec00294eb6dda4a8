"""Steadiness of an edited video: pure functions, and the sums of a whole video."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields

import numpy as np

__all__ = ["Tally", "VideoMetrics", "flicker", "landmark_jitter", "second_difference"]


def second_difference(values: np.ndarray) -> np.ndarray:
    """Return x[t - 1] - 2 x[t] + x[t + 1] along axis 0, `[N - 2, ...]`: 0 for steady motion."""
    return values[:-2] - 2 * values[1:-1] + values[2:]


def flicker(frames: np.ndarray, mask: np.ndarray | None = None) -> float:
    """Return the mean absolute second temporal difference of pictures `[N, H, W]`.

    The pictures are the face's square, cropped along its motion, so that motion does not count as
    flicker; `mask` `[H, W]` weights the pixels. NaN for fewer than three pictures.
    """
    if len(frames) < 3:
        return float("nan")
    change = np.abs(second_difference(np.asarray(frames, np.float64))).mean(0)
    return float(np.average(change, weights=mask))


def landmark_jitter(points: np.ndarray) -> float:
    """Return the RMS second difference of points `[N, P, 2]`, % of the distance of the eyes.

    The first two points are the eyes. NaN for fewer than three frames; skips frames with NaN.
    """
    if len(points) < 3:
        return float("nan")
    eyes = np.hypot(*(points[1:-1, 1] - points[1:-1, 0]).T)  # [N - 2]
    squared = np.square(second_difference(points)).sum(-1).mean(-1)  # [N - 2]
    relative = squared / np.square(eyes)
    known = relative[np.isfinite(relative)]
    return 100 * float(np.sqrt(known.mean())) if known.size else float("nan")


@dataclass
class Tally:
    """Sums over the frames of a video; those of parts can be added."""

    frames: int = 0
    edited: int = 0  # faces in frames that were changed
    covered: int = 0  # frames in which something is before such a face
    flickers: int = 0  # triples of frames
    flicker_in: float = 0.0  # sums of levels of 0..255
    flicker_out: float = 0.0
    jitters: int = 0
    jitter_in: float = 0.0  # sums of squared shares of the distance of the eyes
    jitter_out: float = 0.0
    looks: int = 0
    like_in: float = 0.0  # sums of likenesses of the input's face to its own key picture
    like_out: float = 0.0  # ... of the output's to the edited key picture
    like_across: float = 0.0  # ... of the output's to the input's, in the same frame
    years: float = 0.0  # sums of ages read in the output less those aimed at, and of squares
    years_squared: float = 0.0

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            **{f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)}
        )

    def plain(self) -> dict[str, float]:
        return asdict(self)

    @classmethod
    def read(cls, plain: Mapping[str, float]) -> Tally:
        return cls(**plain)  # type: ignore[arg-type]

    def add_jitter(self, raw: np.ndarray, smooth: np.ndarray) -> None:
        """Add the second differences of points `[N, P, 2]`, as read and smoothed."""
        if len(raw) < 3:
            return
        eyes = np.hypot(*(smooth[1:-1, 1] - smooth[1:-1, 0]).T)[:, None]
        squared = [np.square(second_difference(p)).sum(-1) / eyes**2 for p in (raw, smooth)]
        known = np.isfinite(squared[0])
        self.jitters += int(known.sum())
        self.jitter_in += float(squared[0][known].sum())
        self.jitter_out += float(squared[1][known].sum())

    def add_flicker(self, before: list[np.ndarray], after: list[np.ndarray], mask: np.ndarray):
        """Add three consecutive pictures of the input's and the output's face."""
        self.flickers += 1
        self.flicker_in += flicker(np.stack(before), mask)
        self.flicker_out += flicker(np.stack(after), mask)


@dataclass(frozen=True)
class VideoMetrics:
    """The figures reported about a video."""

    frames: int
    edited: int  # faces in frames that were changed
    flicker_in: float  # levels of 0..255, in the face, along its motion
    flicker_out: float
    jitter_in: float  # % of the distance of the eyes
    jitter_out: float
    likeness: float  # of output to input, the same frame; 1 = the same picture
    drift: float  # loss of likeness to the key picture, beyond the input's own
    years: float  # mean estimated age of the output minus that of the key frames
    years_spread: float  # its standard deviation over time
    seconds: float  # of this run
    seconds_a_frame: float  # of the frames that this run made; NaN: none was left to make
    memory: float  # peak of the process, MB

    @classmethod
    def of(cls, tally: Tally, seconds: float, made: int, memory: float) -> VideoMetrics:
        """Turn sums into means; `made` is the number of frames of this run."""
        years = _mean(tally.years, tally.looks)
        variance = _mean(tally.years_squared, tally.looks) - years**2
        return cls(
            frames=tally.frames,
            edited=tally.edited,
            flicker_in=_mean(tally.flicker_in, tally.flickers),
            flicker_out=_mean(tally.flicker_out, tally.flickers),
            jitter_in=100 * _mean(tally.jitter_in, tally.jitters) ** 0.5,
            jitter_out=100 * _mean(tally.jitter_out, tally.jitters) ** 0.5,
            likeness=_mean(tally.like_across, tally.looks),
            drift=_mean(tally.like_in - tally.like_out, tally.looks),
            years=years,
            years_spread=max(variance, 0.0) ** 0.5,
            seconds=seconds,
            seconds_a_frame=_mean(seconds, made),
            memory=memory,
        )

    @property
    def lines(self) -> list[str]:
        """The figures as lines for people, but for those that so few frames do not give."""
        lines = [
            f"flicker in the face: {self.flicker_out:.2f} levels, the input's own "
            f"{self.flicker_in:.2f} ({self.flicker_out - self.flicker_in:+.2f})",
            f"identity: likeness to the input {self.likeness:.3f}, drift over time "
            f"{self.drift:+.3f}; age {self.years:+.1f} ± {self.years_spread:.1f} years about that",
            f"landmark jitter: {self.jitter_out:.2f} % of the eyes' distance, as read "
            f"{self.jitter_in:.2f} %",
            f"{self.frames} frames in {self.seconds:.1f} s, {self.seconds_a_frame:.3f} s a frame; "
            f"peak memory {self.memory:.0f} MB",
        ]
        if math.isnan(self.seconds_a_frame):  # an earlier run made all of them
            lines[-1] = f"{self.frames} frames; peak memory {self.memory:.0f} MB"
        return [line for line in lines if "nan" not in line]


def _mean(total: float, count: int) -> float:
    return total / count if count else float("nan")
