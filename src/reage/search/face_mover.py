"""The second half of an edit: inverted faces of one photo, moved along a direction and pasted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import torch
from torch import Tensor

from reage.agers.direction import Direction
from reage.agers.faces import (
    AnyFace,
    FaceView,
    Greying,
    InvertedFace,
    Moved,
    PasteMode,
    crop_for_age,
    paste_faces,
    read_age,
    synthesized_picture,
    toned,
)
from reage.agers.fran import PixelAger
from reage.agers.neural import AnyAger, NeuralAger, PictureAger, photo_ager_of
from reage.compositing.hair.greying import grey_shares
from reage.compositing.hair.segmentation import (
    Hair,
    PersonFinder,
    faces_beside,
    find_hair,
    head_crop,
)
from reage.faces.detection import FaceDetector
from reage.faces.squares import FaceCrop
from reage.images import Photo, photo_from_array, to_tensor
from reage.inputs import Target
from reage.networks.judges.age import AgeNetwork
from reage.networks.judges.likeness import FeatureLikeness
from reage.search.age_search import AgeCurve, Look, Reached, limit_in, reach_age, trace_curve
from reage.types import AgedFace, Edit

__all__ = ["FaceMover", "TracedFaces"]

LEAST_LIKENESS = 0.84  # below it a pasted face looks distorted rather than aged (docs/ageing.md)
PIXEL_POINTS = 3  # on either side of a face as it is, where each look costs a whole U-Net
PIXEL_EDGE = "the edge of the ages that the network knows"
BATCH = 8  # pictures synthesised at once: more is slower on a CPU, whose caches it leaves


@dataclass(frozen=True, eq=False)
class FaceMover:
    """Moves faces of one photo along one direction and looks at what comes out."""

    photo: Photo
    direction: Direction | AnyAger | PixelAger
    paste: PasteMode
    synthesize: Callable[[Tensor], Tensor]  # ws -> RGB pictures
    encode: Callable[[Sequence[FaceCrop]], Tensor] | None  # crops -> the codes that are aged
    age_network: AgeNetwork
    likeness: FeatureLikeness
    device: torch.device
    dtype: torch.dtype = torch.float32  # of a photo ager's maps
    hair_finders: tuple[PersonFinder, FaceDetector] | None = None  # None: hair keeps its colour
    # What the likeness sees in the photo's own faces, by number: the same for every age.
    described: dict[int, list[Tensor]] = field(default_factory=dict, repr=False)
    # By number: the encoder's code and what it shows.
    encoded: dict[int, tuple[Tensor, Tensor]] = field(default_factory=dict, repr=False)
    # By number: what the face's own code shows, which may have been mixed or varied.
    shown: dict[int, Tensor] = field(default_factory=dict, repr=False)
    # By number: the photo's hair, where there is any to be seen.
    hair: dict[int, Hair | None] = field(default_factory=dict, repr=False)

    def trace(self, face: AnyFace) -> tuple[Look, AgeCurve]:
        """How to look at one face at any strength, and its curve over the allowed ones."""
        # What a made face lost against the photo is not the direction's doing: the measure is the
        # unmoved face as it would be pasted, which in `delta` is the photo itself.
        with torch.no_grad():
            unmoved = face.view.compose(face.base, face.base, self.paste)
            described = self.likeness.describe(unmoved)

        @torch.no_grad()
        def look(strengths: Tensor) -> tuple[Tensor, Tensor]:
            ages, similar = [], []
            for part in strengths.split(BATCH):
                moved = self._aged(face, part)
                flat = face.view.compose(face.base, moved.pictures, self.paste)
                moved = self._greying(face, part, moved, flat)
                shown = face.view.seen(face.base, moved, self.paste, flat)
                ages.append(self.age_network.read(shown)[0].cpu())
                # How a face grows is known; what is painted on it may make it somebody else's.
                similar.append(self.likeness(self.likeness.describe(flat), described).cpu())
            return torch.cat(ages), torch.cat(similar)

        trace = partial(trace_curve, look, self._allowed(face), least_similarity=LEAST_LIKENESS)
        pixels = isinstance(self.direction, PixelAger)
        return look, trace(points=PIXEL_POINTS, edge=PIXEL_EDGE) if pixels else trace()

    @torch.no_grad()
    def apply(self, goals: Sequence[tuple[AnyFace, Reached]]) -> Edit:
        """Paste every face at its strength, then read the photo that came out."""
        photo = self.photo
        edited = [self.moved(face, torch.tensor([goal.strength])) for face, goal in goals]
        if self.paste != "none":
            pairs = [(face, moved) for (face, _), moved in zip(goals, edited, strict=True)]
            alpha = None if photo.alpha is None else photo.alpha.copy()
            pixels = paste_faces(photo.pixels, pairs, self.paste, alpha)
            photo = replace(photo.with_pixels(pixels), alpha=alpha)
        aged = tuple(
            self._report(photo.pixels, face, goal, moved)
            for (face, goal), moved in zip(goals, edited, strict=True)
        )
        if self.paste == "none":
            row = np.concatenate([synthesized_picture(one) for one in edited], axis=1)
            return Edit(replace(photo_from_array(row), path=self.photo.path), aged)
        return Edit(photo, aged)

    @torch.no_grad()
    def frames(self, paths: Sequence[tuple[AnyFace, Tensor]]) -> Iterator[np.ndarray]:
        """Paste faces at rows of strengths, each `[N]`: N pictures `[H, W, 3]`, not read.

        They are made a batch at a time, so that their number costs no memory.
        """
        for parts in zip(*(strengths.split(BATCH) for _, strengths in paths), strict=True):
            faces = [face for face, _ in paths]
            moved = [self.moved(face, part) for face, part in zip(faces, parts, strict=True)]
            for i in range(len(parts[0])):
                here = [some.one(i) for some in moved]
                if self.paste == "none":
                    row = [synthesized_picture(one) for one in here]
                    yield np.concatenate(row, axis=1)
                    continue
                pairs = list(zip(faces, here, strict=True))
                yield paste_faces(self.photo.pixels, pairs, self.paste)

    def moved(self, face: AnyFace, strengths: Tensor) -> Moved:
        """A face at strengths `[N]`, and how its hair turns grey."""
        return self._greying(face, strengths, self._aged(face, strengths))

    def _aged(self, face: AnyFace, strengths: Tensor) -> Moved:
        """A face at strengths `[N]`."""
        direction, own = self.direction, face.view.reading.age
        if isinstance(direction, PixelAger):
            return Moved(direction.moved(face.base, strengths, own))
        assert isinstance(face, InvertedFace), "a face without a code"
        if isinstance(direction, PictureAger):
            direction = direction.seeing(to_tensor(face.view.crop.image).to(self.device))
        ager = photo_ager_of(direction)
        if ager is not None:
            return self._painted(ager, face, strengths)
        if self.encode is not None:
            assert isinstance(direction, NeuralAger), "only agers learnt on the encoder's codes"
            change = self._code_change(direction, self.encode, face, strengths)
            return Moved(self._shown(face) + change)
        codes = direction.moved(face.ws, strengths, own)
        edited = self.synthesize(codes)
        return Moved(toned(face.base, edited, direction.colour))

    def _painted(self, ager: NeuralAger, face: InvertedFace, strengths: Tensor) -> Moved:
        """A face as a photo ager ages the picture of it that will be seen."""
        view, shown = face.view, self._shown(face)
        own = view.reading.age
        if self.paste != "delta":
            return ager.painted(shown, view.eyes, strengths, own, dtype=self.dtype)
        # Whatever else was done to the face, what is added depends on the photo alone.
        crop = to_tensor(view.crop.image).to(self.device)
        added = ager.added(crop, view.eyes, strengths, own, dtype=self.dtype)
        return Moved(shown + added, ager.bend(strengths, own), ager.detail(strengths))

    @torch.no_grad()
    def _greying(
        self, face: AnyFace, strengths: Tensor, moved: Moved, flat: Tensor | None = None
    ) -> Moved:
        """The face with hair as grey as at the ages that are read in it; `flat` is as in `seen`."""
        view = face.view
        hair = self._hair(view) if (strengths > 0).any() else None
        if hair is None:
            return moved
        seen = view.seen(face.base, moved, self.paste, flat)
        ages = self.age_network.read(seen)[0].tolist()
        shares = grey_shares(view.reading.age, ages, strengths.tolist())
        return replace(moved, greying=Greying(hair, shares))

    def _hair(self, view: FaceView) -> Hair | None:
        """A face's hair in the photo, if it is to turn grey."""
        ages = photo_ager_of(self.direction) is not None
        if self.hair_finders is None or self.paste == "none" or not ages:
            return None
        if view.number not in self.hair:
            head = head_crop(self.photo.pixels, view.face)
            finder, detector = self.hair_finders
            others = faces_beside(self.photo.pixels, view.face, detector)
            self.hair[view.number] = find_hair(head, view.face, finder, others)
        return self.hair[view.number]

    def _code_change(
        self,
        ager: NeuralAger,
        encode: Callable[[Sequence[FaceCrop]], Tensor],
        face: InvertedFace,
        strengths: Tensor,
    ) -> Tensor:
        """What the ager adds to the photo `[N, 3, R, R]`, whatever else was done to the face.

        It is the change of the encoder's code: that is what the ager learnt on, with the change
        pasted into the photo; a code that was optimised towards the photo rebuilds it better and
        ages worse (docs/ageing.md).
        """
        own, number = face.view.reading.age, face.view.number
        if number not in self.encoded:
            ws = encode([face.view.crop])
            same = torch.equal(ws, face.ws)
            self.encoded[number] = ws, self._shown(face) if same else self.synthesize(ws)
        ws, base = self.encoded[number]
        edited = self.synthesize(ager.moved(ws, strengths, own))
        return toned(base, edited, ager.colour) - base

    def _shown(self, face: InvertedFace) -> Tensor:
        number = face.view.number
        if number not in self.shown:
            self.shown[number] = self.synthesize(face.ws)
        return self.shown[number]

    def _allowed(self, face: AnyFace) -> tuple[float, float]:
        """Lowest and highest strength for a face."""
        own = face.view.reading.age
        if isinstance(self.direction, PixelAger):
            return self.direction.allowed(own)
        assert isinstance(face, InvertedFace), "a face without a code"
        return self.direction.allowed(face.ws, own)

    def _describe_photo(self, face: AnyFace) -> list[Tensor]:
        number = face.view.number
        if number not in self.described:
            crop = to_tensor(face.view.age_crop.image).to(self.device)
            self.described[number] = self.likeness.describe(crop)
        return self.described[number]

    def _report(self, pixels: np.ndarray, face: AnyFace, goal: Reached, moved: Moved) -> AgedFace:
        view = face.view
        if self.paste == "none":
            shown = view.seen(face.base, moved, "none")
        else:
            shown = to_tensor(crop_for_age(pixels, view.face).image).to(self.device)
        similar = self.likeness(self.likeness.describe(shown), self._describe_photo(face))
        after = read_age(self.age_network, shown)
        return AgedFace(
            number=view.number,
            asked=goal.asked,
            before=view.reading,
            after=after,
            strength=goal.strength,
            limit=limit_in(goal, after.age),
            likeness=float(similar[0]),
            psnr=float(face.inversion.psnr[0]) if isinstance(face, InvertedFace) else None,
        )


@dataclass(frozen=True, eq=False)
class TracedFaces:
    """Faces whose curves of ages are known: each further age takes a fraction of a second."""

    mover: FaceMover
    faces: Sequence[AnyFace]
    curves: Mapping[int, tuple[Look, AgeCurve]]  # by face number

    def edit(self, target: Target) -> Edit:
        """Show the faces at one age, or each at its own (those not named stay as they are)."""
        goals = []
        for face in self.faces:
            number = face.view.number
            asked = target.get(number) if isinstance(target, Mapping) else target
            if asked is not None:
                goals.append((face, reach_age(*self.curves[number], asked)))
        edit = self.mover.apply(goals)
        # The finished photo may read otherwise than the small square in which the age was looked
        # for: then what would have to be read there is looked for once more.
        again = [
            (face, self._corrected(face, goal, aged))
            for (face, goal), aged in zip(goals, edit.faces, strict=True)
        ]
        return edit if again == goals else min(edit, self.mover.apply(again), key=_missed)

    def _corrected(self, face: AnyFace, goal: Reached, aged: AgedFace) -> Reached:
        """The same goal, unless it was met in the search alone."""
        if goal.asked is None or goal.limit is not None or aged.limit is None:
            return goal
        needed = goal.asked - (aged.after.age - goal.age)
        found = reach_age(*self.curves[face.view.number], needed)
        return replace(found, asked=goal.asked)


def _missed(edit: Edit) -> float:
    """Years between what was asked and what is read, of all faces."""
    return sum(abs(face.after.age - face.asked) for face in edit.faces if face.asked is not None)
