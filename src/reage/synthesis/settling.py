"""Many looks of one person, each brought to its asked age by looking at it: the closed loop."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from reage.editor import Editor
from reage.images import Photo
from reage.latents.aging import AgeCurve, reach_age
from reage.latents.faces import InvertedFace, toned
from reage.tracing import TracedFaces

__all__ = ["Looks", "settle"]

BATCH = 8  # pictures synthesised at once
ROUNDS = 2  # corrections of the strength
SHARES = (1.0, 0.5, 0.25)  # a look that is no longer the same person's is tried again with less
LEAST_SLOPE, MOST_STEP = 3.0, 20.0  # years a unit of strength; years that a correction may ask for
LEAST_LIKENESS = 0.6  # of a varied face to the plain one at the same strength


@dataclass(frozen=True, eq=False)
class Looks:
    """What came out for each asked look."""

    images: Tensor  # [M, 3, R, R]
    strengths: Tensor  # [M]
    ages: Tensor  # [M] years, as read
    shares: Tensor  # [M] of the change that was shown
    likeness: Tensor  # [M] to the plain face at the same strength


def settle(
    editor: Editor, photo: Photo, face: InvertedFace, changes: Tensor, asked: Tensor
) -> Looks:
    """Show a face with changes of its code `[M, num_ws, w_dim]` at the ages `asked` `[M]`.

    The plain face is traced once; its strengths are where every look begins, and its slope is
    how far a look is moved that is read as too young or too old.
    """
    traced = editor.trace(photo, [face], "delta")
    curve = traced.curves[face.view.number][1]
    start = _starts(traced, face, asked)
    looker = _Looker(editor, traced, face)
    shares, likeness = _shares(looker, changes, start)
    changes = changes * shares[:, None, None]
    best = strengths = start
    images, ages = looker.look(changes, strengths)
    slopes, (low, high) = _slopes(curve, start), (curve.strengths[0], curve.strengths[-1])
    for _ in range(ROUNDS):
        missing = (asked - ages).clamp(-MOST_STEP, MOST_STEP)
        strengths = (best + missing / slopes).clamp(low, high)
        tried, read = looker.look(changes, strengths)
        nearer = (read - asked).abs() < (ages - asked).abs()
        images[nearer], ages[nearer] = tried[nearer], read[nearer]
        best = torch.where(nearer, strengths, best)
        slopes = torch.where(nearer, slopes, slopes * 2)  # too far: half the step next time
    return Looks(images, best, ages, shares, likeness)


@dataclass(frozen=True, eq=False)
class _Looker:
    editor: Editor
    traced: TracedFaces
    face: InvertedFace

    @torch.no_grad()
    def look(self, changes: Tensor, strengths: Tensor) -> tuple[Tensor, Tensor]:
        """Pictures of changed faces at strengths, and the ages that are read on them."""
        parts = [
            self._part(*part)
            for part in zip(changes.split(BATCH), strengths.split(BATCH), strict=True)
        ]
        shown = [self._square(part) for part in parts]
        read = [self.editor.age_network.read(square)[0].cpu() for square in shown]
        return torch.cat(parts), torch.cat(read)

    @torch.no_grad()
    def likeness(self, images: Tensor, plain: Tensor) -> Tensor:
        """Likeness of pictures to others, one by one."""
        measure = self.editor.likeness
        return torch.cat(
            [
                measure(measure.describe(self._square(a)), measure.describe(self._square(b))).cpu()
                for a, b in zip(images.split(BATCH), plain.split(BATCH), strict=True)
            ]
        )

    def _part(self, changes: Tensor, strengths: Tensor) -> Tensor:
        direction, own = self.traced.mover.direction, self.face.view.reading.age
        codes = self.face.ws + changes.to(self.face.ws)
        edited = self.editor.synthesize(direction.moved(codes, strengths, own))
        if direction.colour == 1:
            return edited
        return toned(self.editor.synthesize(codes), edited, direction.colour)

    def _square(self, images: Tensor) -> Tensor:
        return self.face.view.compose(self.face.base, images, "delta")


def _starts(traced: TracedFaces, face: InvertedFace, asked: Tensor) -> Tensor:
    """Strengths at which the plain face reaches the ages, `[M]`."""
    look, curve = traced.curves[face.view.number]
    known = {age: reach_age(look, curve, age).strength for age in dict.fromkeys(asked.tolist())}
    return torch.tensor([known[age] for age in asked.tolist()])


def _slopes(curve: AgeCurve, strengths: Tensor) -> Tensor:
    """Years a unit of strength there, `[M]`; never so few that a step would leap."""
    if len(curve.strengths) < 2:
        return torch.full_like(strengths, 1e6)
    steps = curve.strengths.diff()
    slopes = curve.ages.diff() / steps.clamp_min(1e-6)
    place = torch.searchsorted(curve.strengths, strengths.contiguous()) - 1
    return slopes[place.clamp(0, len(slopes) - 1)].clamp_min(LEAST_SLOPE)


def _shares(looker: _Looker, changes: Tensor, strengths: Tensor) -> tuple[Tensor, Tensor]:
    """How much of each change leaves the face the same person's `[M]`, and the likeness then."""
    plain = looker.look(torch.zeros_like(changes), strengths)[0]
    shares = torch.ones(len(changes))
    likeness = torch.ones(len(changes))
    todo = changes.flatten(1).any(1).nonzero().flatten()
    for share in SHARES:
        if not len(todo):
            break
        shares[todo] = share
        images = looker.look(changes[todo] * share, strengths[todo])[0]
        likeness[todo] = looker.likeness(images, plain[todo])
        todo = todo[likeness[todo] < LEAST_LIKENESS]
    return shares, likeness
