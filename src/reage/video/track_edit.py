"""The edit of one person in a video: one change, found on a few good frames."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from reage.agers.base import StillAger
from reage.agers.children import Childhood, childhood_of
from reage.agers.latent import CodeAger
from reage.compositing.cover import Cover, find_cover
from reage.compositing.hair.segmentation import Hair
from reage.compositing.tone import Tone
from reage.compositing.view import FEATHER, FaceView, crop_for_age, fit_tone, read_age
from reage.editor import Editor
from reage.faces.face import Face
from reage.faces.readings import AgeReading
from reage.faces.squares import crop_face, face_mask, face_quad, quad_side
from reage.images import photo_from_array, to_tensor
from reage.search.age_search import Reached, reach_age
from reage.search.looker import Looker
from reage.video.codes import CodePath, find_codes
from reage.video.config import VideoConfig
from reage.video.journal import Journal
from reage.video.keyframes import KeyFrames, interpolate_keys
from reage.video.skin_follower import TrackSkin, choose_skin
from reage.video.source import VideoSource
from reage.video.tracks import Motion, Track, best_frames, load_motion

__all__ = ["Key", "Stage", "TrackEdit", "frames_at", "key_views", "prepare_track", "view_points"]

KEYS = 3  # frames on which the age is tried and, without an encoder, the face is projected
LOOKS = 5  # strengths at which they are looked at first


@dataclass(frozen=True, eq=False)
class Key:
    """A good frame of one person."""

    seconds: float
    worth: float  # 0..1.5, how well the face is seen
    view: FaceView
    hair: Hair | None  # that is to turn grey
    rgb: np.ndarray  # [H, W, 3] the whole frame


@dataclass(frozen=True)
class Stage:
    """The edit at one key time."""

    seconds: float
    reached: Reached
    grey: float  # share of the hair that turns grey, or below 0 gets its colour back


@dataclass(frozen=True, eq=False)
class TrackEdit:
    """Everything needed to age one person, the same for every frame."""

    track: Track
    stages: Sequence[Stage]  # at the key times; one: the same all the time
    own: AgeReading  # mean of the key frames
    hair: Hair | None  # in the best key frame
    codes: CodePath | None  # how codes move; None: the ager looks at every frame
    tone: Tone | None  # of the key frames, if each has a single one
    skin: TrackSkin | None  # detail of the skin at full size
    childhood: Childhood  # when the person becomes a child
    described: tuple[list[Tensor], list[Tensor]]  # the best key picture, as it was and edited

    @property
    def reached(self) -> Reached:
        """What is shown at the last key time."""
        return self.stages[-1].reached

    def at(self, second: float) -> Stage:
        """Return the edit at a time, between its stages."""
        times = [stage.seconds for stage in self.stages]

        def between(value: Callable[[Stage], float]) -> float:
            return interpolate_keys(times, [value(stage) for stage in self.stages], second)

        reached = replace(
            self.reached,
            strength=between(lambda stage: stage.reached.strength),
            age=between(lambda stage: stage.reached.age),
        )
        return Stage(second, reached, between(lambda stage: stage.grey))

    @property
    def summary(self) -> str:
        """One line for people."""
        shown = ", ".join(
            f"{stage.reached.age:.0f}"
            + (f" at {stage.seconds:g} s" if len(self.stages) > 1 else "")
            for stage in self.stages
        )
        line = f"person {self.track.number}: {self.own.age:.0f} -> {shown} years"
        limited = [s.reached for s in self.stages if s.reached.limit is not None]
        if not limited:
            return line
        return f"{line} (asked {limited[0].asked:g}: {limited[0].limit})"


def prepare_track(
    editor: Editor,
    source: VideoSource,
    journal: Journal,
    track: Track,
    asked: float | KeyFrames,
    config: VideoConfig,
) -> TrackEdit:
    """Find the change of one person that shows the target age, at each key time."""
    ager = editor.required_ager()
    if not isinstance(asked, KeyFrames):
        asked = KeyFrames(((0.0, float(asked)),))
    keys = key_views(editor, source, journal, track, hair=True)
    own = _mean_reading([key.view.reading for key in keys])
    views = [replace(key.view, reading=own) for key in keys]
    codes = None
    if isinstance(ager, CodeAger):
        times, worths = [key.seconds for key in keys], [key.worth for key in keys]
        codes = find_codes(editor, journal, track, views, times, worths, config)
        faces = codes.faces(editor, views)
    else:
        faces = [
            replace(editor.prepare_view(view), pixels=key.rgb)
            for view, key in zip(views, keys, strict=True)
        ]
    networks = (editor.age_network, editor.likeness)
    looker = Looker(ager, *networks, faces, lambda: [key.hair for key in keys])
    stages = _stages(looker, asked, own.age)
    strengths = [stage.reached.strength for stage in stages]
    if codes is not None and isinstance(ager, CodeAger):
        codes = codes.move(ager, faces, strengths, asked.seconds)
    best = max(range(len(keys)), key=lambda i: keys[i].worth)
    return TrackEdit(
        track=track,
        stages=stages,
        own=own,
        hair=keys[best].hair or next((key.hair for key in keys if key.hair), None),
        codes=codes,
        tone=_common_tone([key.view.tone for key in keys]),
        skin=choose_skin(ager, faces[best], own.age, [own.age + 10 * s for s in strengths]),
        childhood=childhood_of(faces[best]),
        described=looker.describe(best, strengths[-1]),
    )


def _stages(looker: Looker, asked: KeyFrames, own: float) -> list[Stage]:
    """Find the strength of each age; older and younger ones have a curve each."""
    low, high = looker.span()
    halves = {True: (0.0, high), False: (low, 0.0)}
    curves = {
        older: looker.trace(halves[older], looks=LOOKS)
        for older in sorted({age > own for age in asked.values})
    }
    stages = []
    for second, age in asked.keys:
        reached = reach_age(looker.look, curves[age > own], age)
        stages.append(Stage(second, reached, _grey_share(looker, reached.strength)))
    return stages


def _common_tone(tones: Sequence[Tone | None]) -> Tone | None:
    """Return the tone of the frame that is least certainly of one; None if one has colours."""
    known = [tone for tone in tones if tone is not None]
    return min(known, key=lambda tone: tone.single) if len(known) == len(tones) else None


def _grey_share(looker: Looker, strength: float) -> float:
    changes = looker.changes(torch.tensor([strength]))
    shares = [change.greying.shares[0] for change in changes if change.greying is not None]
    return shares[0] if shares else 0.0


def key_views(
    editor: Editor,
    source: VideoSource,
    journal: Journal,
    track: Track,
    count: int = KEYS,
    *,
    hair: bool = False,
) -> list[Key]:
    """Crop a person's best frames, in order of time; with `hair`, segment it in them."""
    found = best_frames(journal, track, min(count, track.frames))
    stamps = [int(journal.read_frames(frame, frame + 1)["pts"][0]) for frame, _, _ in found]
    pictures = frames_at(source, stamps)
    keys = []
    for (frame, _, worth), rgb, pts in zip(found, pictures, stamps, strict=True):
        run = next(run for run in track.runs if run.start <= frame < run.stop)
        motion = load_motion(journal, source, run, frame, frame + 1)
        view = _read_view(editor, rgb, motion, track.number)
        found_hair = _hair(editor, rgb, motion.points[0], view.cover) if hair else None
        keys.append(Key(source.seconds(pts), worth, view, found_hair, rgb))
    return keys


def _hair(editor: Editor, rgb: np.ndarray, points: np.ndarray, cover: Cover | None) -> Hair | None:
    """Find the hair of the face with these points, if it should turn grey."""
    if not editor.grey_hair or not editor.required_ager().greys_hair:
        return None
    faces = editor.detector.detect(rgb)
    away = [float(np.hypot(*(face.points[2] - points[2]))) / face.size for face in faces]
    if not away or min(away) > 1 / 8:
        return None
    face = faces[int(np.argmin(away))]
    return editor.find_hair(photo_from_array(rgb), face, cover)


def frames_at(source: VideoSource, stamps: Sequence[int]) -> Iterator[np.ndarray]:
    """Yield the pictures `[H, W, 3]` at the given presentation times."""
    for pts in stamps:
        yield next(source.frames(pts)).rgb()


def view_points(editor: Editor, points: np.ndarray) -> tuple[np.ndarray, int]:
    """Return the ager's square `[4, 2]` of the face with these points, and its working side."""
    ager = editor.ager or StillAger()  # people are listed without one, too
    quad = face_quad(points[:5], ager.alignment.scale, ager.alignment.shift)
    return quad, ager.side(quad_side(quad), "normal")


def _read_view(editor: Editor, rgb: np.ndarray, motion: Motion, number: int) -> FaceView:
    points = motion.points[0]
    face = Face.from_points(points[:5])
    yaw, pitch = motion.pose[0].tolist()
    face = replace(face, landmarks=motion.mesh[0], pose=(yaw, pitch, face.pose[2]))
    quad, side = view_points(editor, points)
    crop = crop_face(rgb, quad, side)
    age_crop = crop_for_age(rgb, face)
    mask = face_mask(points, quad, side, feather=FEATHER)
    reading = read_age(editor.age_network, to_tensor(age_crop.image).to(editor.device))
    cover = find_cover(editor.cover_network, rgb, face)
    return FaceView(number, face, crop, mask, age_crop, reading, fit_tone(rgb, face), cover)


def _mean_reading(readings: Sequence[AgeReading]) -> AgeReading:
    ages, spreads = [r.age for r in readings], [r.spread for r in readings]
    return AgeReading(float(np.mean(ages)), float(np.mean(spreads)))
