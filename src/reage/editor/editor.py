"""The editor: from a photo to the same photo at another age."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from reage.agers.base import Ager, PreparedFace, StillAger
from reage.agers.direction_ager import DirectionAger
from reage.compositing.change import Amounts, PasteMode
from reage.compositing.hair.segmentation import Hair
from reage.editor.ages import read_ages
from reage.editor.preparing import FacePreparer, Which
from reage.editor.progress import Progress
from reage.errors import FaceError, ImageError, ModelError, ReageError
from reage.images import Photo
from reage.inputs import Picture, as_photo, as_targets
from reage.inversion.projection import ProjectConfig
from reage.models.files import fingerprint_of
from reage.search.age_search import Reached
from reage.search.photo_search import HAIR_NOTES, PhotoSearch, TracedFaces
from reage.types import Edit, EditStep, FaceAge, Result, Target

__all__ = ["Editor"]


class Editor(FacePreparer):
    """Shows the faces of photos at other ages. Holds no photo.

    Made by `load`. Safe to use from several threads, except for the first call.
    """

    def edit(
        self,
        image: Picture,
        to: float | Sequence[float] | Mapping[int, float],
        *,
        face: Which = "largest",
        points: np.ndarray | None = None,
        paste: PasteMode = "delta",
        quality: str = "normal",
        seed: int = 0,
        tuned: str | Path | None = None,
        hair: bool | float | None = None,
        skin: float = 1.0,
        shape: float = 1.0,
        on_step: Callable[[EditStep], None] | None = None,
    ) -> Result:
        """Show the faces of a photo at other ages.

        `image` is a file name, its bytes, an open binary file, a Pillow image or an array
        `[H, W, 3]` RGB of uint8 or uint16. `to` is an age in years, several (one edit each), or an
        age for each face's number, from left to right (one edit). `face` chooses the faces where
        `to` does not; `points` `[5, 2]` gives one by hand, in pixels. `paste` adds the change to
        the photo (delta), puts the made face there (replace) or writes that face alone (none).
        `tuned` is what `reage project --tune` wrote for the face: then the inversion is skipped.
        `hair` says whether hair turns grey, or how much of it (0..1); None: as `load` was told.
        `skin` and `shape` show less of these changes (0..1): the face then reads less far from its
        own age than asked. `on_step` hears how far the edit is. Raises ImageError, FaceError,
        UsageError, LatentError or ModelError.
        """
        targets = as_targets(to)
        amounts = self.amounts(hair, skin, shape)
        self.required_ager()  # fail before the work if something is missing
        search = None if tuned is not None else self.search_of(quality, paste)
        progress = Progress(on_step, _weights(search, len(targets)))
        began = time.perf_counter()
        progress.tell("detection", 0.0)
        photo = as_photo(image)
        faces = self.choose_faces(photo, targets, face, points)
        found = time.perf_counter()
        progress.tell("inversion", 0.0)
        if tuned is not None:
            prepared = [self.prepare_tuned(photo, faces, tuned, paste)]
        else:
            hear = progress.on_inversion(len(faces), search.step if search else 1)
            prepared = self.prepare(
                photo, faces, paste=paste, quality=quality, seed=seed, on_step=hear
            )
        ready = time.perf_counter()
        progress.tell("search", 0.0)
        traced = self.trace(
            photo,
            prepared,
            amounts=amounts,
            on_face=lambda done: progress.tell("search", done / len(prepared)),
            targets=targets,
        )
        edits = []
        for target in targets:
            edits.append(traced.edit(target))
            progress.tell("editing", len(edits) / len(targets))
        done = time.perf_counter()
        names = ("detection", "inversion", "editing", "total")
        spent = (found - began, ready - found, done - ready, done - began)
        seconds: dict[str, float] = dict(zip(names, spent, strict=True))
        return self.result(photo, prepared, edits, seconds, hair=amounts.hair > 0)

    def edit_many(
        self,
        images: Iterable[Picture],
        to: float | Sequence[float] | Mapping[int, float],
        *,
        on_error: Callable[[Picture, ReageError], None] | None = None,
        **options: Any,
    ) -> Iterator[Result]:
        """Edit photo after photo, with the options of `edit`; results come in the photos' order.

        `on_error` hears of photos that cannot be edited, which are left out; without it the first
        one raises.
        """
        as_targets(to)  # a wrong age is not a fault of the photos

        def results() -> Iterator[Result]:
            for image in images:
                try:
                    result = self.edit(image, to, **options)
                except (ImageError, FaceError) as error:
                    if on_error is None:
                        raise
                    on_error(image, error)
                else:
                    yield result

        return results()

    def ages(self, image: Picture) -> list[FaceAge]:
        """Read the apparent ages of all faces of a photo, from left to right; empty for none."""
        photo = as_photo(image)
        return read_ages(photo, self.detector, self.age_network)

    def amounts(
        self, hair: bool | float | None = None, skin: float = 1.0, shape: float = 1.0
    ) -> Amounts:
        """Return how much of each part of a change is shown; `hair` None: as `load` was told."""
        hair = self.grey_hair if hair is None else hair
        return Amounts(skin, shape, float(hair) if isinstance(hair, bool) else hair)

    def trace(
        self,
        photo: Photo,
        faces: Sequence[PreparedFace],
        *,
        amounts: Amounts | None = None,
        on_face: Callable[[int], None] | None = None,
        remember: bool = False,
        targets: Sequence[Target] | None = None,
    ) -> TracedFaces:
        """Trace the estimated ages of faces over their reach; then any age can be shown fast.

        `on_face` hears how many faces are done. With `remember`, changes that were computed are
        kept, for a slider (some megabytes a face). If all `targets` lie on one side of a face's
        age, only that side is traced.
        """
        ager = self.required_ager()
        if any(face.latents and face.latents.alignment != ager.alignment for face in faces):
            raise ModelError(
                f"{ager.name} is an ager that works on another square of the face than the model "
                f"{self.name}; edit, batch, strip and animate can use it"
            )
        search = self.search(photo, ager, _paste_of(faces), amounts=amounts)
        return TracedFaces.of(replace(search, remember=remember), faces, on_face, targets)

    def search(
        self,
        photo: Photo,
        ager: Ager,
        paste: PasteMode,
        *,
        of_age: bool = True,
        amounts: Amounts | None = None,
    ) -> PhotoSearch:
        """Return a search that ages faces of a photo with `ager`, not always the editor's.

        Without `of_age`, strengths are a direction's own; else decades. Ages are searched with all
        of a change, but without grey hair where `amounts` has none; then `amounts` of it is shown.
        """
        amounts = amounts or self.amounts()

        def hair(face: PreparedFace) -> Hair | None:
            if not greys:
                return None
            notes = face.notes.setdefault(HAIR_NOTES, [])
            return self.find_hair(photo, face.view.face, face.view.cover, notes)

        greys = self.greys(ager, paste, amounts.hair > 0)
        networks = (self.age_network, self.likeness)
        return PhotoSearch(photo, ager, paste, *networks, hair, of_age, amounts)

    def move(
        self,
        photo: Photo,
        faces: Sequence[PreparedFace],
        ager: Ager,
        strengths: Iterable[float],
    ) -> list[Edit]:
        """Make one edit per strength: the direction's own unit, else decades."""
        of_age = not isinstance(ager, DirectionAger)
        search = self.search(photo, ager, _paste_of(faces), of_age=of_age)
        return [
            search.apply([(face, Reached(s, 0.0, None, None)) for face in faces]) for s in strengths
        ]

    def show(self, photo: Photo, faces: Sequence[PreparedFace]) -> Edit:
        """Paste faces with the codes that they have now (`with_code`), at their own ages."""
        return self.move(photo, faces, StillAger(), [0.0])[0]

    def result(
        self,
        photo: Photo,
        faces: Sequence[PreparedFace],
        edits: Sequence[Edit],
        seconds: Mapping[str, float],
        hair: bool | None = None,
    ) -> Result:
        """Bundle edits with the settings that made them."""
        searched = any(face.searched for face in faces)
        tunings = [face.latents.tuning for face in faces if face.latents and face.latents.tuning]
        made_by = self.fingerprint(_paste_of(faces), hair)
        made_by = fingerprint_of(made_by, *tunings) if tunings else made_by
        names = (self.latents.perceptual.name if searched else None, self.likeness.name)
        return Result(photo, tuple(faces), tuple(edits), seconds, made_by, *names)


def _weights(search: ProjectConfig | None, targets: int) -> dict[str, float]:
    """Return about how long the stages of an edit take, in some unit."""
    inversion = 1.0 if search is None else 1.0 + search.step
    return {"detection": 1.0, "inversion": inversion, "search": 6.0, "editing": 4.0 * targets}


def _paste_of(faces: Sequence[PreparedFace]) -> PasteMode:
    """Return the paste mode that the faces of a photo are prepared for."""
    paste: PasteMode = faces[0].paste if faces else "delta"
    assert all(face.paste == paste for face in faces), "faces prepared for several ways of pasting"
    return paste
