"""Ageing at full size: a photo ager for light and shape, plus real skin detail."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache, cached_property

import numpy as np
import torch
from torch import Tensor

from reage.agers.base import Ager, PreparedFace
from reage.agers.children import childhood_of, shaving
from reage.agers.photo import PhotoAger
from reage.compositing.beard_removal import lay_shave
from reage.compositing.boxed_face import BoxedFace, covered
from reage.compositing.change import Change, SkinDetail
from reage.compositing.detail_bank import DetailBank, Sex, read_bank
from reage.compositing.detail_removal import lay_removal
from reage.compositing.detail_transfer import (
    AgedSkin,
    LaidSkin,
    Subject,
    choose_exemplars,
    detail_gains,
    lay_detail,
    mix_detail,
    shading_age,
)
from reage.compositing.lips import pale_lips
from reage.compositing.neck import BELOW, Neck, look_at_neck
from reage.compositing.preview import relight_by_detail
from reage.compositing.skin_tone import skin_tone
from reage.models.checkpoints import Alignment
from reage.models.files import file_sha256, fingerprint_of
from reage.models.pretrained import (
    BEARD_REMOVAL,
    DETAIL,
    SKIN_REMOVAL,
    load_beard_removal,
    load_gender_network,
    load_skin_removal,
    removal_file,
)

__all__ = ["LAID", "NECK", "SHAVEN", "SkinAger", "read_embedded_bank"]

RECIPE = "skin-14"  # another number where other pictures come of the same bank
# Keys under which a face caches what is laid over it; only videos lay the neck apart.
LAID, SHAVEN, NECK = "skin", "shaven", "neck"


@cache
def read_embedded_bank() -> DetailBank:
    """Read the packaged bank of skin detail, made of synthetic heads."""
    return read_bank(DETAIL)


@dataclass(frozen=True, eq=False)
class SkinAger(Ager):
    """A photo ager that ages part of the way; old skin detail shows the rest.

    At a younger age, a face first loses its own skin detail. Faces that are too small, given by
    points alone, or generated use only the photo ager.
    """

    base: PhotoAger
    bank: DetailBank
    needs = "photo"
    greys_hair = True
    has_childhood = True
    age_counts = True

    @property
    def name(self) -> str:  # type: ignore[override]
        return self.base.name

    @property
    def span(self) -> tuple[float, float]:  # type: ignore[override]
        return self.base.span

    @property
    def alignment(self) -> Alignment:  # type: ignore[override]
        return self.base.alignment

    @cached_property
    def fingerprint(self) -> str:  # type: ignore[override]
        networks = (removal_file(self.bank.folder, name) for name in (SKIN_REMOVAL, BEARD_REMOVAL))
        hashes = (file_sha256(file) for file in networks)
        return fingerprint_of(RECIPE, self.base.fingerprint, self.bank.sha256, *hashes)

    def side(self, pixels: float, quality: str) -> int:
        return self.base.side(pixels, quality)

    def reach(self, face: PreparedFace) -> tuple[float, float]:
        return self.base.reach(face)

    @torch.no_grad()
    def change(self, face: PreparedFace, ages: Tensor) -> Change:
        laid = self.skin_layers(face)
        if laid is None:
            return self.base.change(face, ages)
        own = face.own_age
        gains, losses = zip(*(detail_gains(own, age) for age in ages.tolist()), strict=True)
        childhood = childhood_of(face)
        shaves = tuple(shaving(own, childhood.shown(own, age)) for age in ages.tolist())
        skin = SkinDetail(*laid, gains, losses, neck=face.notes.get(NECK))
        if any(shaves):
            skin = replace(skin, beard=self._beard(face), shaves=shaves)
        shaded = ages.new_tensor([shading_age(own, age) for age in ages.tolist()])
        # The network sees the face after removal: otherwise it would fill its folds twice.
        seen = relight_by_detail(face.picture, skin.losses_in(face.view.crop))
        change = self.base.change_picture(seen, face, shaded)
        return Change(change.added, change.warp, change.detail, skin=skin)

    def skin_layers(self, face: PreparedFace) -> tuple[LaidSkin, LaidSkin] | None:
        """Return the detail to add to and to remove from a face of a photo; None if there is none.

        It is the same for all ages, so the face caches it.
        """
        if LAID in face.notes:  # a video lays it itself, steadily over time
            return face.notes[LAID]
        if face.paste != "delta" or face.pixels is None or face.view.face.landmarks is None:
            return None
        face.notes[LAID] = self._lay(face, face.pixels, face.view.face.landmarks)
        return face.notes[LAID]

    def _lay(
        self, face: PreparedFace, pixels: np.ndarray, landmarks: np.ndarray
    ) -> tuple[LaidSkin, LaidSkin] | None:
        aged = self.skin_for(face, pixels, landmarks)
        hidden = _hidden(face, pixels)
        added = lay_detail(pixels, landmarks, aged, hidden)
        boxed = BoxedFace.cut(pixels, landmarks, self.bank.canonical, BELOW)
        if added is None or boxed is None:
            return None
        neck = look_at_neck(boxed, hidden)
        removal = load_skin_removal(self.bank.folder)
        return _join(added, boxed, neck, hidden), lay_removal(boxed, removal, neck, hidden)

    def _beard(self, face: PreparedFace) -> LaidSkin | None:
        """Return what takes the beard off a face of a photo; the face caches it."""
        landmarks = face.view.face.landmarks
        if SHAVEN not in face.notes and face.pixels is not None and landmarks is not None:
            boxed = BoxedFace.cut(face.pixels, landmarks, self.bank.canonical)
            network = load_beard_removal(self.bank.folder)
            face.notes[SHAVEN] = boxed and lay_shave(boxed, network, _hidden(face, face.pixels))
        return face.notes.get(SHAVEN)

    def skin_for(self, face: PreparedFace, pixels: np.ndarray, landmarks: np.ndarray) -> AgedSkin:
        """Choose the detail of old skin that suits a face of a photo `[H, W, 3]`."""
        male = load_gender_network().to(face.base.device)(face.photo)
        sex: Sex = "male" if float(male) > 0.5 else "female"
        subject = Subject.of(face.view.face, sex, skin_tone(pixels, landmarks))
        return mix_detail(self.bank, choose_exemplars(self.bank, subject), subject)


def _hidden(face: PreparedFace, pixels: np.ndarray) -> np.ndarray | None:
    """Return how much of each pixel of the photo is known to be covered, `[H, W]`."""
    cover = face.view.cover
    return None if cover is None else cover.over(pixels.shape)


def _join(added: LaidSkin, face: BoxedFace, neck: Neck, hidden: np.ndarray | None) -> LaidSkin:
    """Add the neck, below the box of old skin's detail, and the lips' colour to it.

    Nothing is added to what is `hidden` `[H, W]` of the photo.
    """
    lips = face.share * face.pad(face.from_frame(pale_lips(face.frame, face.canonical)))
    lips = lips * (1 - covered(face.box, lips, hidden))
    wrinkles = face.pad(added.wrinkles) + face.share * neck.older
    return LaidSkin(face.box, wrinkles, face.pad(added.folds), added.limits, lips)
