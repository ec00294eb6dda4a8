"""Draw people who do not exist, and render all pictures of a person."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

import reage.editor
from reage.agers.base import PreparedFace
from reage.agers.generated_faces import face_of_code
from reage.compositing.view import crop_for_age, read_age, usual_points
from reage.datasets.made_people.age_search import Looks, settle
from reage.datasets.made_people.as_photos import SIDE, cut, enlarge, prepare_photo, read_sex
from reage.datasets.made_people.conditions import PLAIN, draw_condition, take
from reage.datasets.made_people.options import SynthesisOptions, derive_seed
from reage.datasets.made_people.recogniser import make_recogniser
from reage.datasets.made_people.records import Drawn, Made, Person, as_text
from reage.datasets.prepare.examination import sharpness
from reage.editor import Editor
from reage.faces.face import Face, select_faces
from reage.fitting.people import draw_codes, model_people
from reage.images import decode_photo, photo_from_array, to_array, to_tensor
from reage.images.encoding import encode_photo
from reage.inversion.variation import step_towards

__all__ = ["Maker"]

MAX_YAW = 30.0  # degrees; the age network and the recogniser want to see both eyes
# Shares of a stranger's code: hair, skin and light are the fine levels', some of the features the
# middle ones'.
VARIED = {"middle": 0.35, "fine": 1.0}
OWN_AGES = 16.0, 45.0  # years, of drawn faces: old lines would stay in a child's face
CLEAR = 0.45  # of the sex network's answer from 0.5
LEAST_LIGHT = 120.0  # of 255, the lightest twentieth of a face: dark skin in good light has that
MARK = "Synthetic: a person who does not exist, made by reage"


class Maker:
    """Everything needed to make people, loaded once; keeps no state of a person."""

    def __init__(self, options: SynthesisOptions):
        self.options = options
        self.editor: Editor = reage.editor.load(
            options.model,
            device=options.device,
            precision=options.precision,
            direction=options.direction,
            grey_hair=False,  # these pictures show hardly any
        )
        ager = self.editor.required_ager()  # report what is missing before the work
        self.as_photos = ager.needs == "photo"  # else the code is what is aged
        self.people = model_people(self.editor.model)
        self.recogniser = make_recogniser(options.recogniser, self.editor)

    def do(self, task: int | Person) -> Drawn | Made:
        """Draw a face by its number, or make a person."""
        return self.make(task) if isinstance(task, Person) else self.draw(task)

    def draw(self, draw: int) -> Drawn:
        """Draw one face and compute its identity vector."""
        rgb, face = self._render(self._code(draw))
        if face is None or (self.as_photos and not self._is_fit(rgb)):
            return Drawn(draw, None)
        return Drawn(draw, as_text(self.recogniser.describe(rgb, face.points)))

    def make(self, person: Person) -> Made:
        """Make all pictures of a person."""
        ws = self._code(person.draw)
        face = self._prepare(ws) if self.as_photos else self._prepare_code(ws)
        seeds = [
            derive_seed(self.options.seed, "picture", person.draw, age, condition)
            for age in self.options.ages
            for condition in range(self.options.conditions)
        ]
        asked = torch.tensor(self.options.ages).repeat_interleave(self.options.conditions)
        changes = torch.cat([self._change(i, seed, ws) for i, seed in enumerate(seeds)])

        def vary(change: Tensor, share: float) -> PreparedFace:
            code = ws + share * change.to(ws)
            return self._prepare(code, face.view.face) if self.as_photos else face.with_code(code)

        looks = settle(self.editor, face, changes, asked, vary)
        taken = [self._take(looks, i, seed) for i, seed in enumerate(seeds)]
        own = {"draw": person.draw, "yaw": round(face.view.face.pose[0], 1),
               "pitch": round(face.view.face.pose[1], 1)}  # fmt: skip
        rows, vectors, pictures = zip(*taken, strict=True)
        rows = [own | {"age": float(age)} | row for age, row in zip(asked, rows, strict=True)]
        return Made(person, tuple(rows), vectors, pictures)

    def _code(self, draw: int) -> Tensor:
        seed = derive_seed(self.options.seed, "person", draw)
        return draw_codes(self.editor.model, self.people, seed).to(self.editor.device)

    def _change(self, index: int, seed: int, ws: Tensor) -> Tensor:
        """Return the change of the code in one picture, `[1, num_ws, w_dim]`; 0 in a plain one."""
        if index % self.options.conditions == 0 or self.options.amount == 0:
            return torch.zeros_like(ws)
        stranger = draw_codes(self.editor.model, self.people, seed).to(ws)
        centre = self.editor.model.generator.mapping.w_avg
        if self.people is not None:
            centre = self.people.mean.to(ws)
        return step_towards(ws, ws + stranger - centre, VARIED, self.options.amount) - ws

    def _render(self, ws: Tensor) -> tuple[np.ndarray, Face | None]:
        """Render a code and detect the face in its picture."""
        rgb = to_array(self.editor.latents.synthesize(ws))[0]
        faces = self.editor.detector.detect(rgb)
        if faces:
            face = select_faces(faces, "largest")[0]
            return rgb, face if abs(face.pose[0]) <= MAX_YAW else None
        if self.options.unseen:
            points = usual_points(self.editor.model.config.alignment, len(rgb))
            return rgb, Face.from_points(points)
        return rgb, None

    def _is_fit(self, rgb: np.ndarray) -> bool:
        """Return whether a drawn face is lit, in between ages, and clearly a woman's or a man's."""
        photo = enlarge(rgb)
        faces = self.editor.detector.detect(photo)
        if not faces:
            return self.options.unseen
        face = select_faces(faces, "largest")[0]
        square = crop_for_age(photo, face).image
        if np.percentile(square.mean(2), 95) < LEAST_LIGHT:
            return False
        age = read_age(self.editor.age_network, to_tensor(square).to(self.editor.device)).age
        sex = read_sex(self.editor, photo, face)
        return OWN_AGES[0] <= age <= OWN_AGES[1] and abs(sex - 0.5) >= CLEAR

    def _prepare(self, ws: Tensor, like: Face | None = None) -> PreparedFace:
        """Prepare the face of a code as a photo's."""
        rgb = to_array(self.editor.latents.synthesize(ws))[0]
        return prepare_photo(self.editor, enlarge(rgb), like)

    def _prepare_code(self, ws: Tensor) -> PreparedFace:
        """Prepare the drawn face; it is the exact inversion of its own picture."""
        _, face = self._render(ws)
        assert face is not None, "it was seen when it was drawn"
        image = self.editor.latents.synthesize(ws)
        return face_of_code(self.editor.latents, ws, image, face, self.editor.age_network)

    def _take(self, looks: Looks, index: int, seed: int) -> tuple[dict[str, Any], str, bytes]:
        """Apply the condition to one picture; the stored picture is the one measured."""
        rng = np.random.default_rng(seed)
        number = index % self.options.conditions
        condition = draw_condition(rng, self.options.amount) if number else PLAIN
        rgb, face = looks.pictures[index], looks.faces[index].view.face
        points = face.points
        if self.as_photos and len(rgb) == SIDE:
            rgb, points = cut(rgb, points)
        shot = take(rgb, points, condition, rng)
        photo = photo_from_array(shot.rgb)
        picture, _ = encode_photo(photo, "WEBP", MARK)
        stored = decode_photo(picture, "a picture").rgb8
        posed = replace(Face.from_points(shot.points), pose=face.pose)
        square = to_tensor(crop_for_age(stored, posed).image).to(self.editor.device)
        reading = read_age(self.editor.age_network, square)
        row: dict[str, Any] = {
            "condition": number,
            "seed": seed,
            "apparent_age": round(reading.age, 1),
            "apparent_age_spread": round(reading.spread, 1),
            "male": round(read_sex(self.editor, stored, posed), 2),
            "padding": round(shot.padding, 3),
            "sharpness": round(sharpness(stored), 1),
            "strength": round(float(looks.strengths[index]), 3),
            "share": round(float(looks.shares[index]), 2),
            "made_by": condition.describe(),
        }
        return row, as_text(self.recogniser.describe(stored, shot.points)), picture
