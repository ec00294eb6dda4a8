"""The editor: from a photo to the same photo at another age."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from reage.agers.direction import Direction, for_generator
from reage.agers.direction_scale import oriented
from reage.agers.faces import (
    FEATHER,
    AnyFace,
    FaceView,
    InvertedFace,
    PasteMode,
    age_square,
    view_face,
)
from reage.agers.finder import find_direction
from reage.agers.fran import PixelAger, load_pixel_ager, photo_face
from reage.agers.neural import AnyAger, NeuralAger, PictureAger
from reage.compositing.hair.segmentation import PersonFinder
from reage.devices import choose_device, choose_dtype
from reage.errors import FaceError, ModelError, UsageError
from reage.faces.detection import FaceDetector
from reage.faces.face import Face, left_to_right, select_faces
from reage.faces.squares import FaceCrop
from reage.images import Photo, to_tensor
from reage.inputs import Target, as_photo, as_targets
from reage.inversion.encoding import AnyEncoder, encode
from reage.inversion.hypernetwork import hypertune
from reage.inversion.projection import Inversion, ProjectConfig, ProjectStep, project
from reage.inversion.tuning import TuneConfig, Tuned, tune
from reage.models.backends import Graphs, open_graphs
from reage.models.checkpoints import Model
from reage.models.encoders import load_encoder
from reage.models.pixel_agers import is_pixel_ager
from reage.models.pretrained import load_age_network, load_efficientnet, load_perceptual
from reage.models.registry import find_model
from reage.models.registry import load as load_any_model
from reage.networks.judges.age import AgeNetwork
from reage.networks.judges.likeness import FeatureLikeness
from reage.search.age_search import Reached
from reage.search.face_mover import FaceMover, TracedFaces
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
    """Everything that an edit needs, loaded once. Holds no photo."""

    model: Model
    direction: Direction | AnyAger | None = None  # along age; None: the model has none
    dtype: torch.dtype = torch.float32  # of the maps of generator, encoder and photo ager
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    vgg16: Path | None = None  # weights for LPIPS; None: what is at hand
    backend: str = "torch"  # what runs the networks where no gradients are needed
    pixel_ager: PixelAger | None = None  # in place of the direction: no face is inverted
    grey_hair: bool = True  # whether a photo ager lets hair turn grey, too

    @cached_property
    def detector(self) -> FaceDetector:
        return FaceDetector()

    @cached_property
    def person_finder(self) -> PersonFinder:
        return PersonFinder()

    @cached_property
    def encoder(self) -> AnyEncoder | None:
        encoder = load_encoder(self.model)
        return None if encoder is None else encoder.to(self.device)

    @cached_property
    def graphs(self) -> Graphs | None:
        """What runs synthesis and encoder instead of PyTorch; None where that does."""
        return open_graphs(
            self.model, self.encoder, self.backend, bfloat16=self.dtype == torch.bfloat16
        )

    @property
    def hash(self) -> str:
        """Of the tensors that make the pictures: the generator's, or the ager's of pixels."""
        ager = self.pixel_ager
        return self.model.generator_hash if ager is None else ager.sha256

    @cached_property
    def age_network(self) -> AgeNetwork:
        return load_age_network().to(self.device)

    @cached_property
    def perceptual(self):
        return load_perceptual(self.vgg16).to(self.device)

    @cached_property
    def likeness(self) -> FeatureLikeness:
        average = age_square(self.synthesize(self._average), self.model.config.alignment)
        with torch.no_grad():
            return FeatureLikeness(load_efficientnet().to(self.device), average)

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
        on_step: Callable[[ProjectStep], None] | None = None,
    ) -> Result:
        """Show the faces of a photo at other ages.

        `to` is an age in years, several (one edit each), or an age for each face's number, from
        left to right (one edit). `face` chooses the faces where `to` does not; `points` `[5, 2]`
        gives one by hand. Raises ImageError, FaceError, UsageError or ModelError.
        """
        targets = as_targets(to)
        self.age_mover()  # what is missing is said before the work
        began = time.perf_counter()
        photo = as_photo(image)
        faces = self.choose_faces(photo, targets, face, points)
        found = time.perf_counter()
        taken = self.take(photo, faces, paste=paste, quality=quality, seed=seed, on_step=on_step)
        ready = time.perf_counter()
        traced = self.trace(photo, taken, paste)
        edits = [traced.edit(target) for target in targets]
        done = time.perf_counter()
        names = ("detection", "inversion", "editing", "total")
        spent = (found - began, ready - found, done - ready, done - began)
        return self.result(photo, taken, edits, dict(zip(names, spent, strict=True)))

    def choose_faces(
        self,
        photo: Photo,
        targets: Sequence[Target] = (),
        which: Which = "largest",
        points: np.ndarray | None = None,
    ) -> dict[int, Face]:
        """Find faces and pick those to edit, by number from left to right."""
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

    def search(self, quality: str, paste: PasteMode) -> ProjectConfig:
        """How a code is searched for that is only to be aged; UsageError if not known.

        What reage's own agers add to a photo they find from the photo itself or from the
        encoder's code (docs/ageing.md): then a look at that one is all.
        """
        _check_quality(quality)
        return AS_ENCODED if self._adds(self.direction, paste) else QUALITIES[quality]

    def take(
        self,
        photo: Photo,
        faces: Mapping[int, Face],
        *,
        paste: PasteMode = "delta",
        quality: str = "normal",
        seed: int = 0,
        on_step: Callable[[ProjectStep], None] | None = None,
    ) -> Sequence[AnyFace]:
        """Make faces ready to be aged: inverted, or as they are for an ager of pixels."""
        if self.pixel_ager is None:
            search = self.search(quality, paste)
            return self.invert(photo, faces, config=search, seed=seed, on_step=on_step)
        _check_quality(quality)
        return [
            photo_face(photo.pixels, face, number, self.pixel_ager, quality, self.age_network)
            for number, face in faces.items()
        ]

    def invert(
        self,
        photo: Photo,
        faces: Mapping[int, Face],
        *,
        quality: str = "normal",
        config: ProjectConfig | None = None,
        seed: int = 0,
        on_step: Callable[[ProjectStep], None] | None = None,
        keep_stopped: bool = False,
    ) -> list[InvertedFace]:
        """Find the codes of faces, one after the other; `config` overrules `quality`.

        KeyboardInterrupt, also when `on_step` raises it, ends all, unless `keep_stopped`: then
        a face that was stopped keeps the best code found until there.
        """
        _check_quality(quality)
        config = replace(config or QUALITIES[quality], seed=seed)
        return [
            self._invert_one(photo, n, face, config, on_step, keep_stopped)
            for n, face in faces.items()
        ]

    def view(self, photo: Photo, number: int, face: Face) -> FaceView:
        """Cut a face out as this model and the age network want it, and read its age."""
        settings = self.model.config
        size = settings.generator.resolution
        return view_face(
            photo.pixels, face, number, settings.alignment, size, self.age_network, FEATHER
        )

    def trace(
        self, photo: Photo, faces: Sequence[AnyFace], paste: PasteMode = "delta"
    ) -> TracedFaces:
        """Look at faces all along the age direction, so that any age can be shown at once."""
        mover = self._mover(photo, self.age_mover(), paste)
        curves = {face.view.number: mover.trace(face) for face in faces}
        return TracedFaces(mover, faces, curves)

    def move(
        self,
        photo: Photo,
        faces: Sequence[AnyFace],
        direction: Direction | AnyAger | PixelAger,
        strengths: Iterable[float],
        paste: PasteMode = "delta",
    ) -> list[Edit]:
        """Make one edit of each strength along any direction of this generator.

        With an ager, a strength counts decades.
        """
        config = self.model.config.generator
        if isinstance(direction, Direction):
            direction = for_generator(direction, config.num_ws)
        if not isinstance(direction, PixelAger):
            direction.check(self.model.generator_hash, config.num_ws, config.w_dim)
        mover = self._mover(photo, direction, paste)
        return [
            mover.apply([(face, Reached(s, 0.0, None, None)) for face in faces]) for s in strengths
        ]

    def show(self, photo: Photo, faces: Sequence[InvertedFace], paste: PasteMode = "delta") -> Edit:
        """Paste faces with the codes that they have now: replace `ws` to mix or vary them."""
        config = self.model.config.generator
        nowhere = Direction("none", torch.zeros(config.num_ws, config.w_dim), sign="none")
        return self.move(photo, faces, nowhere, [0.0], paste)[0]

    def result(
        self,
        photo: Photo,
        faces: Sequence[AnyFace],
        edits: Sequence[Edit],
        seconds: Mapping[str, float],
    ) -> Result:
        """Bundle what was made with what it was made by."""
        searched = any(
            isinstance(face, InvertedFace) and face.inversion.perceptual != "none" for face in faces
        )
        names = (self.perceptual.name if searched else None, self.likeness.name)
        return Result(photo, tuple(faces), tuple(edits), seconds, *names)

    def project_crop(
        self,
        crop: FaceCrop,
        config: ProjectConfig,
        *,
        encoder: bool = True,
        on_step: Callable[[ProjectStep], None] | None = None,
    ) -> Inversion:
        """Find the code of one crop of this model's square, from the encoder's first guess on."""
        self._check_codes()
        target, mask = self._targets(crop)
        return project(
            self.model.generator,
            target,
            mask,
            self.encode([crop]) if encoder else self._average,
            self.perceptual,
            config,
            dtype=self.dtype,
            on_step=on_step,
        )

    def tune_crop(self, crop: FaceCrop, ws: Tensor, config: TuneConfig) -> Tuned:
        """Bend a copy of the generator to one crop and its code: by a hypernetwork, or `config`."""
        target, mask = self._targets(crop)
        hypernet = self.model.hypernet
        if hypernet is not None:
            hypernet.to(self.device)
            return hypertune(hypernet, self.model.generator, target, mask, ws)
        return tune(self.model.generator, target, mask, ws, self.perceptual, config)

    @torch.no_grad()
    def synthesize(self, ws: Tensor, *, noise: list[Tensor] | None = None) -> Tensor:
        """RGB pictures `[N, 3, R, R]` in about [-1, 1] of ws `[N, num_ws, w_dim]`."""
        if self.graphs is not None and noise is None:
            return self.graphs.synthesis(ws)[:, :3]
        return self.model.generator.synthesize(ws, noise=noise, dtype=self.dtype)[:, :3]

    @torch.no_grad()
    def encode(self, crops: Sequence[FaceCrop]) -> Tensor:
        """The encoder's codes `[N, num_ws, w_dim]` of crops of this model's square.

        Without an encoder they are the average face's.
        """
        if self.encoder is None:
            return self._average.repeat(len(crops), 1, 1)
        images = to_tensor(np.stack([crop.image for crop in crops])).to(self.device)
        masks = torch.from_numpy(np.stack([crop.mask for crop in crops]))[:, None].to(images)
        if self.graphs is not None and self.graphs.encoder is not None:
            return self.graphs.encoder(images, masks)
        return encode(self.encoder, self.model.generator, images, masks, dtype=self.dtype)

    def age_mover(self) -> Direction | AnyAger | PixelAger:
        """Return what changes ages, of codes or of pixels; raises as `age_direction`."""
        return self.age_direction() if self.pixel_ager is None else self.pixel_ager

    def age_direction(self) -> Direction | AnyAger:
        """Return the model's ager or age direction, along which + is older.

        Raises ModelError where it has none, LatentError where it is another generator's or not
        of age.
        """
        self.checked_direction()
        return self._older

    def checked_direction(self) -> Direction | AnyAger:
        """Return what was given or is the model's, of whatever it is; raises as the above."""
        self._check_codes()
        if self.direction is None:
            name = self.model.config.name
            raise ModelError(
                f"the model {name} has no age direction; fit one with: reage fit {name}, "
                "or give one with --direction FILE"
            )
        config = self.model.config.generator
        self.direction.check(self.model.generator_hash, config.num_ws, config.w_dim)
        return self.direction

    def _check_codes(self) -> None:
        """Raise ModelError where faces have no codes."""
        if self.pixel_ager is not None:
            raise ModelError(
                f"{self.pixel_ager.name} is an ager that works on pixels, without codes of faces; "
                "edit, batch, strip and animate can use it, this needs a model with a generator"
            )

    @cached_property
    def _older(self) -> Direction | AnyAger:
        """The direction with a sign that is known: + is older."""
        assert self.direction is not None
        if not isinstance(self.direction, Direction):
            return self.direction
        return oriented(self.direction, self._average, self._ages_of)

    @torch.no_grad()
    def _ages_of(self, ws: Tensor) -> Tensor:
        """Ages read on the pictures of codes `[N, num_ws, w_dim]`, `[N]` years."""
        squares = age_square(self.synthesize(ws), self.model.config.alignment)
        return self.age_network.read(squares)[0]

    @property
    def _average(self) -> Tensor:
        """The average face's code, `[1, num_ws, w_dim]`."""
        generator = self.model.generator
        return generator.mapping.w_avg.expand(1, generator.num_ws, -1)

    def _targets(self, crop: FaceCrop) -> tuple[Tensor, Tensor]:
        """A crop as the generator's picture and validity mask."""
        target = to_tensor(crop.image).to(self.device)
        if self.model.config.generator.image_channels == 4:  # a photo has no holes
            target = torch.cat([target, torch.ones_like(target[:, :1])], 1)
        return target, torch.from_numpy(crop.mask)[None, None].to(self.device)

    def _invert_one(
        self,
        photo: Photo,
        number: int,
        face: Face,
        config: ProjectConfig,
        on_step: Callable[[ProjectStep], None] | None,
        keep_stopped: bool,
    ) -> InvertedFace:
        view = self.view(photo, number, face)
        found = self.project_crop(view.crop, config, on_step=on_step)
        if found.stopped == "interrupted" and not keep_stopped:
            raise KeyboardInterrupt  # who stops an edit wants no half-found face in it
        return InvertedFace(view, found.ws, self.synthesize(found.ws, noise=found.noise), found)

    def _mover(
        self, photo: Photo, direction: Direction | AnyAger | PixelAger, paste: PasteMode
    ) -> FaceMover:
        encode = self.encode if self._adds(direction, paste) else None
        networks = (self.synthesize, encode, self.age_network, self.likeness)
        finders = (self.person_finder, self.detector) if self.grey_hair else None
        return FaceMover(photo, direction, paste, *networks, self.device, self.dtype, finders)

    def _adds(self, direction: object, paste: PasteMode) -> bool:
        """Whether a change is added to the photo that does not depend on the code of its face."""
        if paste != "delta" or not isinstance(direction, NeuralAger):
            return False
        return direction.photo is not None or self.encoder is not None


def _check_quality(quality: str) -> None:
    if quality not in QUALITIES:
        raise UsageError(f"quality {quality!r} is not known; choose {', '.join(QUALITIES)}")


def load(
    model: str | Path = DEFAULT_MODEL,
    *,
    device: str = "auto",
    precision: str = "auto",
    direction: str | Path | None = None,
    vgg16: Path | None = None,
    backend: str = "torch",
    grey_hair: bool = True,
) -> Editor:
    """Load an editor: a model by name, folder or file, with its age direction.

    An ager that works on pixels may take the place of either; then faces are not inverted.

    `device` is auto, cpu, cuda, ...; `precision` auto, float32 or bfloat16; `backend` torch, or
    onnxruntime or openvino for what needs no gradients; without `grey_hair` hair keeps its colour.
    Raises ModelError, LatentError or UsageError.
    """
    place = choose_device("cpu" if backend != "torch" and device == "auto" else device)
    if backend != "torch" and place.type != "cpu":
        raise UsageError(f"the backend {backend} runs on the CPU here; leave out the device")
    dtype = choose_dtype(precision, place)
    path, pixels = find_model(model), None if direction is None else Path(direction)
    if is_pixel_ager(path):
        if direction is not None:
            raise UsageError(f"{path} is an ager itself; leave out the direction")
        path, pixels = find_model(DEFAULT_MODEL), path
    loaded = load_any_model(path)
    loaded.generator.to(place)
    if pixels is not None and is_pixel_ager(pixels):
        ager = load_pixel_ager(pixels, place, dtype)
        editor = Editor(loaded, None, dtype, place, vgg16, backend, ager, grey_hair)
    else:
        found = find_direction(loaded, direction)
        if isinstance(found, NeuralAger | PictureAger):
            found.to(place)
        editor = Editor(loaded, found, dtype, place, vgg16, backend, grey_hair=grey_hair)
    if backend != "torch":
        _ = editor.graphs  # a runtime that is missing is said before the work
    return editor
