"""The second pass: read every frame again, change the faces, write segments; can be resumed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from reage.compositing.frame_canvas import FrameCanvas
from reage.compositing.layer_files import write_layers
from reage.compositing.layers import record_layers
from reage.compositing.planes import Planes, sample_luma
from reage.compositing.render import FaceLayer, render
from reage.compositing.view import crop_for_age, read_age
from reage.errors import ImageError
from reage.faces.face import Face
from reage.faces.squares import face_mask
from reage.ffmpeg import h264_file
from reage.files import new_file
from reage.images import to_tensor
from reage.search.looker import shown_by
from reage.video.config import Progress, VideoConfig
from reage.video.journal import Journal
from reage.video.metrics import Tally
from reage.video.painter import Painter
from reage.video.samples import frame_rgb, to_frame
from reage.video.sequence import PictureFrame, frame_path, picture_of, rgb16, write_picture
from reage.video.source import KEPT, Frame, VideoSource, report_write_errors
from reage.video.storage import Storage
from reage.video.track_edit import TrackEdit
from reage.video.tracks import overlapping

if TYPE_CHECKING:
    from reage.editor import Editor

__all__ = ["SEGMENT", "Segment", "render_segments", "segments_of"]

SEGMENT = 4.0  # seconds that a kill may cost
SIDE = 64  # pixels of the square in which flicker is measured
LOOK_EVERY = 1.0  # seconds between two looks at age and likeness


@dataclass(frozen=True)
class Segment:
    """Frames `start` to before `stop`, and their files."""

    start: int
    stop: int
    video: Path

    @property
    def tally(self) -> Path:
        return self.video.with_suffix(".json")

    @property
    def pictures(self) -> Path:
        """The folder of finished pictures, of all segments."""
        return self.video.parent / "pictures"

    @property
    def done(self) -> bool:
        made = self.video.is_file() or not self.video.suffix
        return made and self.tally.is_file()


def segments_of(
    journal: Journal, source: VideoSource, folder: Path, storage: Storage
) -> list[Segment]:
    """Cut a video into segments of the same number of frames."""
    size = max(2, round(SEGMENT * float(source.rate)))
    starts = range(0, journal.frames, size)
    return [
        Segment(
            start, min(start + size, journal.frames), folder / f"segment-{n:06d}{storage.suffix}"
        )
        for n, start in enumerate(starts)
    ]


def render_segments(
    editor: Editor,
    source: VideoSource,
    journal: Journal,
    edits: Sequence[TrackEdit],
    segments: Sequence[Segment],
    storage: Storage,
    config: VideoConfig,
    mark: str | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> tuple[Tally, int]:
    """Write the missing segments; return the sums of all, and the number of new frames."""
    tally, made, frames = Tally(), 0, None
    for segment in segments:
        if frames is None and segment.done:
            tally += Tally.read(json.loads(segment.tally.read_text()))
            continue
        if frames is None:
            pts = int(journal.read_frames(segment.start, segment.start + 1)["pts"][0])
            frames = source.frames(pts)
        part = islice(frames, segment.stop - segment.start)
        with _opened(segment, source, storage, config, mark) as write:
            sums = _render(
                editor, source, journal, edits, segment, part, storage, config, write, on_progress
            )
        _write_tally(segment.tally, sums)
        tally += sums
        made += segment.stop - segment.start
    return tally, made


def _write_tally(path: Path, tally: Tally) -> None:
    with report_write_errors(path), new_file(path) as temporary:
        temporary.write_text(json.dumps(tally.plain()))


def _render(
    editor: Editor,
    source: VideoSource,
    journal: Journal,
    edits: Sequence[TrackEdit],
    segment: Segment,
    frames: Iterator[Frame],
    storage: Storage,
    config: VideoConfig,
    write: Write,
    on_progress: Callable[[Progress], None] | None,
) -> Tally:
    start, stop = segment.start, segment.stop
    painters = [
        Painter(editor, edit, journal, source, run, start, stop, config)
        for edit in edits
        for run in overlapping(edit.track.runs, start, stop)
    ]
    stamps = journal.read_frames(start, stop)["pts"].tolist()
    watch = _Watch(editor, source)
    for number, pts in enumerate(stamps, start):
        frame = next(frames, None)
        if frame is None or frame.pts != pts:
            raise ImageError(f"{source.path} was changed while it was read; start again")
        before = frame.planes(**storage.working)
        after = before.copy()
        here = [painter for painter in painters if painter.covers(number)]
        layers = [layer for layer in (p.layer(before, number) for p in here) if layer]
        canvas = FrameCanvas(after, before)
        if config.layers is None:
            render(canvas, layers)
        else:
            _render_layers(canvas, layers, config, _number(frame, number))
        watch.tally.edited += len(layers)
        watch.tally.covered += any(p.weight(number) > 0 and p.cover.found for p in here)
        watch.see(number, before, after, painters)
        write(frame, number, before, after)
        watch.tally.frames += 1
        if on_progress is not None:
            on_progress(Progress("frames", number + 1, journal.frames))
    for painter in painters:
        inside = slice(painter.motion.at(painter.start), painter.motion.at(painter.stop - 1) + 1)
        smooth = painter.motion.points[inside, :5]
        watch.tally.add_jitter(painter.motion.raw[inside], smooth)
    return watch.tally


Write = Callable[[Frame, int, Planes, Planes], None]  # frame, its place, planes before and after


@contextmanager
def _opened(
    segment: Segment, source: VideoSource, storage: Storage, config: VideoConfig, mark: str | None
) -> Iterator[Write]:
    """Open a segment for writing: an encoded file, or a folder of pictures."""
    if storage.codec != "pictures":
        how = storage.encoder(source, config.crf, config.preset)
        with h264_file(segment.video, how, kept=KEPT) as add:
            first: list[int] = []

            def encode(frame: Frame, number: int, before: Planes, after: Planes) -> None:
                first.append(frame.pts)
                add(to_frame(after, storage.pix_fmt), frame.pts - first[0])

            yield encode
        return
    folder = segment.pictures
    folder.mkdir(exist_ok=True)

    def draw(frame: Frame, number: int, before: Planes, after: Planes) -> None:
        assert storage.pattern is not None
        name = frame_path(storage.pattern, _number(frame, number)).name
        with report_write_errors(folder):
            write_picture(folder / name, picture_of(frame, before, after), mark)

    yield draw


def _number(frame: Frame, place: int) -> int:
    """Return the number of a frame's picture: its own, or counted from 1."""
    return frame.pts if isinstance(frame, PictureFrame) else place + 1


def _render_layers(
    canvas: FrameCanvas, layers: Sequence[FaceLayer], config: VideoConfig, number: int
) -> None:
    """Render a frame and write what was done to it."""
    assert config.layers is not None
    seen = rgb16(canvas.seen) / np.float32(65535)
    made = record_layers(canvas, layers, lambda: rgb16(canvas.planes) / np.float32(65535))
    with report_write_errors(config.layers):
        write_layers(made, seen, config.layers, f"{number:06d}", config.layer_format, None)


@dataclass
class _Watch:
    """Measures the frames of one segment as they are rendered."""

    editor: Editor
    source: VideoSource
    tally: Tally = field(default_factory=Tally)
    # the last faces of each painter: frame number, before, after
    last: dict[int, list[tuple[int, np.ndarray, np.ndarray]]] = field(default_factory=dict)

    def see(self, number: int, before: Planes, after: Planes, painters: Sequence[Painter]) -> None:
        every = max(1, round(LOOK_EVERY * float(self.source.rate)))
        for key, painter in enumerate(painters):
            if not painter.covers(number) or painter.weight(number) < 0.5:
                continue
            quad = painter.quad(number)
            pair = [sample_luma(planes.layers[0], quad, SIDE) for planes in (before, after)]
            recent = [*self.last.get(key, []), (number, *pair)][-3:]
            self.last[key] = recent
            if len(recent) == 3 and recent[0][0] == number - 2:
                mask = face_mask(painter.points(number), quad, SIDE)
                self.tally.add_flicker([r[1] for r in recent], [r[2] for r in recent], mask)
            if number % every == 0:
                self._look(painter, number, before, after)

    @torch.no_grad()
    def _look(self, painter: Painter, number: int, before: Planes, after: Planes) -> None:
        """Read likeness and age of the face in one frame."""
        editor, tally = self.editor, self.tally
        face = Face.from_points(painter.points(number)[:5])
        crops = [crop_for_age(frame_rgb(planes), face) for planes in (before, after)]
        pictures = to_tensor(np.stack([crop.image for crop in crops])).to(editor.device)
        layers = editor.likeness.describe(pictures)
        was, now = [f[:1] for f in layers], [f[1:] for f in layers]
        key_was, key_now = painter.edit.described
        tally.looks += 1
        tally.like_in += float(editor.likeness(was, key_was)[0])
        tally.like_out += float(editor.likeness(now, key_now)[0])
        tally.like_across += float(editor.likeness(now, was)[0])
        reached = painter.edit.at(painter.seconds(number)).reached
        read = torch.tensor([read_age(editor.age_network, pictures[1:]).age])
        strength = torch.tensor([reached.strength])
        age = float(shown_by(painter.ager, read, painter.edit.own.age, strength)) - reached.age
        tally.years += age
        tally.years_squared += age**2
