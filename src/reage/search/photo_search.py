"""The faces of one photo at any age: searched, rendered, and read in the finished photo."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from reage.agers.base import Ager, PreparedFace
from reage.compositing.change import Amounts, Change, PasteMode, apply_change
from reage.compositing.hair.segmentation import Hair
from reage.compositing.preview import preview
from reage.compositing.render import render_photo
from reage.compositing.view import crop_for_age, read_age
from reage.images import Photo, photo_from_array, to_array, to_tensor
from reage.networks.judges.age_reader import AgeReader
from reage.networks.judges.likeness import FeatureLikeness
from reage.search.age_search import AgeCurve, Reached, limit_in, reach_age
from reage.search.change_table import ChangeTable
from reage.search.looker import BATCH, Looker, change_by
from reage.search.paced_curve import PacedCurve, pace_curve
from reage.types import AgedFace, Edit, Target

__all__ = ["HAIR_NOTES", "PhotoSearch", "TracedFaces", "pace_faces"]

ALL = Amounts()

# Years between a target and a face's age, below which both sides are traced: it may read otherwise.
BOTH_SIDES = 10.0
CORRECTIONS = 2  # of a search whose age the finished photo does not show
HAIR_NOTES = "hair"  # key under which a face keeps why its hair stays as it is


@dataclass(frozen=True, eq=False)
class PhotoSearch:
    """Ages the faces of one photo with one ager and one paste mode."""

    photo: Photo
    ager: Ager
    paste: PasteMode
    age_network: AgeReader
    likeness: FeatureLikeness
    find_hair: Callable[[PreparedFace], Hair | None]  # finds the hair to turn grey
    of_age: bool = True  # strengths are decades; else a direction's own
    amounts: Amounts = ALL  # what is shown of a change; ages are searched with all of it
    remember: bool = False  # whether changes are kept, for a slider
    _lookers: dict[int, Looker] = field(default_factory=dict, repr=False)  # by face number
    # What the likeness sees in the photo's own faces, by number: the same for every age.
    _own_descriptions: dict[int, list[Tensor]] = field(default_factory=dict, repr=False)

    def looker(self, face: PreparedFace) -> Looker:
        """Return the looker of one of the faces."""
        number = face.view.number
        if number not in self._lookers:
            find_hair = self.find_hair  # not `self`: a circle keeps photos after their edit
            self._lookers[number] = Looker(
                self.ager,
                self.age_network,
                self.likeness,
                [face],
                lambda: [find_hair(face)],
                ChangeTable() if self.remember else None,
            )
        return self._lookers[number]

    def change(self, face: PreparedFace, strengths: Tensor) -> Change:
        """Return what is shown of a face's change at strengths `[N]`, including hair."""
        if not self.of_age:
            return change_by(self.ager, face, strengths, of_age=False).scale(self.amounts)
        return self.looker(face).changes(strengths)[0].scale(self.amounts)

    @torch.no_grad()
    def apply(self, goals: Sequence[tuple[PreparedFace, Reached]]) -> Edit:
        """Paste every face at its strength, then read the resulting photo."""
        photo, layers = self.photo, []
        changes = [self.change(face, torch.tensor([goal.strength])) for face, goal in goals]
        pairs = [(face, change) for (face, _), change in zip(goals, changes, strict=True)]
        if self.paste == "none":
            made = [apply_change(face.picture, change) for face, change in pairs]
            row = np.concatenate([to_array(picture)[0] for picture in made], axis=1)
            shown = [self._preview_made(face, change) for face, change in pairs]
            photo = replace(photo_from_array(row), path=photo.path)
        else:
            alpha = None if photo.alpha is None else photo.alpha.copy()
            layers = [face.layer(change) for face, change in pairs]
            photo = replace(
                photo.with_pixels(render_photo(photo.pixels, layers, alpha)), alpha=alpha
            )
            crops = [crop_for_age(photo.pixels, face.view.face).image for face, _ in pairs]
            shown = [to_tensor(crop).to(self._device) for crop in crops]
        reports = [self._report(f, goal, s) for (f, goal), s in zip(goals, shown, strict=True)]
        return Edit(photo, tuple(reports), self._notices(goals, changes), tuple(layers))

    @torch.no_grad()
    def frames(self, paths: Sequence[tuple[PreparedFace, Tensor]]) -> Iterator[np.ndarray]:
        """Paste faces at rows of strengths, each `[N]`: N pictures `[H, W, 3]`, not read.

        Renders in batches, so that memory does not grow with N.
        """
        for parts in zip(*(strengths.split(BATCH) for _, strengths in paths), strict=True):
            faces = [face for face, _ in paths]
            changes = [self.change(face, part) for face, part in zip(faces, parts, strict=True)]
            for i in range(len(parts[0])):
                here = [(f, change.one(i)) for f, change in zip(faces, changes, strict=True)]
                yield self.show(here)

    def _notices(
        self, goals: Sequence[tuple[PreparedFace, Reached]], changes: Sequence[Change]
    ) -> tuple[str, ...]:
        """What of the faces was left as it is, one line each."""
        if self.paste == "none":
            return ()
        name, found = self.photo.path.name if self.photo.path else "the picture", []
        for (face, goal), change in zip(goals, changes, strict=True):
            found += face.view.notices
            notes = list(face.notes.get(HAIR_NOTES, [])) if goal.strength > 0 else []
            notes += change.skin.notices if change.skin else []
            found += [f"face {face.view.number}: {note}" for note in notes]
        return tuple(f"{name}: {notice}" for notice in found)

    def show(self, pairs: Sequence[tuple[PreparedFace, Change]]) -> np.ndarray:
        """Render the photo `[H, W, 3]` with changes, or only the generated faces side by side."""
        if self.paste == "none":
            made = [to_array(apply_change(face.picture, change))[0] for face, change in pairs]
            return np.concatenate(made, axis=1)
        return render_photo(self.photo.pixels, [face.layer(change) for face, change in pairs])

    @property
    def _device(self) -> torch.device:
        return self.age_network.ages.device

    def _preview_made(self, face: PreparedFace, change: Change) -> Tensor:
        return preview(face.view, face.picture, change, "none")

    def _report(self, face: PreparedFace, goal: Reached, shown: Tensor) -> AgedFace:
        """Report on one face; `shown` is the age network's square of the finished photo."""
        view, number = face.view, face.view.number
        if number not in self._own_descriptions:
            crop = to_tensor(view.age_crop.image).to(self._device)
            self._own_descriptions[number] = self.likeness.describe(crop)
        similar = self.likeness(self.likeness.describe(shown), self._own_descriptions[number])
        after = read_age(self.age_network, shown)
        if self.of_age:
            after = self.looker(face).estimate(after, goal.strength)
        limit = limit_in(goal, after)
        return AgedFace(
            number=number,
            asked=goal.asked,
            before=view.reading,
            after=after,
            strength=goal.strength,
            limit=LESS if limit and not self.amounts.whole else limit,
            likeness=float(similar[0]),
            psnr=None if face.inversion is None else float(face.inversion.psnr[0]),
        )


@dataclass(frozen=True, eq=False)
class TracedFaces:
    """Faces with known age curves: each further age takes a fraction of a second."""

    search: PhotoSearch
    faces: Sequence[PreparedFace]
    curves: Mapping[int, AgeCurve]  # by face number

    @classmethod
    def of(
        cls,
        search: PhotoSearch,
        faces: Sequence[PreparedFace],
        on_face: Callable[[int], None] | None = None,
        targets: Sequence[Target] | None = None,
    ) -> TracedFaces:
        """Trace faces over the whole reach of the ager, or over the side where all targets lie.

        `on_face` hears how many are done.
        """
        curves = {}
        for done, face in enumerate(faces, 1):
            looker = search.looker(face)
            curves[face.view.number] = looker.trace(_side_of(looker, face, targets))
            if on_face is not None:
                on_face(done)
        return cls(search, faces, curves)

    def edit(self, target: Target) -> Edit:
        """Show the faces at one age, or each at its own (those not named stay as they are)."""
        goals = []
        for face in self.faces:
            number = face.view.number
            asked = target.get(number) if isinstance(target, Mapping) else target
            if asked is not None:
                goals.append((face, self.reach(face, asked)))
            elif self.search.paste == "none":  # no photo shows the face as it is
                goals.append((face, Reached(0.0, face.own_age, None, None)))
        edit = best = self.search.apply(goals)
        # If the finished photo reads differently from the small square in which the age was
        # looked for, the search runs again with a corrected target.
        for _ in range(CORRECTIONS):
            again = [
                (face, self._correct(face, goal, aged))
                for (face, goal), aged in zip(goals, edit.faces, strict=True)
            ]
            if again == goals:
                break
            goals, edit = again, self.search.apply(again)
            best = min(best, edit, key=_age_error)
        return best

    def reach(self, face: PreparedFace, asked: float) -> Reached:
        """Find the strength at which a face reads an age in years."""
        return reach_age(
            self.search.looker(face).look_at_ages, self.curves[face.view.number], asked
        )

    def _correct(self, face: PreparedFace, goal: Reached, aged: AgedFace) -> Reached:
        """Return the goal, corrected where the photo misses an age that can still be met."""
        if goal.asked is None or aged.limit in (None, LESS):
            return goal
        passed = (aged.after.age - goal.asked) * goal.strength > 0
        if goal.limit is not None and not passed:
            return goal  # the search found no more
        found = self.reach(face, goal.asked - (aged.after.age - goal.age))
        return replace(found, asked=goal.asked)


def _side_of(
    looker: Looker, face: PreparedFace, targets: Sequence[Target] | None
) -> tuple[float, float] | None:
    """Return the strengths on the side of a face's age where all its targets lie; None: on both."""
    number = face.view.number
    found = [t.get(number) if isinstance(t, Mapping) else t for t in targets or ()]
    years = [asked - face.own_age for asked in found if asked is not None]
    if not years or min(map(abs, years)) < BOTH_SIDES or min(years) < 0 < max(years):
        return None
    low, high = looker.span()
    return (0.0, high) if min(years) > 0 else (low, 0.0)


LESS = "less than the whole change of skin, shape or hair was asked for"


def pace_faces(traced: TracedFaces) -> dict[int, PacedCurve]:
    """Return the paced curve of each face by number: each age in reach has one strength."""
    return {
        face.view.number: pace_curve(
            traced.search.looker(face).look_at_ages, traced.curves[face.view.number]
        )
        for face in traced.faces
    }


def _age_error(edit: Edit) -> float:
    """Return the years between target and estimated age, summed over all faces."""
    return sum(abs(face.after.age - face.asked) for face in edit.faces if face.asked is not None)
