"""One person's change as layers over time.

The change of a code is made at knots and interpolated between them; a photo ager looks at every
frame."""

from __future__ import annotations

from bisect import bisect_right

import numpy as np
import torch

from reage.agers.faces import FEATHER, toned
from reage.agers.neural import NeuralAger, photo_ager_of
from reage.compositing.paste import scale_detail
from reage.compositing.planes import Planes, add_layer, bend_planes, rgb_to_ycc, sample_rgb
from reage.editor import Editor
from reage.faces.squares import eye_mask, face_mask, face_quad
from reage.images import to_tensor
from reage.video.ageing import TrackEdit, codes_at
from reage.video.greying import HairFollower
from reage.video.journal import Journal
from reage.video.scan import knot_stride
from reage.video.source import VideoSource
from reage.video.tracks import Motion, Run, load_motion

__all__ = ["Painter", "knots_of"]

BATCH = 4  # knots made at once: two pictures each


def knots_of(run: Run, start: int, stop: int, stride: int) -> list[int]:
    """Frames at which a change is made so that `start` to before `stop` lie between such.

    Multiples of `stride` within the run and the run's ends: they do not depend on the part that
    is asked for.
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
    ):
        self.editor, self.edit, self.source = editor, edit, source
        self.start, self.stop = max(start, run.start), min(stop, run.stop)
        self.knots = knots_of(run, self.start, self.stop, knot_stride(source))
        self.motion: Motion = load_motion(journal, source, run, self.knots[0], self.knots[-1] + 1)
        self.ager = photo_ager_of(editor.age_direction())
        self.strength = torch.tensor([edit.reached.strength])
        self.bend = None if self.ager is None else self.ager.bend(self.strength, edit.own.age)
        self.detail = None if self.ager is None else self.ager.detail(self.strength)
        self.hair = HairFollower(editor, edit.grey, edit.hair) if edit.grey > 0 else None
        if self.ager is None:
            self.codes = codes_at(edit, journal, source, run, self.knots)
        self._layers: dict[int, np.ndarray] = {}  # by knot; only those still needed

    def covers(self, frame: int) -> bool:
        return self.start <= frame < self.stop

    def quad(self, frame: int) -> np.ndarray:
        """The generator's square `[4, 2]` in a frame."""
        alignment = self.editor.model.config.alignment
        return face_quad(self.points(frame)[:5], alignment.scale, alignment.shift)

    def points(self, frame: int) -> np.ndarray:
        return self.motion.points[self.motion.at(frame)]

    def weight(self, frame: int) -> float:
        return float(self.motion.weight[self.motion.at(frame)])

    def paint(self, planes: Planes, seen: Planes, frame: int) -> bool:
        """Add the change to a frame's planes; False where nothing of it shows.

        `seen` is the frame as it was, before anybody was changed in it.
        """
        weight = self.weight(frame)
        if weight <= 0:
            return False
        if self.ager is None:
            add_layer(planes, self._layer(frame), self.quad(frame), weight)
        else:
            self._age_seen(self.ager, planes, seen, frame, weight)
        return True

    def bend_frame(self, planes: Planes, frame: int) -> None:
        """Bend a frame's planes around the face, after all changes were added."""
        weight = self.weight(frame)
        if self.bend is not None and weight > 0:
            bend_planes(planes, self.bend.weighed(weight), self.quad(frame))

    def _age_seen(
        self, ager: NeuralAger, planes: Planes, seen: Planes, frame: int, weight: float
    ) -> None:
        """Age what a frame shows: its own detail, then what the photo ager adds to it."""
        side = self.editor.model.config.generator.resolution
        quad, points = self.quad(frame), self.points(frame)
        crop = to_tensor(sample_rgb(planes, quad, side)).to(self.editor.device)
        eyes = eye_mask(points[:5], quad, side)
        mask = face_mask(points, quad, side, feather=FEATHER)
        own, dtype = self.edit.own.age, self.editor.dtype
        change = ager.added(crop, eyes, self.strength, own, dtype=dtype) * 127.5
        if self.detail is not None:
            light = planes.layers[0]
            scale_detail(light, light, float(self.detail) ** weight, quad, mask * (1 - eyes))
        layer = self._masked(change[0].permute(1, 2, 0).float().cpu().numpy(), mask)
        add_layer(planes, layer, quad, weight)
        if self.hair is not None:
            self.hair.paint(planes, seen, points[:5], weight)

    def _layer(self, frame: int) -> np.ndarray:
        """The change `[R, R, 3]` of Y'CbCr at a frame, under the mask."""
        after = min(bisect_right(self.knots, frame), len(self.knots) - 1)
        before = max(after - 1, 0)
        low, high = self.knots[before], self.knots[after]
        self._make(before, after)
        if frame == low or low == high:
            return self._layers[before]
        share = np.float32(np.clip((frame - low) / (high - low), 0, 1))
        return self._layers[before] * (1 - share) + self._layers[after] * share

    @torch.no_grad()
    def _make(self, before: int, after: int) -> None:
        for old in [knot for knot in self._layers if knot < before]:
            del self._layers[old]
        missing = [k for k in (before, after) if k not in self._layers]
        if not missing:
            return
        wanted = range(missing[0], min(missing[0] + BATCH, len(self.knots)))
        device = self.editor.device
        codes = self.codes[list(wanted)].float()
        pictures = self.editor.synthesize(torch.cat([codes, codes + self.edit.change]).to(device))
        base, edited = pictures.chunk(2)
        change = (toned(base, edited, self.edit.colour) - base) * 127.5
        arrays = change.permute(0, 2, 3, 1).float().cpu().numpy()
        for knot, array in zip(wanted, arrays, strict=True):
            frame = self.knots[knot]
            mask = face_mask(self.points(frame), self.quad(frame), len(array), feather=FEATHER)
            self._layers[knot] = self._masked(array, mask)

    def _masked(self, change: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """A change of colours `[R, R, 3]` under a mask as one of Y'CbCr."""
        layer = change * mask[..., None]
        return rgb_to_ycc(layer, self.source.matrix, self.source.full_range).astype(np.float32)
