"""Make the pictures of a poster and collect all that it says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any

import numpy as np

from reage.agers.base import PreparedFace
from reage.editor import Editor
from reage.faces.readings import MEAN_ERROR
from reage.images import Photo, as_srgb
from reage.outputs.poster.fields import PosterFields
from reage.outputs.poster.looks import Look, LookStep, head_square, plausible_looks, shrink_to_print
from reage.outputs.poster.times import Times, times_of
from reage.types import AgedFace, AgeReading

__all__ = ["LEAST_PASSED", "MARK", "Poster", "make_poster", "poster_report"]

MARK = "Made by reage: artist's impressions of today, no prediction, no evidence of identity"
LEAST_PASSED = 12  # months: below it the photo stands alone


@dataclass(frozen=True, eq=False)
class Poster:
    """Everything on a poster, and how its pictures came about."""

    fields: PosterFields
    times: Times
    photo: np.ndarray  # [S, S, 3] uint8, the square around the head in the photo
    looks: Sequence[Look]  # of today; none if hardly any time has passed
    read: AgeReading  # of the photo
    aged: AgedFace | None  # what the search reached; None: nothing was aged
    program: str  # name and version
    model: str

    @property
    def short(self) -> bool:
        """Whether the pictures show fewer years than have passed."""
        aged = self.aged
        return aged is not None and aged.limit is not None and aged.after.age < (aged.asked or 0)


def make_poster(
    editor: Editor,
    photo: Photo,
    face: PreparedFace,
    fields: PosterFields,
    *,
    count: int = 3,
    on_step: LookStep | None = None,
) -> Poster:
    """Age a face by the years since its photo, in at most `count` looks.

    Raises UsageError where the dates contradict each other.
    """
    times = times_of(fields)
    photo, face = shrink_to_print(photo, face)
    aged, looks = None, []
    if times.passed >= LEAST_PASSED:
        asked = times.target(face.own_age)
        now = None if times.age_now is None else times.age_now / 12
        aged, looks = plausible_looks(
            editor, photo, face, asked, true_age=now, count=count, on_step=on_step
        )
    profile = photo.icc_profile
    return Poster(
        fields,
        times,
        as_srgb(head_square(photo.rgb8, face), profile),
        [replace(look, picture=as_srgb(look.picture, profile)) for look in looks],
        face.view.reading,
        aged,
        f"reage {version('reage')}",
        editor.name,
    )


def poster_report(poster: Poster) -> dict[str, Any]:
    """Return the figures behind a poster, for the JSON file beside it; no personal fields."""
    aged = poster.aged
    return {
        "made_by": poster.program,
        "model": poster.model,
        "today": str(poster.times.today),
        "years_passed": round(poster.times.years, 2),
        "photo_reads": _rounded(poster.read),
        "asked": None if aged is None else round(aged.asked or 0, 2),
        "limit": None if aged is None else aged.limit,
        "likeness": None if aged is None else round(aged.likeness, 4),
        "looks": [
            {"differs": list(look.names), "reads": _rounded(look.reading), "seen": round(look.seen)}
            for look in poster.looks
        ],
        "honesty": f"Two networks read the ages (mean error {MEAN_ERROR} years). The pictures "
        "are synthetic: a few plausible looks, not a prediction, and no evidence of identity.",
    }


def _rounded(reading: AgeReading) -> dict[str, float]:
    return {"age": round(reading.age, 1), "spread": round(reading.spread, 1)}
