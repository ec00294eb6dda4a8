"""Search the strengths at which many looks of one person reach their target ages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from reage.agers.base import PreparedFace
from reage.compositing.change import apply_change
from reage.compositing.preview import preview
from reage.compositing.render import render_photo
from reage.compositing.view import read_ages
from reage.editor import Editor
from reage.images import to_array
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

    pictures: list[np.ndarray]  # M of [H, W, 3] uint8
    faces: list[PreparedFace]  # M, of the looks before they are aged
    strengths: Tensor  # [M]
    ages: Tensor  # [M] years, as read
    shares: Tensor  # [M] of the change that was shown
    likeness: Tensor  # [M] to the plain face at the same strength


def settle(
    editor: Editor,
    face: PreparedFace,
    changes: Tensor,
    asked: Tensor,
    vary: Callable[[Tensor, float], PreparedFace],
) -> Looks:
    """Show a made face with changes of its code `[M, num_ws, w_dim]` at the ages `asked` `[M]`.

    `vary` prepares the face with a change and the share of it. The age curve of the plain face is
    measured once. It gives each look its first strength, and the slope by which a wrong estimated
    age is corrected.
    """
    plain = Looker(
        editor.required_ager(), editor.age_network, editor.likeness, [face], lambda: [None]
    )
    curve = plain.trace(least=LEAST_AGED, looks=POINTS)
    start = _starts(plain, curve, asked)
    faces, shares, likeness = _vary(editor, face, changes, start, vary)
    strengths, slopes = start, _slopes(curve, start)
    ages = _read(editor, faces, strengths)[1]
    for _ in range(ROUNDS):
        todo = ((ages - asked).abs() > CLOSE).nonzero().flatten()
        missing = (asked - ages)[todo].clamp(-MOST_STEP, MOST_STEP)
        tried = strengths[todo] + missing / slopes[todo]
        tried = tried.clamp(curve.strengths[0], curve.strengths[-1])
        todo, tried = (part[tried != strengths[todo]] for part in (todo, tried))
        if not len(todo):
            break
        read = _read(editor, [faces[i] for i in todo.tolist()], tried)[1]
        nearer = (read - asked[todo]).abs() < (ages - asked)[todo].abs()
        slopes[todo[~nearer]] *= 2  # too far: half the step next time
        better = todo[nearer]
        ages[better], strengths[better] = read[nearer], tried[nearer]
    pictures = [_show(editor, *one) for one in zip(faces, strengths.split(1), strict=True)]
    return Looks(pictures, faces, strengths, ages, shares, likeness)


@torch.no_grad()
def _read(editor: Editor, faces: list[PreparedFace], strengths: Tensor) -> tuple[Tensor, Tensor]:
    """Render faces, each at its strength, in the age network's square, and estimate their ages."""
    squares, ages = [], []
    for face, strength in zip(faces, strengths.split(1), strict=True):
        change = change_by(editor.required_ager(), face, strength)
        squares.append(preview(face.view, face.picture, change, face.paste))
        ages.append(read_ages(editor.age_network, squares[-1])[0].cpu())
    return torch.cat(squares), torch.cat(ages)


@torch.no_grad()
def _show(editor: Editor, face: PreparedFace, strength: Tensor) -> np.ndarray:
    """Render a face at full size, `[H, W, 3]` uint8."""
    change = change_by(editor.required_ager(), face, strength)
    if face.paste == "none":
        return to_array(apply_change(face.picture, change))[0]
    assert face.pixels is not None, "a face without its picture"
    return render_photo(face.pixels, [face.layer(change)])


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
    editor: Editor,
    face: PreparedFace,
    changes: Tensor,
    strengths: Tensor,
    vary: Callable[[Tensor, float], PreparedFace],
) -> tuple[list[PreparedFace], Tensor, Tensor]:
    """Apply the largest share of each change that keeps the identity: faces, shares, likeness.

    Shares and likenesses are `[M]`.
    """
    faces = [face] * len(changes)
    shares, likeness = torch.ones(len(changes)), torch.ones(len(changes))
    todo = changes.flatten(1).any(1).nonzero().flatten().tolist()
    if not todo:
        return faces, shares, likeness
    plain = dict(zip(todo, _read(editor, [face] * len(todo), strengths[todo])[0], strict=True))
    for share in SHARES:
        for i in todo:
            faces[i] = vary(changes[i : i + 1], share)
        squares = _read(editor, [faces[i] for i in todo], strengths[todo])[0]
        for i, square in zip(todo, squares, strict=True):
            shares[i], likeness[i] = share, _likeness(editor, square, plain[i])
        todo = [i for i in todo if likeness[i] < LEAST_CHANGED]
        if not todo:
            break
    return faces, shares, likeness


@torch.no_grad()
def _likeness(editor: Editor, square: Tensor, plain: Tensor) -> float:
    measure = editor.likeness
    described = [measure.describe(one[None]) for one in (square, plain)]
    return float(measure(*described)[0])
