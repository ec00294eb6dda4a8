"""A photo under a slider: its faces at any age within some tens of milliseconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from reage.agers.base import PreparedFace
from reage.compositing.preview import preview
from reage.compositing.view import read_age
from reage.editor import Editor
from reage.faces.readings import AgeReading
from reage.images import Photo
from reage.outputs.framing import frame_prepared
from reage.search.pacing import PacedCurve
from reage.search.photo_search import TracedFaces, paced

__all__ = ["Glance", "LiveFaces", "live_faces"]


@dataclass(frozen=True)
class Glance:
    """One face as the slider shows it."""

    asked: float  # years
    reading: AgeReading  # of what is shown
    reach: tuple[float, float]  # the youngest and the oldest age that this face reaches, years


@dataclass(frozen=True, eq=False)
class LiveFaces:
    """Faces of a photo shown small, with the strengths at which each age is read.

    The search of `Editor.edit` is left out: ages are interpolated in curves looked at before.
    """

    traced: TracedFaces  # of the small photo
    curves: Mapping[int, PacedCurve]  # by face number

    @torch.no_grad()
    def at(self, ages: Mapping[int, float]) -> tuple[np.ndarray, dict[int, Glance]]:
        """Show faces at ages by number, the others as they are: `[H, W, 3]` uint8, and readings."""
        search = self.traced.search
        glances, pairs = {}, []
        for face in self.traced.faces:
            number, view = face.view.number, face.view
            asked = ages.get(number)
            if asked is None and search.paste != "none":
                continue
            curve = self.curves[number]
            strengths = curve.at(np.array([view.reading.age if asked is None else asked]))
            change = search.change(face, strengths if asked is not None else strengths * 0)
            pairs.append((face, change))
            if asked is not None:
                shown = preview(view, face.picture, change, search.paste)
                reading = read_age(search.age_network, shown)
                glances[number] = Glance(asked, reading, curve.reach)
        return search.show(pairs), glances


def live_faces(
    editor: Editor,
    photo: Photo,
    faces: Sequence[PreparedFace],
    *,
    size: int = 1024,
    whole: bool = True,
) -> LiveFaces:
    """Look at faces all along the ages in reach, in a photo of at most `size` pixels a side."""
    small, framed = frame_prepared(photo, faces, size, whole=whole)
    traced = editor.trace(small, framed)
    return LiveFaces(traced, paced(traced))
