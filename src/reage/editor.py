"""The editor: from a photo to the same photo at another age."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from PIL import Image

from reage.agers.base import Ager, PreparedFace, StillAger
from reage.agers.direction_ager import DirectionAger
from reage.agers.finder import AgerSource, find_ager
from reage.agers.fran import load_fran
from reage.compositing.change import PasteMode
from reage.compositing.hair.mask import HEAD_SIDE, HairFinders, PersonFinder
from reage.compositing.hair.segmentation import Hair, faces_beside, find_hair
from reage.compositing.view import FaceView, view_face
from reage.devices import choose_device, choose_dtype
from reage.errors import FaceError, ModelError, UsageError
from reage.faces.detection import FaceDetector
from reage.faces.face import Face, left_to_right, select_faces
from reage.faces.squares import crop_face, face_quad, quad_side
from reage.images import Photo, to_tensor
from reage.inputs import Target, as_photo, as_targets
from reage.inversion.projection import ProjectConfig, ProjectStep
from reage.inversion.space import LatentSpace
from reage.inversion.tuning import load_tuned
from reage.models.checkpoints import Model, ModelConfig, load_config
from reage.models.families.fran import is_pixel_ager
from reage.models.files import fingerprint_of
from reage.models.hair_segmentation import HairFinder
from reage.models.pretrained import load_age_network, load_likeness
from reage.models.registry import find_model
from reage.models.registry import load as load_any_model
from reage.networks.judges.age import AgeNetwork
from reage.networks.judges.likeness import FeatureLikeness
from reage.search.age_search import Reached
from reage.search.photo_search import PhotoSearch, TracedFaces
from reage.types import Edit, Result

__all__ = ["QUALITIES", "Editor", "load"]

Which = Literal["largest", "all"] | int

DEFAULT_MODEL = "faces128"

QUALITIES: Mapping[str, ProjectConfig] = {
    "fast": ProjectConfig(step=8, start_lr=0.15, final_lr=0.05, plateau=0),
    "normal": ProjectConfig(step=80, plateau=20),
    "best": ProjectConfig(step=300, final_lr=0.01, plateau=40),
}
AS_ENCODED = ProjectConfig(step=1, plateau=0)


@dataclass(frozen=True, eq=False)
class Editor:
    """Everything that an edit needs; what an edit does not need is never loaded. Holds no photo.

    Made by `load`. Safe to use from several threads, except for the first call.
    """

    ager: Ager | None  # None: the model has no ager
    config: ModelConfig | None = None  # of the model; None: there is an ager alone
    load_latents: Callable[[], LatentSpace] | None = None  # generator and encoder; None: none
    dtype: torch.dtype = torch.float32  # of the networks' maps
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    grey_hair: bool = True  # whether hair turns grey where the ager leaves that to the editor

    @cached_property
    def detector(self) -> FaceDetector:
        """Finds faces in photos."""
        return FaceDetector()

    @cached_property
    def hair_finders(self) -> HairFinders:
        """Say which pixels show a person, and which hair."""
        return HairFinders(PersonFinder(), HairFinder(self.device))

    @cached_property
    def age_network(self) -> AgeNetwork:
        """Reads apparent ages."""
        return load_age_network().to(self.device)

    @cached_property
    def likeness(self) -> FeatureLikeness:
        """Compares an aged face with the photo's."""
        return load_likeness(self.device)

    @cached_property
    def latents(self) -> LatentSpace:
        """The model's generator and encoder. Raises ModelError if there is none."""
        if self.load_latents is None:
            raise ModelError(
                f"{self.name} is an ager that works on photos, without latent codes of faces; "
                "edit, batch, strip and animate can use it, this needs a model with a generator"
            )
        return self.load_latents()

    @property
    def model(self) -> Model:
        """The model with its generator. Raises ModelError if there is none."""
        return self.latents.model

    @property
    def name(self) -> str:
        """The model's name, or the ager's if there is no model."""
        return self.given_ager().name if self.config is None else self.config.name

    def fingerprint(self, paste: PasteMode = "delta") -> str:
        """Return the SHA-256 over every tensor that decides the pixels in one paste mode.

        Reports name it; a resumed batch or video compares it.
        """
        ager = self.given_ager()
        parts = [ager.fingerprint]
        if ager.greys_hair and self.grey_hair and paste != "none":
            parts += [self.hair_finders.person.sha256, self.hair_finders.hair.sha256]
        if self._makes_faces(paste):
            parts.append(self.latents.fingerprint)
        return fingerprint_of(*parts)

    def given_ager(self) -> Ager:
        """Return the ager, of age or not. Raises ModelError if there is none."""
        if self.ager is None:
            name = "the model" if self.config is None else self.config.name
            raise ModelError(
                f"the model {name} has no age direction; fit one with: reage fit {name}, "
                "or give one with --direction FILE"
            )
        return self.ager

    def required_ager(self) -> Ager:
        """Return the ager. Raises ModelError if there is none, LatentError if it is not of age."""
        ager = self.given_ager()
        if isinstance(ager, DirectionAger):
            _ = ager.older
        return ager

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
        if points is not None:
            if wanted not in ([], [1]):
                raise FaceError(
                    f"the points give face 1, not {wanted[-1]}; ask for an age of face 1"
                )
            return {1: Face.from_points(points)}
        faces = self.detector.detect(photo.rgb8)
        if not faces:
            name = photo.path.name if photo.path else "the picture"
            raise FaceError(
                f"no face found in {name}; use a picture where the face is larger or turned to "
                'the camera, or give its five points with --points "x,y x,y x,y x,y x,y"'
            )
        if wanted:
            return {number: select_faces(faces, number)[0] for number in wanted}
        picked = select_faces(faces, which)
        numbered = enumerate(left_to_right(faces), 1)
        return {n: face for n, face in numbered if any(face is p for p in picked)}

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
        _check_quality(quality)
        if self._makes_faces(paste):
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
        if not self._makes_faces(paste):
            raise UsageError(
                f"{self.given_ager().name} adds its change to the photo, where a tuned generator "
                "takes no part; choose the way of pasting replace or none"
            )
        ((number, face),) = faces.items()
        code = load_tuned(Path(tuned), self.model.generator_hash)
        space = self.latents.with_tuning(code)
        square, side = space.alignment, space.resolution
        view = view_face(photo.pixels, face, number, square, side, self.age_network)
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
        _check_quality(quality)
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
        _check_quality(quality)
        if not self._makes_faces(paste):
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

        greys = ager.greys_hair and paste != "none"
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

    def find_hair(self, photo: Photo, face: Face) -> Hair | None:
        """Find the hair of a face, if it should turn grey."""
        if not self.grey_hair:
            return None
        others = faces_beside(photo.pixels, face, self.detector)
        cut = partial(crop_face, photo.pixels, resolution=HEAD_SIDE)
        return find_hair(cut, face, self.hair_finders, others)

    def _makes_faces(self, paste: PasteMode) -> bool:
        """Return whether the generator is used: for agers of codes, and for generated faces."""
        if self.ager is None or self.ager.needs == "latent":
            return True
        if paste == "delta" or self.load_latents is None or self.config is None:
            return False
        return self.ager.alignment == self.config.alignment

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
        view = view_face(photo.pixels, face, number, square, side, self.age_network)
        found = space.project(view.crop, config, on_step=on_step)
        if found.stopped == "interrupted" and not keep_stopped:
            raise KeyboardInterrupt  # a stopped edit must not contain a half-inverted face
        base = space.synthesize(found.ws, noise=found.noise)
        return PreparedFace(view, paste, base, space, found, found.ws, None, photo.pixels)


def _paste_of(faces: Sequence[PreparedFace]) -> PasteMode:
    """Return the paste mode that the faces of a photo are prepared for."""
    paste: PasteMode = faces[0].paste if faces else "delta"
    assert all(face.paste == paste for face in faces), "faces prepared for several ways of pasting"
    return paste


def _check_quality(quality: str) -> None:
    if quality not in QUALITIES:
        raise UsageError(f"quality {quality!r} is not known; choose {', '.join(QUALITIES)}")


def load(
    model: str | Path = DEFAULT_MODEL,
    *,
    ager: Ager | str | Path | None = None,
    device: str = "auto",
    precision: str = "auto",
    direction: str | Path | None = None,
    vgg16: Path | None = None,
    grey_hair: bool = True,
    fine_skin: bool = True,
) -> Editor:
    """Load an editor: a model by name, folder or file, and its ager.

    `ager` is an object of the protocol `reage.agers.base.Ager`, or a file: a direction, an ager of
    codes or of photos, or "sefa:N"; `direction` is another name for it. Without one, the model's
    own is used. `device` is auto, cpu, cuda, ...; `precision` auto, float32 or bfloat16; without
    `grey_hair` hair keeps its colour, without `fine_skin` no wrinkles are added or removed at
    the photo's full size. Raises ModelError, LatentError or UsageError.
    """
    place = choose_device(device)
    dtype = choose_dtype(precision, place)
    given = direction if ager is None else ager
    path = find_model(model)
    if is_pixel_ager(path):
        if given is not None:
            raise UsageError(f"{path} is an ager itself; leave out the direction")
        return Editor(load_fran(path, place, dtype), None, None, dtype, place, grey_hair)

    @cache
    def latents() -> LatentSpace:
        loaded = load_any_model(path)
        loaded.generator.to(place)
        return LatentSpace(loaded, dtype, place, vgg16)

    folder = path if path.is_dir() else None
    config = latents().model.config if folder is None else load_config(folder)
    source = AgerSource(config, folder, latents, place, dtype, fine_skin)
    found = find_ager(source, given) if given is None or isinstance(given, str | Path) else given
    if not isinstance(found, Ager | None):
        raise UsageError(f"{found!r} is not an ager: see reage.agers.base.Ager")
    return Editor(found, config, latents, dtype, place, grey_hair)
