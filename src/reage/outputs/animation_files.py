"""Write frames to MP4, GIF or WebP, atomically and with the synthetic-media mark."""

from __future__ import annotations

import io
from collections.abc import Iterable
from fractions import Fraction
from itertools import chain, pairwise
from pathlib import Path

import numpy as np
from PIL import Image

from reage.errors import ImageError
from reage.ffmpeg import H264, av_module, h264_file
from reage.files import check_place, write_file
from reage.images.metadata import add_mark_to_xmp, mark_box

__all__ = ["MOVING_SUFFIXES", "check_moving", "write_moving"]

MOVING_SUFFIXES = (".mp4", ".gif", ".webp")
CRF = 20  # of H.264: what it takes away is not seen
WEBP = {"quality": 80, "method": 4, "minimize_size": False}
PALETTE_FRAMES = 8  # of an animation, from which a GIF's 256 colours are chosen


def check_moving(path: Path, *, overwrite: bool = False) -> None:
    """Raise ImageError or UsageError before any work if an animation cannot be written."""
    if path.suffix.lower() not in MOVING_SUFFIXES:
        known = " ".join(MOVING_SUFFIXES)
        raise ImageError(f"{path} has no suffix for an animation: choose one of {known}")
    check_place(path, overwrite)
    if path.suffix.lower() == ".mp4":
        av_module(", or write a .webp or .gif")


def write_moving(
    frames: Iterable[np.ndarray], path: Path, fps: int, *, mark: str | None, overwrite: bool = False
) -> None:
    """Write frames `[H, W, 3]` uint8 of one size in the format of the suffix; GIF and WebP loop.

    MP4 is written frame by frame; Pillow needs all frames of the other formats at once.
    """
    check_moving(path, overwrite=overwrite)
    kind = path.suffix.lower()
    if kind == ".mp4":
        _write_mp4(frames, path, fps, b"" if mark is None else mark_box(mark), overwrite)
        return
    xmp = b"" if mark is None else add_mark_to_xmp(None, mark, describe=True)[0]
    data = (_gif if kind == ".gif" else _webp)(frames, fps, xmp)
    write_file(path, data, overwrite=overwrite)


def _write_mp4(
    frames: Iterable[np.ndarray], path: Path, fps: int, box: bytes, overwrite: bool
) -> None:
    """Encode frame by frame and append `box`."""
    it = iter(frames)
    first = next(it)
    height, width = (side // 2 * 2 for side in first.shape[:2])  # H.264 wants even sizes
    how = H264(width, height, Fraction(fps), CRF)
    with h264_file(path, how, overwrite=overwrite, tail=box) as write:
        for number, pixels in enumerate(chain([first], it)):
            write(pixels[:height, :width], number)


def _webp(frames: Iterable[np.ndarray], fps: int, xmp: bytes) -> bytes:
    first, rest, ends = _images(frames, fps)
    file = io.BytesIO()
    first.save(
        file, "WEBP", save_all=True, append_images=rest, duration=ends, loop=0, xmp=xmp, **WEBP
    )
    return file.getvalue()


def _gif(frames: Iterable[np.ndarray], fps: int, xmp: bytes) -> bytes:
    """Write all frames with one palette; with one each, colours would flicker."""
    first, rest, durations = _images(frames, fps)
    images = [first, *rest]
    chosen = [images[i] for i in np.linspace(0, len(images) - 1, PALETTE_FRAMES).astype(int)]
    sample = Image.fromarray(np.concatenate([np.asarray(image) for image in chosen]))
    palette = sample.quantize(255, Image.Quantize.MEDIANCUT)
    known: dict[int, Image.Image] = {}
    for image in images:  # the way back shares its pictures with the way forth
        if id(image) not in known:
            known[id(image)] = image.quantize(palette=palette, dither=Image.Dither.NONE)
    indexed = [known[id(image)] for image in images]
    file = io.BytesIO()
    indexed[0].save(
        file, "GIF", save_all=True, append_images=indexed[1:], duration=durations, loop=0
    )
    return _with_xmp(file.getvalue(), xmp)


def _with_xmp(gif: bytes, xmp: bytes) -> bytes:
    """Insert XMP before the final byte, as an application extension with Adobe's magic trailer."""
    if not xmp:
        return gif
    assert gif.endswith(b";")
    trailer = b"\x01" + bytes(range(255, -1, -1)) + b"\0"
    return gif[:-1] + b"\x21\xff\x0bXMP DataXMP" + xmp + trailer + b";"


def _images(
    frames: Iterable[np.ndarray], fps: int
) -> tuple[Image.Image, list[Image.Image], list[int]]:
    """Return Pillow's images, which share equal arrays, and the frames' milliseconds in tens."""
    known: dict[int, tuple[np.ndarray, Image.Image]] = {}
    images = [known.setdefault(id(f), (f, Image.fromarray(f)))[1] for f in frames]
    ends = [round(100 * i / fps) * 10 for i in range(len(images) + 1)]
    durations = [b - a for a, b in pairwise(ends)]
    return images[0], images[1:], durations
