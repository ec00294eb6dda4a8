"""The editor: from a photo to the same photo at another age."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from reage.agers.base import Ager, PreparedFace, StillAger
from reage.agers.direction_ager import DirectionAger
from reage.agers.preparing import invert_face, tuned_face
from reage.compositing.change import PasteMode
from reage.compositing.hair.segmentation import Hair
from reage.compositing.view import FaceView, view_face
from reage.editor.parts import Parts
from reage.errors import ModelError, UsageError
from reage.faces.choosing import choose_faces
from reage.faces.face import Face
from reage.faces.squares import face_quad, quad_side
from reage.images import Photo, to_tensor
from reage.inputs import Target, as_photo, as_targets
from reage.inversion.projection import ProjectConfig, ProjectStep
from reage.inversion.qualities import AS_ENCODED, QUALITIES, check_quality
from reage.models.files import fingerprint_of
from reage.search.age_search import Reached
from reage.search.photo_search import PhotoSearch, TracedFaces
from reage.types import Edit, Result

__all__ = ["Editor", "Which"]

Which = Literal["largest", "all"] | int


class Editor(Parts):
    """Shows the faces of photos at other ages. Holds no photo.

    Made by `load`. Safe to use from several threads, except for the first call.
    """

    def edit(
        self,
        image: str | Path | np.ndarray | Image.Image | Photo,
        to: float | Sequence[float] | Mapping[int, float],
        *,
        face: Which = "largest",
        points: np.ndarray | None = None,
        paste: PasteMode = "delta",
        quality: str = "normal",
        seed: int = 0,
        tuned: str | Path | None = None,
        on_step: Callable[[ProjectStep], None] | None = None,
    ) -> Result:
        """Show the faces of a photo at other ages.

        `image` is a file, an array `[H, W, 3]` RGB of uint8 or uint16, or a Pillow image. `to` is
        an age in years, several (one edit each), or an age for each face's number, from left to
        right (one edit). `face` chooses the faces where `to` does not; `points` `[5, 2]` gives one
        by hand, in pixels. `paste` adds the change to the photo (delta), puts the made face there
        (replace) or writes that face alone (none). `tuned` is what `reage project --tune` wrote for
        the face: then the inversion is skipped. Raises ImageError, FaceError, UsageError,
        LatentError or ModelError.
        """
        targets = as_targets(to)
        self.required_ager()  # fail before the work if something is missing
        began = time.perf_counter()
        photo = as_photo(image)
        faces = self.choose_faces(photo, targets, face, points)
        found = time.perf_counter()
        if tuned is not None:
            prepared = [self.prepare_tuned(photo, faces, tuned, paste)]
        else:
            prepared = self.prepare(
                photo, faces, paste=paste, quality=quality, seed=seed, on_step=on_step
            )
        ready = time.perf_counter()
        traced = self.trace(photo, prepared)
        edits = [traced.edit(target) for target in targets]
        done = time.perf_counter()
        names = ("detection", "inversion", "editing", "total")
        spent = (found - began, ready - found, done - ready, done - began)
        return self.result(photo, prepared, edits, dict(zip(names, spent, strict=True)))

    def choose_faces(
        self,
        photo: Photo,
        targets: Sequence[Target] = (),
        which: Which = "largest",
        points: np.ndarray | None = None,
    ) -> dict[int, Face]:
        """Find faces and pick those to edit, by number from left to right; FaceError for none."""
        wanted = sorted({n for target in targets if isinstance(target, Mapping) for n in target})
        name = photo.path.name if photo.path else "the picture"
        return choose_faces(self.detector, photo.rgb8, wanted, which, points, name)

    def prepare(
        self,
        photo: Photo,
        faces: Mapping[int, Face],
        *,
        paste: PasteMode = "delta",
        quality: str = "normal",
        seed: int = 0,
        on_step: Callable[[ProjectStep], None] | None = None,
    ) -> list[PreparedFace]:
        """Prepare faces, by number, for ageing.

        Inverts them only if the ager or the paste mode needs a latent code.
        """
        check_quality(quality)
        if self.makes_faces(paste):
            config = self.search_of(quality, paste)
            return self.invert(photo, faces, paste=paste, config=config, seed=seed, on_step=on_step)
        return [
            replace(
                self.prepare_view(self.view(photo, number, face, quality), paste),
                pixels=photo.pixels,
            )
            for number, face in faces.items()
        ]

    def prepare_view(self, view: FaceView, paste: PasteMode = "delta") -> PreparedFace:
        """Prepare a face for ageing from the photo's own crop."""
        return PreparedFace(view, paste, to_tensor(view.crop.image).to(self.device))

    def prepare_tuned(
        self,
        photo: Photo,
        faces: Mapping[int, Face],
        tuned: str | Path,
        paste: PasteMode = "replace",
    ) -> PreparedFace:
        """Prepare the one face with the code and the generator tuned to it (PTI).

        Raises UsageError for several faces, or where no generator takes part; LatentError where
        the file is another generator's.
        """
        if len(faces) != 1:
            raise UsageError(f"a tuning is of one face, not {len(faces)}; choose it with face=N")
        if not self.makes_faces(paste):
            raise UsageError(
                f"{self.given_ager().name} adds its change to the photo, where a tuned generator "
                "takes no part; choose the way of pasting replace or none"
            )
        ((number, face),) = faces.items()
        return tuned_face(self.latents, self.age_network, photo, number, face, paste, Path(tuned))

    def invert(
        self,
        photo: Photo,
        faces: Mapping[int, Face],
        *,
        paste: PasteMode = "delta",
        quality: str = "normal",
        config: ProjectConfig | None = None,
        seed: int = 0,
        on_step: Callable[[ProjectStep], None] | None = None,
        keep_stopped: bool = False,
    ) -> list[PreparedFace]:
        """Find the codes of faces, one after the other; `config` overrules `quality`.

        KeyboardInterrupt, also when `on_step` raises it, ends all, unless `keep_stopped`: then
        a face that was stopped keeps the best code found until there.
        """
        check_quality(quality)
        config = replace(config or QUALITIES[quality], seed=seed)
        return [
            invert_face(
                self.latents,
                self.age_network,
                photo,
                number,
                face,
                paste,
                config,
                on_step=on_step,
                keep_stopped=keep_stopped,
            )
            for number, face in faces.items()
        ]

    def search_of(self, quality: str, paste: PasteMode) -> ProjectConfig | None:
        """Return the settings of the inversion for ageing; None: no inversion is needed.

        An ager of codes computes its change from the encoder's code
        (docs/reference/ageing.md), so encoding is enough.
        """
        check_quality(quality)
        if not self.makes_faces(paste):
            return None
        encoded = paste == "delta" and not isinstance(self.ager, DirectionAger)
        return AS_ENCODED if encoded and self.latents.encoder is not None else QUALITIES[quality]

    def view(self, photo: Photo, number: int, face: Face, quality: str = "normal") -> FaceView:
        """Crop a face for the ager and the age network, and estimate its age."""
        ager = self.given_ager()
        square = ager.alignment
        pixels = quad_side(face_quad(face, square.scale, square.shift))
        side = ager.side(pixels, quality)
        return view_face(photo.pixels, face, number, square, side, self.age_network)

    def trace(self, photo: Photo, faces: Sequence[PreparedFace]) -> TracedFaces:
        """Trace the estimated ages of faces over their reach; then any age can be shown fast."""
        ager = self.required_ager()
        if any(face.latents and face.latents.alignment != ager.alignment for face in faces):
            raise ModelError(
                f"{ager.name} is an ager that works on another square of the face than the model "
                f"{self.name}; edit, batch, strip and animate can use it"
            )
        return TracedFaces.of(self.search(photo, ager, _paste_of(faces)), faces)

    def search(
        self, photo: Photo, ager: Ager, paste: PasteMode, *, of_age: bool = True
    ) -> PhotoSearch:
        """Return a search that ages faces of a photo with `ager`, not always the editor's.

        Without `of_age`, strengths are a direction's own; else decades.
        """

        def hair(face: PreparedFace) -> Hair | None:
            return self.find_hair(photo, face.view.face) if greys else None

        greys = self.greys(ager, paste)
        return PhotoSearch(photo, ager, paste, self.age_network, self.likeness, hair, of_age)

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
    ) -> Result:
        """Bundle edits with the settings that made them."""
        searched = any(face.searched for face in faces)
        tunings = [face.latents.tuning for face in faces if face.latents and face.latents.tuning]
        made_by = self.fingerprint(_paste_of(faces))
        made_by = fingerprint_of(made_by, *tunings) if tunings else made_by
        names = (self.latents.perceptual.name if searched else None, self.likeness.name)
        return Result(photo, tuple(faces), tuple(edits), seconds, made_by, *names)


def _paste_of(faces: Sequence[PreparedFace]) -> PasteMode:
    """Return the paste mode that the faces of a photo are prepared for."""
    paste: PasteMode = faces[0].paste if faces else "delta"
    assert all(face.paste == paste for face in faces), "faces prepared for several ways of pasting"
    return paste
