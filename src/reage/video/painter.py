"""The change of one person in each frame, to be rendered into the frame's planes.

An ager of codes computes its change at knots, with interpolation between them; an ager of photos
processes every frame."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import replace

import numpy as np
import torch

from reage.agers.children import CHILDHOOD
from reage.agers.latent import CodeAger
from reage.agers.skin import LAID, NECK, SHAVEN
from reage.compositing.change import Change, Greying
from reage.compositing.cover import Cover
from reage.compositing.planes import Planes, sample_rgb
from reage.compositing.render import FaceLayer
from reage.compositing.view import FEATHER, FaceView
from reage.editor import Editor
from reage.faces.face import Face
from reage.faces.squares import FaceCrop, face_mask
from reage.search.looker import change_by
from reage.video.config import VideoConfig
from reage.video.cover_follower import CoverFollower
from reage.video.hair_follower import HairFollower
from reage.video.journal import Journal
from reage.video.neck_follower import NeckFollower
from reage.video.scan import knot_stride
from reage.video.skin_follower import SkinFollower
from reage.video.source import VideoSource
from reage.video.track_edit import TrackEdit, view_points
from reage.video.tracks import Motion, Run, load_motion

__all__ = ["Painter", "knots_of"]

BATCH = 4  # knots made at once: two pictures each


def knots_of(run: Run, start: int, stop: int, stride: int) -> list[int]:
    """Return the knots, frames at which a change is computed, around `start` to before `stop`.

    Knots are the multiples of `stride` within the run, and the run's ends. They do not depend on
    `start` and `stop`.
    """
    first = max(run.start, start // stride * stride)
    last = min(run.stop - 1, -(-(stop - 1) // stride) * stride)
    inner = range(-(-first // stride) * stride, last + 1, stride)
    return sorted({first, *inner, last})


class Painter:
    """Changes one person's face in the frames `start` to before `stop` of one run, in order."""

    def __init__(
        self,
        editor: Editor,
        edit: TrackEdit,
        journal: Journal,
        source: VideoSource,
        run: Run,
        start: int,
        stop: int,
        config: VideoConfig,
    ):
        self.editor, self.edit, self.source = editor, edit, source
        self.ager = editor.required_ager()
        self.start, self.stop = max(start, run.start), min(stop, run.stop)
        self.knots = knots_of(run, self.start, self.stop, knot_stride(source))
        self.motion: Motion = load_motion(journal, source, run, self.knots[0], self.knots[-1] + 1)
        self.config = config
        greys = any(stage.grey != 0 for stage in edit.stages)
        self.hair = HairFollower(editor, edit.hair) if greys else None
        if edit.codes is not None:
            self.codes = edit.codes.at(journal, source, run, self.knots)
        if edit.skin is not None:
            self.neck = NeckFollower(edit.skin)
        self.skin = None if edit.skin is None else SkinFollower(edit.skin)
        self.cover = CoverFollower(editor.cover_network)
        self._added: dict[int, np.ndarray] = {}  # by knot; only those still needed

    def covers(self, frame: int) -> bool:
        return self.start <= frame < self.stop

    def quad(self, frame: int) -> np.ndarray:
        """The ager's square `[4, 2]` in a frame."""
        return view_points(self.editor, self.points(frame))[0]

    def points(self, frame: int) -> np.ndarray:
        return self.motion.points[self.motion.at(frame)]

    def seconds(self, frame: int) -> float:
        return float(self.motion.seconds[self.motion.at(frame)])

    def weight(self, frame: int) -> float:
        """How much of the edit shows in a frame, 0..1."""
        second = self.seconds(frame)
        begin, end = self.config.span
        inside = float(begin <= second <= end)
        shown = self.config.strength.at(second)
        return inside * shown * float(self.motion.weight[self.motion.at(frame)])

    def layer(self, seen: Planes, frame: int) -> FaceLayer | None:
        """Return the change of a frame; None if it does not show.

        `seen` is the frame before any change.
        """
        weight = self.weight(frame)
        if weight <= 0:
            return None
        points = self.points(frame)[:5]
        cover = self.cover.at(seen, points, self.motion.mesh[self.motion.at(frame)])
        if self.edit.codes is not None:
            layer = self._between_knots(frame, cover)
        else:
            layer = self._change_frame(seen, frame, cover)
        hair = None if self.hair is None else self.hair.at(seen, points, cover)
        if hair is not None:
            greying = Greying(hair, (self.edit.at(self.seconds(frame)).grey,))
            layer = replace(layer, change=replace(layer.change, greying=greying))
        return replace(layer, weight=weight, tone=self.edit.tone)

    def _change_frame(self, seen: Planes, frame: int, cover: Cover | None) -> FaceLayer:
        """Compute the ager's change of the face in a frame."""
        points = self.points(frame)
        quad, side = view_points(self.editor, points)
        rgb = sample_rgb(seen, quad, side)
        crop = FaceCrop(rgb, np.ones((side, side), np.float32), quad, side)
        mask = face_mask(points, quad, side, feather=FEATHER)
        face = Face.from_points(points[:5])
        number, own = self.edit.track.number, self.edit.own
        view = FaceView(number, face, crop, mask, crop, own, cover=cover)
        strength = torch.tensor([self.edit.at(self.seconds(frame)).reached.strength])
        prepared = self.editor.prepare_view(view)
        prepared.notes[CHILDHOOD] = self.edit.childhood
        if self.skin is not None:
            mesh = self.motion.mesh[self.motion.at(frame)]
            prepared.notes[LAID] = self.skin.at(seen, mesh, cover)
            prepared.notes[SHAVEN] = self.skin.shave(seen, mesh, cover)
            prepared.notes[NECK] = self.neck.at(seen, points[:5], mesh, cover)
        return prepared.layer(change_by(self.ager, prepared, strength))

    def _between_knots(self, frame: int, cover: Cover | None) -> FaceLayer:
        """Interpolate the change of codes at a frame between its knots."""
        after = min(bisect_right(self.knots, frame), len(self.knots) - 1)
        before = max(after - 1, 0)
        low, high = self.knots[before], self.knots[after]
        self._make(before, after)
        added = self._added[before]
        if frame != low and low != high:
            share = np.float32(np.clip((frame - low) / (high - low), 0, 1))
            added = added * (1 - share) + self._added[after] * share
        whole = np.ones(added.shape[:2], np.float32)  # the masks are in the knots' changes
        quad = self.quad(frame)
        free = whole if cover is None else 1 - cover.within(quad, len(whole))
        change = Change(torch.from_numpy(added).permute(2, 0, 1)[None])
        return FaceLayer(quad, free, free, change)

    @torch.no_grad()
    def _make(self, before: int, after: int) -> None:
        for old in [knot for knot in self._added if knot < before]:
            del self._added[old]
        missing = [k for k in (before, after) if k not in self._added]
        if not missing:
            return
        assert isinstance(self.ager, CodeAger) and self.edit.codes is not None
        wanted = range(missing[0], min(missing[0] + BATCH, len(self.knots)))
        codes = self.codes[list(wanted)].float().to(self.editor.device)
        base = self.ager.latents.synthesize(codes)
        moments = [self.seconds(self.knots[knot]) for knot in wanted]
        moved = torch.stack([self.edit.codes.change_at(moment) for moment in moments]).to(codes)
        edited = self.ager.latents.synthesize(codes + moved)
        added = self.ager.between(base, edited).added
        arrays = added.permute(0, 2, 3, 1).float().cpu().numpy()
        for knot, array in zip(wanted, arrays, strict=True):
            frame = self.knots[knot]
            mask = face_mask(self.points(frame), self.quad(frame), len(array), feather=FEATHER)
            self._added[knot] = array * mask[..., None]
