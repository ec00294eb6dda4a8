"""The inputs and results of an edit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from reage.agers.base import PreparedFace
from reage.compositing.change import Amounts
from reage.compositing.render import FaceLayer
from reage.errors import UsageError
from reage.faces.readings import AgeReading
from reage.files import write_together
from reage.images import Photo, encode_photo, photo_from_array, write_photo
from reage.inputs import Target
from reage.inversion.projection import ProjectStep
from reage.notices import merge_notices

__all__ = [
    "AgeReading",
    "AgedFace",
    "Amounts",
    "Edit",
    "EditStep",
    "FaceAge",
    "ProjectStep",
    "Result",
    "Target",
]

NOTEBOOK = 640, 1920  # pixels: longest side of one picture in a notebook, and of a row of them


@dataclass(frozen=True)
class FaceAge:
    """The age that a network reads in one face of a photo."""

    number: int  # from left to right, 1 is the first
    box: tuple[float, float, float, float]  # left, top, right, bottom, pixels
    age: float  # years
    spread: float  # standard deviation of the network's answer, years

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, as in reports."""
        return {
            "number": self.number,
            "box": [round(v, 1) for v in self.box],
            "age": round(self.age, 2),
            "spread": round(self.spread, 2),
        }


@dataclass(frozen=True)
class EditStep:
    """How far an edit is."""

    stage: str  # detection, inversion, search or editing
    share: float  # of the whole edit, 0..1: never less than before, 1 at the end
    inversion: ProjectStep | None = None  # the step of an inversion that this tells of


@dataclass(frozen=True)
class AgedFace:
    """What was done to one face."""

    number: int  # from left to right, 1 is the first
    asked: float | None  # target age, years; None: a strength was asked for
    before: AgeReading  # in the photo
    after: AgeReading  # in the edited photo; of a younger one, half by the age asked for
    strength: float  # decades that the ager was asked for; of a direction, its own
    limit: str | None  # why it stopped short of the target age; None: reached
    likeness: float  # to the face in the photo, 1 = the same; `Result.likeness_by` says by what
    psnr: float | None  # of the inversion, dB under the validity mask; None: nothing was inverted

    @property
    def summary(self) -> str:
        """One line for people: what was asked, and the ages read before and after."""
        asked = "" if self.asked is None else f"asked {self.asked:g}: "
        years = f"{self.before.age:.0f} -> {self.after.age:.0f} years"
        why = "" if self.asked is None or self.limit is None else f" ({self.limit})"
        return f"face {self.number}: {asked}{years}{why}"

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, as in reports."""
        return {
            "number": self.number,
            "asked": self.asked,
            "before": _round_reading(self.before),
            "after": _round_reading(self.after),
            "reached": self.limit is None,
            "limit": self.limit,
            "strength": round(self.strength, 4),
            "likeness": round(self.likeness, 4),
            "psnr": None if self.psnr is None else round(self.psnr, 2),
        }


@dataclass(frozen=True, eq=False, repr=False)
class Edit:
    """The photo with its faces at one target age, or each at its own."""

    photo: Photo
    faces: tuple[AgedFace, ...]
    notices: tuple[str, ...] = ()  # what could not be done, one line each: "NAME: what"
    pasted: Sequence[FaceLayer] = ()  # what was rendered into the photo

    def __repr__(self) -> str:
        height, width = self.photo.pixels.shape[:2]
        return f"Edit({width} x {height}; {self.summary})"

    @property
    def image(self) -> Image.Image:
        """The picture, 8 bit RGB."""
        return Image.fromarray(self.photo.rgb8)

    @property
    def summary(self) -> str:
        """One line for people."""
        return "; ".join(face.summary for face in self.faces)

    @property
    def label(self) -> str:
        """The part of a file name that says what was asked: age70, or age1=70-2=12."""
        asked = {face.number: face.asked for face in self.faces}
        ages = set(asked.values())
        if len(ages) == 1 and None not in ages:
            return f"age{ages.pop():g}"
        return "age" + "-".join(f"{n}={age:g}" for n, age in asked.items() if age is not None)

    @property
    def mark(self) -> str:
        """The synthetic-media mark that files of this picture carry."""
        changes = "; ".join(
            f"face {face.number} {face.before.age:.0f} to {face.after.age:.0f} years"
            for face in self.faces
        )
        return f"Re-aged by reage, partly synthetic: {changes}"

    def save(self, path: str | Path, *, mark: bool = True, overwrite: bool = False) -> Path:
        """Write the picture with the photo's metadata and the synthetic-media mark.

        The suffix says the format. Returns the file. Raises ImageError if it exists already or
        cannot be written; then nothing changes.
        """
        text = self.mark if mark else None
        return write_photo(self.photo, path, mark=text, overwrite=overwrite).path

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, as in reports."""
        return {"faces": [face.to_dict() for face in self.faces]}

    def _repr_png_(self) -> bytes:
        return _png([self.image], self.mark)


@dataclass(frozen=True, eq=False, repr=False)
class Result:
    """All edits of one photo: iterate over them, or take one by its age, `result[70]`."""

    photo: Photo  # as it was read
    prepared: tuple[PreparedFace, ...]  # the faces that were edited
    edits: tuple[Edit, ...]  # in the order of the target ages
    seconds: Mapping[str, float]  # detection, preparing, editing, total
    fingerprint: str  # SHA-256 of everything that painted
    perceptual: str | None  # which feature distance the inversion used; None: none
    likeness_by: str  # which network measured the likeness

    def __repr__(self) -> str:
        name = self.photo.path.name if self.photo.path else "photo"
        edits = " | ".join(edit.summary for edit in self.edits)
        return f"Result({name}, {len(self.edits)} edit{'s'[: len(self.edits) != 1]}: {edits})"

    def __iter__(self) -> Iterator[Edit]:
        return iter(self.edits)

    def __len__(self) -> int:
        return len(self.edits)

    def __getitem__(self, age: float) -> Edit:
        """Return the edit in which every face was asked to show `age`; UsageError for none."""
        for edit in self.edits:
            if edit.faces and all(face.asked == age for face in edit.faces):
                return edit
        known = ", ".join(sorted({f"{f.asked:g}" for e in self.edits for f in e.faces if f.asked}))
        raise UsageError(f"no edit of this result was asked for {age!r} years, only for {known}")

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

    def save(
        self, path: str | Path, *, mark: bool = True, overwrite: bool = False
    ) -> tuple[Path, ...]:
        """Write one picture to `path`; several beside it, with their ages in their names.

        As `Edit.save`. Returns the files.
        """
        path = Path(path)
        if len(self.edits) == 1:
            return (self.edits[0].save(path, mark=mark, overwrite=overwrite),)
        names = [path.with_name(f"{path.stem}-{edit.label}{path.suffix}") for edit in self.edits]
        with write_together() as write:
            return tuple(
                write_photo(edit.photo, name, mark=edit.mark if mark else None,
                            overwrite=overwrite, write=write).path
                for edit, name in zip(self.edits, names, strict=True)
            )  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, as in reports."""
        return {
            "fingerprint": self.fingerprint,
            "perceptual_loss": self.perceptual,
            "likeness_by": self.likeness_by,
            "seconds": {name: round(value, 3) for name, value in self.seconds.items()},
            "notices": list(self.notices),
            "faces": [_prepared(face) for face in self.prepared],
            "edits": [edit.to_dict() for edit in self.edits],
        }

    def _repr_png_(self) -> bytes:
        return _png([edit.image for edit in self.edits], self.edits[0].mark)


def _png(pictures: list[Image.Image], mark: str) -> bytes:
    """Encode pictures beside each other for a notebook, of bounded size, with the mark."""
    side = min(NOTEBOOK[0], NOTEBOOK[1] // len(pictures))
    for picture in pictures:
        picture.thumbnail((side, side))
    row = Image.new("RGB", (sum(p.width for p in pictures), max(p.height for p in pictures)))
    x = 0
    for picture in pictures:
        row.paste(picture, (x, 0))
        x += picture.width
    return encode_photo(photo_from_array(np.asarray(row)), "PNG", mark)[0]


def _prepared(face: PreparedFace) -> dict[str, Any]:
    return {
        "number": face.view.number,
        "box": [round(v, 1) for v in face.view.face.box],
        "pose": [round(v, 1) for v in face.view.face.pose],
        "age": _round_reading(face.view.reading),
        "inversion": _inversion(face),
    }


def _inversion(face: PreparedFace) -> dict[str, Any] | None:
    found = face.inversion
    if found is None or not face.searched:
        return None  # an ager of photos needs no code, one from a file was not searched for
    return {
        "psnr": round(float(found.psnr[0]), 2),
        "loss": round(float(found.losses[0]), 4),
        "steps": found.steps,
        "stopped": found.stopped,
        "seconds": round(found.seconds, 3),
    }


def _round_reading(reading: AgeReading) -> dict[str, Any]:
    return {
        "age": round(reading.age, 2),
        "spread": round(reading.spread, 2),
        "each": [round(age, 2) for age in reading.each],
    }
