"""A person's latent codes over a video, for agers that move codes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from reage.agers.base import PreparedFace
from reage.agers.latent import CodeAger
from reage.compositing.view import FaceView
from reage.editor import QUALITIES, Editor
from reage.faces.squares import FaceCrop
from reage.inversion.space import LatentSpace
from reage.video.config import VideoConfig
from reage.video.journal import Journal
from reage.video.smoothing import local_polynomial
from reage.video.source import VideoSource
from reage.video.tracks import Run, Track, best_frames

__all__ = ["CodePath", "code_size", "encode_faces", "find_codes"]

SAMPLES = 24  # frames whose encoded codes make the identity
SHARE = 0.6  # of what a frame's code differs from the identity that is followed
LARGEST = 0.5  # ... and the most of it, in distances of the identity from the average face
CODE_STEADY = 0.35  # seconds on either side that codes are smoothed over


@dataclass(frozen=True, eq=False)
class CodePath:
    """One identity, the change that ages it, and the codes' path over the frames."""

    identity: Tensor  # [num_ws, w_dim]
    changes: Tensor  # [K, num_ws, w_dim] added to every frame's code at key times
    change_seconds: Sequence[float]  # K, rising
    largest: float  # norm of a frame's own part
    key_seconds: np.ndarray  # [K] rising
    key_offsets: np.ndarray  # [K, num_ws * w_dim] parts of the key frames, where no encoder is

    def faces(self, editor: Editor, views: Sequence[FaceView]) -> list[PreparedFace]:
        """Prepare the key frames' faces with their codes."""
        latents, found = editor.latents, []
        for view, offset in zip(views, self.key_offsets, strict=True):
            code = self.identity + torch.from_numpy(offset).view_as(self.identity)
            ws = code[None].to(editor.device)
            found.append(PreparedFace(view, "delta", latents.synthesize(ws), latents, None, ws))
        return found

    def move(
        self,
        ager: CodeAger,
        faces: Sequence[PreparedFace],
        strengths: Sequence[float],
        seconds: Sequence[float],
    ) -> CodePath:
        """Return the path with the identity's change at strengths, decades from the source age."""
        ws = self.identity[None].to(faces[0].ws)
        face = replace(faces[0], code=ws, base=ager.latents.synthesize(ws))
        ages = face.own_age + 10 * torch.tensor(strengths)
        moved = [ager.codes(face, age[None]) - ws for age in ages]
        return replace(self, changes=torch.cat(moved).cpu(), change_seconds=seconds)

    def change_at(self, second: float) -> Tensor:
        """Return the change of codes at a time, `[num_ws, w_dim]`."""
        columns = self.changes.flatten(1).numpy()
        found = _between(np.array(self.change_seconds), columns, np.array([second]))
        return torch.from_numpy(found[0]).view_as(self.identity)

    def at(self, journal: Journal, source: VideoSource, run: Run, frames: Sequence[int]) -> Tensor:
        """Return codes `[N, num_ws, w_dim]` of a person in frames of a run, smooth over time."""
        low, high = min(frames), max(frames) + 1
        margin = 2 + round(CODE_STEADY * float(source.rate) * 4)
        first, last = max(run.start, low - margin), min(run.stop, high + margin)
        stamps = journal.read_frames(first, last)["pts"]
        seconds = (stamps - source.first_pts) * float(source.time_base)
        at = seconds[np.array(frames) - first]
        shape = (-1, *self.identity.shape)
        if not journal.code_size:
            columns = _between(self.key_seconds, self.key_offsets, at)
            return self.identity + torch.from_numpy(columns).view(shape)
        rows = journal.read_rows(first, last)
        rows = rows[(rows["track"] == run.track) & (rows["code"] >= 0)]
        if not len(rows):
            return self.identity.expand(len(frames), -1, -1)
        codes = journal.read_codes(rows["code"]) - self.identity.flatten().numpy()
        smooth = local_polynomial(seconds[rows["frame"] - first], codes, at, CODE_STEADY, order=1)
        offsets = np.stack([_limit(offset, self.largest) for offset in smooth])
        return self.identity + torch.from_numpy(offsets).view(shape)


def code_size(editor: Editor) -> int:
    """Return the size of one frame's code; 0 if no code or no encoder is needed."""
    ager = editor.ager
    if not isinstance(ager, CodeAger) or ager.latents.encoder is None:
        return 0
    config = ager.latents.model.config.generator
    return config.num_ws * config.w_dim


def find_codes(
    editor: Editor,
    journal: Journal,
    track: Track,
    views: Sequence[FaceView],
    seconds: Sequence[float],
    worths: Sequence[float],
    config: VideoConfig,
) -> CodePath:
    """Find the identity of one person, and the key frames' offsets from it."""
    codes = _key_codes(editor, [view.crop for view in views], config)  # [K, num_ws, w_dim]
    worth = torch.tensor(worths).clamp_min(1e-3)
    identity = (codes * (worth / worth.sum())[:, None, None]).sum(0)
    if journal.code_size:
        identity = _encode_identity(journal, track, identity)
    average = editor.latents.average[0].detach().cpu()
    largest = LARGEST * float((identity - average).norm())
    offsets = np.stack([_limit((c - identity).flatten().numpy(), largest) for c in codes])
    still = torch.zeros_like(identity)[None]
    return CodePath(identity, still, (0.0,), largest, np.array(seconds), offsets)


@torch.no_grad()
def encode_faces(latents: LatentSpace, crops: Sequence[FaceCrop]) -> np.ndarray:
    """Encode crops with the model's encoder: `[N, num_ws * w_dim]`."""
    config = latents.model.config.generator
    if latents.encoder is None or not crops:
        return np.zeros((0, config.num_ws * config.w_dim), np.float32)
    batches = [crops[i : i + 8] for i in range(0, len(crops), 8)]
    codes = torch.cat([latents.encode(batch) for batch in batches])
    return codes.flatten(1).float().cpu().numpy()


def _key_codes(editor: Editor, crops: Sequence[FaceCrop], config: VideoConfig) -> Tensor:
    """Return codes `[K, num_ws, w_dim]` of the key frames: the encoder's, else by projection."""
    latents = editor.latents
    generator = latents.model.config.generator
    shape = (len(crops), generator.num_ws, generator.w_dim)
    if latents.encoder is not None:
        return torch.from_numpy(encode_faces(latents, crops)).view(shape)
    settings = replace(QUALITIES[config.quality], seed=config.seed)
    codes = []
    for crop in crops:
        found = latents.project(crop, settings)
        if found.stopped == "interrupted":
            raise KeyboardInterrupt
        codes.append(found.ws[0].detach().cpu())
    return torch.stack(codes)


def _encode_identity(journal: Journal, track: Track, fallback: Tensor) -> Tensor:
    """Average the codes of many frames of the track, weighted by how well they show the face."""
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


def _limit(offset: np.ndarray, largest: float) -> np.ndarray:
    """Limit a frame's offset from the identity."""
    followed = SHARE * offset
    norm = float(np.linalg.norm(followed))
    return (followed * min(1.0, largest / max(norm, 1e-9))).astype(np.float32)


def _between(seconds: np.ndarray, offsets: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Interpolate offsets `[M, D]` linearly between the key frames; constant beyond them."""
    after = np.clip(np.searchsorted(seconds, at), 1, max(len(seconds) - 1, 1))
    if len(seconds) == 1:
        return np.repeat(offsets, len(at), axis=0)
    start, end = seconds[after - 1], seconds[after]
    share = np.clip((at - start) / np.maximum(end - start, 1e-9), 0, 1)[:, None]
    return (offsets[after - 1] * (1 - share) + offsets[after] * share).astype(np.float32)
