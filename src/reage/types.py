"""The inputs and results of an edit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from PIL import Image

from reage.agers.base import PreparedFace
from reage.faces.readings import AgeReading
from reage.images import Photo
from reage.inputs import Target
from reage.inversion.projection import ProjectStep
from reage.notices import merge_notices

__all__ = ["AgeReading", "AgedFace", "Edit", "ProjectStep", "Result", "Target"]


@dataclass(frozen=True)
class AgedFace:
    """What was done to one face."""

    number: int  # from left to right, 1 is the first
    asked: float | None  # target age, years; None: a strength was asked for
    before: AgeReading  # in the photo
    after: AgeReading  # in the edited photo
    strength: float  # decades that the ager was asked for; of a direction, its own
    limit: str | None  # why it stopped short of the target age; None: reached
    likeness: float  # to the face in the photo, 1 = the same; `Result.likeness_by` says by what
    psnr: float | None  # of the inversion, dB under the validity mask; None: nothing was inverted

    @property
    def summary(self) -> str:
        """One line for people."""
        line = f"face {self.number}: {self.before.age:.0f} -> {self.after.age:.0f} years"
        if self.limit is None or self.asked is None:
            return line
        return f"{line} (asked {self.asked:g}, reached {self.after.age:.0f}: {self.limit})"


@dataclass(frozen=True, eq=False)
class Edit:
    """The photo with its faces at one target age, or each at its own."""

    photo: Photo
    faces: tuple[AgedFace, ...]
    notices: tuple[str, ...] = ()  # what could not be done, one line each: "NAME: what"

    @property
    def image(self) -> Image.Image:
        """The picture, 8 bit RGB."""
        return Image.fromarray(self.photo.rgb8)


@dataclass(frozen=True, eq=False)
class Result:
    """All edits of one photo."""

    photo: Photo  # as it was read
    prepared: tuple[PreparedFace, ...]  # the faces that were edited
    edits: tuple[Edit, ...]  # in the order of the target ages
    seconds: Mapping[str, float]  # detection, preparing, editing, total
    fingerprint: str  # SHA-256 of everything that painted
    perceptual: str | None  # which feature distance the inversion used; None: none
    likeness_by: str  # which network measured the likeness

    @property
    def image(self) -> Image.Image:
        """The first edit's picture, 8 bit RGB."""
        return self.edits[0].image

    @property
    def notices(self) -> tuple[str, ...]:
        """What the photo loses and the edits could not do, each once."""
        found = [*self.photo.notices, *(n for edit in self.edits for n in edit.notices)]
        return tuple(merge_notices(found))

    @property
    def inverted(self) -> tuple[PreparedFace, ...]:
        """The faces for which a latent code was searched."""
        return tuple(face for face in self.prepared if face.searched)
