"""One person's age through a video: one identity, one change, found on a few good frames."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from reage.agers.faces import (
    FEATHER,
    FaceView,
    crop_for_age,
    read_age,
    view_crop,
)
from reage.agers.neural import photo_ager_of
from reage.compositing.hair.segmentation import Hair, faces_beside, find_hair, head_crop
from reage.editor import QUALITIES, Editor
from reage.faces.face import Face
from reage.faces.readings import AgeReading
from reage.faces.squares import face_mask
from reage.images import to_tensor
from reage.search.age_search import Reached, reach_age, trace_curve
from reage.search.face_mover import LEAST_LIKENESS
from reage.video.config import VideoConfig
from reage.video.journal import Journal
from reage.video.looking import Key, KeyLook
from reage.video.scan import encode_faces
from reage.video.smoothing import local_polynomial
from reage.video.source import VideoSource
from reage.video.tracks import Run, Track, best_frames, load_motion

__all__ = ["TrackEdit", "codes_at", "frames_at", "key_views", "prepare_track"]

KEYS = 3  # frames on which the age is tried and, without an encoder, the face is projected
SAMPLES = 24  # frames whose encoded codes make the identity
SHARE = 0.6  # of what a frame's code differs from the identity that is followed
LARGEST = 0.5  # ... and the most of it, in distances of the identity from the average face
CODE_STEADY = 0.35  # seconds on either side that codes are smoothed over


@dataclass(frozen=True, eq=False)
class TrackEdit:
    """All that making one person older or younger needs, the same for every frame."""

    track: Track
    reached: Reached
    own: AgeReading  # mean of the key frames
    grey: float  # share of the hair that turns grey, 0..1
    hair: Hair | None  # in the best key frame
    identity: Tensor  # [num_ws, w_dim]
    change: Tensor  # [num_ws, w_dim] added to every frame's code
    colour: float  # share of the change's colour that is pasted
    largest: float  # norm of a frame's own part
    key_seconds: np.ndarray  # [K] rising
    key_offsets: np.ndarray  # [K, num_ws * w_dim] parts of the key frames, where no encoder is
    described: tuple[list[Tensor], list[Tensor]]  # the best key picture, as it was and edited

    @property
    def summary(self) -> str:
        """One line for people."""
        line = f"person {self.track.number}: {self.own.age:.0f} -> {self.reached.age:.0f} years"
        if self.reached.limit is None:
            return line
        return f"{line} (asked {self.reached.asked:g}: {self.reached.limit})"


def prepare_track(
    editor: Editor,
    source: VideoSource,
    journal: Journal,
    track: Track,
    asked: float,
    config: VideoConfig,
) -> TrackEdit:
    """Find the identity of one person and the change that shows the asked age."""
    keys = key_views(editor, source, journal, track, hair=True)
    codes = _key_codes(editor, keys, config)  # [K, num_ws, w_dim]
    worth = torch.tensor([key.worth for key in keys]).clamp_min(1e-3)
    identity = (codes * (worth / worth.sum())[:, None, None]).sum(0)
    if journal.code_size:
        identity = _encoded_identity(journal, track, identity)
    own = _mean_reading([key.view.reading for key in keys])
    average = editor.model.generator.mapping.w_avg.detach().cpu()
    largest = LARGEST * float((identity - average).norm())
    offsets = np.stack([_limited((c - identity).flatten().numpy(), largest) for c in codes])
    shown = identity + torch.from_numpy(offsets).view_as(codes)
    direction = editor.age_direction()

    @torch.no_grad()
    def changes(strengths: Tensor) -> Tensor:
        start = identity[None].to(editor.device)
        return direction.moved(start, strengths, own.age).cpu() - identity

    seen = KeyLook(editor, keys, shown, changes, own.age)
    low, high = direction.allowed(identity[None].to(editor.device), own.age)
    allowed = (0.0, high) if asked > own.age else (low, 0.0)  # the other half is not used
    curve = trace_curve(seen.look, allowed, least_similarity=LEAST_LIKENESS, points=5)
    reached = reach_age(seen.look, curve, asked)
    best = int(worth.argmax())
    return TrackEdit(
        track=track,
        reached=reached,
        own=own,
        grey=seen.grey_at(reached.strength),
        hair=keys[best].hair or next((key.hair for key in keys if key.hair), None),
        identity=identity,
        change=changes(torch.tensor([reached.strength]))[0],
        colour=direction.colour,
        largest=largest,
        key_seconds=np.array([key.seconds for key in keys]),
        key_offsets=offsets,
        described=seen.described(best, reached.strength),
    )


def key_views(
    editor: Editor,
    source: VideoSource,
    journal: Journal,
    track: Track,
    count: int = KEYS,
    *,
    hair: bool = False,
) -> list[Key]:
    """Cut out a person's best frames, in order of time; with `hair`, find it in them."""
    found = best_frames(journal, track, min(count, track.frames))
    stamps = [int(journal.read_frames(frame, frame + 1)["pts"][0]) for frame, _, _ in found]
    pictures = frames_at(source, stamps)
    keys = []
    for (frame, _, worth), rgb, pts in zip(found, pictures, stamps, strict=True):
        run = next(run for run in track.runs if run.start <= frame < run.stop)
        points = load_motion(journal, source, run, frame, frame + 1).points[0]
        view = _view(editor, rgb, points, track.number)
        found_hair = _hair(editor, rgb, points) if hair else None
        keys.append(Key(source.seconds(pts), worth, view, found_hair))
    return keys


def _hair(editor: Editor, rgb: np.ndarray, points: np.ndarray) -> Hair | None:
    """The hair of the face with these points, if it is to turn grey."""
    if not editor.grey_hair or photo_ager_of(editor.age_direction()) is None:
        return None
    faces = editor.detector.detect(rgb)
    away = [float(np.hypot(*(face.points[2] - points[2]))) / face.size for face in faces]
    if not away or min(away) > 1 / 8:
        return None
    face = faces[int(np.argmin(away))]
    others = faces_beside(rgb, face, editor.detector)
    return find_hair(head_crop(rgb, face), face, editor.person_finder, others)


def frames_at(source: VideoSource, stamps: Sequence[int]) -> Iterator[np.ndarray]:
    """Yield the pictures `[H, W, 3]` at some presentation times."""
    for pts in stamps:
        yield next(source.frames(pts)).rgb()


def _view(editor: Editor, rgb: np.ndarray, points: np.ndarray, number: int) -> FaceView:
    face = Face.from_points(points[:5])
    config = editor.model.config
    size = config.generator.resolution
    crop, age_crop = view_crop(rgb, face, config.alignment, size), crop_for_age(rgb, face)
    mask = face_mask(points, crop.quad, size, feather=FEATHER)
    reading = read_age(editor.age_network, to_tensor(age_crop.image).to(editor.device))
    return FaceView(number, face, crop, mask, age_crop, reading)


def _key_codes(editor: Editor, keys: Sequence[Key], config: VideoConfig) -> Tensor:
    """Codes `[K, num_ws, w_dim]` of the key frames: the encoder's, else by projection."""
    generator = editor.model.config.generator
    shape = (len(keys), generator.num_ws, generator.w_dim)
    if editor.encoder is not None:
        return torch.from_numpy(encode_faces(editor, [k.view.crop for k in keys])).view(shape)
    settings = replace(QUALITIES[config.quality], seed=config.seed)
    codes = []
    for key in keys:
        found = editor.project_crop(key.view.crop, settings)
        if found.stopped == "interrupted":
            raise KeyboardInterrupt
        codes.append(found.ws[0].detach().cpu())
    return torch.stack(codes)


def _encoded_identity(journal: Journal, track: Track, fallback: Tensor) -> Tensor:
    """Mean code of many frames over the track's time, the better seen ones counting more."""
    coded = [(code, worth) for _, code, worth in best_frames(journal, track, SAMPLES) if code >= 0]
    if not coded:
        return fallback
    total, weight = np.zeros(journal.code_size), 0.0
    for code, worth in coded:
        total += worth * journal.read_codes(np.array([code]))[0]
        weight += worth
    if weight <= 0:
        return fallback
    return torch.from_numpy((total / weight).astype(np.float32)).view_as(fallback)


def _mean_reading(readings: Sequence[AgeReading]) -> AgeReading:
    ages, spreads = [r.age for r in readings], [r.spread for r in readings]
    return AgeReading(float(np.mean(ages)), float(np.mean(spreads)))


def _limited(offset: np.ndarray, largest: float) -> np.ndarray:
    """The part of a frame's difference from the identity that is followed."""
    followed = SHARE * offset
    norm = float(np.linalg.norm(followed))
    return (followed * min(1.0, largest / max(norm, 1e-9))).astype(np.float32)


def codes_at(
    edit: TrackEdit, journal: Journal, source: VideoSource, run: Run, frames: Sequence[int]
) -> Tensor:
    """Codes `[N, num_ws, w_dim]` of a person in some frames of a run, smooth over time."""
    low, high = min(frames), max(frames) + 1
    margin = 2 + round(CODE_STEADY * float(source.rate) * 4)
    first, last = max(run.start, low - margin), min(run.stop, high + margin)
    stamps = journal.read_frames(first, last)["pts"]
    seconds = (stamps - source.first_pts) * float(source.time_base)
    at = seconds[np.array(frames) - first]
    if not journal.code_size:
        columns = _between(edit.key_seconds, edit.key_offsets, at)
        return edit.identity + torch.from_numpy(columns).view(-1, *edit.identity.shape)
    rows = journal.read_rows(first, last)
    rows = rows[(rows["track"] == run.track) & (rows["code"] >= 0)]
    if not len(rows):
        return edit.identity.expand(len(frames), -1, -1)
    codes = journal.read_codes(rows["code"]) - edit.identity.flatten().numpy()
    smooth = local_polynomial(seconds[rows["frame"] - first], codes, at, CODE_STEADY, order=1)
    offsets = np.stack([_limited(offset, edit.largest) for offset in smooth])
    return edit.identity + torch.from_numpy(offsets).view(-1, *edit.identity.shape)


def _between(seconds: np.ndarray, offsets: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Offsets `[M, D]` at some times, linear between the key frames, constant beyond them."""
    after = np.clip(np.searchsorted(seconds, at), 1, max(len(seconds) - 1, 1))
    if len(seconds) == 1:
        return np.repeat(offsets, len(at), axis=0)
    start, end = seconds[after - 1], seconds[after]
    share = np.clip((at - start) / np.maximum(end - start, 1e-9), 0, 1)[:, None]
    return (offsets[after - 1] * (1 - share) + offsets[after] * share).astype(np.float32)
