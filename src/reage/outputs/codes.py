"""Edits of codes without a photo: the generator's picture of a code at other ages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from reage.agers.generated_faces import face_of_code
from reage.compositing.view import usual_points
from reage.editor import Editor
from reage.faces.face import Face, select_faces
from reage.images import photo_from_array, to_array
from reage.inputs import Target
from reage.outputs.mixing import Person
from reage.types import Result

__all__ = ["edit_code", "move_code", "person_of_code"]


def person_of_code(editor: Editor, ws: Tensor, name: str) -> Person:
    """Return the person of a code `[1, num_ws, w_dim]`, as if photographed in the model's square.

    If no face is found in the picture, its place follows the model's alignment.
    """
    ws = ws.to(editor.device)
    image = editor.latents.synthesize(ws)
    rgb = to_array(image)[0]
    faces = editor.detector.detect(rgb)
    points = usual_points(editor.model.config.alignment, len(rgb))
    face = select_faces(faces, "largest")[0] if faces else Face.from_points(points)
    photo = replace(photo_from_array(rgb), path=Path(name))
    made = face_of_code(editor.latents, ws, image, face, editor.age_network)
    return Person(name, photo, made)


def edit_code(editor: Editor, ws: Tensor, targets: Sequence[Target], name: str) -> Result:
    """Show a code at other ages: whole pictures of the generator, without pasting."""
    editor.required_ager()  # fail before the work if something is missing
    person = person_of_code(editor, ws, name)
    traced = editor.trace(person.photo, [person.face])
    edits = [traced.edit(target) for target in targets]
    return editor.result(person.photo, [person.face], edits, {})


def move_code(editor: Editor, ws: Tensor, strengths: Sequence[float], name: str) -> Result:
    """Show a code's face moved along the given direction by strengths."""
    ager = editor.given_ager()  # perhaps not of age
    person = person_of_code(editor, ws, name)
    edits = editor.move(person.photo, [person.face], ager, strengths)
    return editor.result(person.photo, [person.face], edits, {})
