"""People of a video: their times on screen, and the smoothed motion of their faces."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from reage.compositing.mesh_warp import MESH
from reage.errors import FaceError, UsageError
from reage.inputs import Target
from reage.video.journal import POINTS, Journal, read_mesh
from reage.video.keyframes import KeyFrames
from reage.video.smoothing import fade, local_polynomial, smoothstep
from reage.video.source import VideoSource

__all__ = [
    "Motion",
    "Run",
    "Track",
    "best_frames",
    "brief_notices",
    "choose_tracks",
    "count_brief",
    "load_motion",
    "nobody",
    "overlapping",
    "read_tracks",
]

SHORTEST = 0.25  # seconds on screen in all; shorter tracks are not people
GAP = 0.3  # seconds that a person may be hidden within one run
STEADY = 0.22  # seconds on either side that a position is smoothed over
FADE = 0.2  # seconds in which an edit comes and goes where a person does within a shot
TURNED, TOO_FAR = 45.0, 70.0  # degrees of yaw or pitch between which an edit fades out


@dataclass(frozen=True)
class Run:
    """One uninterrupted appearance of a person in one shot; frames `start` to before `stop`."""

    track: int  # the journal's number
    start: int
    stop: int
    comes: bool = False  # begins within the shot, not with it
    goes: bool = False  # ends within the shot


@dataclass
class Track:
    """One person of a video."""

    number: int  # in order of appearance, left to right; 1 is the first
    source: int  # the journal's number
    frames: int = 0  # on how many the face was read
    size: float = 0.0  # mean distance of the eyes in pixels
    runs: list[Run] = field(default_factory=list)


@dataclass
class _Seen:
    """The facts gathered about one track."""

    first: tuple[int, float]  # frame, and x there
    frames: int = 0
    eyes: float = 0.0  # sum of their distances
    runs: list[list[int]] = field(default_factory=list)  # start, last, shot


def read_tracks(journal: Journal, source: VideoSource) -> list[Track]:
    """Read the people of a video; leave out tracks that are too short."""
    rate = float(source.rate)
    gap = max(1, round(GAP * rate))
    seen: dict[int, _Seen] = {}
    for rows in journal.chunks():
        eyes = np.hypot(*(rows["points"][:, 1] - rows["points"][:, 0]).T)
        middle = rows["points"][:, :2, 0].mean(1)
        for i, row in enumerate(rows):
            frame, shot, track = int(row["frame"]), int(row["shot"]), int(row["track"])
            known = seen.setdefault(track, _Seen((frame, float(middle[i]))))
            known.frames += 1
            known.eyes += float(eyes[i])
            run = known.runs[-1] if known.runs else None
            if run and run[2] == shot and frame - run[1] <= gap:
                run[1] = frame
            else:
                known.runs.append([frame, frame, shot])
    least = max(2, round(SHORTEST * rate))
    kept = [item for item in seen.items() if item[1].frames >= least]
    ordered = sorted(kept, key=lambda item: item[1].first)
    return [_track(n, t, known, journal) for n, (t, known) in enumerate(ordered, 1)]


def count_brief(journal: Journal, tracks: Sequence[Track]) -> int:
    """Return how many faces were followed for too short a time to count as people."""
    followed = {int(track) for rows in journal.chunks() for track in np.unique(rows["track"])}
    return len(followed) - len(tracks)


def brief_notices(brief: int) -> list[str]:
    """Say that some faces stay as they are."""
    if not brief:
        return []
    faces = "1 face stays as it is: it is" if brief == 1 else f"{brief} faces stay: each is"
    return [f"{faces} seen for less than {SHORTEST:g} s"]


def _track(number: int, source: int, seen: _Seen, journal: Journal) -> Track:
    runs = []
    for start, last, shot in seen.runs:
        around = journal.read_frames(max(start - 1, 0), last + 2)["shot"]
        comes = start > 0 and around[0] == shot
        goes = last + 1 < journal.frames and around[-1] == shot
        runs.append(Run(source, start, last + 1, bool(comes), bool(goes)))
    return Track(number, source, seen.frames, seen.eyes / seen.frames, runs)


def nobody(brief: int) -> FaceError:
    """Return the error of a video without people, in which `brief` faces passed too quickly."""
    if not brief:
        return FaceError(
            "no face found in the video; crop it around a face, or use one where a face is larger "
            "or turned to the camera"
        )
    faces = "a face was found, but it is" if brief == 1 else f"{brief} faces were found, each"
    return FaceError(
        f"{faces} seen for less than {SHORTEST:g} s: too short to follow; give a longer video, "
        "or edit a still picture of it with reage edit"
    )


def choose_tracks(
    tracks: Sequence[Track], to: Target | KeyFrames, which: str | int, brief: int = 0
) -> dict[int, float | KeyFrames]:
    """Return target ages by track number. Raises FaceError if there is no such person.

    `brief` is the number of faces seen too shortly.
    """
    if not tracks:
        raise nobody(brief)
    numbers = [track.number for track in tracks]
    if isinstance(to, Mapping):
        wanted: dict[int, float | KeyFrames] = dict(to)
    elif which == "all":
        wanted = dict.fromkeys(numbers, to)
    elif which == "largest":
        wanted = {max(tracks, key=lambda t: t.size * t.frames).number: to}
    elif isinstance(which, int):
        wanted = {which: to}
    else:
        raise UsageError(f"face {which!r} is not understood: give largest, all or a number from 1")
    unknown = [number for number in wanted if number not in numbers]
    if unknown:
        found = "1 person" if len(numbers) == 1 else f"{len(numbers)} people"
        raise FaceError(
            f"there is no person {unknown[0]}: found {found}; see them with: reage video IN --list"
        )
    return wanted


@dataclass(frozen=True, eq=False)
class Motion:
    """The smoothed motion of one face in frames `start` to before `stop` of a run."""

    run: Run
    start: int
    stop: int
    seconds: np.ndarray  # [N] since the video's first frame
    points: np.ndarray  # [N, POINTS, 2] smoothed; the five points, then the outline
    mesh: np.ndarray  # [N, MESH, 2] smoothed
    pose: np.ndarray  # [N, 2] smoothed yaw and pitch, degrees
    weight: np.ndarray  # [N] how much of the edit shows, 0..1
    raw: np.ndarray  # [N, 5, 2] as read; NaN where the face was hidden

    def at(self, frame: int) -> int:
        """Return the index of a frame in these arrays."""
        assert self.start <= frame < self.stop, (frame, self.start, self.stop)
        return frame - self.start


def load_motion(journal: Journal, source: VideoSource, run: Run, start: int, stop: int) -> Motion:
    """Read and smooth the part of a run in `start` to before `stop`.

    The result for a frame depends on the whole run, not on the part that is read.
    """
    start, stop = max(start, run.start), min(stop, run.stop)
    assert start < stop, (run, start, stop)
    rate = float(source.rate)
    margin = 8 + round((STEADY + GAP) * rate * 4)  # four times: frames may come unevenly
    low, high = max(run.start, start - margin), min(run.stop, stop + margin)
    rows = journal.read_rows(low, high)
    rows = rows[rows["track"] == run.track]
    stamps = journal.read_frames(low, high)["pts"]
    seconds = (stamps - source.first_pts) * float(source.time_base)
    inside = rows["frame"] - low
    flat = [part.reshape(len(rows), -1) for part in (rows["points"], read_mesh(rows))]
    values = np.concatenate([*flat, rows["pose"]], axis=1)
    at = seconds[start - low : stop - low]
    half = max(STEADY, 2.5 / rate)
    smooth = local_polynomial(seconds[inside], values, at, half)
    raw = np.full((high - low, 5, 2), np.nan)
    raw[inside] = rows["points"][:, :5]
    return Motion(
        run=run,
        start=start,
        stop=stop,
        seconds=at,
        points=smooth[:, : 2 * POINTS].reshape(-1, POINTS, 2),
        mesh=smooth[:, 2 * POINTS : -2].reshape(-1, MESH, 2),
        pose=smooth[:, -2:],
        weight=_weights(journal, source, run, at, smooth[:, -2:]),
        raw=raw[start - low : stop - low],
    )


def _weights(
    journal: Journal, source: VideoSource, run: Run, at: np.ndarray, pose: np.ndarray
) -> np.ndarray:
    ends = [journal.read_frames(i, i + 1)["pts"][0] for i in (run.start, run.stop - 1)]
    step = 1 / float(source.rate)
    first, last = source.seconds(int(ends[0])) - step, source.seconds(int(ends[1])) + step
    come = fade(at, first if run.comes else None, last if run.goes else None, FADE)
    return come * (1 - smoothstep((np.abs(pose).max(1) - TURNED) / (TOO_FAR - TURNED)))


def best_frames(journal: Journal, track: Track, count: int) -> list[tuple[int, int, float]]:
    """Return a face's best frames, spread over its time: frame, code row, and quality.

    Takes the best frame of each of `count` equal parts of the track: turned to the camera, large
    and with a high score.
    """
    best: dict[int, tuple[float, int, int]] = {}
    seen = 0
    for rows in journal.chunks():
        rows = rows[rows["track"] == track.source]
        coded = rows["code"] >= 0
        eyes = np.hypot(*(rows["points"][:, 1] - rows["points"][:, 0]).T)
        yaw, pitch = rows["pose"].T
        good = rows["score"] * np.exp(-((yaw / 25) ** 2) - (pitch / 30) ** 2)
        good = good * np.minimum(eyes / track.size, 1.5) * np.where(coded, 1.0, 0.8)
        parts = (seen + np.arange(len(rows))) * count // track.frames
        for part, value, row in zip(parts.tolist(), good.tolist(), rows, strict=True):
            entry = (value, int(row["frame"]), int(row["code"]))
            if part not in best or value > best[part][0]:
                best[part] = entry
        seen += len(rows)
    return [(frame, code, value) for value, frame, code in map(best.__getitem__, sorted(best))]


def overlapping(runs: Iterable[Run], start: int, stop: int) -> list[Run]:
    """Return the runs visible in frames `start` to before `stop`."""
    return [run for run in runs if run.start < stop and run.stop > start]
