"""From a photo to faces prepared for ageing: found, cropped, read, and inverted if need be."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np

from reage.agers.base import PreparedFace
from reage.agers.direction_ager import DirectionAger
from reage.compositing.change import PasteMode
from reage.compositing.view import FaceView, view_face
from reage.editor.parts import Parts
from reage.errors import UsageError
from reage.faces.choosing import choose_faces
from reage.faces.face import Face
from reage.faces.squares import face_quad, quad_side
from reage.images import Photo, to_tensor
from reage.inputs import Target
from reage.inversion.projection import ProjectConfig, ProjectStep
from reage.inversion.qualities import AS_ENCODED, QUALITIES, check_quality, check_seed
from reage.inversion.tuning import load_tuned

__all__ = ["FacePreparer", "Which"]

Which = Literal["largest", "all"] | int


class FacePreparer(Parts):
    """Prepares faces with the parts of an editor."""

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
        check_seed(seed)
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
        code = load_tuned(Path(tuned), self.model.generator_hash)
        space = self.latents.with_tuning(code)
        square, side = space.alignment, space.resolution
        view = view_face(photo.pixels, face, number, square, side, *self.face_readers)
        ws = code.ws.to(self.device)
        return PreparedFace(view, paste, space.synthesize(ws), space, None, ws)

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
        check_seed(seed)
        config = replace(config or QUALITIES[quality], seed=seed)
        return [
            self._invert_one(photo, n, face, paste, config, on_step, keep_stopped)
            for n, face in faces.items()
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
        return view_face(photo.pixels, face, number, square, side, *self.face_readers)

    def _invert_one(
        self,
        photo: Photo,
        number: int,
        face: Face,
        paste: PasteMode,
        config: ProjectConfig,
        on_step: Callable[[ProjectStep], None] | None,
        keep_stopped: bool,
    ) -> PreparedFace:
        space = self.latents
        square, side = space.alignment, space.resolution
        view = view_face(photo.pixels, face, number, square, side, *self.face_readers)
        found = space.project(view.crop, config, on_step=on_step)
        if found.stopped == "interrupted" and not keep_stopped:
            raise KeyboardInterrupt  # a stopped edit must not contain a half-inverted face
        base = space.synthesize(found.ws, noise=found.noise)
        return PreparedFace(view, paste, base, space, found, found.ws, None, photo.pixels)
