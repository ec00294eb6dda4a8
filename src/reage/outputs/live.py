"""A photo under a slider: its faces at any age within some tens of milliseconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from reage.agers.faces import (
    InvertedFace,
    PasteMode,
    paste_faces,
    read_age,
    synthesized_picture,
)
from reage.editor import Editor
from reage.faces.readings import AgeReading
from reage.images import Photo
from reage.outputs.framing import frame_inverted
from reage.search.face_mover import TracedFaces
from reage.search.pacing import PacedCurve, pace_curve

__all__ = ["Glance", "LiveFaces", "live_faces"]


@dataclass(frozen=True)
class Glance:
    """One face as the slider shows it."""

    asked: float  # years
    reading: AgeReading  # of what is shown
    reach: tuple[float, float]  # the youngest and the oldest age that this face reaches, years


@dataclass(frozen=True, eq=False)
class LiveFaces:
    """Inverted faces of a photo shown small, with the strengths at which each age is read.

    The search of `Editor.edit` is left out: ages are interpolated in curves looked at before.
    """

    traced: TracedFaces  # of the small photo
    curves: Mapping[int, PacedCurve]  # by face number

    @torch.no_grad()
    def at(self, ages: Mapping[int, float]) -> tuple[np.ndarray, dict[int, Glance]]:
        """Show faces at ages by number, the others as they are: `[H, W, 3]` uint8, and readings."""
        mover = self.traced.mover
        glances, made, pairs = {}, [], []
        for face in self.traced.faces:
            number, view = face.view.number, face.view
            asked = ages.get(number)
            if asked is None and mover.paste != "none":
                continue
            curve = self.curves[number]
            strengths = curve.at(np.array([view.reading.age if asked is None else asked]))
            moved = mover.moved(face, strengths if asked is not None else strengths * 0)
            reading = read_age(mover.age_network, view.seen(face.base, moved, mover.paste))
            if asked is not None:
                glances[number] = Glance(asked, reading, curve.reach)
            if mover.paste == "none":
                made.append(synthesized_picture(moved))
            else:
                pairs.append((face, moved))
        if made:
            return np.concatenate(made, axis=1), glances
        return paste_faces(mover.photo.pixels, pairs, mover.paste), glances


def live_faces(
    editor: Editor,
    photo: Photo,
    inverted: Sequence[InvertedFace],
    paste: PasteMode = "delta",
    *,
    size: int = 1024,
    whole: bool = True,
) -> LiveFaces:
    """Look at faces all along the age direction, in a photo of at most `size` pixels a side."""
    small, faces = frame_inverted(photo, inverted, size, whole=whole)
    traced = editor.trace(small, faces, paste)
    return LiveFaces(traced, {number: pace_curve(*seen) for number, seen in traced.curves.items()})
