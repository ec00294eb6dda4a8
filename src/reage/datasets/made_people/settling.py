"""Many looks of one person, each brought to its asked age by looking at it: the closed loop."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from reage.agers.faces import InvertedFace, Moved, toned
from reage.agers.neural import photo_ager_of
from reage.editor import Editor
from reage.search.age_search import AgeCurve, reach_age, trace_curve

__all__ = ["Looks", "settle"]

BATCH = 8  # pictures synthesised at once
POINTS = 4  # strengths on either side at which the plain face is looked at first
ROUNDS = 2  # corrections of the strength
CLOSE = 1.0  # years from the asked age at which nothing is corrected
LEAST_SLOPE, MOST_STEP = 3.0, 20.0  # years a unit of strength; years that a correction may ask for
# Below it a face is distorted, compared with the unmoved one. There is no photo around it here to
# keep: with 0.84 as for photos, ten people were no more alike over 30 to 50 years, and of those
# sent to 80 a third got there.
LEAST_AGED = 0.7
# The same of a changed face to the plain one at the same strength, and the shares of a change that
# are tried, one after the other.
LEAST_CHANGED = 0.9
SHARES = (1.0, 0.5, 0.25)


@dataclass(frozen=True, eq=False)
class Looks:
    """What came out for each asked look."""

    images: Tensor  # [M, 3, R, R]
    strengths: Tensor  # [M]
    ages: Tensor  # [M] years, as read
    shares: Tensor  # [M] of the change that was shown
    likeness: Tensor  # [M] to the plain face at the same strength


def settle(editor: Editor, face: InvertedFace, changes: Tensor, asked: Tensor) -> Looks:
    """Show a face with changes of its code `[M, num_ws, w_dim]` at the ages `asked` `[M]`.

    The plain face is traced once; its strengths are where every look begins, and its slope is
    how far a look is moved that is read as too young or too old.
    """
    looker = _Looker(editor, face)
    curve = looker.trace()
    start = _starts(looker, curve, asked)
    shares, likeness = _shares(looker, changes, start)
    changes = changes * shares[:, None, None]
    strengths, slopes = start, _slopes(curve, start)
    images, ages = looker.look(changes, strengths)
    for _ in range(ROUNDS):
        todo = ((ages - asked).abs() > CLOSE).nonzero().flatten()
        missing = (asked - ages)[todo].clamp(-MOST_STEP, MOST_STEP)
        tried = strengths[todo] + missing / slopes[todo]
        tried = tried.clamp(curve.strengths[0], curve.strengths[-1])
        todo, tried = (part[tried != strengths[todo]] for part in (todo, tried))
        if not len(todo):
            break
        shown, read = looker.look(changes[todo], tried)
        nearer = (read - asked[todo]).abs() < (ages - asked)[todo].abs()
        slopes[todo[~nearer]] *= 2  # too far: half the step next time
        better = todo[nearer]
        images[better], ages[better], strengths[better] = shown[nearer], read[nearer], tried[nearer]
    return Looks(images, strengths, ages, shares, likeness)


@dataclass(frozen=True, eq=False)
class _Looker:
    """What a face looks like with a changed code and at a strength."""

    editor: Editor
    face: InvertedFace

    @torch.no_grad()
    def trace(self) -> AgeCurve:
        """Ages of the plain face over the strengths that leave it a face."""
        plain = torch.zeros_like(self.face.ws)

        def look(strengths: Tensor) -> tuple[Tensor, Tensor]:
            changes = plain.expand(len(strengths), -1, -1)
            parts = list(self._moved(changes, strengths))
            # How a face grows is known; what is painted on it may make it somebody else's.
            flat = torch.cat([moved.pictures for moved in parts])
            ages = torch.cat([self._read(moved.alone()) for moved in parts])
            return ages, self.likeness(flat, self.face.base.expand_as(flat))

        direction = self.editor.age_direction()
        span = direction.allowed(self.face.ws, self.face.view.reading.age)
        return trace_curve(look, span, least_similarity=LEAST_AGED, points=POINTS)

    @torch.no_grad()
    def look(self, changes: Tensor, strengths: Tensor) -> tuple[Tensor, Tensor]:
        """Pictures of changed faces at strengths, and the ages that are read on them."""
        parts = [moved.alone() for moved in self._moved(changes, strengths)]
        return torch.cat(parts), torch.cat([self._read(part) for part in parts])

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

    def _moved(self, changes: Tensor, strengths: Tensor) -> Iterator[Moved]:
        direction, own = self.editor.age_direction(), self.face.view.reading.age
        painter = photo_ager_of(direction)
        for part, some in zip(changes.split(BATCH), strengths.split(BATCH), strict=True):
            codes = self.face.ws + part.to(self.face.ws)
            if painter is not None:
                plain = self.editor.synthesize(codes) if part.any() else self.face.base
                eyes = self.face.view.eyes
                yield painter.painted(plain, eyes, some, own, dtype=self.editor.dtype)
                continue
            edited = self.editor.synthesize(direction.moved(codes, some, own))
            if direction.colour != 1:
                edited = toned(self.editor.synthesize(codes), edited, direction.colour)
            yield Moved(edited)

    def _read(self, images: Tensor) -> Tensor:
        return self.editor.age_network.read(self._square(images))[0].cpu()

    def _square(self, images: Tensor) -> Tensor:
        return self.face.view.compose(self.face.base, images, "delta")


def _starts(looker: _Looker, curve: AgeCurve, asked: Tensor) -> Tensor:
    """Strengths at which the plain face is nearest to the ages, `[M]`: one look more a round."""
    zero = torch.zeros_like(looker.face.ws)

    def look(strengths: Tensor) -> tuple[Tensor, Tensor]:
        ages = looker.look(zero.expand(len(strengths), -1, -1), strengths)[1]
        return ages, torch.ones_like(ages)

    known = {
        age: reach_age(look, curve, age, refinements=1).strength for age in set(asked.tolist())
    }
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
    shares, likeness = torch.ones(len(changes)), torch.ones(len(changes))
    todo = changes.flatten(1).any(1).nonzero().flatten()
    if not len(todo):
        return shares, likeness
    plain = torch.empty(len(changes), *looker.face.base.shape[1:])
    plain[todo] = looker.look(torch.zeros_like(changes[todo]), strengths[todo])[0].to(plain)
    for share in SHARES:
        shares[todo] = share
        images = looker.look(changes[todo] * share, strengths[todo])[0]
        likeness[todo] = looker.likeness(images, plain[todo].to(images))
        todo = todo[likeness[todo] < LEAST_CHANGED]
        if not len(todo):
            break
    return shares, likeness
