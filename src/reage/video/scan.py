"""The first pass: read every frame once, find cuts, follow faces, note codes; can be resumed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from reage.compositing.view import crop_for_age, view_crop
from reage.faces.face import Face
from reage.images import to_tensor
from reage.video.codes import encode_faces
from reage.video.config import Preview, Progress
from reage.video.journal import FRAME, Journal, face_row
from reage.video.smoothing import is_cut, picture_change, thumbnail
from reage.video.source import Frame, VideoSource
from reage.video.tracking import Found, Tracker

if TYPE_CHECKING:
    from reage.editor import Editor

__all__ = ["KNOTS", "Block", "Scan", "describer", "knot_stride", "scan_video"]

BLOCK = 0.3  # seconds between searches of the whole picture; so much is held in memory
KNOTS = 12.0  # codes and changes a second; between them a change is interpolated
SAVE_EVERY = 4.0  # seconds of work that a kill may cost
RECENT = 12  # frames by whose changes a cut is judged


@dataclass(frozen=True, eq=False)
class Scan:
    """The state of the scan after a frame."""

    shot: int = 0
    recent: tuple[float, ...] = ()  # changes of the last frames
    last: np.ndarray | None = None  # thumbnail of the last frame

    def after(self, picture: np.ndarray) -> tuple[Scan, bool]:
        """Return the state after a frame's thumbnail, and whether it begins a shot."""
        if self.last is None:
            return Scan(self.shot, (), picture), True
        pixels, colours = picture_change(self.last, picture)
        if is_cut(pixels, colours, self.recent):
            return Scan(self.shot + 1, (), picture), True
        return Scan(self.shot, (*self.recent, pixels)[-RECENT:], picture), False


@dataclass(frozen=True, eq=False)
class Block:
    """Some frames of one shot."""

    pictures: list[np.ndarray]  # [H, W, 3] uint8
    times: list[int]  # pts
    new_shot: bool  # whether the shot begins with it
    scan: Scan  # the state after its last frame


def scan_video(
    editor: Editor,
    source: VideoSource,
    journal: Journal,
    preview: Preview | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> None:
    """Fill the journal of a video from its last saved frame to the end."""
    tracker = Tracker(editor.detector, describer(editor), float(source.rate))
    scan, start = _resume(journal, tracker)
    saved, total = time.monotonic(), expected_frames(source, preview)
    for block in _blocks(_frames_from(source, preview, start), scan, source):
        found = tracker.block(journal.frames, block.pictures, block.new_shot)
        _note(editor, journal, block, found, knot_stride(source))
        scan = block.scan
        if on_progress is not None:
            on_progress(Progress("faces", journal.frames, max(total, journal.frames)))
        if time.monotonic() - saved > SAVE_EVERY:
            _save(journal, tracker, scan)
            saved = time.monotonic()
    _save(journal, tracker, scan)


def expected_frames(source: VideoSource, preview: Preview | None) -> int:
    """Estimate the number of frames to read."""
    if preview is None:
        return source.expected
    return min(source.expected or 10**9, round(preview.seconds * float(source.rate)))


def describer(editor: Editor) -> Callable[[np.ndarray, Face], np.ndarray]:
    """Return a function that describes faces as unit vectors, whose product is FeatureLikeness."""

    @torch.no_grad()
    def describe(rgb: np.ndarray, face: Face) -> np.ndarray:
        crop = to_tensor(crop_for_age(rgb, face).image).to(editor.device)
        layers = editor.likeness.describe(crop)
        joined = torch.cat([layer[0] for layer in layers]) / len(layers) ** 0.5
        return joined.float().cpu().numpy()

    return describe


def _resume(journal: Journal, tracker: Tracker) -> tuple[Scan, int | None]:
    """Return the state after the known frames, and the time of the last of them."""
    known = journal.resume()
    if known is None:
        return Scan(), None
    state, arrays = known
    tracker.restore(state["tracker"], arrays)
    scan = Scan(state["shot"], tuple(state["recent"]), arrays.get("last"))
    start = None
    if journal.frames:
        start = int(journal.read_frames(journal.frames - 1, journal.frames)["pts"][0]) + 1
    return scan, start


def _save(journal: Journal, tracker: Tracker, scan: Scan) -> None:
    plain, arrays = tracker.state()
    if scan.last is not None:
        arrays["last"] = scan.last
    journal.save({"tracker": plain, "shot": scan.shot, "recent": scan.recent}, arrays)


def _frames_from(
    source: VideoSource, preview: Preview | None, start: int | None
) -> Iterator[Frame]:
    """Yield the frames from a time on, within the preview."""
    if preview is None:
        yield from source.frames(start)
        return
    begin = source.first_pts + round(preview.start / source.time_base)
    end = begin + round(preview.seconds / source.time_base)
    for frame in source.frames(begin if start is None else start):
        if frame.pts >= end:
            return
        yield frame


def _blocks(frames: Iterator[Frame], scan: Scan, source: VideoSource) -> Iterator[Block]:
    """Split the frames into short blocks, none across a cut."""
    size = max(2, round(BLOCK * float(source.rate)))
    pictures: list[np.ndarray] = []
    times: list[int] = []
    new_shot = False
    for frame in frames:
        rgb = frame.rgb()
        after, cut = scan.after(thumbnail(rgb))
        if pictures and (cut or len(pictures) == size):
            yield Block(pictures, times, new_shot, scan)
            pictures, times, new_shot = [], [], False
        scan, new_shot = after, new_shot or cut
        pictures.append(rgb)
        times.append(frame.pts)
    if pictures:
        yield Block(pictures, times, new_shot, scan)


def _note(editor: Editor, journal: Journal, block: Block, found: Found, stride: int) -> None:
    """Write one block to the journal."""
    first, shot = journal.frames, block.scan.shot
    places = [(i, t) for i in range(len(block.times)) for t in sorted(found) if i in found[t]]
    coded = [(i, t) for i, t in places if journal.code_size and (first + i) % stride == 0]
    codes = np.zeros((0, journal.code_size), np.float32)
    if coded:
        space = editor.latents
        shapes = (space.alignment, space.resolution)
        crops = [view_crop(block.pictures[i], found[t][i], *shapes) for i, t in coded]
        codes = encode_faces(space, crops)
    number = {key: journal.codes + n for n, key in enumerate(coded)}
    rows = [face_row(first + i, shot, t, found[t][i], number.get((i, t), -1)) for i, t in places]
    frames = np.zeros(len(block.times), FRAME)
    for i, pts in enumerate(block.times):
        before = sum(place[0] < i for place in places)
        frames[i] = (pts, journal.rows + before, shot)
    journal.append(frames, rows, codes)


def knot_stride(source: VideoSource) -> int:
    """Return the number of frames between two knots."""
    return max(1, round(float(source.rate) / KNOTS))
