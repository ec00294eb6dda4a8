"""Search the strengths at which many looks of one person reach their target ages."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from reage.agers.base import PreparedFace
from reage.compositing.change import apply_change
from reage.compositing.preview import to_age_square
from reage.compositing.view import FaceView
from reage.editor import Editor
from reage.search.age_search import AgeCurve, reach_age
from reage.search.looker import Looker, change_by

__all__ = ["Looks", "settle"]

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
    """The result for each requested look."""

    images: Tensor  # [M, 3, R, R]
    strengths: Tensor  # [M]
    ages: Tensor  # [M] years, as read
    shares: Tensor  # [M] of the change that was shown
    likeness: Tensor  # [M] to the plain face at the same strength


def settle(editor: Editor, face: PreparedFace, changes: Tensor, asked: Tensor) -> Looks:
    """Show a made face with changes of its code `[M, num_ws, w_dim]` at the ages `asked` `[M]`.

    The age curve of the plain face is measured once. It gives each look its first strength, and
    the slope by which a wrong estimated age is corrected.
    """
    plain = Looker(
        editor.required_ager(), editor.age_network, editor.likeness, [face], lambda: [None]
    )
    curve = plain.trace(least=LEAST_AGED, looks=POINTS)
    start = _starts(plain, curve, asked)
    faces, shares, likeness = _vary(editor, face, changes, start)
    strengths, slopes = start, _slopes(curve, start)
    images, ages = _render(editor, faces, strengths)
    for _ in range(ROUNDS):
        todo = ((ages - asked).abs() > CLOSE).nonzero().flatten()
        missing = (asked - ages)[todo].clamp(-MOST_STEP, MOST_STEP)
        tried = strengths[todo] + missing / slopes[todo]
        tried = tried.clamp(curve.strengths[0], curve.strengths[-1])
        todo, tried = (part[tried != strengths[todo]] for part in (todo, tried))
        if not len(todo):
            break
        shown, read = _render(editor, [faces[i] for i in todo.tolist()], tried)
        nearer = (read - asked[todo]).abs() < (ages - asked)[todo].abs()
        slopes[todo[~nearer]] *= 2  # too far: half the step next time
        better = todo[nearer]
        images[better], ages[better], strengths[better] = shown[nearer], read[nearer], tried[nearer]
    return Looks(images, strengths, ages, shares, likeness)


@torch.no_grad()
def _render(editor: Editor, faces: list[PreparedFace], strengths: Tensor) -> tuple[Tensor, Tensor]:
    """Render faces, each at its strength, and estimate their ages."""
    pictures, ages = [], []
    for face, strength in zip(faces, strengths.split(1), strict=True):
        change = change_by(editor.required_ager(), face, strength)
        pictures.append(apply_change(face.picture, change))
        square = _square(face.view, pictures[-1])
        ages.append(editor.age_network.read(square)[0].cpu())
    return torch.cat(pictures), torch.cat(ages)


def _square(view: FaceView, pictures: Tensor) -> Tensor:
    return to_age_square(view, pictures).clamp(-1, 1)


def _starts(plain: Looker, curve: AgeCurve, asked: Tensor) -> Tensor:
    """Find strengths at which the plain face is nearest to the ages, `[M]`: one more per round."""
    known = {
        age: reach_age(plain.look, curve, age, refinements=1).strength
        for age in set(asked.tolist())
    }
    return torch.tensor([known[age] for age in asked.tolist()])


def _slopes(curve: AgeCurve, strengths: Tensor) -> Tensor:
    """Return years per unit of strength, `[M]`, bounded below so that steps stay small."""
    if len(curve.strengths) < 2:
        return torch.full_like(strengths, 1e6)
    steps = curve.strengths.diff()
    slopes = curve.ages.diff() / steps.clamp_min(1e-6)
    place = torch.searchsorted(curve.strengths, strengths.contiguous()) - 1
    return slopes[place.clamp(0, len(slopes) - 1)].clamp_min(LEAST_SLOPE)


def _vary(
    editor: Editor, face: PreparedFace, changes: Tensor, strengths: Tensor
) -> tuple[list[PreparedFace], Tensor, Tensor]:
    """Apply the largest share of each change that keeps the identity: faces, shares, likeness.

    Shares and likenesses are `[M]`.
    """
    faces = [face] * len(changes)
    shares, likeness = torch.ones(len(changes)), torch.ones(len(changes))
    todo = changes.flatten(1).any(1).nonzero().flatten().tolist()
    if not todo:
        return faces, shares, likeness
    plain = dict(zip(todo, _render(editor, [face] * len(todo), strengths[todo])[0], strict=True))
    for share in SHARES:
        for i in todo:
            faces[i] = face.with_code(face.ws + share * changes[i : i + 1].to(face.ws))
        images = _render(editor, [faces[i] for i in todo], strengths[todo])[0]
        for i, image in zip(todo, images, strict=True):
            shares[i], likeness[i] = share, _likeness(editor, face.view, image, plain[i])
        todo = [i for i in todo if likeness[i] < LEAST_CHANGED]
        if not todo:
            break
    return faces, shares, likeness


@torch.no_grad()
def _likeness(editor: Editor, view: FaceView, image: Tensor, plain: Tensor) -> float:
    measure = editor.likeness
    described = [measure.describe(_square(view, one[None])) for one in (image, plain)]
    return float(measure(*described)[0])
