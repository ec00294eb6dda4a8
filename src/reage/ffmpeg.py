"""FFmpeg by PyAV: files opened by their names alone, and the one way to write H.264."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from reage.errors import ImageError, UsageError
from reage.extras import how_to_install
from reage.files import UNTOUCHED, name_errors, new_file

if TYPE_CHECKING:
    from av.container import InputContainer

__all__ = [
    "FULL",
    "H264",
    "LIMITED",
    "Writer",
    "add_stream",
    "av_module",
    "h264_file",
    "local",
    "open_input",
    "reason_of",
    "write_errors",
]

LIMITED, FULL = 1, 2  # FFmpeg's numbers of colour ranges
# What a file may be. Playlists, lists and descriptions of sessions, which name other files or
# hosts, are not among them, nor are numbered pictures. Of sounds it is said that they are no film.
CONTAINERS = (
    *("mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "avi", "mpeg", "mpegts", "mpegvideo", "flv"),
    *("asf", "ogg", "mxf", "gxf", "dv", "nut", "rm", "wtv", "ivf", "obu", "av1", "h264", "hevc"),
    *("m4v", "vvc", "mjpeg", "yuv4mpegpipe", "gif", "apng", "swf", "wav", "mp3", "flac", "aac"),
)
ONLY_THIS_FILE = {"protocol_whitelist": "file", "format_whitelist": ",".join(CONTAINERS)}


@dataclass(frozen=True)
class H264:
    """How pictures are encoded."""

    width: int  # pixels, even
    height: int
    rate: Fraction  # frames a second on average
    crf: int  # lower is better and larger
    options: Mapping[str, str] = field(default_factory=dict)  # more of x264
    time_base: Fraction | None = None  # seconds of one step of pts; None: a frame
    threads: int = 0  # 0: FFmpeg decides, and with it about some bytes
    color_range: int = 0  # FFmpeg's numbers, 0 and 2 are untold
    colorspace: int = 2
    color_primaries: int = 2
    color_trc: int = 2
    aspect: Fraction | None = None  # width of a pixel over its height
    codec: str = "libx264"
    pix_fmt: str = "yuv420p"
    tag: str = ""  # of the codec in the file; "": FFmpeg's own
    container: str = "mp4"


class Writer(Protocol):
    """Adds a picture, an array or a frame; what `h264_file` yields."""

    def __call__(self, pixels: Any, pts: int) -> None: ...


def av_module(instead: str = "") -> Any:
    """PyAV, or UsageError where it is not installed, with what can be done `instead`."""
    try:
        import av
    except ImportError as error:
        raise UsageError(f"videos need PyAV: {how_to_install('video')}{instead}") from error
    return av


def local(path: Path) -> str:
    """A file's name as FFmpeg takes it for nothing else: no colon in it names a protocol."""
    return f"file:{path.absolute()}"


@contextmanager
def open_input(path: Path) -> Iterator[InputContainer]:
    """Open a file for reading, and no other that it may name; ImageError where that fails."""
    av = av_module()
    if not path.is_file():
        raise ImageError(f"{path} does not exist" if not path.exists() else f"{path} is no file")
    try:
        container = av.open(local(path), options=dict(ONLY_THIS_FILE))
    except (av.FFmpegError, OSError, ValueError) as error:
        raise ImageError(
            f"{path} is not a video that FFmpeg can read ({reason_of(error)})"
        ) from error
    with container:
        yield container


@contextmanager
def write_errors(path: Path, kept: str = UNTOUCHED) -> Iterator[None]:
    """Turn what goes wrong while FFmpeg writes into one line, as `name_errors` does."""
    with name_errors(path, kept=kept):
        try:
            yield
        except av_module().FFmpegError as error:
            raise OSError(error.errno, reason_of(error)) from error


def reason_of(error: BaseException) -> str:
    """One line of FFmpeg's."""
    return str(getattr(error, "strerror", None) or error).splitlines()[0]


@contextmanager
def h264_file(
    path: Path,
    how: H264,
    *,
    overwrite: bool = True,
    tail: bytes = b"",
    kept: str = UNTOUCHED,
) -> Iterator[Writer]:
    """Yield what adds a picture to an MP4, which has its name when the block has ended well.

    `tail` is appended to the file. What goes wrong is an ImageError, of one line with `kept`.
    """
    av = av_module()
    with ExitStack() as stack:
        with write_errors(path, kept):
            place = stack.enter_context(new_file(path, overwrite=overwrite))
            options = {"movflags": "+faststart"}
            container = av.open(local(place), "w", format=how.container, options=options)
            stack.callback(_close, container)
            stream = add_stream(container, how)

        def add(pixels: Any, pts: int) -> None:
            frame = pixels
            if isinstance(pixels, np.ndarray):
                frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            frame.pts, frame.color_range = pts, how.color_range
            frame.colorspace, frame.color_primaries = how.colorspace, how.color_primaries
            frame.color_trc = how.color_trc
            if how.time_base is not None:
                frame.time_base = how.time_base
            with write_errors(path, kept):
                container.mux(stream.encode(frame))

        yield add
        with write_errors(path, kept):
            container.mux(stream.encode())
            container.close()
            with place.open("ab") as file:
                file.write(tail)
            stack.close()


def add_stream(container: Any, how: H264) -> Any:
    """Add a stream of H.264, or of another codec, to a container that is written."""
    quality = {"crf": str(how.crf)} if how.codec.startswith("libx26") else {}
    stream = container.add_stream(how.codec, rate=how.rate, options={**quality, **how.options})
    stream.width, stream.height, stream.pix_fmt = how.width, how.height, how.pix_fmt
    context = stream.codec_context
    if how.tag:
        context.codec_tag = how.tag
    if how.time_base is not None:
        context.time_base = stream.time_base = how.time_base
    context.thread_count = how.threads
    if how.aspect is not None:
        context.sample_aspect_ratio = how.aspect
    context.colorspace, context.color_range = how.colorspace, how.color_range
    context.color_primaries, context.color_trc = how.color_primaries, how.color_trc
    return stream


def _close(container: Any) -> None:
    """Close what is left behind after an error, which is the one to be told."""
    with suppress(OSError, av_module().FFmpegError):
        container.close()
