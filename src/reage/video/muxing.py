"""Frames to H.264 segments, and segments with the input's other streams to one file."""

from __future__ import annotations

import heapq
import os
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any

from reage.compositing.planes import Planes
from reage.errors import ImageError, UsageError
from reage.video.config import VideoConfig
from reage.video.journal import CHUNK, Journal
from reage.video.source import (
    FULL,
    LIMITED,
    VideoSource,
    av_module,
    open_input,
    video_stream,
    written,
)

__all__ = ["CONTAINERS", "SegmentWriter", "check_output", "join_segments"]

# What H.264 goes into. Matroska takes every audio and subtitle codec, MP4 only some.
CONTAINERS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska"}
THREADS = 2  # of x264: a fixed number, since its result depends on it


class SegmentWriter:
    """Some frames as a file of their own, which appears under its name when it is whole."""

    def __init__(self, path: Path, source: VideoSource, config: VideoConfig):
        self.path, self.source, self.config = path, source, config
        self.partial = path.with_name(path.stem + ".part.mp4")
        self.first: int | None = None

    def __enter__(self) -> SegmentWriter:
        with written(self.path):
            self.container = av_module().open(str(self.partial), "w")
            self.stream = add_h264(self.container, self.source, self.config)
        return self

    def add(self, planes: Planes, pts: int) -> None:
        """Encode one frame."""
        frame = av_module().VideoFrame.from_ndarray(planes.packed, format="yuv420p")
        self.first = pts if self.first is None else self.first
        frame.pts, frame.time_base = pts - self.first, self.source.time_base
        frame.color_range = FULL if self.source.full_range else LIMITED
        with written(self.path):
            for packet in self.stream.encode(frame):
                self.container.mux(packet)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            with written(self.path):
                if kind is None:
                    for packet in self.stream.encode():
                        self.container.mux(packet)
                self.container.close()
                if kind is None:
                    os.replace(self.partial, self.path)
        except ImageError:
            if kind is None:
                raise
        finally:
            self.partial.unlink(missing_ok=True)


def add_h264(container: Any, source: VideoSource, config: VideoConfig) -> Any:
    """Add the stream that is written to a container.

    Without B-frames, so that packets come in the order of their times: segments then join without
    a shift of the sound, and any uneven times stay.
    """
    options = {"crf": str(config.crf), "preset": config.preset, "bf": "0"}
    rate = Fraction(source.rate).limit_denominator(60000)
    stream = container.add_stream("libx264", rate=rate, options=options)
    context = stream.codec_context
    stream.width, stream.height = source.even_size
    stream.pix_fmt = "yuv420p"
    context.time_base = stream.time_base = source.time_base
    context.thread_count = THREADS
    context.sample_aspect_ratio = source.aspect
    context.colorspace, context.color_range = source.matrix, FULL if source.full_range else LIMITED
    context.color_primaries, context.color_trc = source.primaries, source.transfer
    return stream


def check_output(source: VideoSource, output: Path, config: VideoConfig) -> None:
    """Find out before the work whether the output can hold what the input has.

    Raises UsageError for another suffix, ImageError where a stream does not fit.
    """
    if output.suffix.lower() not in CONTAINERS:
        raise UsageError(f"{output} has no suffix of a video: choose {', '.join(CONTAINERS)}")
    av = av_module()
    with open_input(source.path) as input_, TemporaryDirectory(prefix="reage-") as place:
        trial = Path(place) / f"trial{output.suffix}"
        kept = _other_streams(input_)
        try:
            with av.open(str(trial), "w", format=CONTAINERS[output.suffix.lower()]) as container:
                add_h264(container, source, config)
                for stream in kept:
                    container.add_stream_from_template(stream)
                container.start_encoding()
        except (av.FFmpegError, ValueError) as error:
            names = ", ".join(s.codec_context.name if s.codec_context else s.type for s in kept)
            raise ImageError(
                f"{output.suffix} cannot hold the input's {names}; write {output.stem}.mkv instead"
            ) from error


def join_segments(
    segments: Sequence[Path],
    source: VideoSource,
    journal: Journal,
    output: Path,
    *,
    partial: Path,
    span: tuple[int, float] | None = None,
    mark: str | None,
) -> None:
    """Write all segments with the input's audio and subtitles, packets untouched, then move it.

    `span` is the pts at which a preview starts and its seconds: the rest is left out.
    """
    format = CONTAINERS[output.suffix.lower()]
    options = {"movflags": "+faststart"} if format != "matroska" else {}
    if format != "matroska" and source.time_base.numerator == 1:
        options["movie_timescale"] = str(max(1000, source.time_base.denominator))
    try:
        with written(output), open_input(source.path) as input_:
            out = av_module().open(str(partial), "w", format=format, options=options)
            try:
                _write_all(out, input_, segments, source, journal, span, mark)
            finally:
                out.close()
            os.replace(partial, output)
    finally:
        partial.unlink(missing_ok=True)


def _write_all(
    out: Any,
    input_: Any,
    segments: Sequence[Path],
    source: VideoSource,
    journal: Journal,
    span: tuple[int, float] | None,
    mark: str | None,
) -> None:
    with av_module().open(str(segments[0])) as first:
        video = out.add_stream_from_template(first.streams.video[0])
        video.time_base = source.time_base
    original = video_stream(input_, source.path)
    pairs = [(original, video)]
    others = {}
    for stream in _other_streams(input_):
        others[stream.index] = out.add_stream_from_template(stream)
        pairs.append((stream, others[stream.index]))
    for old, new in pairs:
        new.metadata.update({k: v for k, v in old.metadata.items() if k in ("language", "title")})
        new.disposition = old.disposition
    out.metadata.update(input_.metadata)
    if mark is not None:
        out.metadata["comment"] = mark
    if span is None and hasattr(out, "set_chapters"):
        out.set_chapters(input_.chapters())
    begin = span[0] if span else 0
    ours = _video_packets(segments, video, source, journal, begin)
    theirs = _other_packets(input_, others, span, source)
    for _, packet in heapq.merge(ours, theirs, key=lambda item: item[0]):
        out.mux_one(packet)


def _video_packets(
    segments: Sequence[Path], stream: Any, source: VideoSource, journal: Journal, begin: int
) -> Iterator[tuple[float, Any]]:
    """Yield seconds and packets of all segments, with the input's own times."""
    times = _times(journal)
    now = next(times)
    for path in segments:
        with av_module().open(str(path)) as container:
            for packet in container.demux(video=0):
                if not packet.size:
                    continue
                after = next(times, None)
                packet.time_base = source.time_base
                packet.pts = packet.dts = now - begin
                step = round(1 / (source.rate * source.time_base))
                packet.duration = step if after is None else after - now
                packet.stream = stream
                yield float((now - begin) * source.time_base), packet
                now = after if after is not None else now + step


def _times(journal: Journal) -> Iterator[int]:
    for start in range(0, journal.frames, CHUNK):
        yield from journal.read_frames(start, start + CHUNK)["pts"].tolist()


def _other_streams(container: Any) -> list[Any]:
    return [s for s in container.streams if s.type in ("audio", "subtitle")]


def _other_packets(
    container: Any, streams: dict[int, Any], span: tuple[int, float] | None, source: VideoSource
) -> Iterator[tuple[float, Any]]:
    """Yield seconds and packets of the streams that are only passed on."""
    if not streams:
        return
    start = float(span[0] * source.time_base) if span else 0.0
    for packet in container.demux([container.streams[i] for i in streams]):
        if packet.dts is None or packet.time_base is None:
            continue  # the end
        seconds = float(packet.dts * packet.time_base) - start
        if span:
            if seconds < 0 or seconds >= span[1]:
                continue
            shift = round(start / packet.time_base)
            packet.dts -= shift
            packet.pts = None if packet.pts is None else packet.pts - shift
        packet.stream = streams[packet.stream.index]
        yield seconds, packet
