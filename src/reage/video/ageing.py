"""One person's age through a video: one identity, one change, found on a few good frames."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from reage.editor import QUALITIES, Editor
from reage.faces.alignment import face_mask
from reage.faces.face import Face
from reage.faces.greying import grey_share
from reage.faces.hair import Hair, find_hair, head_crop
from reage.images import to_tensor
from reage.latents.agers import photo_ager_of
from reage.latents.aging import AgeReading, Look, Reached, reach_age, trace_curve
from reage.latents.bending import Bend
from reage.latents.faces import (
    FEATHER,
    FaceView,
    Greying,
    crop_for_age,
    read_age,
    toned,
    view_crop,
)
from reage.tracing import BATCH, LEAST_LIKENESS
from reage.video.config import VideoConfig
from reage.video.journal import Journal
from reage.video.scan import encode_faces
from reage.video.smoothing import local_polynomial
from reage.video.source import VideoSource
from reage.video.tracks import Run, Track, best_frames, load_motion

__all__ = ["Key", "TrackEdit", "codes_at", "frames_at", "key_views", "prepare_track"]

KEYS = 3  # frames on which the age is tried and, without an encoder, the face is projected
SAMPLES = 24  # frames whose encoded codes make the identity
SHARE = 0.6  # of what a frame's code differs from the identity that is followed
LARGEST = 0.5  # ... and the most of it, in distances of the identity from the average face
CODE_STEADY = 0.35  # seconds on either side that codes are smoothed over


@dataclass(frozen=True, eq=False)
class Key:
    """A good frame of one person."""

    seconds: float
    worth: float  # 0..1.5, how well the face is seen
    view: FaceView
    hair: Hair | None  # that is to turn grey


@dataclass(frozen=True, eq=False)
class TrackEdit:
    """All that making one person older or younger needs, the same for every frame."""

    track: Track
    reached: Reached
    own: AgeReading  # mean of the key frames
    grey: float  # share of the hair that turns grey, 0..1
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
    keys = key_views(editor, source, journal, track)
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

    look, described = _joint_look(editor, keys, shown, changes, own.age)
    low, high = direction.allowed(identity[None].to(editor.device), own.age)
    allowed = (0.0, high) if asked > own.age else (low, 0.0)  # the other half is not used
    curve = trace_curve(look, allowed, least_similarity=LEAST_LIKENESS, points=5)
    reached = reach_age(look, curve, asked)
    best = int(worth.argmax())
    return TrackEdit(
        track=track,
        reached=reached,
        own=own,
        grey=grey_share(own.age, reached.age) if any(key.hair for key in keys) else 0.0,
        identity=identity,
        change=changes(torch.tensor([reached.strength]))[0],
        colour=direction.colour,
        largest=largest,
        key_seconds=np.array([key.seconds for key in keys]),
        key_offsets=offsets,
        described=described(best, reached.strength),
    )


def key_views(
    editor: Editor, source: VideoSource, journal: Journal, track: Track, count: int = KEYS
) -> list[Key]:
    """Cut out a person's best frames, in order of time."""
    found = best_frames(journal, track, min(count, track.frames))
    stamps = [int(journal.read_frames(frame, frame + 1)["pts"][0]) for frame, _, _ in found]
    pictures = frames_at(source, stamps)
    keys = []
    for (frame, _, worth), rgb, pts in zip(found, pictures, stamps, strict=True):
        run = next(run for run in track.runs if run.start <= frame < run.stop)
        points = load_motion(journal, source, run, frame, frame + 1).points[0]
        view = _view(editor, rgb, points, track.number)
        keys.append(Key(source.seconds(pts), worth, view, _hair(editor, rgb, points)))
    return keys


def _hair(editor: Editor, rgb: np.ndarray, points: np.ndarray) -> Hair | None:
    """The hair of the face with these points, if it is to turn grey."""
    if not editor.grey_hair or photo_ager_of(editor.age_direction()) is None:
        return None
    found = editor.detector.detect(rgb)
    same = [face for face in found if np.hypot(*(face.points[2] - points[2])) < face.size / 8]
    return find_hair(head_crop(rgb, same[0]), same[0], editor.person_finder) if same else None


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


def _joint_look(
    editor: Editor,
    keys: Sequence[Key],
    codes: Tensor,
    changes: Callable[[Tensor], Tensor],
    own: float,
) -> tuple[Look, Callable[[int, float], tuple[list[Tensor], list[Tensor]]]]:
    """A look at the mean of all key frames at once, and descriptions of one of them."""
    direction, device = editor.age_direction(), editor.device
    ager = photo_ager_of(direction)
    bases = [editor.synthesize(code[None].to(device)) for code in codes]
    photos = [to_tensor(key.view.age_crop.image).to(device) for key in keys]
    with torch.no_grad():
        plain = [editor.likeness.describe(photo) for photo in photos]

    def shown(i: int, strengths: Tensor) -> Tensor:
        """A key's picture at strengths `[N]`, not bent yet."""
        view = keys[i].view
        if ager is not None:
            crop = to_tensor(view.crop.image).to(device)
            added = ager.added(crop, view.eyes, strengths, own, dtype=editor.dtype)
            changed = crop + added
            return view.compose(crop, changed, "delta")
        edited = editor.synthesize((codes[i] + changes(strengths)).to(device))
        return view.compose(bases[i], toned(bases[i], edited, direction.colour), "delta")

    def greyed(pictures: Sequence[Tensor], shares: tuple[float, ...]) -> list[Tensor]:
        found = [key.hair and Greying(key.hair, shares) for key in keys]
        return [key.view.greyed(p, g) for key, p, g in zip(keys, pictures, found, strict=True)]

    def read_ages(pictures: Sequence[Tensor], bend: Bend | None) -> Tensor:
        """What is read in each key's pictures `[N, 3, 128, 128]`, once bent, `[K, N]`."""
        seen = [key.view.bent(p, bend) for key, p in zip(keys, pictures, strict=True)]
        return torch.stack([editor.age_network.read(p)[0].cpu() for p in seen])

    @torch.no_grad()
    def look(strengths: Tensor) -> tuple[Tensor, Tensor]:
        ages, similar = [], []
        each, places = torch.unique(strengths, return_inverse=True)  # 0 comes several times
        for part in each.split(BATCH):
            pictures = [shown(i, part) for i in range(len(keys))]
            bend = None if ager is None else ager.bend(part, own)
            read = read_ages(pictures, bend)
            if any(key.hair for key in keys):
                shares = tuple(grey_share(own, age) for age in read.mean(0).tolist())
                read = read_ages(greyed(pictures, shares), bend)
            ages.append(read)
            likenesses = [
                editor.likeness(editor.likeness.describe(p), d).cpu()
                for p, d in zip(pictures, plain, strict=True)
            ]
            similar.append(torch.stack(likenesses))
        return torch.cat(ages, 1).mean(0)[places], torch.cat(similar, 1).mean(0)[places]

    @torch.no_grad()
    def described(i: int, strength: float) -> tuple[list[Tensor], list[Tensor]]:
        return plain[i], editor.likeness.describe(shown(i, torch.tensor([strength])))

    return look, described


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
