"""Numbered pictures as a video: shot.%04d.exr, .png, .tiff or .dpx, read and written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from reage.compositing.planes import Planes, region_values, rgb_to_ycc
from reage.errors import ImageError, UsageError
from reage.ffmpeg import av_module, local
from reage.files import new_file, publish
from reage.images import decode_photo, encode_photo, photo_from_array
from reage.images.exr import exr_module, from_linear, read_exr, to_linear, write_exr
from reage.video.facts import Facts
from reage.video.source import BT709, Frame, VideoSource

__all__ = [
    "SEQUENCES",
    "PictureFrame",
    "SequenceSource",
    "check_pictures",
    "frame_path",
    "is_sequence",
    "open_source",
    "picture_of",
    "place_pictures",
    "rgb16",
    "stem_of",
    "write_picture",
]

SEQUENCES = (".exr", ".png", ".tif", ".tiff", ".dpx")
PATTERN = re.compile(r"%(0?)(\d{0,2})d")
RATE = Fraction(24)  # frames a second of pictures, which do not say


def is_sequence(path: Path) -> bool:
    """Tell whether a name stands for numbered pictures; a file that has this very name does not."""
    numbered = len(PATTERN.findall(path.name)) == 1 and path.suffix.lower() in SEQUENCES
    return numbered and not path.is_file()


def frame_path(pattern: Path, number: int) -> Path:
    """Return the file of a number."""
    digits = PATTERN.search(pattern.name)
    assert digits is not None, pattern
    text = str(number).zfill(int(digits[2] or 1)) if digits[1] else str(number)
    return pattern.with_name(pattern.name[: digits.start()] + text + pattern.name[digits.end() :])


def open_source(path: Path, rate: Fraction | None = None) -> VideoSource:
    """Open a video, or numbered pictures at a rate."""
    if not is_sequence(path):
        if path.suffix.lower() in (".exr", ".dpx") and path.is_file():
            pattern = re.sub(r"\d+(?=\D*$)", lambda found: f"%0{len(found[0])}d", path.stem)
            raise UsageError(
                f"{path} is one picture: give numbered ones as {pattern}{path.suffix}, with --rate"
            )
        return VideoSource.open(path)
    return SequenceSource.find(path, rate or RATE)


@dataclass(frozen=True)
class Picture:
    """One picture in its own values."""

    rgb: np.ndarray  # [H, W, 3] uint16 by the picture's curve; linear light is brought onto sRGB's
    alpha: np.ndarray | None  # [H, W] uint16
    light: np.ndarray | None  # [H, W, 3] float32 linear, as the file has it
    bits: int


@dataclass(frozen=True, eq=False)
class PictureFrame(Frame):
    """A picture of a sequence; `raw` is its file."""

    def read(self) -> Picture:
        picture = _read(self.raw)
        if picture.rgb.shape[:2] != (self.source.height, self.source.width):
            raise ImageError(
                f"{self.raw} is {picture.rgb.shape[1]}x{picture.rgb.shape[0]}, the first picture "
                f"{self.source.width}x{self.source.height}: give pictures of one size"
            )
        return picture

    def rgb(self) -> np.ndarray:
        return (self.read().rgb >> 8).astype(np.uint8)

    def planes(
        self, *, deep: bool = True, subsampling: tuple[int, int] = (1, 1), alpha: bool = False
    ) -> Planes:
        """The pixels as Y'CbCr 4:4:4 of 16 bits, whatever is asked for."""
        picture = self.read()
        ycc = rgb_to_ycc(picture.rgb / np.float32(257), BT709, True)
        ycc = (ycc + np.array([0, 128, 128], np.float32)) * 256
        layers = list(np.moveaxis(np.rint(np.clip(ycc, 0, 65535)).astype(np.uint16), 2, 0))
        if alpha and picture.alpha is not None:
            layers.append(picture.alpha)
        return Planes.join(layers, BT709, True, (1, 1))


@dataclass(frozen=True)
class SequenceSource(VideoSource):
    """Numbered pictures in a folder; `path` is their pattern."""

    files: tuple[tuple[int, Path], ...] = ()  # number and file, rising

    @classmethod
    def find(cls, pattern: Path, rate: Fraction) -> SequenceSource:
        """Find the pictures of a pattern; ImageError if there is none."""
        files = _numbered(pattern)
        if not files:
            raise ImageError(f"{pattern}: there is no such picture; numbers stand for %04d")
        first = _read(files[0][1])
        height, width = first.rgb.shape[:2]
        facts = Facts(
            codec=pattern.suffix[1:].lower(),
            bits=first.bits,
            subsampling=(1, 1),
            alpha=first.alpha is not None,
            lost=[*_gaps(files), *_other_channels(files[0][1])],
        )
        return cls(
            path=pattern, width=width, height=height, turns=0, rate=rate, time_base=1 / rate,
            first_pts=files[0][0], matrix=BT709, full_range=True, primaries=1, transfer=13,
            aspect=Fraction(1), expected=len(files), stamped=True, facts=facts, files=tuple(files),
        )  # fmt: skip

    def frames(self, start: int | None = None) -> Iterator[Frame]:
        """Yield the pictures; the time of each is its number."""
        for number, file in self.files:
            if start is None or number >= start:
                yield PictureFrame(number, file, self)


def stem_of(path: Path) -> str:
    """Return a video's name without its suffix, a sequence's without its number too."""
    if not is_sequence(path):
        return path.stem
    return path.name.split("%")[0].rstrip("._-") or "pictures"


def place_pictures(made: Path, pattern: Path, *, overwrite: bool) -> None:
    """Move finished pictures beside each other into their place."""
    for file in sorted(made.iterdir()):
        target = pattern.with_name(file.name)
        if target.exists() and not overwrite:
            raise ImageError(f"{target} exists already: choose another name, or use --overwrite")
        publish(file, target)


def check_pictures(pattern: Path, *, overwrite: bool) -> None:
    """Raise before the work if pictures could not be written, or some are there already."""
    if pattern.suffix.lower() == ".exr":
        exr_module()
    there = _numbered(pattern)
    if there and not overwrite:
        raise ImageError(f"{there[0][1]} exists already: choose another name, or use --overwrite")


def _numbered(pattern: Path) -> list[tuple[int, Path]]:
    digits = PATTERN.search(pattern.name)
    assert digits is not None, pattern
    before, after = pattern.name[: digits.start()], pattern.name[digits.end() :]
    least = int(digits[2] or 1) if digits[1] else 1
    form = re.compile(rf"{re.escape(before)}(\d{{{least},12}}){re.escape(after)}")
    if not pattern.parent.is_dir():
        return []
    names = [(form.fullmatch(file.name), file) for file in pattern.parent.iterdir()]
    return sorted((int(match[1]), file) for match, file in names if match)


def _gaps(files: list[tuple[int, Path]]) -> list[str]:
    missing = files[-1][0] - files[0][0] + 1 - len(files)
    numbers = "number" if missing == 1 else "numbers"
    return [f"{missing} {numbers} without a picture"] if missing else []


def _other_channels(path: Path) -> list[str]:
    """Name the channels of an OpenEXR file besides colour and alpha."""
    if path.suffix.lower() != ".exr":
        return []
    others = sorted(set(read_exr(path)) - set("RGBAY"))
    return [f"the channels {', '.join(others)[:80]}"] if others else []


def _read(path: Path) -> Picture:
    suffix = path.suffix.lower()
    if suffix == ".exr":
        return _read_exr(path)
    if suffix == ".dpx":
        return _read_dpx(path)
    try:
        photo = decode_photo(path.read_bytes(), path)
    except OSError as error:
        raise ImageError(f"{path} cannot be read ({error.strerror})") from error
    bits = 8 if photo.pixels.dtype == np.uint8 else 16
    factor = np.uint16(257 if bits == 8 else 1)
    alpha = None if photo.alpha is None else photo.alpha.astype(np.uint16) * factor
    return Picture(photo.pixels.astype(np.uint16) * factor, alpha, None, bits)


def _read_exr(path: Path) -> Picture:
    found = read_exr(path)
    names = "RGB" if "R" in found else "YYY"
    if not set(names) <= set(found):
        raise ImageError(f"{path} has no channels R, G and B, only {', '.join(sorted(found))[:80]}")
    light = np.stack([found[name].astype(np.float32) for name in names], axis=2)
    if not np.isfinite(light).all():
        light = np.nan_to_num(light, nan=0.0, posinf=65504.0, neginf=0.0)
    alpha = _to_16(found["A"].astype(np.float32)) if "A" in found else None
    bits = 16 if found[names[0]].dtype == np.float16 else 32
    return Picture(_to_16(from_linear(light)), alpha, light, bits)


def _read_dpx(path: Path) -> Picture:
    av = av_module()
    options = {"protocol_whitelist": "file", "format_whitelist": "dpx_pipe"}
    try:
        with av.open(local(path), format="dpx_pipe", options=options) as container:
            frame = next(container.decode(video=0))
    except (av.FFmpegError, OSError, ValueError, StopIteration) as error:
        raise ImageError(f"{path} is not a DPX picture that FFmpeg can read") from error
    bits = max(component.bits for component in frame.format.components)
    pixels = frame.reformat(format="rgb48le").to_ndarray()
    return Picture(pixels, None, None, bits)


def _to_16(values: np.ndarray) -> np.ndarray:
    return np.rint(np.clip(values, 0, 1) * 65535).astype(np.uint16)


def picture_of(frame: Frame, before: Planes, after: Planes) -> Picture:
    """Return the edited picture; a sequence's pixels that no edit reached are its own, exactly."""
    now, was = (rgb16(planes) for planes in (after, before))
    bits = frame.source.facts.bits
    if not isinstance(frame, PictureFrame):
        return Picture(now, after.alpha, None, bits)
    picture = frame.read()
    change = now.astype(np.int32) - was
    rgb = np.clip(picture.rgb + change, 0, 65535).astype(np.uint16)
    light = picture.light
    if light is not None:
        values = [to_linear(one / np.float32(65535)) for one in (rgb, picture.rgb)]
        light = light + np.where(change != 0, values[0] - values[1], 0)
    return replace(picture, rgb=rgb, light=light, alpha=after.alpha)


def rgb16(planes: Planes) -> np.ndarray:
    """Convert planes to R'G'B' `[H, W, 3]` uint16."""
    height, width = planes.layers[0].shape
    values = region_values(planes, (0, 0, width, height)) * np.float32(257)
    return np.rint(np.clip(values, 0, 65535)).astype(np.uint16)


def write_picture(path: Path, picture: Picture, mark: str | None) -> None:
    """Write one picture of a sequence in the format of the suffix."""
    suffix = path.suffix.lower()
    if suffix == ".exr":
        light = picture.light
        light = to_linear(picture.rgb / np.float32(65535)) if light is None else light
        kind = np.float32 if picture.bits == 32 else np.float16
        channels: dict[str, Any] = {n: light[..., i].astype(kind) for i, n in enumerate("RGB")}
        if picture.alpha is not None:
            channels["A"] = (picture.alpha / np.float32(65535)).astype(kind)
        write_exr(path, channels, mark)
    elif suffix == ".dpx":
        _write_dpx(path, picture)
    else:
        _write_photo(path, picture, mark)


def _write_photo(path: Path, picture: Picture, mark: str | None) -> None:
    eight = picture.bits == 8

    def stored(values: np.ndarray) -> np.ndarray:
        return np.rint(values / 257).astype(np.uint8) if eight else values

    pixels, alpha = stored(picture.rgb), picture.alpha
    with new_file(path) as place:
        if path.suffix.lower() == ".png":
            photo = photo_from_array(pixels)
            if alpha is not None:
                photo = replace(photo, alpha=stored(alpha))
            place.write_bytes(encode_photo(photo, "PNG", mark)[0])
            return
        extra: dict[str, Any] = {} if alpha is None else {"extrasamples": ["unassalpha"]}
        whole = pixels if alpha is None else np.dstack([pixels, stored(alpha)])
        tifffile.imwrite(
            place, whole, photometric="rgb", compression="zlib", description=mark or "", **extra
        )


def _write_dpx(path: Path, picture: Picture) -> None:
    """Write DPX of 10 bits, or of 16 for deeper pictures."""
    av = av_module()
    name = "gbrp10le" if picture.bits <= 10 else "rgb48be"
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture.rgb), format="rgb48le")
    context = av.CodecContext.create("dpx", "w")
    context.width, context.height, context.pix_fmt = frame.width, frame.height, name
    context.time_base = Fraction(1, 24)
    packets = [*context.encode(frame.reformat(format=name)), *context.encode(None)]
    with new_file(path) as place:
        place.write_bytes(b"".join(bytes(packet) for packet in packets))
