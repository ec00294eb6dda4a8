"""Read upright frames of video files one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from reage.compositing.planes import Planes
from reage.errors import ImageError
from reage.ffmpeg import FULL, av_module, open_input, reason_of, write_errors
from reage.images.sources import HEAD, picture_format
from reage.video.facts import Facts, has_alpha_layer, read_facts
from reage.video.samples import planes_of

if TYPE_CHECKING:
    from av.container import InputContainer

__all__ = ["KEPT", "Frame", "VideoSource", "decoder_of", "report_write_errors", "video_stream"]

KEPT = "what is done is kept, run the same command again"
UNKNOWN = 2  # FFmpeg's number of a matrix, primaries or transfer that the file does not say
BT709, BT601 = 1, 5
HD_LINES = 720  # from here on players take an untold matrix for BT.709
SMALLEST = 16  # pixels a side
LIBVPX = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
STAMPS = 60  # packets by which the rate is judged


@dataclass(frozen=True, eq=False)
class Frame:
    """One picture of a video, upright."""

    pts: int  # presentation time in the source's time base
    raw: Any  # the decoder's own
    source: VideoSource

    def rgb(self) -> np.ndarray:
        """The pixels `[H, W, 3]` uint8."""
        found = self.raw.reformat(
            format="rgb24", src_colorspace=self.source.matrix, threads=1
        ).to_ndarray()
        return np.ascontiguousarray(np.rot90(found, self.source.turns))

    def planes(
        self, *, deep: bool = False, subsampling: tuple[int, int] = (2, 2), alpha: bool = False
    ) -> Planes:
        """The pixels as Y'CbCr in the file's own matrix, upright, the sides made even for chroma.

        8 bits, or with `deep` 16.
        """
        source = self.source
        turned = source.turns % 2 and subsampling == (2, 1)  # which would be halved in height
        planes = planes_of(
            self.raw,
            source.matrix,
            source.full_range,
            deep=deep,
            subsampling=(1, 1) if turned else subsampling,
            alpha=alpha,
        )
        return planes.turn(source.turns) if source.turns else planes


@dataclass(frozen=True)
class VideoSource:
    """A video file's properties, from its header and first frame."""

    path: Path
    width: int  # pixels as shown, that is upright
    height: int
    turns: int  # quarter turns against the clock that make the decoded pictures upright
    rate: Fraction  # frames a second on average
    time_base: Fraction  # seconds of one step of pts
    first_pts: int
    matrix: int  # of Y'CbCr: BT709 or BT601, or FFmpeg's other numbers
    full_range: bool
    primaries: int
    transfer: int
    aspect: Fraction  # width of a pixel over its height
    expected: int  # frames, about; 0: not known
    stamped: bool  # whether frames carry times; else they are counted
    facts: Facts = field(default_factory=Facts)  # what is unusual about it
    broken: set[int] = field(default_factory=set, compare=False)  # packets that were skipped
    resized: set[int] = field(default_factory=set, compare=False)  # frames of another size, by pts

    @classmethod
    def open(cls, path: Path) -> VideoSource:
        """Open a file; ImageError if FFmpeg finds no readable video in it."""
        with _pictures_named(path), open_input(path) as container:
            stream = video_stream(container, path)
            try:
                frame = next(_first_frames(container, stream), None)
            except av_module().FFmpegError as error:
                raise ImageError(
                    f"{path}: its video cannot be decoded ({reason_of(error)})"
                ) from error
            if frame is None:
                raise ImageError(f"{path}: its video has no frame")
            with open_input(path) as again:
                rate = _rate(stream, _first_stamps(again, path))
            return _describe(cls, path, container, stream, frame, rate)

    @property
    def even_size(self) -> tuple[int, int]:
        """The width and height of an output whose chroma is subsampled."""
        return self.width + self.width % 2, self.height + self.height % 2

    def seconds(self, pts: int) -> float:
        """Return the time since the first frame."""
        return float((pts - self.first_pts) * self.time_base)

    def frames(self, start: int | None = None) -> Iterator[Frame]:
        """Yield the frames from the presentation time `start` on, in order."""
        if start is not None and self.stamped and start > self.first_pts:
            with open_input(self.path) as container:
                decoded = self._decode(container) if self._seek(container, start) else iter(())
                first = next(decoded, None)
                if first is not None and first[0] <= start:  # else the seek went past it
                    yield from self._frames_from(first, decoded, start)
                    return
        with open_input(self.path) as container:
            decoded = self._decode(container)
            first = next(decoded, None)
            if first is not None:
                yield from self._frames_from(first, decoded, start)

    def _frames_from(self, first: Any, rest: Iterator[Any], start: int | None) -> Iterator[Frame]:
        item = first
        while item is not None:
            if start is None or item[0] >= start:
                yield Frame(item[0], item[1], self)
            item = next(rest, None)

    def _seek(self, container: InputContainer, start: int) -> bool:
        """Go to a key frame at or before a time; False if the file does not allow it."""
        try:
            container.seek(start, stream=video_stream(container, self.path), backward=True)
        except (av_module().FFmpegError, OSError, OverflowError):
            return False
        return True

    def _decode(self, container: InputContainer) -> Iterator[Any]:
        """Yield pts (rising strictly) and decoded frames; a broken packet is skipped."""
        av = av_module()
        stream = video_stream(container, self.path)
        stream.thread_type = "AUTO"
        decode = decoder_of(stream)
        step = max(1, round(1 / (self.rate * self.time_base)))
        last = None
        for packet in container.demux(stream):
            try:
                found = decode(packet)
            except av.FFmpegError:
                self.broken.add(packet.pts or 0)
                continue
            for frame in found:
                pts = frame.pts if self.stamped and frame.pts is not None else None
                if pts is None or (last is not None and pts <= last):
                    pts = self.first_pts if last is None else last + step
                last = pts
                yield pts, self._scaled(frame, pts)

    def _scaled(self, frame: Any, pts: int) -> Any:
        """Give a frame the size of the first one: streams and joined files change it midway."""
        size = (self.width, self.height) if self.turns % 2 == 0 else (self.height, self.width)
        if (frame.width, frame.height) == size:
            return frame
        self.resized.add(pts)
        return frame.reformat(*size, threads=1)


@contextmanager
def _pictures_named(path: Path) -> Iterator[None]:
    """Say of a picture that cannot be read as a video what edits it."""
    try:
        yield
    except ImageError as error:
        if _is_picture(path):
            raise ImageError(f"{path} is a picture: use reage edit") from error
        raise


def _is_picture(path: Path) -> bool:
    with suppress(ImageError, OSError), path.open("rb") as file:
        return bool(picture_format(file.read(HEAD), path))
    return False


def video_stream(container: InputContainer, path: Path) -> Any:
    """Return the file's first video stream that is not a cover picture."""
    av = av_module()
    for stream in container.streams.video:
        if not stream.disposition & av.stream.Disposition.attached_pic:
            return stream
    raise ImageError(f"{path} has no video in it; give a film, or use reage edit for a photo")


def decoder_of(stream: Any) -> Callable[[Any], Sequence[Any]]:
    """Return what decodes packets of a stream, transparency included.

    FFmpeg's own decoder of VP8 and VP9 leaves out the second layer that holds alpha; libvpx
    reads both.
    """
    name = LIBVPX.get(stream.codec_context.name)
    if name is None or not has_alpha_layer(stream):
        return lambda packet: packet.decode()
    try:
        context = av_module().CodecContext.create(name, "r")
    except (av_module().FFmpegError, ValueError):
        return lambda packet: packet.decode()
    return lambda packet: context.decode(packet if packet.size else None)


def _first_frames(container: InputContainer, stream: Any) -> Iterator[Any]:
    decode = decoder_of(stream)
    for packet in container.demux(stream):
        yield from decode(packet)


def report_write_errors(path: Path) -> AbstractContextManager[None]:
    """Turn errors while writing a work file into one line."""
    return write_errors(path, KEPT)


def _first_stamps(container: InputContainer, path: Path) -> list[Fraction]:
    """Return the times of the first packets, seconds, in display order."""
    stamps = []
    for packet in container.demux(video_stream(container, path)):
        if packet.pts is not None and packet.time_base:
            stamps.append(packet.pts * packet.time_base)
        if len(stamps) == STAMPS:
            break
    return sorted(stamps)


def _rate(stream: Any, stamps: list[Fraction]) -> Fraction:
    """Return the frame rate: the stated one (Matroska may state its clock) or the measured one."""
    said = Fraction(stream.average_rate or stream.guessed_rate or 25)
    steps = sorted(b - a for a, b in pairwise(stamps) if b > a)
    if not steps:
        return said
    shown = 1 / steps[len(steps) // 2]
    return said if shown / 2 <= said <= shown * 2 else Fraction(shown)


def _describe(
    cls: type[VideoSource],
    path: Path,
    container: InputContainer,
    stream: Any,
    frame: Any,
    rate: Fraction,
) -> VideoSource:
    turns = round(frame.rotation / 90) % 4
    width, height = (frame.width, frame.height) if turns % 2 == 0 else (frame.height, frame.width)
    if min(width, height) < SMALLEST:
        raise ImageError(f"{path} is {width}x{height}: too small for a face")
    time_base = frame.time_base or stream.time_base or Fraction(1, 90000)
    seconds = 0.0
    if stream.duration:
        seconds = float(stream.duration * stream.time_base)
    elif container.duration:
        seconds = container.duration / 1e6
    aspect = Fraction(stream.sample_aspect_ratio or 1) or Fraction(1)
    matrix = frame.colorspace
    if matrix in (0, UNKNOWN):  # 0 is RGB
        matrix = BT709 if min(width, height) >= HD_LINES else BT601
    return cls(
        path=path,
        width=width,
        height=height,
        turns=turns,
        rate=rate,
        time_base=Fraction(time_base),
        first_pts=frame.pts or 0,
        matrix=matrix,
        full_range=frame.color_range == FULL and frame.format.name.startswith("yuv"),
        primaries=frame.color_primaries,
        transfer=frame.color_trc,
        aspect=aspect if turns % 2 == 0 else 1 / aspect,
        expected=int(stream.frames or round(seconds * float(rate))),
        stamped=frame.pts is not None,
        facts=read_facts(container, stream, frame),
    )
