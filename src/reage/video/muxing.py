"""Join encoded segments with the input's other streams."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from reage.errors import ImageError
from reage.ffmpeg import H264, add_stream, av_module, local, open_input
from reage.files import publish
from reage.images import DIGITAL_SOURCE_TYPE
from reage.images.metadata import mark_box
from reage.video.journal import CHUNK, Journal
from reage.video.sequence import SequenceSource
from reage.video.source import VideoSource, report_write_errors, video_stream
from reage.video.storage import CONTAINERS

__all__ = ["check_output", "join_segments"]

TAGGED = ("mp4", "mov")  # formats whose tag of a codec tells players what to expect


def check_output(source: VideoSource, output: Path, how: H264) -> None:
    """Check before the work that the output can hold the input's streams; ImageError if not."""
    av = av_module()
    if isinstance(source, SequenceSource):
        return
    with open_input(source.path) as input_, TemporaryDirectory(prefix="reage-") as place:
        trial = Path(place) / f"trial{output.suffix}"
        kept = _other_streams(input_)
        try:
            with av.open(local(trial), "w", format=CONTAINERS[output.suffix.lower()]) as container:
                add_stream(container, how)
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
    """Write all segments with the input's audio and subtitles as packets, then move the file.

    `span` is the start of a preview as pts, and its seconds; the rest is left out.
    """
    format = CONTAINERS[output.suffix.lower()]
    options = {"movflags": "+faststart"} if format != "matroska" else {}
    if format != "matroska" and source.time_base.numerator == 1:
        options["movie_timescale"] = str(max(1000, source.time_base.denominator))
    try:
        with report_write_errors(output), _opened(source) as input_:
            out = av_module().open(local(partial), "w", format=format, options=options)
            try:
                _write_all(out, input_, segments, source, journal, span, mark)
            finally:
                out.close()
            if mark is not None and format != "matroska":
                with partial.open("ab") as file:
                    file.write(mark_box(mark))
            publish(partial, output)
    finally:
        partial.unlink(missing_ok=True)


def _opened(source: VideoSource) -> AbstractContextManager[Any]:
    """Open the file for its other streams; numbered pictures have none."""
    return nullcontext() if isinstance(source, SequenceSource) else open_input(source.path)


def _write_all(
    out: Any,
    input_: Any,
    segments: Sequence[Path],
    source: VideoSource,
    journal: Journal,
    span: tuple[int, float] | None,
    mark: str | None,
) -> None:
    with open_input(segments[0]) as first:
        made = first.streams.video[0]
        video = out.add_stream_from_template(made)
        if out.format.name in TAGGED:  # the copy has none, and FFmpeg's first choice is another
            video.codec_context.codec_tag = made.codec_context.codec_tag
        video.time_base = source.time_base
    begin = span[0] if span else 0
    out.metadata.update(_marks(out, mark))
    if input_ is None:
        begin = span[0] if span else source.first_pts
        for _, packet in _video_packets(segments, video, source, journal, begin):
            out.mux_one(packet)
        return
    original = video_stream(input_, source.path)
    pairs = [(original, video)]
    others = {}
    for stream in _other_streams(input_):
        others[stream.index] = out.add_stream_from_template(stream)
        pairs.append((stream, others[stream.index]))
    for old, new in pairs:
        new.metadata.update({k: v for k, v in old.metadata.items() if k in ("language", "title")})
        new.disposition = old.disposition
    out.metadata.update({**input_.metadata, **_marks(out, mark)})
    if span is None and hasattr(out, "set_chapters"):
        out.set_chapters(input_.chapters())
    ours = _video_packets(segments, video, source, journal, begin)
    theirs = _other_packets(input_, others, span, source)
    for _, packet in heapq.merge(ours, theirs, key=lambda item: item[0]):
        out.mux_one(packet)


def _marks(out: Any, mark: str | None) -> dict[str, str]:
    """Return the tags of the synthetic-media mark; MP4 and MOV have a box for the rest of it."""
    if mark is None:
        return {}
    kind = {"DIGITAL_SOURCE_TYPE": DIGITAL_SOURCE_TYPE} if out.format.name == "matroska" else {}
    return {"comment": mark, **kind}


def _video_packets(
    segments: Sequence[Path], stream: Any, source: VideoSource, journal: Journal, begin: int
) -> Iterator[tuple[float, Any]]:
    """Yield seconds and packets of all segments, with the input's own times."""
    times = _times(journal)
    now = next(times)
    for path in segments:
        with open_input(path) as container:
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
    """Yield seconds and packets of the copied streams."""
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
