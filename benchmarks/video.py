"""Speed, steadiness and memory of a video's edit, on a made clip of portraits that move.

    python benchmarks/video.py --seconds 10 portrait1.jpg portrait2.jpg

The clip has a shot for each portrait (skimage's without any), 1280x720 at 24 frames a second, with
camera motion, noise and sound. Memory is the process's peak: run it once for each length.
"""

from __future__ import annotations

import argparse
import os
import time
from collections import defaultdict
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image, ImageOps

WIDTH, HEIGHT, RATE = 1280, 720, 24
SHOT = 5.0  # seconds


def view(picture: Image.Image, share: float, seed: int) -> np.ndarray:
    """The camera's picture at 0..1 of a shot."""
    turn = np.radians(4 * np.sin(2 * np.pi * share))
    scale = HEIGHT / picture.height * (1.2 + 0.4 * share)
    x = picture.width * (0.5 + 0.06 * np.sin(2 * np.pi * share))
    y = picture.height * (0.42 + 0.05 * np.cos(2 * np.pi * share))
    c, s = np.cos(turn) / scale, np.sin(turn) / scale
    half = (WIDTH / 2, HEIGHT / 2)
    back = (c, s, x - c * half[0] - s * half[1], -s, c, y + s * half[0] - c * half[1])
    size = (WIDTH, HEIGHT)
    warped = picture.transform(
        size, Image.Transform.AFFINE, back, Image.Resampling.BICUBIC, fillcolor=(40, 60, 80)
    )
    noise = np.random.default_rng(seed).normal(0, 2, (HEIGHT, WIDTH, 1)).astype(np.float32)
    return np.clip(np.asarray(warped) + noise, 0, 255).astype(np.uint8)


def make_clip(path: Path, pictures: list[Image.Image], seconds: float) -> None:
    """Write the clip; shots go round the pictures."""
    import av

    with av.open(str(path), "w") as out:
        video = out.add_stream("libx264", rate=RATE, options={"crf": "16", "preset": "veryfast"})
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        sound = out.add_stream("aac", rate=44100)
        for i in range(int(seconds * RATE)):
            shot, share = divmod(i / RATE / SHOT, 1)
            pixels = view(pictures[int(shot) % len(pictures)], share, i)
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = i, Fraction(1, RATE)
            out.mux(video.encode(frame))
        out.mux(video.encode())
        tone = np.sin(np.arange(int(44100 * seconds)) * 0.03).astype(np.float32) / 5
        for start in range(0, len(tone), 1024):
            part = av.AudioFrame.from_ndarray(
                tone[None, start : start + 1024].copy(), "fltp", "mono"
            )
            part.sample_rate, part.pts = 44100, start
            out.mux(sound.encode(part))
        out.mux(sound.encode())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("portraits", nargs="*", type=Path)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--to", type=float, default=70)
    parser.add_argument("--model", default="faces128")
    options = parser.parse_args()

    import reage
    from reage.video.config import Progress, VideoConfig
    from reage.video.run import edit_video

    if options.portraits:
        opened = [ImageOps.exif_transpose(Image.open(p)).convert("RGB") for p in options.portraits]
    else:
        from skimage.data import astronaut

        opened = [Image.fromarray(astronaut())]
    for picture in opened:
        picture.thumbnail((2000, 1100))
    spent: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    before = ["", 0.0, 0.0]

    def note(progress: Progress) -> None:
        wall, cpu = time.perf_counter(), time.process_time()
        if before[0]:
            spent[before[0]][0] += wall - before[1]
            spent[before[0]][1] += cpu - before[2]
        before[:] = [progress.stage, wall, cpu]

    with TemporaryDirectory() as place:
        clip = Path(place) / "clip.mp4"
        make_clip(clip, opened, options.seconds)
        editor = reage.load(options.model)
        note(Progress("faces", 0, 0))
        result = edit_video(
            editor, clip, Path(place) / "out.mp4",
            VideoConfig(to=options.to, which="all"), on_progress=note,
        )  # fmt: skip
        note(Progress("", 0, 0))
    for edit in result.edits:
        print(edit.summary)
    print("\n".join(result.metrics.lines))
    frames = result.metrics.frames
    print(f"load of the machine {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    for stage, (wall, cpu) in spent.items():
        each = f"{1000 * wall / frames:6.1f} ms a frame, {1000 * cpu / frames:6.1f} of processor"
        print(f"{stage:8} {wall:6.1f} s, {each}")


if __name__ == "__main__":
    main()
