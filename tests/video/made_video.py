"""A made video whose motion is known: a portrait that drifts and grows, a cut, a second person."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image

WIDTH, HEIGHT, RATE = 384, 256, 10
CUT, FRAMES = 12, 22  # the second shot begins with frame CUT
ENTERS, LEAVES = 4, 9  # frames in which a second person is in the first shot, at the right
GAP = 5  # frame after which one time step is left out


@dataclass(frozen=True)
class Made:
    """A file and what is known of it."""

    path: Path
    centres: np.ndarray  # [FRAMES, 2] where the portrait's middle was put, pixels
    scales: np.ndarray  # [FRAMES] its enlargement
    stamps: list[int]  # of the frames, in ticks of 1 / 1000 s


def motion(frame: int) -> tuple[float, float, float]:
    """Where the first person's picture is: x and y of its middle, and its scale."""
    if frame >= CUT:
        return 262.0 - 2.0 * (frame - CUT), 130.0, 0.86
    return 95.0 + 2.0 * frame, 132.0 + 4 * np.sin(frame / 3), 0.72 + 0.008 * frame


def place(canvas: np.ndarray, picture: np.ndarray, x: float, y: float, scale: float) -> np.ndarray:
    """Put a square picture onto a canvas with its middle at (x, y), to a fraction of a pixel."""
    side = picture.shape[0]
    # Pillow counts from the pixels' corners: the picture's middle is at side / 2.
    back = (1 / scale, 0, side / 2 - (x + 0.5) / scale, 0, 1 / scale, side / 2 - (y + 0.5) / scale)
    size = (canvas.shape[1], canvas.shape[0])
    warped = Image.fromarray(picture).transform(
        size, Image.Transform.AFFINE, back, Image.Resampling.BICUBIC
    )
    inside = Image.fromarray(np.full((side, side), 255, np.uint8)).transform(
        size, Image.Transform.AFFINE, back, Image.Resampling.NEAREST
    )
    return np.where(np.asarray(inside)[..., None] > 0, np.asarray(warped), canvas)


def draw(frame: int, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """One frame `[HEIGHT, WIDTH, 3]`."""
    rows = np.linspace(40, 90, HEIGHT)[:, None, None]
    colour = np.array([1.0, 0.9, 0.7]) if frame < CUT else np.array([0.3, 1.2, 2.4])
    canvas = np.broadcast_to(rows * colour, (HEIGHT, WIDTH, 3)).astype(np.uint8)
    if ENTERS <= frame < LEAVES:
        canvas = place(canvas, second, 290, 128, 0.7)
    return place(canvas, first, *motion(frame))


def write(
    path: Path,
    frames: list[np.ndarray],
    stamps: list[int],
    *,
    audio: bool = True,
    turn: int = 0,
    format: str = "yuv420p",
    codec: str = "libx264",
) -> Path:
    """Write pictures at some times (ms) as a video, with a tone and a subtitle."""
    import av

    with av.open(str(path), "w") as out:
        video = out.add_stream(codec, rate=RATE, options={"crf": "8", "preset": "ultrafast"})
        video.height, video.width = frames[0].shape[:2]
        video.pix_fmt = format
        video.codec_context.time_base = Fraction(1, 1000)
        if turn:
            video.set_display_rotation(turn)
        sound = out.add_stream("aac", rate=16000) if audio else None
        for pixels, stamp in zip(frames, stamps, strict=True):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            frame.pts, frame.time_base = stamp, Fraction(1, 1000)
            out.mux(video.encode(frame))
        out.mux(video.encode())
        if sound is not None:
            tone = np.sin(np.arange(16000 * 2) * 2 * np.pi * 440 / 16000).astype(np.float32) / 4
            for start in range(0, len(tone), 1024):
                part = av.AudioFrame.from_ndarray(tone[None, start : start + 1024], "fltp", "mono")
                part.sample_rate, part.pts = 16000, start
                out.mux(sound.encode(part))
            out.mux(sound.encode())
    return path
