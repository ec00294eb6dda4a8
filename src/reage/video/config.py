"""The settings of a video's edit."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

from reage.compositing.layer_files import LayerFormat
from reage.errors import UsageError
from reage.inputs import Target
from reage.numbers import read_real
from reage.video.keyframes import KeyFrames

__all__ = ["Preview", "Progress", "VideoConfig", "parse_preview", "work_folder"]

LONGEST = 1e7  # seconds of a video


@dataclass(frozen=True)
class Preview:
    """The part of a video to edit as a preview."""

    seconds: float
    start: float = 0.0  # seconds from the video's first frame


ALWAYS = KeyFrames(((0.0, 1.0),))


@dataclass(frozen=True)
class VideoConfig:
    """The settings of one video's edit."""

    to: Target | KeyFrames  # years for all chosen people, by track number, or over time
    which: str | int = "largest"  # largest, all, or a track's number, where `to` names none
    quality: str = "fast"  # of the projections, where the model has no encoder
    preview: Preview | None = None
    crf: int = 18  # of H.264: lower is better and larger
    preset: str = "veryfast"  # of x264 and x265
    codec: Literal["auto", "h264", "hevc", "prores"] = "auto"  # auto: what keeps the input's depth
    seed: int = 0
    rate: Fraction = Fraction(24)  # frames a second of numbered pictures
    layers: Path | None = None  # folder for the layers of every frame
    layer_format: LayerFormat = "exr"
    strength: KeyFrames = ALWAYS  # how much of the change shows, 0..1
    span: tuple[float, float] = (0.0, math.inf)  # seconds between which the change shows


@dataclass(frozen=True)
class Progress:
    """The progress of the work; the argument of `on_progress`."""

    stage: str  # "faces", "codes", "frames" or "joining"
    done: int
    total: int  # 0: not known


def parse_preview(text: str) -> Preview:
    """Read `3s`, `3` or `3s@12s`: length and start."""
    length, at, begin = text.partition("@")
    seconds = read_real(length.removesuffix("s"), 0, LONGEST)
    start = read_real(begin.removesuffix("s") if at else "0", 0, LONGEST)
    if not seconds or start is None:
        raise UsageError(
            f"--preview {text!r:.60} is not understood; give 3s, or 3s@12s from 12 s on"
        )
    return Preview(seconds, start)


def work_folder(output: Path) -> Path:
    """Return the folder of unfinished work on an output."""
    return output.with_name(f".{output.name}.reage")
