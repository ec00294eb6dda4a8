"""Readings of one person at other ages, for the closed loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from reage.agers.base import Ager, PreparedFace
from reage.agers.children import CHILDHOOD, GROWN, NEVER, find_childhood
from reage.agers.direction_ager import DirectionAger
from reage.compositing.change import Change, Greying, check_finite
from reage.compositing.hair.greying import grey_shares
from reage.compositing.hair.segmentation import Hair
from reage.compositing.preview import preview, preview_flat
from reage.compositing.view import read_ages, reading_of
from reage.faces.readings import AgeReading
from reage.networks.judges.age_reader import AgeReader
from reage.networks.judges.likeness import FeatureLikeness
from reage.search.age_search import AgeCurve, shown_ages, trace_curve
from reage.search.change_table import ChangeTable

__all__ = ["BATCH", "LEAST_LIKENESS", "MOST_AHEAD", "Looker", "change_by", "shown_by"]

BATCH = 8  # pictures made at once: more is slower on a CPU, whose caches it leaves
# Below it a pasted face looks distorted rather than aged (docs/reference/ageing.md).
LEAST_LIKENESS = 0.84
# For each year that a face reads older without grey hair, years that its hair turns older at most.
MOST_AHEAD = 3.0
# Faces up to so many years become children at the ages asked for. For older ones that is looked
# for at so many ages.
YOUNG, CHILDHOOD_LOOKS = 30.0, 4


@dataclass(frozen=True, eq=False)
class Looker:
    """Reads one person in one photo, or the mean over several good frames of a video."""

    ager: Ager
    age_network: AgeReader
    likeness: FeatureLikeness
    faces: Sequence[PreparedFace]
    find_hair: Callable[[], Sequence[Hair | None]]  # of each face, where it is to turn grey
    table: ChangeTable | None = None  # keeps the changes of a single face

    @property
    def own_age(self) -> float:
        """The estimated age in the photos, years."""
        return sum(face.own_age for face in self.faces) / len(self.faces)

    def trace(
        self,
        span: tuple[float, float] | None = None,
        *,
        least: float = LEAST_LIKENESS,
        looks: int | None = None,
    ) -> AgeCurve:
        """Trace the estimated ages over `span`, strengths; None: as far as the ager reaches."""
        return trace_curve(
            self.look,
            self.span() if span is None else span,
            least_similarity=least,
            points=looks or self.ager.looks,
            edge=self.ager.edge,
        )

    def span(self) -> tuple[float, float]:
        """Return the lowest and highest possible strength, decades from the source age."""
        low, high = self.ager.reach(self.faces[0])
        return (low - self.own_age) / 10, (high - self.own_age) / 10

    def shown(self, read: Tensor, strengths: Tensor) -> Tensor:
        """Estimate the ages shown at strengths, both `[N]`, by the ages `read` `[N]` there."""
        return shown_by(self.ager, read, self.own_age, strengths)

    def estimate(self, reading: AgeReading, strength: float) -> AgeReading:
        """Return what a picture made at a strength shows, by what was read in it."""
        (age,) = self.shown(torch.tensor([reading.age]), torch.tensor([strength])).tolist()
        return reading_of(self.age_network, age, reading.each)

    @torch.no_grad()
    def look(self, strengths: Tensor) -> tuple[Tensor, Tensor]:
        """Read ages and likenesses at strengths `[N]` (decades from the source age), both `[N]`."""
        ages, similar = [], []
        each, places = torch.unique(strengths, return_inverse=True)  # 0 may come several times
        for part in each.split(BATCH):
            changes, flats, read = self._read(part)
            ages.append(read)
            painted = [
                flat if change.skin is None else _flat(face, replace(change, skin=None))
                for face, change, flat in zip(self.faces, changes, flats, strict=True)
            ]
            pairs = zip(painted, self._own_descriptions, strict=True)
            # Growth and wrinkles keep the identity; what a network paints may change it.
            like = [self.likeness(self.likeness.describe(flat), own).cpu() for flat, own in pairs]
            similar.append(torch.stack(like).mean(0))
        return torch.cat(ages)[places], torch.cat(similar)[places]

    @torch.no_grad()
    def look_at_ages(self, strengths: Tensor) -> tuple[Tensor, Tensor]:
        """Read as `look` between strengths known to show the same person: likenesses are 1.

        Measuring likeness takes a fifth of a read.
        """
        ages = torch.cat([self._read(part)[2] for part in strengths.split(BATCH)])
        return ages, torch.ones_like(ages)

    @torch.no_grad()
    def changes(self, strengths: Tensor) -> list[Change]:
        """Return the change of each face at strengths `[N]`, including hair."""
        return self._changes(strengths)[0]

    def describe(self, index: int, strength: float) -> tuple[list[Tensor], list[Tensor]]:
        """Return the likeness features of a face as it is and at a strength, not warped."""
        face, part = self.faces[index], torch.tensor([strength])
        with torch.no_grad():
            flat = preview_flat(
                face.view, face.picture, change_by(self.ager, face, part), face.paste
            )
            return self._own_descriptions[index], self.likeness.describe(flat)

    @cached_property
    def _own_descriptions(self) -> list[list[Tensor]]:
        """The likeness features of the unchanged faces.

        The inversion's loss is not the ager's fault. So the reference is the unchanged face as it
        would be pasted, which in `delta` is the photo itself.
        """
        with torch.no_grad():
            return [self.likeness.describe(_preview_unchanged(face)) for face in self.faces]

    @cached_property
    def _hair(self) -> Sequence[Hair | None]:
        return self.find_hair()

    def _read(self, strengths: Tensor) -> tuple[list[Change], list[Tensor], Tensor]:
        """Return the changes at strengths, each face's flat previews, and the mean ages `[N]`."""
        changes, flats, read = self._changes(strengths)
        read = self._ages(changes, flats) if read is None else read
        read = self.shown(read, strengths)
        if self.table is not None:
            self.table.add(strengths, changes[0], read)
        return changes, flats, read

    def _changes(self, strengths: Tensor) -> tuple[list[Change], list[Tensor], Tensor | None]:
        """Return the same; ages only if they are read without another preview, which hair needs."""
        if bool((strengths < 0).any()):
            self._note_childhood()
        changes, flats = self._without_grey(self.faces, strengths)
        if not any(self._hair):
            return changes, flats, None
        read = self._ages(changes, flats)
        # Half by the age read without that, half by the age that the ager was asked for. The first
        # alone keeps hair dark on faces that read too young, and they read young for it; the
        # second alone whitens faces that had to be asked for twenty years to look ten older. White
        # hair on a face that hardly aged (burnt out, say) is a wig.
        ages = (read + self.own_age + 10 * strengths) / 2
        most = self.own_age + MOST_AHEAD * (read - self.own_age).clamp(min=0)
        younger = self.shown(read, strengths)
        ages = torch.where(strengths > 0, torch.minimum(ages, most), younger)
        shares = grey_shares(self.own_age, ages.tolist(), strengths.tolist())
        changes = [
            change if hair is None else replace(change, greying=Greying(hair, shares))
            for change, hair in zip(changes, self._hair, strict=True)
        ]
        return changes, flats, None if any(shares) else read

    def _note_childhood(self) -> None:
        """Note in the faces at which ages asked for they become children, by what they read."""
        if not self.ager.has_childhood or self.own_age <= YOUNG:
            return
        if CHILDHOOD in self.faces[0].notes:
            return
        grown = [replace(face, notes=face.notes | {CHILDHOOD: NEVER}) for face in self.faces]
        asked = torch.linspace(GROWN, self.ager.reach(self.faces[0])[0], CHILDHOOD_LOOKS)
        seen = self._without_grey(grown, (asked - self.own_age) / 10)
        found = find_childhood(asked.tolist(), self._ages(*seen).tolist())
        for face, adult in zip(self.faces, grown, strict=True):
            face.notes.update(adult.notes | {CHILDHOOD: found})

    def _without_grey(
        self, faces: Sequence[PreparedFace], strengths: Tensor
    ) -> tuple[list[Change], list[Tensor]]:
        """Return the change of each face at strengths `[N]` before hair, and its flat previews."""
        changes = [change_by(self.ager, face, strengths) for face in faces]
        return changes, [_flat(face, c) for face, c in zip(faces, changes, strict=True)]

    def _ages(self, changes: Sequence[Change], flats: Sequence[Tensor]) -> Tensor:
        """Return the mean estimated ages, `[N]`."""
        ages = []
        for face, change, flat in zip(self.faces, changes, flats, strict=True):
            seen = preview(face.view, face.picture, change, face.paste, flat)
            ages.append(read_ages(self.age_network, seen)[0].cpu())
        return torch.stack(ages).mean(0)


def shown_by(ager: Ager, read: Tensor, own: float, strengths: Tensor) -> Tensor:
    """Estimate the ages that an ager's changes show, as `shown_ages` where it is known of it."""
    return shown_ages(read, own, strengths) if ager.age_counts else read


def change_by(ager: Ager, face: PreparedFace, strengths: Tensor, *, of_age: bool = True) -> Change:
    """Return a face's change at strengths `[N]`, decades from the source age, before hair greying.

    Without `of_age`, strengths are a direction's own, whether it is one of age or not. ModelError
    where the change is not finite.
    """
    if not of_age and isinstance(ager, DirectionAger):
        change = ager.move(face, strengths)
    else:
        change = ager.change(face, face.own_age + 10 * strengths)
    return check_finite(face.complete(change), face.picture, ager.name)


def _flat(face: PreparedFace, change: Change) -> Tensor:
    return preview_flat(face.view, face.picture, change, face.paste)


def _preview_unchanged(face: PreparedFace) -> Tensor:
    still = Change(torch.zeros_like(face.base))
    return preview_flat(face.view, face.base, still, face.paste)
