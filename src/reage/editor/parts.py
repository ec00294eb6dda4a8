"""What an edit needs: the ager, the model and the networks, each loaded at its first use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path

import torch

from reage.agers.base import Ager
from reage.agers.direction_ager import DirectionAger
from reage.agers.skin import SkinAger, read_embedded_bank
from reage.compositing import render
from reage.compositing.change import PasteMode, check_paste
from reage.compositing.cover import Cover
from reage.compositing.hair import greying
from reage.compositing.hair.dark_beards import BeardFinder
from reage.compositing.hair.mask import HEAD_SIDE, HairFinders, PersonFinder
from reage.compositing.hair.segmentation import Hair, faces_beside, find_hair
from reage.errors import ModelError
from reage.faces.detection import FaceDetector
from reage.faces.face import Face
from reage.faces.squares import crop_face
from reage.images import Photo
from reage.inversion.space import LatentSpace
from reage.models.checkpoints import Model, ModelConfig
from reage.models.files import file_sha256, fingerprint_of
from reage.models.hair_segmentation import HairFinder
from reage.models.pretrained import (
    BEARD_REMOVAL,
    load_age_reader,
    load_beard_removal,
    load_likeness,
    load_occlusion,
    removal_file,
)
from reage.networks.judges.age_reader import AgeReader
from reage.networks.judges.likeness import FeatureLikeness
from reage.networks.occlusion import OcclusionNetwork

__all__ = ["Parts"]


@dataclass(frozen=True, eq=False)
class Parts:
    """The parts of an editor; what an edit does not need is never loaded."""

    ager: Ager | None  # None: the model has no ager
    config: ModelConfig | None = None  # of the model; None: there is an ager alone
    load_latents: Callable[[], LatentSpace] | None = None  # generator and encoder; None: none
    dtype: torch.dtype = torch.float32  # of the networks' maps
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    grey_hair: bool = True  # whether hair turns grey where the ager leaves that to the editor
    hair_color: str | None = None  # that grey hair gets back in a younger face; None: guess
    occlusion: Path | None = None  # folder of an occlusion network; None: the embedded one

    @cached_property
    def detector(self) -> FaceDetector:
        """Finds faces in photos."""
        return FaceDetector()

    @cached_property
    def hair_finders(self) -> HairFinders:
        """Say which pixels show a person, which hair, and which a dark beard."""
        bank = self.ager.bank if isinstance(self.ager, SkinAger) else read_embedded_bank()
        weights = file_sha256(removal_file(bank.folder, BEARD_REMOVAL))
        beard = BeardFinder(load_beard_removal(bank.folder), bank.canonical, weights)
        return HairFinders(PersonFinder(), HairFinder(self.device), beard, self.hair_color)

    @cached_property
    def age_network(self) -> AgeReader:
        """Reads apparent ages."""
        return load_age_reader().to(self.device)

    @cached_property
    def cover_network(self) -> OcclusionNetwork:
        """Finds what covers a face."""
        return load_occlusion(self.occlusion).to(self.device)

    @property
    def face_readers(self) -> tuple[AgeReader, OcclusionNetwork]:
        """The networks that look at every face."""
        return self.age_network, self.cover_network

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

    def fingerprint(self, paste: PasteMode = "delta", hair: bool | None = None) -> str:
        """Return the SHA-256 over every tensor and recipe that decides pixels in one paste mode.

        Reports name it; a resumed batch or video compares it. `hair` as in `greys`.
        """
        ager = self.given_ager()
        parts = [ager.fingerprint]
        if paste != "none":
            parts += [render.RECIPE, fingerprint_of(self.cover_network.decoder.state_dict())]
        if self.greys(ager, paste, hair):
            parts += [
                greying.RECIPE + (self.hair_color or ""),
                self.hair_finders.person.sha256,
                self.hair_finders.hair.sha256,
                self.hair_finders.beard.sha256,
            ]
        if self.makes_faces(paste):
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

    def greys(self, ager: Ager, paste: PasteMode, hair: bool | None = None) -> bool:
        """Return whether an ager's edits turn hair grey; `hair` None: as the editor was loaded."""
        wanted = self.grey_hair if hair is None else hair
        return wanted and ager.greys_hair and paste != "none"

    def find_hair(
        self,
        photo: Photo,
        face: Face,
        cover: Cover | None = None,
        notes: list[str] | None = None,
    ) -> Hair | None:
        """Find the hair of a face, to turn it grey; `cover` and `notes` as `find_hair` of hair."""
        others = faces_beside(photo.pixels, face, self.detector)
        cut = partial(crop_face, photo.pixels, resolution=HEAD_SIDE)
        return find_hair(cut, face, self.hair_finders, others, cover=cover, notes=notes)

    def makes_faces(self, paste: PasteMode) -> bool:
        """Return whether the generator is used: for agers of codes, and for generated faces.

        UsageError for an unknown way of pasting.
        """
        check_paste(paste)
        if self.ager is None or self.ager.needs == "latent":
            return True
        if paste == "delta" or self.load_latents is None or self.config is None:
            return False
        return self.ager.alignment == self.config.alignment
