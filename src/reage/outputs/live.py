"""Live preview for a slider: a photo's faces at any age in tens of milliseconds."""

from __future__ import annotations

import threading
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from PIL import Image

from reage.agers.base import PreparedFace
from reage.compositing.change import Amounts, Change
from reage.compositing.preview import preview
from reage.compositing.render import render_photo
from reage.compositing.view import read_age, reading_of
from reage.editor import Editor
from reage.faces.readings import AgeReading
from reage.images import Photo
from reage.search.age_search import AgeCurve, reach_age
from reage.search.looker import Looker
from reage.search.paced_curve import level_curve, point_near, read_near
from reage.search.photo_search import TracedFaces

__all__ = ["FaceCurve", "Glance", "LiveFaces", "look_along"]

MOST_ASKED = 500  # ages of a face that are remembered


@dataclass(frozen=True)
class Glance:
    """One face as the slider shows it."""

    asked: float  # years
    reading: AgeReading  # of what is shown
    reach: tuple[float, float]  # the youngest and the oldest age that this face reaches, years
    rough: bool = False  # whether the age was not looked for, and nothing was read
    exact: bool = True  # whether a saved photo shows the same: no quick look of a drag


@dataclass(eq=False)
class FaceCurve:
    """The estimated age of one face over its ager's reach, read more finely where it is asked."""

    looker: Looker
    curve: AgeCurve
    asked: dict[float, float] = field(default_factory=dict)  # strengths of ages that were shown
    # Held while a strength takes its place among the others, not while one is looked for.
    ordering: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def reach(self) -> tuple[float, float]:
        """The youngest and the oldest estimated age along the curve, years."""
        return level_curve(self.curve).reach

    def knows(self, age: float) -> bool:
        """Whether `strength` takes no look."""
        return age in self.asked or (bool(self.asked) and point_near(self.curve, age) is None)

    def guess(self, age: float) -> float:
        """Read the strength off what is known of the curve; nothing is looked at or remembered."""
        found = float(level_curve(self.curve).at(np.array([age])))
        known = list(self.asked.items())  # others may add to it meanwhile
        low = max((s for other, s in known if other < age), default=found)
        high = min((s for other, s in known if other > age), default=found)
        return min(max(found, low), high)

    def strength(self, age: float) -> float:
        """Return the strength at which an age is read: the same whenever it is asked for.

        Searches for the first age as an edit does. Further ages mean a dragged slider, and take
        one more read at most. Never below the strength of a younger age, or above an older one's.
        """
        if age in self.asked:
            return self.asked[age]
        look, found = self.looker.look_at_ages, None
        if self.asked:
            self.curve = read_near(look, self.curve, age)
        else:
            found = reach_age(look, self.curve, age).strength
        with self.ordering:
            if len(self.asked) >= MOST_ASKED:
                self.asked.clear()
            if found is None or self.asked:  # or somebody else was first meanwhile
                found = self.guess(age)
            return self.asked.setdefault(age, found)


@dataclass(frozen=True, eq=False)
class LiveFaces:
    """Faces of a small photo, with the strength of each age.

    Skips the search of `Editor.edit`: interpolates ages in traced curves.
    """

    traced: TracedFaces  # of the small photo
    curves: Mapping[int, FaceCurve]  # by face number
    small: Sequence[
        np.ndarray
    ]  # [H, W, 3] uint8 that photo, then at half and a quarter of its size

    def showing(self, amounts: Amounts) -> LiveFaces:
        """Return the same with other amounts of skin, shape and hair."""
        search = replace(self.traced.search, amounts=amounts)
        return replace(self, traced=replace(self.traced, search=search))

    def knows(self, ages: Mapping[int, float]) -> bool:
        """Whether the faces can be shown at ages, by number, without another look."""
        return all(curve.knows(age) for curve, age in self._paired(ages))

    def learn(self, ages: Mapping[int, float]) -> None:
        """Look where ages, by face number, are not known yet."""
        for curve, age in self._paired(ages):
            curve.strength(age)

    def _paired(self, ages: Mapping[int, float]) -> list[tuple[FaceCurve, float]]:
        """Return what is asked of the faces here: a close view shows one of them."""
        return [(curve, ages[number]) for number, curve in self.curves.items() if number in ages]

    @torch.no_grad()
    def at(
        self,
        ages: Mapping[int, float],
        *,
        halvings: int = 0,
        strengths: Mapping[int, float] | None = None,
    ) -> tuple[np.ndarray, dict[int, Glance]]:
        """Show faces at ages by number, the others as they are: `[H, W, 3]` uint8, and readings.

        Computes what a saved photo shows. With `halvings` of the size, 1 or 2, it comes at once:
        known changes are interpolated, and where nothing is known near an age, it is guessed, some
        years off at most. `strengths`, by number, are those at which faces were shown at their
        ages elsewhere.
        """
        search, rough = self.traced.search, halvings > 0
        glances, pairs = {}, []
        for face in self.traced.faces:
            asked = ages.get(face.view.number)
            if asked is None:
                if search.paste == "none":
                    pairs.append((face, search.change(face, torch.zeros(1))))
                continue
            curve = self.curves[face.view.number]
            guessed = rough and not curve.knows(asked)
            strength = (strengths or {}).get(face.view.number)
            if strength is None:
                strength = curve.guess(asked) if guessed else curve.strength(asked)
            look = self._look_roughly if rough else self._look
            change, reading = look(face, strength)
            pairs.append((face, change))
            glances[face.view.number] = Glance(asked, reading, curve.reach, guessed, not rough)
        if not rough or search.paste == "none":
            return search.show(pairs), glances
        layers = [face.layer(change) for face, change in pairs]
        for _ in range(halvings):
            layers = [layer.halved for layer in layers]
        return render_photo(self.small[halvings], layers), glances

    def _look(self, face: PreparedFace, strength: float) -> tuple[Change, AgeReading]:
        """Return a face's change at a strength, and what is read then."""
        search = self.traced.search
        change = search.change(face, torch.tensor([strength]))
        shown = preview(face.view, face.picture, change, search.paste)
        reading = read_age(search.age_network, shown)
        return change, search.looker(face).estimate(reading, strength)

    def _look_roughly(self, face: PreparedFace, strength: float) -> tuple[Change, AgeReading]:
        """Return about the same, interpolated between what is known already."""
        search, table = self.traced.search, self.curves[face.view.number].looker.table
        known = table and table.at(strength)
        if known is None:
            return self._look(face, strength)
        return known[0].scale(search.amounts), reading_of(search.age_network, known[1])


def look_along(
    editor: Editor,
    small: Photo,
    framed: Sequence[PreparedFace],
    known: MutableMapping[int, FaceCurve] | None = None,
    amounts: Amounts | None = None,
) -> LiveFaces:
    """Trace faces over their reach, in a photo that is small already.

    `known` holds curves by face number, of this size of the photo. Its faces are not traced
    again; new curves are added.
    """
    known = {} if known is None else known
    new = [face for face in framed if face.view.number not in known]
    search = editor.search(small, editor.required_ager(), framed[0].paste, amounts=amounts)
    if new:
        found = editor.trace(small, new, amounts=amounts, remember=True)
        search = found.search if len(new) == len(framed) else search  # it knows their hair
        for face in new:
            number = face.view.number
            known[number] = FaceCurve(found.search.looker(face), found.curves[number])
    curves = {face.view.number: known[face.view.number] for face in framed}
    traced = TracedFaces(search, framed, {n: curve.curve for n, curve in curves.items()})
    image = Image.fromarray(small.rgb8)
    smaller = [np.asarray(image.reduce(factor)) for factor in (2, 4)]
    return LiveFaces(traced, curves, [small.rgb8, *smaller])
